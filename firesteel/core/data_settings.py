"""The recipe's tables about text: what is read and how it is cleaned, the tokenizer, and the token shards."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from firesteel.core.table import Table

Duplicates = Literal["document", "paragraph", "line", "near"]


class DataSettings(Table):
    """[data]: raw files to clean documents."""

    sources: tuple[str, ...] = Field((), description="folders, files, fsspec URLs or package:NAME")
    licence: str = Field("unstated", description="licence of the user's own files, for the data card")
    max_documents: int = Field(0, ge=0, description="keep at most this many per source (seeded choice); 0 = all")
    min_chars: int = Field(10, ge=1, description="shorter documents are dropped")
    max_chars: int = Field(200_000, ge=1, description="longer documents are split at paragraph ends")
    ocr: bool = Field(False, description="read scanned PDF pages (extra 'ocr')")
    simplify: bool = Field(
        True, description="traditional Chinese to simplified; not texts tagged zh-TW/HK/lzh, classical ones, quotations"
    )
    boilerplate: float = Field(
        0.02, ge=0, le=1, description="a line in this share of a source's documents (and in 5) is dropped; 0 = never"
    )
    rules: tuple[str, ...] = Field(("firesteel",), description="filter rule sets, see filters/rules.toml; () = none")
    rules_off: tuple[str, ...] = Field((), description="single rules that are not applied, by name")
    rules_file: str = Field("", description="an own TOML file of further rules, in the form of filters/rules.toml")
    languages: tuple[str, ...] = Field((), description="keep only these languages, such as zh and en; () = all")
    quality_good: tuple[str, ...] = Field((), description="files of good examples for the quality classifier")
    quality_bad: tuple[str, ...] = Field((), description="files of bad examples for the quality classifier")
    quality_min: float = Field(0.5, ge=0, le=1, description="documents that the classifier scores lower are dropped")
    duplicates: tuple[Duplicates, ...] = Field(
        ("document", "paragraph", "near"), description="what is dropped when it comes again"
    )
    near_duplicate: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Jaccard similarity of 5-grams (characters; words in English) that counts as the same",
    )
    against: tuple[str, ...] = Field(
        (), description="documents artefacts of earlier runs: what they kept counts as seen"
    )
    redact: bool = Field(True, description="replace personal data by typed placeholders")
    redact_names: bool = Field(True, description="names of persons, too, where the words around them tell")
    privacy_key: str = Field(
        "",
        description="file with the secret of the placeholders' tags; '' = ~/.config/firesteel/privacy.key, made once",
    )
    heldout: float = Field(0.02, gt=0, lt=0.5, description="share of documents kept from training, for perplexity")


class TokenizerSettings(Table):
    """[tokenizer]: byte-level BPE trained on the documents and the tasks' own text."""

    vocab_size: int = Field(4096, ge=512, le=262_144, description="entries, special tokens included")
    sample_mb: float = Field(8.0, gt=0, description="MB of text to train it on")


class TokensSettings(Table):
    """[tokens]: documents to packed, memory-mapped shards."""

    shard_tokens: int = Field(1 << 22, ge=1024, description="tokens in a shard file")
    mixture: dict[str, float] = Field(
        {}, description="share of the training text by source label; sources left out share the rest by size"
    )
    fim_rate: float = Field(0.0, ge=0, le=1, description="share of documents rearranged for fill-in-the-middle (PSM)")
