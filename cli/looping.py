"""What `git hone watch` and `git hone status` say of the loop that improves the local model by itself."""

from __future__ import annotations

from typing import Any


def words(told: dict[str, Any], *, whole: bool = False) -> list[str]:
    """Lines for a person, of `zero_touch.standing`; `whole`: each step and switch too. An idle loop that is off is one line."""
    due = told["due"]
    state = "on" if told["on"] else f"off: {told['off_because']}"
    lines = [f"loop        {state}; {due['why']}{_next(told)}"]
    if told["running"]:
        lines.append(f"running     {_running(told['running'])}")
    last = told["last"]
    if last:
        lines.append(f"last round  {last['at']}: {last['how']}{_at(last)}{': ' + last['reason'] if last['reason'] else ''}")
        lines += [f"            next: {last['tip']}"] if last["tip"] else []
    lines += [f"warning     {one['words']} ({one['action']}); next: git hone stats --drift" for one in told["drift"]]
    if whole:
        switched = [step for step, on in told["switches"].items() if not on]
        lines += [f"switched off  {', '.join(switched)}"] if switched else []
        lines += [f"  {one['step']}: {one['seconds']:.1f} s" for one in (last or {"steps": []})["steps"]]
        lines += [f"next: {told['next']}"] if told["next"] else []
    return lines


def _next(told: dict[str, Any]) -> str:
    due = told["due"]
    if due["start"]:
        return "; next: a commit, or git hone watch --once" if told["on"] and not told["running"] else ""
    return f", or one from {due['at']} on" if due["at"] else ""


def _running(now: dict[str, Any]) -> str:
    if now["step"] is None:
        return "between two steps"
    pid = f", pid {now['pid']}" if now["pid"] else ""
    return f"{now['what']} since {now['since']}{pid}, log {now['log']}"


def _at(last: dict[str, Any]) -> str:
    return f" at {last['step']}" if last["step"] and last["how"] != "done" else ""
