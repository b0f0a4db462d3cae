"""What a model is told of a task, and what its answer changes. Text in, text out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from git_hone.learner.suite.tasks import Task

ORDER: Final = """You change files of a repository so that its tests pass. Answer with each file that you change, whole: a line `FILE: path`, then
the file's new content in one fenced code block. Leave nothing out of a file, and write nothing else."""
_FILE: Final = re.compile(r"^[#*\s]*(?:FILE|File|file)?:?\s*[`*]*([^\s`*:]+)[`*]*:?\s*$")
_FENCE: Final = re.compile(r"^(`{3,}|~{3,})[^`]*$")


class Said(NamedTuple):
    """What an answer changes. files: {path: new text}; wrong: why it cannot be used, None when it can."""

    files: dict[str, str]
    wrong: str | None


def messages(task: Task, texts: Mapping[str, str | None]) -> list[dict[str, str]]:
    """The conversation that asks for a task. texts: what stands in the files that may be changed, None for one that is to be made."""
    shown = []
    for path in task.edit:
        text = texts.get(path)
        if text is None:
            shown.append(f"FILE: {path}\n(not there yet)")
        else:
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
            shown.append(f"FILE: {path}\n{fence}\n{text.rstrip()}\n{fence}")
    asked = "\n\n".join([task.prompt.strip(), *shown])
    return [{"role": "system", "content": ORDER}, {"role": "user", "content": asked}]


def read(answer: str, may: tuple[str, ...]) -> Said:
    """What an answer changes of the files that it `may` change. One block without a name is the file's, where there is one only.

    >>> read("FILE: a.py\\n```python\\nx = 1\\n```\\n", ("a.py",))
    Said(files={'a.py': 'x = 1\\n'}, wrong=None)
    >>> read("Here you are:\\n```\\nx = 1\\n```", ("a.py",)).files
    {'a.py': 'x = 1\\n'}
    >>> read("FILE: ../b.py\\n```\\nx\\n```", ("a.py", "c.py")).wrong
    "changes '../b.py', which is not among the files of the task"
    >>> read("I would rather not.", ("a.py",)).wrong
    'holds no file'
    """
    blocks, named, cut = _blocks(answer.replace("\r\n", "\n").split("\n"), may)
    if cut:
        return Said({}, "ends in the middle of a file")
    if not blocks:
        return Said({}, "holds no file")
    if len(blocks) == len(may) == 1 and blocks[0][0] is None:
        return Said({may[0]: blocks[0][1]}, None)
    files = {name: text for name, text in blocks if name is not None}
    if stray := sorted(set(files) - set(may)):
        return Said({}, f"changes {stray[0]!r}, which is not among the files of the task")
    return Said(files, None) if named else Said({}, "does not name its files")


def _blocks(lines: list[str], may: tuple[str, ...]) -> tuple[list[tuple[str | None, str]], bool, bool]:
    """(name, text) of each fenced block, whether any has a name, whether the last one has no end."""
    blocks, at, last = list[tuple[str | None, str]](), 0, None
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None:
            found = _FILE.match(lines[at])
            if found and (found[1] in may or re.match(r"^[#*\s]*(?:FILE|File|file):", lines[at])):
                last = found[1]
            at += 1
            continue
        end = next((k for k in range(at + 1, len(lines)) if lines[k].rstrip() == fence[1]), None)
        if end is None:
            return blocks, False, True
        blocks.append((last, "".join(f"{line}\n" for line in lines[at + 1 : end])))
        last, at = None, end + 1
    return blocks, any(name is not None for name, _ in blocks), False
