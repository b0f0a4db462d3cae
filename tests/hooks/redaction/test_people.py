"""Known people go, words stay."""

from __future__ import annotations

import ast
import json
import os
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from git_hone.hooks.place import find
from git_hone.hooks.redaction import Identity, Redactor, gazetteer

US = Redactor(
    [
        Identity("name", "Marisela Quintanilla-Ott"),
        Identity("email", "mquinta@corp.test"),
        Identity("user", "mquinta"),
        Identity("host", "fenwick-t14.corp.test"),
        Identity("home", "/home/mquinta"),
        Identity("name", "J\u00f6rg \u0141ukasik"),
        Identity("email", "12345+jlukasik@users.noreply.github.com"),
        Identity("name", "Will"),
        Identity("user", "test"),
        Identity("name", "Grace Young"),
    ]
)
PLANTED = {
    "full name": "written with Marisela Quintanilla-Ott last week",
    "over two lines": "# (c) Marisela\n# Quintanilla-Ott",
    "turned round": "Quintanilla-Ott, Marisela",
    "first name": "ask marisela, she knows",
    "family name": "QUINTANILLA-OTT owns it",
    "joined": "branch marisela.quintanilla-ott/fix",
    "e-mail": "mail MQuinta@corp.test now",
    "user": "chown mquinta:staff /srv",
    "home": "open /home/mquinta/src/app.py",
    "host": "ssh fenwick-t14 uptime; ping fenwick-t14.corp.test",
    "not ASCII": "as J\u00f6rg \u0141ukasik said, \u201cJ\u00f6rg\u201d",
    "handle": "@jlukasik approved",
    "common, meant": "TODO(will): and Signed-off-by: Grace Young <gy@corp.test>; written by Will, in /home/test/x",
}
NEEDLES = (
    "arisela",
    "uintanilla",
    "UINTANILLA",
    "mquinta",
    "MQuinta",
    "fenwick",
    "J\u00f6rg",
    "ukasik",
    "will",
    "Will",
    "Young",
    "/test/",
)


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED)
def test_every_planted_identity_goes(text: str) -> None:
    for done in (US.prose(text), US.code(text)):
        assert [needle for needle in NEEDLES if needle in done] == []
        assert US.code(done) == done


def test_words_that_are_also_names_stay() -> None:
    text = (
        "Will this test pass? will = test(build); def test_grace(young): ...\n"
        "class Will(Test): young = Grace.test  # the test will wait\n"
        "@test\ndef quintanilla_ott_x(): return marisela2\n"
    )
    assert US.code(text) == text


def test_a_name_of_common_words_goes_from_prose_only() -> None:
    assert US.prose("tell Grace Young") == "tell [redacted:person]"
    assert US.code("Grace Young") == "Grace Young"


def test_anybodys_address_goes_from_prose_and_stays_in_code() -> None:
    text = "bob@other.test wrote /home/bob/x and git@github.com:a/b"
    assert US.prose(text) == "[redacted:email] wrote /home/[redacted:home]/x and git@github.com:a/b"
    assert US.code(text) == text


def test_python_still_parses_where_a_name_is_an_identifier() -> None:
    text = "def run(mquinta, x='mquinta'):\n    mquinta.go()  # mquinta\n"
    done = US.code(text, "app.py")
    ast.parse(done)
    assert "mquinta" not in done
    assert done.splitlines()[0] == "def run(redacted_person, x='[redacted:person]'):"


def test_no_line_of_the_standard_library_is_altered() -> None:
    """A sixth of it here; `bench.redaction` takes all of it, and more."""
    altered, n = [], 0
    for file in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::2]:
        text = file.read_text("utf-8", "replace")
        n += len(text)
        if US.code(text, file.name) != text:
            altered.append(file.name)
    assert n > 1_000_000
    assert altered == []


def test_git_says_who_is_known(repo: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    here = repo()
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Odalys Brevik")
    here.write("a", "1")
    author = {"GIT_AUTHOR_NAME": "Tiberiu Vask", "GIT_AUTHOR_EMAIL": "tvask@corp.test"}
    here.git("add", "-A")
    here.git("commit", "-q", "-m", "a", **author)
    here.git("commit", "-q", "--allow-empty", "-m", "b", GIT_AUTHOR_NAME="Claude", GIT_AUTHOR_EMAIL="noreply@anthropic.com")
    place = find(here.path)
    place.hone.mkdir()
    known = gazetteer.identities(place)
    for identity in (
        Identity("name", "Dev"),
        Identity("email", "dev@example.com"),
        Identity("name", "Tiberiu Vask"),
        Identity("email", "tvask@corp.test"),
        Identity("name", "Odalys Brevik"),
        Identity("home", os.environ["HOME"]),
    ):
        assert identity in known
    assert Identity("name", "Claude") not in known
    assert (place.hone / gazetteer.FILE).stat().st_mode & 0o077 == 0
    cached = json.loads((place.hone / gazetteer.FILE).read_text())
    here.git("commit", "-q", "--allow-empty", "-m", "c", GIT_AUTHOR_NAME="Ilmari Sand", GIT_AUTHOR_EMAIL="isand@corp.test")
    assert Identity("name", "Ilmari Sand") in gazetteer.identities(place)
    assert json.loads((place.hone / gazetteer.FILE).read_text())["tips"] != cached["tips"]
