"""The one thread per process that measures the machine and writes the console down.

Runs that are open register here, each with what it wants. The thread lives while one
of them does; psutil and NVML are imported on it, a moment after the first run began,
so that ``init`` and the first ``log`` do not pay for it. A run that ends takes what
belongs to it along, and the last one stops the thread and leaves the streams as they
were.

What the thread costs is measured: after a sample that took 10 ms of processor time it
rests for at least two seconds: half a percent of a core, whatever the settings ask.
(Loading psutil and the GPU driver, once, is not counted.) In the same way, who prints
without pause is written down every few seconds instead of twice each.

In a forked child there is no thread, and nothing is heard or measured: the machine is
the parent's to measure, and what a worker prints is not part of the run. A run that is
begun in the child registers anew.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from nbtrack._capture.streams import Streams
from nbtrack._fork import tell_when_forked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbtrack._capture.cells import Cell
    from nbtrack._capture.console import ConsoleWriter
    from nbtrack._capture.files import Appender, Bounds
    from nbtrack._capture.system import Machine, Sample, Since

#: How often text is written down: so much of it may be lost to a kill.
TAKE_S: Final = 0.5
#: Of a core, at most, for that; then it is written down less often.
TAKE_SHARE: Final = 0.05
_TAKE_MOST_S: Final = 10.0
#: Of a core, at most, for measuring.
SHARE: Final = 0.005
#: After a run began: until psutil is loaded, and then until the first sample.
_LOAD_S: Final = 0.25
_FIRST_S: Final = 0.75
#: Besides three times its pace, after which another process of the host is gone.
_LATE_S: Final = 5.0
_JOIN_S: Final = 1.0  # a driver may take its time; nobody waits for it longer


class Wanted:  # written out: a named tuple takes half a millisecond of every import
    """What a run wants to be recorded, and where to.

    Attributes
    ----------
    path
        The run's directory.
    writer
        The name of its journal's writer, and of files written here.
    opening
        What the first line of each file says, besides the process.
    elapsed_us
        Gives the run time in microseconds.
    report
        Told of faults: a subject, a message, the error.
    system_s
        Seconds between two samples of the machine; 0 for none.
    cores
        Every core by itself, too.
    console
        "auto", "fd" or "off".
    takes_turns
        Other processes may write the run; one of each host measures it.
    """

    def __init__(
        self,
        path: Path,
        writer: str,
        opening: dict[str, Any],
        elapsed_us: Callable[[], int],
        report: Callable[[str, str, BaseException | None], None],
        *,
        system_s: float = 15.0,
        cores: bool = False,
        console: str = "auto",
        takes_turns: bool = False,
    ) -> None:
        self.path = path
        self.writer = writer
        self.opening = opening
        self.elapsed_us = elapsed_us
        self.report = report
        self.system_s = system_s
        self.cores = cores
        self.console = console
        self.takes_turns = takes_turns


class _Client:
    """One run that is being recorded; its files are made when they are needed."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.hears = wanted.console != "off"
        self.measures = wanted.system_s > 0
        self.began_s = time.monotonic()
        self.due_s: float | None = (
            None  # when the next sample is; None before the first
        )
        self._since: Since | None = None
        self._system: Appender | None = None
        self._console: ConsoleWriter | None = None

    def print(self, printed: list[tuple[str, str | int]]) -> None:
        """Write down what was printed."""
        if not (self.hears and (printed or self._console)):
            return
        if self._console is None:
            from nbtrack._capture.console import BOUNDS, CONSOLE, ConsoleWriter

            self._console = ConsoleWriter(self._appender(CONSOLE, BOUNDS))
        self._console.take(printed, self.wanted.elapsed_us())

    def tell(self, sample: Sample) -> None:
        """Write a sample down."""
        from nbtrack._capture.system import SYSTEM, Since

        self._since = self._since or Since()
        told = self._since.told(sample, with_cores=self.wanted.cores)
        self._system = self._system or self._appender(SYSTEM)
        self._system.append([(self.wanted.elapsed_us(), SYSTEM, told)])

    def _appender(self, name: str, bounds: Bounds | None = None) -> Appender:
        from nbtrack._capture.files import Appender

        def report(message: str, error: BaseException) -> None:
            self.wanted.report(name, message, error)

        folder, wanted = self.wanted.path / name, self.wanted
        return Appender(folder, wanted.writer, wanted.opening, report, bounds)

    def close(self) -> None:
        """Write down what is left and let go of the files."""
        if self._console is not None:
            self._console.close(self.wanted.elapsed_us())
        if self._system is not None:
            self._system.close()

    def abandon(self) -> None:
        """Let go of the files in a forked child."""
        for one in (self._console, self._system):
            if one is not None:
                one.abandon()


