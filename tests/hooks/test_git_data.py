"""What git may hand us: odd names, odd messages, clones of which a part is missing, histories that were written anew."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks.drain import drain
from git_hone.hooks.install import setup
from git_hone.hooks.paths import quote
from git_hone.hooks.place import find
from git_hone.hooks.view import show
from git_hone.learner.store import Store

Play = Any

NAMES = {
    "newline": b"new\nline.py",
    "tab": b"tab\tname.py",
    "double quote": b'quo"te.py',
    "single quote": b"quo'te.py",
    "leading dash": b"-rf",
    "leading space": b" lead.py",
    "trailing space": b"trail.py ",
    "255 bytes": b"x" * 252 + b".py",
    "255 bytes of invalid UTF-8": b"\xff" * 255,
    "latin-1": "grün.py".encode("latin-1"),
    "arrow": b"a => b.py",
    "arrow in braces": b"{a => b}.py",
    "pathspec magic": b":(glob)*.py",
    "pathspec of all": b":",
    "glob": b"[ab]*?.py",
    "shell": b"$(touch hacked);`touch hacked`&&touch hacked|.py",
    "workflow": b"${{ github.token }}.py",
    "escape sequence": b"\x1b[31mred\x07.py",
    "backslash": b"a\\b.py",
    "carriage return": b"a\rb.py",
    "right to left": "a\u202egnp.py".encode(),
    "a name of git's": b"HEAD",
    "a revision": b"HEAD~1",
    "hash": b"#x.py",
    "percent": b"%00%n.py",
    "not normalised": "e\u0301.py".encode(),
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("by", ["tool", "shell"])
def test_a_name_is_one_exact_path_and_never_a_command(p: Play, kind: str, by: str) -> None:
    """Stored reversibly, shown on one line, never run."""
    name = NAMES[kind]
    path = os.fsencode(p.repo) + b"/src/" + name
    p.prompt("odd")
    text = b"".join(b"def odd_%d(x): return x + %d\n" % (k, k) for k in range(4))
    if by == "tool":
        try:
            p.write(f"src/{name.decode()}", text.decode())
        except UnicodeDecodeError:
            pytest.skip("a tool's payload is JSON, which has no such name")
    else:
        p.env["NAME"] = os.fsdecode(path)
        p.env["TEXT"] = text.decode()
        p.shell('printf %s "$TEXT" > "$NAME"')
        p.env.pop("NAME")
        p.env.pop("TEXT")
    assert Path(os.fsdecode(path)).read_bytes() == text
    p.commit("odd")
    seen = p.show()
    assert seen["lines"] == {"ai": 4, "human": 0, "unknown": 0, "written": 4}
    assert [f["path"] for f in seen["files"]] == [quote(b"src/" + name)]
    listed = subprocess.run(["git", "ls-files", "src"], cwd=p.repo, capture_output=True, check=True).stdout
    assert b"hacked" not in b"".join(row for row in listed.split(b"\n") if b"$(" not in row)
    assert not any(p.repo.rglob("hacked"))
    for args in (["show"], ["log"]):
        done = subprocess.run([sys.executable, "-m", "git_hone.cli", *args], cwd=p.repo, capture_output=True, check=True)
        assert b"\x1b[31mred" not in done.stdout
        assert b"\x07" not in done.stdout


MESSAGES: dict[str, tuple[bytes, list[str]]] = {
    "latin-1 with its header": ("Grüße\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n".encode("latin-1"), ["claude-code"]),
    "invalid UTF-8": (b"\xff\xfe\xfd\n", []),
    "white space only": (b" \n\t\n", []),
    "nothing": (b"", []),
    "5 MB": (
        b"x" * 100 + b"\n" + b"word and word again\n" * 262_144 + b"\nCo-Authored-By: Claude <noreply@anthropic.com>\n",
        ["claude-code"],
    ),
    "5 MB in one line": (b"x" * 5_000_000, []),
    "a trailer in the middle": (b"Subject\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n\nMore words.\n", []),
    "a folded trailer": (b"Subject\n\nCo-Authored-By: Claude\n <noreply@anthropic.com>\n", ["claude-code"]),
    "a trailer twice": (b"Subject\n\n" + b"Co-Authored-By: Claude <noreply@anthropic.com>\n" * 2, ["claude-code"]),
    "10,000 trailers": (b"Subject\n\n" + b"".join(b"Reviewed-by: A %d <a@b>\n" % k for k in range(10_000)), []),
    "an escape sequence": (b"\x1b]0;owned\x07\x1b[2Jsubject\n", []),
    "a workflow command": (b"::set-output name=x::y\n${{ secrets.T }}\n$(touch hacked)\n", []),
    "a NUL written as text": (b"\\0\\u0000\n", []),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_may_be_anything(p: Play, kind: str) -> None:
    """Made by `commit-tree` below every hook, and found by the history alone; only a last paragraph of trailers is a claim."""
    raw, agents = MESSAGES[kind]
    p.turn("src/new.py", "a")
    p.git("add", "-A")
    tree = p.git("write-tree")
    encoding = ["-c", "i18n.commitEncoding=latin-1"] if "latin" in kind else []
    args = ["git", *encoding, "commit-tree", tree, "-p", "HEAD"]
    sha = subprocess.run(args, cwd=p.repo, input=raw, capture_output=True, check=True).stdout.decode().strip()
    p.git("update-ref", "HEAD", sha)
    seen = p.show()
    assert (seen["commit"], seen["lines"]["ai"]) == (sha, 10)
    assert [claim["agent"] for claim in seen["claims"]] == agents
    done = subprocess.run([sys.executable, "-m", "git_hone.cli", "log"], cwd=p.repo, capture_output=True, check=True)
    assert b"\x1b]0;" not in done.stdout
    assert b"\x1b[2J" not in done.stdout
    assert not any(p.repo.rglob("hacked"))


def test_a_shallow_clone(p: Play, tmp_path: Path) -> None:
    """The boundary says nothing: no record that everything was added, and its lines are unknown."""
    for k in range(3):
        p.turn(f"src/f{k}.py", f"t{k}", 3)
        p.commit(f"c{k}")
    p.show()
    p.git("clone", "-q", "--depth=2", f"file://{p.repo}", str(tmp_path / "shallow"))
    where = find(tmp_path / "shallow")
    setup.install(where)
    drain(where)
    (where.hone / "state.db").unlink()  # a lost watermark: everything is looked at
    drain(where)
    assert Store(where.data).rows("changes") == []
    assert show(where, "HEAD~1")["files"] == []
    (where.top or Path()).joinpath("src/f2.py").write_text("other = 1\n")
    p.git("commit", "-qam", "edit", cwd=where.top)
    drain(where)
    assert show(where, "HEAD")["lines"]["ai"] == 0
    p.git("fetch", "-q", "--unshallow", cwd=where.top)
    drain(where)
    assert sum(row["lines_ai"] or 0 for row in Store(where.data).rows("changes")) == 0


def test_a_partial_clone_fetches_nothing_on_its_own(p: Play, tmp_path: Path) -> None:
    p.turn("src/new.py", "a")
    p.commit("c")
    p.git("config", "uploadpack.allowFilter", "true")
    p.git("clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{p.repo}", str(tmp_path / "partial"))
    where = find(tmp_path / "partial")
    setup.install(where)
    before = p.git("count-objects", "-v", cwd=where.cwd)
    (where.hone / "state.db").unlink()
    drain(where)
    assert show(where, "HEAD")["lines"]["ai"] == 0
    after = p.git("count-objects", "-v", cwd=where.cwd)
    packs = [row for row in before.splitlines() if row.startswith(("packs", "in-pack"))]
    assert [row for row in after.splitlines() if row.startswith(("packs", "in-pack"))] == packs


def test_a_sparse_checkout_deletes_nothing(p: Play) -> None:
    p.turn("src/new.py", "a")
    p.human("docs/a.md", "hello\n")
    p.commit("c")
    assert p.ai() == 10
    p.git("sparse-checkout", "set", "--no-cone", "/docs/")
    assert not (p.repo / "src").exists()
    p.prompt("sparse")
    p.shell("printf 'more\\n' >> docs/a.md")
    p.commit("docs only", "--", "docs")
    seen = p.show()
    assert ([f["path"] for f in seen["files"]], seen["lines"]["ai"]) == (["docs/a.md"], 1)
    assert p.outcomes("HEAD~1") == ["committed"]


def test_objects_of_an_alternate(p: Play, tmp_path: Path) -> None:
    p.turn("src/new.py", "a")
    p.commit("c")
    p.show()
    p.git("clone", "-q", "--shared", str(p.repo), str(tmp_path / "shared"))
    p.git("fetch", "-q", "origin", "refs/notes/hone:refs/notes/hone", cwd=tmp_path / "shared")
    assert show(find(tmp_path / "shared"), "HEAD")["lines"]["ai"] == 10
    assert not list((tmp_path / "shared/.git/objects").glob("[0-9a-f][0-9a-f]"))


def test_grafts_and_replace_refs_are_ignored(p: Play) -> None:
    """Both make git tell another history; the record is of the real one."""
    p.turn("src/new.py", "a")
    sha = p.commit("c")
    assert p.ai() == 10
    other = p.git("commit-tree", "HEAD~1^{tree}", "-m", "another story")
    p.git("replace", sha, other)
    (p.repo / ".git/info").mkdir(exist_ok=True)
    (p.repo / ".git/info/grafts").write_text(f"{p.git('rev-parse', 'HEAD')}\n")
    p.turn("src/later.py", "b", 4)
    p.git("-c", "advice.graftFileDeprecated=false", "add", "-A")
    p.git("commit", "-qm", "later")
    p.show()
    assert p.ai() == 4
    assert p.ai(sha) == 10
    assert len(Store(p.place.data).rows("changes")) == 2


def test_a_history_rewritten_as_by_filter_repo(p: Play) -> None:
    """Exported, changed and imported anew, without a hook and without a mapping: the records follow, none counts twice."""
    for k in range(3):
        p.turn(f"src/f{k}.py", f"t{k}", 3)
        p.commit(f"c{k}")
    assert p.ai() == 3
    stream = subprocess.run(["git", "fast-export", "--no-data", "main"], cwd=p.repo, capture_output=True, check=True).stdout
    assert stream
    script = "git fast-export --reencode=yes --signed-tags=strip main | sed 's#src/f#lib/f#g' | git fast-import --quiet --force"
    p.git("reset", "-q", "--hard")
    subprocess.run(["sh", "-c", script], cwd=p.repo, check=True, env=p.env)
    p.git("reset", "-q", "--hard", "main")
    p.git("reflog", "expire", "--expire=now", "--all")
    p.git("gc", "-q", "--prune=now")
    assert (p.repo / "lib/f2.py").exists()
    assert [p.ai(f"HEAD~{k}") for k in range(3)] == [3, 3, 3]
    rows = Store(p.place.data).rows("changes")
    live = [row for row in rows if row["state"] == "live"]
    assert len({row["change_id"] for row in live}) == len(live) == 3
    assert sum(row["lines_ai"] for row in live) == 9


def test_an_octopus_merge_is_credited_to_nobody(p: Play) -> None:
    for name in ("one", "two", "three"):
        p.git("switch", "-qc", name, "main")
        p.turn(f"src/{name}.py", name, 3)
        p.commit(name)
    p.git("switch", "-q", "main")
    p.git("merge", "-q", "-m", "octopus", "one", "two", "three")
    assert len(p.git("rev-list", "--parents", "-1", "HEAD").split()) == 4
    assert p.ai() == 0
    assert [p.ai(name) for name in ("one", "two", "three")] == [3, 3, 3]
    rows = Store(p.place.data).rows("changes")
    assert sum(row["lines_ai"] for row in rows if row["state"] == "live") == 9


def test_a_submodule_and_its_superproject(p: Play, fresh: Callable[..., Play]) -> None:
    """The submodule's commit is recorded in its own store; the superproject's gitlink is nobody's lines."""
    lib = fresh("library")
    p.git("submodule", "add", "-q", str(lib.repo), "lib")
    p.commit("add the submodule")
    inner = p.repo / "lib"
    setup.install(find(inner))
    p.turn("lib/new.py", "a")
    p.git("add", "-A", cwd=inner)
    p.git("commit", "-qm", "inside", cwd=inner)
    place = find(inner)
    drain(place)
    assert [row["lines_ai"] for row in Store(place.data).rows("changes")] == [10]
    before = len(Store(p.place.data).rows("changes"))
    p.human("lib/dirty.txt", "x\n")
    p.git("add", "lib")
    p.git("commit", "-qm", "bump")
    seen = p.show()
    assert (seen["lines"]["ai"], seen["lines"]["human"], seen["lines"]["unknown"]) == (0, 0, 0)
    assert len(Store(p.place.data).rows("changes")) - before in (0, 1)


