"""The data stage end to end: nothing is lost, duplicates and personal data go, held-out text is apart, and twice is the same."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from firesteel.core import pii
from firesteel.core.artefact import file_hash
from firesteel.core.config import DataSettings
from firesteel.core.errors import ArtefactError, SourceError
from firesteel.data.organise import check_documents, organise, read_documents
from tests.data.corpus import chinese, english, quiet, write, write_lines

PRIVATE = ("11010519491231002X", "13812345678", "zhangsan@example.com", "6222021234567890128")
ALSO_PRIVATE = "13900001111"  # in a document that is dropped
KEY = b"a secret of the tests"
QUESTION = "甲乙两地相距三百六十千米，一列火车从甲地开往乙地，每小时行九十千米，几小时到达？"


@pytest.fixture
def sources(tmp_path: Path) -> tuple[str, ...]:
    """A folder of files in several encodings, and a file of records, with everything planted that must go."""
    folder = tmp_path / "docs"
    write(folder, {f"utf8-{i}.txt": chinese(i) for i in range(30)})
    write(folder, {f"gbk-{i}.txt": chinese(100 + i) for i in range(10)}, "gb18030")
    write(folder, {"utf16.txt": chinese(150)}, "utf-16")
    write(
        folder, {"traditional.txt": "國家發展改革委員會說明，這個計畫對學生有很大的幫助，請大家提出意見並且參與討論。"}
    )
    write(
        folder, {"z-simplified.txt": "国家发展改革委员会说明，这个计划对学生有很大的帮助，请大家提出意见并且参与讨论。"}
    )
    write(
        folder,
        {"zz-copy.md": chinese(3), "zz-near.md": chinese(4).replace("。", "，特此说明。", 1)},
    )
    write(
        folder,
        {
            "zz-test.txt": f"电话{ALSO_PRIVATE}，{chinese(5, 3)}{QUESTION}",
            "zz-short.txt": "短",
            "notes.exe": "not read",
        },
    )
    write(folder, {"zz-spam.txt": "优惠大促销点击购买" * 60})
    (folder / "zz-broken.txt").write_bytes(b"\xff\xfe\xfd" * 9)
    personal = f"患者身份证{PRIVATE[0]}，电话{PRIVATE[1]}，邮箱{PRIVATE[2]}，卡号{PRIVATE[3]}。"
    records: list[dict[str, Any]] = [{"text": english(i), "licence": "CC0"} for i in range(20)]
    records += [{"text": personal + chinese(200)}, {"text": chinese(7)}, {"nothing": 1}]
    return str(folder), str(write_lines(tmp_path / "records.jsonl.zst", records))


def run(out: Path, sources: tuple[str, ...], seed: int = 0, **settings: Any) -> dict[str, Any]:
    """The stage with the test question to keep out."""
    chosen = DataSettings(sources=sources, heldout=0.1, **settings)
    return organise(chosen, out, seed=seed, say=quiet, key=KEY, decontaminate={"trains": [QUESTION]})


def by_source(out: Path) -> dict[str, dict[str, Any]]:
    """Dropped records by where they came from."""
    return {record["source"]: record for record in read_documents(out, "dropped")}


def test_every_document_is_kept_held_out_or_dropped_with_its_reason(tmp_path: Path, sources: tuple[str, ...]) -> None:
    stats = run(tmp_path / "out", sources)
    assert check_documents(tmp_path / "out") == {key: stats[key] for key in ("in", "kept", "heldout", "dropped")}
    assert stats["in"] == stats["kept"] + stats["heldout"] + sum(stats["dropped"].values())
    records = list(read_documents(tmp_path / "out", "dropped"))
    assert sorted((r["source"].removeprefix("docs/"), r["rule"]) for r in records) == [
        ("records.jsonl.zst", "exact duplicate"),
        ("records.jsonl.zst", "unreadable"),
        ("z-simplified.txt", "exact duplicate"),
        ("zz-broken.txt", "unreadable"),
        ("zz-copy.md", "exact duplicate"),
        ("zz-near.md", "near duplicate"),
        ("zz-short.txt", "min_chars"),
        ("zz-spam.txt", "firesteel.zh.stop_words"),
        ("zz-test.txt", "test question"),
    ]
    dropped = by_source(tmp_path / "out")
    assert stats["dropped"]["unreadable"] == 2 and stats["dropped"]["exact duplicate"] == 3
    assert dropped["docs/zz-spam.txt"]["text"].startswith("优惠大促销") and dropped["docs/zz-spam.txt"]["value"] == 0.0
    assert stats["sources"]["docs"]["skipped_files"] == {".exe": 1}


def test_a_duplicate_names_the_one_that_stayed(tmp_path: Path, sources: tuple[str, ...]) -> None:
    run(tmp_path / "out", sources)
    kept = {r["id"]: r for split in ("train", "heldout") for r in read_documents(tmp_path / "out", split)}  # type: ignore[arg-type]
    dropped = by_source(tmp_path / "out")
    assert kept[dropped["docs/zz-copy.md"]["value"]]["source"] == "docs/utf8-3.txt"
    near, similarity = dropped["docs/zz-near.md"]["value"].split()
    assert kept[near]["source"] == "docs/utf8-4.txt" and 0.8 <= float(similarity) < 1
    traditional = kept[dropped["docs/z-simplified.txt"]["value"]]
    assert traditional["source"] == "docs/traditional.txt" and traditional["text"].startswith("国家发展改革委员会")
    assert traditional["meta"]["simplified_share"] > 0.2


def test_personal_data_is_nowhere_in_the_artefact(tmp_path: Path, sources: tuple[str, ...]) -> None:
    stats = run(tmp_path / "out", sources)
    texts = [r["text"] for split in ("train", "heldout", "dropped") for r in read_documents(tmp_path / "out", split)]  # type: ignore[arg-type]
    assert not any(value in text for value in (*PRIVATE, ALSO_PRIVATE) for text in texts)
    assert not any(pii.find(text) for text in texts)
    assert stats["personal_data"] == {"id_card": 1, "mobile": 1, "email": 1, "bank_card": 1}
    assert any("患者身份证[身份证:" in text for text in texts)
    run(tmp_path / "raw", sources, redact=False)
    raw = [r["text"] for split in ("train", "heldout") for r in read_documents(tmp_path / "raw", split)]  # type: ignore[arg-type]
    assert any(PRIVATE[0] in text for text in raw)


def test_personal_data_in_names_and_meta_goes_too(tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", {f"病历{ALSO_PRIVATE}.txt": chinese(1), "b.txt": chinese(2)})
    meta = {"patient": {"phone": [PRIVATE[1]]}, "page": 3, PRIVATE[2]: None}
    write_lines(folder / "c.jsonl", [{"text": chinese(3), "meta": meta}, {"text": "短", "meta": meta}])
    run(tmp_path / "out", (str(folder),))
    records = [r for split in ("train", "heldout", "dropped") for r in read_documents(tmp_path / "out", split)]  # type: ignore[arg-type]
    written = json.dumps(records, ensure_ascii=False)
    assert not any(value in written for value in (*PRIVATE, ALSO_PRIVATE)) and '"page": 3' in written


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_another_split(
    tmp_path: Path, sources: tuple[str, ...]
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, sources, seed=seed)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.zst"))
    assert len(files) == 3
    assert all(file_hash(tmp_path / "a" / f) == file_hash(tmp_path / "b" / f) for f in files)
    held = [{r["id"] for r in read_documents(tmp_path / name, "heldout")} for name in "ac"]
    assert held[0] != held[1] and len(held[0]) == len(held[1])


def test_the_split_does_not_depend_on_other_documents(tmp_path: Path) -> None:
    before = write(tmp_path / "docs", {f"{i:03}.txt": chinese(i) for i in range(50)})
    run(tmp_path / "a", (str(before),))
    write(tmp_path / "docs", {f"x{i:03}.txt": chinese(500 + i) for i in range(50)})
    run(tmp_path / "b", (str(before),))
    old, new = ({r["source"] for r in read_documents(tmp_path / n, "train")} for n in "ab")
    assert len(old & new) >= 0.85 * len(old)


def test_training_documents_come_in_a_mixed_order(tmp_path: Path, sources: tuple[str, ...]) -> None:
    run(tmp_path / "out", sources)
    first = [r["source"] for r in read_documents(tmp_path / "out")][:20]
    assert 2 <= sum(source == "records.jsonl.zst" for source in first) <= 15


def test_the_card_names_sources_licences_and_figures(tmp_path: Path, sources: tuple[str, ...]) -> None:
    stats = run(tmp_path / "out", sources, licence="internal use")
    card = (tmp_path / "out/data_card.md").read_text(encoding="utf-8")
    for text in (
        "internal use",
        "docs",
        "records.jsonl.zst",
        "test question",
        "身份证",
        "数据卡",
        "| firesteel.zh.stop_words | zh | stop characters | 2 |  | 200 |",
        str(stats["in"]),
        ".exe 1",
    ):
        assert text in card
    assert {r["licence"] for r in read_documents(tmp_path / "out")} == {"internal use", "CC0"}


def test_the_choice_per_source_is_counted(tmp_path: Path, sources: tuple[str, ...]) -> None:
    stats = run(tmp_path / "out", sources, max_documents=15)
    assert stats["in"] == 30 and stats["sources"]["docs"]["found"] > stats["sources"]["docs"]["read"] == 15


def test_tagged_traditional_text_keeps_its_script_but_is_no_second_copy(tmp_path: Path) -> None:
    text = "國家發展改革委員會說明，這個計畫對學生有很大的幫助，請大家提出意見並且參與討論。"
    records = [{"text": text, "lang": "zh-TW"}, {"text": text}, {"text": chinese(1)}, {"text": chinese(2)}]
    stats = run(tmp_path / "out", (str(write_lines(tmp_path / "a.jsonl", records)),))
    texts = {r["text"] for split in ("train", "heldout") for r in read_documents(tmp_path / "out", split)}  # type: ignore[arg-type]
    assert text in texts and stats["dropped"] == {"exact duplicate": 1}


@pytest.mark.parametrize("texts", [{"a.txt": "短"}, {"a.txt": chinese(1)}, {"a.txt": chinese(1), "b.txt": chinese(1)}])
def test_too_little_to_train_on_is_an_error_with_a_hint(tmp_path: Path, texts: dict[str, str]) -> None:
    with pytest.raises(SourceError, match=r"too few documents(.|\n)*hint"):
        run(tmp_path / "out", (str(write(tmp_path / "docs", texts)),))


def test_garbage_bytes_end_in_documents_or_reasons(tmp_path: Path) -> None:
    rng = random.Random(11)
    folder = write(tmp_path / "docs", {f"good-{i}.txt": chinese(i) for i in range(3)})
    for i in range(60):
        raw = bytearray(chinese(i, 2).encode(rng.choice(["utf-8", "gb18030", "utf-16"])))
        for _ in range(rng.randint(0, 30)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        (folder / f"bad-{i}{rng.choice(['.txt', '.md', '.jsonl', '.json', '.jsonl.zst'])}").write_bytes(bytes(raw))
    run(tmp_path / "out", (str(folder),))
    counts = check_documents(tmp_path / "out")
    assert counts["in"] >= 63 and counts["dropped"]["unreadable"] > 10


@pytest.mark.parametrize("damage", ["lose", "double", "counts", "lie", "cut"])
def test_a_changed_artefact_is_noticed(tmp_path: Path, sources: tuple[str, ...], damage: str) -> None:
    out = tmp_path / "out"
    run(out, sources)
    records = list(read_documents(out, "heldout"))
    counts = json.loads((out / "counts.json").read_text())
    if damage == "lie":
        (out / "counts.json").write_text(json.dumps(counts | {"heldout": counts["heldout"] + 1}))
        write_lines(out / "heldout.jsonl.zst", [*records, records[1]])
    elif damage == "counts":
        (out / "counts.json").write_text(json.dumps(counts | {"kept": counts["kept"] + 1}))
    elif damage == "cut":
        part = out / "part-00000.jsonl.zst"
        part.write_bytes(part.read_bytes()[:-20])
    else:
        write_lines(out / "heldout.jsonl.zst", records[1:] if damage == "lose" else [*records[1:], records[1]])
    with pytest.raises(ArtefactError):
        check_documents(out)


def test_reading_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no documents here"):
        list(read_documents(tmp_path))


def test_the_datasheet_shows_counts_rules_and_samples_and_escapes_what_it_shows(
    tmp_path: Path, sources: tuple[str, ...]
) -> None:
    evil = write_lines(
        tmp_path / "evil.jsonl", [{"text": "<script>alert(1)</script>" + chinese(77, 30), "licence": "<b>"}]
    )
    stats = run(tmp_path / "out", (*sources, str(evil)))
    page = (tmp_path / "out/datasheet.html").read_text(encoding="utf-8")
    assert "<script" not in page and "<b>" not in page and "default-src &#39;none&#39;" not in page
    for text in (
        "exact duplicate",
        "near duplicate",
        "firesteel.zh.stop_words",
        "Samples of",
        "trains",
        "records.jsonl.zst",
    ):
        assert text in page
    assert f"{stats['in']:,} documents were read" in page and not any(value in page for value in PRIVATE)
    run(tmp_path / "raw", sources, redact=False)
    assert "not looked for" in (tmp_path / "raw/datasheet.html").read_text(encoding="utf-8")
