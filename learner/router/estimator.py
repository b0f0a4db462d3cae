"""Expected reward of each arm for a task: means of ever finer kinds, each pulled towards its parent, plus hashed words.

Hierarchical shrinkage (an empirical Bayes estimate, as in the James-Stein family): the mean of a node with n rows is
(sum + k * parent's mean) / (n + k), so that a kind seen three times says little more than its parent. What the means leave is
fitted by ridge regression on the other columns. An arm learns only from the rows in which it was tried.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

Array = npt.NDArray[np.float64]


class RewardModel(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn comes without types
    """A regressor in scikit-learn's manner. One column of `y` is one arm; NaN there is "not tried".

    A reward is taken apart: the arm's overall mean, plus how the *task* differs from the usual (the same for all arms), plus how the *arm*
    differs on such tasks. The choice between arms rests on the last part alone, which is small and noisy, so it is shrunk by a number of
    its own.

    levels: how many leading columns of X are codes of a hierarchy, coarse first (any number means one node; a code that was
    never seen has its parent's mean). shrinkage: k above for the task's part, in rows; contrast: the same for the arms' part.
    alpha: ridge penalty of the other columns, of both parts; infinite leaves them out. X: (n, levels + p), dense or sparse. y: (n,) or
    (n, arms).

    >>> import numpy as np
    >>> X, y = np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([[1.0, 0], [1, np.nan], [0, 1], [0, 1]])
    >>> model = RewardModel(levels=1, shrinkage=1.0, contrast=1.0).fit(X, y)
    >>> model.predict([[0.0], [1.0], [9.0]]).round(2).tolist()
    [[0.9, 0.35], [0.14, 0.86], [0.5, 0.67]]
    """

    def __init__(self, levels: int = 0, shrinkage: float = 20.0, contrast: float = 20.0, alpha: float = 10.0) -> None:
        self.levels = levels
        self.shrinkage = shrinkage
        self.contrast = contrast
        self.alpha = alpha

    def fit(self, X: Any, y: Any) -> RewardModel:
        """Learn from `X` and `y`. Raises ValueError for shapes that do not fit, an infinite reward, and an arm never tried."""
        if y is None:
            raise ValueError("RewardModel requires y to be passed, but the target y is None")
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64)
        y = check_array(y, ensure_2d=False, dtype=np.float64, ensure_all_finite="allow-nan", input_name="y")
        if y.shape[0] != X.shape[0]:
            raise ValueError(f"X has {X.shape[0]} rows and y has {y.shape[0]}: inconsistent numbers of samples")
        if not 0 <= self.levels <= X.shape[1]:
            raise ValueError(f"levels: {self.levels} of {X.shape[1]} columns")
        self.single_ = y.ndim == 1
        rewards = y.reshape(X.shape[0], -1)
        if np.isnan(rewards).all(axis=0).any():
            raise ValueError("y: Input contains NaN in a whole column: an arm that was never tried")
        if self.single_ and np.isnan(rewards).any():
            raise ValueError("y: Input contains NaN; a missing reward is for several arms only")
        codes, rest = self._split(X)
        self.root_ = np.nanmean(rewards, axis=0)
        some = ~np.isnan(rewards).all(axis=1)  # a row in which nothing was tried teaches nothing
        codes, rest, centred = codes[some], rest[some], rewards[some] - self.root_
        shared = np.nanmean(centred, axis=1, keepdims=True)
        of_task, shared_nodes = _means(codes, shared, self.shrinkage)
        of_arm, arm_nodes = _means(codes, centred - of_task, self.contrast)
        self.nodes_ = [
            {code: (self.root_ + mean + arms[code][0], arms[code][1]) for code, (mean, _) in tasks.items()}
            for tasks, arms in zip(shared_nodes, arm_nodes, strict=True)
        ]
        self.coef_ = np.zeros((rewards.shape[1], rest.shape[1]))
        self.intercept_ = np.zeros(rewards.shape[1])
        if rest.shape[1] and np.isfinite(self.alpha):
            left = centred - of_task - of_arm
            both = np.nanmean(left, axis=1, keepdims=True)
            task_coef, task_intercept = _ridge(rest, both, self.alpha)
            arm_coef, arm_intercept = _ridge(rest, left - both, self.alpha)
            self.coef_, self.intercept_ = task_coef + arm_coef, task_intercept + arm_intercept
        return self

    def _split(self, X: Any) -> tuple[Array, Any]:
        codes = X[:, : self.levels]
        return (codes.toarray() if sparse.issparse(codes) else codes), X[:, self.levels :]

    def predict(self, X: Any) -> Array:
        """Expected reward, (n,) or (n, arms)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        codes, rest = self._split(X)
        means = np.tile(self.root_, (X.shape[0], 1))
        for level, known in enumerate(self.nodes_):
            for row, code in enumerate(codes[:, level]):
                node = known.get(float(code))
                if node is None:
                    continue
                means[row] = node[0]
        found = means + np.asarray(rest @ self.coef_.T) + self.intercept_
        answer: Array = found[:, 0] if self.single_ else found
        return answer

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags


Nodes = list[dict[float, tuple[Array, Array]]]
"""For each level: code -> (mean of each column, rows that it rests on)."""


def _means(codes: Array, values: Array, shrinkage: float) -> tuple[Array, Nodes]:
    """(each row's mean at its finest node, with the row itself left out of that node; the nodes). NaN is not counted."""
    tried, zeros = ~np.isnan(values), np.nan_to_num(values)
    above = np.zeros_like(zeros)
    without, nodes = above, []
    for level in range(codes.shape[1]):
        keys, index = np.unique(codes[:, level], return_inverse=True)
        total, n = np.zeros((len(keys), values.shape[1])), np.zeros((len(keys), values.shape[1]))
        np.add.at(total, index, zeros)
        np.add.at(n, index, tried)
        parent = np.zeros_like(total)
        parent[index] = above  # every row of a node has the same parent
        means = (total + shrinkage * parent) / np.maximum(n + shrinkage, 1e-12)
        nodes.append({float(key): (means[k], n[k]) for k, key in enumerate(keys)})
        without = (total[index] - zeros + shrinkage * above) / np.maximum(n[index] - tried + shrinkage, 1e-12)
        above = means[index]
    return without, nodes


def _ridge(rest: Any, left: Array, alpha: float) -> tuple[Array, Array]:
    """(coefficients, intercepts), a row for each column of `left`; each is fitted to the rows in which it is known."""
    coef, intercept = np.zeros((left.shape[1], rest.shape[1])), np.zeros(left.shape[1])
    for arm in range(left.shape[1]):
        rows = ~np.isnan(left[:, arm])
        ridge = Ridge(alpha=alpha, solver="lsqr" if sparse.issparse(rest) else "auto", tol=1e-4)
        ridge.fit(rest[rows], left[rows, arm])
        coef[arm], intercept[arm] = ridge.coef_, ridge.intercept_
    return coef, intercept
