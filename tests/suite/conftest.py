"""The rows that wait are named at the end of every run, so that none is forgotten."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = []
    for report in terminalreporter.getreports("passed"):
        said = dict(report.user_properties)
        if report.when == "call" and "waiting" in said:
            note = "; its outcome is right already" if said["passes"] else ""
            lines.append(f"  {said['waiting']}{note}")
    if lines:
        terminalreporter.write_line(f"{len(lines)} scenario rows are not held to yet:")
        for line in lines:
            terminalreporter.write_line(line)
