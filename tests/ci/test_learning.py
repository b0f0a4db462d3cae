"""The jobs' edges that no run of the workflow shows: bases from the network, what GitHub is told, and promoting from an odd repository."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci import gating
from git_hone.ci.deploying import champions
from git_hone.ci.learning import bases, github, incumbent
from git_hone.ci.learning.jobs import Told
from git_hone.ci.learning.settings import Settings
from git_hone.ci.suite import storing
from git_hone.cli import main
from git_hone.hooks import notes
from git_hone.hooks.place import find
from git_hone.learner import ledger
from git_hone.learner.errors import DataError, UsageError
from git_hone.learner.gating import evaluation
from git_hone.learner.gating.evaluation import Attempt, Evaluation
from git_hone.learner.suite.tasks import Manifest

MODEL = b"GGUF and the rest"
SHA256 = hashlib.sha256(MODEL).hexdigest()
LINE = {"what": "gate", "verdict": "promote", "from": "old", "to": "new\nevil: `x`", "reason": "better", "suite": "repository",
        "suite_hash": "a" * 64, "look": 1}  # fmt: skip


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The address of a server that has the model at /m.gguf, and leads from /away to a machine without https."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/m.gguf" else 404)
            self.send_header("content-length", str(len(MODEL)))
            self.end_headers()
            self.wfile.write(MODEL)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_base_is_fetched_once_and_kept_by_its_hash(web: str, tmp_path: Path) -> None:
    of = Settings(base=f"{web}/m.gguf", base_sha256=SHA256)
    file = bases.fetched(of)
    assert (file.read_bytes(), file.name, file.parent.name) == (MODEL, "m.gguf", SHA256)
    file.write_bytes(b"as it was kept")
    assert bases.fetched(of).read_bytes() == b"as it was kept"
    assert bases.fetched(Settings(base="here.gguf")) == Path("here.gguf")


@pytest.mark.parametrize(
    ("path", "sha256", "error", "words"),
    [
        ("/m.gguf", "0" * 64, DataError, f"holds {SHA256}, not 0000"),
        ("/m.gguf", None, UsageError, "fetched only with its SHA-256"),
        ("/gone.gguf", SHA256, UsageError, "404"),
    ],
)
def test_what_is_not_the_base_is_not_kept(
    web: str, tmp_path: Path, path: str, sha256: str | None, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        bases.fetched(Settings(base=web + path, base_sha256=sha256))
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_no_base_and_no_other_way_than_https() -> None:
    with pytest.raises(UsageError, match="no base model"):
        bases.fetched(Settings())
    with pytest.raises(UsageError, match="only https"):
        bases.fetched(Settings(base="http://192.0.2.1/m.gguf", base_sha256=SHA256))


def test_no_value_adds_an_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    assert github.tell(Told({"a": "1\nverdict=promote"}, "x" * (github.MOST + 5)))
    first, *middle, last = (tmp_path / "out").read_text().splitlines()
    assert middle == ["1", "verdict=promote"]
    assert first == f"a<<{last}"
    assert (tmp_path / "summary").stat().st_size < 1 << 20
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert not github.tell(Told({}, "text"))


def test_promoting_touches_nothing_that_a_person_works_on(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    head = here.commit("first")
    ledger.append(here.path / ".agent", LINE)
    here.write("half.py", "staged")
    here.git("add", "half.py")
    here.git("config", "user.name", "")
    before = here.git("status", "--porcelain")
    capsys.readouterr()
    for _ in range(2):  # again is the same
        assert main(["learn", "promote", "--no-push", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0] == told[1]
    commit = told[0]["outputs"]["commit"]
    assert (here.git("status", "--porcelain"), here.git("rev-parse", "HEAD")) == (before, head)
    assert here.git("diff", "--name-only", head, commit) == ".agent/promotions.jsonl"
    assert here.git("log", "-1", "--format=%an|%s", commit) == "git-hone|Promote new evil: `x`"
    assert len([one for one in notes.events(notes.read(here.path, [head])[head]) if one["type"] == "promotion"]) == 1
    here.git("branch", "-f", told[0]["outputs"]["branch"], head)
    assert main(["learn", "promote", "--no-push"]) == 2
    assert "is there, and is something else" in capsys.readouterr().err


def test_promoting_without_a_verdict_a_commit_or_a_remote(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn", "promote"]) == 1
    assert "no gate was asked" in capsys.readouterr().err
    ledger.append(here.path / ".agent", LINE)
    assert main(["learn", "promote"]) == 2
    assert "no commit yet" in capsys.readouterr().err
    here.commit("first")
    assert main(["learn", "promote"]) == 0  # the line went in with it
    ledger.append(here.path / ".agent", LINE)
    assert main(["learn", "promote"]) == 2
    assert "origin did not take hone/promote-" in capsys.readouterr().err
    ledger.append(here.path / ".agent", LINE | {"verdict": "refuse"})
    assert main(["learn", "promote"]) == 1
    assert "the gate refused new" in capsys.readouterr().err


def test_export_says_whether_there_is_enough(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    here.commit("first")
    capsys.readouterr()
    assert main(["learn", "export", "--role", "judge", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["outputs"] == {"rows": "0", "enough": "false"}
    assert told["report"].startswith("# Export: 0 examples of judge")


@pytest.mark.parametrize("job", ["train", "evaluate", "gate"])
def test_a_job_that_lacks_something_says_what(here: Any, job: str, capsys: pytest.CaptureFixture[str]) -> None:
    here.commit("first")
    assert main(["learn", job, "--suite", "none"]) == 2
    assert "next: " in capsys.readouterr().err


def test_the_workflow_is_written_kept_and_taken_away(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = here.path / ".github/workflows/hone-learn.yml"
    assert main(["init", "--workflow"]) == 0
    assert "git-hone==" in file.read_text()
    assert main(["init", "--workflow"]) == 0
    kept = file.read_text() + "# mine\n"
    file.write_text(kept)
    assert main(["init", "--workflow"]) == 2
    assert "was changed or is of another version" in capsys.readouterr().err
    assert main(["uninstall"]) == 0
    assert file.read_text() == kept
    file.unlink()
    assert main(["init", "--workflow"]) == 0
    assert main(["uninstall"]) == 0
    assert not file.exists()


def test_the_workflow_is_not_written_through_a_link(here: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (here.path / ".github").symlink_to(tmp_path / "elsewhere")
    assert main(["init", "--workflow"]) == 2
    assert "leads out of the repository" in capsys.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.fixture
def judged(here: Any) -> Any:
    """Two models that were evaluated on seven tasks: `good` passes them all, `bad` none."""
    agent = here.path / ".agent"
    manifest = Manifest("repository", ())
    storing.save(storing.folder_of(agent, "repository"), manifest, lambda _: b"")
    optional = ["guard", "likelihood", "divergence"]
    (agent / "learning-config.json").write_text(json.dumps({"version": 1, "promotion": {"optional": optional}}))
    for name, good in (("good", True), ("bad", False)):
        rows = tuple(Attempt(f"t{k}", f"f{k}.py", good, True, 0, 1.0) for k in range(7))
        file = gating.file_of(agent, "repository", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(evaluation.dump(Evaluation(name, "repository", manifest.hash, rows, settings={"temperature": 0.0})))
    here.commit("first")
    return here


def verdict(capsys: pytest.CaptureFixture[str], candidate: str = "good", incumbent: str = "bad") -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["learn", "gate", "--candidate", candidate, "--incumbent", incumbent, "--json"])
    told = json.loads(capsys.readouterr().out)
    return code, told["outputs"]["verdict"], told["report"]


def test_what_was_let_through_is_not_promoted_twice(judged: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(capsys)[:2] == (0, "promote")
    assert verdict(capsys)[:2] == (0, "stands")
    assert verdict(capsys, "bad", "good")[:2] == (1, "refuse")
    assert len(ledger.read(judged.path / ".agent")) == 2


def test_of_an_earlier_ledger_only_refusals_count(judged: Any, capsys: pytest.CaptureFixture[str]) -> None:
    agent = judged.path / ".agent"
    assert verdict(capsys, "bad", "good")[:2] == (1, "refuse")
    (agent / "earlier").mkdir()
    lines = ledger.read(agent)
    forged = [{**lines[0], "verdict": "promote", "candidate_hash": "f" * 64}, {"what": "deploy", "role": "coder"}]
    refused = [{**lines[0], "candidate_hash": letter * 64} for letter in "ab"]
    (agent / "earlier" / ledger.FILE).write_text("".join(f"{json.dumps(one)}\n" for one in (*lines, *forged, *refused)))
    code, said, report = verdict(capsys)
    assert (code, said) == (1, "refuse")
    assert "look 4 of 2" in report  # its own, the two that were refused elsewhere, and this one
    assert [one["verdict"] for one in ledger.read(agent)] == ["refuse"] * 4
    verdict(capsys)
    assert len(ledger.read(agent)) == 4


ID = "0123456789ab"
PUT = {"what": "deploy", "role": "coder", "from": None, "to": ID, "model": "my-coder-tuned-coder"}


def place_it(here: Any, *lines: dict[str, Any], pointers: dict[str, Any] | None = None) -> Any:
    """Commit these lines, and `champions.json`; the place."""
    for line in lines:
        ledger.append(here.path / ".agent", line)
    if pointers:
        (here.path / ".agent" / champions.FILE).write_text(json.dumps({"version": 1, "roles": {"coder": pointers}}))
    here.commit("What serves")
    return find(here.path)


def test_what_serves_is_read_from_what_is_committed(here: Any) -> None:
    here.commit("first")
    assert incumbent.committed(find(here.path), "coder") is None
    ledger.append(here.path / ".agent", PUT)
    assert incumbent.committed(find(here.path), "coder") is None, "a line that nobody committed is nobody's word"
    place = place_it(here, {"what": "create", "role": "coder", "to": ID, "file_sha256": "a" * 64})
    found = incumbent.committed(place, "coder")
    assert found is not None
    assert (found.id, found.folder, found.sha256, found.artifact) == (
        ID, place.agent / "lora/coder" / ID, "a" * 64, f"hone-adapter-{ID}")  # fmt: skip
    assert incumbent.committed(place, "fixer") is None
    place = place_it(here, {"what": "gate", "verdict": "promote", "role": "coder", "to": "api-model"})
    found = incumbent.committed(place, "coder")
    assert found is not None and (found.id, found.model, found.folder, found.artifact) == ("api-model", "api-model", None, None)
    place = place_it(here, {"what": "rollback", "role": "coder", "from": "x", "to": f"{ID}-step-000003"})
    found = incumbent.committed(place, "coder")
    assert found is not None and found.folder == place.agent / "lora/coder" / ID / "checkpoints/step-000003"
    assert incumbent.committed(place_it(here, {"what": "rollback", "role": "coder", "to": None}), "coder") is None
    place = place_it(here, {"what": "rollback", "role": "coder", "to": ID, "pointer": "challenger"})
    assert incumbent.committed(place, "coder") is None, "the challenger was never in place"
    with pytest.raises(DataError, match="7 is no name of what serves coder"):
        incumbent.committed(place_it(here, PUT | {"to": 7}), "coder")
    here.write(".agent/promotions.jsonl", "{\n")
    here.commit("broken")
    with pytest.raises(DataError, match=r"HEAD:\.agent/promotions\.jsonl: line 1"):
        incumbent.committed(place, "coder")


def test_without_a_ledger_the_pointers_say_what_serves(here: Any) -> None:
    entry = {"file": f".agent/lora/coder/{ID}/merged.gguf", "file_sha256": "b" * 64, "base_sha256": "c" * 64}
    place = place_it(here, pointers={"champion": ID, "deployments": {ID: entry}})
    found = incumbent.committed(place, "coder")
    assert found is not None and (found.id, found.file, found.sha256, found.base_sha256) == (
        ID,
        "merged.gguf",
        "b" * 64,
        "c" * 64,
    )
    place = place_it(here, pointers={"champion": "before-git-hone", "deployments": {"before-git-hone": {"file": None}}})
    found = incumbent.committed(place, "coder")
    assert found is not None and (found.model, found.folder) == ("my-coder-tuned-coder", None)


def test_a_champion_that_is_not_here_is_never_passed_over(here: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tmp_path / "base.gguf"
    base.write_bytes(MODEL)
    file = here.path / f".agent/lora/coder/{ID}/adapter.gguf"
    place = place_it(here, {"what": "create", "role": "coder", "to": ID, "file_sha256": SHA256, "base_sha256": SHA256}, PUT)
    found, of = incumbent.committed(place, "coder"), Settings(base=str(base))
    capsys.readouterr()
    assert main(["learn", "incumbent", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"] == {"incumbent": ID, "artifact": f"hone-adapter-{ID}"}
    assert main(["learn", "evaluate", "--candidate", "good", "--base", str(base)]) == 2
    said = capsys.readouterr().err
    assert f"{ID}, which serves coder by what is committed, is not here" in said and "git add -f" in said
    for job in ("incumbent", "evaluate", "gate"):
        assert main(["learn", job, "--candidate", "good", "--incumbent", "bad"]) == 2
        assert "bad was named as the incumbent" in capsys.readouterr().err
    file.parent.mkdir(parents=True)
    file.write_bytes(b"another")
    with pytest.raises(DataError, match="not what serves coder"):
        incumbent.weights(place, found, of)
    file.write_bytes(MODEL)
    assert incumbent.weights(place, found, of) == (str(base), ID, file)
    assert main(["learn", "incumbent", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"]["artifact"] == ""
    base.write_bytes(b"another base")
    with pytest.raises(UsageError, match="is for another base"):
        incumbent.weights(place, found, of)


def test_the_gate_takes_no_other_evaluation_for_the_champion_s(judged: Any, capsys: pytest.CaptureFixture[str]) -> None:
    agent = judged.path / ".agent"
    place_it(judged, PUT, {"what": "create", "role": "coder", "to": ID, "file_sha256": "a" * 64})
    other = evaluation.load(gating.file_of(agent, "repository", "bad"))
    for sha256, code in (("b" * 64, 2), ("a" * 64, 0)):
        of = replace(other, model=ID, files={"adapter.gguf": sha256})
        gating.file_of(agent, "repository", ID).write_text(evaluation.dump(of))
        capsys.readouterr()
        assert main(["learn", "gate", "--candidate", "good"]) == code
    assert "not of the file that serves" not in capsys.readouterr().err
    assert [line["from"] for line in ledger.read(agent) if line["what"] == "gate"] == [ID]
