"""The user's own conversations on their way to fine-tuning: packed once, with masks, and mistakes found before training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from firesteel.core.errors import SourceError
from firesteel.core.tokenizer import SPECIAL_TOKENS, SPLIT_PATTERN, Tokenizer
from firesteel.stages.conversations import check_conversations, pack_conversations, read_conversations

TOOLS = [{"type": "function", "function": {"name": "sum", "parameters": {}}}]
CALL = {"id": "1", "type": "function", "function": {"name": "sum", "arguments": {"a": 1}}}
CHATS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "嗨"}, {"role": "assistant", "content": "你好"}]},
    {"instruction": "a", "output": "b" * 100},
    {"messages": [
        {"role": "user", "content": "1"}, {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "2", "tool_call_id": "1"}, {"role": "assistant", "content": "2"},
    ], "tools": TOOLS},
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    backend = Backend(models.BPE())
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT_PATTERN), "isolated"), bytes_])
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator([], trainers.BpeTrainer(
        vocab_size=300, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False
    ))  # fmt: skip
    return Tokenizer(backend)


def write(folder: Path, *records: dict[str, Any], name: str = "c.jsonl") -> list[str]:
    (folder / name).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")
    return [str(folder / name)]


def test_packed_conversations_come_back_as_they_are_rendered(tmp_path: Path, tokenizer: Tokenizer) -> None:
    files = write(tmp_path, *CHATS)
    expected = [tokenizer.render(c.messages, tools=c.tools) for c in read_conversations(files)]
    packed = pack_conversations(files, tokenizer, tmp_path / "work")
    assert packed.lengths.tolist() == [len(r.ids) for r in expected]
    stream = packed.stream(1000)
    assert [stream(i) for i in range(6)] == expected * 2
    only = packed.stream(len(expected[0].ids))
    assert (
        min(len(r.ids) for r in expected[1:]) > len(expected[0].ids) and [only(i) for i in range(2)] == expected[:1] * 2
    )
    again = pack_conversations(["no such file"], tokenizer, tmp_path / "work")  # a resumed run does not pack again
    assert again.stream(1000)(2) == expected[2]
    with pytest.raises(SourceError, match=r"short enough.*sft.max_tokens = 3"):
        packed.stream(3)


def test_an_interrupted_packing_leaves_nothing_that_looks_finished(tmp_path: Path, tokenizer: Tokenizer) -> None:
    files = write(tmp_path, *CHATS, {"messages": []})
    with pytest.raises(SourceError, match=r"c.jsonl:4: messages"):
        pack_conversations(files, tokenizer, tmp_path / "work")
    write(tmp_path, CHATS[0])
    assert len(pack_conversations(files, tokenizer, tmp_path / "work").lengths) == 1


def test_mistakes_are_found_before_training(tmp_path: Path, tokenizer: Tokenizer) -> None:
    check_conversations((), tokenizer, 16)
    check_conversations(write(tmp_path, *CHATS), tokenizer, 100)
    with pytest.raises(SourceError, match="short enough"):
        check_conversations(write(tmp_path, CHATS[1]), tokenizer, 16)
    with pytest.raises(SourceError, match=r"c.jsonl:2: messages"):
        check_conversations(write(tmp_path, CHATS[0], {"messages": []}), tokenizer, 100)
    with pytest.raises(SourceError, match="preference pairs"):
        check_conversations(write(tmp_path, {"prompt": "a", "chosen": "b", "rejected": "c"}), tokenizer, 100)
    with pytest.raises(SourceError, match="no conversations"):
        check_conversations(write(tmp_path), tokenizer, 100)
