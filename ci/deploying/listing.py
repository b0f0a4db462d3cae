"""What was exported, trained and deployed, from the files of `.agent`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from git_hone.ci import promotions
from git_hone.ci.deploying import candidates, challenging, champions, recipe
from git_hone.ci.digests import file_sha256
from git_hone.ci.training import publishing
from git_hone.learner import ledger, lineage
from git_hone.learner.errors import DataError

SHOWN: Final = 20


def listing(agent: Path, data: Path) -> dict[str, Any]:
    """data: the folder of the records.

    datasets: name and bytes of each file of `.agent/sft`. adapters: id, role, base, data set, rows, what the newest look of the gate said of the
    adapter or its merged model (null: nothing). deployed: the pointers of each role, and what its challenger has shown. damaged: a line for
    each that cannot be read. history: every step of a promotion, as `promotions.history` tells it.
    """
    roles = champions.load(agent)
    adapters, damaged = [], []
    for role in recipe.ROLES:
        for folder in candidates.adapters(agent, role):
            try:
                adapters.append(_adapter(agent, folder, role, roles.get(role)))
            except DataError as error:
                damaged.append(error.message)
    files = sorted(file for file in (agent / "sft").rglob("*.jsonl") if file.is_file())
    return {
        "version": 1,
        "datasets": [{"file": file.relative_to(agent).as_posix(), "bytes": file.stat().st_size} for file in files],
        "adapters": adapters,
        "deployed": {
            name: {"champion": role.champion, "before": role.before, "challenger": _challenger(data, role.challenger), "moving": role.moving,
                   "server": role.deployments[role.champion]["server"] if role.champion else None}
            for name, role in roles.items()
        },
        "history": promotions.history(agent),
        "damaged": damaged,
    }  # fmt: skip


def _challenger(data: Path, of: dict[str, Any] | None) -> dict[str, Any] | None:
    if of is None:
        return None
    trial = challenging.look(data, of)
    return {**of, "trial": None if trial is None else challenging.as_json(trial)}


def _adapter(agent: Path, folder: Path, role: str, pointers: champions.Role | None) -> dict[str, Any]:
    of = lineage.read(folder / lineage.FILE)
    lines = [
        line for name in (candidates.MERGED, publishing.GGUF)
        if (folder / name).is_file() and (line := candidates.verdict(agent, file_sha256(folder / name)))
    ]  # fmt: skip
    return {
        "id": folder.name, "role": role, "folder": folder.relative_to(agent).as_posix(), "base": of.base, "dataset": of.dataset,
        "rows": len(of.rows), "gguf": (folder / publishing.GGUF).is_file(),
        "gate": lines[0]["verdict"] if lines else None, "champion": bool(pointers and pointers.champion == folder.name),
    }  # fmt: skip


def _only(one: dict[str, Any]) -> str:
    return "" if one["ledger"] else "  (a note says so, not the ledger here)"


def words(told: dict[str, Any]) -> str:
    """For a person."""
    lines = [f"data set  {one['file']}  {one['bytes']} bytes" for one in told["datasets"]] or ["no data set: git hone export"]
    for one in told["adapters"]:
        what = f"adapter   {one['role']}/{one['id']}  {one['rows']} rows, base {one['base']}, gate: {one['gate'] or 'not asked'}"
        lines.append(what + ("  champion" if one["champion"] else ""))
    lines += [] if told["adapters"] else ["no adapter: git hone train"]
    for role, one in told["deployed"].items():
        lines.append(
            f"deployed  {role}: {one['champion'] or 'nothing'}, before: {', '.join(x or 'nothing' for x in one['before']) or '-'}"
        )
        if one["challenger"]:
            lines.append(f"          challenger {one['challenger']['id']}, share {one['challenger']['share']:g}")
            lines += (
                [f"            {line}" for line in challenging.words(one["challenger"]["trial"])]
                if one["challenger"]["trial"]
                else []
            )
        if one["moving"]:
            lines.append("          a change was broken off: git hone rollback or deploy leads back")
    steps = told["history"]
    if len(steps) > SHOWN:
        lines.append(f"history   {len(steps) - SHOWN} steps before these: git hone adapters --json")
    lines += [
        f"history   {str(one.get('at'))[:19].replace('T', ' ')}  {(one['commit'] or '-')[:10]:10}  {ledger.words(one)}{_only(one)}"
        for one in steps[-SHOWN:]
    ]
    return "\n".join([*lines, *(f"damaged   {line}" for line in told["damaged"])])
