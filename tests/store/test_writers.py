"""Many writers: threads, forks, processes of their own, deaths and interrupts."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
from pathlib import Path

import pytest
from living_run import CallError, Nursery
from plain_reader import read_run
from workers import load_batches, record_own_run

import nbtrack
from nbtrack._store.lines import decode

METHODS = ["fork", "spawn", "forkserver"]


@pytest.fixture(scope="module")
def nursery():
    nursery = Nursery()
    yield nursery
    nursery.close()


def open_run(**options):
    return nbtrack.init(project="p", id="r", view="off", **options)


def rows_of(run_id="r", root=None):
    return list(nbtrack.Api(root).run(f"p/{run_id}").scan_history())


def sequence_numbers(log: Path) -> list[int]:
    records = [decode(line, "w") for line in log.read_bytes().splitlines()]
    assert all(records), "no line is torn"
    return [record.seq for record in records]


# -- threads ---------------------------------------------------------------------------


def test_eight_threads_on_every_path_lose_and_double_nothing():
    """Numbers, nested values, text and committing calls at once."""
    run = open_run()
    run.log({"thread": -1, "i": -1})

    def work(thread):
        for i in range(300):
            kind = i % 10
            row = {"thread": thread, "i": i}
            if kind == 3:
                row["nested"] = {"x": [thread, i], "y": None}
            if kind == 6:
                row["text"] = f"{thread}:{i}"
            run.log(row, commit=True if kind == 9 else None)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (log,) = Path(run.dir, "log").glob("*.jsonl")
    numbers = sequence_numbers(log)
    assert len(set(numbers)) == len(numbers)
    run.finish()
    rows = rows_of()
    assert not len(run.faults)
    steps = [row["_step"] for row in rows]
    assert len(set(steps)) == len(steps) == 2_401
    assert {(row["thread"], row["i"]) for row in rows[1:]} == {
        (t, i) for t in range(8) for i in range(300)
    }
    for row in rows:
        assert row.get("nested.x", [row["thread"], row["i"]]) == [
            row["thread"],
            row["i"],
        ]
        assert row.get("text", f"{row['thread']}:{row['i']}") == (
            f"{row['thread']}:{row['i']}"
        )


# -- processes of multiprocessing ------------------------------------------------------


def run_all(processes):
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(processes)


def test_forked_children_log_to_their_parents_run():
    run = open_run()
    run.log({"who": -1, "i": 0})

    def work(who):
        for i in range(50):
            run.log({"who": who, "i": i})
        os._exit(0)

    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=work, args=(who,)) for who in range(3)]
    for child in children:
        child.start()
    for i in range(1, 50):
        run.log({"who": -1, "i": i})
    for child in children:
        child.join()
    run.finish()
    found = [(row["who"], row["i"]) for row in rows_of()]
    assert sorted(found) == [(who, i) for who in range(-1, 3) for i in range(50)]
    assert nbtrack.Api().run("p/r").state == "finished"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_spawned_children_open_runs_of_their_own(method):
    run = open_run()
    run.log({"i": 0})
    context = multiprocessing.get_context(method)
    run_all(
        [
            context.Process(target=record_own_run, args=(run_root(run), f"c{n}", 20))
            for n in range(2)
        ]
    )
    run.log({"i": 1})
    run.finish()
    assert [row["i"] for row in rows_of()] == [0, 1]
    for n in range(2):
        assert [row["i"] for row in rows_of(f"c{n}")] == list(range(20))
    assert {run.state for run in nbtrack.Api().runs("p")} == {"finished"}


def run_root(run) -> str:
    return str(Path(run.dir).parent.parent)


def test_a_run_is_not_sent_to_another_process_but_its_id_is():
    run = open_run()
    process = multiprocessing.get_context("spawn").Process(target=print, args=(run,))
    with pytest.raises(TypeError, match=r"resume=\"allow\""):
        process.start()


@pytest.mark.parametrize("method", METHODS)
def test_workers_that_load_data_and_do_not_log_leave_nothing(method):
    """As torch's DataLoader: each worker takes indices from a queue of its own."""
    run = open_run()
    run.log({"loss": 0.5})
    before = files_of(run)
    context = multiprocessing.get_context(method)
    wanted, loaded = context.Queue(), context.Queue()
    workers = [
        context.Process(target=load_batches, args=(wanted, loaded)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for index in range(20):
        wanted.put(index)
        run.log({"loss": 0.5})
    batches = dict(loaded.get() for _ in range(20))
    for _ in workers:
        wanted.put(None)
    threads = [loaded.get() for _ in workers]
    for worker in workers:
        worker.join()
    wanted.close()
    loaded.close()
    assert batches == {index: [index] * 10 for index in range(20)}
    assert not [name for listed in threads for name in listed if "nbtrack" in name]
    assert files_of(run) == before
    run.finish()
    assert len(rows_of()) == 21


def files_of(run):
    return sorted(p for p in Path(run_root(run)).rglob("*") if p.is_file())


# -- deaths ----------------------------------------------------------------------------


def test_four_runs_in_one_project_killed_at_random_lose_no_acknowledged_row(
    nursery, tmp_path
):
    draw = random.Random(7)
    for round_ in range(10):
        root = tmp_path / str(round_)
        writers = {f"r{n}": nursery.fork() for n in range(4)}
        for run_id, writer in writers.items():
            writer.init(project="p", id=run_id, dir=str(root))
        for writer in writers.values():
            writer.start("log_without_end")
        for run_id, writer in writers.items():
            acknowledged = -1
            for _ in range(draw.randrange(1, 120)):
                acknowledged = writer.acknowledged()
            writer.kill(hangs_up=False)
            while (told := writer.acknowledged()) is not None:
                acknowledged = told
            numbers = [row["i"] for row in rows_of(run_id, root)]
            assert numbers == list(range(len(numbers))), "in order, and none twice"
            assert len(numbers) > acknowledged
            assert read_run(root / "p" / run_id).damaged_lines == 0
        assert [run.state for run in nbtrack.Api(root).runs("p")] == ["crashed"] * 4


# -- interrupts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        lambda i: {"i": float(i), "again": float(i)},
        lambda i: {"i": i, "again": i, "nested": {"x": [i]}, "text": str(i)},
    ],
    ids=["numbers", "anything"],
)
def test_a_storm_of_interrupts_costs_at_most_the_calls_it_hit(nursery, tmp_path, row):
    writer = nursery.fork()
    folder = writer.init(project="p", id="r", dir=str(tmp_path))
    writer.log(row(-1))
    rows = [row(i) for i in range(4_000)]
    returned, interrupts = writer.log_in_a_storm(rows, 3e-6, reads=False)
    assert interrupts > 50, "it rained"
    assert writer.log(row(4_000)) is not None
    writer.finish()
    writer.kill()
    found = rows_of(root=tmp_path)
    numbers = [found_row["i"] for found_row in found]
    assert len(set(numbers)) == len(numbers), "no row is there twice"
    assert {-1, 4_000, *returned} <= set(numbers), "what returned is there"
    for found_row in found:
        wanted = row(found_row["i"])
        assert found_row["again"] == found_row["i"], "rows are whole"
        assert found_row.get("text", "") == wanted.get("text", "")
    assert len({found_row["_step"] for found_row in found}) == len(found)
    assert read_run(Path(folder)).damaged_lines == 0


