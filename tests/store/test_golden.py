"""Runs that earlier versions wrote are read as they were meant.

``golden/v<format>/`` is never written again: a change to the format adds a folder.
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

import pytest

import nbtrack

GOLDEN = Path(__file__).parent / "golden"
ROWS = [
    {"_step": 0, "loss": 0.5, "acc": 0.25},
    {"_step": 1, "loss": math.nan, "text": "x"},
    {"_step": 5, "loss": 0.25, "huge": 2**70, "flag": True, "late": 1},
    {"_step": 6, "n.a": [1, 2], "none": None, "loss": 0.75},
]
SUMMARY = {
    "loss": {"min": 0.25, "max": 0.75, "mean": 0.5, "nan_count": 1},
    "acc": 0.25,
    "text": "x",
    "huge": 2**70,
    "flag": True,
    "late": 1,
    "n.a": [1, 2],
    "by hand": {"best": 1},
}


@pytest.mark.parametrize("version", sorted(GOLDEN.iterdir()), ids=lambda p: p.name)
@pytest.mark.parametrize(
    ("run_id", "state"), [("finished", "finished"), ("killed", "crashed")]
)
def test_a_golden_run_reads_as_it_was_meant(tmp_path, version, run_id, state):
    shutil.copytree(version, tmp_path / "root")
    for log in (tmp_path / "root").rglob("*.jsonl"):
        os.utime(log, (0, 0))  # a copy's times say nothing of its writer
    run = nbtrack.Api(tmp_path / "root").run(f"golden/{run_id}")
    assert (run.state, run.name) == (state, f"amber-heron-{run_id}")
    notes = f"as version {version.name[1:]} wrote it"
    assert (list(run.tags), run.notes) == (["a", "b"], notes)
    assert run.config == {"lr": 0.2, "opt": {"name": "adam"}}
    rows = [
        {k: v for k, v in row.items() if k not in ("_runtime", "_timestamp")}
        for row in run.scan_history()
    ]
    assert repr(sorted(rows[1].items())) == repr(sorted(ROWS[1].items()))
    assert [rows[i] for i in (0, 2, 3)] == [ROWS[i] for i in (0, 2, 3)]
    assert run.summary == SUMMARY
    assert run.history()["_timestamp"].between(1.7e9, 1.9e9).all()


@pytest.mark.parametrize("version", sorted(GOLDEN.iterdir()), ids=lambda p: p.name)
def test_a_golden_run_that_was_killed_can_be_gone_on_with(tmp_path, version):
    shutil.copytree(version, tmp_path / "nbruns")
    for log in (tmp_path / "nbruns").rglob("*.jsonl"):
        os.utime(log, (0, 0))
    run = nbtrack.init(project="golden", id="killed", resume="must", view="off")
    assert run.step == 7
    run.log({"loss": 0.125})
    run.finish()
    assert run.summary["loss"]["min"] == 0.125
    assert len(nbtrack.Api().run("golden/killed").history()) == 5
