"""The bootstrap where answers are missing: rows moved for Bollen–Stine, pairwise and two-stage moments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models import examples
from sem_models.estimation.batches import saturated
from sem_models.estimation.saturated_refit import Beginning, refit_saturated
from sem_models.inference import bootstrap as bootstrap_module
from sem_models.inference import refits as module
from sem_models.inference.drawing import drawn_times
from sem_models.inference.moved_rows import moved_rows
from sem_models.inference.refits import row_gaps, row_moments, row_units, values_to_draw
from sem_models.inference.resampling import resampled_gaps
from sem_models.observed.pairwise import pairwise_of
from sem_models.observed.pattern_moments import group_patterns
from sem_models.observed.rows import whole
from sem_models.observed.saturated import saturated_moments

MODEL = """
EDS =~ eds1 + eds2 + eds3
PV =~ pv1 + pv2 + pv3
PV ~ a*EDS + tenure
"""
ITEMS = ["eds1", "eds2", "eds3", "pv1", "pv2", "pv3"]
NO_COVARIATE = MODEL.replace(" + tenure", "")
MOVED = 1e-9
"""Distance of the moved rows' moments from the model's, in units of the items."""
REFIT = 2e-3
"""Distance of a batched refit from `sm.fit` on the same rows, in the largest standard error."""


@pytest.fixture(scope="module")
def survey() -> pd.DataFrame:
    data = pd.read_csv(examples.path())
    rng = np.random.default_rng(1)
    tenure = rng.normal(size=len(data)) + 0.2 * data["pv1"].fillna(4.0)
    return data.assign(tenure=tenure, cost=data["pv2"].fillna(4.0) + rng.normal(size=len(data)))


# ---------------------------------------------------------------------- rows moved for Bollen–Stine


@pytest.mark.parametrize(
    "options", [{}, {"group": "active"}, {"missing": "ml.x", "group": "active"}, {"constraints": "a > 0.9"}],
    ids=str,
)  # fmt: skip
def test_saturated_moments_of_moved_rows_are_the_models(
    options: dict[str, str], survey: pd.DataFrame
) -> None:
    if options.get("missing") == "ml.x":
        survey = survey.assign(tenure=survey["tenure"].where(np.arange(len(survey)) % 7 > 0))
    fit = sm.fit(MODEL, survey, **{"missing": "fiml", **options})  # type: ignore[arg-type]
    moved = values_to_draw(fit.solved, "bollen.stine")
    patterns, _ = group_patterns(moved, [None] * len(moved))
    cov, mean = saturated_moments(patterns, len(moved))
    at = fit.solved.point.at
    np.testing.assert_allclose(cov, at.sigma, atol=MOVED)
    np.testing.assert_allclose(mean, at.mu, atol=MOVED)
    for rows, before in zip(moved, fit.solved.sample.rows or (), strict=True):
        np.testing.assert_array_equal(np.isnan(rows), np.isnan(before.values))


def test_the_model_fits_moved_rows_perfectly(survey: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, survey, missing="fiml", group="active")
    moved = values_to_draw(fit.solved, "bollen.stine")
    names = list(fit.solved.sample.variables)
    frames = [pd.DataFrame(x, columns=names).assign(active=g) for x, g in zip(moved, fit.groups, strict=True)]
    again = sm.fit(MODEL, pd.concat(frames), missing="fiml", group="active")
    assert fit.measures()["chisq"] > 10.0
    assert again.measures()["chisq"] == pytest.approx(0.0, abs=1e-6)
    old, new = fit.estimates(), again.estimates()
    np.testing.assert_allclose(new["est"], old["est"], atol=1e-5)


def test_complete_rows_move_by_a_symmetric_matrix() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3))
    sigma, mu = np.diag([1.0, 2.0, 3.0]) + 0.5, np.array([1.0, 2.0, 3.0])
    (moved,) = moved_rows([x], sigma[None], mu[None])
    np.testing.assert_allclose(np.cov(moved.T, bias=True), sigma, atol=MOVED)
    slopes = np.linalg.lstsq(x - x.mean(axis=0), moved - mu, rcond=None)[0]
    np.testing.assert_allclose(slopes, slopes.T, atol=1e-10)


def planned() -> pd.DataFrame:
    """Three forms of a questionnaire, every one with the same means."""
    n, p = 90, 5
    i = np.arange(1.0, n + 1)
    f = np.sin(1.3 * i) + np.cos(0.7 * i**2)
    x = np.column_stack(
        [0.8 * f + np.sin(i * j * 1.7 + j) + 0.6 * np.cos(2.9 * i * j**2) for j in range(1, p + 1)]
    )
    form = np.arange(n) % 3
    x[np.ix_(form == 1, [3, 4])] = np.nan
    x[form == 2, 0] = np.nan
    for k in range(3):
        x[form == k] -= x[form == k].mean(axis=0)
    return pd.DataFrame(x + np.arange(1, p + 1), columns=[f"x{j}" for j in range(1, p + 1)])


SEMTOOLS = {
    0: [2.222352195338138, 2.79977763308841, 5.71272415789869, 3.85511352063302, 6.59443040617552],
    1: [0.214738719305580, 2.04151123786215, 3.01847253279339, np.nan, np.nan],
    2: [np.nan, 1.24503707417336, 2.05103267266106, 3.85085474491059, 3.77576836490483],
    4: [1.055807465017704, 2.57639070349667, 3.20021243967566, np.nan, np.nan],
}


def test_moved_rows_beside_semtools() -> None:
    """semTools 0.5-6 with lavaan 0.6-14, on planned() under the names x1 … x5:

    fit <- cfa("f =~ x1 + x2 + x3 + x4 + x5", d, missing = "fiml")
    bsBootMiss(fit, transformation = 2, transDataOnly = TRUE)
    bsBootMiss(fit, transformation = 2, nBoot = 2000, seed = 1)

    It centers every pattern at its own mean; here those are equal, so the two must agree. lavaan's estimates
    are exact to about 1e-6.
    """
    fit = sm.fit("f =~ x1 + x2 + x3 + x4 + x5", planned(), missing="fiml")
    assert fit.measures()["chisq"] == pytest.approx(3.5332590112, abs=1e-6)
    (moved,) = values_to_draw(fit.solved, "bollen.stine")
    for row, values in SEMTOOLS.items():
        np.testing.assert_allclose(moved[row], values, atol=2e-6)
    found = fit.bootstrap(2000, type="bollen.stine", seed=1, progress=False).test
    assert found["pvalue"] == pytest.approx(
        SEMTOOLS_P, abs=0.05
    )  # Monte Carlo error √(2 · .21 / 2000) = .015


SEMTOOLS_P = 0.706353176588294


def test_moved_rows_keep_the_deviation_of_single_rows(survey: pd.DataFrame) -> None:
    fit = sm.fit(NO_COVARIATE, survey, missing="fiml")
    patterns = fit.solved.sample.patterns
    single = np.flatnonzero(patterns.size == 1)
    assert len(single)
    (moved,) = values_to_draw(fit.solved, "bollen.stine")
    rows = np.flatnonzero(np.isin((fit.solved.sample.rows or ())[0].pattern, single))
    away = np.abs(moved[rows] - fit.solved.point.at.mu[0])
    assert np.nanmean(away) > 0.5


def test_rows_that_cannot_be_moved_are_an_error() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(12, 4))
    x[rng.uniform(size=x.shape) < 0.25] = np.nan
    sigma = np.full((4, 4), 0.999) + 0.001 * np.eye(4)
    with pytest.raises((sm.ConvergenceError, sm.DataError), match=r"parametric|could not be estimated"):
        moved_rows([x], sigma[None], np.full((1, 4), 1e3))


@pytest.mark.parametrize("pairwise", [False, True])
@pytest.mark.parametrize("size", [1e-6, 1e3, 1e6])
def test_units_may_differ(size: float, pairwise: bool) -> None:
    """Sales in euros beside answers from 1 to 7."""
    x = planned().to_numpy() * np.array([size, 1.0, 1.0, 1.0, 1.0])
    sd, mu = np.nanstd(x, axis=0), np.nanmean(x, axis=0)
    sigma = (0.4 + 0.6 * np.eye(5)) * np.outer(sd, sd)
    (moved,) = moved_rows([x], sigma[None], mu[None], pairwise=pairwise)
    if pairwise:
        cov, mean = pairwise_of(whole(moved), mu)
    else:
        patterns, _ = group_patterns([moved / sd], [None])
        found = saturated_moments(patterns, 1)
        cov, mean = found[0][0] * np.outer(sd, sd), found[1][0] * sd
    np.testing.assert_allclose(cov / np.outer(sd, sd), sigma / np.outer(sd, sd), atol=MOVED)
    np.testing.assert_allclose(mean / sd, mu / sd, atol=MOVED)


@pytest.mark.parametrize(("seed", "found"), [(13, True), (20, True), (10, False), (17, False)])
def test_steps_that_lead_away_are_shortened(seed: int, found: bool) -> None:
    """Pairwise moments of ill-conditioned rows: whole steps grow until they overflow."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(5, 5))
    x = rng.normal(size=(100, 5)) @ loadings
    x[rng.random(x.shape) < 0.3] = np.nan
    x = x[~np.isnan(x).all(axis=1)]
    sd = np.sqrt((loadings * loadings).sum(axis=0))
    sigma, mu = (0.3 + 0.7 * np.eye(5)) * np.outer(sd, sd), rng.normal(size=5)
    if not found:
        with pytest.raises(sm.ConvergenceError, match="parametric"):
            moved_rows([x], sigma[None], mu[None], pairwise=True)
        return
    (moved,) = moved_rows([x], sigma[None], mu[None], pairwise=True)
    assert np.abs(np.nanmean(moved, axis=0) - mu).max() < MOVED
    by_pandas = pd.DataFrame(moved).cov().to_numpy() * (len(moved) - 1) / len(moved)
    np.testing.assert_allclose(by_pandas, sigma, atol=10 * MOVED)


