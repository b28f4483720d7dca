"""Tables and plots, row by row: E1, and what the documents show of them."""

from __future__ import annotations

import math
import warnings
from datetime import date, datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbtrack
import nbtrack as wandb
from nbtrack.errors import (
    MediaError,
    MediaTypeError,
    SettingError,
    TableColumnError,
    TableNotFoundError,
    TableSizeError,
)


@pytest.fixture
def run():
    with nbtrack.init(project="p", id="r", view="off") as run:
        yield run


def stored(run_id: str = "r"):
    return nbtrack.Api().run(f"p/{run_id}")


def logged(value):
    """Log a value and give it back as a history has it."""
    with nbtrack.init(project="p", view="off") as run:
        run.log({"value": value})
    return nbtrack.Api().run(f"p/{run.id}").history()["value"][0]


# -- E1: what goes in comes out ------------------------------------------------------


def test_E1_rows_columns_and_frames_give_the_same_table():
    rows = [["a", 1], ["b", 2]]
    by_rows = wandb.Table(columns=["x", "y"], data=rows)
    by_adding = wandb.Table(columns=["x", "y"])
    for row in rows:
        by_adding.add_data(*row)
    by_older_name = wandb.Table(columns=["x", "y"], rows=rows)
    by_frame = wandb.Table(dataframe=pd.DataFrame({"x": ["a", "b"], "y": [1, 2]}))
    as_data = wandb.Table(data=pd.DataFrame({"x": ["a", "b"], "y": [1, 2]}))
    assert by_rows == by_adding == by_older_name == by_frame == as_data
    assert by_rows.data == rows
    assert list(by_rows.iterrows()) == [(0, ["a", 1]), (1, ["b", 2])]
    assert by_rows.get_index() == [0, 1]
    assert wandb.Table().columns == ["Input", "Output", "Expected"]
    numbers = wandb.Table(data=np.arange(6).reshape(3, 2))
    assert numbers.columns == ["0", "1"]
    assert numbers.get_column("1") == [1, 3, 5]


def test_E1_add_column_and_computed_columns():
    table = wandb.Table(columns=["n"], data=[[1], [2], [3]])
    table.add_column("square", np.array([1.0, 4.0, 9.0]))
    table.add_computed_columns(
        lambda ndx, row: {"sum": row["n"] + row["square"], "ndx": ndx}
    )
    assert table.columns == ["n", "square", "sum", "ndx"]
    assert table.data[2] == [3, 9.0, 12.0, 2]
    with pytest.raises(MediaError, match="2 cells for 3 rows"):
        table.add_column("short", [1, 2])
    with pytest.raises(MediaError, match="there is a column 'n' already"):
        table.add_column("n", [1, 2, 3])
    with pytest.raises(MediaError, match="there is a column 'n' already"):
        table.add_computed_columns(lambda *_: {"new": 1, "n": 2})
    assert "new" not in table.columns, "nothing was added"
    with pytest.raises(MediaError, match="the same names"):
        table.add_computed_columns(lambda ndx, _: {f"c{ndx}": 1})


def test_E1_get_column_as_numpy():
    table = wandb.Table(
        columns=["n", "gap", "vector", "text", "flag"],
        data=[
            [1, 1, np.zeros(3), "a", True],
            [2, None, np.ones(3), "b", False],
        ],
    )
    assert table.get_column("n", convert_to="numpy").tolist() == [1, 2]
    gap = table.get_column("gap", convert_to="numpy")
    assert gap[0] == 1
    assert math.isnan(gap[1])
    assert table.get_column("vector", convert_to="numpy").shape == (2, 3)
    assert table.get_column("text", convert_to="numpy").tolist() == ["a", "b"]
    assert table.get_column("flag", convert_to="numpy").dtype == bool
    with pytest.raises(SettingError, match="convert_to='list'"):
        table.get_column("n", convert_to="list")
    with pytest.raises(TableColumnError, match="Did you mean 'text'"):
        table.get_column("tex")


