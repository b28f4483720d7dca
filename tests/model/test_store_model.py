"""A run against a plain model of it: whatever is called in whatever order.

The run is recorded by processes of its own, so that a crash is a SIGKILL. After every
step everything that can be read is read, by nbtrack and by a second reader written from
FORMAT.md, and equals the model.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from living_run import CallError
from plain_reader import read_line, read_log, read_run, writer_of
from run_model import MISSING, Model, Record, flat, is_nan, same

import nbtrack

if TYPE_CHECKING:
    import pandas as pd
    from living_run import Writer

#: A failing example is not made smaller here: that takes minutes, and the steps that it
#: prints are few. ``HYPOTHESIS_PROFILE=thorough`` does it.
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
PHASES = [Phase.generate, *([Phase.shrink] if THOROUGH else [])]

KEYS = ["loss", "acc", "train/loss", "epoch", "Loss", "a.b", "x#text", "🙂", ""]
METRICS = ["loss", "acc", "train/loss", "train/*", "l*", "*", "a.b", "x#text"]
STATISTICS = ["min", "max", "mean", "first", "last", "best", "none", "copy"]

keys = st.sampled_from(KEYS)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(
    floats,
    st.integers(-1000, 1000),
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324]),
    st.sampled_from([2**53 + 1, -(2**63), 2**64, 10**30, -(10**400)]),
    st.booleans(),
    st.none(),
    st.text(max_size=4),
    st.just("\ud800"),
)
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.lists(scalars, max_size=2).map(tuple),
)
nested = st.fixed_dictionaries(
    {},
    optional={"b": values, "c.d": values, "e": st.fixed_dictionaries({"f": values})},
)
rows = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(KEYS, values), "nest": nested}
)
by_hand = st.one_of(scalars, st.dictionaries(st.sampled_from("xyz"), scalars))


class RunMachine(RuleBasedStateMachine):
    """One run, its processes, and the model of it."""

    nursery: Writer

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="nbtrack-model-"))
        self.directory = self.root / "p" / "r"
        self.model = Model()
        self.state = "running"
        self.writers = 0
        self.step = 0
        self.child: Writer | None = None

    @initialize()
    def begin(self) -> None:
        self.open(config={"lr": 0.1})
        self.model.config = {"lr": 0.1}

    def open(self, **options: Any) -> None:
        self.run = self.nursery.fork()
        self.run.init(project="p", id="r", dir=str(self.root), **options)
        self.state = "running"
        self.writer = self.new_writer()

    def new_writer(self) -> int:
        self.writers += 1
        return self.writers - 1

    def record(self, kind: str, value: Any, step: int = -1) -> None:
        self.model.records.append(Record(self.writer, kind, value, step))

    def teardown(self) -> None:
        for process in (self.run, self.child):
            if process is not None:
                process.kill()
        shutil.rmtree(self.root)

    # -- calls -----------------------------------------------------------------------

    is_open = precondition(lambda self: self.state == "running")
    is_over = precondition(lambda self: self.state not in ("running", "orphaned"))
    has_crashed = precondition(lambda self: self.state == "crashed")

    @is_open
    @rule(data=rows, commit=st.sampled_from([None, None, True, False]))
    def log(self, data: dict[str, Any], commit: bool | None) -> None:
        self.record("row", flat(data), self.step)
        self.step += commit is not False
        assert self.run.log(data, commit=commit) == self.step

    @is_open
    @rule(
        data=rows,
        step=st.integers(-2, 5),
        is_far=st.booleans(),
        commit=st.sampled_from([None, True, False]),
    )
    def log_at_step(
        self, data: dict[str, Any], step: int, is_far: bool, commit: bool | None
    ) -> None:
        step = self.step + step + 10_000 * is_far
        place = max(step, self.step)
        self.record("row", flat(data), place)
        self.step = place + bool(commit)
        assert self.run.log(data, step=step, commit=commit) == self.step

    @is_open
    @rule(
        names=st.lists(keys, min_size=1, max_size=3, unique=True),
        numbers=st.lists(floats, min_size=1, max_size=40),
    )
    def log_in_a_loop(self, names: list[str], numbers: list[float]) -> None:
        looped = [dict.fromkeys(names, number) for number in numbers]
        for row in looped:
            self.record("row", row, self.step)
            self.step += 1
        assert self.run.log_all(looped) == self.step

    @is_open
    @rule(data=st.sampled_from([{"_mine": 1}, {"loss": 1, 2: 3}, [1], None]))
    def log_what_cannot_be_logged(self, data: Any) -> None:
        with pytest.raises(CallError, match=r"ReservedKeyError|DataTypeError"):
            self.run.log(data)

    @is_open
    @rule(
        name=st.sampled_from(METRICS),
        words=st.lists(st.sampled_from(STATISTICS), max_size=3),
        goal=st.sampled_from([None, "minimize", "maximize"]),
        step_metric=st.sampled_from([None, None, "epoch"]),
        step_sync=st.sampled_from([None, None, True, False]),
        overwrite=st.booleans(),
    )
    def define_metric(self, name: str, words: list[str], **said: Any) -> None:
        said["summary"] = words
        rules = self.model.rules()
        rules.add(name, **said)
        expected = rules.of(name)
        if "best" in expected.summary and expected.goal is None:
            with pytest.raises(CallError, match="MetricRuleError"):
                self.run.define_metric(name, **said)
            return
        self.record("metric", {"name": name, **said})
        self.run.define_metric(name, **said)

    @is_open
    @rule(key=st.sampled_from([*KEYS, "mine"]), value=by_hand)
    def set_summary(self, key: str, value: Any) -> None:
        self.record("set", ([key], value))
        self.run.set_summary([key], value)

    @is_open
    @rule(data=st.data(), value=scalars)
    def set_summary_inside(self, data: st.DataObject, value: Any) -> None:
        known = self.model.summary()
        inside = sorted(key for key, told in known.items() if isinstance(told, dict))
        if inside:
            path = [data.draw(st.sampled_from(inside)), "note"]
            self.record("set", (path, value))
            self.run.set_summary(path, value)

    @is_open
    @rule(key=st.sampled_from([*KEYS, "mine"]))
    def delete_summary(self, key: str) -> None:
        if key in self.model.summary():
            self.record("del", key)
            self.run.delete_summary(key)
        else:
            with pytest.raises(CallError, match="KeyError"):
                self.run.delete_summary(key)

    @is_open
    @rule(key=st.sampled_from(["lr", "opt"]), value=by_hand)
    def change_config(self, key: str, value: Any) -> None:
        old = self.model.config.get(key)
        if not (key in self.model.config and old == value and type(old) is type(value)):
            self.record("config", None)
        self.model.config[key] = value
        self.run.set_config(key, value)

    # -- processes -------------------------------------------------------------------

    @is_open
    @precondition(lambda self: self.child is None)
    @rule()
    def fork(self) -> None:
        self.child = self.run.fork()
        self.child_writer: int | None = None
        self.child_step = self.step

    @precondition(lambda self: self.child is not None)
    @rule(listed=st.lists(rows, min_size=1, max_size=3))
    def log_in_the_child(self, listed: list[dict[str, Any]]) -> None:
        assert self.child is not None
        if self.child_writer is None:
            self.child_writer = self.new_writer()
            if self.state == "crashed":
                self.state = "orphaned"
        for row in listed:
            record = Record(self.child_writer, "row", flat(row), self.child_step)
            self.model.records.append(record)
            self.child_step += 1
        assert self.child.log_all(listed) == self.child_step

    @precondition(lambda self: self.child is not None)
    @rule()
    def kill_the_child(self) -> None:
        assert self.child is not None
        self.child.kill()
        self.child = None
        if self.state == "orphaned":
            self.state = "crashed"

    @is_open
    @rule()
    def crash(self) -> None:
        self.run.kill()
        is_written = self.child is not None and self.child_writer is not None
        self.state = "orphaned" if is_written else "crashed"

    @is_open
    @precondition(lambda self: self.child is None)
    @rule(exit_code=st.sampled_from([0, 0, 3]))
    def finish(self, exit_code: int) -> None:
        self.run.finish(exit_code)
        self.state = "failed" if exit_code else "finished"
        self.record("end", None)
        with pytest.raises(CallError, match="RunFinishedError"):
            self.run.log({"loss": 0.5})

    @is_over
    @rule(mode=st.sampled_from(["must", "allow"]))
    def resume(self, mode: str) -> None:
        if self.state != "crashed":
            self.run.kill()
        self.open(resume=mode)
        self.step = self.model.next_step()
        assert self.run.get("step") == self.step
        assert self.run.get("resumed")

    @precondition(lambda self: self.state == "orphaned")
    @rule(mode=st.sampled_from(["must", "allow"]))
    def resume_while_a_child_goes_on(self, mode: str) -> None:
        other = self.nursery.fork()
        with pytest.raises(CallError, match="StorageError"):
            other.init(project="p", id="r", dir=str(self.root), resume=mode)
        other.kill()

    # -- the disk --------------------------------------------------------------------

    @rule()
    def delete_the_cache(self) -> None:
        for cache in self.root.rglob(".nbtrack-cache"):
            shutil.rmtree(cache)

    @has_crashed
    @precondition(lambda self: self.child is None)
    @rule(share=st.floats(0, 1))
    def cut_the_tail(self, share: float) -> None:
        """Lose the last bytes of the newest log, as a power cut does."""
        log = max((self.directory / "log").iterdir(), key=by_age)
        lines, _ = read_log(log)
        size = int(share * log.stat().st_size)
        os.truncate(log, size)
        if read_line(log.read_bytes().rpartition(b"\n")[2]) is not None:
            # See test_a_last_line_without_its_newline_counts_before_and_after_or_never.
            os.truncate(log, size - 1)
        kept, _ = read_log(log)
        lost = len([line for line in lines[len(kept) :] if line.place != "open"])
        newest = max((r.writer for r in self.model.records), default=0)
        for _ in range(lost):
            at = max(
                at for at, r in enumerate(self.model.records) if r.writer == newest
            )
            del self.model.records[at]

    # -- reading ---------------------------------------------------------------------

    @invariant()
    def reading_equals_the_model(self) -> None:
        (run,) = nbtrack.Api(self.root).runs("p")
        is_written = self.state in ("running", "orphaned")
        assert run.state == ("running" if is_written else self.state)
        assert same(run.config, self.model.config)
        found = list(run.scan_history())
        told = [(row["_step"], own(row)) for row in found]
        wanted = self.model.rows()
        assert [step for step, _ in told] == [step for step, _ in wanted]
        for (step, row), (_, expected) in zip(told, wanted, strict=True):
            assert same(row, expected), step
        plain = read_run(self.directory).as_mappings()
        assert same(found, plain)
        frame = run.history()
        assert_frame_is(frame, self.model.synced_rows())
        assert same(frame["_runtime"].tolist(), [row["_runtime"] for row in plain])
        assert same(frame["_timestamp"].tolist(), [row["_timestamp"] for row in plain])
        self.check_summary(run.summary)

    @invariant()
    @precondition(lambda self: self.state == "running")
    def the_live_run_equals_the_model(self) -> None:
        self.check_summary(self.run.summary())
        assert set(self.run.fault_kinds()) <= {"late-step", "value"}

    def check_summary(self, found: dict[str, Any]) -> None:
        wanted = self.model.summary()
        for key in wanted.keys() | found.keys():
            told, expected = found.get(key, MISSING), wanted.get(key, MISSING)
            assert same(told, expected, strictly=False), (key, told, expected)


def by_age(log: Path) -> tuple[str, int]:
    """Order logs by writer, that is by time, and number."""
    writer = writer_of(log.stem)
    return writer, int(log.stem.removeprefix(writer)[1:] or 0)


def own(row: dict[str, Any]) -> dict[str, Any]:
    """Give what was logged of a row."""
    return {key: value for key, value in row.items() if key[:1] != "_"}


def assert_frame_is(
    frame: pd.DataFrame, wanted: list[tuple[int, dict[str, Any]]]
) -> None:
    assert frame["_step"].tolist() == [step for step, _ in wanted]
    logged = {key for _, row in wanted for key in row}
    assert {name for name in frame.columns if name[:1] != "_"} == logged
    for key in logged:
        for found, (step, row) in zip(frame[key].tolist(), wanted, strict=True):
            expected = row.get(key, MISSING)
            if expected is MISSING or expected is None:
                assert found is None or is_nan(found), (key, step, found)
            else:
                assert same(found, expected), (key, step)


@pytest.mark.parametrize("segment_bytes", [None, 900])
def test_a_run_reads_as_its_model_whatever_happens_to_it(nursery, segment_bytes):
    class Machine(RunMachine):
        pass

    Machine.nursery = nursery.fork()
    if segment_bytes is not None:
        Machine.nursery.fill_segments_at(segment_bytes)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=500 if THOROUGH else 10,
            stateful_step_count=25,
            deadline=None,
            derandomize=not THOROUGH,
            suppress_health_check=list(HealthCheck),
            phases=PHASES,
        ),
    )
    Machine.nursery.kill()


# -- found by the machine, told by themselves ------------------------------------------


@pytest.fixture
def writer(nursery, tmp_path):
    writer = nursery.fork()
    writer.init(project="p", id="r", dir=str(tmp_path))
    yield writer
    writer.kill()


def test_history_gives_text_that_utf8_cannot_hold(writer, tmp_path):
    """B11, S33: it is escaped in the log, and comes back as it went in."""
    writer.log({"a": "x\ud800"})
    writer.log({"b": 1})
    run = nbtrack.Api(tmp_path).run("p/r")
    assert next(iter(run.scan_history()))["a"] == "x\ud800"
    assert run.history()["a"].tolist()[0] == "x\ud800"


@pytest.mark.parametrize("huge", [2**53 + 1, -(2**63) - 1, 10**30])
def test_history_gives_integers_exactly_beside_missing_ones(writer, tmp_path, huge):
    """B11: huge integers come back from history as they went in."""
    writer.log({"a": huge})
    writer.log({"b": 1})
    frame = nbtrack.Api(tmp_path).run("p/r").history()
    assert frame["a"].tolist()[0] == huge


def test_a_step_metric_that_is_nan_stays(writer, tmp_path):
    """C7: only a row that lacks the step metric gets its last value."""
    writer.define_metric("a", step_metric="epoch")
    writer.log({"a": 1.0, "epoch": 3})
    writer.log({"a": 2.0, "epoch": math.nan})
    frame = nbtrack.Api(tmp_path).run("p/r").history()
    assert same(frame["epoch"].tolist(), [3, math.nan])


def test_a_metric_that_is_nan_gets_its_step_metric_too(writer, tmp_path):
    """C7, B11: NaN is a value, so the row has the metric."""
    writer.define_metric("a", step_metric="epoch")
    writer.log({"epoch": 3})
    writer.log({"a": math.nan})
    writer.log({"a": 1.0})
    frame = nbtrack.Api(tmp_path).run("p/r").history()
    assert frame["epoch"].tolist() == [3, 3, 3]


def test_of_keys_that_flatten_to_one_name_the_later_wins(writer, tmp_path):
    """B5, B8: within one call as in two."""
    writer.log({"a.b": math.nan, "a": {"b": 1}})
    (row,) = nbtrack.Api(tmp_path).run("p/r").scan_history()
    assert own(row) == {"a.b": 1}


def test_rows_of_two_writers_at_one_step_stay_two_rows(writer, tmp_path):
    """Also where the rows of one of them lie in several files."""
    child = writer.fork()
    for number in range(3):
        writer.log({"a": number})
        child.log({"a": 10 + number})
    child.kill()
    writer.kill()
    logs = sorted((tmp_path / "p" / "r" / "log").iterdir())
    lines = logs[0].read_bytes().splitlines(keepends=True)
    segment = logs[0].with_name(f"{logs[0].stem}.1.jsonl")
    logs[0].write_bytes(b"".join(lines[:2]))
    segment.write_bytes(b"".join(lines[2:]))
    run = nbtrack.Api(tmp_path).run("p/r")
    assert run.history()["a"].tolist() == [0, 10, 1, 11, 2, 12]
    assert sorted(row["a"] for row in run.scan_history()) == [0, 1, 2, 10, 11, 12]
    plain = read_run(tmp_path / "p" / "r").as_mappings()
    assert [row["a"] for row in plain] == [0, 10, 1, 11, 2, 12]


def test_a_log_cut_to_nothing_is_not_written(writer, tmp_path):
    """Its opening line, which names the process, may be what the power cut took."""
    folder = tmp_path / "p" / "r"
    writer.log({"a": 1})
    writer.kill()
    for log in (folder / "log").iterdir():
        os.truncate(log, 0)
    assert nbtrack.Api(tmp_path).run("p/r").state == "crashed"


def test_rows_are_in_the_same_order_wherever_they_are_given(writer, tmp_path):
    child = writer.fork()
    for number in range(3):
        writer.log({"a": number})
        child.log({"a": 10 + number})
    child.kill()
    run = nbtrack.Api(tmp_path).run("p/r")
    wanted = [0, 10, 1, 11, 2, 12]
    assert run.history()["a"].tolist() == wanted
    assert [row["a"] for row in run.scan_history()] == wanted
    plain = read_run(tmp_path / "p" / "r").as_mappings()
    assert [row["a"] for row in plain] == wanted


@pytest.mark.parametrize("which", ["main", "child"])
def test_a_last_line_without_its_newline_counts_before_and_after_or_never(
    nursery, writer, tmp_path, which
):
    """A power cut may take the last byte only, and leave a line whose seal is good."""
    child = writer.fork()
    for number in range(3):
        (writer if which == "main" else child).log({"a": number})
    child.kill()
    writer.kill()
    log = max((tmp_path / "p" / "r" / "log").iterdir(), key=by_age)
    os.truncate(log, log.stat().st_size - 1)
    run = nbtrack.Api(tmp_path).run("p/r")
    before = [row["a"] for row in run.scan_history()]
    again = nursery.fork()
    again.init(project="p", id="r", dir=str(tmp_path), resume="must")
    assert again.get("step") == len(before)
    assert [row["a"] for row in run.scan_history()] == before
    again.log({"a": 9})
    again.kill()
    assert [row["a"] for row in run.scan_history()] == [*before, 9]
