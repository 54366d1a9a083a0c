"""Which language a text is in: by script first, then by small words, and only then by py3langid.

Returns ISO codes (zh, en, ja, ko, fr, ru, ...), `yue` for written Cantonese, `lzh` for classical Chinese, or `other`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any

import numpy as np

from firesteel.core.errors import RecipeError, nearest
from firesteel.data.han import IDEOGRAPH, LATIN, script

SAMPLE = 4000  # characters from the beginning that small words are looked for in
FEW = 20  # letters; less is too little to tell, or to drop a document for its language
SURE = 0.7  # probability that py3langid must give
_CANTONESE, _CLASSICAL, _MODERN = "嘅咗喺哋冇嚟啲佢睇唔嗰咁", "之其者也矣焉乎哉曰兮", "的了是在这這们們个個"
# The smallest words of languages in Latin script; words that several share are left to the others to decide.
_SMALL = {
    "en": "the of and to is that for it was with as are this be have from you not by or which but were they his at on",
    "fr": "le la les des est et dans une que qui pour pas sur au avec ce il elle sont du nous vous cette être mais ou",
    "de": "der die das und ist nicht ein eine zu den mit von dem sich auf für wird auch wir sie ich es im haben bei",
    "es": "el los las y que es por con para una del se su como más pero está son muy también este esta hay fue",
    "it": "il di che è e per una con non sono della gli nel anche questo più ma come alla dei si ha lo",
    "pt": "o os as e não uma com para que do da em um por mais são foi muito também ao na no seu está",
    "nl": "de het een en van is niet dat op te zijn met voor die er aan ook maar bij wordt naar heeft",
}
_LATIN_SCRIPT = frozenset(
    "af an az br bs ca cs cy da de en eo es et eu fi fo fr ga gl hr ht hu id is it jv ku la lb lt lv mg ms mt nb nl nn no "
    "oc pl pt qu ro rw se sk sl sq sv sw tl tr vi vo wa xh zu".split()
)

# ISO 639-1, what `identify` says besides, and the further kinds of Chinese
CODES = frozenset(
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es "
    "et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj "
    "kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv "
    "ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti "
    "tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu yue lzh wuu hak gan hsn other".split()
)
_NAMES = {  # code: what people call it, ISO 639-2 and -3 among that
    "zh": "chinese mandarin putonghua cn zho chi cmn 中文 汉语 漢語 普通话 简体中文 繁体中文 繁體中文",
    "yue": "cantonese 粤语 粵語", "lzh": "文言文", "en": "english eng 英文 英语",
    "ja": "japanese jp jpn 日语 日文 日本語", "ko": "korean kor 韩语 한국어",
    "fr": "french fra fre français 法语", "de": "german deu ger deutsch 德语", "es": "spanish spa español 西班牙语",
    "it": "italian ita italiano", "pt": "portuguese por português", "nl": "dutch nld dut nederlands",
    "ru": "russian rus русский 俄语", "ar": "arabic ara 阿拉伯语", "vi": "vietnamese vie", "th": "thai tha",
    "tr": "turkish tur", "pl": "polish pol", "hi": "hindi hin", "id": "indonesian ind", "ms": "malay msa may",
    "bo": "tibetan bod tib 藏语", "ug": "uyghur uighur uig 维吾尔语", "mn": "mongolian mon 蒙古语", "uk": "ukrainian ukr",
}  # fmt: skip
_UNTOLD = frozenset(
    ("und", "mul", "mis", "zxx", "nan", "na", "nil")
)  # labels that name no language; NaN is a lost value
_WORD, _CODE = re.compile(r"[^\W_]+"), re.compile(r"[a-z]{2,3}")


@lru_cache(maxsize=1024)
def bare(label: str) -> str:
    """The code that a label such as zh_CN, EN-us or "Simplified Chinese" stands for; "" where it names no language."""
    words = _WORD.findall(label[:64].lower())
    known = _aliases()
    first = words[0] if words else ""
    if first in known:
        return known[first]
    if _CODE.fullmatch(first):
        return "" if first in _UNTOLD else first
    return next((known[word] for word in words if word in known), "other" if first == "other" else "")


def asked_for(languages: Iterable[str]) -> tuple[str, ...]:
    """The codes of the languages that a recipe asks for. Raises RecipeError for an unknown one, with the nearest."""
    codes = []
    for name in languages:
        code = bare(name)
        if code not in CODES and code not in map(str, _identifier().nb_classes):  # those are 90 or 200, by version
            known = {one for names in _NAMES.values() for one in names.split() if one.isascii() and len(one) > 3}
            close = nearest(name.lower(), known)
            hint = close if close.startswith("did you") else _nearest_code(name)
            raise RecipeError("unknown language", value=name, why="data.languages holds codes of ISO 639", hint=hint)
        codes.append(code)
    return tuple(dict.fromkeys(codes))


def _nearest_code(name: str) -> str:
    close = nearest(name.lower(), CODES)
    return close if close.startswith("did you") else "such as zh, en, ja, ko, fr, de, es, ru; () keeps all"


def identify(text: str, counts: np.ndarray) -> str:
    """The language of `text`, whose characters have the classes `counts` (see `han.class_counts`)."""
    kind = script(counts)
    if kind == "zh":
        return _chinese(text)
    if kind in ("ja", "ko"):
        return kind
    letters = int(counts[LATIN:].sum() - counts[IDEOGRAPH])
    if kind == "latin":
        return _latin(text[:SAMPLE], letters)
    return _by_model(text[:SAMPLE], latin=False)[0] if letters >= 5 else "other"


def _chinese(text: str) -> str:
    """Modern standard Chinese unless the particles of Cantonese or of the classics say otherwise."""
    head = text[: SAMPLE // 4]
    if sum(map(head.count, _CANTONESE)) > max(1, 0.03 * len(head)):
        return "yue"
    if len(head) >= FEW and sum(map(head.count, _CLASSICAL)) > 0.06 * len(head):
        return "lzh" if sum(map(head.count, _MODERN)) < 0.005 * len(head) else "zh"
    return "zh"


def _latin(head: str, letters: int) -> str:
    words = {word.strip(".,;:!?\"'()") for word in head.lower().split()}
    hits = {code: len(words & small) for code, small in _small().items()}
    english = hits.pop("en")
    code = max(hits, key=lambda one: hits[one])
    if english > hits[code] or (letters < FEW and head.isascii()):
        return "en"
    guess, probability = _by_model(head, latin=True)
    if guess == "en" or probability >= SURE:
        return guess
    if hits[code] > english:
        return code
    return "en" if head.isascii() and len(words) < FEW else "other"


@cache
def _aliases() -> dict[str, str]:
    return {name: code for code, names in _NAMES.items() for name in names.split()}


@cache
def _small() -> dict[str, frozenset[str]]:
    return {code: frozenset(words.split()) for code, words in _SMALL.items()}


def _by_model(head: str, *, latin: bool) -> tuple[str, float]:
    """py3langid's language and its probability; `other` where that cannot be, given the script."""
    code, probability = _classify()(head)
    possible = (code in _LATIN_SCRIPT) == latin and code not in ("zh", "ja", "ko")
    if not possible or (not latin and probability < 0.5):
        return "other", 0.0
    return str(code), float(probability)


def _classify() -> Callable[[str], tuple[str, float]]:
    classify: Callable[[str], tuple[str, float]] = _identifier().classify
    return classify


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    load = getattr(LanguageIdentifier, "from_model_file", None) or LanguageIdentifier.from_pickled_model  # 0.4, 0.3
    return load(MODEL_FILE, norm_probs=True)
