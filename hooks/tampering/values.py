"""Values of settings, however a format writes them."""

from __future__ import annotations

import json
from typing import Any


def items_of(value: Any) -> set[str]:
    """A setting's parts: of a list, or of text with commas, spaces or lines."""
    if isinstance(value, (list, tuple)):
        return {json.dumps(one, sort_keys=True) if isinstance(one, (dict, list)) else str(one).strip() for one in value}
    rows = [row.split("#")[0].strip() for row in str(value).splitlines()]
    many = [part for row in rows for part in (row.split(",") if "," in row else [row])]
    return {part.strip() for part in many if part.strip()}


def truth_of(value: Any) -> bool | None:
    """True or False in any of their spellings; None for another value."""
    if isinstance(value, bool):
        return value
    return {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}.get(
        str(value).strip().lower()
    )


def number_of(value: Any) -> float | None:
    """A number, with or without a per cent sign; None for another value."""
    if isinstance(value, bool):
        return None
    try:
        return float(str(value).strip().rstrip("%"))
    except ValueError:
        return None


def yaml_of(text: str) -> Any:
    """What a YAML text holds. Raises ValueError."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506 - both are safe loaders
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