# ---------------------------------------------------------------------- the test of the model


def test_p_values_of_incomplete_normal_data(survey: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, survey, missing="fiml")
    measures = fit.measures()
    for kind in ("bollen.stine", "parametric"):
        drawn = fit.bootstrap(400, type=kind, seed=1, progress=False)  # type: ignore[arg-type]
        assert drawn.test["stat"] == pytest.approx(measures["chisq"])
        assert drawn.test["pvalue"] == pytest.approx(measures["pvalue"], abs=0.1)
        assert drawn.draws.statistic.mean() == pytest.approx(measures["df"], rel=0.1)


def test_statistics_do_not_depend_on_how_refits_are_made(
    survey: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = sm.fit(MODEL, survey, missing="fiml")
    together = {
        kind: fit.bootstrap(12, type=kind, seed=4, progress=False).draws.statistic
        for kind in ("bollen.stine", "parametric")
    }
    monkeypatch.setattr(bootstrap_module, "batchable", lambda solved: False)
    for kind, statistic in together.items():
        singly = fit.bootstrap(12, type=kind, seed=4, progress=False).draws.statistic  # type: ignore[arg-type]
        np.testing.assert_allclose(singly, statistic, atol=1e-3)


def test_as_options_of_the_fit(survey: pd.DataFrame) -> None:
    for missing in ("fiml", "pairwise", "two.stage", "robust.two.stage"):
        fit = sm.fit(
            NO_COVARIATE, survey, missing=missing, se="bootstrap", bootstrap=60, seed=3,
            test=["standard", "bollen.stine"],
        )  # fmt: skip
        tests = fit.tests().set_index("test")
        own = fit.bootstrap(60, type="bollen.stine", seed=3, progress=False)
        assert tests.loc["bollen.stine", "pvalue"] == pytest.approx(own.test["pvalue"])
        free = fit.estimates()["se"] > 0
        drawn = fit.bootstrap(60, seed=3, progress=False).estimates()
        np.testing.assert_allclose(fit.estimates()["se"][free], drawn["se"][free], rtol=1e-9)


def test_a_model_that_cannot_be_tested_is_refused_at_once() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(60, 1)) + rng.normal(size=(60, 9))
    x[rng.uniform(size=x.shape) < 0.5] = np.nan
    names = [f"x{j}" for j in range(9)]
    fit = sm.fit(f"f =~ {' + '.join(names)}", pd.DataFrame(x, columns=names), missing="fiml")
    assert not fit.solved.sample.saturated
    with pytest.raises(sm.DataError, match=r"no χ² to compare.*type='ordinary'"):
        fit.bootstrap(20, type="bollen.stine")


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["fiml", "two.stage"])
def test_type_i_errors_with_skewed_incomplete_data(missing: str) -> None:
    """χ² rejects a true model too often where items are skewed; the bootstrap keeps its level."""
    rng = np.random.default_rng(11)
    n_samples, n = 150, 250
    rejected = []
    for s in range(n_samples):
        factor = rng.chisquare(2, size=(n, 1))
        x = pd.DataFrame(0.6 * factor + rng.chisquare(1, size=(n, 6)), columns=[f"x{j}" for j in range(6)])
        fit = sm.fit(
            "f =~ x0 + x1 + x2 + x3 + x4 + x5", x.mask(rng.uniform(size=x.shape) < 0.12), missing=missing
        )
        drawn = fit.bootstrap(99, type="bollen.stine", seed=s, progress=False)
        rejected.append((drawn.test["pvalue"] <= 0.05, fit.measures()["pvalue"] < 0.05))
    own, plain = np.mean(rejected, axis=0)
    assert own < 0.09  # .05 and two standard errors of 150 samples; .047 and .027 in this stream
    assert plain > own + 0.03


