"""How a model is to be served: sampling, template and system, and the Modelfile that says so. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from git_hone.learner.config import Config
from git_hone.learner.dataset import chat
from git_hone.learner.errors import UsageError

ROLES: Final = ("coder", "fixer", "judge")
SYSTEM: Final = {
    "coder": "You write files of a repository. Answer with code in one fenced code block, and with nothing else.",
    "fixer": chat.FIX,
    "judge": chat.JUDGE,
}
"""What the model is told when a caller tells it nothing; git-hone's own questions bring their own order."""


class Recipe(NamedTuple):
    """template: in Ollama's template language, None to leave it to the server, which reads the one in the file."""

    system: str
    parameters: Mapping[str, float | int]
    template: str | None = None


def of(config: Config, role: str) -> Recipe:
    """From `autoDeploy` of the configuration.

    >>> from git_hone.learner.config import DEFAULTS
    >>> dict(of(Config(DEFAULTS), "judge").parameters)
    {'temperature': 0.2, 'top_p': 0.9, 'top_k': 40}
    """
    names = {"temperature": "temperature", "top_p": "topP", "top_k": "topK"}
    return Recipe(SYSTEM[role], {name: config[f"autoDeploy.{key}"] for name, key in names.items()})


def modelfile(start: str, adapter: str | None, how: Recipe) -> str:
    '''The text of a Modelfile. start: a model's name or a file; adapter: a file, None where it is merged in.

    >>> print(modelfile("qwen2.5-coder:7b", "./a.gguf", Recipe("Be brief.", {"top_k": 40})), end="")
    FROM qwen2.5-coder:7b
    ADAPTER ./a.gguf
    PARAMETER top_k 40
    SYSTEM """Be brief."""
    '''
    lines = [f"FROM {start}"] + ([f"ADAPTER {adapter}"] if adapter else [])
    lines += [f"PARAMETER {name} {value:g}" for name, value in how.parameters.items()]
    for name, text in (("TEMPLATE", how.template), ("SYSTEM", how.system)):
        if text and '"""' in text:
            raise UsageError(f"{name} holds three quotes in a row, which a Modelfile cannot", tip="change the base's template")
        lines += [f'{name} """{text}"""'] if text else []
    return "\n".join(lines) + "\n"
