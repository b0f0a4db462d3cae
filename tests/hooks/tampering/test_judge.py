"""What is flagged, what is not, and that nothing raises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_hone.hooks.tampering import FileChange, judge


def found(
    before: str | None, after: str | None, path: str = "tests/test_a.py", old: str | None = None
) -> list[tuple[str, int | None]]:
    sides = [None if side is None else side.encode() for side in (before, after)]
    return [(flag.kind, flag.line) for flag in judge([FileChange(path, old, *sides)])]


PLAIN = "def test_a():\n    assert f(2) == 4\n\n\ndef test_b():\n    assert g(2) == 5\n"


def test_a_test_that_moves_to_another_file_is_not_deleted() -> None:
    one, other = PLAIN.split("\n\n\n")
    files = [
        FileChange("tests/test_a.py", None, PLAIN.encode(), (one + "\n").encode()),
        FileChange("tests/test_b.py", None, None, other.encode()),
    ]
    assert judge(files) == []


def test_a_module_renamed_with_its_tests_is_not_deleted() -> None:
    assert found(PLAIN, PLAIN.replace("f(", "h("), "tests/test_b.py", "tests/test_a.py") == []


def test_a_test_that_goes_with_its_subject_is_not_flagged() -> None:
    files = [
        FileChange("tests/test_a.py", None, PLAIN.encode(), PLAIN.split("\n\n\n")[0].encode()),
        FileChange("gone.py", None, b"def compute_total(x):\n    return x\n", None),
    ]
    assert [flag.kind for flag in judge(files)] == ["test_deleted"], "what is gone is not what it names"
    named = PLAIN.replace("g(2)", "compute_total(2)")
    files[0] = FileChange("tests/test_a.py", None, named.encode(), named.split("\n\n\n")[0].encode())
    assert judge(files) == []


def test_tests_become_one_with_as_many_cases() -> None:
    rewritten = "import pytest\n\n\n@pytest.mark.parametrize('call, n', [(f, 4), (g, 5)])\ndef test_all(call, n):\n    assert call(2) == n\n"
    assert found(PLAIN, rewritten) == []
    assert found(PLAIN, rewritten.replace(", (g, 5)", "")) == [("test_deleted", None), ("test_deleted", None)]


def test_a_suppression_that_moves_with_its_line_is_not_added() -> None:
    line = "x = eval('1')  # noqa: S307\n"
    moved = [FileChange("a.py", None, line.encode(), b"y = 1\n"), FileChange("b.py", None, b"", line.encode())]
    assert judge(moved) == []
    assert found(line, "y = exec('1')  # noqa: S307\n", "a.py") == [], "it takes the place of one"
    assert found("x = 1  # noqa\n", "x = 1  # noqa: E501\n", "a.py") == [], "narrower"
    assert found("x = 1  # noqa: E501\n", "x = 1  # noqa\n", "a.py") == [("suppression_added", 1)], "wider"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", 's = "# noqa"\n'),
        ("a.py", '"""\n# type: ignore\n"""\n'),
        ("a.ts", "const s = '// @ts-ignore';\n"),
        ("a.ts", "const s = `\n// eslint-disable-next-line\n${x}`;\n"),
        ("a.ts", "const r = /\\/\\/ @ts-ignore/;\n"),
        ("a.go", 'var s = "//nolint"\n'),
        ("a.rs", 'let s = "#[allow(dead_code)]";\n'),
        ("a.rb", 's = "# rubocop:disable all"\n'),
    ],
)
def test_a_suppression_in_a_string_is_none(path: str, text: str) -> None:
    assert found("", text, path) == []


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("a.go", "package a\n\nvar x = y() //nolint:errcheck\n", 3),
        ("a.rs", "\n#[allow(dead_code)]\nfn f() {}\n", 2),
        ("A.java", '@SuppressWarnings("all")\nclass A {}\n', 1),
        ("a.rb", "x = 1 # rubocop:disable Style/Foo\n", 1),
        ("a.cs", "#pragma warning disable CS0168\n", 1),
        ("a.cpp", "int x; // NOLINT\n", 1),
        ("a.sh", "# shellcheck disable=SC2086\necho $x\n", 1),
        ("a.php", "<?php\n// @phpstan-ignore-next-line\n", 2),
    ],
)
def test_suppressions_of_other_languages(path: str, text: str, line: int) -> None:
    assert found("\n", text, path) == [("suppression_added", line)]


GO = 'package a\n\nfunc TestA(t *testing.T) {\n\tif a(2) != 4 {\n\t\tt.Errorf("no")\n\t}\n}\n'
RUST = "fn f() {}\n\n#[test]\nfn works() {\n    assert_eq!(f(2), 4);\n}\n"
JAVA = "class ATest {\n  @Test\n  void adds() {\n    assertEquals(4, a(2));\n  }\n}\n"
RUBY = "class TestA < Minitest::Test\n  def test_add\n    assert_equal 4, a(2)\n  end\nend\n"


