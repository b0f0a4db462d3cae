"""The hooks' scripts as they are, but no worker at work: what they file stays in the inbox to be counted."""

from __future__ import annotations

import pytest

from git_hone.hooks.install import setup


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    real = setup.scripts

    def scripts() -> dict[str, bytes]:
        return {name: text.replace(b"git_hone.hooks.worker", b"git_hone.hooks.nobody") for name, text in real().items()}

    monkeypatch.setattr(setup, "scripts", scripts)
