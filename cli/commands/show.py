"""`git hone show [REV]`: one change, whole."""

from __future__ import annotations

import json
from typing import Any

import click

from git_hone.learner import ledger


@click.command()
@click.argument("rev", default="HEAD")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (schema: cli/show.schema.json).")
def command(rev: str, as_json: bool) -> None:
    """Show the change of a commit: its runs, whose lines, signals, outcomes, reward term by term; and what the gate judged, and what was
    deployed or led back, while the commit was checked out (`git hone adapters` lists all of that).

    \b
    Examples:
      git hone show
      git hone show HEAD~1 --json
    """
    from git_hone.cli.fresh import fresh_place
    from git_hone.hooks.view import show

    view = show(fresh_place(), rev)
    if as_json:
        click.echo(json.dumps(view, indent=2, ensure_ascii=True))
        return
    for row in render(dict(view)):
        click.echo(row)
    if view["notice"]:
        click.echo(view["notice"], err=True)


def render(view: dict[str, Any]) -> list[str]:
    """The lines to print."""
    lines = view["lines"]
    moved = f" (now {view['live_commit'][:10]})" if view["state"] == "moved" else ""
    state = "" if view["state"] in ("live", "none", "moved") else f"  {click.style(view['state'], fg='yellow')}"
    out = [f"{click.style('change', bold=True)} {view['change_id']}  commit {view['commit'][:10]}{moved}{state}"]
    if view["kind"] == "import":
        out.append("  imported  from the history: what the commit or a note says, seen by nobody")
    if view["source"] == "git":
        out.append("no agent's line is recorded in this commit")
    counts = [f"{lines[name]} {name}" for name in ("ai", "human", "unknown") if lines[name] or name == "ai"]
    out.append(f"  lines     {', '.join(counts)}")
    for f in view["files"]:
        spans = ",".join(f"{a}-{b}" if a != b else str(a) for a, b in f["ai_ranges"][:8])
        more = ",…" if len(f["ai_ranges"]) > 8 else ""
        out.append(f"    {safe(f['path'])}  {f['ai']} ai" + (f" ({spans}{more})" if spans else ""))
    for run in view["runs"]:
        out.append(f"  run       {run['run_id']}  {run['agent']}  {run['model'] or 'model unknown'}{_cost(run)}")
        if run.get("task"):
            out.append(f"            “{safe(run['task'].strip().splitlines()[0][:90])}”")
    for claim in view["claims"]:
        named = f", {claim['model']}" if claim["model"] else ""
        out.append(f"  claim     {claim['agent']}{named} ({claim['kind']}: says so, names no line)")
    out += [f"  signal    {_signal(s)}" for s in view["signals"]]
    out += [f"  outcome   {_outcome(o)}" for o in view["outcomes"]]
    out += [f"  flag      {_flag(flag)}" for flag in view["flags"] or ()]
    out += _reward(view["reward"]) if view["source"] != "git" else []
    return out + [f"  promotion {one['at'][:19].replace('T', ' ')}  {ledger.words(one)}" for one in view["promotions"]]


def safe(text: str) -> str:
    """Text from a repository, without control characters."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _cost(run: dict[str, Any]) -> str:
    parts = []
    if run.get("tokens_out") is not None:
        parts.append(f"{(run.get('tokens_in') or 0) + run['tokens_out']} tokens")
    if run.get("duration_ms") is not None:
        parts.append(f"{run['duration_ms'] / 1000:.1f} s")
    return f"  ({', '.join(parts)})" if parts else ""


def _signal(s: dict[str, Any]) -> str:
    passed = s.get("passed")
    verdict = "no verdict" if passed is None else click.style("pass", fg="green") if passed else click.style("fail", fg="red")
    facts = []
    if s.get("tests_total") is not None:
        facts.append(f"{s.get('tests_passed', 0)} of {s['tests_total']} tests passed")
    if s.get("errors") is not None:
        facts.append(f"{s['errors']} error(s)")
    if s.get("coverage_pct") is not None:
        facts.append(f"{s['coverage_pct']:.1f} % covered")
    return f"{s['kind']:9} {verdict}  {s.get('tool', '')}{': ' + ', '.join(facts) if facts else ''}"


def _outcome(o: dict[str, Any]) -> str:
    detail = o["detail"] if isinstance(o.get("detail"), dict) else {}
    return f"{o['kind']:9} {str(o['at'])[:19].replace('T', ' ')}{_happened(o, detail)}"


def _happened(o: dict[str, Any], detail: dict[str, Any]) -> str:
    """What an outcome says, in words; its share where no words are known."""
    share = "" if o.get("value") is None else f"{100 * o['value']:.0f} %"
    after = f" {_span(detail['delay_s'])} later" if isinstance(detail.get("delay_s"), (int, float)) else ""
    if "age_days" in detail:
        return f"  {detail.get('alive')} of {detail.get('of')} lines alive after {detail['age_days']} day(s)"
    if o["kind"] == "reworked":
        corrective = detail.get("corrective")
        why = "" if corrective is None else " to mend a fault" if corrective else " for another reason"
        who = {"human": " by a person", "ai": " by an agent"}.get(str(detail.get("by")), "")
        return f"  {detail.get('lines')} line(s), {share}, changed{who}{why}{after}"
    if o["kind"] == "merged" and detail.get("how"):
        return f"  {MERGED.get(detail['how'], 'on the default branch')}{after if detail.get('delay_s') else ''}"
    if o["kind"] in ("edited", "reverted", "relanded"):
        return f"  {share}{after}"
    return "" if o.get("value") is None else f"  {o['value']:.2f}"


MERGED = {"direct": "committed to the default branch", "merge": "by a merge commit", "squash": "squashed", "rebase": "rebased"}


def _span(seconds: float) -> str:
    """A length of time in one unit.

    >>> _span(30), _span(7200), _span(400_000)
    ('30 s', '2 h', '5 days')
    """
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (unit == "days" and seconds >= size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _flag(flag: dict[str, Any]) -> str:
    where = safe(flag["path"]) + (f":{flag['line']}" if flag["line"] else "")
    whose = "" if flag["by"] in ("agent", None) else f"  (by {flag['by']})"
    return f"{flag['kind']}  {where}  {safe(flag['detail'])}{whose}{'  cleared' if flag['cleared'] else ''}"


def _reward(reward: dict[str, Any]) -> list[str]:
    value = "not known yet" if reward["value"] is None else f"{reward['value']:.3f}"
    veto = f"  veto: {reward['veto']}" if reward.get("veto") else ""
    out = [f"  reward    {value} ({reward['mode']}){veto}"]
    for name, term in reward.get("terms", {}).items():
        if term:
            out.append(f"    {name:9} {term['value']:.3f}  weight {term['weight']:.2f}")
    missing = [name for name, term in reward.get("terms", {}).items() if not term]
    return out + ([f"    not known: {', '.join(missing)}"] if missing else [])
