"""`firesteel eval`: its options, and its figures in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firesteel.commands.common import aloud, before_torch, print_json

if TYPE_CHECKING:
    from firesteel.stages.evaluating import Candidate

EPILOG = """Example: firesteel eval runs/quickstart/release --task arithmetic --samples 200 --json

Example: firesteel eval http://127.0.0.1:8000/v1 --task chain@4-6/en --repeats 8 --against runs/quickstart/sft --out reports/new

Example: firesteel eval reports/new --against reports/old

A file of questions is a task, too: --task exam.jsonl, a line {"question": ..., "answer": ..., "choices": [...]} each, the
choices if there are some.
"""
FLIPPED = 5  # questions that are shown

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A model's folder, the base URL of an OpenAI-compatible server, or an earlier report."
    ),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task", metavar="NAME", help="A task, NAME[@LEVEL[-LEVEL]][/LANGUAGE][+unseen], or a file; repeatable."
    ),
]
Against = Annotated[
    str | None,
    typer.Option("--against", metavar="MODEL2", help="Compare with this model, URL or report on the same questions."),
]
Abilities = Annotated[
    bool, typer.Option("--abilities", help="Ask the built-in sets of six abilities, and say which is not judged.")
]
Samples = Annotated[
    int | None, typer.Option("--samples", metavar="N", min=1, help="Questions a task: 1000, or 48 with --abilities.")
]
Repeats = Annotated[
    int, typer.Option("--repeats", metavar="K", min=1, max=256, help="Answers to each question: pass@k, majority vote.")
]
Temperature = Annotated[
    float, typer.Option("--temperature", metavar="T", min=0, max=2, help="1 as the server samples, 0 greedy.")
]
NewTokens = Annotated[
    int | None,
    typer.Option("--max-new-tokens", metavar="N", min=1, help="Of an answer with its thought: 256, at a URL 2048."),
]
Turns = Annotated[
    int,
    typer.Option(
        "--max-turns", metavar="N", min=1, max=16, help="Turns of an answer where a task has tools; 1: without."
    ),
]
Think = Annotated[
    bool | None,
    typer.Option(
        "--think/--no-think", help="Is an answer without a thought worth nothing? Left out: only of our own models."
    ),
]
Data = Annotated[
    list[Path] | None,
    typer.Option("--data", metavar="DOCUMENTS", help="Look for the questions in these documents; repeatable."),
]
Key = Annotated[
    Path | None,
    typer.Option("--key-file", metavar="F", help="The URL's API key; else $FIRESTEEL_API_KEY, if it is set."),
]
AgainstKey = Annotated[
    Path | None, typer.Option("--against-key-file", metavar="F", help="The key of MODEL2, if it is another server's.")
]
Name = Annotated[
    str, typer.Option("--model-name", metavar="NAME", help="The model to ask for, if the URL has several.")
]
AgainstName = Annotated[str, typer.Option("--against-name", metavar="NAME", help="The same for MODEL2.")]
Concurrency = Annotated[
    int, typer.Option("--concurrency", metavar="N", min=1, max=256, help="Questions under way at once, at a URL.")
]
Timeout = Annotated[float, typer.Option("--timeout", metavar="S", min=0.1, help="Seconds for one answer, at a URL.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, max=2**31 - 1, help="Chooses the questions.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Keep a report with every case in a new folder; a stopped one at a URL goes on."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON on stdout.")]


def eval_(
    model: Model, task: Tasks = None, against: Against = None, abilities: Abilities = False, samples: Samples = None,
    repeats: Repeats = 1, temperature: Temperature = 1.0, max_new_tokens: NewTokens = None, think: Think = None,
    data: Data = None, seed: Seed = 0, out: Out = None, key_file: Key = None, model_name: Name = "",
    against_key_file: AgainstKey = None, against_name: AgainstName = "", concurrency: Concurrency = 8,
    timeout: Timeout = 600.0, max_turns: Turns = 4, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Judge a model on held-out questions: accuracy with n and a 95 % interval, what went wrong, and every case.

    Offline, unless MODEL or MODEL2 is a URL; then questions go there and nowhere else.
    """
    before_torch()
    from firesteel.stages.evaluating import Exam, evaluate_model
    from firesteel.tasks.judging.abilities import SAMPLES

    exam = Exam(
        tuple(task or ()), samples or (SAMPLES if abilities and not task else 1000), repeats, temperature,
        max_new_tokens, seed, think, abilities, concurrency, timeout, max_turns,
    )  # fmt: skip
    candidates = _candidates((model, key_file, model_name), (against, against_key_file, against_name))
    facts = evaluate_model(candidates[0], exam, against=candidates[1], data=tuple(data or ()), out=out, say=aloud)
    if as_json:
        print_json(facts)
    else:
        for line in lines(facts):
            typer.echo(line)


Named = tuple[str | None, Path | None, str]  # where, file of its key, its name there


