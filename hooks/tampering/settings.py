"""The configuration of checks, read into demands: what it asks for before and after.

The demands of all files of a change are put together first, so that a section that moves from setup.cfg to pyproject.toml, or a
job from one workflow to another, asks for the same.
"""

from __future__ import annotations

import configparser
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from git_hone.hooks.tampering.facts import FileChange, Flag
from git_hone.hooks.tampering.lexer import scan

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Key = tuple[str, str]
PIPELINE: Final = "pipeline"
"""Workflows, tox, make: what runs a check in one of them need not in another."""


@dataclass
class Demands:
    """What one side asks for, by (tool, name).

    floors: must not sink. ceilings: must not rise. kept: sets that must not shrink. excused: sets that must not grow.
    on: switches that must stay on. where: (tool, name) -> path and words to find its line by.
    """

    floors: dict[Key, float] = field(default_factory=dict)
    ceilings: dict[Key, float] = field(default_factory=dict)
    kept: dict[Key, set[str]] = field(default_factory=dict)
    excused: dict[Key, set[str]] = field(default_factory=dict)
    on: dict[Key, bool] = field(default_factory=dict)
    where: dict[Key, tuple[str, str]] = field(default_factory=dict)
    tools: set[str] = field(default_factory=set)

    def note(self, tool: str, name: str, path: str, word: str = "") -> Key:
        self.tools.add(tool)
        key = (tool, name)
        self.where[key] = (path, word or name.rsplit(".", 1)[-1])
        return key


FLOORS: Final = {"fail_under", "fail-under", "cov-fail-under", "branches", "functions", "lines", "statements", "target"}
CEILINGS: Final = {"max-complexity", "max_complexity", "max-args", "max-branches", "max-returns", "max-statements", "max-locals",
                   "max-nested-blocks", "max-warnings", "max-doc-length", "threshold"}  # fmt: skip
KEPT: Final = {"select", "extend-select", "extend_select", "enable", "enable_error_code", "testpaths", "python_files", "python_functions",
               "python_classes",
               "source", "source_pkgs", "plugins", "tests", "testmatch"}  # fmt: skip
EXCUSED: Final = {"ignore", "extend-ignore", "extend_ignore", "disable", "exclude", "extend-exclude", "extend_exclude", "omit", "exclude_lines",
                  "exclude_also", "norecursedirs", "disable_error_code", "skips", "exclude_dirs", "ignore-paths", "ignore_paths", "partial_branches",
                  "ignorepatterns", "testpathignorepatterns", "coveragepathignorepatterns", "exclude-rules", "modulepathignorepatterns"}  # fmt: skip
