"""Section D of what each call means: summary and config, also of stored runs."""

from __future__ import annotations

import enum
import json
import os
import signal
import sys
import types
from argparse import Namespace
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from recorded import document, python, records, rows, start_python, stored

import nbtrack
from nbtrack import errors


def finished(**options):
    run = nbtrack.init(project="p", reinit="create_new", **options)
    run.log({"loss": 0.5, "c.d": 1})
    run.finish()
    return run


# -- D1 --------------------------------------------------------------------------------


def test_D1_the_summary_is_the_last_logged_value():
    run = nbtrack.init(project="p")
    for value in (3, None, 2, None):
        run.log({"a": value})
    assert run.summary["a"] == run.summary.a == 2
    assert run.summary.get("nothing", 7) == 7
    with pytest.raises(KeyError):
        run.summary["nothing"]
    with pytest.raises(AttributeError, match="summary has no 'nothing'; it has: a"):
        run.summary.nothing  # noqa: B018


def test_D1_values_are_set_updated_and_deleted():
    run = nbtrack.init(project="p")
    run.log({"a": 1, "b": 2})
    run.summary["x"] = {"y": 1}
    run.summary["x"]["z"] = 2
    run.summary.x.w = 3
    run.summary.update({"a": 9}, more=[1])
    run.summary.update()
    del run.summary["b"]
    del run.summary["x"]["y"]
    del run.summary.more
    run.finish()
    assert dict(stored(run).summary) == {"a": 9, "x": {"z": 2, "w": 3}}


def test_D1_a_value_set_by_hand_wins_until_it_is_deleted():
    run = nbtrack.init(project="p")
    run.log({"best": 0.1})
    run.summary["best"] = 0.9
    run.log({"best": 0.2})
    assert run.summary["best"] == 0.9
    del run.summary["best"]
    assert "best" not in run.summary
    run.log({"best": 0.3})
    assert run.summary["best"] == 0.3


def test_D1_keys_that_were_logged_nested_are_found_nested():
    run = nbtrack.init(project="p")
    run.log({"c": {"d": 1, "e": {"f": 2}}, "g.h": 3})
    summary = run.summary
    assert summary["c.d"] == summary["c"]["d"] == summary.c.d == 1
    assert summary["c"]["e"]["f"] == summary.c.e.f == summary["c.e.f"] == 2
    assert summary.g.h == 3
    assert "c" in summary
    assert list(summary) == ["c.d", "c.e.f", "g.h"]
    summary["c"]["d"] = 5
    assert summary["c.d"] == 5
    del summary["c"]["e"]["f"]
    assert list(summary) == ["c.d", "g.h"]
    summary["c"]["new"] = 6
    assert dict(summary["c"]) == {"d": 5, "new": 6}
    run.finish()
    read = stored(run).summary
    assert (read["c.d"], read["c"]["d"], read.c.new, read.g.h) == (5, 5, 6, 3)


def test_D1_statistics_are_found_nested_too():
    run = nbtrack.init(project="p")
    run.define_metric("val.*", summary="min,max")
    for value in (2, 1):
        run.log({"val": {"loss": value}})
    assert run.summary.val.loss.min == 1
    assert run.summary["val"]["loss"] == {"min": 1, "max": 2}


# -- D2 --------------------------------------------------------------------------------


def test_D2_an_array_in_the_summary_is_kept_whole():
    array = np.random.default_rng(0).random((50, 20))
    array[0, 0] = np.nan
    run = nbtrack.init(project="p")
    run.summary["weights"] = array
    shown = dict(run.summary["weights"])
    finite = array[~np.isnan(array)]
    assert shown.pop("path").startswith("media/")
    assert (shown.pop("_type"), shown.pop("dtype")) == ("numpy.ndarray", "float64")
    assert shown.pop("shape") == [50, 20]
    percentiles = {f"p{q}": np.percentile(finite, q) for q in (5, 25, 50, 75, 95)}
    assert shown == pytest.approx(
        {
            "min": finite.min(),
            "max": finite.max(),
            "mean": finite.mean(),
            "var": finite.var(),
            "std": finite.std(),
            **percentiles,
        }
    )
    run.finish()
    read = stored(run).summary["weights"]
    np.testing.assert_array_equal(stored(run).array(read), array)
    np.testing.assert_array_equal(np.asarray(read), array)
    assert np.asarray(read, dtype="float32").dtype == np.float32
    assert json.loads(json.dumps(read))["shape"] == [50, 20]


