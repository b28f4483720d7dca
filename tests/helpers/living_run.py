"""A run in a process of its own: driven call by call, forked, and killed for good.

``Nursery`` is a process that has imported nbtrack and does nothing but fork, which
takes milliseconds where a new interpreter takes a second. Each ``Writer`` executes the
calls it is sent; when a call has returned here, it has returned there, so that its rows
are acknowledged. ``kill`` is SIGKILL: nothing of the run's own code gets another word.
"""

from __future__ import annotations

import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import warnings
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from typing import Any

_GONE_S = 30  # until a killed process must have gone


class CallError(Exception):
    """What a call raised in the other process; ``kind`` is the exception's name."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Writer:
    """The near end of a process that may have a run open."""

    def __init__(self, connection: Connection, pid: int) -> None:
        self._connection = connection
        self._is_killed = False
        self.pid = pid

    def __getattr__(self, call: str) -> Any:
        if call not in _CALLS:
            raise AttributeError(call)
        return lambda *args, **options: self._call(call, *args, **options)

    def _call(self, call: str, *args: Any, **options: Any) -> Any:
        self.start(call, *args, **options)
        return self.result()

    def start(self, call: str, *args: Any, **options: Any) -> None:
        """Begin a call, and leave its end to ``result``."""
        self._connection.send((call, args, options))

    def result(self) -> Any:
        """Wait for the call that was started, and give what it gave."""
        is_done, *answer = self._connection.recv()
        if not is_done:
            raise CallError(*answer)
        return answer[0]

    def acknowledged(self) -> int | None:
        """Give the next number that ``log_without_end`` logged; None after its end."""
        try:
            return int(self._connection.recv())
        except (EOFError, OSError):
            return None

    def fork(self) -> Writer:
        """Fork that process, and give the child."""
        near, far = socket.socketpair()
        self._connection.send(("fork", (), {}))
        send_handle(self._connection, far.fileno(), self.pid)
        far.close()
        is_done, pid = self._connection.recv()
        assert is_done
        return Writer(Connection(near.detach()), pid)

    def kill(self, *, hangs_up: bool = True) -> None:
        """Kill the process, and wait until it has gone. Idempotent.

        ``hangs_up=False`` leaves what it said to be read.
        """
        if self._is_killed:
            return
        self._is_killed = True
        handle = os.pidfd_open(self.pid)
        os.kill(self.pid, signal.SIGKILL)
        gone, _, _ = select.select([handle], [], [], _GONE_S)
        os.close(handle)
        assert gone
        while not _has_gone(self.pid):
            os.sched_yield()
        if hangs_up:
            self._connection.close()


def _has_gone(pid: int) -> bool:
    """Say whether no trace or only a zombie is left; a dying one is neither."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


class Nursery(Writer):
    """A process that has nbtrack imported and no run; ``fork`` gives writers."""

    def __init__(self) -> None:
        near, far = socket.socketpair()
        env = {k: v for k, v in os.environ.items() if k[:8] != "NBTRACK_"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(far.fileno())],
            pass_fds=[far.fileno()],
            env=env | {"NBTRACK_QUIET": "1"},
            cwd="/",
        )
        far.close()
        super().__init__(Connection(near.detach()), self._process.pid)

    def close(self) -> None:
        """End the process; writers that live go on until they are told."""
        self.kill()
        self._process.wait()


# -- the far end -----------------------------------------------------------------------


class _Far:
    """What a writer's process does; each public method is a call."""

    def __init__(self) -> None:
        self._run: Any = None
        self._connection: Any = None

    def fill_segments_at(self, size_bytes: int) -> None:
        """Have logs that are full sooner, in this process and in its forks."""
        from nbtrack._store import journal

        journal.SEGMENT_BYTES = size_bytes

    def init(self, **options: Any) -> str:
        """Open a run, and give its directory."""
        import nbtrack

        self._run = nbtrack.init(view="off", reinit="create_new", **options)
        return str(self._run.dir)

    def log(self, *args: Any, **options: Any) -> int:
        """Log, and give the step that comes next."""
        self._run.log(*args, **options)
        return int(self._run.step)

    def log_all(self, rows: list[dict[str, Any]]) -> int:
        """Log several rows, and give the step that comes next."""
        for row in rows:
            self._run.log(row)
        return int(self._run.step)

    def log_without_end(self) -> None:
        """Log numbers, and tell each as soon as ``log`` has returned."""
        for number in itertools.count():
            self._run.log({"i": number, "x": number / 7})
            self._connection.send(number)

    def log_in_a_storm(
        self, rows: list[dict[str, Any]], interval_s: float, *, reads: bool
    ) -> tuple[list[int], int]:
        """Log rows while interrupts rain; give which calls returned, and how many fell.

        A call that was interrupted is not repeated. ``reads``: read the summary too.
        """
        interrupts = 0

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, interrupt)
        returned: list[int] = []
        for number, row in enumerate(rows):
            try:
                signal.setitimer(signal.ITIMER_REAL, interval_s * (1 + number % 7))
                self._run.log(row)
                returned.append(number)
                if reads:
                    dict(self._run.summary)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupts += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        return returned, interrupts

    def claim(self, **options: Any) -> str:
        """Open a run, and end it."""
        folder = self.init(**options)
        self._run.finish()
        return folder

    def define_metric(self, *args: Any, **options: Any) -> None:
        """Add a rule."""
        self._run.define_metric(*args, **options)

    def set_summary(self, path: list[str], value: Any) -> None:
        """Set a value of the summary by hand."""
        view = self._run.summary
        for key in path[:-1]:
            view = view[key]
        view[path[-1]] = value

    def delete_summary(self, key: str) -> None:
        """Delete a value of the summary."""
        del self._run.summary[key]

    def set_config(self, key: str, value: Any) -> None:
        """Change the config."""
        self._run.config[key] = value

    def summary(self) -> Any:
        """Give the summary as a plain mapping."""
        return _plain(self._run.summary)

    def get(self, name: str) -> Any:
        """Give a property of the run."""
        return getattr(self._run, name)

    def finish(self, *args: Any) -> None:
        """End the run."""
        self._run.finish(*args)

    def fault_kinds(self) -> list[str]:
        """List the kinds of faults so far."""
        return [fault.kind for fault in self._run.faults]


_CALLS = {name for name in vars(_Far) if name[:1] != "_"}


def _plain(view: Any) -> Any:
    if hasattr(view, "items"):
        return {key: _plain(value) for key, value in view.items()}
    return view


def _serve(connection: Connection, far: _Far) -> None:
    while True:
        far._connection = connection
        try:
            call, args, options = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # the test has gone
        if call == "fork":
            handle = recv_handle(connection)
            pid = os.fork()
            if pid == 0:
                connection.close()
                connection = Connection(handle)
                continue
            os.close(handle)
            connection.send((True, pid))
            continue
        try:
            answer = (True, getattr(far, call)(*args, **options))
        except BaseException as error:  # the test decides
            answer = (False, type(error).__name__, str(error))
        connection.send(answer)


def _main() -> None:
    # What the writers will need is loaded once, here: pyarrow loads pandas when it
    # first meets an array.
    import pandas as pd
    import psutil  # noqa: F401
    import pyarrow as pa

    import nbtrack
    import nbtrack._resume

    pa.array(pd.Series([1.5]))

    warnings.simplefilter("ignore")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no child stays as a zombie
    assert nbtrack.run is None
    _serve(Connection(int(sys.argv[1])), _Far())


if __name__ == "__main__":
    _main()
