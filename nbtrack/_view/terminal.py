r"""A run in a terminal: one line that is kept up to date.

Where nobody sees a terminal (a log file, a pipe, a notebook), there is a first line and
nothing else. On a terminal the line stands below everything that was printed. Whoever
prints must find an empty line, so ``write`` of both streams takes ours away first; and
nothing is drawn while what was printed last has no end (``print(…, end="")``, tqdm).
Nothing but ``\r`` and blanks is used to take it away: every terminal knows those.

IPython's own prompts pass the streams by, so it says when they come; and it gives the
streams their ``write`` back after each cell, so ours is put there anew before the next.

What it shows is read from the end of the log, a few times a second and at most
64 kB: ``log()`` neither knows nor waits.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import threading
import time
import unicodedata
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nbtrack._draw.html import clean, one_line
from nbtrack._draw.spec import progress_text
from nbtrack._fork import tell_when_forked
from nbtrack._record.steps import expected_steps
from nbtrack._store.lines import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_EVERY_S: Final = 0.25
_MOST_BYTES: Final = 2**16  # of the log, in one look: some milliseconds
_PACE_S: Final = 10.0
_FEW_S: Final = 0.5  # less than this tells no pace
_MAX_METRICS: Final = 4
_MAX_KEYS: Final = 100
_BAR: Final = 12
_FAST: Final = 100  # steps per second that need no decimals
_GAP: Final = "  "
_HOUR_S: Final = 3600
_LONGEST_S: Final = 100 * _HOUR_S
_NUMBERS: Final = (int, float)


class Status(NamedTuple):
    """What the line says."""

    name: str
    step: int | None = None
    total: int | None = None
    steps_per_s: float | None = None
    values: Sequence[tuple[str, float]] = ()


def line_of(status: Status, width: int, *, plain: bool = False) -> str:
    """Write the line in at most ``width`` columns: what matters least falls off first.

    >>> line_of(Status("fox-1", 50, 200, 10.0, [("loss", 0.25)]), 80, plain=True)
    'fox-1  ###---------  step 50 of 200  10/s  0:15 left  loss 0.25'
    """
    parts = [one_line(clean(status.name), 24)]
    if status.step is None:
        return _fitted([*parts, "no rows yet"], width)
    if status.total:
        is_done = status.step + 1 >= status.total  # rows count from 0
        share = 1.0 if is_done else status.step / status.total
        parts.append(_bar(share, plain=plain))
    parts.append(progress_text(status.step, status.total))
    if pace := status.steps_per_s:
        parts.append(f"{pace:,.0f}/s" if pace >= _FAST else f"{pace:.3g}/s")
        left_s = ((status.total or 0) - status.step) / pace
        if 0 < left_s < _LONGEST_S:
            parts.append(f"{_clock(left_s)} left")
    values = status.values[:_MAX_METRICS]
    parts += [f"{one_line(clean(key), 32)} {_short(value)}" for key, value in values]
    return _fitted(parts, width)


def _bar(share: float, *, plain: bool) -> str:
    full = round(min(max(share, 0.0), 1.0) * _BAR)
    done, left = "#-" if plain else "━╌"
    return done * full + left * (_BAR - full)


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 10**9 else f"{value:.4g}"  # noqa: PLR2004


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _fitted(parts: list[str], width: int) -> str:
    """Take as many parts as there is room for, and cut the first if it is too long."""
    line = ""
    for part in parts:
        longer = f"{line}{_GAP}{part}" if line else part
        if _columns(longer) > width:
            break
        line = longer
    return line or parts[0][: max(0, width // 2)]


def _columns(text: str) -> int:
    """Say how many columns a text takes; wide and combining letters are such."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + _is_wide(letter) for letter in text
    )


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


# --- what was logged ---------------------------------------------------------------


