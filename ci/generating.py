"""Have a model write one file: choose, ask, write, on record. Touches git, the network and the work tree."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from git_hone import hooks
from git_hone.ci import choosing, endpoints
from git_hone.ci.endpoints import Answer, EndpointError, Message
from git_hone.hooks import git
from git_hone.hooks.capture import blobs_of
from git_hone.hooks.consent import excluded
from git_hone.hooks.diffs import diff_pairs
from git_hone.hooks.paths import quote
from git_hone.hooks.place import Place
from git_hone.hooks.state import State
from git_hone.hooks.worker import drain_now
from git_hone.learner import config, variants
from git_hone.learner.dataset.chat import ORDER, fenced
from git_hone.learner.errors import HoneError, UsageError

AGENT: Final = "git-hone"
LARGEST: Final = 400_000
MOST_TOKENS: Final = 8192
ENDED: Final[Mapping[str, str]] = {"nonsense": "failed", "timeout": "timeout"}
"""How an attempt ended by the kind of error; every other kind is not the model's fault."""


@dataclass(frozen=True)
class Generated:
    """What was written. path: from the top of the repository. answer: as it came."""

    path: str
    task: str
    decided: choosing.Decided
    answer: Answer
    added: int
    deleted: int
    cost_usd: float | None


def generate(
    place: Place,
    file: Path,
    *,
    task: str | None = None,
    model: str | None = None,
    prompt: str | None = None,
    force: bool = False,
    timeout_s: float = 300.0,
    max_tokens: int = MOST_TOKENS,
    random: Random | None = None,
) -> Generated:
    """Write `file`. Raises UsageError before anything is asked when the file may not be read or written, EndpointError when the model
    does not answer or its answer holds no file; then nothing was written."""
    path = _inside(place, file)
    settings = config.load(place.agent / "learning-config.json")
    if excluded(path, settings.exclude_patterns):
        raise UsageError(f"{path}: privacy.exclude_patterns says that nothing of it is handed out", tip="write it yourself")
    before = _text_of(file)
    drain_now(place)
    if before is not None and not force:
        _refuse_to_overwrite(place, file, path)
    text = task or (f"Write the file {path}." if before is None else f"Finish the file {path}.")
    decided = choosing.choose(
        place, place.agent, text, files=[path], gate_kinds=(), only_model=model, only_prompt=prompt, random=random
    )
    chosen = variants.find(variants.load_models(place.agent), decided.choice.plan.models[0], variants.MODELS)
    where, shaped = decided.choice.prompt, decided.shaped
    now = "" if before is None else f"{path} now:\n\n{fenced(before)}"
    said: list[Message] = [
        {"role": "system", "content": ORDER.format(path=path)},
        {
            "role": "user",
            "content": where.render(
                text, [path], context="\n\n".join(part for part in (now, shaped.context) if part), examples=shaped.examples
            ),
        },
    ]
    most = min(max_tokens, chosen.context_length // 2) if chosen.context_length else max_tokens
    endpoint = endpoints.connect(chosen, local_only=bool(settings["privacy.local_only"]))
    with hooks.run(
        AGENT,
        model=chosen.id,
        task=text,
        prompt_variant=where.id,
        decision_id=f"{decided.id}.0",
        repository=place.cwd,
        whole=False,
    ) as run:
        try:
            answer = endpoint.complete(
                said, temperature=float(settings["autoDeploy.temperature"]), max_tokens=most, timeout_s=timeout_s
            )
            cost = _count(run, answer, chosen)
            content = content_of(answer, chosen.id, path)
        except EndpointError as error:
            end(place, decided, text, {"ended": ENDED.get(error.kind, "unreachable")})
            raise
        old = blobs_of(place, place.cwd, [str(file.absolute())])
        with run.edit(file):
            _write(file, content)
    end(place, decided, text, {"ended": "passed"})
    pair = (old[_key(path)], blobs_of(place, place.cwd, [str(file.absolute())])[_key(path)])
    hunks = diff_pairs(place.common, [pair])[pair] or []
    return Generated(path, text, decided, answer, sum(len(h.new) for h in hunks), sum(len(h.old) for h in hunks), cost)


def end(place: Place, decided: choosing.Decided, task: str, result: Mapping[str, Any]) -> None:
    """Put on record how the attempt ended, or (`reward`) what a person says of it."""
    choosing.put(place, [choosing.attempt(decided.id, decided.choice, decided.asked, 0, result)])


def content_of(answer: Answer, model: str, path: str) -> str:
    """The file in an answer: what stands in its one fenced block. Raises EndpointError for an answer that was cut, and for one that
    holds no block or several.

    >>> said = Answer("Here:\\n```python\\nx = 1\\n```\\nDone.", 1, 1, 1, "m", "stop")
    >>> content_of(said, "m", "a.py")
    'x = 1\\n'
    """
    if answer.finish != "stop":
        why = "its answer was cut at the limit of tokens" if answer.finish == "length" else "it declined"
        raise EndpointError(
            "nonsense", f"{model}: {why}, so {path} is left as it is", tip="another model, or a larger --max-tokens"
        )
    text = answer.text.replace("\r\n", "\n").strip()
    blocks = [_whole(text)] if _whole(text) is not None else [found[2] or "" for found in _BLOCK.finditer(text)]
    if len(blocks) != 1:
        n = "no" if not blocks else f"{len(blocks)}"
        raise EndpointError("nonsense", f"{model}: its answer holds {n} code blocks, not one, so {path} is left as it is")
    return blocks[0] or ""


def _whole(text: str) -> str | None:
    """What stands between the first line and the last, when these are the fences of one block. A fence inside belongs to the file when the
    first of them opens something (it names a language); a bare one would close the block.

    >>> _whole("```md\\nuse\\n```sh\\nls\\n```\\n```"), _whole("```\\na\\n```\\n```\\nb\\n```")
    ('use\\n```sh\\nls\\n```\\n', None)
    """
    first, *inner = text.split("\n")
    mark = re.match(r"(`{3,}|~{3,})[^`]*$", first)
    if not mark or not inner or inner.pop().rstrip() != mark[1]:
        return None
    fences = [line for line in inner if line.startswith(mark[1])]
    return None if fences and fences[0].rstrip() == mark[1] else "".join(f"{line}\n" for line in inner)


_BLOCK: Final = re.compile(r"^(`{3,}|~{3,})[^\n`]*\n(.*?\n)?^\1[ \t]*$", re.DOTALL | re.MULTILINE)


def _count(run: hooks.Run, answer: Answer, model: variants.Model) -> float | None:
    """Note the tokens, and what they cost: None where the endpoint does not count."""
    run.output(answer.text)
    known = {"tokens_in": answer.tokens_in, "tokens_out": answer.tokens_out}
    counted = {name: n for name, n in known.items() if n is not None}
    cost = model.cost(counted["tokens_in"], counted["tokens_out"]) if len(counted) == 2 else None
    run.usage(**counted, **({} if cost is None else {"cost_usd": cost}))
    return cost


def _inside(place: Place, file: Path) -> str:
    """The file's path from the top, with slashes. Raises UsageError for one that is no file of the repository's own."""
    if place.top is None:
        raise UsageError("a bare repository has no files to write")
    whole = Path(os.path.normpath(file.absolute()))
    inside = os.path.relpath(whole, place.top)
    parts = Path(inside).parts
    if parts[0] == ".." or ".git" in parts or parts[0] == ".agent":
        raise UsageError(f"{file}: not a file of this repository's work tree that a model may write")
    for each in (whole, *whole.parents):
        if each == place.top:
            break
        if each.is_symlink():
            raise UsageError(f"{each}: a symbolic link; name the file itself")
    if whole.exists() and not whole.is_file():
        raise UsageError(f"{file}: not a file")
    asked = ["--no-literal-pathspecs", "check-ignore", "-z", "--stdin"]
    if git.attempt(asked, place.top, stdin=os.fsencode(inside)) is not None:
        raise UsageError(f"{file}: git ignores it, so nothing could be recorded of it")
    return Path(inside).as_posix()


def _key(path: str) -> str:
    return quote(os.fsencode(path))


def _text_of(file: Path) -> str | None:
    """What stands in the file, None when there is none. Raises UsageError for what is no text, or too much."""
    if not file.exists():
        return None
    raw = file.read_bytes()
    if len(raw) > LARGEST:
        raise UsageError(f"{file}: larger than {LARGEST // 1000} kB: a model would not write all of it again")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{file}: not UTF-8 text") from None


def _refuse_to_overwrite(place: Place, file: Path, path: str) -> None:
    """Raises UsageError when the file holds what neither a commit nor an agent's recorded edit holds."""
    blob = blobs_of(place, place.cwd, [str(file.absolute())])[_key(path)]
    if git.line(["rev-parse", "--verify", "-q", f"HEAD:{path}"], place.top or place.cwd) == blob:
        return
    with State(place.hone / "state.db") as state:
        if any(seen == blob and written for seen, _, written, _ in state.nodes(_key(path))):
            return
    raise UsageError(f"{path}: has changes that are not committed", tip="commit them, or say --force to have them overwritten")


def _write(file: Path, content: str) -> None:
    """In one step, with the mode that the file has."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.hone-{os.getpid()}.tmp")
    try:
        part.write_text(content, "utf-8", newline="")
        if file.exists():
            part.chmod(file.stat().st_mode & 0o7777)
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise HoneError(f"{file}: cannot be written: {error.strerror}") from error
