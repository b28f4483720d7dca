"""SEMANTICS B9 and B10: objects that are logged without being wrapped."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from recorded import stored

import nbtrack
from nbtrack import errors

PHOTO = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
POINTS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


def project():
    return nbtrack.init(project="p")


# -- B9: without wrapping ----------------------------------------------------------


def test_B9_images_and_figures_of_other_libraries_need_no_wrapping():
    import matplotlib as mpl

    mpl.use("agg")
    import plotly.graph_objects as go
    from matplotlib import pyplot as plt

    run = project()
    fig, axes = plt.subplots(figsize=(2, 1))
    axes.plot([1, 2])
    picture, chart = PIL.Image.fromarray(PHOTO), go.Figure(go.Bar(y=[1]))
    run.log({"pil": picture, "mpl": fig, "axes": axes, "plt": plt, "plotly": chart})
    plt.close(fig)
    (row,) = stored(run).scan_history()
    kinds = {key: type(row[key]).__name__ for key in ("pil", "mpl", "axes", "plotly")}
    assert kinds == {
        "pil": "Image",
        "mpl": "Image",
        "axes": "Image",
        "plotly": "Plotly",
    }
    np.testing.assert_array_equal(row["pil"].to_numpy(), PHOTO)
    assert row["mpl"] == row["axes"] == row["plt"]
    assert row["mpl"].width > 50
    assert not list(run.faults)


def test_B9_a_frame_becomes_a_table_and_a_column_an_array():
    run = project()
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    run.log({"frame": frame, "short": frame["a"], "long": pd.Series(range(100))})
    (row,) = stored(run).scan_history()
    assert type(row["frame"]).__name__ == "Table"
    assert row["short"] == [1, 2]
    np.testing.assert_array_equal(row["long"].to_numpy(), np.arange(100))


def test_B9_a_list_of_foreign_images_is_a_gallery():
    run = project()
    run.log({"g": [PIL.Image.fromarray(PHOTO), PIL.Image.new("L", (2, 2))]})
    (row,) = stored(run).scan_history()
    assert [type(item).__name__ for item in row["g"]] == ["Image", "Image"]


def test_B9_bokeh_holoviews_and_panel_become_pages_that_need_no_network():
    bokeh = pytest.importorskip("bokeh.plotting")
    plot = bokeh.figure(width=200, height=100)
    plot.line([1, 2], [3, 4])
    run = project()
    run.log({"plot": plot})
    (row,) = stored(run).scan_history()
    page = row["plot"].read()
    assert type(row["plot"]).__name__ == "Bokeh"
    assert "<script" in page
    assert not re.search(r'<(script|link)[^>]+(src|href)="http', page)


def test_B9_a_molecule_of_rdkit_needs_no_wrapping():
    chem = pytest.importorskip("rdkit.Chem")
    run = project()
    run.log({"m": chem.MolFromSmiles("CCO")})
    (row,) = stored(run).scan_history()
    assert row["m"].atoms.elements == ["C", "C", "O"]
    assert len(row["m"].atoms.bonds) == 2


def test_B9_a_figure_that_cannot_be_drawn_costs_only_itself():
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib.figure import Figure

    class Broken(Figure):
        def savefig(self, *_, **__):
            raise RuntimeError("noink")

    run = project()
    with pytest.warns(errors.NbtrackWarning, match="noink"):
        run.log({"fig": Broken(), "loss": 1.0})
    (row,) = stored(run).scan_history()
    assert row["loss"] == 1.0


#: What a program of several lines logs; it is run here, and killed elsewhere.
EVERYTHING = """
    import matplotlib as mpl
    mpl.use("agg")
    import numpy as np, pandas as pd, PIL.Image, plotly.graph_objects as go
    from matplotlib import pyplot as plt

    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    fig, axes = plt.subplots(figsize=(2, 1))
    axes.plot([1, 2])
    row = {
        "frame": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        "mpl": fig,
        "plotly": go.Figure(go.Bar(x=["a"], y=[3])),
        "pil": PIL.Image.fromarray(pixels),
        "gallery": [PIL.Image.fromarray(pixels[i:]) for i in range(3)],
        "mixed": [nbtrack.Image(pixels), fig],
        "series": pd.Series(range(100), dtype="float32"),
        "short": pd.Series([1.5, 2.5]),
        "range": range(0, 5000, 2),
        "loss": 0.25,
    }
    run.log(row)
    plt.close(fig)