ON: Final = re.compile(
    r"^(?:strict.*|disallow_.*|warn_(?:return_any|unused_ignores|unused_configs|redundant_casts|unreachable|no_return|incomplete_stub)"
    r"|check_untyped_defs|no_implicit_\w+|xfail_strict|extra_checks|noImplicit\w+|noUnused\w+|noFallthrough\w+|noUnchecked\w+"
    r"|noPropertyAccess\w+"
    r"|exactOptionalPropertyTypes|useUnknownInCatchVariables|alwaysStrict|checkJs|fail_ci_if_error|branch|allowUnreachableCode=false"
    r"|strictNullChecks|reportUnusedDisableDirectives)$"
)
OFF: Final = re.compile(
    r"^(?:ignore_errors|ignore_missing_imports|allow_(?:untyped|subclassing|any)\w*|implicit_optional|implicit_reexport"
    r"|follow_untyped_imports"
    r"|ignore_outcome|allowUnreachableCode|allowUnusedLabels|suppress\w+Errors|passWithNoTests|informational|exit_zero|exit-zero"
    r"|continue-on-error|continueOnError|allow_failure|skip_covered_fail)$"
)
USUAL: Final = re.compile(
    r"TYPE_CHECKING|NotImplementedError|\.\.\.|\\\.(?:\{3\}|\\\.)|__main__|@(?:\w+\\?\.)?(?:abstractmethod|overload)|pragma: no cover"
    r"|__repr__|if False|if 0|assert_never"
)
"""What people leave out of coverage everywhere: it does nothing."""
HARMLESS: Final = re.compile(
    r"^(?:\.?/?(?:\*\*/)?(?:node_modules|dist|build|out|coverage|\.git|\.hg|\.svn|\.tox|\.nox|\.?venv|env|\.eggs|\.mypy_cache"
    r"|\.pytest_cache"
    r"|\.ruff_cache|__pycache__|site|_build|docs/_build|vendor|third_party|\.next|\.nuxt|lib|target|tmp|\.cache)(?:/.*)?|\*?\.?egg-info"
    r"|\*\.min\.js|\*\.pyc)/?$"
)
FAMILIES: Final = (
    ("tests", r"pytest|py\.test|tox|nox|unittest|nosetests|coverage run|jest|vitest|mocha|\bava\b|karma|cypress|playwright test"
              r"|node --test|bun test"
              r"|deno test|go test|cargo (?:test|nextest)|mvn .*(?:test|verify|install)|gradlew? .*(?:test|check|build)|(?:npm|yarn"
              r"|pnpm)(?: run)?(?: -\S+)* (?:test|t\b)\S*|make (?:-\S+ )*(?:test|check)\S*"
              r"|rspec|rake(?: test)?|phpunit|dotnet test|ctest|meson test|manage\.py test|hatch (?:run \S*test|test)|just test|(?:^"
              r"|/)test(?:s|_\w+)?\.sh|run-?tests"),
    ("types", r"mypy|pyright|\btsc\b|\bty check|pyre\b|flow check|(?:npm|yarn|pnpm)(?: run)? (?:type-?check|types|tsc)|make (?:type\w*"
              r"|mypy)|vue-tsc|sorbet|\bpytype"),
    ("lint", r"ruff|flake8|pylint|eslint|biome|oxlint|golangci-lint|go vet|staticcheck|cargo clippy|rubocop|pre-commit|prek|(?:npm|yarn"
             r"|pnpm)(?: run)? lint|make lint"
             r"|standard\b|xo\b|shellcheck|hadolint|ktlint|detekt|checkstyle|spotbugs|phpstan|psalm|phpcs|clang-tidy"
             r"|tox.* -e ?(?:lint|style)"),
    ("scans", r"bandit|semgrep|trivy|gitleaks|trufflehog|snyk|npm audit|pip-audit|safety check|cargo audit|cargo deny|govulncheck|codeql"),
    ("coverage", r"--cov-fail-under|coverage report .*--fail-under|nyc check-coverage|c8 check-coverage|--check-coverage|diff-cover"),
)  # fmt: skip
FAMILY: Final = tuple((name, re.compile(rf"(?:^|[\s;&|(/'\"@-])(?:{words})(?=$|[\s;&|)'\":@])")) for name, words in FAMILIES)
FORGIVEN: Final = re.compile(
    r"\|\|\s*(?:true|:|exit 0|echo\b|/bin/true|\(exit 0\)|printf\b)|;\s*(?:true|exit 0|:)\s*$|&&\s*true\s*;|\bset \+e\b", re.M
)
NARROWED: Final = re.compile(
    r"(?:^|\s)(?:-k(?=[\s'\"=])|-m[\s=]+['\"]?not |--ignore(?:-glob)?[\s=]|--deselect[\s=]|-p[\s=]?no:|--no-cov\b|--collect-only|--co\b"
    "|--exit-zero|--passWithNoTests"
    r"|--testPathIgnorePatterns|--testNamePattern|--exclude[\s=]|--skip[\s=]|-skip[\s=]|--grep[\s=]|--invert|--quiet\b"
    r"|--no-error-summary|--no-strict\S*"
    r"|--ignore-missing-imports|--skipLibCheck|--noEmitOnError false|--suppress-tests|--last-failed|--lf\b|-DskipTests"
    r"|-Dmaven\.test\.skip|-x test\b|--continue\b"
    r"|-A clippy::\S+|--no-check|-short\b|--no-run|--disable[\s=]|--extend-ignore[\s=]|--max-warnings[\s=]-1|--no-warn-ignored"
    r"|--cov-fail-under[\s=]0\b)"
    r"(?P<what>(?:(?:'[^']*'|\"[^\"]*\"|[^\s'\";&|-][^\s;&|]*))?)"
)
DEMANDED: Final = re.compile(
    r"--strict(?:-\w+)?\b|-W[\s=]?error\b|--error-on-warnings|--check-coverage|--max-warnings[\s=]?0\b|-Werror|-D warnings"
    r"|--frozen-lockfile|-race\b"
)


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
    return [Flag("config_loosened", path, _line(texts.get(path, ""), word), detail) for path, word, detail in _looser(*sides)]


