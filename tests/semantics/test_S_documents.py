"""What the founding documents say of logging, summary and config, statement by
statement. Media, plots, files of the system and the page itself are tested elsewhere.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recorded import document, rows, stored

import nbtrack
import nbtrack as wandb
from nbtrack import errors


def history(run, **options):
    run.finish()
    return stored(run).history(**options)


# -- logging, steps, history -----------------------------------------------------------


def test_S1_log_takes_a_dict_per_step():
    run = wandb.init(project="p")
    run.log({"accuracy": 0.9, "epoch": 5, "note": "fine"})
    assert rows(run) == [{"_step": 0, "accuracy": 0.9, "epoch": 5, "note": "fine"}]


def test_S2_all_pairs_of_one_step_end_in_one_row():
    run = wandb.init(project="p")
    run.log({"a": 1}, commit=False)
    run.log({"b": 2})
    assert rows(run) == [{"_step": 0, "a": 1, "b": 2}]


def test_S3_everything_is_on_local_disk_in_a_directory_of_its_own():
    runs = [wandb.init(project="p", reinit="create_new") for _ in range(2)]
    for value, run in enumerate(runs):
        run.log({"a": value})
        assert stored(run).history()["a"].tolist() == [value]
    assert len({run.dir for run in runs}) == 2


def test_S4_several_calls_with_the_same_step_are_one_record():
    run = wandb.init(project="p")
    for key in "abc":
        run.log({key: 1}, step=4)
    assert rows(run) == [{"_step": 4, "a": 1, "b": 1, "c": 1}]


def test_S5_a_different_step_closes_what_was_collected():
    run = wandb.init(project="p")
    run.log({"a": 1}, step=1)
    run.log({"a": 2}, step=2)
    assert rows(run) == [{"_step": 1, "a": 1}, {"_step": 2, "a": 2}]


def test_S6_a_call_without_step_is_a_new_step():
    run = wandb.init(project="p")
    for _ in range(3):
        run.log({"a": 1})
    assert [row["_step"] for row in rows(run)] == [0, 1, 2]


def test_S7_the_step_is_the_default_x_axis():
    run = wandb.init(project="p")
    run.log({"a": 1}, step=3)
    assert history(run).columns[0] == "_step"
    assert run.following.rules.step_metric("a") is None


def test_S8_S19_custom_axes_and_summaries_can_be_defined():
    run = wandb.init(project="p")
    run.define_metric("acc", step_metric="epoch", summary="max")
    for epoch, acc in ((0, 0.5), (1, 0.9), (2, 0.7)):
        run.log({"acc": acc, "epoch": epoch})
    assert run.summary["acc"] == {"max": 0.9}
    assert history(run, x_axis="epoch")["epoch"].tolist() == [0, 1, 2]


def test_S9_steps_are_consecutive():
    run = wandb.init(project="p")
    for value in range(5):
        run.log({"a": value}, commit=None if value % 2 else True)
    assert history(run)["_step"].tolist() == list(range(5))


def test_S10_only_the_current_and_a_later_step_are_written():
    run = wandb.init(project="p")
    run.log({"a": 1}, step=5)
    with pytest.warns(errors.NbtrackWarning, match="after step 5"):
        run.log({"b": 2}, step=3)
    assert [row["_step"] for row in rows(run)] == [5]


def test_S11_log_adds_a_row_and_updates_the_summary():
    run = wandb.init(project="p")
    for value in (1, 2):
        run.log({"a": value})
        assert run.summary["a"] == value
    assert len(history(run)) == 2


def test_S12_history_is_rows_of_dicts_over_time():
    run = wandb.init(project="p")
    run.log({"a": 1})
    run.log({"b": 2})
    run.finish()
    found = list(stored(run).scan_history())
    assert [sorted(row) for row in found] == [
        ["_runtime", "_step", "_timestamp", "a"],
        ["_runtime", "_step", "_timestamp", "b"],
    ]


def test_S13_the_step_of_a_call_that_goes_back_is_ignored_and_its_values_are_not():
    run = wandb.init(project="p")
    run.log({"a": 1}, step=5)
    with pytest.warns(errors.NbtrackWarning, match=r"log\(step=2\)"):
        run.log({"b": 2}, step=2)
    assert rows(run) == [{"_step": 5, "a": 1, "b": 2}]


def test_S14_S15_metrics_of_one_call_share_a_step():
    run = wandb.init(project="p")
    run.log({"Precision": 0.5, "Recall": 0.25})
    run.log({"Precision": 0.75})
    pairs = history(run, keys=["Precision", "Recall"])
    assert pairs[["Precision", "Recall"]].to_numpy().tolist() == [[0.5, 0.25]]


def test_S16_two_calls_with_one_step_are_joined_and_sampled_together():
    run = wandb.init(project="p")
    for step in range(50):
        run.log({"Precision": step}, step=step)
        run.log({"Recall": -step}, step=step)
    frame = history(run, samples=10)
    assert (frame["Precision"] == -frame["Recall"]).all()


@pytest.mark.parametrize("key", ["acc'", 'a"b', "a b", "ä/🙂", "a.b", "", "k" * 2_000])
def test_S17_any_string_is_a_key(key):
    run = wandb.init(project="p")
    run.log({key: 0.9, "epoch": 3})
    assert history(run)[key].tolist() == [0.9]


def test_S18_a_custom_x_axis_is_logged_in_the_same_call():
    run = wandb.init(project="p")
    for batch in range(4):
        run.log({"acc": 0.9, "epoch": batch // 2, "batch": batch})
    assert history(run, x_axis="batch")["batch"].tolist() == [0, 1, 2, 3]


def test_S20_batch_and_epoch_metrics_come_in_separate_calls():
    run = wandb.init(project="p")
    for epoch in range(2):
        for batch in range(3):
            run.log({"batch": epoch * 3 + batch, "loss": 1.0})
        run.log({"epoch": epoch, "val_acc": 0.5})
    run.finish()
    assert history(run, keys=["batch", "loss"], x_axis="batch")[
        "batch"
    ].tolist() == list(range(6))
    assert history(run, keys=["val_acc"], x_axis="epoch")["epoch"].tolist() == [0, 1]


def test_S21_a_dict_comprehension_is_a_series_per_element():
    run = wandb.init(project="p")
    losses = [0.5, 0.25, 0.125]
    run.log({f"losses/loss-{ii}": loss for ii, loss in enumerate(losses)})
    assert rows(run) == [
        {
            "_step": 0,
            "losses/loss-0": 0.5,
            "losses/loss-1": 0.25,
            "losses/loss-2": 0.125,
        }
    ]


def test_S22_a_long_list_of_values_is_a_histogram():
    run = wandb.init(project="p")
    run.log({"losses": np.linspace(0, 1, 500)})
    assert sum(rows(run)[0]["losses"]["counts"]) == 500


def test_S23_a_mutable_attribute_is_logged_as_it_was():
    class Model:
        def __init__(self):
            self.scores, self.weights = [1], np.zeros(50)

    model, run = Model(), wandb.init(project="p")
    run.log({"scores": model.scores, "weights": model.weights})
    model.scores.append(2)
    model.weights += 1
    (row,) = rows(run)
    assert row["scores"] == [1]
    assert not stored(run).array(row["weights"]).any()


def test_S24_before_the_first_log_there_is_nothing():
    run = wandb.init(project="p")
    assert stored(run).history().empty
    assert dict(stored(run).summary) == {}


def test_S25_S26_rows_are_there_while_the_epoch_runs():
    run = wandb.init(project="p")
    reader = stored(run)
    for batch in range(3):
        run.log({"loss": batch})
        assert len(reader.history()) == batch + 1


def test_S28_S29_nothing_but_what_was_named_is_stored(tmp_path):
    (tmp_path / "data.csv").write_text("1,2")
    run = wandb.init(project="p", config={"data": "data.csv"})
    run.log({"loss": 0.5})
    run.finish()
    kept = {p.name for p in Path(run.dir).rglob("*") if p.is_file()}
    assert kept <= {"run.json", "config.json", "summary.json"} | {
        name for name in kept if name.endswith((".jsonl", ".parquet"))
    }
    assert "data.csv" not in kept


# -- summary ---------------------------------------------------------------------------


def test_S30_the_summary_is_dict_like():
    run = wandb.init(project="p")
    run.summary["parameters"] = 1_000
    run.summary["preprocessing"] = {"mean": 0.5}
    assert sorted(run.summary.keys()) == ["parameters", "preprocessing"]
    assert dict(run.summary["preprocessing"].items()) == {"mean": 0.5}


def test_S31_S32_S39_the_last_value_is_the_summary():
    run = wandb.init(project="p")
    for value in (0.1, 0.9, 0.5):
        run.log({"acc": value})
    run.finish()
    assert run.summary["acc"] == stored(run).summary["acc"] == 0.5


def test_S33_changing_a_value_loses_the_earlier_one():
    run = wandb.init(project="p")
    run.summary["a"] = 1
    run.summary["a"] = 2
    assert run.summary == {"a": 2}


def test_S34_S35_the_summary_is_set_by_hand_also_at_module_level():
    wandb.init(project="p")
    best = 0
    for accuracy in (0.5, 0.9, 0.7):
        wandb.log({"accuracy": accuracy})
        if accuracy > best:
            wandb.run.summary["best_accuracy"] = best = accuracy
            wandb.summary["best"] = best
    assert wandb.summary == {"accuracy": 0.7, "best_accuracy": 0.9, "best": 0.9}


def test_S36_S37_arrays_in_the_summary_are_kept_whole_beside_their_statistics():
    array = np.random.default_rng(1).random(200)
    run = wandb.init(project="p")
    run.summary["weights"] = array
    run.finish()
    shown = stored(run).summary["weights"]
    assert {"min", "max", "mean", "var", "p5", "p95", "shape"} <= shown.keys()
    np.testing.assert_array_equal(stored(run).array(shown), array)


@pytest.mark.parametrize(
    ("word", "value"),
    [("min", 1), ("max", 3), ("mean", 2), ("best", 1), ("last", 2), ("first", 3)],
)
def test_S38_define_metric_knows_every_statistic(word, value):
    run = wandb.init(project="p")
    run.define_metric("loss", summary=word, goal="minimize")
    for loss in (3, 1, 2):
        run.log({"loss": loss})
    assert run.summary["loss"][word] == value


def test_S40_best_comes_only_with_an_objective():
    run = wandb.init(project="p")
    with pytest.raises(ValueError, match="best"):
        run.define_metric("acc", summary="best")
    run.define_metric("acc", summary="best", objective="maximize")
    for acc in (0.5, 0.9, 0.7):
        run.log({"acc": acc})
    assert run.summary["acc"]["best"] == 0.9


def test_S41_the_documents_script_has_its_one_right_answer():
    random.seed(1)
    wandb.init(project="p", config={"epochs": 10})
    wandb.define_metric("loss", summary="min")
    wandb.define_metric("loss", summary="max")
    wandb.define_metric("acc", summary="min")
    wandb.define_metric("acc", summary="max")
    logged = []
    for i in range(10):
        log_dict = {
            "loss": random.uniform(0, 1 / (i + 1)),
            "acc": random.uniform(1 / (i + 1), 1),
        }
        wandb.log(log_dict)
        logged.append(log_dict)
    frame = pd.DataFrame(logged)
    assert wandb.summary == {
        key: {"min": frame[key].min(), "max": frame[key].max()} for key in frame
    }


def test_S42_none_keeps_a_metric_out():
    run = wandb.init(project="p")
    run.define_metric("noise", summary="none")
    run.log({"noise": 1, "loss": 2})
    assert run.summary == {"loss": 2}


@pytest.fixture
def three():
    for name, acc in (("low", 0.1), ("high", 0.9), ("mid", 0.5)):
        run = wandb.init(project="p", name=name, config={"lr": acc / 10})
        run.define_metric("acc", summary="max")
        run.log({"acc": acc})
        run.log({"acc": 0.0})
        run.finish()


@pytest.mark.usefixtures("three")
def test_S43_runs_are_sorted_and_filtered_by_summary_values():
    api = wandb.Api()
    by_best = api.runs("p", order="-summary_metrics.acc.max")
    assert [run.name for run in by_best] == ["high", "mid", "low"]
    good = api.runs("p", {"summary_metrics.acc.max": {"$gt": 0.4}})
    assert [run.name for run in good] == ["high", "mid"]


@pytest.mark.usefixtures("three")
def test_S45_S47_S52_summary_and_config_are_columns_of_the_table():
    frame = wandb.runs("p").to_frame()
    assert sorted(frame["summary.acc.max"]) == [0.1, 0.5, 0.9]
    assert sorted(frame["config.lr"].round(3)) == [0.01, 0.05, 0.09]
    assert frame.groupby("config.lr").size().tolist() == [1, 1, 1]
    assert [r.name for r in wandb.Api().runs("p", {"config.lr": {"$lt": 0.02}})] == [
        "low"
    ]


def test_S46_the_summary_of_a_stored_run_is_edited():
    wandb.init(project="p").finish()
    (run,) = wandb.Api().runs("p")
    run.summary["tensor"] = array = np.random.random(1000)  # noqa: NPY002
    run.summary.update()
    read = wandb.Api().runs("p")[0]
    assert np.array_equal(read.array(read.summary["tensor"]), array)


# -- config, project, notes, tags ------------------------------------------------------


def test_S48_init_gives_the_run_and_makes_its_directory():
    run = wandb.init(project="p")
    assert isinstance(run, nbtrack.Run)
    assert Path(run.dir).is_dir()


def test_S49_S51_config_stores_hyperparameters_links_and_names():
    config = {"lr": 0.1, "dataset": "https://example.org/d", "architecture": "CNN"}
    run = wandb.init(project="p", config=config)
    wandb.config.batch = 32
    assert wandb.config.lr == 0.1
    run.finish()
    assert stored(run).config == {**config, "batch": 32}


def test_S50_config_takes_an_argparse_namespace():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--layers", type=int, nargs="*", default=[1, 2])
    run = wandb.init(project="p", config=parser.parse_args([]))
    assert run.config.as_dict() == {"lr": 0.1, "layers": [1, 2]}


@pytest.mark.usefixtures("three")
def test_S53_a_project_is_a_set_of_runs_that_are_compared():
    wandb.init(project="other").finish()
    assert len(wandb.Api().runs("p")) == 3
    assert len(wandb.compare("p").runs) == 3


def test_S54_groups_are_filtered_by():
    for group in ("a", "a", "b"):
        wandb.init(project="p", group=group).finish()
    assert len(wandb.Api().runs("p", {"group": "a"})) == 2


def test_S55_S56_notes_and_tags_are_set_edited_and_filtered_by():
    run = wandb.init(project="p", notes="a first try", tags=["baseline", "paper1"])
    run.finish()
    assert (stored(run).notes, stored(run).tags) == (
        "a first try",
        ["baseline", "paper1"],
    )
    edited = stored(run)
    edited.notes = "the one to beat"
    edited.tags.append("favourite")
    edited.update()
    (found,) = wandb.Api().runs("p", {"tags": "favourite"})
    assert found.notes == "the one to beat"


def test_S57_the_documents_call_works_as_it_stands():
    run = wandb.init(
        project="my-project",
        notes="tweak baseline",
        tags=["baseline", "paper1"],
        config={
            "learning_rate": 0.02,
            "momentum": 0.9,
            "architecture": "CNN",
            "dataset_id": "peds-0192",
            "infra": "AWS",
        },
    )
    told = document(run)
    assert (told["project"], told["notes"]) == ("my-project", "tweak baseline")
    assert told["tags"] == ["baseline", "paper1"]
    assert document(run, "config.json")["dataset_id"] == "peds-0192"
