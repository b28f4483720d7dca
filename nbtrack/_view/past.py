"""Pictures under cells that logged before: at the end each is told how the run ended.

They are kept as they were rendered, since drawing them anew takes a tenth of a second
each, and a kernel that is restarted leaves us two. A notebook may have a thousand such
cells, so they are packed, and the oldest are let go of when there are too many: those
stay as they are.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbtrack._draw.spec import Card

    Bundle = Mapping[str, str]
    Restated = Callable[[Bundle, Card, str], Bundle]

_MOST_BYTES: Final = 32 * 2**20  # packed
_FASTEST: Final = 1  # of zlib's levels


class Past:
    """The pictures, by the displays that show them.

    Parameters
    ----------
    restated
        Gives a picture that was rendered with a card, with another state.
    """

    def __init__(self, restated: Restated) -> None:
        self._restated = restated
        self._kept: dict[str, tuple[Card, bytes]] = {}
        self._bytes = 0

    def keep(self, display_id: str, card: Card, bundle: Bundle) -> None:
        """Keep the picture that a display shows."""
        self.drop(display_id)
        packed = zlib.compress(json.dumps(dict(bundle)).encode(), _FASTEST)
        self._kept[display_id] = card, packed
        self._bytes += len(packed)
        while self._bytes > _MOST_BYTES and len(self._kept) > 1:
            self.drop(next(iter(self._kept)))

    def drop(self, display_id: str) -> None:
        """Let go of a picture, if there is one."""
        _, packed = self._kept.pop(display_id, (None, b""))
        self._bytes -= len(packed)

    @property
    def latest(self) -> str | None:
        """The display that was kept last."""
        return next(reversed(self._kept), None)

    def ended(self, state: str) -> Iterator[tuple[str, Bundle]]:
        """Give displays and what they are to show now."""
        for display_id, (card, packed) in self._kept.items():
            bundle = json.loads(zlib.decompress(packed))
            yield display_id, self._restated(bundle, card, state)

    def clear(self) -> None:
        """Let go of all."""
        self._kept.clear()
        self._bytes = 0
