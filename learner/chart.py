"""Line charts with nothing but text: SVG for files, plain characters for a terminal. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Final

Lines = Mapping[str, Sequence[tuple[float, float]]]
"""Name -> points (x, y), in the order of x. A line of one point is drawn as a mark."""
COLOURS: Final = ("#0b63c5", "#b3261e", "#1b7f3b", "#8a4fbf", "#a15c00", "#52606d", "#00778a", "#c2185b")
MARKS: Final = "*o+x#@%&"
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 200, 40, 52


def svg(lines: Lines, *, title: str, across: str, up: str, size: tuple[int, int] = (860, 420)) -> str:
    """An SVG file. across, up: what the axes show. Points that are not finite are left out.

    >>> svg({"a": [(0, 0), (1, 2)]}, title="t", across="x", up="y").count("<polyline")
    1
    """
    width, height = size
    (low_x, high_x), (low_y, high_y) = _ranges(lines)
    wide, tall = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM

    def at(x: float, y: float) -> str:
        return f"{_LEFT + wide * (x - low_x) / (high_x - low_x):.1f},{_TOP + tall * (high_y - y) / (high_y - low_y):.1f}"

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for value in ticks(low_y, high_y):
        y = at(low_x, value).split(",")[1]
        out.append(f'<line x1="{_LEFT}" x2="{width - _RIGHT}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        out.append(f'<text x="{_LEFT - 6}" y="{y}" dy="4" text-anchor="end">{value:g}</text>')
    for value in ticks(low_x, high_x):
        x = at(value, low_y).split(",")[0]
        out.append(f'<text x="{x}" y="{height - _BOTTOM + 18}" text-anchor="middle">{value:g}</text>')
    out.append(f'<text x="{_LEFT + wide / 2}" y="{height - 12}" text-anchor="middle">{escape(across)}</text>')
    out.append(f'<text transform="translate(16,{_TOP + tall / 2}) rotate(-90)" text-anchor="middle">{escape(up)}</text>')
    for k, (name, points) in enumerate(lines.items()):
        colour, row = COLOURS[k % len(COLOURS)], _TOP + 14 + 20 * k
        known = [at(*point) for point in points if all(map(math.isfinite, point))]
        if len(known) > 1:
            out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(known)}"/>')
        elif known:
            x, mark_y = known[0].split(",")
            out.append(f'<circle cx="{x}" cy="{mark_y}" r="4" fill="{colour}"/>')
        out.append(f'<rect x="{width - _RIGHT + 14}" y="{row - 9}" width="14" height="4" fill="{colour}"/>')
        out.append(f'<text x="{width - _RIGHT + 34}" y="{row - 3}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>\n"])


def text(lines: Lines, *, width: int = 72, height: int = 14) -> str:
    """The same with characters, and a line for each mark's name. Where lines meet, the later one is seen.

    >>> print(text({"up": [(0, 0), (1, 1)]}, width=10, height=3))
    1 |       ***
      |   ****
    0 |***
       0       1
    * up
    """
    (low_x, high_x), (low_y, high_y) = _ranges(lines)
    cells = [[" "] * width for _ in range(height)]
    for k, points in enumerate(lines.values()):
        known = [point for point in points if all(map(math.isfinite, point))]
        for column in range(width):
            x = low_x + (high_x - low_x) * column / (width - 1)
            y = _between(known, x)
            if y is not None:
                cells[round((high_y - y) / (high_y - low_y) * (height - 1))][column] = MARKS[k % len(MARKS)]
    labels = [f"{high_y:.4g}", *[""] * (height - 2), f"{low_y:.4g}"]
    pad = max(map(len, labels))
    rows = [f"{label:>{pad}} |{''.join(row).rstrip()}" for label, row in zip(labels, cells, strict=True)]
    foot = f"{low_x:.4g}{f'{high_x:.4g}':>{width - len(f'{low_x:.4g}') - 1}}"
    names = "   ".join(f"{MARKS[k % len(MARKS)]} {name}" for k, name in enumerate(lines))
    return "\n".join([*rows, " " * (pad + 2) + foot, names])


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values from low to high, at most about `most`.

    >>> ticks(0, 97)
    [0.0, 20.0, 40.0, 60.0, 80.0]
    """
    raw = (high - low) / most
    unit = 10 ** math.floor(math.log10(raw))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= raw)
    first = math.ceil(low / step - 1e-9)
    return [float(round((first + k) * step, 12)) for k in range(int(high / step + 1e-9) - first + 1)]


def _ranges(lines: Lines) -> tuple[tuple[float, float], tuple[float, float]]:
    known = [point for points in lines.values() for point in points if all(map(math.isfinite, point))]
    found = []
    for values in zip(*known, strict=True) if known else ((0.0, 1.0), (0.0, 1.0)):
        low, high = min(values), max(values)
        found.append((low, high) if high > low else (low - 0.5, high + 0.5))
    return found[0], found[1]


def _between(points: Sequence[tuple[float, float]], x: float) -> float | None:
    """By a straight line between the neighbours; None outside."""
    for (x1, y1), (x2, y2) in pairwise(points):
        if x1 <= x <= x2:
            return y2 if x2 == x1 else y1 + (y2 - y1) * (x - x1) / (x2 - x1)
    return points[0][1] if len(points) == 1 and abs(points[0][0] - x) < 1e-9 else None
