"""Draw what `python -m bench.router --json` measured: reward against cost on CodeRouterBench, a line for each family.

python -m bench.frontier REPORT.json docs/explanation/frontier.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from git_hone.learner import chart


def lines(report: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Family -> (USD, mean reward in percent) at each price, cheapest first; and the models, each a point."""
    found = {
        name: sorted(zip(report["frontier_cost"][name], rewards, strict=True)) for name, rewards in report["frontier"].items()
        if name != "best-single"
    }  # fmt: skip
    strong = report["choices_without_learning"][f"always {report['strong']}"]
    cheap = report["choices_without_learning"][f"always {report['cheapest']}"]
    found[f"always {report['cheapest']}"] = [(cheap["total_cost"], cheap["average_reward"])]
    found[f"always {report['strong']}"] = [(strong["total_cost"], strong["average_reward"])]
    return found


def within(report: dict[str, Any]) -> list[str]:
    """The table of `budgets`, as Markdown: each family's mean reward, and what the router has more on the same tasks."""
    families = list(report["frontier"])
    rows = ["| USD | " + " | ".join(families) + " |", "|---" * (1 + len(families)) + "|"]
    for budget, found in report["budgets"].items():
        cells = []
        for name in families:
            more = found[name]["router_over"]
            low, high = more["interval"]
            text = f"{found[name]['mean_percent']:.2f}"
            cells.append(f"{text} ({more['points']:+.2f}, {low:+.2f} to {high:+.2f})" if name != "git-hone" else text)
        rows.append(f"| {budget} | " + " | ".join(cells) + " |")
    return rows


def main(argv: list[str]) -> int:
    if len(argv) != 2:
        sys.stderr.write(__doc__ or "")
        return 2
    report = json.loads(Path(argv[0]).read_text("utf-8"))["coderouterbench"]
    title = f"CodeRouterBench, {report['tasks']:,} tasks, 5 folds"
    drawn = chart.svg(lines(report), title=title, across="cost of all tasks (USD)", up="mean reward (%)")
    Path(argv[1]).write_text(drawn, "utf-8")
    sys.stdout.write("\n".join(within(report)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
