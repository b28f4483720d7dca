"""SEMANTICS E, but tables: logged, stored, read back, and shown."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import nbtrack
from nbtrack import errors
from nbtrack._media import shown as looks
from nbtrack._store.blobs import Blobs


def project():
    return nbtrack.init(project="p")


def stored(run):
    return nbtrack.Api().run(f"p/{run.id}")


def media_files(run):
    folder = Path(run.dir, "media")
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)
POINTS = RNG.normal(size=(50, 3)).astype(np.float32)
XYZ = "3\nwater\nO 0 0 0\nH 0 0.76 0.59\nH 0 -0.76 0.59\n"
OBJ = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
BOXES = {
    "prediction": {
        "box_data": [
            {
                "position": {"minX": 0.1, "maxX": 0.5, "minY": 0.2, "maxY": 0.9},
                "class_id": 1,
                "scores": {"p": 0.75},
                "box_caption": "a <b>cat</b>",
            },
            {
                "position": {"middle": [10, 12], "width": 8, "height": 4},
                "domain": "pixel",
                "class_id": 0,
            },
        ],
        "class_labels": {0: "dog", 1: "cat"},
    }
}
MASK = (np.arange(24 * 32).reshape(24, 32) // 300).astype(np.uint8)


def figure():
    import plotly.graph_objects as go

    return go.Figure(go.Scatter(x=[1, 2], y=[3, 4]), layout={"title": "a figure"})


def written(name, content):
    path = Path(name)
    path.write_text(content)
    return path


#: Each type, made anew: name → (how, what reads it).
MAKERS = {
    "image": lambda: nbtrack.Image(PHOTO, caption="noise"),
    "image with boxes": lambda: nbtrack.Image(
        PHOTO,
        boxes=BOXES,
        masks={"truth": {"mask_data": MASK, "class_labels": {1: "x"}}},
        classes=[{"id": 2, "name": "sky"}],
    ),
    "audio": lambda: nbtrack.Audio(
        np.sin(np.arange(800) / 9), sample_rate=8000, caption="hum"
    ),
    "video": lambda: nbtrack.Video(
        RNG.integers(0, 255, (3, 16, 18, 3), dtype=np.uint8), fps=5, format="gif"
    ),
    "html": lambda: nbtrack.Html("<p>hello</p>", caption="page"),
    "histogram": lambda: nbtrack.Histogram([1, 2, 2, 3.5, math.nan]),
    "cloud": lambda: nbtrack.Object3D(POINTS, caption="points"),
    "mesh": lambda: nbtrack.Object3D(written("a.obj", OBJ)),
    "molecule": lambda: nbtrack.Molecule(written("a.xyz", XYZ), caption="water"),
    "plotly": lambda: nbtrack.Plotly(figure()),
}


# -- round trips -----------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("is_finished", [False, True])
def test_E2_each_type_comes_back_as_an_equal_object(name, is_finished):
    run = project()
    value = MAKERS[name]()
    run.log({"m": value, "loss": 1.0})
    if is_finished:
        run.finish()
    (found,) = stored(run).history()["m"]
    assert type(found) is type(value)
    assert found == value
    assert found.caption == value.caption
    (row,) = stored(run).scan_history()
    assert (row["m"], row["loss"]) == (value, 1.0)
    (listed,) = stored(run).history(keys=["m"], pandas=False)
    assert listed["m"] == value
    assert not list(run.faults)


@pytest.mark.parametrize("name", MAKERS)
def test_E2_an_object_of_one_run_can_be_logged_to_another(name):
    first = project()
    first.log({"m": MAKERS[name]()})
    first.finish()
    (found,) = stored(first).history()["m"]
    second = project()
    second.log({"m": found})
    (again,) = stored(second).history()["m"]
    assert again == found
    assert media_files(second) == media_files(first)


def test_E2_objects_of_a_killed_run_come_back():
    code = """
        import os, signal, numpy as np, nbtrack
        run = nbtrack.init(project="p", id="abc")
        for i in range(3):
            run.log({"img": nbtrack.Image(np.full((4, 4), i, np.uint8))})
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    history = nbtrack.Api().run("p/abc").history()
    assert [int(img.to_numpy()[0, 0]) for img in history["img"]] == [0, 1, 2]


