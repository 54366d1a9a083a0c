"""Where the six stages meet: the order of a run, what each stage is made from, and the facts it leaves behind."""

from firesteel.stages.evaluating import evaluate_model
from firesteel.stages.models import import_model
from firesteel.stages.run import run_recipe

__all__ = ["evaluate_model", "import_model", "run_recipe"]
