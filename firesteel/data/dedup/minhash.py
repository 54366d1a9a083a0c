"""MinHash signatures of texts, and the bands that turn them into candidate pairs (Broder 1997; Leskovec et al., ch. 3).

`signatures` is rensa's (Rust); `signatures_numpy` is the slow twin, kept as its oracle: the numbers differ, for the
hash functions do, but both estimate the same Jaccard similarity of the same shingles. N texts, S shingles.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PERMUTATIONS = 128
SEED = 1  # of the hash functions; not a setting, so that two runs over the same texts agree
RECALL = 0.99  # least probability that a pair just at the threshold becomes a candidate

Signer = Callable[[np.ndarray, np.ndarray], np.ndarray]


def signatures(hashes: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Signatures uint32 [N, PERMUTATIONS] of texts whose hashed shingles stand in a row, uint64 [S], each up to its end."""
    from rensa import RMinHash

    if len(ends) == 0:
        return np.empty((0, PERMUTATIONS), dtype=np.uint32)
    offsets = np.concatenate([[0], ends]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, PERMUTATIONS, SEED)
    return np.asarray(matrix.to_rows(), dtype=np.uint32)


def signatures_numpy(hashes: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The same by multiply-shift hashing in numpy (Dietzfelbinger et al. 1997), one text at a time."""
    rng = np.random.default_rng(SEED)
    a = rng.integers(0, 1 << 63, PERMUTATIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    b = rng.integers(0, 1 << 63, PERMUTATIONS, dtype=np.uint64)
    out = np.full((len(ends), PERMUTATIONS), 0xFFFFFFFF, dtype=np.uint32)
    start = 0
    with np.errstate(over="ignore"):  # modulo 2^64
        for row, end in zip(out, ends.tolist(), strict=True):
            own, start = hashes[start:end], end
            for i in range(PERMUTATIONS if len(own) else 0):
                row[i] = ((own * a[i] + b[i]) >> np.uint64(32)).min()
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
    """One number for the rows of each band and the band itself, uint64 [N, bands]."""
    keys = np.broadcast_to(np.arange(1, bands + 1, dtype=np.uint64), (len(signatures), bands)).copy()
    with np.errstate(over="ignore"):
        for r in range(rows):
            keys = (keys ^ signatures[:, r : bands * rows : rows].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            keys ^= keys >> np.uint64(29)
        keys *= np.uint64(0xBF58476D1CE4E5B9)
        keys ^= keys >> np.uint64(32)
    return keys
