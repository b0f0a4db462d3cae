"""Settings of git that change what its commands say, or that run programs: the answer to "whose lines?" stays the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import notes
from git_hone.hooks.redaction import gazetteer
from git_hone.learner.store import Store

Play = Any
Settings = dict[str, dict[str, str]]
NEVER = "touch {here}/.git/ran; exit 1"
ODD = "{here}/.git/odd-attributes"

DIFF: Settings = {
    "a program for diffs": {"diff.external": NEVER},
    "a conversion to text": {"diff.odd.textconv": NEVER, "core.attributesFile": ODD},
    "a driver's command": {"diff.odd.command": NEVER, "core.attributesFile": ODD},
    "a driver that says binary": {"diff.odd.binary": "true", "core.attributesFile": ODD},
    "a driver's words": {"diff.odd.xfuncname": "^([a-z]*)", "diff.odd.wordRegex": ".", "core.attributesFile": ODD},
    "no prefix": {"diff.noprefix": "true"},
    "mnemonic prefix": {"diff.mnemonicPrefix": "true"},
    "prefixes of one's own": {"diff.srcPrefix": "x/", "diff.dstPrefix": "y/"},
    "patience": {"diff.algorithm": "patience", "diff.indentHeuristic": "false"},
    "minimal": {"diff.algorithm": "minimal", "diff.statGraphWidth": "1"},
    "copies": {"diff.renames": "copies", "diff.renameLimit": "1"},
    "no renames": {"diff.renames": "false"},
    "an order of files": {"diff.orderFile": "{here}/.git/order"},
    "no context": {"diff.context": "0", "diff.interHunkContext": "9", "diff.suppressBlankEmpty": "true", "diff.relative": "true"},
    "submodules as logs": {"diff.submodule": "log", "diff.ignoreSubmodules": "all"},
    "colour": {"color.ui": "always", "color.diff": "always", "color.branch": "always", "color.status": "always"},
    "moved lines in colour": {"color.ui": "always", "diff.colorMoved": "zebra", "diff.wsErrorHighlight": "all"},
}
LOG: Settings = {
    "signatures": {"log.showSignature": "true", "gpg.program": NEVER, "log.showRoot": "false"},
    "dates and follow": {"log.date": "relative", "log.follow": "true", "log.diffMerges": "first-parent"},
    "a format": {"format.pretty": "oneline", "log.abbrevCommit": "true", "log.decorate": "full", "log.mailmap": "false"},
    "a format of one's own": {"format.pretty": "format:%n%H%n", "format.notes": "true"},
    "encodings": {"i18n.commitEncoding": "latin-1", "i18n.logOutputEncoding": "utf-16"},
    "a pager": {"core.pager": NEVER, "pager.log": "true", "pager.diff": "true", "pager.config": NEVER, "pager.rev-list": NEVER},
    "blame": {"blame.ignoreRevsFile": "{here}/.git/nowhere", "blame.date": "relative", "blame.blankBoundary": "true"},
    "short names": {"core.abbrev": "4", "core.warnAmbiguousRefs": "false"},
    "long names": {"core.abbrev": "40"},
    "notes elsewhere": {"core.notesRef": "refs/notes/other", "notes.displayRef": "*"},
    "notes carried along": {"notes.rewriteRef": "refs/notes/*", "notes.rewriteMode": "concatenate"},
    "aliases": {"alias.commit": "!" + NEVER, "alias.cat-file": "!" + NEVER, "alias.diff-tree": "!" + NEVER},
    "traces": {"trace2.normalTarget": "1", "trace2.perfTarget": "1", "core.logAllRefUpdates": "always"},
}
FILES: Settings = {
    "line endings of Windows": {"core.autocrlf": "true", "core.safecrlf": "false"},
    "line endings on the way in": {"core.autocrlf": "input", "core.safecrlf": "warn"},
    "line endings by attribute": {"core.eol": "crlf", "core.attributesFile": "{here}/.git/text-attributes"},
    "quoted paths": {"core.quotePath": "true"},
    "plain paths": {"core.quotePath": "false", "core.precomposeUnicode": "true"},
    "careless files": {
        "core.fileMode": "false",
        "core.symlinks": "false",
        "core.trustctime": "false",
        "core.checkStat": "minimal",
    },
    "case does not matter": {"core.ignoreCase": "true"},
    "a watcher of files": {"core.fsmonitor": "{here}/.git/watcher", "core.untrackedCache": "true"},
    "a watcher of git's own": {"core.fsmonitor": "true", "core.untrackedCache": "keep"},
    "indexes": {"core.splitIndex": "true", "index.version": "4", "feature.manyFiles": "true", "index.threads": "1"},
    "big files": {"core.bigFileThreshold": "1"},
    "no compression": {"core.compression": "0", "core.looseCompression": "0"},
    "strict": {"transfer.fsckObjects": "true", "core.fsync": "none"},
    "a filter": {"filter.odd.clean": "sed s/secret/public/", "filter.odd.smudge": "cat", "core.attributesFile": ODD},
    "bare repositories by name only": {"--global safe.bareRepository": "explicit"},
}
COMMIT: Settings = {
    "status": {"status.relativePaths": "false", "status.showUntrackedFiles": "no", "status.short": "true", "status.branch": "true"},
    "status of renames": {"status.renames": "copies", "status.showStash": "true", "status.submoduleSummary": "true"},
    "verbose": {"commit.verbose": "true", "commit.cleanup": "scissors", "commit.status": "false", "core.commentChar": ";"},
    "programs": {"core.sshCommand": NEVER, "credential.helper": "!" + NEVER, "core.askPass": NEVER, "core.alternateRefsCommand": NEVER},
    "who": {"user.useConfigOnly": "true", "author.name": "A B", "committer.email": "else@example.com"},
    "rewriting": {"rebase.updateRefs": "true", "rebase.autoStash": "true", "rebase.autoSquash": "true", "merge.ff": "false"},
    "pulling": {"pull.rebase": "merges", "branch.autoSetupRebase": "always", "fetch.prune": "true", "push.default": "nothing"},
    "conflicts": {"merge.conflictStyle": "zdiff3", "rerere.enabled": "true", "rerere.autoUpdate": "true", "merge.renames": "false"},
    "collecting at once": {"gc.auto": "1", "gc.autoDetach": "false", "gc.pruneExpire": "2.weeks.ago", "maintenance.auto": "true"},
    "locks and logs of names": {"core.logAllRefUpdates": "false", "core.packedRefsTimeout": "0", "core.filesRefLockTimeout": "0"},
}  # fmt: skip
COLLECTED = "collecting at once"
GROUPS = {"diff": DIFF, "log": LOG, "files": FILES, "commit": COMMIT}
EACH = 5
"""One setting in so many is tried each time, the others by `nox -s exhaustive`."""
PARTS = {f"{name}-{k}": [*group.items()][k::EACH] for name, group in GROUPS.items() for k in range(EACH)}


def block(tag: str, lines: int = 10) -> str:
    return "".join(f"def {tag}_{k}(x): return x + {k}\n" for k in range(lines))


def prepare(p: Play) -> None:
    """Files that settings name."""
    git = p.repo / ".git"
    (git / "odd-attributes").write_text("*.py diff=odd\n/src/*.txt filter=odd\n")
    (git / "text-attributes").write_text("* text=auto\n*.txt text eol=crlf\n")
    (git / "order").write_text("src/z*\nsrc/*.txt\n*\n")
    (git / "watcher").write_text('#!/bin/sh\nprintf "1\\0/\\0"\n')
    (git / "watcher").chmod(0o755)


def round_of(p: Play, k: int) -> str:
    """An agent and a person in one file and beside each other, an amend, a revert. What was wrong, in words."""
    base = p.read("src/base.py")
    p.prompt(f"round {k}")
    p.write("src/base.py", base + "".join(f"def agent_{k}_{n}(): pass\n" for n in range(3)))
    p.shell(f"printf 'shell {k} one\\nshell {k} secret\\n' > 'src/grün {k}.txt'")
    ran = p.repo / ".git/ran"
    said = ["a program was run for the agent's hooks"] if ran.exists() else []
    p.human("src/base.py", f"import person_{k}\n" + p.read("src/base.py"))
    p.human(f"src/zoë_{k}.py", f"person_{k} = 1\nperson_{k} += 2\n")
    sha = p.commit(f"both {k}")
    ran.unlink(missing_ok=True)
    seen = p.show(sha)
    if seen["lines"] != {"ai": 5, "human": 3, "unknown": 0, "written": 5}:
        said.append(f"lines {seen['lines']}")
    n_base = base.count("\n") + 1
    ranges = {f["path"]: f["ai_ranges"] for f in seen["files"] if f["ai_ranges"]}
    if ranges != {"src/base.py": [[n_base + 1, n_base + 3]], f"src/grün {k}.txt": [[1, 2]]}:
        said.append(f"ranges {ranges}")
    p.git("mv", f"src/grün {k}.txt", f"src/moved {k}.txt")
    p.human(f"src/zoë_{k}.py", f"person_{k} = 1\nperson_{k} += 3\nperson_{k} += 4\n")
    p.git("add", "-A")
    p.git("commit", "-q", "--amend", "--no-edit")
    ran.unlink(missing_ok=True)
    amended = p.git("rev-parse", "HEAD")
    moved = p.show(amended)
    if (moved["lines"], moved["change_id"]) != ({"ai": 5, "human": 4, "unknown": 0, "written": 5}, seen["change_id"]):
        said.append(f"amended {moved['lines']}")
    noted = [e["commit"] for e in notes.events(notes.read(p.repo, [amended])[amended]) if e["type"] == "change"]
    if noted.count(amended) != 1:  # git itself may have carried the old commit's note here, as the settings ask
        said.append(f"note of {noted}")
    p.git("revert", "--no-edit", "HEAD")
    if p.outcomes(amended) != ["committed", "reverted"] or p.show()["lines"]["ai"]:
        said.append(f"outcomes {p.outcomes(amended)}")
    if ran.exists():
        said.append("a program was run for us")
    if p.failed:
        said.append(str(p.failed))
    return "; ".join(said)


@pytest.mark.parametrize(
    "part", [name if name.endswith("-0") else pytest.param(name, marks=pytest.mark.exhaustive) for name in PARTS]
)
def test_the_answer_is_the_same_under_any(p: Play, part: str, record_property: Callable[[str, object], None]) -> None:
    """Each setting in turn, in one repository; no program that one of them names is run for us."""
    prepare(p)
    wrong: dict[str, str] = {}
    unknown: dict[str, str] = {}  # what git collects before it was read may be unknown, and is counted
    for k, (name, settings) in enumerate(PARTS[part]):
        for key, value in settings.items():
            p.git("config", *key.split(" "), value.format(here=p.repo))
        if said := round_of(p, k):
            (unknown if name == COLLECTED and "'unknown': 0" not in said else wrong)[name] = said
        for key in settings:
            subprocess.run(["git", "config", *key.split(" ")[:-1], "--unset-all", key.split(" ")[-1]], cwd=p.repo, check=True)
        p.git("reset", "-q", "--hard")
        (p.repo / ".git/ran").unlink(missing_ok=True)
    record_property("tried", len(PARTS[part]))
    record_property("wrong", len(wrong))
    record_property("unknown", len(unknown))
    assert wrong == {}


def test_the_worker_where_bare_repositories_must_be_named(p: Play) -> None:
    """`safe.bareRepository=explicit`: before git 2.44 that keeps everybody out of `.git`, where the worker is started."""
    p.git("config", "--global", "safe.bareRepository", "explicit")
    p.turn("src/new.py", "a")
    p.commit("c")
    words = [sys.executable, "-I", "-m", "git_hone.hooks.worker", str(p.place.hone)]
    assert subprocess.run(words, cwd=p.repo, check=False).returncode == 0
    assert not list(p.place.inbox.glob("*.ev"))
    assert [row["lines_ai"] for row in Store(p.place.data).rows("changes")] == [10]


def test_people_are_found_whatever_the_encoding_of_logs(p: Play) -> None:
    """What is read from logs of git's, for one the names that are to be kept out of records, is read as it was written."""
    p.git("commit", "-q", "--allow-empty", "-m", "x", "--author", "Zoë Grün <zoe@grün.example>")
    p.git("config", "i18n.logOutputEncoding", "utf-16")
    p.git("config", "i18n.commitEncoding", "latin-1")
    assert ("Zoë Grün", "zoe@grün.example") in gazetteer.authors(p.place, {"HEAD": p.git("rev-parse", "HEAD")})


