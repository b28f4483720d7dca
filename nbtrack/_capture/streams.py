"""Hearing what is printed, without being in the way of anybody.

``sys.stdout.write`` is replaced on the stream *object*, not the object in ``sys``:
whoever holds the stream (a logging handler made before, ipykernel, rich) is heard as
well, ``sys.stdout`` stays what it was to everybody who asks what it is, and whoever
puts another one in ``sys`` (``redirect_stdout``, pytest, ``%%capture``) has it alone.
Text is handed on first and noted after, so a stream that refuses it raises as it did.

What comes below Python, such as a C library's ``printf``, goes to descriptor 1 or 2.
ipykernel hands that to its streams, so it is heard in a kernel. Elsewhere it is heard
when asked for: a pipe (or a pseudo-terminal, where there was a terminal) takes the
descriptor's place, and a thread hands on what comes through.
"""

from __future__ import annotations

import codecs
import os
import sys
import threading
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES: Final = {"out": "stdout", "err": "stderr"}
_NUMBERS: Final = {"out": 1, "err": 2}


class Printed:
    """What was printed and not taken yet.

    One list for both streams keeps their order. Its items: a text is of stdout; a
    tuple of one text is of stderr; a number is the count of a cell that began.
    Appending is atomic, and all that happens in the thread that prints. A ``print`` of
    four things makes eight items, so they are joined without looking at each.

    Very much text must not wait: whoever takes it late has it bounded meanwhile. Where
    nobody does, ``note_all`` counts characters, which takes longer than ``note``.
    """

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._held: list[tuple[str, str | int]] = []  # before the items
        self._size = 0  # as far as noted
        self._lock = threading.RLock()

    def note(self, item: Any) -> None:
        """Take what was just printed."""
        self.items.append(item)
        if len(self.items) > _MOST_ITEMS:  # whoever takes them gets no processor
            self.bound()

    def note_all(self, item: Any) -> None:
        """Take what was just printed, and see that it does not get too long."""
        self.items.append(item)
        try:
            self._size += _OF_AN_ITEM + len(
                item[0] if item.__class__ is tuple else item
            )
        except TypeError:  # some streams take anything
            self._size += _OF_AN_ITEM
        if self._size > _MOST_WAITING:
            self.bound()

    def bound(self) -> None:
        """Leave out the middle of what waits, if it is very much."""
        if not self._lock.acquire(blocking=False):
            return  # somebody is taking it
        try:
            from nbtrack._capture.burst import bounded

            self._size = 0  # first: who prints from a signal's handler comes by here
            held = list(bounded(self._held + self._joined()))
            self._held = held
            self._size += sum(len(text) for _, text in held if isinstance(text, str))
        finally:
            self._lock.release()

    def take(self) -> list[tuple[str, str | int]]:
        """Give what came since the last call: stream and text, joined; or "cell"."""
        with self._lock:
            held, self._held = self._held, []
            self._size = 0
            return held + self._joined()

    def _joined(self) -> list[tuple[str, str | int]]:
        count = len(self.items)  # others may append meanwhile
        items = self.items[:count]
        del self.items[:count]
        if not items:
            return []
        if set(map(type, items)) == {str}:
            return [("out", "".join(items))]
        found: list[tuple[str, str | int]] = []
        for kind, group in groupby(items, type):
            if kind is int:
                found += (("cell", number) for number in group)
            elif kind is tuple:
                texts = [text for (text,) in group]
                found.append(("err", "".join(filter(_is_text, texts))))
            else:
                found.append(("out", "".join(filter(_is_text, group))))
        return found


#: Characters that wait if noted, and what an item counts besides its own.
_MOST_WAITING: Final = 8 * 2**20
_OF_AN_ITEM: Final = 16
_MOST_ITEMS: Final = 2**18


def _is_text(thing: object) -> bool:
    return isinstance(thing, str)  # some streams take anything


