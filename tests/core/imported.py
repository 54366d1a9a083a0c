"""Tokenizers as other models bring them, at toy size: folders in Hugging Face layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Backend

from firesteel.core.tokenizer import SPLIT_PATTERN

TEXTS = [
    "the law of the land, Hello world! system user assistant\n\n answer is 42. What is it? <think>hm</think>",
    "中华人民共和国 法律 第一条 你好，世界。六乘七等于四十二。",
] * 20

QWEN = """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last=messages|length - 1, seeking=true) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.seeking and message.role == "user" %}
        {%- set ns.seeking = false %}{%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning_content = content.split('</think>')[0].split('<think>')[-1].strip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') }}
            {{- '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
LLAMA3 = (
    "{{- bos_token }}{% for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}"
    "{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}"
    "{% else %}{% set rest = messages %}{% set system = '' %}{% endif %}{% for m in rest %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% set content = (system if loop.first else '') + m['content'] %}"
    "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
DEEPSEEK = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] }}"
    "{% elif m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}"
    "{% else %}{{ '<｜Assistant｜>' + m['content'].split('</think>')[-1] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"
)


def byte_level(special: list[str], extra: list[AddedToken] | None = None) -> Backend:
    """GPT-2's kind, with special tokens after the vocabulary."""
    backend = Backend(models.BPE())
    split = pre_tokenizers.Split(Regex(SPLIT_PATTERN), "isolated")
    rest = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, rest])
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    )
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    backend.add_tokens(extra or [])
    return backend


def byte_fallback(*, metaspace: bool) -> Backend:
    """SentencePiece's kind: words begin with ▁, unknown characters are bytes."""
    trained = Backend(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(TEXTS[:1] * 20, trainers.BpeTrainer(vocab_size=150, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    words = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))]
    words += sorted(model["vocab"], key=model["vocab"].get)
    merges = [tuple(pair) for pair in model["merges"]]
    vocab = {word: i for i, word in enumerate(words)}
    backend = Backend(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if metaspace:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    backend.decoder = decoders.Sequence(steps)
    backend.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    return backend


def begins_with(backend: Backend, token: str) -> Any:
    return processors.TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A $B", special_tokens=[(token, backend.token_to_id(token))]
    )


def write(folder: Path, backend: Backend, config: dict[str, Any], /, **others: Any) -> Path:
    """A tokenizer folder as transformers reads it; `others`: further JSON files, _ for the dot."""
    folder.mkdir(parents=True)
    backend.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False} | config
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    for name, value in others.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


def qwen(folder: Path) -> Path:
    plain = [AddedToken(t, special=False, normalized=False) for t in ("<think>", "</think>", "<tool_call>")]
    backend = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], plain)
    backend.normalizer = normalizers.NFC()
    backend.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    ends = [backend.token_to_id("<|im_end|>"), backend.token_to_id("<|endoftext|>")]
    config = {
        "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None, "add_bos_token": False,
        "chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": QWEN}],
    }  # fmt: skip
    return write(folder, backend, config, generation_config={"eos_token_id": ends, "pad_token_id": ends[1]})


def llama3(folder: Path) -> Path:
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    backend = byte_level(names)
    fields = json.loads(backend.to_str())
    fields["model"]["ignore_merges"] = True
    backend = Backend.from_str(json.dumps(fields))
    trim = processors.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    backend.post_processor = processors.Sequence([trim, begins_with(backend, names[0])])
    config = {"bos_token": {"content": names[0], "__type": "AddedToken"}, "eos_token": "<|end_of_text|>"}
    config |= {"chat_template": LLAMA3}
    return write(folder, backend, config, config={"eos_token_id": backend.token_to_id("<|end_of_text|>")})


def llama2(folder: Path, *, metaspace: bool = False) -> Path:
    backend = byte_fallback(metaspace=metaspace)
    backend.post_processor = begins_with(backend, "<s>")
    config = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "chat_template": LLAMA2}
    return write(folder, backend, config)


def metaspace(folder: Path) -> Path:
    return llama2(folder, metaspace=True)


def deepseek(folder: Path) -> Path:
    names = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"]
    plain = [
        AddedToken(t, special=False, normalized=True) for t in ("<｜User｜>", "<｜Assistant｜>", "<think>", "</think>")
    ]
    backend = byte_level(names, plain)
    backend.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False)
    config = {
        "bos_token": names[0], "eos_token": names[1], "pad_token": names[1], "chat_template": DEEPSEEK,
    }  # fmt: skip
    return write(folder, backend, config)


FAMILIES = {f.__name__: f for f in (qwen, llama3, llama2, metaspace, deepseek)}
