"""The command line: ``nbtrack runs``, ``nbtrack history``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from nbtrack._version import __version__
from nbtrack.errors import NbtrackError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except NbtrackError as error:
        print(f"nbtrack: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nbtrack", description="List runs, and write histories."
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--dir", help="root of all projects (default: ./nbruns)")
    commands = parser.add_subparsers(required=True, metavar="command")
    runs = commands.add_parser("runs", help="list the runs of a project, or all")
    runs.add_argument("project", nargs="?")
    runs.set_defaults(run=_runs)
    history = commands.add_parser("history", help="write a run's history as CSV")
    history.add_argument("path", help="project/run-id")
    history.set_defaults(run=_history)
    return parser


def _runs(options: argparse.Namespace) -> int:
    from nbtrack._read.here import runs

    print(repr(runs(options.project, root=options.dir)))  # noqa: T201
    return 0


def _history(options: argparse.Namespace) -> int:
    from nbtrack._read.api import Api

    frame = Api(options.dir).run(options.path).history()
    frame.to_csv(sys.stdout, index=False)
    return 0