def _line(text: str, word: str) -> int | None:
    return next((k for k, row in enumerate(text.splitlines(), 1) if word and word in row), None)


SIMILAR: Final = ({"flake8", "pylint", "ruff", "pycodestyle"}, {"mypy", "pyright", "ty"}, {"eslint", "biome", "oxlint", "tslint"},
                  {"jest", "vitest", "mocha", "ava"}, {"pytest", "nose", "unittest"})  # fmt: skip


def _looser(before: Demands, after: Demands) -> Iterator[tuple[str, str, str]]:
    """(path, word, what) of each demand that was lowered."""
    replaced = {
        tool for family in SIMILAR for tool in family & before.tools - after.tools if (family & after.tools) - before.tools
    }
    spot = {**before.where, **after.where}

    def at(key: Key) -> tuple[str, str]:
        return spot[key]

    for key, floor in before.floors.items():
        now = after.floors.get(key)
        if key[0] not in replaced and (now is None or now < floor):
            yield *at(key), f"{key[0]}: {key[1]} {floor:g} -> {'gone' if now is None else f'{now:g}'}"
    for key, ceiling in before.ceilings.items():
        now = after.ceilings.get(key)
        if key[0] not in replaced and (now is None or now > ceiling):
            yield *at(key), f"{key[0]}: {key[1]} {ceiling:g} -> {'gone' if now is None else f'{now:g}'}"
    for key, kept in before.kept.items():
        left = after.kept.get(key)
        gone = kept - (left or set()) if key[0] not in replaced else set()
        gone = {one for one in gone if not any(_covers(other, one) for other in left or ())}
        if left is None and key[1] in (
            "testpaths",
            "python_files",
            "python_functions",
            "python_classes",
            "source",
            "source_pkgs",
        ):
            continue  # back to looking everywhere
        if key[1] == "testpaths" and left and any(one in (".", "") for one in left):
            continue
        if gone:
            yield *at(key), f"{key[0]}: no longer in {key[1]}: {', '.join(sorted(gone)[:6])}"
    for key, excused in after.excused.items():
        earlier = before.excused.get(key, set())
        new = {
            one
            for one in excused - earlier
            if not HARMLESS.match(one)
            and not (key[0] == "coverage" and "exclude" in key[1] and USUAL.search(one))
            and not any(_covers(other, one) for other in earlier)
        }
        fresh = key[0] not in before.tools
        if new and not fresh:
            yield *at(key), f"{key[0]}: added to {key[1]}: {', '.join(sorted(new)[:6])}"
    for key, was_on in before.on.items():
        covered = (key[0], key[1].replace("runs ", "may fail: ")) in after.excused
        if was_on and not after.on.get(key, False) and key[0] not in replaced and not covered:
            absent = key not in after.on
            umbrella = absent and after.on.get((key[0], "strict"), False) and key[1] != "strict"
            if not umbrella:
                yield *at(key), f"{key[0]}: {key[1]} {'gone' if absent else 'switched off'}"
    for key, is_on in after.on.items():
        if not is_on and key not in before.on and key[0] in before.tools:
            yield *at(key), f"{key[0]}: {key[1]} switched off"