# ---------------------------------------------------------------------- pairwise and two-stage moments


@pytest.mark.parametrize(
    "options",
    [
        {"missing": "pairwise"},
        {"missing": "pairwise", "group": "active"},
        {"missing": "two.stage"},
        {"missing": "robust.two.stage", "group": "active"},
        {"missing": "two.stage", "aux": ["cost"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("way", ["together", "singly"])
def test_replicates_are_the_refits_of_resampled_rows(
    options: dict[str, Any], way: str, survey: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "singly":
        monkeypatch.setattr(bootstrap_module, "batchable", lambda solved: False)
    fit = sm.fit(MODEL, survey, **options)
    drawn = fit.bootstrap(10, seed=3, progress=False)
    used = survey[survey[ITEMS].notna().any(axis=1)]
    blocks = [used[used["active"] == g] for g in fit.groups] if "group" in options else [used]
    rng = np.random.default_rng(3)
    for b in range(2):
        parts = [x.iloc[rng.integers(0, len(x), size=len(x))] for x in blocks]
        table = sm.fit(MODEL, pd.concat(parts), **options).estimates()
        free = table["se"] > 0
        tight = REFIT * float(table["se"][free].max())
        np.testing.assert_allclose(drawn.replicates().iloc[b], table["est"][free], atol=tight)
        np.testing.assert_allclose(drawn._rows("std_all")[b], table["std_all"], atol=1e-3)


@pytest.mark.parametrize("missing", ["pairwise", "two.stage"])
@pytest.mark.parametrize("kind", ["ordinary", "bollen.stine", "parametric"])
def test_draws_do_not_depend_on_the_chunk(
    missing: str, kind: Any, survey: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = sm.fit(NO_COVARIATE, survey, missing=missing)
    first = fit.bootstrap(11, type=kind, seed=7).replicates()
    monkeypatch.setattr(module, "NUMBERS", 4 * len(survey) * len(ITEMS))
    pd.testing.assert_frame_equal(fit.bootstrap(11, type=kind, seed=7).replicates(), first, atol=1e-4)
    monkeypatch.setattr(bootstrap_module, "batchable", lambda solved: False)
    pd.testing.assert_frame_equal(fit.bootstrap(11, type=kind, seed=7).replicates(), first, atol=1e-4)
    assert not np.allclose(fit.bootstrap(11, type=kind, seed=8).replicates(), first)


@pytest.mark.parametrize(
    "options", [{"missing": "pairwise"}, {"missing": "two.stage", "aux": ["cost"]}], ids=str
)
@pytest.mark.parametrize("group", [None, "active"])
def test_moments_of_moved_rows_are_the_models(
    options: dict[str, Any], group: str | None, survey: pd.DataFrame
) -> None:
    fit = sm.fit(MODEL, survey, group=group, **options)
    moments = row_moments(fit.solved, "bollen.stine")
    cov, mean = moments.of_blocks(list(moments.values))
    at = fit.solved.point.at
    np.testing.assert_allclose(cov, at.sigma, atol=MOVED)
    np.testing.assert_allclose(
        mean, at.mu if fit.solved.ram.has_means else fit.solved.sample.mean, atol=MOVED
    )


@pytest.mark.parametrize("missing", ["pairwise", "two.stage"])
def test_drawn_statistics_of_moments(missing: str, survey: pd.DataFrame) -> None:
    """χ² of such moments is not χ²-distributed: under the model it has the mean tr(UΓ) of the scaled test.

    Only near-normal items make draws from the model and from the rows agree.
    """
    fit = sm.fit(NO_COVARIATE, survey, missing=missing)
    moved, normal = (
        fit.bootstrap(600, type=kind, seed=2, progress=False) for kind in ("bollen.stine", "parametric")
    )
    assert moved.draws.statistic.mean() == pytest.approx(normal.draws.statistic.mean(), rel=0.15)
    assert moved.test["pvalue"] == pytest.approx(normal.test["pvalue"], abs=0.1)
    measures = fit.measures()
    assert normal.draws.statistic.mean() > 1.05 * measures["df"]
    if missing == "two.stage":
        expected = measures["df"] * measures["chisq_scaling_factor"]
        assert normal.draws.statistic.mean() == pytest.approx(expected, rel=0.1)
        assert normal.test["pvalue"] == pytest.approx(measures["pvalue_scaled"], abs=0.1)


@pytest.mark.parametrize("missing", ["pairwise", "two.stage"])
def test_errors_agree_with_the_spread_of_estimates(missing: str) -> None:
    """Bootstrap errors of one large sample beside the standard deviation over independent ones."""
    rng = np.random.default_rng(8)

    def sample() -> pd.DataFrame:
        factor = rng.normal(size=(600, 1))
        x = 0.8 * factor + 0.6 * rng.standard_t(8, size=(600, 4))
        x[rng.uniform(size=x.shape) < 0.15] = np.nan
        return pd.DataFrame(x, columns=["x1", "x2", "x3", "x4"])

    model = "f =~ x1 + x2 + x3 + x4"
    apart = np.array([sm.fit(model, sample(), missing=missing).solved.point.free for _ in range(300)])
    drawn = [
        sm.fit(model, sample(), missing=missing).bootstrap(200, seed=1).replicates().std() for _ in range(8)
    ]
    ratio = np.mean(drawn, axis=0) / apart.std(axis=0)
    np.testing.assert_allclose(ratio, 1.0, atol=0.15)  # Monte Carlo error 1/√600 and that of 8 samples
    if missing == "two.stage":
        fit = sm.fit(model, sample(), missing="robust.two.stage")
        errors = np.sqrt(np.diagonal(fit.vcov()))
        np.testing.assert_allclose(fit.bootstrap(800, seed=1).replicates().std() / errors, 1.0, atol=0.15)


@pytest.mark.parametrize("options", [{"missing": "pairwise"}, {"missing": "two.stage"}], ids=str)
def test_bca_intervals(
    options: dict[str, Any], survey: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = sm.fit(NO_COVARIATE, survey.iloc[:150], **options)
    drawn = fit.bootstrap(40, seed=1, progress=False)
    assert np.isfinite(drawn.estimates(interval="bca")[["ci_lower", "ci_upper"]]).all().all()
    left = drawn.acceleration_from().free
    without = sm.fit(NO_COVARIATE, survey.iloc[:150].drop(index=survey.index[0]), **options)
    errors = np.sqrt(np.diagonal(fit.vcov()))
    np.testing.assert_allclose(left[0], without.solved.point.free, atol=REFIT * errors.max())
    from sem_models.inference import jackknife

    monkeypatch.setattr(jackknife, "REFITTED", 10)
    with pytest.raises(sm.DataError, match="'percentile' or 'bc'"):
        drawn.estimates(interval="bca")


def test_pairwise_moments_that_contradict_one_another_count_as_failed() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 1)) + 0.7 * rng.normal(size=(60, 4))
    x[rng.uniform(size=x.shape) < 0.3] = np.nan
    data = pd.DataFrame(x, columns=["x1", "x2", "x3", "x4"]).dropna(how="all")
    fit = sm.fit("f =~ x1 + x2 + x3 + x4", data, missing="pairwise")
    drawn = fit.bootstrap(100, seed=1, progress=False)
    assert 0 < drawn.n_failed < 100
    assert drawn.n_used + drawn.n_failed == 100
    assert f"{drawn.n_failed} refits failed" in drawn.line()
    assert ("too many to rely on" in drawn.line()) == (drawn.n_failed > 10)
    worse = replace(drawn, draws=replace(drawn.draws, failed=300), n_requested=300 + drawn.n_used)
    assert "too many to rely on the others" in worse.line()


def test_pairwise_moments_of_draws(survey: pd.DataFrame) -> None:
    fit = sm.fit(NO_COVARIATE, survey, missing="pairwise")
    moments = row_moments(fit.solved)
    times = list(drawn_times(row_units(fit.solved), 3, np.random.default_rng(1), 3))
    (batch,) = moments.resampled(iter(times), fit.solved.sample.n)
    for b in range(3):
        rows = np.repeat(moments.values[0], times[0][0][b].astype(int), axis=0)
        cov, mean = pairwise_of(whole(rows), fit.solved.sample.mean[0])
        np.testing.assert_allclose(batch.cov[b, 0], cov, atol=1e-12)
        np.testing.assert_allclose(batch.mean[b, 0], mean, atol=1e-12)


def test_saturated_moments_of_draws_are_those_of_the_em_algorithm(survey: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, survey, missing="fiml", group="active")
    sample, units = fit.solved.sample, row_units(fit.solved)
    draws = drawn_times(units, 6, np.random.default_rng(1), 6)
    (batch,) = resampled_gaps(row_gaps(fit.solved), draws, units)
    exact, best = saturated(batch, sample.cov, sample.mean, tolerance=1e-13, steps=5000)
    found, value = refit_saturated(batch, Beginning.at(sample.cov, sample.mean, sample.patterns), sample.n)
    np.testing.assert_allclose(found.cov, exact.cov, atol=1e-3)
    np.testing.assert_allclose(sample.n * value, sample.n * best, atol=1e-5)


def test_saturated_moments_from_near_ones(survey: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, survey, missing="fiml", group="active")
    sample, at = fit.solved.sample, fit.solved.point.at
    cov, mean = saturated_moments(sample.patterns, 2, (at.sigma, at.mu))
    np.testing.assert_allclose(cov, sample.cov, atol=1e-10)
    np.testing.assert_allclose(mean, sample.mean, atol=1e-10)
