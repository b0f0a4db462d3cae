"""Editing JSON text: what json.loads sees is what was asked for, and no other byte moves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_hone.hooks.install import agents, jsontext

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
INDENTS = st.sampled_from([None, 1, 2, 4, "\t"])


@given(st.dictionaries(st.text(max_size=5).filter(lambda key: key != "new"), VALUES, max_size=4), VALUES, INDENTS)
def test_what_is_appended_is_read_back_and_cut_again(held: dict[str, Any], value: Any, indent: int | str | None) -> None:
    text = json.dumps(held, indent=indent)
    longer = jsontext.append(text, 0, 0, value, "new")
    assert json.loads(longer) == held | {"new": value}
    if held:
        assert longer.startswith(text[: jsontext.items(text, 0)[-1].end])
    assert json.loads(jsontext.cut(longer, 0, len(held))) == held


@given(st.lists(VALUES, min_size=1, max_size=5), st.data(), INDENTS)
def test_a_cut_leaves_the_others(held: list[Any], data: st.DataObject, indent: int | str | None) -> None:
    at = data.draw(st.integers(0, len(held) - 1))
    assert json.loads(jsontext.cut(json.dumps(held, indent=indent), 0, at)) == held[:at] + held[at + 1 :]


@given(
    st.dictionaries(
        st.sampled_from(["Stop", "PreToolUse", "Other"]),
        st.lists(st.just({"matcher": "X", "hooks": [{"type": "command", "command": "theirs"}]}), min_size=1, max_size=2),
    ),
    INDENTS,
    st.sampled_from(["", "\n", "\r\n"]),
)
def test_settings_keep_their_hooks_and_get_ours_once(hooks: dict[str, Any], indent: int | str | None, end: str) -> None:
    settings = {"model": "é", "hooks": hooks} if hooks else {"model": "é"}
    text = json.dumps(settings, indent=indent, ensure_ascii=False) + end
    ours = agents.added(text)
    assert agents.configured(ours) == set(agents.EVENTS)
    assert agents.added(ours) == ours
    assert ours.endswith(end)
    assert json.loads(agents.without(ours)) == settings


@pytest.mark.parametrize("text", [None, "", "{}", "{\n}\n", '\ufeff{"a": 1}', '{"hooks": {}}', '{"hooks": {"Stop": []}}'])
def test_empty_settings(text: str | None) -> None:
    ours = agents.added(text)
    assert agents.configured(ours) == set(agents.EVENTS)
    assert agents.added(ours) == ours


def test_an_older_command_of_ours_is_replaced() -> None:
    old = json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "sh .git/hone/agent-event.sh"}]}], "X": []}})
    ours = agents.added(old)
    assert agents.configured(ours) == set(agents.EVENTS)
    assert ours.count("sh .git/hone") == 0
