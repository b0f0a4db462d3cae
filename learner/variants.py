"""What there is to choose among: prompts and models, from `.agent/prompt_variants.json` and `.agent/model_variants.json`.

Both are JSON lists, as in the seeds. `wins` and `trials` in them are a cache that people like to see; decisions never read it, they
replay the records. The limits stand in the schema beside this module. A file that is wrong is an error that names the file, the entry
and what is allowed; it is never half used.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from git_hone.learner.entries import findings, near
from git_hone.learner.errors import ConfigError

TYPE_CHECKING = False  # as in typing, which takes longer to import than a whole decision
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Final, Literal, NamedTuple, TypeVar

    Provider = Literal["ollama", "openai-compatible", "anthropic"]
    Variant = TypeVar("Variant", "Prompt", "Model")
else:
    from git_hone.learner.named import NamedTuple

PROMPTS: Final = "prompt_variants.json"
MODELS: Final = "model_variants.json"
MAX_BYTES: Final = 4 << 20
ENDPOINTS: Final[dict[Provider, str]] = {
    "ollama": "http://127.0.0.1:11434",
    "openai-compatible": "http://127.0.0.1:8080/v1",
    "anthropic": "https://api.anthropic.com",
}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1", "")
FIELDS: Final = ("task", "files", "context", "examples")

TEMPLATES: Final[dict[str, str]] = {
    "default": """\
{task}

Work in this repository. Files that matter:
{files}

{context}
{examples}
Change as little as the task needs, follow the style around you, and make the tests pass.
""",
    "detailed": """\
You are working in an existing repository. Task:

{task}

Before you write:
1. Read these files, and whatever they call:
{files}
2. Find how the repository already does something like it, and do it that way.
3. Say in two or three sentences what you will change, and what could break.

{context}
{examples}
Then make the change. Add or adapt a test that fails without it. Run the checks of the repository (build, lint, types, tests) and
mend what they find. Leave nothing half done, no suppressed warning and no skipped test.
""",
    "concise": """\
{task}
Files: {files}

