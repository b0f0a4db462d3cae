"""What commits claim of themselves, case by case."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from git_hone.hooks.history import agent_trace, gitai_notes
from git_hone.hooks.history.claims import claims, is_bot, trailers

PEOPLE = ("Ann", "ann@example.org", "ann@example.org")
CASES = [
    (b"Co-Authored-By: Claude <noreply@anthropic.com>", "claude-code", None),
    (b"Co-authored-by: Claude Opus 4.6 (1M context) <noreply@anthropic.com>", "claude-code", "Claude Opus 4.6"),
    (b"Co-authored-by: aider (openai/gpt-4o) <aider@aider.chat>", "aider", "openai/gpt-4o"),
    (b"Co-authored-by: Cursor <cursoragent@cursor.com>", "cursor", None),
    (b"Co-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>", "copilot", None),
    (b"Co-authored-by: Devin AI <158243242+devin-ai-integration[bot]@users.noreply.github.com>", "devin", None),
    (b"Co-authored-by: Codex <noreply@openai.com>", "codex", None),
    (b"Assisted-by: Claude:claude-opus-4 [coccinelle]", "claude-code", "claude-opus-4"),
    (b"Generated-by: Homemade Tool", "homemade-tool", None),
    (b"Claude-Session: 0b8f", "claude-code", None),
    (b"Codex-Session: x\nModel: gpt-5", "codex", "gpt-5"),
    (b"Cursor-Session: x", "cursor", None),
    (b"Agent-Session: x", "unnamed", None),
    (b"AI-Assisted: true", "unnamed", None),
    (b"Ai-assisted: true\nModel: m-1", "unnamed", "m-1"),
    (b"Entire-Checkpoint: 12ab", "unnamed", None),
    (b"Agentnote-Session: 12ab", "unnamed", None),
    (b"Gitvow-Session: 12ab", "unnamed", None),
    (b"Signed-off-by: Ann <ann@example.org>\nnot a trailer\nClaude-Session:\n  folded", "claude-code", None),
]


@pytest.mark.parametrize(("block", "agent", "model"), CASES)
def test_a_trailer_names_its_agent(block: bytes, agent: str, model: str | None) -> None:
    found = claims(b"Subject\n\nBody.\n\n" + block + b"\n", *PEOPLE)
    assert [(claim.agent, claim.model, claim.kind) for claim in found] == [(agent, model, "trailer")]


@pytest.mark.parametrize(
    "message",
    [
        b"Subject\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n\nMore body.\n",
        b"Co-Authored-By: Claude <noreply@anthropic.com>\n",
        b"Subject\n\nI told it\nClaude-Session: was mentioned here\nand here, and more\n",
        b"Subject\n\nAI-Assisted: false\n",
        b"Subject\n\nCo-authored-by: Claude Monet <monet@example.org>\n",
        b"Subject\n\nAssisted-by: none\n",
        b"",
        b"\n \n",
        b"\xff\xfe\n\n\xff: \xfe\n",
    ],
)
def test_what_is_not_a_trailer_claims_nothing(message: bytes) -> None:
    assert claims(message, *PEOPLE) == []


def test_identities_and_subjects_are_found() -> None:
    assert claims(b"x", "Cursor Agent", "cursoragent@cursor.com", "noreply@github.com")[0].agent == "cursor"
    assert (
        claims(b"x", "copilot-swe-agent[bot]", "198982749+Copilot@users.noreply.github.com", "noreply@github.com")[0].agent
        == "copilot"
    )
    assert claims(b"x", "Ann (aider)", "ann@example.org", "ann@example.org")[0].agent == "aider"
    assert [(claim.agent, claim.strength) for claim in claims(b"aider: Add a thing", *PEOPLE)] == [("aider", 2)]
    body = "Add\n\n🤖 Generated with [Claude Code](https://claude.ai/code)\n".encode()
    assert [(claim.agent, claim.strength) for claim in claims(body, *PEOPLE)] == [("claude-code", 1)]


def test_bots_are_not_agents() -> None:
    for name in ("dependabot[bot]", "renovate[bot]", "github-actions[bot]", "pre-commit-ci[bot]"):
        email = f"1+{name}@users.noreply.github.com"
        assert is_bot(name, email) and claims(b"Bump x", name, email, "noreply@github.com") == []
    assert not is_bot("devin-ai-integration[bot]", "1+devin-ai-integration[bot]@users.noreply.github.com")


def test_an_enormous_message_is_read_at_its_end() -> None:
    message = b"Subject\n\n" + b"word word\n" * 500_000 + b"\nClaude-Session: x\n"
    assert [claim.agent for claim in claims(message, *PEOPLE)] == ["claude-code"]


@pytest.mark.parametrize(
    "message",
    [
        "Subject\n\nA: 1\nB: 2\n",
        "Subject\n\ntext\nA: 1\n",
        "Subject\n\ntext\nSigned-off-by: A <a@b.c>\nC: 1\n",
        "Subject\n\na\nb\nc\nd\ne\nf\ng\nSigned-off-by: A <a@b.c>\n",
        "Subject\n\nA: one\n two\n\n",
        "A: 1\n",
        "Subject\n\nA : 1\n",
    ],
)
def test_the_trailer_block_is_that_of_git(message: str) -> None:
    done = subprocess.run(["git", "interpret-trailers", "--parse"], input=message, capture_output=True, text=True, check=True)
    expected = [tuple(part.strip() for part in line.split(":", 1)) for line in done.stdout.splitlines()]
    assert trailers(message.encode()) == expected


NOTE = """pkg/io.py
  s_1f2e3d4c5b6a79::t_00112233445566 1-12,20
  h_8a7b6c5d4e3f21 13-15
