"""What a commit says of itself: the agents named by its trailers, its identities and its message. Pure, and light.

A claim is the weakest evidence there is: anybody can write a trailer, and an agent that leaves none is not seen. Only the
real trailer block counts (the last paragraph, by git's own rule), so a trailer quoted in a body, or left in the middle by a
squash, says nothing. Bots that are not agents (dependency updates, continuous integration) are told apart by `is_bot`.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

Kind = Literal["note", "trace", "trailer", "identity", "subject", "body"]
STRENGTH: Final[dict[Kind, int]] = {"note": 5, "trace": 4, "trailer": 3, "identity": 3, "subject": 2, "body": 1}
TAIL: Final = 1 << 16
"""Bytes of a message's end that are looked at: messages of many megabytes exist, trailer blocks of that size do not."""


class Claim(NamedTuple):
    """One finding. `model` is None when it names none. `strength`: 5 a git-ai note, 4 an Agent Trace
    record (both added by `learn`), 3 a trailer or an identity, 2 a subject, 1 a line of
    advertising in the body."""

    agent: str
    model: str | None
    kind: Kind
    strength: int


AGENT_EMAILS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), agent)
    for pattern, agent in (
        (r"^noreply@anthropic\.com$|^claude(\[bot\])?@|\+claude(-code)?(\[bot\])?@users\.noreply\.", "claude-code"),
        (r"^(noreply|codex)@openai\.com$|\+(chatgpt-codex-connector|codex)(\[bot\])?@users\.noreply\.", "codex"),
        (r"^cursoragent@cursor\.com$|\+cursor(agent|\[bot\])@users\.noreply\.", "cursor"),
        (r"\+copilot@users\.noreply\.|copilot-swe-agent(\[bot\])?@users\.noreply\.|^copilot@github\.com$", "copilot"),
        (r"devin-ai-integration(\[bot\])?@users\.noreply\.|^devin@cognition(-labs)?\.", "devin"),
        (r"@aider\.chat$", "aider"),
        (r"google-labs-jules(\[bot\])?@users\.noreply\.|^jules@google\.com$", "jules"),
        (r"^gemini(-cli)?(-agent)?@google\.com$|gemini-code-assist(\[bot\])?@users\.noreply\.", "gemini"),
        (r"^amp@ampcode\.com$", "amp"),
        (r"^openhands@all-hands\.dev$|\+openhands(-agent)?@users\.noreply\.", "openhands"),
        (r"^(noreply|agent)@firebender\.com$|^help@firebender\.com$", "firebender"),
        (r"^(noreply|droid)@factory\.ai$|factory-droid(\[bot\])?@users\.noreply\.", "droid"),
        (r"sweep-ai(\[bot\])?@users\.noreply\.", "sweep"),
    )
)
AGENT_NAMES: Final[dict[str, str]] = {
    "claude": "claude-code", "github copilot": "copilot", **{name: name for name in (
        "codex", "cursor", "copilot", "aider", "devin", "gemini", "jules", "amp", "openhands", "windsurf", "cline", "opencode",
        "goose", "chatgpt", "junie", "continue")},
}  # fmt: skip
BOT: Final = re.compile(
    r"\[bot\]|\b(dependabot|renovate|github-actions|pre-commit-ci|greenkeeper|snyk-bot|allcontributors)\b", re.I
)
SESSIONS: Final[dict[str, str]] = {
    "claude-session": "claude-code", "codex-session": "codex", "cursor-session": "cursor", "agent-session": "unnamed",
    "agentnote-session": "unnamed", "entire-checkpoint": "unnamed", "gitvow-session": "unnamed", "gitvow-step": "unnamed",
    "gitvow-intent": "unnamed",
}  # fmt: skip
TRAILER: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)$")
GIT_MADE: Final = ("Signed-off-by: ", "(cherry picked from commit ")
PERSON: Final = re.compile(r"^(.*?)\s*<([^<>]*)>")
BODY: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"^\W*Generated with \[?Claude Code\b", re.M), "claude-code"),
    (re.compile(r"^\W*Generated with \[?(?:OpenAI )?Codex\b", re.M), "codex"),
    (re.compile(r"^\W*Generated with \[?Devin\b", re.M), "devin"),
    (re.compile(r"^\W*Generated with \[?opencode\b", re.M), "opencode"),
)
NO: Final = {"", "no", "none", "false", "0", "n/a", "human"}


def trailers(message: bytes) -> list[tuple[str, str]]:
    """The (key, value) pairs of the trailer block: the last paragraph, but never the subject, when all its lines are
    trailers, or at least a quarter are and one was made by git. Folded lines are joined.

    >>> trailers(b"Fix\\n\\nCo-Authored-By: Claude <noreply@anthropic.com>\\n\\nMore words.\\n")
    []
    >>> trailers(b"Fix\\n\\nAssisted-by: Codex:\\n gpt\\n")
    [('Assisted-by', 'Codex: gpt')]
    """
    ending = message[-TAIL:].decode("utf-8", "replace").replace("\r\n", "\n").rstrip()
    paragraphs = re.split(r"\n[ \t]*\n", ending)
    if len(paragraphs) < 2:
        return []
    found: list[tuple[str, str]] = []
    others = made_by_git = 0
    for line in paragraphs[-1].split("\n"):
        if line.startswith("#"):
            continue
        if line[:1] in " \t" and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}".strip())
            continue
        made_by_git += line.startswith(GIT_MADE)
        if hit := TRAILER.match(line):
            found.append((hit[1], hit[2].strip()))
        elif not line.startswith(GIT_MADE):
            others += 1
    enough = not others or (made_by_git and len(found) * 3 >= others)
    return found if enough else []


