"""The page of a run: finished, half done, hostile or empty, it opens, says what is there, and never calls out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from firesteel.core.errors import ArtefactError
from firesteel.ops import figures
from firesteel.ops.figures import POINTS, _thinned
from firesteel.ops.reinforcement_figure import reinforcement
from firesteel.ops.report_page import SECTIONS, page, verdict, write_report
from firesteel.ops.run_folder import RunFolder, read_run

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Outline(HTMLParser):
    """Checks that tags nest, and collects ids, text and everything that could load or run something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An opening tag."""
        self.tags.add(tag)
        self.open += [] if tag in VOID else [tag]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        """A closing tag must close the last one opened."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text, white space squeezed."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def html(finished: Path) -> str:
    """The page of a finished run."""
    return page(read_run(finished))


def test_the_page_is_whole_and_every_id_is_one_of_a_kind(html: str) -> None:
    outline = Outline(html)
    assert outline.open == [] and len(set(outline.ids)) == len(outline.ids)
    assert len(re.findall("<section ", html)) == len(SECTIONS)


def test_the_page_needs_no_network_and_runs_nothing(html: str) -> None:
    outline = Outline(html)
    assert "script" not in outline.tags
    assert all(address.startswith("#") for address in outline.addresses)
    assert not re.findall(r"@import|url\((?!#)", html)
    named = [a for a in outline.addresses if a[1:] not in outline.ids]
    assert not named, "links lead to places on the page"


def test_the_figures_are_well_formed_and_take_the_colours_of_the_page(html: str) -> None:
    figures = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(figures) == 5
    for figure in figures:
        ElementTree.fromstring(figure)
        assert "var(--" in figure and not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]", figure)
        assert not re.search(r"#[0-9a-fA-F]{6}", re.sub(r"(href=\"|url\()#[^\"\)]*", "", figure))


def test_what_was_measured_is_on_the_page(html: str) -> None:
    text = Outline(html).text
    for expected in (
        "answers 83.0% of 2,000 held-out questions", "all 5 gates passed", "+22.0 pp [+20.2, +23.8] n=2,000",
        "near duplicate", "98.3% [94.2, 99.5] n=121", "26.76", "modelled from CPU time", "12.9 min", "A processor (2 cores)",
    ):  # fmt: skip
        assert expected in text
    assert "not run" not in text


def test_answers_that_were_sampled_while_learning_can_be_read(html: str) -> None:
    text = Outline(html).text
    for expected in (
        "What is 34 + 17?", "The answer is 51.", "1.1 right", "trick 取巧: no thought", "答案是23。",
        "arithmetic, level 2 · 34 tokens", "Step 30: 1 of 2 right", "第 10 步：2 个中 1 个正确",
    ):  # fmt: skip
        assert expected in text
    assert html.count("<details open>") == 1 and "4+7=11;\n3+1+1=5" in html, (
        "the last step's lie open; lines stay lines"
    )


def test_only_what_a_run_recorded_has_a_panel(finished: Path) -> None:
    records = read_run(finished).metrics["grpo"]
    old = [
        {k: v for k, v in r.items() if k in ("step", "reward", "accuracy", "length", "entropy", "logprob_gap")}
        for r in records
    ]
    new, few = (reinforcement(some, 0.05) for some in (records, old))
    for title in ("reward by task", "teach nothing", "tokens clipped", "share of answers"):
        assert title in new and title not in few
    assert "level of the questions" not in new and "not recorded" not in few


