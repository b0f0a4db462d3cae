"""`git hone export`: hand the record on, as training data or as a database."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from git_hone.cli.fresh import fresh_place
from git_hone.learner.errors import UsageError

if TYPE_CHECKING:
    from git_hone.ci.exporting import Exported

ROLES = ("coder", "fixer", "judge")
FORMATS = ("sft", "messages", "dpo", "kto")


@click.command("export")
@click.option(
    "--role", "roles", multiple=True, type=click.Choice(ROLES), help="Only this role; may be given again. Default: all."
)
@click.option("--difficulty", type=click.Choice(["easy", "medium", "hard"]), help="Only tasks of this difficulty.")
@click.option(
    "--format", "formats", multiple=True, type=click.Choice([*FORMATS, "all"]), help="May be given again. Default: sft."
)
@click.option("--min-reward", type=click.FloatRange(0, 1), help="Least reward. Default: autoExport.minReward, 0.7.")
@click.option("--limit", type=click.IntRange(min=1), help="Most rows of a role. Default: autoExport.maxExamples, 1000.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Only changes committed from then on (UTC)."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="Default: .agent/sft/NAME.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--sqlite",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Instead: runs, signals, pairs and web_cache as one SQLite file; an older FILE is replaced.",
)
def command(
    roles: tuple[Any, ...],
    difficulty: str | None,
    formats: tuple[str, ...],
    min_reward: float | None,
    limit: int | None,
    since: datetime | None,
    out: Path | None,
    as_json: bool,
    sqlite: Path | None,
) -> int:
    """Write training data from the changes that proved themselves, or the whole record as a database.

    Only what is matured, untampered, unreverted and kept is written; what is not is counted with the reason. Secrets and people are
    removed. The same history and configuration give the same bytes. Of older exports in .agent/sft the newest stay (autoExport.keep), and each
    that an adapter learned from. Exit code 1: there was nothing to write.

    \b
    Examples:
      git hone export
      git hone export --role coder --format dpo --since 2026-05-01
      git hone export --sqlite hone.db
    """
    if sqlite is not None:
        if roles or difficulty or formats or min_reward is not None or limit or since or out:
            raise UsageError("--sqlite writes the whole record and takes none of the other options but --json")
        from git_hone.learner.store import Store, export_sqlite

        counts = export_sqlite(Store(fresh_place().data), sqlite)
        click.echo(f"{sqlite}: {', '.join(f'{n} {name}' for name, n in counts.items())}", err=True)
        if as_json:
            click.echo(json.dumps({"file": str(sqlite), "rows": counts}))
        return 0
    from git_hone.ci.exporting import Options, export

    place = fresh_place(aged=True)
    kinds = FORMATS if "all" in formats else tuple(name for name in FORMATS if name in (formats or ("sft",)))
    chosen: Any = tuple(role for role in ROLES if role in (roles or ROLES))
    done = export(place, Options(chosen, kinds, difficulty, min_reward, limit, since and since.replace(tzinfo=timezone.utc), out))
    if as_json:
        body = {"folder": None if done.folder is None else str(done.folder), "written": done.fresh, "manifest_sha256": done.sha256,
                "retracted": done.adapters, "pruned": done.pruned, "notes": done.notes, "manifest": done.manifest}  # fmt: skip
        click.echo(json.dumps(body, indent=2))
    else:
        for row in words(done):
            click.echo(row)
    return int(done.folder is None)


def words(done: Exported) -> list[str]:
    """What to print for people."""
    from git_hone.learner.dataset.choosing import REASONS

    body = done.manifest
    out = [f"{base:16} {of['train']} rows to train on, {of['val']} to validate" for base, of in body["rows"].items()]
    if done.folder is None:
        out.append("nothing to export")
    else:
        out.append(f"{'written to' if done.fresh else 'stands unchanged in'} {done.folder}  (manifest {done.sha256[:12]})")
    if body["prompt_from"]:
        out.append(f"prompts from: {', '.join(f'{name} {n}' for name, n in body['prompt_from'].items())}")
    out.append(f"{body['changes_used']} of {body['changes']} changes used")
    out += [f"  {n:6} left out: {REASONS[name]}" for name, n in body["excluded_changes"].items()]
    if body["changes_without_rows"]:
        out.append(f"  {body['changes_without_rows']:6} with every row left out")
    for role, of in body["excluded_rows"].items():
        out += [f"  {n:6} rows ({role}) left out: {REASONS[name]}" for name, n in of.items()]
    if body["redacted"]["texts"]:
        out.append(f"{body['redacted']['texts']} of {body['redacted']['looked_at']} texts had secrets or people removed")
    for one in done.adapters:
        whys = ", ".join(f"{change} ({why})" for change, why in one["changes"].items())
        out.append(f"adapter {one['adapter']} in {one['folder']} learned from what may no longer be learned from: {whys}")
    if done.pruned:
        out.append(f"removed {len(done.pruned)} older exports that no adapter learned from: {', '.join(done.pruned)}")
    return out + [f"note: {line}" for line in done.notes]