def test_E1_a_table_is_logged_and_read_back_equal(run):
    table = wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, None]])
    run.log({"t": table})
    assert run.table("t")["a"].tolist() == [1, 2], "while it is running, too"
    run.finish()
    frame = stored().table("t")
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"][0] == "x"
    assert pd.isna(frame["b"][1])
    back = stored().history()["t"][0]
    assert isinstance(back, wandb.Table)
    assert back == table
    assert back["nrows"] == 2
    assert back["ncols"] == 2


def test_E1_what_a_table_holds_when_it_is_logged_is_what_is_kept(run):
    cell = [1, 2]
    table = wandb.Table(columns=["a"], data=[[cell]])
    cell.append(3)
    run.log({"t": table})
    table.add_data([9])
    run.log({"t": table})
    assert run.table("t", step=0)["a"].tolist() == [[1, 2]]
    assert run.table("t")["a"].tolist() == [[1, 2], [9]]


def test_E1_increments_come_back_as_one_table(run):
    table = wandb.Table(columns=["n"], log_mode="INCREMENTAL")
    sizes = []
    for n in range(4):
        table.add_data(n)
        run.log({"t": table, "other": wandb.Table(columns=["a"], data=[[n]])})
        sizes.append(len(run.table("t", step=n)))
    assert sizes == [1, 2, 3, 4]
    assert run.table("t")["n"].tolist() == [0, 1, 2, 3]
    assert run.table("other")["a"].tolist() == [3]
    with pytest.raises(SettingError, match="INCREMENTAL"):
        wandb.Table(log_mode="SOMETIMES")


def test_E1_the_same_table_is_one_file(run):
    table = wandb.Table(columns=["a"], data=[[1]])
    for _ in range(5):
        run.log({"t": table})
    assert len(list(Path(run.dir, "media").iterdir())) == 1


def test_E1_types_are_held_unless_mixed_ones_are_allowed():
    table = wandb.Table(columns=["a"], data=[[1]])
    with pytest.raises(MediaTypeError, match="allow_mixed_types"):
        table.add_data("text")
    assert table.data == [[1]], "nothing of the row was taken"
    table.add_data(2.5)
    table.add_data(None)
    mixed = wandb.Table(columns=["a"], data=[[1], ["x"]], allow_mixed_types=True)
    assert logged(mixed).get_column("a") == [1, "x"]
    required = wandb.Table(columns=["a"], optional=False)
    with pytest.raises(MediaTypeError, match="takes no None"):
        required.add_data(None)
    typed = wandb.Table(columns=["a", "b"], dtype=[str, float])
    with pytest.raises(MediaTypeError, match="of type string, and 1 is of type number"):
        typed.add_data(1, 1.0)
    with pytest.raises(SettingError, match="dtype of column 'a'='complex'"):
        wandb.Table(columns=["a"], dtype="complex")
    with pytest.raises(MediaTypeError, match="cast"):
        mixed.cast("a", str)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ["a", "a"]}, "'a' stands there twice"),
        ({"columns": ["a", None]}, "a name is text, not None"),
        ({"columns": "ab"}, "takes a list of names"),
        ({"columns": ["a", "b"], "data": [[1]]}, "row 0: 1 cell for 2 columns"),
        ({"columns": ["a"], "data": [[1], [2, 3]]}, "row 1: 2 cells for 1 column "),
        ({"columns": ["a"], "data": [1, 2]}, "a row is a list of cells, not int"),
        ({"columns": ["a"], "data": "text"}, "takes a list of rows, not str"),
        ({"columns": ["a"], "data": {"a": [1]}}, "of a mapping make pandas"),
        ({"data": np.zeros((2, 2, 2))}, "an array of 3 dimensions is no table"),
        ({"columns": ["a"], "data": np.zeros((2, 2))}, "2 cells for 1 column "),
        ({"columns": ["a"], "dtype": [int, int]}, "2 of them for 1 columns"),
        ({"columns": ["a"], "dataframe": 3}, "takes a DataFrame, not int"),
        ({"data": [[1]], "dataframe": pd.DataFrame()}, "not both"),
        ({"columns": ["z"], "dataframe": pd.DataFrame({"a": [1]})}, "no column 'z'"),
    ],
)
def test_E1_what_is_no_table_is_refused_with_the_reason(arguments, message):
    with pytest.raises(MediaError, match=message):
        wandb.Table(**arguments)


