"""`refs/notes/hone`: the record of a change on its commit, as text that merges.

A note is a set of lines, sorted; each is one compact JSON object, keys sorted: an event with an id. A merge is the union of
the lines, so it gives the same bytes in any order (git's own `cat_sort_uniq` does the same). A line holds no prompt, no
code, no e-mail and no session address: what was measured, and the names of files that the commit shows anyway.

One ref by default; `notes.shards` 16 or 256 spreads what is written over `refs/notes/hone-0` ... or `refs/notes/hone-00` ...,
by the first digits of the commit. Reading always reads all of them. The tree has one layout, `aa/bbbb...`, so the same
lines are the same tree; git's own layouts, of any depth and mixed, are read as well, and lines that are none of ours are
kept byte for byte.

`git notes` writes the tree that it read, however long its editor was open, so it can undo what was written meanwhile; a
forced refspec can replace the ref. So `refs/hone/written/...` remembers what we wrote last, and the next writing puts back
the events that are gone. What `git notes remove` and `prune` take out stays out.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import git
from git_hone.hooks.notes_refs import IDENTITY, TRIES, Plan, mark_of, pauses, publish, tips_of
from git_hone.hooks.notes_tree import Tree, place_of
from git_hone.learner.errors import GitError

REF: Final = "refs/notes/hone"
OURS: Final = re.compile(r"refs/notes/(hone(?:-[0-9a-f]{1,2})?)")
ATTEMPTS: Final = "refs/hone/attempts/"
"""Work of agents that `git hone run` undid: files of the user's own, never deleted with the notes."""
PATIENCE: Final = 6
"""So many times what git refuses may be a matter of the moment."""


def line(event: Mapping[str, Any]) -> str:
    """One event as a line."""
    return json.dumps(event, sort_keys=True, separators=(",", ":"))


def union(*notes: str) -> str:
    r"""The lines of all these notes, once each, sorted.

    >>> union("b\na\n", "c\na")
    'a\nb\nc\n'
    """
    lines = sorted({row for note in notes for row in note.split("\n") if row})
    return "".join(f"{row}\n" for row in lines)


def event_of(row: str) -> dict[str, Any] | None:
    """The event that a line is; None for one that is none of ours (foreign, damaged).

    >>> event_of('{"id":"x1"}'), event_of('reviewed by Ann')
    ({'id': 'x1'}, None)
    """
    if not row.startswith("{"):
        return None
    try:
        event = json.loads(row)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("id"), str) else None


def events(note: str) -> list[dict[str, Any]]:
    """The events of a note; a line that is none of ours (foreign, damaged) is passed over."""
    return [event for row in note.split("\n") if (event := event_of(row)) is not None]


def ref_of(commit: str, shards: int = 1) -> str:
    """The ref that the note of `commit` is written to; `shards` is 1, 16 or 256.

    >>> ref_of("3fa9"), ref_of("3fa9", 16), ref_of("3fa9", 256)
    ('refs/notes/hone', 'refs/notes/hone-3', 'refs/notes/hone-3f')
    """
    return REF if shards == 1 else f"{REF}-{commit[: 1 if shards == 16 else 2]}"


def existing(cwd: Path) -> dict[str, str]:
    """Our notes refs that stand here, shards included: name -> object."""
    out = git.attempt(["for-each-ref", "--format=%(objectname) %(refname)", "refs/notes"], cwd)
    rows = (row.partition(" ") for row in git.text(out or b"").splitlines())
    return {name: tip for tip, _, name in rows if OURS.fullmatch(name)}


def beside(cwd: Path) -> dict[str, str]:
    """The refs of ours that hold notes under other names: what we wrote last, and what remotes have. Name -> object."""
    where = [f"refs/hone/{name}" for name in ("written", "remotes", "inbox")]
    out = git.run(["for-each-ref", "--format=%(objectname) %(refname)", *where], cwd)
    return {name: tip for tip, _, name in (row.partition(" ") for row in git.text(out).splitlines())}


def delete(cwd: Path) -> None:
    """Delete our notes refs, and the refs of ours that would bring their lines back. Undone attempts (`ATTEMPTS`) stay."""
    names = [*existing(cwd), *beside(cwd)]
    git.run(["update-ref", "--stdin"], cwd, stdin="".join(f"delete {name}\n" for name in names).encode())


