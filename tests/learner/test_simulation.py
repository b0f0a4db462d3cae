"""The simulated world keeps its own books, and the learner that plays in it is the one that is shipped."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import Any
from xml.etree import ElementTree

import pytest

from git_hone.learner import chart, routing
from git_hone.learner.errors import UsageError
from git_hone.learner.router import judging, learning
from git_hone.learner.simulation import players, playing, world
from git_hone.learner.simulation.players import Hone, Planned
from git_hone.learner.simulation.world import SCENARIOS, STEADY, Change


def test_the_same_seed_is_the_same_run_and_another_is_not() -> None:
    one, again, other = (playing.play(STEADY, Hone(STEADY, seed), 40, seed) for seed in (3, 3, 4))
    assert one == again
    assert one.reward != other.reward


@pytest.mark.parametrize("models", [("strong",), ("local", "strong"), ("local", "cheap", "strong")])
def test_a_plan_is_worth_what_playing_it_comes_to(models: tuple[str, ...]) -> None:
    n = 6000
    attempts = [playing.carry_out(STEADY, drawn, Planned(models, "default", {})) for drawn in STEADY.draw(n, 1)]
    truth = [STEADY.value(models, one[0].drawn.kind, "default", 0) for one in attempts]
    assert fmean(one[-1].reward for one in attempts) == pytest.approx(fmean(won for won, _ in truth), abs=0.015)
    spent = fmean(sum(one.cost_usd for one in several) for several in attempts)
    assert spent == pytest.approx(fmean(cost for _, cost in truth), rel=0.03)


@pytest.mark.parametrize("name", SCENARIOS)
def test_nobody_beats_the_oracle(name: str) -> None:
    asked = SCENARIOS[name]
    for day in (0.0, 12.5, 35.0):
        for kind in asked.kinds:
            best, models, prompt = asked.oracle(kind, day)
            assert best == pytest.approx(asked.net(models, kind, prompt, day))
    for runs in playing.simulate(asked, 25, 1).values():
        assert min(runs[0].regret) >= -1e-12


def test_changes_move_the_truth_on_their_days() -> None:
    asked = replace(STEADY, changes=(Change("local", 10, 20, -2.0),), _values={})
    at = [asked.value(("local",), "fix", "default", day)[0] for day in (0, 9.9, 15, 20, 30)]
    assert at[0] == at[1] > at[2] > at[3] == at[4]
    assert asked.value(("strong",), "fix", "default", 30) == asked.value(("strong",), "fix", "default", 0)


def test_a_model_is_not_asked_before_it_is_there() -> None:
    asked = replace(SCENARIOS["new-model"], per_day=3.0, _values={})
    player = Hone(asked, 0)
    playing.play(asked, player, 150, 0)
    early = {one.model for one in player.attempts if one.drawn.day < 30}
    assert "newer" not in early
    assert "newer" in {one.model for one in player.attempts}


def test_a_reward_that_is_not_known_yet_teaches_nothing() -> None:
    """Nothing is ever known: the choices are those of the priors, for ever."""
    asked = replace(STEADY, missing=1.0, gates=(), _values={})
    player = Hone(asked, 0, settings=routing.Settings(epsilon=0.0, local_only=False))
    playing.play(asked, player, 60, 0)
    assert all(one.known_on is None for one in player.attempts)
    plans = {(planned.models, one[0].drawn.kind) for planned, one in player.logged}
    assert len(plans) == len({kind for _, kind in plans})


def test_it_learns_where_the_priors_are_wrong() -> None:
    """The dear model is the worst here. The last tasks cost less regret than the first, and all of them less than not to learn."""
    odd = tuple(
        replace(one, success=dict.fromkeys(one.success, p)) for one, p in zip(STEADY.workers, (0.3, 0.85, 0.2), strict=True)
    )
    asked = replace(STEADY, workers=odd, _values={})
    names = (playing.PAID, "random", playing.HONE)
    played = playing.simulate(asked, 120, 3, players=names)
    regret = {name: fmean(sum(run.regret) for run in runs) for name, runs in played.items()}
    assert regret[playing.HONE] < 0.5 * min(regret["random"], regret[playing.PAID])
    ours = played[playing.HONE]
    assert fmean(sum(run.regret[-40:]) for run in ours) < 0.8 * fmean(sum(run.regret[:40]) for run in ours)


@pytest.mark.no_cover
def test_a_router_is_trained_from_the_record_and_adopted_on_evidence_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(players, "FIRST_TRAINING", 100)
    verdicts: list[str] = []
    real = judging.judge

    def judge(*given: Any) -> Any:
        found = real(*given)
        verdicts.append(found if isinstance(found, str) else found.verdict)
        return found

    monkeypatch.setattr(players.judging, "judge", judge)
    player = Hone(STEADY, 1)
    playing.play(STEADY, player, 110, 1)
    assert player.trained == 1
    # a hundred runs of which a tenth explores say too little for any router
    assert verdicts == ["not enough evidence"]
    assert (player.router, player.adopted) == (None, 0)
    rows = [players.tried(planned, one) for planned, attempts in player.logged for one in attempts]
    known = learning.lessons(rows, STEADY.at(0))
    assert known.left_out.keys() <= {"an escalation: another model had failed the task before"}
    assert all(share is not None and 0 < share <= 1 for share in known.logged)


@pytest.mark.no_cover
@pytest.mark.slow
def test_the_seeds_criterion() -> None:
    """After 100 tasks, paid calls down by half with a reward not lower than always paid."""
    asked = SCENARIOS["seed-criterion"]
    told = playing.criterion(playing.simulate(asked, 200, 10, players=(playing.PAID, playing.HONE)))
    assert told is not None
    assert told["paid_calls_down"]["mean"] >= 0.5
    assert told["reward_less"]["high"] >= 0
    assert told["met"]


def test_the_criterion_needs_its_two_hundred_tasks() -> None:
    assert playing.criterion(playing.simulate(STEADY, 5, 1, players=(playing.PAID,))) is None


def test_a_scenario_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError) as caught:
        world.scenario("stormy")
    assert "seed-criterion" in (caught.value.tip or "")


def test_plots_are_well_formed_whatever_the_names() -> None:
    lines = {
        "a & b <c>": [(0.0, 1.0), (1.0, float("nan")), (2.0, 3.0)],
        "one point": [(1.0, 2.0)],
        "flat": [(0.0, 2.0), (2.0, 2.0)],
    }
    drawn = ElementTree.fromstring(chart.svg(lines, title="<t>", across="x", up="y"))  # noqa: S314 - made here
    texts = [node.text for node in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "a & b <c>" in texts and "<t>" in texts
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}circle"))) == 1
    shown = chart.text(lines, width=30, height=5)
    assert "* a & b <c>" in shown and "x flat" not in shown and "+ flat" in shown
    assert len(chart.text({}, width=30, height=5).splitlines()) == 6
