"""The git hooks: one tiny sh stub an event, in front of nobody: a hook that stood there before runs first.

The stub forks nothing of its own. It runs `<event>.hone-saved` (the hook that stood there) with the same arguments and
the same standard input, then sources `<common>/hone/git-event.sh`, and exits with the saved hook's code whatever happens.

What the sourced body finds: `event` (its name), `hone` (`<common>/hone`), the hook's arguments in `$@`, for post-rewrite its
input in `hone_stdin`, and the working tree as current folder. The common git dir is read from `GIT_DIR`
and git's own files on every call: a path written at install time would point a copied repository at its original.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from git_hone.hooks import git
from git_hone.hooks.install.ledger import write_atomic
from git_hone.hooks.place import Place
from git_hone.learner import config
from git_hone.learner.errors import ConfigError

EVENTS: Final = ("post-commit", "post-rewrite", "post-merge", "post-applypatch")
PRE_PUSH: Final = "pre-push"
"""Installed only where `sync.prePush` is on. It leaves its standard input to the hook that stood there."""
MARK: Final = "# git-hone hook v1"
END: Final = "# end of git-hone hook v1"
SAVED: Final = ".hone-saved"
USERS: Final = ".hone-repositories"

_CHAIN = """\
if [ -x "$hone_saved" ]; then
    "$hone_saved" "$@" || hone_rc=$?
