"""Measure what is named, or everything, and print one Markdown table."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import traceback
from datetime import datetime, timezone
from functools import partial
from importlib import import_module
from pathlib import Path

from benchmarks.result import Result, table

NAMES = (
    "log_cost",
    "background",
    "memory",
    "view_cost",
    "capture",
    "importing",
    "media",
    "watching",
    "kill",
    "wire",
    "in_browser",
    "saved_notebook",
    "finish",
    "history",
    "disk",
)


def main() -> None:
    """Run the measurements one after the other; one that fails stops no other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument(
        "--rounds", type=int, help="how often kill kills in each place (10)"
    )
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    results: list[Result] = []
    failed = []
    for name in options.names or NAMES:
        measure = import_module(f"benchmarks.{name}").measure
        if name == "kill" and options.rounds:
            measure = partial(measure, rounds=options.rounds)
        began_s = time.monotonic()
        try:
            results += measure()
        except Exception:  # noqa: BLE001  (it is printed, and told at the end)
            traceback.print_exc()
            failed.append(name)
        print(f"{name}: {time.monotonic() - began_s:.0f} s", file=sys.stderr)
    print(f"\n{_place()}\n\n{table(results)}\n\n{_missed(results)}")
    if failed:
        sys.exit(f"not measured, because of errors: {', '.join(failed)}")


def _missed(results: list[Result]) -> str:
    aims = [result for result in results if result.reach is not None]
    missed = [result.what for result in aims if result.is_missed]
    told = f"{len(aims) - len(missed)} of {len(aims)} aims reached"
    return "\n".join([told, *(f"✗ {what}" for what in missed)])


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
