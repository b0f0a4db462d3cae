"""Where the repository lies otherwise: sparse, partial and shallow clones, submodules, bare repositories with work trees."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_hone.hooks import notes
from git_hone.hooks.capture import run
from git_hone.hooks.drain import drain
from git_hone.hooks.install import setup
from git_hone.hooks.place import find
from git_hone.hooks.reports.trees import measured_tree
from git_hone.learner.store import Store

from .conftest import Play, block, lines


def move(p: Play, repo: Path) -> Play:
    """Let the agent go on in another checkout, with git-hone there."""
    p.repo = repo
    setup.install(find(repo), ("claude-code",))
    p.quiet()
    return p


def objects(p: Play) -> set[str]:
    """The names of all objects that lie in the repository itself."""
    out = p.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    return set(out.split())


# -- sparse -------------------------------------------------------------------------

SPARSE = {
    "cone": ("--cone", "docs"),
    "no cone": ("--no-cone", "/docs/", "/.gitignore"),
    "sparse index": ("--cone", "--sparse-index", "docs"),
}


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("by", ["tool", "shell"])
def test_a_sparse_checkout(p: Play, kind: str, by: str) -> None:
    """An agent and a person inside of what is checked out and outside of it: new files, and one that is not checked out."""
    p.human("docs/a.md", "hello\n")
    p.human("docs/b.md", "hello\n")
    p.commit("docs")
    p.git("sparse-checkout", "set", *SPARSE[kind])
    assert not (p.repo / "src").exists()
    p.prompt("inside and outside")
    for path, tag, n in (("docs/a.md", "in", 3), ("src/out.py", "out", 4)):
        old = p.read(path) if (p.repo / path).exists() else ""
        if by == "tool":
            p.write(path, old + block(tag, n))
        else:
            p.shell(f"mkdir -p src && printf %s '{block(tag, n)}' >> {path}")
    p.human("docs/b.md", "hello\nby = 'hand'\n")
    p.git("add", "--sparse", "-A")
    p.git("commit", "-qm", "both")
    assert lines(p) == (7, 1, 0)
    assert p.outcomes() == ["committed"]
    p.git("commit", "-q", "--amend", "-m", "again")
    p.git("sparse-checkout", "disable")
    assert (p.repo / "src/base.py").exists()
    assert lines(p) == (7, 1, 0)
    p.turn("src/base.py", "wide", 2)
    p.commit("wide")
    assert lines(p) == (2, 0, 0)


def test_what_is_measured_in_a_sparse_checkout(p: Play) -> None:
    """A run by the API, and the tree that a check measures, hold what lies outside of it."""
    p.human("docs/a.md", "hello\n")
    p.commit("docs")
    p.git("sparse-checkout", "set", "docs")
    with run("mine", model="m", repository=p.repo):
        p.human("src/out.py", block("out", 4))
    tree = measured_tree(p.place, {})
    p.git("add", "--sparse", "-A")
    assert p.git("write-tree") == tree
    p.git("commit", "-qm", "outside")
    assert lines(p) == (4, 0, 0)


def test_a_file_that_is_not_checked_out_is_written_anew(p: Play) -> None:
    """The agent's shell puts a file where a tracked one is not checked out: the agent's lines are its own, the rest is nobody's."""
    p.human("docs/a.md", "hello\n")
    p.commit("docs")
    p.git("sparse-checkout", "set", "docs")
    p.prompt("restore and add")
    p.shell("mkdir -p src && git show HEAD:src/base.py > src/base.py && echo 'z = 1' >> src/base.py")
    p.git("add", "--sparse", "-A")
    p.git("commit", "-qm", "more")
    assert lines(p)[1] == 0
    assert lines(p)[0] == 1


# -- partial and shallow ------------------------------------------------------------


@pytest.mark.parametrize("how", ["tool", "shell"])
def test_work_in_a_partial_clone_fetches_nothing(p: Play, tmp_path: Path, how: str) -> None:
    """Agent, commit, amend, revert and drain, where old contents are with the remote only: git asks it for no more than git
    itself needs in a twin without git-hone."""
    for k in range(3):
        p.human(f"src/old{k}.py", block(f"old{k}", 20))
        p.human("src/base.py", p.read("src/base.py") + f"by_{k} = {k}\n")
        p.commit(f"old {k}")
    source = p.repo
    p.git("config", "uploadpack.allowFilter", "true")
    p.git("config", "uploadpack.allowAnySHA1InWant", "true")
    for name in ("partial", "plain"):
        p.git("clone", "-q", "--filter=blob:none", f"file://{source}", str(tmp_path / name))
        p.git("config", "gc.auto", "0", cwd=tmp_path / name)
    move(p, tmp_path / "partial")
    for k, path in enumerate(("src/new.py", "src/base.py")):
        old = p.read(path) if (p.repo / path).exists() else ""
        p.prompt("more")
        if how == "tool":
            p.write(path, old + block(f"tag{k}", 5))
        else:
            p.shell(f"printf %s '{block(f'tag{k}', 5)}' >> {path}")
        (tmp_path / "plain" / path).write_text(old + block(f"tag{k}", 5))
        for repo in (p.repo, tmp_path / "plain"):
            p.git("add", "src", cwd=repo)
            p.git("commit", "-qm", f"c{k}", cwd=repo)
            p.git("commit", "-q", "--amend", "-m", f"d{k}", cwd=repo)
        drain(p.place)
    (p.place.hone / "state.db").unlink()
    drain(p.place)
    assert [lines(p, rev) for rev in ("HEAD~1", "HEAD")] == [(5, 0, 0), (5, 0, 0)]
    fetched = {name: len(list((tmp_path / name / ".git/objects/pack").glob("*.promisor"))) for name in ("partial", "plain")}
    assert fetched["partial"] == fetched["plain"]
    old = [p.git("rev-parse", f"HEAD~{k}:src/base.py") for k in (3, 4)]
    assert not set(old) & objects(p)


