"""What watch() adds to training a small convolutional net on a CPU."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from importlib.util import find_spec
from statistics import median
from typing import Any

from benchmarks.result import Reach, Result

STEPS = 300  # of each loop
WARM = 20  # of them are not counted
EVERY = 100


class Loop:
    """A training that can be gone on with, watched or not."""

    def __init__(self, run: Any, **watch: Any) -> None:
        import torch

        torch.manual_seed(0)
        nn = torch.nn
        self.model = nn.Sequential(
            *(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(800, 128), nn.ReLU(), nn.Linear(128, 10)),
        )
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.images, self.labels = torch.rand(64, 1, 28, 28), torch.arange(64) % 10
        self.run = run
        if watch:
            run.watch(self.model, **watch)

    def step(self) -> None:
        import torch

        scores = self.model(self.images)
        loss = torch.nn.functional.cross_entropy(scores, self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.run.log({"loss": loss.item()})

    def timed_ms(self) -> float:
        began_s = time.perf_counter()
        self.step()
        return (time.perf_counter() - began_s) * 1e3


def measure() -> list[Result]:
    """Take steps with and without in turns, so that what else runs slows them alike."""
    if find_spec("torch") is None:
        print("watching: torch is not installed; nothing is measured", file=sys.stderr)
        return []
    os.environ["NBTRACK_QUIET"] = "1"
    import torch

    import nbtrack

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would wait for each other on a busy machine
    with tempfile.TemporaryDirectory() as root:
        runs = [
            nbtrack.init(project="p", dir=root, view="off", reinit="create_new")
            for _ in range(3)
        ]
        loops = [
            Loop(runs[0]),
            Loop(runs[1], log="all", log_freq=10**9),
            Loop(runs[2], log="all", log_freq=1),
        ]
        turns = [[loop.timed_ms() for loop in loops] for _ in range(STEPS)]
        for run in runs:
            run.finish()
    torch.set_num_threads(threads)
    plain, hooked, recorded = map(median, zip(*turns[WARM:], strict=True))
    some = (recorded + (EVERY - 1) * hooked) / EVERY
    tensors = 2 * len(list(loops[0].model.parameters()))
    return [
        Result(
            "a training step with watch() that records nothing ÷ one without",
            hooked,
            "ms",
            plain,
        ),
        Result(
            f"one that records {tensors} histograms ÷ one without",
            recorded,
            "ms",
            plain,
        ),
        Result(
            f'so with watch(log="all", log_freq={EVERY}), on average ÷ one without',
            some,
            "ms",
            plain,
            Reach(1.05, of_ratio=True),
        ),
    ]