{context}
{examples}
Smallest change that works, tests green. No commentary.
""",
}
"""The templates that are shipped, by the id of their variant."""


class Prompt(NamedTuple):
    """A way to put a task to a model. `template` has {task}, {files}, {context} and {examples}; anything else in braces stays."""

    id: str
    template: str
    name: str = ""
    wins: float = 0.0
    trials: float = 0.0

    def render(self, task: str, files: Iterable[str] = (), context: str = "", examples: str = "") -> str:
        """The prompt. Empty parts leave no gap of more than one empty line; where no file is named, the prompt says so.

        >>> Prompt("p", "{task} {other}\\n\\n{context}\\n\\nend").render("Do {files}")
        'Do {files} {other}\\n\\nend'
        >>> Prompt("p", "{task}\\nFiles: {files}").render("Do it")
        'Do it\\nFiles: none are named; find those that matter'
        """
        listed = "\n".join(f"- {file}" for file in files) or "none are named; find those that matter"
        parts = dict(zip(FIELDS, (task, listed, context, examples), strict=True))
        text = re.sub(r"\{(task|files|context|examples)\}", lambda field: parts[field[1]], self.template)
        return re.sub(r"\n{3,}", "\n\n", text).strip()


class Model(NamedTuple):
    """A model that can be asked. Prices in USD per million tokens; context_length in tokens, None when not known."""

    id: str
    provider: Provider
    endpoint: str
    model: str
    name: str = ""
    api_key_env: str | None = None
    input_per_1m_usd: float = 0.0
    output_per_1m_usd: float = 0.0
    context_length: int | None = None
    local: bool = False
    wins: float = 0.0
    trials: float = 0.0

    def cost(self, tokens_in: float, tokens_out: float) -> float:
        """USD for so many tokens.

        >>> Model("m", "anthropic", "https://x", "m", input_per_1m_usd=3, output_per_1m_usd=15).cost(1000, 100)
        0.0045
        """
        return (tokens_in * self.input_per_1m_usd + tokens_out * self.output_per_1m_usd) / 1e6

    @property
    def per_1k_usd(self) -> float:
        """The dearer of its prices, per 1,000 tokens: what a price limit is held against."""
        return max(self.input_per_1m_usd, self.output_per_1m_usd) / 1000


def default_prompts() -> list[Prompt]:
    """The three that are shipped."""
    return [Prompt(id_, template, id_.capitalize()) for id_, template in TEMPLATES.items()]


def default_models() -> list[Model]:
    """One local model, at no price: nothing leaves the machine until somebody says so."""
    return [_model({"id": "qwen2.5-coder:7b", "name": "Qwen 2.5 Coder 7B (local)", "cost_per_1k": 0, "context_length": 32768})]


def load_prompts(folder: Path) -> list[Prompt]:
    """The prompt variants of an `.agent` folder; the shipped ones where there is no file. Raises ConfigError."""
    rows = _read(folder / PROMPTS, "prompt")
    if rows is None:
        return default_prompts()
    return [
        Prompt(
            row["id"],
            TEMPLATES.get(row["template"], row["template"]),
            row.get("name", ""),
            row.get("wins", 0.0),
            row.get("trials", 0.0),
        )
        for row in rows
    ]


def load_models(folder: Path) -> list[Model]:
    """The model variants of an `.agent` folder; the local default where there is no file. Raises ConfigError."""
    rows = _read(folder / MODELS, "model")
    return default_models() if rows is None else [_model(row) for row in rows]


def _model(row: Mapping[str, Any]) -> Model:
    per_1m = 1000.0 * row.get("cost_per_1k", 0.0)
    prices = [float(row.get(f"{way}_per_1m_usd", per_1m)) for way in ("input", "output")]
    provider: Provider = row.get("provider") or ("openai-compatible" if any(prices) else "ollama")
    endpoint = row.get("endpoint") or ENDPOINTS[provider]
    return Model(
        id=row["id"], provider=provider, endpoint=endpoint.rstrip("/"), model=row.get("model", row["id"]), name=row.get("name", ""),
        api_key_env=row.get("api_key_env"), input_per_1m_usd=prices[0], output_per_1m_usd=prices[1],
        context_length=int(row["context_length"]) if "context_length" in row else None, local=row.get("local", is_loopback(endpoint)),
        wins=row.get("wins", 0.0), trials=row.get("trials", 0.0),
    )  # fmt: skip


def is_loopback(endpoint: str) -> bool:
    """Does this address lead to this machine?

    >>> is_loopback("http://localhost:11434"), is_loopback("https://api.example.com/v1"), is_loopback("http://[::1]:80")
    (True, False, True)
    """
    return (_address(endpoint)[0] or "") in _LOOPBACK


def _address(endpoint: str) -> tuple[str | None, int | None]:
    """Host and port. Raises ValueError for what is no address. A plain one is read without urllib, which takes long to import.

    >>> _address("http://127.0.0.1:8080/v1"), _address("https://API.example"), _address("http://[::1]")
    (('127.0.0.1', 8080), ('api.example', None), ('::1', None))
    """
    if (plain := re.fullmatch(r"https?://([a-z0-9.-]+)(?::([0-9]{1,5}))?(?:/[A-Za-z0-9._/-]*)?", endpoint)) is not None and int(
        plain[2] or 0
    ) < 65_536:
        return plain[1], int(plain[2]) if plain[2] else None
    from urllib.parse import urlsplit

    parts = urlsplit(endpoint)
    return parts.hostname, parts.port


def save(folder: Path, variants: Sequence[Prompt] | Sequence[Model]) -> Path:
    """Write a whole list, in one step; returns the file. Keys stand in a fixed order and defaults are left out, so that a diff shows
    what changed. Raises ConfigError for a list that could not be read back."""
    return _write(
        folder / (PROMPTS if all(isinstance(one, Prompt) for one in variants) else MODELS), [_row(one) for one in variants]
    )


def add(folder: Path, one: Prompt | Model) -> Path:
    """Write one more entry behind those that stand in its file (or that are shipped, where there is none), which stay as they are.
    Raises ConfigError for an id that is taken, and for an entry that breaks the schema."""
    path = folder / (PROMPTS if isinstance(one, Prompt) else MODELS)
    rows = _read(path, "prompt" if isinstance(one, Prompt) else "model")
    if rows is None:
        rows = [_row(shipped) for shipped in (default_prompts() if isinstance(one, Prompt) else default_models())]
    new = {key: value for key, value in _row(one).items() if key not in ("wins", "trials")}
    return _write(path, [*rows, new])


def refresh(folder: Path, file: str, counts: Mapping[str, tuple[float, float]]) -> bool:
    """Write each entry's (wins, trials) where they differ from what stands there; everything else in the file stays. Says whether it
    wrote; without a file there is nothing to write. Raises ConfigError."""
    path = folder / file
    rows = _read(path, "prompt" if file == PROMPTS else "model")
    if rows is None:
        return False
    new = [
        row | dict(zip(("wins", "trials"), (round(n, 6) for n in counts.get(row["id"], (0.0, 0.0))), strict=True)) for row in rows
    ]
    if all(row.get(name, 0) == fresh[name] for row, fresh in zip(rows, new, strict=True) for name in ("wins", "trials")):
        return False
    _write(path, new)
    return True


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    found = _findings(path, list(rows), "prompt" if path.name == PROMPTS else "model")
    if found:
        raise ConfigError("\n".join(found), tip="docs/reference/variants.md says what an entry may hold; nothing was written")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    part.write_bytes(_text(rows))
    part.replace(path)
    return path


def defaults() -> dict[str, bytes]:
    """What stands in a new `.agent` folder: file name -> bytes."""
    return {PROMPTS: _text([_row(one) for one in default_prompts()]), MODELS: _text([_row(one) for one in default_models()])}


def _text(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return (json.dumps(rows, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")


def _row(one: Prompt | Model) -> dict[str, Any]:
    row: dict[str, Any] = {"id": one.id}
    if one.name:
        row["name"] = one.name
    if isinstance(one, Prompt):
        row["template"] = one.id if TEMPLATES.get(one.id) == one.template else one.template
    else:
        row |= {"provider": one.provider, "endpoint": one.endpoint}
        row |= {"model": one.model} if one.model != one.id else {}
        row |= {"api_key_env": one.api_key_env} if one.api_key_env else {}
        row |= {"input_per_1m_usd": one.input_per_1m_usd, "output_per_1m_usd": one.output_per_1m_usd}
        row |= {"context_length": one.context_length} if one.context_length else {}
        row |= {"local": one.local} if one.local != is_loopback(one.endpoint) else {}
    return row | {"wins": round(one.wins, 6), "trials": round(one.trials, 6)}


def find(variants: Iterable[Variant], id_: str, file: str) -> Variant:
    """The variant of this id. Raises ConfigError with the nearest known id."""
    known = {one.id: one for one in variants}
    if id_ in known:
        return known[id_]
    close = near(id_, known)
    raise ConfigError(
        f".agent/{file}: there is no {id_!r}" + (f"; did you mean {close!r}?" if close else ""),
        tip=f"known: {', '.join(known) or 'none'}; `git hone variants add` adds one",
    )


def bundled(name: str) -> Any:
    """The JSON file of this name that lies beside the modules of the learner."""
    with open(f"{os.path.dirname(__file__)}/{name}", "rb") as file:  # noqa: PTH120, PTH123 - pathlib takes long to import
        return json.load(file)


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The published JSON Schema of both files' entries; do not change it."""
    loaded: dict[str, Any] = bundled("variants.schema.json")
    return loaded


def _read(path: Path, kind: str) -> list[dict[str, Any]] | None:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
    try:
        rows = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON: {error}", tip="mend it, or delete it to have the defaults back") from None
    found = _findings(path, rows, kind)
    if found:
        raise ConfigError("\n".join(found), tip="what an entry may hold: docs/reference/variants.md")
    return list(rows)


def _findings(path: Path, rows: Any, kind: str) -> list[str]:
    defs = schema()["$defs"]
    return findings(f"{path}", rows, kind, defs[kind], defs=defs, senseless=_senseless)


def _senseless(name: str, value: Any) -> str | None:
    """What is wanted, when a value that its rule allows cannot be used."""
    if name == "template" and value not in TEMPLATES and "{task}" not in value:
        return "text with {task} (else it would never say what is to be done)"
    if name == "endpoint":
        try:
            host, port = _address(value)
            if host and port != 0:
                return None
        except ValueError:
            pass
        return "an address such as http://127.0.0.1:8080/v1"
    return None
