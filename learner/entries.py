"""A JSON list of objects, as people write them, against the JSON Schema of its entries: what is wrong, a line each. Pure.

The rules of these schemas are few, so they are applied here: importing jsonschema costs more than a whole decision may. Tests hold the two
against each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from typing import Any, Final

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,), "object": (dict,),
}  # fmt: skip
_NONE: Final[Mapping[str, Any]] = {}


def findings(
    where: str,
    rows: Any,
    kind: str,
    rule: Mapping[str, Any],
    *,
    defs: Mapping[str, Any] = _NONE,
    senseless: Callable[[str, Any], str | None] = lambda name, value: None,
    more: Callable[[str, Mapping[str, Any]], list[str]] = lambda place, row: [],
) -> list[str]:
    """What is wrong with `rows`, which should be a list of objects that follow `rule`, each with an id of its own; empty when nothing is.

    where: what each line begins with; kind: what an entry is; defs: what `$ref` names. senseless: (key, value) -> what is wanted, of a value
    that its rule allows; more: what else is wrong with a row that lacks no key, where a list within it is looked at too.

    >>> rule = {"required": ["id"], "properties": {"id": {"type": "string"}, "n": {"type": "integer", "minimum": 1}}}
    >>> findings("f", [{"id": "a", "n": 0}, {"id": "a", "m": 1}, {}], "model", rule)
    ... # doctest: +NORMALIZE_WHITESPACE
    ['f: entry 1 (a): n: at least 1, not 0', "f: entry 2 (a): unknown key 'm'; known: id, n",
     'f: entry 2 (a): the id is already that of entry 1', 'f: entry 3: id is missing']
    """
    if not isinstance(rows, list) or not rows:
        return [f"{where}: a list of {kind}s with at least one entry is wanted"]
    found: list[str] = []
    seen: dict[str, int] = {}
    for k, row in enumerate(rows):
        place = f"{where}: entry {k + 1}"
        if not isinstance(row, dict):
            found.append(f"{place}: an object is wanted")
            continue
        id_ = row.get("id")
        place += f" ({id_})" if isinstance(id_, str) else ""
        missing = [name for name in rule["required"] if name not in row]
        found += [f"{place}: {name} is missing" for name in missing]
        for name, value in row.items():
            known = rule["properties"].get(name)
            if known is None:
                close = near(name, rule["properties"])
                meant = f"did you mean {close!r}?" if close else f"known: {', '.join(rule['properties'])}"
                found.append(f"{place}: unknown key {name!r}; {meant}")
            elif says := _breaks(value, known, defs) or senseless(name, value):
                found.append(f"{place}: {name}: {says}, not {json.dumps(value)[:80]}")
        if isinstance(id_, str) and seen.setdefault(id_, k) != k:
            found.append(f"{place}: the id is already that of entry {seen[id_] + 1}")
        if not missing:
            found += more(place, row)
    return found


def near(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` is most like, where one is."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), 1)), None)


def _breaks(value: Any, rule: Mapping[str, Any], defs: Mapping[str, Any]) -> str | None:
    """What the rule wants, when `value` is not that. A list is left to `more`."""
    if "$ref" in rule:
        rule = defs[rule["$ref"].rsplit("/", 1)[1]] | {key: rule[key] for key in rule if key != "$ref"}
    if "enum" in rule:
        return None if value in rule["enum"] else f"one of {', '.join(rule['enum'])}"
    kind = rule["type"]
    if kind == "array":
        return None
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)  # 5.0 is an integer in JSON Schema
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean") or value != value:
        return f"a {kind}"
    if isinstance(value, str):
        if not rule.get("minLength", 0) <= len(value) <= rule.get("maxLength", len(value)):
            return f"{rule.get('minLength', 0)} to {rule.get('maxLength', 'any number of')} characters"
        if "pattern" in rule and not re.search(rule["pattern"], value):
            return f"text like {rule['pattern']}"
    elif not isinstance(value, bool):
        if value < rule.get("minimum", value):
            return f"at least {rule['minimum']}"
        if value > rule.get("maximum", value):
            return f"at most {rule['maximum']}"
    return None
