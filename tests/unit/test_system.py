"""Measuring the machine: limits of containers, GPUs (a fake NVML), costs, reading."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from types import SimpleNamespace

import fake_nvml
import psutil
import pytest
from children import until
from fake_nvml import FakeGpu, FakeNvml
from hypothesis import given
from hypothesis import strategies as st

import nbtrack
from nbtrack._capture import background as backgrounds
from nbtrack._capture.gpu import Gpus, open_gpus
from nbtrack._capture.limits import ControlGroups, Limits, usable_cores
from nbtrack._capture.system import (
    Machine,
    Sample,
    Since,
    SystemTail,
    _busy_percent,
    is_measured_by_another,
    numbers,
)
from nbtrack._store.lines import encode
from nbtrack._store.rundir import RunDir


@pytest.fixture
def notes():
    return []


@pytest.fixture
def note(notes):
    return lambda *told: notes.append(told[:2])


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# -- containers ------------------------------------------------------------------------


def test_limits_of_version_2_are_the_tightest_of_all_groups_above(tmp_path):
    mount, own = tmp_path / "cgroup", tmp_path / "self"
    write(own, "0::/job/step\n")
    write(mount / "job/cpu.max", "150000 100000\n")
    write(mount / "job/cpu.stat", "usage_usec 2500000\nuser_usec 1\n")
    write(mount / "job/step/cpu.max", "max 100000\n")
    write(mount / "job/step/cpu.stat", "usage_usec 1\n")
    write(mount / "job/memory.max", "8589934592\n")
    write(mount / "job/memory.current", "4000\n")
    write(mount / "job/memory.stat", "anon 5\ninactive_file 1000\n")
    write(mount / "job/step/memory.max", "max\n")
    limits = ControlGroups(mount, own).read()
    assert limits == Limits(1.5, 2**33, 3000, 2.5)
    assert usable_cores(limits) == min(1.5, len(os.sched_getaffinity(0)))


def test_limits_of_version_1_and_its_number_for_none(tmp_path):
    mount, own = tmp_path / "cgroup", tmp_path / "self"
    write(own, "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n")
    write(mount / "cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "50000")
    write(mount / "cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000")
    write(mount / "cpu,cpuacct/docker/abc/cpuacct.usage", "3000000000")
    write(mount / "memory/docker/abc/memory.limit_in_bytes", "1048576")
    write(mount / "memory/docker/abc/memory.usage_in_bytes", "500")
    write(mount / "memory/memory.limit_in_bytes", "9223372036854771712")
    assert ControlGroups(mount, own).read() == Limits(0.5, 2**20, 500, 3.0)
    write(mount / "cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1")
    write(mount / "memory/docker/abc/memory.limit_in_bytes", "9223372036854771712")
    assert ControlGroups(mount, own).read() == Limits()


def test_in_a_container_the_group_is_the_root_of_what_is_mounted(tmp_path):
    mount, own = tmp_path / "cgroup", tmp_path / "self"
    write(own, "0::/../../host/pod/x\n")
    write(mount / "cpu.max", "200000 100000")
    write(mount / "cpu.stat", "")
    write(mount / "memory.max", "1000")
    write(mount / "memory.current", "900")
    assert ControlGroups(mount, own).read() == Limits(2.0, 1000, 900, None)


def test_no_control_groups_no_limits(tmp_path):
    assert ControlGroups(tmp_path / "no", tmp_path / "none").read() == Limits()
    write(tmp_path / "odd", "\x00\n:::\n0::\n7:cpu:/../../etc\n")
    assert ControlGroups(tmp_path / "no", tmp_path / "odd").read() == Limits()


@given(text=st.text(max_size=60))
def test_whatever_control_groups_say_is_a_limit_or_none(tmp_path_factory, text):
    mount = tmp_path_factory.mktemp("cg")
    write(mount / "self", "0::/\n")
    for name in ("cpu.max", "cpu.stat", "memory.max", "memory.current", "memory.stat"):
        (mount / name).write_bytes(text.encode("utf-8", "replace"))
    limits = ControlGroups(mount, mount / "self").read()
    assert usable_cores(limits) > 0


def test_memory_and_processor_are_told_of_the_container_not_of_the_machine(note):
    groups = SimpleNamespace(limits=Limits(1.0, 2**30, 2**28, 10.0))
    groups.read = lambda: groups.limits
    machine = Machine(note, groups=groups, gpus=lambda _: None)
    machine._at_s -= 2.0
    groups.limits = Limits(1.0, 2**30, 2**28, 11.0)
    values = machine.sample().values
    assert values["memory_percent"] == 25.0
    assert values["proc.memory.availableMB"] == pytest.approx(768, abs=300)
    assert values["cpu_percent"] == pytest.approx(50, abs=5)  # a second of two


# -- the machine -----------------------------------------------------------------------


def test_a_sample_has_the_names_that_people_know(note, notes):
    machine = Machine(note, gpus=lambda _: None)
    time.sleep(0.02)
    sample = machine.sample(with_cores=True)
    assert {
        *("cpu", "cpu_percent", "memory_percent", "proc.memory.availableMB"),
        *("proc.memory.rssMB", "proc.memory.percent", "proc.cpu.threads"),
        *("disk./.usagePercent", "disk./.usageGB"),
    } <= set(sample.values)
    assert {"network.sent", "network.recv"} <= set(sample.counters)
    assert len(sample.cores) == psutil.cpu_count()
    assert all(0 <= value <= 100 for value in sample.cores.values())
    assert sample.values["proc.memory.rssMB"] == pytest.approx(
        psutil.Process().memory_info().rss / 2**20, rel=0.2
    )
    assert machine.sample().cores == {}
    assert notes == []


def test_what_cannot_be_measured_is_told_once_and_the_rest_is_there(
    note, notes, monkeypatch
):
    machine = Machine(note, gpus=lambda _: None)
    monkeypatch.setattr(
        psutil, "net_io_counters", lambda *_, **__: 1 / 0
    )  # as AccessDenied in some sandboxes
    for _ in range(3):
        sample = machine.sample()
        assert "network.sent" not in sample.counters
        assert "memory_percent" in sample.values
    assert [subject for subject, _ in notes] == ["network"]


def test_a_container_without_disks_has_no_disk_traffic(note, notes, monkeypatch):
    machine = Machine(note, gpus=lambda _: None)
    monkeypatch.setattr(psutil, "disk_io_counters", lambda *_, **__: None)
    assert "disk.in" not in machine.sample().counters
    assert notes == []


def test_counters_begin_at_zero_with_the_run():
    since = Since()
    first = Sample({"cpu": 1.5}, {"network.sent": 1000}, {"cpu.0.cpu_percent": 3.0})
    assert since.told(first, with_cores=False) == {
        "system.cpu": 1.5,
        "system.network.sent": 0,
    }
    later = Sample({}, {"network.sent": 1500, "disk.in": 7.0}, {"cpu.0.x": 1.0})
    assert since.told(later, with_cores=True) == {
        "system.network.sent": 500,
        "system.disk.in": 0,
        "system.cpu.0.x": 1.0,
    }
    restarted = Sample({}, {"network.sent": 3}, {})  # an interface came anew
    assert since.told(restarted, with_cores=False) == {"system.network.sent": 0}


def test_idle_time_that_goes_back_gives_no_share_below_zero():
    class Times(tuple):
        __slots__ = ()
        iowait = 0.0

        @property
        def idle(self):
            return self[0]

    assert _busy_percent(Times((5, 5)), Times((4, 7))) == 100
    assert _busy_percent(Times((5, 5)), Times((5, 5))) == 0
    assert _busy_percent(Times((5, 5)), Times((6, 6))) == 50


# -- GPUs: a fake NVML -----------------------------------------------------------------


def gpus(nvml, note):
    return Gpus(nvml, note)


def test_the_gpus_of_these_tests_are_a_fake():
    assert fake_nvml.IS_FAKE
    assert "fake" in (fake_nvml.__doc__ or "")


def test_every_gpu_is_told_under_the_names_that_people_know(note, notes):
    nvml = FakeNvml(FakeGpu(), FakeGpu(used=40 * 2**30))
    values = gpus(nvml, note).sample()
    assert values["gpu.0.gpu"] == 50
    assert values["gpu.0.memory"] == 25
    assert values["gpu.1.memoryAllocated"] == 50
    assert values["gpu.1.memoryAllocatedBytes"] == 40 * 2**30
    assert values["gpu.0.temp"] == 61
    assert values["gpu.0.powerWatts"] == 350
    assert values["gpu.0.enforcedPowerLimitWatts"] == 700
    assert values["gpu.0.powerPercent"] == 50
    assert values["gpu.0.smClock"] == 1980
    assert values["gpu.0.pcieLinkWidth"] == 16
    assert values["gpu.0.processes"] == 0
    assert not [name for name in values if name.startswith("gpu.process")]
    assert notes == []


def test_what_this_process_has_of_a_gpu_is_told_by_itself(note):
    own = SimpleNamespace(pid=os.getpid(), usedGpuMemory=8 * 2**30)
    other = SimpleNamespace(pid=1, usedGpuMemory=2**30)
    nvml = FakeNvml(FakeGpu(processes=[other]), FakeGpu(processes=[own, other]))
    values = gpus(nvml, note).sample()
    assert values["gpu.process.1.memoryAllocatedBytes"] == 8 * 2**30
    assert values["gpu.process.1.memoryAllocated"] == 10
    assert values["gpu.process.1.gpu"] == 50
    assert "gpu.process.0.gpu" not in values
    assert values["gpu.1.processes"] == 2


def test_a_container_where_drivers_hide_memory_of_processes_has_zero_of_them(note):
    own = SimpleNamespace(pid=os.getpid(), usedGpuMemory=None)
    values = gpus(FakeNvml(FakeGpu(processes=[own])), note).sample()
    assert values["gpu.process.0.memoryAllocatedBytes"] == 0


def test_what_a_gpu_does_not_support_is_asked_once(note, notes):
    call = "nvmlDeviceGetFanSpeed"
    nvml = FakeNvml(FakeGpu(fails={call: fake_nvml.NOT_SUPPORTED}), FakeGpu())
    found = gpus(nvml, note)
    for _ in range(3):
        values = found.sample()
        assert "gpu.0.fanSpeed" not in values
        assert values["gpu.1.fanSpeed"] == 30
        assert values["gpu.0.temp"] == 61
    assert nvml.asked.count(call) == 4
    assert notes == []


def test_bindings_that_lack_a_call_cost_only_its_figure(note, monkeypatch):
    monkeypatch.delattr(FakeNvml, "nvmlDeviceGetEncoderUtilization")
    values = gpus(FakeNvml(FakeGpu()), note).sample()
    assert "gpu.0.encoderUtilization" not in values
    assert values["gpu.0.gpu"] == 50


def test_an_error_of_the_moment_costs_one_figure_once(note, notes):
    gpu = FakeGpu(fails={"nvmlDeviceGetPowerUsage": fake_nvml.UNKNOWN})
    found = gpus(FakeNvml(gpu), note)
    assert "gpu.0.powerWatts" not in found.sample()
    gpu.fails.clear()
    assert found.sample()["gpu.0.powerWatts"] == 350
    assert notes == []


def test_slices_of_a_gpu_tell_their_memory(note, notes):
    slices = [FakeGpu(used=2**30, total=10 * 2**30), None]
    gpu = FakeGpu(
        slices=slices,
        fails={"nvmlDeviceGetUtilizationRates": fake_nvml.NOT_SUPPORTED},
    )
    values = gpus(FakeNvml(gpu), note).sample()
    assert values["gpu.0.mig.0.memoryAllocated"] == 10
    assert "gpu.0.gpu" not in values
    assert not [name for name in values if ".mig.1." in name]
    assert notes == []


def test_a_gpu_that_disappears_is_told_and_comes_back(note, notes):
    broken = FakeGpu()
    found = gpus(FakeNvml(FakeGpu(), broken), note)
    broken.lost = True
    for _ in range(3):
        values = found.sample()
        assert values["gpu.0.temp"] == 61
        assert not [name for name in values if name.startswith("gpu.1.")]
    assert {subject for subject, _ in notes} == {"gpu 1"}
    broken.lost = False
    assert found.sample()["gpu.1.temp"] == 61


def test_a_driver_that_stops_answering_is_asked_again_later(note, notes):
    nvml = FakeNvml(FakeGpu())
    found = gpus(nvml, note)
    nvml.init_fails = fake_nvml.UNINITIALIZED
    assert found.sample() == {}
    asked = len(nvml.asked)
    assert found.sample() == {}
    assert len(nvml.asked) == asked  # not at once
    assert [subject for subject, _ in notes] == ["gpu driver"]
    found._failed_at_s -= 100
    assert found.sample() == {}
    nvml.init_fails = None
    found._failed_at_s -= 100
    assert found.sample()["gpu.0.temp"] == 61
    found.close()
    found.close()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (fake_nvml.LIBRARY_NOT_FOUND, []),
        (fake_nvml.DRIVER_NOT_LOADED, []),
        (fake_nvml.MISMATCH, ["gpu driver"]),  # after an update without a restart
    ],
)
def test_without_a_gpu_nothing_is_said_but_a_broken_driver_is(
    code, told, note, notes, monkeypatch
):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(init_fails=code))
    assert open_gpus(note) is None
    assert [subject for subject, _ in notes] == told


def test_on_this_machine_nvml_answers_or_is_not_there(note, notes):
    found = open_gpus(note)
    if found is None:
        assert notes == []
    else:
        assert found.sample()
        found.close()


def test_the_driver_is_let_go_when_the_last_run_ends(monkeypatch):
    nvml = FakeNvml(FakeGpu())
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(backgrounds, "_LOAD_S", 0.0)
    monkeypatch.setattr(backgrounds, "_FIRST_S", 0.0)
    run = nbtrack.init(project="p", view="off")
    until(lambda: "system.gpu.0.temp" in run.system_metrics)
    assert nvml.opened == 1
    run.finish()
    until(lambda: nvml.opened == 0)


# -- pace ------------------------------------------------------------------------------


class _SlowMachine:
    """Burns processor time at every look."""

    def __init__(self, *_):
        self.looks = 0

    def sample(self, **_):
        self.looks += 1
        began = time.thread_time()
        while time.thread_time() - began < 0.02:
            pass
        return Sample({"cpu": 1.0}, {}, {})

    def close(self):
        pass


def test_an_expensive_look_is_taken_less_often(monkeypatch):
    machine = _SlowMachine()
    monkeypatch.setattr("nbtrack._capture.system.Machine", lambda *_: machine)
    monkeypatch.setattr(backgrounds, "_FIRST_S", 0.0)
    measuring = backgrounds._Measuring(lambda *_: None)
    wanted = backgrounds.Wanted(None, "w", {}, lambda: 0, print, system_s=0.1)
    client = backgrounds._Client(wanted)
    client.began_s -= 1
    written = []
    wait_s = measuring.measure([client], lambda *told: written.append(told))
    assert len(written) == 1
    assert 3.5 <= wait_s <= 8  # 20 ms are half a percent of four seconds
    measuring.measure([client], lambda *told: written.append(told))
    assert len(written) == 1


def test_a_cheap_look_keeps_to_the_pace_that_is_set():
    wanted = backgrounds.Wanted(None, "w", {}, lambda: 0, print, system_s=30.0)
    client = backgrounds._Client(wanted)
    measuring = backgrounds._Measuring(lambda *_: None)
    measuring._machine = SimpleNamespace(
        sample=lambda **_: Sample({}, {}, {}), close=lambda: None
    )
    client.due_s = time.monotonic() - 1
    wait_s = measuring.measure([client], lambda *_: None)
    assert wait_s == pytest.approx(30, abs=0.5)


def test_where_the_machine_cannot_be_measured_it_is_told_once(monkeypatch):
    def broken(*_):
        msg = "no /proc"
        raise OSError(msg)

    monkeypatch.setattr("nbtrack._capture.system.Machine", broken)
    told = []
    measuring = backgrounds._Measuring(lambda *note: told.append(note))
    wanted = backgrounds.Wanted(None, "w", {}, lambda: 0, print)
    client = backgrounds._Client(wanted)
    client.began_s -= 1
    for _ in range(3):
        assert measuring.measure([client], print) in (math.inf, pytest.approx(0, abs=1))
    assert len(told) == 1


# -- several processes of one host -----------------------------------------------------


def test_of_writers_of_one_host_the_first_measures(tmp_path):
    first, second = "20260101T0-a_b-1-ff", "20260101T1-a_b-2-00"
    other = "20251231T0-far-9-00"
    assert not is_measured_by_another(tmp_path / "none", second, 60)
    (tmp_path / f"{first}.jsonl").touch()
    (tmp_path / f"{other}.jsonl").touch()
    assert is_measured_by_another(tmp_path, second, 60)
    assert not is_measured_by_another(tmp_path, first, 60)
    os.utime(tmp_path / f"{first}.jsonl", (0, 0))  # it is gone
    assert not is_measured_by_another(tmp_path, second, 60)


# -- reading ---------------------------------------------------------------------------


def lines(*records):
    return b"".join(encode(*record) for record in records)


def run_with(tmp_path, **files):
    folder = tmp_path / "run" / "system"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.jsonl").write_bytes(content)
    return RunDir(tmp_path / "run")


def test_a_tail_gives_what_came_since_and_reads_on_over_damage(tmp_path):
    run = run_with(
        tmp_path,
        a=lines((0, 0, "open", {"t0": 5.0}), (1, 2_000_000, "system", {"system.x": 1}))
        + b"garbage\n\n"
        + lines((2, 3_000_000, "other", {"system.x": 2}))
        + lines((3, 4_000_000, "system", {"system.x": 3}))[:-4],
    )
    tail = SystemTail(run)
    assert tail.poll() == [(2.0, {"system.x": 1})]
    path = run.path / "system" / "a.jsonl"
    with path.open("ab") as file:
        file.write(b"\n" + lines((3, 4_000_000, "system", {"system.x": 3})))
        file.write(lines((3, 4_000_000, "system", {"system.x": 3})))  # twice
    assert tail.poll() == [(4.0, {"system.x": 3})]
    assert tail.poll() == []
    tail.close()
    assert tail.poll() == []


def test_only_finite_numbers_are_figures():
    odd = {"a": 1, "b": 2.5, "c": "x", "d": None, "e": True, "f": [1], "g": 10**400}
    assert numbers(odd) == {"a": 1, "b": 2.5}
    assert numbers({"n": math.nan, "i": math.inf}) == {}


def test_a_hostile_run_does_not_fill_a_board_with_names(tmp_path):
    many = {f"n{number}": 1 for number in range(5000)}
    run = run_with(tmp_path, a=lines((1, 0, "system", many)))
    assert len(SystemTail(run).poll()[0][1]) == 2000


def test_figures_of_other_writers_are_told_apart_by_their_label(tmp_path):
    run = run_with(
        tmp_path,
        **{
            name: lines(
                (0, 0, "open", {"t0": 0, "label": label}),
                (1, 1_000_000, "system", {"system.cpu": value}),
            )
            for name, label, value in (("t1-h-1-0", "rank0", 1), ("t2-g-1-0", "r1", 2))
        },
    )
    assert SystemTail(run).poll() == [
        (1.0, {"system.cpu": 1}),
        (1.0, {"system.cpu/l:r1": 2}),
    ]


def test_links_in_the_place_of_files_or_of_the_directory_give_nothing(tmp_path):
    run = run_with(tmp_path, a=lines((1, 0, "system", {"x": 1})))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "system").symlink_to(run.path / "system")
    assert SystemTail(RunDir(tmp_path / "other")).poll() == []
    (run.path / "system" / "b.jsonl").symlink_to(run.path / "system" / "a.jsonl")
    os.mkfifo(run.path / "system" / "c.jsonl")
    assert SystemTail(run).poll() == [(0.0, {"x": 1})]


@given(content=st.binary(max_size=400))
def test_any_bytes_are_samples_or_nothing(tmp_path_factory, content):
    run = run_with(tmp_path_factory.mktemp("r"), a=content)
    assert SystemTail(run).poll() == []


@given(
    payload=st.dictionaries(
        st.text(max_size=5),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()),
        max_size=4,
    )
)
def test_any_record_of_the_right_form_is_read_without_a_fault(
    tmp_path_factory, payload
):
    body = json.dumps([1, 5, "system", payload]).encode()
    from nbtrack._store.lines import seal

    run = run_with(tmp_path_factory.mktemp("r"), a=seal(body))
    for _, values in SystemTail(run).poll():
        assert all(math.isfinite(value) for value in values.values())


def test_a_thread_that_cannot_be_started_is_told(monkeypatch):
    own = backgrounds.Background()

    def refuse(_):
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    told = []
    wanted = backgrounds.Wanted(
        None, "w", {}, lambda: 0, lambda *note: told.append(note), console="off"
    )
    end = own.begin(wanted)
    assert [subject for subject, _, _ in told] == ["no thread"]
    end()
    end()
