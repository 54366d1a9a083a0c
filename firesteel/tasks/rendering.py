"""Problems as a model reads them: one place that shows a problem's tools wherever it is taught or asked."""

from __future__ import annotations

import json

from firesteel.core.calls import format_of
from firesteel.core.errors import UserError
from firesteel.core.thoughts import spoken
from firesteel.core.tokenizer import Rendered, Tokenizer
from firesteel.tasks.task import Problem
from firesteel.tasks.tools import schemas


def taught(tokenizer: Tokenizer, problem: Problem) -> Rendered:
    """The worked conversation, as supervised fine-tuning learns it: what tools say is not learnt. Raises UserError."""
    return tokenizer.render(spoken(tokenizer, problem.messages()), tools=schemas(problem.tools))


def asked(tokenizer: Tokenizer, problem: Problem, *, tools: bool) -> list[int]:
    """The question, as a prompt. `tools`: whether those that the problem has are offered. Raises UserError."""
    return tokenizer.prompt(problem.prompt(), tools=schemas(problem.tools) if tools else ())


def sample_text(problem: Problem) -> str:
    """All that is taught of a problem as text, for a new tokenizer to see: its tools, the question, the worked solution."""
    shown = [json.dumps(schemas(problem.tools), ensure_ascii=False)] if problem.tools else []
    return "\n".join([*shown, problem.question, problem.worked()])


def check_tools(tokenizer: Tokenizer, problem: Problem, task: str) -> None:
    """Whether the model can be taught a task's calls, told before the hours. Raises UserError."""
    if problem.tools and format_of(tokenizer) is None:
        raise UserError(
            "the model has no way to call a task's tools", value=f"{task}: {', '.join(problem.tools)}",
            why="its chat template does not show tools, or writes no calls that can be read back",
            hint="leave the task out, or put a chat_template.jinja that writes tools and tool_calls beside the model",
        )  # fmt: skip
