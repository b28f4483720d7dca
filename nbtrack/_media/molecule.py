"""Molecules: files of them, and what rdkit has in memory.

Atoms and bonds are read from PDB, SDF, MOL (V2000) and XYZ, so that they can be drawn;
other files are kept. Bonds of PDB and XYZ, which name none or few, are guessed from
distances, as viewers do: two atoms nearer than the sum of their radii and 0.45 Å.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nbtrack._media import clouds
from nbtrack._media.base import FileMedia, caption_of
from nbtrack._media.overlays import rgb_of
from nbtrack._media.source import Held, RunFile, UserFile, stored
from nbtrack.errors import (
    MediaError,
    MediaFileError,
    MediaSizeError,
    MediaTypeError,
    MissingPackageError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

    from nbtrack._draw.html import Safe
    from nbtrack._media.base import Shown
    from nbtrack._media.source import Source, Store

MOST_BYTES: Final = 2**26
MOST_ATOMS: Final = 5_000  # that are drawn

_FILES: Final = frozenset(
    ".pdb .pqr .mmcif .mcif .cif .sdf .sd .gro .mol2 .mmtf .mol .xyz".split()  # noqa: SIM905
)
_SLACK: Final = 0.45  # Å
_COLORS: Final = {
    "H": "#c8ccd0", "C": "#7d8590", "N": "#3d6fe0", "O": "#e0483d", "S": "#d9b310",
    "P": "#e08a2a", "F": "#3fb950", "CL": "#3fb950", "BR": "#a0522d", "I": "#8a3ffc",
    "FE": "#c06030", "MG": "#2aa876", "ZN": "#7d80b0", "CA": "#3f9f3f",
}  # fmt: skip
_RADII: Final = {"H": 0.31, "C": 0.76, "N": 0.71, "O": 0.66, "S": 1.05, "P": 1.07}
_OTHER: Final = "#c77dff"


class Atoms(NamedTuple):
    """Elements, places in Å, and pairs of atoms that are bound."""

    elements: list[str]
    places: list[tuple[float, float, float]]
    bonds: list[tuple[int, int]]


class Molecule(FileMedia):
    """A molecule to be logged, or of a stored run.

    Parameters
    ----------
    data_or_path
        The path of a pdb, sdf, mol, xyz, cif, mol2, … file; a file object, with
        ``file_type``; or a molecule of rdkit's.

    Raises
    ------
    MediaError
        There is no such file, or it is no molecule.
    """

    _type = "molecule-file"

    def __init__(
        self,
        data_or_path: Any,
        caption: str | None = None,
        file_type: str | None = None,
    ) -> None:
        self.caption = caption_of(caption)
        data = data_or_path
        if hasattr(data, "GetAtoms"):
            self._source: Source = Held(_from_rdkit(data), ".mol")
        elif isinstance(data, (str, os.PathLike)):
            self._source = UserFile(data, MOST_BYTES)
        elif hasattr(data, "read"):
            content = data.read()
            content = content.encode() if isinstance(content, str) else content
            self._source = Held(content, f".{(file_type or '').lower().lstrip('.')}")
        else:
            msg = (
                "Molecule() takes a path, a file object or a molecule of rdkit's, not "
                f"{type(data).__name__}."
            )
            raise MediaTypeError(msg)
        if self._source.suffix not in _FILES:
            known = " ".join(sorted(_FILES))
            msg = f"Molecule() takes files of the types {known}."
            raise MediaError(msg)

    @classmethod
    def from_rdkit(
        cls, data_or_path: Any, caption: str | None = None, **_: object
    ) -> Self:
        """Make it of a molecule of rdkit's, or of a file."""
        return cls(data_or_path, caption)

    @classmethod
    def from_smiles(cls, data: str, caption: str | None = None, **_: object) -> Self:
        """Make it of SMILES, which needs rdkit.

        Raises
        ------
        MediaError
            rdkit cannot read it.
        """
        try:
            from rdkit import Chem
        except ImportError as error:
            why = "Reading SMILES"
            raise MissingPackageError("rdkit", extra="rdkit", why=why) from error
        found = Chem.MolFromSmiles(data)
        if found is None:
            msg = f"{data!r:.200} is no SMILES that rdkit can read."
            raise MediaError(msg)
        return cls(found, data if caption is None else caption)

    # -- rows --------------------------------------------------------------------

    def _to_row(self, store: Store) -> dict[str, Any]:
        return stored(self._source, store).to_row()

    def _from_row(self, row: dict[str, Any], run_path: Path) -> None:
        self._source = RunFile.of(row, run_path)

    def read(self) -> str:
        """Give the text of its file."""
        return self._source.read().decode("utf-8", "replace")

    @property
    def atoms(self) -> Atoms:
        """Its atoms and bonds, of PDB, SDF, MOL and XYZ files.

        Raises
        ------
        MediaFileError
            The file is gone, broken, or of another type.
        """
        where = self.path or "The given molecule"
        return atoms_of(self.read(), self._source.suffix, where)

    # -- how it looks ------------------------------------------------------------

    def _outline(self) -> Shown:
        data = {"kind": "molecule"}
        return super()._outline()._replace(mime="application/json", data=data)

    def _shown(self) -> Shown:
        found = self.atoms
        if len(found.places) > MOST_ATOMS:
            found = Atoms(found.elements[:MOST_ATOMS], found.places[:MOST_ATOMS], [])
        data = {
            "kind": "molecule",
            "elements": found.elements,
            "colors": [_COLORS.get(e, _OTHER) for e in found.elements],
            "places": found.places,
            "bonds": found.bonds,
        }
        return self._outline()._replace(data=data)

    def _static(self, budget_bytes: int) -> Safe:  # noqa: ARG002  (it is small)
        import numpy as np

        from nbtrack._draw.html import el, muted
        from nbtrack._media.encode import data_url

        found = self.atoms
        elements = found.elements[:MOST_ATOMS]
        shades = [rgb_of(_COLORS.get(element, _OTHER)) for element in elements]
        places = np.array(found.places[:MOST_ATOMS])
        many = len(places) > 100  # noqa: PLR2004  (atoms that would hide each other)
        png = clouds.drawn(places, shades, 3.0 if many else 6.0, found.bonds)
        shown = el(
            "img",
            src=data_url(png, "image/png"),
            alt=(self.caption or "molecule")[:80],
            width=clouds.WIDTH,
            height=clouds.HEIGHT,
        )
        count = f"{len(found.places):,} atoms"
        told = f"{self.caption}: {count}" if self.caption else count
        style = "display:inline-block;vertical-align:top"
        return el(
            "div", shown, el("div", muted(told), style="font-size:12px"), style=style
        )

    def __repr__(self) -> str:
        told = f" {self.caption!r}" if self.caption else ""
        return f"<Molecule {self._source.suffix[1:]}{told}>"


