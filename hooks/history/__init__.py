"""What a repository's own history already says: which commits agents made, and what became of their lines.

Read only. In the order in which the data flows: `claims`, `gitai_notes` and `agent_trace` find the agents' commits;
`commits` and `diffs` read git; `walk` follows every line from birth to death; `survival` and `rework` count; `patterns`
reads how the code is written; `report` says it; `learn` is the list of these steps.
"""
