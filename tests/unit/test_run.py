"""What a run does, row by row of what each call means."""

from __future__ import annotations

import json
import math
import os
import threading
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import nbtrack
from nbtrack import errors


def history(run, **options):
    run.finish()
    return nbtrack.Api().run(f"{run.project}/{run.id}").history(**options)


def rows(run):
    run.finish()
    stored = nbtrack.Api().run(f"{run.project}/{run.id}")
    return [
        {k: v for k, v in row.items() if k not in ("_runtime", "_timestamp")}
        for row in stored.scan_history()
    ]


# -- A: a run ------------------------------------------------------------------------


def test_A1_before_init_every_module_level_call_says_what_to_do():
    for name in ("config", "summary"):
        with pytest.raises(errors.NotInitializedError, match=r"nbtrack\.init"):
            getattr(nbtrack, name)
    with pytest.raises(RuntimeError, match=r"Call run = nbtrack\.init"):
        nbtrack.log({"a": 1})
    with pytest.raises(errors.NotInitializedError):
        nbtrack.define_metric("a")
    assert nbtrack.run is None
    nbtrack.finish()


def test_A1_module_level_calls_act_on_the_current_run():
    run = nbtrack.init(project="p", config={"lr": 0.1})
    assert nbtrack.run is run
    nbtrack.define_metric("a", summary="max")
    nbtrack.log({"a": 3})
    nbtrack.log({"a": 1})
    assert nbtrack.config.lr == 0.1
    assert nbtrack.summary["a"]["max"] == 3
    nbtrack.finish()
    assert run.state == "finished"


def test_A2_an_unknown_keyword_names_the_nearest_known_one():
    with pytest.raises(TypeError, match="Did you mean 'project'"):
        nbtrack.init(projct="x")


def test_A2_keywords_of_wandb_without_a_meaning_here_are_accepted():
    nbtrack.init(entity="me", anonymous="allow", force=True, allow_val_change=True)


def test_A3_disabled_records_nothing_and_keeps_its_shape(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = nbtrack.init(project="p", config={"lr": 1})
    run.define_metric("loss", summary="min")
    run.log({"loss": 2.0})
    run.log({"loss": 3.0}, step=7)
    run.config.lr = 2
    run.summary["x"] = 1
    assert run.summary["loss"] == {"min": 2.0}
    assert (run.config.lr, run.step) == (2, 7)
    with pytest.raises(TypeError):
        run.log(3)
    run.finish()
    with pytest.raises(errors.RunFinishedError):
        run.log({"a": 1})
    assert list(tmp_path.iterdir()) == []


def test_A4_in_a_script_init_gives_the_open_run_back():
    run = nbtrack.init(project="p")
    assert nbtrack.init(project="p") is run
    assert nbtrack.init(project="p", reinit="create_new") is not run
    other = nbtrack.run
    assert nbtrack.init(project="p", reinit="finish_previous") is not other
    assert (run.is_open, other.is_open) == (True, False)
    with pytest.raises(errors.SettingError, match="reinit"):
        nbtrack.init(reinit="sometimes")


def test_A5_ids_names_and_tags():
    run = nbtrack.init(project="p", tags="abc")
    assert len(run.id) == 8
    assert run.id.isalnum()
    assert run.name.split("-")[-1] == "1"
    assert run.tags == ("abc",)
    run.finish()
    named = nbtrack.init(project="p", name="my run", id="mine_1", tags=("a", "b", "a"))
    assert (named.name, named.id, named.tags) == ("my run", "mine_1", ("a", "b"))


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 129])
def test_A5_impossible_names_are_refused(name):
    run = nbtrack.init(project="p")
    with pytest.raises(ValueError, match="1 to 128 characters"):
        run.name = name


@pytest.mark.parametrize("run_id", ["../x", "a b", "x" * 65, "ü"])
def test_A5_impossible_ids_are_refused(run_id):
    with pytest.raises(ValueError, match="1 to 64"):
        nbtrack.init(project="p", id=run_id)


