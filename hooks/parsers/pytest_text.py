"""pytest's last line ("1 failed, 2 passed in 0.12s") and its short summary."""

from __future__ import annotations

import re

from git_hone.hooks.parsers.counts import Counts, lines_of, nothing_found, of_tests

FORM = "pytest text"
LAST = re.compile(
    r"(?:=+ )?((?:\d{1,9} [a-z]+(?: [a-z]+)?(?:, )?){1,12}|no tests (?:ran|collected)(?: .*?)?) in [\d.]+s"
    r"(?: \([\d:, a-z]+\))?(?: =+)?$"
)
WORD = re.compile(r"(\d{1,9}) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
NAMED = re.compile(r"(?:FAILED|ERROR) (\S.*?)(?: - .*)?$")


def parse(data: bytes) -> Counts:
    """Counts of the last closing line; failed ids from the short summary. Raises DataError when there is no such line."""
    numbers: dict[str, int] | None = None
    failed: list[tuple[str, str]] = []
    for line in lines_of(data):
        if match := LAST.match(line):
            numbers = {word[2].removesuffix("s"): int(word[1]) for word in WORD.finditer(match[1])}
        elif (match := NAMED.match(line)) and ("::" in match[1] or line.startswith("ERROR ")):
            failed.append((match[1], "failed"))
    if numbers is None:
        raise nothing_found(FORM, data)
    bad = numbers.get("failed", 0) + numbers.get("error", 0)
    good = numbers.get("passed", 0) + numbers.get("xpassed", 0)
    skipped = numbers.get("skipped", 0) + numbers.get("xfailed", 0)
    return of_tests(
        failed, passed=bad == 0 and good > 0, tests_passed=good, tests_failed=bad, tests_skipped=skipped,
        tests_total=good + bad + skipped, tool="pytest",
    )  # fmt: skip
