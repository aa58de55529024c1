"""`sm.moderate(method="lms")` as a user meets it: reference figures, tables, tests, groups, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.errors import DataError, SpecError
from sem_models.moderation.latent.result import LatentModeration

from .test_lms import MEASURED, MODELS, MORE, incomplete, simulated

MODEL = MEASURED + "Y ~ X + Z + X:Z"

LOGL = 1e-6
"""Same rule and nodes: nothing but rounding is left of the reference's log-likelihood."""

ESTIMATE = 1e-4
"""In standard errors; modsem's searches end that near."""

ERROR = 1e-2
"""Of a standard error."""

DRAWN = 3e-2
"""Standard errors of standardized values, which modsem takes from random draws."""

DIFFERENCED = 2e-2
"""Standard errors of residual variances: modsem takes its information from one-sided differences, which are
off by up to that (docs/latent-interactions.md); ours agree with fourth-order differences to 1e-6."""


def lms(text: str, data: pd.DataFrame, **options: Any) -> LatentModeration:
    found = sm.moderate(text, data, method="lms", **options)
    assert isinstance(found, LatentModeration)
    return found


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return simulated(400, 5)


@pytest.fixture(scope="module")
def result(frame: pd.DataFrame) -> LatentModeration:
    return lms(MODEL, frame)


@pytest.mark.parametrize("name", ["v73_oneint_lms", "v75_tpb_lms", "v78_b2b_int_lms"])
def test_reference_case(name: str, golden_dir: Path) -> None:
    case = json.loads((golden_dir / "cases" / f"{name}.json").read_text(encoding="utf-8"))
    reference = json.loads((golden_dir / "results" / f"{name}.json").read_text(encoding="utf-8"))
    found = lms(case["syntax"], pd.read_csv(golden_dir / case["data"]), nodes=case["options"]["nodes"])
    assert found.status.ok
    assert abs(found.loglik - reference["logl"]) < LOGL
    assert found.measures()["linear_logl"] == pytest.approx(reference["h0"]["logl"], abs=LOGL)
    test = found.interaction_test().iloc[0]
    assert test["chisq_diff"] == pytest.approx(reference["h0"]["compare"]["D"], abs=1e-2)
    tables = (
        (found.estimates(), reference["param_table"], "est"),
        (found.standardized(), reference["standardized"], "est_std"),
    )
    for table, rows, column in tables:
        ours = table.set_index(["lhs", "op", "rhs"])
        for row in rows:
            key = (row["lhs"], row["op"], row["rhs"])
            key = key if key in ours.index else key[::-1]
            if row["std.error"] is None or key not in ours.index:
                continue
            assert abs(ours.loc[key, column] - row["est"]) < ESTIMATE * row["std.error"], key
            variance = row["op"] == "~~" and row["lhs"] == row["rhs"]
            near = DRAWN if column == "est_std" else DIFFERENCED if variance else ERROR
            if row["std.error"] > 1e-6:
                assert ours.loc[key, "se"] == pytest.approx(row["std.error"], rel=near), key


MPLUS = {
    ("X", "=~", "x2"): 44.445, ("Z", "=~", "z2"): 45.396, ("Y", "=~", "y2"): 82.774, ("Y", "~", "X"): 20.440,
    ("Y", "~", "Z"): 18.080, ("Y", "~", "X:Z"): 23.387, ("X", "~~", "X"): 24.448, ("Z", "~~", "Z"): 24.694,
    ("X", "~~", "Z"): 8.190, ("x1", "~~", "x1"): 9.540, ("x2", "~~", "x2"): 12.417, ("Y", "~~", "Y"): 23.750,
    ("z1", "~~", "z1"): 9.269, ("z2", "~~", "z2"): 12.365, ("y1", "~~", "y1"): 8.563,
    ("y2", "~~", "y2"): 9.795,
}  # fmt: skip
"""Est./S.E. of Mplus 8.10 (ML, observed information, 15 adaptive points in each of two dimensions) for the
same simulated data with two items each, as its output stands among the tests of the R package modsem."""


def test_standard_errors_are_those_of_mplus(golden_dir: Path) -> None:
    """A third program, where modsem's residual variances and ours differ by more than 1 %."""
    data = pd.read_csv(golden_dir / "data/oneint.csv")
    found = lms("X =~ x1 + x2\nZ =~ z1 + z2\nY =~ y1 + y2\nY ~ X + Z + X:Z", data)
    assert found.loglik == pytest.approx(-13374.972, abs=5e-4 + 1e-4)  # as printed
    ours = found.estimates().set_index(["lhs", "op", "rhs"])["z"]
    for key, z in MPLUS.items():
        # their search stops at derivatives of 1e-3, and z is printed with three decimals
        assert ours[key] == pytest.approx(z, rel=3e-4), key