def _covers(wide: str, narrow: str) -> bool:
    """Whether a rule prefix takes in another rule.

    >>> _covers("E", "E501"), _covers("ALL", "S101"), _covers("S1", "S101"), _covers("E5", "F401")
    (True, True, True, False)
    """
    return wide == "ALL" or (
        narrow.startswith(wide) and bool(re.fullmatch(r"[A-Z]{1,4}\d*", wide)) and bool(re.fullmatch(r"[A-Z]+\d*", narrow))
    )


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
        return _makefile
    if name in (".pre-commit-config.yaml", ".pre-commit-config.yml"):
        return _precommit
    if name in (".golangci.yml", ".golangci.yaml", ".rubocop.yml", "codecov.yml", ".codecov.yml", ".yamllint", ".yamllint.yml"):
        return _yaml_tool
    if re.search(r"(?:^|/)\.(?:github/workflows|gitea/workflows|forgejo/workflows|circleci|buildkite)/[^/]+\.ya?ml$", path) or name in (
        ".gitlab-ci.yml", ".travis.yml", "azure-pipelines.yml", "appveyor.yml", ".appveyor.yml", ".cirrus.yml", "bitbucket-pipelines.yml",
        ".drone.yml", ".woodpecker.yml", "cloudbuild.yaml",
    ):  # fmt: skip
        return _pipeline
    return None


