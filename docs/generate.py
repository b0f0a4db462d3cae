"""Write the reference pages that the code already says: commands.md, records.md, doctor.md, variants.md and
training-data.md in docs/reference/,
the table of keys in its configuration.md, and docs/reliability.md from the runs that docs/tried.py made.

python docs/generate.py            write them
python docs/generate.py --check    exit 1, and name them, when they are not up to date
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import tried

from git_hone.cli import COMMANDS
from git_hone.cli.app import main_group
from git_hone.hooks.install.damages import KINDS
from git_hone.learner import config, tables, variants
from git_hone.learner.dataset import formats, rows
from git_hone.learner.dataset.choosing import REASONS

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- written by docs/generate.py; edit {source} instead -->"
EXITS = """Every command has `--help`. Results go to standard output, talk to standard error; `NO_COLOR` and `FORCE_COLOR` are
honoured. Exit codes: 0 fine, 1 the check says no, 2 wrong use, 3 a fault of ours (the message names a file with the details),
130 interrupted. `git hone --help` opens the man page, `git hone -h` prints the help."""


def commands() -> str:
    """The page of commands, from click's own data: its help text differs between versions of click."""
    page = ["# Commands", "", NOTE.format(source="the docstrings in cli/commands/"), "", EXITS, ""]
    for name in COMMANDS:
        context = click.Context(main_group)
        command = main_group.get_command(context, name)
        if command is None:
            raise LookupError(name)
        usage = " ".join(["git hone", name, "[OPTIONS]", *arguments(command)])
        page += [f"## git hone {name}", "", f"`{usage}`", "", *prose(command.help or "")]
        page += options(command)
        for sub, inner in sorted(command.commands.items()) if isinstance(command, click.Group) else ():
            usage = " ".join(["git hone", name, sub, "[OPTIONS]", *arguments(inner)])
            page += [f"### git hone {name} {sub}", "", f"`{usage}`", "", *prose(inner.help or ""), *options(inner)]
    return "\n".join(page)


def prose(text: str) -> Iterator[str]:
    """Markdown of a docstring for click, whose paragraphs after a \\b stand as they are."""
    for part in inspect.cleandoc(text).split("\n\n"):
        if part.startswith("\b"):
            title, _, lines = part.removeprefix("\b\n").partition("\n")
            yield from (title, "", "```", inspect.cleandoc(lines), "```", "")
        else:
            yield from (part, "")


def arguments(command: click.Command) -> Iterator[str]:
    for each in (param for param in command.params if isinstance(param, click.Argument)):
        name = kind(each.type) if isinstance(each.type, click.Choice) else str(each.name).upper()
        yield each.metavar or (name if each.required else f"[{name}]")


def options(command: click.Command) -> list[str]:
    rows = []
    for option in (each for each in command.params if isinstance(each, click.Option) and not each.hidden):
        flags = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
        value = "" if option.is_flag or option.count else f" `{option.metavar or kind(option.type)}`"
        told = " ".join((option.help or "").split())
        rows.append("| {} | {} |".format(*(cell.replace("|", "\\|") for cell in (flags + value, told))))
    return ["| option | meaning |", "|---|---|", *rows, ""] if rows else []


def kind(what: click.ParamType[Any]) -> str:
    if isinstance(what, click.Choice):
        return "|".join(map(str, what.choices))
    return "N" if isinstance(what, click.IntRange) else what.name.upper()


def records() -> str:
    """The page of tables; what a column means is the comment beside it."""
    source = inspect.getsource(tables)
    told = dict(re.findall(r"^([A-Z_]+): Final(?:\[[^\n]*\])? = (?:Table\()?\{?\n(.*?)^[)}]", source, re.MULTILINE | re.DOTALL))
    page = [
        "# Records",
        "",
        NOTE.format(source="learner/tables.py"),
        "",
        *inspect.cleandoc(tables.__doc__ or "").splitlines(),
        "",
    ]
    page += ["## Columns of every table", "", *columns(told["COMMON"], tables.COMMON), ""]
    for table in tables.TABLES.values():
        page += [
            f"## {table.name}",
            "",
            f"Key: {', '.join(f'`{name}`' for name in table.key)}. Month of the file: `{table.month}`.",
            "",
        ]
        page += [*columns(told[table.name.upper()], table.columns), ""]
    return "\n".join(page)