def test_E1_a_table_that_would_fill_memory_is_refused_before_it_does():
    huge = np.broadcast_to(np.float64(0), (100_000_000, 10))
    with pytest.raises(TableSizeError, match="100,000,000 rows by 10 columns"):
        wandb.Table(data=huge)
    with pytest.raises(TableSizeError):
        wandb.Table(columns=["a"], data=range(10**9))


# -- E1: data frames -----------------------------------------------------------------


def frame_of_all_types() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "int": [1, 2, 3],
            "int with gaps": pd.array([2**60 + 1, None, 3], dtype="Int64"),
            "small": np.array([1, 2, 3], dtype="int8"),
            "float": [0.1, np.nan, np.inf],
            "single": np.array([0.5, 1.5, 2.5], dtype="float32"),
            "bool": [True, False, True],
            "bool with gaps": pd.array([True, None, False], dtype="boolean"),
            "text": ["a", None, "ö\N{SNOWMAN}"],
            "category": pd.Categorical(["x", "y", "x"], ["y", "x"], ordered=True),
            "moment": pd.date_range("2026-01-01", periods=3),
            "zoned": pd.date_range("2026-01-01", periods=3, tz="Europe/Paris"),
            "span": pd.to_timedelta([1, 2, 3], unit="s"),
            "list": [[1, 2], [], [[3]]],
            "mixed": [1, "a", None],
            "dict": [{"a": 1}, {}, {"_type": "image-file", "path": "x"}],
        }
    )


def test_E1_a_frame_comes_back_as_it_was(run):
    frame = frame_of_all_types()
    run.log({"df": frame})
    pd.testing.assert_frame_equal(run.table("df"), frame, check_freq=False)
    assert list(run.faults) == []


def test_E1_what_of_a_frame_is_not_kept_is_said(run):
    frame = pd.DataFrame({"p": pd.period_range("2026", periods=2, freq="Y")})
    with pytest.warns(UserWarning, match="column 'p'"):
        run.log({"df": frame})
    assert run.table("df")["p"].tolist() == ["2026", "2027"]


def test_E1_an_index_that_says_something_is_a_column():
    labels = wandb.Table(dataframe=pd.DataFrame({"a": [1]}, index=["row"]))
    assert labels.columns == ["index", "a"]
    named = pd.DataFrame({"a": [1]}, index=pd.Index([7], name="key"))
    assert wandb.Table(dataframe=named).data == [[7, 1]]
    filtered = pd.DataFrame({"a": [1, 2, 3]})[lambda f: f.a > 1]
    assert wandb.Table(dataframe=filtered).columns == ["a"], "row numbers say nothing"


def test_E1_column_names_of_frames_become_text_and_are_told_apart():
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a", 5])
    table = wandb.Table(dataframe=frame)
    assert table.columns == ["a", "a_2", "5"]
    assert "stands there twice" in table.note
    nested = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", 1)]))
    assert wandb.Table(dataframe=nested).columns == ["a.1"]


plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(max_size=20),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(timezone.utc)),
)
nested = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(), st.integers()), inner, max_size=4),
        st.dictionaries(st.sampled_from(["_type", "path", "items"]), inner),
    ),
    max_leaves=8,
)


@given(
    columns=st.lists(st.lists(nested, min_size=3, max_size=3), max_size=4),
    names=st.lists(st.text(), min_size=4, max_size=4, unique=True),
)
def test_E1_any_cells_come_back_as_they_went_in(columns, names, tmp_path_factory):
    from nbtrack._media.base import restored
    from nbtrack._store.blobs import Blobs
    from nbtrack._store.rundir import RunDir

    names = [name.encode("utf-8", "backslashreplace").decode() for name in names]
    if len(set(names)) < 4:
        return
    directory = RunDir(tmp_path_factory.mktemp("run"))
    used = names[: len(columns)]
    table = wandb.Table(columns=used, allow_mixed_types=True)
    for row in zip(*columns, strict=True):
        table.add_data(*row)
    back = restored(table.to_row(Blobs(directory)), directory.path)
    assert back.columns == used
    assert back == table
    assert [repr(v) for v in table.data] == [repr(v) for v in table.data]
    for name, cells in zip(used, columns, strict=True):
        from nbtrack._media.cells import same_values

        assert same_values(back.get_column(name), cells)


