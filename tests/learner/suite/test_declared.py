"""What projects say they need, read without running them."""

from __future__ import annotations

from datetime import date

import pytest

from git_hone.learner.suite.declared import Declared, declared
from git_hone.learner.suite.environments import repair, steps


def of(files: dict[str, str]) -> Declared:
    return declared(files.get, files)


def test_pyproject_with_extras_groups_and_scripts() -> None:
    found = of({"src/a/__init__.py": "", "pyproject.toml": """
[project]
name = "Demo"
dependencies = ["click>=8", "demo[extra]"]
[project.optional-dependencies]
test = ["pytest>=7"]
docs = ["sphinx"]
[project.scripts]
demo = "demo:main"
[project.entry-points."demo.plugins"]
one = "demo.one"
[dependency-groups]
base = ["coverage"]
dev = [{include-group = "base"}, "tox", {include-group = "dev"}]
[tool.setuptools_scm]
version_file = "src/a/_version.py"
"""})  # fmt: skip
    assert (found.package, found.runtime, found.testing) == ("Demo", ["click>=8"], ["pytest>=7"])
    assert (found.paths, found.named["sphinx"]) == (["src", "."], "sphinx")
    assert found.entry_points == {"demo.plugins": {"one": "demo.one"}, "console_scripts": {"demo": "demo:main"}}
    assert list(found.generated) == ["src/a/_version.py"]


def test_setup_py_is_read_and_not_run() -> None:
    found = of({"setup.py": """
import os
os.remove("/")
needs = ["six", "attrs>=19"]
setup(name="old", install_requires=needs, extras_require={"dev": ["tox"], "x": [y]}, tests_require=compute())
"""})  # fmt: skip
    assert (found.package, found.runtime, found.testing) == ("old", ["six", "attrs>=19"], [])


def test_setup_cfg_tox_and_requirements() -> None:
    found = of({
        "setup.cfg": "[metadata]\nname = x\n[options]\ninstall_requires =\n    Werkzeug>=2.0\n[options.extras_require]\ntest = pytest\n",
        "tox.ini": "[testenv]\ndeps =\n    -r requirements/tests.txt\n    py37: old\n    {[base]deps}\n    mock\n",
        "requirements/tests.txt": "# pinned\npytest==7.1.2 \\\n    --hash=sha256:00\n-r more.txt\n-e .\ngit+https://x/y\nx @ https://x/y.whl\n",
        "requirements/more.txt": "greenlet==2.0.1 ; python_version < '4'\n-r tests.txt\n-r ../../etc/passwd\n",
    })  # fmt: skip
    assert found.runtime == ["Werkzeug>=2.0"]
    assert sorted(found.testing) == ["greenlet", "mock", "pytest"]
    assert found.pins == {"pytest": "7.1.2", "greenlet": "2.0.1"}


def test_poetry_and_its_lock() -> None:
    found = of({
        "pyproject.toml": '[tool.poetry]\nname = "p"\n[tool.poetry.dependencies]\npython = "^3.10"\nrich = "^13.1"\nlazy = "*"\n'
        '[tool.poetry.group.test.dependencies]\npytest = ">=7"\n',
        "poetry.lock": '[[package]]\nname = "rich"\nversion = "13.9.0"\n[[package]]\nname = "two"\nversion = "1"\n'
        '[[package]]\nname = "two"\nversion = "2"\n',
    })  # fmt: skip
    assert (found.package, found.runtime, found.testing) == ("p", ["rich>=13.1,<14", "lazy"], ["pytest>=7"])
    assert found.pins == {"rich": "13.9.0"}


def test_steps_are_most_faithful_first_and_none_twice() -> None:
    found = Declared(runtime=["Werkzeug>=2.0"], testing=["pytest"], pins={"werkzeug": "2.1.0", "pytest": "7.1"})
    assert [(step.name, step.requirements, step.constraints) for step in steps(found)] == [
        ("lock", ("Werkzeug>=2.0", "pytest"), ("pytest==7.1", "werkzeug==2.1.0")),
        ("era", ("Werkzeug>=2.0,<3", "pytest"), ("pytest==7.1",)),
        ("declared", ("Werkzeug>=2.0", "pytest"), ()),
        ("minimum", ("Werkzeug~=2.0.0", "pytest"), ("pytest==7.1",)),
    ]
    assert [step.name for step in steps(Declared())] == ["declared"]


def test_the_pytest_of_the_day_where_the_project_sets_no_upper_bound() -> None:
    def dated(testing: str, day: date | None, **pins: str) -> list[tuple[str, ...]]:
        return [step.constraints for step in steps(Declared(testing=[testing], pins=pins), day) if step.name == "dated"]

    assert dated("pytest", date(2021, 5, 1)) == [("pytest>=6.2.5,<7",)]
    assert dated("pytest>=7", date(2023, 12, 31)) == [("pytest<8",)]
    assert dated("pytest", date(2025, 11, 7)) == [("pytest<9",)]
    assert dated("pytest", date(2025, 11, 8)) == dated("pytest", None) == []
    assert dated("pytest<9", date(2021, 5, 1)) == dated("pytest==7.1", date(2021, 5, 1)) == []
    assert dated("pytest", date(2021, 5, 1), pytest="7.0") == []


def test_a_lock_that_says_nothing_of_what_the_project_runs_on_holds_for_the_rest() -> None:
    found = steps(Declared(runtime=["click"], pins={"pytest": "7.0"}))
    assert [(step.name, step.constraints) for step in found] == [("era", ("pytest==7.0",)), ("declared", ())]


def test_a_wider_group_counts_only_where_no_test_group_is() -> None:
    both = {"requirements/tests.in": "pytest\n", "requirements/dev.txt": "sphinx==4.0\n"}
    assert (of(both).testing, of(both).pins) == (["pytest"], {"sphinx": "4.0"})
    assert of({"requirements-dev.txt": "tox\n"}).testing == ["tox"]
    assert of({"pyproject.toml": '[dependency-groups]\ndev = ["tox"]\n'}).testing == ["tox"]


def test_an_unknown_missing_module_is_never_guessed() -> None:
    assert repair("reqeusts", Declared()) is None


@pytest.mark.parametrize("name", ["pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "uv.lock", "requirements/tests.txt"])
@pytest.mark.parametrize("text", ["\0", "[[[", "a = [", "[project]\nname = 3\ndependencies = 'x'\n", "]" * 1000])
def test_a_damaged_file_says_nothing(name: str, text: str) -> None:
    assert next(step.requirements for step in steps(of({name: text}))) == ("pytest",)