class Latest:
    """The latest values of a run, from the ends of its logs."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._read: dict[Path, int] = {}  # how far
        self.rows = 0  # seen so far
        self.step: int | None = None
        self.values: dict[str, float] = {}
        self._epochs: list[tuple[float, int]] = []  # the first, and the latest

    def look(self) -> None:
        """Read on, or at least what is newest."""
        for path in self._logs.glob("*.jsonl"):
            # A log that is full goes to Parquet, and may be gone the next instant.
            with contextlib.suppress(FileNotFoundError):
                size = path.stat().st_size
                start = max(self._read.get(path, 0), size - _MOST_BYTES)
                if size > start:
                    self._take(path, start)

    def _take(self, path: Path, start: int) -> None:
        with path.open("rb") as file:
            file.seek(start)
            whole, end, _ = file.read(_MOST_BYTES).rpartition(b"\n")
        self._read[path] = start + len(whole) + len(end)
        for line in whole.split(b"\n"):
            record = decode(line, "")
            if record is not None and record.step is not None:
                self._note(record.step, record.data)

    def _note(self, step: int, row: dict[str, Any]) -> None:
        self.rows += 1
        self.step = step if self.step is None else max(self.step, step)
        for key, value in row.items():
            is_number = isinstance(value, _NUMBERS) and not isinstance(value, bool)
            if is_number and (key in self.values or len(self.values) < _MAX_KEYS):
                self.values[key] = value
        epoch = row.get("epoch")
        if isinstance(epoch, _NUMBERS) and (
            not self._epochs or epoch > self._epochs[-1][0]
        ):
            self._epochs[1:] = [(epoch, step)]

    def total(self, epochs: object) -> int | None:
        """Guess the steps in all from the epochs logged and how many there will be."""
        if not self._epochs:
            return None
        return expected_steps(self._epochs[0], self._epochs[-1], epochs)


class _Pace:
    """Steps per second over the last seconds in which there were any."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._last: float | None = None

    def at(self, now_s: float, step: int) -> float | None:
        """Take a look; where no step has come since the last, nothing is new."""
        seen = self._seen
        if seen and seen[-1][1] == step:
            return self._last
        seen.append((now_s, step))
        while len(seen) > 2 and now_s - seen[0][0] > _PACE_S:  # noqa: PLR2004
            seen.popleft()
        since_s, first = seen[0]
        took_s = now_s - since_s
        self._last = (step - first) / took_s if took_s >= _FEW_S else None
        return self._last


# --- the terminal ------------------------------------------------------------------


def terminal_of(out: Any, err: Any, *, is_prompting: bool = False) -> Any:
    """Give the stream to draw on; None where that would only fill a file.

    ``is_prompting``: an interpreter writes its prompts there, and we may not.
    """
    if is_prompting or os.environ.get("TERM") == "dumb":
        return None
    if _is_terminal(err):
        # What is piped comes back to the terminal (``| tee``) behind our back.
        return None if _is_pipe(out) else err
    return out if _is_terminal(out) else None


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # None under pythonw; closed
        return False


def _is_pipe(stream: Any) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (AttributeError, OSError, ValueError):
        return False


