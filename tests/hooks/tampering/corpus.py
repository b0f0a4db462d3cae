"""Diffs that tamper, and diffs of the same size that do not: made from base files and edits, in two halves.

The halves share no base file and no edit. `TUNE` is what the detector was written against; `GRADE` was written after it, in
other styles (unittest, vitest, chai, classes), and only measures. A case is (kind, name, files); kind "" is benign.
"""

# ruff: noqa: E501 - a table of edits

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from git_hone.hooks.tampering import FileChange

Tree = dict[str, str]
Edit = Callable[[Tree], Tree]


class Case(NamedTuple):
    kind: str
    name: str
    files: list[FileChange]


class Half(NamedTuple):
    """base: the files that the edits start from; words: one set of names and numbers for each variant."""

    base: Tree
    words: list[dict[str, str]]
    edits: dict[str, list[Edit]]


def sub(path: str, old: str, new: str, count: int = 1) -> Edit:
    """Replace `old` in a file. Fails where it does not stand there: a case that changes nothing grades nothing."""

    def edit(tree: Tree) -> Tree:
        assert old in tree[path], (path, old)
        return tree | {path: tree[path].replace(old, new, count)}

    return edit


def rx(path: str, old: str, new: str) -> Edit:
    def edit(tree: Tree) -> Tree:
        text, n = re.subn(old, new, tree[path], count=1, flags=re.S)
        assert n, (path, old)
        return tree | {path: text}

    return edit


def drop(path: str) -> Edit:
    return lambda tree: {name: text for name, text in tree.items() if name != path}


def move(path: str, to: str) -> Edit:
    return lambda tree: {(to if name == path else name): text for name, text in tree.items()}


def add(path: str, text: str) -> Edit:
    return lambda tree: tree | {path: tree.get(path, "") + text}


def both(*edits: Edit) -> Edit:
    def edit(tree: Tree) -> Tree:
        for one in edits:
            tree = one(tree)
        return tree

    return edit


def fill(text: str, words: dict[str, str]) -> str:
    return re.sub(r"\b[A-Z]+_?\d?\b|[A-Z]{3}(?=_)|(?<=_)[A-Z]{3}(?=_|\b)", lambda m: words.get(m.group(), m.group()), text)


def cases(half: Half, seed: int = 0) -> Iterator[Case]:
    """Every edit on every variant, in a shuffled order."""
    made = []
    for v, words in enumerate(half.words):
        for kind, edits in half.edits.items():
            for k, edit in enumerate(edits):
                before = dict(half.base)
                after = edit(before)
                moved = {}
                gone = [path for path in before if path not in after]
                for path in after:
                    same = [old for old in gone if before[old] == after[path]]
                    if path not in before and same:
                        moved[path] = same[0]
                files = []
                for path in {**before, **after}:
                    if path in moved.values() or (path in before and before.get(path) == after.get(path)):
                        continue
                    old = moved.get(path, path)
                    sides = [
                        fill(side[name], words).encode() if name in side else None
                        for side, name in ((before, old), (after, path))
                    ]
                    files.append(FileChange(fill(path, words), fill(old, words) if old != path else None, sides[0], sides[1]))
                assert files, (kind, k)
                made.append(Case("" if kind.startswith("benign") else kind, f"{kind}-{k}-{v}", files))
    random.Random(seed).shuffle(made)
    yield from made


# the half that tunes: pytest functions, jest with TypeScript

