"""Try a model on a suite: ask, put its answer into the task's arena, run the tests there, keep what came of it."""
