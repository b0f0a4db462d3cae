"""One test, as it was and as it is: does it ask for less?"""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable

from git_hone.hooks.tampering.facts import CLOSE, CONSTANT, ORDER, TRUTHY, Check, Flag, Test, words

Deleted = Callable[[], set[str]]
"""Names that the change takes out, found when somebody asks: it takes a look at every word of the files."""


def compare(was: Test, now: Test, path: str, deleted: Deleted) -> list[Flag]:
    """What a test asks for less than before; it stands in the file `path` now."""
    flags: list[Flag] = []
    if was.collected and not now.collected:
        detail = f"`{now.leaf}` is no longer collected"
        return [Flag("test_renamed_away", path, now.line, detail)]
    if now.skip and not was.skip:
        flags.append(Flag("test_skipped", path, now.skip_line or now.line, f"`{now.leaf}`: {now.skip}"))
    for name, line in now.mocks.items():
        if name not in was.mocks and name in was.calls:
            flags.append(Flag("subject_mocked", path, line, f"`{now.leaf}` replaces `{name}`, which it calls"))
    return flags + _weaker(was, now, path, deleted)


def _weaker(was: Test, now: Test, path: str, deleted: Deleted) -> list[Flag]:
    flags: list[Flag] = []
    seen = Counter((check.text, check.strength) for check in now.checks)
    gone: list[Check] = []
    for check in was.checks:
        if seen[check.text, check.strength] > 0:
            seen[check.text, check.strength] -= 1
        elif check.strength > CONSTANT:
            gone.append(check)
    rest = Counter(seen)
    came: list[Check] = []
    for check in now.checks:
        if rest[check.text, check.strength] > 0:
            rest[check.text, check.strength] -= 1
            came.append(check)
    flags += [
        Flag("test_constant", path, check.line, f"`{check.text[:100]}` always holds")
        for check in came
        if check.strength == CONSTANT
    ]
    came = [check for check in came if check.strength > CONSTANT]
    unpaired: list[Check] = []
    for old in gone:
        options = [check for check in came if check.subject == old.subject]
        new = max(options, key=lambda check: (check.strength, -(check.slack or 0)), default=None)
        if new is None:
            unpaired.append(old)
            continue
        came.remove(new)
        if why := _less(old, new):
            flags.append(Flag("assertion_weakened", path, new.line, f"{why}: `{old.text[:80]}` became `{new.text[:80]}`"))
    others: list[Check] = []
    for old in unpaired:  # the subject was renamed or rewritten: compare in order
        if not came:
            others.append(old)
            continue
        new = came.pop(0)
        if new.strength <= ORDER - 1 and old.strength >= CLOSE:
            flags.append(Flag("assertion_weakened", path, new.line, f"asserts less: `{old.text[:80]}` became `{new.text[:80]}`"))
    missing = [old for old in others if not words(old.text) & deleted()]
    n_was, n_now = was.cases * len(was.checks), now.cases * len([c for c in now.checks if c.strength > CONSTANT])
    constants = any(flag.kind == "test_constant" for flag in flags)
    if missing and n_now < n_was and not constants and not now.skip:
        flags.append(
            Flag(
                "assertion_weakened",
                path,
                now.line,
                f"`{now.leaf}` lost {len(missing)} of {len(was.checks)} assertion(s): `{missing[0].text[:80]}`",
            )
        )
    elif now.cases < was.cases and n_now < n_was and not flags:
        flags.append(Flag("assertion_weakened", path, now.line, f"`{now.leaf}` runs {now.cases} case(s), before {was.cases}"))
    return flags


def _less(old: Check, new: Check) -> str:
    """How `new` asserts less of the same subject than `old`; "" when it does not."""
    if old.raises and new.raises:
        wide = [name for name in new.raises if name not in old.raises and any(broader(was, name) for was in old.raises)]
        if wide or (len(new.raises) > len(old.raises) and set(old.raises) < set(new.raises)):
            return "expects a broader exception"
        if old.strength > new.strength and set(old.raises) == set(new.raises):
            return "no longer looks at the message"
        return ""
    if new.strength < old.strength and (old.strength - new.strength > 1 or new.strength <= TRUTHY or old.strength > CLOSE):
        return "asserts less"
    if old.slack is not None and new.slack is not None and new.slack > old.slack and new.strength <= old.strength:
        return "tolerates more"
    return ""


def broader(old: str, new: str) -> bool:
    """Whether the exception named `new` catches more than `old`, as far as their names say.

    >>> broader("KeyError", "LookupError"), broader("Exception", "ValueError"), broader("ConfigError", "Exception")
    (True, False, True)
    """
    if old == new:
        return False
    if new in ("Exception", "BaseException"):
        return old not in ("Exception", "BaseException") or new == "BaseException"
    if new == "Error":
        return True  # JavaScript's
    one, other = getattr(builtins, old, None), getattr(builtins, new, None)
    return isinstance(one, type) and isinstance(other, type) and issubclass(one, other)
