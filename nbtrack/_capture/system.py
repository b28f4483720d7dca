"""What the machine does while a run goes on: measuring it, and reading it back.

``Machine`` measures, on the background thread alone, which is also where psutil is
imported. Names are W&B's, less their first word ``system.``, which is added when a
sample is written; where W&B has no name, ours follows its pattern.

Shares of processor time are taken from counters between two samples. psutil's own
``cpu_percent`` would do the same with a memory that the user's code may share.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nbtrack._capture.files import Followed
from nbtrack._capture.gpu import open_gpus
from nbtrack._capture.limits import ControlGroups, Limits, usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbtrack._capture.gpu import Gpus, Note, Values
    from nbtrack._store.lines import Record
    from nbtrack._store.rundir import RunDir

#: The directory in the run's, and the kind of its records.
SYSTEM: Final = "system"

_MB: Final = 2**20
_GB: Final = 2**30
#: A run directory may come from anywhere: so many names are given, and no more.
_MOST_NAMES: Final = 2_000
_DIGITS: Final = 3  # behind the point; nobody looks at more


class Sample(NamedTuple):
    """One look at the machine, names without ``system.``.

    Attributes
    ----------
    values
        What holds now.
    counters
        What has been counted since the machine started: bytes sent, say. A run tells
        it since its own beginning.
    cores
        Of each core, when that was asked for.
    """

    values: Values
    counters: Values
    cores: Values


class Machine:
    """The machine as this process sees it, container limits respected.

    Parameters
    ----------
    note
        Told of what cannot be measured: a subject, a message, the error.
    disk
        A path whose disk is measured, besides the root's.
    """

    def __init__(
        self,
        note: Note,
        disk: Path | None = None,
        *,
        groups: ControlGroups | None = None,
        gpus: Callable[[Note], Gpus | None] = open_gpus,
    ) -> None:
        import psutil

        self._psutil: Any = psutil
        self._note = note
        self._process = psutil.Process()
        self._groups = groups or ControlGroups()
        self._disks = _disks(disk)
        self._gpus = gpus(note)
        self._failed: set[str] = set()
        self._at_s = time.monotonic()
        self._limits = Limits()
        self._cpu = self._cpu_counters()
        self._cores = psutil.cpu_times(percpu=True)

    def _cpu_counters(self) -> tuple[float, float | None, Any]:
        """Give processor seconds of the process, of its group, and of the machine."""
        self._limits = self._groups.read()
        own = self._process.cpu_times()
        return own.user + own.system, self._limits.cpu_used_s, self._psutil.cpu_times()

    def sample(self, *, with_cores: bool = False) -> Sample:
        """Measure everything; what cannot be measured is told once and left out."""
        values: Values = {}
        counters: Values = {}
        cores: Values = {}
        self._try("processor", lambda: values.update(self._processor()))
        self._try("memory", lambda: values.update(self._memory()))
        self._try("process", lambda: values.update(self._own()))
        self._try("disk", lambda: values.update(self._disk_use()))
        self._try("disk traffic", lambda: counters.update(self._disk_traffic()))
        self._try("network", lambda: counters.update(self._network()))
        if with_cores:
            self._try("cores", lambda: cores.update(self._each_core()))
        if self._gpus is not None:
            gpus = self._gpus
            self._try("gpu", lambda: values.update(gpus.sample()))
        return Sample(_rounded(values), _rounded(counters), _rounded(cores))

    def _try(self, subject: str, measure: Callable[[], None]) -> None:
        try:
            measure()
        except Exception as error:  # noqa: BLE001  (the other figures are there)
            if subject not in self._failed:
                self._failed.add(subject)
                self._note(
                    subject,
                    f"system metrics: {subject} cannot be measured here and is left "
                    "out",
                    error,
                )

    def _processor(self) -> Values:
        before, before_s = self._cpu, self._at_s
        self._cpu, self._at_s = self._cpu_counters(), time.monotonic()
        took_s = self._at_s - before_s
        if took_s <= 0:
            return {}
        cores = usable_cores(self._limits)
        own = (self._cpu[0] - before[0]) / took_s / cores * 100
        values = {"cpu": max(own, 0.0)}
        if self._cpu[1] is not None and before[1] is not None:
            used = (self._cpu[1] - before[1]) / took_s / cores * 100
            values["cpu_percent"] = max(used, 0.0)
        else:
            values["cpu_percent"] = _busy_percent(before[2], self._cpu[2])
        if hasattr(os, "getloadavg"):
            values["load.1m"] = os.getloadavg()[0]
        return values

    def _each_core(self) -> Values:
        before, self._cores = self._cores, self._psutil.cpu_times(percpu=True)
        return {
            f"cpu.{number}.cpu_percent": _busy_percent(first, second)
            for number, (first, second) in enumerate(
                zip(before, self._cores, strict=False)  # cores come and go
            )
        }

    def _memory(self) -> Values:
        memory = self._psutil.virtual_memory()
        total, available = memory.total, memory.available
        percent = memory.percent
        limit, used = self._limits.memory_bytes, self._limits.memory_used_bytes
        if limit is not None and used is not None and limit < total:
            total, available = limit, max(min(limit - used, available), 0)
            percent = used / limit * 100
        rss = self._process.memory_info().rss
        return {
            "memory_percent": percent,
            "proc.memory.availableMB": available / _MB,
            "proc.memory.rssMB": rss / _MB,
            "proc.memory.percent": rss / total * 100,
        }

    def _own(self) -> Values:
        values: Values = {"proc.cpu.threads": self._process.num_threads()}
        if hasattr(self._process, "num_fds"):
            values["proc.openFiles"] = self._process.num_fds()
        return values

    def _disk_use(self) -> Values:
        values: Values = {}
        for path in self._disks:
            usage = self._psutil.disk_usage(path)
            values[f"disk.{path}.usagePercent"] = usage.percent
            values[f"disk.{path}.usageGB"] = usage.used / _GB
        return values

    def _disk_traffic(self) -> Values:
        counted = self._psutil.disk_io_counters()
        if counted is None:  # a container shows no disks
            return {}
        return {
            "disk.in": counted.read_bytes / _MB,
            "disk.out": counted.write_bytes / _MB,
        }

    def _network(self) -> Values:
        counted = self._psutil.net_io_counters()
        if counted is None:
            return {}
        return {"network.sent": counted.bytes_sent, "network.recv": counted.bytes_recv}

    def close(self) -> None:
        """Let go of the GPUs' driver."""
        if self._gpus is not None:
            self._gpus.close()


