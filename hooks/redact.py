"""Secrets and identities out of a text, before its first write. Linear, idempotent, and keeps the text's shape.

What is found is replaced by `[redacted:KIND]`. Kinds: token formats of well-known services, private key blocks, JSON web
tokens, passwords in URLs and assignments, e-mail addresses, and home folders.
"""

from __future__ import annotations

import re
from typing import Final

_KINDS: Final[tuple[tuple[str, str], ...]] = (
    ("private-key", r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    ("aws-key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b"),
    ("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
    ("gitlab-token", r"\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas)-[A-Za-z0-9_-]{20,}"),
    ("anthropic-key", r"\bsk-ant-[A-Za-z0-9_-]{16,}"),
    ("openai-key", r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"),
    ("google-key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("slack-token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|https://hooks\.slack\.com/services/[A-Za-z0-9/]{20,}"),
    ("stripe-key", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9]{24,}"),
    ("npm-token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("pypi-token", r"\bpypi-[A-Za-z0-9_-]{32,}"),
    ("hf-token", r"\bhf_[A-Za-z0-9]{30,}\b"),
    ("sendgrid-key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("twilio-key", r"\b(?:SK|AC)[0-9a-f]{32}\b"),
    ("telegram-token", r"\b\d{8,10}:AA[A-Za-z0-9_-]{32,35}\b"),
    ("azure-key", r"(?<=AccountKey=)[A-Za-z0-9+/=]{40,}"),
    ("url-password", r"(?<=://)[^\s/:@\"']{1,64}:[^\s/@\"']{1,128}(?=@)"),
    ("bearer", r"(?i:(?<=authorization: bearer )|(?<=bearer ))[A-Za-z0-9._~+/-]{20,}=*"),
    (
        "password",
        r"(?i:\b(?:[a-z0-9]+[_-])*(?:password|passwd|pwd|secret|api[_-]?key|apikey|access[_-]?key|auth[_-]?token|token|"
        r"client[_-]?secret|private[_-]?key)[\"']?\s*(?:=|:|=>)\s*)(?:\"[^\"\s]{6,}\"|'[^'\s]{6,}'|(?=[^\s\"'()]*\d)[^\s\"'(){}\[\],;<>$]{8,})",
    ),
    ("email", r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}\b"),
    ("home", r"(?:(?<=/home/)|(?<=/Users/)|(?<=\\Users\\))[A-Za-z0-9._-]+"),
)
_ALL: Final = re.compile("|".join(f"(?P<k{k}>{pattern})" for k, (_, pattern) in enumerate(_KINDS)))
_NAMES: Final = {f"k{k}": name for k, (name, _) in enumerate(_KINDS)}
_KEEP: Final = re.compile(r"(?i)^(?:.*?(?:=>|=|:)\s*[\"']?)")


def redact(text: str) -> str:
    """`text` without secrets, e-mail addresses and home folders.

    >>> redact("export GITHUB_TOKEN=ghp_" + "a" * 36)
    'export GITHUB_TOKEN=[redacted:github-token]'
    >>> redact("git clone https://me:hunter22@example.com/x")
    'git clone https://[redacted:url-password]@example.com/x'
    >>> redact(redact("password = 'correct-horse'"))
    "password = '[redacted:password]'"
    """
    return _ALL.sub(_replace, text)


def _replace(match: re.Match[str]) -> str:
    kind, found = _NAMES[match.lastgroup or "k0"], match.group()
    if "[redacted:" in found:
        return found
    if kind != "password":
        return f"[redacted:{kind}]"
    head = _KEEP.match(found)
    start = head.group() if head else ""
    value = found[len(start) :]
    for other in _ALL.finditer(value):  # a token with a format of its own keeps its own name
        if other.lastgroup and _NAMES[other.lastgroup] != "password":
            return start + redact(value)
    return f"{start}[redacted:password]{found[-1] if found[-1] in chr(34) + chr(39) else ''}"
