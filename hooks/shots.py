"""The changes that may be shown to a model as examples, with their text, in `state.db`: asking reads no record and starts no git.

Whatever proved itself is found in the record once the lines have been looked at (`aging`, at most once a day); a change that is reverted,
rejected, dropped or seen to tamper in between goes at once, with the reward that it loses (`recall.remember`). Touches git and the record.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from git_hone.hooks import git
from git_hone.hooks.consent import excluded
from git_hone.hooks.paths import unquote
from git_hone.hooks.recall import MOST_WORDS, loudest
from git_hone.learner import examples
from git_hone.learner.router.features import words
from git_hone.learner.store import Store

if TYPE_CHECKING:
    from git_hone.hooks.batch import Batch

MOST: Final = 300
"""The newest that are kept."""
LARGEST: Final = 8000
"""Characters of a change's text; a larger one makes no example."""


def refresh(batch: Batch) -> None:
    """Bring the table to what the record says. To be called when the record is written; the caller commits."""
    store, db = Store(batch.place.data), batch.state.db
    improved = examples.improved(store)
    known = dict(db.execute("select change, body from examples").fetchall())
    rows = []
    for one in examples.sources(store)[-MOST:]:
        text = improved.get(one.change_id) or known.get(one.change_id) or _diff(batch, one.change_id)
        if text and len(text) <= LARGEST:
            bag = json.dumps({bucket: round(weight, 3) for bucket, weight in loudest(words(one.prompt), MOST_WORDS)})
            rows.append((one.change_id, one.at, one.reward, one.prompt, text, bag))
    db.execute("delete from examples")
    db.executemany("insert into examples values (?, ?, ?, ?, ?, ?)", rows)


def _diff(batch: Batch, change: str) -> str | None:
    """What the change did to the files that hold its agent's lines, redacted; None where that is gone, or nothing that may be shown."""
    row = batch.state.get("changes", change)
    if row is None:
        return None
    paths = [file["path"] for file in row["files"] if file["ai"] and not excluded(file["path"], batch.config.exclude_patterns)]
    said = []
    for path in paths:
        asked = ["--literal-pathspecs", "diff-tree", "-p", "-M", "--no-commit-id", "--no-ext-diff", "--no-textconv", "--root", row["commit"], "--",
                 git.text(unquote(path))]  # fmt: skip
        out = git.attempt(asked, batch.place.cwd)
        patch = git.text(out or b"")
        start = patch.find("--- ")
        if start >= 0:
            said.append(batch.redactor.code(patch[start:], path))
        if sum(map(len, said)) > LARGEST:
            return None
    return "".join(said).strip("\n") or None
