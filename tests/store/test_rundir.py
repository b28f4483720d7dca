"""Directories and documents: names are data, documents are whole."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbtrack._store import alive, documents, process, rundir
from nbtrack.errors import FormatError, RunExistsError, StorageError


@given(st.text(max_size=300))
def test_any_project_name_is_a_directory_inside_the_root(tmp_path_factory, project):
    root = tmp_path_factory.mktemp("root")
    run = rundir.claim(root, project, "abc")
    assert run.path.resolve().parent.parent == root.resolve()
    assert [found.path for found in rundir.list_runs(run.path.parent)] == [run.path]


@pytest.mark.parametrize(
    "name", ["../../x", "/abs", "a\0b", "CON", "a:b", "x.", "..", ""]
)
def test_hostile_project_names_stay_inside(tmp_path, name):
    path = rundir.project_directory(tmp_path, name)
    assert path.parent == tmp_path
    assert not set(path.name) & set('/\\:*?"<>|\0')
    assert path.name not in {"CON", "..", "", "x."}


def test_one_claimant_of_an_id_wins(tmp_path):
    def claim(_):
        try:
            rundir.claim(tmp_path, "p", "same")
        except RunExistsError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(50))) == 1


def test_a_place_that_cannot_be_written_is_answered_clearly(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot be made.*NBTRACK_DIR"):
        rundir.claim(tmp_path / "file", "p", "r")


def test_a_document_is_the_old_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    documents.write_document(path, {"a": 1})

    def fail(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        documents.write_document(path, {"a": 2})
    assert documents.read_document(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path], "no temporary file stays"


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, b"[1]", b"{", b"\xff", b"[" * 100_000],
    ids=["empty", "zeros", "list", "torn", "no-utf8", "deep"],
)
def test_a_damaged_document_is_told_and_not_trusted(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"run\.json"):
        documents.read_document(path)


def test_links_pipes_and_giants_are_no_documents(tmp_path):
    (tmp_path / "real").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(17 * 2**20)
    for name in ("link", "pipe", "giant", "missing"):
        with pytest.raises(StorageError):
            documents.read_document(tmp_path / name)


def test_a_newer_format_is_refused_with_the_way_out(tmp_path):
    run = rundir.claim(tmp_path, "p", "r")
    run.write("run.json", {"format": rundir.FORMAT + 1})
    with pytest.raises(FormatError, match="Upgrade nbtrack"):
        run.read_run()


def test_A6_a_run_whose_process_is_gone_has_crashed(tmp_path):
    run = rundir.claim(tmp_path, "p", "r")
    here = process.this_process()
    assert alive.state_of(run, {"state": "running", "writer": here}) == "running"
    reused = here | {"token": "another boot:1"}
    assert alive.state_of(run, {"state": "running", "writer": reused}) == "crashed"
    gone = here | {"pid": 2**22 + 1, "token": ""}
    assert alive.state_of(run, {"state": "running", "writer": gone}) == "crashed"
    assert alive.state_of(run, {"state": "failed", "writer": gone}) == "failed"


def test_A6_on_another_host_only_a_silent_log_means_a_crash(tmp_path):
    run = rundir.claim(tmp_path, "p", "r")
    far = {"state": "running", "writer": {"host": "elsewhere", "pid": 1}}
    log = run.log / "w.jsonl"
    log.write_text("")
    assert alive.state_of(run, far) == "running"
    os.utime(log, (0, 0))
    assert alive.state_of(run, far) == "crashed"


def test_documents_hold_what_json_does_not(tmp_path):
    documents.write_document(tmp_path / "d", {"a": float("nan"), "b": {1, 2}})
    text = (tmp_path / "d").read_text()
    assert json.loads(text)["b"] == "{1, 2}"
