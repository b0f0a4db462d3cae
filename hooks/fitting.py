"""Learning the reward from this repository's own outcomes: when it is time, by the worker, and when a person asks for it.

Never on the commit's path, and not in a drain: it reads the whole record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from git_hone.hooks.place import Place
from git_hone.learner import reward_file

if TYPE_CHECKING:
    from git_hone.learner.config import Config
    from git_hone.learner.fitted import Verdict
    from git_hone.learner.store import Store

EVERY_S: Final = 86_400.0
GROWN: Final = 1.05
"""A fit is worth repeating when this many times as many changes have matured."""


def judge(store: Store, config: Config) -> Verdict:
    """The verdict on the record as it stands; writes nothing."""
    from git_hone.learner.fitted import judge as verdict_on
    from git_hone.learner.histories import examples

    known, censored = examples(store)
    return verdict_on(known, censored, config.min_outcomes)


def fit_when_due(place: Place, config: Config, now: float) -> bool:
    """Fit and write `.agent/reward.json` when at most one look a day says so: enough outcomes have matured, and 5 % more than at
    the last fit, or the file cannot be used. Says whether it wrote. A file that a newer git-hone wrote is left as it is."""
    from git_hone.learner.store import Store

    mark = place.hone / "last-fit"
    if not config.enabled or config.reward_mode != "hone" or (mark.exists() and now - mark.stat().st_mtime < EVERY_S):
        return False
    mark.write_bytes(b"")
    kept = reward_file.load(place.agent / reward_file.NAME)
    if kept.newer:
        return False
    verdict = judge(Store(place.data), config)
    grown = kept.matured is None or verdict.counts.matured >= GROWN * kept.matured
    if verdict.counts.matured < config.min_outcomes or not grown:
        return False
    reward_file.save(place.agent / reward_file.NAME, verdict, now)
    return True
