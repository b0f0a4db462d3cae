"""Environments, made by pip from wheels that lie in a folder: no index is asked."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.arena import testing, venvs
from git_hone.ci.arena.sandbox import Ran
from git_hone.ci.arena.venvs import NotInstalled, own_package, python_of
from git_hone.ci.suite.doctor import Doctor, Found
from git_hone.learner.errors import UsageError
from git_hone.learner.suite.tasks import Environment, File


def wheel(folder: Path, name: str, *needs: str, version: str = "1.0", text: str = "VALUE = 1\n") -> None:
    """A real wheel with one module."""
    info = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    files = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}"
        for path, text in files.items()
    ]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


NEEDS = Environment(venvs.PYTHON, ("tool",), (), (".",), "calc", "", {}, "declared")


def test_it_is_made_once_and_without_the_project_itself(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(wheels, "calc")
    wheel(wheels, "tool", "calc")
    python = python_of(NEEDS, tmp_path / "cache")
    folder = python.parents[1]
    (site,) = folder.glob("lib/python*/site-packages")
    assert (site / "tool.py").exists() and not (site / "calc.py").exists()
    assert (own_package(folder, "calc"), own_package(folder, "Tool")) == (None, "tool")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert python_of(NEEDS, tmp_path / "cache") == python


def test_one_on_trial_is_compiled_once_it_is_used(wheels: Path, tmp_path: Path) -> None:
    wheel(wheels, "tool")
    python = python_of(NEEDS, tmp_path / "cache", trial=True)
    assert not list(python.parents[1].rglob("*.pyc"))
    assert python_of(NEEDS, tmp_path / "cache") == python
    (made,) = python.parents[1].rglob("tool.*.pyc")
    when = made.stat().st_mtime_ns
    python_of(NEEDS, tmp_path / "cache")
    assert made.stat().st_mtime_ns == when


def test_a_half_made_one_is_made_again(wheels: Path, tmp_path: Path) -> None:
    wheel(wheels, "tool")
    broken = tmp_path / "cache" / NEEDS.fingerprint / "bin"
    broken.mkdir(parents=True)
    (broken / "python").symlink_to("/nowhere/python")
    assert python_of(NEEDS, tmp_path / "cache").exists()


def test_what_cannot_be_installed_says_why_and_leaves_nothing(wheels: Path, tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="No matching distribution found for tool"):
        python_of(NEEDS, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"{NEEDS.fingerprint}.lock"]


def test_a_source_archive_is_not_run(wheels: Path, tmp_path: Path) -> None:
    import io
    import tarfile

    setup = f"open({str(tmp_path / 'ran')!r}, 'w')\nfrom setuptools import setup\nsetup(name='tool', version='1.0')\n".encode()
    with tarfile.open(wheels / "tool-1.0.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("tool-1.0/setup.py")
        info.size = len(setup)
        archive.addfile(info, io.BytesIO(setup))
    with pytest.raises(NotInstalled):
        python_of(NEEDS, tmp_path / "cache")
    assert not (tmp_path / "ran").exists()


def test_another_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"need Python 2\.7"):
        python_of(replace(NEEDS, python="2.7"), tmp_path)


def test_the_doctor_lets_go_of_a_pin_that_has_no_wheel(wheels: Path, tmp_path: Path) -> None:
    wheel(wheels, "tool")
    wheel(wheels, "calc")
    texts = {
        "pyproject.toml": '[project]\nname = "own"\ndependencies = ["tool", "calc"]\n',
        "poetry.lock": '[[package]]\nname = "tool"\nversion = "0.9"\n[[package]]\nname = "calc"\nversion = "1.0"\n',
        "requirements-test.txt": "pytest\n",
    }
    wheel(wheels, "pytest")
    seen = []

    def attempt(environment: Environment, python: Path) -> testing.Tested:
        seen.append((environment.step, environment.constraints, python.exists()))
        return testing.Tested({"t": "passed"}, Ran(0, 0.1, "", True))

    files = {name: File(name) for name in texts}
    found = Doctor(tmp_path / "cache").find(files, lambda file: texts[file.sha256] if file else None, attempt)
    assert isinstance(found, Found)
    assert seen == [("lock+unpinned", ("calc==1.0",), True)]


def test_a_library_that_lost_a_name_is_taken_from_before(wheels: Path, tmp_path: Path) -> None:
    """Its 2.1 and 2.0 no longer have it: first below the major version, and nothing more once the tests run."""
    for version in ("1.4", "2.0", "2.1"):
        wheel(wheels, "tool", version=version, text="OLD = 1\n" if version < "2" else "NEW = 1\n")
    wheel(wheels, "pytest")
    texts = {"pyproject.toml": '[project]\nname = "own"\ndependencies = ["tool"]\n'}
    seen = []

    def attempt(environment: Environment, python: Path) -> testing.Tested:
        seen.append((environment.step, environment.constraints))
        done = subprocess.run([python, "-c", "from tool import OLD"], capture_output=True, text=True)
        return testing.Tested({} if done.returncode else {"t": "passed"}, Ran(done.returncode, 0.1, done.stderr, True))

    files = {name: File(name) for name in texts}
    found = Doctor(tmp_path / "cache").find(files, lambda file: texts[file.sha256] if file else None, attempt)
    assert isinstance(found, Found)
    assert seen == [("declared", ()), ("declared+older", ("tool<2",))]


def test_a_library_that_never_had_the_name_is_not_searched_for_ever(wheels: Path, tmp_path: Path) -> None:
    for version in ("1.4", "2.0", "2.1"):
        wheel(wheels, "tool", version=version)
    wheel(wheels, "pytest")
    texts = {"pyproject.toml": '[project]\nname = "own"\ndependencies = ["tool"]\n'}
    seen = []

    def attempt(environment: Environment, python: Path) -> testing.Tested:
        seen.append(environment.constraints)
        done = subprocess.run([python, "-c", "from tool import OLD"], capture_output=True, text=True)
        return testing.Tested({}, Ran(done.returncode, 0.1, done.stderr, True))

    files = {name: File(name) for name in texts}
    assert isinstance(Doctor(tmp_path / "cache").find(files, lambda file: texts[file.sha256] if file else None, attempt), Found)
    assert seen == [(), ("tool<2",)]  # below 1.4 there is none


def test_a_pin_below_a_requirement_that_has_no_wheel_is_let_go_too(wheels: Path, tmp_path: Path) -> None:
    """The locked `deep` is what `tool` needs; pip blames `tool`, and names `deep` only in its account of the conflict."""
    wheel(wheels, "tool", "deep")
    wheel(wheels, "deep")
    wheel(wheels, "pytest")
    texts = {
        "pyproject.toml": '[project]\nname = "own"\ndependencies = ["tool"]\n',
        "poetry.lock": '[[package]]\nname = "tool"\nversion = "1.0"\n[[package]]\nname = "deep"\nversion = "0.9"\n',
    }
    seen = []

    def attempt(environment: Environment, python: Path) -> testing.Tested:
        seen.append((environment.step, environment.constraints))
        return testing.Tested({"t": "passed"}, Ran(0, 0.1, "", True))

    files = {name: File(name) for name in texts}
    assert isinstance(Doctor(tmp_path / "cache").find(files, lambda file: texts[file.sha256] if file else None, attempt), Found)
    assert seen == [("lock+unpinned", ("tool==1.0",))]


def test_what_a_commit_gets_does_not_depend_on_those_before_it(wheels: Path, tmp_path: Path) -> None:
    """The suite's hash covers the environment: one commit cannot have the locked `deep`, the next one locks it too and needs none."""
    wheel(wheels, "tool", "deep")
    wheel(wheels, "deep")
    wheel(wheels, "plain")
    wheel(wheels, "pytest")
    lock = '[[package]]\nname = "{}"\nversion = "1.0"\n[[package]]\nname = "deep"\nversion = "0.9"\n'
    doctor, seen = Doctor(tmp_path / "cache"), []

    def attempt(environment: Environment, python: Path) -> testing.Tested:
        seen.append((environment.step, environment.constraints))
        return testing.Tested({"t": "passed"}, Ran(0, 0.1, "", True))

    for name in ("tool", "plain"):
        texts = {"pyproject.toml": f'[project]\nname = "own"\ndependencies = ["{name}"]\n', "poetry.lock": lock.format(name)}
        found = doctor.find(
            {path: File(path) for path in texts}, lambda file, of=texts: of[file.sha256] if file else None, attempt
        )
        assert isinstance(found, Found)
    assert seen == [("lock+unpinned", ("tool==1.0",)), ("lock", ("deep==0.9", "plain==1.0"))]