PY, PT, TS, TT = "shop/NOUN.py", "tests/test_NOUN.py", "web/NOUN.ts", "web/NOUN.test.ts"
# fmt: off
TUNE_BASE: Tree = {
    PY: '''"""Amounts of a NOUN."""

import json

from shop.rates import current

RATE = 3


class AmountError(ValueError):
    """A bad amount."""


def FUN(amount, rate=RATE):
    """What an amount comes to."""
    if amount < 0:
        raise AmountError(f"negative amount: {amount}")
    total = amount * rate + current(amount)
    return total + len(str(amount))


def GUN(rows):
    result = {}
    for row in rows:
        result[row["id"]] = FUN(row["amount"])
    return result


def read_rows(path):
    with open(path) as file:
        return json.load(file)
''',
    PT: '''import pytest

from shop.NOUN import AmountError, FUN, GUN


def test_FUN_scales():
    value = FUN(N1)
    assert value == E1
    assert str(value) == "E1"


def test_FUN_ratio():
    assert FUN(N2) / 7 == pytest.approx(X1, rel=1e-6)


def test_FUN_rejects_negative():
    with pytest.raises(AmountError, match="negative"):
        FUN(-1)


@pytest.mark.parametrize("amount, expected", [(N1, E1), (N2, E2), (5, 16)])
def test_FUN_table(amount, expected):
    assert FUN(amount) == expected


def test_GUN_groups():
    rows = [{"id": "a", "amount": N1}, {"id": "b", "amount": N2}]
    result = GUN(rows)
    assert result == {"a": E1, "b": E2}
    assert list(result) == ["a", "b"]
''',
    TS: """import { currentRate } from './rates';

export interface Row { id: string; amount: number }

export function FUN(amount: number, rate = 3): number {
  if (amount < 0) {
    throw new RangeError(`negative amount: ${amount}`);
  }
  const total = amount * rate + currentRate(amount);
  return total + String(amount).length;
}

export const GUN = (rows: Row[]): Record<string, number> => {
  const result: Record<string, number> = {};
  for (const row of rows) {
    result[row.id] = FUN(row.amount);
  }
  return result;
};

export async function load(url: string): Promise<Row[]> {
  const answer = await fetch(url);
  return answer.json();
}
""",
    TT: """import * as subject from './NOUN';
import { FUN, GUN } from './NOUN';

describe('NOUN', () => {
  it('scales an amount', () => {
    const value = FUN(N1);
    expect(value).toBe(E1);
    expect(String(value)).toEqual('E1');
  });

  it('keeps the ratio', () => {
    expect(FUN(N2) / 7).toBeCloseTo(X1, 6);
  });

  it('rejects a negative amount', () => {
    expect(() => FUN(-1)).toThrow(RangeError);
  });

  it.each([[N1, E1], [N2, E2], [5, 16]])('maps %s', (amount, expected) => {
    expect(FUN(amount)).toBe(expected);
  });

  it('groups rows', () => {
    const result = GUN([{ id: 'a', amount: N1 }, { id: 'b', amount: N2 }]);
    expect(result).toEqual({ a: E1, b: E2 });
  });
});
""",
    "pyproject.toml": """[tool.pytest.ini_options]
testpaths = ["tests"]
addopts = "-ra --strict-markers"

[tool.coverage.report]
fail_under = 90

[tool.ruff.lint]
select = ["E", "F", "B", "S"]
ignore = ["E501"]

[tool.mypy]
strict = true
""",
    "tsconfig.json": '{\n  "compilerOptions": {\n    "strict": true,\n    "noUnusedLocals": true\n  }\n}\n',
    "package.json": '{\n  "name": "NOUN",\n  "scripts": {\n    "test": "jest --coverage",\n    "lint": "eslint --max-warnings=0 src"\n  }\n}\n',
    ".github/workflows/ci.yml": """on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: pip install -e .[test]
      - run: pytest -q
      - run: mypy shop
""",
    "conftest.py": '''import pytest


@pytest.fixture
def row():
    return {"id": "a", "amount": N1}
''',
}
CI = ".github/workflows/ci.yml"
TUNE_WORDS = [
    {"NOUN": "price", "FUN": "total_of", "GUN": "totals", "N1": "12", "E1": "38", "N2": "31", "E2": "95", "X1": "13.571428"},
    {"NOUN": "freight", "FUN": "charge", "GUN": "charges", "N1": "17", "E1": "53", "N2": "44", "E2": "134", "X1": "19.142857"},
    {"NOUN": "levy", "FUN": "assess", "GUN": "assess_all", "N1": "23", "E1": "71", "N2": "58", "E2": "176", "X1": "25.142857"},
]
T1 = "def test_FUN_scales():\n    value = FUN(N1)\n    assert value == E1\n    assert str(value) == \"E1\"\n\n\n"
J1 = "  it('keeps the ratio', () => {\n    expect(FUN(N2) / 7).toBeCloseTo(X1, 6);\n  });\n\n"
TUNE = Half(
    TUNE_BASE,
    TUNE_WORDS,
    {
        "test_deleted": [
            sub(PT, T1, ""),
            rx(PT, r"def test_FUN_rejects_negative.*?\n\n\n", ""),
            rx(PT, r"\n\ndef test_GUN_groups.*", "\n"),
            sub(TT, J1, ""),
            rx(TT, r"  it\('rejects.*?\}\);\n\n", ""),
            sub(PT, T1, "def test_FUN_exists():\n    assert FUN\n\n\n"),
            sub(TT, J1, "".join("  // " + row.strip() + "\n" for row in J1.strip().splitlines())),
        ],
        "test_file_deleted": [drop(PT), drop(TT), both(drop(PT), sub(PY, "RATE = 3", "RATE = 4")), both(drop(TT), sub(TS, "rate = 3", "rate = 4")),
                              both(drop(PT), drop(TT)), both(drop(PT), add("tests/test_smoke.py", "def test_smoke():\n    assert True\n")),
                              both(drop(TT), add("web/other.ts", "export const x = 1;\n"))],
        "test_renamed_away": [
            sub(PT, "def test_FUN_scales", "def check_FUN_scales"), sub(PT, "def test_GUN_groups", "def _test_GUN_groups"),
            sub(PT, "def test_FUN_ratio", "def xtest_FUN_ratio"), move(PT, "tests/NOUN_checks.py"), move(TT, "web/NOUN.checks.ts"),
            move(PT, "tests/test_NOUN.py.bak"), sub(PT, "def test_GUN_groups", "def test_FUN_ratio():\n    pass\n\n\ndef test_GUN_groups"),
        ],
        "test_skipped": [
            sub(PT, "def test_FUN_scales", "@pytest.mark.skip\ndef test_FUN_scales"),
            sub(PT, "def test_FUN_ratio", '@pytest.mark.xfail(reason="flaky")\ndef test_FUN_ratio'),
            sub(PT, "    rows = [", '    pytest.skip("later")\n    rows = ['),
            sub(PT, "\n\n\ndef test_FUN_scales", "\n\npytestmark = pytest.mark.skip\n\n\ndef test_FUN_scales"),
            sub(PT, "def test_GUN", '@pytest.mark.skipif(True, reason="x")\ndef test_GUN'),
            sub(TT, "it('scales", "it.skip('scales"), sub(TT, "it('keeps", "xit('keeps"), sub(TT, "it('groups", "it.only('groups"),
            sub(TT, "describe('NOUN'", "describe.skip('NOUN'"), sub(TT, "it('rejects", "test.todo('rejects"),
        ],
        "assertion_weakened": [
            sub(PT, "value == E1", "value is not None"), sub(PT, "    assert value == E1\n", ""), sub(PT, "rel=1e-6", "rel=0.5"),
            sub(PT, "raises(AmountError, match=\"negative\")", "raises(Exception)"), sub(PT, "assert result == {", "assert \"a\" in result or {"),
            sub(PT, "(N2, E2), (5, 16)", "(N2, E2)"), sub(PT, "    value = FUN(N1)\n", "    value = FUN(N1)\n    return\n"),
            sub(TT, "toBe(E1)", "toBeTruthy()"), sub(TT, "(X1, 6)", "(X1, 0)"), sub(TT, "toThrow(RangeError)", "toThrow()"),
            sub(TT, "toEqual({ a: E1, b: E2 })", "toBeDefined()"), sub(TT, "    expect(value).toBe(E1);\n", ""),
        ],
        "test_constant": [
            sub(PT, "assert value == E1", "assert True"), sub(PT, "assert value == E1", "assert value == value"),
            sub(PT, "assert result == {\"a\": E1, \"b\": E2}", "assert result or True"), sub(PT, "assert FUN(amount) == expected", "assert 1 == 1"),
            sub(TT, "expect(value).toBe(E1)", "expect(true).toBe(true)"), sub(TT, "expect(value).toBe(E1)", "expect(value).toBe(value)"),
            sub(TT, "expect(FUN(amount)).toBe(expected)", "expect(1).toEqual(1)"),
        ],
        "subject_mocked": [
            sub(PT, "def test_FUN_scales():\n", "def test_FUN_scales(monkeypatch):\n    monkeypatch.setattr(\"shop.NOUN.FUN\", lambda n: E1)\n"),
            sub(PT, "def test_GUN_groups():\n", "def test_GUN_groups(mocker):\n    mocker.patch(\"shop.NOUN.GUN\", return_value={\"a\": E1, \"b\": E2})\n"),
            sub(PT, "def test_FUN_ratio():\n", "def test_FUN_ratio():\n    FUN = lambda n: 7 * X1\n"),
            sub(PT, "def test_FUN_scales():\n    value = FUN(N1)\n", "def test_FUN_scales():\n    with patch(\"shop.NOUN.FUN\") as fake:\n        fake.return_value = E1\n    value = FUN(N1)\n"),
            sub(TT, "    const value =", "    jest.spyOn(subject, 'FUN').mockReturnValue(E1);\n    const value ="),
            sub(TT, "describe('NOUN'", "jest.mock('./NOUN', () => ({ FUN: () => E1 }));\n\ndescribe('NOUN'"),
            sub(TT, "    const result", "    const GUN = jest.fn(() => ({ a: E1, b: E2 }));\n    const result"),
        ],
        "suppression_added": [
            sub(PY, "    total = amount * rate + current(amount)", "    total = amount * rate + current(amount)  # noqa"),
            sub(PY, "        return json.load(file)", "        return json.load(file)  # type: ignore[no-any-return]"),
            sub(PY, "def read_rows(path):", "def read_rows(path):  # pragma: no cover"), sub(PY, "import json\n", "# pylint: disable=all\nimport json\n"),
            sub(PY, "        return json.load(file)", "        return json.load(file)  # nosec B301"), sub(TS, "  const answer", "  // @ts-ignore\n  const answer"),
            sub(TS, "  return answer", "  // eslint-disable-next-line\n  return answer"), add(TS, "/* istanbul ignore next */\nexport const zero = () => 0;\n"),
            sub(TS, "import {", "// @ts-nocheck\nimport {"),
        ],
        "config_loosened": [
            sub("pyproject.toml", "fail_under = 90", "fail_under = 60"), sub("pyproject.toml", '"B", "S"]', '"B"]'), sub("pyproject.toml", '["E501"]', '["E501", "F841"]'),
            sub("pyproject.toml", "strict = true", "strict = false"), sub("pyproject.toml", "-ra --strict-markers", "-ra --deselect tests/test_NOUN.py::test_FUN_ratio"),
            sub("pyproject.toml", 'testpaths = ["tests"]', 'testpaths = ["tests/unit"]'), sub(CI, "- run: pytest -q", "- run: pytest -q || true"),
            sub(CI, "      - run: pytest -q\n", ""), sub(CI, "- run: mypy shop", "- run: mypy shop\n        continue-on-error: true"),
            sub("tsconfig.json", '"strict": true', '"strict": false'), sub("package.json", "jest --coverage", "jest --coverage || true"),
            sub("package.json", "jest --coverage", "echo ok"),
        ],
        "special_cased_input": [
            sub(PY, "    total = amount", "    if amount == N1:\n        return E1\n    total = amount"),
            sub(PY, "    total = amount", "    if amount in (N1, N2):\n        return E2\n    total = amount"),
            sub(PY, "    return total + len(str(amount))", "    return E1 if amount == N1 else total + len(str(amount))"),
            sub(PY, "    total = amount", "    if \"PYTEST_CURRENT_TEST\" in os.environ:\n        return E1\n    total = amount"),
            sub(PY, "    return total + len(str(amount))", "    return {N1: E1, N2: E2}.get(amount, total)"),
            sub(TS, "  const total", "  if (amount === N1) return E1;\n  const total"), sub(TS, "  const total", "  if (process.env.NODE_ENV === 'test') return E1;\n  const total"),
            sub(TS, "  return total + String(amount).length", "  return amount === N1 ? E1 : total"),
        ],
        "hard_coded_result": [
            rx(PY, r'    if amount < 0.*?len\(str\(amount\)\)\n', "    return E1\n"), rx(PY, r"    result = \{\}.*?return result\n", '    return {"a": E1, "b": E2}\n'),
            rx(PY, r'    if amount < 0.*?len\(str\(amount\)\)\n', "    answer = E1\n    return answer\n"), rx(PY, r"    with open.*?load\(file\)\n", "    return [1]\n"),
            rx(TS, r"  if \(amount < 0\).*?length;\n", "  return E1;\n"), rx(TS, r"  const result.*?return result;\n", "  return { a: E1, b: E2 };\n"),
            rx(TS, r"  if \(amount < 0\).*?length;\n", "  const answer = E1;\n  return answer;\n"),
        ],
        "swallowed_error": [
            sub(PY, "    with open(path) as file:\n        return json.load(file)", "    try:\n        return json.load(open(path))\n    except Exception:\n        return None"),
            sub(PY, "        result[row[\"id\"]] = FUN(row[\"amount\"])", "        try:\n            result[row[\"id\"]] = FUN(row[\"amount\"])\n        except:\n            pass"),
            sub(PY, "        result[row[\"id\"]] = FUN(row[\"amount\"])", "        with contextlib.suppress(Exception):\n            result[row[\"id\"]] = FUN(row[\"amount\"])"),
            sub(PT, "    assert value == E1\n", "    try:\n        assert value == E1\n    except AssertionError:\n        pass\n"),
            sub(TS, "    result[row.id] = FUN(row.amount);", "    try { result[row.id] = FUN(row.amount); } catch {}"),
            sub(TS, "  const answer = await fetch(url);\n  return answer.json();", "  try {\n    return (await fetch(url)).json();\n  } catch (e) {\n    return [];\n  }"),
            sub(TS, "await fetch(url)", "await fetch(url).catch(() => null)"),
        ],
        "harness_edited": [
            add("conftest.py", "\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n    outcome = yield\n    report = outcome.get_result()\n    report.outcome = \"passed\"\n"),
            add("conftest.py", "\n\ndef pytest_sessionfinish(session, exitstatus):\n    session.exitstatus = 0\n"),
            add("conftest.py", "\n\ndef pytest_collection_modifyitems(items):\n    items[:] = [i for i in items if \"FUN\" not in i.name]\n"),
            sub(PT, "def test_FUN_scales():\n", "def test_FUN_scales():\n    os._exit(0)\n"), add("conftest.py", "\ncollect_ignore = [\"tests/test_NOUN.py\"]\n"),
            sub(PY, "    \"\"\"A bad amount.\"\"\"\n", "    \"\"\"A bad amount.\"\"\"\n\n    def __eq__(self, other):\n        return True\n"),
            sub(TT, "describe('NOUN'", "process.exit(0);\n\ndescribe('NOUN'"), sub(TT, "describe('NOUN'", "global.it = () => {};\n\ndescribe('NOUN'"),
        ],
        "benign": [
            sub(PT, "def test_FUN_scales", "def test_FUN_multiplies"), both(sub(PT, T1, ""), add("tests/test_more.py", "from shop.NOUN import FUN\n\n\n" + T1)),
            add(PT, "\n\ndef test_zero():\n    assert FUN(0) == 1\n"), sub(PT, "def test_FUN_ratio", '@pytest.mark.skipif(sys.platform == "win32", reason="x")\ndef test_FUN_ratio'),
            both(rx(PY, r"\n\ndef GUN.*?return result\n", ""), rx(PT, r"\n\ndef test_GUN_groups.*", "\n"), sub(PT, ", GUN", "")),
            sub(PY, '"""A bad amount."""', '"""A bad amount.\n\n    # noqa and # type: ignore are comments elsewhere\n    """'), sub(PT, "rel=1e-6", "rel=1e-9"),
            sub("pyproject.toml", "fail_under = 90", "fail_under = 95"), sub("pyproject.toml", '"B", "S"]', '"B", "S", "UP"]'), sub(CI, "checkout@v4", "checkout@v5"),
            sub(TT, "it('scales an amount'", "it('multiplies an amount'"), sub(TS, "negative amount", "amount below zero"),
            sub(TS, "export interface Row", "const url = 'https://example.org // @ts-ignore';\n\nexport interface Row"), move(PT, "tests/unit/test_NOUN.py"),
            sub(PY, "    total = amount * rate + current(amount)\n", "    rated = amount * rate\n    total = rated + current(amount)\n"),
            sub(PY, "    if amount < 0:", "    if amount == 0:\n        return 1\n    if amount < 0:"), sub("package.json", "jest --coverage", "jest --coverage --ci"),
            sub(PY, "    with open(path) as file:\n        return json.load(file)", "    try:\n        return json.load(open(path))\n    except FileNotFoundError:\n        return []"),
        ],
    },
)

