"""From data frames and covariance matrices to moments, and the EM estimates of incomplete data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from sem_models.errors import DataError, SpecError
from sem_models.observed.checks import check_not_collinear
from sem_models.observed.moments import sample_from_moments
from sem_models.observed.sample import Sample, sample_from_data
from sem_models.observed.saturated import saturated_moments

ITEMS = ("t1", "t2", "t3")

EM = 1e-6
"""Gradient of the log-likelihood per row at the EM solution, in units of the items' spread (about 1)."""


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    values = rng.multivariate_normal([1, 2, 3], [[1, 0.5, 0.3], [0.5, 2, 0.4], [0.3, 0.4, 1.5]], size=80)
    frame = pd.DataFrame(values, columns=list(ITEMS))
    frame["g"] = np.where(np.arange(80) % 3 == 0, "late", "early")
    frame["x"] = rng.normal(size=80)
    return frame


@pytest.fixture(scope="module")
def holes(answers: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = answers.copy()
    for item in ITEMS:
        frame.loc[rng.random(80) < 0.15, item] = np.nan
    frame.loc[7, list(ITEMS)] = np.nan
    return frame


@pytest.fixture
def few_answers() -> pd.DataFrame:
    """Three items, the last answered in four of 30 rows and constant among them."""
    frame = pd.DataFrame(np.random.default_rng(6).normal(size=(30, 3)), columns=["a", "b", "c"])
    frame.loc[:3, "c"] = 1.0
    frame.loc[4:, "c"] = np.nan
    return frame


def test_moments_have_divisor_n(answers: pd.DataFrame) -> None:
    sample = sample_from_data(answers, ITEMS, missing="listwise")
    values = answers[list(ITEMS)].to_numpy()
    np.testing.assert_allclose(sample.cov[0], np.cov(values.T, bias=True), rtol=1e-12)
    np.testing.assert_allclose(sample.mean[0], values.mean(axis=0), rtol=1e-12)
    assert sample.groups == ("",)
    assert sample.n_used == sample.n_available == 80


def test_groups_in_order_of_appearance(answers: pd.DataFrame) -> None:
    sample = sample_from_data(answers, ITEMS, missing="listwise", group="g")
    assert sample.groups == ("late", "early")
    late = answers.loc[answers["g"] == "late", list(ITEMS)]
    np.testing.assert_allclose(sample.cov[0], np.cov(late.to_numpy().T, bias=True), rtol=1e-12)
    assert sample.n_by_group.tolist() == [27.0, 53.0]


def test_group_labels_of_float_columns_read_as_integers(answers: pd.DataFrame) -> None:
    frame = answers.assign(g=np.where(answers["g"] == "late", 1.0, 2.0))
    assert sample_from_data(frame, ITEMS, missing="listwise", group="g").groups == ("1", "2")


def test_what_is_dropped_is_counted_by_reason(holes: pd.DataFrame) -> None:
    frame = holes.copy()
    frame.loc[3, "g"] = None
    frame.loc[11, "x"] = np.nan
    listwise = sample_from_data(frame, ITEMS, missing="listwise", group="g")
    complete = frame.dropna(subset=[*ITEMS, "g"])
    assert listwise.n_used == len(complete)
    assert listwise.dropped == {"no group": 1, "incomplete answers": 79 - len(complete)}
    fiml = sample_from_data(frame, (*ITEMS, "x"), missing="fiml", group="g", exogenous=("x",))
    assert fiml.dropped == {"no group": 1, "missing covariate": 1}
    no_x = sample_from_data(frame, ITEMS, missing="fiml")
    silent = int(frame[list(ITEMS)].isna().all(axis=1).sum())
    assert silent >= 1
    assert no_x.dropped == {"no answers": silent}
    assert no_x.n_used == 80 - silent


def test_patterns_partition_the_rows(holes: pd.DataFrame) -> None:
    sample = sample_from_data(holes, ITEMS, missing="fiml", group="g")
    patterns = sample.patterns
    assert patterns.size.sum() == sample.n_used
    assert sample.rows is not None
    for g, rows in enumerate(sample.rows):
        seen = ~np.isnan(rows.values)
        assert (patterns.seen[rows.pattern] == seen).all()
        assert (patterns.group[rows.pattern] == g).all()
        np.testing.assert_array_equal(holes[list(ITEMS)].to_numpy()[rows.position], rows.values)


def log_likelihood(sample: Sample, mean: np.ndarray, cov: np.ndarray) -> float:
    assert sample.rows is not None
    total = 0.0
    for row in sample.rows[0].values:
        seen = ~np.isnan(row)
        total += multivariate_normal.logpdf(row[seen], mean[seen], cov[np.ix_(seen, seen)])
    return total


def test_em_moments_maximize_the_likelihood(holes: pd.DataFrame) -> None:
    """Central differences of the likelihood vanish in all nine moments, and it curves down."""
    sample = sample_from_data(holes, ITEMS, missing="fiml")
    mean, cov = sample.mean[0], sample.cov[0]
    top = log_likelihood(sample, mean, cov)
    step = 1e-4
    for k in range(9):
        d_mean, d_cov = np.zeros(3), np.zeros((3, 3))
        if k < 3:
            d_mean[k] = step
        else:
            i, j = np.tril_indices(3)
            d_cov[i[k - 3], j[k - 3]] = d_cov[j[k - 3], i[k - 3]] = step
        up = log_likelihood(sample, mean + d_mean, cov + d_cov)
        down = log_likelihood(sample, mean - d_mean, cov - d_cov)
        assert up < top > down
        assert abs(up - down) / (2 * step) / sample.n_used < EM


def test_em_is_invariant_to_the_items_scale(holes: pd.DataFrame) -> None:
    scale = np.array([1e-6, 1.0, 1e6])
    scaled = holes.copy()
    scaled[list(ITEMS)] = holes[list(ITEMS)] * scale
    plain, other = (sample_from_data(d, ITEMS, missing="fiml") for d in (holes, scaled))
    np.testing.assert_allclose(other.cov[0], plain.cov[0] * np.outer(scale, scale), rtol=1e-6)


def test_too_few_answers_for_so_many_items_is_told() -> None:
    """Nearly as many items as rows and many holes: the saturated likelihood has no maximum.

    A model may have one all the same, so the sample holds rough moments and says so.
    """
    rng = np.random.default_rng(26)
    values = rng.normal(size=(24, 18))
    values[rng.random((24, 18)) < 0.3] = np.nan
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(18)])
    sample = sample_from_data(frame, tuple(frame.columns), missing="fiml")
    assert not sample.saturated
    assert np.linalg.eigvalsh(sample.cov[0])[0] > 0
    with pytest.raises(DataError, match="too few answers for so many items"):
        saturated_moments(sample.patterns, 1)


