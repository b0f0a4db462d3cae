"""The configuration of checks, read into demands: what it asks for before and after.

The demands of all files of a change are put together first, so that a section that moves from setup.cfg to pyproject.toml, or a
job from one workflow to another, asks for the same.
"""

from __future__ import annotations

import configparser
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from git_hone.hooks.tampering.demands import Demands, looser
from git_hone.hooks.tampering.facts import FileChange, Flag
from git_hone.hooks.tampering.lexer import scan
from git_hone.hooks.tampering.meanings import EXCUSED, FLOORS, read_setting, read_table, severity_of
from git_hone.hooks.tampering.pipelines import (
    PIPELINE,
    families_of,
    read_commands,
    read_makefile,
    read_pipeline,
    read_precommit,
)
from git_hone.hooks.tampering.values import items_of, yaml_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def wanted(path: str) -> bool:
    """Whether a file configures a check."""
    return reader(path) is not None


def compare(files: Iterable[FileChange]) -> list[Flag]:
    """`config_loosened` flags of a change's configuration files."""
    sides = Demands(), Demands()
    found = []
    for file in files:
        pairs = ((file.old_path or file.path, file.before, sides[0]), (file.path, file.after, sides[1]))
        for path, raw, side in pairs:
            read = reader(path)
            if raw is None or read is None:
                continue
            try:
                read(side, file.path, raw.decode("utf-8", "replace"))
            except (ValueError, configparser.Error, RecursionError, TypeError, KeyError, AttributeError):
                if path == file.path:
                    return []  # not readable in the middle of the work: nothing is known of it
        found.append(file)
    texts = {file.path: (file.after or b"").decode("utf-8", "replace") for file in found}
    return [Flag("config_loosened", path, _line(texts.get(path, ""), word), detail) for path, word, detail in looser(*sides)]


def _line(text: str, word: str) -> int | None:
    return next((k for k, row in enumerate(text.splitlines(), 1) if word and word in row), None)


# readers, by file name

Reader = Callable[[Demands, str, str], None]


def reader(path: str) -> Reader | None:
    """How to read a configuration file; None for another file."""
    name = PurePosixPath(path).name
    if name in (
        "pyproject.toml",
        "ruff.toml",
        ".ruff.toml",
        "Cargo.toml",
        "clippy.toml",
        "tox.toml",
        "pytest.toml",
        ".pytest.toml",
    ):
        return _toml
    if name in (
        "setup.cfg",
        "tox.ini",
        "pytest.ini",
        ".pytest.ini",
        ".coveragerc",
        "mypy.ini",
        ".mypy.ini",
        ".flake8",
        ".pylintrc",
        "pylintrc",
        ".bandit",
        ".pycodestyle",
    ):
        return _ini
    if name == "package.json":
        return _package
    if re.fullmatch(
        r"(?:eslint|jest|vitest|vite|playwright|karma|cypress)[\w.-]*\.(?:config|conf)\.[cm]?[jt]s|\.eslintrc\.[cm]?js|\.mocharc\.[cm]?js",
        name,
    ):
        return _script
    if re.fullmatch(r"tsconfig[\w.-]*\.json|jsconfig\.json", name):
        return _tsconfig
    if name in (".eslintrc", ".eslintrc.json", ".eslintrc.yml", ".eslintrc.yaml", ".oxlintrc.json", "tslint.json"):
        return _eslint
    if re.fullmatch(
        r"(?:jest\.config\.json|\.nycrc(?:\.json)?|\.c8rc(?:\.json)?|\.mocharc(?:\.json|\.ya?ml)|pyrightconfig\.json|biome\.jsonc?)",
        name,
    ):
        return _json_tool
    if name in ("Makefile", "makefile", "GNUmakefile", "justfile"):
        return read_makefile
    if name in (".pre-commit-config.yaml", ".pre-commit-config.yml"):
        return read_precommit
    if name in (".golangci.yml", ".golangci.yaml", ".rubocop.yml", "codecov.yml", ".codecov.yml", ".yamllint", ".yamllint.yml"):
        return _yaml_tool
    if re.search(r"(?:^|/)\.(?:github/workflows|gitea/workflows|forgejo/workflows|circleci|buildkite)/[^/]+\.ya?ml$", path) or name in (
        ".gitlab-ci.yml", ".travis.yml", "azure-pipelines.yml", "appveyor.yml", ".appveyor.yml", ".cirrus.yml", "bitbucket-pipelines.yml",
        ".drone.yml", ".woodpecker.yml", "cloudbuild.yaml",
    ):  # fmt: skip
        return read_pipeline
    return None


