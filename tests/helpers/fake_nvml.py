"""NVML without a GPU. It is a fake: nothing here has seen a driver.

It has the calls of ``pynvml`` that nbtrack makes, the error numbers of NVIDIA's header,
and GPUs whose figures and faults a test sets. What a real driver does otherwise,
``python -m benchmarks.gpu_check`` finds out on a machine that has one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

IS_FAKE = True
NOT_SUPPORTED, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, GPU_IS_LOST = 3, 9, 12, 15
UNINITIALIZED, MISMATCH, UNKNOWN, NOT_FOUND = 1, 18, 999, 6


class NVMLError(Exception):
    """As pynvml's: the number is ``value``."""

    def __init__(self, value: int) -> None:
        super().__init__(f"a fake NVML error {value}")
        self.value = value


@dataclass
class FakeGpu:
    """One GPU; ``fails`` maps names of calls to error numbers."""

    used: int = 10 * 2**30
    total: int = 80 * 2**30
    processes: list[Any] = field(default_factory=list)
    slices: list[FakeGpu | None] | None = None
    fails: dict[str, int] = field(default_factory=dict)
    lost: bool = False


class FakeNvml:
    """Stands for the module ``pynvml``."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_GRAPHICS, NVML_CLOCK_SM, NVML_CLOCK_MEM = 0, 1, 2
    NVML_VOLATILE_ECC = 0
    NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 0, 1
    NVML_PCIE_UTIL_TX_BYTES, NVML_PCIE_UTIL_RX_BYTES = 0, 1

    def __init__(self, *gpus: FakeGpu, init_fails: int | None = None) -> None:
        self.gpus = list(gpus)
        self.init_fails = init_fails
        self.opened = 0
        self.asked: list[str] = []

    def nvmlInit(self) -> None:
        if self.init_fails is not None:
            raise NVMLError(self.init_fails)
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        return self._checked("nvmlDeviceGetHandleByIndex", self.gpus[index])

    def _checked(self, call: str, gpu: FakeGpu) -> FakeGpu:
        self.asked.append(call)
        if self.init_fails is not None:
            raise NVMLError(self.init_fails)
        if gpu.lost:
            raise NVMLError(GPU_IS_LOST)
        if call in gpu.fails:
            raise NVMLError(gpu.fails[call])
        return gpu

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu) -> Any:
        self._checked("nvmlDeviceGetMemoryInfo", gpu)
        return SimpleNamespace(used=gpu.used, total=gpu.total)

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> Any:
        self._checked("nvmlDeviceGetUtilizationRates", gpu)
        return SimpleNamespace(gpu=50, memory=25)

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: FakeGpu) -> list[Any]:
        return self._checked("nvmlDeviceGetComputeRunningProcesses", gpu).processes

    def nvmlDeviceGetEncoderUtilization(self, gpu: FakeGpu) -> list[int]:
        self._checked("nvmlDeviceGetEncoderUtilization", gpu)
        return [3, 1000]

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:
        self._checked("nvmlDeviceGetMigMode", gpu)
        return [int(gpu.slices is not None)] * 2

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: FakeGpu) -> int:
        return len(gpu.slices or ())

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: FakeGpu, number: int) -> FakeGpu:
        found = (gpu.slices or [])[number]
        if found is None:
            raise NVMLError(NOT_FOUND)
        return found

    def __getattr__(self, name: str) -> Any:
        """Give the calls that answer with one number."""
        numbers = {
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetPowerUsage": 350_000,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetClockInfo": 1_980,
            "nvmlDeviceGetFanSpeed": 30,
            "nvmlDeviceGetTotalEccErrors": 0,
            "nvmlDeviceGetCurrPcieLinkGeneration": 5,
            "nvmlDeviceGetCurrPcieLinkWidth": 16,
            "nvmlDeviceGetPcieThroughput": 1_000,
        }
        if name not in numbers:
            raise AttributeError(name)

        def ask(gpu: FakeGpu, *_: object) -> int:
            self._checked(name, gpu)
            return numbers[name]

        return ask