def test_A5_resume_continues_after_the_last_step():
    first = nbtrack.init(project="p", id="r", config={"lr": 1, "k": 2})
    for value in (3.0, 2.0):
        first.log({"loss": value})
    first.define_metric("loss", summary="max")
    first.finish()
    with pytest.raises(FileExistsError, match='resume="allow"'):
        nbtrack.init(project="p", id="r")
    with pytest.raises(errors.RunExistsError):
        nbtrack.init(project="p", id="r", resume="never")
    with pytest.raises(LookupError, match="No run"):
        nbtrack.init(project="p", id="nobody", resume="must")
    again = nbtrack.init(project="p", id="r", resume="allow", config={"lr": 5})
    assert again.resumed
    assert again.step == 2
    assert again.config.as_dict() == {"lr": 5, "k": 2}
    again.log({"loss": 1.0})
    assert again.summary["loss"]["max"] == 3.0
    frame = history(again)
    assert frame["_step"].tolist() == [0, 1, 2]
    assert frame["loss"].tolist() == [3.0, 2.0, 1.0]
    assert frame["_runtime"].is_monotonic_increasing


def test_A5_resume_auto_goes_on_with_the_last_run_that_did_not_finish():
    failed = nbtrack.init(project="p")
    failed.finish(exit_code=1)
    done = nbtrack.init(project="p")
    done.finish()
    assert nbtrack.init(project="p", resume="auto").id == failed.id


def test_a_run_that_a_living_process_writes_cannot_be_resumed():
    run = nbtrack.init(project="p")
    with pytest.raises(errors.StorageError, match="is being written by process"):
        nbtrack.init(project="p", id=run.id, resume="allow", reinit="create_new")


def test_A6_states_and_exit_codes():
    assert nbtrack.init(project="p").state == "running"
    nbtrack.run.finish(exit_code=3)
    stored = nbtrack.Api().run(nbtrack.run.id)
    assert (stored.state, stored.metadata["exit_code"]) == ("failed", 3)


def test_A7_an_exception_is_recorded_and_let_through():
    with pytest.raises(ZeroDivisionError), nbtrack.init(project="p") as run:
        run.log({"a": 1})
        1 / 0  # noqa: B018
    error = nbtrack.Api().run(run.id).metadata["error"]
    assert run.state == "failed"
    assert error["type"] == "ZeroDivisionError"
    assert "1 / 0" in error["traceback"]


def test_A7_an_interrupt_in_the_with_block_means_killed():
    with pytest.raises(KeyboardInterrupt), nbtrack.init(project="p") as run:
        raise KeyboardInterrupt
    assert run.state == "killed"


def test_A8_finish_is_idempotent_and_logging_after_it_says_how_to_resume():
    run = nbtrack.init(project="p")
    run.log({"a": 1})
    run.finish()
    run.finish(exit_code=1)
    assert run.state == "finished"
    for call in (
        lambda: run.log({"a": 1}),
        lambda: run.log({}),
        lambda: run.define_metric("a"),
        lambda: run.summary.update({"a": 1}),
        lambda: run.config.update({"a": 1}),
        lambda: setattr(run, "name", "x"),
    ):
        with pytest.raises(errors.RunFinishedError, match='resume="allow"'):
            call()
    assert run.summary["a"] == 1


def test_A9_properties_are_there_and_edits_are_saved_at_once():
    run = nbtrack.init(project="p", group="g", job_type="train", notes="n")
    assert run.path == f"{run.entity}/p/{run.id}"
    assert run.url.startswith("file://")
    assert Path(run.dir, "run.json").is_file()
    run.name, run.tags, run.notes, run.group = "new name", "t", "m", "h"
    stored = nbtrack.Api().run(run.id)
    assert (stored.name, stored.tags, stored.notes, stored.group) == (
        "new name",
        ["t"],
        "m",
        "h",
    )
    assert (run.step, run.offline, run.resumed, run.job_type) == (
        0,
        True,
        False,
        "train",
    )


def test_A10_threads_share_a_run_and_every_row_gets_a_step_of_its_own():
    run = nbtrack.init(project="p")
    run.log({"a": 0.5})

    def work():
        for _ in range(500):
            run.log({"a": 0.5})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row["_step"] for row in rows(run)) == list(range(2_001))


