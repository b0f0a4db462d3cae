"""What a Python project says it needs, read from its files and never by running them.

pyproject.toml (project, extras, dependency groups, poetry), setup.cfg, setup.py (literal arguments only), requirements files, tox.ini;
uv.lock, poetry.lock, pdm.lock and pinned requirements as locks.
"""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from git_hone.learner.syntax import tree_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Read = Callable[[str], "str | None"]
"""The text of a file of the project by its path, None where there is none."""

TESTING: Final = re.compile(r"^(?:tests?|testing)$", re.IGNORECASE)
DEVELOPING: Final = re.compile(r"^(?:dev|develop|development|ci)$", re.IGNORECASE)
REQUIREMENTS: Final = ("requirements/tests.in", "requirements/test.in", "requirements/tests.txt", "requirements/test.txt",
                       "requirements/testing.txt", "requirements-test.txt", "requirements-tests.txt", "requirements_test.txt",
                       "test-requirements.txt", "tests/requirements.txt")  # fmt: skip
FOR_DEVELOPERS: Final = ("requirements/dev.in", "requirements/dev.txt", "requirements-dev.txt", "requirements_dev.txt",
                         "dev-requirements.txt")  # fmt: skip
LOCKS: Final = ("uv.lock", "poetry.lock", "pdm.lock")
NAME: Final = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
REQUIREMENT: Final = re.compile(
    r"\s*[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[[\w\s.,-]*\])?\s*\(?(?:\s*(?:===?|[<>!~]=|[<>])\s*[\w.*+!-]+\s*,?)*\s*\)?\s*(?:;.*)?"
)
"""A name with versions and a marker; one with an address is left out, as nothing is fetched but from the index."""
PINNED: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;#,\\*]+)")


@dataclass
class Declared:
    """package: its name; runtime, testing: requirements; developing: those of wider groups, which hold where no test group is; named:
    every requirement of every group, by normal name; pins: a lock's {name: version}; paths: folders for PYTHONPATH; entry_points: in
    the form of entry_points.txt; generated: files of the build."""

    package: str | None = None
    runtime: list[str] = field(default_factory=list)
    testing: list[str] = field(default_factory=list)
    developing: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    pins: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    entry_points: dict[str, dict[str, str]] = field(default_factory=dict)
    generated: dict[str, str] = field(default_factory=dict)


def declared(read: Read, paths: Iterable[str]) -> Declared:
    """All that the project says; a file that cannot be read says nothing."""
    found, have = Declared(), set(paths)
    document = _toml(read("pyproject.toml"))
    _pyproject(found, document)
    _setup_cfg(found, read("setup.cfg"))
    _setup_py(found, read("setup.py"))
    for name in REQUIREMENTS:
        if name in have:
            _requirements_file(found, name, read, set(), found.testing)
    for name in FOR_DEVELOPERS:
        if name in have:
            _requirements_file(found, name, read, set(), found.developing)
    _tox(found, read)
    for name in LOCKS:
        if name in have:
            _lock(found, _toml(read(name)))
    found.runtime, found.testing = unique(found.runtime), unique(found.testing or found.developing)
    own = normal(found.package or "")
    for part in (found.runtime, found.testing):
        part[:] = [one for one in part if normal(name_of(one)) != own]
    for one in (*found.runtime, *found.testing):
        found.named.setdefault(normal(name_of(one)), one)
    found.named.pop(own, None)
    found.pins.pop(own, None)
    found.paths = [
        folder for folder in ("src", "lib", ".") if folder == "." or any(path.startswith(f"{folder}/") for path in have)
    ]
    return found


def name_of(requirement: str) -> str:
    """
    >>> name_of("Werkzeug[watchdog]>=2; python_version > '3'")
    'Werkzeug'
    """
    matched = NAME.match(requirement)
    return matched[1] if matched else ""


