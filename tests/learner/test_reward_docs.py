"""The documents of configuration and reward say what the code says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from git_hone.learner.config import schema
from git_hone.learner.model import COEFFICIENTS
from git_hone.learner.reward import PRIOR, VETOES

DOCS = Path(__file__).parents[2] / "docs"


def leaves(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, sub in node["properties"].items():
        if sub.get("type") == "object":
            yield from leaves(sub, f"{path}{key}.")
        elif key != "$schema":
            yield path + key, sub


def test_every_key_is_documented_with_its_default() -> None:
    text = (DOCS / "reference" / "configuration.md").read_text()
    for key, leaf in leaves(schema()):
        default = f"`{json.dumps(leaf['default'])}`" if "default" in leaf else "none"
        assert f"| `{key}` | {default} |" in text, key
        assert leaf["description"] in text, key


def test_every_term_and_veto_is_documented() -> None:
    text = (DOCS / "explanation" / "reward.md").read_text()
    for name, (weight, reason) in PRIOR.items():
        assert f"| `{name}` | {weight:.2f} |" in text
        assert reason in text
    for veto in VETOES:
        assert f"| `{veto}` |" in text


def test_every_coefficient_is_documented_with_its_prior() -> None:
    text = (DOCS / "explanation" / "reward.md").read_text()
    for name, (mean, scale, reason) in COEFFICIENTS.items():
        assert f"| `{name}` | {mean:+.2f} | {scale:.2f} | {reason} |" in text
