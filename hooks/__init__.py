"""Observe: turns what happens (a git event, an agent's event, a tool's report) into records. Decides nothing."""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Any

    from git_hone.hooks.capture import Run, run

__all__ = ["Run", "run"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from git_hone.hooks import capture

        return getattr(capture, name)
    raise AttributeError(name)
