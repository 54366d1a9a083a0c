"""Languages: scripts, small words and py3langid on labelled sentences; short texts are never dropped for theirs."""

from __future__ import annotations

import pytest

from firesteel.core.data_settings import DataSettings
from firesteel.core.errors import RecipeError
from firesteel.data.filters.judge import Judge
from firesteel.data.filters.language import CODES, _identifier, bare, identify
from firesteel.data.han import class_counts, codes_of

SENTENCES = {  # made up for this test
    "zh": "明天下午三点在二楼会议室讨论预算|请把合同的复印件寄到我们的办公室|这台水泵每分钟可以抽四十升水|"
    "医生建议他每天散步半个小时|"
    "图书馆周末开放到晚上九点|会议纪要已经发给所有的同事|"
    "用 Python 写一个读取文件的小程序，放在 src 目录里|他說明年要到臺北去看望祖母",
    "en": "The pump moves forty litres of water every minute|Please send a copy of the contract to our office|"
    "We will meet in the small room on the second floor|Budget review moved to Thursday|Her doctor told her to walk every day|"
    "Library opens late tonight|Nobody knew where the old map had been kept|Invoice attached, payment due in thirty days",
    "ja": "明日の午後三時に二階の会議室で打ち合わせをします|契約書の写しを事務所に送ってください|図書館は夜九時まで開いています|"
    "この機械は毎分四十リットルの水をくみ上げる|医者に毎日歩くように言われました|新しい地図を買いました",
    "ko": "내일 오후 세 시에 회의실에서 만납시다|계약서 사본을 사무실로 보내 주세요|"
    "도서관은 밤 아홉 시까지 엽니다|의사는 매일 걸으라고 했습니다|"
    "이 펌프는 물을 빨리 퍼 올립니다|새 지도를 샀어요",
    "fr": "La pompe déplace quarante litres d'eau par minute|Veuillez envoyer une copie du contrat à notre bureau|"
    "Nous nous retrouvons dans la petite salle du deuxième étage|Le médecin lui a dit de marcher tous les jours|"
    "La bibliothèque reste ouverte jusqu'à neuf heures|Personne ne savait où était la vieille carte|"
    "Il pleut depuis ce matin sur la ville",
    "de": "Die Pumpe fördert vierzig Liter Wasser in der Minute|Bitte schicken Sie eine Kopie des Vertrags an unser Büro|"
    "Wir treffen uns im kleinen Zimmer im zweiten Stock|Der Arzt riet ihr, jeden Tag zu gehen|"
    "Die Bibliothek ist bis neun Uhr geöffnet|Niemand wusste, wo die alte Karte war|Heute regnet es schon den ganzen Tag",
    "es": "La bomba mueve cuarenta litros de agua por minuto|Envíe por favor una copia del contrato a nuestra oficina|"
    "Nos vemos en la sala pequeña del segundo piso|El médico le dijo que caminara todos los días|"
    "La biblioteca está abierta hasta las nueve|Nadie sabía dónde estaba el viejo mapa|Hoy no ha parado de llover en la ciudad",
    "ru": "Насос перекачивает сорок литров воды в минуту|Пожалуйста, пришлите копию договора в наш офис|"
    "Мы встречаемся в маленькой комнате на втором этаже|Врач посоветовал ей каждый день гулять|"
    "Библиотека открыта до девяти часов вечера|Никто не знал, где лежит старая карта|Сегодня весь день идёт дождь",
}
LABELLED = [(text, code) for code, texts in SENTENCES.items() for text in texts.split("|")]


def of(text: str) -> str:
    """The language that is found."""
    return identify(text, class_counts(codes_of(text)))


def test_short_sentences_in_eight_languages() -> None:
    wrong = [(text, code, of(text)) for text, code in LABELLED if of(text) != code]
    assert len(LABELLED) >= 55 and len(wrong) <= 0.05 * len(LABELLED), wrong
    assert not [one for one in wrong if one[1] in ("zh", "en", "ja", "ko", "ru")]


def test_kinds_of_chinese_are_told_by_their_particles() -> None:
    assert of("佢哋喺度食緊飯，我唔知佢幾時先至返嚟，你哋有冇睇到佢嘅銀包？") == "yue"
    assert (
        of("学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？其为人也孝弟，而好犯上者，鲜矣。")
        == "lzh"
    )
    assert of("国务院有关部门依照本法和有关法律、行政法规的规定，在各自的职责范围内对有关工作实施监督管理。") == "zh"


