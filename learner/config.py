"""The configuration, `.agent/learning-config.json`: read it, check it, give every key its default.

Keys, defaults and limits stand in one place, the JSON Schema beside this module (`learning-config.schema.json`), which is
also what an editor can use. A wrong value is an error that names file, key and what is allowed; an unknown key is a
warning with the nearest known one. Importing jsonschema costs 50 ms and more, so it is imported only to check a file whose
verdict is not in the caller's cache. Nothing here decides anything.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache

from git_hone.learner.errors import ConfigError

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Final

VERSION: Final = 1
MAX_BYTES: Final = 1 << 20
SCHEMA_PATH: Final = os.path.join(os.path.dirname(__file__), "learning-config.schema.json")  # noqa: PTH118, PTH120 - pathlib takes longer to import than a decision
TIP: Final = "the keys and their defaults: docs/reference/configuration.md"


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) as a dict; do not change it."""
    loaded: dict[str, Any] = json.loads(_schema_bytes())
    return loaded


@lru_cache(maxsize=1)
def _schema_bytes() -> bytes:
    with open(SCHEMA_PATH, "rb") as file:  # noqa: PTH123 - pathlib takes longer to import than the rest of a decision
        return file.read()


def _defaults(node: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, sub in node["properties"].items():
        if sub.get("type") == "object":
            out[key] = _defaults(sub)
        elif "default" in sub:
            out[key] = sub["default"]
    return out


DEFAULTS: Final[dict[str, Any]] = _defaults(schema())
"""Every key with its default, in the schema's order; a missing file means exactly this."""


class Config:
    """An effective configuration: `values` has every key of `DEFAULTS`. `warnings` are the findings that are no errors."""

    __slots__ = ("values", "warnings")

    def __init__(self, values: Mapping[str, Any], warnings: tuple[str, ...] = ()) -> None:
        self.values, self.warnings = values, warnings

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and (self.values, self.warnings) == (other.values, other.warnings)

    __hash__ = None  # type: ignore[assignment]  # equal by value and changeable: not hashable

    @property
    def hash(self) -> str:
        """First 12 hex digits of the sha256 of the canonical JSON of `values`; written on every record.

        >>> Config(DEFAULTS).hash == Config(dict(reversed(DEFAULTS.items()))).hash
        True
        """
        import hashlib

        return hashlib.sha256(_canonical(self.values).encode()).hexdigest()[:12]

    def __getitem__(self, path: str) -> Any:
        """The value at a dotted path; KeyError when there is no such key.

        >>> Config(DEFAULTS)["autoExport.minRuns"]
        100
        """
        value: Any = self.values
        for key in path.split("."):
            value = value[key]
        return value

    @property
    def enabled(self) -> bool:
        return bool(self.values["enabled"])

    @property
    def reward_mode(self) -> str:
        """hone | seed"""
        return str(self["reward.mode"])

    @property
    def reward_weights(self) -> dict[str, float]:
        """Weights of the seed formula: compile, tests, errors, human."""
        return {key: float(value) for key, value in self["rewardWeights"].items()}

    @property
    def min_outcomes(self) -> int:
        """Matured changes from which on the reward is learned from them."""
        return int(self["reward.minOutcomes"])

    @property
    def exclude_patterns(self) -> tuple[str, ...]:
        return tuple(self["privacy.exclude_patterns"])


def load(path: Path, cache: Path | None = None) -> Config:
    """The effective configuration of the file at `path`; the defaults when there is none.

    `cache` is a file the caller gives for the verdict of the last checked file, so that an unchanged one is not checked
    again; it is written when it can be, and never needed. Raises ConfigError, with every finding, for a file that is not
    valid, and for one that a newer git-hone wrote.
    """
    raw = _read(path)
    if raw is None:
        return Config(DEFAULTS)
    data = _parse(path, raw)
    _refuse_newer(path, data)
    digest = _mark(raw) + _mark(_schema_bytes())
    warnings = _cached(cache, digest)
    if warnings is None:
        errors, warnings = _check(path, data)
        if errors:
            raise ConfigError("\n".join(errors), tip=TIP)
        _remember(cache, digest, warnings)
    return Config(_effective(data), tuple(warnings))


def validate(path: Path) -> list[str]:
    """Every finding about the file at `path`, errors first, one line each; warnings start with "warning: ".

    Empty for a valid file and for a missing one."""
    try:
        raw = _read(path)
        if raw is None:
            return []
        data = _parse(path, raw)
        _refuse_newer(path, data)
    except ConfigError as error:
        return [error.message]
    errors, warnings = _check(path, data)
    return errors + [f"warning: {warning}" for warning in warnings]


def write_default(path: Path) -> bool:
    """Write the defaults to `path`, in one step, unless a file is there; says whether it wrote."""
    if path.exists() or path.is_symlink():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, json.dumps({"$schema": schema()["$id"], **DEFAULTS}, indent=2) + "\n")
    return True


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES >> 20} MiB: this is no configuration")
    return raw


class _Object(dict):  # type: ignore[type-arg]  # values of any type
    """A JSON object that remembers which keys were written twice; json would keep the last one silently."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.twice = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]  # add gives None, which is what is wanted


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    """The file's one JSON object. Raises ConfigError with line and column, for a key written twice, and for NaN."""
    try:
        data = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_Object, parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}", tip="save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}", tip=TIP) from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply: this is no configuration") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}", tip=TIP) from error
    if not isinstance(data, _Object):
        raise ConfigError(f"{path}: the file must hold one JSON object, {{...}}, not {_kind(data)}", tip=TIP)
    twice = list(_twice(data))
    if twice:
        raise ConfigError(
            "\n".join(f"{path}: {key if key.isprintable() else json.dumps(key)}: written twice" for key in twice),
            tip="keep one of them",
        )
    return data


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not a JSON number")