def read(cwd: Path, commits: Iterable[str]) -> dict[str, str]:
    """The notes on these commits, from all refs; a commit without one, or whose note is not here, is left out. Bytes that are
    not UTF-8 come as surrogates (`os.fsencode` gives them back)."""
    wanted = set(commits)
    tips = existing(cwd) if wanted else {}
    if not tips:
        return {}
    blobs: dict[str, list[str]] = {}
    with git.cat_file(cwd) as objects:
        for ref in sorted({ref_of(name, shards) for name in wanted for shards in (1, 16, 256)} & tips.keys()):
            with contextlib.suppress(GitError):  # no tree of notes: joining says so, reading has none
                for name, found in Tree.read(objects, tips[ref], wanted).notes.items():
                    blobs[name] = list(dict.fromkeys([*blobs.get(name, ()), *found]))
        raw = objects.blobs(blob for found in blobs.values() for blob in found)
    return {name: _text(raw, found) for name, found in blobs.items() if all(raw[blob] is not None for blob in found)}


def changed(cwd: Path, since: Mapping[str, str]) -> tuple[set[str], dict[str, str]]:
    """The commits whose notes changed in any ref since these tips (all, with none), and the tips now."""
    tips, found = existing(cwd), set[str]()
    with git.cat_file(cwd) as objects:
        for ref, tip in tips.items():
            if tip == since.get(ref):
                continue
            known = ref in since and objects.typed(since[ref]) is not None
            with contextlib.suppress(GitError):
                before, now = Tree.read_all(objects, [since[ref], tip]) if known else (Tree(), Tree.read(objects, tip))
                found |= {name for name, blobs in now.notes.items() if blobs != before.notes.get(name)}
    return found, tips


def _text(raw: Mapping[str, bytes | None], blobs: Sequence[str]) -> str:
    texts = []
    for blob in blobs:
        content = raw[blob]
        if content is None:
            raise GitError(f"{blob}: the contents of a note are missing", tip="`git fsck` tells more; nothing was changed")
        texts.append(git.text(content))
    return texts[0] if len(texts) == 1 else union(*texts)


def write(cwd: Path, added: Mapping[str, Iterable[Mapping[str, Any]]], at: float, shards: int = 1) -> int:
    """Join events to the notes of their commits, one commit for each notes ref; returns how many notes changed.

    `at` is the commits' date, in UTC seconds. Another writer in between makes it start again."""
    by_ref: dict[str, dict[str, str]] = {}
    for name, rows in added.items():
        by_ref.setdefault(ref_of(name, shards), {})[name] = union(*map(line, rows))
    return sum(join(cwd, ref, texts, at=at) for ref, texts in sorted(by_ref.items()))


def join(cwd: Path, ref: str, added: Mapping[str, str], others: Sequence[str] = (), at: float | None = None) -> int:
    """Make `ref` hold its own lines, those of the tips `others` and those of `added` (commit -> lines), in our layout; returns
    how many notes changed. It then descends from all of them, or is the first of `others`, if that held everything. Without
    `at`, the date is the latest of what was joined, so that two clones that join the same tips make the same commit.

    Raises GitError when a tip is no tree of notes, an object is missing, or others kept the ref busy."""
    failures = 0
    for pause in pauses(TRIES):
        tip, mark = tips_of(cwd, ref, mark_of(ref))
        try:
            plan = _plan(cwd, tip, mark, added, list(dict.fromkeys(others)))
            if plan is None or publish(cwd, ref, tip, mark, plan, at):
                return plan.n_changed if plan else 0
        except GitError:  # damage, or a lock or an object that another writer or a collection holds
            failures += 1
            if failures == PATIENCE:
                raise
        time.sleep(pause)
    raise GitError(f"{ref}: other writers kept it busy", tip="run it again")


def _plan(cwd: Path, tip: str | None, mark: str | None, added: Mapping[str, str], others: list[str]) -> Plan | None:
    """None when nothing has to be done."""
    lost = _lost(cwd, tip, mark)
    tips = list(dict.fromkeys([name for name in (tip, *others, mark if lost else None) if name]))
    if others or lost or tip != mark:
        with git.cat_file(cwd) as objects:
            return _joined(cwd, objects, tip, tips, added, mark if lost == "events" else None, others)
    return _added(cwd, tip, added)


def _lost(cwd: Path, tip: str | None, mark: str | None) -> str:
    """What of our last writing may be gone: "" nothing, "events" of ours, "all" when the ref was replaced."""
    if mark is None or mark == tip or git.attempt(["cat-file", "-e", mark], cwd) is None:
        return ""
    if tip is None or git.attempt(["merge-base", "--is-ancestor", mark, tip], cwd) is None:
        return "all"
    since = git.text(git.attempt(["log", "--format=%cn <%ce>%n%s", f"{mark}..{tip}"], cwd) or b"").splitlines()
    wrote = [subject for who, subject in zip(since[::2], since[1::2], strict=False) if who != IDENTITY]
    return "events" if any(not subject.startswith("Notes removed by") for subject in wrote) else ""


