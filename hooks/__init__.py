"""Observe: turns what happens (a git event, an agent's event, a tool's report) into records. Decides nothing."""