@pytest.mark.parametrize(
    ("module", "name"),
    [("torch", "torch.Tensor"), ("tensorflow.python", "tensorflow.Tensor")],
)
def test_D2_tensors_are_named_after_their_library(module, name):
    class Tensor:
        shape = (3,)
        dtype = "float32"

        def numpy(self):
            return np.arange(3, dtype="float32")

    Tensor.__module__ = module
    run = nbtrack.init(project="p")
    run.summary["t"] = {"inner": Tensor()}
    assert run.summary["t"]["inner"]["_type"] == name
    assert stored(run).array(dict(run.summary["t"]["inner"])).tolist() == [0, 1, 2]


def test_D2_one_number_is_a_number_and_nothing_but_nan_has_no_statistics():
    run = nbtrack.init(project="p")
    run.summary.update({"one": np.array([0.5]), "f": np.float32(2), "b": np.bool_(1)})
    run.summary["nan"] = np.full(4, np.nan)
    run.summary["inf"] = np.array([1.0, np.inf])
    assert (run.summary["one"], run.summary["f"], run.summary["b"]) == (0.5, 2.0, True)
    assert run.summary["nan"]["mean"] is None
    assert run.summary["inf"]["max"] == np.inf


def test_D2_an_array_that_cannot_be_stored_keeps_its_statistics():
    run = nbtrack.init(project="p")
    Path(run.dir, "media").write_text("in the way")
    with pytest.warns(errors.NbtrackWarning, match="cannot be stored"):
        run.summary["w"] = np.arange(10.0)
    assert (run.summary["w"]["path"], run.summary["w"]["max"]) == (None, 9.0)


# -- D3 --------------------------------------------------------------------------------


def failed():
    run = nbtrack.init(project="p")
    run.log({"loss": 0.5, "c.d": 1})
    run.finish(exit_code=1)
    return run


def killed():
    with pytest.raises(KeyboardInterrupt), nbtrack.init(project="p") as run:
        run.log({"loss": 0.5, "c.d": 1})
        raise KeyboardInterrupt
    return run


def crashed():
    code = (
        "import nbtrack, os\n"
        "nbtrack.init(project='p').log({'loss': 0.5, 'c.d': 1})\n"
        "os._exit(1)"
    )
    python(code)
    return nbtrack.Api().runs("p")[0]


@pytest.mark.parametrize("make", [finished, failed, killed, crashed])
def test_D3_a_summary_is_edited_after_the_run(make):
    run = make()
    edited = stored(run)
    state = edited.state
    edited.summary["accuracy"] = 0.9
    edited.summary.update({"loss": 0.1}, note="by hand")
    summary = edited.summary
    summary["n"] = {"a": 1}
    summary["n"]["b"] = 2
    summary.c.d = 5
    del summary["note"]
    wanted = {"loss": 0.1, "c.d": 5, "accuracy": 0.9, "n": {"a": 1, "b": 2}}
    assert dict(summary) == wanted
    assert dict(stored(run).summary) == wanted
    assert stored(run).state == state
    Path(run.dir, "summary.json").unlink(missing_ok=True)
    assert dict(stored(run).summary) == wanted, "the journal knows as much"
    assert stored(run).history()["loss"].tolist() == [0.5]
    again = nbtrack.init(project="p", id=run.id, resume="must")
    assert again.summary == wanted


def test_D3_a_dicts_own_methods_are_saved_as_well():
    run = finished()
    summary = stored(run).summary
    summary.setdefault("a", 1)
    summary |= {"b": 2}
    assert summary.pop("loss") == 0.5
    assert summary.get("c") == {"d": 1}
    assert summary.get("nothing") is None
    assert isinstance(summary, dict)
    assert dict(stored(run).summary) == {"c.d": 1, "a": 1, "b": 2}
    summary.clear()
    assert dict(stored(run).summary) == {}


