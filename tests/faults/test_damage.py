"""Damage on disk: no row is ever wrong, losses are told, and nothing else hides."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

import nbtrack
from nbtrack._store.rundir import FORMAT
from nbtrack.errors import FormatError, StorageError


def value_of(i):
    return (i * 0.7548776662466927) % 1


def record(run_id, rows=100, *, finish=True):
    """Record rows that can be told from wrong ones."""
    run = nbtrack.init(project="p", id=run_id, view="off", reinit="create_new")
    for i in range(rows):
        run.log({"i": i, "v": value_of(i)})
    if finish:
        run.finish()
    return run


def killed(run_id, rows=100):
    """Record rows in a child that is gone before it could compact them."""
    pid = os.fork()
    if pid == 0:
        record(run_id, rows, finish=False)
        os._exit(0)
    os.waitpid(pid, 0)
    return Path("nbruns/p", run_id)


def stored(run_id):
    return nbtrack.Api().run(f"p/{run_id}")


def assert_true(run_id):
    """See that what is read was logged, and give how much of it is read."""
    frame = stored(run_id).history()
    if not len(frame):
        return 0
    frame = frame[frame["i"].notna()]
    assert frame["i"].is_unique
    assert frame["_step"].tolist() == frame["i"].tolist()
    assert frame["v"].tolist() == [value_of(i) for i in frame["i"]]
    return len(frame)


def told(run_id):
    """Give what a person who looks at the run is told."""
    return stored(run_id)._repr_mimebundle_()["text/html"]


# -- 27, 28: logs --------------------------------------------------------------------


def flip(log, draw):
    at = draw.randrange(len(log))
    return log[:at] + bytes([log[at] ^ 1 << draw.randrange(8)]) + log[at + 1 :], 2


def lose(log, draw):
    at = draw.randrange(len(log))
    size = draw.randrange(1, 400)
    return log[:at] + log[at + size :], log[at : at + size].count(b"\n") + 2


def double(log, draw):
    at = draw.randrange(len(log))
    size = draw.randrange(1, 400)
    return log[: at + size] + log[at:], 2


@pytest.mark.parametrize("hurt", [flip, lose, double])
def test_fault_27_a_damaged_log_gives_fewer_rows_and_no_wrong_ones(hurt):
    (log,) = killed("r").joinpath("log").iterdir()
    whole = log.read_bytes()
    assert assert_true("r") == 100
    for seed in range(40):
        damaged, lost_at_most = hurt(whole, random.Random(seed))
        log.write_bytes(damaged)
        assert assert_true("r") >= 100 - lost_at_most
    log.write_bytes(whole.replace(b'"i":50,', b'"i":51,'))
    assert assert_true("r") == 99
    assert "1 damaged lines of the log were passed over" in told("r")


NOISE = {
    "NUL block": lambda log: log + b"\0" * 125,
    "NUL block in the middle": lambda log: _amid(log, b"\0" * 4096 + b"\n"),
    "torn tail": lambda log: log[:-9],
    "torn line in the middle": lambda log: _amid(log, b'[50,123,50,{"i":5'),
    "BOM": lambda log: b"\xef\xbb\xbf" + log,
    "foreign line": lambda log: _amid(log, b'{"loss": 1}\n'),
    "row of somebody else": lambda log: _amid(log, b'[50,1,50,{"i":9},"0"]\n'),
    "CRLF": lambda log: log.replace(b"\n", b"\r\n", 30),
    "binary": lambda log: _amid(log, bytes(range(256)) * 40),
    "deep": lambda log: _amid(log, b"[" * 10**5 + b"\n"),
}


def _amid(log, noise):
    lines = log.splitlines(keepends=True)
    return b"".join([*lines[:50], noise, *lines[50:]])


@pytest.mark.parametrize("name", NOISE)
def test_fault_28_what_is_no_line_of_ours_is_passed_over_and_told(name):
    (log,) = killed("r").joinpath("log").iterdir()
    log.write_bytes(NOISE[name](log.read_bytes()))
    assert assert_true("r") >= (70 if name == "CRLF" else 98)
    if name not in ("NUL block", "torn tail"):  # a last line may still be written
        assert "of the log were passed over" in told("r")


# -- 29, 30: parts and caches --------------------------------------------------------


def part_of(run_id):
    (part,) = Path("nbruns/p", run_id).rglob("*.parquet")
    return part


@pytest.mark.parametrize("damage", ["truncated", "emptied", "scrambled"])
def test_fault_29_a_part_that_cannot_be_read_is_told_and_hides_no_other_run(damage):
    record("good")
    record("bad")
    part = part_of("bad")
    whole = part.read_bytes()
    harm = {"truncated": whole[:-20], "emptied": b"", "scrambled": whole[::-1]}
    part.write_bytes(harm[damage])
    assert assert_true("bad") == 0
    assert f"{part.name} cannot be read" in told("bad")
    assert [run.id for run in nbtrack.Api().runs("p")] == ["good", "bad"]
    assert assert_true("good") == 100
    assert stored("bad").summary == {"i": 99, "v": value_of(99)}


@pytest.mark.parametrize(
    "where",
    [
        "pages",
        "footer",
    ],
)
def test_fault_29_a_flipped_byte_in_a_part_is_damage_and_never_a_wrong_row(where):
    record("r", 1_000)
    part = part_of("r")
    whole = part.read_bytes()
    pages = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    draw = random.Random(0)
    for _ in range(250):
        spans = {"pages": (0, pages), "footer": (pages, len(whole))}
        at = draw.randrange(*spans[where])
        flipped = bytes([whole[at] ^ 1 << draw.randrange(8)])
        part.write_bytes(whole[:at] + flipped + whole[at + 1 :])
        assert assert_true("r") in (0, 1_000), f"byte {at} of {len(whole)}"


def test_fault_30_whatever_lies_in_a_cache_directory_is_ignored():
    record("r")
    for root in (Path("nbruns"), Path("nbruns/p"), Path("nbruns/p/r")):
        cache = root / ".nbtrack-cache" / "index-v1"
        cache.mkdir(parents=True)
        (cache / "runs.parquet").write_bytes(b"PAR1 from another version")
        (cache / "run.json").write_text('{"format": 99}')
    runs = nbtrack.Api().runs()
    assert [run.id for run in runs] == ["r"]
    assert runs.damaged == {}
    assert nbtrack.Api().projects() == ["p"]
    shutil.rmtree("nbruns/.nbtrack-cache")
    assert assert_true("r") == 100


# -- 31: documents -------------------------------------------------------------------


def giant(path):
    with path.open("wb") as file:
        file.truncate(2**30)


HARM = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(b"\0" * 4096),
    "one GiB": giant,
    "deep": lambda path: path.write_bytes(b"[" * 10**5),
    "deep object": lambda path: path.write_bytes(b'{"a":' * 10**5),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "no UTF-8": lambda path: path.write_bytes(b'{"id": "\xff\xfe"}'),
    "a list": lambda path: path.write_bytes(b"[1]"),
    "of no use": lambda path: path.write_bytes(b'{"format": 1, "tags": 7}'),
}


@pytest.mark.parametrize("name", HARM)
def test_fault_31_a_run_json_of_no_use_hides_no_other_run_and_is_told(name):
    record("good")
    record("bad")
    HARM[name](Path("nbruns/p/bad/run.json"))
    runs = nbtrack.Api().runs("p")
    assert [run.id for run in runs] == ["good"]
    assert list(runs.damaged) == [str(Path("nbruns/p/bad").absolute())]
    assert "⚠" in repr(nbtrack.runs("p"))
    assert nbtrack.Api().projects() == ["p"]
    with pytest.raises((StorageError, LookupError)):
        stored("bad")
    record("next")


@pytest.mark.parametrize("name", ["config.json", "summary.json", "code/cells.jsonl"])
def test_fault_31_the_other_files_of_a_run_may_be_damaged_too(name):
    record("r")
    Path("nbruns/p/r", name).write_bytes(b"\0" * 999)
    run = stored("r")
    assert (run.config, run.cells) == ({}, [])
    assert run.summary == {"i": 99, "v": value_of(99)}
    assert assert_true("r") == 100


# -- 35, 37: what is no file, and what is code ---------------------------------------


def within(seconds, function):
    """Call a function that must not wait for anybody."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, "it hangs"
    return results[0]


