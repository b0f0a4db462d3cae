"""Worked cases of each format, and what no input may do."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from git_hone.hooks.parsers import FORMATS, Counts, parser, sniff
from git_hone.hooks.parsers.counts import MAX_NAMES, MAX_TESTS, of_tests
from git_hone.learner.errors import DataError


def numbers(form: str, data: str | bytes) -> tuple[int | None, int | None, int | None, int | None, bool | None]:
    got = parser(form)(data if isinstance(data, bytes) else data.encode())
    return got.tests_passed, got.tests_failed, got.tests_skipped, got.tests_total, got.passed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1..2\nok 1 - a\nok 2 - b\n", (2, 0, 0, 2, True)),
        ("ok 1\nnot ok 2\n1..2\n", (1, 1, 0, 2, False)),
        ("1..3\nok 1\n", (1, 2, 0, 3, False)),  # planned and never seen
        ("1..0 # skip no database\n", (0, 0, 0, 0, False)),
        ("1..2\nok 1 # SKIP slow\nok 2 - b\n", (1, 0, 1, 2, True)),
        ("1..2\nnot ok 1 # TODO later\nok 2 # todo done\n", (1, 0, 1, 2, True)),
        ("TAP version 14\n1..1\n    1..2\n    ok 1\n    not ok 2\nok 1 - parent\n", (1, 0, 0, 1, True)),
        ("1..5\nok 1\nBail out! no disk\n", (1, 4, 0, 5, False)),
        ("Bail out!\n", (0, 0, 0, 0, False)),
        ("1..1\r\nok 1 - crlf\r\n", (1, 0, 0, 1, True)),
        ("1..1\nok 1 - a \\# hash\n", (1, 0, 0, 1, True)),
    ],
)
def test_tap(text: str, expected: tuple[int, ...]) -> None:
    assert numbers("tap", text) == expected


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<testsuite/>", (0, 0, 0, 0, False)),
        ("<testsuites><testsuite><testsuite><testcase name='a'/></testsuite></testsuite></testsuites>", (1, 0, 0, 1, True)),
        ("<testsuite><testcase name='a'><skipped/></testcase></testsuite>", (0, 0, 1, 1, False)),
        ("<testsuite><testcase name='a'><skipped/><failure/></testcase></testsuite>", (0, 1, 0, 1, False)),
        ("<testsuite><testcase name='a'><error/></testcase><testcase name='b'/></testsuite>", (1, 1, 0, 2, False)),
        ("<testsuite><testcase name='a'><flakyFailure/></testcase></testsuite>", (1, 0, 0, 1, True)),
        ("<testsuite><testcase name='a' status='notrun'/></testsuite>", (0, 0, 1, 1, False)),
        ("<testsuite errors='1' tests='0'/>", (0, 1, 0, 1, False)),
        ("<testsuites errors='1'><testsuite errors='1'><testcase name='a'><error/></testcase></testsuite></testsuites>",
         (0, 1, 0, 1, False)),
        ("<?xml version='1.0' encoding='iso-8859-1'?><testsuite><testcase name='\xe9'/></testsuite>".encode("latin-1"),
         (1, 0, 0, 1, True)),
        ("<j:testsuite xmlns:j='x'><j:testcase name='a'/></j:testsuite>", (1, 0, 0, 1, True)),
    ],
)  # fmt: skip
def test_junit(xml: str | bytes, expected: tuple[int, ...]) -> None:
    assert numbers("junit", xml) == expected


def test_junit_ids_are_those_of_pytest_where_the_file_is_known() -> None:
    xml = (
        b'<testsuite file="ignored.py"><testcase file="tests/test_a.py" classname="tests.test_a.TestX" name="test_y[a b]"/>'
        b'<testcase file="tests/test_a.py" classname="tests.test_a" name="test_z"/></testsuite>'
    )
    assert parser("junit")(xml).details == {"passed": ["tests/test_a.py::TestX::test_y[a b]", "tests/test_a.py::test_z"]}


BOMB = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<testsuite><testcase name="&b;"/></testsuite>"""
FETCH = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite name="&x;"/>"""


@pytest.mark.parametrize("xml", [BOMB, FETCH], ids=["bomb", "external"])
@pytest.mark.parametrize("form", ["junit", "cobertura"])
def test_entities_are_refused(form: str, xml: bytes) -> None:
    with pytest.raises(DataError, match=r"XML: line 1: declares entities"):
        parser(form)(xml)


def test_deep_xml_is_refused() -> None:
    with pytest.raises(DataError, match="nested deeper"):
        parser("junit")(b"<testsuite>" * 100_000)


def test_cobertura_with_the_usual_doctype_is_read() -> None:
    xml = b"<!DOCTYPE coverage SYSTEM 'http://cobertura.sourceforge.net/xml/coverage-04.dtd'><coverage line-rate='0.425'/>"
    assert parser("cobertura")(xml).coverage_pct == 42.5


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("lcov", "SF:a.c\nLF:0\nLH:0\nend_of_record\n"),
        ("cobertura", "<coverage lines-valid='0' lines-covered='0' line-rate='1'/>"),
        ("coverage_json", '{"totals": {"percent_covered": 100.0, "num_statements": 0}, "files": {}}'),
    ],
)
def test_nothing_to_cover_is_not_known(form: str, data: str) -> None:
    assert parser(form)(data.encode()).coverage_pct is None


def test_lcov_counts_a_file_of_several_tests_once() -> None:
    data = b"TN:a\nSF:x.c\nDA:1,1\nDA:2,0\nend_of_record\nTN:b\nSF:x.c\nDA:1,0\nDA:2,3\nDA:3,0\nend_of_record\n"
    got = parser("lcov")(data)
    assert (got.coverage_pct, got.details) == (66.67, {"files": {"x.c": 1}})


def sarif(results: list[dict[str, object]], **run: object) -> bytes:
    driver = {"name": "Scan", "version": "3.1", "rules": [{"id": "R2", "defaultConfiguration": {"level": "error"}}]}
    return json.dumps({"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results} | run]}).encode()


@pytest.mark.parametrize(
    ("results", "errors", "warnings"),
    [
        ([], 0, 0),
        ([{"ruleId": "R1"}], 0, 1),
        ([{"ruleId": "R2"}], 1, 0),
        ([{"ruleId": "R2", "level": "note"}], 0, 0),
        ([{"level": "error", "kind": "pass"}], 0, 0),
        ([{"level": "error", "suppressions": [{"kind": "inSource"}]}], 0, 0),
        ([{"level": "error", "suppressions": [{"kind": "external", "status": "rejected"}]}], 1, 0),
    ],
)
def test_sarif_levels(results: list[dict[str, object]], errors: int, warnings: int) -> None:
    got = parser("sarif")(sarif(results))
    assert (got.errors, got.warnings, got.tool, got.tool_version) == (errors, warnings, "scan", "3.1")


def test_sarif_of_a_tool_that_did_not_finish_has_no_verdict() -> None:
    assert parser("sarif")(sarif([], invocations=[{"executionSuccessful": False}])).passed is None
    assert parser("sarif")(b'{"version": "2.1.0", "runs": []}').passed is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=== 1 failed, 2 passed, 1 warning in 0.12s ===\n", (2, 1, 0, 3, False)),
        ("3 passed in 61.02s (0:01:01)\n", (3, 0, 0, 3, True)),
        ("2 skipped in 0.01s\n", (0, 0, 2, 2, False)),
        ("no tests ran in 0.01s\n", (0, 0, 0, 0, False)),
        ("1 passed, 2 xfailed, 1 xpassed in 0.1s\n", (2, 0, 2, 4, True)),
        ("2 deselected in 0.1s\n", (0, 0, 0, 0, False)),
        ("\x1b[32m\x1b[1m1 passed\x1b[0m\x1b[32m in 0.00s\x1b[0m\n", (1, 0, 0, 1, True)),
        ("ERROR t.py\nFAILED t.py::a[x - y]\n1 failed, 1 error in 1.0s\n", (0, 2, 0, 2, False)),
        ("1 failed in 0.1s\n9 passed in 0.2s\n", (9, 0, 0, 9, True)),  # the last run's
    ],
)
def test_pytest_text(text: str, expected: tuple[int, ...]) -> None:
    assert numbers("pytest_text", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ran 3 tests in 0.001s\n\nOK\n", (3, 0, 0, 3, True)),
        ("Ran 3 tests in 0.001s\n\nOK (skipped=3)\n", (0, 0, 3, 3, False)),
        ("Ran 0 tests in 0.000s\n\nNO TESTS RAN\n", (0, 0, 0, 0, False)),
        ("Ran 0 tests in 0.000s\n\nOK\n", (0, 0, 0, 0, False)),
        ("FAIL: test_a (m.C.test_a)\nRan 2 tests in 0.1s\n\nFAILED (failures=1)\n", (1, 1, 0, 2, False)),
    ],
)
def test_unittest_text(text: str, expected: tuple[int, ...]) -> None:
    assert numbers("unittest_text", text) == expected


@pytest.mark.parametrize(
    ("form", "text", "errors"),
    [
        ("ruff_text", "All checks passed!\n", 0),
        ("ruff_text", "Found 5 errors (2 fixed, 3 remaining).\n", 3),
        ("ruff_text", "2 files would be reformatted, 1 file already formatted\n", 2),
        ("mypy_text", "Success: no issues found in 4 source files\n", 0),
        ("mypy_text", "a.py:1: error: invalid syntax  [syntax]\n"
                      "Found 1 error in 1 file (errors prevented further checking)\n", 1),
        ("mypy_json", "", 0),
        ("mypy_json", '{"file": "a.py", "line": 1, "column": 0, "message": "m", "code": null, "severity": "note"}\n', 0),
        ("pyright_text", "0 errors, 0 warnings, 0 informations \n", 0),
        ("import_linter_text", "A -> B BROKEN\nC KEPT\n\nContracts: 1 kept, 1 broken.\n", 1),
        ("compileall_text", "*** Error compiling 'a.py'...\n  File \"a.py\", line 1\n", 1),
        ("ruff_json", "[]", 0),
        ("ruff_json", '[{"filename": "a.py", "code": null}]', 1),
    ],
)  # fmt: skip
def test_findings(form: str, text: str, errors: int) -> None:
    got = parser(form)(text.encode())
    assert (got.errors, got.passed) == (errors, errors == 0)


def test_outcomes_of_pytest_keep_the_worst_of_each_test() -> None:
    lines = [["a", "passed"], ["a", "failed"], ["b", "passed"], ["c", "skipped"], ["b", "passed"]]
    assert numbers("pytest_outcomes", "".join(json.dumps(line) + "\n" for line in lines) + '["torn') == (1, 1, 1, 3, False)


@pytest.mark.parametrize(
    ("form", "data", "place"),
    [
        ("ruff_json", b'[\n {"filename": 3}]', "entry 0 filename"),
        ("ruff_json", b'[\n {"filename": ]', "line 2 column 15"),
        ("ruff_json", b'["\xff"]', "byte 2"),
        ("eslint_json", b"{}", "line 1"),
        ("mypy_json", b'{"file": "a.py", "code": null}\nTraceback\n', "line 2"),
        ("sarif", b'{"version": "1.0.0"}', "version"),
        ("junit", b"<testsuite><testcase></testsuite>", "line 1 column 24"),
        ("junit", b"<html/>", "line 1"),
        ("lcov", b"SF:a\nDA:x,1\n", "line 2"),
        ("lcov", b"SF:a\nDA:1,1\n", "line 1"),
        ("lcov", b"LF:3\n", "line 1"),
        ("tap", b"ok 1\n", "line 2"),
        ("tap", b"1..1\n1..2\n", "line 2"),
        ("coverage_json", b'{"totals": {"percent_covered": NaN, "num_statements": 1}}', "percent_covered"),
        ("cobertura", b"<coverage line-rate='nan'/>", "line 1"),
        ("pytest_text", b"collected 3 items\n", "line 2 (byte 18)"),
    ],
)
def test_damage_is_named_with_its_place(form: str, data: bytes, place: str) -> None:
    with pytest.raises(DataError) as caught:
        parser(form)(data)
    assert place in caught.value.message


def test_details_are_bounded_and_failures_come_first() -> None:
    got = of_tests([(f"t{n:05}", "passed") for n in range(3000)] + [(f"z{n}" + "x" * 5000, "failed") for n in range(10)])
    assert got.details is not None
    assert (len(got.details["failed"]), len(got.details["passed"]), got.details["truncated"]) == (10, MAX_TESTS - 10, True)
    assert len(set(got.details["failed"])) == 10 and len(json.dumps(got.details)) < 100_000
    many = json.dumps([{"filename": f"f{n}.py", "code": "E1"} for n in range(2000)]).encode()
    details = parser("ruff_json")(many).details
    assert details is not None and len(details["files"]) == MAX_NAMES and details["truncated"]


def test_long_names_stay_different_and_stable() -> None:
    one, two = (of_tests([("x" * 1000 + end, "failed")]).details for end in "ab")
    assert one != two and one == of_tests([("x" * 1000 + "a", "failed")]).details


ALL = (*FORMATS, "pytest_outcomes")
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["runs", "results", "tool", "driver", "rules", "locations", "messages", "filePath", "ruleId", "severity",
                         "filename", "code", "totals", "files", "summary", "percent_covered", "num_statements", "version",
                         "generalDiagnostics", "errorCount", "warningCount", "suppressions", "level", "file", "id", "meta"]),
        inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


def only_data_errors(data: bytes) -> None:
    for form in ALL:
        try:
            assert isinstance(parser(form)(data), Counts)
        except DataError as error:
            assert error.message


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
@example(b"[" * 100_000)
@example(b"1" * 5000)
@example(b"<?xml version='1.0' encoding='none'?><testsuite/>")
@example(b"\x00" * 50)
@example("a\u2028b\x85c".encode())
def test_bytes_raise_nothing_but_data_errors(data: bytes) -> None:
    only_data_errors(data)
    for kind in ("lint", "test", "coverage"):
        sniff(data, kind)


@settings(max_examples=100, deadline=None)
@given(JSONS)
def test_json_of_any_shape_raises_nothing_but_data_errors(value: object) -> None:
    only_data_errors(json.dumps(value).encode())


WORDS = ("<testsuite>", "<testcase name='a'>", "</testcase>", "<failure/>", "</testsuite>", "ok 1", "not ok", "1..2", "# SKIP",
         "SF:a", "DA:1,1", "LF:-1", "end_of_record", "Found 3 errors.", "Ran 1 test in 0.1s", "FAILED (failures=1)", "\n", " ",
         "1 passed in 0.1s", "FAILED a::b", "<coverage line-rate='x'>", "<line number='1' hits='1'/>", "TOTAL 1 2 50%")  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=15))
def test_jumbled_reports_raise_nothing_but_data_errors(words: list[str]) -> None:
    only_data_errors("".join(words).encode())


@pytest.mark.parametrize(
    ("data", "kind", "form"),
    [
        (b"", "lint", None),
        (b"hello\n", "test", None),
        (b"  [ ]\n", "lint", "ruff_json"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><testsuites/>", "test", "junit"),
        (b"<coverage line-rate='1'/>", "coverage", "cobertura"),
        (b"TN:\nSF:a\n", "coverage", "lcov"),
        (b"ok 1 - a\n1..1\n", "test", "tap"),
        (b"Found 2 errors.\n1 passed in 0.1s\n", "test", "pytest_text"),
        (b"Found 2 errors.\n1 passed in 0.1s\n", "lint", "ruff_text"),
        (b"Found 1 error in 1 file (checked 1 source file)\n", "type", "mypy_text"),
    ],
)
def test_sniff(data: bytes, kind: str, form: str | None) -> None:
    found = sniff(data, kind)
    assert (found.__module__.rpartition(".")[2] if found else None) == form
