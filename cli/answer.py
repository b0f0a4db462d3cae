"""The answer of `git hone route`, for people. Standard library only."""

from __future__ import annotations

from typing import Any

from git_hone.ci import choosing


def words(decided: choosing.Decided) -> str:
    """The answer for people."""
    choice, plan = decided.choice, decided.choice.plan
    said = [f"decision  {decided.id}  (probability {choice.propensity:.2f})"]
    said.append("plan      " + f"  -> {'+'.join(plan.gates)} ->  ".join(plan.models))
    said.append(f"prompt    {choice.prompt.id}")
    said.append(f"expected  reward {plan.reward:.2f} ({plan.low:.2f} to {plan.high:.2f}), cost {money(plan.cost_usd)}"
                f" (at most {money(plan.most_usd)})")  # fmt: skip
    said.append("why")
    said += [f"  - {reason}" for reason in choice.reasons]
    if choice.nearest:
        said.append("most like it")
        said += [f"  {like(pair)}" for pair in choice.nearest]
    return "\n".join(said)


def like(pair: tuple[float, Any]) -> str:
    score, past = pair
    return f"{score:.2f}  {past.model}  reward {past.reward:.2f}  {past.title or '(no task text)'}"


def money(usd: float) -> str:
    """
    >>> money(0.0), money(0.0123), money(1.5)
    ('$0', '$0.0123', '$1.50')
    """
    return "$0" if usd == 0 else f"${usd:.2f}" if usd >= 1 else f"${usd:.4f}"