def test_A10_a_forked_child_logs_to_the_same_run_and_does_not_end_it():
    run = nbtrack.init(project="p")
    run.log({"who": 0})
    pid = os.fork()
    if pid == 0:
        run.log({"who": 1})
        run.finish()
        os._exit(0)
    os.waitpid(pid, 0)
    assert run.is_open
    run.log({"who": 0})
    assert sorted(row["who"] for row in rows(run)) == [0, 0, 1]


# -- B: log --------------------------------------------------------------------------


@pytest.mark.parametrize("data", [None, 3, [1], "a"])
def test_B1_data_must_be_a_mapping(data):
    with pytest.raises(TypeError, match="takes a mapping"):
        nbtrack.init(project="p").log(data)


def test_B1_keys_must_be_strings_and_an_empty_mapping_is_a_row():
    run = nbtrack.init(project="p")
    with pytest.raises(TypeError, match="keys of type str"):
        run.log({1: 2})
    run.log({})
    assert rows(run) == [{"_step": 0}]


def test_B2_B3_B5_rows_are_built_as_calls_say():
    run = nbtrack.init(project="p")
    run.log({"a": 1})
    run.log({"a": 2}, commit=False)
    run.log({"b": 3}, commit=False)
    run.log({"a": 4})
    run.log({"a": 5})
    assert rows(run) == [
        {"_step": 0, "a": 1},
        {"_step": 1, "a": 4, "b": 3},
        {"_step": 2, "a": 5},
    ]


def test_B4_explicit_steps_merge_move_on_and_never_drop():
    run = nbtrack.init(project="p")
    run.log({"a": 1}, step=10)
    run.log({"b": 2}, step=10)
    run.log({"c": 3})
    run.log({"a": 4}, step=20)
    with pytest.warns(errors.NbtrackWarning, match=r"step=15.*after step 20") as warned:
        run.log({"late": 5}, step=15)
        run.log({"later": 6}, step=16)
    run.log({"a": 7}, step=20, commit=True)
    assert run.step == 21
    assert len(warned) == 1
    assert [(f.kind, f.count) for f in run.faults] == [("late-step", 2)]
    assert rows(run) == [
        {"_step": 10, "a": 1, "b": 2, "c": 3},
        {"_step": 20, "a": 7, "late": 5, "later": 6},
    ]


def test_B4_a_step_that_is_no_whole_number_records_nothing():
    run = nbtrack.init(project="p")
    with pytest.raises(TypeError, match="whole number"):
        run.log({"a": 1}, step=2.5)
    run.log({"a": 2}, step=np.int64(3))
    assert rows(run) == [{"_step": 3, "a": 2}]


def test_B6_a_pending_row_is_on_disk_when_log_returns():
    run = nbtrack.init(project="p")
    run.log({"a": 1}, commit=False)
    stored = nbtrack.Api().run(run.id)
    assert stored.history()["a"].tolist() == [1]
    assert stored.state == "running"


def test_B7_rows_have_their_times():
    run = nbtrack.init(project="p")
    for _ in range(3):
        run.log({"a": 1})
    frame = history(run)
    assert list(frame.columns) == ["_step", "_runtime", "_timestamp", "a"]
    assert frame["_step"].dtype.kind == "i"
    assert (frame["_runtime"] >= 0).all()
    assert frame["_runtime"].is_monotonic_increasing
    assert abs(frame["_timestamp"].iloc[0] - run.start_time) < 5


def test_fault_24_a_wall_clock_that_jumps_does_not_disorder_the_rows(monkeypatch):
    import time

    run = nbtrack.init(project="p")
    run.log({"a": 0})
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 0.0)
        run.log({"a": 1})
    assert history(run)["_timestamp"].diff().iloc[1] < 60


def test_B8_B9_values_as_users_have_them():
    run = nbtrack.init(project="p")
    run.log({"n": {"x": np.float32(0.5), "y": np.arange(3)}, "s": "hi", "b": True})
    run.log({"n": {"x": 1}, "s": None, "b": False})
    assert rows(run) == [
        {"_step": 0, "n.x": 0.5, "n.y": [0, 1, 2], "s": "hi", "b": True},
        {"_step": 1, "n.x": 1, "s": None, "b": False},
    ]


