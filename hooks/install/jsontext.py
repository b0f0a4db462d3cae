"""Edits JSON text in place: adds to an object or a list, or takes a piece out, and leaves every other byte alone.

Works on text that `json.loads` accepts; positions are offsets into the text. Nothing here reads or writes files.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


class Item(NamedTuple):
    """A member of an object (with its key) or of a list (key None): `start` is where it begins (a member: its key),
    `value` where its value does, `end` is past its end."""

    key: str | None
    start: int
    value: int
    end: int


def items(text: str, at: int) -> list[Item]:
    """The items of the object or list that begins at `at`.

    >>> items('{"a": [1, 2]}', 0)
    [Item(key='a', start=1, value=6, end=12)]
    """
    found: list[Item] = []
    place, is_object = _skip(text, at + 1), text[at] == "{"
    while text[place] not in "}]":
        start, key = place, None
        if is_object:
            key, place = _DECODER.raw_decode(text, place)
            place = _skip(text, _skip(text, place) + 1)
        value = place
        place = _DECODER.raw_decode(text, place)[1]
        found.append(Item(key, start, value, place))
        place = _skip(text, place)
        if text[place] == ",":
            place = _skip(text, place + 1)
    return found


def root(text: str) -> int:
    """Where the value begins."""
    return _skip(text, 0)


def member(text: str, at: int, key: str) -> int | None:
    """Where the value of `key` begins in the object at `at`; the last one when it stands twice, as json.loads has it."""
    return next((item.value for item in reversed(items(text, at)) if item.key == key), None)


def append(text: str, at: int, depth: int, value: object, key: str | None = None) -> str:
    """`text` with `value` added at the end of the object (under `key`) or list at `at`, which lies `depth` levels deep.

    It is laid out as the text is: on one line when the whole text is, else with the text's own indent and line ends.

    >>> append('{"a": [1]}', 6, 1, 2)
    '{"a": [1, 2]}'
    """
    held = items(text, at)
    close = _DECODER.raw_decode(text, at)[1] - 1
    unit, newline = _style(text)
    head = "" if key is None else json.dumps(key) + ": "
    if not newline:
        return text[: held[-1].end if held else at + 1] + (", " if held else "") + head + json.dumps(value) + text[close:]
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    inner, outer = newline + unit * (depth + 1), newline + unit * depth
    body = inner + head + inner.join(lines)
    tail = text[held[-1].end : close] if held else ""
    if "\n" not in tail:
        tail = outer
    return text[: held[-1].end if held else at + 1] + ("," if held else "") + body + tail + text[close:]


def cut(text: str, at: int, index: int) -> str:
    """`text` without the item `index` of the object or list at `at`, and without its comma.

    >>> cut('[1, 2, 3]', 0, 1), cut('[1]', 0, 0)
    ('[1, 3]', '[]')
    """
    held = items(text, at)
    if index > 0:
        return text[: held[index - 1].end] + text[held[index].end :]
    if len(held) > 1:
        return text[: held[0].start] + text[held[1].start :]
    return text[: at + 1] + text[_skip(text, held[0].end) :]


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _style(text: str) -> tuple[str, str]:
    """(indent, line end) of the text; the line end is empty for a text on one line."""
    found = re.search(r"(\r?\n)([ \t]+)\S", text)
    if found:
        return found[2], found[1]
    if text.strip() == "{}" or "\n" in text.strip():
        return "  ", "\r\n" if "\r\n" in text else "\n"
    return "", ""