@pytest.mark.parametrize("how", ["rebase", "revert"])
def test_a_shallow_clone_is_worked_in(p: Play, tmp_path: Path, how: str) -> None:
    """Depth 1: an agent's commit on the edge, rewritten and taken back, then the rest of the history fetched."""
    p.turn("src/before.py", "before", 3)
    p.commit("before")
    p.show()
    p.git("clone", "-q", "--depth=1", f"file://{p.repo}", str(tmp_path / "shallow"))
    move(p, tmp_path / "shallow")
    p.turn("src/base.py", "a", 4)
    p.human("src/mine.py", "mine = 1\n")
    p.commit("both")
    assert lines(p) == (4, 1, 0)
    if how == "revert":
        p.git("revert", "--no-edit", "HEAD")
        assert p.outcomes("HEAD~1") == ["committed", "reverted"]
    else:
        p.git("commit", "-q", "--allow-empty", "-m", "top")
        p.git("rebase", "-q", "--force-rebase", "HEAD~2")
    p.git("fetch", "-q", "--unshallow")
    assert lines(p, "HEAD~1") == (4, 1, 0)
    assert lines(p, "HEAD~2")[1] == 0
    live = [row for row in Store(p.place.data).rows("changes") if row["state"] == "live"]
    assert sum(row["lines_ai"] for row in live) == 4


# -- submodules ---------------------------------------------------------------------


def test_an_agent_in_a_submodule_and_in_its_superproject(p: Play, fresh: Callable[..., Play]) -> None:
    """One session in both, with tools and a shell: each commit is recorded where it lies, and nothing twice."""
    lib = fresh("library")
    p.git("submodule", "add", "-q", str(lib.repo), "lib")
    p.commit("add the submodule")
    inner = p.repo / "lib"
    setup.install(find(inner), ())
    p.quiet()
    (find(inner).hone / "worker.pid").write_text((p.place.hone / "worker.pid").read_text())
    p.prompt("both sides")
    p.write("lib/new.py", block("inner", 5))
    p.write("src/outer.py", block("outer", 4))
    p.shell("cd lib && printf 'shell = 1\\n' >> src/base.py")
    p.shell("printf 'shell = 2\\n' >> src/base.py")
    p.human("lib/mine.py", "mine = 1\n")
    p.git("add", "-A", cwd=inner)
    p.git("commit", "-qm", "inside", cwd=inner)
    p.commit("outside and the bump")
    assert lines(p) == (5, 0, 0)
    place = find(inner)
    drain(place)
    (row,) = Store(place.data).rows("changes")
    assert (row["lines_ai"], row["lines_human"], row["lines_unknown"]) == (6, 1, 0)
    p.git("commit", "-q", "--amend", "-m", "inside again", cwd=inner)
    drain(place)
    (row,) = [row for row in Store(place.data).rows("changes") if row["state"] == "live"]
    assert row["commit"] == p.git("rev-parse", "HEAD", cwd=inner)
    assert notes.read(inner, [row["commit"]])
    assert p.git("status", "--porcelain", cwd=inner) == ""


# -- bare, separate, alternates, replaced -------------------------------------------


