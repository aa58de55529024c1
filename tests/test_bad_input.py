"""Bad input: each call ends in one clear error that says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

CFA = "EDS =~ eds1 + eds2 + eds3\nPV =~ pv1 + pv2 + pv3"
PATH = CFA + "\nPV ~ EDS"


def survey(n: int = 60) -> pd.DataFrame:
    """Simulated answers of n customers to two constructs, a covariate, and two groups."""
    rng = np.random.default_rng(1)
    eds = rng.normal(size=n)
    pv = 0.6 * eds + 0.8 * rng.normal(size=n)
    frame = pd.DataFrame(
        {
            f"{stem}{i}": 4 + latent + 0.6 * rng.normal(size=n)
            for stem, latent in (("eds", eds), ("pv", pv))
            for i in (1, 2, 3)
        }
    )
    frame["tenure"] = rng.normal(size=n)
    frame["active"] = np.where(np.arange(n) < n // 2, "active", "inactive")
    return frame


def changed(**columns: Any) -> pd.DataFrame:
    return survey().assign(**columns)


def with_value(column: str, row: int, value: Any) -> pd.DataFrame:
    frame = survey()
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    return frame


def twice() -> pd.DataFrame:
    frame = survey()
    return pd.concat([frame, frame[["eds2"]]], axis=1)


def covariance(**changes: float) -> pd.DataFrame:
    """Sample covariances; `eds1_eds2=9` replaces an entry."""
    cov = survey().drop(columns=["tenure", "active"]).cov()
    for pair, value in changes.items():
        a, b = pair.split("_")
        cov.loc[a, b] = cov.loc[b, a] = value
    return cov


Call = Callable[[], object]
BAD: dict[str, tuple[Call, type[Exception], list[str]]] = {
    # ---- columns and values
    "unknown column": (
        lambda: sm.fit(CFA.replace("eds2", "edss2"), survey()),
        sm.DataError, ["'edss2' is not a column", "Did you mean 'eds2'"],
    ),
    "several unknown columns": (
        lambda: sm.fit(CFA.replace("pv1", "q1").replace("pv2", "q2"), survey()),
        sm.DataError, ["'q1', 'q2' are not columns"],
    ),
    "text in a numeric item": (
        lambda: sm.fit(CFA, with_value("eds2", 4, "often")),
        sm.DataError, ["'eds2'", "text", "row 5", "Recode"],
    ),
    "infinite value": (
        lambda: sm.fit(CFA, with_value("pv1", 2, np.inf)),
        sm.DataError, ["'pv1'", "infinite", "row 3", "missing"],
    ),
    "dates in an item": (
        lambda: sm.fit(CFA, changed(pv1=pd.date_range("2026-01-01", periods=60))),
        sm.DataError, ["'pv1'", "datetime64", "not numbers"],
    ),
    "units beyond floating point": (
        lambda: sm.fit(CFA, changed(pv1=1e150 * survey()["pv1"])),
        sm.DataError, ["'pv1'", "too large or too small", "other units"],
    ),
    "constant item": (
        lambda: sm.fit(CFA, changed(pv2=3.0)),
        sm.DataError, ["'pv2' is constant", "Leave it out"],
    ),
    "constant in one group": (
        lambda: sm.fit(CFA, changed(pv2=np.where(np.arange(60) < 30, 3.0, survey()["pv2"])), group="active"),
        sm.DataError, ["'pv2' is constant", "group 'active'", "Leave it out"],
    ),
    "constant with missing answers": (
        lambda: sm.fit(CFA, changed(pv2=[np.nan, *[3.0] * 59]), missing="fiml"),
        sm.DataError, ["'pv2' is constant"],
    ),
    "duplicated column": (
        lambda: sm.fit(CFA, twice()),
        sm.DataError, ["'eds2'", "more than once", "Keep one"],
    ),
    "perfectly collinear item": (
        lambda: sm.fit(CFA, changed(pv3=2 * survey()["pv1"] + 1)),
        sm.DataError, ["'pv1', 'pv3'", "collinear", "Leave one of them out"],
    ),
    "perfectly collinear covariates, incomplete items": (
        lambda: sm.fit(
            "PV =~ pv1 + pv2 + pv3\nPV ~ eds1 + twice",
            changed(pv2=survey()["pv2"].mask(np.arange(60) < 5), twice=2 * survey()["eds1"]), missing="fiml",
        ),
        sm.DataError, ["'eds1', 'twice'", "collinear", "Leave one of them out"],
    ),
    "no rows": (lambda: sm.fit(CFA, survey().iloc[:0]), sm.DataError, ["no rows"]),
    "fewer rows than variables": (
        lambda: sm.fit(CFA, survey(5)),
        sm.DataError, ["5 usable rows", "6 variables", "more rows"],
    ),
    "all answers of an item missing": (
        lambda: sm.fit(CFA, changed(pv2=np.nan), missing="fiml"),
        sm.DataError, ["'pv2' has no answers", "Leave"],
    ),
    "all answers missing, listwise": (
        lambda: sm.fit(CFA, changed(pv2=np.nan)),
        sm.DataError, ["'pv2' has no answers", "Leave"],
    ),
    # ---- groups
    "group with too few rows": (
        lambda: sm.fit(CFA, changed(active=["active"] * 3 + ["inactive"] * 57), group="active"),
        sm.DataError, ["usable rows", "group 'active'", "6 variables", "merge groups"],
    ),
    "few complete rows": (
        lambda: sm.fit(CFA, changed(pv2=survey()["pv2"].where(np.arange(60) < 5))),
        sm.DataError, ["5 usable rows", "missing='fiml' keeps"],
    ),
    "ordered is no name": (
        lambda: sm.fit(CFA, survey(), ordered=5),  # type: ignore[arg-type]
        sm.SpecError, ["ordered=5", "names of items"],
    ),
    "iterations are no number": (
        lambda: sm.fit(CFA, survey(), max_iterations="many"), sm.SpecError, ["max_iterations='many'", "500"],
    ),
    "kind of bootstrap is no name": (
        lambda: sm.fit(CFA, survey()).bootstrap(100, type=5),  # type: ignore[arg-type]
        sm.SpecError, ["type='5'", "ordinary"],
    ),
    "unknown group column": (
        lambda: sm.fit(CFA, survey(), group="activ"),
        sm.DataError, ["group='activ'", "not a column", "Did you mean 'active'"],
    ),
    "group is no name": (
        lambda: sm.fit(CFA, survey(), group=["active"]),  # type: ignore[arg-type]
        sm.SpecError, ["['active']", "name of one column"],
    ),
    "switch that is neither on nor off": (
        lambda: sm.fit(CFA, survey(), std_lv="TRUE"),
        sm.SpecError, ["std_lv='TRUE'", "True or False"],
    ),
    "single-valued group": (
        lambda: sm.fit(CFA, changed(active="active"), group="active"),
        sm.DataError, ["group='active'", "1 distinct value", "two"],
    ),
    "a measurement as group": (
        lambda: sm.fit(CFA, survey(), group="tenure"),
        sm.DataError, ["group='tenure'", "60 distinct values", "bands"],
    ),
    "group_equal without groups": (
        lambda: sm.fit(CFA, survey(), group_equal="loadings"),
        sm.SpecError, ["group_equal=", "group="],
    ),
    "unknown family": (
        lambda: sm.fit(CFA, survey(), group="active", group_equal="loading"),
        sm.SpecError, ["'loading'", "Did you mean 'loadings'"],
    ),
    # ---- the model
    "misspelt operator": (
        lambda: sm.fit("EDS =~ eds1 + eds2 + eds3\nPV ~= pv1 + pv2", survey()),
        sm.SpecError, ["line 2, col 4", "^"],
    ),
    "not identified": (
        lambda: sm.fit("EDS =~ NA*eds1 + eds2 + eds3\nPV =~ pv1 + pv2 + pv3", survey()),
        sm.IdentificationError, ["not identified", "EDS=~eds1", "EDS~~EDS", "fix one"],
    ),
    "more parameters than moments": (
        lambda: sm.fit("EDS =~ eds1 + eds2", survey()),
        sm.IdentificationError, ["4 free parameters", "3 moments"],
    ),
    "c() of the wrong length": (
        lambda: sm.fit(PATH.replace("~ EDS", "~ c(a, b, d)*EDS"), survey(), group="active"),
        sm.SpecError, ["c() has 3 values", "2 groups", "line 3, col"],
    ),
    "unknown label in :=": (
        lambda: sm.fit(PATH.replace("~ EDS", "~ b*EDS") + "\ntwice := 2*bb", survey()),
        sm.SpecError, ["'bb'", "neither a label", "line 4", "Did you mean 'b'"],
    ),
    "latent product": (
        lambda: sm.fit("EDS =~ eds1 + eds2 + eds3\npv1 ~ EDS + EDS:tenure", survey()),
        sm.SpecError, ["'EDS:tenure'", "sm.moderate", "line 2, col"],
    ),
    "ordered items": (
        lambda: sm.fit(CFA, survey(), ordered=["eds1"]),
        sm.DataError, ["'eds1'", "no whole numbers", "rows 1, 2, 3", "ordered="],
    ),
    "model is not text": (lambda: sm.fit(42, survey()), sm.SpecError, ["text or a ModelSpec", "int"]),  # type: ignore[arg-type]
    "unknown specification": (
        lambda: sm.fit("b2b_servce", survey()),
        sm.SpecError, ["b2b_servce", "b2b_service"],
    ),
    "empty model": (lambda: sm.fit("\n", survey()), sm.SpecError, ["model"]),
    # ---- options
    "unknown option": (
        lambda: sm.fit(CFA, survey(), std_lvs=True),
        sm.SpecError, ["no option 'std_lvs'", "Did you mean 'std_lv'"],
    ),
    "option that is not built": (
        lambda: sm.fit(CFA, survey(), conditional_x=True),
        sm.SpecError, ["conditional_x", "yet"],
    ),
    "estimator that is not built": (
        lambda: sm.fit(CFA, survey(), estimator="PML"),
        sm.SpecError, ["PML", "yet"],
    ),
    "unknown estimator": (
        lambda: sm.fit(CFA, survey(), estimator="MRL"),
        sm.SpecError, ["MRL", "Did you mean"],
    ),
    "unknown missing method": (
        lambda: sm.fit(CFA, survey(), missing="fmil"),
        sm.SpecError, ["fmil", "Did you mean 'fiml'"],
    ),
    "missing method that is not built": (
        lambda: sm.fit(CFA, survey(), missing="doubly.robust"),
        sm.SpecError, ["doubly.robust", "yet", "fiml"],
    ),
    "unknown engine": (
        lambda: sm.fit(CFA, survey(), engine="sempy"),
        sm.SpecError, ["sempy", "Did you mean 'semopy'"],
    ),
    "no mean structure with fiml": (
        lambda: sm.fit(CFA, survey(), missing="fiml", meanstructure=False),
        sm.SpecError, ["meanstructure=False", "fiml"],
    ),
    # ---- covariance input
    "no data": (lambda: sm.fit(CFA), sm.DataError, ["data", "sample_cov="]),
    "data and covariances": (
        lambda: sm.fit(CFA, survey(), sample_cov=covariance(), sample_nobs=60),
        sm.SpecError, ["both data and sample_cov="],
    ),
    "covariances without N": (
        lambda: sm.fit(CFA, sample_cov=covariance()),
        sm.SpecError, ["sample_nobs="],
    ),
    "covariances not positive definite": (
        lambda: sm.fit(CFA, sample_cov=covariance(eds1_eds2=9.0), sample_nobs=60),
        sm.DataError, ["not positive definite", "'eds1', 'eds2'", "typing errors"],
    ),
    "negative variance": (
        lambda: sm.fit(CFA, sample_cov=covariance(pv1_pv1=-1.0), sample_nobs=60),
        sm.DataError, ["not positive definite", "'pv1'"],
    ),
    "names of rows and columns differ": (
        lambda: sm.fit(CFA, sample_cov=covariance().rename(index={"pv1": "pv9"}), sample_nobs=60),
        sm.DataError, ["different names", "label both"],
    ),
    "variable not in the matrix": (
        lambda: sm.fit(CFA.replace("pv3", "pv33"), sample_cov=covariance(), sample_nobs=60),
        sm.DataError, ["'pv33' is not in sample_cov", "Did you mean 'pv3'"],
    ),
    "matrix is not symmetric": (
        lambda: sm.fit(CFA, sample_cov=covariance() + np.triu(np.ones((6, 6)), 1), sample_nobs=60),
        sm.DataError, ["not a symmetric matrix"],
    ),
    "fiml without rows": (
        lambda: sm.fit(CFA, sample_cov=covariance(), sample_nobs=60, missing="fiml"),
        sm.SpecError, ["fiml", "raw data"],
    ),
    "robust errors without rows": (
        lambda: sm.fit(CFA, sample_cov=covariance(), sample_nobs=60, estimator="MLR").estimates(),
        sm.SpecError, ["raw data", "estimator='ML'"],
    ),
    "data is no frame": (lambda: sm.fit(CFA, [[1, 2]]), sm.DataError, ["DataFrame or a Survey", "list"]),
    # ---- what comes after the fit
    "no such measure": (
        lambda: sm.fit(CFA, survey()).why("cfii"),
        sm.SpecError, ["'cfii'", "Did you mean", "'cfi'"],
    ),
    "hypothesis without ==": (
        lambda: sm.fit(PATH.replace("~ EDS", "~ b*EDS"), survey()).wald("b"),
        sm.SpecError, ["=="],
    ),
    "hypothesis about no label": (
        lambda: sm.fit(PATH.replace("~ EDS", "~ b*EDS"), survey()).wald("c == 0"),
        sm.SpecError, ["'c'", "neither a label"],
    ),
    "restrictions that repeat one another": (
        lambda: sm.fit(PATH.replace("~ EDS", "~ b*EDS"), survey()).wald("b == 0; 2*b == 0"),
        sm.SpecError, ["repeat one another"],
    ),
    "a hypothesis with an inequality": (
        lambda: sm.fit(PATH.replace("~ EDS", "~ b*EDS"), survey()).wald("b == 0; b < 1"),
        sm.SpecError, ["'==' alone"],
    ),
    "a hypothesis about nothing": (
        lambda: sm.fit(PATH.replace("~ EDS", "~ b*EDS"), survey()).wald("b == b"),
        sm.SpecError, ["'b == b'", "free estimates"],
    ),
    "models of other data": (
        lambda: sm.fit(CFA, survey()).compare(sm.fit(PATH, survey(50))),
        sm.SpecError, ["other variables or rows", "same data"],
    ),
    "invariance without groups": (
        lambda: sm.invariance(CFA, survey()),
        sm.SpecError, ["group="],
    ),
    "unknown level": (
        lambda: sm.invariance(CFA, survey(), group="active", levels=("configurl",)),
        sm.SpecError, ["'configurl'", "Did you mean 'configural'"],
    ),
    "reference group": (
        lambda: sm.moderate(PATH, survey(), method="groups", moderator="active", reference_group="activ"),
        sm.SpecError, ["reference_group='activ'", "Did you mean"],
    ),
    "local models without a moderator": (
        lambda: sm.moderate(PATH, survey(), method="lsem"),
        sm.SpecError, ["lsem", "moderator="],
    ),
    "a parameter that follows a covariate": (
        lambda: sm.fit(PATH.replace("~ EDS", "~ b*EDS") + "\nb :~ tenure", survey()),
        sm.SpecError, ["line 4", "method='mnlfa'"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str) -> None:
    call, error, words = BAD[case]
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    for word in words:
        assert word in message, message
    assert isinstance(caught.value, sm.SEMError)


@pytest.mark.filterwarnings("ignore:'pv3' has two values")
def test_moments_that_determine_one_another_have_no_weights_in_wls() -> None:
    """A variable of two values has the variance that its mean says."""
    two = changed(pv3=np.arange(60) % 5 < 2)
    assert sm.fit(CFA, two, estimator="WLS").status.converged
    with pytest.raises(sm.DataError, match=r"determine one another.*two values.*MLR"):
        sm.fit(CFA, two, estimator="WLS", meanstructure=True)


def test_small_groups_are_not_counted_aloud() -> None:
    """Fewer than five customers are never given as a number."""
    with pytest.raises(sm.DataError) as caught:
        sm.fit(CFA, changed(active=["active"] * 3 + ["inactive"] * 57), group="active")
    assert "fewer than 5" in str(caught.value)
    assert "3" not in str(caught.value).replace("6 variables", "")


def test_errors_hold_no_answers() -> None:
    """A free-text answer in an item column stays out of the message."""
    with pytest.raises(sm.DataError) as caught:
        sm.fit(CFA, with_value("eds2", 4, "Jane Doe, call me back"))
    assert "Jane" not in str(caught.value)


def test_rows_that_are_too_few_are_offered_what_there_is_left() -> None:
    """Incomplete rows are only promised where some were left out, merged groups where there are groups."""
    few, holes = survey().head(5), survey().head(9)
    grouped = survey().assign(g=["a"] * 5 + ["b"] * 55)
    holes.loc[holes.index[:4], "eds1"] = np.nan
    for frame, options, says, not_said in (
        (few, {"missing": "fiml"}, "Use fewer items.", "fiml"),
        (holes, {}, "missing='fiml' keeps incomplete rows", "groups"),
        (grouped, {"group": "g"}, "Use fewer items, or merge groups.", "fiml"),
    ):
        with pytest.raises(sm.DataError, match="needs more rows than variables") as caught:
            sm.fit(CFA, frame, **options)
        assert says in str(caught.value)
        assert not_said not in str(caught.value)
