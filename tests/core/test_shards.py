"""Token shards: every token once, in order, across shard borders; damage is named."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.core.errors import ArtefactError
from firesteel.core.shards import Entry, TokenShards, write_shards


@given(
    st.lists(st.lists(st.integers(0, 69_999), min_size=1, max_size=12), min_size=1, max_size=12),
    st.integers(1, 20), st.data(), st.sampled_from([70_000, 65_536]),
)  # fmt: skip
def test_every_slice_is_the_slice_of_all_tokens(documents, shard_tokens, data, vocab_size):
    documents = [[i % vocab_size for i in d] for d in documents]
    flat = [i for d in documents for i in d]
    with tempfile.TemporaryDirectory() as folder:
        stats = write_shards(Path(folder), documents, vocab_size=vocab_size, shard_tokens=shard_tokens)
        shards = TokenShards(Path(folder))
        assert len(shards) == len(flat) == stats["tokens"]
        start = data.draw(st.integers(0, len(flat)))
        length = data.draw(st.integers(0, len(flat) - start))
        assert shards.slice(start, length).tolist() == flat[start : start + length]
        assert shards.documents.tolist() == list(np.cumsum([0] + [len(d) for d in documents])[:-1])


def test_a_truncated_shard_and_a_broken_index_are_named(tmp_path):
    write_shards(tmp_path, [[1, 2, 3]], vocab_size=10, shard_tokens=2)
    file = tmp_path / "shard-00001.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ArtefactError, match="shard-00001.bin"):
        TokenShards(tmp_path)
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(ArtefactError, match="index"):
        TokenShards(tmp_path)


def test_a_token_outside_the_vocabulary_is_corruption(tmp_path):
    write_shards(tmp_path, [[1, 2, 9]], vocab_size=10, shard_tokens=5)
    index = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps(index | {"vocab_size": 9}))
    with pytest.raises(ArtefactError, match="corrupt"):
        TokenShards(tmp_path).slice(0, 3)


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 99), st.booleans()), min_size=1, max_size=9), min_size=1, max_size=9),
    st.integers(1, 20), st.data(),
)  # fmt: skip
def test_masks_and_sources_lie_beside_the_tokens(documents, shard_tokens, data):
    entries = [Entry([i for i, _ in d], [m for _, m in d], n % 3) for n, d in enumerate(documents)]
    flat = [m for d in documents for _, m in d]
    with tempfile.TemporaryDirectory() as folder:
        names = ["法", "b", "c"]
        write_shards(Path(folder), entries, vocab_size=100, shard_tokens=shard_tokens, masks=True, sources=names)
        shards = TokenShards(Path(folder))
        start = data.draw(st.integers(0, len(flat)))
        length = data.draw(st.integers(0, len(flat) - start))
        assert shards.mask(start, length).tolist() == flat[start : start + length]
        assert shards.sources == names and shards.source.tolist() == [n % 3 for n in range(len(documents))]
        for number, d in enumerate(documents):
            assert shards.slice(*shards.document(number)).tolist() == [i for i, _ in d]


def test_without_masks_every_token_is_learnt_and_a_document_without_one_is_learnt_whole(tmp_path):
    write_shards(tmp_path / "a", [[1, 2]], vocab_size=10, shard_tokens=5)
    assert TokenShards(tmp_path / "a").mask(0, 2).tolist() == [True, True] and TokenShards(tmp_path / "a").sources == []
    write_shards(tmp_path / "b", [[1], Entry([2], [False])], vocab_size=10, shard_tokens=5, masks=True)
    assert TokenShards(tmp_path / "b").mask(0, 2).tolist() == [True, False]


def test_a_truncated_mask_is_named_and_a_mask_of_another_length_is_ours(tmp_path):
    with pytest.raises(AssertionError, match="one value a token"):
        write_shards(tmp_path / "a", [Entry([1, 2], [True])], vocab_size=10, shard_tokens=2, masks=True)
    write_shards(tmp_path, [[1, 2, 3]], vocab_size=10, shard_tokens=2, masks=True)
    file = tmp_path / "mask-00001.bin"
    file.write_bytes(b"")
    with pytest.raises(ArtefactError, match="mask-00001.bin"):
        TokenShards(tmp_path)


def test_an_index_without_sources_is_as_it_was(tmp_path):
    write_shards(tmp_path, [[1, 2], [3]], vocab_size=10, shard_tokens=2)
    index = json.loads((tmp_path / "index.json").read_text())
    assert index == {"dtype": "<u2", "vocab_size": 10, "shards": [2, 1], "documents": [0, 2]}
