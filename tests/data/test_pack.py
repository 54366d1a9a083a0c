"""Packing: every token of every document is in the shards once, in order, with its boundaries."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firesteel.core.config import TokenizerSettings, TokensSettings
from firesteel.core.errors import ArtefactError
from firesteel.core.shards import TokenShards
from firesteel.core.tokenizer import Tokenizer
from firesteel.data import pack as packing
from firesteel.data.pack import encode, pack
from firesteel.data.vocab import train_tokenizer
from tests.data.corpus import chinese, english, write_lines


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A small tokenizer."""
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer([chinese(1), english(1)], TokenizerSettings(vocab_size=512), folder)
    return Tokenizer.load(folder)


def documents(folder: Path, train: list[str], heldout: list[str]) -> Path:
    """A folder as the data stage leaves it."""
    write_lines(folder / "part-00000.jsonl.zst", [{"id": str(i), "text": t} for i, t in enumerate(train)])
    write_lines(folder / "heldout.jsonl.zst", [{"id": f"h{i}", "text": t} for i, t in enumerate(heldout)])
    return folder


TEXT = st.text(alphabet="ab 中文。\n<|bos|>", max_size=60)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXT, min_size=1, max_size=12), st.integers(1, 5))
def test_all_tokens_are_there_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer, texts: list[str], batch: int
) -> None:
    folder = tmp_path_factory.mktemp("pack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "BATCH_TEXTS", batch)
        stats = pack(
            documents(folder / "docs", texts, ["held out"]), tokenizer, TokensSettings(shard_tokens=1024), folder
        )
    shards = TokenShards(folder / "train")
    assert len(shards) == stats["train"]["tokens"] == sum(len(tokenizer.encode(t)) + 2 for t in texts)
    assert len(shards.documents) == stats["train"]["documents"] == len(texts)
    ends = [*shards.documents[1:].tolist(), len(shards)]
    for text, start, end in zip(texts, shards.documents.tolist(), ends, strict=True):
        ids = shards.slice(start, end - start).tolist()
        assert (ids[0], ids[-1]) == (tokenizer.bos_id, tokenizer.eos_id)
        assert tokenizer.decode(ids[1:-1]) == text
        assert not set(ids[1:-1]) & set(tokenizer.special.values())


def test_documents_cross_shards(tmp_path: Path, tokenizer: Tokenizer) -> None:
    texts = [chinese(i, 40) for i in range(8)]
    stats = pack(
        documents(tmp_path / "docs", texts, [english(1)]), tokenizer, TokensSettings(shard_tokens=1024), tmp_path
    )
    assert stats["train"]["shards"] > 2
    shards = TokenShards(tmp_path / "train")
    everything = shards.slice(0, len(shards)).tolist()
    assert everything == [id for ids in encode(texts, tokenizer) for id in ids]


def test_both_splits_are_packed_and_measured(tmp_path: Path, tokenizer: Tokenizer) -> None:
    stats = pack(documents(tmp_path / "docs", [chinese(1)] * 3, [english(1)]), tokenizer, TokensSettings(), tmp_path)
    assert (stats["train"]["documents"], stats["heldout"]["documents"]) == (3, 1)
    bytes_in = 3 * len(chinese(1).encode())
    assert stats["train"]["bytes_per_token"] == pytest.approx(bytes_in / (stats["train"]["tokens"] - 6), abs=1e-3)


def test_an_empty_split_is_an_error(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(ArtefactError, match="has no documents"):
        pack(documents(tmp_path / "docs", [chinese(1)], []), tokenizer, TokensSettings(), tmp_path)


def test_texts_stream_in_batches(tokenizer: Tokenizer) -> None:
    taken = 0

    def texts() -> object:
        nonlocal taken
        for i in range(10_000):
            taken += 1
            yield f"text {i}"

    first = next(iter(encode(texts(), tokenizer)))  # type: ignore[arg-type]
    assert first[0] == tokenizer.bos_id and taken == packing.BATCH_TEXTS
