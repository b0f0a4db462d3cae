"""Forgetting in git: the notes, the refs of ours beside them, and the undone attempts of agents.

An object is deleted only when nothing else in the repository leads to it any more: no branch, tag or foreign ref, no reflog, no
index, and no HEAD of any work tree. Where git cannot say so, nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from git_hone.hooks import git, notes, notes_refs
from git_hone.hooks.consent import Tombstones
from git_hone.hooks.lock import locked
from git_hone.hooks.notes_tree import Tree
from git_hone.hooks.place import Place
from git_hone.hooks.target import Report, Target, scrub_json

OTHERS = ("--exclude=refs/hone/*", "--exclude=refs/notes/hone*", "--all")
"""What `git rev-list` calls every ref, and every HEAD, that is not ours."""
PARTIAL = "--missing=allow-promisor"
"""In a partial clone, what was never fetched is no damage."""


def forget(place: Place, what: Target, report: Report) -> None:
    """Take it out of the notes and the undone attempts, and delete the objects that only these had."""
    attempts = {ref: tip for ref, tip in _attempts(place).items() if _mentions(place, ref, tip, what)}
    old = _note_objects(place) | _reached(place, [*attempts.values(), "--not", *OTHERS]).keys()
    _notes(place, what, report)
    git.run(["update-ref", "--stdin"], place.cwd, stdin="".join(f"delete {ref}\n" for ref in attempts).encode())
    report.removed["undone attempts"] += len(attempts)
    _discard(place, old, report)


def search(place: Place, what: Target, report: Report, look: Callable[[str, object, str], None]) -> None:
    """Read the notes, their histories and the undone attempts anew. look: takes the kind of place, the place, and its text."""
    for ref, tip in notes.existing(place.cwd).items():
        for commit, text in _texts(place, tip).items():
            look("notes", f"{ref}: the note of {commit}", text)
    with git.cat_file(place.cwd) as objects:
        for name in sorted(_note_objects(place)):
            blob = objects.blob(name)
            if blob is not None:
                look("objects of notes", f"object {name}", git.text(blob))
    for ref, tip in _attempts(place).items():
        report.looked_at["undone attempts"] += 1
        if _mentions(place, ref, tip, what):
            report.found.append(f"{ref}: an undone attempt")


def strip_notes(place: Place) -> int:
    """Take what was forgotten out again that another clone's notes brought back; returns how many notes changed."""
    tombs = Tombstones(place.hone)
    if not tombs.hashes:
        return 0
    report = Report()
    if _back(place, tombs):
        with locked(place.hone / "drain.lock", 30.0) as mine:
            if mine:
                _notes(place, _back(place, tombs), report)
    return report.removed["notes"]


def _back(place: Place, tombs: Tombstones) -> Target:
    """The forgotten changes and paths that the notes speak of."""
    texts: dict[str, list[str]] = {}
    for tip in notes.existing(place.cwd).values():
        for commit, text in _texts(place, tip).items():
            texts.setdefault(commit, []).append(text)
    gone = tombs.commits(place.cwd, texts)
    found = Target()
    for commit, parts in texts.items():
        for event in (event for text in parts for event in notes.events(text)):
            change = event.get("change_id")
            if isinstance(change, str) and (commit in gone or tombs.has("change", change)):
                found.changes.add(change)
            found.paths |= {path for path in _paths(event) if tombs.has("path", path)}
    return found


def _paths(event: dict[str, object]) -> set[str]:
    files = event.get("files")
    named = (
        files
        if isinstance(files, dict)
        else [f.get("path") for f in files if isinstance(f, dict)]
        if isinstance(files, list)
        else ()
    )
    return {path for path in named if isinstance(path, str)}


def _attempts(place: Place) -> dict[str, str]:
    """The refs that keep undone attempts: name -> commit."""
    out = git.run(["for-each-ref", "--format=%(objectname) %(refname)", notes.ATTEMPTS], place.cwd)
    return {name: tip for tip, _, name in (row.partition(" ") for row in git.text(out).splitlines())}


