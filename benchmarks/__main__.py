"""Measure what is named, or everything, and print one Markdown table."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from datetime import datetime, timezone
from functools import partial
from importlib import import_module
from pathlib import Path

from benchmarks.result import table

NAMES = (
    "log_cost",
    "view_cost",
    "importing",
    "kill",
    "wire",
    "saved_notebook",
    "history",
    "disk",
)


def main() -> None:
    """Run the measurements one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument(
        "--full", action="store_true", help="history of 1,000,000 rows, not 200,000"
    )
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    results = []
    for name in options.names or NAMES:
        module = import_module(f"benchmarks.{name}")
        measure = module.measure
        if name == "history" and options.full:
            measure = partial(measure, rows=module.FULL_ROWS)
        began_s = time.monotonic()
        results += measure()
        print(f"{name}: {time.monotonic() - began_s:.0f} s", file=sys.stderr)
    print(f"\n{_place()}\n\n{table(results)}")


def _place() -> str:
    today = datetime.now(tz=timezone.utc).date()
    version = platform.python_version()
    return f"{today}, Python {version}, {os.cpu_count()} cores, {_processor()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    models = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine()).strip()


if __name__ == "__main__":
    main()