class Screen:
    """The last line of a terminal, which gives way to whoever prints."""

    def __init__(self, stream: Any, others: Sequence[Any]) -> None:
        self._stream = stream
        # Of the process, not of this line: a handler of a signal may print, too.
        self._lock = threading.RLock()
        self._shown = ""
        self._is_line_start = True
        self._is_busy = False
        self._is_held = False
        self._is_heard = False
        self._hooks: dict[Any, tuple[Any, Any]] = {}  # stream: ours, what was there
        # Its class's: other hooks record what is printed, and this is not.
        self._write = partial(type(stream).write, stream)
        for one in dict.fromkeys([stream, *others]):
            if _is_terminal(one):
                self._hook(one)
        tell_when_forked(self)

    @property
    def width(self) -> int:
        """How many columns a line may take."""
        try:
            return os.get_terminal_size(self._stream.fileno()).columns - 1
        except (OSError, ValueError, AttributeError):
            return shutil.get_terminal_size().columns - 1

    @property
    def is_plain(self) -> bool:
        """Whether there are only ASCII's characters."""
        encoding = getattr(self._stream, "encoding", "") or ""
        return not encoding.lower().startswith("utf")

    def show(self, text: str) -> None:
        """Draw a line in the place of the last one, unless somebody is printing."""
        with self._lock:
            may = self._is_line_start and not self._is_busy and not self._is_held
            if may and text != self._shown:
                rest = " " * max(0, _columns(self._shown) - _columns(text))
                self._draw(f"\r{text}{rest}")
                self._shown = text

    def clear(self) -> None:
        """Take the line away."""
        with self._lock:
            if self._shown and not self._is_busy:
                self._draw(f"\r{' ' * _columns(self._shown)}\r")
                self._shown = ""

    def hold(self) -> None:
        """Take the line away, and draw nothing until it is let go."""
        with self._lock:
            self.clear()
            self._is_held = True

    def let_go(self) -> None:
        """Draw again, on a line that is empty; hear again who prints."""
        with self._lock:
            self._is_held = False
            self._is_line_start = True
            for stream in list(self._hooks):
                self._is_heard = False
                with contextlib.suppress(OSError, ValueError):  # closed
                    stream.write("")  # shows no more than whether it comes by here
                    if not self._is_heard:
                        self._hook(stream)

    def close(self) -> None:
        """Take the line away for good. Idempotent."""
        with self._lock:
            self.clear()
            self._unhook()

    def forked(self) -> None:
        """Leave the terminal to the parent."""
        self._lock, self._shown = threading.RLock(), ""
        self._unhook()

    def _draw(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "ascii"
        self._is_busy = True
        try:
            self._write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        finally:
            self._is_busy = False

    def _hook(self, stream: Any) -> None:
        own, write = getattr(stream, "__dict__", {}).get("write"), stream.write

        def write_below(text: str) -> Any:
            with self._lock:
                self._is_heard = True
                if text and not self._is_busy:
                    self.clear()
                    self._is_line_start = text.endswith("\n")
                return write(text)

        try:
            stream.write = write_below
        except AttributeError:  # a stream of somebody else's, with slots
            return
        self._hooks[stream] = write_below, own

    def _unhook(self) -> None:
        hooks, self._hooks = self._hooks, {}
        for stream, (hook, own) in hooks.items():
            # Somebody may have put a hook over ours; then ours only passes on.
            if stream.__dict__.get("write") is not hook:
                continue
            if own is None:
                del stream.write
            else:
                stream.write = own


class ProgressLine:
    """Keeps the line up to date, on a thread of its own, until it is closed.

    Parameters
    ----------
    name
        Gives the run's name as it is now.
    logs
        The directory of the run's logs.
    total, epochs
        Steps in all if known; else epochs in all, if the config has them.
    on_fault
        Told of what goes wrong; nothing is drawn from then on.
    """

    def __init__(
        self,
        screen: Screen,
        *,
        name: Callable[[], str],
        logs: Path,
        total: Callable[[], int | None],
        epochs: Callable[[], object],
        on_fault: Callable[[str, BaseException], None],
    ) -> None:
        self._screen = screen
        self._name = name
        self._latest = Latest(logs)
        self._total = total
        self._epochs = epochs
        self._on_fault = on_fault
        self._pace = _Pace()
        self._is_resumed = False  # and has not looked since
        self._known_rows = -1  # that nobody is to see again
        self._stop = threading.Event()
        self._runs = threading.Event()
        self._thread = threading.Thread(
            target=self._go, name="nbtrack-line", daemon=True
        )

    def start(self) -> None:
        """Begin to draw; does nothing where there are no threads."""
        self._runs.set()
        try:
            self._thread.start()
        except RuntimeError as error:
            self._screen.close()
            self._on_fault("start the progress line", error)

    def pause(self) -> None:
        """Leave the terminal to somebody else, such as IPython's prompt."""
        self._runs.clear()
        self._screen.hold()

    def resume(self) -> None:
        """Draw again, as soon as there are rows that were not seen before."""
        self._screen.let_go()
        self._is_resumed = True
        self._runs.set()

    def give_way(self) -> None:
        """Leave the terminal to somebody who writes past the streams."""
        self._screen.hold()

    def come_back(self) -> None:
        """Go on where that one has ended its line."""
        self._screen.let_go()

    def close(self) -> None:
        """Take the line away and end the thread. Idempotent."""
        self._stop.set()
        self._runs.set()
        self._screen.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def status(self) -> Status:
        """Give what the line says now."""
        latest = self._latest
        latest.look()
        step = latest.step
        return Status(
            self._name(),
            step,
            self._total() or latest.total(self._epochs()),
            None if step is None else self._pace.at(time.monotonic(), step),
            list(latest.values.items())[:_MAX_METRICS],
        )

    def _go(self) -> None:
        try:
            while not self._stop.wait(_EVERY_S):
                self._runs.wait()
                if self._is_resumed:
                    self._is_resumed = False
                    self._pace = _Pace()  # a prompt waits long
                    self._latest.look()
                    self._known_rows = self._latest.rows
                screen, status = self._screen, self.status()
                if self._latest.rows == self._known_rows:
                    continue
                text = line_of(status, screen.width, plain=screen.is_plain)
                if not self._stop.is_set():
                    screen.show(text)
        except Exception as error:  # noqa: BLE001  (a line must never stop training)
            self._screen.close()
            self._on_fault("draw the progress line", error)


def screen_here(*, is_prompting: bool = False) -> Screen | None:
    """Give the terminal that we run in, if there is one."""
    stream = terminal_of(sys.stdout, sys.stderr, is_prompting=is_prompting)
    return None if stream is None else Screen(stream, [sys.stdout, sys.stderr])
