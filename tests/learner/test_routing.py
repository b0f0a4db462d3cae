"""One task, one answer: what is expected, what is chosen, with what probability, and what is refused."""

from __future__ import annotations

from random import Random

import pytest

from git_hone.learner import bandit, plans, routing
from git_hone.learner.canary import Canary
from git_hone.learner.errors import UsageError
from git_hone.learner.past import Past
from git_hone.learner.plans import PRIOR, Gate
from git_hone.learner.prompts import prompt_arms, prompt_chances
from git_hone.learner.router import training
from git_hone.learner.router.exported import Expected
from git_hone.learner.router.features import task
from git_hone.learner.router.training import Example
from git_hone.learner.routing import Settings
from git_hone.learner.variants import Model, default_prompts

LOCAL = Model("local", "ollama", "http://127.0.0.1:11434", "local", local=True)
PAID = Model("paid", "anthropic", "https://api.example", "paid", input_per_1m_usd=3.0, output_per_1m_usd=15.0)
ANYWHERE = Settings(epsilon=0.1, local_only=False)


def past(
    model: str, reward: float, n: int, kind: str = "fix", prompt: str | None = "default", text: str = "mend it"
) -> list[Past]:
    return [
        Past(
            1000.0 + k,
            model,
            prompt,
            task(text, kind=kind).path,
            reward,
            0.001 if model == "local" else 0.05,
            f"c{k}",
            text,
        )
        for k in range(n)
    ]


def decide(seen: list[Past], seed: int = 0, **more: object) -> routing.Choice:
    given: dict[str, object] = {"settings": ANYWHERE, "gates": [PRIOR["test"]], "past": seen} | more
    return routing.decide(task("mend it", kind="fix"), [LOCAL, PAID], default_prompts(), random=Random(seed), **given)


def test_what_is_seen_moves_the_expectation_at_once() -> None:
    before = routing.expect(task("x", kind="fix"), [LOCAL], None, [])["local"]
    after = routing.expect(task("x", kind="fix"), [LOCAL], None, past("local", 1.0, 10))["local"]
    other = routing.expect(task("x", kind="docs"), [LOCAL], None, past("local", 1.0, 10))["local"]
    assert before.reward < other.reward < after.reward
    assert after.high - after.low < before.high - before.low
    assert (before.n, after.n, other.n) == (0, 10, 0)


def test_what_a_model_did_after_another_failed_is_not_held_against_it() -> None:
    first = past("paid", 0.9, 20)
    repairs = [one._replace(step=1) for one in past("paid", 0.0, 20)]
    alone, both = (routing.expect(task("x", kind="fix"), [PAID], None, seen)["paid"] for seen in (first, first + repairs))
    assert alone == both


def test_a_local_model_that_solves_too_little_is_skipped() -> None:
    weak = decide(past("local", 0.0, 40) + past("paid", 0.95, 40), settings=ANYWHERE._replace(epsilon=0.0))
    assert weak.plan.models == ("paid",)
    fair = decide(past("local", 0.85, 40) + past("paid", 0.95, 40), settings=ANYWHERE._replace(epsilon=0.0))
    assert fair.plan.models == ("local", "paid")


def test_only_the_runner_up_is_explored_and_the_probabilities_are_those_of_the_draws() -> None:
    seen = past("local", 0.2, 40) + past("paid", 0.95, 40)
    choices = [decide(seen, seed) for seed in range(600)]
    shares = choices[0].shares
    assert sorted(shares.values()) == [pytest.approx(0.1), pytest.approx(0.9)]
    assert len({name.split(" > ")[0] for name in shares}) == 2
    drawn = sum(routing.name_of(one.plan) == max(shares, key=lambda name: shares[name]) for one in choices) / 600
    assert drawn == pytest.approx(0.9, abs=0.04)
    assert all(one.propensity == shares[routing.name_of(one.plan)] for one in choices)


