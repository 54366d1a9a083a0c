"""理数据: raw files -> documents -> tokens. Normalise, filter, deduplicate, protect, pack."""
