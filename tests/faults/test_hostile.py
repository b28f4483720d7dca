"""Values, names and secrets as an enemy, or a tired person, would choose them."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from datetime import datetime, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from audit import HOSTILE, Audit
from hypothesis import given
from hypothesis import strategies as st

import nbtrack
from nbtrack import errors


def open_run(**options):
    return nbtrack.init(view="off", reinit="create_new", **{"project": "p"} | options)


def rows_of(run):
    return [
        {key: value for key, value in row.items() if key[:1] != "_"}
        for row in nbtrack.Api().run(f"{run.project}/{run.id}").scan_history()
    ]


def same(found, wanted):
    """Say whether two values are the same to the last bit and of one type."""
    if isinstance(wanted, float):
        return type(found) is float and found.hex() == wanted.hex()
    if type(wanted) is int and type(found) is float:
        return found == wanted  # among floats of its key a small integer is one, too
    return type(found) is type(wanted) and found == wanted


# -- 32, 33: values and keys ---------------------------------------------------------

ODD_NUMBERS = [
    *(math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, 1.7976931348623157e308),
    *(2**53 + 1, -(2**53) - 1, 2**63, 2**64, 10**30, 0.1, 1 / 3, True, False, None),
    *("", "nan", "2026-01-01", "null", "🦊", "a\nb", "\x00"),
]


@pytest.mark.parametrize("is_finished", [True, False])
def test_fault_32_odd_numbers_come_back_to_the_last_bit(is_finished):
    run = open_run()
    for value in ODD_NUMBERS:
        run.log({"v": value})
    if is_finished:
        run.finish()
    found = rows_of(run)
    assert len(found) == len(ODD_NUMBERS)
    for row, value in zip(found, ODD_NUMBERS, strict=True):
        assert same(row["v"], value), (row, value)


@given(st.lists(st.one_of(st.floats(), st.integers(), st.booleans()), max_size=30))
def test_fault_32_any_numbers_come_back_to_the_last_bit(tmp_path_factory, numbers):
    run = open_run(dir=tmp_path_factory.mktemp("runs"))
    for number in numbers:
        run.log({"v": number})
    run.log({"other": 1})
    run.finish()
    stored = nbtrack.Api(Path(run.dir).parents[1]).run(run.id)
    *rows, last = stored.scan_history()
    assert "v" not in last, "missing is not NaN"
    for row, number in zip(rows, numbers, strict=True):
        assert same(row["v"], number)


def test_fault_32_numbers_of_other_libraries_come_back_as_numbers():
    given_ = {
        "np.float32": (np.float32(0.5), 0.5),
        "np.float16": (np.float16(0.25), 0.25),
        "np.int8": (np.int8(-7), -7),
        "np.uint64": (np.uint64(2**64 - 1), 2**64 - 1),
        "np.bool": (np.bool_(True), True),
        "np.nan": (np.float64("nan"), math.nan),
        "np.array": (np.array([1.5]), 1.5),
        "Decimal": (Decimal("0.25"), 0.25),
        "Fraction": (Fraction(1, 4), 0.25),
        "datetime": (
            datetime(2026, 1, 2, tzinfo=timezone.utc),
            "2026-01-02T00:00:00+00:00",
        ),
    }
    run = open_run()
    run.log({key: value for key, (value, _) in given_.items()})
    run.finish()
    (row,) = rows_of(run)
    for key, (_, wanted) in given_.items():
        assert same(row[key], wanted), (key, row[key])
    assert not len(run.faults), run.faults


ODD_KEYS = [
    *("", " ", "a.b", "a/b", "Loss", "loss", "LOSS", "🦊", "a#text", "a#text#text"),
    *(
        "..",
        "../../x",
        "C:\\x",
        "a\nb",
        "a\tb",
        "\x00",
        "n:a",
        "t:a",
        "index",
        "i" * 500,
    ),
    *("\u202e", "\u00e9", "e\u0301", "%41", "'", '"', "`", "$gt", "-", "0"),
]


@pytest.mark.parametrize("is_finished", [True, False])
def test_fault_33_any_text_is_a_key_and_case_is_kept(is_finished):
    run = open_run()
    with pytest.warns(errors.NbtrackWarning, match="differ only in case"):
        run.log({key: float(at) for at, key in enumerate(ODD_KEYS)})
    run.log({"\ud800": 1})
    if is_finished:
        run.finish()
    first, second = rows_of(run)
    assert first == {key: float(at) for at, key in enumerate(ODD_KEYS)}
    assert second == {"\\ud800": 1}
    stored = nbtrack.Api().run(run.id)
    assert stored.history_keys == [*ODD_KEYS, "\\ud800"]
    assert list(stored.history(keys=["loss"])["loss"]) == [ODD_KEYS.index("loss")]
    assert {fault.kind for fault in run.faults} == {"value"}


# -- 34: names -----------------------------------------------------------------------

NAMES = [
    *("../../x", "/abs", "a\0b", "x" * 300, "CON", "nul.txt", "a:b", ".", "..", " "),
    *("trailing. ", "\\\\host\\share", "~", "$(touch x)", "-rf", "%2e%2e", "runs"),
]


@pytest.mark.parametrize("name", NAMES)
def test_fault_34_a_projects_name_is_data_and_never_a_path(tmp_path, name):
    before = {
        path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents
    }
    run = open_run(project=name)
    run.log({"i": 1})
    run.finish()
    inside = Path(run.dir).resolve()
    assert inside.relative_to(tmp_path / "nbruns").parts[1:] == (run.id,)
    assert not set(inside.parent.name) & set('/\\:*?"<>|\0')
    assert nbtrack.Api().run(run.id).project == name
    assert nbtrack.Api().projects() == [name]
    after = {
        path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents
    }
    assert after == before, "nothing was made outside"


@pytest.mark.parametrize(
    "run_id", ["../x", "/abs", "a/b", "", ".", "a b", "x" * 65, "é"]
)
def test_fault_34_an_id_that_is_no_plain_word_is_refused(run_id):
    with pytest.raises(ValueError, match="an id has 1 to 64"):
        open_run(id=run_id)
    with pytest.raises(LookupError):
        nbtrack.Api().run(f"p/{run_id}")
    assert not Path("nbruns").exists()


@pytest.mark.parametrize(
    "path", ["p/../../etc", "../../p", "/p/r/..", "p/./x", "p/r\0"]
)
def test_fault_34_a_path_that_is_asked_for_leads_to_runs_only(path):
    open_run(id="r").finish()
    with pytest.raises(LookupError):
        nbtrack.Api().run(path)


# -- 38, 39: what is shown -----------------------------------------------------------


def shown():
    """Give every page that Python makes of the runs of a project."""
    api = nbtrack.Api()
    yield nbtrack.runs()._repr_mimebundle_()
    yield nbtrack.compare(*api.runs())._repr_mimebundle_()
    for run in api.runs():
        yield run._repr_mimebundle_()


@pytest.mark.parametrize("evil", HOSTILE)
def test_fault_38_markup_in_names_keys_and_values_is_text_on_every_page(evil):
    """What the browser makes of it is in ``tests/browser/test_live.py``."""
    told = evil.encode("utf-8", "replace").decode().replace("\0", "")
    for _ in range(2):
        run = open_run(
            project=told,
            name=told.strip()[:128],
            tags=[evil],
            notes=evil,
            group=evil,
            config={evil: evil, "nested": {evil: [evil]}},
        )
        run.log({evil: 1.5, "text": evil})
        run.log({evil: 2.5, "text": evil})
        run.summary[f"set {evil}"] = evil
        run.finish()
    for page in shown():
        Audit(page["text/html"])
        assert "\ud800" not in page["text/plain"]


CONTROL = "\x1b[31mred\x1b]0;title\x07\x9b2J\r\x08\x7f\u202e"


def test_fault_39_control_characters_do_not_reach_a_terminal():
    with pytest.raises(ValueError, match="control"):
        open_run(name=CONTROL)
    run = open_run(project=f"p{CONTROL}", tags=[CONTROL], notes=CONTROL)
    run.config[f"c{CONTROL}"] = CONTROL
    run.log({f"k{CONTROL}": CONTROL, f"n{CONTROL}": 1.5})
    run.finish()
    for page in shown():
        left = re.sub(r"[\n\t]", "", page["text/plain"])
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", left), repr(left)


# -- 40: secrets ---------------------------------------------------------------------

SECRETIVE = """
import argparse
import nbtrack