def columns(source: str, wanted: dict[str, str]) -> list[str]:
    found = re.findall(r'^\s+"(\w+)": "(\w+)",(?: *# (.*))?$', source, re.MULTILINE)
    if {name: kind for name, kind, _ in found} != wanted:
        raise LookupError(f"learner/tables.py: the comments of {sorted(wanted)} were not found")
    escaped = [(name, kind, re.sub(r"([|<\[])", r"\\\1", said)) for name, kind, said in found]
    return ["| column | type | meaning |", "|---|---|---|", *(f"| `{name}` | {kind} | {said} |" for name, kind, said in escaped)]


TRIED = """Each row is a run of tests with real git and real faults; the command beside it reproduces it, and the numbers come from
that run: `python docs/tried.py` writes them, and nobody types them. *Wrong* is a person's line called an agent's, an agent's line
called a person's, a record lost or doubled, a byte lost by a repair, or a commit that failed or said something because of git-hone;
a failed test counts as one. *Unknown* is allowed, and counted where a test asks whose lines something is. Tests that could not be
run on the machine are in *skipped*."""
LIMITS = """## Where unknown is the answer

- A commit that this clone did not see being made, unless its lines were seen before (fetched, `git am`, made while not installed).
- A shell command of an agent that brings in what somebody else wrote (`git stash pop`, `checkout`, `merge`, `cherry-pick`, …).
- A file that equals one an agent wrote, while that one still stands: a copy by nobody knows whom.
- A hunk rewritten while a rebase, cherry-pick or merge was under way.
- A commit made while an agent's tool call was open, until the call's end is known.
- A file that git ignored while an agent's shell command was at work, when it is added with `git add -f`.

## What is known to be weak

- A person who edits a file during an agent's long shell command: the file's change is the command's.
- In a merge commit only the lines count that no parent has, and only where an agent's tool call is seen to have written one of them.
- An agent's deletions leave no line, so a change that only deletes has no record of its own; what it took away from an earlier
  change is that change's outcome.
- A few lines in a hundred of the random histories are unknown: `HONE_FUZZ=100 pytest -s tests/hooks/test_fuzz.py` prints how many, by
  the operation that made the commit. What `git gc --prune=now` takes of an agent's text before anybody read it makes every line
  without an author unknown for a day.
- Right after a commit, before the worker has ended (it asks the system to write the file system out), a power cut can take the
  commit with it, as it can without git-hone: git itself does not wait for the disk.
"""
DOCTOR = """`git hone doctor` looks at everything that an event passes on its way to an answer, and ends with 0 when nothing is wrong,
with 1 when something is. Each problem has a severity, what it means for the records, and its next step. An *error* loses or
withholds records until it is mended, a *warning* does not, a *note* is no problem.

`--repair` mends what has an entry in the last column, and may be run again at any time. It deletes nothing: what it replaces moves
to `.git/hone/set-aside/`, torn events to `.git/hone/unreadable/`, damaged segments to `.agent/quarantine/`, a damaged state to
`.git/hone/state-damaged-*.db`. `git hone uninstall` takes them away with the rest of `.git/hone`."""
DOCTOR_JSON = """## --json

One object: `version` (1), `ok` (whether nothing is wrong), and `checks`, a list in the order in which an event travels.
A later version 1 may add fields; none goes or changes its meaning.

| field | type | meaning |
|---|---|---|
| `check` | str | the part that was looked at, as in the table above |
| `ok` | bool | no problem, or none any more |
| `kind` | str, null | the damage, as in the table above; null where all is fine |
| `severity` | str, null | "error", "warning" or "note"; null where all is fine |
| `repaired` | bool | it was a problem until this call of `--repair` |
| `words` | str | what and where, for a person |
| `means` | str | what it means for the records; "" where all is fine |
| `next` | str | the next step; "" where none is needed |
"""


