"""Looking at what a run left behind, and running code in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbtrack

_TIMES = ("_runtime", "_timestamp")


def stored(run):
    """Give a run as a reader finds it."""
    return nbtrack.Api().run(f"{run.project}/{run.id}")


def rows(run):
    """Finish a run and give its rows, their times left out."""
    run.finish()
    return [
        {key: value for key, value in row.items() if key not in _TIMES}
        for row in stored(run).scan_history()
    ]


def document(run, name="run.json"):
    """Read a document of a run as it lies on disk."""
    return json.loads(Path(run.dir, name).read_text("utf-8"))


def records(run, kind):
    """Give the payloads of a kind of record, from all logs."""
    lines = b"".join(
        path.read_bytes() for path in sorted(Path(run.dir, "log").iterdir())
    )
    found = [json.loads(line) for line in lines.splitlines()]
    return [line[3] for line in found if line[2] == kind]


def python(code, **options):
    """Run code in a fresh interpreter; give what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **options,
    )


def start_python(code, **options):
    """Start code in a fresh interpreter, which can be talked to by its pipes."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], **pipes, **options)