# -- E1: anything in a cell ----------------------------------------------------------


def test_E1_cells_may_hold_media_of_any_kind(run):
    figure = {"data": [{"type": "scatter", "y": [1, 2]}], "layout": {}}
    cells = {
        "image": wandb.Image(np.zeros((4, 4, 3), np.uint8), caption="black"),
        "page": wandb.Html("<p>text</p>"),
        "figure": wandb.Plotly(figure),
        "counts": wandb.Histogram([1, 2, 3]),
        "gallery": [wandb.Image(np.zeros((2, 2), np.uint8))] * 2,
        "pixels": np.arange(2_000).reshape(40, 50),
        "day": date(2026, 1, 2),
        "moment": datetime(2026, 1, 2, tzinfo=timezone.utc),
        "bytes": b"\x00\xff",
    }
    table = wandb.Table(columns=list(cells), data=[list(cells.values())])
    run.log({"t": table})
    back = run.table("t").iloc[0]
    assert back["image"].to_numpy().shape == (4, 4, 3)
    assert back["image"].caption == "black"
    assert "text" in back["page"].read()
    assert back["figure"].to_dict()["data"][0]["y"] == [1, 2]
    assert isinstance(back["counts"], wandb.Histogram)
    assert len(back["gallery"]) == 2
    assert (back["pixels"] == np.arange(2_000).reshape(40, 50)).all()
    assert back["day"] == date(2026, 1, 2)
    assert back["bytes"] == b"\x00\xff"


def test_E1_pictures_and_figures_of_other_libraries_need_no_wrapping(run):
    from PIL import Image

    picture = Image.new("RGB", (3, 2), (255, 0, 0))
    run.log({"t": wandb.Table(columns=["p"], data=[[picture]])})
    assert run.table("t")["p"][0].to_numpy().shape == (2, 3, 3)


def test_a_file_that_is_gone_or_broken_is_named(run):
    run.log({"t": wandb.Table(columns=["a"], data=[[1]])})
    run.finish()
    (path,) = Path(run.dir, "media").iterdir()
    path.write_bytes(b"PAR1 nonsense")
    with pytest.raises(MediaError, match=path.name):
        stored().table("t")
    path.unlink()
    with pytest.raises(MediaError, match=path.name):
        stored().table("t")
    shown = stored().history()["t"][0]._repr_mimebundle_()
    assert path.name in shown["text/plain"], "a cell says so, and raises nothing"


def test_a_row_that_lies_about_its_table_reads_nothing_else(run, tmp_path):
    from nbtrack._media.base import restored

    (tmp_path / "secret.parquet").write_bytes(b"x")
    for path in ("../secret.parquet", "/etc/passwd", "media/../../x", "", None, 3):
        value = {"_type": "table-file", "path": path}
        table = restored(value, Path(run.dir))
        if isinstance(table, dict):
            continue
        with pytest.raises(MediaError):
            table.get_dataframe()


def test_run_table_says_what_there_is(run):
    run.log({"loss": 1.0, "predictions": wandb.Table(columns=["a"], data=[[1]])})
    with pytest.raises(TableNotFoundError, match="Did you mean 'predictions'"):
        run.table("prediction")
    with pytest.raises(TableNotFoundError, match="is no table"):
        run.table("loss")
    with pytest.raises(TableNotFoundError, match="at step 0"):
        run.table("predictions", step=7)


# -- the documents' own examples -----------------------------------------------------


def test_S21_a_list_of_values_as_one_series_per_element(run):
    losses = [0.5, 0.4, 0.3]
    wandb.log({f"losses/loss-{ii}": loss for ii, loss in enumerate(losses)})
    assert run.following.values()["losses/loss-2"] == 0.3


