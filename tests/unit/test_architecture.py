"""What keeps the code light and in layers."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import nbtrack

ROOT = Path(nbtrack.__file__).parents[1]
PACKAGE = ROOT / "nbtrack"
HEAVY = ("IPython", "anywidget", "ipywidgets", "numpy", "pandas", "plotly", "pyarrow")


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_importing_nbtrack_loads_nothing_heavy():
    assert not modules_after("import nbtrack") & {
        *HEAVY,
        "orjson",
        "psutil",
        "nbformat",
    }


def test_recording_without_a_view_loads_nothing_heavy_either():
    code = (
        "import nbtrack\n"
        "run = nbtrack.init(project='p', view='off')\n"
        "run.log({'a': 1.0, 'b': {'c': 'x'}})\n"
        "run.summary['a']"
    )
    assert not modules_after(code) & {*HEAVY, "psutil", "nbformat"}


def imports_of(path: Path) -> set[str]:
    """List what a file imports from the package, inside functions too."""
    found = set()
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body.clear()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "nbtrack"
        ):
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.startswith("nbtrack.")}
    return found


def test_no_import_cycles_also_inside_functions():
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"  # packages only re-export
    }
    graph = {name: imports_of(path) & files.keys() for name, path in files.items()}
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) == set(files)


def test_the_public_names_are_those_that_are_there():
    for name in nbtrack.__all__:
        assert getattr(nbtrack, name) is not None
    assert set(dir(nbtrack)) == {*nbtrack.__all__, "config", "run", "summary"}
    assert not hasattr(nbtrack, "config"), "there is no run yet"
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        nbtrack.nope  # noqa: B018


def test_the_hard_dependencies_are_the_agreed_ones():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    block = text[
        text.index("\ndependencies = [") : text.index(
            "\n]", text.index("\ndependencies")
        )
    ]
    names = set(re.findall(r'"([a-z-]+)', block))
    assert names == {
        *("anywidget", "ipykernel", "ipython", "ipywidgets", "nbformat"),
        *("nvidia-ml-py", "orjson", "pandas", "pillow", "plotly", "psutil"),
        "pyarrow",
        *("tomli", "typing-extensions"),  # Python 3.10 only
    }


def test_no_file_grows_by_theme():
    sizes = {
        p.name: len(p.read_text("utf-8").splitlines()) for p in PACKAGE.rglob("*.py")
    }
    assert {name: size for name, size in sizes.items() if size > 620} == {}


def test_every_error_is_in_one_tree_and_inherits_a_builtin():
    classes = [
        value
        for value in vars(nbtrack.errors).values()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert len(classes) > 10
    for cls in classes:
        assert issubclass(cls, (nbtrack.errors.NbtrackError, UserWarning)), cls
