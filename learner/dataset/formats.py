"""The files of an export: JSON Lines in the columns that trainers read. Pure; the same rows give the same bytes.

    sft       id, prompt, completion, role, label, provenance   TRL's SFTTrainer (prompt and completion); label is always true
    messages  id, messages, role, provenance                    TRL, Unsloth, LLaMA-Factory (openai), OpenPipe
    dpo       id, prompt, chosen, rejected, role, provenance     TRL's DPOTrainer
    kto       id, prompt, completion, label, role, provenance    TRL's KTOTrainer; coder only

prompt, completion, messages, chosen and rejected are lists of {"role", "content"}. provenance is text that holds a JSON object: so every
column has one type in every file, and `datasets.load_dataset` needs no schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from git_hone.learner.dataset.assemble import SIDES, Dataset
from git_hone.learner.dataset.chat import Message
from git_hone.learner.dataset.rows import Left, Row
from git_hone.learner.lineage import row_id

FORMATS: Final = ("sft", "messages", "dpo", "kto")


def files(data: Dataset, formats: Sequence[str], difficulty: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """File name -> its records, for each role, format and side that has any: `coder_sft.train.jsonl`. With a difficulty,
    `coder_hard_sft.train.jsonl`."""
    found: dict[str, list[dict[str, Any]]] = {}
    middle = f"_{difficulty}" if difficulty else ""
    for side in SIDES:
        for row in data.rows[side]:
            for kind in formats:
                for record in records(row, kind):
                    found.setdefault(f"{row.role}{middle}_{kind}.{side}.jsonl", []).append(record)
    return dict(sorted(found.items()))


def records(row: Row, kind: str) -> Iterator[dict[str, Any]]:
    """A row in one format; none where the format has no place for it, two where a pair becomes what to do and what not."""
    known = {"role": row.role, "provenance": _dump(row.provenance)}
    prompt, completion, rejected = _plain(row.prompt), _plain(row.completion), _plain(row.rejected)
    head = {"id": row.id, "prompt": prompt}
    if kind == "sft" and row.use == "answer":
        yield {**head, "completion": completion, "role": row.role, "label": True, "provenance": known["provenance"]}
    elif kind == "messages" and row.use == "answer":
        yield {"id": row.id, "messages": prompt + completion, **known}
    elif kind == "dpo" and row.use == "pair":
        yield {**head, "chosen": completion, "rejected": rejected, **known}
    elif kind == "kto" and row.use == "pair":
        yield {**head, "completion": completion, "label": True, **known}
        yield {**head, "id": row_id(row.change, row.role, f"{row.id} rejected"), "completion": rejected, "label": False, **known}
    elif kind == "kto" and row.role == "coder":
        yield {**head, "completion": completion, "label": row.use == "answer", **known}


def excluded(left: Iterable[Left]) -> list[dict[str, Any]]:
    """What is not in an export, and why: the rows of `excluded.jsonl`."""
    return [{"id": one.id, "change_id": one.change, "reason": one.reason, "role": one.role, "detail": one.detail} for one in left]


def lines(rows: Iterable[dict[str, Any]]) -> bytes:
    """JSON Lines in UTF-8. What is no valid Unicode becomes a question mark."""
    return "".join(f"{json.dumps(row, ensure_ascii=False, separators=(',', ':'))}\n" for row in rows).encode("utf-8", "replace")


def _plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
