"""The commands that install, look and uninstall, as a person calls them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_hone.cli import COMMANDS, main

Make = Callable[..., Any]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(repo: Make, monkeypatch: pytest.MonkeyPatch) -> Any:
    r = repo()
    monkeypatch.chdir(r.path)
    return r


def test_init_says_what_stands_and_one_next_step(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--agent", "claude-code"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("installed\n")
    assert out.count("next:") == 1
    assert main(["init"]) == 0
    assert capsys.readouterr().out.startswith("installed already; nothing changed\n")


def test_init_gives_a_tip_where_claude_code_is_used(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (here.path / ".claude").mkdir()
    main(["init"])
    assert "--agent claude-code" in capsys.readouterr().err


def test_init_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 2
    assert "next:" in capsys.readouterr().err


def test_json_is_one_versioned_object(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["status"], ["init"], ["status"], ["doctor"], ["uninstall"]):
        assert main([*args, "--json"]) == 0, args
        assert json.loads(capsys.readouterr().out)["version"] == 1


def test_doctor_exits_1_until_repaired(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init"])
    (here.path / ".git/hooks/post-commit").unlink()
    assert [main(["doctor"]), main(["doctor", "--repair"]), main(["doctor"])] == [1, 0, 0]
    assert "next: git hone doctor --repair" in capsys.readouterr().out


def test_status_and_uninstall_where_nothing_stands(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    assert "git hone init" in capsys.readouterr().out
    assert main(["uninstall"]) == 0
    assert "was not installed" in capsys.readouterr().out


def test_learning_from_a_history(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    here.write("a.py", "a = 1\n")
    here.commit("a\n\nCo-Authored-By: Claude <noreply@anthropic.com>")
    assert main(["init", "--learn-from", "."]) == 0
    assert "1 commits, 1 of them name an agent" in capsys.readouterr().out


@pytest.mark.parametrize(("source", "words"), [("gone", "no such folder"), ("file", "not a folder"), ("..", "not inside a git")])
def test_learning_from_nothing_installs_nothing(here: Any, capsys: pytest.CaptureFixture[str], source: str, words: str) -> None:
    here.write("file", "")
    assert main(["init", "--learn-from", source]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert "install git" not in told
    assert not (here.path / ".git/hone").exists()
    assert not (here.path / ".agent").exists()


def test_interrupted_learning_says_how_to_go_on(
    here: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from git_hone.hooks.history import learn

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(learn, "learn_from", stop)
    assert main(["init", "--learn-from", "."]) == 130
    assert "git hone init --learn-from ." in capsys.readouterr().err


def test_the_man_page_lists_every_command() -> None:
    page = (ROOT / "docs/man/git-hone.1").read_text()
    section = page.split(".SH COMMANDS")[1].split(".SH EXIT")[0]
    assert set(re.findall(r"^\.TP\n\.B (\w+)", section, re.MULTILINE)) == set(COMMANDS)


def complete(tmp_path: Path, line: str, function: str) -> list[str]:
    """What bash offers at the end of `line`."""
    program = tmp_path / "git-hone"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; from git_hone.cli import main; sys.exit(main())"\n')
    program.chmod(0o755)
    script = subprocess.run([program, "completion", "bash"], capture_output=True, check=False).stdout
    made = subprocess.run(
        [sys.executable, "-c", "import sys; from git_hone.cli import main; sys.exit(main())", "completion", "bash"],
        capture_output=True,
        check=True,
    ).stdout
    (tmp_path / "completion.bash").write_bytes(made or script)
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    ask = (
        f"PATH={tmp_path}:$PATH; . {tmp_path}/completion.bash; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
        f'{function} git-hone; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    return subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    ("line", "function"), [("git-hone st", "_git_hone_completion"), ("git hone st", "_git_hone")], ids=["program", "subcommand"]
)
def test_bash_completes_commands(tmp_path: Path, line: str, function: str) -> None:
    assert complete(tmp_path, line, function) == ["status", "stats"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_GIT_HONE_COMPLETE" in capsys.readouterr().out
