"""Between the phases: from pairs of similar documents to who stays, and from repeated paragraphs to what is cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from firesteel.data.flow.blocks import MASK, SHIFT, Block
from firesteel.data.flow.folder import between, building, load, save

EXACT, NEAR, EMPTIED = 1, 2, 3
RULES = {EXACT: "exact duplicate", NEAR: "near duplicate", EMPTIED: "duplicate paragraphs"}
VERDICT = np.dtype([("place", "<u8"), ("kind", "u1"), ("other", "<u8"), ("value", "<f8")])


def resolve(exact: Iterable[np.ndarray], similar: Iterable[np.ndarray]) -> np.ndarray:
    """VERDICTs by place: exact repeats, and documents similar to an earlier one that stays.

    `exact`: PAIRs, `similar`: SIMILARs in ascending order of `later` over all of them.
    """
    rows: list[tuple[int, int, int, float]] = []
    for found in exact:
        rows += [(later, EXACT, earlier, 1.0) for later, earlier in found.tolist()]
    gone = {row[0] for row in rows}
    for found in similar:
        for later, earlier, similarity in found.tolist():
            if later not in gone and earlier not in gone:
                gone.add(later)
                rows.append((later, NEAR, earlier, similarity))
    return np.sort(np.array(rows, dtype=VERDICT), order="place")


def cuts_by_block(blocks: Sequence[Block], folders: Sequence[Path], out: Path, least: int) -> np.ndarray:
    """Write each block's CUTs to `out/NUMBER.npy`; VERDICTs for documents of which fewer than `least` characters stay."""
    arrays = [load(folder, "cuts", whole=False) for folder in folders]
    emptied: list[tuple[int, int, int, float]] = []
    with building(out) as folder:
        for block in blocks:
            low = block.number << SHIFT
            found = [piece for _, piece in between(arrays, low, low + (1 << SHIFT), "place")]
            if not found:
                continue
            cuts = np.sort(np.concatenate(found), order=("place", "number"))
            save(folder, **{str(block.number): cuts})
            places, at = np.unique(cuts["place"], return_inverse=True)
            lost = np.bincount(at, weights=cuts["chars"])
            chars = block.array("chars")[block.rows(places)]
            for i in np.flatnonzero(chars - lost < least).tolist():
                emptied.append((int(places[i]), EMPTIED, 0, round(min(1.0, lost[i] / chars[i]), 4)))
    return np.array(emptied, dtype=VERDICT)


def standing(block: Block, verdicts: np.ndarray) -> np.ndarray:
    """Which rows of a block stay, bool [N]."""
    return ~np.isin(block.array("order"), of_block(block, verdicts)["place"] & MASK)


def of_block(block: Block, verdicts: np.ndarray) -> np.ndarray:
    """The VERDICTs of a block's documents."""
    low, high = (int(np.searchsorted(verdicts["place"], np.uint64((block.number + i) << SHIFT))) for i in (0, 1))
    return verdicts[low:high]