def _items(value: Any) -> set[str]:
    """A setting's parts: of a list, or of text with commas, spaces or lines."""
    if isinstance(value, (list, tuple)):
        return {json.dumps(one, sort_keys=True) if isinstance(one, (dict, list)) else str(one).strip() for one in value}
    rows = [row.split("#")[0].strip() for row in str(value).splitlines()]
    many = [part for row in rows for part in (row.split(",") if "," in row else [row])]
    return {part.strip() for part in many if part.strip()}


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}.get(
        str(value).strip().lower()
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(str(value).strip().rstrip("%"))
    except ValueError:
        return None


def _setting(side: Demands, tool: str, name: str, value: Any, path: str) -> None:
    """One setting of a tool, by the meaning of its name."""
    leaf = name.rsplit(".", 1)[-1]
    merged = name.replace("extend-", "").replace("extend_", "")
    lowered = leaf.lower()
    override = "override[" in name
    if leaf == "addopts":
        _command(side, tool, " ".join(value) if isinstance(value, list) else str(value), path, name)
    elif lowered in FLOORS and (number := _number(value)) is not None:
        key = side.note(tool, name, path, leaf)
        side.floors[key] = min(side.floors.get(key, number), number)
    elif lowered in CEILINGS and (number := _number(value)) is not None:
        side.ceilings[side.note(tool, name, path, leaf)] = number
    elif tool == "coverage" and name.startswith("paths."):
        side.note(tool, name, path)  # other names for the same folders
    elif lowered in KEPT and not isinstance(value, dict):
        parts = set(re.split(r"[\s,]+", str(value).strip())) if isinstance(value, str) else _items(value)
        side.kept.setdefault(side.note(tool, merged, path, leaf), set()).update(parts - {""})
    elif lowered in EXCUSED and not isinstance(value, dict):
        side.excused.setdefault(side.note(tool, merged, path, leaf), set()).update(_items(value))
    elif ON.match(leaf) and (truth := _truth(value)) is not None:
        side.on[side.note(tool, name, path, leaf)] = truth
    elif (
        OFF.match(leaf)
        and (truth := _truth(value)) is not None
        and not (override and leaf in ("ignore_missing_imports", "follow_untyped_imports"))
    ):
        side.on[side.note(tool, f"{name} off", path, leaf)] = not truth
    elif leaf in ("follow_imports",) and not override:
        side.on[side.note(tool, name, path, leaf)] = str(value) not in ("skip", "silent")
    elif leaf == "filterwarnings":
        side.kept[side.note(tool, name, path, leaf)] = {one for one in _items(value) if one.startswith("error")}
        side.excused[side.note(tool, f"{name} ignore", path, leaf)] = {one for one in _items(value) if one == "ignore"}
    elif leaf in ("per-file-ignores", "per_file_ignores", "extend-per-file-ignores"):
        table = (
            value.items()
            if isinstance(value, dict)
            else (row.partition(":")[::2] for row in str(value).splitlines() if ":" in row)
        )
        pairs = {f"{pattern.strip()}: {code}" for pattern, codes in table for code in _items(codes)}
        side.excused.setdefault(side.note(tool, "per-file-ignores", path, leaf), set()).update(pairs)
    elif leaf == "typeCheckingMode":
        side.floors[side.note(tool, name, path, leaf)] = {"off": 0, "basic": 1, "standard": 2, "strict": 3}.get(str(value), 2)
    elif leaf.startswith("report") and tool == "pyright":
        side.floors[side.note(tool, name, path, leaf)] = _severity(value)
    else:
        side.note(tool, name, path)


def _severity(value: Any) -> float:
    """Of a rule: 0 off, 1 warning, 2 error."""
    first = (
        value[0]
        if isinstance(value, list) and value
        else value.get("level", value.get("severity", "error"))
        if isinstance(value, dict)
        else value
    )
    return {
        "off": 0,
        "none": 0,
        "allow": 0,
        "false": 0,
        "0": 0,
        "warn": 1,
        "warning": 1,
        "information": 0,
        "info": 1,
        "1": 1,
    }.get(str(first).lower(), 2)


def _walk(side: Demands, tool: str, table: Mapping[str, Any], path: str, prefix: str = "") -> None:
    for name, value in table.items():
        full = f"{prefix}{name}"
        if name in ("per-file-ignores", "extend-per-file-ignores"):
            _setting(side, tool, full, value, path)
        elif name == "overrides" and isinstance(value, list):
            for override in value:
                if isinstance(override, dict):
                    who = override.get("module", override.get("files", ""))
                    for one in who if isinstance(who, list) else [who]:
                        rest = {k: v for k, v in override.items() if k not in ("module", "files")}
                        _walk(side, tool, rest, path, f"{prefix}override[{one}].")
        elif isinstance(value, dict):
            _walk(side, tool, value, path, f"{full}.")
        else:
            _setting(side, tool, full, value, path)


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
            _walk(side, tool, table.get("ini_options", table) if tool == "pytest" else table, path)


def _tox(side: Demands, table: Mapping[str, Any], path: str) -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            _tox(side, value, path)
        elif name in ("commands", "commands_pre") and isinstance(value, list):
            rows = [" ".join(map(str, row)) if isinstance(row, list) else str(row) for row in value]
            _commands(side, PIPELINE, "\n".join(rows), path)
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
                _commands(side, PIPELINE, value or "", path)
            else:
                full = f"{rest}.{option}" if rest else option
                if tool == "coverage":
                    full = full.replace("run.", "run.").replace("report.", "report.")
                _setting(side, tool, full, value or "", path)


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
            _setting(side, tool, name, value, path)
    side.note(tool, "compilerOptions", path)
    if "exclude" in tree:
        side.excused[side.note(tool, "exclude", path)] = _items(tree["exclude"])
    if "include" in tree:
        side.kept[side.note(tool, "include", path)] = _items(tree["include"])


def _load(path: str, text: str) -> Any:
    return _yaml(text) if path.endswith((".yml", ".yaml", ".yamllint")) else _strip_json(text)


def _eslint(side: Demands, path: str, text: str) -> None:
    tree = _load(path if path.endswith((".yml", ".yaml", ".json")) else path + ".json", text) or {}
    eslint_tree(side, tree, path)


def eslint_tree(side: Demands, tree: Mapping[str, Any], path: str, prefix: str = "") -> None:
    """Rules by severity, presets, ignored files."""
    rules = tree.get("rules") or {}
    for rule, level in rules.items():
        side.floors[side.note("eslint", f"{prefix}{rule}", path, rule)] = _severity(level)
    if "extends" in tree and not prefix:
        value = tree["extends"]
        strict = {
            one
            for one in (value if isinstance(value, list) else [value])
            if re.search(r"recommended|strict|all|airbnb|standard", str(one))
        }
        side.kept[side.note("eslint", "extends", path)] = {re.sub(r"^plugin:|-type-checked$", "", str(one)) for one in strict}
    if "ignorePatterns" in tree:
        side.excused[side.note("eslint", "ignorePatterns", path)] = _items(tree["ignorePatterns"])
    for override in tree.get("overrides") or ():
        files = override.get("files", "")
        eslint_tree(side, {k: v for k, v in override.items() if k != "files"}, path, f"{files} ")
    side.note("eslint", f"{prefix}rules", path)


def _json_tool(side: Demands, path: str, text: str) -> None:
    tree = _load(path, text) or {}
    tool = PurePosixPath(path).name.lstrip(".").split(".")[0].removesuffix("rc").removesuffix("config")
    _walk(side, tool, tree, path)


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
            _commands(side, f"scripts {path}", command, path, word=f'"{name}"')
            if name == "test":
                side.on[side.note(f"scripts {path}", "test runs something", path, '"test"')] = bool(
                    _families(command)
                ) or not re.match(r"\s*(?:echo\b|true\s*$|exit 0|:\s*$|node -e)", command)
    for tool in ("jest", "nyc", "c8", "mocha", "vitest"):
        if isinstance(tree.get(tool), dict):
            _walk(side, tool, tree[tool], path)
    if isinstance(tree.get("eslintConfig"), dict):
        eslint_tree(side, tree["eslintConfig"], path)


def _families(command: str) -> set[str]:
    return {name for name, pattern in FAMILY if pattern.search(command)}


def _command(side: Demands, tool: str, command: str, path: str, word: str = "") -> None:
    """What options of a command leave out or insist on."""
    for match in NARROWED.finditer(command):
        option = " ".join(match.group().split())
        side.excused.setdefault(side.note(tool, "options", path, option.split()[0].split("=")[0]), set()).add(option)
    side.note(tool, "options", path, word)
    for match in DEMANDED.finditer(command):
        side.kept.setdefault(side.note(tool, "options asked", path, word), set()).add(" ".join(match.group().split()))
    limit = re.search(r"--(?:cov-)?fail-under[\s=](\d+(?:\.\d+)?)", command)
    if limit:
        side.floors[side.note(tool, "cov-fail-under", path, "fail-under")] = float(limit[1])


def _commands(side: Demands, tool: str, text: str, path: str, forgiven: bool = False, word: str = "") -> None:
    """The commands of a pipeline: which kinds of checks they run, and which of these may fail."""
    text = text.replace("\\\n", " ")
    quiet = re.search(r"^\s*set \+e\b", text, re.M) is not None
    for row in text.splitlines():
        families = _families(row.split(" #")[0])
        if re.match(r"\s*(?:#|echo\b)", row) and not re.search(r"[;&|]", row):
            continue
        if re.search(
            r"(?:pip|npm|yarn|pnpm|apt|apt-get|brew|uv|poetry|gem|cargo|go) (?:\S+ )*?(?:install|add|sync|ci|i)\b", row
        ) and not re.search(r"&&|;", row):
            continue
        for family in families:
            excuse = FORGIVEN.search(row) or forgiven or quiet or re.match(r"\s*-\s*\w", row)
            if excuse:
                side.excused.setdefault(side.note(tool, f"may fail: {family}", path, row.strip()[:60]), set()).add(family)
            else:
                side.on[side.note(tool, f"runs {family}", path, word)] = True
        if families:
            _command(side, tool, row, path, word)


def _makefile(side: Demands, path: str, text: str) -> None:
    _commands(side, PIPELINE, "\n".join(row.lstrip("\t@ ") for row in text.splitlines() if row[:1] in "\t "), path)


def _yaml(text: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506 - both are safe loaders
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _yaml_tool(side: Demands, path: str, text: str) -> None:
    tree = _yaml(text) or {}
    tool = PurePosixPath(path).name.lstrip(".").split(".")[0]
    for name, value in tree.items() if isinstance(tree, dict) else ():
        if isinstance(value, dict) and "Enabled" in value:
            side.on[side.note(tool, name, path)] = value["Enabled"] is not False
    _walk(side, tool, {k: v for k, v in tree.items() if isinstance(v, (dict, list))}, path)


def _precommit(side: Demands, path: str, text: str) -> None:
    for repo in (_yaml(text) or {}).get("repos") or ():
        for hook in repo.get("hooks") or ():
            said = f"{hook.get('id', '')} {repo.get('repo', '')} {hook.get('entry', '')}".replace("/", " ")
            for family in _families(said.replace("-", " ")) | _families(said):
                side.on[side.note("pre-commit", f"runs {family}", path, "repos")] = True
            if "exclude" in hook:
                side.excused.setdefault(side.note("pre-commit", f"{hook.get('id')} exclude", path, "exclude"), set()).add(
                    str(hook["exclude"])
                )
            _command(side, "pre-commit", " ".join(map(str, hook.get("args") or ())), path, str(hook.get("id")))


def _pipeline(side: Demands, path: str, text: str) -> None:
    tree = _yaml(text)
    if not isinstance(tree, dict):
        return
    side.note("ci", "pipeline", path)
    _steps(side, tree, path, forgiven=False)
    trigger = tree.get("on", tree.get(True))
    if trigger is not None and re.search(r"/workflows/", path):
        events = {trigger} if isinstance(trigger, str) else set(map(str, trigger))
        runs = any(
            key[0] == PIPELINE and key[1].startswith(("runs ", "may fail")) and where[0] == path
            for key, where in side.where.items()
        )
        if runs:
            side.kept.setdefault(side.note("ci", f"on {path}", path, "on:"), set()).update(
                events & {"push", "pull_request", "merge_group", "pull_request_target"}
            )


COMMANDS: Final = {
    "run",
    "script",
    "before_script",
    "command",
    "commands",
    "bash",
    "test_script",
    "build_script",
    "pwsh",
    "powershell",
}


def _steps(side: Demands, node: Any, path: str, forgiven: bool) -> None:
    """Every command below a node of a pipeline, with whether it may fail or never runs."""
    if isinstance(node, list):
        for child in node:
            _steps(side, child, path, forgiven)
        return
    if not isinstance(node, dict):
        return
    loose = next(
        (name for name in ("continue-on-error", "allow_failure", "continueOnError", "soft_fail") if node.get(name) is True), None
    )
    never = "if" in node and str(node["if"]).strip().strip("${} ").lower() in ("false", "0", "never()")
    never = never or node.get("when") == "never"
    for name, value in node.items():
        if name in COMMANDS and isinstance(value, (str, list)):
            text = value if isinstance(value, str) else "\n".join(str(one) for one in value if isinstance(one, str))
            if not never:
                _commands(side, PIPELINE, text, path, forgiven or loose is not None, "")
            if isinstance(value, list):
                _steps(side, value, path, forgiven or loose is not None)
        elif name == "with" and isinstance(value, dict):
            for option in ("fail_ci_if_error",):
                if option in value and (truth := _truth(value[option])) is not None:
                    side.on[side.note("ci", option, path, option)] = truth
            if isinstance(value.get("args"), str):
                _command(side, "ci", value["args"], path, "args")
        elif name == "uses" and isinstance(value, str):
            for family in _families(value.split("@")[0].replace("-action", "").replace("-", " ").replace("/", " ")):
                if not never:
                    side.on[side.note(PIPELINE, f"runs {family}", path, value)] = True
        elif name == "env" and isinstance(value, dict):
            _command(side, "ci", str(value.get("PYTEST_ADDOPTS", "")), path, "PYTEST_ADDOPTS")
        elif not never:
            _steps(side, value, path, forgiven or loose is not None)
