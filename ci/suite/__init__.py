"""Makes an evaluation suite from a repository: mined commits, injected faults, held-out pairs; keeps it, and checks it."""
