"""Improve: the jobs, each a plain function from records to a file and a verdict."""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Any

    from git_hone.ci.pipeline import LearningPipeline

__all__ = ["LearningPipeline"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from git_hone.ci import pipeline

        return getattr(pipeline, name)
    raise AttributeError(name)
