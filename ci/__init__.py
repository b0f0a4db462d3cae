"""Improve: the jobs, each a plain function from records to a file and a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from git_hone.ci.pipeline import LearningPipeline

__all__ = ["LearningPipeline"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from git_hone.ci import pipeline

        return getattr(pipeline, name)
    raise AttributeError(name)
