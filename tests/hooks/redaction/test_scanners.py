"""The second look, with a small program that takes the options and writes the report of the real ones."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from git_hone.hooks.drain import drain
from git_hone.hooks.redaction import Redactor, scanners
from git_hone.learner.store import Store

FAKE = """#!{python}
import argparse, json, re, sys, time
words = argparse.ArgumentParser()
words.add_argument("command", choices=["stdin"])
words.add_argument("--no-banner", action="store_true")
words.add_argument("--exit-code", type=int, default=1)
words.add_argument("--report-format", "-f", choices=["json"])
words.add_argument("--report-path", "-r")
given = words.parse_args()
text = sys.stdin.read()
time.sleep({pause})
found = [
    {{"RuleID": "house-rule", "Description": "a token of ours", "StartLine": 1, "EndLine": 1, "StartColumn": 1, "EndColumn": 9,
      "Match": "token " + secret, "Secret": secret, "File": "", "SymlinkFile": "", "Commit": "", "Entropy": 3.1, "Author": "",
      "Email": "", "Date": "", "Message": "", "Tags": [], "Fingerprint": ":house-rule:1"}}
    for secret in re.findall(r"house-[a-z]+-[a-z]+", text)
]
out = sys.stdout if given.report_path == "-" and not {old} else open(given.report_path, "w")
json.dump(found, out)
out.flush()
sys.stderr.write("INF scanned ~{{}} bytes".format(len(text)))
sys.exit(given.exit_code if found else 0)
"""


def put(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "gitleaks", *, pause: float = 0, old: bool = False) -> None:
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(FAKE.format(python=sys.executable, pause=pause, old=old))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("name", ["gitleaks", "betterleaks"])
@pytest.mark.parametrize("old", [False, True], ids=["to standard output", "to a file"])
def test_what_it_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: bool) -> None:
    put(tmp_path / "bin", monkeypatch, name, old=old)
    assert scanners.find(["use house-blue-door here", "", "fine"]) == {"house-blue-door"}
    assert scanners.find([]) == set()


def test_none_is_needed_and_a_slow_one_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanners, "TOOLS", ("no-such-scanner",))
    assert scanners.find(["house-blue-door"]) == set()
    monkeypatch.undo()
    put(tmp_path / "bin", monkeypatch, pause=60)
    assert scanners.find(["house-blue-door"], time_s=0.5) == set()


def test_what_it_found_is_removed() -> None:
    us = Redactor()
    us.add({"house-blue-door", "x"})
    assert us.prose("x: house-blue-door") == "x: [redacted:secret]"


def test_it_looks_before_the_first_write(p, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "bin", monkeypatch)
    p.prompt("open house-blue-door")
    p.write("src/a.py", "door = 'house-red-door'\nb = 2\n")
    p.human("src/a.py", "door = 'house-green-door'\nb = 2\n")
    p.fire("Stop", stop_hook_active=False, last_assistant_message="opened house-blue-door")
    p.commit("c")
    drain(p.place)
    (run,) = Store(p.place.data).rows("runs")
    assert (run["task"], run["output"]) == ("open [redacted:secret]", "opened [redacted:secret]")
    (pair,) = Store(p.place.data).rows("pairs")
    assert (pair["output"]["text"], pair["chosen"]["text"]) == ("door = '[redacted:secret]'", "door = '[redacted:secret]'")
    written = b"".join(file.read_bytes() for file in [*p.place.data.rglob("*.parquet"), *p.place.hone.glob("state.db*")])
    assert b"-door" not in written
