"""How the machine's metrics are called on a board: W&B's names say it to programs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Name → section and title. Sections come in this order, and titles within them.
_TITLES: Final = {
    "cpu_percent": ("CPU", "all processes, %"),
    "cpu": ("CPU", "this process, %"),
    "load.1m": ("CPU", "load, 1 min"),
    "memory_percent": ("Memory", "in use, %"),
    "proc.memory.percent": ("Memory", "this process, %"),
    "proc.memory.rssMB": ("Memory", "this process, MB"),
    "proc.memory.availableMB": ("Memory", "available, MB"),
    "disk.in": ("Disk", "read, MB"),
    "disk.out": ("Disk", "written, MB"),
    "network.recv": ("Network", "received, bytes"),
    "network.sent": ("Network", "sent, bytes"),
    "proc.cpu.threads": ("Process", "threads"),
    "proc.openFiles": ("Process", "open files"),
}
_GPU_TITLES: Final = {
    "gpu": "in use, %",
    "memoryAllocated": "memory, %",
    "memoryAllocatedBytes": "memory, bytes",
    "memory": "memory accesses, % of time",
    "temp": "temperature, °C",
    "powerWatts": "power, W",
    "powerPercent": "power, %",
    "enforcedPowerLimitWatts": "power limit, W",
    "smClock": "SM clock, MHz",
    "memoryClock": "memory clock, MHz",
    "graphicsClock": "graphics clock, MHz",
    "fanSpeed": "fan, %",
    "encoderUtilization": "encoder, %",
    "pcieRxKBps": "PCIe received, kB/s",
    "pcieTxKBps": "PCIe sent, kB/s",
    "processes": "processes",
}
_DISK_TITLES: Final = {"usagePercent": "{}, % full", "usageGB": "{}, GB used"}
_GPU: Final = re.compile(r"gpu\.(?P<own>process\.)?(?P<number>\d+)\.(?P<name>.+)")
_CORE: Final = re.compile(r"cpu\.(?P<number>\d+)\.cpu_percent")
_DISK: Final = re.compile(r"disk\.(?P<path>.+)\.(?P<name>usagePercent|usageGB)")


def machine_place(key: str) -> tuple[str, str]:
    """Give the section and the title of one of the machine's metrics.

    >>> machine_place("system.cpu"), machine_place("system.gpu.0.temp")
    (('CPU', 'this process, %'), ('GPU 0', 'temperature, °C'))
    >>> machine_place("system.disk./.usagePercent"), machine_place("system.new")
    (('Disk', '/, % full'), ('Other', 'new'))
    """
    name = key.removeprefix("system.")
    if name in _TITLES:
        return _TITLES[name]
    if found := _GPU.fullmatch(name):
        title = _GPU_TITLES.get(found["name"], found["name"])
        whose = "this process: " if found["own"] else ""
        return f"GPU {found['number']}", whose + title
    if found := _CORE.fullmatch(name):
        return "Cores", f"core {found['number']}, %"
    if found := _DISK.fullmatch(name):
        return "Disk", _DISK_TITLES[found["name"]].format(found["path"])
    return "Other", name


def group_machine(keys: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """Group the machine's metrics: section → (key, title), as people look for them."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for key in sorted(keys, key=_rank):
        section, title = machine_place(key)
        groups.setdefault(section, []).append((key, title))
    return groups


def _rank(key: str) -> tuple[int, int, list[int], str]:
    """Say where a metric stands: by section, by title, by the numbers in its name."""
    section, _ = machine_place(key)
    kind = section.partition(" ")[0]
    name = key.removeprefix("system.")
    known = {name, name.rpartition(".")[2]}
    place = next((n for n, t in enumerate(_ALL) if t in known), len(_ALL))
    numbers = [int(digits) for digits in re.findall(r"\d+", name)]
    at = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
    return at, numbers[0] if kind == "GPU" else 0, [place, *numbers], key


_ALL: Final = (*_TITLES, *_GPU_TITLES)
_ORDER: Final = ("GPU", "CPU", "Memory", "Cores", "Disk", "Network", "Process")