class Hook:
    """Hears one stream object; may be silenced, and be heard again."""

    def __init__(self, stream: Any, kind: str, note: Callable[[Any], None]) -> None:
        self.stream = stream
        self._had_own = "write" in vars(stream)
        self._original = original = stream.write
        take = note

        def write_out(text: Any, /) -> Any:
            told = original(text)
            take(text)
            return told

        def write_err(text: Any, /) -> Any:
            told = original(text)
            take((text,))
            return told

        write = write_err if kind == "err" else write_out

        def turn(to: Callable[[Any], None]) -> None:
            nonlocal take
            take = to

        self._write = write
        self._turn = turn
        stream.write = write

    def hear(self, note: Callable[[Any], None]) -> None:
        """Hear again what was silenced."""
        self._turn(note)

    def silence(self) -> None:
        """Hear nothing more, and only hand on."""
        self._turn(_nothing)

    @property
    def is_in_place(self) -> bool:
        """Whether what is written to the stream still comes through here.

        IPython puts a ``write`` of its own over the stream's for the time of a cell,
        and then puts back what it found. What others put over ours is looked through
        as far as functions show what they call; where not, they are believed to.
        """
        seen, unseen = set[int](), [vars(self.stream).get("write")]
        if unseen[0] is None:
            return False
        if not hasattr(unseen[0], "__closure__"):
            return not _is_own_method(unseen[0], self.stream)
        while unseen and len(seen) < _MOST_SEEN:
            one = unseen.pop()
            if one is self._write:
                return True
            seen.add(id(one))
            for cell in getattr(one, "__closure__", None) or ():
                with suppress(ValueError):  # an empty cell
                    inner = cell.cell_contents
                    if callable(inner) and id(inner) not in seen:
                        unseen.append(inner)
        return False

    def remove(self) -> bool:
        """Give the stream its own ``write`` back, if nobody put another over ours.

        Where somebody did, ours stays below theirs and only hands on.

        Returns
        -------
        bool
            Whether nothing of ours is left.
        """
        self.silence()
        if vars(self.stream).get("write") is not self._write:
            return not self.is_in_place
        if self._had_own:
            self.stream.write = self._original
        else:
            del self.stream.write
        return True


_MOST_SEEN: Final = 64


def _is_own_method(write: Any, stream: Any) -> bool:
    """Say whether a ``write`` is nothing but the one of the stream's class."""
    return getattr(write, "__self__", None) is stream


def _nothing(_: Any) -> None:
    pass


class Streams:
    """Standard output and error of this process, heard while somebody listens."""

    def __init__(self) -> None:
        self.printed = Printed()
        self._hooks: dict[str, Hook] = {}
        self._left: list[Hook] = []  # silenced, and not on top so far
        self._pipes: dict[str, Pipe] = {}
        self._is_watched = True

    def be_alone(self) -> None:
        """See to it from now on that not too much waits: no thread does."""
        self._is_watched = False
        for hook in self._hooks.values():
            hook.hear(self._note)

    @property
    def _note(self) -> Callable[[Any], None]:
        return self.printed.note if self._is_watched else self.printed.note_all

    def listen(self, *, below_python: bool) -> list[str]:
        """Hear what is printed from now on; again: also streams that are new.

        Returns
        -------
        list of str
            What cannot be heard, and why, a line each.
        """
        refused = []
        for kind, name in _NAMES.items():
            if below_python and kind not in self._pipes:
                pipe = self._pipe(kind)
                if pipe is not None:
                    self._pipes[kind] = pipe
            stream = getattr(sys, name, None)
            if stream is None or self._is_piped(kind, stream):
                continue
            try:
                self._hook(kind, stream)
            except (AttributeError, TypeError) as error:
                refused.append(f"sys.{name} is a {type(stream).__name__}: {error}")
        return refused

    def _hook(self, kind: str, stream: Any) -> None:
        hook = self._hooks.get(kind)
        if hook is not None and hook.stream is stream and hook.is_in_place:
            return
        note = self._note
        for left in self._left:
            if left.stream is stream and left.is_in_place:
                left.hear(note)
                self._left.remove(left)
                self._hooks[kind] = left
                return
        self._hooks[kind] = Hook(stream, kind, note)
        if hook is not None:
            self._leave(hook)

    def _leave(self, hook: Hook) -> None:
        if not hook.remove():
            self._left.append(hook)

    def tidy(self) -> None:
        """Take away what could not be before, because somebody was above it."""
        left, self._left = self._left, []
        for hook in left:
            self._leave(hook)

    def _pipe(self, kind: str) -> Pipe | None:
        stream = getattr(sys, _NAMES[kind], None)
        if hasattr(stream, "watch_fd_thread"):
            return None  # ipykernel hears the descriptor already
        items = self.printed.items  # a pipe has a thread, so others can be had

        def note(text: str) -> None:
            items.append((text,) if kind == "err" else text)

        try:
            return Pipe(_NUMBERS[kind], stream, note)
        except OSError:
            return None

    def _is_piped(self, kind: str, stream: Any) -> bool:
        """Say whether a stream's text comes through the pipe anyway."""
        if kind not in self._pipes:
            return False
        try:
            return bool(stream.fileno() == _NUMBERS[kind])
        except (OSError, ValueError, AttributeError):
            return False

    def stop(self) -> None:
        """Hear nothing more and leave everything as it was found."""
        for hook in self._hooks.values():
            self._leave(hook)
        self._hooks.clear()
        for pipe in self._pipes.values():
            pipe.remove()
        self._pipes.clear()

    def forked(self) -> None:
        """Continue in a child, which hears nothing; its pipes lead to the parent."""
        for hook in self._hooks.values():
            self._leave(hook)
        self._hooks.clear()
        self._pipes.clear()
        self.printed = Printed()


