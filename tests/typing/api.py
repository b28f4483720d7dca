"""Uses of the public names that must type-check; run by mypy, never executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbtrack

if TYPE_CHECKING:
    import pandas as pd

    from nbtrack import Run


def records(run: Run) -> None:
    run.log({"loss": 0.5, "nested": {"a": 1}}, step=3, commit=True)
    run.config.lr = 0.1
    run.summary["best"] = 0.9
    run.define_metric("val/*", step_metric="epoch", summary="min,max")
    kept: list[str] = run.save("*.pt", policy="end")
    run.alert("done", text=str(kept), level=nbtrack.AlertLevel.WARN, wait_duration=5)
    run.tags += ("x",)
    run.config.update({"lr": 1}, allow_val_change=True)
    run.finish(exit_code=0)


def is_refused(run: Run) -> None:
    run.log(loss=3)  # type: ignore[arg-type]
    nbtrack.log(loss=3)  # type: ignore[arg-type]


def stops(run: Run) -> None:
    stop: bool = run.should_stop
    if not stop:
        run.ask_to_stop()
    run.should_stop = True  # type: ignore[misc]


def shares() -> Run:
    settings = nbtrack.Settings(late_steps="keep", x_label="rank0", x_primary=True)
    return nbtrack.init(id="job", mode="shared", label="rank1", settings=settings)


def starts() -> Run:
    nbtrack.init(sync="always", late_steps="keep", config_exclude_keys=["debug"])
    with nbtrack.init(project="p", config={"lr": 0.1}, tags=["a"], view="off") as run:
        return run


def reads() -> pd.DataFrame:
    run = nbtrack.Api().run("p/id")
    rows: list[dict[str, Any]] = run.history(pandas=False)
    assert rows
    return run.history(keys=["loss"], samples=100)


def edits() -> None:
    run = nbtrack.Api().run("p/id")
    run.summary["best"] = 0.5
    run.summary.update({"loss": 1}, note="x")
    run.tags.append("baseline")
    run.name, run.notes, run.group = "n", None, "g"
    run.update()
    assert run.array(run.summary["weights"]).shape


def refuses() -> None:
    nbtrack.Api().run("p/id").state = "finished"  # type: ignore[misc]
    nbtrack.init(project=3)  # type: ignore[arg-type]
    nbtrack.init(view="off").log([1])  # type: ignore[arg-type]
