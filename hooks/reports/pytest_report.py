"""A pytest plugin that writes each test's outcome to a file: copied beside the user's tests' path, it runs in *their* Python.

Standard library only, any Python from 3.8, silent: no output, no option, no mark, and it takes itself out of the
environment, of `sys.path` and of the header's list of plugins. It is found as an entry point of a folder on PYTHONPATH, so
where Python is told to ignore PYTHONPATH nothing is loaded and nothing breaks. Every fault in here is swallowed: a
recorder must not break the tests. One JSON array a line: ["test id", "passed" | "failed" | "skipped"].
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any


def pytest_configure(config: Any) -> None:
    """Start to record, in the process that the user started and in none that its tests start."""
    try:
        path = os.environ.pop("GIT_HONE_REPORT", None)
        _leave_no_trace(config)
        if path and not hasattr(config, "workerinput"):
            config.pluginmanager.register(_Recorder(path), "git-hone-recorder")
    except Exception:  # noqa: S110 - recording must never fail the user's tests
        pass


def _leave_no_trace(config: Any) -> None:
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - the user's process: import nothing more
    kept = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder and folder != here]
    if kept:
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
    else:
        os.environ.pop("PYTHONPATH", None)
    sys.path[:] = [folder for folder in sys.path if folder != here]
    distributions = config.pluginmanager._plugin_distinfo
    distributions[:] = [pair for pair in distributions if getattr(pair[0], "__name__", "") != "git_hone_report"]


class _Recorder:
    """Reports of the tests come here, under xdist from all workers."""

    def __init__(self, path: str) -> None:
        self._out = open(path, "a", buffering=1)  # noqa: SIM115, PTH123 - closed in pytest_unconfigure; pathlib as above

    def pytest_runtest_logreport(self, report: Any) -> None:
        if hasattr(report, "context"):  # a subtest: its test fails with it
            self._write(report.nodeid, "failed" if report.outcome == "failed" else None)
        elif report.when == "call" or report.outcome in ("failed", "skipped"):
            self._write(report.nodeid, report.outcome)

    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome in ("failed", "skipped"):
            self._write(report.nodeid, report.outcome)

    def _write(self, name: str, outcome: str | None) -> None:
        try:
            if outcome in ("passed", "failed", "skipped"):
                self._out.write(json.dumps([name, outcome]) + "\n")
        except Exception:  # noqa: S110 - recording must never fail the user's tests
            pass

    def pytest_unconfigure(self) -> None:
        with contextlib.suppress(Exception):
            self._out.close()
