"""Alignment: exact where measurement is the same, the function's minimum elsewhere, flags, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import sem_models as sm
from sem_models.moderation.alignment.flags import invariant_set
from sem_models.moderation.alignment.simplicity import Kind, Problem, align

MEANS, SDS = np.array([0.0, 0.5, -0.4, 0.8]), np.array([1.0, 1.3, 0.8, 1.1])
LOADINGS = np.array([1.0, 0.9, 0.8, 1.1, 0.7])
INTERCEPTS = np.array([4.0, 4.2, 3.9, 4.3, 4.1])
LABELS = ("north", "east", "south", "west")
MODEL = "S =~ s1 + s2 + s3 + s4 + s5"


def population(*, differ: bool) -> tuple[np.ndarray, np.ndarray]:
    """Loadings and intercepts by group; with `differ` three of the forty are others'."""
    loadings, intercepts = np.tile(LOADINGS, (4, 1)), np.tile(INTERCEPTS, (4, 1))
    if differ:
        intercepts[1, 0] += 0.6
        loadings[2, 3] -= 0.5
        intercepts[3, 4] -= 0.6
    return loadings, intercepts


def problem(*, differ: bool, kind: Kind = "fixed", reference: int = 0, epsilon: float = 0.01) -> Problem:
    loadings, intercepts = population(differ=differ)
    configural = loadings * SDS[:, None]
    return Problem(
        configural,
        intercepts + MEANS[:, None] * loadings,
        np.array([300.0, 200, 250, 150]),
        epsilon,
        reference,
        kind,
    )


def customers(n: int, seed: int, *, differ: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    loadings, intercepts = population(differ=differ)
    frames = []
    for g, label in enumerate(LABELS):
        score = MEANS[g] + SDS[g] * rng.normal(size=n)
        items = intercepts[g] + score[:, None] * loadings[g] + 0.6 * rng.normal(size=(n, 5))
        frames.append(pd.DataFrame(items, columns=[f"s{i}" for i in range(1, 6)]).assign(region=label))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def found() -> Any:
    return sm.alignment(MODEL, customers(400, 3), group="region")


def test_the_same_measurement_gives_the_true_means_exactly() -> None:
    aligned = align(problem(differ=False))
    assert aligned.means == pytest.approx(MEANS, abs=1e-8)
    assert aligned.sds == pytest.approx(SDS, abs=1e-8)
    assert aligned.minima == 1.0


def test_the_reference_group_sets_zero_and_unit() -> None:
    aligned = align(problem(differ=False, reference=1))
    assert aligned.means == pytest.approx((MEANS - MEANS[1]) / SDS[1], abs=1e-8)
    assert aligned.sds == pytest.approx(SDS / SDS[1], abs=1e-8)


def test_a_sharper_loss_leaves_the_odd_items_aside() -> None:
    blunt, sharp = (align(problem(differ=True, epsilon=e)) for e in (0.01, 1e-4))
    assert sharp.means == pytest.approx(MEANS, abs=2e-3)
    assert np.abs(sharp.means - MEANS).max() < np.abs(blunt.means - MEANS).max()


def test_the_minimum_is_that_of_another_search() -> None:
    """The function written down anew, in variances, minimized without derivatives."""
    given = problem(differ=True)

    def simplicity(x: np.ndarray) -> float:
        mean = np.array([0.0, *x[:3]])
        variance = np.exp([-x[3:].sum(), *x[3:]])
        total = 0.0
        for g in range(4):
            for h in range(g):
                weight = np.sqrt(given.sizes[g] * given.sizes[h])
                lam = given.loadings[g] / variance[g] ** 0.5, given.loadings[h] / variance[h] ** 0.5
                nu = given.intercepts[g] - mean[g] * lam[0], given.intercepts[h] - mean[h] * lam[1]
                for a, b in (lam, nu):
                    total += weight * (((a - b) ** 2 + 0.01) ** 0.25).sum()
        return float(total)

    aligned = align(given)
    logs = 2 * np.log(SDS[1:] / np.exp(np.log(SDS).mean()))
    start = np.concatenate([MEANS[1:], logs])
    other = minimize(
        simplicity, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 20_000}
    )
    variance = np.exp([-other.x[3:].sum(), *other.x[3:]])
    assert aligned.means[1:] == pytest.approx(other.x[:3] / np.sqrt(variance[0]), abs=1e-5)
    assert aligned.sds == pytest.approx(np.sqrt(variance / variance[0]), abs=1e-5)