def test_E2_the_content_of_each_type_can_be_used():
    run = project()
    run.log({name.replace(" ", "_"): make() for name, make in MAKERS.items()})
    run.finish()
    row = next(iter(stored(run).scan_history()))
    np.testing.assert_array_equal(row["image"].to_numpy(), PHOTO)
    assert row["image"].image.size == (32, 24)
    assert row["image"].path.is_file()
    boxed = row["image_with_boxes"]
    first = boxed.boxes["prediction"]["box_data"][0]
    assert (first["class_id"], first["scores"]) == (1, {"p": 0.75})
    np.testing.assert_array_equal(boxed.masks["truth"]["mask_data"], MASK)
    assert boxed.masks["truth"]["class_labels"] == {1: "x"}
    assert boxed.classes == {2: "sky"}
    assert row["audio"].sample_rate == 8000
    assert row["audio"].to_numpy().shape == (800,)
    assert row["audio"].duration_s == pytest.approx(0.1)
    with PIL.Image.open(io.BytesIO(row["video"].read())) as film:
        assert (film.size, film.n_frames) == ((18, 16), 3)
    assert row["html"].read() == "<p>hello</p>"
    assert (sum(row["histogram"].counts), row["histogram"].nan) == (4, 1)
    np.testing.assert_array_equal(row["cloud"].to_numpy(), POINTS)
    assert row["mesh"].to_numpy().shape == (3, 3)
    assert row["molecule"].atoms.elements == ["O", "H", "H"]
    assert row["molecule"].atoms.bonds == [(0, 1), (0, 2)]
    assert row["plotly"].figure.data[0].y == (3, 4)


def test_E2_the_same_image_logged_a_thousand_times_is_one_file():
    run = project()
    for _ in range(1_000):
        run.log({"img": nbtrack.Image(PHOTO)})
    run.finish()
    assert len(media_files(run)) == 1
    history = stored(run).history()
    assert len(history) == 1_000
    assert len(set(history["img"])) == 1


def test_E2_a_gallery_is_a_list():
    run = project()
    run.log({"g": [nbtrack.Image(PHOTO, caption=str(i)) for i in range(3)]})
    run.finish()
    (gallery,) = stored(run).history()["g"]
    assert [image.caption for image in gallery] == ["0", "1", "2"]
    assert gallery[0] == nbtrack.Image(PHOTO, caption="0")
    assert not list(run.faults)


def test_E2_a_mixed_list_is_kept_item_by_item_with_a_note():
    run = project()
    with pytest.warns(errors.NbtrackWarning, match="objects and other things"):
        run.log({"g": [nbtrack.Image(PHOTO), 3, "text"]})
    (row,) = stored(run).scan_history()
    assert row["g"] == [nbtrack.Image(PHOTO), 3, "text"]


def test_E2_a_list_of_two_types_is_kept_without_ado():
    run = project()
    run.log({"g": [nbtrack.Image(PHOTO), nbtrack.Html("x")]})
    (row,) = stored(run).scan_history()
    assert row["g"] == [nbtrack.Image(PHOTO), nbtrack.Html("x")]
    assert not list(run.faults)


def test_E2_a_gallery_beyond_a_thousand_is_cut_and_that_is_said():
    run = project()
    image = nbtrack.Image(PHOTO)
    with pytest.warns(errors.NbtrackWarning, match="first 1,000 are kept"):
        run.log({"g": [image] * 1_001})
    (row,) = stored(run).scan_history()
    assert len(row["g"]) == 1_000


def test_S74_images_logged_at_every_step_are_all_kept():
    run = project()
    for step in range(20):
        run.log({"img": nbtrack.Image(np.full((3, 3), step, np.uint8))})
    run.finish()
    history = stored(run).history()
    assert [int(i.to_numpy()[0, 0]) for i in history["img"]] == list(range(20))
    assert len(media_files(run)) == 20


def test_S22_a_list_of_losses_as_a_histogram_is_one_histogram_per_step():
    run = project()
    for step in range(3):
        losses = [step + i / 10 for i in range(10)]
        run.log({"losses": nbtrack.Histogram(losses)})
    run.finish()
    found = list(stored(run).history()["losses"])
    assert [h.bins[0] for h in found] == [0.0, 1.0, 2.0]
    assert [sum(h.counts) for h in found] == [10, 10, 10]


