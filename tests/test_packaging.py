"""Every folder of the program is declared, typed, and in the wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
FOLDERS = ("hooks", "learner", "ci", "cli")
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]


def sources(*endings: str) -> Iterator[Path]:
    """Files of the program, relative to the repository."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.name.endswith(endings) and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT)


PACKAGES = {"git_hone." + ".".join(path.parent.parts): str(path.parent) for path in sources(".py")}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names in a wheel that was built from a copy, with the setuptools that is installed here."""
    if int(version("setuptools").split(".")[0]) < 80:
        pytest.skip("building the wheel needs setuptools 80 in this environment")
    made = tmp_path_factory.mktemp("wheel")
    skipped = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "tests")
    shutil.copytree(ROOT, made / "source", ignore=skipped)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(made)]
    done = subprocess.run([*pip, str(made / "source")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = made.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_each_folder_is_a_declared_package() -> None:
    assert SETUPTOOLS["packages"] == sorted(PACKAGES)


def test_each_package_is_found_in_its_folder() -> None:
    assert SETUPTOOLS["package-dir"] == PACKAGES


@pytest.mark.parametrize("folder", PACKAGES.values())
def test_each_package_says_that_it_is_typed(folder: str) -> None:
    assert (ROOT / folder / "py.typed").is_file()


def test_the_namespace_has_no_init() -> None:
    assert not (ROOT / "__init__.py").exists()


def test_wheel_has_each_source_and_data_file(wheel: set[str]) -> None:
    wanted = {f"git_hone/{path.as_posix()}" for path in sources(".py", "py.typed", ".json", ".sh")}
    assert wanted <= wheel


def test_wheel_has_nothing_outside_the_namespace(wheel: set[str]) -> None:
    assert {name.split("/")[0] for name in wheel if ".dist-info/" not in name and ".data/" not in name} == {"git_hone"}


def test_wheel_has_the_man_page(wheel: set[str]) -> None:
    assert any(name.endswith(".data/data/share/man/man1/git-hone.1") for name in wheel)