def test_signed_commits(p: Play, home: Path) -> None:
    """Signed by ssh, with the check of signatures switched on for every log."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    key = home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, stdin=subprocess.DEVNULL)
    for name, value in (
        ("gpg.format", "ssh"),
        ("user.signingKey", str(key)),
        ("commit.gpgSign", "true"),
        ("log.showSignature", "true"),
    ):
        p.git("config", name, value)
    p.turn("src/new.py", "a")
    sha = p.commit("signed")
    assert "gpgsig" in p.git("cat-file", "commit", "HEAD")
    assert (p.ai(), p.show()["commit"]) == (10, sha)
    p.git("commit", "-q", "--amend", "--no-edit")
    p.git("revert", "--no-edit", "HEAD")
    assert (p.ai("HEAD~1"), p.ai()) == (10, 0)
    assert p.outcomes("HEAD~1") == ["committed", "reverted"]


def diverge(p: Play) -> None:
    """On `feat` the agent appends six lines, on `main` a person appends one at the same place."""
    p.git("checkout", "-qb", "feat")
    p.turn("src/base.py", "mine", 6)
    p.commit("ai")
    p.git("checkout", "-q", "main")
    p.human("src/base.py", p.read("src/base.py") + "other = 2\n")
    p.commit("conflicting")


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_a_conflict_in_any_style(p: Play, style: str) -> None:
    """The person keeps both sides, and types one line of her own."""
    p.git("config", "merge.conflictStyle", style)
    diverge(p)
    p.git("checkout", "-q", "feat")
    p.git("rebase", "main", check=False)
    assert ("|||||||" in p.read("src/base.py")) == (style != "merge")
    kept, old = [], False
    for line in p.read("src/base.py").splitlines(True):
        old = line.startswith("|||||||") or (old and not line.startswith("======="))
        if not old and not line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
            kept.append(line)
    p.human("src/base.py", "".join(kept) + "settled = 'by hand'\n")
    p.git("add", "-A")
    p.git("rebase", "--continue")
    assert p.show()["lines"] == {"ai": 6, "human": 1, "unknown": 0, "written": 6}
    assert [row["state"] for row in Store(p.place.data).rows("changes")] == ["live"]


def test_a_conflict_that_git_settles_as_it_was_settled_before(p: Play) -> None:
    """rerere brings the person's lines back without a hand: they are not the agent's, and the agent's stay the agent's."""
    p.git("config", "rerere.enabled", "true")
    p.git("config", "rerere.autoUpdate", "true")
    diverge(p)
    p.git("checkout", "-q", "feat")
    settled = p.git("show", "main:src/base.py") + "\n" + block("mine", 6) + "settled = 'by hand'\n"
    for _ in range(2):
        p.git("rebase", "main", check=False)
        if p.read("src/base.py") != settled:
            p.human("src/base.py", settled)
            p.git("add", "-A")
            p.git("rebase", "--continue")
            p.show()
            p.git("reset", "-q", "--hard", "ORIG_HEAD")
    p.git("rebase", "--continue")
    seen = p.show()["lines"]
    assert (seen["ai"], seen["human"] + seen["unknown"]) == (6, 1)


@pytest.mark.parametrize("driver", ["union", "odd"])
def test_a_merge_driver_of_ones_own(p: Play, driver: str) -> None:
    p.git("config", "merge.odd.driver", "cat %B >> %A")
    (p.repo / ".git/info").mkdir(exist_ok=True)
    (p.repo / ".git/info/attributes").write_text(f"*.py merge={driver}\n")
    diverge(p)
    p.git("checkout", "-q", "feat")
    p.git("rebase", "-q", "main")
    seen = p.show()["lines"]
    assert (seen["ai"], seen["human"]) == (6, 0)
    p.git("checkout", "-q", "main")
    p.human("src/base.py", p.read("src/base.py") + "third = 3\n")
    p.commit("third")
    p.git("merge", "-q", "-m", "merged", "feat")
    assert p.ai() == 0
    assert sum(row["lines_ai"] for row in Store(p.place.data).rows("changes") if row["state"] == "live") == 6


@pytest.mark.parametrize("rule", ["* -diff", "* binary", "*.py -text -diff", "* diff=odd"])
def test_attributes_that_say_there_are_no_lines(p: Play, rule: str) -> None:
    """Of the checkout, then of the repository alone: what is text has lines all the same, and what is not has none."""
    p.git("config", "diff.odd.binary", "true")
    p.human(".gitattributes", rule + "\n")
    p.commit("attributes")
    (p.repo / ".git/info").mkdir(exist_ok=True)
    for tag in ("checkout", "repository"):
        p.prompt("more")
        p.write("src/base.py", p.read("src/base.py") + block(tag, 3))
        p.shell("printf 'a\\0b\\n' >> bin.dat")
        p.human("src/base.py", f"import {tag}\n" + p.read("src/base.py"))
        p.commit("both")
        assert p.show()["lines"] == {"ai": 3, "human": 1, "unknown": 0, "written": 3}
        p.human(".git/info/attributes", rule + "\n")
