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
import hashlib
import json
import random
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from git_hone.hooks import git
from git_hone.learner.errors import GitError

REF: Final = "refs/notes/hone"
OURS: Final = re.compile(r"refs/notes/(hone(?:-[0-9a-f]{1,2})?)")
WRITTEN: Final = "refs/hone/written/"
ATTEMPTS: Final = "refs/hone/attempts/"
"""Work of agents that `git hone run` undid: files of the user's own, never deleted with the notes."""
IDENTITY: Final = "git-hone <git-hone@localhost>"
TRIES: Final = 60
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


@dataclass
class Tree:
    """A notes tree of any layout. notes: commit -> blobs, one unless the note stands at two depths. other: path -> (mode,
    object) of what is no note. odd: paths of notes that do not stand at `aa/bbbb...`, paths: of those that do."""

    notes: dict[str, list[str]] = field(default_factory=dict)
    other: dict[str, tuple[str, str]] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, objects: git.CatFile, tip: str, wanted: set[str] | None = None) -> Tree:
        """The tree of `tip`, or only the notes of `wanted`."""
        return cls._of(objects, _rows(objects, f"{tip}^{{tree}}", len(tip)), wanted)

    @classmethod
    def read_all(cls, objects: git.CatFile, tips: Sequence[str], wanted: Iterable[str] = ()) -> list[Tree]:
        """The trees of several tips without the folders in which all of them agree and no note of `wanted` stands; nothing is
        left out unless each keeps its notes in folders."""
        roots = [_rows(objects, f"{tip}^{{tree}}", len(tip)) for tip in tips]
        if len(roots) > 1 and not any(_is_note(name) for rows in roots for _, name, _ in rows):
            same = set(roots[0]).intersection(*roots[1:])
            kept = {name[:2] for name in wanted}
            agreed = {row for row in same if row[0] == "40000" and row[1] not in kept}
            roots = [[row for row in rows if row not in agreed] for rows in roots]
        return [cls._of(objects, rows, None) for rows in roots]

    @classmethod
    def _of(cls, objects: git.CatFile, rows: list[tuple[str, str, str]], wanted: set[str] | None) -> Tree:
        tree = cls()
        starts: dict[int, set[str]] = {}
        waiting = [(mode, name, found) for mode, name, found in rows]
        while waiting:
            mode, path, found = waiting.pop()
            joined = path.replace("/", "")
            if mode == "40000":
                if wanted is not None:
                    if len(joined) not in starts:
                        starts[len(joined)] = {name[: len(joined)] for name in wanted}
                    if joined not in starts[len(joined)]:
                        continue
                waiting += [(m, f"{path}/{name}", o) for m, name, o in _rows(objects, found, len(found))]
            elif not _is_note(joined) or len(joined) != len(found) or mode == "160000":
                tree.other[path] = (mode, found)
            elif wanted is None or joined in wanted:
                blobs = tree.notes.setdefault(joined, [])
                blobs += [found] if found not in blobs else []
                if path == _place(joined) and mode == "100644":
                    tree.paths.add(path)
                else:
                    tree.odd.append(path)
        return tree


def _place(commit: str) -> str:
    return f"{commit[:2]}/{commit[2:]}"


def _is_note(name: str) -> bool:
    return len(name) in (40, 64) and re.fullmatch("[0-9a-f]+", name) is not None


def _rows(objects: git.CatFile, name: str, digits: int) -> list[tuple[str, str, str]]:
    """(mode, name, object) of a tree's rows; names of objects have that many digits. Raises GitError when it cannot be read."""
    found = objects.typed(name)
    if found is None or found[0] != "tree":
        raise GitError(f"{name.removesuffix('^{tree}')}: not a tree of notes, or an object is missing", tip="git fsck tells more")
    body, at, rows, size = found[1], 0, [], digits // 2
    while at < len(body):
        space, end = body.index(b" ", at), body.index(b"\0", at)
        rows.append((body[at:space].decode(), git.text(body[space + 1 : end]), body[end + 1 : end + 1 + size].hex()))
        at = end + 1 + size
    return rows


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
        tip, mark = _tips(cwd, ref, mark_of(ref))
        try:
            plan = _plan(cwd, tip, mark, added, list(dict.fromkeys(others)))
            if plan is None or _publish(cwd, ref, tip, mark, plan, at):
                return plan.n_changed if plan else 0
        except GitError:  # damage, or a lock or an object that another writer or a collection holds
            failures += 1
            if failures == PATIENCE:
                raise
        time.sleep(pause)
    raise GitError(f"{ref}: other writers kept it busy", tip="run it again")


