"""A suite on disk: the same bytes for the same suite, and every damage refused with the file's name."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.suite import storing
from git_hone.learner.errors import DataError, UsageError
from git_hone.learner.suite.tasks import Environment, File, Manifest, Origin, Task

DATA = {hashlib.sha256(data).hexdigest(): data for data in (b"def f(): pass\n", b"\x00\xff", b"a.py", b"../../etc/passwd")}
CODE, BINARY, INSIDE, OUTSIDE = DATA


def suite_of(files: dict[str, File]) -> Manifest:
    environment = Environment("3.11", ("pytest",), (), (".",), None, "", {}, "declared")
    task = Task("mined-1", "mined", "Do it", ("a.py",), files, {}, {"a.py": None}, ("{python}",), ("t::a",), (), 0, 10.0, 1.0,
                environment, Origin("0" * 40, "2026-01-01T00:00:00Z"))  # fmt: skip
    return Manifest("repository", (task,))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "suite" / "repository"
    storing.save(folder, suite_of({"a.py": File(CODE), "b.bin": File(BINARY), "l": File(INSIDE, "link")}), DATA.__getitem__)
    return folder


def test_it_comes_back_and_twice_is_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    suite = storing.load(saved)
    assert suite.content(BINARY) == b"\x00\xff"
    assert suite.task("mined-1").files["l"].kind == "link"
    with pytest.raises(UsageError, match="no task other"):
        suite.task("other")
    again = tmp_path / "again"
    storing.save(again, suite.manifest, suite.content)
    assert [(saved / name).read_bytes() for name in sorted(path.name for path in saved.iterdir())] == [
        (again / name).read_bytes() for name in sorted(path.name for path in again.iterdir())
    ]


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, to: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


HOSTILE: dict[str, tuple[bytes, str]] = {
    "a link out of its folder": (packed((member(CODE, tarfile.SYMTYPE, "/etc/passwd"), b"")), "is a link: refused"),
    "a hard link": (packed((member(CODE, tarfile.LNKTYPE, "../../x"), b"")), "is a link: refused"),
    "a device": (packed((member(CODE, tarfile.CHRTYPE), b"")), "no plain file"),
    "a name that leaves": (packed((member("../../x"), b"x")), "no plain file named by its hash"),
    "another content": (packed((member(CODE), b"other")), "is not what its hash says"),
    "nothing": (packed(), "is missing"),
    "no archive": (b"hello", "cut off or damaged"),
    "a damaged end": (packed((member(CODE), DATA[CODE]))[:40], "cut off or damaged|is missing"),
    "a gzip of nothing": (gzip.compress(b""), "cut off or damaged|is missing"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_or_damaged_archive_is_refused(saved: Path, tmp_path: Path, what: str) -> None:
    data, words = HOSTILE[what]
    (saved / storing.CONTENTS).write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=words) as raised:
        storing.load(saved)
    assert "contents.tar.gz" in str(raised.value) and raised.value.tip
    assert sorted(tmp_path.rglob("*")) == before


def test_an_archive_that_swells_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "MAX_CONTENTS", 10)
    with pytest.raises(DataError, match="when unpacked"):
        storing.load(saved)


def test_a_link_that_leads_out_is_refused_on_loading(tmp_path: Path) -> None:
    storing.save(tmp_path, suite_of({"a.py": File(CODE), "l": File(OUTSIDE, "link")}), DATA.__getitem__)
    with pytest.raises(DataError, match="'l' is a link that leads out of the arena"):
        storing.load(tmp_path)


@pytest.mark.parametrize("name", [storing.MANIFEST, storing.CONTENTS])
def test_a_missing_or_cut_file_is_named(saved: Path, name: str) -> None:
    data = (saved / name).read_bytes()
    for cut in (0, 1, len(data) // 2):
        (saved / name).write_bytes(data[:cut])
        with pytest.raises(DataError, match=re.escape(name)):
            storing.load(saved)
    (saved / name).unlink()
    with pytest.raises((DataError, UsageError), match=r"no suite there|missing"):
        storing.load(saved)


def test_what_stood_there_is_whole_when_the_disk_says_no(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    real = Path.write_bytes

    def full(self: Path, data: Any) -> int:
        real(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="No space left"):
        storing.save(saved, suite_of({"a.py": File(BINARY)}), DATA.__getitem__)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
