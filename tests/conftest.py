"""What every test shares: a root of its own, and no run left open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from nbtrack import _session

if TYPE_CHECKING:
    from collections.abc import Iterator

hypothesis_settings.register_profile(
    "default",
    deadline=None,  # two cores, shared
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.register_profile("thorough", deadline=None, max_examples=2_000)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run every test in an empty directory, and finish what it left open."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("NBTRACK_", "WANDB_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NBTRACK_QUIET", "1")
    yield
    for run in list(_session._open_runs):
        run.finish()
    _session._current = None
