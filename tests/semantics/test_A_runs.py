"""Section A of what each call means: a run, from ``init`` to ``finish``."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded import document, python, records, rows, start_python, stored

import nbtrack
from nbtrack import _session, errors
from nbtrack.settings import NAMES

# -- A1: init, and module-level calls --------------------------------------------------

MODULE_CALLS = {
    "log": lambda: nbtrack.log({"a": 1}),
    "config": lambda: nbtrack.config,
    "summary": lambda: nbtrack.summary,
    "define_metric": lambda: nbtrack.define_metric("a"),
    "save": lambda: nbtrack.save("*.txt"),
    "watch": lambda: nbtrack.watch(object()),
    "log_artifact": lambda: nbtrack.log_artifact("x"),
    "use_artifact": lambda: nbtrack.use_artifact("x:latest"),
    "alert": lambda: nbtrack.alert("title"),
}


@pytest.mark.parametrize("name", MODULE_CALLS)
def test_A1_before_init_every_module_level_call_says_to_call_init(name):
    with pytest.raises(errors.NotInitializedError, match=rf"nbtrack\.{name} needs a"):
        MODULE_CALLS[name]()


def test_A1_finish_before_init_does_nothing():
    nbtrack.finish()
    assert nbtrack.run is None


def test_A1_init_makes_the_directory_and_sets_the_current_run():
    run = nbtrack.init(
        project="p",
        name="n",
        id="i",
        config={"lr": 1},
        tags=["t"],
        notes="w",
        group="g",
        job_type="train",
        dir="elsewhere",
        save_code=True,
        settings={"quiet": True},
    )
    assert nbtrack.run is run
    assert Path(run.dir) == Path("elsewhere/p/i").absolute()
    told = document(run)
    assert {k: told[k] for k in ("name", "tags", "notes", "group", "job_type")} == {
        "name": "n",
        "tags": ["t"],
        "notes": "w",
        "group": "g",
        "job_type": "train",
    }


def test_A1_module_level_calls_act_on_the_current_run(tmp_path):
    run = nbtrack.init(project="p")
    nbtrack.log({"a": 1})
    nbtrack.config.lr = 2
    nbtrack.summary["best"] = 3
    nbtrack.define_metric("a", summary="max")
    nbtrack.alert("loss is NaN", level="WARN")
    (tmp_path / "notes.txt").write_text("hello")
    (saved,) = nbtrack.save("notes.txt")
    nbtrack.finish()
    assert Path(saved).read_text() == "hello"
    assert stored(run).summary == {"a": {"max": 1}, "best": 3}
    assert document(run, "config.json") == {"lr": 2}


@pytest.mark.parametrize("name", ["log_artifact", "use_artifact"])
def test_A1_what_is_not_in_this_version_says_so(name):
    nbtrack.init(project="p")
    with pytest.raises(NotImplementedError, match="not in this version"):
        getattr(nbtrack, name)("x")


# -- A1: save --------------------------------------------------------------------------


def test_A1_save_keeps_the_structure_below_the_working_directory(tmp_path):
    for name in ("a/one.txt", "a/b/two.txt", "a/b/three.bin"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    run = nbtrack.init(project="p")
    saved = run.save("a/**/*.txt", policy="now")
    files = Path(run.dir, "files")
    assert sorted(saved) == [str(files / "a/b/two.txt"), str(files / "a/one.txt")]
    assert (files / "a/b/two.txt").read_text() == "a/b/two.txt"
    assert run.save(tmp_path / "a/b/three.bin", base_path=tmp_path / "a") == [
        str(files / "b/three.bin")
    ]


def test_A1_save_of_an_absolute_path_keeps_one_directory_and_says_so(tmp_path):
    path = tmp_path / "deep/models/m.pt"
    path.parent.mkdir(parents=True)
    path.write_text("m")
    run = nbtrack.init(project="p")
    with pytest.warns(errors.NbtrackWarning, match="one directory is kept"):
        saved = run.save(str(path))
    assert saved == [str(Path(run.dir, "files/models/m.pt"))]


def test_A1_save_policies_say_when(tmp_path):
    source = tmp_path / "model.txt"
    source.write_text("1")
    runs = {}
    for policy in ("now", "live", "end"):
        runs[policy] = nbtrack.init(project="p", id=policy, reinit="create_new")
        runs[policy].save("model.txt", policy=policy)
    assert not Path(runs["end"].dir, "files/model.txt").exists()
    source.write_text("2")
    for run in runs.values():
        run.finish()
    assert {
        policy: Path(run.dir, "files/model.txt").read_text()
        for policy, run in runs.items()
    } == {"now": "1", "live": "2", "end": "2"}


def test_A1_save_never_leaves_its_place(tmp_path):
    (tmp_path / "secret.txt").write_text("s")
    work = tmp_path / "work"
    work.mkdir()
    os.chdir(work)
    (work / "link.txt").symlink_to(tmp_path / "secret.txt")
    run = nbtrack.init(project="p")
    with pytest.raises(ValueError, match="leads out of"):
        run.save("../secret.txt")
    with pytest.raises(ValueError, match="leads out of"):
        run.save("link.txt", base_path="elsewhere")
    with pytest.warns(errors.NbtrackWarning, match="is not kept"):
        assert run.save("*.txt") == []
    assert not list(Path(run.dir).rglob("*secret*"))
    with pytest.raises(ValueError, match="policy='later' is not one of"):
        run.save("*.txt", policy="later")


def test_A1_save_says_what_matches_nothing_and_what_cannot_be_read(tmp_path):
    run = nbtrack.init(project="p")
    with pytest.warns(errors.NbtrackWarning, match="matches no file"):
        assert run.save("*.nothing") == []
    with pytest.warns(errors.NbtrackWarning, match="only local files"):
        assert run.save("s3://bucket/key") == []
    (tmp_path / "gone.txt").write_text("x")
    run.save("gone.txt", policy="end")
    (tmp_path / "gone.txt").unlink()
    with pytest.warns(errors.NbtrackWarning, match="cannot keep"):
        run.finish()
    assert run.state == "finished"


def test_A1_save_takes_a_directory_but_not_the_run_itself(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x.txt").write_text("x")
    run = nbtrack.init(project="p")
    run.save("**", policy="now")
    run.save("**", policy="now")
    kept = [p for p in Path(run.dir, "files").rglob("*") if p.is_file()]
    assert kept == [Path(run.dir, "files/data/x.txt")]


# -- A1: alert -------------------------------------------------------------------------


def test_A1_alert_is_recorded_and_shown_once(monkeypatch, capsys):
    monkeypatch.delenv("NBTRACK_QUIET")
    run = nbtrack.init(project="p")
    assert "started" in capsys.readouterr().err
    run.alert("NaN", text="loss is NaN", level=nbtrack.AlertLevel.ERROR)
    run.alert("NaN", text="again")
    run.alert("NaN", text="at once", wait_duration=0)
    run.alert("other", level="warn")
    assert records(run, "alert") == [
        {"title": "NaN", "text": "loss is NaN", "level": "ERROR"},
        {"title": "NaN", "text": "at once", "level": "INFO"},
        {"title": "other", "text": "", "level": "WARN"},
    ]
    assert capsys.readouterr().err.splitlines() == [
        "nbtrack: ERROR NaN: loss is NaN",
        "nbtrack: INFO NaN: at once",
        "nbtrack: WARN other",
    ]
    with pytest.raises(ValueError, match="level='LOUD' is not one of"):
        run.alert("x", level="LOUD")


# -- A2: keywords ----------------------------------------------------------------------


def test_A2_an_unknown_keyword_names_the_nearest_known_one():
    with pytest.raises(TypeError, match="Did you mean 'project'"):
        nbtrack.init(projct="x")
    with pytest.raises(TypeError, match="Did you mean 'late_steps'"):
        nbtrack.init(settings={"late_step": "keep"})


def test_A2_keywords_of_wandb_are_ignored_with_one_quiet_note(monkeypatch, capsys):
    monkeypatch.delenv("NBTRACK_QUIET")
    monkeypatch.setattr(_session, "_told", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            run = nbtrack.init(
                project="p",
                entity="me",
                anonymous="allow",
                force=True,
                sync_tensorboard=True,
                settings={"start_method": "thread", "x_primary": True},
                reinit="create_new",
            )
    assert run.is_open
    said = [line for line in capsys.readouterr().err.splitlines() if "means" in line]
    assert said == [
        (
            "nbtrack: anonymous=, entity=, force=, start_method=, sync_tensorboard= "
            "means nothing without a server and is ignored"
        )
    ]


def test_A2_wandbs_settings_object_works_as_ours(monkeypatch):
    monkeypatch.setenv("NBTRACK_PROJECT", "from-environment")
    settings = nbtrack.Settings(strict=True, x_label="rank0", x_primary=True)
    run = nbtrack.init(settings=settings)
    assert run.project == "from-environment", "a default says nothing"
    assert records(run, "open")[0]["label"] == "rank0"


def test_A2_settings_of_wandbs_names_are_taken_or_ignored_with_one_note(
    monkeypatch, capsys
):
    monkeypatch.delenv("NBTRACK_QUIET")
    monkeypatch.setattr(_session, "_told", set())
    settings = nbtrack.Settings(
        start_method="thread",
        _disable_stats=True,
        x_stats_sampling_interval=3,
        strict=1,
    )
    assert (settings.system_s, settings.strict) == (3, 1)
    for _ in range(2):
        nbtrack.init(project="p", settings=settings, reinit="create_new")
    (said,) = [s for s in capsys.readouterr().err.splitlines() if "means" in s]
    assert "_disable_stats=, start_method= means nothing" in said
    assert nbtrack.Settings(silent=True).quiet
    assert replace(nbtrack.Settings(label="rank1"), quiet=True).label == "rank1"
    with pytest.raises(errors.UnknownOptionError, match="Did you mean 'late_steps'"):
        nbtrack.Settings(late_step="keep")
    nbtrack.init(
        project="p", settings=nbtrack.Settings(silent=True), reinit="create_new"
    )
    assert not capsys.readouterr().err


GIVEN = {
    "dir": "elsewhere",
    "project": "given",
    "mode": "offline",
    "view": "off",
    "sync": "always",
    "label": "rank7",
    "strict": True,
    "late_steps": "keep",
    "allow_val_change": True,
    "allow_secrets": ("api_key",),
    "capture": ("-code",),
    "save_code": False,
    "console": "off",
    "system_s": 7.0,
    "system_cores": True,
    "quiet": True,
}


def test_A2_every_setting_is_a_keyword_of_init():
    assert set(GIVEN) == set(NAMES)
    for name, value in GIVEN.items():
        run = nbtrack.init(**{name: value}, reinit="create_new")
        assert getattr(run._options, name) == value
        run.finish()


def test_A2_a_keyword_ranks_above_settings():
    for settings in ({"sync": "off"}, nbtrack.Settings(sync="off", late_steps="keep")):
        run = nbtrack.init(project="p", settings=settings, sync="always", console=None)
        assert run._options.sync == "always"
        run.finish()
    assert run._options.late_steps == "keep"
    with pytest.raises(errors.SettingError, match="sync='never' is not one of"):
        nbtrack.init(project="p", sync="never")
    with pytest.raises(TypeError, match=r"knows no 'synk'\. Did you mean 'sync'"):
        nbtrack.init(project="p", synk="always")


def test_A2_an_empty_project_is_refused(tmp_path):
    with pytest.raises(errors.SettingError, match="is empty"):
        nbtrack.init(project="")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["online", "disabled"])
def test_A2_config_keys_are_left_out_before_anything_is_stored(mode):
    config = {"lr": 0.1, "debug": object(), "depth": {"lr": 2, "debug": 3}}
    run = nbtrack.init(
        project="p", config=config, config_exclude_keys=["debug", "none"], mode=mode
    )
    assert run.config.as_dict() == {"lr": 0.1, "depth": {"lr": 2, "debug": 3}}
    assert not list(run.faults)
    run.finish()
    run = nbtrack.init(config=config, config_include_keys="lr", mode=mode)
    assert run.config.as_dict() == {"lr": 0.1}
    with pytest.raises(ValueError, match="cannot both be given"):
        nbtrack.init(config_include_keys=["a"], config_exclude_keys=["b"])


# -- A3: modes -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["online", "offline", "run", "dryrun"])
def test_A3_online_and_offline_both_record_locally(mode):
    run = nbtrack.init(project="p", mode=mode)
    run.log({"a": 1})
    assert rows(run) == [{"_step": 0, "a": 1}]


@pytest.mark.parametrize("name", ["NBTRACK_MODE", "WANDB_MODE"])
def test_A3_the_environment_chooses_the_mode(name, monkeypatch, tmp_path):
    monkeypatch.setenv(name, "disabled")
    assert nbtrack.init(project="p").disabled
    assert list(tmp_path.iterdir()) == []


def session_of(mode, tmp_path):
    """Do everything once; give what can be seen of it from inside."""
    (tmp_path / "x.txt").write_text("x")
    config = {"lr": 1, "n": {"a": 2}}
    with nbtrack.init(project="p", name="n", config=config, mode=mode) as run:
        run.define_metric("n.x", summary="min,best", goal="minimize")
        run.log({"n": {"x": np.float32(2.0)}, "s": "hi", "v": np.arange(3)})
        run.log({"n": {"x": 1.0}}, step=7)
        run.log({"a": [1, 2]}, commit=False)
        run.log({"big": np.arange(64.0)})
        run.config.n.b = 3
        run.summary["x"] = {"y": 1}
        run.alert("t")
        saved = run.save("x.txt")
        step = run.step
        run.log({"late": 1}, step=2)
    summary = dict(run.summary)
    big = summary.pop("big")
    return {
        "summary": {k: v if k != "x" else dict(v) for k, v in summary.items()},
        "big": sorted(big),
        "shape": big["shape"],
        "config": run.config.as_dict(),
        "saved": [Path(path).name for path in saved],
        "step": step,
        "faults": [(fault.kind, fault.count) for fault in run.faults],
        "state": run.state,
        "name": run.name,
    }


def test_A3_disabled_has_the_shape_of_a_real_run(tmp_path):
    with pytest.warns(errors.NbtrackWarning, match="came after step"):
        real = session_of("online", tmp_path)
    written = sorted(tmp_path.rglob("*"))
    with pytest.warns(errors.NbtrackWarning, match="came after step"):
        assert session_of("disabled", tmp_path) == real
    assert sorted(tmp_path.rglob("*")) == written
    with pytest.raises(errors.RunFinishedError):
        nbtrack.log({"a": 1})


def test_A3_disabled_refuses_what_a_real_run_refuses():
    run = nbtrack.init(project="p", mode="disabled")
    for call in (
        lambda: run.log(3),
        lambda: run.log({"a": 1}, step="x"),
        lambda: run.define_metric("a", summary="best"),
        lambda: run.save("*", policy="x"),
        lambda: run.alert("t", level="x"),
    ):
        with pytest.raises((TypeError, ValueError)):
            call()


def test_A3_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="mode='maybe' is not one of"):
        nbtrack.init(mode="maybe")


# -- mode="shared" ---------------------------------------------------------------------


def test_A3_shared_needs_an_id():
    with pytest.raises(ValueError, match='mode="shared" needs to know which run'):
        nbtrack.init(project="p", mode="shared")


SHARED = """
import sys, nbtrack
run = nbtrack.init(project="p", id="job", mode="shared", config={"lr": 1}, **OPTIONS)
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Rank:
    """A process that shares a run and does what it is told."""

    def __init__(self, rank, options=""):
        environ = {**os.environ, "RANK": str(rank)}
        code = SHARED.replace("OPTIONS", f"dict({options})")
        self.process = start_python(code, env=environ)

    def ready(self):
        assert self.process.stdout.readline() == "ready\n"

    def begin(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait(self):
        assert self.process.stdout.readline() == "done\n"

    def do(self, line):
        self.begin(line)
        self.wait()

    def end(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture
def ranks():
    started = []

    def start(*options):
        new = [Rank(len(started) + at, option) for at, option in enumerate(options)]
        started.extend(new)
        for rank in new:
            rank.ready()
        return new

    yield start
    for rank in started:
        rank.process.kill()
        rank.process.wait()
        rank.process.stdin.close()
        rank.process.stdout.close()


def test_A3_shared_processes_write_one_run_and_the_last_ends_it(ranks):
    one, two, three = ranks("", "", "")
    for number, rank in enumerate((one, two, three)):
        rank.do(f"run.log({{'loss': {number}, 'only/{number}': {number}}})")
        rank.do(f"run.log({{'loss': {number + 10}}}, step=5)")
    run = nbtrack.Api().run("p/job")
    labels = {opening["label"] for opening in records(run, "open")}
    assert labels == {"rank0", "rank1", "rank2"}
    one.end()
    two.do("run.finish()")
    assert document(run)["state"] == "running"
    assert nbtrack.Api().run("p/job").state == "running"
    assert not Path(run.dir, "summary.json").exists()
    three.end()
    assert document(run)["state"] == "finished"
    assert {f"only/{n}": n for n in range(3)}.items() <= document(
        run, "summary.json"
    ).items()
    frame = nbtrack.Api().run("p/job").history()
    assert sorted(set(frame["_step"])) == [0, 5]
    assert [frame[f"only/{n}"].max() for n in range(3)] == [0, 1, 2]


def test_A3_shared_fails_if_one_of_its_processes_does(ranks):
    one, two = ranks("", "")
    one.do("run.finish(exit_code=3)")
    two.end()
    run = nbtrack.Api().run("p/job")
    assert (run.state, run.metadata["exit_code"]) == ("failed", 3)


def test_A3_shared_joins_config_and_documents(ranks):
    one, two = ranks("", "")
    two.do("run.config.update({'lr': 1, 'workers': 4})")
    one.do("run.config.seed = 7")
    two.do("run.notes = 'by two'")
    one.do("run.tags = ['by one']")
    run = nbtrack.Api().run("p/job")
    assert run.config == {"lr": 1, "workers": 4, "seed": 7}
    assert (run.notes, run.tags) == ("by two", ["by one"])
    one.end()
    two.end()
    joiner = nbtrack.init(
        project="p", id="job", mode="shared", config={"lr": 2, "more": 1}, label="me"
    )
    assert [fault.kind for fault in joiner.faults] == ["config"]
    assert joiner.config.as_dict() == {"lr": 1, "workers": 4, "seed": 7, "more": 1}
    assert joiner.resumed
    assert records(joiner, "open")[-1]["label"] == "me"


def test_A3_shared_processes_that_change_the_config_at_once_lose_nothing(ranks):
    three = ranks("", "", "")
    for rank in three:
        rank.begin("for n in range(5): run.config[f'{run._options.label}/{n}'] = n")
    for rank in three:
        rank.wait()
    config = nbtrack.Api().run("p/job").config
    assert config == {"lr": 1} | {f"rank{r}/{n}": n for r in range(3) for n in range(5)}


def test_A3_a_shared_run_whose_last_process_is_killed_has_crashed(ranks):
    one, two = ranks("", "")
    one.end()
    two.process.send_signal(signal.SIGKILL)
    two.process.wait()
    assert nbtrack.Api().run("p/job").state == "crashed"


def test_A3_a_shared_run_that_is_resumed_goes_on_after_its_labels_last_step():
    for label, steps in (("a", 3), ("b", 5)):
        run = nbtrack.init(project="p", id="job", mode="shared", label=label)
        for _ in range(steps):
            run.log({"x": 1.0})
        run.finish()
    options = {"project": "p", "id": "job", "mode": "shared", "label": "a"}
    again = nbtrack.init(**options, resume="allow")
    assert again.step == 3
    again.finish()
    assert nbtrack.init(**options).step == 0


# -- A4: init again --------------------------------------------------------------------

CELLS = """
import os
os.environ.pop("NBTRACK_QUIET", None)
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
def cell(code):
    return shell.run_cell(code, store_history=True)
"""


def test_A4_in_a_notebook_init_again_finishes_the_run_and_says_so():
    done = python(
        CELLS
        + """
cell("import nbtrack; run = nbtrack.init(project='p', name='first', view='text')")
cell("first = run; first.log({'a': 1})")
cell("run = nbtrack.init(project='p', name='second', view='text')")
cell("print(first.state, run.state, run is not first)")
"""
    )
    assert "nbtrack: finished first to start a new run\n" in done.stdout
    assert "finished running True\n" in done.stdout


def test_A4_in_a_script_init_gives_the_open_run_back_with_a_note(monkeypatch, capsys):
    monkeypatch.delenv("NBTRACK_QUIET")
    run = nbtrack.init(project="p")
    assert nbtrack.init(project="p", name="x") is run
    assert "gives it back and ignores project=, name=" in capsys.readouterr().err


def test_A4_reinit_chooses():
    first = nbtrack.init(project="p")
    assert nbtrack.init(project="p", reinit="return_previous") is first
    second = nbtrack.init(project="p", reinit="create_new")
    assert first.is_open
    third = nbtrack.init(project="p", reinit="finish_previous")
    assert (second.is_open, third.is_open) == (False, True)
    assert nbtrack.init(project="p", reinit=True) is not third
    with pytest.raises(ValueError, match="reinit='x' is not one of"):
        nbtrack.init(reinit="x")


# -- A5: ids, names, tags, resume ------------------------------------------------------


def test_A5_an_id_has_eight_characters_and_a_name_counts():
    runs = [nbtrack.init(project="p", reinit="create_new") for _ in range(3)]
    assert all(len(r.id) == 8 and r.id == r.id.lower() and r.id.isalnum() for r in runs)
    assert [r.name.rsplit("-", 1)[1] for r in runs] == ["1", "2", "3"]
    assert len({run.id for run in runs}) == 3


@pytest.mark.parametrize("name", ["", "a\tb", "a\x7f", "a\x85b", "x" * 129, 3])
def test_A5_a_name_has_no_control_characters_and_at_most_128(name):
    run = nbtrack.init(project="p")
    with pytest.raises(ValueError, match="1 to 128 characters"):
        run.name = name
    run.name = "ä" * 128


@pytest.mark.parametrize("run_id", ["../x", "a b", "x" * 65, "ü", 7, ""])
def test_A5_an_id_has_1_to_64_plain_characters(run_id):
    with pytest.raises(ValueError, match="1 to 64"):
        nbtrack.init(project="p", id=run_id)


def test_A5_one_text_is_one_tag():
    run = nbtrack.init(project="p", tags="abc")
    assert run.tags == ("abc",)
    run.tags += ("x", "abc")
    assert run.tags == ("abc", "x")
    run.tags = ""
    assert run.tags == ()


def test_A5_resume_allow_must_never_and_auto():
    with pytest.raises(LookupError):
        nbtrack.init(project="p", id="r", resume="must")
    first = nbtrack.init(project="p", id="r", resume="allow")
    first.log({"a": 1})
    first.finish(exit_code=1)
    with pytest.raises(FileExistsError):
        nbtrack.init(project="p", id="r", resume="never")
    again = nbtrack.init(project="p", id="r", resume="must")
    assert (again.resumed, again.step) == (True, 1)
    again.finish(exit_code=1)
    assert nbtrack.init(project="p", resume="auto").id == "r"


# -- A6, A7, A8: states and endings ----------------------------------------------------


def test_A6_readers_and_the_run_agree_on_its_state():
    for exit_code, state in ((None, "finished"), (0, "finished"), (2, "failed")):
        run = nbtrack.init(project="p")
        assert run.state == stored(run).state == "running"
        run.finish(exit_code)
        assert run.state == stored(run).state == state


def test_A6_a_writer_that_vanished_has_crashed():
    code = "import nbtrack, os; nbtrack.init(project='p').log({'a': 1}); os._exit(1)"
    python(code)
    (run,) = nbtrack.Api().runs("p")
    assert run.state == "crashed"
    assert run.summary == {"a": 1}


def test_A6_a_script_that_is_interrupted_was_killed():
    code = "import nbtrack; nbtrack.init(project='p'); raise KeyboardInterrupt"
    python(code)
    (run,) = nbtrack.Api().runs("p")
    assert (run.state, run.metadata["exit_code"]) == ("killed", 255)


def test_A7_with_finishes_and_an_exception_is_recorded_and_let_through():
    with nbtrack.init(project="p") as run:
        run.log({"a": 1})
    assert run.state == "finished"
    with pytest.raises(ValueError, match="boom"), nbtrack.init(project="p") as run:
        msg = "boom"
        raise ValueError(msg)
    error = stored(run).metadata["error"]
    assert (run.state, error["type"], error["message"]) == (
        "failed",
        "ValueError",
        "boom",
    )
    assert "raise ValueError(msg)" in error["traceback"]


def test_A7_an_interrupt_in_a_cell_leaves_the_run_open_and_usable():
    done = python(
        CELLS
        + """
cell("import nbtrack; run = nbtrack.init(project='p', view='text')")
cell("run.log({'a': 1}); raise KeyboardInterrupt")
cell("run.log({'a': 2}); print('state', run.state)")
"""
    )
    assert "state running\n" in done.stdout
    (run,) = nbtrack.Api().runs("p")
    assert (run.state, run.history()["a"].tolist()) == ("finished", [1, 2])


def test_A8_finish_is_idempotent_and_logging_after_it_says_how_to_resume():
    run = nbtrack.init(project="p")
    run.finish()
    run.finish(exit_code=1)
    assert run.state == stored(run).state == "finished"
    for call in (
        lambda: run.log({"a": 1}),
        lambda: run.save("*"),
        lambda: run.alert("t"),
        lambda: run.define_metric("a"),
        lambda: run.summary.update(a=1),
        lambda: run.config.update(a=1),
    ):
        with pytest.raises(errors.RunFinishedError, match='resume="allow"'):
            call()


def test_A8_the_exit_of_the_interpreter_finishes_the_run():
    python("import nbtrack; nbtrack.init(project='p').log({'a': 1})")
    (run,) = nbtrack.Api().runs("p")
    assert (run.state, run.summary) == ("finished", {"a": 1})


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_A8_signals_stay_the_users():
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    nbtrack.init(project="p").finish()
    assert {s: signal.getsignal(s) for s in before} == before


# -- A9: properties --------------------------------------------------------------------


def test_A9_every_property_is_there():
    run = nbtrack.init(project="p", group="g", job_type="train", notes="n", tags=["t"])
    assert run.path == f"{run.entity}/p/{run.id}"
    assert run.url == Path(run.dir).resolve().as_uri()
    assert (run.config.as_dict(), dict(run.summary)) == ({}, {})
    assert (run.tags, run.notes, run.group, run.job_type) == (("t",), "n", "g", "train")
    assert (run.state, run.step, run.resumed, run.offline) == (
        "running",
        0,
        False,
        True,
    )
    assert run.start_time == document(run)["created"]
    assert (run.project, run.project_name(), run.disabled) == ("p", "p", False)


def test_A9_what_can_be_assigned_is_saved_at_once():
    run = nbtrack.init(project="p")
    run.name, run.tags, run.notes, run.group = "new", ["t", "u"], "m", "h"
    told = document(run)
    assert [told[k] for k in ("name", "tags", "notes", "group")] == [
        "new",
        ["t", "u"],
        "m",
        "h",
    ]
    with pytest.raises(AttributeError):
        run.id = "x"


# -- A10: threads and forks ------------------------------------------------------------


def test_A10_threads_share_a_run():
    run = nbtrack.init(project="p")
    run.log({"a": 0.5})
    threads = [
        threading.Thread(target=lambda: [run.log({"a": 0.5}) for _ in range(200)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row["_step"] for row in rows(run)] == list(range(801))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_A10_a_forked_child_logs_arrays_and_numbers_to_the_same_run():
    run = nbtrack.init(project="p")
    run.log({"parent": 1})
    pid = os.fork()
    if pid == 0:
        run.log({"child": np.arange(100.0)})
        run.log({"child/n": 1})
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    run.log({"parent": 2})
    found = rows(run)
    arrays = [row["child"] for row in found if "child" in row]
    assert len(arrays) == 1
    assert stored(run).array(arrays[0]).tolist() == list(range(100))
    assert sorted(row["parent"] for row in found if "parent" in row) == [1, 2]
