"""`firesteel task NAME`: what a task asks, how it is worked, and what an answer would earn and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from firesteel.tasks.score import Score


def task(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="A task, such as tables@2/en; without it, all names.")
    ] = "",
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=1000, help="Problems to show.")] = 3,
    level: Annotated[int | None, typer.Option("--level", metavar="L", min=1, help="Only this level.")] = None,
    answer: Annotated[
        str | None, typer.Option("--answer", metavar="TEXT", help="Judge this reply to each of them.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Chooses the problems.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON on stdout.")] = False,
) -> None:
    """Show what a task asks, its worked solution, and what a given answer would earn and why."""
    import json

    if not name:
        typer.echo(json.dumps(listed(), ensure_ascii=False, indent=2) if as_json else "\n".join(map(_line, listed())))
        return
    facts = shown(name if level is None else _at(name, level), count, answer, seed)
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=2, default=str) if as_json else _page(facts))


def listed() -> list[dict[str, Any]]:
    """The built-in tasks."""
    from firesteel.tasks.table import TASKS

    return [
        {"name": one.name, "about": one.about, "levels": one.levels, "languages": one.languages, "worked": one.worked}
        for one in TASKS.values()
    ]


def shown(name: str, count: int, answer: str | None = None, seed: int = 0) -> dict[str, Any]:
    """The task, `count` training problems what their solutions earn, and what `answer` (a reply without a thought) would."""
    from dataclasses import asdict

    from firesteel.tasks.score import score
    from firesteel.tasks.table import get_task

    one = get_task(name)
    problems = []
    for problem in one.problems("train", seed, 0, count):
        facts: dict[str, Any] = {
            "question": problem.question, "answer": problem.answer, "level": problem.level, "language": problem.language,
            "reasoning": problem.reasoning, "reply": problem.reply,
        }  # fmt: skip
        if problem.tools:
            facts |= {"tools": problem.tools, "calls": [asdict(call) for call in problem.calls]}
        if problem.reply:
            thoughts = "\n".join([*(call.reasoning for call in problem.calls), problem.reasoning]).strip()
            facts["earns"] = _judged(score(problem, thoughts, problem.reply, stopped=True))
        if answer is not None:
            facts["judged"] = _judged(score(problem, None, answer, stopped=True, think=False))
        problems.append(facts)
    about = {"name": one.name, "about": one.about, "ability": one.ability, "levels": one.levels, "usual": one.usual}
    return about | {"languages": one.languages, "source": one.source, "problems": problems}


def _judged(found: Score) -> dict[str, Any]:
    return {"reward": found.reward, "reason": found.reason, "parsed": found.parsed, "trick": found.trick}


def _at(name: str, level: int) -> str:
    """The name with a level, before what else follows it."""
    from firesteel.core.errors import RecipeError

    if "@" in name:
        raise RecipeError("the level is given twice", value=f"{name} --level {level}", hint="leave one of them out")
    cut = min(
        (i for i in (name.rfind("/") if not name.endswith(".py") else -1, name.find("+")) if i > 0), default=len(name)
    )
    if "/" in name[cut:] and ".py:" in name[cut:]:  # a path, not a language
        cut = len(name)
    return f"{name[:cut]}@{level}{name[cut:]}"


def _line(one: dict[str, Any]) -> str:
    return f"{one['name']:<18} {one['about']}; levels 1-{one['levels']}"


def _page(facts: dict[str, Any]) -> str:
    low, high = facts["usual"]
    out = [
        f"{facts['name']}: {facts['about']}",
        f"levels 1-{facts['levels']}, usually {low}-{high}; {facts['ability']}",
    ]
    out += [f"source: {facts['source']}"] if facts["source"] else []
    for i, one in enumerate(facts["problems"], 1):
        out += ["", f"--- {i}, level {one['level']}", one["question"], f"answer: {one['answer']}"]
        out += [f"tools: {', '.join(one['tools'])}"] if "tools" in one else []
        for call in one.get("calls", ()):
            arguments = ", ".join(f"{name}={value!r}" for name, value in call["arguments"].items())
            out += [f"worked: {call['reasoning']}"] if call["reasoning"] else []
            out.append(f"call: {call['name']}({arguments}) -> {call['result']}")
        if one["reply"]:
            earns = one["earns"]
            out += [f"worked: {one['reasoning']}", f"reply: {one['reply']}"]
            out.append(f"it earns {earns['reward']:g}: {earns['reason']}")
        if "judged" in one:
            found = one["judged"]
            out.append(f"your answer earns {found['reward']:g}: {found['reason']} (read: {found['parsed']})")
    return "\n".join(out)
