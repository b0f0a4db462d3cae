"""The choice among checkpoints: what it reads, and that it leaves the gate's test its level."""

from __future__ import annotations

from random import Random

from git_hone.learner.gating import checkpoints
from git_hone.learner.gating.checkpoints import Tried
from git_hone.learner.gating.paired import mcnemar
from git_hone.learner.suite import parting
from git_hone.learner.suite.tasks import Environment, Origin, Task

LEVEL, ROUNDS, TARGET, ASIDE = 0.05, 1500, 40, 20


def task(name: str, *edit: str) -> Task:
    return Task(name, "mined", "Do it", edit, {}, {}, {}, ("{python}",), ("t::a",), (), 0, 10.0, 1.0,
                Environment("3.11", (), (), (".",), None, "", {}, "declared"), Origin("0" * 40, "2026-01-01T00:00:00Z"))  # fmt: skip


def ones(passed: int) -> int:
    """How many tasks, of a number whose bits say which."""
    return bin(passed).count("1")


def test_of_equals_the_one_that_forgot_less_and_none_beyond_the_limit() -> None:
    a, b, c = Tried("a", 2.70, 4), Tried("b", 2.72, 4), Tried("c", 3.5, 9)
    assert checkpoints.choose([a, b, c], 2.75, 9).id == "a"
    assert checkpoints.choose([a, b._replace(passed=5), c], 2.75, 9).id == "b"
    assert checkpoints.choose([a, b, c], None, 9).id == "c", "the incumbent was not measured: the gate will say so"
    assert checkpoints.choose([a._replace(passed=None), b._replace(passed=None), c._replace(passed=None)], 2.75).id == "b"
    assert checkpoints.choose([a._replace(nats=None), b], 2.75, 9).id == "b", "of equals, the one that is known"
    none = checkpoints.choose([c, c], 2.75, 9)
    assert (none.id, none.why) == (None, "general code is less likely than the gate allows to each of 2 checkpoints")


def test_tasks_of_a_family_that_the_gate_judges_on_do_not_count() -> None:
    target = [task("t1", "src/parse.py"), task("t2", "src/lexer/__init__.py")]
    aside = [task("a1", "web/parse.ts"), task("a2", "src/new.py", "src/lexer.py"), task("a3", "src/other.py")]
    assert checkpoints.apart(aside, parting.families(target)) == {"a3"}


def test_a_suite_is_cut_where_no_family_is_on_both_sides() -> None:
    linked = [task("a", "x.py", "y.py"), task("b", "z.py"), task("c", "y.py", "z.py")]
    tasks = [*linked, *(task(f"t{k}", f"src/m{k}.py", f"tests/test_m{k}.py") for k in range(9))]
    moved = parting.aside(tasks, 0.25)
    assert len(moved) == 3 and moved == parting.aside(tasks[::-1], 0.25)
    left = [one for one in tasks if one.id not in moved]
    assert not parting.families(left) & parting.families(one for one in tasks if one.id in moved)
    assert parting.aside(linked, 0.5) == set(), "all of them or none"
    assert [len(group) for group in sorted(parting.together(tasks), key=len)] == [1] * 9 + [3]


def test_choosing_apart_keeps_the_level_and_peeking_does_not() -> None:
    """Three checkpoints that are no better than the incumbent, each passing every other task by chance."""
    chance = Random(7)
    let_through = {"apart": 0, "peeking": 0}
    for _ in range(ROUNDS):
        before, *made = (chance.getrandbits(TARGET) for _ in range(4))
        tried = [Tried(str(k), 1.0, ones(chance.getrandbits(ASIDE))) for k in range(3)]
        by = {"apart": made[int(str(checkpoints.choose(tried, 2.0, ASIDE).id))], "peeking": max(made, key=ones)}
        for how, one in by.items():
            let_through[how] += mcnemar(ones(one & ~before), ones(before & ~one)) <= LEVEL
    assert let_through["apart"] / ROUNDS <= LEVEL < let_through["peeking"] / ROUNDS, let_through