def test_kinds_that_are_no_lines(p: Play) -> None:
    """A pointer of LFS, a link, a mode, a case-only rename: an agent's, but not lines that a model wrote, or the same lines."""
    p.turn("src/Name.py", "a")
    p.commit("c")
    assert p.ai() == 10
    p.prompt("kinds")
    p.shell("git mv src/Name.py src/name.py; chmod +x src/name.py; ln -s name.py src/link.py")
    p.commit("kinds")
    assert p.ai() == 0
    assert "reverted" not in p.outcomes("HEAD~1")
    p.shell("printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 9\\n' 0 > big.bin")
    p.commit("lfs")
    assert p.ai() in (0, 3)


def test_the_same_commit_in_two_clones_is_one_change(p: Play, fresh: Callable[..., Play], tmp_path: Path) -> None:
    """Records of two clones put together count a change once: its identity comes from the commit and its content."""
    p.turn("src/new.py", "a")
    p.commit("c")
    p.show()
    p.git("clone", "-q", str(p.repo), str(tmp_path / "renamed"))
    clone = tmp_path / "renamed"
    p.git("fetch", "-q", "origin", "refs/notes/hone:refs/notes/hone", cwd=clone)
    where = find(clone)
    setup.install(where)
    (where.hone / "state.db").unlink()
    drain(where)
    both = Store(tmp_path / "both/.agent/data")
    for store in (Store(p.place.data), Store(where.data)):
        for table in ("changes", "runs", "outcomes"):
            rows = store.history(table)
            both.append(table, rows)
            both.append(table, rows)
    live = [row for row in both.rows("changes") if row["commit"] == p.git("rev-parse", "HEAD") and row["state"] == "live"]
    assert [row["lines_ai"] for row in live] == [10]