def claims(message: bytes, author: str, author_email: str, committer_email: str) -> list[Claim]:
    """What the commit claims of agents, strongest first, one for each agent and kind; empty when it claims nothing.

    >>> claims(b"Add\\n\\nCo-Authored-By: Claude Opus 4.6 <noreply@anthropic.com>\\n", "Ann", "ann@x.org", "ann@x.org")
    [Claim(agent='claude-code', model='Claude Opus 4.6', kind='trailer', strength=3)]
    """
    found: list[Claim] = _from_trailers(trailers(message))
    for agent in (_agent_of(author, author_email), _agent_of("", committer_email)):
        found += [_claim(agent, None, "identity")] if agent else []
    if author.rstrip().endswith("(aider)"):
        found.append(_claim("aider", None, "identity"))
    start = message[:TAIL].decode("utf-8", "replace")
    if start.lstrip().startswith("aider: "):
        found.append(_claim("aider", None, "subject"))
    if "enerated with" in start:
        found += [_claim(agent, None, "body") for pattern, agent in BODY if pattern.search(start)]
    return _distinct(found)


def is_bot(author: str, author_email: str) -> bool:
    """True for an automaton that is not a coding agent: dependency updates, continuous integration.

    >>> is_bot("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com"), is_bot("Ann", "ann@x.org")
    (True, False)
    """
    return bool(BOT.search(author) or BOT.search(author_email)) and not _agent_of(author, author_email)


def _claim(agent: str, model: str | None, kind: Kind) -> Claim:
    return Claim(agent, model, kind, STRENGTH[kind])


def _from_trailers(pairs: list[tuple[str, str]]) -> list[Claim]:
    found: list[Claim] = []
    model: str | None = None
    assisted = False
    for key, value in pairs:
        name = key.lower()
        if name == "co-authored-by" and (hit := PERSON.match(value)):
            if agent := _agent_of(hit[1], hit[2]):
                found.append(_claim(agent, _model_in(hit[1], agent), "trailer"))
        elif name in ("assisted-by", "generated-by") and value.lower() not in NO:
            found.append(_assisted(value))
        elif name in SESSIONS and value:
            found.append(_claim(SESSIONS[name], None, "trailer"))
        elif name == "ai-assisted":
            assisted = value.lower() not in NO
        elif name == "model" and value:
            model = value[:100]
    if not found and (assisted or model):
        found.append(_claim("unnamed", None, "trailer"))
    return [claim._replace(model=claim.model or model) for claim in found]


def _assisted(value: str) -> Claim:
    """`AGENT:MODEL [tool...]`, `AGENT MODEL`, or `Name <email>`."""
    if (hit := PERSON.match(value)) and (agent := _agent_of(hit[1], hit[2])):
        return _claim(agent, _model_in(hit[1], agent), "trailer")
    name, colon, rest = value.partition(":")
    words = re.sub(r"\s*\[.*$|\s*<.*$", "", name).strip()
    model = rest.split("[")[0].split("<")[0].strip() if colon and not rest.startswith("//") else ""
    agent = _named(words) or re.sub(r"[^a-z0-9._-]+", "-", words.lower()).strip("-")[:40] or "unnamed"
    return _claim(agent, model[:100] or _model_in(words, agent), "trailer")


def _agent_of(name: str, email: str) -> str | None:
    for pattern, agent in AGENT_EMAILS:
        if pattern.search(email):
            return agent
    bare = name.lower().strip()
    if bare in ("copilot-swe-agent[bot]", "copilot-swe-agent"):
        return "copilot"
    if bare == "devin-ai-integration[bot]":
        return "devin"
    return None


def _named(words: str) -> str | None:
    lower = words.lower()
    return next((agent for name, agent in AGENT_NAMES.items() if re.match(rf"{re.escape(name)}\b", lower)), None)


def _model_in(name: str, agent: str) -> str | None:
    """The model in a co-author's name.

    >>> _model_in("Claude Opus 4.6 (1M context)", "claude-code"), _model_in("aider (gpt-4o)", "aider"), _model_in("Claude", "x")
    ('Claude Opus 4.6', 'gpt-4o', None)
    """
    words = name.strip().strip("\"'")
    if agent == "aider":
        return hit[1][:100] if (hit := re.search(r"\(([^()]+)\)", words)) else None
    words = re.sub(r"\s*\([^()]*\)\s*$", "", words)
    return words[:100] if re.search(r"\d", words) and "[bot]" not in words else None


def _distinct(found: list[Claim]) -> list[Claim]:
    kept: dict[tuple[str, Kind], Claim] = {}
    for claim in sorted(found, key=lambda each: (-each.strength, each.model is None)):
        kept.setdefault((claim.agent, claim.kind), claim)
    named = [claim for claim in kept.values() if claim.agent != "unnamed"]
    return named or list(kept.values())