def test_B10_later_mutation_changes_nothing():
    run = nbtrack.init(project="p")
    values, array, nested = [1, 2], np.ones(2), {"x": 1}
    run.log({"v": values, "a": array, "n": nested})
    values.append(3)
    array[:] = 9
    nested["x"] = 9
    assert rows(run) == [{"_step": 0, "v": [1, 2], "a": [1.0, 1.0], "n.x": 1}]


def test_B11_B12_odd_values_come_back_and_types_stay_apart():
    run = nbtrack.init(project="p")
    logged = [math.nan, math.inf, -math.inf, "NaN", None, 2**53 + 1, 10**30, 0.5, True]
    for value in logged:
        run.log({"v": value, "n": 1})
    read = [row["v"] for row in rows(run)]
    assert math.isnan(read[0])
    assert read[1:] == logged[1:]
    assert [type(v) for v in read[1:]] == [type(v) for v in logged[1:]]


def test_B12_keys_that_differ_in_case_are_both_kept_and_told_once():
    run = nbtrack.init(project="p")
    run.log({"Loss": 1.0})
    with pytest.warns(errors.NbtrackWarning, match="differ only in case") as warned:
        run.log({"loss": 2.0})
        run.log({"loss": 3.0})
    assert len(warned) == 1
    assert rows(run)[0] == {"_step": 0, "Loss": 1.0}


@pytest.mark.parametrize(
    "key", ["acc'", 'a"b', "a.b", "a/b/c", "🙂", "", "<b>", "k" * 10_000]
)
def test_S17_any_string_is_a_key(key):
    run = nbtrack.init(project="p")
    run.log({key: 1.5})
    run.log({key: 2.5})
    assert history(run)[key].tolist() == [1.5, 2.5]


def test_a_lone_surrogate_in_a_key_is_escaped():
    run = nbtrack.init(project="p")
    run.log({"a\ud800": 1, "b": "x\udfff"})
    assert rows(run) == [{"_step": 0, "a\\ud800": 1, "b": "x\udfff"}]


def test_B14_strict_mode_raises_what_else_warns(monkeypatch):
    monkeypatch.setenv("NBTRACK_STRICT", "1")
    run = nbtrack.init(project="p")
    run.log({"a": 1}, step=5)
    with pytest.raises(errors.StrictError, match="after step 5"):
        run.log({"a": 1}, step=4)


def test_a_warning_filter_that_raises_does_not_stop_the_training(capsys):
    """pytest turns warnings into errors here, as some users do."""
    run = nbtrack.init(project="p")
    run.log({"a": 1}, step=5)
    run.log({"a": 2}, step=4)
    assert "after step 5" in capsys.readouterr().err
    assert len(run.faults) == 1


# -- C: define_metric ------------------------------------------------------------------


def test_C1_a_rule_that_comes_late_applies_to_the_whole_history():
    run = nbtrack.init(project="p")
    for value in (3, 1, 2):
        run.log({"a": value})
    run.define_metric("a", summary="min,best", objective="maximize")
    assert run.summary["a"] == {"min": 1, "best": 3, "best_step": 0}
    run.finish()
    assert nbtrack.Api().run(run.id).summary["a"]["best"] == 3


def test_C7_rows_take_the_last_value_of_their_step_metric():
    run = nbtrack.init(project="p")
    run.define_metric("val", step_metric="epoch")
    run.log({"val": 0.1})
    run.log({"epoch": 1, "val": 0.2})
    run.log({"val": 0.3})
    epochs = history(run)["epoch"].tolist()
    assert math.isnan(epochs[0])
    assert epochs[1:] == [1, 1]


# -- D: summary and config -------------------------------------------------------------


def test_D1_the_summary_is_a_mapping_that_can_be_edited():
    run = nbtrack.init(project="p")
    run.log({"a": 1, "b": 2})
    run.summary["best"] = 0.9
    run.summary["x"] = {"y": 1}
    run.summary["x"]["z"] = 2
    run.summary.update({"note": "hi"}, more=1)
    run.log({"best": 0.1})
    del run.summary["b"]
    assert run.summary == {
        "a": 1,
        "best": 0.9,
        "x": {"y": 1, "z": 2},
        "note": "hi",
        "more": 1,
    }
    assert run.summary.best == 0.9
    with pytest.raises(AttributeError, match="summary has no 'nothing'"):
        run.summary.nothing  # noqa: B018
    run.finish()
    assert nbtrack.Api().run(run.id).summary["x"] == {"y": 1, "z": 2}