@pytest.mark.parametrize("recorded", [False, True])
def test_an_agent_that_was_started_above_a_submodule_and_works_in_it(
    p: Play, fresh: Callable[..., Play], monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    """Its commands run in the submodule's folder and reach out of it: nothing that they wrote is a person's."""
    lib = fresh("library")
    p.git("submodule", "add", "-q", str(lib.repo), "lib")
    p.commit("add the submodule")
    if recorded:
        setup.install(find(p.repo / "lib"), ())
    p.quiet()

    def send(event: str, command: str, payload: bytes) -> None:
        env = p.env | {"CLAUDE_PROJECT_DIR": str(p.repo)}
        subprocess.run(["sh", "-c", command], input=payload, cwd=p.repo / "lib", env=env, check=True)

    monkeypatch.setattr(p, "send", send)
    p.prompt("reach out")
    p.shell("printf 'out = 1\\nout = 2\\n' >> src/base.py")
    p.human("src/base.py", "import mine\n" + p.read("src/base.py"))
    p.commit("both")
    assert lines(p) == (2, 1, 0)


def test_a_bare_repository_and_its_work_trees(p: Play, tmp_path: Path) -> None:
    """The layout of many who use work trees: `repo/.bare`, `repo/.git` that names it, and a folder for each branch."""
    hub = tmp_path / "hub"
    hub.mkdir()
    p.git("clone", "-q", "--bare", str(p.repo), str(hub / ".bare"))
    (hub / ".git").write_text("gitdir: ./.bare\n")
    p.git("worktree", "add", "-q", "-b", "one", str(hub / "one"), "main", cwd=hub)
    p.git("worktree", "add", "-q", "-b", "two", str(hub / "two"), "main", cwd=hub)
    found = {}
    for name in ("one", "two"):
        move(p, hub / name)
        p.turn("src/new.py", name, 3)
        p.human("src/base.py", p.read("src/base.py") + f"{name} = 1\n")
        found[name] = p.commit(name)
    assert [lines(p, sha) for sha in found.values()] == [(3, 1, 0), (3, 1, 0)]
    assert find(hub / "one").data == find(hub / "two").data == find(hub / ".bare").data
    p.git("cherry-pick", "-X", "theirs", found["one"])
    assert lines(p) == (3, 1, 0)
    p.git("worktree", "remove", "--force", str(hub / "one"))
    assert lines(p, found["one"]) == (3, 1, 0)
    run_worker(p, hub / ".bare/hone")


def run_worker(p: Play, hone: Path) -> None:
    """The worker, as a hook starts it: by the path of our folder alone."""
    assert (
        subprocess.run([sys.executable, "-I", "-m", "git_hone.hooks.worker", str(hone)], cwd=p.repo, check=False).returncode == 0
    )
    assert not list((hone / "inbox").glob("*.ev"))


@pytest.mark.parametrize("explicit", [False, True])
def test_a_git_folder_that_lies_elsewhere(p: Play, tmp_path: Path, explicit: bool) -> None:
    """`--separate-git-dir`, drained by the worker, which is told of the git folder only."""
    if explicit:
        p.git("config", "--global", "safe.bareRepository", "explicit")
    p.git("init", "-q", "--separate-git-dir", str(tmp_path / "elsewhere.git"))
    p.repo = p.repo.rename(tmp_path / "moved")
    move(p, p.repo)
    assert p.place.common == tmp_path / "elsewhere.git"
    p.turn("src/new.py", "a")
    p.human("src/mine.py", "mine = 1\n")
    p.commit("both")
    run_worker(p, tmp_path / "elsewhere.git/hone")
    data = p.place.data
    assert [row["lines_ai"] for row in Store(data).rows("changes") if row["state"] == "live"] == [10]
    assert lines(p) == (10, 1, 0)
    assert not (tmp_path / ".agent").exists()
    p.git("commit", "-q", "--amend", "-m", "again")
    assert lines(p) == (10, 1, 0)


def test_objects_of_an_alternate_that_another_agent_wrote(p: Play, tmp_path: Path) -> None:
    """A clone with borrowed objects: the agent's own work there is its own, that of the lender stays the lender's."""
    p.turn("src/lent.py", "lent", 3)
    p.commit("lent")
    p.show()
    p.git("clone", "-q", "--shared", str(p.repo), str(tmp_path / "borrower"))
    move(p, tmp_path / "borrower")
    p.turn("src/lent.py", "more", 4)
    p.commit("more")
    p.human("src/copy.py", p.read("src/base.py"))
    p.commit("a person copies")
    assert [lines(p, rev) for rev in ("HEAD~1", "HEAD")] == [(4, 0, 0), (0, 41, 0)]
    assert p.outcomes("HEAD~1") == ["committed"]
    assert lines(p, "HEAD~2")[1] == 0


@pytest.mark.parametrize("how", ["replace", "graft"])
def test_a_history_that_git_tells_otherwise(p: Play, how: str) -> None:
    """An agent's commit is replaced by an empty one, or cut off from its parent, before anybody looked; then it goes on."""
    p.turn("src/new.py", "a")
    p.human("src/mine.py", "mine = 1\n")
    sha = p.commit("both")
    if how == "replace":
        p.git("replace", sha, p.git("commit-tree", "HEAD~1^{tree}", "-p", "HEAD~1", "-m", "another story"))
    else:
        p.git("replace", "--graft", sha)
    p.git("reset", "-q")
    p.turn("src/later.py", "b", 4)
    p.git("add", "src/later.py")
    p.git("commit", "-qm", "later")
    assert (lines(p, sha), lines(p)) == ((10, 1, 0), (4, 0, 0))
    p.git("commit", "-q", "--amend", "-m", "later still")
    assert lines(p) == (4, 0, 0)
    assert len([row for row in Store(p.place.data).rows("changes") if row["state"] == "live"]) == 2
