"""Models of ordered items: estimates, errors, tests, residuals, scores and comparisons."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.inference.ordinal_scores import item_designs, score_items

from .items import ITEMS, REFERENCE, survey, with_holes

ESTIMATE = 1e-4
"""Of estimates and errors, in standard errors: lavaan stops its search near 1e-6."""
MEASURE = 2e-6


@pytest.fixture(scope="module")
def one() -> sm.Fit:
    return sm.fit("F =~ u1 + u2 + u3 + u4", survey(), ordered=ITEMS)


@pytest.mark.filterwarnings("ignore:'u1' in ordered=")
@pytest.mark.parametrize("name", REFERENCE)
def test_agrees_with_lavaan(name: str) -> None:
    case = REFERENCE[name]
    data = with_holes() if case["options"].get("missing") else survey()
    fit = sm.fit(
        case["model"], data, ordered=ITEMS if "u4" in case["model"] else ITEMS[:3], **case["options"]
    )
    solved = fit.solved
    errors = np.array(case["se"])
    ours = solved.rows.value[solved.ram.row_of_free]
    assert np.abs((ours - case["est"]) / errors).max() < ESTIMATE
    assert np.abs(np.sqrt(np.diag(fit.vcov())) / errors - 1).max() < ESTIMATE
    measures = fit.measures()
    for key, value in case["measures"].items():
        assert measures[key] == pytest.approx(value, abs=MEASURE, rel=MEASURE), key


def test_delta_and_theta_are_the_same_model() -> None:
    fits = [
        sm.fit("F =~ u1 + u2 + u3 + u4 + y1\nF ~ x", survey(), ordered=ITEMS, parameterization=p)
        for p in ("delta", "theta")
    ]
    first, second = (fit.standardized() for fit in fits)
    rows = ~first["op"].isin(["~*~"])
    np.testing.assert_allclose(first.loc[rows, "est_std"], second.loc[rows, "est_std"], atol=1e-8)
    np.testing.assert_allclose(first.loc[rows, "se"], second.loc[rows, "se"], atol=1e-7)
    assert fits[0].measures()["chisq_scaled"] == pytest.approx(fits[1].measures()["chisq_scaled"], rel=1e-8)
    assert fits[0].r_squared().to_numpy() == pytest.approx(fits[1].r_squared().to_numpy(), abs=1e-8)


def test_standardized_errors_are_the_delta_method(one: sm.Fit) -> None:
    """Against central differences of the standardized solution in the free parameters."""
    from sem_models.inference.standardized import standardize

    solved = one.solved
    params, h = solved.point.params, 1e-6

    def at(x: np.ndarray) -> np.ndarray:
        point = solved.objective.at(x)
        assert point is not None
        return standardize(solved.table, solved.ram, point.free, point.at).value

    numeric = np.array([(at(params + h * e) - at(params - h * e)) / (2 * h) for e in np.eye(len(params))]).T
    np.testing.assert_allclose(solved.standardized("std_all").jacobian, numeric, atol=1e-7)


def test_an_ordered_mediator_keeps_unit_variances_under_delta() -> None:
    fit = sm.fit("F =~ u1 + u3 + u4\nu2 ~ F\ny1 ~ u2 + F", survey(), ordered=ITEMS)
    cov = fit.solved.point.at.sigma[0]
    ordered = [fit.solved.ram.variables.index(u) for u in ITEMS]
    assert np.diag(cov)[ordered] == pytest.approx(1.0, abs=1e-12)
    theta = sm.fit(
        "F =~ u1 + u3 + u4\nu2 ~ F\ny1 ~ u2 + F", survey(), ordered=ITEMS, parameterization="theta"
    )
    assert fit.measures()["chisq"] == pytest.approx(theta.measures()["chisq"], abs=1e-8)
    np.testing.assert_allclose(fit.standardized()["est_std"], theta.standardized()["est_std"], atol=1e-7)
    np.testing.assert_allclose(fit.standardized()["se"], theta.standardized()["se"], atol=1e-6)


def test_without_ordered_items_left_out_estimates_follow_the_categories_not_their_codes() -> None:
    data = survey()
    spread = data.assign(u1=data["u1"].map({1: 2, 2: 5, 3: 6, 4: 9}))
    typed = data.assign(u1=pd.Categorical(data["u1"].map(dict(enumerate("abcd", 1))), ordered=True))
    fits = [sm.fit("F =~ u1 + u2 + u3 + u4", d, ordered=ITEMS) for d in (data, spread, typed)]
    for other in fits[1:]:
        np.testing.assert_array_equal(fits[0].estimates()["est"], other.estimates()["est"])


def test_columns_of_an_ordered_type_are_ordered_by_themselves() -> None:
    data = survey()
    typed = data.assign(**{u: pd.Categorical(data[u], ordered=True) for u in ITEMS})
    fit = sm.fit("F =~ u1 + u2 + u3 + u4 + y1", typed)
    assert fit.options["estimator"] == "WLSMV"
    assert [name for name, _ in fit.options["ordered"]] == ITEMS


def test_moments_and_residuals(one: sm.Fit) -> None:
    implied, sample = one.implied()[""], one.sample_moments()[""]
    raw = one.residuals("raw")[""]
    np.testing.assert_allclose(raw["cov"], sample["cov"] - implied["cov"], atol=1e-14)
    assert np.diag(implied["cov"]) == pytest.approx(1.0)
    assert list(sample["thresholds"].index[:3]) == ["u1|t1", "u1|t2", "u1|t3"]
    assert raw["thresholds"].abs().max() < 1e-10  # thresholds of one group are fitted exactly
    z = one.residuals("standardized")[""]
    assert np.isfinite(z["cov"].to_numpy()).all()
    assert (one.residuals("normalized")[""]["cov"].abs() <= z["cov"].abs() + 1e-12).all(axis=None)
    with pytest.raises(sm.SpecError, match="yet"):
        one.residuals("casewise")


def test_scores_are_at_the_top_of_the_posterior(one: sm.Fit) -> None:
    data = survey()
    scores = one.factor_scores(se=True)
    design = item_designs(one.solved)[0]
    values = data[ITEMS].to_numpy(dtype=float) - 1
    again, errors = score_items(design, values, np.zeros((len(data), 0)), "regression")
    np.testing.assert_allclose(scores["F"], again[:, 0])
    assert (errors > 0).all()
    assert np.corrcoef(scores["F"], data[ITEMS].sum(axis=1))[0, 1] > 0.95
    np.testing.assert_allclose(one.factor_scores(data=data.iloc[:7])["F"], scores["F"][:7])
    extreme = data.assign(u1=[4, *data["u1"][1:]], u2=[3, *data["u2"][1:]], u3=[5, *data["u3"][1:]], u4=2)
    most = one.factor_scores("bartlett", data=extreme)
    assert np.isnan(most["F"][0])  # all answers at the top: no finite maximum
    with pytest.raises(sm.DataError, match="'u1' has an answer in row 1"):
        one.factor_scores(data=data.assign(u1=[7, *data["u1"][1:]]))


def test_modification_indices_see_a_left_out_covariance() -> None:
    data = survey()
    fit = sm.fit("F =~ u1 + u2 + u3 + u4 + y1 + y2", data, ordered=ITEMS)
    indices = fit.modification_indices(sort=True)
    assert not indices["op"].isin(["|", "~*~"]).any()
    assert not ((indices["op"] == "~~") & (indices["lhs"] == indices["rhs"])).any()
    top = indices.iloc[0]
    freed = sm.fit(
        f"F =~ u1 + u2 + u3 + u4 + y1 + y2\n{top['lhs']} {top['op']} {top['rhs']}", data, ordered=ITEMS
    )
    drop = fit.measures()["chisq"] - freed.measures()["chisq"]
    assert top["mi"] == pytest.approx(drop, rel=0.35)


def test_group_constraints_are_compared_and_released() -> None:
    data = survey()
    free = sm.fit("F =~ u1 + u2 + u3", data, ordered=ITEMS[:3], group="g")
    equal = sm.fit(
        "F =~ u1 + u2 + u3", data, ordered=ITEMS[:3], group="g", group_equal=["thresholds", "loadings"]
    )
    table = free.compare(equal)
    assert table["df_diff"].iloc[1] == equal.measures()["df"] - free.measures()["df"]
    assert table["method"].iloc[1] == "satorra.2000"
    assert np.isnan(table["aic"]).all()
    tests = equal.score_tests()
    assert len(tests.univariate) == 9 + 2
    other = sm.fit("F =~ u2 + u3 + u4", data, ordered=ITEMS[1:], group="g")
    with pytest.raises(sm.SpecError, match="other variables"):
        free.compare(other)


def test_equal_thresholds_free_intercepts_and_scales_but_not_the_scale_of_two_categories() -> None:
    data = survey()
    for parameterization, op in (("delta", "~*~"), ("theta", "~~")):
        fit = sm.fit(
            "F =~ u1 + u2 + u3 + u4", data, ordered=ITEMS, group="g", parameterization=parameterization,
            group_equal=["thresholds", "loadings"],
        )  # fmt: skip
        rows = fit.solved.table.rows
        freed = {r.lhs for r in rows if r.block == 2 and r.op == "~1" and r.free}
        scaled = {r.lhs for r in rows if r.block == 2 and r.op == op and r.free and r.lhs in ITEMS}
        assert freed == set(ITEMS)
        assert scaled == {"u1", "u2", "u3"}
        assert fit.status.converged


def test_measures_without_a_meaning_say_why(one: sm.Fit) -> None:
    measures = one.measures()
    assert np.isnan(measures["pvalue"])
    assert measures["pvalue_scaled"] > 0.05
    assert one.why("pvalue") != ""
    mixed = sm.fit("F =~ u1 + u2 + u3 + y1", survey(), ordered=ITEMS[:3]).measures()
    assert np.isnan(mixed["cfi_robust"])


def test_a_model_under_a_nonlinear_constraint_and_bounds() -> None:
    data = survey()
    text = "F =~ u1 + a*u2 + b*u3 + u4\na == b^2"
    fit = sm.fit(text, data, ordered=ITEMS)
    rows = fit.estimates().set_index("label")["est"]
    assert rows["a"] == pytest.approx(rows["b"] ** 2, abs=1e-8)
    assert fit.status.converged


BAD = {
    "one category": (lambda d: d.assign(u1=3), {}, sm.DataError, ["'u1'", "one category only"]),
    "codes": (
        lambda d: d.assign(u1=d["u1"] + 0.5), {}, sm.DataError, ["'u1'", "no whole numbers", "rows 1, 2, 3"]
    ),
    "many": (
        lambda d: d.assign(u1=np.arange(240) % 16), {}, sm.DataError, ["'u1'", "16 categories", "up to 15"]
    ),
    "text": (lambda d: d.assign(u1=d["u1"].astype(str) + "x"), {}, sm.DataError, ["'u1'", "text"]),
    "no order": (
        lambda d: d.assign(u1=pd.Categorical(d["u1"].map(dict(enumerate("abcd", 1))))), {},
        sm.DataError, ["'u1'", "without an order"],
    ),
    "absent in a group": (
        lambda d: d.assign(u3=np.where((d["g"] == "b") & (d["u3"] == 5), 4, d["u3"])), {"group": "g"},
        sm.DataError, ["'u3' (category 5)", "group 'b'", "Merge"],
    ),
    "fiml": (lambda d: d, {"missing": "fiml"}, sm.SpecError, ["missing='fiml'", "pairwise", "yet"]),
    "MLR": (lambda d: d, {"estimator": "MLR"}, sm.SpecError, ["MLR", "WLSMV"]),
    "clusters by plain errors": (
        lambda d: d, {"cluster": "g", "estimator": "DWLS"}, sm.SpecError, ["cluster=", "WLSMV"]
    ),
    "few clusters by WLS": (
        lambda d: d, {"cluster": "g", "estimator": "WLS"}, sm.DataError, ["2 clusters", "WLSMV"]
    ),
    "one cluster": (lambda d: d.assign(c=1), {"cluster": "c"}, sm.DataError, ["one cluster"]),
    "negative weights": (
        lambda d: d.assign(w=-1.0), {"sampling_weights": "w"}, sm.DataError, ["negative"]
    ),
    "a category of weight zero alone": (
        lambda d: d.assign(w=(d["u3"] > 1).astype(float)), {"sampling_weights": "w"}, sm.DataError,
        ["No one", "'u3' (category 1)"],
    ),
    "unknown item": (
        lambda d: d, {"ordered": ["u1", "u9"]}, sm.SpecError, ["'u9'", "neither in the model nor in the data"]
    ),
    "a category of incomplete rows alone": (
        lambda d: d.assign(u2=d["u2"].where(d["u3"] > 1)), {"missing": "listwise"}, sm.DataError,
        ["No one", "'u3' (category 1)", "sm.merge_categories", "rows with a missing answer", "'pairwise'"],
    ),
    "auxiliary variables": (lambda d: d, {"aux": ["x"]}, sm.SpecError, ["aux=", "yet"]),
    "residual test": (lambda d: d, {"test": "browne.residual.adf"}, sm.SpecError, ["browne", "yet"]),
    "parameterization": (
        lambda d: d, {"parameterization": "thta"}, sm.SpecError, ["thta", "Did you mean 'theta'"]
    ),
    "thresholds of a measurement": (
        lambda d: d.assign(u1=d["y1"]), {}, sm.DataError, ["'u1'", "no whole numbers"]
    ),
    "twins": (lambda d: d.assign(u2=d["u1"]), {}, sm.DataError, ["'u1' and 'u2'", "determine one another"]),
    "one answer of its own": (
        lambda d: d.assign(u1=(np.arange(240) == 1) + 1, u2=np.arange(240) % 3 + 1), {}, sm.DataError,
        ["Nearly all rows", "'u1' and 'u2'", "merge categories"],
    ),
    "WLS of few rows": (
        lambda d: d.iloc[40:54], {"estimator": "WLS"}, sm.DataError, ["more rows than statistics"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_error(name: str) -> None:
    change, options, kind, words = BAD[name]
    given: dict[str, Any] = {"ordered": ITEMS, **options}
    with pytest.raises(kind) as caught:
        sm.fit("F =~ u1 + u2 + u3 + u4", change(survey()), **given)
    for word in words:
        assert word in str(caught.value)


def test_a_number_of_two_values_in_halves_is_refused() -> None:
    """Its variance has no error, and a weight of 10^30 would let the others' go."""
    halves = survey().assign(y1=lambda d: np.arange(len(d)) % 2)
    with pytest.raises(sm.DataError, match=r"'y1' takes two values, each in half.*ordered="):
        sm.fit("F =~ u1 + u2 + u3 + y1", halves, ordered=ITEMS[:3])