def test_what_one_step_taught_holds_in_the_next_ones_of_the_commit(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A locked version without a wheel, and a library that lost a name, are found out once and not in each step again."""
    for version in ("1.4", "2.0"):
        wheel(wheels, "tool", version=version, text="OLD = 1\n" if version < "2" else "NEW = 1\n")
    for name in ("calc", "pytest", "pyyaml"):
        wheel(wheels, name)
    texts = {
        "pyproject.toml": '[project]\nname = "own"\ndependencies = ["tool>=1.0", "calc"]\n',
        "poetry.lock": '[[package]]\nname = "calc"\nversion = "0.9"\n',
    }
    seen, refused = [], []

    def attempt(environment: Environment, python: Path) -> testing.Tested:
        seen.append((environment.step, environment.requirements, environment.constraints))
        done = subprocess.run([python, "-c", "import pyyaml\nfrom tool import OLD"], capture_output=True, text=True)
        said = done.stderr + ("" if "pyyaml" in environment.requirements else "\nModuleNotFoundError: No module named 'yaml'\n")
        return testing.Tested({"works": "passed", "never": "failed"}, Ran(1, 0.1, said, True))

    def pip(command: list[str], install: Any = venvs._pip) -> None:
        try:
            install(command)
        except NotInstalled as error:
            refused.append(str(error))
            raise

    monkeypatch.setattr(venvs, "_pip", pip)
    files = {name: File(name) for name in texts}
    found = Doctor(tmp_path / "cache").find(files, lambda file: texts[file.sha256] if file else None, attempt)
    assert isinstance(found, Found)
    plain, whole = ("calc", "pytest", "tool>=1.0"), ("calc", "pytest", "pyyaml", "tool>=1.0")
    assert seen == [
        ("lock+unpinned", plain, ()),
        ("lock+unpinned+imports", whole, ()),
        ("lock+unpinned+imports+older", whole, ("tool<2",)),
        ("era+imports+older", ("calc", "pytest", "pyyaml", "tool>=1.0,<2"), ("tool<2",)),
    ]
    assert len(refused) == 3, "the locked version once, and 1.0.x of the minimum with and without the bound"