def pauses(tries: int, first_s: float = 0.005, longest_s: float = 0.25) -> Iterator[float]:
    """How long to wait after each of `tries` failures, in seconds: longer and longer, never the same for two processes."""
    for k in range(tries):
        yield random.uniform(0.2, 1.0) * min(longest_s, first_s * 2**k)  # noqa: S311 - to keep writers apart


def mark_of(ref: str) -> str:
    """The ref that says what we wrote last to a notes ref."""
    return WRITTEN + ref.removeprefix("refs/notes/")


def marked(mark: str) -> str:
    """The notes ref that a ref of `mark_of` is about."""
    return "refs/notes/" + mark.removeprefix(WRITTEN)


@dataclass
class _Plan:
    """What a ref has to become: the tip `whole` as it is, or a commit on `parents` that changes the first one's tree as
    `stream` says. n_changed: how many notes are other ones than at the ref's tip."""

    n_changed: int
    whole: str | None = None
    parents: list[str] = field(default_factory=list)
    stream: bytes = b""


def _plan(cwd: Path, tip: str | None, mark: str | None, added: Mapping[str, str], others: list[str]) -> _Plan | None:
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


def _added(cwd: Path, tip: str | None, added: Mapping[str, str]) -> _Plan | None:
    """Lines for a ref that is as we left it: only their own notes are looked at."""
    before: dict[str, str] = {}
    if tip:
        with git.cat_file(cwd) as objects:
            found = Tree.read(objects, tip, set(added)).notes
            raw = objects.blobs(blob for blobs in found.values() for blob in blobs)
            before = {name: _text(raw, blobs) for name, blobs in found.items()}
    texts = {name: union(before.get(name, ""), text) for name, text in added.items()}
    texts = {name: text for name, text in texts.items() if text != before.get(name)}
    stream = b"".join(_put(_place(name), text) for name, text in sorted(texts.items()))
    return _Plan(len(texts), None, [tip] if tip else [], stream) if texts else None


def _joined(
    cwd: Path,
    objects: git.CatFile,
    tip: str | None,
    tips: list[str],
    added: Mapping[str, str],
    partly: str | None,
    others: list[str],
) -> _Plan | None:
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
            if base.notes.get(note) != [blob] or _place(note) not in base.paths:
                stream.append(b"M 100644 %s %s\n" % (blob.encode(), _place(note).encode()))
            continue
        read = {name: _text(raw, blobs) for name, blobs in found.items()}
        sides = (_events_only(text) if name == partly else text for name, text in read.items())
        text = union(added.get(note, ""), *sides)
        whole -= {name for name in order if read.get(name) != text or len(found[name]) != 1}
        n_changed += tip is None or read.get(tip) != text
        if text:
            stream.append(_put(_place(note), text))
    other = _other([tree.other for tree in trees.values()])
    whole &= {name for name in order if trees[name].other == other}
    if (parents == [tip] and tip in whole) or not (order or stream):
        return None
    if others and others[0] in whole and others[0] in parents:
        return _Plan(n_changed, others[0])
    drops = [*base.odd, *(path for path in base.other if path not in other)]
    puts = ((path, what) for path, what in other.items() if base.other.get(path) != what)
    stream[:0] = [b"D %s\n" % _quoted(path) for path in drops]
    stream += [b"M %s %s %s\n" % (mode.encode(), blob.encode(), _quoted(path)) for path, (mode, blob) in puts]
    return _Plan(n_changed, None, parents, b"".join(stream))


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


def _publish(cwd: Path, ref: str, tip: str | None, mark: str | None, plan: _Plan, at: float | None) -> bool:
    """Move `ref` and its mark; False when another writer moved it first.

    `git gc --prune=now` deletes loose objects that no ref led to when it looked, and the packs that it found, but no younger
    ones and none with a `.keep`. So while `gc.pid` stands, what is new goes into such a pack before the refs move. (Not always,
    as fifty packs make git collect.) What a collection that began since then took is written again."""
    gc, form = _surroundings(cwd, plan.whole or next(iter(plan.parents), None))
    new, stream, kept = plan.whole or "", b"", None
    try:
        if not plan.whole:
            stream = _stream(cwd, plan, at, 64 if form == "sha256" else 40)
            new = _import(cwd, stream)
            kept = _pin(cwd, new, plan, stream, form) if Path(gc).exists() else None
        null = "0" * len(new)
        moves = f"update {ref} {new} {tip or null}\nupdate {mark_of(ref)} {new} {mark or null}\n"
        git.run(["update-ref", "--stdin"], cwd, stdin=moves.encode())
        if stream and kept is None and (Path(gc).exists() or not _listed(cwd, new, plan)):
            kept = _pin(cwd, new, plan, stream, form)
    except GitError:
        if tip == _tips(cwd, ref)[0]:
            raise
        return False
    finally:
        if kept is not None:
            kept.unlink(missing_ok=True)
            _sweep(kept.parent)
    return True