def _from_rdkit(molecule: Any) -> bytes:
    try:
        from rdkit import Chem
        from rdkit.Chem import rdDepictor

        made = Chem.Mol(molecule)
        if not made.GetNumConformers():
            rdDepictor.Compute2DCoords(made)
        text: str = Chem.MolToMolBlock(made)
    except Exception as error:
        msg = f"The molecule cannot be written: {type(error).__name__}: {error}"
        raise MediaError(msg) from error
    return text.encode()


def atoms_of(text: str, suffix: str, where: object) -> Atoms:
    """Read atoms and bonds.

    Raises
    ------
    MediaFileError
    """
    reader = _READERS.get(suffix)
    if reader is None:
        raise MediaFileError(where, f"the atoms of {suffix} files are not read")
    if len(text) > MOST_BYTES:
        raise MediaSizeError.to_show(len(text), MOST_BYTES)
    try:
        found = reader(text.splitlines())
    except (ValueError, IndexError) as error:
        raise MediaFileError(where, f"it is no {suffix[1:]} file ({error})") from error
    if not found.places:
        raise MediaFileError(where, "it has no atoms")
    return found


def _pdb(lines: list[str]) -> Atoms:
    """Read columns as wwPDB's format 3.3 has them; the first model only."""
    elements: list[str] = []
    places: list[tuple[float, float, float]] = []
    for line in lines:
        if line.startswith("ENDMDL"):
            break
        if line.startswith(("ATOM", "HETATM")):
            places.append((float(line[30:38]), float(line[38:46]), float(line[46:54])))
            named = line[76:78].strip() or line[12:14].strip(" 0123456789")
            elements.append(named.upper())
    return Atoms(elements, places, _near(elements, places))


def _mol(lines: list[str]) -> Atoms:
    """Read the first molecule of an SDF or MOL file, V2000."""
    counts = lines[3]
    n_atoms, n_bonds = int(counts[:3]), int(counts[3:6])
    elements: list[str] = []
    places: list[tuple[float, float, float]] = []
    for line in lines[4 : 4 + n_atoms]:
        places.append((float(line[:10]), float(line[10:20]), float(line[20:30])))
        elements.append(line[31:34].strip().upper())
    ends = [
        (int(line[:3]) - 1, int(line[3:6]) - 1)
        for line in lines[4 + n_atoms : 4 + n_atoms + n_bonds]
    ]
    return Atoms(elements, places, [(a, b) for a, b in ends if max(a, b) < len(places)])


def _xyz(lines: list[str]) -> Atoms:
    rows = [line.split() for line in lines[2 : 2 + int(lines[0])]]
    elements = [row[0].upper() for row in rows]
    places = [(float(row[1]), float(row[2]), float(row[3])) for row in rows]
    return Atoms(elements, places, _near(elements, places))


_READERS: Final = {
    ".pdb": _pdb, ".mol": _mol, ".sdf": _mol, ".sd": _mol, ".xyz": _xyz,
}  # fmt: skip


def _near(
    elements: list[str], places: list[tuple[float, float, float]]
) -> list[tuple[int, int]]:
    """Guess bonds, of molecules that are small enough for pairs to be counted."""
    import numpy as np

    if len(places) > 2_000:  # noqa: PLR2004  (four million pairs)
        return []
    at = np.array(places)
    reach = np.array([_RADII.get(e, 1.2) for e in elements])
    apart = np.linalg.norm(at[:, None] - at[None], axis=2)
    bound = np.triu((apart < reach[:, None] + reach + _SLACK) & (apart > 0), 1)
    return [(int(a), int(b)) for a, b in np.argwhere(bound)]
