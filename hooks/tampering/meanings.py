"""What a setting of a tool asks for, by the meaning of its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from git_hone.hooks.tampering.demands import Demands
from git_hone.hooks.tampering.pipelines import read_command
from git_hone.hooks.tampering.values import items_of, number_of, truth_of

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


def read_setting(side: Demands, tool: str, name: str, value: Any, path: str) -> None:
    """One setting of a tool, by the meaning of its name."""
    leaf = name.rsplit(".", 1)[-1]
    merged = name.replace("extend-", "").replace("extend_", "")
    lowered = leaf.lower()
    override = "override[" in name
    if leaf == "addopts":
        read_command(side, tool, " ".join(value) if isinstance(value, list) else str(value), path, name)
    elif lowered in FLOORS and (number := number_of(value)) is not None:
        key = side.note(tool, name, path, leaf)
        side.floors[key] = min(side.floors.get(key, number), number)
    elif lowered in CEILINGS and (number := number_of(value)) is not None:
        side.ceilings[side.note(tool, name, path, leaf)] = number
    elif tool == "coverage" and name.startswith("paths."):
        side.note(tool, name, path)  # other names for the same folders
    elif lowered in KEPT and not isinstance(value, dict):
        parts = set(re.split(r"[\s,]+", str(value).strip())) if isinstance(value, str) else items_of(value)
        side.kept.setdefault(side.note(tool, merged, path, leaf), set()).update(parts - {""})
    elif lowered in EXCUSED and not isinstance(value, dict):
        side.excused.setdefault(side.note(tool, merged, path, leaf), set()).update(items_of(value))
    elif ON.match(leaf) and (truth := truth_of(value)) is not None:
        side.on[side.note(tool, name, path, leaf)] = truth
    elif (
        OFF.match(leaf)
        and (truth := truth_of(value)) is not None
        and not (override and leaf in ("ignore_missing_imports", "follow_untyped_imports"))
    ):
        side.on[side.note(tool, f"{name} off", path, leaf)] = not truth
    elif leaf in ("follow_imports",) and not override:
        side.on[side.note(tool, name, path, leaf)] = str(value) not in ("skip", "silent")
    elif leaf == "filterwarnings":
        side.kept[side.note(tool, name, path, leaf)] = {one for one in items_of(value) if one.startswith("error")}
        side.excused[side.note(tool, f"{name} ignore", path, leaf)] = {one for one in items_of(value) if one == "ignore"}
    elif leaf in ("per-file-ignores", "per_file_ignores", "extend-per-file-ignores"):
        table = (
            value.items()
            if isinstance(value, dict)
            else (row.partition(":")[::2] for row in str(value).splitlines() if ":" in row)
        )
        pairs = {f"{pattern.strip()}: {code}" for pattern, codes in table for code in items_of(codes)}
        side.excused.setdefault(side.note(tool, "per-file-ignores", path, leaf), set()).update(pairs)
    elif leaf == "typeCheckingMode":
        side.floors[side.note(tool, name, path, leaf)] = {"off": 0, "basic": 1, "standard": 2, "strict": 3}.get(str(value), 2)
    elif leaf.startswith("report") and tool == "pyright":
        side.floors[side.note(tool, name, path, leaf)] = severity_of(value)
    else:
        side.note(tool, name, path)


def severity_of(value: Any) -> float:
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


def read_table(side: Demands, tool: str, table: Mapping[str, Any], path: str, prefix: str = "") -> None:
    """Every setting of a table, and of the tables in it."""
    for name, value in table.items():
        full = f"{prefix}{name}"
        if name in ("per-file-ignores", "extend-per-file-ignores"):
            read_setting(side, tool, full, value, path)
        elif name == "overrides" and isinstance(value, list):
            for override in value:
                if isinstance(override, dict):
                    who = override.get("module", override.get("files", ""))
                    for one in who if isinstance(who, list) else [who]:
                        rest = {k: v for k, v in override.items() if k not in ("module", "files")}
                        read_table(side, tool, rest, path, f"{prefix}override[{one}].")
        elif isinstance(value, dict):
            read_table(side, tool, value, path, f"{full}.")
        else:
            read_setting(side, tool, full, value, path)
