"""Training, the exported file, and deciding from it: the plain code must say what scikit-learn's side said."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from git_hone.learner.errors import ConfigError
from git_hone.learner.router import exported, measures, training
from git_hone.learner.router.exported import Node, Router
from git_hone.learner.router.features import Task, task, words
from git_hone.learner.router.training import Example

ARMS = ("small", "large")


def history(n: int = 400, seed: int = 0) -> list[Example]:
    """Easy work both models do; hard work only the large one; words tell a little more. The large one costs a hundred times."""
    drawn = np.random.default_rng(seed)
    found = []
    for k in range(n):
        hard, tricky = bool(drawn.random() < 0.4), bool(drawn.random() < 0.3)
        small = 0.15 if hard else 0.45 if tricky else 0.95
        rewards = {"small": float(drawn.random() < small), "large": float(drawn.random() < 0.95)}
        text = f"{'rename' if not tricky else 'deadlock'} thing number {k % 7}"
        found.append(Example(task(text, kind="fix" if hard else "docs"), rewards, {"small": 0.001, "large": 0.1}, str(k)))
    return found


@pytest.fixture(scope="module")
def router() -> Router:
    return training.train(history(), ARMS)


def test_hard_work_goes_to_the_large_model_and_easy_work_does_not(router: Router) -> None:
    assert router.choose(task("rename thing", kind="fix")) == "large"
    assert router.choose(task("rename thing", kind="docs")) == "small"


def test_words_move_the_expectation(router: Router) -> None:
    plain, tricky = (router.expect(task(text, kind="docs"))["small"].reward for text in ("rename thing", "deadlock thing"))
    assert tricky < plain - 0.1


def test_it_is_as_good_as_always_large_for_less(router: Router) -> None:
    unseen = history(2000, seed=1)
    picked = [router.choose(one.task) or "" for one in unseen]
    reward = np.mean([one.rewards[arm] for one, arm in zip(unseen, picked, strict=True)])
    cost = np.mean([one.costs[arm] for one, arm in zip(unseen, picked, strict=True)])
    assert reward > np.mean([one.rewards["large"] for one in unseen]) - 0.03
    assert cost < 0.085


def test_the_file_says_what_the_estimator_said(router: Router, tmp_path: Path) -> None:
    """Means, words and calibration are computed twice, by numpy and by plain Python: they must agree, before and after the file."""
    (tmp_path / "router.json").write_text(router.dump())
    read = exported.load(tmp_path / "router.json")
    examples = history()
    said = router.about["settings"]
    settings = training.Settings(said["shrinkage"], said["contrast"], said["alpha"] or math.inf)
    encoder = training.Encoder([one.task for one in examples])
    rows = encoder.rows([one.task for one in examples])
    model = training.RewardModel(encoder.levels, settings.shrinkage, settings.contrast, settings.alpha).fit(
        rows, training.table(examples, ARMS)
    )
    wanted = np.clip(np.array(router.offset) + np.array(router.slope) * model.predict(rows), 0, 1)
    for one, row in zip(examples[:100], wanted, strict=False):
        for k, arm in enumerate(ARMS):
            assert router.expect(one.task)[arm].reward == pytest.approx(row[k], abs=1e-9)
            assert read.expect(one.task)[arm].reward == pytest.approx(row[k], abs=1e-4)


def test_the_same_examples_make_the_same_file(router: Router) -> None:
    assert training.train(history(), ARMS).dump() == router.dump()


def test_the_file_holds_no_word_of_a_task(router: Router) -> None:
    assert "deadlock" not in router.dump() and "rename" not in router.dump()


def test_deciding_imports_nothing_heavy(router: Router, tmp_path: Path) -> None:
    (tmp_path / "router.json").write_text(router.dump())
    code = (
        "import sys, pathlib; from git_hone.learner.router import exported, features\n"
        "print(exported.load(pathlib.Path(sys.argv[1])).choose(features.task('rename x', kind='fix')))\n"
        "print(sorted({'numpy', 'scipy', 'sklearn', 'pyarrow', 'duckdb', 'jsonschema'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "router.json")], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["large", "[]"]


def test_an_unknown_kind_has_its_parents_expectation_and_a_wide_interval(router: Router) -> None:
    known, unknown = router.expect(task(kind="docs"))["small"], router.expect(Task(("never seen",)))["small"]
    assert unknown.n == 400 and known.n < 400
    assert known.low < known.reward < known.high


def test_the_budget_is_kept_even_when_nothing_fits(router: Router) -> None:
    hard = task("rename thing", kind="fix")
    assert router.choose(hard, budget_usd=0.05) == "small"
    assert router.choose(hard, budget_usd=0.0001) is None
    assert router.choose(hard, arms=["nobody"]) is None


def test_a_tie_goes_to_the_cheaper() -> None:
    node = Node([0.5, 0.5], [9, 9], [0.2, 0.1])
    even = Router(ARMS, node, {}, {}, [1, 1], [0, 0], [0.1, 0.1], 5.0)
    assert even.choose(task("x")) == "large"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "no router"),
        ("{", "cannot be read"),
        ("[]", "version None"),
        ('{"version": 99}', "version 99"),
        ('{"version": 1, "arms": ["a"]}', "version 1"),
        ('{"version": 2, "arms": ["a"]}', "edited by hand"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_next_step(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "router.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        exported.load(path)
    assert "router.json" in str(caught.value.message)
    assert "git hone router train" in (caught.value.tip or "")


def test_a_number_changed_by_hand_is_noticed(router: Router, tmp_path: Path) -> None:
    body = json.loads(router.dump())
    body["calibration"]["slope"][0] += 0.5
    (tmp_path / "router.json").write_text(json.dumps(body))
    with pytest.raises(ConfigError, match="edited by hand"):
        exported.load(tmp_path / "router.json")


def test_missing_rewards_are_not_zeros() -> None:
    """Each task tried by one model only, as a log has it: the estimate is that of the tries, not of the gaps."""
    seen = [
        Example(one.task, {arm: one.rewards[arm]}, {arm: one.costs[arm]}, one.group)
        for k, one in enumerate(history(1500))
        for arm in [ARMS[k % 2]]
    ]
    found = training.train(seen, ARMS).expect(task("rename thing", kind="docs"))
    assert found["large"].reward == pytest.approx(0.95, abs=0.06)
    assert found["small"].cost_usd == pytest.approx(0.001)


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(ValueError, match="no examples"):
        training.train([], ARMS)
    with pytest.raises(ValueError, match="never tried: other"):
        training.train(history(20), [*ARMS, "other"])


def test_aims() -> None:
    swept = training.Swept(
        np.array([0.9, 0.899, 0.8, 0.5]), np.array([9.0, 5.0, 3.0, 1.0]), np.array([0, 0.004, 0.01, 0.01]), np.zeros(1)
    )
    assert training.keep_reward()(swept) == 1
    assert training.keep_reward(0.0, 0.0)(swept) == 0
    assert training.as_good_as(0.8)(swept) == 2
    assert training.as_good_as(0.99)(swept) == 0
    assert training.within(4.0)(swept) == 2
    assert training.within(0.1)(swept) == 3


def test_words_of_a_long_text_are_no_louder() -> None:
    assert math.isclose(math.fsum(w * w for w in words("a b c " * 5000).values()), 1.0)
    assert words("") == {}


def test_recovered_gap_by_hand() -> None:
    weak, strong = np.array([0.0, 1, 0, 1]), np.array([1.0, 1, 1, 0])
    perfect = measures.recovered(strong - weak, weak, strong)
    assert perfect.apgr > 1  # it also leaves out the call that the strong model gets wrong
    assert measures.recovered(np.zeros(4), weak, strong).apgr == pytest.approx(0.5)
    assert math.isnan(measures.recovered(np.zeros(2), np.ones(2), np.zeros(2)).apgr)
