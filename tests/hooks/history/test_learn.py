"""The whole of learning from a history: groups, reverts, rework, patterns, rows and the report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.hooks.history.learn import Learned, learn_from
from git_hone.hooks.history.report import render
from git_hone.hooks.history.survival import clustered
from git_hone.learner.errors import UsageError
from git_hone.learner.store import Store

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
START = 1_767_225_600
CLAUDE = "\n\nCo-Authored-By: Claude Opus 4.6 <noreply@anthropic.com>"


def commit(repo: Any, day: float, message: str) -> str:
    when = f"{int(START + day * 86_400)} +0000"
    repo.git("add", "-A")
    repo.git("commit", "-q", "--allow-empty", "-m", message, GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)
    return str(repo.git("rev-parse", "HEAD"))


def learn(path: Path, tmp_path: Path, store: Store | None = None) -> Learned:
    return learn_from(path, cache=tmp_path / "cache", store=store, progress=lambda *_: None, now=NOW)


@pytest.fixture
def made(repo: Callable[..., Any]) -> Any:
    """A person's file, an agent's file half fixed after 9 days, an agent's commit that was reverted."""
    made = repo()
    made.write("a.py", "".join(f"def person_{k}():\n    return 'x'\n" for k in range(10)))
    commit(made, 0, "Start")
    made.write("b.py", "".join(f"def agent_{k}():\n    return 'y'\n" for k in range(10)))
    commit(made, 1, "Add b" + CLAUDE)
    made.write("b.py", "".join(f"def agent_{k}():\n    return 'y'\n" for k in range(5)))
    commit(made, 10, "Fix a bug in b")
    made.write("c.py", "c = 1\n")
    bad = commit(made, 11, "Add c" + CLAUDE)
    (made.path / "c.py").unlink()
    commit(made, 12, f'Revert "Add c"\n\nThis reverts commit {bad[:12]}.')
    commit(made, 13, "Revert nothing\n\nThis reverts commit deadbeefdead.")
    return made


def test_lines_of_agents_and_people_are_told_apart(made: Any, tmp_path: Path) -> None:
    learned = learn(made.path, tmp_path)
    assert learned.agents() == ["claude-code"]
    agent = {cell.days: (cell.alive, cell.lines, cell.commits) for cell in learned.survival["claude-code"]}
    assert agent == {1: (20, 21, 2), 7: (20, 21, 2), 14: (10, 21, 2), 30: (10, 21, 2), 90: (10, 21, 2)}
    assert [cell.share for cell in learned.survival["people"]] == [1.0] * 5


def test_reverts_are_verified_and_fixes_counted(made: Any, tmp_path: Path) -> None:
    learned = learn(made.path, tmp_path)
    assert [(revert.by, revert.of, revert.stands) for revert in learned.reverts] == [(4, 3, True)]
    assert [(each.by, each.of, each.lines) for each in learned.corrections] == [(2, 1, 10)]
    again = learned.commits[4].sha
    made.write("c.py", "c = 1\n")
    commit(made, 14, f"Reapply c\n\nThis reverts commit {again}.")
    assert [revert.stands for revert in learn(made.path, tmp_path).reverts] == [False, True]


def test_rows_go_to_the_store_once(made: Any, tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    learned = learn(made.path, tmp_path, store)
    learn(made.path, tmp_path, store)
    changes, outcomes = store.rows("changes"), store.rows("outcomes")
    assert learned.rows == {"changes": len(list(changes)), "outcomes": len(list(outcomes))}
    assert {row["agent"] for row in store.rows("changes")} == {"claude-code"}
    kinds = [row["kind"] for row in store.rows("outcomes")]
    assert (kinds.count("survived"), kinds.count("reverted"), kinds.count("reworked")) == (10, 1, 2)


def test_the_report_is_short_and_names_nobody(made: Any, tmp_path: Path) -> None:
    learned = learn(made.path, tmp_path)
    told = render(learned, 100, False)
    assert "claude-code" in told and "@" not in told and "Dev" not in told and "\x1b" not in told
    assert len(told.splitlines()) < 50
    assert "@" not in str(learned.as_json()) and learned.as_json()["version"] == 1


def test_one_empty_line_stands_between_the_parts_of_the_report(made: Any, repo: Callable[..., Any], tmp_path: Path) -> None:
    plain = repo("plain")  # no agent, no revert, lines too young to be reworked or not: nothing to say in sentences
    for day, text in enumerate(("a\nb\n", "a\nc\n", "a\nd\n")):
        plain.write("f.txt", text)
        commit(plain, 150 + day, "Change f")
    for path, n in ((plain.path, 4), (made.path, 6)):
        parts = render(learn(path, tmp_path / path.name), 100).split("\n\n")
        assert len(parts) == n
        assert all(part.strip("\n") == part != "" for part in parts), parts
        assert parts[-1].startswith(("Named by", "Lines are followed")), parts


def test_nothing_is_written_into_the_repository(made: Any, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.path.rglob("*")}
    learn(made.path, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in made.path.rglob("*")} == before


def test_an_empty_repository_and_none_say_so(repo: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no commit"):
        learn(repo().path, tmp_path)
    with pytest.raises(UsageError):
        learn(tmp_path, tmp_path)


def test_a_hundred_lines_of_one_commit_are_one_observation() -> None:
    assert clustered([(100, 100)])[0] < 0.3 < 0.8 < clustered([(1, 1)] * 40)[0]
    assert clustered([]) == (0.0, 1.0)


SAMPLE = '''
from pathlib import Path


class Broken(Exception):
    pass


def {name}_one(value: int) -> int:
    """Return it.

    Args:
        value: A number.
    """
    try:
        return helper(value)
    except ValueError as error:
        raise Broken(f"bad {{value}}") from error
'''


def test_patterns_need_enough_support(repo: Callable[..., Any], tmp_path: Path) -> None:
    made = repo()
    made.write("pkg/core.py", "def helper(value: int) -> int:\n    return value\n")
    made.write("pkg/broken.py", "def broken(:\n")
    made.write("vendor/other.py", "def camelCase(a): return a\n" * 50)
    for k in range(12):
        made.write(f"pkg/m{k}.py", SAMPLE.format(name=f"f{k}"))
    made.write("web/a.ts", "".join(f"const a{k} = 'x';\n" for k in range(20)) + '// let "b"\n')
    made.write("go/a.go", "\n".join('\treturn fmt.Errorf("x: %w", err)' for _ in range(15)))
    commit(made, 0, "Start")
    found = {(each.language, each.says): each for each in learn(made.path, tmp_path).patterns}
    said = {says for _, says in found}
    assert {"functions in snake_case", "f-strings", "except names what it catches", "functions raise when they fail",
            "docstrings in Google style", "functions fully annotated", "raise ... from inside except", "statements end in ;",
            "strings in single quotes", "errors wrapped on the way up"} <= said  # fmt: skip
    assert "`helper` (pkg/core.py:1) is used in 12 other files" in said
    snake = found["Python", "functions in snake_case"]
    assert (snake.support, snake.seen) == (13, 13) and snake.low > 0.7 and snake.examples[0] == "pkg/core.py:1"
    assert "tests are plain functions" not in said