def normal(name: str) -> str:
    """A distribution's name as indexes compare it.

    >>> normal("Flask_SQLAlchemy.Ext")
    'flask-sqlalchemy-ext'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _toml(text: str | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text or "")
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _table(value: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _strings(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []


def unique(found: Iterable[str]) -> list[str]:
    """What can be read as requirements, each once, in their order."""
    return list(dict.fromkeys(one.strip() for one in found if REQUIREMENT.fullmatch(one)))


def _group(found: Declared, name: str, requirements: list[str]) -> None:
    requirements = unique(requirements)
    for one in requirements:
        found.named.setdefault(normal(name_of(one)), one)
    if TESTING.match(name):
        found.testing += requirements
    elif DEVELOPING.match(name):
        found.developing += requirements


def _pyproject(found: Declared, document: Mapping[str, Any]) -> None:
    project = _table(document, "project")
    found.package = project.get("name") if isinstance(project.get("name"), str) else None
    found.runtime += _strings(project.get("dependencies"))
    for name, group in _table(project, "optional-dependencies").items():
        _group(found, name, _strings(group))
    groups = _table(document, "dependency-groups")
    for name in groups:
        _group(found, name, _included(groups, name, frozenset()))
    for name, points in _table(project, "entry-points").items():
        found.entry_points[name] = {key: value for key, value in _table(points).items() if isinstance(value, str)}
    scripts = {key: value for key, value in _table(project, "scripts").items() if isinstance(value, str)}
    if scripts:
        found.entry_points["console_scripts"] = scripts
    _poetry(found, _table(document, "tool", "poetry"))
    scm = _table(document, "tool", "setuptools_scm")
    hatch = _table(document, "tool", "hatch", "build", "hooks", "vcs")
    for file in (scm.get("write_to"), scm.get("version_file"), hatch.get("version-file")):
        _version_file(found, file)


def _included(groups: Mapping[str, Any], name: str, above: frozenset[str]) -> list[str]:
    entries = groups.get(name)
    made = list[str]()
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, str):
            made.append(entry)
        elif isinstance(entry, dict) and isinstance(entry.get("include-group"), str) and entry["include-group"] not in above:
            made += _included(groups, entry["include-group"], above | {name})
    return made


def _poetry(found: Declared, poetry: Mapping[str, Any]) -> None:
    found.package = found.package or (poetry.get("name") if isinstance(poetry.get("name"), str) else None)
    found.runtime += _poetry_group(_table(poetry, "dependencies"))
    _group(found, "dev", _poetry_group(_table(poetry, "dev-dependencies")))
    for name, group in _table(poetry, "group").items():
        _group(found, name, _poetry_group(_table(group, "dependencies")))


def _poetry_group(table: Mapping[str, Any]) -> list[str]:
    made = []
    for name, value in table.items():
        version = value.get("version") if isinstance(value, Mapping) else value
        if name.lower() == "python" or not isinstance(version, str) or (isinstance(value, Mapping) and value.get("optional")):
            continue
        if version.startswith("^"):
            low = version[1:]
            made.append(f"{name}>={low},<{int(low.split('.')[0]) + 1}" if low.split(".")[0].isdigit() else name)
        else:
            made.append(name if version in ("*", "") else f"{name}{version if version[0] in '<>=!~' else '==' + version}")
    return made


def _version_file(found: Declared, file: Any) -> None:
    if isinstance(file, str) and file.endswith(".py"):
        found.generated[file] = "version = __version__ = '999.0.0'\nversion_tuple = __version_tuple__ = (999, 0, 0)\n"


def _setup_cfg(found: Declared, text: str | None) -> None:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text or "")
    except (configparser.Error, ValueError):
        return
    found.package = found.package or parser.get("metadata", "name", fallback=None)
    found.runtime += parser.get("options", "install_requires", fallback="").splitlines()
    if parser.has_section("options.extras_require"):
        for name, value in parser.items("options.extras_require"):
            _group(found, name, unique(re.split(r"[\n]", value)))
    found.testing += unique(parser.get("options", "tests_require", fallback="").splitlines())
    if parser.has_section("options.entry_points"):
        for name, value in parser.items("options.entry_points"):
            rows = [row.partition("=") for row in value.splitlines() if "=" in row]
            found.entry_points.setdefault(name, {key.strip(): to.strip() for key, _, to in rows})


def _setup_py(found: Declared, text: str | None) -> None:
    tree = tree_of(text or "")
    if tree is None:
        return
    values = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (getattr(node.func, "id", None) or getattr(node.func, "attr", None)) == "setup":
            words = {word.arg: _literal(word.value, values) for word in node.keywords if word.arg}
            found.package = found.package or (words["name"] if isinstance(words.get("name"), str) else None)
            found.runtime += _strings(words.get("install_requires"))
            found.testing += _strings(words.get("tests_require"))
            for name, group in _table(words.get("extras_require")).items():
                _group(found, str(name), _strings(group))
            _version_file(found, _table(words.get("use_scm_version")).get("write_to"))


def _literal(node: ast.expr, values: Mapping[str, ast.expr]) -> Any:
    node = values.get(node.id, node) if isinstance(node, ast.Name) else node
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _requirements_file(found: Declared, name: str, read: Read, seen: set[str], to: list[str]) -> None:
    """The requirements in the file and in those that it names with -r; pinned ones are a lock, and needed whatever the version."""
    if name in seen or name.startswith("../"):
        return
    seen.add(name)
    for line in (read(name) or "").replace("\\\n", " ").splitlines():
        words = re.sub(r"(^|\s)#.*$", "", line).strip()
        if follows := re.match(r"(?:-r|--requirement)[ =]?\s*(\S+)", words):
            folder = name.rpartition("/")[0]
            _requirements_file(found, f"{folder}/{follows[1]}" if folder else follows[1], read, seen, to)
        elif pinned := PINNED.match(words):
            found.pins.setdefault(normal(pinned[1]), pinned[2])
            to.append(pinned[1])
            found.named.setdefault(normal(pinned[1]), pinned[1])
        elif words and not words.startswith("-") and "://" not in words and name_of(words):
            requirement = re.split(r"\s--hash", words)[0].strip()
            to.append(requirement)


def _tox(found: Declared, read: Read) -> None:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(read("tox.ini") or "")
    except (configparser.Error, ValueError):
        return
    for line in parser.get("testenv", "deps", fallback="").splitlines():
        factors, colon, words = line.rpartition(": ")
        if not words.strip() or "{" in words or "{" in factors:
            continue
        if follows := re.match(r"\s*-r\s*(\S+)", words):
            _requirements_file(found, follows[1], read, set(), found.testing)
        elif name_of(words) and not colon:
            found.testing.append(words.strip())
        elif name_of(words):
            found.named.setdefault(normal(name_of(words)), words.strip())


def _lock(found: Declared, document: Mapping[str, Any]) -> None:
    """A package that the lock holds in two versions, for different platforms, is left to the resolver."""
    versions: dict[str, set[str]] = {}
    packages = document.get("package")
    for one in packages if isinstance(packages, list) else []:
        if isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("version"), str):
            versions.setdefault(normal(one["name"]), set()).add(one["version"])
    found.pins.update({name: min(found_) for name, found_ in versions.items() if len(found_) == 1})