def test_S46_the_documents_edit_works_verbatim():
    run = finished()
    run = nbtrack.Api().run(run.path)
    run.summary["tensor"] = array = np.random.random(1000)  # noqa: NPY002
    run.summary.update()
    again = nbtrack.Api().run("/".join(run.path))
    assert np.array_equal(again.array(again.summary["tensor"]), array)
    assert again.summary["tensor"]["_type"] == "numpy.ndarray"


def test_D3_config_tags_notes_name_and_group_are_edited_after_the_run():
    run = finished(config={"lr": 1, "n": {"a": 1}}, tags=["t"], settings=ALLOWS)
    run.finish()
    edited = stored(run)
    edited.config["lr"] = np.float32(0.5)
    edited.config["n"]["b"] = 2
    edited.config["api_key"] = "abc"
    edited.tags.append("baseline")
    edited.notes, edited.name, edited.group = "why", "better", "g"
    edited.update()
    read = stored(run)
    assert read.config == {"lr": 0.5, "n": {"a": 1, "b": 2}, "api_key": "<redacted>"}
    assert (read.tags, read.notes) == (["t", "baseline"], "why")
    assert (read.name, read.group) == ("better", "g")
    assert [event["key"] for event in records(run, "config")] == [
        "lr",
        "n.b",
        "api_key",
    ]
    edited.tags = "only"
    edited.update()
    assert (stored(run).tags, edited.config["lr"]) == (["only"], 0.5)
    with pytest.raises(ValueError, match="1 to 128"):
        edited.name = ""


ALLOWS = {"allow_secrets": "hf_token"}


def test_D3_an_edit_leaves_secrets_that_were_allowed():
    run = finished(config={"hf_token": "mine", "lr": 1}, settings=ALLOWS)
    edited = stored(run)
    edited.config["lr"] = 2
    edited.update()
    assert stored(run).config == {"hf_token": "mine", "lr": 2}


def test_D3_update_without_a_change_writes_nothing():
    run = finished()
    before = {p: p.stat().st_mtime_ns for p in Path(run.dir).rglob("*")}
    edited = stored(run)
    assert edited.config == {}
    edited.update()
    edited.summary.update()
    assert {p: p.stat().st_mtime_ns for p in Path(run.dir).rglob("*")} == before


def test_D3_a_run_that_is_running_elsewhere_cannot_be_edited():
    code = (
        "import nbtrack\n"
        "run = nbtrack.init(project='p', id='far')\n"
        "run.log({'a': 1})\n"
        "print('up', flush=True)\n"
        "input()"
    )
    process = start_python(code)
    with process:
        process.stdout.readline()
        run = nbtrack.Api().run("p/far")
        assert run.read_only
        for edit in (run.update, lambda: run.summary.update(a=2)):
            with pytest.raises(
                errors.RunActiveError, match=f"being written by process {process.pid}"
            ):
                edit()
        process.send_signal(signal.SIGKILL)
    run = nbtrack.Api().run("p/far")
    assert not run.read_only
    run.summary.update(a=2)
    assert (run.state, dict(nbtrack.Api().run("p/far").summary)) == (
        "crashed",
        {"a": 2},
    )


def test_D3_an_edit_is_marked_in_the_journal():
    run = finished()
    stored(run).summary["a"] = 1
    assert [opening.get("role") for opening in records(run, "open")] == [None, "edit"]


# -- D4 --------------------------------------------------------------------------------


@dataclass
class Options:
    lr: float = 0.1
    inner: dict = field(default_factory=lambda: {"n": 1})


class Pydantic:
    """What a pydantic model looks like from outside."""

    def __init__(self):
        self._private = 1

    def model_dump(self):
        return {"lr": 0.1, "inner": {"n": 1}}


class Flags:
    """What ``absl.flags.FLAGS`` looks like from outside."""

    def flag_values_dict(self):
        return {"lr": 0.1, "inner": {"n": 1}}


class Plain:
    def __init__(self):
        self.lr, self.inner, self._hidden = 0.1, Namespace(n=1), 2


SOURCES = {
    "dict": {"lr": 0.1, "inner": {"n": 1}},
    "mapping": types.MappingProxyType({"lr": 0.1, "inner": {"n": 1}}),
    "namespace": Namespace(lr=0.1, inner={"n": 1}),
    "dataclass": Options(),
    "pydantic": Pydantic(),
    "absl": Flags(),
    "object": Plain(),
}