def test_E_members_of_an_object_can_be_had_by_wandbs_names():
    run = project()
    run.log({"img": nbtrack.Image(PHOTO), "h": nbtrack.Histogram([1, 2])})
    (row,) = stored(run).scan_history()
    assert row["img"]["_type"] == "image-file"
    assert Path(run.dir, row["img"]["path"]).is_file()
    assert (row["img"]["width"], row["img"].get("format")) == (32, "png")
    assert sum(row["h"]["values"]) == 2
    assert dict(row["img"])["path"] == row["img"]["path"]


# -- E0: nothing is guessed --------------------------------------------------------


@pytest.mark.parametrize(
    "pixels",
    [
        np.array([[0, 1], [1, 0]], np.uint8),
        np.array([[0, 1], [1, 0]], np.int64),
        np.array([[0, 255], [7, 9]], np.int32),
        np.array([[0, 300], [65_535, 9]], np.uint16),
    ],
)
def test_E0_integer_images_are_never_rescaled(pixels):
    run = project()
    run.log({"img": nbtrack.Image(pixels)})
    (found,) = stored(run).history()["img"]
    np.testing.assert_array_equal(found.to_numpy(), pixels)
    assert not list(run.faults)


def test_E0_floats_are_shares_of_full_brightness():
    image = nbtrack.Image(np.array([[0.0, 0.5, 1.0]]))
    np.testing.assert_array_equal(image.to_numpy(), [[0, 128, 255]])
    # A model that outputs nothing above 0.2 is dark, not stretched.
    dark = nbtrack.Image(np.full((2, 2), 0.2))
    assert dark.to_numpy().max() == 51


@pytest.fixture
def nothing_told(monkeypatch):
    """A process that has not spoken of an image's floats yet."""
    monkeypatch.setattr("nbtrack._media.pixels._told", set())


