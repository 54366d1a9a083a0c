"""Packing: every token of every document is in the shards once, in order, with its boundaries."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firesteel.core.config import TokenizerSettings, TokensSettings
from firesteel.core.errors import ArtefactError, RecipeError
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
    write_lines(
        folder / "part-00000.jsonl.zst",
        [{"id": str(i), "text": t, "source": f"{'ab'[i % 2]}/file.txt"} for i, t in enumerate(train)],
    )
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


def contents(folder: Path, tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """The documents of shards as (source, text with its markers)."""
    shards = TokenShards(folder)
    ids = [shards.slice(*shards.document(i)).tolist()[1:-1] for i in range(len(shards.documents))]
    texts = [tokenizer.backend.decode(i, skip_special_tokens=False) for i in ids]
    return [(shards.sources[n], text) for n, text in zip(shards.source.tolist(), texts, strict=True)]


def test_each_document_carries_its_source(tmp_path: Path, tokenizer: Tokenizer) -> None:
    stats = pack(documents(tmp_path / "docs", ["一", "二二", "三"], ["h"]), tokenizer, TokensSettings(), tmp_path)
    assert contents(tmp_path / "train", tokenizer) == [("a", "一"), ("b", "二二"), ("a", "三")]
    assert stats["train"]["source_bytes"] == {"a": 6, "b": 6} and stats["heldout"]["source_bytes"] == {"": 1}
    assert sum(stats["train"]["source_tokens"].values()) == stats["train"]["tokens"]
    assert "mixture" not in stats and "fim_documents" not in stats["train"]


def test_a_mixture_repeats_one_source_and_thins_another(tmp_path: Path, tokenizer: Tokenizer) -> None:
    texts = [f"{i:03} {'x' * 40}" for i in range(400)]
    settings, said = TokensSettings(mixture={"a": 0.9}), []
    stats = pack(documents(tmp_path / "d", texts, ["h"]), tokenizer, settings, tmp_path, seed=3, say=said.append)
    found = contents(tmp_path / "train", tokenizer)
    assert stats["mixture"]["a"]["epochs"] == 1.8 and stats["mixture"]["b"]["epochs"] == 0.2 and not said
    assert stats["mixture"]["a"]["reached"] == pytest.approx(0.9, abs=0.02) and len(found) == pytest.approx(400, abs=40)
    copies = {text: [i for i, (_, t) in enumerate(found) if t == text] for _, text in found}
    assert {text for source, text in found if source == "a"} == set(texts[::2])
    assert max(len(at) for at in copies.values()) == 2
    assert all(at[-1] - at[0] > 50 for at in copies.values() if len(at) == 2)
    pack(documents(tmp_path / "d", texts, ["h"]), tokenizer, settings, tmp_path / "again", seed=3)
    assert contents(tmp_path / "again" / "train", tokenizer) == found


def test_what_a_mixture_warns_of_and_refuses(tmp_path: Path, tokenizer: Tokenizer) -> None:
    docs, said = documents(tmp_path / "d", ["x" * 50] * 21, ["h"]), []
    pack(docs, tokenizer, TokensSettings(mixture={"b": 0.0, "a": 1.0}), tmp_path, say=said.append)
    assert said == ["  [yellow]b is not seen at all[/yellow]"]
    with pytest.raises(RecipeError, match="without text: c"):
        pack(docs, tokenizer, TokensSettings(mixture={"c": 0.5}), tmp_path)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_a_share_of_the_training_documents_is_rearranged_and_comes_back(
    tmp_path: Path, tokenizer: Tokenizer, rate: float
) -> None:
    texts = [f"{i} " + chinese(i, 4) + "<|fim_middle|>" for i in range(100)]
    stats = pack(documents(tmp_path / "d", texts, texts), tokenizer, TokensSettings(fim_rate=rate), tmp_path)
    shards, back, filled = TokenShards(tmp_path / "train"), [], 0
    prefix, middle, suffix = tokenizer.fim_ids or (0, 0, 0)
    for i in range(len(shards.documents)):
        ids = shards.slice(*shards.document(i)).tolist()[1:-1]
        if ids[0] == prefix:
            a, b = ids.index(suffix), ids.index(middle)
            ids, filled = ids[1:a] + ids[b + 1 :] + ids[a + 1 : b], filled + 1
        back.append(tokenizer.decode(ids))
    assert back == texts
    assert filled == stats["train"].get("fim_documents", 0) == pytest.approx(100 * rate, abs=15 if 0 < rate < 1 else 0)
    held = TokenShards(tmp_path / "heldout")
    assert not {prefix, middle, suffix} & set(held.slice(0, len(held)).tolist())


def test_a_tokenizer_without_the_markers_cannot_fill_in(tmp_path: Path, tokenizer: Tokenizer) -> None:
    class Old(Tokenizer):
        fim_ids = None

    (tmp_path / "t").mkdir()
    tokenizer.save(tmp_path / "t")
    docs = documents(tmp_path / "d", ["x"], ["h"])
    with pytest.raises(ArtefactError, match="no tokens for fill-in-the-middle"):
        pack(docs, Old.load(tmp_path / "t"), TokensSettings(fim_rate=0.1), tmp_path)
