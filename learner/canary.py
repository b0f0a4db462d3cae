"""A challenger that is tried beside the champion of its role on a fixed share of the decisions. Pure, standard library only.

Whoever deploys it says the share; the router's own opinion of it does not count, or it would be tried most where it is expected to do well, and
the comparison with the champion would be worth nothing. The coin is thrown before anything else, so its propensity is the share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from git_hone.learner.variants import Model

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Any, NamedTuple
else:
    from git_hone.learner.named import NamedTuple


class Canary(NamedTuple):
    """model: the variant that is tried; beside: that of the champion; share: of the decisions, above 0 and below 1."""

    model: str
    beside: str
    share: float


def of(champions: Any) -> list[Canary]:
    """Those in what `.agent/champions.json` holds. Raises ValueError where it is none.

    >>> of({"roles": {"coder": {"challenger": {"id": "a", "share": 0.1, "model": "tuned-coder-challenger", "beside": "tuned-coder"}}}})
    [Canary(model='tuned-coder-challenger', beside='tuned-coder', share=0.1)]
    """
    try:
        trials = [role["challenger"] for role in champions["roles"].values() if role.get("challenger")]
        found = [Canary(str(one["model"]), str(one["beside"]), float(one["share"])) for one in trials if "model" in one]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no list of champions: {error!r}") from None
    if wrong := [one for one in found if not 0 < one.share < 1]:
        raise ValueError(f"share of {wrong[0].model}: between 0 and 1, not {wrong[0].share}")
    return found


def apart(models: Sequence[Model], canaries: Iterable[Canary]) -> tuple[list[Model], list[tuple[Model, Canary]]]:
    """(the models to choose among, those that are tried on a share). Where nothing else would be left, or the shares reach 1 together, a
    challenger is a model like any other."""
    known, trials, total = {one.id: one for one in models}, list[tuple[Model, Canary]](), 0.0
    for one in canaries:
        if one.model in known and len(trials) + 1 < len(models) and total + one.share < 1:
            trials.append((known[one.model], one))
            total += one.share
    tried = {model.id for model, _ in trials}
    return [one for one in models if one.id not in tried], trials


def with_shares(shares: dict[str, float], trials: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The shares of plans after the trials (plan, share) have taken theirs.

    >>> with_shares({"a": 0.75, "b": 0.25}, [("c", 0.2)])
    {'a': 0.6000000000000001, 'b': 0.2, 'c': 0.2}
    """
    taken = dict(trials)
    left = 1.0 - sum(taken.values())
    return {name: share * left for name, share in shares.items()} | taken
