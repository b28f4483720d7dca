"""Check the system metrics on a machine that has NVIDIA GPUs.

``python -m benchmarks.gpu_check`` needs the driver, ``nvidia-smi``, and of nbtrack's
packages only orjson, psutil and nvidia-ml-py. It takes memory of every GPU, keeps
multiplying on it where PyTorch is there, compares what nbtrack records with what
``nvidia-smi`` says in the same seconds, and ends with 1 when anything is amiss.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from statistics import median
from typing import Any

import nbtrack
from nbtrack._capture.system import Machine, SystemTail
from nbtrack._store.rundir import RunDir

SECONDS = 20
#: What nvidia-smi calls our figures, and how far apart both may be in one moment.
_SAME = {
    "memoryAllocatedBytes": ("memory.used", 2**20, 64 * 2**20),
    "temp": ("temperature.gpu", 1, 6),
    "powerWatts": ("power.draw", 1, 150),
    "enforcedPowerLimitWatts": ("enforced.power.limit", 1, 1),
    "gpu": ("utilization.gpu", 1, 40),
    "smClock": ("clocks.sm", 1, 400),
    "memoryClock": ("clocks.mem", 1, 200),
    "pcieLinkGen": ("pcie.link.gen.current", 1, 2),
    "pcieLinkWidth": ("pcie.link.width.current", 1, 0),
}


def main() -> None:
    """Check, and print what was found."""
    amiss: list[str] = []
    stop = threading.Event()
    loads = _load(stop)
    notes: list[str] = []
    machine = Machine(lambda *told: notes.append(str(told)))
    time.sleep(3)
    costs, walls, sample = [], [], None
    for _ in range(10):
        time.sleep(0.3)
        began_s, wall_s = time.thread_time(), time.perf_counter()
        sample = machine.sample(with_cores=True)
        costs.append(time.thread_time() - began_s)
        walls.append(time.perf_counter() - wall_s)
    assert sample is not None
    gpus = sorted({name.split(".")[1] for name in sample.values if name[:4] == "gpu."})
    print(json.dumps(sample.values, indent=1))
    print(
        f"a look costs {median(costs) * 1e3:.1f} ms of processor time and "
        f"{median(walls) * 1e3:.1f} ms in all; over 15 s {median(costs) / 0.15:.3f} %"
    )
    if median(costs) / 15 > 0.005:
        amiss.append("a look at the machine costs over 0.5 % of a core")
    if not gpus:
        amiss.append("no GPU was found")
    amiss += _compared(sample.values)
    machine.close()
    amiss += notes
    amiss += _recorded()
    stop.set()
    for load in loads:
        load.join()
    print("\n".join(["amiss:", *amiss]) if amiss else "all is well")
    sys.exit(bool(amiss))


def _compared(values: dict[str, float]) -> list[str]:
    fields = [name for name, _, _ in _SAME.values()]
    query = f"--query-gpu={','.join(fields)}"
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return [f"nvidia-smi does not answer: {error}"]
    amiss = []
    for index, line in enumerate(told.strip().splitlines()):
        cells = [cell.strip() for cell in line.split(",")]
        for (ours, (theirs, unit, apart)), cell in zip(
            _SAME.items(), cells, strict=True
        ):
            found = values.get(f"gpu.{index}.{ours}")
            try:
                wanted = float(cell) * unit
            except ValueError:  # "[N/A]"
                continue
            print(f"gpu.{index}.{ours}: {found}, nvidia-smi's {theirs}: {wanted}")
            if found is None or abs(found - wanted) > apart:
                amiss.append(f"gpu.{index}.{ours} is {found}, {theirs} is {wanted}")
    return amiss


def _recorded() -> list[str]:
    """Record a run for a while; give what is missing in it."""
    with tempfile.TemporaryDirectory() as place:
        run = nbtrack.init(
            project="gpu", dir=place, view="off", settings={"system_s": 1}
        )
        tail, samples = SystemTail(RunDir(run._directory.path)), []
        stop_at = time.monotonic() + SECONDS
        while time.monotonic() < stop_at:
            run.log({"loss": 0.5})
            time.sleep(0.1)
            samples += tail.poll()
        faults = [str(f) for f in run.faults]
        print(json.dumps(run.system_metrics, indent=1))
        names: dict[str, Any] = {k: v for _, one in samples for k, v in one.items()}
        print(f"{len(samples)} samples in {SECONDS} s of {len(names)} figures")
        run.finish()
    amiss = faults  # before finish(), which needs packages that may not be here
    if len(samples) < SECONDS // 4:
        amiss.append(f"only {len(samples)} samples in {SECONDS} s")
    if not any(name.startswith("system.gpu.") for name in names):
        amiss.append("no GPU figure in the run")
    return amiss


def _load(stop: threading.Event) -> list[threading.Thread]:
    try:
        import torch
    except ImportError:
        print("PyTorch is not here: the GPUs are idle")
        return []

    def work(index: int) -> None:
        device = torch.device("cuda", index)
        matrix = torch.rand(8192, 8192, device=device, dtype=torch.bfloat16)
        while not stop.is_set():
            matrix = matrix @ matrix
            matrix = matrix / matrix.norm()
            torch.cuda.synchronize(device)

    threads = [
        threading.Thread(target=work, args=(index,), daemon=True)
        for index in range(torch.cuda.device_count())
    ]
    for thread in threads:
        thread.start()
    return threads


if __name__ == "__main__":
    main()