def look_at_all():
    """Read a project in every way there is."""
    api = nbtrack.Api()
    runs = api.runs("p")
    seen = [
        (run.config, run.summary, run.history(), run.cells, run.files(), repr(run))
        for run in runs
    ]
    return f"{runs.damaged} {seen} {nbtrack.runs('p')} {runs.to_frame()}"


@pytest.mark.parametrize("kind", ["link", "pipe", "device", "folder"])
@pytest.mark.parametrize(
    "name",
    ["run.json", "config.json", "summary.json", "log/x.jsonl", "code/cells.jsonl"],
)
def test_fault_35_links_pipes_and_devices_are_not_followed(tmp_path, kind, name):
    (tmp_path / "secret").write_text('{"canary": "canary", "id": "x"}\n')
    record("r")
    path = Path("nbruns/p/r", name)
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        try:
            os.mknod(path, 0o020666, os.makedev(1, 5))  # /dev/zero: without an end
        except PermissionError:
            pytest.skip("making a device needs root")
    else:
        path.mkdir()
    assert "canary" not in within(20, look_at_all)


@pytest.mark.parametrize(
    "name",
    [
        "log",
        "code",
        "history",
    ],
)
def test_fault_35_a_folder_of_a_run_that_leads_elsewhere_gives_nothing(tmp_path, name):
    killed("elsewhere") if name == "log" else record("elsewhere")
    shutil.move("nbruns/p/elsewhere", tmp_path / "elsewhere")
    Path(tmp_path, "elsewhere/code").mkdir(exist_ok=True)
    Path(tmp_path, "elsewhere/code/cells.jsonl").write_text(
        '{"count": 1, "source": "canary"}\n'
    )
    record("r", 3)
    shutil.rmtree(Path("nbruns/p/r", name), ignore_errors=True)
    Path("nbruns/p/r", name).symlink_to(tmp_path / "elsewhere" / name)
    assert "canary" not in within(20, look_at_all)
    assert assert_true("r") <= 3
    assert not any("elsewhere" in str(path) for path in stored("r").files())