def _disks(path: Path | None) -> list[str]:
    """Give the root, and where the disk of a path is mounted if that is another one."""
    root = Path(os.path.abspath(os.sep))  # noqa: PTH100  (no link is to be followed)
    found = [str(root)]
    try:
        if path is None or path.stat().st_dev == root.stat().st_dev:
            return found
        top = path.absolute()
        while not top.is_mount() and top != top.parent:
            top = top.parent
    except OSError:
        return found
    return [*found, str(top)]


def _busy_percent(first: Any, second: Any) -> float:
    """Give the share of time that was not idle between two ``cpu_times``."""

    def split(times: Any) -> tuple[float, float]:
        # Linux counts the time of guests as user time as well.
        guests = getattr(times, "guest", 0) + getattr(times, "guest_nice", 0)
        return sum(times) - guests, times.idle + getattr(times, "iowait", 0.0)

    (all_before, idle_before), (all_after, idle_after) = split(first), split(second)
    took = all_after - all_before
    if took <= 0:
        return 0.0
    return min(max(1 - (idle_after - idle_before) / took, 0.0), 1.0) * 100


def _rounded(values: Values) -> Values:
    return {
        name: value if isinstance(value, int) else round(value, _DIGITS)
        for name, value in values.items()
    }


class Since:
    """Turns samples into what one run tells: counters begin with the run at zero."""

    def __init__(self) -> None:
        self._first: Values = {}

    def told(self, sample: Sample, *, with_cores: bool) -> Values:
        """Give a sample as it is written."""
        counted = {
            name: max(value - self._first.setdefault(name, value), 0)
            for name, value in sample.counters.items()
        }
        told = {**sample.values, **counted, **(sample.cores if with_cores else {})}
        return {f"{SYSTEM}.{name}": value for name, value in _rounded(told).items()}


def is_measured_by_another(folder: Path, writer: str, within_s: float) -> bool:
    """Say whether another process of this host has measured it for the run lately.

    Of processes that share a run, the one that wrote first goes on. That two begin at
    once is no harm: the later one sees the other's file before its second sample.
    """
    host = _host_of(writer)
    now_s = time.time()
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            other = entry.name.removesuffix(".jsonl")
            if other < writer and _host_of(other) == host:
                with suppress(OSError):
                    age_s = now_s - entry.stat(follow_symlinks=False).st_mtime
                    if age_s < within_s:
                        return True
    return False


def _host_of(writer: str) -> str:
    """Give the host in a writer's name: time, host, process id, chance."""
    return writer.partition("-")[2].rpartition("-")[0].rpartition("-")[0]


class SystemTail:
    """The system metrics of a run as they come, from whatever process they come.

    Examples
    --------
    >>> tail = SystemTail(directory)  # doctest: +SKIP
    >>> tail.poll()  # doctest: +SKIP
    [(1.02, {'system.cpu': 3.5, 'system.memory_percent': 41.0})]
    """

    def __init__(self, run: RunDir) -> None:
        self._followed = Followed(run.path / SYSTEM)
        self._names: set[str] = set()

    def poll(self) -> list[tuple[float, Values]]:
        """Give what was measured since the last call: run time in seconds, values.

        Of a run that several hosts write, names end in ``/l:<label>``, as W&B's, for
        all writers but the first.
        """
        found = []
        for record in self._followed.poll():
            values = self._values(record)
            if values:
                found.append((record.us / 1e6, values))
        return found

    def _values(self, record: Record) -> Values:
        if record.kind != SYSTEM:
            return {}
        label = self._followed.label(record.writer)
        values: Values = {}
        for name, value in numbers(record.data).items():
            told = f"{name}/l:{label}" if label else name
            if told not in self._names and len(self._names) >= _MOST_NAMES:
                continue
            self._names.add(told)
            values[told] = value
        return values

    def close(self) -> None:
        """Let go of all files."""
        self._followed.close()


def numbers(data: dict[str, Any]) -> Values:
    """Give what of a record is a finite number: others may have written it."""
    return {
        name: value
        for name, value in data.items()
        if type(value) in (int, float) and abs(value) < 1e300  # noqa: PLR2004
    }