def test_S22_a_list_as_a_histogram(run):
    losses = [0.5, 0.4, 0.3]
    wandb.log({"losses": wandb.Histogram(losses)})
    run.finish()
    assert sum(stored().history()["losses"][0].histogram) == 3


def test_S66_plot_objects_are_logged_and_become_charts(run):
    data = [[x, x * x] for x in range(10)]
    table = wandb.Table(data=data, columns=["x", "y"])
    wandb.log({"my_chart": wandb.plot.line(table, "x", "y", title="Squares")})
    run.finish()
    chart = stored().history()["my_chart"][0]
    assert chart.title == "Squares"
    assert list(chart.figure.data[0].y) == [x * x for x in range(10)]
    assert stored().table("my_chart")["y"].tolist() == [x * x for x in range(10)]
    assert stored().table("my_chart_table").shape == (10, 2), "where W&B keeps it"


def test_S67_a_table_to_be_viewed_and_queried(run):
    from nbtrack._media.table_page import page

    wandb.log({"t": wandb.Table(columns=["n"], data=[[n] for n in range(100)])})
    run.finish()
    found = page(stored().history()["t"][0], filter="n >= 90", sort=[("n", "desc")])
    assert found.head["n_match"] == 10
    assert found.head["rows"][0] == [99]


def test_S69_S70_line_series_with_keys(run):
    xs = [0, 1, 2, 3, 4]
    ys = [[0, 1, 2, 3, 4], [0, 1, 4, 9, 16]]
    wandb.log(
        {
            "my_custom_id": wandb.plot.line_series(
                xs=xs,
                ys=ys,
                keys=["metric Y", "metric Z"],
                title="Two Random Metrics",
                xname="x units",
            )
        }
    )
    run.finish()
    chart = stored().history()["my_custom_id"][0]
    figure = chart.figure
    assert [trace.name for trace in figure.data] == ["metric Y", "metric Z"]
    assert figure.layout.xaxis.title.text == "x units"
    assert "metric Z" in chart._repr_mimebundle_()["text/html"]


def test_S72_a_plotly_figure_as_html_in_a_table(run, tmp_path):
    px = pytest.importorskip("plotly.express")
    table = wandb.Table(columns=["plotly_figure"])
    path_to_plotly_html = str(tmp_path / "plotly_figure.html")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of plotly's own
        fig = px.scatter(x=[0, 1, 2, 3, 4], y=[0, 1, 4, 9, 16])
    fig.write_html(path_to_plotly_html, auto_play=False)
    table.add_data(wandb.Html(path_to_plotly_html))
    run.log({"test_table": table})
    wandb.finish()
    page = stored().table("test_table")["plotly_figure"][0].read()
    assert "Plotly.newPlot" in page


def test_S71_the_goal_a_plotly_figure_directly_in_a_table(run):
    go = pytest.importorskip("plotly.graph_objects")
    figure = go.Figure(go.Bar(x=["a"], y=[1]))
    run.log({"t": wandb.Table(columns=["figure"], data=[[figure]])})
    assert run.table("t")["figure"][0].figure.data[0].type == "bar"


def test_S73_a_page_of_audio_and_plot_twice_in_a_table(tmp_path):
    page = "<audio src='data:audio/wav;base64,UklGRg=='></audio><script>1</script>"
    path = tmp_path / "audio_plot.html"
    path.write_text(page)
    wandb_html = wandb.Html(str(path))  # before init, as in the document
    run = wandb.init(project="p", id="r", view="off")
    table = wandb.Table(columns=["audio_with_plot"], data=[[wandb_html], [wandb_html]])
    run.log({"audio_table": table})
    run.finish()
    kept = [p for p in Path(run.dir, "media").iterdir() if p.suffix == ".html"]
    assert len(kept) == 1, "the same object twice is one file"
    assert [p.read() for p in stored().table("audio_table")["audio_with_plot"]] == [
        page,
        page,
    ]