@pytest.mark.parametrize("name", SOURCES)
def test_D4_config_comes_from_what_people_have(name):
    run = nbtrack.init(project="p", config=SOURCES[name])
    assert run.config.as_dict() == {"lr": 0.1, "inner": {"n": 1}}
    run.config.update(SOURCES[name])
    run.config.nested = SOURCES[name]
    if name != "object":  # inside a config, an object is a value
        assert run.config.nested.inner.n == 1


class DictConfig(MutableMapping):
    """What OmegaConf's looks like: items that are missing raise."""

    def __getitem__(self, key):
        raise RuntimeError(key)

    __setitem__ = __delitem__ = __getitem__

    def __iter__(self):
        return iter(["lr"])

    def __len__(self):
        return 1


def test_D4_omegaconf_is_resolved(monkeypatch):
    library = types.ModuleType("omegaconf")
    library.OmegaConf = types.SimpleNamespace(
        to_container=lambda _, resolve: {"lr": 0.1, "missing": "???", "by": resolve}
    )
    monkeypatch.setitem(sys.modules, "omegaconf", library)
    monkeypatch.setattr(DictConfig, "__module__", "omegaconf.dictconfig")
    run = nbtrack.init(project="p", config=DictConfig())
    assert run.config.as_dict() == {"lr": 0.1, "missing": "???", "by": True}


FILES = {
    "c.yaml": "lr: 0.1\ninner: {n: 1}\n",
    "c.yml": "wandb_version: 1\nlr:\n  desc: x\n  value: 0.1\ninner: {value: {n: 1}}",
    "c.json": '{"lr": 0.1, "inner": {"n": 1}}',
    "w.json": '{"lr": {"value": 0.1}, "inner": {"value": {"n": 1}}, "_wandb": {}}',
}


@pytest.mark.parametrize("name", FILES)
def test_D4_config_comes_from_a_file_in_either_form(name, tmp_path):
    (tmp_path / name).write_text(FILES[name])
    run = nbtrack.init(project="p", config=tmp_path / name)
    assert run.config.as_dict() == {"lr": 0.1, "inner": {"n": 1}}


def test_D4_what_is_no_source_is_refused(tmp_path):
    (tmp_path / "list.json").write_text("[1]")
    for source, error in (
        (3, TypeError),
        ("list.json", TypeError),
        ("no.yaml", OSError),
    ):
        with pytest.raises(error):
            nbtrack.init(project="p", config=source)


def test_D4_a_config_is_a_nested_mapping():
    run = nbtrack.init(project="p", config={"a": {"b": 1}, "lr": 0.1})
    config = run.config
    assert config.a.b == config["a"]["b"] == 1
    assert (config.get("lr"), config.get("x", 5), list(config.keys())) == (
        0.1,
        5,
        ["a", "lr"],
    )
    config["a"]["c"] = 2
    config.setdefaults({"lr": 9, "new": 1})
    config.update({"m": 1}, n=2)
    wanted = {"a": {"b": 1, "c": 2}, "lr": 0.1, "new": 1, "m": 1, "n": 2}
    assert config.as_dict() == document(run, "config.json") == wanted
    with pytest.raises(AttributeError, match="config has no 'x'"):
        config.x  # noqa: B018
    with pytest.raises(KeyError):
        config["x"]


class Color(enum.Enum):
    RED = 1


def test_D4_values_are_normalised_and_odd_ones_kept_as_text_with_one_note(tmp_path):
    with pytest.warns(errors.NbtrackWarning, match="So are 2 more") as warned:
        run = nbtrack.init(
            project="p",
            config={
                "np": np.float32(0.5),
                "array": np.arange(3),
                "set": {1},
                "tuple": (1, 2),
                "path": tmp_path,
                "function": os.path.join,
                "type": dict,
                "complex": 1 + 2j,
                "enum": Color.RED,
                "object": object(),
            },
        )
    assert len(warned) == 1
    assert [fault.kind for fault in run.faults] == ["config"]
    config = run.config.as_dict()
    assert {k: config[k] for k in ("np", "array", "set", "tuple")} == {
        "np": 0.5,
        "array": [0, 1, 2],
        "set": [1],
        "tuple": [1, 2],
    }
    assert config["path"] == str(tmp_path)
    assert config["function"].endswith(".join")
    assert (config["type"], config["complex"]) == ("builtins.dict", "(1+2j)")
    assert config["enum"] == "Color.RED"
    run.config.more = object()
    assert len(list(run.faults)) == 1


