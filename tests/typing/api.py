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
    run.finish(exit_code=0)


def starts() -> Run:
    with nbtrack.init(project="p", config={"lr": 0.1}, tags=["a"], view="off") as run:
        return run


def reads() -> pd.DataFrame:
    run = nbtrack.Api().run("p/id")
    rows: list[dict[str, Any]] = run.history(pandas=False)
    assert rows
    return run.history(keys=["loss"], samples=100)


def refuses() -> None:
    nbtrack.init(project=3)  # type: ignore[arg-type]
    nbtrack.init(view="off").log([1])  # type: ignore[arg-type]