def test_default_nodes_reach_the_log_likelihood_of_many(
    frame: pd.DataFrame, result: LatentModeration
) -> None:
    many = lms(MODEL, frame, nodes=400)
    assert result.error_bound < 1e-4
    assert abs(result.loglik - many.loglik) < 2e-4
    assert result.options["quadrature"] == "even grid"


def test_tables_have_the_columns_of_a_fit_and_hide_the_phantoms(
    frame: pd.DataFrame, result: LatentModeration
) -> None:
    fit = sm.fit(MEASURED + "Y ~ X + Z", frame)
    assert list(result.estimates().columns) == list(fit.estimates().columns)
    assert list(result.standardized().columns) == list(fit.standardized().columns)
    shown = result.estimates()
    assert not shown["lhs"].str.contains(":").any()
    assert ((shown["lhs"] == "Y") & (shown["rhs"] == "X:Z")).sum() == 1
    assert result.vcov().shape == (31, 31)
    assert "Y~X:Z" in result.vcov().index
    assert "Y ~ X:Z" in str(result.summary())
    assert "LMS" in result._repr_html_()


def test_standardized_interaction_is_in_units_of_its_factors(result: LatentModeration) -> None:
    """b sd(x) sd(z) / sd(y), with the true variance of y (Wen, Marsh & Hau, 2010)."""
    raw = result.estimates().set_index(["lhs", "op", "rhs"])
    cov = result.latent_moments()[""]["cov"]
    b = raw.loc[("Y", "~", "X:Z"), "est"]
    size = np.sqrt(cov.loc["X", "X"] * cov.loc["Z", "Z"] / cov.loc["Y", "Y"])
    scaled = result.standardized().set_index(["lhs", "op", "rhs"])
    assert scaled.loc[("Y", "~", "X:Z"), "est_std"] == pytest.approx(b * size, rel=1e-10)
    by, bz = raw.loc[("Y", "~", "X"), "est"], raw.loc[("Y", "~", "Z"), "est"]
    vx, vz, vxz = cov.loc["X", "X"], cov.loc["Z", "Z"], cov.loc["X", "Z"]
    explained = by**2 * vx + bz**2 * vz + 2 * by * bz * vxz + b**2 * (vx * vz + vxz**2)
    assert cov.loc["Y", "Y"] == pytest.approx(explained + raw.loc[("Y", "~~", "Y"), "est"], rel=1e-10)
    assert result.r_squared()["Y"] == pytest.approx(explained / cov.loc["Y", "Y"], rel=1e-10)


def test_errors_of_standardized_values_by_draws_of_the_estimates(result: LatentModeration) -> None:
    rng = np.random.default_rng(3)
    ram, params = result.problem.ram, result.solution.params
    draws = rng.multivariate_normal(params, np.linalg.inv(result.solution.information), size=1500)
    values = np.array([result._scale(ram.free_values(d), "std_all") for d in draws])
    table = result.standardized(errors="delta").set_index(["lhs", "op", "rhs"])
    row = next(i for i, r in enumerate(result.problem.table.rows) if r.key == ("Y", "~", "X:Z"))
    assert table.loc[("Y", "~", "X:Z"), "se"] == pytest.approx(values[:, row].std(), rel=0.06)


def test_fixed_values_have_no_standard_error(result: LatentModeration) -> None:
    table = result.standardized().set_index(["lhs", "op", "rhs"])
    assert table.loc[("X", "~~", "X"), "se"] == 0.0
    assert result.estimates().set_index(["lhs", "op", "rhs"]).loc[("X", "=~", "x1"), "se"] == 0.0


def test_likelihood_ratio_and_wald_agree_roughly_and_probing_works(result: LatentModeration) -> None:
    test = result.interaction_test().iloc[0]
    assert test["term"] == "Y ~ X:Z"
    assert test["df"] == 1
    assert test["chisq_diff"] == pytest.approx(
        2 * (result.loglik - result.linear.measures()["logl"]), abs=1e-8
    )
    assert test["wald"] == pytest.approx(test["chisq_diff"], rel=0.3)
    slopes = result.simple_slopes("Y", "X", "Z")
    raw = result.estimates().set_index(["lhs", "op", "rhs"])
    middle = slopes[slopes["value"].abs() < 1e-9].iloc[0]
    assert middle["est"] == pytest.approx(raw.loc[("Y", "~", "X"), "est"])
    assert len(result.johnson_neyman("Y", "X", "Z").table())