# -- D5 --------------------------------------------------------------------------------


def test_D5_a_changed_value_is_recorded_with_old_and_new():
    run = nbtrack.init(project="p", config={"lr": 1, "n": {"a": 1}})
    run.config.lr = 2
    run.config.n.a = 2
    run.config.update({"lr": 3}, allow_val_change=True)
    run.config.lr = 3
    assert records(run, "config") == [
        {"key": "lr", "old": 1, "new": 2},
        {"key": "n.a", "old": 1, "new": 2},
        {"key": "lr", "old": 2, "new": 3},
    ]


def test_D5_strict_mode_wants_to_be_told():
    run = nbtrack.init(project="p", config={"lr": 1, "n": {"a": 1}}, strict=True)
    run.config.lr = 1
    run.config.new = 1
    for change in (
        lambda: setattr(run.config, "lr", 2),
        lambda: run.config.update({"lr": 2}),
        lambda: run.config.n.update(a=2),
        lambda: run.config.pop("lr"),
    ):
        with pytest.raises(errors.ConfigError, match="allow_val_change=True"):
            change()
    assert run.config.as_dict() == {"lr": 1, "n": {"a": 1}, "new": 1}
    run.config.update({"lr": 2}, allow_val_change=True)
    run.finish()
    allowed = nbtrack.init(
        project="p", config={"lr": 1}, strict=True, allow_val_change=True
    )
    allowed.config.lr = 2
    assert allowed.config.lr == 2


# -- D6 --------------------------------------------------------------------------------

SECRETS = {
    "api_key": "s3cr3t-1",
    "hfToken": "s3cr3t-2",
    "db-password": "s3cr3t-3",
    "Authorization": "s3cr3t-4",
    "services": [{"name": "a", "client_secret": "s3cr3t-5"}],
    "credentials": {"user": "s3cr3t-6", "inner": {"x": "s3cr3t-7"}},
    "url": "postgres://me:s3cr3t-8@host/db",
    "index": "https://s3cr3t-9@pypi.example/simple",
    "header": "Bearer s3cr3t-0abcdefghij",
    "free": "sk-s3cr3tabcdefghijkl",
}
HARMLESS = {
    "key_dim": 64,
    "max_tokens": 512,
    "tokenizer": "bpe",
    "monkey": "see",
    "token": 7,
    "docs": "https://example.org/a@b",
    "repo": "git@github.com:me/x.git",
}


def everything_in(directory):
    return b"".join(p.read_bytes() for p in Path(directory).rglob("*") if p.is_file())


def test_D6_what_looks_like_a_secret_is_nowhere_on_disk():
    run = nbtrack.init(project="p", config=SECRETS | HARMLESS)
    run.config.update({"later": {"password": "s3cr3t-a"}})
    run.config.api_key = "s3cr3t-b"
    run.finish()
    assert b"s3cr3t" not in everything_in(run.dir)
    config = stored(run).config
    assert {key: config[key] for key in HARMLESS} == HARMLESS
    assert config["url"] == "postgres://<redacted>@host/db"
    assert config["services"] == [{"name": "a", "client_secret": "<redacted>"}]
    assert config["api_key"] == "<redacted>"


@pytest.mark.parametrize(
    "allowed", ["api_key, free", ("api_key", "free"), ["api_key", "free"]]
)
def test_D6_names_can_be_allowed(allowed):
    secrets = {key: SECRETS[key] for key in ("api_key", "free", "hfToken")}
    run = nbtrack.init(project="p", config=secrets, settings={"allow_secrets": allowed})
    run.config.n = {"api_key": "x"}
    assert run.config.as_dict() == {
        **secrets,
        "hfToken": "<redacted>",
        "n": {"api_key": "x"},
    }


def test_D6_names_can_be_allowed_in_the_environment(monkeypatch):
    monkeypatch.setenv("NBTRACK_ALLOW_SECRETS", "sort_key")
    run = nbtrack.init(project="p", config={"sort_key": "size"})
    assert run.config.sort_key == "size"
    assert rows(run) == []