def _toml(side: Demands, path: str, text: str) -> None:
    tree = tomllib.loads(text)
    name = PurePosixPath(path).name
    if name.endswith("ruff.toml"):
        tools: dict[str, Any] = {"ruff": tree}
    elif name == "Cargo.toml":
        lints = tree.get("lints", {}) | tree.get("workspace", {}).get("lints", {})
        for group, rules in lints.items():
            for rule, level in rules.items() if isinstance(rules, dict) else ():
                key = side.note("cargo", f"{group}.{rule}", path, rule)
                side.floors[key] = {"allow": 0, "warn": 1}.get(str(level.get("level") if isinstance(level, dict) else level), 2)
        return
    elif name in ("clippy.toml", "tox.toml"):
        tools = {name.removesuffix(".toml"): tree}
    elif name.endswith("pytest.toml"):
        tools = {"pytest": tree.get("pytest", tree)}
    else:
        tools = tree.get("tool", {})
    for tool, table in tools.items():
        if tool in (
            "poetry",
            "pdm",
            "uv",
            "setuptools",
            "hatch",
            "commitizen",
            "semantic_release",
            "black",
            "isort",
            "setuptools_scm",
        ):
            continue
        if tool == "tox":
            _tox(side, table, path)
        elif isinstance(table, dict):
            if tool == "ruff" and isinstance(table.get("lint"), dict):
                table = {**{k: v for k, v in table.items() if k != "lint"}, **table["lint"]}
            read_table(side, tool, table.get("ini_options", table) if tool == "pytest" else table, path)


def _tox(side: Demands, table: Mapping[str, Any], path: str) -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            _tox(side, value, path)
        elif name in ("commands", "commands_pre") and isinstance(value, list):
            rows = [" ".join(map(str, row)) if isinstance(row, list) else str(row) for row in value]
            read_commands(side, PIPELINE, "\n".join(rows), path)
        elif name == "legacy_tox_ini":
            _ini(side, "tox.ini", str(value))


def _ini(side: Demands, path: str, text: str) -> None:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # the documented way to keep capitals in keys
    parser.read_string(text)
    name = PurePosixPath(path).name
    for section in parser.sections():
        tool, _, rest = section.removeprefix("tool:").partition(":")
        if name == ".coveragerc" or (name in ("setup.cfg", "tox.ini") and tool == "coverage"):
            tool, rest = "coverage", rest or section.removeprefix("coverage:")
        elif section.startswith("mypy-"):
            tool, rest = "mypy", f"override[{section.removeprefix('mypy-')}]"
        elif name in (".pylintrc", "pylintrc"):
            tool, rest = "pylint", ""
        elif tool not in (
            "pytest",
            "mypy",
            "flake8",
            "pycodestyle",
            "pylint",
            "pydocstyle",
            "bandit",
            "testenv",
            "tox",
            "nosetests",
        ):
            continue
        elif section.startswith("testenv"):
            tool, rest = "tox", rest
        for option, value in parser.items(section):
            if option in ("commands", "commands_pre", "script") and tool == "tox":
                read_commands(side, PIPELINE, value or "", path)
            else:
                full = f"{rest}.{option}" if rest else option
                if tool == "coverage":
                    full = full.replace("run.", "run.").replace("report.", "report.")
                read_setting(side, tool, full, value or "", path)