def test_several_products_are_tested_one_by_one_and_together(frame: pd.DataFrame) -> None:
    found = lms(MEASURED + "Y ~ X + Z + X:Z + X:X + Z:Z", frame)
    table = found.interaction_test().set_index("term")
    assert list(table.index) == ["Y ~ X:Z", "Y ~ X:X", "Y ~ Z:Z", "all products"]
    assert table["converged"].all()
    assert table.loc["all products", "df"] == 3
    without = lms(MEASURED + "Y ~ X + Z + X:X + Z:Z", frame)
    assert table.loc["Y ~ X:Z", "chisq_diff"] == pytest.approx(2 * (found.loglik - without.loglik), abs=1e-2)
    assert table.loc["all products", "chisq_diff"] >= table["chisq_diff"].drop("all products").max()


def test_maximum_does_not_depend_on_which_factor_is_integrated(frame: pd.DataFrame) -> None:
    one, other = lms(MODEL, frame), lms(MEASURED + "Y ~ X + Z + Z:X", frame)
    assert one.options["moderators"] != other.options["moderators"]
    assert one.loglik == pytest.approx(other.loglik, abs=1e-3)
    np.testing.assert_allclose(one.solution.params, other.solution.params, atol=1e-3)


def test_all_kinds_of_models_converge(frame: pd.DataFrame) -> None:
    """Those of the likelihood's own test that have enough rows here."""
    for name in ("moderated outcome predicts", "controls", "observed moderator", "labels"):
        text, options = MODELS[name]
        found = lms(text, frame, **options)
        assert found.status.converged, name
        assert found.status.stationary, name
        assert found.loglik > found.linear.measures()["logl"], name


def test_labels_and_definitions(frame: pd.DataFrame) -> None:
    found = lms(MEASURED + "Y ~ a*X + a*Z + b*X:Z + d*X:X\nb == 2*d\nab := a*b", frame)
    table = found.estimates().set_index("label")["est"]
    assert table["b"] == pytest.approx(2 * table["d"])
    assert table["ab"] == pytest.approx(table["a"].iloc[0] * table["b"])
    assert found.estimates().set_index("label").loc["ab", "se"] > 0


def test_an_observed_moderator_in_the_limit_is_a_product_of_columns() -> None:
    """With factors measured without error the likelihood is the regression's."""
    frame = simulated(300, 9)
    text = "X =~ 1*x1\nx1 ~~ 0*x1\ny1 ~ X + c1 + X:c1"
    found = lms(text, frame)
    fit = sm.fit("y1 ~ x1 + c1 + x1:c1", frame, meanstructure=True)
    ours = found.estimates().set_index(["lhs", "op", "rhs"])
    theirs = fit.estimates().set_index(["lhs", "op", "rhs"])
    for rhs, other in (("X", "x1"), ("c1", "c1"), ("X:c1", "x1:c1")):
        # the latent X has mean 0, the column its own
        if rhs != "c1":
            assert ours.loc[("y1", "~", rhs), "est"] == pytest.approx(
                theirs.loc[("y1", "~", other), "est"], abs=1e-6
            )
            assert ours.loc[("y1", "~", rhs), "se"] == pytest.approx(
                theirs.loc[("y1", "~", other), "se"], rel=2e-2
            )


def test_incomplete_rows_are_used(frame: pd.DataFrame, result: LatentModeration) -> None:
    found = lms(MODEL, incomplete(frame, 2), missing="fiml")
    assert found.header.n_used == len(frame)
    assert found.status.ok
    key = ("Y", "~", "X:Z")
    there = result.estimates().set_index(["lhs", "op", "rhs"]).loc[key]
    here = found.estimates().set_index(["lhs", "op", "rhs"]).loc[key]
    assert here["se"] > there["se"]
    assert abs(here["est"] - there["est"]) < 2 * there["se"]


def test_groups_are_estimated_at_once_or_held_equal(frame: pd.DataFrame) -> None:
    free = lms(MODEL, frame, group="g")
    parts = [lms(MODEL, part) for _, part in frame.groupby("g", sort=False)]
    assert free.loglik == pytest.approx(sum(p.loglik for p in parts), abs=2e-3)
    assert set(free.estimates()["group"]) == {"a", "b"}
    equal = lms(MODEL, frame, group="g", group_equal=("loadings", "intercepts", "regressions"))
    paths = equal.estimates().query("lhs == 'Y' and rhs == 'X:Z'")["est"]
    assert (paths == paths.iloc[0]).all()
    assert equal.loglik < free.loglik
    assert equal.interaction_test().iloc[0]["df"] == 1
    assert free.interaction_test().iloc[0]["df"] == 2