def test_every_heading_is_in_both_languages(html: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", html)
    assert all(re.search(r"[a-z]", heading) and re.search("[\u4e00-\u9fff]", heading) for heading in headings)


@pytest.mark.parametrize("until", ["data", "sft"])
def test_a_run_that_is_not_finished_says_what_was_not_run(tmp_path: Path, until: str, finished: Path) -> None:
    names = ["data", "tokenizer", "tokens", "pretrain", "sft", "grpo", "eval", "compress", "safety"]
    shutil.copytree(finished, tmp_path / "run")
    for name in names[names.index(until) + 1 :]:
        shutil.rmtree(tmp_path / "run" / name)
    lines = (finished / "metrics.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["stage"] in names[: names.index(until) + 1]]
    (tmp_path / "run/metrics.jsonl").write_text("".join(kept))
    outline = Outline(page(read_run(tmp_path / "run")))
    assert outline.open == [] and "was not run" in outline.text
    assert "gates passed" not in outline.text


def test_what_was_not_recorded_is_not_drawn(tmp_path: Path) -> None:
    record = {"stage": "grpo", "step": 1, "reward": 0.0, "accuracy": 0.0, "length": 16.0}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    (tmp_path / "recipe.json").write_text(json.dumps({"name": "r", "grpo": {"max_logprob_gap": 0.05}}))
    assert page(read_run(tmp_path)).count(">not recorded<") == 2


def test_an_empty_folder_has_a_page_too(tmp_path: Path) -> None:
    write_report(tmp_path, tmp_path / "report.html")
    text = Outline((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "has not trained a model yet" in text and "not judged yet" in text


def test_names_from_files_are_text_and_nothing_more(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'&"
    (tmp_path / "recipe.json").write_text(json.dumps({"name": evil}))
    (tmp_path / "machine.json").write_text(json.dumps({"cpu": evil, "isa": [evil], "os": evil}))
    ledger = {"stage": evil, "estimate": None, "actual": {"seconds": 1}, "method": evil, "currency": evil}
    (tmp_path / "ledger.jsonl").write_text(json.dumps(ledger) + "\n")
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
    model = {"tasks": {evil: estimate | {"by": {evil: estimate}}}, "all": estimate}
    (tmp_path / "eval").mkdir()
    report = {"models": {"sft": model}, "gains": {evil: estimate}, "decoding": {evil: evil}, "command": evil}
    (tmp_path / "eval/report.json").write_text(json.dumps(report))
    html = page(read_run(tmp_path))
    outline = Outline(html)
    assert "script" not in outline.tags and "<script" not in html and outline.open == []
    assert html.count("alert(1)") >= 10


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text("{")
    with pytest.raises(ArtefactError, match=r"machine\.json"):
        write_report(tmp_path, tmp_path / "report.html")


def test_a_half_written_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"stage": "sft", "step": 1, "loss": 2.0}\n{"stage": "sft", "st')
    assert [r["step"] for r in read_run(tmp_path).metrics["sft"]] == [1]


def test_the_latest_account_of_a_stage_counts(tmp_path: Path) -> None:
    lines = [{"stage": "sft", "actual": {"seconds": s, "peak_bytes": s}} for s in (5, 7)] + [
        {"stage": "data", "actual": {"seconds": 3, "peak_bytes": 3}}
    ]
    (tmp_path / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = read_run(tmp_path)
    assert (run.total("actual", "seconds"), run.total("actual", "peak_bytes")) == (10, 7)
    assert run.total("estimate", "seconds") is None


def test_a_failed_gate_is_the_first_thing_seen(finished: Path) -> None:
    run = read_run(finished)
    run.reports["safety"]["block_rate"]["value"] = 0.1
    look, words = verdict(run)
    assert (look, words.en) == ("fail", "1 of 5 gates not passed")


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    records = [{"step": i} for i in range(10 * POINTS + 3)]
    thin = _thinned(records)
    assert POINTS <= len(thin) <= 2 * POINTS and (thin[0], thin[-1]) == (records[0], records[-1])


def test_a_figure_is_the_same_for_the_same_numbers(finished: Path, html: str) -> None:
    assert figures.losses(read_run(finished).metrics) in html


def test_a_browser_shows_the_page_without_complaint(
    finished: Path, html: str, browser_path: str, tmp_path: Path
) -> None:
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                browser_path, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}", "--window-size=1200,900",
                f"--screenshot={tmp_path / 'page.png'}", (tmp_path / "report.html").as_uri(),
            ],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.png").stat().st_size > 20_000
    assert "Content Security Policy" not in done.stderr


def test_a_run_folder_without_a_recipe_is_named_after_the_folder(tmp_path: Path) -> None:
    assert isinstance(read_run(tmp_path), RunFolder) and read_run(tmp_path).name == tmp_path.name