def _finite(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"{word} is too large a number")
    return value


def _twice(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, _Object):
        yield from (path + key for key in node.twice)
        for key, value in node.items():
            yield from _twice(value, f"{path}{key}.")
    elif isinstance(node, list):
        for item in node:
            yield from _twice(item, path)


def _refuse_newer(path: Path, data: Mapping[str, Any]) -> None:
    version = data.get("version")
    if isinstance(version, (int, float)) and not isinstance(version, bool) and version > VERSION:
        raise ConfigError(
            f"{path}: version: {version} was written by a newer git-hone; this one reads up to {VERSION}",
            tip="upgrade git-hone; the file was left as it is",
        )


def _check(path: Path, data: dict[str, Any]) -> tuple[list[str], list[str]]:
    """(errors, warnings) about parsed data, each naming file and key."""
    from jsonschema import Draft202012Validator

    errors = [
        f"{path}: {'.'.join(map(str, error.absolute_path))}: {_words(error.validator, error.validator_value, error.instance)}"
        for error in sorted(Draft202012Validator(schema()).iter_errors(data), key=lambda error: error.json_path)
    ]
    warnings = [f"{path}: {finding}" for finding in _unknown(data, schema())]
    weights = data.get("rewardWeights")
    if not errors and weights and not any({**DEFAULTS["rewardWeights"], **weights}.values()):
        errors.append(f"{path}: rewardWeights: all weights are 0; at least one must be larger")
    router = {} if errors else data.get("modelRouter", {})
    if {"maxCostPerToken", "max_cost_per_1k_usd"} <= router.keys() and router["maxCostPerToken"] != router["max_cost_per_1k_usd"]:
        warnings.append(f"{path}: modelRouter.maxCostPerToken: ignored, max_cost_per_1k_usd is set too")
    return errors, warnings


BOUNDS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}


def _words(rule: Any, limit: Any, value: Any) -> str:
    """What is wrong with a value and what is allowed, in plain words.

    >>> _words("type", "integer", "0.1")
    'must be a whole number, not "0.1" (text)'
    >>> _words("enum", ["hone", "seed"], "best")
    'must be one of "hone", "seed", not "best"'
    """
    shown = json.dumps(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    if rule == "type":
        return f"must be {TYPES.get(limit, limit)}, not {shown} ({_kind(value)})"
    if rule == "enum":
        return f"must be one of {', '.join(map(json.dumps, limit))}, not {shown}"
    if rule in BOUNDS:
        return f"must be {BOUNDS[rule]} {limit}, not {shown}"
    if rule in {"minLength", "minItems"}:
        return "must not be empty"
    return f"must not name the same thing twice: {shown}"


TYPES: Final = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text in quotes",
    "array": "a list, [...]",
    "object": "an object, {...}",
}


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = ((bool, "true or false"), (str, "text"), ((int, float), "a number"), (list, "a list"))
    return next((name for kind, name in names if isinstance(value, kind)), "an object")


def _unknown(data: Mapping[str, Any], node: Mapping[str, Any], path: str = "") -> Iterator[str]:
    known = node["properties"]
    for key, value in data.items():
        if key in known:
            if known[key].get("type") == "object" and isinstance(value, dict):
                yield from _unknown(value, known[key], f"{path}{key}.")
            continue
        shown = key if key.isprintable() else json.dumps(key)
        from difflib import get_close_matches

        close = get_close_matches(key, known, 1) or [k for k in known if k.lower() == key.lower().replace("-", "_")]
        yield f"{path}{shown}: unknown key" + (f"; did you mean {path}{close[0]}?" if close else ", ignored")


def _effective(data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` over the defaults: known keys only, whole numbers as int, the router's older key under its newer name. A gate has no default:
    only those that the file names are there."""
    values = _merge(DEFAULTS, data)
    named = data.get("gates", {})
    values["gates"] = {kind: named[kind] for kind in schema()["properties"]["gates"]["properties"] if kind in named}
    router = data.get("modelRouter", {})
    if "maxCostPerToken" in router and "max_cost_per_1k_usd" not in router:
        values["modelRouter"]["max_cost_per_1k_usd"] = float(router["maxCostPerToken"])
    return values


def _merge(defaults: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, default in defaults.items():
        value = data.get(key, default)
        if isinstance(default, dict):
            out[key] = _merge(default, data.get(key, {}))
        elif isinstance(default, (int, float)) and not isinstance(default, bool):
            out[key] = type(default)(value)  # 100.0 and 100, or 1 and 1.0, are the same setting and have the same hash
        else:
            out[key] = list(value) if isinstance(value, list) else value
    return out


def _mark(raw: bytes) -> str:
    """Enough to see that a file is another one; hashlib loads OpenSSL, which takes as long as all the rest of this."""
    return f"{len(raw):x}-{zlib.crc32(raw):08x}-{zlib.adler32(raw):08x} "


def _cached(cache: Path | None, digest: str) -> list[str] | None:
    if cache is None:
        return None
    try:
        seen = json.loads(cache.read_bytes())
        warnings = seen["warnings"] if seen["of"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return [str(warning) for warning in warnings] if isinstance(warnings, list) else None


def _remember(cache: Path | None, digest: str, warnings: list[str]) -> None:
    if cache is None:
        return
    try:
        _replace(cache, json.dumps({"of": digest, "warnings": warnings}) + "\n")
    except OSError:
        return  # a read-only checkout: checked again next time


def _replace(path: Path, content: str) -> None:
    """Write `path` in one step: a reader sees the old file or the new one."""
    beside = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        beside.write_text(content, "utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
