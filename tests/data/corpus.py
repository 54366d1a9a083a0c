"""Made-up Chinese and English prose for the data room's tests: distinct texts that pass the filters, from a seed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import zstandard

SUBJECTS = "医院的护士 学校的老师 工厂的工人 实验室的研究人员 村里的农民 社区的志愿者 图书馆的管理员 车间的班长".split()
TIMES = "今天早上 昨天下午 上个月 去年冬天 每周一 这学期 春节以后 夜里".split()
VERBS = "检查了 整理了 讨论了 修好了 记录了 研究了 比较了 分享了".split()
OBJECTS = "新到的设备 病人的体温 学生的作业 仓库里的零件 土壤的湿度 旧书和报纸 安全的规定 水泵的读数".split()
ENDS = "并且写下了结果 因为大家都很关心 然后回到办公室 和同事一起做了总结 但是没有发现问题 为下一步做好了准备".split()
WORDS = (
    "river engine teacher garden window letter bridge market doctor forest summer winter machine paper village harbour "
    "question answer morning evening children kitchen journey signal copper silver student weather mountain valley"
).split()
LINKS = "of the and to that with have be in from under near before after".split()


def chinese(seed: int, sentences: int = 12) -> str:
    """A paragraph of Chinese sentences."""
    rng = random.Random(seed)
    parts = (SUBJECTS, TIMES, VERBS, OBJECTS, ENDS)
    made = []
    for _ in range(sentences):
        who, when, did, what, end = (rng.choice(part) for part in parts)
        made.append(f"{when}，{who}在第{rng.randint(1, 999)}号房间{did}{what}，{end}。")
    return "".join(made)


def english(seed: int, sentences: int = 12) -> str:
    """A paragraph of English-looking sentences."""
    rng = random.Random(seed)
    made = []
    for _ in range(sentences):
        words = [rng.choice(WORDS if i % 2 else LINKS) for i in range(rng.randint(8, 16))]
        made.append(" ".join(words).capitalize() + ".")
    return " ".join(made)


def write(folder: Path, texts: dict[str, str], encoding: str = "utf-8") -> Path:
    """Text files in a folder, by name."""
    for name, text in texts.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode(encoding))
    return folder


def write_lines(file: Path, records: list[dict[str, Any]]) -> Path:
    """JSON lines, compressed if the name says so."""
    raw = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(zstandard.compress(raw) if file.name.endswith(".zst") else raw)
    return file


def quiet(_: str) -> None:
    """A `say` that says nothing."""
