"""`git hone learn promote`: what the gate let through, as a commit on a branch of its own, for a person to merge.

Talks to git and to a remote. The work tree, the index and the branch that is checked out are not touched; nothing is forced.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from git_hone.ci import gating, promotions
from git_hone.ci.learning.jobs import Told
from git_hone.hooks import git
from git_hone.hooks.notes_refs import IDENTITY
from git_hone.hooks.place import Place
from git_hone.hooks.sync import NETWORK
from git_hone.learner import ledger
from git_hone.learner.errors import DataError, GitError, HoneError, UsageError
from git_hone.learner.gating import evaluation, report

BRANCH: Final = "hone/promote-"


class Refused(HoneError):
    """The gate did not let anything through."""

    exit_code = 1


def promote(place: Place, remote: str | None = "origin") -> Told:
    """Commit the ledger and the two evaluations on `hone/promote-TIME`, from HEAD, and push that branch; the time is that of the gate's line,
    so that calling it again makes the same commit. remote: None to push nothing. Outputs: branch, commit; none where the line is in HEAD already.

    Raises Refused unless the newest line of the gate says promote, UsageError without a commit to start from, GitError when the remote does
    not take the branch.
    """
    line = _let_through(place.agent)
    head = git.line(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], place.cwd)
    if head is None:
        raise UsageError(f"{place.cwd}: no commit yet", tip="commit something first")
    if line in _committed(place, head):
        return Told({}, f"# Promote: {report.cell(str(line['to']))}\n\nIts line is committed already; there is nothing to do.\n")
    at = datetime.fromisoformat(line["at"]).astimezone(timezone.utc)
    branch = f"{BRANCH}{at:%Y%m%dT%H%M%SZ}"
    files = [place.agent / ledger.FILE, *_evaluations(place.agent, line)]
    commit = _commit(place, head, files, _message(line), at)
    ref = f"refs/heads/{branch}"
    if git.line(["rev-parse", "--verify", "--quiet", ref], place.cwd) not in (None, commit):
        raise UsageError(f"{branch}: is there, and is something else", tip=f"git branch -D {branch} if nobody needs it")
    git.run(["update-ref", ref, commit], place.cwd)
    promotions.note(place.agent, line)  # the gate may have looked in another clone, whose notes were not pushed
    if remote is not None:
        env = {key: value for key, value in os.environ.items() if key.startswith(NETWORK)}
        try:
            git.run(["push", "--quiet", "--no-verify", remote, f"{commit}:{ref}"], place.cwd, env=env)
        except GitError as error:
            raise GitError(f"{remote} did not take {branch}: {error.message}", tip=f"git push {remote} {branch}") from None
    to, reason = (report.cell(str(line[name])) for name in ("to", "reason"))
    where = f"pushed to {remote}" if remote else "not pushed"
    text = f"# Promote: {to}\n\nBranch `{branch}`, {where}: merge it to keep the ledger. {reason}\n"
    return Told({"branch": branch, "commit": commit}, text)


def _let_through(agent: Path) -> dict[str, Any]:
    lines = [line for line in ledger.read(agent) if line.get("what") == gating.WHAT]
    if not lines:
        raise Refused("no gate was asked", tip="git hone gate --candidate MODEL --incumbent MODEL")
    if lines[-1].get("verdict") != "promote":
        raise Refused(f"the gate refused {lines[-1].get('to')}: {lines[-1].get('reason')}", tip="nothing was written")
    return lines[-1]


def _committed(place: Place, head: str) -> list[Any]:
    """The lines of the ledger in HEAD, those that can be read."""
    name = (place.agent / ledger.FILE).relative_to(place.agent.parent).as_posix()
    raw = git.attempt(["cat-file", "blob", f"{head}:{name}"], place.cwd)
    found = []
    for row in git.text(raw or b"").splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(row))
    return found


def _evaluations(agent: Path, line: dict[str, Any]) -> list[Path]:
    """The files that the gate compared: `git hone deploy` looks for the file that is served in them."""
    found = []
    for file in sorted((agent / gating.FOLDER).glob("*/*.json")):
        try:
            if evaluation.load(file).hash in (line.get("candidate_hash"), line.get("incumbent_hash")):
                found.append(file)
        except DataError:
            continue  # of no evaluation that was compared
    return found


def _commit(place: Place, head: str, files: list[Path], message: str, at: datetime) -> str:
    name, _, mail = IDENTITY.partition(" <")
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
           for key, value in (("NAME", name), ("EMAIL", mail.rstrip(">")), ("DATE", f"{int(at.timestamp())} +0000"))}  # fmt: skip
    root = place.agent.parent
    with tempfile.TemporaryDirectory(prefix="git-hone-") as folder:
        env = who | {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git.run(["read-tree", head], place.cwd, env=env)
        for file in files:
            blob = git.text(git.run(["hash-object", "-w", "--stdin"], place.cwd, stdin=file.read_bytes())).strip()
            path = file.relative_to(root).as_posix()
            git.run(["update-index", "--add", "--cacheinfo", f"100644,{blob},{path}"], place.cwd, env=env)
        tree = git.text(git.run(["write-tree"], place.cwd, env=env)).strip()
        made = git.run(["commit-tree", "--no-gpg-sign", "-p", head, tree], place.cwd, stdin=message.encode(), env=env)
    return git.text(made).strip()


def _message(line: dict[str, Any]) -> str:
    to, before, reason = (" ".join(str(line.get(name)).split()) for name in ("to", "from", "reason"))
    where = f"Suite {line.get('suite')}, {str(line.get('suite_hash'))[:12]}, look {line.get('look')}."
    return f"Promote {to}\n\nIn place of {before}: {reason}.\n{where}\n"
