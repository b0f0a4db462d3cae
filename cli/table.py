"""Plain text tables for a terminal or a pipe, and the small words that go into them."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence
from datetime import datetime

MIN_CELL = 8


def render(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = (), width: int | None = None) -> str:
    """Aligned columns, two spaces apart; the columns named in `right` are flush right.

    `width`: the line's length, at which the widest columns are cut with "…"; None does not cut. Control characters
    (a record may hold anything) are shown as "?".

    >>> print(render(["model", "runs"], [["opus", "12"], ["qwen", "3"]], right=["runs"]))
    model  runs
    opus     12
    qwen      3
    """
    cells = [[plain(cell) for cell in row] for row in (head, *rows)]
    sizes = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    while width is not None and sum(sizes) + 2 * (len(sizes) - 1) > width and max(sizes) > MIN_CELL:
        sizes[sizes.index(max(sizes))] -= 1
    return "\n".join(
        "  ".join(_fit(cell, size, name in right) for cell, size, name in zip(row, sizes, head, strict=True)).rstrip()
        for row in cells
    )


def plain(text: str) -> str:
    """`text` on one line, without anything that a terminal would act on."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def columns(text: str) -> int:
    """How many columns of a terminal `text` takes.

    >>> columns("ab"), columns("日本")
    (2, 4)
    """
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _fit(cell: str, size: int, right: bool) -> str:
    if columns(cell) > size:
        while columns(cell) > size - 1:
            cell = cell[:-1]
        cell += "…"
    pad = " " * (size - columns(cell))
    return pad + cell if right else cell + pad


def line_width() -> int | None:
    """The terminal's width, None where stdout is no terminal: a pipe gets everything."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


UNITS = (("y", 31_536_000), ("mo", 2_592_000), ("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60))


def age(at: datetime | None, now: datetime) -> str:
    """How long ago, in its largest unit; "-" when not known.

    >>> from datetime import timezone
    >>> age(datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 3, 5, tzinfo=timezone.utc))
    '2d'
    """
    if at is None:
        return "-"
    seconds = int((now - at).total_seconds())
    return next((f"{seconds // size}{unit}" for unit, size in UNITS if seconds >= size), "now")


def number(value: float | None, digits: int = 2) -> str:
    """A number, "-" when not known.

    >>> number(0.9451), number(12345.6, 0), number(None)
    ('0.95', '12,346', '-')
    """
    return "-" if value is None else f"{value:,.{digits}f}"


def percent(share: float | None) -> str:
    """
    >>> percent(0.125), percent(None)
    ('12 %', '-')
    """
    return "-" if share is None else f"{100 * share:.0f} %"