@pytest.mark.parametrize(
    ("path", "before", "old", "new", "kind"),
    [
        ("a_test.go", GO, "T) {\n", 'T) {\n\tt.Skip("later")\n', "test_skipped"),
        ("a_test.go", GO, GO[11:], "", "test_deleted"),
        ("a.rs", RUST, "#[test]\n", "#[test]\n#[ignore]\n", "test_skipped"),
        ("a.rs", RUST, "    assert_eq!(f(2), 4);\n", "", "assertion_weakened"),
        ("ATest.java", JAVA, "  @Test\n", "  @Disabled\n  @Test\n", "test_skipped"),
        ("ATest.java", JAVA, "    assertEquals(4, a(2));\n", "    a(2);\n", "assertion_weakened"),
        ("a_test.rb", RUBY, "  def test_add\n", '  def test_add\n    skip "later"\n', "test_skipped"),
        ("a_test.rb", RUBY, "def test_add", "def dont_test_add", "test_deleted"),
    ],
)
def test_tests_of_other_languages(path: str, before: str, old: str, new: str, kind: str) -> None:
    assert [name for name, _ in found(before, before.replace(old, new), path)] == [kind]


def test_a_skip_under_a_condition_is_none() -> None:
    assert found(GO, GO.replace("T) {\n", "T) {\n\tif testing.Short() {\n\t\tt.Skip()\n\t}\n"), "a_test.go") == []
    platform = "import sys, pytest\n\n\n@pytest.mark.skipif(sys.platform == 'win32', reason='x')\n" + PLAIN
    assert found(PLAIN, platform) == []
    assert found(PLAIN, platform.replace("sys.platform == 'win32'", "True")) == [("test_skipped", 4)]


def test_a_moved_section_of_configuration_asks_for_the_same() -> None:
    files = [
        FileChange("setup.cfg", None, b"[tool:pytest]\ntestpaths = tests\n\n[coverage:report]\nfail_under = 90\n", None),
        FileChange(
            "pyproject.toml",
            None,
            b"",
            b"[tool.coverage.report]\nfail_under = 90\n[tool.pytest.ini_options]\ntestpaths = ['tests']\n",
        ),
    ]
    assert judge(files) == []
    assert [flag.detail for flag in judge(files[:1])] == ["coverage: report.fail_under 90 -> gone"]


def test_one_linter_for_another_is_not_looser() -> None:
    files = [
        FileChange(".flake8", None, b"[flake8]\nselect = E,F\nmax-complexity = 10\n", None),
        FileChange("pyproject.toml", None, b"", b"[tool.ruff.lint]\nselect = ['E', 'F']\n"),
    ]
    assert judge(files) == []


def test_a_file_in_the_middle_of_the_work_is_passed_over() -> None:
    assert found(PLAIN, "def test_a(:\n") == []
    assert found("[tool.ruff]\nselect = ['E']\n", "[tool.ruff\n", "pyproject.toml") == []
    assert found("jobs: {}\n", "jobs: [\n", ".github/workflows/ci.yml") == []


def test_generated_binary_and_large_files_are_passed_over() -> None:
    assert found("x = 1\n", "x = 1  # noqa\n", "node_modules/a/a.py") == []
    assert found("x = 1\n", "x = 1  # noqa\0\n", "a.py") == []
    assert found("x = 1\n", "x = 1  # noqa\n" + "y = 2\n" * 200_000, "a.py") == []


BITS = ["def test_a():\n", "    assert x == 1\n", "class A:\n", "  it('a', () => {\n", "expect(a).toBe(1);\n", "})", "{", "`${", '"', "'", "/",
        "#", "//", "/*", "\n", "@", "[tool.x]\n", "a = 1\n", "jobs:\n", "  run: x\n", "\\", "(", "=> {", "return ", "catch",
        ".skip(", "é", "\r\n", "if (x === 3) {"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(BITS), max_size=25).map("".join),
    st.lists(st.sampled_from(BITS), max_size=25).map("".join),
    st.sampled_from(["a.py", "test_a.py", "a.ts", "a.test.js", "a.go", "a.rs", "a.rb", "pyproject.toml", "setup.cfg", "tsconfig.json",
                     "package.json", ".github/workflows/a.yml", "eslint.config.js", "conftest.py", ".pre-commit-config.yaml", "tox.ini"]),
)  # fmt: skip
def test_no_text_raises(before: str, after: str, path: str) -> None:
    flags = judge([FileChange(path, None, before.encode(), after.encode())])
    lines = after.count("\n") + 1
    assert all(flag.line is None or 1 <= flag.line <= max(lines, len(after.splitlines()) + 1) for flag in flags)
    assert judge([FileChange(path, None, after.encode(), after.encode())]) == []


def test_mocha_finds_its_tests_in_a_folder_whatever_they_are_called() -> None:
    before = b"""describe('app', function () {
  it('greets', function (done) {
    request(app).get('/').expect('Content-Type', 'text/html').expect(200, 'hello', done)
  })
  it('doubles', function () {
    assert.strictEqual(double(2), 4)
  })
})
"""
    weaker = before.replace(b"assert.strictEqual(double(2), 4)", b"assert.ok(double(2))")
    shorter = before.replace(b".expect('Content-Type', 'text/html')", b"")
    gone = before[: before.index(b"  it('doubles'")] + b"})\n"
    for path in ("test/app.js", "spec/app.mjs", "packages/one/tests/app.ts"):
        kinds = [[flag.kind for flag in judge([FileChange(path, None, before, after)])] for after in (weaker, shorter, gone)]
        assert kinds == [["assertion_weakened"], ["assertion_weakened"], ["test_deleted"]]
    assert judge([FileChange("lib/app.js", None, before, weaker)]) == []
    other = before.replace(b"'hello', done", b"'hello')\n      .expect('ETag', done")  # supertest: literals, and no constant
    assert judge([FileChange("test/app.js", None, before, other)]) == []
