"""Which language a text is in: by script first, then by small words, and only then by py3langid.

Returns ISO codes (zh, en, ja, ko, fr, ru, ...), `yue` for written Cantonese, `lzh` for classical Chinese, or `other`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

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
def _small() -> dict[str, frozenset[str]]:
    return {code: frozenset(words.split()) for code, words in _SMALL.items()}


def _by_model(head: str, *, latin: bool) -> tuple[str, float]:
    """py3langid's language and its probability; `other` where that cannot be, given the script."""
    code, probability = _classify()(head)
    possible = (code in _LATIN_SCRIPT) == latin and code not in ("zh", "ja", "ko")
    if not possible or (not latin and probability < 0.5):
        return "other", 0.0
    return str(code), float(probability)


@cache
def _classify() -> Callable[[str], tuple[str, float]]:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    load = getattr(LanguageIdentifier, "from_model_file", None) or LanguageIdentifier.from_pickled_model  # 0.4, 0.3
    identifier = load(MODEL_FILE, norm_probs=True)
    classify: Callable[[str], tuple[str, float]] = identifier.classify
    return classify