@pytest.mark.parametrize("missing", ["listwise", "fiml", "fiml.x", "pairwise", "two.stage"])
@pytest.mark.parametrize("gaps", ["in the items", "in one covariate", "in both covariates"])
def test_collinear_variables_are_named_whatever_is_missing(
    holes: pd.DataFrame, missing: str, gaps: str
) -> None:
    frame = holes.assign(y=3 - 2 * holes["x"])
    frame.loc[
        10:14, {"in the items": [], "in one covariate": ["x"], "in both covariates": ["x", "y"]}[gaps]
    ] = np.nan
    with pytest.raises(DataError, match=r"'x', 'y' are perfectly collinear: .* Leave one of them out"):
        sample_from_data(frame, (*ITEMS, "x", "y"), missing=missing, exogenous=("x", "y"))


def test_collinear_items_are_named_by_group(holes: pd.DataFrame) -> None:
    frame = holes.assign(total=holes["t1"] + holes["t3"])
    with pytest.raises(
        DataError, match=r"'t1', 't3', 'total' are perfectly collinear in group 'late' of 'g'"
    ):
        sample_from_data(frame, (*ITEMS, "total"), missing="fiml", group="g")


def test_few_complete_rows_are_no_proof_of_collinearity(few_answers: pd.DataFrame) -> None:
    """Two items agree in all rows that answer everything, but not in those that answer the two."""
    frame = few_answers.copy()
    frame.iloc[:4, 1] = frame.iloc[:4, 0]
    check_not_collinear(frame.to_numpy(), list(frame))
    frame["b"] = frame["a"]
    with pytest.raises(DataError, match="'a', 'b' are perfectly collinear"):
        check_not_collinear(frame.to_numpy(), list(frame))


def test_covariance_input_is_rescaled_and_ordered(answers: pd.DataFrame) -> None:
    cov = answers[list(ITEMS)].cov()
    shuffled = cov.loc[["t3", "t1", "t2"], ["t2", "t3", "t1"]]
    sample = sample_from_moments(shuffled, 80, ITEMS)
    np.testing.assert_allclose(sample.cov[0], cov.to_numpy() * 79 / 80, rtol=1e-12)
    unscaled = sample_from_moments(cov, 80, ITEMS, rescale=False)
    np.testing.assert_allclose(unscaled.cov[0], cov.to_numpy(), rtol=1e-12)
    assert sample.rows is None
    assert not sample.has_means


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"nobs": None}, SpecError, ["sample_nobs="]),
        ({"nobs": 2.5}, SpecError, ["2.5", "whole number"]),
        ({"nobs": 3}, DataError, ["3 for 3 variables"]),
        ({"nobs": {"a": 50, "c": 50}}, SpecError, ["sample_nobs=", "'a', 'c'", "'a', 'b'"]),
        ({"mean": {"a": [1, 2, 3]}}, SpecError, ["sample_mean=", "'a', 'b'"]),
        (
            {"variables": ("t1", "t2", "t4")},
            DataError,
            ["'t4' is not in sample_cov", "Variables: t1, t2, t3"],
        ),
        ({"cov": np.eye(3)}, SpecError, ["DataFrame", "both axes"]),
    ],
)
def test_moments_that_cannot_be_used(
    answers: pd.DataFrame, change: dict[str, object], error: type[Exception], words: list[str]
) -> None:
    cov = answers[list(ITEMS)].cov()
    given = {"cov": {"a": cov, "b": cov}, "nobs": 50, "mean": None, "variables": ITEMS, **change}
    with pytest.raises(error) as caught:
        sample_from_moments(
            given["cov"],
            given["nobs"],
            given["variables"],
            sample_mean=given["mean"],  # type: ignore[arg-type]
        )
    for word in words:
        assert word in str(caught.value)


def test_means_by_group_must_name_numbers(answers: pd.DataFrame) -> None:
    cov = answers[list(ITEMS)].cov()
    with pytest.raises(DataError, match="'t2' is not a number"):
        sample_from_moments(cov, 80, ITEMS, sample_mean=pd.Series({"t1": 1, "t2": np.nan, "t3": 0}))
    with pytest.raises(DataError, match="'t3' is not in sample_mean"):
        sample_from_moments(cov, 80, ITEMS, sample_mean=pd.Series({"t1": 1, "t2": 2}))