class _Measuring:
    """When to measure, and for whom; lives as long as the thread."""

    def __init__(
        self, report: Callable[[str, str, BaseException | None], None]
    ) -> None:
        self._report = report
        self._machine: Machine | None = None
        self._is_impossible = False
        self._take_due_s = 0.0

    def hear(self, take: Callable[[], None], bound: Callable[[], None]) -> float:
        """Write down what was printed, or bound it; give seconds to the next time."""
        if time.monotonic() >= self._take_due_s:
            began_s = time.thread_time()
            take()
            rest_s = (time.thread_time() - began_s) / TAKE_SHARE
            pause_s = min(max(rest_s, TAKE_S), _TAKE_MOST_S)
            self._take_due_s = time.monotonic() + pause_s
        else:
            bound()
        return min(self._take_due_s - time.monotonic(), TAKE_S)

    def measure(
        self, clients: list[_Client], write: Callable[[_Client, Sample], None]
    ) -> float:
        """Measure for those whose time has come; give seconds to the next time."""
        wanting = [client for client in clients if client.measures]
        if not wanting or self._is_impossible:
            return math.inf
        if self._machine is None:
            load_in_s = wanting[0].began_s + _LOAD_S - time.monotonic()
            if load_in_s > 0:
                return load_in_s
            self._load(wanting[0].wanted.path)
        for client in wanting:
            if client.due_s is None:
                client.due_s = time.monotonic() + _FIRST_S
        now_s = time.monotonic()
        due = [client for client in wanting if (client.due_s or 0.0) <= now_s]
        if due and self._machine is not None:
            began_s = time.thread_time()
            sample = self._machine.sample(
                with_cores=any(client.wanted.cores for client in due)
            )
            for client in due:
                write(client, sample)
            cost_s = time.thread_time() - began_s
            for client in due:
                pause_s = max(client.wanted.system_s, cost_s / SHARE)
                client.due_s = now_s + pause_s
        return min(client.due_s or 0.0 for client in wanting) - time.monotonic()

    def _load(self, path: Path) -> None:
        from nbtrack._capture.system import Machine

        try:
            self._machine = Machine(self._report, path)
        except Exception as error:  # noqa: BLE001  (psutil knows not every system)
            self._is_impossible = True
            self._report("system", "the machine cannot be measured here", error)

    def close(self) -> None:
        """Let go of the GPUs' driver."""
        if self._machine is not None:
            self._machine.close()


class Background:
    """Streams, machine and thread of this process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._clients: list[_Client] = []
        self._streams = Streams()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        tell_when_forked(self)

    def begin(self, wanted: Wanted) -> Callable[[], None]:
        """Record for a run from now on; give what ends that."""
        client = _Client(wanted)
        refused: list[str] = []
        with self._lock:
            self._take()  # what was printed before is not this run's
            if client.hears:
                refused = self._streams.listen(below_python=wanted.console == "fd")
            self._clients.append(client)
            self._start(wanted)
        for what in refused:
            wanted.report(what, f"what is printed cannot be recorded: {what}", None)
        return lambda: self._end(client)

    def _start(self, wanted: Wanted) -> None:
        if self._thread is not None:
            self._wake.set()
            return
        self._wake = threading.Event()
        thread = threading.Thread(
            target=self._run,
            args=(self._wake,),
            name="nbtrack-capture",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError as error:  # Pyodide; or the interpreter is ending
            wanted.report(
                "no thread",
                "no background thread can be started here: the machine is not "
                "measured, and the console is written down by the cell and at finish()",
                error,
            )
            self._streams.be_alone()
            return
        self._thread = thread

    def _end(self, client: _Client) -> None:
        with self._lock:
            if client not in self._clients:
                return
            self._take()
            self._clients.remove(client)
            thread = None if self._clients else self._thread
            if thread is not None:
                self._thread = None
                self._wake.set()
            if not any(one.hears for one in self._clients):
                self._streams.stop()  # with what a pipe still holds
                _after_this_cell(self._listen_again)
                client.print(self._streams.printed.take())
            client.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_S)

    def take(self) -> None:
        """Write down what was printed until now."""
        with self._lock:
            self._take()

    def _take(self) -> None:
        printed = self._streams.printed.take()
        for client in self._clients:
            client.print(printed)

    def hear_cell(self, cell: Cell) -> None:
        """Take a cell that begins or has ended; for a ``CellRecorder``'s listeners."""
        if cell.ended is None:
            self._streams.printed.items.append(cell.count)
            self._listen_again()
            if self._thread is None:
                self.take()
        else:
            _after_this_cell(self._listen_again)

    def _listen_again(self) -> None:
        """Be where text comes through: IPython changes that around each cell."""
        with self._lock:
            self._streams.tidy()
            if any(one.hears for one in self._clients):
                self._streams.listen(below_python=False)

    # -- on the thread ---------------------------------------------------------------

    def _run(self, wake: threading.Event) -> None:
        measuring = _Measuring(self._report)
        wake.wait(_LOAD_S)  # first of all, the run is to begin
        try:
            while True:
                with self._lock:
                    if self._thread is not threading.current_thread():
                        return
                    clients = list(self._clients)
                wait_s = math.inf
                try:
                    if any(client.hears for client in clients):
                        wait_s = measuring.hear(self.take, self._streams.printed.bound)
                    wait_s = min(wait_s, measuring.measure(clients, self._write))
                except Exception as error:  # noqa: BLE001  (nobody is there to catch)
                    wait_s = TAKE_S
                    self._report("thread", "recording of the machine failed", error)
                wake.wait(None if wait_s == math.inf else max(wait_s, 0.0))
                wake.clear()
        finally:
            measuring.close()

    def _write(self, client: _Client, sample: Sample) -> None:
        from nbtrack._capture.system import SYSTEM, is_measured_by_another

        wanted = client.wanted
        if wanted.takes_turns and is_measured_by_another(
            wanted.path / SYSTEM, wanted.writer, 3 * wanted.system_s + _LATE_S
        ):
            return
        with self._lock:
            if client in self._clients:
                client.tell(sample)

    def _report(
        self, subject: str, message: str, error: BaseException | None = None
    ) -> None:
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.wanted.report(subject, message, error)

    def forked(self) -> None:
        """Continue in a child: nobody is recorded there."""
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._thread = None
        for client in self._clients:
            client.abandon()
        self._clients = []
        self._streams.forked()


def _after_this_cell(act: Callable[[], None]) -> None:
    """Have something done when IPython has left the cell, in a kernel."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    loop = getattr(getattr(shell, "kernel", None), "io_loop", None)
    if loop is not None:
        loop.add_callback(act)


#: One per process; making it starts nothing.
background: Final = Background()
