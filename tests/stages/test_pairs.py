"""The user's preference pairs on their way to training: only answers are learnt, what teaches nothing is left out and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from firesteel.core.errors import SourceError
from firesteel.core.tokenizer import SPECIAL_TOKENS, SPLIT_PATTERN, Rendered, Tokenizer
from firesteel.stages.pairs import check_pairs, longest, pack_pairs, read_pairs, render_pair, useless

TOOLS = [{"type": "function", "function": {"name": "sum", "parameters": {}}}]
CALL = {"id": "1", "type": "function", "function": {"name": "sum", "arguments": {"a": 1}}}
ANSWER = {"role": "assistant", "content": "是"}
PAIRS: list[dict[str, Any]] = [
    {"prompt": "天", "chosen": "蓝", "rejected": "no"},
    {"prompt": [
        {"role": "user", "content": "1"}, {"role": "assistant", "content": "one", "reasoning_content": "hm"},
        {"role": "user", "content": "2"}, {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "3", "tool_call_id": "1"},
    ], "chosen": [{"role": "assistant", "content": "two"}],
        "rejected": [{"role": "assistant", "content": "x"}, {"role": "user", "content": "?"}, ANSWER], "tools": TOOLS},
    {"prompt": "a", "chosen": "b" * 400, "rejected": "c"},
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


def write(folder: Path, *records: dict[str, Any], name: str = "p.jsonl") -> list[str]:
    (folder / name).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")
    return [str(folder / name)]


def learnt(tokenizer: Tokenizer, side: Rendered) -> str:
    return tokenizer.decode(id for id, mask in zip(side.ids, side.mask, strict=True) if mask)


def test_only_the_answers_are_learnt_not_the_turns_of_the_prompt(tmp_path: Path, tokenizer: Tokenizer) -> None:
    simple, deep, _ = (render_pair(p, tokenizer) for p in read_pairs(write(tmp_path, *PAIRS)))
    assert [learnt(tokenizer, side) for side in (*simple, *deep)] == ["蓝", "no", "two", "x是"]
    assert all('"sum"' in tokenizer.decode(side.ids[: side.ids.index(tokenizer.special["<|user|>"])]) for side in deep)
    for chosen, rejected in (simple, deep):
        start = chosen.mask.index(True)
        assert start == rejected.mask.index(True) and chosen.ids[:start] == rejected.ids[:start]
        assert chosen.mask[-1] and chosen.ids[-1] == tokenizer.eos_id


def test_packed_pairs_come_back_as_they_are_rendered(tmp_path: Path, tokenizer: Tokenizer) -> None:
    files = write(tmp_path, *PAIRS)
    expected = [render_pair(p, tokenizer) for p in read_pairs(files)]
    packed = pack_pairs(files, tokenizer, tmp_path / "work")
    assert packed.longest.tolist() == [longest(sides) for sides in expected] and not packed.left_out
    usable = packed.usable(1000)
    assert [usable[i] for i in range(len(usable))] == expected and not +usable.left_out
    shorter = packed.usable(max(longest(sides) for sides in expected[:2]))
    assert [shorter[i] for i in range(len(shorter))] == expected[:2] and shorter.left_out == {"too_long": 1}
    again = pack_pairs(["no such file"], tokenizer, tmp_path / "work")  # a resumed run does not pack again
    assert again.usable(1000)[2] == expected[2]
    with pytest.raises(SourceError, match=r"(?s)preference.max_tokens = 3.*too long: 3"):
        packed.usable(3)


class Deaf:
    """A tokenizer that hears no difference between two words, and none of a third."""

    def __init__(self, real: Tokenizer) -> None:
        self.real, self.vocab_size = real, real.vocab_size

    def render(self, messages: list[dict[str, Any]], **more: Any) -> Rendered:
        said = messages[-1]["content"]
        row = self.real.render([*messages[:-1], messages[-1] | {"content": "b" if said == "B" else said}], **more)
        return row if said != "silence" else Rendered(row.ids, [False] * len(row.ids))


def test_pairs_that_teach_nothing_are_left_out_and_counted(tmp_path: Path, tokenizer: Tokenizer) -> None:
    same = {"prompt": "a", "chosen": "b", "rejected": "B"}
    empty = {"prompt": "a", "chosen": "b", "rejected": "silence"}
    deaf: Any = Deaf(tokenizer)
    files = write(tmp_path, same, PAIRS[0], empty, same)
    packed = pack_pairs(files, deaf, tmp_path / "work")
    assert packed.left_out == {"identical": 2, "empty": 1} and len(packed.usable(100)) == 1
    again = pack_pairs(files, deaf, tmp_path / "work")
    assert again.usable(100).left_out == {"identical": 2, "empty": 1}
    with pytest.raises(SourceError, match="identical: 1"):
        pack_pairs(write(tmp_path, same), deaf, tmp_path / "other").usable(100)
    with pytest.raises(SourceError, match="learnt from"):
        check_pairs(write(tmp_path, same, empty), deaf, 100)
    assert useless((Rendered([1], [True]), Rendered([1], [True]))) == "identical"


def test_an_interrupted_packing_leaves_nothing_that_looks_finished(tmp_path: Path, tokenizer: Tokenizer) -> None:
    files = write(tmp_path, *PAIRS, {"prompt": "a", "chosen": "b", "rejected": "b"})
    with pytest.raises(SourceError, match=r"p.jsonl:4: rejected"):
        pack_pairs(files, tokenizer, tmp_path / "work")
    write(tmp_path, PAIRS[0])
    assert len(pack_pairs(files, tokenizer, tmp_path / "work").usable(100)) == 1


def test_mistakes_are_found_before_training(tmp_path: Path, tokenizer: Tokenizer) -> None:
    check_pairs((), tokenizer, 16)
    check_pairs(write(tmp_path, *PAIRS), tokenizer, 100)
    with pytest.raises(SourceError, match="no preference pair can be"):
        check_pairs(write(tmp_path, PAIRS[2]), tokenizer, 16)
    with pytest.raises(SourceError, match=r"p.jsonl:2: prompt and chosen"):
        check_pairs(write(tmp_path, PAIRS[0], {"prompt": "a", "chosen": "", "rejected": "b"}), tokenizer, 100)
    with pytest.raises(SourceError, match=r"(?s)holds conversations.*sft.sources"):
        check_pairs(write(tmp_path, {"instruction": "a", "output": "b"}), tokenizer, 100)
    with pytest.raises(SourceError, match="no preference pairs in"):
        check_pairs(write(tmp_path), tokenizer, 100)