def test_an_interrupt_while_the_summary_is_read_loses_nothing_of_it(nursery, tmp_path):
    writer = nursery.fork()
    writer.init(project="p", id="r", dir=str(tmp_path))
    writer.define_metric("i", summary=["min", "max", "mean"])
    rows = [{"i": float(i)} for i in range(4_000)]
    _, interrupts = writer.log_in_a_storm(rows, 8e-6, reads=True)
    assert interrupts > 50, "it rained"
    told = writer.summary()["i"]
    writer.kill()
    series = nbtrack.Api(tmp_path).run("p/r").history()["i"]
    assert (told["min"], told["max"]) == (series.min(), series.max())
    assert told["mean"] == pytest.approx(series.mean())


# -- claims ----------------------------------------------------------------------------


def test_of_two_processes_that_claim_an_id_at_once_one_gets_it(nursery, tmp_path):
    pair = [nursery.fork(), nursery.fork()]
    for number in range(200):
        for writer in pair:
            options = {"project": "p", "id": f"r{number}", "dir": str(tmp_path)}
            writer.start("claim", **options)
        errors = []
        for writer in pair:
            try:
                assert writer.result() == str(tmp_path / "p" / f"r{number}")
            except CallError as error:
                errors.append(error)
        assert [error.kind for error in errors] == ["RunExistsError"], number
        assert 'resume="allow"' in str(errors[0])
    for writer in pair:
        writer.kill()
    assert {run.state for run in nbtrack.Api(tmp_path).runs("p")} == {"finished"}


def test_signals_are_left_as_they_were():
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    run = open_run()
    run.log({"a": 1})
    run.finish()
    assert {n: signal.getsignal(n) for n in before} == before
