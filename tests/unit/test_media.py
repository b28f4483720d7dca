"""What media are made of, and what they refuse."""

from __future__ import annotations

import io
import math
import re
import sys
import wave
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbtrack
from nbtrack import errors
from nbtrack._media import overlays, source
from nbtrack._media.molecule import atoms_of
from nbtrack._media.wrap import may_wrap, wrap

RNG = np.random.default_rng(0)


# -- images ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((5, 7), (7, 5)),
        ((5, 7, 1), (7, 5)),
        ((5, 7, 3), (7, 5)),
        ((5, 7, 4), (7, 5)),
        ((1, 5, 7), (7, 5)),
        ((3, 5, 7), (7, 5)),
        ((1, 1, 5, 7), (7, 5)),
        ((3, 5, 3), (5, 3)),  # of numpy: channels are last
        ((4, 5, 5), (5, 5)),  # unless these are none
        ((1, 1), (1, 1)),
    ],
)
def test_an_image_takes_the_usual_shapes(shape, size):
    image = nbtrack.Image(RNG.integers(0, 256, shape, dtype=np.uint8))
    assert (image.width, image.height) == size
    assert image.image.size == size


class Tensor:
    """As much of torch's as is looked at."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def detach(self):
        return self

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_of_a_torch_tensor_channels_come_first():
    image = nbtrack.Image(Tensor(np.zeros((3, 5, 3), np.uint8)))
    assert (image.width, image.height) == (3, 5)
    image = nbtrack.Image(Tensor(np.zeros((4, 5, 2), np.uint8)))
    assert (image.width, image.height, image.image.mode) == (2, 5, "RGBA")
    image = nbtrack.Image(Tensor(np.zeros((5, 6, 3), np.uint8)))
    assert (image.width, image.height) == (6, 5)
    with pytest.raises(errors.MediaError, match=r"moveaxis\(image, 2, 0\)"):
        nbtrack.Image(Tensor(np.zeros((2, 5, 4), np.uint8)))
    torch = pytest.importorskip("torch")
    pixels = torch.rand(3, 8, 6, requires_grad=True)
    image = nbtrack.Image(pixels)
    expected = np.rint(pixels.detach().numpy() * 255).transpose(1, 2, 0)
    np.testing.assert_array_equal(image.to_numpy(), expected)
    assert nbtrack.Image(torch.zeros(4, 4, dtype=torch.bfloat16)).width == 4


def test_bools_are_black_and_white_and_lists_are_arrays():
    assert nbtrack.Image(np.array([[True, False]])).to_numpy().tolist() == [[255, 0]]
    assert nbtrack.Image([[0, 255], [7, 1]]).to_numpy().tolist() == [[0, 255], [7, 1]]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (np.zeros(5), r"\(H, W\)"),
        (np.zeros((2, 2, 2)), "1, 3 or 4 channels"),
        (np.zeros((8, 3, 4, 4)), "batch as a list"),
        (np.zeros((0, 4)), "no pixels"),
        (np.array([["a"]]), "made of numbers"),
        (np.array([[1 + 2j]]), "made of numbers"),
        (np.array([[300, -1]]), "not rescaled by themselves"),
        (np.full((2, 2, 3), 300), "not rescaled by themselves"),
        (PIL.Image.new("L", (0, 3)), "no pixels"),
        (object(), "cannot be made of object"),
        (None, "cannot be made of NoneType"),
        (3, "cannot be made of int"),
        ({"a": 1}, "cannot be made of dict"),
        (b"", "no picture that Pillow knows"),
        (b"<script>", "no picture that Pillow knows"),
        (io.StringIO("x"), "opened for bytes"),
        ([[1, 2], [3]], "this list gives none: ValueError"),
        (np.zeros((4, 5, 2)), r"move them: numpy\.moveaxis\(image, 0, 2\)"),
        (np.zeros((3, 5, 2)), "may have 2 channels"),
        ("nowhere.png", r"nowhere\.png cannot be read"),
        ("a\0b", "cannot be read"),
        ("data:image/png;base64,AAAA", "cannot be read"),
    ],
    ids=str,
)
def test_what_is_no_image_is_refused_with_the_reason(data, told):
    with pytest.raises(errors.MediaError, match=told):
        nbtrack.Image(data)


class Hollow(Tensor):
    """A tensor without data, as torch has them on its device "meta"."""

    def __array__(self, dtype=None, copy=None):
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")

    def tolist(self):
        raise NotImplementedError("no data")


@pytest.mark.parametrize(
    "make",
    [
        nbtrack.Image,
        lambda data: nbtrack.Image([data, data]),
        lambda data: nbtrack.Image(np.zeros((4, 3)), masks={"m": {"mask_data": data}}),
        lambda data: nbtrack.Audio(data, sample_rate=8),
        lambda data: nbtrack.Video([data], format="gif"),
        lambda data: nbtrack.Video([[[1, 2], [data]]], format="gif"),
        nbtrack.Object3D,
        nbtrack.Histogram,
    ],
)
def test_a_tensor_that_has_no_data_is_refused_with_the_reason(make):
    with pytest.raises(errors.MediaTypeError, match="made of numbers, and this"):
        make(Hollow(np.zeros((4, 3))))
    torch = pytest.importorskip("torch")
    with pytest.raises(errors.MediaTypeError, match="made of numbers, and this"):
        make(torch.ones((4, 3), device="meta"))


def test_a_cell_that_has_no_data_is_kept_as_text():
    hollow = Hollow(np.zeros(3))
    table = nbtrack.Table(columns=["a"], data=[[hollow]])
    assert table.data == [[str(hollow)]]
    assert "its text is kept" in table.note


@pytest.mark.parametrize("mode", ["XX", "", "YCbCr;1", 3])
def test_a_mode_that_is_none_is_refused(mode):
    if not mode:
        assert nbtrack.Image(np.zeros((2, 2)), mode=mode).image.mode == "L"
        return
    with pytest.raises(errors.MediaError, match=rf"Image\(mode={mode!r}\)"):
        nbtrack.Image(np.zeros((2, 2)), mode=mode)


def test_a_picture_of_any_mode_of_pils_is_taken():
    for mode in ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "HSV"):
        source = PIL.Image.new("RGBA", (3, 2), (10, 20, 30, 255))
        for step in {"La": ["LA", "La"], "PA": ["P", "PA"]}.get(mode, [mode]):
            source = source.convert(step if step != "HSV" else "RGB").convert(step)
        assert nbtrack.Image(source).image.size == (3, 2), mode


@pytest.mark.parametrize("size", [(3, 3), (50, 40), (40, 51)])
@pytest.mark.parametrize("of", ["array", "file"])
def test_a_mask_of_another_size_than_its_image_is_refused(size, of, tmp_path):
    mask = np.zeros(size, np.uint8)
    entry = {"mask_data": mask}
    if of == "file":
        PIL.Image.fromarray(mask).save(tmp_path / "mask.png")
        entry = {"path": tmp_path / "mask.png"}
    with pytest.raises(errors.MediaError, match=r"masks\['m'\] has .* image 50 x 40"):
        nbtrack.Image(np.zeros((40, 50, 3)), masks={"m": entry})


@pytest.mark.filterwarnings("ignore:nbtrack.Image got floats")
@given(
    st.lists(
        st.floats(width=32, allow_nan=True, allow_infinity=True),
        min_size=1,
        max_size=30,
    ),
    st.booleans(),
)
def test_any_floats_make_an_image(values, normalize):
    image = nbtrack.Image(np.array([values], np.float32), normalize=normalize)
    assert image.to_numpy().shape == (1, len(values))
    is_odd = not all(map(math.isfinite, values))
    assert bool(image.note) == (is_odd and not normalize)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "HSV"])
def test_every_mode_of_pil_becomes_a_picture_that_browsers_show(mode):
    picture = PIL.Image.fromarray(
        RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    ).convert(mode)
    image = nbtrack.Image(picture)
    with PIL.Image.open(io.BytesIO(image.read())) as read:
        assert (read.format, read.size) == ("PNG", (5, 6))
    if mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        assert image.image.mode == mode


def test_files_that_browsers_show_are_kept_as_they_are_and_others_converted():
    pixels = PIL.Image.fromarray(RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    for name, suffix in {"a.jpg": "jpg", "a.webp": "webp", "a.tiff": "png"}.items():
        pixels.save(name)
        image = nbtrack.Image(name)
        assert image.format == suffix
        assert (image.read() == Path(name).read_bytes()) is (suffix != "png")
    # A name says nothing of what is in a file.
    Path("a.jpg").rename("odd.png")
    assert nbtrack.Image("odd.png").format == "jpg"
    with Path("a.webp").open("rb") as file:
        assert nbtrack.Image(file).format == "webp"


def test_an_image_of_an_image_keeps_what_it_had():
    first = nbtrack.Image(
        np.zeros((4, 4, 3), np.uint8),
        caption="c",
        masks={"m": {"mask_data": np.eye(4, dtype=int)}},
    )
    assert nbtrack.Image(first) == first
    again = nbtrack.Image(first, mode="L", caption="d")
    assert (again.caption, again.image.mode, list(again.masks)) == ("d", "L", ["m"])


def test_file_types_and_modes_can_be_chosen():
    pixels = RNG.integers(0, 256, (6, 5, 4), dtype=np.uint8)
    assert nbtrack.Image(pixels, file_type="jpg").image.mode == "RGB"
    assert nbtrack.Image(pixels, mode="L").image.mode == "L"
    with pytest.raises(errors.MediaError, match="not one of: png"):
        nbtrack.Image(pixels, file_type="exe")


GOOD_BOX = {"position": {"minX": 0, "maxX": 1, "minY": 0, "maxY": 1}, "class_id": 1}


@pytest.mark.parametrize(
    ("boxes", "told"),
    [
        ([GOOD_BOX], "maps names to sets"),
        ({"p": [GOOD_BOX]}, "no mapping with"),
        ({"p": {"box_data": [3]}}, "no mapping with a"),
        ({"p": {"box_data": GOOD_BOX}}, "list of boxes"),
        ({"p": {"box_data": [{"position": {"minX": 0}}]}}, "a position has"),
        (
            {"p": {"box_data": [{**GOOD_BOX, "class_id": "cat"}]}},
            "class id is a whole number",
        ),
        ({"p": {"box_data": [{**GOOD_BOX, "domain": "inch"}]}}, "domain is"),
        ({"p": {"box_data": [{**GOOD_BOX, "scores": {"p": math.nan}}]}}, "finite"),
        (
            {
                "p": {
                    "box_data": [
                        {
                            **GOOD_BOX,
                            "position": dict.fromkeys(
                                ("minX", "maxX", "minY", "maxY"), "x"
                            ),
                        }
                    ]
                }
            },
            "finite number belongs",
        ),
        (
            {"p": {"box_data": [{"position": {"middle": 3, "width": 1, "height": 1}}]}},
            "pair",
        ),
        ({"p": {"box_data": [GOOD_BOX] * 10_001}}, "up to 10,000 boxes"),
        ({"p": {"box_data": [GOOD_BOX], "class_labels": ["a"]}}, "maps ids to names"),
    ],
)
def test_boxes_are_checked_when_they_are_given(boxes, told):
    with pytest.raises(errors.MediaError, match=told):
        nbtrack.Image(np.zeros((4, 4)), boxes=boxes)


@pytest.mark.parametrize(
    ("masks", "told"),
    [
        ({"m": np.zeros((4, 4))}, "no mapping with"),
        ({"m": {"mask_data": np.zeros(4)}}, "2-D array"),
        ({"m": {"mask_data": np.full((4, 4), 256)}}, "from 0 to 255"),
        ({"m": {"mask_data": np.full((4, 4), 0.5)}}, "whole"),
        ({"m": {"mask_data": np.full((4, 4), np.nan)}}, "whole"),
        ({"m": {"path": "nowhere.png"}}, "cannot be read"),
    ],
)
def test_masks_are_checked_when_they_are_given(masks, told):
    with pytest.raises(errors.MediaError, match=told):
        nbtrack.Image(np.zeros((4, 4)), masks=masks)


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), st.booleans())
def test_corners_of_a_box_lie_in_the_picture(numbers, is_pixel):
    names = ("minX", "maxX", "minY", "maxY")
    box = {"position": dict(zip(names, numbers, strict=True)), "class_id": 0}
    if is_pixel:
        box["domain"] = "pixel"
    left, top, right, bottom = overlays.corners(box, 30, 20)
    assert 0 <= left <= right <= 1
    assert 0 <= top <= bottom <= 1


def test_boxes_and_masks_are_drawn_where_nothing_can_be_switched():
    white = np.full((20, 20, 3), 255, np.uint8)
    mask = np.zeros((20, 20), int)
    mask[:10] = 1
    plain, masked = (
        nbtrack.Image(white, masks=masks)._repr_mimebundle_()["text/html"]
        for masks in (None, {"m": {"mask_data": mask}})
    )
    assert plain != masked


# -- sound ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(100),
        np.zeros((100, 2), np.float32),
        np.zeros((2, 100)),  # torchaudio's
        np.zeros(100, np.int16),
        np.zeros(100, np.int32),
        np.full(100, 128, np.uint8),
        [0.0, 0.5, -0.5],
    ],
)
def test_sound_of_the_usual_kinds_becomes_wav(samples):
    audio = nbtrack.Audio(samples, sample_rate=8000)
    with wave.open(io.BytesIO(audio.read())) as file:
        assert (file.getframerate(), file.getsampwidth()) == (8000, 2)
        assert file.getnframes() == max(np.shape(samples))
    assert not audio.note


def test_sound_comes_back_as_it_was_to_16_bits():
    samples = np.array([0, 1, -1, 32767, -32768], np.int16)
    audio = nbtrack.Audio(samples, sample_rate=8000)
    np.testing.assert_array_equal(audio.to_numpy(), samples)
    stereo = nbtrack.Audio(np.stack([samples, samples], 1), 8000)
    assert stereo.to_numpy().shape == (5, 2)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: nbtrack.Audio(np.zeros(5)), "samples need a rate"),
        (lambda: nbtrack.Audio(np.zeros(5), 0), "samples need a rate"),
        (lambda: nbtrack.Audio(np.zeros(5), 44.1), "samples need a rate"),
        (lambda: nbtrack.Audio(np.zeros((2, 2, 2)), 8000), "shape"),
        (lambda: nbtrack.Audio(np.zeros(0), 8000), "shape"),
        (lambda: nbtrack.Audio(np.zeros((100, 50)), 8000), "channels"),
        (lambda: nbtrack.Audio(np.zeros(5, np.int64), 8000), "not int64"),
        (lambda: nbtrack.Audio(["a"], 8000), "numbers"),
        (lambda: nbtrack.Audio(object(), 8000), "cannot be made of object"),
        (lambda: nbtrack.Audio(b"nothing"), "no sound that is known"),
        (lambda: nbtrack.Audio(b"RIFFnothing"), "no WAV"),
        (lambda: nbtrack.Audio("nowhere.wav"), "cannot be read"),
    ],
)
def test_what_is_no_sound_is_refused_with_the_reason(make, told):
    with pytest.raises(errors.MediaError, match=told):
        make()


def test_a_file_that_no_browser_plays_is_refused():
    Path("a.exe").write_bytes(b"MZ")
    with pytest.raises(errors.MediaError, match="no sound that browsers play"):
        nbtrack.Audio("a.exe")
    with pytest.raises(errors.MediaError, match="no film that browsers play"):
        nbtrack.Video("a.exe")


def test_sound_that_is_too_loud_is_clipped_and_that_is_said():
    audio = nbtrack.Audio(np.array([2.0, math.nan, -3.0]), 8000)
    assert audio.to_numpy().tolist() == [32767, 0, -32767]
    assert "up to 3" in audio.note


# -- film ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mp4", "webm", "gif"])
@pytest.mark.parametrize("shape", [(3, 16, 18), (3, 3, 15, 17), (3, 15, 17, 3)])
def test_films_are_encoded_as_browsers_play_them(kind, shape):
    if kind != "gif":
        av = pytest.importorskip("av")
    film = nbtrack.Video(
        RNG.integers(0, 256, shape, dtype=np.uint8), fps=8, format=kind
    )
    assert film.frames == 3
    if kind == "gif":
        with PIL.Image.open(io.BytesIO(film.read())) as read:
            assert read.n_frames == 3
        return
    with av.open(io.BytesIO(film.read())) as read:
        stream = read.streams.video[0]
        assert stream.codec_context.name in ("h264", "vp9", "libdav1d", "vp9")
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == 8
        assert len(list(read.decode(video=0))) == 3


def test_without_the_library_a_film_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"nbtrack\[video\]"):
        nbtrack.Video(np.zeros((2, 4, 4, 3), np.uint8))
    assert nbtrack.Video(np.zeros((2, 4, 4, 3), np.uint8), format="gif").frames == 2


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: nbtrack.Video(np.zeros((4, 4)), format="gif"), "A film has the shape"),
        (lambda: nbtrack.Video(np.zeros((2, 5, 4, 5)), format="gif"), "channels"),
        (lambda: nbtrack.Video(np.zeros((0, 4, 4)), format="gif"), "A film has"),
        (lambda: nbtrack.Video(np.full((2, 4, 4), 300), format="gif"), "0 to 255"),
        (lambda: nbtrack.Video(np.zeros((2, 4, 4)), fps=0, format="gif"), "fps"),
        (lambda: nbtrack.Video(np.zeros((2, 4, 4)), fps=math.nan, format="gif"), "fps"),
        (lambda: nbtrack.Video(np.zeros((2, 4, 4)), format="avi"), "not one of"),
        (lambda: nbtrack.Video(object(), format="gif"), "cannot be made of"),
        (lambda: nbtrack.Video(b"nothing"), "no film that is known"),
        (lambda: nbtrack.Video("nowhere.mp4"), "cannot be read"),
    ],
)
def test_what_is_no_film_is_refused_with_the_reason(make, told):
    with pytest.raises(errors.MediaError, match=told):
        make()


# -- pages and figures -----------------------------------------------------------------


def test_html_tells_markup_from_paths():
    for markup in ("<b>x</b>", "plain text", "", "<a>x.html</a>.html", "a\nb.html"):
        assert nbtrack.Html(markup).read() == markup
    assert nbtrack.Html(io.BytesIO(b"x")).read() == "x"
    assert nbtrack.Html("\ud800").read()
    file = io.StringIO("<p>")
    file.seek(0, io.SEEK_END)
    assert nbtrack.Html(file).read() == "<p>"
    with pytest.raises(errors.MediaTypeError, match="not int"):
        nbtrack.Html(3)


@pytest.mark.parametrize(
    "value", [3, "nowhere.json", {}, {"data": 3}, {"data": [1]}, [], None, object()]
)
def test_what_is_no_plotly_figure_is_refused(value):
    with pytest.raises(errors.MediaError):
        nbtrack.Plotly(value)


def test_a_figure_can_be_json_or_a_file():
    figure = {"data": [{"type": "bar", "y": [1, math.nan, 2]}], "layout": {}}
    assert nbtrack.Plotly(figure).to_dict()["data"][0]["y"] == [1, None, 2]
    Path("f.json").write_text('{"data": [{"y": [1]}]}')
    assert nbtrack.Plotly("f.json").figure.data[0].y == (1,)


# -- histograms ------------------------------------------------------------------------


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60),
    st.integers(1, 512),
)
def test_a_histogram_counts_every_finite_value_once(values, bins):
    made = nbtrack.Histogram(values, num_bins=bins)
    finite = [v for v in values if math.isfinite(v)]
    assert sum(made.counts) == len(finite)
    assert made.nan == len(values) - len(finite)
    assert (len(made.counts), len(made.bins)) == (bins, bins + 1)
    assert all(map(math.isfinite, made.bins))


def test_a_histogram_of_numpys_is_taken_as_it_is():
    counts, edges = np.histogram([1, 2, 2, 5], bins=4)
    made = nbtrack.Histogram(np_histogram=(counts, edges))
    assert (made.counts, made.bins) == (counts.tolist(), edges.tolist())
    assert nbtrack.Histogram(x / 2 for x in range(9)).bins[-1] == 4.0


@pytest.mark.parametrize(
    "make",
    [
        nbtrack.Histogram,
        lambda: nbtrack.Histogram("abc"),
        lambda: nbtrack.Histogram(["a"]),
        lambda: nbtrack.Histogram([1, "a"]),
        lambda: nbtrack.Histogram([[1, 2], [3]]),
        lambda: nbtrack.Histogram({"a": 1}),
        lambda: nbtrack.Histogram(3),
        lambda: nbtrack.Histogram([1j]),
        lambda: nbtrack.Histogram([1], num_bins=513),
        lambda: nbtrack.Histogram([1], num_bins=0),
        lambda: nbtrack.Histogram(np_histogram=([1], [1])),
        lambda: nbtrack.Histogram(np_histogram=([1, 1], [3, 2, 1])),
        lambda: nbtrack.Histogram(np_histogram=([-1], [1, 2])),
        lambda: nbtrack.Histogram(np_histogram=([1], [1, math.inf])),
        lambda: nbtrack.Histogram(np_histogram=([1] * 513, range(514))),
        lambda: nbtrack.Histogram(np_histogram=3),
    ],
)
def test_what_is_no_histogram_is_refused(make):
    with pytest.raises(errors.MediaError):
        make()


@pytest.mark.parametrize(
    ("counts", "bins"),
    [
        (RNG.integers(0, 900, 64), np.linspace(-1, 1, 65)),
        (RNG.integers(0, 9, 512), np.geomspace(1e-9, 1e9, 513)),
        ([1], [-1.7e308, 1.7e308]),
        ([0, 0], [0, 1, 2]),
        ([3], [2, 2]),
    ],
)
def test_a_histogram_of_a_saved_notebook_is_small_and_stays_in_its_frame(counts, bins):
    histogram = nbtrack.Histogram(np_histogram=(counts, bins))
    assert len(histogram._static(10_000)) < 1_300
    path = re.search(r"<path d='(.*?)'", histogram._svg())[1]
    y = 100
    for letter, number in re.findall(r"([HvV])(-?\d+)", path):
        if letter == "H":
            assert 4 <= int(number) <= 296
        elif letter == "v":
            y += int(number)
            assert 0 < y <= 100
    assert re.fullmatch(r"M4 100(H\d+|v-?\d+)*H296V100z", path)


def test_the_bars_of_a_histogram_are_as_high_as_their_counts():
    histogram = nbtrack.Histogram(np_histogram=([1, 0, 4], [0, 1, 2, 4]))
    assert "'M4 100H4v-24H77v24H150v-96H296V100z'" in histogram._svg()


# -- space -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((3, 2)),
        np.zeros(3),
        np.zeros((0, 3)),
        np.array([["a", "b", "c"]]),
        [[1, 2], [3]],
        3,
        None,
        {"points": None},
        {"points": np.zeros((3, 3)), "boxes": [{"corners": [[0, 0, 0]]}]},
        {"points": np.zeros((3, 3)), "boxes": [3]},
        "nowhere.obj",
        "a.exe",
    ],
    ids=str,
)
def test_what_is_no_cloud_is_refused(data):
    with pytest.raises(errors.MediaError):
        nbtrack.Object3D(data)


def test_a_cloud_may_have_classes_colours_and_boxes():
    corners = [[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    box = {"corners": corners, "label": "car", "color": [255, 0, 0]}
    cloud = nbtrack.Object3D.from_point_cloud(np.zeros((4, 3)), [box])
    assert (cloud.boxes[0]["label"], cloud.boxes[0]["color"]) == ("car", "#ff0000")
    for columns in (4, 6):
        points = np.full((5, columns), np.nan)
        points[1:] = RNG.integers(0, 9, (4, columns))
        shown = nbtrack.Object3D(points)._shown()
        assert len(shown.content) == 5 * columns * 4
        assert nbtrack.Object3D(points)._static(10_000)
    assert nbtrack.Object3D(np.full((2, 3), np.inf))._static(10_000)


def test_a_large_cloud_is_thinned_for_the_page():
    cloud = nbtrack.Object3D(np.zeros((100_001, 3), np.float32))
    shown = cloud._shown()
    assert shown.data["sent"] <= 20_000
    assert cloud.count == 100_001


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".obj", "v 0 0\n"),
        (".obj", "f 1 2 3\n"),
        (".obj", "v a b c\n"),
        (".obj", "v 0 0 0\nf 1 2 9\n"),
        (".obj", ""),
        (".stl", "solid\nvertex 1 2 3\n"),
        (".stl", "vertex 1 2\nvertex 1 2\nvertex 1 2\n"),
        (".stl", ""),
    ],
)
def test_a_broken_mesh_names_its_file(suffix, content):
    path = Path(f"broken{suffix}")
    path.write_text(content)
    mesh = nbtrack.Object3D(path)
    with pytest.raises(errors.MediaFileError, match=r"broken\."):
        mesh._shown()


def test_both_forms_of_stl_are_read():
    text = "solid x\nfacet\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendfacet\n"
    Path("a.stl").write_text(text)
    corners = np.zeros(1, [("n", "<f4", 3), ("at", "<f4", (3, 3)), ("m", "<u2")])
    corners["at"][0] = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    Path("b.stl").write_bytes(
        b"\0" * 80 + (1).to_bytes(4, "little") + corners.tobytes()
    )
    first, second = (nbtrack.Object3D(name).to_numpy() for name in ("a.stl", "b.stl"))
    np.testing.assert_array_equal(first, second)


def test_files_that_are_not_drawn_are_kept_and_say_so():
    Path("a.glb").write_bytes(b"glTF")
    shown = nbtrack.Object3D("a.glb")._shown()
    assert "not drawn" in shown.data["error"]


# -- molecules ---------------------------------------------------------------------

PDB = (
    "ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00  0.00           N\n"
    "ATOM      2  CA  ALA A   1      11.639   6.071  -5.147  1.00  0.00           C\n"
    "END\n"
)


def test_atoms_of_a_pdb_file_and_their_bond():
    found = atoms_of(PDB, ".pdb", "x")
    assert found.elements == ["N", "C"]
    assert found.places[0] == (11.104, 6.134, -6.504)
    assert found.bonds == [(0, 1)]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".pdb", ""),
        (".pdb", "ATOM  garbage"),
        (".xyz", "two\n"),
        (".xyz", "2\n\nC 0 0\n"),
        (".xyz", ""),
        (".mol", "a\nb\n"),
        (".sdf", "a\nb\nc\n 99 99\n"),
        (".cif", "data_"),
    ],
)
def test_a_broken_molecule_names_its_file(suffix, text):
    with pytest.raises(errors.MediaFileError, match="here"):
        atoms_of(text, suffix, "here")


def test_what_is_no_molecule_is_refused():
    Path("a.exe").write_text("x")
    for bad in ("a.exe", "nowhere.pdb", 3, None):
        with pytest.raises(errors.MediaError):
            nbtrack.Molecule(bad)
    pytest.importorskip("rdkit")
    with pytest.raises(errors.MediaError, match="no SMILES"):
        nbtrack.Molecule.from_smiles("???")


# -- files of a run ----------------------------------------------------------------


@given(st.text(max_size=40))
def test_no_name_leads_out_of_media(name):
    inside = source.is_inside(f"media/{name}")
    if inside:
        path = Path("/run/media", name)
        assert path.parent == Path("/run/media")
        assert "/" not in name
        assert "\\" not in name


def test_what_comes_from_no_library_is_left_alone():
    for value in (1, "x", None, [1], np.float64(1), np.zeros(3), object(), print, type):
        assert not may_wrap(value) or wrap(value) is None
        assert wrap(value) is None


# -- pages that would fetch something -------------------------------------------------


def test_a_page_of_bokehs_is_shown_with_the_installed_scripts():
    bokeh = pytest.importorskip("bokeh")
    name = f"bokeh-{bokeh.__version__}.min.js"
    page = f'<script src="https://cdn.bokeh.org/bokeh/release/{name}"></script>'
    html = nbtrack.Html(page)
    shown = html._shown()
    assert shown.content.startswith(b'<script src="data:text/javascript;base64,')
    assert shown.data is None
    assert html.read() == page, "what is stored is what was given"


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.bokeh.org/bokeh/release/bokeh-0.0.1.min.js",
        "https://cdn.bokeh.org/bokeh/release/../../x-9.9.9.min.js",
        "https://cdn.holoviz.org/panel/1.9.4/dist/../../../pip/__init__.py",
        "https://cdn.plot.ly/plotly-0.0.1.min.js",
        "https://example.org/a.js",
        "//example.org/a.js",
    ],
)
def test_what_is_not_installed_is_named_and_not_fetched(url):
    shown = nbtrack.Html(f'<script src="{url}"></script>')._shown()
    assert b"data:" not in shown.content
    (host,) = shown.data["hosts"]
    assert host in url
    own = nbtrack.Html(f'<script src="{url}"></script>')._repr_mimebundle_()
    assert f"asks for {host}, which is not fetched" in own["text/html"]


def test_simple_figures_are_sketched_and_others_named():
    trace = {"type": "scatter", "x": [1, 2, 3], "y": [3, None, 1], "name": "<b>"}
    simple = nbtrack.Plotly({"data": [trace], "layout": {"title": {"text": "a"}}})
    assert "<img" in simple._static(20_000)
    surface = nbtrack.Plotly({"data": [{"type": "surface"}], "layout": {}})
    assert "a Plotly figure (surface)" in surface._static(20_000)


@pytest.mark.parametrize(
    "trace",
    [
        {"type": "bar", "x": ["a"], "y": [1]},
        {"type": "bar", "y": [1, 2]},
        {"type": "histogram", "x": [1, 2, "a", None]},
        {"type": "histogram", "x": []},
        {"type": "histogram"},
        {"y": {"dtype": "f8", "bdata": "AAAAAAAA8D8="}},
        {"y": {"dtype": "O", "bdata": "AAAA"}},
        {"y": {"dtype": "f8", "bdata": "!!!"}},
        {"y": {"dtype": "f8", "bdata": "AAA="}},
        {"y": "text"},
        {"y": 3},
        {"y": [[1]], "x": [{}]},
        {"x": ["2026-01-01"], "y": [1]},
        {"y": [1], "line": {"color": "#zzzzzz"}},
        {"y": [1], "line": "red", "marker": 3},
        {"y": [1], "mode": ["lines"]},
        {"y": [10**400]},
        {"y": [math.inf, 1]},
    ],
    ids=str,
)
def test_any_figure_has_a_static_form(trace):
    import json

    content = json.dumps({"data": [trace], "layout": {"xaxis": 3}})
    Path("f.json").write_text(content)
    assert nbtrack.Plotly("f.json")._static(20_000)


def test_a_film_of_frames_shows_its_first_one_where_nothing_plays():
    film = nbtrack.Video(np.zeros((2, 8, 8, 3), np.uint8), format="gif", caption="c")
    assert 'src="data:image/jpeg' in film._static(20_000) or "image/png" in (
        film._static(20_000)
    )
