"""What a router must beat: choices that learn nothing, and the families of published routers, run again on the same rows.

Each answers with predicted rewards, (tasks, arms), so that all are priced and measured alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import OneHotEncoder

from git_hone.learner.router.features import Task, nodes

Array = npt.NDArray[np.float64]
Family = Callable[[Sequence[Task], Array, Sequence[Task]], Array]
"""(tasks to learn from, their rewards (n, arms) without gaps, tasks to judge) -> predicted rewards."""


def best_single(known: Sequence[Task], rewards: Array, asked: Sequence[Task]) -> Array:
    """The arm of highest mean reward, whatever the task."""
    return np.tile(rewards.mean(axis=0), (len(asked), 1))


def best_of_kind(known: Sequence[Task], rewards: Array, asked: Sequence[Task]) -> Array:
    """The arm of highest mean reward for the first name of the task's path (the published DimensionBest)."""
    names = np.array([task.path[:1] for task in known]).reshape(-1)
    means = {name: rewards[names == name].mean(axis=0) for name in np.unique(names)}
    return np.array([means.get(task.path[0], rewards.mean(axis=0)) for task in asked])


def _columns(known: Sequence[Task], asked: Sequence[Task]) -> tuple[Any, Any]:
    kinds = OneHotEncoder(handle_unknown="ignore")
    first, second = (
        [["/".join(task.path[: k + 1]) for k in range(len(task.path))] for task in tasks] for tasks in (known, asked)
    )
    return kinds.fit_transform(first), kinds.transform(second)


def logistic(known: Sequence[Task], rewards: Array, asked: Sequence[Task]) -> Array:
    """One logistic regression an arm on the one-hot path: does the arm reach half a reward?"""
    return _logistic(*_columns(known, asked), rewards)


def tfidf(known: Sequence[Task], rewards: Array, asked: Sequence[Task]) -> Array:
    """The same on TF-IDF of words and pairs of the text, beside the path."""
    text = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    learn, judge = text.fit_transform([task.text for task in known]), text.transform([task.text for task in asked])
    one, two = _columns(known, asked)
    return _logistic(sparse.hstack([one, learn], format="csr"), sparse.hstack([two, judge], format="csr"), rewards)


def _logistic(learn: Any, judge: Any, rewards: Array) -> Array:
    found = np.empty((judge.shape[0], rewards.shape[1]))
    for arm, column in enumerate(rewards.T):
        good = column >= 0.5
        if good.all() or not good.any():
            found[:, arm] = good.mean()
        else:
            found[:, arm] = LogisticRegression(max_iter=1000).fit(learn, good).predict_proba(judge)[:, 1]
    return found


def nearest(known: Sequence[Task], rewards: Array, asked: Sequence[Task], k: int = 50) -> Array:
    """The mean of the k nearest tasks by cosine of path (one-hot) and text (TF-IDF)."""
    learn, judge = _columns(known, asked)
    if any(task.text for task in known):
        text = TfidfVectorizer(sublinear_tf=True, min_df=2)
        learn = sparse.hstack([learn, text.fit_transform([task.text for task in known])], format="csr")
        judge = sparse.hstack([judge, text.transform([task.text for task in asked])], format="csr")
    model = KNeighborsRegressor(min(k, len(known)), metric="cosine", algorithm="brute")
    return np.asarray(model.fit(learn, rewards).predict(judge)).reshape(len(asked), -1)


FAMILIES: Final[dict[str, Family]] = {
    "best-single": best_single, "best-of-kind": best_of_kind, "logistic-regression": logistic, "tfidf-logistic": tfidf, "knn": nearest,
}  # fmt: skip


class Linear:
    """LinUCB (Li et al. 2010) and, with `drawn`, LinTS (Agrawal and Goyal 2013), one ridge regression an arm on the one-hot prefixes of
    the path: the published online baselines, on the router's own features. alpha: width of the bound, or of the draw; `kinds`: every
    prefix that will be asked about.

    >>> one = Linear(["a", "b"], {"fix"}, alpha=0.3)
    >>> for _ in range(20):
    ...     one.learn(("fix",), "b", 1.0)
    ...     one.learn(("fix",), "a", 0.0)
    >>> one.choose(("fix",))
    'b'
    """

    def __init__(
        self, arms: Sequence[str], kinds: Iterable[str], *, alpha: float, drawn: np.random.Generator | None = None
    ) -> None:
        self.arms, self.alpha, self.drawn = list(arms), alpha, drawn
        self.columns = {name: k for k, name in enumerate(["", *sorted(kinds)])}
        size = len(self.columns)
        self.inverse = np.stack([np.eye(size)] * len(self.arms))
        self.sums = np.zeros((len(self.arms), size))

    def _at(self, path: Iterable[str]) -> list[int]:
        return [self.columns[name] for name in ("", *nodes(path))]

    def learn(self, path: Iterable[str], arm: str, reward: float) -> None:
        """By the Sherman-Morrison formula. Any reward; the price of the answer may be taken off before."""
        at, k = self._at(path), self.arms.index(arm)
        step = self.inverse[k][:, at].sum(axis=1)
        self.inverse[k] -= np.outer(step, step) / (1 + step[at].sum())
        self.sums[k, at] += reward

    def choose(self, path: Iterable[str]) -> str:
        """The arm of the highest bound, or draw."""
        at = self._at(path)
        rows = self.inverse[:, at, :]
        mean = np.einsum("kij,kj->ki", rows, self.sums).sum(axis=1)
        width = self.alpha * np.sqrt(rows[:, :, at].sum(axis=(1, 2)))
        scores = mean + width * (1.0 if self.drawn is None else self.drawn.standard_normal(len(mean)))
        return self.arms[int(scores.argmax())]
