"""Go, Rust and Java by their syntax trees, and by shape where the extra is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from git_hone.hooks.tampering import FileChange, grammars, judge

GO = """package a

import "testing"

func (s *Suite) TestOne() {
	s.Equal(4, f(2))
	s.Equal(6, f(3))
}

func TestTwo(tt *testing.T) {
	if f(2) != 4 {
		tt.Errorf("f(2)")
	}
	tt.Run("inner", func(t *testing.T) {
		assert.Equal(t, 6, f(3))
	})
}
"""
RUST = """fn f(a: u8) -> u8 { a * 2 }

#[cfg(test)]
mod tests {
    use super::f;

    #[tokio::test(flavor = "multi_thread")]
    // with [brackets] between
    async fn one() {
        assert_eq!(f(2), 4);
        pretty_assertions::assert_eq!(f(3), 6);
    }
}
"""
JAVA = """class ATest {
  @Test
  @Tags({
    @Tag("slow")
  })
  List<String> one() {
    assertEquals(4, a(2));
    Assertions.assertEquals(6, a(3));
    return null;
  }
}
"""
needs_grammars = pytest.mark.skipif(grammars.parser("go") is None, reason="git-hone[languages] is not installed")


def found(path: str, before: str, after: str) -> list[tuple[str, int | None]]:
    return [(flag.kind, flag.line) for flag in judge([FileChange(path, None, before.encode(), after.encode())])]


@needs_grammars
@pytest.mark.parametrize(
    ("path", "text", "old", "new", "flags"),
    [
        ("a_test.go", GO, "\ts.Equal(6, f(3))\n", "", [("assertion_weakened", 5)]),
        ("a_test.go", GO, '\t\ttt.Errorf("f(2)")\n', "", [("assertion_weakened", 10)]),
        ("a_test.go", GO, GO[GO.index("func (s") : GO.index("func TestTwo")], "", [("test_deleted", None)]),
        ("a_test.go", GO, "\tif f(2)", '\ttt.Skip("é")\n\tif f(2)', [("test_skipped", 11)]),
        ("a_test.go", GO, "\tif f(2)", "\tif true { tt.SkipNow() }\n\tif f(2)", [("test_skipped", 11)]),
        ("a_test.go", GO, "\t\tassert", "\t\tt.Skip()\n\t\tassert", [("test_skipped", 15)]),
        ("a_test.go", GO, "\tif f(2)", "\tif slow {\n\t\tlog()\n\n\t\ttt.Skip()\n\t}\n\tif f(2)", []),
        ("a_test.go", GO, "f(3)", "g(3) /* t.Skip() */", []),
        ("a.rs", RUST, "        assert_eq!(f(2), 4);\n", "", [("assertion_weakened", 9)]),
        ("a.rs", RUST, "    // with", "    #[ignore]\n    // with", [("test_skipped", 8)]),
        ("a.rs", RUST, "    // with", '    #[cfg_attr(windows, ignore = "no")]\n    // with', []),
        ("a.rs", RUST, RUST[RUST.index("    #[tokio") : RUST.rindex("}")], "", [("test_deleted", None)]),
        ("ATest.java", JAVA, "    Assertions.assertEquals(6, a(3));\n", "", [("assertion_weakened", 6)]),
        ("ATest.java", JAVA, "  @Test\n", '  @org.junit.jupiter.api.Disabled("é")\n  @Test\n', [("test_skipped", 2)]),
        ("ATest.java", JAVA, "class A", "@Disabled class A", [("test_skipped", 1)]),
        ("ATest.java", JAVA, "  @Test\n", "  @DisabledOnOs(WINDOWS)\n  @Test\n", []),
        ("ATest.java", JAVA, JAVA[JAVA.index("  @Test") : JAVA.rindex("}")], "", [("test_deleted", None)]),
    ],
)
def test_the_tree_says_what_a_test_is(path: str, text: str, old: str, new: str, flags: list[tuple[str, int | None]]) -> None:
    assert text.count(old)
    assert found(path, text, text.replace(old, new)) == flags


SIMPLE = {
    "a_test.go": "package a\n\nfunc TestA(t *testing.T) {\n\tassert.Equal(t, 4, f(2))\n\tf(9)\n}\n",
    "a.rs": "#[test]\nfn a() {\n    assert_eq!(f(2), 4);\n    f(9);\n}\n",
    "ATest.java": "class ATest {\n  @Test\n  void a() {\n    assertEquals(4, f(2));\n    f(9);\n  }\n}\n",
}


def without_check(text: str) -> str:
    return "".join(line for line in text.splitlines(True) if "assert" not in line)


@pytest.mark.parametrize("path", ["a_test.go", "a.rs", "ATest.java"])
@pytest.mark.parametrize("installed", [True, False])
def test_without_the_extra_the_shape_rules_answer(path: str, installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not installed:
        for name in ("tree_sitter", *grammars.MODULES.values()):
            monkeypatch.setitem(sys.modules, name, None)  # as Python has it for a module that cannot be imported
        monkeypatch.setattr(grammars, "parser", grammars.parser.__wrapped__)
        assert grammars.read(path.rpartition(".")[2], b"") is None
    text = SIMPLE[path]
    assert [kind for kind, _ in found(path, text, without_check(text))] == ["assertion_weakened"]
    assert found(path, text, text.replace("f(9)", "f(8)")) == []


@pytest.mark.parametrize("path", ["a_test.go", "a.rs", "ATest.java"])
def test_a_side_that_does_not_parse_sends_both_to_the_shape_rules(path: str) -> None:
    text = SIMPLE[path]
    broken = without_check(text) + "\n} ) ]\n"
    assert grammars.read(path.rpartition(".")[2], broken.encode()) is None
    assert [kind for kind, _ in found(path, text, broken)] == ["assertion_weakened"]
    assert found(path, text, text + "\n} ) ]\n") == found(path, text + "\n} ) ]\n", text) == []


def test_the_grammars_are_not_imported_for_a_diff_without_those_languages() -> None:
    program = (
        "import sys; from git_hone.hooks.tampering import FileChange, judge; judge([FileChange('a.py', None, b'a', b'b')]);"
        "print('tree_sitter' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout == "False\n"
