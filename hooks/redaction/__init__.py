"""Secrets and people out of a text, before its first write. Linear, idempotent, and keeps the text's shape.

What is found is replaced by `[redacted:KIND]`. `redact` removes secrets; a `Redactor` also the people that git knows.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable

from git_hone.hooks.redaction import people, secrets
from git_hone.hooks.redaction.people import Identity
from git_hone.hooks.redaction.secrets import Span
from git_hone.learner.syntax import tree_of

__all__ = ["Identity", "Redactor", "redact"]


def redact(text: str, *, strict: bool = False) -> str:
    """`text` without secrets. strict: leave everything alone that could be code rather than a secret.

    >>> redact("export GITHUB_TOKEN=ghp_" + "aB3xY9" * 6)
    'export GITHUB_TOKEN=[redacted:github-token]'
    >>> redact("git clone https://me:hunter22@example.com/x")
    'git clone https://[redacted:url-password]@example.com/x'
    >>> redact(redact("password = 'correct-horse'"))
    "password = '[redacted:password]'"
    """
    raw = text.encode("utf-8", "surrogatepass")
    return _replaced(raw, secrets.find(raw, strict=strict))


class Redactor:
    """Removes secrets, and the people it is told of. literals: further secrets, such as another scanner found. anonymous:
    whether people are removed at all (the configuration's `privacy.anonymize`).

    `prose` is for what people and models say: it also removes e-mail addresses and home folders of anybody. `code` is for
    lines of a file: it removes what is surely a secret or a known person, and Python that parsed still parses.

    >>> us = Redactor([Identity("name", "Marisela Quintanilla"), Identity("name", "Will"), Identity("email", "mq@corp.test")])
    >>> us.prose("Will it parse? Ask Marisela, or mail mq@corp.test or bob@corp.test.")
    'Will it parse? Ask [redacted:person], or mail [redacted:email] or [redacted:email].'
    >>> us.code("# TODO(will): Will this stay? (marisela)")
    '# TODO([redacted:person]): Will this stay? ([redacted:person])'
    """

    def __init__(self, identities: Iterable[Identity] = (), literals: Iterable[str] = (), *, anonymous: bool = True) -> None:
        self._people = people.Index(identities if anonymous else ())
        self._anonymous = anonymous
        self._literals: list[bytes] = []
        self.add(literals)

    def add(self, literals: Iterable[str]) -> None:
        """Learn of more secrets; what is shorter than 6 characters is passed over."""
        more = {word.encode("utf-8", "surrogatepass") for word in literals if len(word) >= 6}
        self._literals = sorted({*self._literals, *more}, key=lambda word: (-len(word), word))

    def prose(self, text: str) -> str:
        """A prompt, an answer, a note, a command."""
        raw = text.encode("utf-8", "surrogatepass")
        known = [span._replace(kind=span.kind.rstrip("?")) for span in self._people.find(raw)]
        spans = secrets.find(raw, strict=False) + self._said(raw)
        return _replaced(raw, _apart(spans, known + (people.anybody(raw) if self._anonymous else [])))

    def code(self, text: str, path: str = "", *, anybody: bool = False) -> str:
        """Lines of the file at `path`. Where Python would no longer parse, a name's placeholder is `redacted_KIND`.

        anybody: also e-mail addresses and home folders of people that nobody here knows, as far as they stand in strings and comments
        of Python, or in another language; addresses of domains that are reserved for examples stay.

        >>> Redactor().code("to = 'bob@corp.org'  # x@y.weights\\nz = x@self.weights + 'a@example.com'", "a.py", anybody=True)
        "to = '[redacted:email]'  # [redacted:email]\\nz = x@self.weights + 'a@example.com'"
        """
        raw = text.encode("utf-8", "surrogatepass")
        known = [span for span in self._people.find(raw) if not span.kind.endswith("?")]
        if anybody and self._anonymous:
            known += _strangers(text, raw, path)
        spans = _apart(secrets.find(raw, strict=True) + self._said(raw), known)
        done = _replaced(raw, spans)
        if spans and path.endswith((".py", ".pyi")) and tree_of(text) and not tree_of(done):
            done = _replaced(raw, spans, _outside_strings(text))
        return done

    def _said(self, raw: bytes) -> list[Span]:
        return [
            Span(m.start(), m.end(), "secret")
            for word in self._literals
            if word in raw
            for m in re.finditer(re.escape(word), raw)
        ]


def _strangers(text: str, raw: bytes, path: str) -> list[Span]:
    """Addresses and home folders that are surely that: `x@self.weights` is a product of matrices."""
    found = [span for span in people.anybody(raw) if not people.RESERVED.search(raw[span.start : span.end])]
    bare = _outside_strings(text) if found and path.endswith((".py", ".pyi")) else []
    return [span for span in found if not any(start < span.end and span.start < end for start, end in bare)]


def _apart(spans: list[Span], known: list[Span]) -> list[Span]:
    """Secrets as they are, people where no secret is: a name inside a token is no name."""
    spans = secrets.merge(spans)
    free = [k for k in known if not any(s.start < k.end and k.start < s.end for s in spans)]
    return sorted(spans + secrets.merge(free))


def _replaced(raw: bytes, spans: list[Span], bare: list[tuple[int, int]] | None = None) -> str:
    """UTF-8 text with the spans (in order, none overlapping) replaced. bare: where a placeholder must be an identifier."""
    out, at = [], 0
    for span in spans:
        if b"[redacted:" in raw[span.start : span.end] or raw[max(0, span.start - 10) : span.start] == b"[redacted:":
            continue
        named = any(start <= span.start and span.end <= end for start, end in bare or ())
        out += [
            raw[at : span.start],
            (f"redacted_{span.kind.replace('-', '_')}" if named else f"[redacted:{span.kind}]").encode(),
        ]
        at = span.end
    return b"".join([*out, raw[at:]]).decode("utf-8", "surrogatepass")


def _outside_strings(text: str) -> list[tuple[int, int]]:
    """Byte ranges of the names and numbers of Python code."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode("utf-8", "surrogatepass")))
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.NAME, tokenize.NUMBER):
                row, column = token.start
                start = starts[row - 1] + len(token.line[:column].encode("utf-8", "surrogatepass"))
                found.append((start, start + len(token.string.encode("utf-8", "surrogatepass"))))
    except (tokenize.TokenError, SyntaxError, IndexError):
        return found
    return found
