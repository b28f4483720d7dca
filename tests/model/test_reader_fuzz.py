"""Reading what nobody wrote: arbitrary bytes, damage, and forgeries with good seals.

Whatever lies in a run's directory, reading ends, raises nothing but nbtrack's own
errors, gives no row that was not written, and never hides the run beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

import nbtrack
from nbtrack import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from living_run import Writer

DEADLINE_S = 20  # of processor time, for what takes some milliseconds

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


def fuzz(examples: int) -> settings:
    """Give the same examples each time, and do not make a failing one smaller."""
    return settings(
        max_examples=examples * (50 if THOROUGH else 1),
        deadline=None,
        derandomize=not THOROUGH,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


class EndlessLoopError(BaseException):
    """Reading did not come to an end; no ``except Exception`` may catch it."""


@contextlib.contextmanager
def deadline() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise EndlessLoopError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, DEADLINE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


# -- what is damaged -------------------------------------------------------------------


@dataclass
class Template:
    """A root with an unharmed run, a finished one, and one that was resumed and killed.

    The last has everything at once: parts, logs, and a forked writer.
    """

    root: Path
    good_rows: list[dict[str, Any]]
    #: run id → what was logged in it: step and key → the values it had.
    written: dict[str, dict[tuple[int, str], list[Any]]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def files(self, run_id: str, pattern: str) -> list[str]:
        """List a run's files by their places in the root, in order of their names."""
        folder = self.root / "p" / run_id
        return sorted(str(p.relative_to(self.root)) for p in folder.glob(pattern))

    def largest(self, run_id: str, pattern: str) -> str:
        """Give the largest of these files."""
        files = self.files(run_id, pattern)
        return max(files, key=lambda name: (self.root / name).stat().st_size)


ROWS = [
    {"loss": 1.5, "acc": 0.25, "epoch": 0},
    {"loss": float("nan"), "text": "über\n", "flag": True},
    {"loss": 2.5, "big": 2**70, "list": [1, None, "x"]},
    {"loss": 3.25, "acc": 0.75, "epoch": 1},
    {"loss": -0.0, "acc": 1.0, "flag": False},
    *({"loss": i / 7, "acc": i / 3, "epoch": i} for i in range(20)),
]
CELL = {"count": 1, "source": "x = 1", "outcome": "ok", "session": "s", "runs": ["a"]}
LIVES = {"good": 1, "finished": 1, "killed": 2}  # processes that a run had


@pytest.fixture(scope="module")
def template(nursery, tmp_path_factory) -> Template:
    root = tmp_path_factory.mktemp("template")
    made = Template(root, [])
    for run_id, lives in LIVES.items():
        told = made.written[run_id] = defaultdict(list)
        for _ in range(lives):
            folder = record(nursery.fork(), root, run_id, told)
            for log in Path(folder, "log").iterdir():
                os.utime(log, (0, 0))  # fresh ones are not compacted by others
        cells = "".join(json.dumps(CELL | {"count": n}) + "\n" for n in range(3))
        Path(folder, "code", "cells.jsonl").write_text(cells)
        rows = list(nbtrack.Api(root).run(f"p/{run_id}").scan_history())
        made.rows[run_id] = len(rows)
        assert len(rows) == lives * (len(ROWS) + 1)
    made.good_rows = list(nbtrack.Api(root).run("p/good").scan_history())
    assert made.files("killed", "history/*")
    assert nbtrack.Api(root).run("p/killed").state == "crashed"
    return made


def record(
    writer: Writer, root: Path, run_id: str, told: dict[tuple[int, str], list[Any]]
) -> str:
    """Let one process record all rows in a run, and fork; killed ones do not finish."""
    config = {"lr": 0.5, "opt": {"name": "adam"}}
    folder = writer.init(
        project="p", id=run_id, dir=str(root), config=config, resume="allow"
    )
    writer.define_metric("loss", summary=["min", "mean"], step_metric="epoch")
    first = writer.get("step")
    for step, row in enumerate(ROWS, start=first):
        for part in (row, {"loss": step + 0.125, "late": step}):
            writer.log(part, step=step)
            for key, value in part.items():
                told[step, key].append(value)
    child = writer.fork()
    child.log({"child": 1.5})
    told[first + len(ROWS) - 1, "child"].append(1.5)
    child.kill()
    writer.set_summary(["note"], "by hand")
    if run_id != "killed":
        writer.finish()
    writer.kill()
    return str(folder)


