"""Commands and pipelines, read into demands: which kinds of checks they run, on what, and which of these may fail."""

from __future__ import annotations

import re
from typing import Any, Final

from git_hone.hooks.tampering.demands import Demands
from git_hone.hooks.tampering.values import truth_of, yaml_of

PIPELINE: Final = "pipeline"
"""Workflows, tox, make: what runs a check in one of them need not in another."""
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


def families_of(command: str) -> set[str]:
    """The kinds of checks that a command runs."""
    return {name for name, pattern in FAMILY if pattern.search(command)}


def read_command(side: Demands, tool: str, command: str, path: str, word: str = "") -> None:
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


def read_commands(side: Demands, tool: str, text: str, path: str, forgiven: bool = False, word: str = "") -> None:
    """The commands of a pipeline: which kinds of checks they run, and which of these may fail."""
    text = text.replace("\\\n", " ")
    quiet = re.search(r"^\s*set \+e\b", text, re.M) is not None
    for row in text.splitlines():
        families = families_of(row.split(" #")[0])
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
            read_command(side, tool, row, path, word)


def read_makefile(side: Demands, path: str, text: str) -> None:
    """The recipes of a makefile."""
    read_commands(side, PIPELINE, "\n".join(row.lstrip("\t@ ") for row in text.splitlines() if row[:1] in "\t "), path)


def read_precommit(side: Demands, path: str, text: str) -> None:
    """The hooks of a pre-commit configuration."""
    for repo in (yaml_of(text) or {}).get("repos") or ():
        for hook in repo.get("hooks") or ():
            said = f"{hook.get('id', '')} {repo.get('repo', '')} {hook.get('entry', '')}".replace("/", " ")
            for family in families_of(said.replace("-", " ")) | families_of(said):
                side.on[side.note("pre-commit", f"runs {family}", path, "repos")] = True
            if "exclude" in hook:
                side.excused.setdefault(side.note("pre-commit", f"{hook.get('id')} exclude", path, "exclude"), set()).add(
                    str(hook["exclude"])
                )
            read_command(side, "pre-commit", " ".join(map(str, hook.get("args") or ())), path, str(hook.get("id")))


def read_pipeline(side: Demands, path: str, text: str) -> None:
    """The steps of a workflow or pipeline, and what starts it."""
    tree = yaml_of(text)
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
                read_commands(side, PIPELINE, text, path, forgiven or loose is not None, "")
            if isinstance(value, list):
                _steps(side, value, path, forgiven or loose is not None)
        elif name == "with" and isinstance(value, dict):
            for option in ("fail_ci_if_error",):
                if option in value and (truth := truth_of(value[option])) is not None:
                    side.on[side.note("ci", option, path, option)] = truth
            if isinstance(value.get("args"), str):
                read_command(side, "ci", value["args"], path, "args")
        elif name == "uses" and isinstance(value, str):
            for family in families_of(value.split("@")[0].replace("-action", "").replace("-", " ").replace("/", " ")):
                if not never:
                    side.on[side.note(PIPELINE, f"runs {family}", path, value)] = True
        elif name == "env" and isinstance(value, dict):
            read_command(side, "ci", str(value.get("PYTEST_ADDOPTS", "")), path, "PYTEST_ADDOPTS")
        elif not never:
            _steps(side, value, path, forgiven or loose is not None)
