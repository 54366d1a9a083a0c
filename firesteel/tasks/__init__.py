"""A task is prompts and a verifier; the same function is the evaluation and the RL reward."""

from firesteel.tasks.answers import Found
from firesteel.tasks.task import Called, Draw, Problem, Task

__all__ = ["Called", "Draw", "Found", "Problem", "Task"]