SYNTAX = {
    "u2 | t3": ["'u2' has 3 categories", "no threshold t3"],
    "y1 ~*~ y1": ["'y1'", "not ordered"],
    "u1 ~~ NA*u1": ["follows from its scaling", "theta"],
}


@pytest.mark.parametrize("line", SYNTAX)
def test_rows_without_a_meaning_are_refused(line: str) -> None:
    with pytest.raises(sm.SpecError) as caught:
        sm.fit(f"F =~ u1 + u2 + u3 + y1\n{line}", survey(), ordered=ITEMS[:3])
    for word in SYNTAX[line]:
        assert word in str(caught.value)


def test_covariance_input_is_refused() -> None:
    cov = survey()[["u1", "u2", "u3"]].cov()
    with pytest.raises(sm.DataError, match="raw data"):
        sm.fit("F =~ u1 + u2 + u3", sample_cov=cov, sample_nobs=240, ordered=ITEMS[:3])


def test_many_categories_and_ordered_covariates_bring_a_warning() -> None:
    data = survey().assign(u1=np.arange(240) * 7 % 13)
    with pytest.warns(UserWarning, match="more than 12 categories"):
        sm.fit("F =~ u1 + u2 + u3 + y1", data, ordered=ITEMS[:3], check_identification=False)
    with pytest.warns(UserWarning, match="conditioned on"):
        sm.fit("F =~ u1 + u2 + u3\nF ~ u4", survey(), ordered=ITEMS)


