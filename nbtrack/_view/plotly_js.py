"""plotly.js of the installed plotly package, small enough to send."""

from __future__ import annotations

import gzip
import os
import tempfile
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path


@cache
def compressed() -> bytes:
    """Give plotly.js, gzipped: about 1.5 MB, from a cache when there is one."""
    cached = _cache_path()
    try:
        return cached.read_bytes()
    except OSError:  # not there yet, or not readable: then it is made again
        pass
    data = gzip.compress(code(), 6, mtime=0)
    _store(cached, data)
    return data


def code() -> bytes:
    """Give plotly.js as it is: about 4.7 MB."""
    return _source().read_bytes()


def _source() -> Path:
    """Find the file without importing plotly, which takes long and is not needed."""
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        message = "the charts need plotly where nbtrack runs: pip install plotly"
        raise ModuleNotFoundError(message, name="plotly")
    return Path(spec.origin).parent / "package_data" / "plotly.min.js"


def _cache_path() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    version = metadata.version("plotly")
    return Path(base) / "nbtrack" / f"plotly-{version}.js.gz"


def _store(path: Path, data: bytes) -> None:
    """Keep it for the next kernel, if the disk allows; whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as draft:
            draft.write(data)
        Path(draft.name).replace(path)
    except OSError:  # a read-only home: the next kernel compresses again
        pass