@dataclass
class _Options:
    lr: float = 0.1


@pytest.mark.parametrize("source", [{"lr": 0.1}, Namespace(lr=0.1), _Options(), None])
def test_D4_config_comes_from_what_people_have(source):
    run = nbtrack.init(project="p", config=source)
    assert run.config.as_dict() == ({"lr": 0.1} if source else {})


@pytest.mark.parametrize("text", ["lr: 0.1\nn: {a: 1}", '{"lr": 0.1, "n": {"a": 1}}'])
def test_D4_config_comes_from_a_file(tmp_path, text):
    path = tmp_path / ("c.json" if text[0] == "{" else "c.yaml")
    path.write_text(text)
    assert nbtrack.init(project="p", config=str(path)).config.n.a == 1


def test_D4_config_is_nested_and_normalised():
    run = nbtrack.init(project="p", config={"a": {"b": 1}, "f": np.float32(0.5)})
    run.config["a"]["b"] = 2
    run.config.a.c = np.arange(2)
    run.config.setdefaults({"f": 1, "new": {1, 2}})
    saved = json.loads(Path(run.dir, "config.json").read_text())
    assert saved == {"a": {"b": 2, "c": [0, 1]}, "f": 0.5, "new": [1, 2]}
    with pytest.raises(TypeError, match="config= takes"):
        nbtrack.init(config=3, reinit="create_new")


def test_D5_a_changed_value_is_recorded_with_old_and_new():
    run = nbtrack.init(project="p", config={"lr": 1})
    run.config.lr = 2
    run.config.update({"lr": 3}, allow_val_change=True)
    (log,) = Path(run.dir, "log").iterdir()
    assert '{"key":"lr","old":1,"new":2}' in log.read_text()
    assert '{"key":"lr","old":2,"new":3}' in log.read_text()


def test_D6_secrets_are_not_stored_and_hyperparameters_are():
    secret = "abcdef123456"
    run = nbtrack.init(
        project="p",
        config={
            "api_key": secret,
            "db": {"password": secret},
            "hfToken": secret,
            "header": "sk-" + "a" * 30,
            "key_dim": 64,
            "max_tokens": 512,
            "tokenizer": "bpe",
            "monkey": "see",
        },
    )
    run.finish()
    everything = b"".join(
        p.read_bytes() for p in Path(run.dir).rglob("*") if p.is_file()
    )
    assert secret.encode() not in everything
    assert b"sk-aaa" not in everything
    assert run.config["tokenizer"] == "bpe"
    assert run.config["monkey"] == "see"
    assert (run.config["key_dim"], run.config["max_tokens"]) == (64, 512)


def test_the_user_may_change_directory_meanwhile(tmp_path, monkeypatch):
    run = nbtrack.init(project="p")
    run.log({"a": 1})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run.log({"a": 2})
    run.name = "still here"
    run.finish()
    assert not len(run.faults)
    stored = nbtrack.Api(tmp_path / "nbruns").run(run.id)
    assert (stored.name, len(stored.history())) == ("still here", 2)


# -- bad places ------------------------------------------------------------------------


def test_a_run_directory_that_is_deleted_does_not_stop_the_training():
    import shutil

    run = nbtrack.init(project="p")
    run.log({"a": 1.0})
    shutil.rmtree(run.dir)
    with pytest.warns(errors.NbtrackWarning):
        run._journal.sync()
        run.log({"a": 2.0})
        run.name = "renamed"
        run.finish()
    assert {fault.kind for fault in run.faults} >= {"vanished"}


def test_a_project_named_like_an_attack_stays_inside_and_keeps_its_name(tmp_path):
    run = nbtrack.init(project="../../evil", name="<script>alert(1)</script>")
    run.finish()
    assert Path(run.dir).resolve().is_relative_to(tmp_path / "nbruns")
    assert nbtrack.Api().run(run.id).project == "../../evil"
    assert nbtrack.Api().projects() == ["../../evil"]
