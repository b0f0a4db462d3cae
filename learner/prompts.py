"""Which prompt: how likely each is to be chosen, by what it earned beyond its kind of task. Pure, standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from git_hone.learner import bandit
from git_hone.learner.past import Memory, Past
from git_hone.learner.variants import Prompt

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Final

RELATIVE: Final = 4.0
"""Trials that one reward relative to its kind counts as: `bandit.relative` halves the scale, which quarters the variance, and a Beta
distribution of as many trials as there were would think a prompt four times less certain than it is."""


def prompt_chances(
    prompts: Sequence[Prompt], past: Sequence[Past], policy: bandit.Policy, stop_error: float = 0.0
) -> dict[str, float]:
    """How likely each prompt is to be chosen: as `policy` says of counts that fade. Once all trials together name one the best, wrongly with a
    probability of at most `stop_error` (`bandit.best_arm`), that one is chosen alone, for as long as the policy would choose it most. So
    exploration ends; it begins anew when a prompt is added, or when the newer trials contradict. `stop_error` 0: it never ends.

    The probability is that of the bounds, for rewards against what tasks of their kind usually earn, which is taken from the same runs as if it
    were known."""

    def work() -> dict[str, float]:
        arms = prompt_arms(prompts, past)
        shares = policy.shares({name: bandit.Arm(RELATIVE * arm.wins, RELATIVE * arm.trials) for name, arm in arms.items()})
        trials: dict[str, list[float]] = {one.id: [] for one in prompts}
        for name, reward in _relative(past) if stop_error else ():
            if name in trials:
                trials[name].append(reward)
        best = bandit.best_arm(trials, error=stop_error) if stop_error else None
        return {best.arm: 1.0} if best and shares[best.arm] == max(shares.values()) else shares

    return dict(Memory.of(past).once(("prompts", tuple(one.id for one in prompts), policy, stop_error), work))


def prompt_arms(prompts: Sequence[Prompt], past: Sequence[Past], gamma: float = bandit.GAMMA) -> dict[str, bandit.Arm]:
    """Each prompt's fading counts, its rewards taken against what tasks of their kind usually earn."""
    return bandit.replay(_relative(past), [one.id for one in prompts], gamma=gamma)


def _relative(past: Iterable[Past]) -> list[tuple[str, float]]:
    """(prompt, reward against what tasks of its kind usually earn) of each run whose prompt is known."""
    sums: dict[str, tuple[float, int]] = {}
    for one in past:
        total, n = sums.get(one.path[0], (0.0, 0))
        sums[one.path[0]] = total + one.reward, n + 1
    usual = {kind: total / n for kind, (total, n) in sums.items()}
    return [(one.prompt, bandit.relative(one.reward, usual[one.path[0]])) for one in past if one.prompt]
