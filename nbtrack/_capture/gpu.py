"""NVIDIA GPUs, by NVML: what each of them does, under W&B's names.

GPUs differ in what they tell, and change under us: a virtual one has no power figure, a
sliced one (MIG) no utilisation, a broken one falls off the bus in the middle of the
training. So each figure is asked for by itself. What a GPU says it does not support is
not asked again; a GPU that is gone is told once and asked again with every sample.

Figures of the whole GPU are ``gpu.<i>.…``; of those, what the process that records uses
is repeated as ``gpu.process.<i>.…``, where W&B has the same.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Values = dict[str, float]
    Note = Callable[[str, str, BaseException | None], None]

# NVML's error numbers; older bindings lack some of the names.
_NOT_SUPPORTED: Final = frozenset({2, 3, 4, 13, 25})  # of this GPU, or by this driver
_GONE: Final = frozenset({6, 15, 16, 28})  # this GPU, not all of them
_NO_GPU: Final = frozenset({9, 12})  # no driver, no library: there is nothing to tell

_RETRY_S: Final = 60.0  # after which a driver that failed is asked again
_PROCESS: Final[tuple[str, ...]] = (
    *("gpu", "memory", "memoryAllocated", "memoryAllocatedBytes", "temp"),
    *("powerWatts", "enforcedPowerLimitWatts", "powerPercent"),
)


class Gpus:
    """All GPUs that NVML shows; made and used on one thread.

    Parameters
    ----------
    nvml
        The module ``pynvml``.
    note
        Told of what is wrong: a subject, a message, the error.

    Raises
    ------
    nvml.NVMLError
        There is no driver, or it does not answer.
    """

    def __init__(self, nvml: Any, note: Note) -> None:
        self._nvml = nvml
        self._note = note
        self._unsupported: set[tuple[str, str]] = set()  # GPU and figure
        self._handles: dict[int, Any] = {}
        self._failed_at_s: float | None = None
        self._is_open = False
        self._begin()

    def _begin(self) -> None:
        self._nvml.nvmlInit()
        self._is_open = True
        self._handles.clear()
        for index in range(self._nvml.nvmlDeviceGetCount()):
            self._find(index)

    def _find(self, index: int) -> None:
        try:
            self._handles[index] = self._nvml.nvmlDeviceGetHandleByIndex(index)
        except self._nvml.NVMLError as error:
            self._handles[index] = None
            self._tell_gone(index, error)

    def sample(self) -> Values:
        """Measure every GPU; what cannot be had is left out."""
        if self._failed_at_s is not None and not self._try_again():
            return {}
        values: Values = {}
        try:
            for index in self._handles:
                values |= self._of_gpu(index)
        except self._nvml.NVMLError as error:  # no GPU's own trouble
            self._failed_at_s = time.monotonic()
            self._note(
                "gpu driver",
                "the GPU driver does not answer any more; GPUs are left out until it "
                "does",
                error,
            )
        return values

    def _try_again(self) -> bool:
        if time.monotonic() - (self._failed_at_s or 0.0) < _RETRY_S:
            return False
        self.close()
        try:
            self._begin()
        except self._nvml.NVMLError:
            self._failed_at_s = time.monotonic()
            return False
        self._failed_at_s = None
        return True

    def _of_gpu(self, index: int) -> Values:
        if self._handles[index] is None:
            self._find(index)
        handle = self._handles[index]
        if handle is None:
            return {}
        found: Values = {}
        try:
            for name, ask in _FIGURES.items():
                found |= self._ask(f"{index}", name, ask, handle)
            slices = list(self._slices(index, handle))
            used = self._own_memory(index, handle)
        except _GpuGoneError as error:
            self._handles[index] = None
            self._tell_gone(index, error.__cause__)
            return {}
        if found.get("enforcedPowerLimitWatts") and "powerWatts" in found:
            limit = found["enforcedPowerLimitWatts"]
            found["powerPercent"] = found["powerWatts"] / limit * 100
        values: Values = {f"gpu.{index}.{k}": found[k] for k in found}
        for slice_index, memory in slices:
            values |= {f"gpu.{index}.mig.{slice_index}.{k}": memory[k] for k in memory}
        if used is not None:
            own: Values = {name: found[name] for name in _PROCESS if name in found}
            own |= used
            values |= {f"gpu.process.{index}.{name}": own[name] for name in own}
        return values

    def _slices(self, index: int, handle: Any) -> Iterator[tuple[int, Values]]:
        """Give the memory of each MIG slice; nothing more is told of one."""
        nvml = self._nvml
        if not self._ask(f"{index}", "mig", _mig, handle).get("mig"):
            return
        count = self._ask(f"{index}", "migs", _slice_count, handle).get("migs", 0)
        for number in range(int(count)):
            try:
                part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
            except nvml.NVMLError:
                continue  # a slice that is not made
            yield number, self._ask(f"{index}.{number}", "memory", _memory, part)

    def _own_memory(self, index: int, handle: Any) -> Values | None:
        """Give what this process has of a GPU; None where it is not seen there.

        In a container, NVML may count processes as the host does, and then it is not.
        """
        found: dict[str, float] = self._ask(f"{index}", "own", _own, handle)
        return found or None

    def _ask(
        self, gpu: str, name: str, ask: Callable[[Any, Any], Values], handle: Any
    ) -> Values:
        if (gpu, name) in self._unsupported:
            return {}
        nvml = self._nvml
        try:
            return ask(nvml, handle)
        except nvml.NVMLError as error:
            code = getattr(error, "value", None)
            if code in _GONE:
                raise _GpuGoneError from error
            if code not in _NOT_SUPPORTED and code != _UNKNOWN:
                raise
            if code != _UNKNOWN:
                self._unsupported.add((gpu, name))
        except (AttributeError, TypeError):  # older bindings lack the call
            self._unsupported.add((gpu, name))
        return {}

    def _tell_gone(self, index: int, error: BaseException | None) -> None:
        self._note(
            f"gpu {index}",
            f"GPU {index} is gone: it is left out of the system metrics until it is "
            "back. Look at nvidia-smi and the kernel's log (Xid)",
            error,
        )

    def close(self) -> None:
        """Let go of the driver. Idempotent."""
        if not self._is_open:
            return
        self._is_open = False
        with suppress(self._nvml.NVMLError):  # gone already, and we wanted to leave
            self._nvml.nvmlShutdown()


class _GpuGoneError(Exception):
    """One GPU cannot be asked any more; the others can."""


_UNKNOWN: Final = 999  # an error of the moment


def open_gpus(note: Note) -> Gpus | None:
    """Load NVML; None where there is no NVIDIA GPU, which is nobody's fault."""
    try:
        import pynvml
    except (ImportError, Warning):
        return None
    try:
        return Gpus(pynvml, note)
    except pynvml.NVMLError as error:
        if getattr(error, "value", None) not in _NO_GPU:
            note(
                "gpu driver",
                "the GPU driver does not answer, so GPUs are not recorded. Does "
                "nvidia-smi work here?",
                error,
            )
        return None


