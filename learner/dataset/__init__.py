"""From changes to training data: pure functions, from what was recorded to the bytes of an export.

    choosing   which changes may be learned from, and why the others may not
    rows       a change -> prompts and answers, for each role
    minhash    near-duplicates        decontaminate   what a suite asks as well
    splits     train and validation   formats         JSON Lines for trainers      card   README and manifest

`git_hone.ci.exporting` reads the repository, calls these in this order and writes the folder.
"""