def _candidates(model: Named, against: Named) -> tuple[Candidate, Candidate | None]:
    """Both candidates. A key goes to the server that it was given for, and to MODEL2 where that is the same server."""
    from firesteel.stages.evaluating import Candidate
    from firesteel.tasks.judging.http import is_url, key_of, origin

    where, file, name = model
    assert where is not None
    own = Candidate(where, key_of(file) if is_url(where) else "", name)
    where, file, name = against
    if where is None:
        return own, None
    key = ""
    if is_url(where):
        same = is_url(own.where) and origin(where) == origin(own.where)
        key = key_of(file) if file else own.key if same else "" if is_url(own.where) else key_of(None)
    return own, Candidate(where, key, name)


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """The figures of an evaluation for a terminal."""
    if "tasks" in facts:
        rows = [(name, row) for name, row in facts["tasks"].items()]
        rows += [("all", facts["all"])] if len(rows) > 1 else []
        yield from _table(("task", "accuracy [95 %]", "n", "unfinished", "tricks", "tokens"), map(_row, rows))
        yield from _parts(facts["tasks"])
        yield from _repeats(facts["all"])
        yield from _reasons(facts["all"])
    if "abilities" in facts:
        yield ""
        yield from _table(("ability", "accuracy [95 %]", "n", "tasks"), map(_ability, facts["abilities"].items()))
    if "comparison" in facts:
        yield ""
        yield from _comparison(facts["comparison"])
    if "contamination" in facts:
        yield ""
        yield from _contamination(facts["contamination"])


def interval(figure: Mapping[str, Any], *, signed: bool = False) -> str:
    """72.0 % [69.1, 74.7]; differences in points, with a sign."""
    value, low, high = (100 * figure[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} points [{low:+.1f}, {high:+.1f}]" if signed else f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def _row(named: tuple[str, Mapping[str, Any]]) -> Sequence[str]:
    name, row = named
    tricks, tokens = sum(row["tricks"].values()), row["length"].get("tokens")
    return (
        name, interval(row), f"{row['n']}", f"{100 * row['unfinished']:.1f} %", f"{tricks}" if tricks else "-",
        f"{tokens:.0f}" if tokens is not None else "-",
    )  # fmt: skip


def _ability(named: tuple[str, Mapping[str, Any]]) -> Sequence[str]:
    name, row = named
    if "gap" in row:
        return name, "-", "-", row["gap"]
    return name, interval(row), f"{row['n']}", ", ".join(row["tasks"])


def _parts(tasks: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Accuracy by language and by level, where there is more than one."""
    rows = []
    for name, row in tasks.items():
        for key, word in (("by", ""), ("by_level", "level ")):
            if len(row[key]) > 1:
                rows += [(f"{name}, {word}{part}", interval(own), f"{own['n']}") for part, own in row[key].items()]
    if rows:
        yield ""
        yield from _table(("of these", "accuracy [95 %]", "n"), rows)


def _repeats(row: Mapping[str, Any]) -> Iterator[str]:
    if "repeats" in row:
        yield ""
        yield from _table(("all, repeated", "[95 %]"), [(name, interval(own)) for name, own in row["repeats"].items()])


def _reasons(row: Mapping[str, Any]) -> Iterator[str]:
    wrong = [f"{name} {count}" for name, count in row["reasons"].items() if name != "right"]
    yield f"not right: {', '.join(wrong[:8]) or 'none'}"


def _comparison(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['of']} against {found['against']}, the same questions"
    rows = [(name, row) for name, row in found["tasks"].items()]
    rows += [("all", found)] if len(rows) > 1 else []
    yield from _table(
        ("task", "difference [95 %]", "n", "gained", "lost", "p"),
        [
            (name, interval(row["difference"], signed=True), f"{row['difference']['n']}", f"{row['gained']}",
             f"{row['lost']}", _p(row["p"]))
            for name, row in rows
        ],
    )  # fmt: skip
    for one in found["unlike"]:
        yield f"not asked alike: {one}"
    if found["only_before"] or found["only_after"]:
        yield f"left out: {found['only_after'] + found['only_before']} questions that one of the two was not asked"
    for flip in found["flipped"][:FLIPPED]:
        yield f"{'+' if flip['after'] > flip['before'] else '-'} {_short(flip['question'])}"
    if len(found["flipped"]) > FLIPPED:
        yield f"  ... and {len(found['flipped']) - FLIPPED} more that flipped: --json, or report.json in --out"


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def _contamination(found: Mapping[str, Any]) -> Iterator[str]:
    held, n = len(found["found"]), found["questions"]
    yield f"{held} of {n} questions ({found['touched']:.1%}) stand in {found['documents']} documents"
    if found["too_short"]:
        yield f"{found['too_short']} of the {n} are too short to be told from chance, and were not looked for"
    for name, own in found["accuracy"].items():
        yield f"{name:<8} {interval(own)}  n={own['n']}"
    yield f"of the right answers, {found['right_touched']:.1%} are to questions that stand there"


def _short(text: str) -> str:
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else " " for c in line)
    return line if len(line) <= 90 else line[:87] + "..."


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows under their heads, columns aligned by what a terminal shows."""
    from rich.cells import cell_len

    whole = [heads, *rows]
    widths = [max(cell_len(row[i]) for row in whole) for i in range(len(heads))]
    for row in whole:
        cells = (text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
