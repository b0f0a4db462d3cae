"""The configuration: defaults, findings with key paths, the verdict's cache."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_hone.learner import config
from git_hone.learner.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".agent" / "learning-config.json"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_missing_file_is_the_defaults(path: Path) -> None:
    loaded = config.load(path)
    assert loaded.values == config.DEFAULTS
    assert config.validate(path) == []


def test_the_seeds_defaults() -> None:
    defaults = config.Config(config.DEFAULTS)
    for key, value in {
        "enabled": True, "rewardWeights.compile": 0.25, "rewardWeights.tests": 0.25, "rewardWeights.errors": 0.25,
        "rewardWeights.human": 0.25, "promptBandit.epsilon": 0.1, "promptBandit.stopError": 0.05,
        "promptBandit.variants": ["default", "detailed", "concise"],
        "modelRouter.epsilon": 0.1, "modelRouter.max_cost_per_1k_usd": 0.002, "autoExport.minRuns": 100,
        "autoExport.minReward": 0.7, "autoExport.maxExamples": 1000, "autoTrain.minExamples": 500,
        "autoTrain.baseModel": "qwen2.5-coder:7b", "autoTrain.loraRank": 16, "autoTrain.epochs": 3, "autoTrain.batchSize": 2,
        "autoTrain.learningRate": 2e-4, "autoDeploy.modelNamePrefix": "my-coder-tuned", "autoDeploy.temperature": 0.2,
        "autoDeploy.topP": 0.9, "autoDeploy.topK": 40, "driftDetection.minPerformanceDrop": 0.05,
        "driftDetection.evaluationRuns": 20, "driftDetection.rule": "cusum", "learning.mode": "passive",
        "learning.auto_improve": True, "learning.threshold": 50, "notes.shards": 1, "sync.prePush": False, "sync.budgetSeconds": 2.0,
        "privacy.local_only": True, "privacy.anonymize": True,
        "privacy.exclude_patterns": ["*secret*", "*private*"], "reward.mode": "hone", "version": 1,
    }.items():  # fmt: skip
        assert defaults[key] == value, key


def test_schema_is_valid_and_accepts_its_own_defaults(path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(config.schema())
    assert config.write_default(path)
    assert config.validate(path) == []
    assert config.load(path).hash == config.Config(config.DEFAULTS).hash
    assert not config.write_default(path), "an existing file stays"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"autoExport": {"minRuns": "100"}}', 'autoExport.minRuns: must be a whole number, not "100" (text)'),
        ('{"promptBandit": {"epsilon": "0.1"}}', "promptBandit.epsilon: must be a number"),
        ('{"promptBandit": {"epsilon": 1.5}}', "promptBandit.epsilon: must be at most 1, not 1.5"),
        ('{"promptBandit": {"variants": []}}', "promptBandit.variants: must not be empty"),
        ('{"promptBandit": {"variants": ["a", "a"]}}', "promptBandit.variants: must not name the same thing twice"),
        ('{"reward": {"mode": "best"}}', 'reward.mode: must be one of "hone", "seed", not "best"'),
        ('{"enabled": 1}', "enabled: must be true or false, not 1 (a number)"),
        ('{"privacy": null}', "privacy: must be an object"),
        ('{"rewardWeights": {"compile": 0, "tests": 0, "errors": 0, "human": 0}}', "rewardWeights: all weights are 0"),
        ('{"rewardWeights": {"compile": -1}}', "rewardWeights.compile: must be at least 0"),
        ('{"autoTrain": {"learningRate": 0}}', "autoTrain.learningRate: must be more than 0"),
        ('{"version": 2}', "version: 2 was written by a newer git-hone; this one reads up to 1"),
        ('{"enabled": true,\n "enabled": false}', "enabled: written twice"),
        ('{"autoTrain": {"epochs": 1, "epochs": 2}}', "autoTrain.epochs: written twice"),
        ('{"autoExport": {"minReward": NaN}}', "NaN is not a JSON number"),
        ('{"autoExport": {"minReward": 1e999}}', "1e999 is too large"),
        ('{"enabled": true,\n  nope}', ":2:3: not valid JSON"),
        ("[]", "must hold one JSON object"),
        ("", ":1:1: not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_wrong_files_name_the_key_and_what_is_allowed(path: Path, text: str, words: str) -> None:
    write(path, text)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert words in caught.value.message
    assert str(path) in caught.value.message
    assert any(words in finding for finding in config.validate(path))


def test_every_error_is_reported_at_once(path: Path) -> None:
    write(path, '{"enabled": 1, "autoTrain": {"epochs": 0}, "enabeld": true}')
    findings = config.validate(path)
    assert [finding.split(": ")[1] for finding in findings] == ["autoTrain.epochs", "enabled", str(path)]
    assert findings[-1].endswith("enabeld: unknown key; did you mean enabled?")


def test_unknown_keys_warn_with_path_and_nearest_key(path: Path) -> None:
    loaded = config.load(write(path, '{"autoExport": {"minruns": 3}, "\\u001b[31m": 1}'))
    assert loaded["autoExport.minRuns"] == 100
    assert "autoExport.minruns: unknown key; did you mean autoExport.minRuns?" in loaded.warnings[0]
    assert "\x1b" not in "".join(loaded.warnings)


def test_not_utf8(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ConfigError, match="not UTF-8 at byte 7"):
        config.load(path)


def test_byte_order_mark_is_accepted(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert config.load(path).hash == config.Config(config.DEFAULTS).hash


def test_older_cost_key_still_works(path: Path) -> None:
    assert config.load(write(path, '{"modelRouter": {"maxCostPerToken": 1}}'))["modelRouter.max_cost_per_1k_usd"] == 1.0
    both = config.load(write(path, '{"modelRouter": {"maxCostPerToken": 1, "max_cost_per_1k_usd": 2}}'))
    assert both["modelRouter.max_cost_per_1k_usd"] == 2.0
    assert "maxCostPerToken: ignored" in both.warnings[0]


def test_hash_is_of_the_meaning_not_of_the_spelling(path: Path) -> None:
    plain = config.load(write(path, '{"autoTrain": {"epochs": 4, "loraRank": 16}}'))
    spelled = config.load(write(path, '{"enabled": true, "autoTrain": {"epochs": 4.0}, "unknown": 1}'))
    other = config.load(write(path, '{"autoTrain": {"epochs": 5}}'))
    assert plain.hash == spelled.hash != other.hash
    assert len(plain.hash) == 12


def test_an_unchanged_file_is_checked_once(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "verdict.json"
    write(path, '{"enabeld": true}')
    first = config.load(path, cache)
    monkeypatch.setitem(sys.modules, "jsonschema", None)  # importing it would now fail
    assert config.load(path, cache) == first
    assert first.warnings
    monkeypatch.undo()
    write(path, '{"enabled": 3}')
    with pytest.raises(ConfigError):
        config.load(path, cache)


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"of": 3, "warnings": null}'])
def test_a_damaged_cache_is_ignored(path: Path, tmp_path: Path, damage: str) -> None:
    cache = write(tmp_path / "c" / "verdict.json", damage)
    assert config.load(write(path, "{}"), cache).hash == config.Config(config.DEFAULTS).hash
    assert "of" in json.loads(cache.read_text())


def test_loading_a_cached_file_imports_no_jsonschema(path: Path, tmp_path: Path) -> None:
    config.load(write(path, "{}"), tmp_path / "verdict")
    code = (
        "import sys, pathlib; from git_hone.learner import config; "
        "config.load(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])); assert 'jsonschema' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(path), str(tmp_path / "verdict")], check=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(config.DEFAULTS)), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
@given(st.dictionaries(st.sampled_from([*config.DEFAULTS, "x"]), JSON, max_size=4))
def test_any_json_is_loaded_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, data: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("c") / "learning-config.json"
    path.write_text(json.dumps(data))
    try:
        loaded = config.load(path)
    except ConfigError as error:
        assert str(path) in error.message
        return
    assert loaded.values.keys() == config.DEFAULTS.keys()
    assert len(loaded.hash) == 12


def test_gates_that_the_file_names_are_there_in_the_order_in_which_they_run(tmp_path: Path) -> None:
    path = tmp_path / "learning-config.json"
    path.write_text('{"gates": {"test": "pytest -q", "lint": "ruff check ."}}')
    assert list(config.load(path).values["gates"].items()) == [("lint", "ruff check ."), ("test", "pytest -q")]
    path.write_text("{}")
    assert config.load(path).values["gates"] == {}
