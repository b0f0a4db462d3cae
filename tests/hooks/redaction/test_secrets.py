"""Planted secrets go, look-alikes stay, what parsed parses, and once is enough."""

from __future__ import annotations

import ast
import base64
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_hone.hooks.redaction import redact

LEVELS = pytest.mark.parametrize("strict", [False, True], ids=["prose", "code"])
HALVES = pytest.mark.parametrize("half", ["tune", "grade"])


@LEVELS
@HALVES
def test_planted_secrets_are_removed(corpus: ModuleType, half: str, strict: bool) -> None:
    """At least 40 kinds in 3 contexts each, 5 draws of each: 98 in 100 go."""
    planted = list(corpus.secrets(half, 5))
    assert len({p.kind for p in planted}) >= 40
    assert len({p.context for p in planted}) == 3
    missed = [(p.kind, p.context) for p in planted if p.needle in redact(p.text, strict=strict)]
    assert len(missed) <= 0.02 * len(planted), missed


@LEVELS
@HALVES
def test_look_alikes_are_left_alone(corpus: ModuleType, half: str, strict: bool) -> None:
    alike = list(corpus.look_alikes(half, 5))
    assert len({p.kind for p in alike}) >= 40
    assert [(p.kind, p.text) for p in alike if redact(p.text, strict=strict) != p.text] == []


def test_what_stands_around_a_secret_stays(corpus: ModuleType) -> None:
    """Only one run of characters is replaced, and it is not much longer than the secret."""
    for p in corpus.secrets("tune"):
        after = redact(p.text)
        head, mark, tail = after.partition("[redacted:")
        if not mark:
            continue
        rest = tail.split("]", 1)[1]
        assert p.text.startswith(head), p.kind
        assert p.text.endswith(rest), p.kind


@LEVELS
def test_twice_is_once(corpus: ModuleType, strict: bool) -> None:
    for p in corpus.secrets("tune"):
        once = redact(p.text, strict=strict)
        assert redact(once, strict=strict) == once


@given(st.text(alphabet=st.sampled_from("abcKEYtoken_pass =:\"'-./@0123456789[]\n\u00e9\ud800AKIAeyJ"), max_size=200))
def test_any_text_is_taken(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


def test_python_with_secrets_still_parses(corpus: ModuleType) -> None:
    n = 0
    for p in corpus.secrets("tune", 2):
        if p.context == "python":
            ast.parse(redact(p.text, strict=True))
            n += 1
    assert n >= 80


@pytest.mark.parametrize(
    "text",
    [
        "log in with password: correct-horse7",
        "mysql -u root --password=Sunflower29 app",
        'PASSWORD = "sunflower!"',
        "curl -u svc:Sunflower29 https://example.org",
    ],
)
def test_a_weak_password_goes_from_prose_where_its_name_says_what_it_is(text: str) -> None:
    assert "[redacted:" in redact(text)
    assert "unflower" not in redact(text)
    assert "correct-horse" not in redact(text)


def test_a_secret_in_a_large_text_is_found(corpus: ModuleType) -> None:
    filler = "def reader(line: str) -> str:\n    return line.strip()\n" * 4000
    token = "ghp_" + "aB3xY9" * 6
    assert redact(filler + f'x = "{token}"\n' + filler) == filler + 'x = "[redacted:github-token]"\n' + filler


@pytest.mark.parametrize(
    "text",
    [
        'credentials = {"username": "admin", "password": "P@55w0rd!"}',
        "aws create-user --password Pass@Word1",
        "modify --master-user-password A1b2c3d4",
        'AppServerPrivateKey="a123b45c6d78e9f012a34cd5e6a7890b12c3d45e6f78a1b2"',
        "PasswordVerifier=" + base64.b64encode(b"MyVerifierString").decode(),
        "uri = 'postgresql://admin:admin123@localhost'",
        "url = 'https://jo%40email.com:a%20secret@example.org'",
        ".set('Authorization', 'Basic " + base64.b64encode(b"tobi:ferret").decode() + "')",
        "(pass `asn1Spec2b` to guide the decoder)",
    ],
)
def test_a_value_for_show_stays_in_code(text: str) -> None:
    assert redact(text, strict=True) == text


def test_what_hides_in_a_value_for_show_goes_all_the_same() -> None:
    """The rules for values for show are narrow: what is drawn by lot inside base64, or beside a counting part, is a secret."""
    drawn = base64.b64encode(b"q7Rk2ZxV9pLmT4w").decode()
    for text in (f"password: {drawn}", f"curl -H 'Authorization: Basic {base64.b64encode(b'svc:q7Rk2ZxV9pLm').decode()}'",
                 'token = "a1b2c3d4q7Rk2ZxV9pLmT4w"', "DB_PASSWORD=Passw0rdq7Rk2ZxV9pLm"):  # fmt: skip
        assert "[redacted:" in redact(text, strict=True), text
