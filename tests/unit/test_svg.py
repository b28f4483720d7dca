"""The small static charts."""

from __future__ import annotations

import base64
import math
import random
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbtrack._draw.spec import PALETTE, Chart, Curve
from nbtrack._draw.svg import (
    chart_svg,
    described,
    make_axis,
    reduce_points,
    thin_out,
)

NUMBERS = st.one_of(
    st.floats(),
    st.integers(),
    st.booleans(),
    st.sampled_from([1e308, -1e308, 5e-324, 1.7976931348623157e308, 10**400]),
)


def chart(x, y, title="loss", x_title="step"):
    return Chart(f"train/{title}", title, x_title, (Curve("run", x, y),))


def texts(svg):
    return [node.text for node in ET.fromstring(svg).iter() if node.text]


def paths(svg):
    """The curves' path data: what has a palette colour."""
    return re.findall(r'<path stroke="#3d8fd1"[^>]* d="([^"]*)"', svg)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=40))
def test_any_numbers_give_a_valid_picture_inside_its_frame(points):
    svg = chart_svg(chart([x for x, _ in points], [y for _, y in points]))
    ET.fromstring(svg)
    assert "nan" not in "".join(re.findall(r' (?:d|x|y)="([^"]*)"', svg))
    assert "inf" not in "".join(re.findall(r' (?:d|x|y)="([^"]*)"', svg))
    for x, y in re.findall(r'<text x="([-\d.]+)" y="([-\d.]+)"', svg):
        assert -1 <= float(x) <= 301
        assert -1 <= float(y) <= 171


@given(st.text(max_size=300), st.text(max_size=50))
def test_any_text_is_only_text(title, x_title):
    svg = chart_svg(chart([0, 1], [1, 2], title, x_title))
    tags = {node.tag.split("}")[1] for node in ET.fromstring(svg).iter()}
    assert tags == {"svg", "text", "path", "g"}


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", '" onload="alert(1)', "a\x00b", "\ud800", "]]>&amp;"],
)
def test_hostile_names_do_not_become_markup(name):
    chart_of = Chart(name, name, name, (Curve(name, [0, 1], [1, 2], name),))
    root = ET.fromstring(chart_svg(chart_of).encode())
    assert all("script" not in node.tag for node in root.iter())
    assert not [
        key for node in root.iter() for key in node.attrib if key.startswith("on")
    ]


def test_the_title_and_the_latest_value_are_written():
    one = chart([0, 1, 2], [3.0, 2.0, 0.03125])
    found = texts(chart_svg(one))
    assert "loss" in found
    assert "0.03125" in found
    assert described(one) == "train/loss over step, latest 0.03125"


def test_a_long_name_keeps_both_its_ends():
    found = texts(chart_svg(chart([0], [1.0], "encoder/" + "x" * 80 + "/weight_norm")))
    (name,) = [text for text in found if "…" in text]
    assert name.startswith("encoder/")
    assert name.endswith("weight_norm")


def test_a_spike_among_a_million_points_is_kept():
    y = [0.0] * 1_000_000
    y[123_456] = 7.0
    (segment,) = reduce_points(range(len(y)), y, 100)
    assert (123_456, 7.0) in segment
    assert len(segment) <= 202


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(4, 40))
def test_reducing_keeps_the_ends_and_the_extremes(y, buckets):
    (segment,) = reduce_points(range(len(y)), y, buckets)
    assert len(segment) <= 2 * buckets + 2
    assert segment[0] == (0, y[0])
    assert segment[-1] == (len(y) - 1, y[-1])
    values = [value for _, value in segment]
    assert (min(values), max(values)) == (min(y), max(y))


@pytest.mark.parametrize("hole", [math.nan, math.inf, -math.inf, 10**400])
def test_what_is_not_finite_is_a_gap(hole):
    y = [1.0, 2.0, hole, 3.0, 4.0]
    assert [len(s) for s in reduce_points(range(5), y, 100)] == [2, 2]
    (path,) = paths(chart_svg(chart(range(5), y)))
    assert path.count("M") == 2


