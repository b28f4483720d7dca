"""Reading: runs, histories, tables and comparisons of what is on disk."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import nbtrack
from nbtrack import cli, errors


def make(project="p", rows=(), state="finished", **options):
    run = nbtrack.init(project=project, reinit="create_new", **options)
    for row in rows:
        run.log(row)
    run.finish(exit_code=0 if state == "finished" else 1)
    return run


@pytest.fixture
def three():
    return [
        make(
            rows=[{"loss": 3.0 - i}, {"loss": 2.0 - i}], config={"lr": 10.0**-i}, name=n
        )
        for i, n in enumerate(["one", "two", "three"])
    ]


def test_G1_runs_come_oldest_first_and_can_be_ordered(three):
    api = nbtrack.Api()
    assert [run.name for run in api.runs("p")] == ["one", "two", "three"]
    assert [r.name for r in api.runs("p", order="-created_at")] == [
        "three",
        "two",
        "one",
    ]
    assert [r.name for r in api.runs("p", order="+summary.loss")] == [
        "three",
        "two",
        "one",
    ]
    assert [r.name for r in api.runs(f"{three[0].entity}/p")[:1]] == ["one"]


def test_G1_a_run_is_found_by_the_path_that_it_has(three):
    api = nbtrack.Api()
    path = api.runs("p")[0].path
    assert path[1:] == ["p", three[0].id]
    for given in (path, tuple(path), path[1:], path[2:], "/".join(path)):
        assert api.run(given).id == three[0].id
    assert len(api.runs(path[:2])) == len(api.runs(["p"])) == 3
    with pytest.raises(errors.RunNotFoundError, match=r"'me/p/none' .*project/run-id"):
        api.run(["me", "p", "none"])
    for wrong in (None, 3, ["p", 3], {"p"}):
        with pytest.raises(TypeError, match='takes a path such as "project/id"'):
            api.run(wrong)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"config.lr": {"$lt": 0.5}}, ["two", "three"]),
        ({"displayName": "one"}, ["one"]),
        ({"$or": [{"name": "one"}, {"summary_metrics.loss": 0.0}]}, ["one", "three"]),
        ({"name": {"$regex": "^t"}}, ["two", "three"]),
        ({"config.nothing": {"$exists": True}}, []),
        ({"config.nothing": {"$ne": 1}}, ["one", "two", "three"]),
        ({"$nor": [{"name": "one"}], "state": {"$in": ["finished"]}}, ["two", "three"]),
        ({"name": {"$gt": 3}}, []),
    ],
)
@pytest.mark.usefixtures("three")
def test_G1_filters_in_wandbs_style(filters, names):
    assert [run.name for run in nbtrack.Api().runs("p", filters)] == names


@pytest.mark.usefixtures("three")
def test_G1_an_unknown_operator_is_told():
    with pytest.raises(errors.UnknownOptionError, match=r"Did you mean '\$lt"):
        len(nbtrack.Api().runs("p", {"config.lr": {"$ltt": 1}}))


def test_S87_S88_the_documents_loop_works_verbatim(three):
    wandb = nbtrack
    api = wandb.Api()
    entity, project = three[0].entity, "p"
    frame = pd.DataFrame(
        [
            {
                "id": run.id,
                "name": run.name,
                "url": run.url,
                "state": run.state,
                "tags": run.tags,
                "config": run.config,
                "created_at": run.created_at,
                "system_metrics": run.system_metrics,
                "summary": run.summary,
                "project": run.project,
                "entity": run.entity,
                "user": run.user,
                "path": run.path,
                "notes": run.notes,
                "read_only": run.read_only,
                "history_keys": run.history_keys,
                "metadata": run.metadata,
            }
            for run in api.runs(entity + "/" + project)
        ]
    )
    assert len(frame.columns) == 17
    found = frame[frame["name"] == "two"].summary.reset_index(drop=True).to_dict()
    assert found == {0: {"loss": 1.0}}


def test_S85_history_is_everything_and_G3_keys_ask_for_rows_that_have_them_all():
    run = make(rows=[{"a": 1, "b": 2}, {"a": 3}, {"b": 4.5, "a": 5, "s": "x"}])
    stored = nbtrack.Api().run(run.id)
    frame = stored.history()
    assert list(frame.columns[3:]) == ["a", "b", "s"]
    assert frame["a"].tolist() == [1, 3, 5]
    assert frame["a"].dtype.kind == "i"
    assert stored.history_keys == ["a", "b", "s"]
    pair = stored.history(keys=["a", "b"])
    assert pair["_step"].tolist() == [0, 2]
    assert stored.history(keys=["a", "nobody"]).empty
    assert list(stored.scan_history(keys=["b"])) == [{"b": 2}, {"b": 4.5}]
    assert [r["_step"] for r in stored.scan_history(min_step=1, max_step=2)] == [1]
    assert stored.history(pandas=False)[1]["a"] == 3


def test_B13_samples_are_deterministic_and_keep_the_last():
    run = make(rows=[{"a": i} for i in range(100)])
    stored = nbtrack.Api().run(run.id)
    assert len(stored.history()) == 100
    sampled = stored.history(samples=7)
    assert (len(sampled), sampled["a"].iloc[0], sampled["a"].iloc[-1]) == (7, 0, 99)
    assert stored.history(samples=7).equals(sampled)


def test_a_run_without_rows_has_an_empty_history_with_its_columns():
    frame = nbtrack.Api().run(make().id).history()
    assert frame.empty
    assert list(frame.columns) == ["_step", "_runtime", "_timestamp"]


def test_mixed_types_keep_numbers_as_numbers():
    run = make(rows=[{"a": 1.5}, {"a": "x"}, {"a": True}, {"a": math.inf}])
    assert nbtrack.Api().run(run.id).history()["a"].tolist() == [
        1.5,
        "x",
        True,
        math.inf,
    ]


def test_paths_lead_to_runs_and_wrong_ones_say_what_is_there(three):
    api = nbtrack.Api()
    run = three[1]
    for path in (f"p/{run.id}", f"me/p/{run.id}", f"me/p/runs/{run.id}", f"p:{run.id}"):
        assert api.run(path).name == "two"
    assert api.run(run.id).name == "two"
    with pytest.raises(LookupError, match="Did you mean"):
        api.run(f"p/{run.id[:-1]}")
    with pytest.raises(errors.RunNotFoundError, match=r"projects\(\)"):
        api.runs("nothing")


def test_P7_a_damaged_run_hides_no_other(three):
    Path(three[1].dir, "run.json").write_bytes(b"\0" * 50)
    runs = nbtrack.Api().runs("p")
    assert [run.name for run in runs] == ["one", "three"]
    assert list(runs.damaged) == [three[1].dir]
    assert "cannot be read" in repr(nbtrack.runs("p"))


def test_a_run_shows_its_rows_while_it_runs():
    run = nbtrack.init(project="p")
    run.log({"a": 1})
    stored = nbtrack.Api().run(run.id)
    assert stored.summary == {"a": 1}
    run.log({"a": 2})
    assert stored.summary == {"a": 2}
    assert len(stored.history()) == 2


@pytest.mark.usefixtures("three")
def test_the_table_of_runs_is_newest_first():
    table = nbtrack.runs("p")
    text = repr(table)
    assert text.index("three") < text.index("one")
    assert len(table) == 3
    frame = table.to_frame()
    assert frame["config.lr"].tolist() == [0.01, 0.1, 1.0]
    assert "summary.loss" in frame


def test_compare_takes_what_people_have_at_hand(three):
    one, two, three_ = three
    api = nbtrack.Api()
    for what in (
        ("p",),
        (one, two, three_),
        (f"p/{one.id}", two.id, api.run(three_.id)),
        (api.runs("p"),),
        (nbtrack.runs("p"),),
        ([one, [two, three_]],),
    ):
        assert [r.name for r in nbtrack.compare(*what).runs] == ["one", "two", "three"]
    assert len(nbtrack.compare(one, one.path, one.id).runs) == 1, "each once"
    with pytest.raises(errors.RunNotFoundError, match="Nothing was named"):
        nbtrack.compare()


def test_the_table_of_all_runs_names_their_projects():
    make(project="p")
    make(project="q")
    assert repr(nbtrack.runs()).split()[:3] == ["project", "name", "state"]
    assert "project" in nbtrack.runs()._repr_mimebundle_()["text/html"]
    assert "project" not in repr(nbtrack.runs("p"))


def test_code_for_wandb_meets_what_is_there_and_what_is_not():
    assert nbtrack.login(key="anything")
    with pytest.raises(AttributeError, match="not in this version"):
        nbtrack.Artifact  # noqa: B018


@pytest.mark.usefixtures("three")
def test_compare_shows_what_differs():
    comparison = nbtrack.compare("p")
    assert comparison.config.loc["lr"].tolist() == [1.0, 0.1, 0.01, True]
    html = comparison._repr_mimebundle_()["text/html"]
    assert "data:image/svg+xml;base64," in html
    assert "<script" not in html
    figure = comparison.figure("loss")
    assert [trace.name for trace in figure.data] == ["one", "two", "three"]
    assert list(figure.data[0].y) == [3.0, 2.0]


def test_compare_says_how_many_it_leaves_out():
    for _ in range(10):
        make(rows=[{"a": 1}])
    comparison = nbtrack.compare("p")
    assert len(comparison.runs) == 8
    assert "2 " in repr(comparison)


def test_the_command_line_lists_and_exports(three, capsys):
    assert cli.main(["runs", "p"]) == 0
    assert "three" in capsys.readouterr().out
    assert cli.main(["history", f"p/{three[0].id}"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "_step,_runtime,_timestamp,loss"
    assert cli.main(["history", "p/nobody"]) == 1
    assert "No run or project" in capsys.readouterr().err


def test_the_command_line_is_a_module_too_and_its_help_is_plain():
    make(name="three")
    done = subprocess.run(
        [sys.executable, "-m", "nbtrack", "runs", "p"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "three" in done.stdout
    assert "`" not in cli._parser().format_help()
