"""Exports of real repositories: what is in them, what is not and why, and that they are the same everywhere."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.exporting import Exported, Options, export
from git_hone.cli import main
from git_hone.hooks import consent, forget
from git_hone.hooks.place import find
from git_hone.hooks.target import target
from git_hone.learner import lineage
from git_hone.learner.errors import ConfigError, DataError, UsageError
from git_hone.learner.lineage import Lineage, change_of
from git_hone.learner.store import Store

_spec = importlib.util.spec_from_file_location("hone_played", Path(__file__).with_name("played.py"))
assert _spec and _spec.loader
played = importlib.util.module_from_spec(_spec)
sys.modules["hone_played"] = played
_spec.loader.exec_module(played)
code = played.code

EVERYTHING = Options(formats=("sft", "messages", "dpo", "kto"))
TOKEN = "ghp_" + "aB3xY9" * 6


@pytest.fixture
def made(tmp_path: Path, home: Path) -> Any:
    """A repository without changes yet."""
    return played.History(tmp_path / "repo", home)


def change(h: Any, sha: str) -> str:
    (row,) = [row for row in Store(h.place.data).rows("changes") if row["commit"] == sha]
    return str(row["change_id"])


def rows(done: Exported, name: str) -> list[dict[str, Any]]:
    """The rows of both sides of one set, as a trainer reads them."""
    assert done.folder is not None
    files = sorted(done.folder.glob(f"{name}.*"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def why(done: Exported) -> dict[str, set[str]]:
    """Change -> the reasons that stand in excluded.jsonl."""
    found: dict[str, set[str]] = {}
    for row in rows(done, "excluded"):
        found.setdefault(row["change_id"], set()).add(row["reason"])
    return found


def whole(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_one_of_everything(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    h = made
    good = h.weeks(6)
    reverted = h.work("src/bad.py", code("bad"), "Write the bad module", "Add bad", 80)
    h.git("revert", "--no-edit", reverted, GIT_AUTHOR_DATE=stamp(79), GIT_COMMITTER_DATE=stamp(79))
    h.write("tests/test_parse.py", "def test_parse():\n    assert 1 + 1 == 2\n")
    h.commit("Test it", 78)
    tampered = h.work("tests/test_parse.py", "import pytest\n\n\n@pytest.mark.skip\ndef test_parse():\n    assert 1 + 1 == 2\n",
                      "Make it green", "Skip the test", 77)  # fmt: skip
    private = h.work("config/secret_keys.py", code("keys"), "Write the keys", "Add keys", 76)
    twin = h.work("src/parse_again.py", code("parse"), "Write the module that can parse values", "Add parse again", 75)
    untold = h.work("src/untold.py", code("untold"), None, "Tell nobody about it (#12)", 74)
    wip = h.work("src/wip.py", code("wip"), None, "wip", 73)
    leaky = h.work("src/leaky.py", code("leaky") + f'\n\nTOKEN = "{TOKEN}"  # TODO(zebedee): ask Zebedee Quux\n'
                   'TO = "stranger@elsewhere.org"  # /home/strangely\n', "Write what leaks",
                   "Add leaky", 72, author="Zebedee Quux <zq@corp.test>")  # fmt: skip
    with played.Player(h.repo, h.home, dict(os.environ)) as agent:
        agent.prompt("Write the edited module")
        agent.write("src/edited.py", code("edited"))
    h.write("src/edited.py", h.read("src/edited.py").replace("return edited.edited_7(value) + 1", "return other(value, by=1)"))
    edited = h.commit("Add edited", 70)
    mended = h.work("src/mended.py", code("mended"), "Write the mended module", "Add mended", 60)
    h.write("src/mended.py", code("mended", 2) + "\n\ndef rest():\n    return None\n")
    h.commit("Fix the mended module", 55)
    young = h.work("src/young.py", code("young"), "Write the young module", "Add young", 3)
    h.settle()
    done = export(h.place, EVERYTHING)
    assert done.folder is not None
    reasons = why(done)
    ids = {change(h, sha): sha for sha in (reverted, tampered, private, twin, wip, mended, young, edited, leaky, untold, *good)}
    named = {sha: reasons.get(name, set()) for name, sha in ids.items()}
    assert (named[reverted], named[tampered], named[private]) == ({"reverted"}, {"tampered"}, {"private_path"})
    assert (named[wip], named[young]) == ({"no_prompt"}, {"not_matured"})
    assert "near_duplicate" in named[twin] or "near_duplicate" in named[good[0]]
    body = done.manifest
    assert body["changes"] == body["changes_used"] + body["changes_without_rows"] + sum(body["excluded_changes"].values()) == 16
    assert body["excluded_changes"] == {"reverted": 1, "tampered": 1, "not_matured": 1, "private_path": 1, "no_prompt": 1}

    sft = {row["id"]: row for row in rows(done, "coder_sft")}
    learned = {ids[change_of(name)] for name in sft}
    assert {*good[1:], untold, leaky, edited} <= learned | {ids[c] for c, r in reasons.items() if "held_out" in r}
    assert not learned & {reverted, tampered, private, wip, young, mended}
    for row in sft.values():
        assert list(row) == ["id", "prompt", "completion", "role", "label", "provenance"]
        assert (row["role"], row["label"]) == ("coder", True)
        assert [message["role"] for message in row["prompt"] + row["completion"]] == ["system", "user", "assistant"]
        path = json.loads(row["provenance"])["paths"][0]
        if ids[change_of(row["id"])] != leaky:
            stood = h.git("show", f"{ids[change_of(row['id'])]}:{path}")
            assert row["completion"][0]["content"] == f"```\n{stood}\n```"
    told = {json.loads(row["provenance"])["commit"]: json.loads(row["provenance"])["prompt_from"] for row in sft.values()}
    assert told[untold] == "commit message"
    assert "(#12)" not in (done.folder / "coder_sft.train.jsonl").read_text()
    assert set(told.values()) == {"prompt", "commit message"}

    pairs = {change_of(row["id"]): row for row in rows(done, "coder_dpo")}
    assert set(pairs) == {change(h, edited), change(h, mended)}
    pair = pairs[change(h, edited)]
    assert "return other(value, by=1)" in pair["chosen"][0]["content"]
    assert "edited_7" in pair["rejected"][0]["content"]
    kto = rows(done, "coder_kto")
    assert {change_of(row["id"]) for row in kto if not row["label"]} == {change(h, edited), change(h, mended)}
    assert len({row["id"] for row in kto}) == len(kto) == len(sft) + 2 * len(pairs) + 1  # and the mended one
    verdicts = {change_of(row["id"]): json.loads(row["completion"][0]["content"]) for row in rows(done, "judge_sft")}
    assert verdicts[change(h, mended)]["verdict"] == "revise"
    assert verdicts[change(h, edited)] == {"verdict": "accept", "because": "100 % of its lines stood after 14 days"}

    everything = b"".join(whole(done.folder).values()).decode()
    for secret in (TOKEN, "Zebedee", "zebedee", "zq@corp.test", "secret_keys", "stranger@elsewhere.org", "strangely"):
        assert secret not in everything, secret
    assert "[redacted:github-token]" in everything
    assert "[redacted:email]" in everything
    assert body["redacted"]["texts"] >= 1
    os.chdir(h.repo)
    assert main(["export", "--format", "all"]) == 0
    said = capsys.readouterr().out
    assert "stands unchanged in" in said
    assert "reverted, and not landed again" in said


def stamp(days: float) -> str:
    return f"{int(played.NOW - days * 86_400)} +0000"


def few(h: Any, n: int = 3) -> list[str]:
    made: list[str] = h.weeks(n)
    return made


def test_the_same_bytes_on_another_machine(made: Any, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h = made
    h.weeks(4)
    first = export(h.place, EVERYTHING)
    assert first.folder is not None
    assert first.manifest["redacted"]["here_only"] == 0
    elsewhere = tmp_path / "other place"
    shutil.copytree(h.repo, elsewhere, ignore=shutil.ignore_patterns("sft"))
    cloned = tmp_path / "clone"
    h.git("clone", "-q", str(h.repo), str(cloned))
    shutil.copytree(h.repo / ".agent" / "data", cloned / ".agent" / "data")
    shutil.copy(h.repo / ".agent" / "learning-config.json", cloned / ".agent")
    (tmp_path / "home2").mkdir()
    (tmp_path / "home2" / ".gitconfig").write_text("[user]\n\tname = Ottilie Quist\n\temail = oq@elsewhere.test\n")
    for name, value in {"HOME": str(tmp_path / "home2"), "TZ": "Asia/Tokyo", "LC_ALL": "C", "USER": "ottilie"}.items():
        monkeypatch.setenv(name, value)
    for repo in (elsewhere, cloned):
        again = export(find(repo), EVERYTHING)
        assert again.folder is not None
        assert (again.folder.name, again.sha256) == (first.folder.name, first.sha256)
        assert whole(again.folder) == whole(first.folder)
    assert (h.repo / ".agent" / "last-export-coder.txt").read_text() == f"{first.folder.name}\n"
    assert (h.repo / ".agent/sft/coder_sft.jsonl").read_bytes() == (first.folder / "coder_sft.train.jsonl").read_bytes()


def test_a_reverted_change_leaves_the_next_export_and_its_adapters_are_named(
    made: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    h = made
    _, bad, other = few(h)
    first = export(h.place, EVERYTHING)
    ids = [row["id"] for row in rows(first, "coder_sft")]
    for name, of in (("smol-1", bad), ("smol-2", other)):
        folder = h.place.agent / "lora" / name
        folder.mkdir(parents=True)
        learned = tuple(row for row in ids if change_of(row) == change(h, of))
        assert learned
        lineage.write(folder, Lineage(name, "coder", first.sha256, learned, (first.folder and first.folder.name) or ""))
    assert export(h.place, EVERYTHING).adapters == []
    h.git("revert", "--no-edit", bad, GIT_AUTHOR_DATE=stamp(2), GIT_COMMITTER_DATE=stamp(2))
    h.settle()
    second = export(h.place, EVERYTHING)
    assert second.folder != first.folder
    assert change(h, bad) not in {change_of(row["id"]) for row in rows(second, "coder_sft")}
    assert [(one["adapter"], one["changes"]) for one in second.adapters] == [("smol-1", {change(h, bad): "reverted"})]
    assert second.manifest["excluded_changes"] == {"reverted": 1}
    monkeypatch.chdir(h.repo)
    assert main(["export"]) == 0
    assert "adapter smol-1" in capsys.readouterr().out


def test_what_is_forgotten_leaves_exports_and_its_adapters_are_named(made: Any) -> None:
    h = made
    gone, _, stays = few(h)
    first = export(h.place, EVERYTHING)
    assert first.folder is not None
    name = change(h, gone)
    for adapter, of in (("smol-1", name), ("smol-2", change(h, stays))):
        (h.place.agent / "lora" / adapter).mkdir(parents=True)
        learned = tuple(row["id"] for row in rows(first, "coder_sft") if change_of(row["id"]) == of)
        lineage.write(h.place.agent / "lora" / adapter, Lineage(adapter, "coder", first.sha256, learned))
    by_path = target(h.place, path="src/parse.py")
    assert any("smol-1" in line for line in forget.search(h.place, by_path).found)
    report = forget.forget(h.place, target(h.place, change=name))
    assert report.removed["exports"] == 1
    assert not first.folder.exists()
    assert not (h.place.agent / "last-export-coder.txt").exists()
    assert name not in (h.place.agent / "sft" / "coder_sft.jsonl").read_text()
    (said,) = report.found
    assert "smol-1" in said
    assert lineage.read(h.place.agent / "lora" / "smol-1" / lineage.FILE).adapter == "smol-1"
    second = export(h.place, EVERYTHING)
    assert name not in "".join(row["id"] for row in rows(second, "coder_sft"))
    assert [(one["adapter"], one["changes"]) for one in second.adapters] == [("smol-1", {name: "forgotten"})]


def test_what_the_suite_asks_is_left_out(made: Any) -> None:
    h = made
    asked, injected, _ = few(h)
    copied = h.work("src/copied.py", code("copied") + "\n\n" + "\n".join(code("parse").splitlines()[:6]) + "\n",
                    "Write the copied module", "Add copied", 90)  # fmt: skip
    h.settle()
    folder = h.place.agent / "suite" / "first"
    folder.mkdir(parents=True)
    tasks = [
        {"id": "mined-1", "prompt": "Parse values", "source": "mined", "origin": {"commit": asked}},
        {"id": "injected-1", "prompt": "Mend it", "source": "injected", "origin": {"commit": injected}},
    ]
    (folder / "manifest.json").write_text(json.dumps({"tasks": tasks}))
    (h.place.agent / "suite" / "manifest.json").write_text("{")
    done = export(h.place, EVERYTHING)
    found = {row["change_id"]: row for row in rows(done, "excluded") if row["role"] == "coder"}
    assert {name: row["reason"] for name, row in found.items()} == dict.fromkeys(
        (change(h, asked), change(h, copied)), "in_suite"
    )
    assert found[change(h, copied)]["detail"].startswith("mined-1: ")
    assert done.manifest["suite"] == [{"name": "first", "sha256": done.manifest["suite"][0]["sha256"], "tasks": 2}]
    assert any("manifest.json" in note for note in done.notes)


def test_a_fixer_learns_from_checks_that_failed_and_then_passed(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    h = made
    monkeypatch.chdir(h.repo)
    h.write("src/broken.py", "def f(:\n    return 1\n")
    h.commit("Break it", 60)
    check = ["check", "compile", "--", sys.executable, "-m", "compileall", "-q", "src"]
    assert main(check) == 1
    fixed = h.work("src/broken.py", "def f():\n    return 1\n", "It does not compile", "Mend it", 59)
    assert main(check) == 0
    h.settle()
    done = export(h.place, Options(roles=("fixer",)))
    (row,) = rows(done, "fixer_sft")
    assert change_of(row["id"]) == change(h, fixed)
    asked, answered = row["prompt"][1]["content"], row["completion"][0]["content"]
    assert asked.startswith("compile")
    assert "def f(:" in asked
    assert "-def f(:\n+def f():\n" in answered
    assert json.loads(row["provenance"])["prompt_from"] == "checks"
    h.git("checkout", "-q", f"{fixed}~1")
    patch = answered.removeprefix("```diff\n").removesuffix("```")
    (h.repo / "p").write_text(patch)
    h.git("apply", "p")
    assert h.read("src/broken.py") == "def f():\n    return 1\n"


def test_options(made: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    h = made
    commits = few(h)
    newest = change(h, commits[-1])
    one = export(h.place, Options(limit=1, roles=("coder",)))
    assert [change_of(row["id"]) for row in rows(one, "coder_sft")] == [newest]
    assert one.manifest["excluded_rows"] == {"coder": {"over_limit": 2}}
    since = datetime.fromtimestamp(played.NOW - 112 * 86_400, timezone.utc)
    assert export(h.place, Options(since=since)).manifest["excluded_changes"] == {"too_early": 2}
    hard = export(h.place, Options(difficulty="hard"))
    assert hard.folder is None
    assert hard.manifest["excluded_changes"] == {"other_difficulty": 3}
    monkeypatch.chdir(h.repo)
    target = tmp_path / "elsewhere" / "data"
    capsys.readouterr()
    assert main(["export", "--role", "coder", "--format", "messages", "--out", str(target), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["folder"] == str(target)
    assert said["manifest"]["rows"] == {"coder_messages": {"train": 3, "val": 0}}
    assert {file.name for file in target.iterdir()} == {
        "coder_messages.train.jsonl",
        "excluded.jsonl",
        "manifest.json",
        "README.md",
    }
    assert main(["export", "--difficulty", "easy"]) == 1
    assert "nothing to export" in capsys.readouterr().out
    for name, file in said["manifest"]["files"].items():
        content = (target / name).read_bytes()
        assert (file["sha256"], file["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert hashlib.sha256((target / "manifest.json").read_bytes()).hexdigest() == said["manifest_sha256"]


def test_bad_input_is_refused_and_harms_nothing(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h = made
    few(h, 1)
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("all of it")
    with pytest.raises(UsageError, match="holds other files"):
        export(h.place, Options(out=full))
    with pytest.raises(UsageError, match="not a folder"):
        export(h.place, Options(out=full / "thesis.txt"))
    with pytest.raises(DataError, match=r"thesis\.txt"):
        export(h.place, Options(out=full / "thesis.txt" / "below"))
    assert [file.name for file in full.iterdir()] == ["thesis.txt"]
    done = export(h.place)
    assert done.folder is not None
    (done.folder / "coder_sft.train.jsonl").write_text("cut")
    healed = export(h.place)
    assert (healed.folder, healed.fresh) == (done.folder, True)
    assert (done.folder / "coder_sft.train.jsonl").read_text() != "cut"
    lora = h.place.agent / "lora" / "x"
    lora.mkdir(parents=True)
    (lora / "lineage.json").write_text("{")
    assert any("lineage.json" in note for note in export(h.place).notes)
    (h.place.agent / "learning-config.json").write_text("{")
    with pytest.raises(ConfigError):
        export(h.place)
    monkeypatch.chdir(h.repo)
    assert main(["export", "--sqlite", "x.db", "--role", "coder"]) == 2
    assert not (h.repo / "x.db").exists()


def test_who_opts_out_later_is_in_no_export(made: Any) -> None:
    h = made
    few(h, 2)
    mine = h.work("src/mine.py", code("mine"), "Write mine", "Add mine", 70, author="Zoe Zimmer <zz@corp.test>")
    h.settle()
    assert change(h, mine) in {change_of(row["id"]) for row in rows(export(h.place), "coder_sft")}
    (h.place.agent / "learning-config.json").write_text(json.dumps({"privacy": {"optOut": [consent.hash_of("zz@corp.test")]}}))
    done = export(h.place)
    assert done.manifest["excluded_changes"] == {"opted_out": 1}
    assert change(h, mine) not in "".join(row["id"] for row in rows(done, "coder_sft"))


def test_a_row_that_does_not_stand_by_the_seeds_formula_is_judged_again(made: Any) -> None:
    """The seed's reward pays for what is known to be bad, so it chooses nothing."""
    h = made
    (h.place.agent / "learning-config.json").write_text(json.dumps({"reward": {"mode": "seed"}}))
    few(h, 2)
    assert {row["reward_mode"] for row in Store(h.place.data).rows("changes")} == {"seed"}
    done = export(h.place)
    assert {json.loads(row["provenance"])["reward"] for row in rows(done, "coder_sft")} == {1.0}


