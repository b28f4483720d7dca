from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbtrack._record.steps import MAX_STEP, place
from nbtrack.errors import StepError

steps = st.integers(0, 1_000)


def test_B2_a_plain_call_fills_one_row_and_moves_on():
    assert place(0, None, None) == (0, 1, False)


def test_B3_commit_false_stays_and_the_next_call_completes_the_row():
    assert place(3, None, False) == (3, 3, False)
    assert place(3, None, True) == (3, 4, False)


def test_B4_a_larger_step_moves_there_and_leaves_the_row_open():
    assert place(3, 7, None) == (7, 7, False)
    assert place(3, 7, True) == (7, 8, False)


def test_B4_a_smaller_step_joins_the_current_row_and_is_told():
    assert place(7, 3, None) == (7, 7, True)
    assert place(7, -1, True) == (7, 8, True)


@pytest.mark.parametrize("step", [2.5, "3", None.__class__, MAX_STEP, 10**30])
def test_B4_a_step_that_is_no_whole_number_is_refused(step):
    with pytest.raises(StepError, match="whole number"):
        place(0, step, None)


@given(
    current=steps, step=st.none() | steps, commit=st.sampled_from([None, True, False])
)
def test_steps_never_go_back(current, step, commit):
    placed = place(current, step, commit)
    assert placed.step >= current
    assert placed.next_step in {placed.step, placed.step + 1}
    assert placed.is_late == (step is not None and step < current)


def test_numpy_integers_are_steps():
    np = pytest.importorskip("numpy")
    assert place(0, np.int64(5), None).step == 5
