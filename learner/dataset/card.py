"""What stands beside the rows: `manifest.json`, from which everything can be checked, and `README.md`, made from it alone. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from hashlib import sha256
from typing import Any, Final

from git_hone.learner.dataset import decontaminate, minhash, splits
from git_hone.learner.dataset.assemble import SIDES, Dataset
from git_hone.learner.dataset.choosing import REASONS
from git_hone.learner.dataset.rows import LONGEST, Left

MANIFEST: Final = "manifest.json"
README: Final = "README.md"
EXCLUDED: Final = "excluded.jsonl"
VERSION: Final = 1

Json = dict[str, Any]


def manifest(
    data: Dataset,
    records: Mapping[str, Sequence[Json]],
    contents: Mapping[str, bytes],
    n_changes: int,
    left: Sequence[Left],
    parts: Iterable[Left],
    about: Json,
) -> Json:
    """The manifest of an export.

    records: of each file of rows. contents: the bytes of every file but this and the README. left: changes that gave no row at all, each
    once. parts: what else of changes gave no row, beside what `data` left out. about: what only the caller knows (newest, options,
    config_hash, suite, redacted, git_hone)."""
    whole = Counter(one.reason for one in left)
    used = {row.change for row in data.all}
    by_role = Counter((one.role or "any", one.reason) for one in (*parts, *data.left))
    return {
        "version": VERSION,
        **about,
        "changes": n_changes,
        "changes_used": len(used),
        "changes_without_rows": n_changes - len(used) - len(left),
        "excluded_changes": _ordered(whole),
        "excluded_rows": {role: _ordered({r: n for (of, r), n in by_role.items() if of == role}) for role in sorted({k for k, _ in by_role})},
        "rows": _counts(records),
        "labels": {
            name: {"true": sum(r["label"] for r in rows), "false": sum(not r["label"] for r in rows)}
            for name, rows in records.items() if "_kto." in name
        },
        "verdicts": _ordered(Counter(json.loads(row.completion[0]["content"])["verdict"] for row in data.all if row.role == "judge")),
        "prompt_from": _ordered(Counter(row.provenance["prompt_from"] for row in data.all)),
        "split": {
            "cut": data.split.cut, "share": splits.SHARE, "train_changes": len(data.split.train),
            "val_changes": len(data.split.val), "held_changes": len(data.split.held),
        },
        "near_duplicates": {"jaccard": minhash.NEAR, "shingle": minhash.SHINGLE, "permutations": minhash.N},
        "decontamination": {"ngram": decontaminate.N, "common_passed_over": data.common},
        "longest_characters": LONGEST,
        "commits": sorted({str(row.provenance["commit"]) for row in data.all}),
        "files": {
            name: {
                "sha256": sha256(content).hexdigest(), "bytes": len(content), "rows": content.count(b"\n"),
                "columns": list(records[name][0]) if name in records else ["id", "change_id", "reason", "role", "detail"],
            }
            for name, content in sorted(contents.items())
        },
    }  # fmt: skip


def _counts(records: Mapping[str, Sequence[Json]]) -> Json:
    """{"coder_sft": {"train": n, "val": n}}"""
    found: Json = {}
    for name, rows in records.items():
        base, side, _ = name.rsplit(".", 2)
        found.setdefault(base, dict.fromkeys(SIDES, 0))[side] = len(rows)
    return found


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """The known reasons in their order, then all else by name."""
    places = {name: k for k, name in enumerate(REASONS)}
    return {name: counts[name] for name in sorted(counts, key=lambda name: (places.get(name, len(places)), name)) if counts[name]}


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="seconds")


def dump(body: Json) -> bytes:
    return (json.dumps(body, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def warnings(body: Json) -> list[str]:
    """What whoever trains should know, one line each."""
    said = [f"{base}: no rows to train on" for base, of in body["rows"].items() if not of["train"]]
    if body["split"]["cut"] is None:
        said.append("no validation part: too few changes, or all newer ones touch files of older ones")
    both = {name: of for name, of in body["labels"].items() if name.endswith(".train.jsonl") and not (of["true"] and of["false"])}
    said += [f"{name}: one-sided, every label is {'true' if of['true'] else 'false'}" for name, of in both.items()]
    if len(body["verdicts"]) == 1:
        said.append(f"judge: one-sided, every verdict is {next(iter(body['verdicts']))}")
    return said


def readme(body: Json, manifest_sha256: str) -> bytes:
    """The data card."""
    options = body["options"]
    head = ["---", "configs:"]
    for base, of in body["rows"].items():
        head += [f"- config_name: {base}", "  data_files:"]
        for side, name in zip(SIDES, ("train", "validation"), strict=True):
            head += [f"  - split: {name}", f"    path: {base}.{side}.jsonl"] if of[side] else []
    rows = [f"| `{base}` | {of['train']} | {of['val']} |" for base, of in body["rows"].items()]
    whole = [f"| {n} | {REASONS[name]} |" for name, n in body["excluded_changes"].items()]
    whole += [f"| {n} | all that could have been a row of it is left out below |"] if (n := body["changes_without_rows"]) else []
    parts = [f"| {n} | {role} | {REASONS[name]} |" for role, of in body["excluded_rows"].items() for name, n in of.items()]
    cut = body["split"]["cut"]
    suites = [f"- `{one['name']}`: {one['tasks']} tasks, manifest {one['sha256']}" for one in body["suite"]]
    base = "coder_sft" if "coder_sft" in body["rows"] else next(iter(body["rows"]), "coder_sft")
    said = [f"- {line}" for line in warnings(body)]
    text = [
        *head, "---", "", "# Training data from a Git history", "",
        f"Written by git-hone {body['git_hone']} from {body['changes_used']} of {body['changes']} recorded changes. The newest fact is of"
        f" {body['newest']}. Manifest: SHA-256 `{manifest_sha256}`. The same history and configuration give the same bytes.", "",
        "## Rows", "", "| set | train | validation |", "|---|---|---|", *rows, "",
        *(["Mind:", "", *said, ""] if said else []),
        f"Options: roles {', '.join(options['roles'])}; formats {', '.join(options['formats'])}; reward at least {options['min_reward']};"
        f" at most {options['limit']} rows for each role and use; difficulty {options['difficulty'] or 'any'}; since"
        f" {options['since'] or 'the beginning'}. Configuration {body['config_hash']}.", "",
        "- `sft`, `messages`: answers to imitate. coder: a task and a file -> the file as it was kept. fixer: what checks said and the files ->"
        " the patch after which they passed. judge: a task and its patch -> whether it stood.",
        "- `dpo`: lines as a person made them (chosen) and as the agent had written them (rejected).",
        "- `kto`: the answers and the persons' versions (true); answers that a later change mended, and agents' versions (false). Of the"
        " coder only, as the others have no bad answers.", "",
        "`provenance` is a JSON object as text: the change and commit, the reward, the agent, model and runs, and `prompt_from`:"
        f" {', '.join(f'{n} rows from {name}' for name, n in body['prompt_from'].items()) or 'no rows'}.", "",
        "## What is not in it", "", "Every change has one verdict; `excluded.jsonl` names each.", "",
        *(["| changes | why |", "|---|---|", *whole, ""] if whole else []),
        *(["| rows, files, pairs | role | why |", "|---|---|---|", *parts, ""] if parts else []),
        "Reverted, rejected and tampered changes are in no file, not even as bad examples.", "",
        "## How", "",
        f"- Near-duplicates: Jaccard similarity of {body['near_duplicates']['shingle']}-token shingles of the task and the added lines at least"
        f" {body['near_duplicates']['jaccard']}, found by MinHash, checked exactly, before splitting.",
        f"- Suite: rows that share {body['decontamination']['ngram']} tokens in a row with a task, or whose commit a task was made of, are out."
        + ("" if suites else " There was no suite."), *suites,
        "- Split: by time and by file family, never at random."
        + (f" Validation is what was committed after {_day(cut)}." if cut is not None else ""),
        f"- Secrets and people are replaced by `[redacted:KIND]`: {body['redacted']['texts']} of {body['redacted']['looked_at']} texts were"
        f" changed, {body['redacted']['here_only']} of them by what only this machine knows (its user, host, home, scanner); where that is 0,"
        " another machine writes the same bytes.", "",
        "## Load", "", "```python", "from datasets import load_dataset", "",
        f'data = load_dataset("json", data_files={{"train": "{base}.train.jsonl"}})', "```", "",
        "The code is this repository's and stays under its licence. A model trained on it can repeat it.", "",
    ]  # fmt: skip
    return "\n".join(text).encode("utf-8", "replace")