def _added(cwd: Path, tip: str | None, added: Mapping[str, str]) -> Plan | None:
    """Lines for a ref that is as we left it: only their own notes are looked at."""
    before: dict[str, str] = {}
    if tip:
        with git.cat_file(cwd) as objects:
            found = Tree.read(objects, tip, set(added)).notes
            raw = objects.blobs(blob for blobs in found.values() for blob in blobs)
            before = {name: _text(raw, blobs) for name, blobs in found.items()}
    texts = {name: union(before.get(name, ""), text) for name, text in added.items()}
    texts = {name: text for name, text in texts.items() if text != before.get(name)}
    stream = b"".join(_put(place_of(name), text) for name, text in sorted(texts.items()))
    return Plan(len(texts), None, [tip] if tip else [], stream) if texts else None


def _joined(
    cwd: Path,
    objects: git.CatFile,
    tip: str | None,
    tips: list[str],
    added: Mapping[str, str],
    partly: str | None,
    others: list[str],
) -> Plan | None:
    """The union of all these tips and of `added`; of the tip `partly` only the events."""
    parents = _independent(cwd, tips)
    order = [*parents, *(name for name in tips if name not in parents)]
    trees = dict(zip(order, Tree.read_all(objects, order, added), strict=True))
    base = trees[order[0]] if order else Tree()
    order_set = set(order)
    whole = {name for name in order if not trees[name].odd}
    n_changed = 0
    stream: list[bytes] = []
    has: dict[str, dict[str, list[str]]] = {note: {} for note in added}
    for name, tree in trees.items():
        for note, blobs in tree.notes.items():
            has.setdefault(note, {})[name] = blobs
    alike = {note for note, found in has.items() if _alike(found) and note not in added and set(found) != {partly}}
    raw = objects.blobs(blob for note in has.keys() - alike for blobs in has[note].values() for blob in blobs)
    for note, found in sorted(has.items()):
        if note in alike:  # the same wherever it stands: as it is
            blob = next(iter(found.values()))[0]
            whole -= order_set - found.keys()
            n_changed += tip not in found
            if base.notes.get(note) != [blob] or place_of(note) not in base.paths:
                stream.append(b"M 100644 %s %s\n" % (blob.encode(), place_of(note).encode()))
            continue
        read = {name: _text(raw, blobs) for name, blobs in found.items()}
        sides = (_events_only(text) if name == partly else text for name, text in read.items())
        text = union(added.get(note, ""), *sides)
        whole -= {name for name in order if read.get(name) != text or len(found[name]) != 1}
        n_changed += tip is None or read.get(tip) != text
        if text:
            stream.append(_put(place_of(note), text))
    other = _other([tree.other for tree in trees.values()])
    whole &= {name for name in order if trees[name].other == other}
    if (parents == [tip] and tip in whole) or not (order or stream):
        return None
    if others and others[0] in whole and others[0] in parents:
        return Plan(n_changed, others[0])
    drops = [*base.odd, *(path for path in base.other if path not in other)]
    puts = ((path, what) for path, what in other.items() if base.other.get(path) != what)
    stream[:0] = [b"D %s\n" % _quoted(path) for path in drops]
    stream += [b"M %s %s %s\n" % (mode.encode(), blob.encode(), _quoted(path)) for path, (mode, blob) in puts]
    return Plan(n_changed, None, parents, b"".join(stream))


def _alike(found: Mapping[str, list[str]]) -> bool:
    """Is it one and the same note wherever it stands?"""
    blobs = next(iter(found.values()), [])
    return len(blobs) == 1 and all(other == blobs for other in found.values())


def _events_only(note: str) -> str:
    return "".join(f"{row}\n" for row in note.split("\n") if event_of(row) is not None)


def _other(sides: Iterable[Mapping[str, tuple[str, str]]]) -> dict[str, tuple[str, str]]:
    """What stands in the trees and is no note, under its own path; where two trees differ, or one has a file where another
    has a folder, both are kept, the other one under a name with its object's id."""
    kept: dict[str, tuple[str, str]] = {}
    found = sorted({(path, *what) for side in sides for path, what in side.items()})
    folders = {path[:k] for path, _, _ in found for k in range(len(path)) if path[k] == "/"}
    for path, mode, blob in found:
        if kept.get(path) != (mode, blob):
            taken = path in kept or path in folders or re.fullmatch("[0-9a-f]{2}", path)
            kept[f"{path}.{blob[:10]}" if taken else path] = (mode, blob)
    return kept


def _independent(cwd: Path, tips: Sequence[str]) -> list[str]:
    """Those of the tips that no other one descends from, sorted."""
    if len(tips) < 2:
        return list(tips)
    return sorted(git.text(git.run(["merge-base", "--independent", *tips], cwd)).split())


def _put(path: str, text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    return b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(raw), raw)


def _quoted(path: str) -> bytes:
    raw = path.encode("utf-8", "surrogateescape")
    return b'"' + b"".join(b"\\%03o" % c if c < 32 or c in b'"\\' or c > 126 else bytes([c]) for c in raw) + b'"'
