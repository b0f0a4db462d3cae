"""Every kind of damage that `git hone doctor` knows, and what it says of one that it found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Literal, NamedTuple

Severity = Literal["error", "warning", "note"]


class Kind(NamedTuple):
    """One kind of damage. `severity`: an error loses or withholds records until it is mended; a warning does not; a note is no
    problem. `means`: what it means for the records. `mends`: what `--repair` does; "" where only a person can."""

    check: str
    severity: Severity
    means: str
    mends: str = ""


KINDS: Final[dict[str, Kind]] = {
    "not-installed": Kind("installation", "error", "nothing is recorded in this repository"),
    "ledger-damaged": Kind("installation", "warning", "`uninstall` no longer knows each byte that stood there before",
                           "sets the file aside and writes a new one; hooks and settings are recognised by their text"),
    "ledger-newer": Kind("installation", "error", "a newer git-hone installed here; this one must not change what it wrote"),
    "disk-full": Kind("installation", "error", "events and records may not be written; commits succeed all the same"),
    "hone-unwritable": Kind("installation", "error", "the drain cannot write: events wait", "gives the owner the right to write"),
    "script-missing": Kind("scripts", "error", "hooks and agents file no events", "writes it anew"),
    "script-outdated": Kind("scripts", "warning", "events are filed as another version of git-hone did",
                            "sets the old one aside and writes this version's"),
    "python-gone": Kind("scripts", "warning", "no worker starts after a commit; events wait for the next command",
                        "writes the scripts with the Python that runs this"),
    "agent-incomplete": Kind("agents", "error", "some of the agent's edits are not seen, and count as unknown",
                             "adds the missing hooks to the settings"),
    "agent-settings": Kind("agents", "error", "whether the agent's edits are seen is not known"),
    "inbox-missing": Kind("inbox", "error", "no event can be filed; the history alone is seen", "makes it"),
    "inbox-blocked": Kind("inbox", "error", "no event can be filed; the history alone is seen",
                          "sets what is in the way aside and makes the folder"),
    "inbox-unwritable": Kind("inbox", "error", "no event can be filed; the history alone is seen", "gives the owner the right to write"),
    "event-torn": Kind("inbox", "warning", "its writer was killed; what it was about is in the history, or unknown",
                       "moves it to `.git/hone/unreadable/`"),
    "events-waiting": Kind("inbox", "warning", "recorded by the next command, but nothing works on them now", "drains them"),
    "events-unreadable": Kind("inbox", "note", "kept with the reason beside each; what they were about is in the history, or unknown"),
    "worker-stale": Kind("worker", "error", "hooks believe that a worker runs, and start none", "removes the pid file"),
    "worker-failed": Kind("worker", "error", "events wait; nothing is lost", "drains, and sets the log aside when that works"),
    "drain-failed": Kind("worker", "warning", "the last drain worked with defaults in place of what it could not read"),
    "snapshot-lock": Kind("worker", "warning", "each shell command of an agent copies the index for its snapshot, which is slow",
                          "moves the lock that a killed process left to `.git/hone/set-aside/`"),
    "state-damaged": Kind("state", "error", "where lines came from is not known until it is rebuilt",
                          "sets it aside; the next drain reads record and history again"),
    "state-version": Kind("state", "note", "the next drain sets it aside and begins a new one from record and history"),
    "state-locked": Kind("state", "warning", "another process holds it; events wait"),
    "agent-folder": Kind(".agent", "warning", "defaults are used; or records would be offered to `git add`", "makes what is missing"),
    "agent-folder-link": Kind(".agent", "error", "records would be written outside the repository; nothing is written"),
    "data-not-ignored": Kind(".agent", "warning", "`git add` would commit the local records", "adds the missing lines to `.agent/.gitignore`"),
    "hook-missing": Kind("git hooks", "error", "commits are found later from the history alone, less surely", "puts it back"),
    "hook-outdated": Kind("git hooks", "warning", "events are filed as another version of git-hone did",
                          "sets the old one aside and puts this version's in its place"),
    "hook-not-executable": Kind("git hooks", "error", "git does not run it; commits are found later, less surely", "gives it the right"),
    "hook-taken-over": Kind("git hooks", "error", "another tool replaced it; commits are found later, less surely",
                            "puts it back in front; the other hook is kept and still runs"),
    "hook-no-line": Kind("git hooks", "error", "another hook manager owns it; commits are found later, less surely"),
    "notes-config": Kind("git hooks", "warning", "merging notes of two clones could conflict", "sets it again"),
    "config-wrong": Kind("configuration", "warning", "the defaults stand in for what cannot be read"),
    "notes-damaged": Kind("notes", "error", "notes cannot be read or written, and so the drain cannot end; records are kept",
                          "saves the notes that can be read, and writes them and the recorded ones to a new ref"),
    "segment-damaged": Kind("store", "error", "its rows are missing from every answer; all other data is read",
                            "moves it to `.agent/quarantine/` with the reason"),
    "segment-newer": Kind("store", "warning", "its rows are missing from this version's answers; it stays as it is"),
    "store-unreadable": Kind("store", "error", "nothing can be answered from the records; they are kept"),
    "not-checked": Kind("any", "error", "the check itself failed, so this part is unknown"),
}  # fmt: skip
"""Every kind of damage by name; docs/reference/doctor.md is written from it."""


@dataclass(frozen=True)
class Finding:
    """One thing found. `ok`: no problem (any more); `kind`: its name in KINDS, None where all is fine; `repaired`: it was a problem
    until now; `words`: what and where; `next`: the next step, "" where none is needed."""

    check: str
    ok: bool
    words: str
    next: str = ""
    repaired: bool = False
    kind: str | None = None
    severity: Severity | None = None
    means: str = ""


def problem(kind: str, words: str, next_step: str = "") -> Finding:
    """A damage that stands; what `--repair` mends has that as its next step."""
    known = KINDS[kind]
    step = next_step or ("git hone doctor --repair" if known.mends else "")
    return Finding(known.check, known.severity == "note", words, step, False, kind, known.severity, known.means)


def mended(kind: str, words: str) -> Finding:
    """A damage that was repaired just now."""
    known = KINDS[kind]
    return Finding(known.check, True, words, "", True, kind, known.severity, known.means)


def as_dict(found: list[Finding]) -> dict[str, object]:
    """What `git hone doctor --json` prints; its fields are described in docs/reference/doctor.md."""
    return {"version": 1, "ok": all(finding.ok for finding in found), "checks": [asdict(finding) for finding in found]}
