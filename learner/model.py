"""How likely a change is to be kept, from its terms on the day: features, the written prior of their coefficients, a model. Pure.

Applying a model is a dozen multiplications. Fitting one: `git_hone.learner.fitted`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from git_hone.learner.evidence import FINDINGS
from git_hone.learner.logistic import Gaussian, sigmoid

if TYPE_CHECKING:
    from git_hone.learner.reward import Term

Features = dict[str, float]

FROM: Final = ("compile", "tests", *FINDINGS, "coverage", "kept")
"""The terms that a model looks at, and stands for in the reward. `human` and `survival` are what became of a change: not known
on the day, so never a feature."""
ABSOLUTE_SHARE: Final = 0.5
"""A count that could not be taken against the parent's tree enters with this share: old findings blame nobody."""
USUAL_LINES: Final = 50

COEFFICIENTS: Final[dict[str, Gaussian]] = {
    "base": Gaussian(1.0, 1.0, "most changes that somebody commits are kept; one scale spans a half to nine tenths"),
    "tests_failing": Gaussian(-1.0, 0.5, "a new test that fails promises a correction; one that broke is a veto already"),
    "tests_unknown": Gaussian(-0.3, 0.3, "nobody ran the tests: a little less sure than when they pass"),
    "lint_new": Gaussian(-0.1, 0.2, "mostly style, mostly fixed by a tool"),
    "lint_unknown": Gaussian(0.0, 0.2, "not measured says nothing by itself"),
    "type_new": Gaussian(-0.3, 0.3, "often a real fault"),
    "type_unknown": Gaussian(0.0, 0.2, "not measured says nothing by itself"),
    "schema_new": Gaussian(-0.3, 0.3, "a broken contract"),
    "schema_unknown": Gaussian(0.0, 0.1, "few repositories measure it"),
    "boundary_new": Gaussian(-0.2, 0.3, "a broken layering: it hurts late"),
    "boundary_unknown": Gaussian(0.0, 0.1, "few repositories measure it"),
    "coverage_change": Gaussian(0.3, 0.3, "lines without a test are corrected later"),
    "coverage_unknown": Gaussian(0.0, 0.2, "not measured says nothing by itself"),
    "kept_lost": Gaussian(-1.0, 0.75, "a person who rewrote it before the commit was not content with it"),
    "kept_unknown": Gaussian(0.0, 0.2, "not known says nothing by itself"),
    "size": Gaussian(-0.1, 0.2, "the more lines, the more can be wrong with them"),
}
"""The written prior, on the scale of log odds for one unit of the feature. Judgements, not measurements: that is why their
scales are wide, and why the prior gives way as this repository's own outcomes come in."""


def features(terms: Mapping[str, Term | None], lines: int) -> Features | None:
    """The features that are not 0, by name; None when none of the terms in `FROM` is known. `lines`: changed lines.

    tests_failing: ln(1 + freshly failing tests). X_new: ln(1 + new findings per 100 changed lines). coverage_change: points
    against the parent / 10, within -1..1; 0 when the parent was not measured, since a level says nothing of a change. kept_lost:
    share of the agent's lines that were rewritten before the commit. size: ln(lines / 50), within -3..3. X_unknown: 1 when
    the term is not known.
    """
    if all(terms.get(name) is None for name in FROM):
        return None
    found: Features = {"base": 1.0, "size": min(3.0, max(-3.0, math.log(max(1, lines) / USUAL_LINES)))}
    for name in ("tests", *FINDINGS):
        term = terms.get(name)
        if term is None:
            found[f"{name}_unknown"] = 1.0
        else:
            count = float(term.detail["failed" if name == "tests" else "per_100_lines"])
            key = "tests_failing" if name == "tests" else f"{name}_new"
            found[key] = math.log1p(count) * (1.0 if term.detail["relative"] else ABSOLUTE_SHARE)
    coverage, kept = terms.get("coverage"), terms.get("kept")
    if coverage is None:
        found["coverage_unknown"] = 1.0
    else:
        found["coverage_change"] = min(1.0, max(-1.0, float(coverage.detail.get("delta_pct", 0.0)) / 10))
    if kept is None:
        found["kept_unknown"] = 1.0
    else:
        found["kept_lost"] = 1.0 - kept.value
    return {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class Model:
    """Coefficients by feature. `version` is made of them: the same ones have the same version wherever they were fitted."""

    coefficients: Mapping[str, float]

    @property
    def version(self) -> str:
        """
        >>> Model({"base": 1.0}).version
        'fit-e90e76b9d000'
        """
        text = json.dumps({name: round(value, 9) for name, value in self.coefficients.items()}, sort_keys=True)
        return f"fit-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def parts(self, of: Features) -> dict[str, float]:
        """What each feature adds to the log odds; their sum is the log odds."""
        return {name: round(self.coefficients[name] * value, 9) for name, value in of.items()}

    def probability(self, of: Features) -> float:
        """That the change is kept at 14 days, 0..1, rounded to 12 places."""
        return round(sigmoid(math.fsum(self.coefficients[name] * value for name, value in of.items())), 12)


PRIOR_MODEL: Final = Model({name: gaussian.mean for name, gaussian in COEFFICIENTS.items()})
