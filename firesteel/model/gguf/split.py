"""How byte-level tokenizers split text before merging, under the names by which llama.cpp knows the ways.

Facts from llama.cpp's src/llama-vocab.cpp and the tokenizer.json files that it quotes. Each pattern in turn splits the
pieces that the ones before it left: what matches is a piece, and so is what stands between matches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tokenizers import Regex, pre_tokenizers

from firesteel.core.tokenizer import SPLIT_PATTERN


@dataclass(frozen=True)
class Split:
    """One way of splitting text."""

    patterns: tuple[str, ...]
    whole: bool = False  # a piece that is a token is taken as it is, whatever the merges say
    begins: bool = False  # text begins with the beginning-of-text token unless the file says otherwise

    def pre_tokenizer(self) -> pre_tokenizers.PreTokenizer:
        """The splitting as the `tokenizers` library does it, and bytes for characters after it."""
        steps = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in self.patterns]
        return pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+"
_WORDS_BY_CASE = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+{end}"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*{end}"
)
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = SPLIT_PATTERN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
_QWEN35 = rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACES}"
_TEKKEN = _WORDS_BY_CASE.replace("{end}", "") + rf"|\p{{N}}|{_SIGNS}[\r\n/]*|{_SPACES}"
_GPT4O = _WORDS_BY_CASE.replace("{end}", f"{_SHORT}?") + rf"|\p{{N}}{{1,3}}|{_SIGNS}[\r\n/]*|{_SPACES}"
_KIMI = (
    r"[\p{Han}]+|"
    + _WORDS_BY_CASE.replace(r"\p{M}]", r"\p{M}&&[^\p{Han}]]").replace("{end}", f"{_SHORT}?")
    + rf"|\p{{N}}{{1,3}}|{_SIGNS}[\r\n]*|{_SPACES}"
)
_CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
_CASED = (  # letters of the Latin, Greek, Cyrillic, Armenian and other scripts that have cases
    "A-Za-z"
    "\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376"
    "\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"
    "\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"
    "\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d"
    "\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
    "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
    "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
    "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"
    "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df"
    "\U0001e900-\U0001e943"
)
_DEEPSEEK_LLM = (
    "[\r\n]", rf"\s?[{_CASED}]+", "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", r"\s+$", _CJK, r"\p{N}",
)  # fmt: skip
_DEEPSEEK_CODER = ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CJK, r"\p{N}")
_DEEPSEEK_V3 = (
    r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
)  # fmt: skip
_FALCON = (r"[\p{P}\$\+<=>\^~\|]+", _GPT2.removesuffix(r"|\s+"), r"\p{N}+", "[0-9][0-9][0-9]")

SPLITS = {  # the first of several names for one way is the one written on export
    "qwen2": Split((SPLIT_PATTERN,)), "deepseek-r1-qwen": Split((SPLIT_PATTERN,)), "megrez": Split((SPLIT_PATTERN,)),
    "qwen35": Split((_QWEN35,)),
    "gpt-2": Split((_GPT2,)), "phi-2": Split((_GPT2,)), "gigachat": Split((_GPT2,)), "exaone4": Split((_GPT2,)),
    "smollm": Split((r"\p{N}", _GPT2)), "starcoder": Split((r"\p{N}", _GPT2)), "refact": Split((r"\p{N}", _GPT2)),
    "command-r": Split((r"\p{N}", _GPT2)), "minerva-7b": Split((r"\p{N}", _GPT2)),
    "llama-bpe": Split((_LLAMA3,), whole=True, begins=True), "llama3": Split((_LLAMA3,), whole=True, begins=True),
    "llama-v3": Split((_LLAMA3,), whole=True, begins=True), "falcon3": Split((_LLAMA3,), whole=True, begins=True),
    "smaug-bpe": Split((_LLAMA3,)), "dbrx": Split((_LLAMA3,)), "chatglm-bpe": Split((_LLAMA3,)),
    "glm4": Split((_LLAMA3,), whole=True),
    "tekken": Split((_TEKKEN,), whole=True, begins=True),
    "gpt-4o": Split((_GPT4O,)), "llama4": Split((_GPT4O,)), "kanana2": Split((_GPT4O,)),
    "deepseek-v3": Split(_DEEPSEEK_V3), "hunyuan-dense": Split(_DEEPSEEK_V3), "joyai-llm": Split(_DEEPSEEK_V3),
    "deepseek-llm": Split(_DEEPSEEK_LLM), "deepseek-coder": Split(_DEEPSEEK_CODER), "kimi-k2": Split((_KIMI,)),
    "default": Split(_FALCON),
}  # fmt: skip


def name_of(pre_tokenizer: dict[str, Any] | None, whole: bool) -> str | None:
    """llama.cpp's name for the splitting of a tokenizer.json, or None if it has none. `whole`: its `ignore_merges`."""
    patterns = _patterns(pre_tokenizer or {})
    return next((name for name, way in SPLITS.items() if (way.patterns, way.whole) == (patterns, whole)), None)


def _patterns(step: dict[str, Any]) -> tuple[str, ...] | None:
    """The patterns that a pre-tokenizer of tokenizer.json splits by; None for one of another kind."""
    if step.get("type") == "Sequence":
        parts = [_patterns(inner) for inner in step["pretokenizers"]]
        return None if None in parts else tuple(pattern for part in parts for pattern in part or ())
    if step.get("type") == "Split" and step["behavior"] == "Isolated" and not step["invert"]:
        regex = step["pattern"].get("Regex")
        return None if regex is None else (regex,)
    if step.get("type") == "Digits" and step["individual_digits"]:
        return (r"\p{N}",)
    if step.get("type") == "ByteLevel" and not step["add_prefix_space"]:
        return (_GPT2,) if step["use_regex"] else ()
    return None