@pytest.mark.parametrize("kind", ["fixed", "free"])
def test_gradient_and_jacobian_against_differences(kind: Kind) -> None:
    given = problem(differ=True, kind=kind)
    aligned = align(given)
    away, h = aligned.values + 0.1, 1e-6
    numeric = [(given.value(away + h * e) - given.value(away - h * e)) / (2 * h) for e in np.eye(len(away))]
    assert given.gradient(away) == pytest.approx(np.array(numeric), rel=1e-6)
    jacobian = aligned.jacobian()
    for k in (3, 27):
        step = np.zeros(40)
        step[k] = 1e-5
        moved = [
            align(
                Problem(
                    given.loadings + s * step[:20].reshape(4, 5),
                    given.intercepts + s * step[20:].reshape(4, 5),
                    given.sizes, 0.01, 0, kind,
                )
            ).reported
            for s in (1, -1)
        ]  # fmt: skip
        assert jacobian[:, k] == pytest.approx((moved[0] - moved[1]) / 2e-5, abs=1e-5)


def test_the_invariant_set_by_hand() -> None:
    cov = 0.01 * np.eye(5)
    assert invariant_set(np.array([1.0, 1.1, 0.9, 1.05, 2.0]), cov).tolist() == [True] * 4 + [False]
    assert invariant_set(np.array([1.0, 1.0, 1.0, 1.0, 1.0]), cov).all()
    pairs = invariant_set(np.array([0.0, 0.1, 5.0, 5.1, 5.05]), cov)
    assert pairs.tolist() == [False, False, True, True, True]


def test_what_differs_is_flagged(found: Any) -> None:
    flags = found.parameters()
    odd = flags[~flags["invariant"]]
    where = set(zip(odd["item"], odd["group"], odd["parameter"], strict=True))
    assert where == {("s1", "east", "intercept"), ("s4", "south", "loading"), ("s5", "west", "intercept")}
    items = found.items().set_index(["item", "parameter"])
    assert items.loc[("s1", "intercept"), "non_invariant"] == "east"
    clean = items.loc[[("s2", "loading"), ("s3", "loading"), ("s2", "intercept")], "r_squared"]
    assert (clean > 0.9).all()
    assert items.loc[("s1", "intercept"), "r_squared"] < clean.min()
    assert found.non_invariance()["S"] == pytest.approx(3 / 40)


def test_means_and_comparisons(found: Any) -> None:
    means = found.means()
    assert means["group"].tolist() == list(LABELS)
    assert (means["mean"].iloc[0], means["mean_se"].iloc[0], means["variance"].iloc[0]) == (0.0, 0.0, 1.0)
    assert (np.abs(means["mean"] - MEANS) < 4 * means["mean_se"] + 0.03).all()
    assert (np.abs(means["variance"] - SDS**2) < 4 * means["variance_se"] + 0.05).all()
    pairs = found.comparisons()
    assert len(pairs) == 6
    first = pairs.iloc[0]
    assert (first["group"], first["against"]) == ("east", "north")
    assert first["est"] == pytest.approx(means["mean"].iloc[1])
    assert first["se"] == pytest.approx(means["mean_se"].iloc[1])
    assert (pairs["pvalue_adjusted"] >= pairs["pvalue"]).all()
    assert "can be compared" in str(found)
    assert "<table" in found._repr_html_()


def test_the_ladder_aligns_its_configural_level(found: Any) -> None:
    steps = sm.invariance(MODEL, customers(400, 3), group="region", levels=("configural", "scalar"))
    again = steps.alignment(reference_group="south").means()
    assert again.loc[again["group"] == "south", "mean"].iloc[0] == 0.0
    with pytest.raises(sm.SpecError, match="configural level"):
        sm.invariance(MODEL, customers(400, 3), group="region", levels=("metric",)).alignment()


@pytest.mark.slow
def test_intervals_cover_the_true_means() -> None:
    inside = []
    for seed in range(100):
        table = sm.alignment(MODEL, customers(200, seed), group="region", epsilon=0.001).means().iloc[1:]
        inside.append(
            ((table["mean_ci_lower"] < MEANS[1:]) & (MEANS[1:] < table["mean_ci_upper"])).to_numpy()
        )
    assert np.mean(inside) > 0.95 - 3.5 * np.sqrt(0.05 * 0.95 / 100)


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "no group": (MODEL, {}, "give group="),
    "method": (MODEL, {"group": "region", "method": "fixd"}, "Did you mean 'fixed'"),
    "epsilon": (MODEL, {"group": "region", "epsilon": 0}, "small positive number"),
    "equal": (MODEL, {"group": "region", "group_equal": "loadings"}, "leave out group_equal="),
    "construct": (MODEL, {"group": "region", "constructs": ["T"]}, "'T' is not a construct"),
    "reference": (MODEL, {"group": "region", "reference_group": "wst"}, "Did you mean 'west'"),
    "cross": (
        MODEL + "\nT =~ s5 + s1",
        {"group": "region", "check_identification": False},
        "measures another",
    ),
    "one item": ("S =~ s1 + s2 + s3\nT =~ s4", {"group": "region"}, "'T' has 1 item"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(case: str) -> None:
    text, options, says = BAD[case]
    with pytest.raises(sm.SpecError, match=says):
        sm.alignment(text, customers(60, 1), **options)
