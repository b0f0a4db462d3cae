"""The estimator keeps scikit-learn's manners, and its means are the shrunken ones."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from git_hone.learner.router.estimator import RewardModel


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_it_passes_scikit_learns_own_checks() -> None:
    found = check_estimator(RewardModel(), on_fail=None, on_skip=None)
    assert len(found) > 40
    assert [(one["check_name"], one["exception"]) for one in found if one["status"] == "failed"] == []


def test_a_mean_is_pulled_towards_its_parent_by_its_weight() -> None:
    X = np.array([[0.0, 0], [0, 0], [0, 1], [1, 2]])
    y = np.array([1.0, 0.0, 1.0, 0.0])
    model = RewardModel(levels=2, shrinkage=2.0, contrast=1e9).fit(X, y)
    root = 0.5  # all in terms of what differs from it: 0.5, -0.5, 0.5 | -0.5
    coarse = 0.5 / (3 + 2)
    fine = (0.5 + 2 * coarse) / (1 + 2)
    assert model.predict([[99.0, 99.0]])[0] == pytest.approx(root)
    assert model.predict([[0.0, 99.0]])[0] == pytest.approx(root + coarse)
    assert model.predict([[0.0, 1.0]])[0] == pytest.approx(root + fine)


def test_an_arm_learns_only_from_the_rows_in_which_it_was_tried() -> None:
    X = np.zeros((4, 1))
    y = np.array([[1.0, np.nan], [0.0, np.nan], [np.nan, 1.0], [np.nan, 1.0]])
    assert RewardModel(levels=1, shrinkage=1.0, contrast=1.0).fit(X, y).predict(X[:1])[0].tolist() == [0.5, 1.0]


def test_the_difference_between_arms_is_shrunk_by_its_own_number() -> None:
    X = np.array([[0.0]] * 4 + [[1.0]] * 4)
    y = np.array([[1.0, 0.8]] * 4 + [[0.0, 0.2]] * 4)
    for contrast, difference in ((0.0, 0.2), (4.0, 0.1), (1e9, 0.0)):
        at_first = RewardModel(levels=1, shrinkage=0.0, contrast=contrast).fit(X, y).predict([[0.0]])[0]
        assert at_first.mean() == pytest.approx(0.9)
        assert at_first[0] - at_first[1] == pytest.approx(difference, abs=1e-6)


def test_words_are_fitted_to_what_the_means_leave() -> None:
    drawn = np.random.default_rng(0)
    kind, word = drawn.integers(0, 3, 600), drawn.integers(0, 2, 600)
    y = 0.2 * kind + 0.3 * word + drawn.normal(0, 0.01, 600)
    X = np.c_[kind, word].astype(float)
    with_words = RewardModel(levels=1, shrinkage=1.0, alpha=1.0).fit(X, y)
    without = RewardModel(levels=1, shrinkage=1.0, alpha=np.inf).fit(X, y)
    assert np.abs(with_words.predict(X) - y).mean() < 0.05 < np.abs(without.predict(X) - y).mean()


@pytest.mark.parametrize(
    ("X", "y", "says"),
    [
        (np.zeros((2, 1)), np.array([[1.0, np.nan], [0.0, np.nan]]), "never tried"),
        (np.zeros((2, 1)), np.array([1.0, np.nan]), "several arms"),
        (np.zeros((2, 1)), np.array([1.0, 0.0, 1.0]), "inconsistent"),
        (np.zeros((2, 1)), np.array([1.0, np.inf]), "infinity"),
    ],
)
def test_what_it_cannot_learn_from_is_named(X: np.ndarray, y: np.ndarray, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RewardModel(levels=1).fit(X, y)