def said_of(pixels):
    """What is said of an image, and its pixels."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        image = nbtrack.Image(pixels)
    return [str(one.message) for one in said], image.to_numpy()


DIGIT = np.arange(17.0)[None]


@pytest.mark.parametrize(
    ("pixels", "span", "advice"),
    [
        (np.full((8, 8), 200.0), "from 200 to 200", "divide by 200"),
        (np.array([[0.0, 254.6]], np.float32), "from 0 to 254.6", "divide by 254.6"),
        (DIGIT, "from 0 to 16", "divide by 16"),
        (np.array([[0.0, 300.0]], np.float16), "from 0 to 300", "divide by 300"),
        (np.array([[-9.0, 99.5]]), "from -9 to 99.5", "shift and divide them"),
    ],
)
@pytest.mark.usefixtures("nothing_told")
def test_E0_floats_above_1_are_taken_as_0_to_255_and_that_is_said(pixels, span, advice):
    (said,), found = said_of(pixels)
    np.testing.assert_array_equal(found, np.rint(np.clip(pixels, 0, 255)))
    assert span in said
    assert "taken as 0…255" in said
    assert f"{advice}, pass uint8, or normalize=True" in said


@pytest.mark.usefixtures("nothing_told")
def test_E0_floats_below_0_are_black_and_that_is_said():
    (said,), found = said_of(np.array([[-1.0, 0.5, 1.0]]))
    np.testing.assert_array_equal(found, [[0, 128, 255]])
    assert "from -1 to 1" in said
    assert "taken as 0…1" in said


@pytest.mark.usefixtures("nothing_told")
def test_E0_how_floats_are_taken_is_said_once_of_each_kind_and_quotes_the_user():
    run = project()
    with pytest.warns(errors.NbtrackWarning, match="some are above 1") as said:
        table = nbtrack.Table(columns=["img"], data=[[nbtrack.Image(DIGIT)]])
        run.log({"table": table, "img": nbtrack.Image(DIGIT * 2)})
    assert [one.filename for one in said] == [__file__]
    with pytest.warns(errors.NbtrackWarning, match="none is above 1") as said:
        nbtrack.Image(-DIGIT)
    assert len(said) == 1
    assert not list(run.faults)


@pytest.mark.usefixtures("nothing_told")
def test_E0_floats_that_overshoot_a_little_are_clipped_without_a_word():
    said, found = said_of(np.array([[-0.01, 0.0, 0.5, 1.0, 1.0099]]))
    assert not said
    np.testing.assert_array_equal(found, [[0, 0, 128, 255, 255]])


@pytest.mark.usefixtures("nothing_told")
def test_E0_what_is_not_finite_says_nothing_of_the_range():
    said, found = said_of(np.array([[np.nan, -np.inf, 0.2, np.inf]]))
    assert not said
    np.testing.assert_array_equal(found, [[0, 0, 51, 255]])
    said, found = said_of(np.array([[np.nan, 20.0, np.inf]]))
    assert len(said) == 1
    np.testing.assert_array_equal(found, [[0, 20, 255]])


def test_E0_a_range_is_stretched_when_asked():
    image = nbtrack.Image(np.array([[-1.0, 0.0, 3.0]]), normalize=True)
    np.testing.assert_array_equal(image.to_numpy(), [[0, 64, 255]])
    constant = nbtrack.Image(np.full((2, 2), 7.0), normalize=True)
    assert constant.to_numpy().max() == 0
    assert nbtrack.Image(np.array([[-1e308, 1e308]]), normalize=True).image.size


def test_E0_html_of_a_file_that_is_not_there_raises():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.html cannot be read"):
        nbtrack.Html("nowhere.html")
    with pytest.raises(FileNotFoundError):
        nbtrack.Html(Path("nowhere.txt"))
    assert nbtrack.Html("nowhere.html", data_is_not_path=True).read() == "nowhere.html"
    Path("there.html").write_text("<i>x</i>")
    assert nbtrack.Html("there.html").read() == "<i>x</i>"
    with Path("there.html").open() as file:
        assert nbtrack.Html(file).read() == "<i>x</i>"


def test_E0_nothing_is_fetched():
    with pytest.raises(FileNotFoundError, match="nothing is fetched"):
        nbtrack.Image("https://example.org/a.png")


def test_E2_the_format_names_every_type_and_every_member():
    from nbtrack._media.base import HOMES

    text = (Path(__file__).parents[2] / "FORMAT.md").read_text("utf-8")
    named = set(re.findall(r"`([^`\n]+)`", text))
    assert set(HOMES) <= named
    run = project()
    rows = {name: make().to_row(Blobs(run._directory)) for name, make in MAKERS.items()}
    rows["chart"] = nbtrack.plot.bar(
        nbtrack.Table(columns=["a", "b"], data=[["x", 1]]), "a", "b"
    ).to_row(Blobs(run._directory))
    for name, row in rows.items():
        assert set(row) <= named, name
        path = Path(run.dir, row["path"]) if "path" in row else None
        if path is not None:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert (row["sha256"], row["size"]) == (digest, path.stat().st_size)
            assert path.name.partition(".")[0] == digest[:20]


def test_E_what_is_left_of_fourteen_histograms_fits_into_a_saved_cell():
    run = project()
    for _ in range(2):  # the first and the last are shown of each
        keys = [f"{kind}/{n}" for kind in ("gradients", "parameters") for n in range(7)]
        run.log({key: nbtrack.Histogram(RNG.normal(size=500)) for key in keys})
    run.finish()
    page = stored(run)._repr_mimebundle_()["text/html"]
    assert page.count("histogram of") == 28
    assert len(page) < 50_000


# -- broken and missing files --------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in MAKERS if n != "histogram"])
@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "a link", "a directory"])
def test_E2_a_broken_file_is_named_when_it_is_opened_not_when_it_is_read(name, damage):
    run = project()
    run.log({"m": MAKERS[name](), "loss": 1.0})
    run.finish()
    (row,) = stored(run).scan_history()
    path = Path(run.dir, row["m"]["path"])
    content = path.read_bytes()
    path.unlink()
    if damage == "empty":
        path.touch()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "a link":
        Path("secret").write_bytes(content)
        path.symlink_to(Path("secret").resolve())
    elif damage == "a directory":
        path.mkdir()
    (found,) = stored(run).history()["m"]
    with pytest.raises(errors.MediaFileError, match=path.name):
        found.read()
    (item,) = looks.shown(dict(found), Path(run.dir))
    assert path.name in item.data["error"]
    assert path.name in looks.static_html(dict(found), Path(run.dir), 10_000)
    assert path.name in found._repr_mimebundle_()["text/html"] or name == "plotly"


@pytest.mark.parametrize(
    "path",
    ["../../x.png", "/etc/passwd", "media/../run.json", "run.json", "", "media/"],
)
def test_E2_a_name_in_a_row_never_leads_out_of_media(path):
    run = project()
    row = {"_type": "image-file", "path": path, "size": 1, "width": 1, "height": 1}
    (item,) = looks.shown(row, Path(run.dir))
    assert item.content is None
    assert "no file inside" in item.data["error"]


@pytest.mark.parametrize(
    "row",
    [
        {"_type": "image-file"},
        {"_type": "image-file", "path": 3},
        {"_type": "image-file", "path": "media/x.png", "width": "<script>"},
        {"_type": "image-file", "path": "media/x.png", "masks": [1]},
        {"_type": "histogram", "bins": [1], "counts": []},
        {"_type": "histogram", "bins": "abc", "counts": {}},
        {"_type": "histogram", "bins": [0, 1], "counts": [10**400]},
        {"_type": ["image-file"], "path": "x"},
        {"_type": "nbtrack.errors", "path": "x"},
        {"_type": None},
    ],
)
def test_E2_a_row_of_another_form_stays_what_it_is(row):
    assert looks.shown(row, Path()) == []
    assert looks.restored(row, Path()) is row


def test_E2_a_full_disk_costs_the_file_and_not_the_row():
    run = project()
    Path(run.dir, "media").write_text("in the way")
    with pytest.warns(errors.NbtrackWarning, match="cannot be stored"):
        run.log({"img": nbtrack.Image(PHOTO, caption="c"), "loss": 1.0})
    run.finish()
    (row,) = stored(run).scan_history()
    assert (row["loss"], row["img"].caption, row["img"]["path"]) == (1.0, "c", None)
    with pytest.raises(errors.MediaFileError, match="could not be stored"):
        row["img"].read()
    (item,) = looks.shown(dict(row["img"]), Path(run.dir))
    assert "could not be stored" in item.data["error"]


@pytest.mark.parametrize("name", [n for n in MAKERS if n != "histogram"])
def test_E2_what_is_missing_tells_a_page_nothing_of_where_the_run_lies(name):
    run = project()
    run.log({"m": MAKERS[name]()})
    run.finish()
    (found,) = stored(run).history()["m"]
    found.path.unlink()
    record, home = dict(found), Path(run.dir).resolve()
    (item,) = looks.shown(record, home)
    pages = [
        looks.static_html(record, home, 10_000),
        looks.restored(record, home)._repr_mimebundle_()["text/html"],
        json.dumps(item.data),
    ]
    assert not [page for page in pages if str(home.parent) in page]
    assert f"{record['path']} cannot be read" in pages[0]


def test_E2_nothing_is_written_where_a_link_leads(tmp_path):
    run = project()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Path(run.dir, "media").symlink_to(elsewhere)
    with pytest.warns(errors.NbtrackWarning, match="it is a link"):
        run.log({"img": nbtrack.Image(PHOTO), "array": np.arange(100), "loss": 1.0})
    run.finish()
    (row,) = stored(run).scan_history()
    assert (row["loss"], row["img"]["path"], row["array"]["path"]) == (1.0, None, None)
    assert not list(elsewhere.iterdir())
    assert {fault.kind for fault in run.faults} == {"value"}


def test_E2_a_link_in_the_place_of_a_file_is_replaced(tmp_path):
    run = project()
    run.log({"a": nbtrack.Html("<p>x</p>")})
    (name,) = media_files(run)
    path = Path(run.dir, "media", name)
    path.rename(tmp_path / name)
    path.symlink_to(tmp_path / name)
    run.log({"a": nbtrack.Html("<p>x</p>")})
    assert not path.is_symlink()
    assert stored(run).history()["a"][1].read() == stored(run).history()["a"][0].read()


@pytest.mark.parametrize("name", MAKERS)
def test_D1_a_stored_summary_gives_objects_and_is_json_all_the_same(name):
    run = project()
    value, array = MAKERS[name](), np.arange(100.0)
    run.log({"a/m": value, "loss": 1.0, "gallery": [value, value]})
    run.summary["weights"] = array
    run.finish()
    summary = stored(run).summary
    assert summary["a/m"] == summary.get("a/m") == value
    assert summary["gallery"] == [value, value]
    np.testing.assert_array_equal(np.asarray(summary["weights"]), array)
    told = json.loads(json.dumps(summary))
    assert told == json.loads(json.dumps(dict(summary)))
    assert told["a/m"] == dict(value)
    assert (told["loss"], told["weights"]["_type"]) == (1.0, "numpy.ndarray")
    summary["again"] = summary["a/m"]
    summary["loss"] = 2.0
    assert stored(run).summary["again"] == stored(run).summary["a/m"] == value
    assert summary.pop("again") == value


@pytest.mark.parametrize("kind", [None, 3, ["image-file"], "image-file", "no-such"])
def test_D1_an_odd_type_in_a_summary_is_there_to_be_looked_at(kind):
    run = project()
    run.summary["x"] = {"y": 1}
    run.finish()
    path = Path(run.dir, "summary.json")
    for log in Path(run.dir, "log").iterdir():
        log.unlink()
    path.write_text(json.dumps({"x": {"_type": kind, "path": 3}}))
    summary = stored(run).summary
    assert summary.get("x") in (None, {"_type": kind, "path": 3})


def test_B14_strict_raises_when_a_file_cannot_be_stored():
    run = nbtrack.init(project="p", settings={"strict": True})
    Path(run.dir, "media").write_text("in the way")
    with pytest.raises(errors.StrictError, match="cannot be stored"):
        run.log({"img": nbtrack.Image(PHOTO)})


def test_E2_a_file_of_the_users_that_is_gone_costs_only_itself():
    run = project()
    PIL.Image.fromarray(PHOTO).save("x.png")
    image = nbtrack.Image("x.png")
    Path("x.png").unlink()
    with pytest.warns(errors.NbtrackWarning, match=r"x\.png cannot be read"):
        run.log({"img": image, "loss": 1.0})
    (row,) = stored(run).scan_history()
    assert row["loss"] == 1.0


def test_A3_a_disabled_run_takes_objects_and_keeps_nothing():
    run = nbtrack.init(project="p", mode="disabled")
    run.log({"img": nbtrack.Image(PHOTO), "g": [nbtrack.Image(PHOTO)], "f": figure()})
    assert not list(run.faults)
    assert not Path("nbruns").exists()


# -- E: how they look -----------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_E_each_type_shows_in_a_board_statically_and_by_itself(name):
    run = project()
    value = MAKERS[name]()
    run.log({"m": value})
    record = dict(next(iter(stored(run).scan_history()))["m"])
    (item,) = looks.shown(record, Path(run.dir))
    assert item.type == record["_type"]
    assert item.content or item.data
    assert "error" not in (item.data or {})
    json.dumps(item.data)
    (outline,) = looks.outline(record, Path(run.dir))
    assert outline.content is None
    assert (outline.type, outline.caption) == (item.type, item.caption)
    page = looks.static_html(record, Path(run.dir), 60_000)
    assert len(page) < 80_000
    bundle = value._repr_mimebundle_()
    assert bundle["text/plain"].startswith(f"<{type(value).__name__}")
    assert "<script" not in bundle["text/html"].replace("srcdoc", "")


def test_E_a_large_image_is_sent_as_a_thumbnail_and_whole_on_demand():
    run = project()
    image = nbtrack.Image(RNG.integers(0, 256, (900, 1200, 3), dtype=np.uint8))
    run.log({"img": image})
    record = dict(next(iter(stored(run).scan_history()))["img"])
    (small,) = looks.shown(record, Path(run.dir))
    (whole,) = looks.full(record, Path(run.dir))
    with PIL.Image.open(io.BytesIO(small.content)) as picture:
        assert max(picture.size) == 512
    assert (small.width, small.height) == (1200, 900)
    assert whole.content == image.read()


def test_E_captions_and_labels_are_text_and_never_markup():
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    run = project()
    boxes = {
        evil: {
            "box_data": [{**BOXES["prediction"]["box_data"][0], "box_caption": evil}],
            "class_labels": {1: evil},
        }
    }
    objects = [
        nbtrack.Image(PHOTO, caption=evil, boxes=boxes),
        nbtrack.Html(evil, caption=evil),
        nbtrack.Histogram([1, 2], caption=evil),
        nbtrack.Object3D(POINTS, caption=evil),
        nbtrack.Audio(np.zeros(10), 8000, caption=evil),
        nbtrack.Video(np.zeros((2, 4, 4), np.uint8), caption=evil, format="gif"),
    ]
    for value in objects:
        run.log({"m": value})
        page = value._repr_mimebundle_()["text/html"]
        assert "<script>" not in page
        assert "<img src=x" not in page
        static = looks.static_html(
            value.to_row(looks_store(run)), Path(run.dir), 50_000
        )
        assert "<script>" not in static
        assert "<img src=x" not in static


def looks_store(run):
    from nbtrack._store.blobs import Blobs
    from nbtrack._store.rundir import RunDir

    return Blobs(RunDir(Path(run.dir)))


def test_E_a_page_is_shown_in_a_frame_without_our_origin_or_the_network():
    page = nbtrack.Html("<script>parent.x = 1</script>")._repr_mimebundle_()[
        "text/html"
    ]
    assert 'sandbox="allow-scripts"' in page
    assert "allow-same-origin" not in page
    assert "Content-Security-Policy" in page
    assert "<script>" not in page  # it is escaped, inside srcdoc


def test_E_an_svg_of_the_users_is_only_ever_a_picture():
    svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    run = project()
    run.log({"img": nbtrack.Image(svg.encode())})
    (found,) = stored(run).history()["img"]
    assert found.read() == svg.encode()
    page = found._repr_mimebundle_()["text/html"]
    assert "<svg" not in page
    assert 'src="data:image/svg+xml;base64,' in page
    with pytest.raises(errors.MediaError, match="no pixels"):
        found.image  # noqa: B018


def test_E_one_key_of_several_runs_stands_side_by_side():
    values = []
    for i in range(2):
        run = project()
        run.log({"img": nbtrack.Image(np.full((8, 8), i * 200, np.uint8))})
        record = dict(next(iter(stored(run).scan_history()))["img"])
        values.append((f"run <{i}>", record, Path(run.dir)))
    page = looks.side_by_side(values, 60_000)
    assert page.count("<img") == 2
    assert "run &lt;1&gt;" in page


# -- safety ----------------------------------------------------------------------------


class Array:
    """Something that says it is huge, and dies when it is touched."""

    dtype = np.dtype("float32")

    def __init__(self, *shape):
        self.shape = shape

    def __array__(self, dtype=None, copy=None):
        raise MemoryError


@pytest.mark.parametrize(
    "make",
    [
        lambda: nbtrack.Image(Array(20_000, 20_000)),
        lambda: nbtrack.Image(Array(3, 20_000, 20_000)),
        lambda: nbtrack.Image(PIL.Image.new("1", (20_000, 20_000))),
        lambda: nbtrack.Audio(Array(10**10), sample_rate=8000),
        lambda: nbtrack.Video(Array(10_000, 3, 1_000, 1_000), format="gif"),
        lambda: nbtrack.Histogram(Array(10**10)),
        lambda: nbtrack.Object3D(Array(10**8, 3)),
    ],
)
def test_E_what_is_huge_is_refused_before_memory_is_spent(make):
    with pytest.raises(errors.MediaSizeError, match="too large"):
        make()


def test_E_a_file_of_a_huge_image_is_refused_by_its_header():
    header = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR"
    size = (20_000).to_bytes(4, "big") * 2
    import zlib

    body = b"IHDR" + size + b"\x08\x00\x00\x00\x00"
    content = header[:8] + b"\0\0\0\r" + body + zlib.crc32(body).to_bytes(4, "big")
    idat = b"IDAT" + zlib.compress(b"\0")
    content += (len(idat) - 4).to_bytes(4, "big") + idat
    content += zlib.crc32(idat).to_bytes(4, "big")
    with pytest.raises(errors.MediaError, match="too large"):
        nbtrack.Image(content)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/urandom", "fifo", "."])
def test_E_devices_pipes_and_directories_are_no_files(path):
    if path == "fifo":
        os.mkfifo(path)
    for make in (nbtrack.Image, nbtrack.Audio, nbtrack.Object3D, nbtrack.Molecule):
        with pytest.raises((errors.MediaFileError, errors.MediaError)):
            make(path)


def test_E_no_pickle_is_read():
    run = project()
    run.log({"c": nbtrack.Object3D(POINTS)})
    (found,) = stored(run).history()["c"]
    evil = io.BytesIO()
    np.save(evil, np.array([print], dtype=object), allow_pickle=True)
    content = evil.getvalue()
    found.path.write_bytes(content + b"\0" * max(0, found["size"] - len(content)))
    with pytest.raises(errors.MediaFileError, match=found.path.name):
        found.to_numpy()
