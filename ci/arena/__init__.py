"""Where a task's tests run: a sealed copy of a tree, an environment of its own, and limits on what the run may do."""