def test_the_runner_up_is_taken_as_often_as_it_may_be_the_better_one() -> None:
    """Against draws of both models' means; the more is seen, the rarer, down to epsilon; with epsilon 0 never."""
    settings = ANYWHERE._replace(epsilon=0.01)
    rare = []
    for n in (5, 20, 80):
        seen = past("local", 0.5, n) + past("paid", 0.9, n)
        choice = decide(seen, settings=settings)
        best, rival = sorted(choice.shares, key=lambda name: -choice.shares[name])
        draws, random = 4000, Random(1)
        better = 0
        for _ in range(draws):
            drawn = {
                name: one._replace(reward=random.gauss(one.reward, max(one.high - one.reward, one.reward - one.low) / 1.96))
                for name, one in choice.expected.items()
            }
            kept = {name: one._replace(reward=min(0.999, max(0.001, one.reward))) for name, one in drawn.items()}
            worth = [
                (plan := plans.weigh(name.split(" > "), kept, [PRIOR["test"]])).reward - plan.cost_usd / routing.DEFAULT_PRICE
                for name in (rival, best)
            ]
            better += worth[0] > worth[1]
        assert choice.shares[rival] == pytest.approx(better / draws, abs=0.05)
        assert choice.shares[best] == pytest.approx(1 - choice.shares[rival])
        rare.append(choice.shares[rival])
        assert len(decide(seen, settings=ANYWHERE._replace(epsilon=0.0)).shares) == 1
    assert 0.5 > rare[0] > rare[1] > rare[2] >= 0.01


def test_every_model_that_may_be_the_best_is_tried_as_often_as_it_may_be() -> None:
    """Not the runner-up alone: a third one, of which little is known, would never get its chance. Against draws of the means."""
    third = PAID._replace(id="third", model="third")
    models = [LOCAL, PAID, third]
    seen = past("local", 0.6, 30) + past("paid", 0.7, 30)
    asked, settings = task("mend it", kind="fix"), ANYWHERE._replace(epsilon=0.01)
    shares = routing.first_models(asked, models, past=seen, settings=settings)
    known, random = routing.expect(asked, models, None, seen), Random(2)
    wins, draws = dict.fromkeys(known, 0), 20_000
    for _ in range(draws):
        worth = {
            name: random.gauss(one.reward, max(one.high - one.reward, one.reward - one.low) / 1.96)
            - one.cost_usd / routing.DEFAULT_PRICE
            for name, one in known.items()
        }
        wins[max(worth, key=worth.__getitem__)] += 1
    assert min(wins.values()) > 0.05 * draws
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares == {name: pytest.approx(wins[name] / draws, abs=0.06) for name in shares}
    assert set(shares) == {"local", "paid", "third"}


def test_a_policy_is_judged_by_the_shares_that_it_draws_from() -> None:
    seen = past("local", 0.6, 8) + past("paid", 0.9, 3)
    asked = task("mend it", kind="fix")
    shares = routing.first_models(asked, [LOCAL, PAID], past=seen, gates=[PRIOR["test"]], settings=ANYWHERE)
    assert shares == {name.split(" > ")[0]: share for name, share in decide(seen).shares.items()}


def test_what_a_task_costs_is_believed_sooner_than_the_prior() -> None:
    """The priors' tokens are those of questions answered in one go; after a few attempts, of whatever kind, the cost is what was seen."""
    other = [one._replace(cost_usd=0.05) for one in past("paid", 0.9, 4, kind="docs")]
    prior = routing.expect(task("x", kind="fix"), [PAID], None, [])["paid"].cost_usd
    after = routing.expect(task("x", kind="fix"), [PAID], None, other)["paid"].cost_usd
    assert prior < 0.02
    assert after == pytest.approx((prior + 4 * 0.05) / 5)


def test_local_only_fails_closed() -> None:
    with pytest.raises(UsageError, match=r"paid: not on this machine") as caught:
        routing.decide(task("x"), [PAID], default_prompts(), random=Random(0))
    assert "git hone variants add" in (caught.value.tip or "")


def test_a_model_left_out_is_named_with_the_reason() -> None:
    found = routing.decide(task("x"), [LOCAL, PAID], default_prompts(), random=Random(0), settings=Settings(0.0, 0.002, False))
    assert found.plan.models == ("local",)
    assert any("paid: 0.015 USD per 1,000 tokens is over" in reason for reason in found.reasons)


