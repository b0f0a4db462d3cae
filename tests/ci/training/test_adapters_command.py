"""`git hone adapters convert | merge | check`, as a person calls them, outside of any repository."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.training import by_hand, convert, header, integrity, merge
from git_hone.cli import main

from .conftest import Tiny

Make = Callable[..., Tiny]


@pytest.fixture
def made(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    monkeypatch.chdir(tmp_path)
    return tiny(layers=1)


def hone(*words: object) -> int:
    return main(["adapters", *map(str, words)])


def test_converted_it_names_its_base_and_may_be_served(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert hone("convert", made.adapter, "--base", made.base, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    head = header.read(Path(told["path"]))
    assert head.is_adapter and head.fields[convert.BASE_SHA256] == told["base_sha256"]
    assert (told["layers"], told["path"]) == (7, str(made.adapter / "adapter.gguf"))
    assert hone("check", made.adapter, "--base", made.base) == 0
    assert "fits its base" in capsys.readouterr().out


def test_half_precision_and_another_place(made: Tiny) -> None:
    assert hone("convert", made.adapter, "--base", made.base, "--type", "F16", "--out", "half.gguf") == 0
    assert {tensor.type for tensor in header.read(Path("half.gguf")).tensors.values()} == {"F16"}
    assert not (made.adapter / "adapter.gguf").exists()
    assert hone("check", "half.gguf", "--base", made.base, "--trained", made.adapter) == 0


def test_merged_at_the_type_that_was_asked_for(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert hone("merge", made.adapter, "--base", made.base, "--type", "F16", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    head = header.read(made.adapter / "merged.gguf")
    assert head.tensors["blk.0.attn_q.weight"].type == "F16" and told["kept"] == pytest.approx(1, abs=0.01)
    assert head.fields[convert.BASE_SHA256] == told["base_sha256"] and not head.is_adapter


def test_a_merge_that_erases_the_adapter_is_refused_unless_forced(
    tiny: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tiny(kind="Q4_1", layers=1)
    for b in made.b.values():
        b *= 0.02
    made.save()
    words = ("merge", made.adapter, "--base", made.base, "--type", "Q4_1")
    assert hone(*words) == 2
    assert "of the adapter is left" in capsys.readouterr().err
    assert sorted(file.name for file in made.adapter.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert hone(*words, "--force") == 0
    assert (made.adapter / "merged.gguf").exists()


@pytest.mark.parametrize("what", ["convert", "merge"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [({"use_dora": True}, "DoRA"), ({"rank_pattern": {"q_proj": 2}}, "ranks that differ"), ({"modules_to_save": ["lm_head"]}, "whole layers")],
    ids=["dora", "ranks", "modules"],
)  # fmt: skip
def test_what_gguf_cannot_carry_is_refused(
    made: Tiny, what: str, changes: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made.settings(**changes)
    assert hone(what, made.adapter, "--base", made.base, "--out", "out.gguf") == 2
    said = capsys.readouterr().err
    assert words in said and "adapter_config.json" in said and "next: " in said
    assert not list(Path().glob("*out.gguf"))


@pytest.mark.parametrize("what", ["convert", "merge", "check"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [(lambda raw: raw[: len(raw) // 2], "cut short"), (lambda raw: b"PK\x03\x04" + raw[4:], "not a GGUF file"),
     (lambda raw: raw.replace(b"llama", b"mamba"), "'mamba' cannot be converted"), (lambda raw: b"", "cut short")],
    ids=["truncated", "zip", "foreign", "empty"],
)  # fmt: skip
def test_a_base_that_would_end_llama_cpp_is_refused_before(
    made: Tiny, what: str, damage: Callable[[bytes], bytes], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hone("convert", made.adapter, "--base", made.base) == 0
    made.base.write_bytes(damage(made.base.read_bytes()))
    assert hone(what, made.adapter, "--base", made.base) == 2
    assert words in capsys.readouterr().err


def test_an_adapter_of_another_base_or_cut_short_may_not_be_served(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert hone("convert", made.adapter, "--base", made.base) == 0
    whole = made.base.read_bytes()
    made.base.write_bytes(whole[:-1] + b"\x01")
    assert hone("check", made.adapter, "--base", made.base, "--json") == 1
    told = capsys.readouterr().out.splitlines()[-1]
    assert "made for another base" in json.loads(told)["faults"][0] and json.loads(told)["scores"] is None
    made.base.write_bytes(whole)
    gguf = made.adapter / "adapter.gguf"
    gguf.write_bytes(gguf.read_bytes()[:-300])
    assert hone("check", gguf, "--base", made.base) == 1
    assert "cut short" in capsys.readouterr().out


def test_the_base_is_never_written_over(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    before = made.base.read_bytes()
    for what in ("convert", "merge"):
        assert hone(what, made.adapter, "--base", made.base, "--out", made.base) == 2
        assert "the base itself" in capsys.readouterr().err
    assert made.base.read_bytes() == before


def test_a_missing_extra_is_named_with_its_command(
    made: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from git_hone.ci.training import needs

    found = needs.find_spec
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name in ("gguf", "torch") else found(name))
    assert hone("convert", made.adapter, "--base", made.base) == 2
    assert "pip install 'git-hone[train]'" in capsys.readouterr().err
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "torch" else found(name))
    assert hone("convert", made.adapter, "--base", made.base) == 0
    assert hone("check", made.adapter, "--base", made.base, "--scores") == 2
    assert "needs torch" in capsys.readouterr().err
    assert hone("check", made.adapter / "adapter.gguf", "--base", made.base, "--scores") == 2
    assert "--trained" in capsys.readouterr().err


def measured(monkeypatch: pytest.MonkeyPatch, *nats: float) -> None:
    """llama.cpp is there, and says this of one merged model after the other; `tests/train` asks it."""
    left = list(nats)

    @contextmanager
    def against(base: Path, adapter: Path) -> Iterator[Callable[[Path], integrity.Parity]]:
        assert header.read(adapter).is_adapter
        yield lambda merged: integrity.Parity(left.pop(0), 0.5, 0.75, len(header.read(merged).tensors))

    monkeypatch.setattr(by_hand, "_measurable", lambda model: True)
    monkeypatch.setattr(integrity, "against", against)


def test_a_type_that_rounds_too_much_away_is_refused_by_the_configured_limit(
    made: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("merge", made.adapter, "--base", made.base, "--type", "Q8_0")
    measured(monkeypatch, 0.0031, 0.0031, 0.0031)
    assert hone(*words) == 2
    said = capsys.readouterr().err
    assert (
        "not written: at Q8_0 it is 0.0031 nats a token from base and adapter, at most 0.0005 may be" in said
        and "--costs" in said
    )
    assert sorted(file.name for file in made.adapter.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert hone(*words, "--force", "--json") == 0
    assert json.loads(capsys.readouterr().out)["divergence"] == 0.0031
    subprocess.run(["git", "init", "-q"], check=True)
    agent = Path(".agent")
    agent.mkdir()
    (agent / "learning-config.json").write_text('{"promotion": {"maxDivergence": 0.005}, "autoDeploy": {"mergeType": "Q8_0"}}')
    assert hone(*words[:-2]) == 0
    assert "0.0031 nats a token from base and adapter" in capsys.readouterr().out
    assert header.read(made.adapter / "merged.gguf").tensors["blk.0.attn_v.weight"].type == "Q8_0"


def test_the_cost_of_each_type_is_said_and_nothing_is_written(
    made: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("merge", made.adapter, "--base", made.base, "--costs")
    monkeypatch.setattr(by_hand, "_measurable", lambda model: False)
    assert hone(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(merge.KINDS)
    assert all("not measured: pip install 'git-hone[serve]'" in line for line in lines)
    measured(monkeypatch, *(k / 1000 for k in range(8)))
    assert hone(*words, "--json") == 0
    told = json.loads(capsys.readouterr().out)["costs"]
    assert [(one["kind"], one["divergence"]) for one in told] == [(kind, k / 1000) for k, kind in enumerate(merge.KINDS)]
    assert told[0]["bytes"] > told[1]["bytes"] > told[-1]["bytes"]
    assert sorted(file.name for file in made.adapter.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