def test_a_full_disk_leaves_what_stood_there(made: Any) -> None:
    h = made
    few(h, 2)
    before = export(h.place)
    assert before.folder is not None
    stood = {str(file): file.read_bytes() for file in (h.place.agent / "sft").rglob("*") if file.is_file()}
    code = "import sys; from git_hone.cli import main; sys.exit(main(['export', '--format', 'all']))"
    limited = ["sh", "-c", 'ulimit -f 2; exec "$@"', "sh", sys.executable, "-B", "-c", code]
    done = subprocess.run(limited, cwd=h.repo, capture_output=True, text=True)
    assert done.returncode == 2
    assert "nothing was written" in done.stderr
    assert "Traceback" not in done.stderr
    assert {str(file): file.read_bytes() for file in (h.place.agent / "sft").rglob("*") if file.is_file()} == stood


def test_what_only_this_machine_knows_is_removed_and_counted(made: Any) -> None:
    h = made
    few(h, 2)
    h.work("src/host.py", code("host") + "\n\n# built for Ottilie Quixotron\n", "Write the host module", "Add host", 70)
    h.settle()
    assert export(h.place).manifest["redacted"]["here_only"] == 0
    h.git("config", "user.name", "Ottilie Quixotron")  # who has committed nothing
    done = export(h.place)
    assert done.manifest["redacted"]["here_only"] >= 1
    assert done.folder is not None
    assert b"Quixotron" not in b"".join(whole(done.folder).values())
