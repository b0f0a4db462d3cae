"""A change as prompts and answers: what a model is asked, and the answer that proved itself. Pure.

    coder  a task, and the file as it stood       -> the whole file as it was kept
    fixer  what the checks said, and the files    -> the patch after which they passed
    judge  a task and its patch                   -> whether it stood, and the facts that say so
    pair   a task, of which a person changed lines -> these lines, the agent's and the person's

Texts come redacted. What is not known is left out of a prompt, never made up; `provenance` says where each prompt came from.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple

from git_hone.learner.dataset import chat
from git_hone.learner.dataset.chat import Message
from git_hone.learner.dataset.splits import family
from git_hone.learner.lineage import row_id

Role = Literal["coder", "fixer", "judge"]
Use = Literal["answer", "bad", "pair"]
ROLES: Final[tuple[Role, ...]] = ("coder", "fixer", "judge")
LONGEST: Final = 32_000
"""Characters of a prompt, and of an answer; about 8,000 tokens."""
LEAST_WORDS: Final = 3
_TRAILER: Final = re.compile(
    r"^[A-Za-z][A-Za-z-]*(?:-by|-Id|-URL): .*$|^(?:Fixes|Closes|Refs|See|Link|Bug|Co-Authored-By): .*$", re.IGNORECASE
)
_LEAK: Final = re.compile(
    r"\s*\((?:#|GH-|!)\d+\)|\b(?:[Ff]ixes|[Cc]loses|[Rr]esolves|[Ss]ee)?\s*#\d+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b"
)


class Text(NamedTuple):
    """One file of a change. before: None where it is new. ai: the agent's lines in it. before and after have been redacted."""

    path: str
    before: str | None
    after: str
    ai: int


@dataclass(frozen=True)
class Source:
    """All that rows are made of. spec: what was asked for, and where that is from: "prompt" (recorded) or "commit message". broken: what the
    checks said of the parent and no longer say, empty where nothing did; from "checks", or from the "prompt" of a run in the role of a
    fixer. asked_as: the role of its runs. whole: whether `texts` are all that the commit touched. facts: what time said of it. known: goes into
    the provenance of each row. stands: whether it may be imitated."""

    change: str
    commit: str
    at: float
    spec: str
    spec_from: str
    texts: tuple[Text, ...]
    reward: float | None
    stands: bool
    broken: str = ""
    broken_from: str = "checks"
    asked_as: str = "coder"
    whole: bool = True
    facts: str = ""
    known: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def patch(self) -> str:
        return "".join(patch(text) for text in self.texts)

    @cached_property
    def added(self) -> str:
        """The lines that it brought in: what is its own, and not its surroundings'."""
        return "\n".join(row[1:] for row in self.patch.splitlines() if row.startswith("+") and not row.startswith("+++ "))

    @cached_property
    def families(self) -> frozenset[str]:
        return frozenset(family(text.path) for text in self.texts)


@dataclass(frozen=True)
class Row:
    """One example. use: "answer" is to be imitated; "bad" is not; of a "pair", `completion` is the person's version and `rejected` the
    agent's. essence: what is its own, for finding near-duplicates. at: the commit's time, seconds since 1970."""

    id: str
    change: str
    role: Role
    use: Use
    prompt: tuple[Message, ...]
    completion: tuple[Message, ...]
    provenance: Mapping[str, Any]
    essence: str
    at: float
    reward: float | None
    families: frozenset[str]
    rejected: tuple[Message, ...] = ()

    @property
    def order(self) -> tuple[float, float, str]:
        """The most wanted first: the highest reward, then the newest."""
        return -(self.reward or 0.0), -self.at, self.id


class Left(NamedTuple):
    """What did not become a row, and why. id: a row's, else the change's."""

    id: str
    change: str
    reason: str
    role: str | None = None
    detail: str | None = None


def patch(text: Text) -> str:
    """The change of one file as a unified diff that `git apply` takes; empty where nothing changed.

    >>> print(patch(Text("a.py", "x = 1\\ny = 2", "x = 1\\ny = 3\\n", 1)), end="")
    --- a/a.py
    +++ b/a.py
    @@ -1,2 +1,2 @@
     x = 1
    -y = 2
    \\ No newline at end of file
    +y = 3
    """
    old, new = _lines(text.before or ""), _lines(text.after)
    left = "/dev/null" if text.before is None else f"a/{text.path}"
    rows = difflib.unified_diff(old, new, left, f"b/{text.path}", lineterm="\n")
    return "".join(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows)


def _lines(text: str) -> list[str]:
    """Split at line feeds only, as git does."""
    return [f"{row}\n" for row in text.split("\n")[:-1]] + ([last] if (last := text.rpartition("\n")[2]) else [])