# -- figures ---------------------------------------------------------------------------


def _utilisation(nvml: Any, handle: Any) -> Values:
    rates = nvml.nvmlDeviceGetUtilizationRates(handle)
    return {"gpu": rates.gpu, "memory": rates.memory}


def _memory(nvml: Any, handle: Any) -> Values:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    if not memory.total:
        return {}
    share = memory.used / memory.total * 100
    return {"memoryAllocated": share, "memoryAllocatedBytes": memory.used}


def _temperature(nvml: Any, handle: Any) -> Values:
    return {"temp": nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)}


def _power(nvml: Any, handle: Any) -> Values:
    return {"powerWatts": nvml.nvmlDeviceGetPowerUsage(handle) / 1000}


def _power_limit(nvml: Any, handle: Any) -> Values:
    limit = nvml.nvmlDeviceGetEnforcedPowerLimit(handle)
    return {"enforcedPowerLimitWatts": limit / 1000}


def _clocks(nvml: Any, handle: Any) -> Values:
    return {
        "smClock": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
        "memoryClock": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
        "graphicsClock": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_GRAPHICS),
    }


def _fan(nvml: Any, handle: Any) -> Values:
    return {"fanSpeed": nvml.nvmlDeviceGetFanSpeed(handle)}


def _encoder(nvml: Any, handle: Any) -> Values:
    return {"encoderUtilization": nvml.nvmlDeviceGetEncoderUtilization(handle)[0]}


def _errors(nvml: Any, handle: Any) -> Values:
    ask, counter = nvml.nvmlDeviceGetTotalEccErrors, nvml.NVML_VOLATILE_ECC
    corrected, not_corrected = (
        nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED,
        nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
    )
    return {
        "correctedMemoryErrors": ask(handle, corrected, counter),
        "uncorrectedMemoryErrors": ask(handle, not_corrected, counter),
    }


def _link(nvml: Any, handle: Any) -> Values:
    return {
        "pcieLinkGen": nvml.nvmlDeviceGetCurrPcieLinkGeneration(handle),
        "pcieLinkWidth": nvml.nvmlDeviceGetCurrPcieLinkWidth(handle),
    }


def _traffic(nvml: Any, handle: Any) -> Values:
    """Give what went over PCIe in the last 20 ms, for which this call waits."""
    ask = nvml.nvmlDeviceGetPcieThroughput
    return {
        "pcieRxKBps": ask(handle, nvml.NVML_PCIE_UTIL_RX_BYTES),
        "pcieTxKBps": ask(handle, nvml.NVML_PCIE_UTIL_TX_BYTES),
    }


def _processes(nvml: Any, handle: Any) -> Values:
    return {"processes": len(nvml.nvmlDeviceGetComputeRunningProcesses(handle))}


def _own(nvml: Any, handle: Any) -> Values:
    pid = os.getpid()
    ours = [
        process.usedGpuMemory
        for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        if process.pid == pid
    ]
    if not ours:
        return {}
    used = sum(value for value in ours if value is not None)
    total = nvml.nvmlDeviceGetMemoryInfo(handle).total
    own: Values = {"memoryAllocatedBytes": used}
    return own | ({"memoryAllocated": used / total * 100} if total else {})


def _mig(nvml: Any, handle: Any) -> Values:
    return {"mig": nvml.nvmlDeviceGetMigMode(handle)[0]}


def _slice_count(nvml: Any, handle: Any) -> Values:
    return {"migs": nvml.nvmlDeviceGetMaxMigDeviceCount(handle)}


_FIGURES: Final[dict[str, Callable[[Any, Any], Values]]] = {
    "utilisation": _utilisation,
    "memory": _memory,
    "temperature": _temperature,
    "power": _power,
    "power limit": _power_limit,
    "clocks": _clocks,
    "fan": _fan,
    "encoder": _encoder,
    "errors": _errors,
    "link": _link,
    "traffic": _traffic,
    "processes": _processes,
}