def _mentions(place: Place, ref: str, tip: str, what: Target) -> bool:
    """Whether an attempt was for a forgotten change, or something that it alone holds is forgotten or speaks of it."""
    if what.everything or ref.removeprefix(notes.ATTEMPTS).rpartition(".")[0] in what.decisions:
        return True
    own = _reached(place, [tip, "--not", *OTHERS])
    if set(own.values()) & what.paths:
        return True
    with git.cat_file(place.cwd) as objects:
        held = (objects.typed(name) for name in own)
        return any(what.within(git.text(one[1])) for one in held if one is not None and one[0] in ("commit", "blob"))


def _note_objects(place: Place) -> set[str]:
    """Every object of the notes refs, and of the refs of ours beside them, with their histories."""
    return _reached(place, {*notes.existing(place.cwd).values(), *notes.beside(place.cwd).values()}).keys() | set[str]()


def _reached(place: Place, revisions: Iterable[str]) -> dict[str, str]:
    """The objects that these words lead `git rev-list` to, with a path of each ("" when it has none); none without revisions."""
    words = list(revisions)
    if not words or words[0] == "--not":
        return {}
    out = git.attempt(["rev-list", "--objects", PARTIAL, *words], place.cwd)
    rows = (row.partition(" ") for row in git.text(out or b"").split("\n") if row)
    return {name: path for name, _, path in rows}


def _notes(place: Place, what: Target, report: Report) -> None:
    """Each notes ref anew, without the lines and without the history that holds them."""
    kept: dict[str, dict[str, str]] = {}
    wrote = {notes_refs.marked(mark): tip for mark, tip in notes.beside(place.cwd).items() if mark.startswith(notes_refs.WRITTEN)}
    for ref, tip in (wrote | notes.existing(place.cwd)).items():  # a ref that others deleted would come back from its mark
        texts = _texts(place, tip)
        kept[ref] = {} if what.everything else {name: text for name, old in texts.items() if (text := _note_without(old, what))}
        report.removed["notes"] += sum(kept[ref].get(name) != old for name, old in texts.items())
    for ref in kept:
        git.attempt(["reflog", "expire", "--expire=now", "--expire-unreachable=now", ref], place.cwd)
    notes.delete(place.cwd)
    for ref, texts in kept.items():
        if texts:
            notes.join(place.cwd, ref, texts, at=0.0)
        (place.common / "logs" / ref).unlink(missing_ok=True)


def _texts(place: Place, tip: str) -> dict[str, str]:
    with git.cat_file(place.cwd) as objects:
        tree = Tree.read(objects, tip)
        return {
            name: git.text(notes.union(*(git.text(objects.blob(blob) or b"") for blob in blobs)))
            for name, blobs in tree.notes.items()
        }


def _note_without(text: str, what: Target) -> str:
    rows = []
    for row in text.splitlines():
        event = notes.event_of(row)
        if event is None or event.get("change_id") not in what.changes:
            if event is not None and what.paths and isinstance(event.get("files"), (list, dict)):
                files = event["files"]
                keep = ({k: v for k, v in files.items() if k not in what.paths} if isinstance(files, dict)
                        else [f for f in files if not (isinstance(f, dict) and f.get("path") in what.paths)])  # fmt: skip
                row = notes.line(event | {"files": keep}) if keep != files else row
            rows.append(scrub_json(row, what))
    return "".join(f"{row}\n" for row in sorted(set(rows)))


def _discard(place: Place, names: set[str], report: Report) -> None:
    """Delete the loose objects among these that nothing leads to any more. What lies in a pack is left to git."""
    if not names:
        return
    all_ = ["--all", "--reflog", "--indexed-objects"]  # of every work tree
    out = git.attempt(["rev-list", "--objects", "--no-object-names", PARTIAL, *all_], place.cwd)
    if out is None:
        report.found.append(f"{len(names)} object(s) of old notes or attempts may be left: git cannot read all of the history; "
                            "next: git fsck, then git gc --prune=now")  # fmt: skip
        return
    names = names - set(git.text(out).split())
    for name in sorted(names):
        loose = place.common / "objects" / name[:2] / name[2:]
        if loose.is_file():
            loose.unlink()
            report.removed["objects"] += 1
    if names:
        rows = git.attempt(
            ["cat-file", "--batch-check"], place.cwd, stdin="".join(f"{name}\n" for name in sorted(names)).encode()
        )
        packed = sum(not row.endswith(" missing") for row in git.text(rows or b"").splitlines())
        if packed:
            report.found.append(
                f"{packed} object(s) of old notes are in packs; next: git gc --prune=now, then this command again"
            )
