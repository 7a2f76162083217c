"""A recipe is read strictly, and its errors name the key and the remedy."""

from pathlib import Path

import pytest

from corpus.errors import UsageError
from flows.recipe import load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_we_ship_is_valid(name: str):
    assert load_recipe(name).name == name


def test_the_paper_s_four_sizes_are_there():
    shapes = {
        name: (model.n_layer, model.n_embd)
        for name in recipe_names()
        if name.startswith("gpt2-") and (model := load_recipe(name).model)
    }
    assert shapes == {
        "gpt2-small": (12, 768),
        "gpt2-medium": (24, 1024),
        "gpt2-large": (36, 1280),
        "gpt2-xl": (48, 1600),
    }


def test_any_field_can_be_overridden():
    recipe = load_recipe("demo", ["crawl.per_host_delay_s=2", 'links.dumps=["a.zst"]', "name=mine"])
    assert recipe.crawl.per_host_delay_s == 2
    assert recipe.links.dumps == (Path("a.zst"),)
    assert recipe.name == "mine"


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("links.min_scor=2", "unknown key links.min_scor", "Did you mean links.min_score?"),
        ("crawll.contact=a", "unknown key crawll", "Did you mean crawl?"),
        ("links.min_score=many", "links.min_score", "value of that kind"),
        ("web.num_page=9", "unknown key web.num_page", "Did you mean web.num_pages?"),
        ("name.first=a", "name is a value", "sections"),
        ("links", "not of the form", "--set"),
        (
            "train.micro_batch_size=3",
            r"train.batch_size \(\d+\) is not a multiple.*\. Lower train.micro_batch_size[^{]*$",
            "the values that it names",
        ),
        ("train.lr=1e-9", r"train: min_lr \(.*\) is above lr \(1e-09\)\n", "that it names"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_remedy(override: str, message: str, hint: str):
    with pytest.raises(UsageError, match=message) as caught:
        load_recipe("demo", ["name=demo", override])
    assert hint in caught.value.hint
    assert str(caught.value).startswith(f"--set {override}")


def test_what_is_wrong_in_the_file_is_not_laid_on_an_override(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("[links]\nmin_score = 'many'\n")
    with pytest.raises(UsageError) as caught:
        load_recipe(str(path), ["crawl.per_host_delay_s=2"])
    assert str(caught.value).startswith(f"{path}: links.min_score")


def test_a_recipe_that_is_no_text_is_named(tmp_path: Path):
    recipe = tmp_path / "mine.toml"
    recipe.write_bytes(b"# caf\xe9\n")
    with pytest.raises(UsageError, match=r"mine\.toml is no text in UTF-8"):
        load_recipe(str(recipe))


def test_a_missing_recipe_lists_those_that_exist():
    with pytest.raises(UsageError, match="no recipe demoo") as caught:
        load_recipe("demoo")
    assert "demo, gpt2-large" in caught.value.hint


def test_a_file_that_is_not_toml_is_named_with_the_line(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("[links\n")
    with pytest.raises(UsageError, match=r"mine\.toml is not TOML.*line 1"):
        load_recipe(str(path))