fi
"""
_CHAIN_STDIN = """\
hone_stdin= hone_more=
if [ -x "$hone_saved" ]; then  # both of us want the standard input, byte for byte
    hone_more=$(cat; echo .)
    hone_more=${hone_more%.}
    printf %s "$hone_more" 2>/dev/null | "$hone_saved" "$@" || hone_rc=$?
    hone_stdin=${hone_more%"
"}
elif IFS= read -r hone_stdin && IFS= read -r hone_more; then  # an amend has one line: no cat
    hone_stdin="$hone_stdin
$hone_more
$(cat)"
fi
"""
_STUB = """\
#!/bin/sh
@MARK@: tells git-hone of a @EVENT@; `git hone uninstall` removes it, GIT_HONE_OFF=1 skips it.
hone_rc=0
hone_saved=${0%/*}/@EVENT@@SAVED@
@CHAIN@[ -z "${GIT_HONE_OFF-}" ] || exit "$hone_rc"
trap 'exit "$hone_rc"' EXIT
event=@EVENT@
hone=${GIT_DIR:-.git}
if [ -f "$hone" ]; then  # a submodule's or linked worktree's .git file
    IFS= read -r hone <"$hone"
    hone=${hone#gitdir: }
fi
if [ -f "$hone/commondir" ]; then
    IFS= read -r hone_common <"$hone/commondir"
    case $hone_common in /*) hone=$hone_common ;; *) hone=$hone/$hone_common ;; esac
fi
hone=$hone/hone
if [ -f "$hone/@SCRIPT@" ]; then . "$hone/@SCRIPT@"; fi
exit "$hone_rc"
@END@
"""

State = Literal["ours", "chained", "under", "outdated", "missing", "taken-over", "not-executable", "line", "no-line", "config"]
FINE: Final[frozenset[State]] = frozenset({"ours", "chained", "under", "line", "config"})


@dataclass(frozen=True)
class Folder:
    """Where git looks for hooks. `kind`: "plain" we may chain there; "foreign" it belongs to `owner`, change nothing;
    "off" hooks are switched off. `scope` says where core.hooksPath was set, None when it was not. `shared`: other
    repositories of this person use the same folder."""

    path: Path
    kind: Literal["plain", "foreign", "off"]
    owner: str = ""
    scope: str | None = None
    shared: bool = False


@dataclass(frozen=True)
class Hook:
    """How one event stands: `path` is the file that git runs, `by` who else is involved."""

    event: str
    path: Path
    state: State
    by: str = ""


def stub(event: str) -> str:
    """The hook's text; the same whether or not a hook stood there before."""
    chain = _CHAIN_STDIN if event == "post-rewrite" else _CHAIN
    text = _STUB.replace("@CHAIN@", chain).replace("@EVENT@", event).replace("@SCRIPT@", script(event))
    return text.replace("@MARK@", MARK).replace("@END@", END).replace("@SAVED@", SAVED)


def script(event: str) -> str:
    """The file in our folder that holds what the hook does."""
    return "pre-push.sh" if event == PRE_PUSH else "git-event.sh"


def events(place: Place) -> tuple[str, ...]:
    """The hooks that this repository is to have, by its configuration."""
    try:
        wanted = bool(config.load(place.agent / "learning-config.json")["sync.prePush"])
    except ConfigError:
        wanted = False
    return (*EVENTS, PRE_PUSH) if wanted else EVENTS


def line(event: str) -> str:
    """One line of sh for another hook manager's file: works for people without git-hone, and fails for nobody."""
    find = f'h="$(git rev-parse --git-common-dir 2>/dev/null)/hone"; [ ! -f "$h/{script(event)}" ]'
    return f'{find} || {_call(event)} "$@" || :'


def _call(event: str) -> str:
    """sh that runs the body as a process of its own, with `$h` as our folder."""
    stdin = 'hone_stdin="$(cat)" ' if event == "post-rewrite" else ""
    return f'event={event} hone="$h" {stdin}sh "$h/{script(event)}"'


def folder(place: Place) -> Folder:
    """The folder that git takes hooks from here, and whose it is."""
    own = place.common / "hooks"
    value, scope = _hooks_path(place)
    if value is None:
        return Folder(own, "plain")
    path = Path(os.path.normpath(place.cwd / value))
    if not value or (path.exists() and not path.is_dir()):
        return Folder(path, "off", "core.hooksPath", scope)
    if _same(path, own) or _inside(path, place.common):
        return Folder(path, "plain", scope=scope)
    owner = _manager(path)
    if owner is None and _tracked(path):
        owner = "this repository"
    if owner is None and not os.access(_standing(path), os.W_OK):
        owner = "somebody else"
    if owner is not None:
        return Folder(path, "foreign", owner, scope)
    return Folder(path, "plain", scope=scope, shared=place.top is None or not _inside(path, place.top))


def _hooks_path(place: Place) -> tuple[str | None, str | None]:
    """core.hooksPath and its scope; the value that our own door to git puts on the command line does not count."""
    raw = git.attempt(["config", "-z", "--show-scope", "--type=path", "--get-all", "core.hooksPath"], place.cwd) or b""
    words = git.text(raw).split("\0")
    found = [(value, scope) for scope, value in zip(words[::2], words[1::2], strict=False) if scope != "command"]
    return found[-1] if found else (None, None)


def _manager(path: Path) -> str | None:
    """The known hook manager that keeps `path`."""
    if (path.name == "_" and path.parent.name == ".husky") or path.name == ".husky" or (path / "husky.sh").exists():
        return "husky"
    with contextlib.suppress(OSError):
        for file in path.iterdir():
            if file.is_file() and _is_lefthook(file):
                return "lefthook"
    return None


def _is_lefthook(path: Path) -> bool:
    text = _read(path)
    return MARK.encode() not in text and re.search(rb"\bcall_lefthook\b|LEFTHOOK", text) is not None


def _tracked(path: Path) -> bool:
    """Is any file in `path` tracked by the repository it lies in? (A folder of dotfiles may have one of its own.)"""
    return path.is_dir() and bool(git.attempt(["ls-files", "-z", "--", "."], path))


def _standing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _inside(path: Path, outer: Path) -> bool:
    return path.resolve().is_relative_to(outer.resolve())


def _same(one: Path, two: Path) -> bool:
    return one.resolve() == two.resolve()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def is_ours(path: Path) -> bool:
    """Is this file one of our stubs (of this or another version, edited or not)?"""
    return not path.is_symlink() and b"# git-hone hook v" in _read(path)[:200]


def config_hooks_work(version: str) -> bool:
    """Does this git (the words of `git version`) run hooks from its configuration? From 2.54 on.

    >>> config_hooks_work("git version 2.39.5"), config_hooks_work("git version 2.54.0 (Apple Git-200)")
    (False, True)
    """
    found = re.search(r"(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= (2, 54)


def config_hooks(names: Iterable[str] = (*EVENTS, PRE_PUSH)) -> list[tuple[str, str]]:
    """(key, value) pairs of these hooks in the configuration. git appends `"$@"` to the command."""
    find = 'h="$(git rev-parse --git-common-dir 2>/dev/null)/hone"; [ ! -f "$h/{}" ] || '
    return [
        pair
        for event in names
        for pair in (
            (f"hook.git-hone-{event}.event", event),
            (f"hook.git-hone-{event}.command", find.format(script(event)) + _call(event)),
        )
    ]


def inspect(event: str, where: Folder, place: Place) -> Hook:
    """How `event` stands in the folder that git uses."""
    path = where.path / event
    if git.line(["config", "--get", f"hook.git-hone-{event}.command"], place.cwd):
        return Hook(event, path, "config")
    if where.kind != "plain":
        user = _user_file(event, where, place)
        return Hook(event, path, "line" if _names_us(user, event) else "no-line", where.owner)
    if is_ours(path):
        if _read(path) != stub(event).encode():
            return Hook(event, path, "outdated")
        if not os.access(path, os.X_OK):
            return Hook(event, path, "not-executable")
        saved = _saved(path)
        return Hook(event, path, "chained", _describe(saved)) if _there(saved) else Hook(event, path, "ours")
    if is_ours(path.with_name(f"{event}.legacy")) and b"pre-commit" in _read(path):
        return Hook(event, path, "under", "pre-commit")
    if _names_us(path, event):
        return Hook(event, path, "line", _describe(path))
    if _is_lefthook(path):
        named = any(_names_us(file, event) for file in place.cwd.glob("*lefthook*"))
        return Hook(event, path, "line" if named else "no-line", "lefthook")
    gone = _there(_saved(path)) or any(is_ours(path.with_name(event + end)) for end in (".old", ".bak", ".legacy"))
    if _there(path) and gone:
        return Hook(event, path, "taken-over", _describe(path))
    return Hook(event, path, "missing", _describe(path) if _there(path) else "")


def _user_file(event: str, where: Folder, place: Place) -> Path:
    """The file that a person edits for `event` under the folder's owner."""
    if where.owner == "husky":
        return (where.path.parent if where.path.name == "_" else where.path) / event
    if where.owner == "lefthook":
        return next((file for file in sorted(place.cwd.glob("*lefthook*")) if _names_us(file, event)), place.cwd / "lefthook.yml")
    return where.path / event


def advice(event: str, where: Folder, place: Place) -> str:
    """What to add, and where, so that `event` reaches us under another manager."""
    if where.kind == "off":
        return f"core.hooksPath is {where.path} ({where.scope}): git runs no hooks; unset it, then run `git hone init` again"
    if where.owner == "lefthook" or _is_lefthook(where.path / event):
        stdin = "      use_stdin: true\n" if event == "post-rewrite" else ""
        run = f"{stdin}      run: |\n        {line(event).replace('$@', '{0}')}"
        return f"lefthook.yml:\n{event}:\n  commands:\n    git-hone:\n{run}"
    return f"{_shown(_user_file(event, where, place), place)}:\n{line(event)}"


def _shown(path: Path, place: Place) -> str:
    return os.path.relpath(path, place.top) if place.top and _inside(path, place.top) else str(path)


def _names_us(path: Path, event: str) -> bool:
    text, name = _read(path), script(event).encode()
    return b"hone/" + name in text or b"$h/" + name in text


def _saved(path: Path) -> Path:
    event = path.name.removesuffix(".legacy")
    return path.with_name(event + SAVED)


def _there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _describe(path: Path) -> str:
    """Whose hook this is, in a word or two."""
    text = _read(path)
    for word, name in ((b"pre-commit.com", "pre-commit"), (b"prek", "prek"), (b"lefthook", "lefthook"), (b"husky", "husky"),
                       (b"git lfs", "git-lfs"), (b"git-lfs", "git-lfs")):  # fmt: skip
        if word in text:
            return name
    return "your own hook"


def install(event: str, path: Path) -> None:
    """Put the stub at `path`; what stands there is kept as `<event>.hone-saved`, the same file with the same mode."""
    saved = _saved(path)
    if _there(path) and not is_ours(path):
        if _there(saved):  # somebody replaced our stub; the newer hook is the one to run
            saved.replace(_free(saved))
        try:
            os.link(path, saved, follow_symlinks=False)
        except (OSError, NotImplementedError):  # a file system without hard links; a system that cannot link a link itself
            path.replace(saved)
        if path.is_symlink():
            path.unlink()
    mask = os.umask(0)
    os.umask(mask)
    write_atomic(path, stub(event).encode(), 0o777 & ~mask)


def _free(saved: Path) -> Path:
    k = 1
    while _there(saved.with_name(f"{saved.name}.{k}")):
        k += 1
    return saved.with_name(f"{saved.name}.{k}")


def remove(event: str, hooks: Path) -> list[str]:
    """Take our stub of `event` out of the folder `hooks`; returns words about whatever could not be put back as it was."""
    told: list[str] = []
    for end in ("", ".legacy", ".old"):
        path = hooks / (event + end)
        if not is_ours(path):
            continue
        saved, theirs = _saved(hooks / event), _additions(path)
        if _there(saved):
            if theirs:
                kept = path.with_name(path.name + ".hone-changed")
                path.replace(kept)
                told.append(f"{kept}: lines that were added to our hook; move them where you want them")
            saved.replace(path)
        elif theirs:
            write_atomic(path, theirs)
            told.append(f"{path}: kept the lines that were added to our hook")
        else:
            path.unlink()
    if _there(_saved(hooks / event)):
        told.append(f"{_saved(hooks / event)}: the hook that stood here before; {event} is another one now")
    return told


def _additions(path: Path) -> bytes:
    """The lines of an edited stub that are not ours, under their own shebang; empty when there are none."""
    text = _read(path)
    if not re.search(rb"^# end of git-hone hook v\d+$", text, re.MULTILINE):
        return b""
    rest = re.sub(rb"(?ms)^# git-hone hook v.*^# end of git-hone hook v\d+\n?", b"", text)
    return rest if rest.replace(b"#!/bin/sh", b"").strip() else b""


def add_user(where: Folder, common: Path) -> None:
    """Note in a shared hooks folder that this repository uses it."""
    users = _users(where.path)
    if str(common) not in users:
        write_atomic(where.path / USERS, "".join(f"{user}\n" for user in [*users, str(common)]).encode())


def drop_user(hooks: Path, common: Path) -> bool:
    """Take this repository off the folder's list; True when another one still uses the folder."""
    if not (hooks / USERS).exists():
        return False
    rest = [user for user in _users(hooks) if user != str(common)]
    if rest:
        write_atomic(hooks / USERS, "".join(f"{user}\n" for user in rest).encode())
    else:
        (hooks / USERS).unlink()
    return bool(rest)


def _users(hooks: Path) -> list[str]:
    lines = _read(hooks / USERS).decode("utf-8", "surrogateescape").splitlines()
    return [user for user in lines if (Path(user) / "hone" / "installed.json").exists()]
