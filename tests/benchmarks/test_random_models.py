"""Random simulated models end well or say so; in full: `python -m benchmarks.random_models`."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.random_models.draw import draw
from benchmarks.random_models.judge import judge
from benchmarks.random_models.page import breaches, comparison, page, verdict_frame

SEED = 77


def test_a_number_is_one_model() -> None:
    first, again, other = draw(SEED, 3), draw(SEED, 3), draw(SEED, 4)
    assert (first.model, first.options, first.features) == (again.model, again.options, again.features)
    pd.testing.assert_frame_equal(first.data, again.data)
    assert first.model != other.model


def test_the_range_of_what_is_drawn() -> None:
    drawn = [draw(SEED, i) for i in range(80)]
    assert {d.constructs for d in drawn} == set(range(3, 9))
    sizes = [len(d.data) for d in drawn]
    assert min(sizes) >= 60
    assert 1000 < max(sizes) <= 2000
    missing = [d.data.isna().to_numpy().mean() for d in drawn if "missing" in d.options]
    assert 0.2 < max(missing) < 0.35
    features = {f for d in drawn for f in d.features}
    assert features >= {"weak loadings", "cross-loadings", "paths", "groups", "misspecified", "equal labels"}


def test_some_of_them_quickly() -> None:
    small = [d for d in (draw(SEED, i) for i in range(12)) if len(d.data) < 400]
    verdicts = [judge(d) for d in small]
    assert len(verdicts) >= 3
    assert [v for v in verdicts if v.trouble] == []
    frame = verdict_frame(small, verdicts)
    theirs = pd.DataFrame(
        {"number": frame["number"], "converged": True, "proper": True, "logl": frame["logl"], "message": ""}
    )
    theirs.loc[0, "logl"] += 1.0
    compared = comparison(frame, theirs)
    behind = breaches(compared)
    assert any(f"model {frame['number'][0]}: objective" in line for line in behind)
    assert f"| all ({len(small)}) |" in page(frame, SEED, compared)


@pytest.mark.parametrize("number", [14, 508])
def test_models_that_were_in_trouble(number: int) -> None:
    """Without saturated moments; with a robust scaling that is not positive."""
    assert judge(draw(2003, number)).trouble == ""


@pytest.mark.slow
@pytest.mark.parametrize("number", range(60))
def test_random_model(number: int) -> None:
    verdict = judge(draw(SEED, number))
    assert verdict.outcome in ("proper", "improper", "not converged")
    assert verdict.trouble == ""