def test_a_gap_in_a_long_curve_stays_a_gap():
    y = [float(i) for i in range(10_000)]
    y[5_000] = math.nan
    assert len(reduce_points(range(10_000), y, 100)) == 2


def test_a_single_point_is_a_dot():
    (dot,) = paths(chart_svg(chart([3], [1.0])))
    assert dot.endswith("h0")


def test_nothing_to_draw_is_said():
    assert "no finite values" in texts(chart_svg(chart([0, 1], [math.nan, math.inf])))
    assert "no values yet" in texts(chart_svg(chart([], [])))
    assert "no values yet" in texts(chart_svg(Chart("a", "a", "step", ())))


def test_an_x_that_goes_back_is_drawn_in_the_order_logged():
    x = [math.cos(i / 100) for i in range(2000)]
    y = [math.sin(i / 100) for i in range(2000)]
    (segment,) = reduce_points(x, y, 50)
    assert segment[0] == (x[0], y[0])
    assert len(segment) > 50


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 2000], ["0", "1000", "2000"]),
        ([0.0, 1.0], ["0", "0.5", "1"]),
        ([0, 20_000], ["0", "10k", "20k"]),
        ([0, 1999], ["0", "500", "1000", "1500"]),
        ([0, 1e-6], ["0", "5e-7", "1e-6"]),
        ([-1e308, 1.7e308], ["-1e308", "0", "1e308"]),
    ],
)
def test_ticks_stand_at_round_numbers(values, labels):
    assert [label for _, label in make_axis(values).ticks] == labels


@given(st.floats(-1e300, 1e300), st.floats(1e-3, 1e6))
def test_an_axis_has_a_few_ticks_in_range_and_no_label_twice(low, span):
    axis = make_axis([low, low + span])
    assert len(axis.ticks) <= 7
    assert all(axis.low <= value <= axis.high for value, _ in axis.ticks)
    labels = [label for _, label in axis.ticks]
    assert len(set(labels)) == len(labels)


def test_steps_have_whole_ticks():
    ticks = make_axis([0, 1, 2, 3], whole=True).ticks
    assert all(value == int(value) for value, _ in ticks)


def test_thinning_keeps_corners():
    line = [(float(i), 0.0) for i in range(50)] + [(50.0, 9.0), (51.0, 0.0)]
    assert thin_out(line, 0.3) == [(0.0, 0.0), (49.0, 0.0), (50.0, 9.0), (51.0, 0.0)]


def test_a_picture_is_small_and_always_the_same():
    noise = random.Random(0)
    x = list(range(5_000))
    smooth = chart(x, [math.exp(-i / 900) for i in x])
    rough = chart(x, [noise.gauss(0, 1) for _ in x])
    assert len(base64.b64encode(chart_svg(smooth).encode())) <= 1_550
    assert len(base64.b64encode(chart_svg(rough).encode())) <= 2_550
    assert chart_svg(rough) == chart_svg(rough)


def test_eight_overlaid_curves_stay_compact():
    noise = random.Random(0)
    x = list(range(5_000))
    curves = tuple(
        Curve(str(i), x, [noise.gauss(i, 1) for _ in x], PALETTE[i]) for i in range(8)
    )
    svg = chart_svg(Chart("k", "k", "step", curves))
    assert len(svg) <= 7_000
    assert all(color in svg for color in PALETTE)


def test_grid_and_labels_stand_on_whole_pixels():
    svg = chart_svg(chart([0, 1, 2], [0.1, 0.7, 0.3]))
    assert not re.findall(r'<text [^>]*"-?\d+\.\d', svg)
    assert "." not in re.findall(r'<path d="([^"]*)"', svg)[0]


def test_a_ground_that_is_known_gets_text_of_its_own_colours():
    svg = chart_svg(chart([0, 1], [1, 2]), ink="#111111", grey="#555555")
    assert 'font-weight="600" fill="#111111"' in svg
    assert 'fill="#555555"' in svg