def test_fault_35_a_run_or_project_that_is_a_link_is_none(tmp_path):
    record("r", 3)
    outside = tmp_path / "outside"
    shutil.copytree("nbruns/p/r", outside / "other")
    Path("nbruns/p/other").symlink_to(outside / "other")
    Path("nbruns/q").symlink_to(outside)
    assert [run.id for run in nbtrack.Api().runs()] == ["r"]
    assert nbtrack.Api().projects() == ["p"]


class Canary:
    """Says that it was unpickled by making a file."""

    def __reduce__(self):
        return (Path("was-executed").write_text, ("boom",))


def test_fault_37_nothing_in_a_run_directory_is_ever_executed():
    record("r", 3)
    for name in (
        "x.pkl",
        "x.pt",
        "log/x.pkl",
        "history/x.pkl",
        "code/sitecustomize.py",
    ):
        path = Path("nbruns/p/r", name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(Canary()))
    array = np.array([Canary()], dtype=object)
    np.save("nbruns/p/r/x.npy", array, allow_pickle=True)
    np.save("nbruns/p/r/history/x-0-9.parquet", array, allow_pickle=True)
    Path("nbruns/p/r/x.py").write_text("open('was-executed', 'w')")
    look_at_all()
    nbtrack.compare("p")._repr_mimebundle_()
    stored("r")._repr_mimebundle_()
    nbtrack.init(project="p", id="r", view="off", resume="must").finish()
    assert not Path("was-executed").exists()


# -- 41: versions --------------------------------------------------------------------


def edit(run_id, **members):
    path = Path("nbruns/p", run_id, "run.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | members))


@pytest.mark.parametrize("version", [FORMAT + 1, 99, "1", None, 1.5, [1]])
def test_fault_41_a_run_of_an_unknown_format_is_refused_with_the_way_out(version):
    record("old", 3)
    record("new", 3)
    edit("new", format=version)
    runs = nbtrack.Api().runs("p")
    assert [run.id for run in runs] == ["old"]
    (reason,) = runs.damaged.values()
    assert f"has format version {version!r}" in reason
    assert "Upgrade nbtrack" in reason
    with pytest.raises(FormatError, match="Upgrade nbtrack"):
        stored("new")
    with pytest.raises(FormatError, match="Upgrade nbtrack"):
        nbtrack.init(project="p", id="new", view="off", resume="allow")


def test_fault_41_what_a_later_version_adds_is_kept(tmp_path):
    record("r", 3)
    edit("r", colour="green", nested={"a": [1]})
    run = nbtrack.init(project="p", id="r", view="off", resume="must")
    run.log({"i": 3, "v": value_of(3)})
    run.name = "renamed"
    run.finish()
    document = json.loads(Path(run.dir, "run.json").read_text())
    assert (document["colour"], document["nested"]) == ("green", {"a": [1]})
    assert assert_true("r") == 4
    assert tmp_path.exists()
