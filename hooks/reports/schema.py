"""Are the repository's own data files well-formed, and do they fit the schemas that lie beside them?

Checked: `.agent/learning-config.json` against our schema; `x.json` against `x.schema.json` beside it, and against a local,
relative "$schema"; every tracked .json, .toml (Python 3.11 and newer) and .yaml (where PyYAML is installed) for its syntax.
Nothing is fetched: a schema that lies elsewhere is not followed. YAML is read as a stream of events and never built, so an
alias bomb costs nothing.
"""

from __future__ import annotations

import fnmatch
import json
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

WITH_COMMENTS: Final = ("tsconfig*.json", "jsconfig*.json", ".eslintrc.json", "devcontainer.json", ".swcrc", "*/.vscode/*",
                        ".vscode/*", "*/.devcontainer/*", ".devcontainer/*")  # fmt: skip
"""JSON files that may by custom hold comments."""
MAX_BYTES: Final = 16 << 20
CONFIG: Final = ".agent/learning-config.json"


class Finding(NamedTuple):
    """path from the top, "/" between its parts; message in one line; whether it only warns."""

    path: str
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {'warning: ' if self.is_warning else ''}{self.message}"


def findings(top: Path, paths: Iterable[str]) -> Iterator[Finding]:
    """What is wrong with the files of `paths` (from `top`), in their order. A file that is not there is left out."""
    names = set(paths)
    for path in sorted(names):
        file = top / path
        if path.endswith((".json", ".toml", ".yaml", ".yml")) and file.is_file() and not file.is_symlink():
            if path == CONFIG:
                yield from _config(file)
            elif file.stat().st_size <= MAX_BYTES:
                yield from _file(top, path, names, file.read_bytes())


def _config(file: Path) -> Iterator[Finding]:
    try:
        from git_hone.learner.config import validate
    except ImportError:
        return
    for line in validate(file):
        message = line.removeprefix("warning: ")
        yield Finding(CONFIG, message.removeprefix(f"{file}: "), message != line)


def _file(top: Path, path: str, names: set[str], data: bytes) -> Iterator[Finding]:
    if path.endswith(".toml"):
        yield from _toml(path, data)
    elif path.endswith((".yaml", ".yml")):
        yield from _yaml(path, data)
    elif not any(fnmatch.fnmatch(path, one) or fnmatch.fnmatch(posixpath.basename(path), one) for one in WITH_COMMENTS):
        try:
            value = _strict_json(data)
        except (ValueError, RecursionError) as error:
            yield Finding(path, f"not JSON: {error}")
            return
        if (schema := _schema_of(path, value, names)) is not None:
            yield from _against(top, path, value, schema)


def _strict_json(data: bytes) -> Any:
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON value")

    return json.loads(data.decode("utf-8-sig"), parse_constant=refuse)


def _toml(path: str, data: bytes) -> Iterator[Finding]:
    try:
        import tomllib
    except ImportError:
        return
    try:
        tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        yield Finding(path, f"not TOML: {error}")


def _yaml(path: str, data: bytes) -> Iterator[Finding]:
    try:
        import yaml  # type: ignore[import-untyped, unused-ignore]  # it comes without types, or is not installed
    except ImportError:
        return
    if b"{{" in data and "templates" in path.split("/"):
        return  # a chart's template is YAML only once it is filled in
    try:
        for _ in yaml.parse(data, Loader=yaml.SafeLoader):
            pass
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1} column {mark.column + 1}: " if mark else ""
        yield Finding(path, f"not YAML: {where}{getattr(error, 'problem', None) or str(error).splitlines()[0]}")


def _schema_of(path: str, value: Any, names: set[str]) -> str | None:
    """The tracked schema file for `path`, from the top, or None."""
    beside = path.removesuffix(".json") + ".schema.json"
    if not path.endswith(".schema.json") and beside in names:
        return beside
    named = value.get("$schema") if isinstance(value, dict) else None
    if not isinstance(named, str) or ":" in named or named.startswith(("/", "#")):
        return None
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), named.partition("#")[0]))
    return found if found in names and found != path else None


def _against(top: Path, path: str, value: Any, schema_path: str) -> Iterator[Finding]:
    import jsonschema
    import referencing
    import referencing.exceptions
    from referencing.jsonschema import DRAFT202012

    def beside(uri: str) -> Any:
        """A schema that this one refers to by a relative name; nothing is fetched."""
        target = (top / posixpath.dirname(schema_path) / uri).resolve()
        if ":" in uri or not target.is_relative_to(top.resolve()) or not target.is_file():
            raise referencing.exceptions.NoSuchResource(ref=uri)  # type: ignore[call-arg]  # attrs makes the signature, which mypy does not see
        return referencing.Resource.from_contents(json.loads(target.read_bytes()), default_specification=DRAFT202012)

    try:
        schema = _strict_json((top / schema_path).read_bytes())
        kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
        registry: Any = referencing.Registry(retrieve=beside)  # type: ignore[call-arg]  # attrs makes the signature, which mypy does not see
        errors = sorted(kind(schema, registry=registry).iter_errors(value), key=lambda error: list(map(str, error.path)))
    except (ValueError, OSError, RecursionError) as error:
        yield Finding(path, f"its schema {schema_path} cannot be read: {error}")
    except jsonschema.exceptions.SchemaError as error:
        yield Finding(path, f"its schema {schema_path} is no JSON Schema: {error.message[:200]}")
    except referencing.exceptions.Unresolvable as error:
        yield Finding(path, f"its schema {schema_path} refers to {error.ref}, which is not beside it")
    else:
        for wrong in errors:
            yield Finding(path, f"{wrong.json_path}: {wrong.message[:300]}")