def test_two_categories_taken_as_continuous_bring_a_warning_with_the_remedy() -> None:
    data = survey()
    with pytest.warns(UserWarning, match=r"'u4' has two values only.*ordered=\['u4'\]"):
        sm.fit("F =~ u1 + u2 + u4 + y1", data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sm.fit("F =~ u1 + u2 + u4 + y1", data, ordered=["u4"])
        sm.fit("F =~ u1 + u2 + u3\nF ~ u4", data)  # a covariate is conditioned on


def test_a_saved_fit_says_the_same(one: sm.Fit, tmp_path: Path) -> None:
    with_rows = sm.load_fit(one.save(tmp_path / "rows.semfit", include_rows=True))
    without = sm.load_fit(one.save(tmp_path / "moments.semfit"))
    for other in (with_rows, without):
        pd.testing.assert_frame_equal(other.estimates(), one.estimates())
        pd.testing.assert_series_equal(other.measures(), one.measures())
        pd.testing.assert_frame_equal(other.modification_indices(), one.modification_indices())
    pd.testing.assert_frame_equal(with_rows.factor_scores(), one.factor_scores())
    with pytest.raises(sm.DataError, match="without"):
        without.factor_scores()


def test_what_is_not_built_is_refused_by_name(one: sm.Fit) -> None:
    for asked in (one.influence, lambda: one.residuals("casewise")):
        with pytest.raises(sm.SpecError, match="yet"):
            asked()
    with pytest.raises(sm.SpecError, match=r"composites.*yet"):
        sm.fit("C <~ x + y2\nF =~ u1 + u2 + u3\nF ~ C", survey(), ordered=ITEMS)


def test_the_summary_shows_thresholds_and_the_correction(one: sm.Fit) -> None:
    text = str(one)
    assert "Thresholds:" in text
    assert "simple second-order correction" in text
    assert "Shift parameter" in text


def test_empty_cells_are_counted_in_the_header() -> None:
    data = survey()
    data.loc[(data["u1"] == 1) & (data["u3"] == 5), "u3"] = 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = sm.fit("F =~ u1 + u2 + u3 + u4", data, ordered=ITEMS)
    assert any("empty cell" in note for note in fit.header.notes)