def _surroundings(cwd: Path, known: str | None) -> tuple[str, str]:
    """The file that stands while git collects garbage, and the kind of hash. `known`: an object's id, where there is one: in a plain
    repository that says it all."""
    own = cwd / ".git"
    if known and own.is_dir() and not (own / "commondir").exists():
        return str(own / "gc.pid"), "sha256" if len(known) == 64 else "sha1"
    gc, form = git.text(
        git.run(["rev-parse", "--path-format=absolute", "--git-path", "gc.pid", "--show-object-format"], cwd)
    ).splitlines()
    return gc, form


def _sweep(folder: Path) -> None:
    """Take away `.keep` files of ours that stand alone: a collection took their pack all the same."""
    for file in folder.glob("pack-*.keep"):
        with contextlib.suppress(OSError):
            if not file.with_suffix(".pack").exists() and file.read_bytes().startswith(b"git-hone "):
                file.unlink()


def _import(cwd: Path, stream: bytes) -> str:
    """Write the objects, and return the commit. No ref moves."""
    try:
        return git.text(git.run(["fast-import", "--quiet", "--date-format=raw"], cwd, stdin=stream)).strip()
    except GitError as error:
        for report in re.findall(r"dumping crash report to (.+)", error.message):
            (cwd / report).unlink(missing_ok=True)
        raise


def _listed(cwd: Path, new: str, plan: _Plan) -> bytes | None:
    """What the commit brings: the objects' ids, a line each; None when one is missing."""
    return git.attempt(["rev-list", "--objects", "--no-object-names", new, "--not", *plan.parents], cwd)


def _pin(cwd: Path, new: str, plan: _Plan, stream: bytes, form: str) -> Path:
    """Put what the commit brings into a pack that no collection takes; returns its `.keep`, to be deleted when a ref leads to it.
    A random blob gives the pack its own name: one that was there before could be one that is about to be deleted."""
    folder = Path(git.text(git.run(["rev-parse", "--path-format=absolute", "--git-path", "objects/pack"], cwd)).rstrip("\n"))
    for pause in pauses(TRIES):
        token = secrets.token_hex(16)
        blob = hashlib.new(form, f"blob 32\0{token}".encode()).hexdigest()
        try:
            _import(cwd, f"blob\ndata 32\n{token}\n".encode() + stream)
            listed = _listed(cwd, new, plan)
            if listed:
                pack = git.run(["pack-objects", "--quiet", "--stdout"], cwd, stdin=listed + f"{blob}\n".encode())
                told = git.text(git.run(["index-pack", "--stdin", f"--keep=git-hone {token}"], cwd, stdin=pack))
                return folder / f"pack-{told.split()[1]}.keep"
        except GitError:  # it took the pack while that had its first name: then the `.keep` stands alone
            for file in folder.glob("pack-*.keep"):
                with contextlib.suppress(OSError):
                    if token in file.read_text("utf-8", "replace"):
                        file.unlink()
        time.sleep(pause)
    raise GitError(
        "the objects of notes vanish as they are written", tip="wait for git gc or git prune to end, then run it again"
    )


def _tips(cwd: Path, *names: str) -> list[str | None]:
    """What these refs, by their full names, point to."""
    out = git.run(["for-each-ref", "--format=%(objectname) %(refname)", *names], cwd)
    rows = (row.partition(" ") for row in git.text(out).splitlines())
    found = {name: tip for tip, _, name in rows}
    return [found.get(name) for name in names]


def _stream(cwd: Path, plan: _Plan, at: float | None, digits: int) -> bytes:
    """What fast-import is told: it prints the commit's id, and moves no ref (the one that it needs is gone at the end)."""
    if at is None:
        at = max(int(git.line(["log", "-1", "--format=%ct", parent], cwd) or 0) for parent in plan.parents)
    head = f"commit {WRITTEN}now\nmark :1\ncommitter {IDENTITY} {int(at)} +0000\ndata 10\nhone notes\n"
    links = zip(["from", *["merge"] * len(plan.parents)], plan.parents, strict=False)
    head += "".join(f"{word} {parent}\n" for word, parent in links)
    tail = f"\nget-mark :1\nreset {WRITTEN}now\nfrom {'0' * digits}\n\ndone\n"
    return head.encode() + plan.stream + tail.encode()