@contextlib.contextmanager
def copied(template: Template, run_id: str) -> Iterator[Path]:
    """Give a root with that run and the good one."""
    with tempfile.TemporaryDirectory(prefix="nbtrack-fuzz-") as folder:
        root = Path(folder, "nbruns")
        for name in {"good", run_id}:
            shutil.copytree(template.root / "p" / name, root / "p" / name)
        yield root


# -- what must hold --------------------------------------------------------------------


def read_all(
    root: Path, asked: list[Callable[[Any], Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Read everything of every run; give the rows of those that can be read."""
    found = {}
    with deadline():
        runs = nbtrack.Api(root).runs("p")
        for run in runs:
            found[run.id] = []
            for ask in asked if run.id != "good" else ():
                with contextlib.suppress(errors.NbtrackError):
                    ask(run)
            with contextlib.suppress(errors.NbtrackError):
                found[run.id] = list(run.scan_history())
        table = nbtrack.runs("p", root=root)
        assert table._repr_mimebundle_()["text/plain"]
        assert len(table) == len(found)
    return found


ASKED: list[Callable[[Any], Any]] = [
    lambda run: run.history(),
    lambda run: run.summary,
    lambda run: run.config,
    lambda run: run.cells,
    lambda run: run.state,
]
ALSO_ASKED: list[Callable[[Any], Any]] = [
    lambda run: run.history(samples=3),
    lambda run: run.history(keys=["loss"]),
    lambda run: run.history(x_axis="epoch"),
    lambda run: run.history(stream="system"),
    lambda run: run.history_keys,
    lambda run: run.system_metrics,
    lambda run: (run.name, run.tags, run.notes, run.created_at, run.duration_s),
    lambda run: (run.user, run.path, run.url, run.group, run.job_type, repr(run)),
    lambda run: run.metadata,
    lambda run: run.files(),
]


def check(template: Template, root: Path) -> None:
    """See that all can be read, nothing is made up, and no other run suffers."""
    found = read_all(root, ASKED)
    assert repr(found["good"]) == repr(template.good_rows)
    for run_id, rows in found.items():
        assert_written(rows, template.written[run_id])


def check_forged(template: Template, root: Path, run_id: str) -> None:
    """See that what was written is still there beside what was forged."""
    found = read_all(root, [*ASKED, *ALSO_ASKED])
    assert repr(found["good"]) == repr(template.good_rows)
    assert len(found[run_id]) >= template.rows[run_id]


def assert_written(
    rows: list[dict[str, Any]], written: dict[tuple[int, str], list[Any]]
) -> None:
    for row in rows:
        for key, value in row.items():
            if key[:1] != "_":
                allowed = written.get((row["_step"], key), [])
                assert any(as_text(value) == as_text(v) for v in allowed), (row, key)


def as_text(value: Any) -> str:
    """Write a value so that 1 and 1.0 are alike, True and 1 not."""
    is_whole = type(value) is float and value.is_integer() and abs(value) < 2**53
    return repr(int(value) if is_whole else value)


def damage(template: Template, name: str, change: Callable[[bytes], bytes]) -> None:
    with copied(template, Path(name).parts[1]) as root:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(change(path.read_bytes() if path.exists() else b""))
        check(template, root)


# -- arbitrary bytes -------------------------------------------------------------------

PLACES = [
    "log/w.jsonl",
    "log/20260102T030405.678901-host-1-9f3a.jsonl",
    "log/20260102T030405.678901-host-1-9f3a.1.jsonl",
    "history/w-0-9.parquet",
    "history/w-0-9.00000000.parquet",
    "run.json",
    "config.json",
    "summary.json",
    "code/cells.jsonl",
]


@pytest.mark.parametrize("place", PLACES)
def test_arbitrary_bytes_in_any_file_are_read_without_harm(template, place):
    run_id = "finished" if place == "summary.json" else "killed"

    @fuzz(6)
    @given(st.binary(max_size=300))
    @example(b"")
    @example(b"\0" * 125)
    @example(b"[" * 100_000)
    @example(b'{"a":' * 100_000)
    @example(b"1" * 10_000)
    @example(b"[1" + b"0" * 5_000 + b"]")
    @example(b"null")
    @example(b"\xef\xbb\xbf{}")
    @example(b'"\\ud800"')
    @example(b"PAR1" * 3)
    def holds(content: bytes) -> None:
        damage(template, f"p/{run_id}/{place}", lambda _: content)

    holds()


# -- damage to what is valid -----------------------------------------------------------

shares = st.floats(0, 1)
flips = st.tuples(shares, st.integers(0, 7))
spans = st.tuples(shares, st.integers(1, 200))


def at(share: float, content: bytes) -> int:
    return int(share * len(content))


def flip(content: bytes, share: float, bit: int) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[min(at(share, content), len(content) - 1)] ^= 1 << bit
    return bytes(changed)


def flip_many(content: bytes, flips: list[tuple[float, int]]) -> bytes:
    for share, bit in flips:
        content = flip(content, share, bit)
    return content


def cut_out(content: bytes, span: tuple[float, int]) -> bytes:
    start = at(span[0], content)
    return content[:start] + content[start + span[1] :]


def repeat(content: bytes, span: tuple[float, int], to: float) -> bytes:
    start = at(span[0], content)
    piece, target = content[start : start + span[1]], at(to, content)
    return content[:target] + piece + content[target:]


def swap(content: bytes, first: float, second: float, size: int) -> bytes:
    low, high = sorted((at(first, content), at(second, content)))
    size = min(size, high - low)
    one, other = content[low : low + size], content[high : high + size]
    head, middle = content[:low], content[low + size : high]
    return head + other + middle + one + content[high + size :]


def insert(content: bytes, share: float, piece: bytes) -> bytes:
    return content[: at(share, content)] + piece + content[at(share, content) :]


def overwrite(content: bytes, span: tuple[float, int], byte: int) -> bytes:
    start = at(span[0], content)
    size = min(span[1], len(content) - start)
    return content[:start] + bytes([byte]) * size + content[start + size :]


def swap_lines(content: bytes, first: float, second: float) -> bytes:
    lines = content.split(b"\n")
    one, two = int(first * (len(lines) - 1)), int(second * (len(lines) - 1))
    lines[one], lines[two] = lines[two], lines[one]
    return b"\n".join(lines)


FOREIGN = [b'\n{"foreign": 1}\n', b'\n[1,2,3,{},"0"]\n', b"\n\n", b"\r\n", b"\xff\xfe"]

damages = st.one_of(
    *[st.tuples(st.just(flip_many), st.lists(flips, min_size=n)) for n in (1, 10, 30)],
    st.tuples(st.just(cut_out), spans),
    st.tuples(st.just(repeat), spans, shares),
    st.tuples(st.just(swap), shares, shares, st.integers(1, 200)),
    st.tuples(st.just(swap_lines), shares, shares),
    st.tuples(st.just(overwrite), spans, st.sampled_from([0, 0xFF, 0x20])),
    st.tuples(st.just(insert), shares, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just(insert), shares, st.sampled_from(FOREIGN)),
    st.tuples(st.just(insert), st.just(0.0), st.just(b"\xef\xbb\xbf")),
    st.tuples(st.just(lambda c: c.replace(b"\n", b"\r\n"))),
    st.tuples(st.just(lambda c: c + c)),
    st.tuples(st.just(lambda c, share: c[: at(share, c)]), shares),
    st.tuples(st.just(lambda c, share: c[at(share, c) :]), shares),
)


def damaged(content: bytes, listed: list[tuple[Any, ...]]) -> bytes:
    for change, *how in listed:
        content = change(content, *how)
    return content


@pytest.mark.parametrize(
    ("run_id", "pattern"),
    [
        ("killed", "log/*.jsonl"),
        ("killed", "run.json"),
        ("killed", "config.json"),
        ("finished", "summary.json"),
        ("killed", "code/cells.jsonl"),
    ],
)
def test_damage_to_a_valid_file_costs_what_it_hit(template, run_id, pattern):
    @fuzz(40 if "log" in pattern else 15)
    @given(st.integers(0, 5), st.lists(damages, min_size=1, max_size=3))
    def holds(which: int, listed: list[tuple[Any, ...]]) -> None:
        names = [template.largest(run_id, pattern)] * 2
        names += template.files(run_id, pattern)
        name = names[which % len(names)]
        damage(template, name, lambda content: damaged(content, listed))

    holds()


def test_flipped_bits_of_a_log_cost_their_lines_and_nothing_else(template):
    """Low bits, which make one digit another, and so one number another."""
    name = template.largest("killed", "log/*.jsonl")
    content = (template.root / name).read_bytes()
    whole = template.rows["killed"]
    with copied(template, "killed") as root:
        for round_ in range(200 if THOROUGH else 24):
            changed = bytearray(content)
            for place in range(round_, len(content), 61 + 50 * round_):
                changed[place] ^= 1 << (round_ % 3)
            (root / name).write_bytes(changed)
            rows = list(nbtrack.Api(root).run("p/killed").scan_history())
            assert_written(rows, template.written["killed"])
            assert len(rows) >= whole // 2 - 1, "the other process's are in parts"


def test_damage_to_a_part_costs_the_part_and_gives_no_wrong_row(template):
    @fuzz(40)
    @given(st.integers(0, 3), st.lists(damages, min_size=1, max_size=2))
    def holds(which: int, listed: list[tuple[Any, ...]]) -> None:
        names = template.files("killed", "history/*.parquet")
        name = names[which % len(names)]
        damage(template, name, lambda content: damaged(content, listed))

    holds()


def test_a_flipped_bit_of_a_part_is_noticed_wherever_it_is(template):
    """A part holds compressed numbers, where every byte may count."""
    name = template.largest("killed", "history/*.parquet")
    content = (template.root / name).read_bytes()
    wrong = []
    with copied(template, "killed") as root:
        for place in range(0, len(content), 1 if THOROUGH else 41):
            (root / name).write_bytes(flip(content, place / len(content), place % 8))
            rows = list(nbtrack.Api(root).run("p/killed").scan_history())
            try:
                assert_written(rows, template.written["killed"])
            except AssertionError:
                wrong.append(place)
    assert wrong == []


# -- forgeries -------------------------------------------------------------------------


def seal(body: str | bytes) -> bytes:
    """Seal a JSON array as FORMAT.md says."""
    told = (body.encode() if isinstance(body, str) else body)[:-1]
    return b'%b,"%x"]\n' % (told, crc32(told))


def metric(rule: str) -> str:
    """Give the line of a rule."""
    return f'[900,5,"metric",{{"rule":{rule}}}]'


DEEP = "[" * 950 + "]" * 950
FORGED_LINES = {
    "no-members": "[]",
    "one-member": "[1]",
    "object": '{"a":1}',
    "seq-text": '["1",5,0,{"loss":1}]',
    "seq-float": '[1.5,5,0,{"loss":1}]',
    "seq-bool": '[true,5,0,{"loss":1}]',
    "seq-negative": '[-5,5,0,{"loss":1}]',
    "seq-63-bits": '[9223372036854775807,5,0,{"loss":1}]',
    "seq-64-bits": '[18446744073709551615,5,0,{"loss":1}]',
    "seq-huge": '[1e300,5,0,{"loss":1}]',
    "seq-null": '[null,5,0,{"loss":1}]',
    "us-text": '[900,"5",0,{"loss":1}]',
    "us-negative": '[900,-5,0,{"loss":1}]',
    "us-64-bits": '[900,18446744073709551615,0,{"loss":1}]',
    "us-63-bits": '[900,9223372036854775807,0,{"loss":1}]',
    "step-float": '[900,5,1.5,{"loss":1}]',
    "step-bool": '[900,5,true,{"loss":1}]',
    "step-null": '[900,5,null,{"loss":1}]',
    "step-list": '[900,5,[0],{"loss":1}]',
    "step-negative": '[900,5,-3,{"loss":1}]',
    "step-64-bits": '[900,5,18446744073709551615,{"loss":1}]',
    "step-huge": '[900,5,1e300,{"loss":1}]',
    "payload-list": "[900,5,0,[1]]",
    "payload-null": "[900,5,0,null]",
    "payload-nested": '[900,5,0,{"loss":{"deep":{"er":[1,{"x":null}]}}}]',
    "payload-deep": f'[900,5,0,{{"loss":{DEEP}}}]',
    "payload-too-deep": f'[900,5,0,{{"loss":{"[" * 9_000}{"]" * 9_000}}}]',
    "payload-huge-number": f'[900,5,0,{{"loss":{"9" * 5000}}}]',
    "payload-overflow": '[900,5,0,{"loss":1e999}]',
    "payload-duplicate": '[900,5,0,{"loss":1,"loss":2}]',
    "payload-own-columns": '[900,5,0,{"_step":7,"_runtime":"x","_timestamp":null}]',
    "payload-empty-key": '[900,5,0,{"":1}]',
    "payload-nul-key": '[900,5,0,{"a\\u0000b":1}]',
    "payload-surrogate": '[900,5,0,{"\\ud800":1}]',
    "payload-text": '[900,5,0,{"epoch":"seven","loss":"eight"}]',
    "payload-lists": '[900,5,0,{"epoch":[1],"loss":[[]]}]',
    "extended-list": '[900,5,0,{},["NaN"]]',
    "extended-number": '[900,5,0,{},{"loss":5}]',
    "extended-no-json": '[900,5,0,{},{"loss":"oops"}]',
    "extended-deep": f'[900,5,0,{{}},{{"loss":"{"[" * 100_000}"}}]',
    "extended-digits": f'[900,5,0,{{}},{{"loss":"{"9" * 5000}"}}]',
    "extended-object": '[900,5,0,{},{"loss":"{\\"a\\":NaN}"}]',
    "extended-own": '[900,5,0,{},{"_step":"NaN"}]',
    "too-many-members": "[900,5,0,{},{},{},{}]",
    "kind-empty": '[900,5,"",{}]',
    "kind-row": '[900,5,"row",{"loss":1}]',
    "kind-unknown": '[900,5,"\\u0000",{"a":1}]',
    "open-empty": '[900,5,"open",{}]',
    "open-types": '[900,5,"open",{"t0":"x","pid":"y","token":5,"host":[]}]',
    "open-t0-infinite": '[900,5,"open",{},{"t0":"Infinity"}]',
    "open-t0-nan": '[900,5,"open",{},{"t0":"NaN"}]',
    "open-t0-integer": '[900,5,"open",{"t0":1700000000}]',
    "open-t0-huge": '[900,5,"open",{"t0":1e300}]',
    "open-pid-huge": '[900,5,"open",{"pid":18446744073709551615,"host":"x"}]',
    "metric-empty": '[900,5,"metric",{}]',
    "metric-rule-list": '[900,5,"metric",{"rule":[]}]',
    "metric-name-number": metric('{"name":5}'),
    "metric-summary-number": metric('{"name":"loss","summary":5}'),
    "metric-summary-text": metric('{"name":"loss","summary":"min"}'),
    "metric-summary-odd": metric('{"name":"loss","summary":["x",[],5]}'),
    "metric-axis-list": metric('{"name":"loss","step_metric":[1]}'),
    "metric-axis-number": metric('{"name":"loss","step_metric":5}'),
    "metric-axis-own": metric('{"name":"loss","step_metric":"_runtime"}'),
    "metric-goal-list": metric('{"name":"loss","goal":[],"summary":["best"]}'),
    "metric-star-inside": metric('{"name":"*a*b*","summary":["min"]}'),
    "metric-best-no-goal": metric('{"name":"loss","summary":["best"]}'),
    "summary-empty": '[900,5,"summary",{}]',
    "summary-set-number": '[900,5,"summary",{"set":5}]',
    "summary-set-flat": '[900,5,"summary",{"set":[1,2]}]',
    "summary-set-short": '[900,5,"summary",{"set":[[["a"]]]}]',
    "summary-path-empty": '[900,5,"summary",{"set":[[[],1]]}]',
    "summary-path-text": '[900,5,"summary",{"set":[["abc",1]]}]',
    "summary-path-number": '[900,5,"summary",{"set":[[5,1]]}]',
    "summary-path-lists": '[900,5,"summary",{"set":[[[["a"]],1]]}]',
    "summary-path-numbers": '[900,5,"summary",{"set":[[[1,2],1]]}]',
    "summary-del-number": '[900,5,"summary",{"del":5}]',
    "summary-del-lists": '[900,5,"summary",{"del":[["a"]]}]',
    "summary-set-below": '[900,5,"summary",{"set":[[["loss","x"],1],[["loss"],2]]}]',
    "config-odd": '[900,5,"config",{"key":5}]',
    "system-odd": '[900,5,"system",{"cpu":"x","gpu":[1],"_step":3}]',
    "end-odd": '[900,5,"end",{"state":5}]',
}


@pytest.mark.parametrize("forged", FORGED_LINES)
def test_a_forged_line_with_a_good_seal_harms_nothing(template, forged):
    with copied(template, "killed") as root:
        path = root / template.largest("killed", "log/*.jsonl")
        path.write_bytes(path.read_bytes() + seal(FORGED_LINES[forged]))
        check_forged(template, root, "killed")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["loss", "rule", "name", "set", "del", "t0", "_step", "a"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
places = st.sampled_from(["open", "metric", "summary", "config", "end", "system", "x"])
lines = st.tuples(
    st.integers(900, 999) | json_values,
    st.integers(0, 99) | json_values,
    st.integers(0, 30) | places | json_values,
    st.dictionaries(
        st.sampled_from(["loss", "rule", "set", "del", "t0", "pid", "key"]), json_values
    )
    | json_values,
)


def test_any_json_under_a_good_seal_harms_nothing(template):
    @fuzz(30)
    @given(st.lists(lines, min_size=1, max_size=4))
    def holds(forged: list[tuple[Any, ...]]) -> None:
        with copied(template, "killed") as root:
            path = root / template.largest("killed", "log/*.jsonl")
            sealed = [seal(json.dumps(line)) for line in forged]
            path.write_bytes(path.read_bytes() + b"".join(sealed))
            check_forged(template, root, "killed")

    holds()


NUMBER = {
    b"nbtrack.key": b"loss",
    b"nbtrack.kind": b"float",
    b"nbtrack.role": b"number",
}
TEXT = NUMBER | {b"nbtrack.role": b"text"}


def columns(**named: Any) -> pa.Table:
    return pa.table(named)


def part_with(
    column: pa.Array, tags: dict[bytes, bytes] | None, name: str = "loss"
) -> pa.Table:
    own = [("_seq", pa.int64()), ("_step", pa.int64()), ("_us", pa.int64())]
    fields = [pa.field(n, kind) for n, kind in own]
    arrays = [pa.array([900 + i for i in range(len(column))], pa.int64())] * 3
    fields.append(pa.field(name, column.type, metadata=tags))
    return pa.Table.from_arrays([*arrays, column], schema=pa.schema(fields))


FORGED_PARTS = {
    "no-columns": pa.table({}),
    "no-own-columns": pa.table({"loss": [1.5]}),
    "own-columns-only": columns(_seq=[1], _step=[1], _us=[1]),
    "own-columns-text": columns(_seq=["a"], _step=["b"], _us=["c"]),
    "own-columns-null": columns(_seq=[None], _step=[None], _us=[None]),
    "own-columns-float": columns(_seq=[1.5], _step=[float("nan")], _us=[1.5]),
    "step-twice": columns(_seq=[1, 2], _step=[7, 7], _us=[1, 2]),
    "no-metadata": part_with(pa.array([1.5]), None),
    "key-only": part_with(pa.array([1.5]), {b"nbtrack.key": b"loss"}),
    "no-role": part_with(pa.array([1.5]), {k: NUMBER[k] for k in list(NUMBER)[:2]}),
    "no-kind": part_with(
        pa.array([1.5]), {k: v for k, v in NUMBER.items() if k[-4:] != b"kind"}
    ),
    "role-unknown": part_with(pa.array([1.5]), NUMBER | {b"nbtrack.role": b"x"}),
    "kind-unknown": part_with(pa.array([1.5]), NUMBER | {b"nbtrack.kind": b"x"}),
    "kind-int-of-nan": part_with(
        pa.array([1.5, float("nan"), float("inf")]), NUMBER | {b"nbtrack.kind": b"int"}
    ),
    "kind-bool-of-nan": part_with(
        pa.array([0.5, float("nan")]), NUMBER | {b"nbtrack.kind": b"bool"}
    ),
    "key-no-utf8": part_with(pa.array([1.5]), NUMBER | {b"nbtrack.key": b"\xff"}),
    "key-own": part_with(pa.array([1.5]), NUMBER | {b"nbtrack.key": b"_step"}),
    "number-text": part_with(pa.array(["x"]), NUMBER),
    "number-list": part_with(pa.array([[1.5]]), NUMBER),
    "number-int": part_with(pa.array([1]), NUMBER),
    "number-null": part_with(pa.nulls(1), NUMBER),
    "text-only": part_with(pa.array(["1"]), TEXT),
    "text-number": part_with(pa.array([1.5]), TEXT),
}
for _name, _text in {
    "text-no-json": "oops",
    "text-deep": "[" * 100_000,
    "text-deep-valid": DEEP,
    "text-digits": "9" * 5000,
    "text-object": '{"a": 1}',
    "text-surrogate": '"\\ud800"',
}.items():
    _table = part_with(pa.array([1.5]), NUMBER)
    FORGED_PARTS[_name] = _table.append_column(
        pa.field("loss#text", pa.string(), metadata=TEXT), pa.array([_text])
    )


def put_part(template: Template, root: Path, table: pa.Table) -> None:
    """Add a part of one of the killed run's segments, its checksum in its name."""
    stem = Path(template.largest("killed", "log/*.jsonl")).stem
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content = sink.getvalue().to_pybytes()
    name = f"{stem}-900-999.{crc32(content):08x}.parquet"
    (root / "p" / "killed" / "history" / name).write_bytes(content)


@pytest.mark.parametrize("forged", FORGED_PARTS)
def test_a_forged_part_harms_nothing(template, forged):
    with copied(template, "killed") as root:
        put_part(template, root, FORGED_PARTS[forged])
        check_forged(template, root, "killed")


def test_a_part_that_keeps_to_the_format_is_read_whoever_wrote_it(template):
    with copied(template, "killed") as root:
        put_part(template, root, part_with(pa.array([1.5, None, 2.5]), NUMBER))
        rows = {row["_step"]: row for row in read_all(root, ASKED)["killed"]}
        assert rows[900]["loss"] == 1.5
        assert "loss" not in rows[901]
        assert rows[902]["loss"] == 2.5


DOCUMENTS = {
    "types": {"name": 5, "tags": [1, None, {}], "user": [], "notes": 3, "group": {}},
    "state-odd": {"state": ["running"]},
    "state-unknown": {"state": "paused"},
    "state-null": {"state": None},
    "format-text": {"format": "1"},
    "format-list": {"format": [1]},
    "format-bool": {"format": True},
    "format-zero": {"format": 0},
    "format-negative": {"format": -1},
    "format-huge": {"format": 10**400},
    "created-nan": {"created": float("nan")},
    "created-infinite": {"created": float("inf")},
    "created-negative": {"created": -1e18},
    "created-huge": {"created": 10**400},
    "created-bool": {"created": True},
    "runtime-nan": {"runtime_s": float("nan")},
    "runtime-negative": {"runtime_s": -1},
    "runtime-huge": {"runtime_s": 10**400},
    "runtime-infinite": {"runtime_s": float("inf")},
    "finished-odd": {"finished": "x", "resumed_at": [], "exit_code": {}},
    "writer-pid-huge": {"state": "running", "writer": {"host": None, "pid": 10**30}},
    "writer-pid-zero": {"state": "running", "writer": {"pid": 0}},
    "writer-odd": {"state": "running", "writer": {"host": [], "pid": [], "token": {}}},
    "error-odd": {"error": "x"},
    "total-odd": {"total_steps": "x"},
    "id-other": {"id": "good"},
    "project-other": {"project": "q"},
    "name-controls": {"name": "\x1b[2J\u202e\ud800\n" * 50},
    "unknown": {"something": {"new": [1]}},
}


@pytest.mark.parametrize("forged", DOCUMENTS)
def test_a_forged_run_json_harms_nothing(template, forged):
    with copied(template, "killed") as root:
        path = root / "p" / "killed" / "run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | DOCUMENTS[forged]))
        read_all(root, ALSO_ASKED)
        check(template, root)


VALUES = {
    "deep": json.loads(DEEP),
    "huge": 10**400,
    "infinite": float("inf"),
    "nan": float("nan"),
    "surrogate": "\ud800",
    "nested": {"a": {"b": [1, {"c": None}]}, "a.b": 3},
    "empty-keys": {"": {"": {"": 1}}},
    "markup": "<script>alert(1)</script>",
}


@pytest.mark.parametrize("document", ["config.json", "summary.json"])
@pytest.mark.parametrize("forged", VALUES)
def test_a_forged_document_harms_nothing(template, document, forged):
    with copied(template, "finished") as root:
        path = root / "p" / "finished" / document
        path.write_text(json.dumps({"lr": VALUES[forged], forged: VALUES[forged]}))
        check(template, root)


CELLS = {
    "list": [1],
    "null": None,
    "no-source": {"count": 1},
    "types": {"count": "x", "source": 5, "runs": 7, "session": 3, "started": "y"},
    "unhashable": {"count": [], "source": "x", "session": {}},
    "unknown-member": CELL | {"something": "new"},
    "runs-odd": CELL | {"runs": [None, {}]},
    "error-odd": CELL | {"error": {"a": 1}, "outcome": 5},
    "deep": CELL | {"error": json.loads(DEEP)},
}


@pytest.mark.parametrize("forged", CELLS)
def test_a_forged_cell_hides_no_other(template, forged):
    with copied(template, "finished") as root:
        path = root / "p" / "finished" / "code" / "cells.jsonl"
        path.write_text(path.read_text() + json.dumps(CELLS[forged]) + "\n")
        check(template, root)
        run = nbtrack.Api(root).run("p/finished")
        counts = [cell.count for cell in run.cells]
        assert [count for count in counts if count in (0, 1, 2)][:3] == [0, 1, 2]
        nbtrack.compare("p/finished", root=root)._repr_mimebundle_()


def test_a_cell_too_deep_to_parse_hides_no_other(template):
    with copied(template, "finished") as root:
        path = root / "p" / "finished" / "code" / "cells.jsonl"
        path.write_text(path.read_text() + "[" * 100_000 + "\n")
        assert len(nbtrack.Api(root).run("p/finished").cells) == 3


# -- several runs ----------------------------------------------------------------------


def test_a_project_of_damaged_runs_shows_the_good_one_and_names_the_others(template):
    with copied(template, "finished") as root:
        for number, content in enumerate([b"", b"\0" * 99, b"[1]", b'{"format": 99}']):
            folder = root / "p" / f"bad{number}"
            folder.mkdir()
            (folder / "run.json").write_bytes(content)
        (root / "p" / "empty").mkdir()
        (root / "p" / "file").write_text("no run")
        (root / "p" / "log-only" / "log").mkdir(parents=True)
        runs = nbtrack.Api(root).runs("p")
        assert {run.id for run in runs} == {"good", "finished"}
        told = {Path(path).name for path in runs.damaged}
        assert {f"bad{number}" for number in range(4)} <= told
        assert "bad0" in repr(nbtrack.runs("p", root=root))
        assert nbtrack.Api(root).projects() == ["p"]
