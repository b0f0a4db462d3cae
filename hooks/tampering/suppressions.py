"""Comments and attributes that silence a tool. Given comments, never raw text: a string that looks like one is a string."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from git_hone.hooks.tampering.facts import Mark

Rule = tuple[str, re.Pattern[str]]


def _hash(name: str, what: str, flags: int = 0) -> Rule:
    """`what` behind a `#`, anywhere in the comment."""
    return name, re.compile(r"#\s*" + what, flags)


def _opening(name: str, what: str, flags: int = 0) -> Rule:
    """`what` at the beginning of a comment of `//` or `/*`."""
    return name, re.compile(r"^(?://|/\*)\s*" + what, flags)


PYTHON: Final = (
    _hash("noqa", r"(?:flake8[:=]\s*)?noqa(?::\s*(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*))?", re.I),
    _hash("noqa", r"ruff:\s*noqa(?::\s*(?P<codes>[A-Z0-9, ]+))?", re.I),
    _hash("type: ignore", r"type:\s*ignore(?:\[(?P<codes>[^\]]*)\])?"),
    _hash("mypy", r"mypy:\s*(?P<codes>ignore-errors|disable-error-code|allow-\S+|disallow-\S+\s*=\s*False|no-\S+).*"),
    _hash("pyright: ignore", r"pyright:\s*(?:ignore(?:\[(?P<codes>[^\]]*)\])?|basic|false)"),
    _hash("pyright: ignore", r"pyright:\s*(?P<codes>report\w+)\s*=\s*(?:false|none|warning|\"none\")", re.I),
    _hash("pyre-ignore", r"pyre-(?:ignore|fixme)(?:\[(?P<codes>[^\]]*)\])?"),
    _hash("pragma: no cover", r"pragma:\s*no\s*(?:cover|branch)", re.I),
    _hash("pylint: disable", r"pylint:\s*(?:disable(?:-next|-all)?\s*=\s*(?P<codes>[\w, -]+)|skip-file)"),
    _hash("nosec", r"nosec\b(?:[:\s]+(?P<codes>B\d+(?:[,\s]+B\d+)*))?"),
    ("nosemgrep", re.compile(r"(?:#|//)\s*nosemgrep\b(?::\s*(?P<codes>[\w., -]+))?")),
)  # fmt: skip
SCRIPT: Final = (
    _opening("eslint-disable", r"eslint-disable(?:-next-line|-line)?(?![\w-])\s*(?P<codes>[\w@/, -]*?)\s*(?:--.*)?(?:\*/)?$", re.S),
    ("eslint-disable", re.compile(r"^/\*\s*eslint\s+(?P<codes>[^*]*?(?:[\"']?off[\"']?|:\s*0)[^*]*)\*/", re.S)),
    _opening("@ts-ignore", r"@ts-ignore\b"),
    _opening("@ts-expect-error", r"@ts-expect-error\b"),
    _opening("@ts-nocheck", r"@ts-nocheck\b"),
    _opening("biome-ignore", r"(?:biome-ignore|rome-ignore)(?:-\w+)?\s+(?P<codes>[\w/]+)"),
    _opening("oxlint-disable", r"oxlint-disable(?:-next-line|-line)?\s*(?P<codes>[\w@/, -]*)"),
    _opening("tslint:disable", r"tslint:disable(?:-next-line|-line)?(?::\s*(?P<codes>[\w -]+))?"),
    _opening("jshint ignore", r"(?:jshint\s+ignore|jslint-disable|standard-disable|xo-disable)"),
    _opening("$FlowFixMe", r"(?:\$Flow(?:FixMe|Ignore|Issue|ExpectedError)|@noflow)\b"),
    _opening("istanbul ignore", r"(?:istanbul|c8|v8|node:coverage)\s+(?:ignore|disable)\b"),
    ("deno-lint-ignore", re.compile(r"^//\s*deno-lint-ignore(?:-file)?\s*(?P<codes>[\w -]*)")),
    _opening("stylelint-disable", r"stylelint-disable(?:-next-line|-line)?\s*(?P<codes>[\w/, -]*)"),
)  # fmt: skip
OTHER: Final = (
    ("nolint", re.compile(r"^//\s?(?:nolint\b(?::(?P<codes>[\w,]+))?|lint:ignore\s|#nosec\b|exhaustive:ignore)")),
    ("NOSONAR", re.compile(r"\bNOSONAR\b|\bCHECKSTYLE[:.]OFF\b|\bNOPMD\b")),
    ("noinspection", re.compile(r"^//\s*noinspection\s+(?P<codes>\w+)")),
    ("ktlint-disable", re.compile(r"ktlint-disable\s*(?P<codes>[\w:-]*)|detekt:disable")),
    ("swiftlint:disable", re.compile(r"^//\s*swiftlint:disable(?::\w+)?\s+(?P<codes>[\w ]+)")),
    ("NOLINT", re.compile(r"\bNOLINT(?:NEXTLINE|BEGIN)?\b(?:\((?P<codes>[^)]*)\))?|\bLCOV_EXCL_(?:LINE|START)\b|\bcppcheck-suppress\b")),
    ("phpstan-ignore", re.compile(r"@phpstan-ignore(?:-next-line|-line)?\b|@psalm-suppress\b|phpcs:(?:ignore|disable)\b|@codeCoverageIgnore")),
    _hash("rubocop:disable", r"rubocop:(?:disable|todo)\s+(?P<codes>[\w/, ]+)"),
    _hash(":nocov:", r":nocov:"),
    _hash("steep:ignore", r"(?:steep:ignore|typed:\s*(?:ignore|false))"),
    _hash("shellcheck disable", r"shellcheck\s+disable=(?P<codes>[\w,]+)"),
    _hash("nosec", r"nosec\b"),
    _hash("credo:disable", r"credo:disable(?:-for\S*)?"),
)  # fmt: skip
ATTRIBUTES: Final = (  # in the code itself: the lexer has blanked strings and comments
    ("allow", re.compile(r"#!?\[\s*(?:allow|expect)\s*\((?P<codes>[^)]*)\)\s*\]"), ("rs",)),
    ("allow", re.compile(r"#!?\[\s*cfg_attr\s*\([^()]*,\s*allow\s*\((?P<codes>[^)]*)\)\s*\)\s*\]"), ("rs",)),
    ("coverage(off)", re.compile(r"#!?\[\s*coverage\s*\(\s*off\s*\)\s*\]|#\[\s*rustfmt::skip\s*\]"), ("rs",)),
    ("@SuppressWarnings", re.compile(r"@(?:SuppressWarnings|SuppressFBWarnings|Suppress|SuppressLint)\b(?P<codes>)"),
     ("java", "kt", "kts", "groovy", "scala")),
    ("@Suppress", re.compile(r"@file:Suppress\b|@nowarn\b"), ("kt", "kts", "scala")),
    ("pragma warning disable", re.compile(r"#pragma\s+warning\s+disable\b(?P<codes>[^\n]*)"
                                           r"|\[\s*(?:assembly:\s*)?(?:SuppressMessage|ExcludeFromCodeCoverage)\b"), ("cs",)),
    ("pragma diagnostic ignored", re.compile(r"#\s*pragma\s+(?:GCC|clang)\s+diagnostic\s+ignored\b"
                                              r"|#\s*pragma\s+warning\s*\(\s*disable"),
     ("c", "h", "cc", "cpp", "hpp", "cxx", "m", "mm")),
)  # fmt: skip
LIKELY: Final = re.compile(
    rb"noqa|type:\s*ignore|mypy:|pyright:|pyre-|pragma|pylint:|nosec|nosemgrep|disable|ignore|@ts-|[Ff]low|nolint|NOLINT|NOSONAR|NOPMD"
    rb"|CHECKSTYLE|LCOV|suppress|Suppress|nocov|rubocop|allow\s*\(|expect\s*\(|coverage|ExcludeFrom|nowarn|noinspection|eslint\s",
    re.IGNORECASE,
)


def marks(comments: Iterable[tuple[int, str]], rules: Iterable[Rule]) -> list[Mark]:
    """The suppressions among (line, comment) pairs: one mark for each code, one with key "NAME *" for one without codes.

    >>> [mark.key for mark in marks([(3, "# noqa: E501, F401")], PYTHON)]
    ['noqa E501', 'noqa F401']
    """
    found = []
    for line, comment in comments:
        if "disable" in comment and re.match(r"(?://|/\*)\s*(?:eslint|tslint|stylelint)-enable", comment):
            continue
        seen = set()
        for name, rule in rules:
            for match in rule.finditer(comment):
                for code in codes_of(match):
                    key = f"{name} {code}"
                    if key not in seen:
                        seen.add(key)
                        text = " ".join(match.group().split())[:80]
                        found.append(Mark("suppression_added", key, line, f"adds `{text}`"))
    return found


def codes_of(match: re.Match[str]) -> list[str]:
    """The rules that a suppression names; ["*"] when it names none, which silences them all."""
    raw = match.groupdict().get("codes") or ""
    return [code for code in re.split(r"[,\s]+", raw.strip(" -*/")) if code] or ["*"]