class Pipe:
    """Takes the place of a descriptor and hands on what is written to it.

    Processes that were started meanwhile keep our pipe, so its thread reads until the
    last of them is gone.
    """

    def __init__(self, number: int, stream: Any, note: Callable[[str], None]) -> None:
        self._number = number
        self._stream = stream
        self._note: Callable[[str], None] | None = note
        _flush(stream)
        self._real = os.dup(number)
        self._users = 2  # of that: the thread, and who removes us
        self._lock = threading.Lock()
        is_terminal = os.isatty(number)
        self._read, write = _terminal_like(number) if is_terminal else os.pipe()
        try:
            os.dup2(write, number)
            self._ours = _identity(number)
        finally:
            os.close(write)
        self._is_done = threading.Event()
        self._thread = threading.Thread(
            target=self._hand_on, name=f"nbtrack-fd{number}", daemon=True
        )
        self._thread.start()

    def _hand_on(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            try:
                block = os.read(self._read, 65536)
            except OSError:  # a pseudo-terminal ends so
                break
            if not block:
                break
            rest = memoryview(block)
            with suppress(OSError):
                while rest:
                    rest = rest[os.write(self._real, rest) :]
            note = self._note
            if note is not None:
                note(decoder.decode(block))
        self._is_done.set()
        os.close(self._read)
        self._let_go()

    def _let_go(self) -> None:
        with self._lock:
            self._users -= 1
            is_last = self._users == 0
        if is_last:
            os.close(self._real)

    def remove(self) -> None:
        """Put the descriptor back and wait for what is under way.

        If somebody closed it, or put a file of theirs in its place, it is left so.
        """
        _flush(self._stream)
        if _identity(self._number) == self._ours:
            os.dup2(self._real, self._number)
        if threading.current_thread() is not self._thread:
            self._is_done.wait(_PATIENCE_S)
        self._note = None
        self._let_go()


_PATIENCE_S: Final = 0.5  # processes that we do not know may hold the pipe open


def _identity(number: int) -> tuple[int, ...] | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_rdev


def _terminal_like(number: int) -> tuple[int, int]:
    """Make a pseudo-terminal that looks like the one it stands for."""
    import fcntl
    import termios
    import tty

    ours, theirs = os.openpty()
    with suppress(OSError, termios.error):
        tty.setraw(theirs)
        size = fcntl.ioctl(number, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    return ours, theirs


def _flush(stream: Any) -> None:
    with suppress(Exception):  # it may be closed, or anything
        stream.flush()
