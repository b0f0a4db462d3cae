"""Where the secrets of a text are: by token format, and by what stands before a random-looking value. Pure.

Works on UTF-8 bytes, and never runs a pattern over all of the text where a search for a literal can say that there is
nothing: most of a text is passed over at the speed of `bytes.find` and `bytes.split`.

Two levels. `code` (strict) alters nothing that could be code: a value in context must look random, by the entropy and the
alternation of its characters. `prose` also takes weak passwords that are named as such (`password: correct-horse7`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from math import log2
from typing import Final, NamedTuple

from git_hone.hooks.redaction.formats import BARE, TOKENS


class Span(NamedTuple):
    """`kind` of secret in the bytes [start, end)."""

    start: int
    end: int
    kind: str


KEPT: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.~:/+=$%@"
WORDS: Final = bytes(c if c in KEPT else 32 for c in range(256))
"""A translation that leaves the characters of tokens and makes all others a blank."""
KINDS: Final = bytes(
    ord("l" if 97 <= c <= 122 else "u" if 65 <= c <= 90 else "d" if 48 <= c <= 57 else "s" if c in b"-_./:=+~" else "o")
    for c in range(256)
)
"""Each character's kind: lower case, upper case, digit, separator, other."""
LONG: Final = 16

_TOKENS: Final = [(kind, literal.encode(), tail.encode()) for kind, literals, tail in TOKENS for literal in literals]
_BARE: Final = [(kind, re.compile(rb"(?:^|(?<=[=/]))(?:" + pattern.encode() + rb")", re.MULTILINE)) for kind, pattern in BARE]
_BEGIN: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END: Final = re.compile(rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_BODY: Final = re.compile(rb"""(?:[\s"'`+,;#*>|.()-]|\\[nr]|[A-Za-z-]+: [^\r\n]{0,80}|[A-Za-z0-9+/=]{4,})*""")
_USERINFO: Final = re.compile(rb"""://(?P<v>(?P<u>[^\s/:@"'`<>{}$\[\]()\\,]{0,64}):(?P<p>[^\s/@,"'`<>{}$\[\]()\\]{3,128}))@""")
_USER_OPTION: Final = re.compile(rb"""(?: -u|--user|--proxy-user)[ =]["']?[^\s:"'<>{}$]{1,64}:(?P<p>[^\s"'<>{}$]{6,128})""")
_BEARER: Final = re.compile(rb"""bearer["']?[ :,=+]{1,4}["']?(?P<v>[A-Za-z0-9._~+/-]{16,2048}=*)""", re.IGNORECASE)
_BASIC: Final = re.compile(rb"""basic[ ]["']?(?P<v>[A-Za-z0-9+/]{8,512}={0,2})""", re.IGNORECASE)

MENTIONS: Final = (b"pass", b"pwd", b"secret", b"token", b"key", b"auth", b"cred")
_CONTEXT: Final = re.compile(
    rb"""(?P<rest>[A-Za-z0-9_-]{0,40})
    (?: (?P<q0>["'`\])]{0,3}) [ \t]{0,8} (?: :[ ]?[A-Za-z_.\[\]|\ ]{1,30}?[ \t]{0,4}= | (?:[ ][Ss]tring|[ ]str)?[ \t]{0,8}(?:=>|:=|=|:) | >)
      \s{0,8}
    | ["'`][ \t]{0,4},[ \t]{0,8}(?=["'`]) | ["'][ \t]+value[ \t]*=[ \t]*(?=["']) | (?P<space>[ \t]{1,8}(?:is:?[ \t]|was[ \t]|value[ \t])?[ \t]{0,8})
    )
    (?: [rbuf]{0,2}(?: "(?P<d>[^\s"<>{}]{6,512})" | '(?P<s>[^\s'<>{}]{6,512})' | `(?P<b>[^\s`<>{}]{6,512})` )
      | (?P<v>[^\s"'`<>(){}\[\],;|\\]{6,512}) )""",
    re.VERBOSE,
)
_NAME: Final = re.compile(rb"[A-Za-z0-9_.-]{0,40}$")
_PLACEHOLDER: Final = re.compile(
    rb"(?i)example|redacted|x{4}|change[-_]?(?:me|it)|your|placeholder|dummy|sample|insert|replace|fake|mock|\*{3}|\.{3}|"
    rb"foobar|foo[-_]?bar|deadbeef|12345678|abcdef|^(?:user(?:name)?|login|admin|root|guest|none|null|undefined|true|false)$|"
    rb"^(?:my|some|the|test|a)?[-_]?(?:pass(?:w(?:or)?d|phrase)?|pwd|pw|secret|token|key|credentials?)[-_]?\d{0,3}$"
)
_BAD_NAME: Final = re.compile(
    rb"public|pubkey|secretsmanager|tokeni[sz]|tokens|tokenType|keyword|keyboard|keyframe|keystroke|keycode|monkey|turkey|hockey|author|"
    rb"authent|authorit|authoriz(?:er|ation_?(?:url|code_url))|passing|passed|compass|bypass|passive|passage|passthr|"
    rb"(?i:(?:next|page|paging|client|change|lock|request|update|copy|idempotency|continuation|pagination|starting|action|sync|cancel)[-_]?"
    rb"token)|"
    rb"(?:From|_from_)\w*[Tt]oken$|"  # what is read from a token is not the token
    rb"(?:primary|foreign|cache|sort|partition|natural|routing|group|dict|index|lookup|unique|idempotency|i18n|trans)[-_]?key|"
    rb"(?:[_-]|(?<=[a-z])(?=[A-Z]))(?:id|ids|url|uri|type|name|path|file|len|length|size|count|hash|sum|regex|pattern|prefix|suffix|"
    rb"class|cls|func|field|version|format|fingerprint|algorithm|alg|endpoint|ref|arn|label|digest|checksum|hint|help|text|signature|"
    rb"Signature|Id|Ids|Url|URL|Uri|Type|Name|Path|File|Hash|Class|Pattern|Regex|Fingerprint|Ref|Arn)$"
)
_STRONG: Final = re.compile(rb"pass(?!e|i|a)|pwd|secret|priv|api[-_]?key|apikey|access[-_]?key|auth[-_]?key|token|cred|sign|encrypt|master|"
                            rb"(?:^|[_.-])auth(?:orization)?$|(?:app|license|account|shared|admin|service|client|webhook|consumer|deploy|host|integration|"
                            rb"subscription|storage|function|write|rest|server|user)[-_]?key")  # fmt: skip
_PASSWORD: Final = re.compile(rb"pass|pwd|secret")
_COMMON: Final = re.compile(rb"(?:my|the|new|old|test|admin)?(?:pass(?:w(?:or)?d|phrase)?|secret|letmein|welcome|qwerty)")
_CAPITALISED: Final = re.compile(rb"[A-Z][a-z]{3,}")
_LEET: Final = bytes.maketrans(b"@01345$7", b"aoieasst")
_ACTS: Final = (b"get-", b"update-", b"delete-", b"describe-", b"revoke-", b"rotate-")
_UUID: Final = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_HEX: Final = re.compile(rb"(?:0x)?[0-9a-f]+|(?:0x)?[0-9A-F]+")
_NUMBERLIKE: Final = re.compile(rb"[+-]?[\d.,:/_xTZ+-]+")
_DOTTED: Final = re.compile(rb"[A-Za-z_]\w*(?:[.:/\\-]+\w+)+[()]*")
_INTEGRITY: Final = re.compile(rb"(?:sha(?:1|256|384|512)|md5)[-:=]")


def find(raw: bytes, *, strict: bool = True) -> list[Span]:
    """The secrets in UTF-8 text, in order, none overlapping."""
    found = [*_formats(raw), *_keys(raw), *_urls(raw, strict), *_headers(raw, strict)]
    found += _contexts(raw, strict)
    return merge(found)


def merge(spans: list[Span]) -> list[Span]:
    """Overlapping spans as one, under the kind of the most specific (formats before contexts, long before short)."""
    rank = {"secret": 2, "password": 1}
    out: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if out and span.start < out[-1].end:
            last = out[-1]
            kind = min((last, span), key=lambda s: (rank.get(s.kind, 0), s.start - s.end)).kind
            out[-1] = Span(last.start, max(last.end, span.end), kind)
        else:
            out.append(span)
    return out


def _formats(raw: bytes) -> Iterator[Span]:
    words = b"\n".join({word for word in raw.translate(WORDS).split() if len(word) >= LONG})
    if not words:
        return
    for kind, literal, tail in _TOKENS:
        if literal in words or (b":" in literal and literal in raw):
            for match in _token(literal, tail).finditer(raw):
                if _plausible(match.group()[len(literal) :]):
                    yield Span(*match.span(), kind)
    for kind, pattern in _BARE:
        for token in {match.group() for match in pattern.finditer(words)}:
            if _plausible(token):
                yield from (Span(match.start(), match.end(), kind) for match in re.finditer(re.escape(token), raw))


@cache
def _token(literal: bytes, tail: bytes) -> re.Pattern[bytes]:
    """The pattern of one format, compiled when its literal is met for the first time: there are 180 of them, and most texts hold none."""
    begin = re.escape(literal)
    return re.compile(begin + b"(?<![A-Za-z0-9_]" + begin + b")(?:" + tail + b")")


def _plausible(value: bytes) -> bool:
    """Not a documented placeholder: no EXAMPLE, no row of x, more than a handful of different characters."""
    return len(set(value)) > 5 and not re.search(rb"EXAMPLE|[xX]{5}|\.{3}|123456789|abcdefgh", value)


def _keys(raw: bytes) -> Iterator[Span]:
    if b"PRIVATE KEY" not in raw:
        return
    for begin in _BEGIN.finditer(raw):
        body = _BODY.match(raw, begin.end())
        stop = body.end() if body else begin.end()
        end = _END.search(raw, begin.end(), begin.end() + 20_000)
        if end and (stop >= end.start() - 8 or end.start() < stop):
            stop = end.end()
        block = raw[begin.end() : stop]
        if re.search(rb"[A-Za-z0-9+/]{40}", block) and not re.search(rb"(.)\1{30}|EXAMPLE", block):
            while not end and raw[stop - 1 : stop] in b" \t\r\n\"'`,;)#*>|.+-(" and stop > begin.end():
                stop -= 1
            yield Span(begin.start(), stop, "private-key")


def _urls(raw: bytes, strict: bool) -> Iterator[Span]:
    at = raw.find(b"://")
    while at >= 0:
        match = _USERINFO.match(raw, at)
        if match and _is_password(match["p"], strict, match["u"]):
            yield Span(*match.span("v"), "url-password")
        at = raw.find(b"://", at + 3)
    if b" -u" in raw or b"-user" in raw:
        for match in _USER_OPTION.finditer(raw):
            if _is_password(match["p"], strict):
                yield Span(*match.span("p"), "password")


def _headers(raw: bytes, strict: bool) -> Iterator[Span]:
    for word in (b"earer", b"EARER"):
        at = raw.find(word)
        while at > 0:
            match = _BEARER.match(raw, at - 1)
            if match and looks_random(match["v"]):
                yield Span(*match.span("v"), "bearer")
            at = raw.find(word, at + 5)
    for word in (b"asic ", b"ASIC "):
        at = raw.find(word)
        while at > 0:
            match = _BASIC.match(raw, at - 1)
            if match and _is_userpass(match["v"], strict):
                yield Span(*match.span("v"), "basic-auth")
            at = raw.find(word, at + 5)


def _is_userpass(value: bytes, strict: bool) -> bool:
    user, colon, word = _spoken(value).partition(b":")
    return bool(colon) and len(word) > 2 and _is_password(word.lstrip(b"$%:"), strict, user)


def _spoken(value: bytes) -> bytes:
    """The printable ASCII text that a value says in base64, or nothing."""
    try:
        text = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return b""
    return text if text.isascii() and text.decode().isprintable() else b""


def _contexts(raw: bytes, strict: bool) -> Iterator[Span]:
    lower = raw.lower()
    for mention in MENTIONS:
        at = lower.find(mention)
        while at >= 0:
            match = _CONTEXT.match(raw, at + len(mention))
            if match:
                start = at - len(_name_before(raw, at))
                inside = raw[start - 1 : start] == b":" if start else False  # urn:...:secret:name
                name = raw[start : match.end("rest")]
                group = next(g for g in "dsbv" if match[g])
                value = match[group] if group != "v" else match["v"].rstrip(b".,:;!?&")
                shown = not value or inside or not _is_secret(name, value, strict, group != "v", bool(match["space"]))
                if not shown and not _is_class(value) and not _names_it(raw[max(0, start - 60) : start], name):
                    kind = "password" if re.search(rb"(?i)pass|pwd", name) else "secret"
                    yield Span(match.start(group), match.start(group) + len(value), kind)
            at = lower.find(mention, at + len(mention))


def _is_class(value: bytes) -> bool:
    """`Sam3LiteTextRepMixer`: the name of a class, three words of which or more make up half of it."""
    words: list[bytes] = _CAPITALISED.findall(value) if value[:1].isupper() and value.replace(b"_", b"").isalnum() else []
    return len(words) >= 3 and 2 * len(b"".join(words)) >= len(value)


def _names_it(before: bytes, name: bytes) -> bool:
    """`delete-api-key --api-key ID`: a command that acts on a key is told which one, not the key."""
    return name.startswith(b"--") and before.endswith(tuple(verb + name[2:] + b" " for verb in _ACTS))


def _name_before(raw: bytes, at: int) -> bytes:
    found = _NAME.search(raw[max(0, at - 40) : at])
    return found.group() if found else b""


def _is_secret(name: bytes, value: bytes, strict: bool, quoted: bool, spaced: bool) -> bool:
    lowered = name.lower()
    if _BAD_NAME.search(name) or _INTEGRITY.match(value) or not _STRONG.search(lowered):
        return False
    if strict and spaced and lowered == b"pass":  # a verb
        return False
    if looks_random(value):
        long_enough = len(value) >= (8 if re.search(rb"pass|pwd", lowered) else 14)
        return long_enough and not _is_numbered(lowered, value) and not (strict and _is_made_up(value))
    if strict or not _PASSWORD.search(lowered) or (spaced and not name.startswith(b"-")):
        return False
    return _is_weak_password(value, quoted)


def _is_weak_password(value: bytes, quoted: bool) -> bool:
    """A password that a person made up, where its name says that it is one."""
    if _PLACEHOLDER.search(value) or value.startswith((b"$", b"--", b"/", b"./", b"@")) or b"://" in value:
        return False
    if b"." in value and _DOTTED.fullmatch(value):
        return False
    return bool(quoted or re.search(rb"\d", value)) and not re.fullmatch(rb"[\d.]+", value)


def _is_numbered(name: bytes, value: bytes) -> bool:
    """`ImportToken: import-token-5ott6`: an id that repeats what it is called, not what it opens."""
    head, _, rest = value.lower().rpartition(b"-")
    plain = re.sub(rb"[^a-z]", b"", head)
    return len(plain) >= 8 and bool(rest) and re.sub(rb"[^a-z]", b"", name).startswith(plain)


def _is_made_up(value: bytes) -> bool:
    """A value for show: `P@55w0rd!`, `A1b2c3d4`, or readable words in base64.

    >>> [_is_made_up(v) for v in (b"P@55w0rd!", b"Pass@Word1", b"A1b2c3d4", b"TXlWZXJpZmllclN0cmluZw", b"q7Rk2ZxV9pLm")]
    [True, True, True, True, False]
    """
    if any(_COMMON.fullmatch(re.sub(rb"[^a-z]", b"", text)) for text in (value.lower(), value.lower().translate(_LEET))):
        return True
    said = _spoken(value)
    return _counts_up(value.lower()) or (len(said) >= 8 and not looks_random(said))


def _counts_up(value: bytes) -> bool:
    """Whether at least 4 letters and 4 digits, or 8 digits, are each the next of the one before: a1b2c3d4, 0 after 9, a after f."""
    letters, digits = re.sub(rb"[^a-z]", b"", value), re.sub(rb"[^0-9]", b"", value)
    up = sum((b - a) % 10 == 1 for a, b in pairwise(digits)) >= 0.9 * (len(digits) - 1)
    on = all(b - a == 1 for a, b in pairwise(letters))
    return up and (len(digits) >= 8 or (len(digits) >= 4 and len(letters) >= 4 and on))


def _is_password(value: bytes, strict: bool, user: bytes = b"") -> bool:
    """In a place where only a password stands. user: whose it is."""
    if _PLACEHOLDER.search(value.replace(b"%20", b"-")) or value.startswith((b"$", b"%", b":")) or value.isdigit():
        return False
    if strict and (_is_made_up(value) or (len(user) > 2 and value.rstrip(b"0123456789") == user)):
        return False
    return (
        looks_random(value) or not strict or bool(len(value) >= 8 and re.search(rb"\d", value) and re.search(rb"[A-Za-z]", value))
    )


def looks_random(value: bytes) -> bool:
    """Whether a value of 8 characters or more looks like drawn by lot: many different characters, of kinds that alternate.

    >>> [looks_random(v) for v in (b"q7Rk2ZxV9pLm", b"my-access-token-2", b"2026-05-01T10:00:00", b"e3b0c44298fc1c149afbf4c8996fb924")]
    [True, False, False, True]
    """
    if len(value) < 8 or _PLACEHOLDER.search(value) or _NUMBERLIKE.fullmatch(value):
        return False
    if _UUID.fullmatch(value):
        return True
    if entropy(value) < (2.75 if len(value) < 12 else 3.0):
        return False
    if not re.search(rb"[A-Za-z]", value) or b"://" in value:
        return False
    if _HEX.fullmatch(value):
        return len(value) >= 24
    if re.search(rb"[()\[\],;|\\]|\*$", value) and (len(value) < 24 or entropy(value) < 4):
        return False
    changes, has_digit = alternation(value), re.search(rb"\d", value) is not None
    if not has_digit and len(value) < 24:
        return False
    return changes >= (0.25 if has_digit else 0.35)


def entropy(value: bytes) -> float:
    """Shannon entropy in bits a character (0 to 8) of the value's own characters; C. E. Shannon, 1948."""
    n = len(value)
    return -sum(k / n * log2(k / n) for k in Counter(value).values())


def alternation(value: bytes) -> float:
    """Share (0 to 1) of neighbouring characters that are of different kinds: lower case, upper case, digit, other. A capital
    before a small letter, as in camelCase, and a separator between two words do not count.

    >>> round(alternation(b"camelCaseName"), 2), round(alternation(b"a1B2c3D4"), 2)
    (0.17, 1.0)
    """
    kinds = value.translate(KINDS).decode()
    changes = sum(a != b and (a, b) != ("u", "l") and "s" not in (a, b) for a, b in pairwise(kinds))
    joined = kinds.replace("s", "")
    capitals = sum(1 for k in range(len(joined) - 2) if joined[k : k + 3] == "uul")  # uul: a capital that begins no word
    return (changes + capitals) / max(1, len(value) - 1)
