"""Puts git-hone into a repository and takes it out again: git hooks, agent hooks, notes configuration, `.agent/`.

`setup` is the list of steps; `native`, `agents` and `agent_folder` each do one; `ledger` remembers what stood before, so
that uninstalling puts every byte back; `health` looks at what stands now.
"""