def test_a_budget_holds_for_every_attempt_of_the_plan_together() -> None:
    seen = past("local", 0.5, 30) + past("paid", 0.95, 30)
    paid = routing.expect(task("mend it", kind="fix"), [PAID], None, seen)["paid"].cost_usd
    assert decide(seen, budget_usd=paid * 0.9).plan.models == ("local",)
    with pytest.raises(UsageError, match="no plan fits the budget"):
        routing.decide(task("x"), [PAID], default_prompts(), random=Random(0), settings=ANYWHERE, budget_usd=1e-9)


def test_prompts_are_chosen_by_what_they_earn_beyond_the_kind_of_task() -> None:
    """`detailed` got only easy tasks, `concise` only hard ones; within its kind each does as usual, except `concise`, which does better."""
    seen = past("local", 0.95, 60, "docs", "detailed") + past("local", 0.95, 60, "docs", "default")
    seen += past("local", 0.6, 60, "fix", "concise") + past("local", 0.2, 60, "fix", "default")
    arms = prompt_arms(default_prompts(), sorted(seen, key=lambda one: one.at), gamma=1.0)
    rates = {name: arm.mean for name, arm in arms.items()}
    assert rates["concise"] > rates["detailed"] > rates["default"]


def test_the_prompt_that_all_trials_name_the_best_is_chosen_alone() -> None:
    """Three hundred trials each, of one kind: 0.9 against 0.3 a time, in the relative scale 0.7 against 0.4."""
    seen = [one for _ in range(300) for one in (*past("local", 0.9, 1, "fix", "concise"), *past("local", 0.3, 1, "fix", "default"),
                                                *past("local", 0.3, 1, "fix", "detailed"))]  # fmt: skip
    explored = prompt_chances(default_prompts(), seen, bandit.Thompson())
    assert explored["concise"] > 0.8 and 0 < explored["default"] < 0.1
    assert prompt_chances(default_prompts(), seen, bandit.Thompson(), 0.05) == {"concise": 1.0}
    told = decide(seen)
    assert (told.prompt.id, told.prompt_shares) == ("concise", {"concise": 1.0})
    assert any("prompt concise: all trials name it the best, so no other is tried" in reason for reason in told.reasons)
    few = prompt_chances(default_prompts(), seen[:60], bandit.Thompson(), 0.05)
    assert few == prompt_chances(default_prompts(), seen[:60], bandit.Thompson())  # too few to stop
    added = [*default_prompts(), default_prompts()[0]._replace(id="new")]
    assert prompt_chances(added, seen, bandit.Thompson(), 0.05)["new"] > 0  # exploring begins anew
    turned = [
        *seen,
        *(
            one
            for _ in range(120)
            for one in (*past("local", 0.1, 1, "fix", "concise"), *past("local", 0.9, 1, "fix", "default"))
        ),
    ]
    assert len(prompt_chances(default_prompts(), turned, bandit.Thompson(), 0.05)) == 3  # newer trials contradict


def test_a_trained_router_speaks_until_newer_runs_say_more() -> None:
    examples = [
        Example(task("x", kind="fix"), {"local": 0.2, "paid": 0.9}, {"local": 0.0, "paid": 0.05}, str(k)) for k in range(60)
    ]
    router = training.train(examples, ["local", "paid"], about={"trained_at": 5000.0})
    at_first = routing.expect(task("x", kind="fix"), [LOCAL, PAID], router, past("local", 1.0, 50))
    assert at_first["local"].reward < 0.4  # what was seen before the training is in it already
    newer = [one._replace(at=6000.0) for one in past("local", 1.0, 50)]
    assert routing.expect(task("x", kind="fix"), [LOCAL, PAID], router, newer)["local"].reward > 0.7
    assert decide([], router=router).policy == "router"


def test_no_gates_no_escalation() -> None:
    assert {
        len(plan.steps) for plan in plans.candidates({"a": Expected(0.5, 0, 1, 0, 0), "b": Expected(0.9, 0, 1, 1, 0)}, [])
    } == {1}


