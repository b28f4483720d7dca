"""Python in a process of its own, so that it may die, be limited, or fork in peace."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: Every child begins with this: warnings are heard, and told with the rest.
HEAD = """
import json, os, resource, signal, sys, warnings

heard = []
warnings.simplefilter("always")
warnings.showwarning = lambda message, *_, **__: heard.append(str(message))

def tell(run=None, **facts):
    if run is not None:
        counts = facts["faults"] = {}
        for fault in run.faults:
            counts[fault.kind] = counts.get(fault.kind, 0) + fault.count
    print(json.dumps({"heard": heard, **facts}), flush=True)

"""


def told_by(code: str, *arguments: object, **options: Any) -> dict[str, Any]:
    """Run code that ends in ``tell(…)``, and give what it told.

    ``options`` go to ``subprocess.run``, such as ``preexec_fn``.
    """
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.stdout, f"it died ({done.returncode}): {done.stderr}"
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    told["exit_code"], told["stderr"] = done.returncode, done.stderr
    return told


def until(condition: Callable[[], bool], deadline_s: float = 30) -> None:
    """Await what another thread or process brings about."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.005)