def test_a_missing_and_a_damaged_object_stop_nothing(p: Play) -> None:
    """Real histories have them: what needs them is unknown, the rest is recorded."""
    p.quiet()  # no worker: all is drained after the damage
    p.turn("src/one.py", "a")
    first = p.commit("one")
    p.turn("src/two.py", "b", 4)
    second = p.commit("two")
    p.turn("src/three.py", "c", 5)
    p.commit("three")
    for commit, path, how in ((first, "src/one.py", "gone"), (second, "src/two.py", "rubbish")):
        blob = p.git("rev-parse", f"{commit}:{path}")
        file = p.repo / ".git/objects" / blob[:2] / blob[2:]
        file.unlink()
        if how == "rubbish":
            file.write_bytes(b"rubbish")
    assert p.ai() == 5
    assert all(show(p.place, name)["lines"]["human"] == 0 for name in (first, second))


BRANCHES = [
    "$(touch${IFS}hacked)",
    "`touch${IFS}hacked`",
    "a;touch${IFS}hacked",
    "${{github.token}}",
    "-x",
    "x'\"y",
    "é/日本",
    "@",
    "a" * 200,
]


@pytest.mark.parametrize("name", BRANCHES)
def test_names_of_branches_and_authors_are_never_commands(p: Play, name: str) -> None:
    """Never run by a shell of ours, and never a control sequence on a terminal."""
    p.git("symbolic-ref", "HEAD", f"refs/heads/{name}")
    p.turn("src/new.py", "a")
    p.git("add", "-A")
    author = "A \x1b[31m $(touch hacked) \x07"
    p.git("commit", "-qm", "::warning::$(touch hacked)", GIT_AUTHOR_NAME=author, GIT_AUTHOR_EMAIL="$(touch hacked)@x")
    assert p.ai() == 10
    assert Store(p.place.data).rows("changes")[0]["branch"] == name
    for args in (["show"], ["log"], ["stats"], ["status"], ["doctor"]):
        done = subprocess.run([sys.executable, "-m", "git_hone.cli", *args], cwd=p.repo, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert b"\x1b[31m" not in done.stdout
        assert b"\x07" not in done.stdout
    assert not any(p.repo.rglob("hacked*"))