def test_a_plan_is_what_a_simulation_of_it_gives() -> None:
    """The arithmetic against 200,000 played tasks, with the difficulty that it assumes."""
    random, gate = Random(0), Gate("test", 0.7, 0.1)
    chances = {"a": 0.6, "b": 0.8}
    expected = {name: Expected(chance, chance, chance, {"a": 1.0, "b": 5.0}[name], 0) for name, chance in chances.items()}
    won, spent, n = 0, 0.0, 200_000
    for _ in range(n):
        good = random.random() < chances["a"]
        spent += 1
        if random.random() < (gate.false_alarm if good else gate.recall):
            spent += 5
            odds = chances["b"] / (1 - chances["b"]) * (1 if good else plans.HARDER)
            good = random.random() < odds / (1 + odds)
        won += good
    plan = plans.weigh(["a", "b"], expected, [gate])
    assert plan.reward == pytest.approx(won / n, abs=0.005)
    assert plan.cost_usd == pytest.approx(spent / n, abs=0.02)
    assert (plan.low, plan.high) == (pytest.approx(plan.reward), pytest.approx(plan.reward))


def test_gates_learn_from_what_they_let_through() -> None:
    blind = plans.measured("test", [(False, False)] * 90)
    assert blind.recall < 0.1 and blind.n == 90
    assert plans.measured("new kind", []).recall == pytest.approx(0.1)


def test_asking_again_with_the_same_seed_gives_the_same_answer() -> None:
    seen = past("local", 0.5, 5)
    assert decide(seen, 3) == decide(seen, 3)
    assert decide(seen, policy=bandit.Fixed("concise")).prompt.id == "concise"


CANARY = Canary("new", "local", 0.2)
NEW = LOCAL._replace(id="new", model="new")


def with_canary(seed: int = 0, canaries: tuple[Canary, ...] = (CANARY,), **more: object) -> routing.Choice:
    given: dict[str, object] = {"settings": ANYWHERE, "gates": [PRIOR["test"]], "past": past("new", 0.0, 60)} | more
    return routing.decide(
        task("mend it", kind="fix"), [LOCAL, PAID, NEW], default_prompts(), random=Random(seed), canaries=canaries, **given
    )


@pytest.mark.no_cover
def test_a_challenger_gets_its_share_whatever_is_expected_of_it() -> None:
    choices = [with_canary(seed) for seed in range(2000)]
    led = [one for one in choices if one.plan.models[0] == "new"]
    assert len(led) / len(choices) == pytest.approx(0.2, abs=0.03)
    assert {one.propensity for one in led} == {0.2}
    for one in choices:
        assert sum(one.shares.values()) == pytest.approx(1.0)
        assert one.propensity == one.shares[routing.name_of(one.plan)]
        assert "new" not in one.plan.models[1:]
    assert all("canary: new is tried beside local on 20% of the decisions" in " ".join(one.reasons) for one in led)
    assert not any("canary" in " ".join(one.reasons) for one in choices if one not in led)


def test_the_rest_is_as_it_would_be_without_the_challenger() -> None:
    seen = past("new", 1.0, 60)
    shares = routing.decide(task("mend it", kind="fix"), [LOCAL, PAID], default_prompts(), random=Random(0), past=seen,
                            settings=ANYWHERE, gates=[PRIOR["test"]]).shares  # fmt: skip
    mine = dict(with_canary(past=seen).shares)
    assert [share for name, share in mine.items() if name.startswith("new")] == [0.2]
    assert {name: share / 0.8 for name, share in mine.items() if not name.startswith("new")} == pytest.approx(dict(shares))


def test_a_challenger_that_may_not_be_asked_or_is_all_there_is_takes_no_share() -> None:
    only_local = with_canary(canaries=(Canary("paid", "local", 0.2),), settings=Settings(epsilon=0.0))
    assert dict(only_local.shares) == {"local": 1.0} or "paid" not in " ".join(only_local.shares)
    alone = routing.decide(task("x"), [NEW], default_prompts(), random=Random(0), canaries=(CANARY,), settings=ANYWHERE)
    assert dict(alone.shares) == {"new": 1.0}
    both = with_canary(canaries=(CANARY, Canary("local", "paid", 0.85)))
    assert sum(both.shares.values()) == pytest.approx(1.0) and 0.85 not in both.shares.values()


def test_a_budget_that_is_too_small_for_a_challenger_leaves_it_out() -> None:
    dear = PAID._replace(id="dear", model="dear")
    choice = routing.decide(task("x"), [LOCAL, dear], default_prompts(), random=Random(0), settings=ANYWHERE, budget_usd=0.0,
                            canaries=(Canary("dear", "local", 0.5),))  # fmt: skip
    assert dict(choice.shares) == {"local": 1.0}
