"""Which of a few variants to try next: discounted Thompson sampling, or the seeds' epsilon-greedy. Pure, standard library only.

An arm is known by fractional counts: `wins`, the sum of its rewards, and `trials`, how many there were, both fading by `gamma` with
every later trial of any arm (Garivier and Moulines 2011), so that what was true long ago does not decide today. A choice that has no
reward yet counts for nothing. A policy answers with the *probability* of every arm, and the choice is drawn from these: so the
propensity that is logged is exact, whatever the policy.

>>> arms = replay([("a", 1.0), ("b", 0.0), ("a", 1.0)], ["a", "b"], gamma=1.0)
>>> arms["a"]
Arm(wins=2.0, trials=2.0)
>>> shares = Thompson().shares(arms)
>>> shares["a"] > 0.7 and round(sum(shares.values()), 9) == 1.0
True
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Final, NamedTuple, Protocol
else:
    from git_hone.learner.named import NamedTuple

    Protocol = object

GAMMA: Final = 0.99
FLOOR: Final = 0.05
"""Least probability of an arm, before the best arm is known: what it takes to notice that the world has changed."""
_POINTS: Final = 160
_REACH: Final = 3.5
_NORMAL: Final = tuple((k / 4, math.exp(-((k / 4) ** 2) / 2)) for k in range(-14, 15))
"""Points of a standard normal distribution up to `_REACH`, with weights that need not sum to 1."""


class Arm(NamedTuple):
    """Fading counts. wins: sum of rewards, 0..trials; trials: at least 0."""

    wins: float = 0.0
    trials: float = 0.0

    @property
    def mean(self) -> float | None:
        return self.wins / self.trials if self.trials else None


class Draws(Protocol):
    """Where chance comes from: `random.Random` is one."""

    def random(self) -> float:
        """A number in [0, 1)."""


class Policy(Protocol):
    """Whatever can say how likely each arm should be."""

    def shares(self, arms: Mapping[str, Arm]) -> dict[str, float]: ...


def replay(rewards: Iterable[tuple[str, float]], arms: Sequence[str], *, gamma: float = GAMMA) -> dict[str, Arm]:
    """The arms' counts after these (arm, reward), oldest first; an arm that is no longer asked about only lets time pass. Rewards
    lie in 0..1; ValueError otherwise."""
    counts = {arm: [0.0, 0.0] for arm in arms}
    scale = 1.0  # counts are kept times `scale`, which grows instead of every count fading: one pass, whatever the number of arms
    for arm, reward in rewards:
        if not 0.0 <= reward <= 1.0:
            raise ValueError(f"reward: 0..1, not {reward}")
        scale /= gamma
        if scale > 1e100:
            for count in counts.values():
                count[0], count[1] = count[0] / scale, count[1] / scale
            scale = 1.0
        if arm in counts:
            counts[arm][0] += reward * scale
            counts[arm][1] += scale
    return {arm: Arm(wins / scale, trials / scale) for arm, (wins, trials) in counts.items()}


class Thompson(NamedTuple):
    """The probability that each arm is the best, given Beta(1 + wins, 1 + trials - wins) for its mean reward, and at least `floor` for
    every arm. By quadrature, not by drawing: the same counts give the same probabilities."""

    floor: float = FLOOR

    def shares(self, arms: Mapping[str, Arm]) -> dict[str, float]:
        """Sum to 1; empty for no arms."""
        return _floored(_best(arms), self.floor)


class EpsilonGreedy(NamedTuple):
    """The seeds' policy: the best win rate with probability 1 - epsilon, any arm with epsilon. An arm never tried counts as the best
    until it was; ties share."""

    epsilon: float = 0.1

    def shares(self, arms: Mapping[str, Arm]) -> dict[str, float]:
        """Sum to 1; empty for no arms."""
        rates = {name: math.inf if arm.mean is None else arm.mean for name, arm in arms.items()}
        best = [name for name, rate in rates.items() if rate == max(rates.values())]
        return {name: self.epsilon / len(arms) + (1 - self.epsilon) * (name in best) / len(best) for name in arms}


class Fixed(NamedTuple):
    """One arm, always: when the best is known, or a person has said so."""

    arm: str

    def shares(self, arms: Mapping[str, Arm]) -> dict[str, float]:
        return {name: float(name == self.arm) for name in arms}


AGREEING: Final = 16.0
WIDER: Final = 2.0
"""Plain Thompson sampling spreads its tries over every arm that may be a little better. Here the means are drawn wider by this factor, and
an arm is taken as often as it wins so many draws in a row, against how often another does: tries go to the arms that may be much better.
Chosen for a choice with context, on half of the tasks of CodeRouterBench; `bench.online` reports on the other half."""


def agreed(means: Mapping[str, float], errors: Mapping[str, float], floor: float = 0.0) -> dict[str, float]:
    """The probability of each arm, whose mean worth is known to within a normal distribution: P(best)**`AGREEING`, made to sum to 1, with
    standard errors `WIDER` times those given (at least 0), and at least `floor`. By quadrature, not by drawing.

    >>> agreed({"a": 0.9, "b": 0.1}, {"a": 0.1, "b": 0.1})["a"] > 0.999
    True
    >>> round(agreed({"a": 0.5, "b": 0.5}, {"a": 0.0, "b": 0.2})["a"], 9)
    0.5
    """
    return _floored(sharpened(likeliest(means, {name: WIDER * error for name, error in errors.items()})), floor)


def sharpened(chances: Mapping[str, float]) -> dict[str, float]:
    """In proportion to chance**`AGREEING`; sums to 1."""
    top = max(chances.values(), default=1.0)
    powers = {name: max(chance / top, 1e-12) ** AGREEING for name, chance in chances.items()}
    total = math.fsum(powers.values())
    return {name: power / total for name, power in powers.items()}


def likeliest(means: Mapping[str, float], errors: Mapping[str, float]) -> dict[str, float]:
    """P(arm is best) for independent normal distributions; they sum to 1, empty for no arms. A standard error of 0 counts as a very
    small one, so that equals share."""
    if len(means) < 2:
        return dict.fromkeys(means, 1.0)
    arms = [(name, mean, max(errors[name], 1e-6)) for name, mean in means.items()]
    least = max(mean - _REACH * error for _, mean, error in arms)
    able = [(name, mean, error) for name, mean, error in arms if mean + _REACH * error >= least]
    found = dict.fromkeys(means, 0.0)
    for name, mean, error in able:
        others = [(one, math.sqrt(2.0) * width) for other, one, width in able if other != name]
        chance = 0.0
        for point, weight in _NORMAL:
            x = mean + error * point
            for one, width in others:
                weight *= 0.5 * math.erfc((one - x) / width)
                if weight < 1e-12:
                    break
            chance += weight
        found[name] = chance
    total = math.fsum(found.values())
    return {name: chance / total for name, chance in found.items()}


def draw(shares: Mapping[str, float], random: Draws) -> tuple[str, float]:
    """(arm, its propensity). ValueError for no arms.

    >>> from random import Random
    >>> draw({"a": 1.0}, Random(0))
    ('a', 1.0)
    """
    if not shares:
        raise ValueError("no arm to choose from")
    point, so_far = random.random() * math.fsum(shares.values()), 0.0
    able = [(arm, share) for arm, share in shares.items() if share > 0]
    for arm, share in able:
        so_far += share
        if point < so_far:
            return arm, share
    return able[-1]


def relative(reward: float, baseline: float) -> float:
    """A reward against what tasks of its kind usually earn, back in 0..1: 0.5 is as usual. Else an arm that happened to get the easy
    tasks would win.

    >>> relative(0.9, 0.9), relative(0.9, 0.3)
    (0.5, 0.8)
    """
    return min(1.0, max(0.0, 0.5 + (reward - baseline) / 2))


class Best(NamedTuple):
    """The arm that is best, except with probability `error` at most over the whole of the experiment."""

    arm: str
    error: float


def best_arm(rewards: Mapping[str, Sequence[float]], *, error: float = 0.05) -> Best | None:
    """The best arm by all its rewards (0..1, oldest first), once its lower bound is above every other's upper bound; None before.

    Each arm's bounds may be wrong, at any time, with probability error / arms (`always`), so the answer is with at most `error`, however
    often it is asked for. Assumes that an arm's rewards come from one unchanging source.

    >>> best_arm({"a": [0.9, 0.8] * 60, "b": [0.2, 0.4] * 60})
    Best(arm='a', error=0.05)
    >>> best_arm({"a": [0.9, 0.8] * 6, "b": [0.2, 0.4] * 6}) is None
    True
    """
    if len(rewards) < 2 or not all(rewards.values()):
        return None
    bounds = {name: always(rows, error / len(rewards)) for name, rows in rewards.items()}
    first = max(bounds, key=lambda name: bounds[name][0])
    others = max(high for name, (_, high) in bounds.items() if name != first)
    return Best(first, error) if bounds[first][0] > others else None


def always(rewards: Iterable[float], error: float) -> tuple[float, float]:
    """Bounds of the mean of rewards in 0..1 that hold after every one of them at once, except with probability `error`: the predictable
    plug-in empirical Bernstein confidence sequence (Waudby-Smith and Ramdas 2024, Estimating means of bounded random variables by betting,
    theorem 2, with c = 1/2). The less they scatter, the narrower.

    >>> [round(bound, 2) for bound in always([0.7] * 100, 0.05)]
    [0.63, 0.77]
    >>> always([], 0.05)
    (0.0, 1.0)
    """
    side = math.log(2 / error)
    n = 0
    total, scatter = 0.5, 0.25
    bets = won = risk = 0.0
    for reward in rewards:
        n += 1
        before, variance = total / n, scatter / n
        bet = min(0.5, math.sqrt(2 * side / (variance * n * math.log1p(n))))
        bets, won = bets + bet, won + bet * reward
        risk += (reward - before) ** 2 * (-math.log1p(-bet) - bet)
        total += reward
        scatter += (reward - total / (n + 1)) ** 2
    if not n:
        return 0.0, 1.0
    middle, reach = won / bets, (side + risk) / bets
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _floored(shares: dict[str, float], floor: float) -> dict[str, float]:
    if not shares:
        return {}
    floor = min(floor, 1 / len(shares))
    return {name: floor + (1 - floor * len(shares)) * share for name, share in shares.items()}


def _best(arms: Mapping[str, Arm]) -> dict[str, float]:
    """P(arm is best): the integral of its density times the others' distribution functions, on a grid over where any mass is."""
    if len(arms) < 2:
        return dict.fromkeys(arms, 1.0)
    betas = {name: (1 + arm.wins, 1 + max(0.0, arm.trials - arm.wins)) for name, arm in arms.items()}
    spans = [_span(a, b) for a, b in betas.values()]
    low, high = min(one for one, _ in spans), max(two for _, two in spans)
    width = (high - low) / _POINTS
    grid = [low + (k + 0.5) * width for k in range(_POINTS)]
    mass: dict[str, list[float]] = {}
    below: dict[str, list[float]] = {}
    for name, (a, b) in betas.items():
        logs = [(a - 1) * math.log(x) + (b - 1) * math.log1p(-x) for x in grid]
        top = max(logs)
        parts = [math.exp(value - top) for value in logs]
        total = math.fsum(parts)
        mass[name] = [part / total for part in parts]
        so_far, found = 0.0, []
        for part in mass[name]:
            found.append(so_far + part / 2)
            so_far += part
        below[name] = found
    found_ = {}
    for name in arms:
        others = [values for other, values in below.items() if other != name]
        found_[name] = math.fsum(part * math.prod(values[k] for values in others) for k, part in enumerate(mass[name]))
    total = math.fsum(found_.values())
    return {name: value / total for name, value in found_.items()}


def _span(a: float, b: float) -> tuple[float, float]:
    mean, sd = a / (a + b), math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))
    return max(1e-9, mean - 7 * sd), min(1 - 1e-9, mean + 7 * sd)
