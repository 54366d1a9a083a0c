"""MinHash signatures of texts, and the bands that turn them into candidate pairs.

`signatures` is rensa's (Rust); `signatures_numpy` is the slow twin, kept as its oracle: the numbers differ, for the
hash functions do, but both estimate the same Jaccard similarity of the same shingles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

PERMUTATIONS = 128
SEED = 1  # of the hash functions; not a setting, so that two runs over the same texts agree
RECALL = 0.99  # least probability that a pair just at the threshold becomes a candidate

Signer = Callable[[Sequence[np.ndarray]], np.ndarray]


def signatures(shingles: Sequence[np.ndarray]) -> np.ndarray:
    """Signatures of sets of hashed shingles (uint64 [M_i] each), uint32 [N, PERMUTATIONS]."""
    from rensa import RMinHash

    if not shingles:
        return np.empty((0, PERMUTATIONS), dtype=np.uint32)
    offsets = np.cumsum([0, *map(len, shingles)]).astype(np.uint64)
    flat = np.concatenate(shingles)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, PERMUTATIONS, SEED)
    return np.asarray(matrix.to_rows(), dtype=np.uint32)


def signatures_numpy(shingles: Sequence[np.ndarray]) -> np.ndarray:
    """The same by multiply-shift hashing in numpy (Dietzfelbinger et al. 1997), one document at a time."""
    rng = np.random.default_rng(SEED)
    a = rng.integers(0, 1 << 63, PERMUTATIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    b = rng.integers(0, 1 << 63, PERMUTATIONS, dtype=np.uint64)
    out = np.full((len(shingles), PERMUTATIONS), 0xFFFFFFFF, dtype=np.uint32)
    with np.errstate(over="ignore"):  # modulo 2^64
        for row, hashes in zip(out, shingles, strict=True):
            for i in range(PERMUTATIONS if len(hashes) else 0):
                row[i] = ((hashes * a[i] + b[i]) >> np.uint64(32)).min()
    return out


def candidate_probability(similarity: float, bands: int, rows: int) -> float:
    """Probability that two sets of this Jaccard similarity agree in all rows of some band."""
    return 1.0 - (1.0 - similarity**rows) ** bands


def layout(threshold: float) -> tuple[int, int]:
    """(bands, rows): the longest bands that still find RECALL of the pairs at `threshold`."""
    for rows in range(16, 1, -1):
        bands = PERMUTATIONS // rows
        if candidate_probability(threshold, bands, rows) >= RECALL:
            return bands, rows
    return PERMUTATIONS, 1


def band_keys(signatures: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """One number for the rows of each band, uint64 [N, bands]."""
    keys = np.zeros((len(signatures), bands), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for r in range(rows):
            keys = (keys ^ signatures[:, r : bands * rows : rows].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            keys ^= keys >> np.uint64(29)
    return keys