def damages() -> str:
    """The page of `git hone doctor`."""
    page = ["# git hone doctor", "", NOTE.format(source="KINDS in hooks/install/damages.py"), "", DOCTOR, ""]
    page += ["| check | kind | severity | what it means | what `--repair` does |", "|---|---|---|---|---|"]
    for name, kind in KINDS.items():
        mends = kind.mends or ("" if kind.severity == "note" else "a person has to")
        page.append(f"| {kind.check} | `{name}` | {kind.severity} | {kind.means} | {mends} |")
    return "\n".join([*page, "", DOCTOR_JSON])


SETTINGS = "| key | default | allowed | what it does |\n|---|---|---|---|\n"
VARIANTS = """`.agent/prompt_variants.json` and `.agent/model_variants.json` say what there is to choose among. Both are JSON lists, committed
with the repository; `git hone init` writes them, and without a file the same shipped variants stand in. A file that breaks a rule is an
error that names file, entry and key, and nothing is taken from it.

`git hone variants list` shows them with what came of them, `add` adds one, `test ID` really asks a model.

`wins` and `trials` are for people. Decisions never read them, and `git hone variants list --refresh` writes what the records say: trials
is the number of tries that have a reward by now, wins the sum of these rewards. Nothing writes them unasked: the files are
tracked, and a background process that changes tracked files gets in the way of a pull or a rebase.

A model whose endpoint is not this machine (`localhost`, `127.0.0.1`, `::1`) is asked only when `privacy.local_only` is off; `local: true`
on another address does not lift that."""


def variants_page() -> str:
    """The page of the two files, from their schema."""
    page = [
        "# Variants",
        "",
        NOTE.format(source="learner/variants.schema.json, and VARIANTS in docs/generate.py"),
        "",
        VARIANTS,
        "",
    ]
    known = variants.schema()["$defs"]
    for kind, file in (("prompt", variants.PROMPTS), ("model", variants.MODELS)):
        page += [f"## .agent/{file}", "", "| key | type | allowed | meaning |", "|---|---|---|---|"]
        for name, rule in known[kind]["properties"].items():
            whole = known.get(str(rule.get("$ref", "")).rpartition("/")[2], {}) | rule
            needed = "required" if name in known[kind]["required"] else ""
            limits = [f"`{one}`" for one in whole.get("enum", ())]
            limits += [
                f"{word} {whole[key]}"
                for key, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "at most"))
                if key in whole
            ]
            limits += [f"`{whole['pattern']}`"] if "pattern" in whole else []
            cells = (
                f"`{name}`",
                whole.get("type", "text"),
                ", ".join([*filter(None, [needed]), *limits]),
                whole.get("description", ""),
            )
            page.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        page += ["", "A new file:", "", "```json", variants.defaults()[file].decode().rstrip(), "```", ""]
    return "\n".join([*page, shipped()])


def shipped() -> str:
    told = ["## The templates that are shipped", ""]
    for name, text in variants.TEMPLATES.items():
        told += [f"### {name}", "", "```", text.rstrip(), "```", ""]
    return "\n".join(told)


def configuration() -> str:
    """The page of the configuration with its table of keys, which the schema says, written anew."""
    page = (FOLDER / "configuration.md").read_text("utf-8")
    head, row, rest = page.partition(SETTINGS)
    _, blank, tail = rest.partition("\n\n")
    if not row or not blank:
        raise LookupError(f"docs/reference/configuration.md: no table that begins with {SETTINGS.strip()}")
    return head + row + "\n".join(settings(config.schema())) + blank + tail


