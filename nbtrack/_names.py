"""Names for people: of runs (``amber-heron-12``), and of places."""

from __future__ import annotations

import os
from typing import Final

_ADJECTIVES: Final = """
amber ample brave breezy bright calm clear copper coral crisp deft dusky eager early
earnest fair fleet fond gentle glad golden hazel honest ivory jolly keen kind lively
lucid mellow merry mild misty mossy neat nimble noble olive pale patient placid plain
proud quick quiet rapid ready rosy ruddy rustic sage sandy serene silver sleek smooth
snowy solid spry steady still sunny swift tidy tranquil vivid warm wise witty
"""
_NOUNS: Final = """
badger bear beaver bison bittern crane curlew deer dipper dove dunlin eagle egret eider
elk falcon ferret finch fox gecko godwit goose grebe gull hare harrier hawk heron hobby
ibex ibis jay kestrel kite lark linnet lynx magpie marten merlin mole moose newt osprey
otter owl petrel pipit plover puffin quail raven robin rook seal shrew siskin snipe
stoat stork swan tern thrush toad trout vole warbler weasel wren
"""


def new_name(number: int) -> str:
    """Draw a name that ends in the run's number within its project."""
    return f"{_drawn(_ADJECTIVES.split())}-{_drawn(_NOUNS.split())}-{number}"


def _drawn(words: list[str]) -> str:
    # The user's seeded generator stays untouched; ``random`` takes long to load.
    return words[int.from_bytes(os.urandom(4), "big") % len(words)]


def shown(directory: str) -> str:
    """Give a path as a person would write it: relative where that is shorter."""
    try:
        relative = os.path.relpath(directory)
    except (OSError, ValueError):  # no working directory any more; another drive
        return directory
    return directory if relative.startswith("..") else relative