options = argparse.Namespace(lr=0.1, api_key="canary-1-config")
run = nbtrack.init(project="p", view="off", config=options)
run.config.db = {"password": "canary-2-nested", "user": "me"}
run.config["note"] = "sk-canary3canary3canary3"
run.config["hub"] = "hf_canary4canary4canary4"
run.config.update({"AWS_SECRET": "canary-5-update", "list_of_token": ["canary-6-list"]})
run.log({"loss": 0.5})
print("login sk-canary7canary7canary7 done")
run.finish()
"""


def test_fault_40_secrets_of_a_script_are_nowhere_in_its_run(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SECRETIVE)
    subprocess.run(
        [sys.executable, str(script), "--token=canary-8-argv"],
        env={"PATH": "/bin", "SECRET_TOKEN": "canary-9-env", "PYTHONPATH": _path()},
        check=True,
        capture_output=True,
    )
    everything = [
        path.read_bytes() for path in Path("nbruns").rglob("*") if path.is_file()
    ]
    assert len(everything) >= 4
    found = re.findall(rb"canary[\w-]*", b"\n".join(everything))
    assert found == []
    (run,) = nbtrack.Api().runs("p")
    assert run.config["lr"] == 0.1
    assert run.config["api_key"] == run.config["db"]["password"] == "<redacted>"
    assert run.config["db"]["user"] == "me"
    assert run.console("out") == "login <redacted> done"


def _path():
    return str(Path(nbtrack.__file__).parents[1])