"pkg/with space.py"
  0123456789abcdef 1-40
  abcdef0 41
  z_unknown 50-60
---
"""
DATA: dict[str, Any] = {
    "schema_version": "authorship/3.0.0",
    "prompts": {"0123456789abcdef": {"agent_id": {"tool": "cursor", "model": "m-2"}}},
    "sessions": {"s_1f2e3d4c5b6a79": {"agent_id": {"tool": "claude", "id": "x", "model": "m-1"}}},
}


def test_a_git_ai_note_gives_lines_by_all_three_kinds_of_key() -> None:
    note = gitai_notes.parse((NOTE + json.dumps(DATA)).encode())
    assert note.ai == {"pkg/io.py": {*range(1, 13), 20}, "pkg/with space.py": set(range(1, 42))}
    assert note.human == {"pkg/io.py": {13, 14, 15}}
    assert note.agents == {("claude-code", "m-1"): 13, ("cursor", "m-2"): 40, ("unnamed", None): 1}
    assert note.lines_ai == 54


@pytest.mark.parametrize(
    "broken", [b"", b"no rule", b"a\n---\n{", b"a\n---\n[]", b"a\n---\n{}", b"\xff\n---\n{}", b"x\n---\n" + b"[" * 99_999]
)
def test_a_note_of_another_format_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError):
        gitai_notes.parse(broken)


def test_notes_are_read_from_the_repository_and_damage_is_counted(repo: Callable[..., Any]) -> None:
    made = repo()
    first, second = made.commit("one"), made.commit("two")
    made.git("notes", "--ref=ai", "add", "-m", NOTE + json.dumps(DATA), first)
    made.git("notes", "--ref=ai", "add", "-m", "damaged", second)
    notes, unreadable = gitai_notes.read(made.path)
    assert (list(notes), unreadable) == ([first], 1)


def test_an_agent_trace_names_commit_model_and_lines(repo: Callable[..., Any]) -> None:
    made = repo()
    ranges = [{"start_line": 1, "end_line": 12}, {"start_line": 20, "end_line": 21, "contributor": {"type": "human"}}]
    talk = {"contributor": {"type": "ai", "model_id": "anthropic/x"}, "ranges": ranges}
    record = {"version": "0.1.0", "vcs": {"type": "git", "revision": "a" * 40}, "tool": {"name": "Cursor"},
              "files": [{"path": "a", "conversations": [talk]}]}  # fmt: skip
    made.write(".agent-trace/t.jsonl", json.dumps(record) + "\n{broken\n[]\n")
    made.commit("trace")
    assert agent_trace.read(made.path, "HEAD") == ([agent_trace.Trace("a" * 40, "cursor", "anthropic/x", 12)], 1)