def test_robust_errors_are_the_sandwich(frame: pd.DataFrame, result: LatentModeration) -> None:
    found = lms(MODEL, frame, estimator="MLR")
    assert found.loglik == pytest.approx(result.loglik, abs=1e-8)
    scores = found.likelihood.case_scores(found.solution.params)
    np.testing.assert_allclose(scores, result.likelihood.case_scores(found.solution.params), atol=1e-7)
    inverse = np.linalg.inv(found.solution.information)
    sandwich = inverse @ scores.T @ scores @ inverse
    np.testing.assert_allclose(np.diagonal(found.vcov()), np.diagonal(sandwich), rtol=1e-6)
    plain, scaled = result.interaction_test().iloc[0], found.interaction_test().iloc[0]
    assert scaled["chisq_diff"] != pytest.approx(plain["chisq_diff"], rel=1e-4)
    assert scaled["chisq_diff"] == pytest.approx(plain["chisq_diff"], rel=0.5)


REFUSED = [
    (MODEL, {"nodes": 6}, "nodes=6 are too few"),
    (MODEL, {"nodes": 1}, "whole number"),
    (MODEL, {"estimator": "WLSMV"}, "casewise likelihood"),
    (MODEL, {"missing": "pairwise"}, "missing='fiml'"),
    (MODEL, {"cluster": "g"}, "cluster= yet"),
    (MODEL, {"bounds": "pos.var"}, "bounds='pos.var' yet"),
    (MODEL, {"node": 10}, "nodes"),
    (MODEL + "\nX:Z ~~ X", {}, "follow from those of its factors"),
    (MEASURED + "Y ~ X + Z + X:c9", {}, "c9"),
    (MEASURED + "Y ~ X + Z + X:c1", {}, "Add its own effect"),
    (MEASURED + "Y ~ X + Z + c1 + c2 + c1:c2", {}, "sm.fit"),
    (MEASURED + "Y ~ X + Z + b*X:Z\nb > 0", {}, "inequalities"),
    (MEASURED + MORE + "Y ~ X + Z + X:Z\nW ~ Y + Y:Y", {}, "cannot integrate yet"),
    (MEASURED + MORE + "Y ~ X:X + Z:Z + W:W + V:V + X + Z + W + V", {}, "numerical integration over 4"),
]


@pytest.mark.parametrize(("text", "options", "says"), REFUSED)
def test_refusals_say_what_to_do(text: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        lms(text, simulated(120, 1), **options)


def test_what_would_take_hours_is_refused_before_it_starts() -> None:
    text = MEASURED + MORE + "Y ~ X + Z + W + X:Z + X:W + Z:W + X:X + Z:Z + W:W"
    with pytest.raises(SpecError, match=r"minutes.*method='qml'"):
        lms(text, simulated(3000, 1))


def test_no_data_and_missing_moderators_are_refused() -> None:
    with pytest.raises(DataError, match="rows of the data"):
        lms(MODEL, None)  # type: ignore[arg-type]
    frame = simulated(120, 1)
    frame.loc[3:9, "c1"] = np.nan
    with pytest.raises(SpecError, match="cannot bridge yet"):
        lms(MEASURED + "Y ~ X + Z + c1 + X:c1\nc1 ~~ c1", frame, missing="fiml")


def test_a_search_without_an_end_says_so() -> None:
    """60 customers and poor items: the residual variance of z1 runs to zero, where there is no maximum."""
    rng = np.random.default_rng(1)
    n = 60
    x = rng.normal(size=n)
    z = 0.3 * x + 0.95 * rng.normal(size=n)
    y = 0.3 * x + 0.3 * z + 0.3 * x * z + 0.7 * rng.normal(size=n)
    frame = pd.DataFrame({
        f"{s}{i}": 0.7 * latent + np.sqrt(0.51) * rng.normal(size=n)
        for s, latent in (("x", x), ("z", z), ("y", y))
        for i in (1, 2, 3)
    })  # fmt: skip
    found = lms(MODEL, frame)
    assert not found.status.converged
    assert "z1 ~~ z1" in " ".join(found.status.reasons)
    assert found.estimates()["se"].isna().any()
    assert "NOT CONVERGE" in found.header.line()


@pytest.mark.slow
def test_it_recovers_what_was_simulated() -> None:
    """Bias, errors and coverage of the interaction over 120 samples of 400."""
    found = []
    for seed in range(120):
        row = lms(MODEL, simulated(400, 1000 + seed, c=0.0)).estimates()
        row = row.set_index(["lhs", "op", "rhs"]).loc[("Y", "~", "X:Z")]
        found.append((row["est"], row["se"], row["ci_lower"] < 0.4 < row["ci_upper"]))
    estimate, error, covered = np.array(found, dtype=float).T
    assert abs(estimate.mean() - 0.4) < 3 * estimate.std() / np.sqrt(len(found))
    assert error.mean() == pytest.approx(estimate.std(), rel=0.2)
    assert 0.87 < covered.mean() <= 1.0