def test_mixed_documents_get_the_language_of_their_larger_part() -> None:
    zh, en = (" ".join(SENTENCES[code].split("|")) for code in ("zh", "en"))
    assert of(zh * 3 + en) == "zh" and of(zh[:20] + en) == "en"


@pytest.mark.parametrize(
    "text", ["", "   ", "12 34", "😀" * 30, "\ud800abc".encode("utf-16", "replace").decode("utf-16"), "ⰀⰁⰂ" * 9]
)
def test_what_has_no_language_is_other_or_a_guess_but_never_an_error(text: str) -> None:
    assert of(text) in ("other", "en")


def test_only_long_texts_in_other_languages_are_dropped() -> None:
    judge = Judge.of(DataSettings(languages=("zh", "ko"), min_chars=2))
    french = SENTENCES["fr"].replace("|", ". ")
    texts = [
        french,
        SENTENCES["zh"],
        "Bonjour",
        "OK",
        SENTENCES["ko"],
        "学而时习之，不亦说乎？其为人也孝弟，而好犯上者，鲜矣。君子务本。",
    ]
    assert [one.rule for one in judge.judge_many(texts)] == ["language", "", "", "", "", ""]
    assert judge.judge(french[:150], "ko").rule == ""  # a tag is believed


LABELS = {
    "zh": "zh zh-CN zh_Hans ZH zh-TW zh_HK.UTF-8 chinese Chinese cn zho chi cmn 中文 zh-Hant-TW",
    "en": "en en-US EN EN_gb english English eng en-CN en-JP", "ja": "ja ja-JP jpn Japanese jp", "yue": "yue cantonese yue-HK",
    "lzh": "lzh", "fr": "fr french fra fr-CA", "other": "other", "xx": "xx", "": "und unknown n/a NaN None - ??? 12",
}  # fmt: skip


@pytest.mark.parametrize("code", LABELS)
def test_labels_become_bare_codes(code: str) -> None:
    assert {label: bare(label) for label in LABELS[code].split()} == dict.fromkeys(LABELS[code].split(), code)
    assert (
        bare("Simplified Chinese") == bare("Chinese (Traditional)") == "zh" and bare(" EN ") == "en" and bare("") == ""
    )


@pytest.mark.parametrize("asked", ["zh", "zh-CN", "zh_Hans", "ZH", "chinese", "中文"])
def test_languages_are_asked_for_under_any_of_their_names(asked: str) -> None:
    judge = Judge.of(DataSettings(languages=(asked,), rules=()))
    labels = ["", "zh", "zh-TW", "zh_CN", "Chinese", "yue", "lzh", "en-US", "english", "EN", "unknown"]
    found = judge.judge_many([SENTENCES["zh"]] * len(labels), labels)
    assert [one.language for one in found] == ["zh"] * 5 + ["yue", "lzh", "en", "en", "en", "zh"]
    assert [one.rule for one in found] == [""] * 7 + ["language"] * 3 + [""]
    assert judge.judge(SENTENCES["en"]).rule == "language"


def test_cantonese_alone_may_be_asked_for() -> None:
    judge = Judge.of(DataSettings(languages=("yue",), rules=()))
    assert [judge.judge(SENTENCES["zh"], label).rule for label in ("yue", "zh")] == ["", "language"]


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("chines", "chinese"), ("Englisch", "english"), ("xx", "did you|such as"), ("", "such as"), ("zhh", "zh")],
)
def test_unknown_languages_are_refused_with_the_nearest(asked: str, hint: str) -> None:
    with pytest.raises(RecipeError, match=f"unknown language(.|\n)*data.languages(.|\n)*hint: .*({hint})"):
        Judge.of(DataSettings(languages=("zh", asked)))


def test_whatever_is_told_can_be_asked_for() -> None:
    told = {"zh", "yue", "lzh", "other", *SENTENCES, "bo", "ug", "vi", "ar", str(_identifier().nb_classes[0])}
    assert set(Judge((), languages=sorted(told)).languages) == told and {
        bare(code) for code in CODES - {"na"}
    } == CODES - {"na"}
