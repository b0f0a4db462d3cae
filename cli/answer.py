"""The answer of `git hone route`, for people. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence

from git_hone.ci import choosing
from git_hone.learner.past import Past


def words(decided: choosing.Decided, near: Sequence[tuple[float, Past]] = ()) -> str:
    """The answer for people; `near`: past runs like the task."""
    choice, plan, shaped = decided.choice, decided.choice.plan, decided.shaped
    said = [f"decision  {decided.id}  (probability {choice.propensity:.2f})"]
    said.append("plan      " + f"  -> {'+'.join(plan.gates)} ->  ".join(plan.models))
    said.append(f"prompt    {choice.prompt.id}")
    if shaped.offers:
        drawn = ", ".join(f"{one.id} ({one.propensity:.2f})" for one in shaped.offers if one.included)
        left = ", ".join(one.id for one in shaped.offers if not one.included)
        said.append(f"context   {drawn or 'none'}" + (f"; left out: {left}" if left else ""))
    said += [f"example   {shot.alike:.2f}  {shot.change_id}  {shot.prompt.strip().splitlines()[0][:72]}" for shot in shaped.shots]
    said.append(f"expected  reward {plan.reward:.2f} ({plan.low:.2f} to {plan.high:.2f}), cost {money(plan.cost_usd)}"
                f" (at most {money(plan.most_usd)})")  # fmt: skip
    said.append("why")
    said += [f"  - {reason}" for reason in choice.reasons]
    if near:
        said.append("most like it")
        said += [f"  {like(pair)}" for pair in near]
    return "\n".join(said)


def like(pair: tuple[float, Past]) -> str:
    score, past = pair
    return f"{score:.2f}  {past.model}  reward {past.reward:.2f}  {past.title or '(no task text)'}"


def money(usd: float) -> str:
    """
    >>> money(0.0), money(0.0123), money(1.5)
    ('$0', '$0.0123', '$1.50')
    """
    return "$0" if usd == 0 else f"${usd:.2f}" if usd >= 1 else f"${usd:.4f}"
