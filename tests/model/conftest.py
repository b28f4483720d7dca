from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from living_run import Nursery

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Share one process that forks writers."""
    nursery = Nursery()
    yield nursery
    nursery.close()