def settings(node: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, rule in node["properties"].items():
        if rule.get("type") == "object":
            yield from settings(rule, f"{path}{key}.")
        elif key != "$schema":
            default = f"`{json.dumps(rule['default'])}`" if "default" in rule else "none"
            yield f"| `{path}{key}` | {default} | {allowed(rule)} | {rule['description']} |"


def allowed(rule: dict[str, Any]) -> str:
    if "enum" in rule or rule["type"] == "boolean":
        return " or ".join(f"`{json.dumps(one)}`" for one in rule.get("enum", (True, False)))
    said = {"integer": "whole number", "number": "number", "string": "text", "array": "list of text"}[rule["type"]]
    words = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    limits = [f"{word} {rule[key]}" for key, word in words if key in rule]
    limits += ["not empty"] if rule.get("minLength") or rule.get("minItems") else []
    limits += [f"at most {rule['maxLength']} characters"] if "maxLength" in rule else []
    return ", ".join([said, *limits])


def reliability() -> str:
    """The page of what was tried, from the runs that docs/tried.py kept."""
    held = tried.results()
    page = ["# What was tried, and how often it went wrong", "", NOTE.format(source="TABLE in docs/tried.py"), "", TRIED, ""]
    if held:
        page += [f"Measured on {held['machine']}.", ""]
    for section in dict.fromkeys(row.section for row in tried.ROWS):
        page += [f"## {section}", "", "| what | tried | wrong | unknown | skipped | command |", "|---|---|---|---|---|---|"]
        for row in (row for row in tried.ROWS if row.section == section):
            got = held.get("rows", {}).get(row.name)
            numbers = [got[key] for key in ("tried", "wrong", "unknown", "skipped")] if got else ["not yet", "", "", ""]
            cells = [row.what, *map(str, numbers), f"`{tried.command(row)}`"]
            page.append(f"| {' | '.join(cells)} |")
        page.append("")
    return "\n".join([*page, LIMITS])


def training_data() -> str:
    """The page of exports: formats, manifest, reasons."""
    page = ["# Training data", "", NOTE.format(source="learner/dataset/"), "", "What `git hone export` writes. How to: "
            "[export training data](../how-to/export-training-data.md).", "", "## Files", "",
            "`.agent/sft/NAME/` holds one export. NAME is the newest time in the record and the first 8 hex digits of the manifest's SHA-256.",
            "", "| file | holds |", "|---|---|",
            "| `ROLE_FORMAT.train.jsonl`, `ROLE_FORMAT.val.jsonl` | rows; `ROLE_DIFFICULTY_FORMAT` with `--difficulty`; none is empty |",
            "| `excluded.jsonl` | id, change_id, reason, role and detail of everything that was left out |",
            "| `manifest.json` | counts, options, the configuration's hash, the split, source commits, and the SHA-256 of each file |",
            "| `README.md` | the data card, with the `configs` that Hugging Face's `load_dataset` reads |", "",
            "Beside it, for tools that look for the seeds' names: `.agent/sft/ROLE_sft.jsonl`, the training side of the newest export, and "
            "`.agent/last-export-ROLE.txt`, its NAME.", "", "## Formats", "", "| format | columns | read by |", "|---|---|---|"]  # fmt: skip
    found = re.findall(r"^    (\w+)\s{2,}(.*?)\s{2,}(.*)$", formats.__doc__ or "", re.MULTILINE)
    page += [f"| `{name}` | {named} | {reader} |" for name, named, reader in found]
    page += ["", *(formats.__doc__ or "").strip().split("\n\n")[-1].splitlines(), "", "## Rows", ""]
    page += [f"    {line.strip()}" for line in (rows.__doc__ or "").splitlines() if " -> " in line]
    page += ["", "A row's id is `CHANGE-ROLE-DIGEST`. An adapter's folder holds `lineage.json` with the ids that it was trained on and the hash "
             "of the manifest (`learner/lineage.py`), so that a change leads to the adapters that learned from it.", "",
             "## Why something is left out", "", "The first reason that holds is the one that is counted.", "",
             "| reason | means |", "|---|---|"]  # fmt: skip
    page += [f"| `{name}` | {words} |" for name, words in REASONS.items()]
    return "\n".join(page) + "\n"


def main(argv: list[str]) -> int:
    pages = {FOLDER / "commands.md": commands(), FOLDER / "records.md": records(), FOLDER / "doctor.md": damages()}
    pages[FOLDER / "training-data.md"] = training_data()
    pages |= {FOLDER / "variants.md": variants_page(), FOLDER / "configuration.md": configuration()}
    pages[FOLDER.parent / "reliability.md"] = reliability()
    stale = [path for path, page in pages.items() if not path.exists() or path.read_text("utf-8") != page]
    for path in stale:
        if "--check" in argv:
            print(f"{path}: not up to date; run `python docs/generate.py`", file=sys.stderr)
        else:
            path.write_text(pages[path], "utf-8")
    return 1 if stale and "--check" in argv else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
