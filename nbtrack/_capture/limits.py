"""What of the machine this process may use: limits of its container or job.

In a container the machine has 64 cores and the process two of them, and it is killed at
8 GiB however much memory is free. Linux says so in control groups, of which there are
two versions; a limit may stand in any group above the process's own, so the tightest
one counts. Where there are none, or not on Linux, all of this is None.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Version 1 says "no limit" by a number near 2**63, rounded down to pages.
_NO_LIMIT: Final = 2**60


@dataclass(frozen=True, slots=True)
class Limits:
    """What a control group allows and uses; None where it does not say.

    Attributes
    ----------
    cores
        Processor time per time.
    memory_bytes
        At which the process is killed.
    memory_used_bytes
        Counted against that, without file pages that can be dropped at once.
    cpu_used_s
        Processor time of everything in the group that has the limit of cores.
    """

    cores: float | None = None
    memory_bytes: int | None = None
    memory_used_bytes: int | None = None
    cpu_used_s: float | None = None


class ControlGroups:
    """The groups of this process, found once and read again and again.

    Parameters
    ----------
    mount
        Where control groups are mounted.
    membership
        The file that names the groups of the process.
    """

    def __init__(
        self,
        mount: Path = Path("/sys/fs/cgroup"),
        membership: Path = Path("/proc/self/cgroup"),
    ) -> None:
        self._cpu: list[Path] = []
        self._memory: list[Path] = []
        for number, controllers, group in _memberships(membership):
            if number == "0" and not controllers:
                for root in (mount, mount / "unified"):
                    self._cpu += _upwards(root, group, "cpu.stat")
                    self._memory += _upwards(root, group, "memory.max")
            if "cpu" in controllers:
                for name in (",".join(controllers), "cpu", "cpu,cpuacct"):
                    self._cpu += _upwards(mount / name, group, "cpu.cfs_quota_us")
            if "memory" in controllers:
                root = mount / "memory"
                self._memory += _upwards(root, group, "memory.limit_in_bytes")

    def read(self) -> Limits:
        """Read what holds now."""
        by_cores = [(c, g) for g in self._cpu if (c := _cores(g)) is not None]
        by_bytes = [(b, g) for g in self._memory if (b := _memory(g)) is not None]
        cores, cpu_group = min(by_cores, default=(None, None))
        most, memory_group = min(by_bytes, default=(None, None))
        return Limits(
            cores,
            most,
            None if memory_group is None else _used(memory_group),
            None if cpu_group is None else _cpu_s(cpu_group),
        )


def usable_cores(limits: Limits) -> float:
    """Give how many cores this process may keep busy: 0.5, 2 or 64."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return min(float(allowed), limits.cores or allowed)


def _memberships(path: Path) -> Iterator[tuple[str, list[str], str]]:
    for line in _text(path).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        yield number, [name for name in controllers.split(",") if name], group


def _upwards(root: Path, group: str, file: str) -> Iterator[Path]:
    """Give the groups from a process's own up to the root that have a file.

    In a container the group is told as the host knows it and is not there by that name;
    what is mounted is then the container's own.
    """
    parts = [part for part in group.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        folder = root.joinpath(*parts[:length])
        if (folder / file).is_file():
            yield folder


def _cores(group: Path) -> float | None:
    told = _text(group / "cpu.max").split()
    if not told:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        told = [_text(group / name).strip() for name in names]
    quota, period = _number(told[0]), _number(told[-1])
    return quota / period if quota and period and quota > 0 else None


def _memory(group: Path) -> int | None:
    told = _text(group / "memory.max") or _text(group / "memory.limit_in_bytes")
    limit = _number(told)
    return limit if limit is not None and 0 < limit < _NO_LIMIT else None


def _used(group: Path) -> int | None:
    told = _text(group / "memory.current") or _text(group / "memory.usage_in_bytes")
    used = _number(told)
    if used is None:
        return None
    found = _entries(group / "memory.stat")
    idle = found.get("total_inactive_file", found.get("inactive_file", 0))
    return max(used - idle, 0)


def _cpu_s(group: Path) -> float | None:
    micros = _entries(group / "cpu.stat").get("usage_usec")
    if micros is not None:
        return micros / 1e6
    for folder in (group, Path(str(group).replace("/cpu/", "/cpuacct/", 1))):
        nanos = _number(_text(folder / "cpuacct.usage"))
        if nanos is not None:
            return nanos / 1e9
    return None


def _entries(path: Path) -> dict[str, int]:
    """Read lines of a name and a number."""
    found = (line.split() for line in _text(path).splitlines())
    return {
        words[0]: value
        for words in found
        if len(words) == 2 and (value := _number(words[1])) is not None  # noqa: PLR2004
    }


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:  # "max", or nothing
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