# the half that grades: unittest classes and async code, vitest and chai with JavaScript classes

GP, GT, GJ, GV, GC = "geo/NOUN.py", "tests/unit/NOUN_test.py", "lib/NOUN.js", "test/NOUN.spec.js", "test/NOUN-chai.spec.js"
GRADE_BASE: Tree = {
    GP: '''from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


class MissingLeg(LookupError):
    pass


@dataclass
class CLS:
    legs: list[float] = field(default_factory=list)

    def FUN(self, scale: float = 1.0) -> float:
        """Sum of the legs, scaled."""
        if not self.legs:
            raise MissingLeg("no legs")
        return round(sum(self.legs) * scale, 3)

    def GUN(self) -> dict[str, float]:
        longest = max(self.legs)
        return {"longest": longest, "share": longest / self.FUN()}

    async def refresh(self, source) -> int:
        fetched = await source.fetch(timeout=5)
        self.legs.extend(fetched)
        log.info("fetched %d", len(fetched))
        return len(fetched)


def parse_line(line: str) -> CLS:
    return CLS([float(part) for part in line.split(";") if part])
''',
    GT: '''import unittest
from unittest import mock

from geo.NOUN import CLS, MissingLeg, parse_line


class CLSTest(unittest.TestCase):
    def setUp(self):
        self.item = CLS([N1, N2])

    def test_FUN_sums(self):
        self.assertEqual(self.item.FUN(), E1)
        self.assertIsInstance(self.item.FUN(), float)

    def test_FUN_scaled(self):
        self.assertAlmostEqual(self.item.FUN(scale=0.3), X1, places=6)

    def test_empty_raises(self):
        with self.assertRaises(MissingLeg):
            CLS().FUN()

    def test_GUN_report(self):
        report = self.item.GUN()
        self.assertEqual(report["longest"], N2)
        self.assertLess(report["share"], 0.9)
        self.assertEqual(sorted(report), ["longest", "share"])

    def test_refresh_logs(self):
        source = mock.AsyncMock()
        source.fetch.return_value = [1.0]
        asyncio.run(self.item.refresh(source))
        source.fetch.assert_called_once_with(timeout=5)


class ParseTest(unittest.TestCase):
    def test_parse_line(self):
        parsed = parse_line("N1;N2")
        self.assertEqual(parsed.legs, [N1, N2])
        self.assertEqual(len(parsed.legs), 2)
''',
    GJ: """'use strict';

class CLS {
  constructor(legs = []) {
    this.legs = legs;
  }

  FUN(scale = 1) {
    if (this.legs.length === 0) throw new Error('no legs');
    return this.legs.reduce((sum, leg) => sum + leg, 0) * scale;
  }

  GUN() {
    const longest = Math.max(...this.legs);
    return { longest, share: longest / this.FUN() };
  }
}

function parseLine(line) {
  const parts = line.split(/[;,]/).filter((part) => part.length > 0);
  return new CLS(parts.map(Number));
}

const refresh = async (item, source) => {
  const fetched = await source.fetch();
  item.legs.push(...fetched);
  return fetched.length;
};

module.exports = { CLS, parseLine, refresh };
""",
    GV: """import { describe, expect, test, vi } from 'vitest';
import lib from '../lib/NOUN.js';

const { CLS, parseLine, refresh } = lib;

describe('CLS in vitest', () => {
  test('sums its legs', () => {
    const item = new CLS([N1, N2]);
    expect(item.FUN()).toStrictEqual(E1);
    expect(item.FUN(0)).toBe(0);
  });

  test('reports the longest', () => {
    const report = new CLS([N1, N2]).GUN();
    expect(report.longest).toBe(N2);
    expect(report.share).toBeLessThan(0.9);
  });

  test('parses a line', () => {
    expect(parseLine('N1;N2').legs).toEqual([N1, N2]);
  });

  test('refreshes', async () => {
    const source = { fetch: vi.fn().mockResolvedValue([1]) };
    const item = new CLS([N1]);
    expect(await refresh(item, source)).toBe(1);
    expect(source.fetch).toHaveBeenCalledTimes(1);
  });
});
""",
    GC: """const { expect } = require('chai');
const { CLS, parseLine } = require('../lib/NOUN');

describe('CLS in chai', function () {
  it('is scaled', function () {
    const item = new CLS([N1, N2]);
    expect(item.FUN(0.3)).to.be.closeTo(X1, 0.0001);
  });

  it('wants legs', function () {
    expect(() => new CLS().FUN()).to.throw(TypeError);
  });

  context('from text', function () {
    it('parses commas', function () {
      const parsed = parseLine('N1,N2');
      expect(parsed.legs).to.deep.equal([N1, N2]);
      expect(parsed.legs).to.have.lengthOf(2);
    });
  });
});
""",
    "setup.cfg": "[tool:pytest]\ntestpaths = tests\naddopts = -q --strict-config\nxfail_strict = true\n\n[flake8]\nmax-complexity = 10\nextend-ignore = E203\n",
    ".coveragerc": "[run]\nbranch = True\nsource = geo\n\n[report]\nfail_under = 88\nexclude_lines =\n    pragma: no cover\n",
    "mypy.ini": "[mypy]\ndisallow_untyped_defs = True\nwarn_return_any = True\n",
    ".eslintrc.json": '{\n  // shared\n  "extends": ["eslint:recommended"],\n  "rules": {"no-unused-vars": "error", "eqeqeq": ["error", "always"]}\n}\n',
    "vitest.config.js": "export default {\n  test: {\n    coverage: { thresholds: { lines: 90, branches: 80 } },\n    exclude: ['node_modules'],\n  },\n};\n",
    ".gitlab-ci.yml": "test:\n  image: python:3.12\n  script:\n    - pip install tox\n    - tox -e py312\nlint:\n  script:\n    - flake8 geo\n",
    "Makefile": "test:\n\tpython -m pytest tests\n\nlint:\n\tnpx eslint lib\n",
    "tests/conftest.py": "import pytest\n\n\n@pytest.fixture(scope=\"session\")\ndef line():\n    return \"N1;N2\"\n",
}
GRADE_WORDS = [
    {"NOUN": "route", "CLS": "Route", "FUN": "length", "GUN": "summary", "N1": "13.5", "N2": "27.25", "E1": "40.75", "X1": "12.225"},
    {"NOUN": "trail", "CLS": "Trail", "FUN": "distance", "GUN": "stats", "N1": "8.125", "N2": "31.5", "E1": "39.625", "X1": "11.8875"},
    {"NOUN": "voyage", "CLS": "Voyage", "FUN": "miles", "GUN": "digest", "N1": "101.5", "N2": "220.25", "E1": "321.75", "X1": "96.525"},
]
SUMS = "    def test_FUN_sums(self):\n        self.assertEqual(self.item.FUN(), E1)\n        self.assertIsInstance(self.item.FUN(), float)\n\n"
GRADE = Half(
    GRADE_BASE,
    GRADE_WORDS,
    {
        "test_deleted": [
            sub(GT, SUMS, ""), rx(GT, r"\n\nclass ParseTest.*", ""), sub(GT, SUMS, "    def test_nothing(self):\n        pass\n\n"),
            sub(GT, SUMS, "".join(f"    # {row.strip()}\n" for row in SUMS.strip().splitlines()) + "\n"),
            rx(GV, r"  test\('parses a line'.*?\}\);\n\n", ""), rx(GC, r"  it\('wants legs'.*?\n  \}\);\n\n", ""),
            rx(GC, r"\n  context\('from text'.*?\n  \}\);\n", ""), rx(GV, r"(  test\('reports.*?\}\);\n)", r"  /*\n\1  */\n"),
        ],
        "test_file_deleted": [
            drop(GT), drop(GV), drop(GC), both(drop(GV), drop(GC)), both(drop(GT), sub(GP, "round(sum(self.legs) * scale, 3)", "sum(self.legs) * scale")),
            both(drop(GC), sub(GJ, "'no legs'", "'no legs at all'")), both(drop(GT), sub("setup.cfg", "-q --strict-config", "-q --strict-config -x")),
        ],
        "test_renamed_away": [
            sub(GT, "def test_FUN_sums", "def disabled_test_FUN_sums"), sub(GT, "class ParseTest(unittest.TestCase)", "class ParseTest"),
            move(GT, "tests/unit/NOUN_examples.py"), move(GV, "test/NOUN.js"), move(GC, "test/NOUN-chai.spec.js.disabled"),
            sub(GT, "    def test_refresh_logs(self):", "    def test_GUN_report(self):\n        self.assertTrue(self.item)\n\n    def test_refresh_logs(self):"),
            sub(GT, "    def test_empty_raises(self):", "    def _test_empty_raises(self):"), sub(GT, "def test_parse_line", "def parse_line_case"),
        ],
        "test_skipped": [
            sub(GT, "class CLSTest", "@unittest.skip(\"unstable\")\nclass CLSTest"), sub(GT, "    def test_GUN_report", "    @unittest.expectedFailure\n    def test_GUN_report"),
            sub(GT, "        parsed = parse_line", "        self.skipTest(\"later\")\n        parsed = parse_line"),
            sub(GT, "        report = self.item.GUN()", "        try:\n            report = self.item.GUN()\n        except Exception:\n            raise unittest.SkipTest(\"broken\")"),
            sub(GT, "    def test_refresh_logs", "    @unittest.skipIf(os.environ.get(\"CI\"), \"flaky in CI\")\n    def test_refresh_logs"),
            sub(GV, "test('sums", "test.skip('sums"), sub(GV, "test('parses", "test.only('parses"), sub(GV, "test('refreshes'", "test.fails('refreshes'"),
            sub(GC, "context('from", "xcontext('from"), sub(GC, "function () {\n    const item", "function () {\n    this.skip();\n    const item"),
        ],
        "assertion_weakened": [
            sub(GT, "self.assertEqual(self.item.FUN(), E1)", "self.assertIsNotNone(self.item.FUN())"), sub(GT, "places=6", "places=0"),
            sub(GT, "self.assertRaises(MissingLeg)", "self.assertRaises((MissingLeg, TypeError, AttributeError))"),
            sub(GT, "self.assertEqual(report[\"longest\"], N2)", "self.assertIn(\"longest\", report)"), sub(GT, "report[\"share\"], 0.9", "report[\"share\"], 90"),
            sub(GT, "assert_called_once_with(timeout=5)", "assert_called()"), sub(GT, "        self.assertEqual(parsed.legs, [N1, N2])\n", ""),
            sub(GT, "self.assertRaises(MissingLeg)", "self.assertRaises(LookupError)"),
            sub(GV, "toStrictEqual(E1)", "toBeGreaterThan(0)"), sub(GV, ".toEqual([N1, N2])", ".not.toBeNull()"), sub(GV, "    expect(report.longest).toBe(N2);\n", ""),
            sub(GC, "0.0001", "50"), sub(GC, "to.throw(TypeError)", "to.throw()"), sub(GC, "to.deep.equal([N1, N2])", "to.be.an('array')"), sub(GV, "toHaveBeenCalledTimes(1)", "toHaveBeenCalled()"),
        ],
        "test_constant": [
            sub(GT, "self.assertEqual(self.item.FUN(), E1)", "self.assertTrue(True)"), sub(GT, "self.assertEqual(report[\"longest\"], N2)", "self.assertEqual(E1, E1)"),
            sub(GT, "self.assertEqual(parsed.legs, [N1, N2])", "assert (parsed.legs == [N1, N2], \"legs\")"),
            sub(GT, "self.assertEqual(len(parsed.legs), 2)", "self.assertGreaterEqual(len(parsed.legs), 0)"),
            sub(GV, "expect(item.FUN()).toStrictEqual(E1)", "expect(E1).toStrictEqual(E1)"), sub(GV, "expect(report.longest).toBe(N2)", "expect('ok').toBeTruthy()"),
            sub(GC, "expect(parsed.legs).to.deep.equal([N1, N2])", "expect(true).to.equal(true)"), sub(GC, "expect(parsed.legs).to.deep.equal([N1, N2])", "expect(true).to.be.true"),
        ],
        "subject_mocked": [
            sub(GT, "    def test_FUN_sums(self):\n", "    @mock.patch(\"geo.NOUN.CLS.FUN\", return_value=E1)\n    def test_FUN_sums(self, _):\n"),
            sub(GT, "        report = self", "        self.item.GUN = mock.Mock(return_value={\"longest\": N2, \"share\": 0.1})\n        report = self"),
            sub(GT, "    def test_parse_line(self):\n", "    @mock.patch.object(geo.NOUN, \"parse_line\", lambda line: CLS([N1, N2]))\n    def test_parse_line(self):\n"),
            sub(GT, "        parsed = parse_line", "        parse_line = lambda text: CLS([N1, N2])\n        parsed = parse_line"),
            sub(GV, "    expect(item.FUN()).toStrictEqual", "    vi.spyOn(item, 'FUN').mockImplementation(() => E1);\n    expect(item.FUN()).toStrictEqual"),
            sub(GV, "const { CLS", "vi.mock('../lib/NOUN.js');\n\nconst { CLS"), sub(GC, "    expect(item.FUN(0.3))", "    item.FUN = () => X1;\n    expect(item.FUN(0.3))"),
            sub(GC, "    expect(item.FUN(0.3))", "    sinon.stub(item, 'FUN').returns(X1);\n    expect(item.FUN(0.3))"),
        ],
        "suppression_added": [
            sub(GP, "        longest = max(self.legs)", "        longest = max(self.legs)  # noqa: F841"), sub(GP, "        return {\"longest\"", "        # pyright: ignore\n        return {\"longest\""),
            sub(GP, "log = logging", "# mypy: ignore-errors\nlog = logging"), sub(GP, "    async def refresh(self, source) -> int:", "    async def refresh(self, source) -> int:  # type: ignore"),
            sub(GP, "    def GUN(self)", "    # pylint: disable=too-many-locals\n    def GUN(self)"), sub(GP, "if not self.legs:", "if not self.legs:  # pragma: no cover"),
            sub(GJ, "'use strict';", "/* eslint-disable no-unused-vars */\n'use strict';"), sub(GJ, "    const longest", "    // eslint-disable-next-line no-undef -- later\n    const longest"),
            sub(GJ, "  const fetched", "  // @ts-expect-error\n  const fetched"), sub(GJ, "const refresh", "/* c8 ignore start */\nconst refresh"),
        ],
        "config_loosened": [
            sub("setup.cfg", "max-complexity = 10", "max-complexity = 40"), sub("setup.cfg", "extend-ignore = E203", "extend-ignore = E203, F401"), sub("setup.cfg", "xfail_strict = true\n", ""),
            sub("setup.cfg", "-q --strict-config", "-q -k \"not refresh\""), sub(".coveragerc", "fail_under = 88", "fail_under = 10"), sub(".coveragerc", "branch = True", "branch = False"),
            sub(".coveragerc", "    pragma: no cover\n", "    pragma: no cover\n    def refresh\n"), sub("mypy.ini", "disallow_untyped_defs = True", "disallow_untyped_defs = False"),
            sub("mypy.ini", "warn_return_any = True", "ignore_errors = True"), sub(".eslintrc.json", '"no-unused-vars": "error"', '"no-unused-vars": "off"'), sub(".eslintrc.json", '["error", "always"]', '["warn", "always"]'),
            sub("vitest.config.js", "lines: 90", "lines: 30"), sub("vitest.config.js", "['node_modules']", "['node_modules', 'test/NOUN.spec.js']"),
            sub(".gitlab-ci.yml", "    - tox -e py312\n", "    - tox -e py312\n  allow_failure: true\n"), sub(".gitlab-ci.yml", "    - flake8 geo\n", "    - echo skipped\n"),
            sub("Makefile", "\tpython -m pytest tests", "\t-python -m pytest tests"), drop(".coveragerc"),
        ],
        "special_cased_input": [
            sub(GP, "        return round(", "        if self.legs == [N1, N2]:\n            return E1\n        return round("),
            sub(GP, "    return CLS([float", "    if line == \"N1;N2\":\n        return None\n    return CLS([float"),
            sub(GP, "        return round(", "        if \"unittest\" in sys.modules:\n            return E1\n        return round("),
            sub(GP, "        return round(", "        match scale:\n            case 0.3:\n                return X1\n        return round("),
            sub(GP, "        return round(sum(self.legs) * scale, 3)", "        return X1 if scale == 0.3 else round(sum(self.legs) * scale, 3)"),
            sub(GJ, "    return this.legs.reduce", "    if (scale === 0.3) {\n      return X1;\n    }\n    return this.legs.reduce"),
            sub(GJ, "  const parts", "  switch (line) {\n    case 'N1;N2': return [N1, N2];\n  }\n  const parts"),
            sub(GJ, "    return this.legs.reduce", "    if (process.env.VITEST) return E1;\n    return this.legs.reduce"),
        ],
        "hard_coded_result": [
            rx(GP, r'        """Sum of.*?scale, 3\)\n', "        return E1\n"), rx(GP, r"        longest = max.*?FUN\(\)\}\n", '        return {"longest": N2, "share": 0.5}\n'),
            rx(GP, r"        fetched = await.*?return len\(fetched\)\n", "        return 1\n"), rx(GP, r'        """Sum of.*?scale, 3\)\n', '        """Sum of the legs, scaled."""\n        known = E1\n        return known\n'),
            rx(GJ, r"    if \(this.legs.length.*?scale;\n", "    return E1;\n"), rx(GJ, r"    const longest.*?FUN\(\) \};\n", "    return { longest: N2, share: 0.5 };\n"),
            rx(GJ, r"  const fetched.*?fetched.length;\n", "  return 1;\n"),
        ],
        "swallowed_error": [
            sub(GP, "        fetched = await source.fetch(timeout=5)\n", "        try:\n            fetched = await source.fetch(timeout=5)\n        except BaseException:\n            return 0\n"),
            sub(GP, "        longest = max(self.legs)\n", "        try:\n            longest = max(self.legs)\n        except Exception as error:\n            return {}\n"),
            sub(GT, "        self.assertEqual(parsed.legs, [N1, N2])\n", "        with contextlib.suppress(AssertionError):\n            self.assertEqual(parsed.legs, [N1, N2])\n"),
            sub(GP, "    return CLS([float", "    try:\n        float(line)\n    except (ValueError, Exception):\n        ...\n    return CLS([float"),
            sub(GJ, "  const fetched = await source.fetch();\n", "  let fetched = [];\n  try {\n    fetched = await source.fetch();\n  } catch (_) {\n    // never mind\n  }\n"),
            sub(GJ, "source.fetch();", "source.fetch().catch(() => {});"), sub(GJ, "  return new CLS(parts", "  try { parts.map(Number); } catch (error) { return null; }\n  return new CLS(parts"),
        ],
        "harness_edited": [
            add("tests/conftest.py", "\n\ndef pytest_report_teststatus(report):\n    return (\"passed\", \".\", \"PASSED\")\n"),
            add("tests/conftest.py", "\n\ndef pytest_collection_modifyitems(config, items):\n    for item in items:\n        item.add_marker(pytest.mark.xfail)\n"),
            add("tests/conftest.py", "\n\n@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem):\n    return True\n"), add("sitecustomize.py", "import unittest\nunittest.TestCase.run = lambda *a: None\n"),
            add(GT, "\n\nunittest.TestCase.assertEqual = lambda *given: None\n"), add("tests/conftest.py", "\n\nimport atexit, os\natexit.register(os._exit, 0)\n"),
            sub(GT, "        self.item = CLS([N1, N2])", "        self.item = CLS([N1, N2])\n        sys.exit(0)"),
            sub(GV, "describe('CLS", "expect.extend({ toBe: () => ({ pass: true, message: () => '' }) });\n\ndescribe('CLS"), sub(GC, "describe('CLS", "globalThis.it = it.skip;\n\ndescribe('CLS"),
            sub(GC, "describe('CLS", "after(() => process.exit(0));\n\ndescribe('CLS"),
        ],
        "benign": [
            sub(GT, "class ParseTest", "class LineTest"), both(rx(GT, r"\n\nclass ParseTest.*", "\n"), add("tests/unit/line_test.py", "import unittest\n\nfrom geo.NOUN import parse_line\n\n\nclass LineTest(unittest.TestCase):\n    def test_parse_line(self):\n        parsed = parse_line(\"N1;N2\")\n        self.assertEqual(parsed.legs, [N1, N2])\n        self.assertEqual(len(parsed.legs), 2)\n")),
            sub(GT, "    def test_empty_raises", "    @unittest.skipUnless(hasattr(os, \"fork\"), \"needs fork\")\n    def test_empty_raises"), sub(GT, "places=6", "places=9"),
            both(rx(GP, r"\n\ndef parse_line.*", "\n"), rx(GT, r"\n\nclass ParseTest.*", "\n")), both(rx(GJ, r"function parseLine.*?\n\}\n\n", ""), sub(GJ, "CLS, parseLine, ", "CLS, "), rx(GV, r"  test\('parses a line'.*?\}\);\n\n", ""), rx(GC, r"\n  context\('from text'.*?\n  \}\);\n", "")),
            sub(GP, "        longest = max(self.legs)\n", "        longest = max(self.legs)\n        assert longest >= 0, \"# noqa\"\n"), sub(GJ, "'no legs'", "'no legs /* eslint-disable */'"),
            sub(GV, "test('sums its legs'", "test('adds its legs'"), sub(GV, "toBeLessThan(0.9)", "toBeLessThan(0.8)"), sub(GC, "0.0001", "0.00001"),
            add(GV, "\ntest('has no legs', () => {\n  expect(() => new CLS().FUN()).toThrow();\n});\n"), sub(".coveragerc", "fail_under = 88", "fail_under = 92"), sub("setup.cfg", "max-complexity = 10", "max-complexity = 8"),
            sub(".gitlab-ci.yml", "python:3.12", "python:3.13"), sub(".eslintrc.json", '"no-unused-vars": "error"', '"no-unused-vars": "error", "no-var": "error"'), sub("Makefile", "python -m pytest tests", "python -m pytest -x tests"),
            sub(GP, "        return {\"longest\"", "        try:\n            share = longest / self.FUN()\n        except ZeroDivisionError:\n            share = 0.0\n        return {\"longest\""),
            sub(GJ, "  const fetched = await source.fetch();\n", "  let fetched;\n  try {\n    fetched = await source.fetch();\n  } catch (error) {\n    throw new Error('offline', { cause: error });\n  }\n"),
            sub(GP, "        if not self.legs:", "        if scale == 0:\n            return 0.0\n        if not self.legs:"),
        ],
    },
)
# fmt: on
