"""`git hone train` as far as no training library is needed: the script that it writes, and what it refuses before it starts."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci.training import base as bases
from git_hone.ci.training import dataset, needs, recipe, train
from git_hone.cli import main
from git_hone.learner.errors import UsageError

from .conftest import Tiny
from .test_dataset import row, written

Make = Callable[..., Tiny]


class Said(tuple[int, str, str]):
    """(exit code, stdout, stderr)"""


@pytest.fixture
def hone(repo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    made = repo()
    monkeypatch.chdir(made.path)
    levels = ("easy", "hard")
    rows = [row(f"r{n}", f"answer {n}", provenance=json.dumps({"difficulty": levels[n % 2]})) for n in range(6)]
    written(made.path / ".agent/sft/coder_sft.jsonl", *rows)

    def call(*args: Any) -> Said:
        code = main(["train", *map(str, args)])
        said = capsys.readouterr()
        return Said((code, said.out, said.err))

    return call


def test_the_script_is_python_with_the_settings_on_top(tiny: Make, hone: Callable[..., Said]) -> None:
    made = tiny()
    code, out, err = hone("--base", made.base, "--recipe", "unsloth", "--force", "--rank", 8, "--json")
    assert code == 0, err
    (told,) = json.loads(out)["adapters"]
    text = Path(told["script"]).read_text()
    assert Path(told["script"]).name == "train_coder.py" and told["folder"] is None
    tree = ast.parse(text)
    (settings,) = [
        ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "SETTINGS"
    ]
    assert (settings["rank"], settings["base"], settings["base_name"]) == (8, str(made.base), "base.gguf")
    assert len(Path(settings["data"]).read_bytes().splitlines()) == 6
    assert "unsloth" in err and "@" not in text.replace("\n@", "")


@pytest.mark.parametrize("how", recipe.RECIPES)
def test_the_templates_are_clean_python(tiny: Make, how: Any, tmp_path: Path) -> None:
    made = tiny()
    base = bases.find(str(made.base))
    text = recipe.script(
        how, tmp_path / "t.py", "coder", base, recipe.Settings(), id="1", data=tmp_path / "d", out=tmp_path / "o"
    )
    compile(text, "t.py", "exec")
    assert not any(place in text for place in ("@BASE@", "@ROLE@", "@FILE@", "@SETTINGS@"))


def test_one_adapter_for_each_difficulty(tiny: Make, hone: Callable[..., Said]) -> None:
    made = tiny()
    code, out, err = hone("--base", made.base, "--recipe", "unsloth", "--force", "--difficulty", "each", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [each["difficulty"] for each in told["adapters"]] == ["easy", "hard"]
    assert [Path(each["script"]).name for each in told["adapters"]] == ["train_coder_easy.py", "train_coder_hard.py"]
    assert len({each["id"] for each in told["adapters"]}) == 2
    assert "medium" in told["left_out"][0]


def test_few_examples_are_refused_without_force(tiny: Make, hone: Callable[..., Said]) -> None:
    code, _, err = hone("--base", tiny().base)
    assert code == 2 and "6 examples of coder; 500 are wanted" in err and "--force" in err
    assert not Path(".agent/lora").exists() and not Path(".agent/train_coder.py").exists()


def test_a_base_that_is_not_there_or_damaged_is_refused(tiny: Make, hone: Callable[..., Said]) -> None:
    code, _, err = hone("--base", "nowhere.gguf", "--force")
    assert code == 2 and "nowhere.gguf: no such model here" in err
    made = tiny()
    made.base.write_bytes(made.base.read_bytes()[:3000])
    code, _, err = hone("--base", made.base, "--force")
    assert code == 2 and "cut short" in err


def test_missing_rows_are_refused(tiny: Make, hone: Callable[..., Said]) -> None:
    code, _, err = hone("--base", tiny().base, "--role", "judge")
    assert code == 2 and "no examples to train on" in err and "git hone export --role judge" in err


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed here")
def test_a_missing_library_is_named_with_the_command_that_installs_it(tiny: Make, hone: Callable[..., Said]) -> None:
    code, _, err = hone("--base", tiny().base, "--force")
    assert code == 2 and "training needs torch" in err and "pip install 'git-hone[train]'" in err


def test_needs_names_all_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(needs.EXTRAS, "no_such_library", "serve")
    with pytest.raises(UsageError, match="serving needs no_such_library") as raised:
        needs.need("no_such_library", "serving")
    assert raised.value.tip == "pip install 'git-hone[serve]'"


def planned(tiny: Make, tmp_path: Path, **changes: Any) -> train.Plan:
    rows = dataset.read(written(tmp_path / "rows.jsonl", row("a", "1"), row("b", "2")), "coder")
    base = bases.find(str(tiny().base))
    return train.plan(tmp_path / ".agent", "coder", rows, base, recipe.Settings(**changes))


def test_too_little_memory_is_refused_with_the_numbers(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = planned(tiny, tmp_path)
    monkeypatch.setattr(train.needs, "check", lambda *_: None)
    monkeypatch.setattr(train.bases, "memory_free", lambda: 10 << 20)
    with pytest.raises(UsageError, match=r"takes about 0\.3 GB of memory, and 0\.0 GB are free"):
        train.check(made, 1)
    train.check(made, 1, force=True)
    monkeypatch.setattr(train.bases, "memory_free", lambda: None)
    train.check(made, 1)


def test_too_little_disk_is_refused(tiny: Make, tmp_path: Path) -> None:
    made = planned(tiny, tmp_path)
    train.room(made, 1 << 30)
    with pytest.raises(UsageError, match="of disk"):
        train.room(made, 1 << 10)


def test_more_processes_than_rows_of_a_step_are_refused(tiny: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="3 processes cannot share steps of 2 rows"):
        train.check(planned(tiny, tmp_path, processes=3), 1)


def test_the_id_depends_on_what_decides_the_bytes(tiny: Make, tmp_path: Path) -> None:
    rows = dataset.read(written(tmp_path / "rows.jsonl", row("a", "1"), row("b", "2")), "coder")
    more = dataset.read(written(tmp_path / "more.jsonl", row("a", "1"), row("b", "2"), row("c", "3")), "coder")
    base = bases.find(str(tiny().base))
    plain = recipe.Settings()
    ids = [
        recipe.identity("coder", None, base, rows, plain, "plain"),
        recipe.identity("coder", None, base, more, plain, "plain"),
        recipe.identity("coder", "hard", base, rows, plain, "plain"),
        recipe.identity("coder", None, base, rows, recipe.Settings(seed=1), "plain"),
        recipe.identity("coder", None, base._replace(sha256="0"), rows, plain, "plain"),
        recipe.identity("coder", None, base, rows, plain, "unsloth"),
    ]
    assert len(set(ids)) == len(ids)
    elsewhere = base._replace(at="/elsewhere/base.gguf")
    assert recipe.identity("coder", None, elsewhere, rows, plain, "plain") == ids[0]


def test_a_hostile_name_stays_a_comment(tiny: Make, tmp_path: Path) -> None:
    base = bases.find(str(tiny().base))._replace(name='x"""\nimport os\n"""@SETTINGS@')
    text = recipe.script("plain", tmp_path / "t.py", "coder", base, recipe.Settings(), id="1", data=tmp_path / "d", out=tmp_path)
    imported = {name.name for node in ast.parse(text).body if isinstance(node, ast.Import) for name in node.names}
    assert imported == {"json", "math", "os", "random", "signal", "sys", "time", "torch", "torch.distributed"}


def test_nothing_heavy_is_imported_for_help() -> None:
    import subprocess

    code = "import sys; from git_hone.cli import main; main(['train', '-h']); print([m for m in ('torch', 'numpy', 'gguf', 'pyarrow') if m in sys.modules], file=sys.stderr)"  # noqa: E501 - a program in one line
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]" and "Examples" in done.stdout