def spec_of(tasks: Sequence[str], message: str) -> tuple[str, str] | None:
    """(what was asked for, where that is from). The prompts of the runs; else the commit message without trailers and without what names
    the answer (numbers of issues, hashes); None where that says nothing.

    >>> spec_of([], "Parse negative numbers (#12)\\n\\nFixes #11\\nSigned-off-by: A <a@b.test>")
    ('Parse negative numbers', 'commit message')
    >>> spec_of(["Add a flag", "Add a flag"], "wip"), spec_of([], "wip")
    (('Add a flag', 'prompt'), None)
    """
    said = list(dict.fromkeys(task.strip() for task in tasks if task.strip()))
    if said:
        return "\n\n".join(said), "prompt"
    rows = [_LEAK.sub("", row).rstrip() for row in message.splitlines() if not _TRAILER.match(row)]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(rows)).strip()
    return (text, "commit message") if len(text.split()) >= LEAST_WORDS else None


def rows_of(source: Source, roles: Iterable[Role]) -> tuple[list[Row], list[Left]]:
    """The rows of a change for these roles, and what could not become one."""
    made: list[Row] = []
    left: list[Left] = []
    for role in roles:
        if role == "fixer" and source.broken and not source.whole:
            left.append(Left(source.change, source.change, "partial", role))
            continue
        for row in _MAKERS[role](source):
            long = max(chat.length(row.prompt), chat.length(row.completion))
            if long > LONGEST:
                left.append(Left(row.id, source.change, "too_long", role, f"{long} characters"))
            else:
                made.append(row)
    return made, left


def pair(source: Source, path: str, agents: str, persons: str) -> Row:
    """The agent's lines and what a person made of them."""
    prompt = chat.asked(chat.LINES.format(path=path), source.spec)
    made = _row(source, "coder", "pair", prompt, chat.fenced(persons), [path], f"{source.spec}\n{persons}\n{agents}")
    return replace(made, rejected=chat.answer(chat.fenced(agents)))


def _coder(source: Source) -> Iterable[Row]:
    for text in source.texts:
        if not text.ai or source.asked_as == "fixer":
            continue
        now = "" if text.before is None else f"{text.path} now:\n\n{chat.fenced(text.before)}"
        prompt = chat.asked(chat.ORDER.format(path=text.path), source.spec, now)
        added = "\n".join(row[1:] for row in patch(text).splitlines() if row.startswith("+") and not row.startswith("+++ "))
        use: Use = "answer" if source.stands else "bad"
        yield _row(source, "coder", use, prompt, chat.fenced(text.after), [text.path], f"{source.spec}\n{added}")


def _fixer(source: Source) -> Iterable[Row]:
    """Only where the checks failed before it and passed after it: a patch that mends nothing seen teaches nothing about mending."""
    if source.broken and source.patch and source.stands:
        files = [f"{text.path} now:\n\n{chat.fenced(text.before)}" for text in source.texts if text.before is not None]
        prompt = chat.asked(chat.FIX, source.broken, *files)
        paths = [text.path for text in source.texts]
        yield _row(
            source, "fixer", "answer", prompt, chat.fenced(source.patch, "diff"), paths, f"{source.broken}\n{source.added}"
        )


def _judge(source: Source) -> Iterable[Row]:
    if source.patch and source.facts:
        verdict = json.dumps({"verdict": "accept" if source.stands else "revise", "because": source.facts}, ensure_ascii=False)
        prompt = chat.asked(chat.JUDGE, source.spec, chat.fenced(source.patch, "diff"))
        paths = [text.path for text in source.texts]
        yield _row(source, "judge", "answer", prompt, verdict, paths, f"{source.spec}\n{source.added}")


_MAKERS: Final = {"coder": _coder, "fixer": _fixer, "judge": _judge}


def _row(
    source: Source, role: Role, use: Use, prompt: tuple[Message, ...], completion: str, paths: Sequence[str], essence: str
) -> Row:
    said = source.broken_from if role == "fixer" else source.spec_from
    known = {
        **source.known, "change_id": source.change, "commit": source.commit, "paths": list(paths), "prompt_from": said,
        "reward": source.reward, "stands": source.stands,
    }  # fmt: skip
    answer = chat.answer(completion)
    content = json.dumps([use, [dict(message) for message in (*prompt, *answer)]], sort_keys=True)
    families = frozenset(map(family, paths))
    return Row(
        row_id(source.change, role, content),
        source.change,
        role,
        use,
        prompt,
        answer,
        known,
        essence,
        source.at,
        source.reward,
        families,
    )
