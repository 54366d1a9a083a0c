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
    pieces = [_verdicts(found["later"], EXACT, found["earlier"], 1.0) for found in exact]
    gone = {place for piece in pieces for place in piece["place"].tolist()}
    for found in similar:
        chosen = []
        for i, (later, earlier) in enumerate(zip(found["later"].tolist(), found["earlier"].tolist(), strict=True)):
            if later not in gone and earlier not in gone:
                gone.add(later)
                chosen.append(i)
        some = found[chosen]
        pieces.append(_verdicts(some["later"], NEAR, some["earlier"], some["similarity"]))
    return np.sort(np.concatenate([np.empty(0, dtype=VERDICT), *pieces]), order="place")


def _verdicts(places: np.ndarray, kind: int, others: np.ndarray | int, values: np.ndarray | float) -> np.ndarray:
    out = np.empty(len(places), dtype=VERDICT)
    out["place"], out["kind"], out["other"], out["value"] = places, kind, others, values
    return out


def cuts_by_block(blocks: Sequence[Block], folders: Sequence[Path], out: Path, least: int) -> np.ndarray:
    """Write each block's CUTs to `out/NUMBER.npy`; VERDICTs for documents of which fewer than `least` characters stay."""
    arrays = [load(folder, "cuts", whole=False) for folder in folders]
    emptied: list[np.ndarray] = []
    with building(out) as folder:
        for block in blocks:
            low = block.number << SHIFT
            found = [piece for _, piece in between(arrays, low, low + (1 << SHIFT), "place")]
            if not found:
                continue
            cuts = np.sort(np.concatenate(found), order=("place", "number"))
            save(folder, **{str(block.number): cuts})
            places, first = np.unique(cuts["place"], return_index=True)
            lost = np.array([_lost(own) for own in np.split(cuts, first[1:])])
            chars = block.array("chars")[block.rows(places)]
            few = np.flatnonzero(chars - lost < least)
            emptied.append(_verdicts(places[few], EMPTIED, 0, np.minimum(1.0, lost[few] / chars[few])))
    return np.concatenate([np.empty(0, dtype=VERDICT), *emptied])


def _lost(cuts: np.ndarray) -> int:
    """Characters that one document's cuts take: a line within a paragraph that goes counts once."""
    spans = sorted(zip(cuts["start"].tolist(), cuts["chars"].tolist(), strict=True))
    lost, end = 0, 0
    for start, chars in spans:
        lost += max(0, start + chars - max(start, end))
        end = max(end, start + chars)
    return lost


def standing(block: Block, verdicts: np.ndarray) -> np.ndarray:
    """Which rows of a block stay, bool [N]."""
    return ~np.isin(block.array("order"), of_block(block, verdicts)["place"] & MASK)


def of_block(block: Block, verdicts: np.ndarray) -> np.ndarray:
    """The VERDICTs of a block's documents."""
    low, high = (int(np.searchsorted(verdicts["place"], np.uint64((block.number + i) << SHIFT))) for i in (0, 1))
    return verdicts[low:high]
