"""Installing and uninstalling in real repositories: every byte comes back, and nothing is done by halves."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks import place
from git_hone.hooks.install import agents, native, setup
from git_hone.learner.errors import DataError, UsageError

SETTINGS = '{\r\n\t"model": "x",  "é": [1,2],\r\n\t"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}\r\n}'


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every path under `folder` with its mode and its bytes (a link: where it leads)."""
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        body = str(path.readlink()).encode() if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        found[str(path.relative_to(folder))] = (stat.S_IMODE(info.st_mode), body)
    return found


def write_hook(path: Path, text: bytes, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    path.chmod(mode)
    return path


def events(where: place.Place) -> list[str]:
    """The git events in the inbox, by name."""
    return sorted(file.read_text().split("\n")[0].removeprefix("%hone 1 git ") for file in where.inbox.glob("*.ev"))


def test_uninstall_puts_every_byte_back(repo: Callable[..., Any]) -> None:
    r = repo()
    hooks = r.path / ".git/hooks"
    write_hook(hooks / "post-commit", b"#!/bin/sh\r\necho mine\r\n", 0o751)
    write_hook(hooks / "post-merge", b"#!/bin/sh\nfalse\n", 0o644)
    write_hook(hooks / "real", b"\x7fELF\0\xff")
    (hooks / "post-rewrite").symlink_to("real")
    r.write(".claude/settings.json", "").write_bytes(SETTINGS.encode())
    (r.path / ".claude/settings.json").chmod(0o600)
    r.git("config", "notes.hone.mergeStrategy", "union")
    r.write("a", "a\n")
    r.commit("a")
    before = tree(r.path)
    where = place.find(r.path)
    setup.install(where, ("claude-code",))
    assert tree(r.path) != before
    assert r.git("config", "notes.hone.mergeStrategy") == "cat_sort_uniq"
    report = setup.uninstall(where)
    assert tree(r.path) == before
    assert report.kept == []


def test_install_twice_changes_nothing(repo: Callable[..., Any]) -> None:
    r = repo()
    where = place.find(r.path)
    setup.install(where, ("claude-code",))

    def times() -> dict[str, int]:
        return {str(path): path.lstat().st_mtime_ns for path in r.path.rglob("*") if path.is_file()}

    before, stamps = tree(r.path), times()
    report = setup.install(where, ("claude-code",))
    assert report.changed == []
    assert tree(r.path) == before
    assert times() == stamps


def test_commits_amends_and_merges_reach_the_inbox(repo: Callable[..., Any]) -> None:
    r = repo()
    where = place.find(r.path)
    setup.install(where)
    first = r.commit("one")
    r.git("commit", "-q", "--amend", "-m", "two", "--allow-empty")
    r.git("checkout", "-qb", "side")
    r.commit("three")
    r.git("checkout", "-q", "main")
    r.git("merge", "-q", "--no-ff", "side")
    assert events(where) == ["post-commit", "post-commit", "post-commit", "post-merge", "post-rewrite"]
    rewrite = next(file for file in where.inbox.glob("*.ev") if b"post-rewrite" in file.read_bytes())
    assert f"%payload\n{first} " in rewrite.read_text()


def test_a_chained_hook_gets_arguments_and_input_and_gives_its_exit_code(repo: Callable[..., Any]) -> None:
    r = repo()
    where = place.find(r.path)
    saw = r.path.parent / "saw"
    write_hook(r.path / ".git/hooks/post-rewrite", f'#!/bin/sh\n{{ echo "$@"; cat; }} >"{saw}"\nexit 7\n'.encode())
    setup.install(where)
    first = r.commit("one")
    r.git("commit", "-q", "--amend", "-m", "two", "--allow-empty")
    assert saw.read_text() == f"amend\n{first} {r.git('rev-parse', 'HEAD')}\n"
    assert "post-rewrite" in events(where)
    payload = b"a b\nc d\n\n"
    hook = subprocess.run([r.path / ".git/hooks/post-rewrite", "rebase"], cwd=r.path, input=payload, check=False)
    assert hook.returncode == 7
    assert saw.read_bytes() == b"rebase\n" + payload


def test_a_rebase_of_many_lines_arrives_whole_without_a_chained_hook(repo: Callable[..., Any]) -> None:
    r = repo()
    where = place.find(r.path)
    setup.install(where)
    lines = "".join(f"{n:040x} {n:040x}\n" for n in range(2000))
    subprocess.run([r.path / ".git/hooks/post-rewrite", "rebase"], cwd=r.path, input=lines.encode(), check=True)
    (event,) = where.inbox.glob("*.ev")
    assert event.read_text().endswith(f"%payload\n{lines}%end\n")


def test_off_skips_us_and_not_the_chained_hook(repo: Callable[..., Any]) -> None:
    r = repo()
    where = place.find(r.path)
    saw = r.path.parent / "saw"
    write_hook(r.path / ".git/hooks/post-commit", f"#!/bin/sh\necho x >>'{saw}'\n".encode())
    setup.install(where)
    r.write("a", "a")
    r.git("add", "a")
    r.git("commit", "-qm", "a", GIT_HONE_OFF="1")
    assert saw.read_text() == "x\n"
    assert events(where) == []


def test_a_hook_without_exec_bit_stays_ignored(repo: Callable[..., Any]) -> None:
    r = repo()
    saw = r.path.parent / "saw"
    write_hook(r.path / ".git/hooks/post-commit", f"#!/bin/sh\necho x >>'{saw}'\n".encode(), 0o644)
    setup.install(place.find(r.path))
    r.commit("a")
    assert not saw.exists()


def test_a_moved_or_copied_repository_writes_to_its_own_inbox(repo: Callable[..., Any]) -> None:
    r = repo()
    setup.install(place.find(r.path))
    moved = type(r)(r.path.with_name("moved here"))
    shutil.copytree(r.path, moved.path)
    moved.commit("a")
    assert events(place.find(r.path)) == []
    assert events(place.find(moved.path)) == ["post-commit"]
    setup.uninstall(place.find(moved.path), purge=True)
    assert not (moved.path / ".git/hooks/post-commit").exists()


def test_a_missing_body_is_silent(repo: Callable[..., Any]) -> None:
    r = repo()
    where = place.find(r.path)
    setup.install(where)
    (where.hone / "git-event.sh").unlink()
    done = subprocess.run(["git", "commit", "--allow-empty", "-qm", "a"], cwd=r.path, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("options", [(), ("--object-format=sha256",)])
def test_linked_worktrees_share_the_inbox(repo: Callable[..., Any], options: tuple[str, ...]) -> None:
    r = repo("repo", *options)
    r.commit("a")
    linked = type(r)(r.path.with_name("linked"))
    r.git("worktree", "add", "-q", str(linked.path))
    where = place.find(linked.path)
    setup.install(where)
    linked.commit("b")
    r.commit("c")
    assert events(place.find(r.path)) == ["post-commit", "post-commit"]
    assert (r.path / ".agent/learning-config.json").exists()
    assert not (linked.path / ".agent").exists()


def test_a_submodule_has_its_own_installation(repo: Callable[..., Any]) -> None:
    inner, outer = repo("inner"), repo("outer")
    inner.commit("a")
    outer.commit("a")
    outer.git("submodule", "add", "-q", str(inner.path), "sub")
    sub = type(inner)(outer.path / "sub")
    where = place.find(sub.path)
    setup.install(where)
    sub.commit("b")
    outer.commit("c")
    assert events(where) == ["post-commit"]
    assert not (outer.path / ".git/hone").exists()


def test_a_bare_repository_serves_its_worktrees(repo: Callable[..., Any], tmp_path: Path) -> None:
    source = repo("source")
    source.commit("a")
    bare = type(source)(tmp_path / "bare.git")
    source.git("clone", "-q", "--bare", str(source.path), str(bare.path))
    setup.install(place.find(bare.path))
    bare.git("worktree", "add", "-q", "../wt", "-b", "wt")
    type(source)(tmp_path / "wt").commit("b")
    assert events(place.find(bare.path)) == ["post-commit"]
    with pytest.raises(UsageError, match="bare"):
        setup.install(place.find(bare.path), ("claude-code",))


def test_a_failure_leaves_nothing_behind(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    r = repo()
    write_hook(r.path / ".git/hooks/post-commit", b"#!/bin/sh\n")
    before = tree(r.path)
    real = native.install

    def full(event: str, path: Path) -> None:
        if event == "post-merge":
            raise OSError(28, "No space left on device", str(path))
        real(event, path)

    monkeypatch.setattr(native, "install", full)
    with pytest.raises(UsageError, match="No space left"):
        setup.install(place.find(r.path), ("claude-code",))
    assert tree(r.path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_git_folder_is_refused(repo: Callable[..., Any]) -> None:
    r = repo()
    (r.path / ".git").chmod(0o555)
    try:
        with pytest.raises(UsageError, match="denied"):
            setup.install(place.find(r.path))
    finally:
        (r.path / ".git").chmod(0o755)


def test_malformed_settings_are_refused_before_anything_is_done(repo: Callable[..., Any]) -> None:
    r = repo()
    r.write(".claude/settings.json", '{\n  // a comment\n  "a": 1\n}\n')
    before = tree(r.path)
    with pytest.raises(DataError, match=r"settings\.json:2:3") as raised:
        setup.install(place.find(r.path), ("claude-code",))
    assert "PostToolUse" in (raised.value.tip or "")
    assert tree(r.path) == before


@pytest.mark.parametrize("name", ["codex", "cursor", "nobody"])
def test_other_agents_are_named_as_not_yet(repo: Callable[..., Any], name: str) -> None:
    r = repo()
    with pytest.raises(UsageError, match=name):
        setup.install(place.find(r.path), (name,))
    assert not (r.path / ".agent").exists()


def test_what_was_changed_since_is_kept(repo: Callable[..., Any]) -> None:
    r = repo()
    r.write(".claude/settings.json", '{"a": 1}\n')
    where = place.find(r.path)
    setup.install(where, ("claude-code",))
    settings = json.loads((r.path / ".claude/settings.json").read_text())
    settings["hooks"]["Stop"].append({"hooks": [{"type": "command", "command": "say done"}]})
    r.write(".claude/settings.json", json.dumps(settings, indent=2))
    r.git("config", "user.nickname", "d")
    hook = r.path / ".git/hooks/post-commit"
    hook.write_text(hook.read_text() + "echo theirs\n")
    r.write(".agent/learning-config.json", '{"enabled": false}\n')
    report = setup.uninstall(where)
    assert json.loads((r.path / ".claude/settings.json").read_text()) == {
        "a": 1,
        "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "say done"}]}]},
    }
    assert r.git("config", "user.nickname") == "d"
    assert "hone" not in (r.path / ".git/config").read_text()
    assert hook.read_text() == "#!/bin/sh\necho theirs\n"
    assert (r.path / ".agent/learning-config.json").read_text() == '{"enabled": false}\n'
    assert len(report.kept) == 3


@pytest.mark.parametrize("before", [None, b"", b"mine", b"mine\n\xff\n"])
def test_records_stay_out_of_commits_without_the_gitignore(repo: Callable[..., Any], before: bytes | None) -> None:
    """Reverting the commit that added `.agent/.gitignore` offers no record to `git add`, in a linked work tree neither."""
    r = repo()
    r.commit("base")
    exclude = r.path / ".git/info/exclude"
    exclude.unlink(missing_ok=True)
    if before is not None:
        exclude.parent.mkdir(exist_ok=True)
        exclude.write_bytes(before)
    where = place.find(r.path)
    setup.install(where)
    r.commit("set up")
    r.write(".agent/data/runs/month=2026-01/x.parquet", "x")
    r.git("revert", "--no-edit", "HEAD")
    assert not (r.path / ".agent/.gitignore").exists()
    r.commit("everything")
    assert ".agent/data" not in r.git("ls-files")
    assert exclude.read_bytes().startswith(before or b"")
    r.git("worktree", "add", "-q", "../linked")
    (r.path / "../linked/.agent/data").mkdir(parents=True)
    (r.path / "../linked/.agent/data/x").write_text("x")
    assert r.git("-C", "../linked", "status", "--porcelain", "--untracked-files=all") == ""
    assert "info/exclude" not in setup.install(where).changed
    setup.uninstall(where, purge=True)
    assert (exclude.read_bytes() if exclude.exists() else None) == before


def test_what_others_add_to_the_exclude_file_stays(repo: Callable[..., Any]) -> None:
    r = repo()
    where = place.find(r.path)
    exclude = r.path / ".git/info/exclude"
    before = exclude.read_bytes()
    setup.install(where)
    exclude.write_bytes(exclude.read_bytes() + b"later\n")
    setup.uninstall(where, purge=True)
    assert exclude.read_bytes() == before + b"later\n"


def test_records_are_kept_unless_purged(repo: Callable[..., Any]) -> None:
    r = repo()
    where = place.find(r.path)
    setup.install(where)
    r.write(".agent/data/runs/month=2026-01/x.parquet", "x")
    report = setup.uninstall(where)
    assert any("--purge" in words for words in report.kept)
    assert (r.path / ".agent/.gitignore").exists()
    setup.install(where)
    setup.uninstall(where, purge=True)
    assert not (r.path / ".agent/data").exists()


def test_the_agent_command_does_nothing_where_git_hone_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(["sh", "-c", agents.COMMAND], cwd=tmp_path, capture_output=True, input=b"{}", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
