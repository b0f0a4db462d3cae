"""The variants' files: what is shipped, what is read back, and what is refused with its place named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_hone.learner import variants
from git_hone.learner.errors import ConfigError
from git_hone.learner.variants import Model, Prompt


def write(folder: Path, name: str, rows: Any) -> None:
    (folder / name).write_text(rows if isinstance(rows, str) else json.dumps(rows))


def test_without_files_there_are_three_prompts_and_one_model_that_stays_here(tmp_path: Path) -> None:
    assert [one.id for one in variants.load_prompts(tmp_path)] == ["default", "detailed", "concise"]
    (model,) = variants.load_models(tmp_path)
    assert (model.provider, model.local, model.per_1k_usd) == ("ollama", True, 0.0)


def test_the_shipped_templates_hold_every_part_of_a_prompt() -> None:
    for prompt in variants.default_prompts():
        text = prompt.render("DO IT", ["a.py", "b.py"], context="KNOW THIS", examples="LIKE THAT")
        assert all(part in text for part in ("DO IT", "a.py", "b.py", "KNOW THIS", "LIKE THAT"))
        assert "{" not in text


def test_the_seeds_files_are_read_as_they_are(tmp_path: Path) -> None:
    write(
        tmp_path,
        variants.PROMPTS,
        [{"id": "default", "name": "Default Prompt", "template": "default", "wins": 45.2, "trials": 50}],
    )
    write(tmp_path, variants.MODELS, [
        {"id": "qwen2.5-coder:7b", "name": "Qwen", "cost_per_1k": 0, "wins": 120.5, "trials": 150},
        {"id": "gpt-4o-mini", "name": "GPT", "cost_per_1k": 0.15, "wins": 45.8, "trials": 50},
    ])  # fmt: skip
    (prompt,) = variants.load_prompts(tmp_path)
    assert (prompt.template, prompt.wins) == (variants.TEMPLATES["default"], 45.2)
    local, paid = variants.load_models(tmp_path)
    assert (local.provider, paid.provider) == ("ollama", "openai-compatible")
    assert paid.per_1k_usd == pytest.approx(0.15)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    models = [
        *variants.default_models(),
        Model("x/y", "anthropic", "https://h.example", "z", "Z", "KEY", 3.0, 15.0, 200_000, False, 1.5, 2.0),
    ]
    prompts = [*variants.default_prompts(), Prompt("mine", "Please: {task}", "Mine")]
    variants.save(tmp_path, models)
    variants.save(tmp_path, prompts)
    assert variants.load_models(tmp_path) == models
    assert variants.load_prompts(tmp_path) == prompts
    before = (tmp_path / variants.MODELS).read_bytes()
    variants.save(tmp_path, variants.load_models(tmp_path))
    assert (tmp_path / variants.MODELS).read_bytes() == before


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("{", "not JSON"),
        ({}, "a list of models"),
        ([], "at least one"),
        ([7], "entry 1: an object"),
        ([{"name": "x"}], "entry 1: id is missing"),
        ([{"id": "a"}, {"id": "a"}], "entry 2 (a): the id is already that of entry 1"),
        ([{"id": "a", "cost_per_1k": -1}], "entry 1 (a): cost_per_1k: at least 0, not -1"),
        ([{"id": "a", "endpont": "http://x"}], "unknown key 'endpont'; did you mean 'endpoint'?"),
        ([{"id": "a", "provider": "gopher"}], "one of ollama, openai-compatible, anthropic"),
        ([{"id": "a", "endpoint": "http://user:pw@host"}], "entry 1 (a): endpoint"),
        ([{"id": "a b"}], "entry 1 (a b): id"),
        ([{"id": "a", "context_length": True}], "context_length: a integer"),
        ('[{"id": "a", "cost_per_1k": NaN}]', "cost_per_1k: a number"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, rows: Any, says: str) -> None:
    write(tmp_path, variants.MODELS, rows)
    with pytest.raises(ConfigError) as caught:
        variants.load_models(tmp_path)
    assert says in caught.value.message and str(tmp_path / variants.MODELS) in caught.value.message
    assert caught.value.tip or "MiB" in caught.value.message


def test_a_list_that_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="already that of entry 1"):
        variants.save(tmp_path, [Prompt("a", "x"), Prompt("a", "y")])
    assert not list(tmp_path.iterdir())


def test_an_unknown_id_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'concise'") as caught:
        variants.find(variants.default_prompts(), "concize", variants.PROMPTS)
    assert "default, detailed, concise" in (caught.value.tip or "")


values = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(-2, 2e6), st.text(max_size=4),
    st.sampled_from(["ollama", "http://x", "http://a@b", "a:b", "KEY", ""]),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["id", "name", "provider", "endpoint", "api_key_env", "cost_per_1k", "context_length", "local",
                                        "template", "wins", "other"]), values))  # fmt: skip
def test_our_own_reading_of_the_schema_is_that_of_jsonschema(row: dict[str, Any]) -> None:
    for kind in ("prompt", "model"):
        whole = variants.schema() | {"$ref": f"#/$defs/{kind}"}
        fits = jsonschema.Draft202012Validator(whole).is_valid(row)
        assert fits == (not variants._findings(Path("f"), [row], kind))


def test_adding_leaves_what_stands_as_it_is(tmp_path: Path) -> None:
    rows = [{"id": "small", "cost_per_1k": 0.15, "wins": 3, "trials": 4}]
    write(tmp_path, variants.MODELS, rows)
    variants.add(tmp_path, Model("large", "anthropic", "https://h.example", "large", input_per_1m_usd=3.0))
    found = json.loads((tmp_path / variants.MODELS).read_text())
    assert found[0] == rows[0] and found[1]["id"] == "large" and "wins" not in found[1]
    with pytest.raises(ConfigError, match="already that of entry 1"):
        variants.add(tmp_path, Model("small", "ollama", "http://localhost:1", "small"))
    with pytest.raises(ConfigError, match="input_per_1m_usd"):
        variants.add(tmp_path, Model("bad", "ollama", "http://localhost:1", "bad", input_per_1m_usd=-1))
    assert json.loads((tmp_path / variants.MODELS).read_text()) == found


def test_adding_to_no_file_keeps_what_is_shipped(tmp_path: Path) -> None:
    variants.add(tmp_path, Prompt("mine", "Please: {task}"))
    assert [one.id for one in variants.load_prompts(tmp_path)] == ["default", "detailed", "concise", "mine"]


def test_refreshing_changes_the_counts_only_and_only_when_they_differ(tmp_path: Path) -> None:
    assert variants.refresh(tmp_path, variants.MODELS, {"small": (1.0, 2)}) is False
    assert list(tmp_path.iterdir()) == []
    write(tmp_path, variants.MODELS, [{"id": "small", "cost_per_1k": 0.15}, {"id": "other", "wins": 9, "trials": 9}])
    assert variants.refresh(tmp_path, variants.MODELS, {"small": (1.5, 2)}) is True
    assert json.loads((tmp_path / variants.MODELS).read_text()) == [
        {"id": "small", "cost_per_1k": 0.15, "wins": 1.5, "trials": 2},
        {"id": "other", "wins": 0.0, "trials": 0.0},
    ]
    stamp = (tmp_path / variants.MODELS).stat().st_mtime_ns
    assert variants.refresh(tmp_path, variants.MODELS, {"small": (1.5, 2)}) is False
    assert (tmp_path / variants.MODELS).stat().st_mtime_ns == stamp


def test_a_new_folder_gets_what_would_be_read_without_it(tmp_path: Path) -> None:
    before = variants.load_prompts(tmp_path), variants.load_models(tmp_path)
    for name, text in variants.defaults().items():
        (tmp_path / name).write_bytes(text)
    assert (variants.load_prompts(tmp_path), variants.load_models(tmp_path)) == before
    assert [row["template"] for row in json.loads((tmp_path / variants.PROMPTS).read_text())] == [
        "default",
        "detailed",
        "concise",
    ]