def _strip_json(text: str) -> Any:
    """JSON with comments and trailing commas."""
    try:
        return json.loads(text)
    except ValueError:
        bare = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*[\s\S]*?\*/', lambda m: m[1] or "", text)
        return json.loads(re.sub(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', lambda m: m[1] or "", bare))


def _tsconfig(side: Demands, path: str, text: str) -> None:
    tree = _strip_json(text)
    tool = f"tsconfig {path}"
    for name, value in tree.get("compilerOptions", {}).items():
        if isinstance(value, bool):
            read_setting(side, tool, name, value, path)
    side.note(tool, "compilerOptions", path)
    if "exclude" in tree:
        side.excused[side.note(tool, "exclude", path)] = items_of(tree["exclude"])
    if "include" in tree:
        side.kept[side.note(tool, "include", path)] = items_of(tree["include"])


def _load(path: str, text: str) -> Any:
    return yaml_of(text) if path.endswith((".yml", ".yaml", ".yamllint")) else _strip_json(text)


def _eslint(side: Demands, path: str, text: str) -> None:
    tree = _load(path if path.endswith((".yml", ".yaml", ".json")) else path + ".json", text) or {}
    eslint_tree(side, tree, path)


def eslint_tree(side: Demands, tree: Mapping[str, Any], path: str, prefix: str = "") -> None:
    """Rules by severity, presets, ignored files."""
    rules = tree.get("rules") or {}
    for rule, level in rules.items():
        side.floors[side.note("eslint", f"{prefix}{rule}", path, rule)] = severity_of(level)
    if "extends" in tree and not prefix:
        value = tree["extends"]
        strict = {
            one
            for one in (value if isinstance(value, list) else [value])
            if re.search(r"recommended|strict|all|airbnb|standard", str(one))
        }
        side.kept[side.note("eslint", "extends", path)] = {re.sub(r"^plugin:|-type-checked$", "", str(one)) for one in strict}
    if "ignorePatterns" in tree:
        side.excused[side.note("eslint", "ignorePatterns", path)] = items_of(tree["ignorePatterns"])
    for override in tree.get("overrides") or ():
        files = override.get("files", "")
        eslint_tree(side, {k: v for k, v in override.items() if k != "files"}, path, f"{files} ")
    side.note("eslint", f"{prefix}rules", path)


def _json_tool(side: Demands, path: str, text: str) -> None:
    tree = _load(path, text) or {}
    tool = PurePosixPath(path).name.lstrip(".").split(".")[0].removesuffix("rc").removesuffix("config")
    read_table(side, tool, tree, path)


LEVELS: Final = {"off": 0.0, "warn": 1.0, "error": 2.0, "0": 0.0, "1": 1.0, "2": 2.0}


def _script(side: Demands, path: str, text: str) -> None:
    """A configuration that is a program: its `name: value` pairs, by their tokens."""
    tokens = [token for token in scan(text) if token.kind != "comment"]
    name = PurePosixPath(path).name.lstrip(".")
    tool = "eslint" if name.startswith("eslint") else re.split(r"[.-]", name)[0]
    side.note(tool, "config", path)
    for k, token in enumerate(tokens[:-1]):
        if (token.kind == "string" and tool == "eslint" and re.search(r"recommended|strict", token.text)) or token.text in (
            "strict",
            "recommended",
            "strictTypeChecked",
        ):
            side.kept.setdefault(side.note(tool, "presets", path, token.text), set()).add(token.text)
        if tokens[k + 1].text != ":" or token.kind not in ("name", "string") or k + 2 >= len(tokens):
            continue
        key = token.text.strip("'\"")
        value = tokens[k + 3] if tokens[k + 2].text == "[" and k + 3 < len(tokens) else tokens[k + 2]
        word = value.text.strip("'\"`")
        if (
            tool == "eslint"
            and word in LEVELS
            and value.kind in ("string", "number")
            and (token.kind == "string" or "-" in key or key.startswith("no") or tokens[k + 2].text != "[")
        ):
            where = side.note("eslint", key, path, key)
            side.floors[where] = min(side.floors.get(where, 2.0), LEVELS[word])
        elif key in FLOORS and value.kind == "number":
            where = side.note(tool, key, path, key)
            side.floors[where] = float(word)
        elif key in ("ignores", "ignorePatterns", "exclude", "testIgnore") or key.lower() in EXCUSED:
            end = next((j for j in range(k + 2, len(tokens)) if tokens[j].text == "]"), k + 3)
            found = {t.text.strip("'\"`") for t in tokens[k + 2 : end] if t.kind in ("string", "template", "regex")}
            side.excused.setdefault(side.note(tool, key, path, key), set()).update(found)
        elif key in ("passWithNoTests", "allowOnly") and word in ("true", "false"):
            side.on[side.note(tool, f"{key} off", path, key)] = word == "false"
        elif key in ("forbidOnly", "check", "thresholdAutoUpdate") and word in ("true", "false"):
            side.on[side.note(tool, key, path, key)] = word == "true"


def _package(side: Demands, path: str, text: str) -> None:
    tree = json.loads(text)
    for name, command in (tree.get("scripts") or {}).items():
        if isinstance(command, str):
            read_commands(side, f"scripts {path}", command, path, word=f'"{name}"')
            if name == "test":
                side.on[side.note(f"scripts {path}", "test runs something", path, '"test"')] = bool(
                    families_of(command)
                ) or not re.match(r"\s*(?:echo\b|true\s*$|exit 0|:\s*$|node -e)", command)
    for tool in ("jest", "nyc", "c8", "mocha", "vitest"):
        if isinstance(tree.get(tool), dict):
            read_table(side, tool, tree[tool], path)
    if isinstance(tree.get("eslintConfig"), dict):
        eslint_tree(side, tree["eslintConfig"], path)


def _yaml_tool(side: Demands, path: str, text: str) -> None:
    tree = yaml_of(text) or {}
    tool = PurePosixPath(path).name.lstrip(".").split(".")[0]
    for name, value in tree.items() if isinstance(tree, dict) else ():
        if isinstance(value, dict) and "Enabled" in value:
            side.on[side.note(tool, name, path)] = value["Enabled"] is not False
    read_table(side, tool, {k: v for k, v in tree.items() if isinstance(v, (dict, list))}, path)
