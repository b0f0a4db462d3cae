"""The whole learning cycle against a world whose truth is known: what `git hone simulate` plays. Pure and seeded.

    world      what is true: models, prompts, gates, delays, what changes on which day; and its oracle
    players    who chooses: git-hone (the very code that `git hone route` calls), the seeds' policy, and choices that learn nothing
    playing    a player in a world, task by task; several runs, with intervals

Nothing here decides by itself: plans come from `routing.decide`, prompts from `bandit`, routers from `router.training`, and a
router is adopted only when `judging.judge`, which is what `git hone router evaluate` asks, says that it is better on the log.
"""