"""


@pytest.mark.parametrize("ending", ["running", "finished", "killed"])
def test_B9_everything_is_an_object_again_however_the_run_ended(ending):
    code = textwrap.dedent(EVERYTHING)
    if ending == "killed":
        head = "import os, signal, nbtrack\nrun = nbtrack.init(project='p', id='abc')"
        tail = "os.kill(os.getpid(), signal.SIGKILL)"
        script = f"{head}\n{code}\n{tail}"
        done = subprocess.run([sys.executable, "-c", script], check=False)
        assert done.returncode == -signal.SIGKILL
    else:
        run = nbtrack.init(project="p", id="abc")
        exec(code, {"run": run, "nbtrack": nbtrack})
        if ending == "finished":
            run.finish()
        assert not list(run.faults)
    history = nbtrack.Api().run("p/abc").history()
    (row,) = history.to_dict("records")
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    assert row["loss"] == 0.25
    assert type(row["frame"]) is nbtrack.Table
    assert row["frame"].get_dataframe()["a"].tolist() == [1, 2]
    assert {type(row[k]) for k in ("mpl", "pil")} == {nbtrack.Image}
    assert row["mpl"].image.size == (row["mpl"].width, row["mpl"].height)
    np.testing.assert_array_equal(row["pil"].to_numpy(), pixels)
    assert type(row["plotly"]) is nbtrack.Plotly
    assert '"bar"' in row["plotly"].read()
    heights = [image.to_numpy().shape[0] for image in row["gallery"]]
    assert heights == [4, 3, 2]
    assert [type(item) for item in row["mixed"]] == [nbtrack.Image] * 2
    series = row["series"].to_numpy()
    assert (series.dtype, series.tolist()) == (np.float32, list(range(100)))
    assert row["short"] == [1.5, 2.5]
    assert row["range"].to_numpy().tolist() == list(range(0, 5000, 2))
    (scanned,) = nbtrack.Api().run("p/abc").scan_history()
    assert scanned["gallery"] == row["gallery"]


# -- B10: as they are when they are logged ------------------------------------------


def test_B10_what_changes_after_the_image_was_made_changes_nothing():
    run = project()
    pixels = np.zeros((4, 4), np.uint8)
    picture = PIL.Image.new("L", (4, 4))
    images = {"a": nbtrack.Image(pixels), "b": nbtrack.Image(picture), "c": picture}
    points = POINTS.copy()
    images["d"] = nbtrack.Object3D(points)
    run.log(images)
    pixels[:] = 255
    picture.paste(255, (0, 0, 4, 4))
    points[:] = 0
    (row,) = stored(run).scan_history()
    assert [int(row[k].to_numpy().max()) for k in "abc"] == [0, 0, 0]
    np.testing.assert_array_equal(row["d"].to_numpy(), POINTS)


def test_B10_an_image_holds_its_pixels_from_when_it_was_made():
    pixels = np.zeros((4, 4), np.uint8)
    first = nbtrack.Image(pixels)
    pixels[:] = 255
    assert first.to_numpy().max() == 0
    floats = np.zeros((3, 4, 4), np.float32)
    second = nbtrack.Image(floats)
    floats[:] = 1
    assert second.to_numpy().max() == 0


def test_B10_a_file_that_is_overwritten_later_is_kept_as_it_was():
    run = project()
    PIL.Image.fromarray(PHOTO).save("x.png")
    run.log({"img": nbtrack.Image("x.png")})
    PIL.Image.new("RGB", (1, 1)).save("x.png")
    (found,) = stored(run).history()["img"]
    np.testing.assert_array_equal(found.to_numpy(), PHOTO)


def test_B10_what_changes_after_log_changes_nothing():
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

    run = project()
    drawn, bars = Figure(figsize=(1, 1)), go.Figure(go.Bar(x=["a"], y=[3]))
    frame = pd.DataFrame({"a": [1, 2]})
    series = pd.Series(np.zeros(100))
    samples = np.zeros(80, np.float32)
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    gallery = [nbtrack.Image(np.zeros((2, 2), np.uint8))]
    page = Path("page.html")
    page.write_text("<p>first</p>")
    values = {
        "mpl": drawn,
        "plotly": bars,
        "frame": frame,
        "series": series,
        "audio": nbtrack.Audio(samples, sample_rate=80),
        "video": nbtrack.Video(frames, format="gif"),
        "histogram": nbtrack.Histogram(samples),
        "gallery": gallery,
        "page": nbtrack.Html(page),
        "table": nbtrack.Table(columns=["x"], data=[[frame]]),
    }
    run.log(values)
    before = {key: value[0] for key, value in stored(run).history().items()}
    contents = {p: p.read_bytes() for p in Path(run.dir, "media").iterdir()}

    drawn.subplots().plot([1, 2])
    bars.data[0].y = [9]
    frame.loc[:, "a"] = 7
    series[:] = 1
    samples[:] = 1
    frames[:] = 255
    gallery.append(nbtrack.Image(np.ones((2, 2), np.uint8)))
    gallery[0].caption = "later"
    page.write_text("<p>second</p>")
    values["table"].add_data(frame)
    run.finish()
    after = {key: value[0] for key, value in stored(run).history().items()}

    for key in values:
        assert after[key] == before[key], key
    assert {p: p.read_bytes() for p in Path(run.dir, "media").iterdir()} == contents
    assert after["frame"].get_dataframe()["a"].tolist() == [1, 2]
    assert (after["series"].to_numpy() == 0).all()
    assert "first" in after["page"].read()
    assert [image.caption for image in after["gallery"]] == [None]
