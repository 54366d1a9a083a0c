"""Carbon intensity: golden figures, and a loud fall-back."""

from __future__ import annotations

import pytest

from firesteel.compute.carbon import INTENSITY, WORLD, carbon


@pytest.mark.parametrize(("country", "grams"), [("CHN", 582.3), ("USA", 369.5), ("DEU", 381.0), ("fra", 56.0)])
def test_known_countries_have_their_2023_figure(country: str, grams: float) -> None:
    found = carbon(country)
    assert found.intensity == grams and "2023" in found.note and found.grams(2.0) == 2 * grams


def test_an_unknown_country_gets_the_world_mean_and_says_so() -> None:
    found = carbon("ATL")
    assert found.intensity == WORLD == 475 and "world mean" in found.note and "'ATL'" in found.note


def test_the_table_holds_plausible_figures_for_three_letter_codes() -> None:
    assert all(len(code) == 3 and code.isupper() and 10 < grams < 1000 for code, grams in INTENSITY.items())
