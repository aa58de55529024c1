"""Clusters, weights and missing answers against lavaan, and what is refused.

Figures of R lavaan 0.6-14 on `simulated`'s data, `sem(MODEL, data, <options>)`: g~f, its error and the error
of f~~f, then fit measures. lavaan stops at gradients of about 1e-6, hence the tolerances.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

from .simulated import MODEL, clustered_survey, with_holes

ESTIMATE = 1e-4
"""Estimates in standard errors, errors relative; EM in lavaan 0.6-14 stops at changes of about 1e-5."""

MEASURE = 2e-5
"""Relative."""

EM_STOP = 1e-3
"""χ² of two-stage estimates, relative: those moments are EM's, which lavaan 0.6-14 leaves early."""

REFERENCE: dict[str, tuple[dict[str, Any], tuple[float, float, float], dict[str, float]]] = {
    "cluster": (
        {"estimator": "MLR", "cluster": "id"},
        (0.476894684, 0.0879518197, 0.229167048),
        {
            "chisq": 4.89227842,
            "chisq_scaled": 4.99206203,
            "chisq_scaling_factor": 0.980011545,
            "logl": -1228.04896,
            "baseline_chisq": 298.388922,
            "ntotal": 150,
        },
    ),
    "cluster fiml": (
        {"estimator": "MLR", "cluster": "id", "missing": "ml"},
        (0.360926496, 0.0791717949, 0.242975176),
        {
            "chisq": 3.908331,
            "chisq_scaled": 3.86951202,
            "chisq_scaling_factor": 1.01003201,
            "logl": -1145.46,
            "baseline_chisq": 243.44194,
            "ntotal": 150,
        },
    ),
    "cluster groups": (
        {"estimator": "MLR", "cluster": "id", "group": "grp"},
        (0.423351437, 0.136110904, 0.193640268),
        {
            "chisq": 18.0720625,
            "chisq_scaled": 20.5046181,
            "chisq_scaling_factor": 0.881365473,
            "cfi_robust": 0.986539285,
            "rmsea_robust": 0.0575196697,
            "logl": -1213.14131,
            "baseline_chisq": 332.562661,
            "ntotal": 150,
        },
    ),
    "cluster mlm": (
        {"estimator": "MLM", "cluster": "id"},
        (0.476894685, 0.083820892, 0.227370054),
        {
            "chisq": 4.89227842,
            "chisq_scaled": 5.34765649,
            "chisq_scaling_factor": 0.914845303,
            "logl": -1228.04896,
            "baseline_chisq": 298.388922,
            "ntotal": 150,
        },
    ),
    "cluster weights": (
        {"estimator": "MLR", "cluster": "id", "sampling_weights": "w"},
        (0.455844733, 0.111612596, 0.176665677),
        {
            "chisq": 3.96337795,
            "chisq_scaled": 3.56893303,
            "chisq_scaling_factor": 1.1105218,
            "logl": -1225.68013,
            "baseline_chisq": 298.238297,
            "ntotal": 150,
        },
    ),
    "weights": (
        {"estimator": "MLR", "sampling_weights": "w"},
        (0.455844733, 0.12110449, 0.20940216),
        {
            "chisq": 3.96337795,
            "chisq_scaled": 3.55142837,
            "chisq_scaling_factor": 1.11599546,
            "logl": -1225.68013,
            "baseline_chisq": 298.238297,
            "ntotal": 150,
        },
    ),
    "cluster and weights": (
        {"cluster": "id", "sampling_weights": "w"},
        (0.455844733, 0.111612596, 0.176665677),
        {
            "chisq": 3.96337795,
            "chisq_scaled": 3.56893303,
            "chisq_scaling_factor": 1.11052181,
            "logl": -1225.68013,
            "baseline_chisq": 298.238297,
            "ntotal": 150,
        },
    ),
    "weights fiml": (
        {"estimator": "MLR", "sampling_weights": "w", "missing": "ml"},
        (0.372688845, 0.119184579, 0.220074653),
        {
            "chisq": 4.24364798,
            "chisq_scaled": 4.08408832,
            "chisq_scaling_factor": 1.03906861,
            "logl": -1147.55316,
            "baseline_chisq": 247.934597,
            "ntotal": 150,
        },
    ),
    "weights group": (
        {
            "estimator": "MLR",
            "sampling_weights": "w",
            "group": "grp",
            "sampling_weights_normalization": "group",
        },
        (0.419432317, 0.156812169, 0.227415586),
        {
            "chisq": 15.3621611,
            "chisq_scaled": 15.6039702,
            "chisq_scaling_factor": 0.984503364,
            "logl": -1207.64231,
            "baseline_chisq": 341.581712,
            "ntotal": 150,
        },
    ),
    "weights total": (
        {
            "estimator": "MLR",
            "sampling_weights": "w",
            "group": "grp",
            "sampling_weights_normalization": "total",
        },
        (0.419431993, 0.156811962, 0.227415379),
        {
            "chisq": 14.2908607,
            "chisq_scaled": 14.9849308,
            "chisq_scaling_factor": 0.953682131,
            "logl": -1210.50883,
            "baseline_chisq": 332.374986,
            "ntotal": 150,
        },
    ),
    "weights none": (
        {"estimator": "MLR", "sampling_weights": "w", "sampling_weights_normalization": "none"},
        (0.455844733, 0.12110449, 0.20940216),
        {
            "chisq": 5.11468938,
            "chisq_scaled": 3.55142837,
            "chisq_scaling_factor": 1.44017811,
            "logl": -1581.72479,
            "baseline_chisq": 384.87277,
            "ntotal": 193.573113,
        },
    ),
    "pairwise": (
        {"missing": "pairwise"},
        (0.284707062, 0.0809837092, 0.20254886),
        {"chisq": 5.62524007, "logl": -1245.06832, "baseline_chisq": 256.564414, "ntotal": 150},
    ),
    "pairwise mlm": (
        {"missing": "available.cases", "estimator": "MLM"},
        (0.284707062, 0.0713752917, 0.236404084),
        {
            "chisq": 5.62524007,
            "chisq_scaled": 6.97236571,
            "chisq_scaling_factor": 0.806790737,
            "logl": -1245.06832,
            "baseline_chisq": 256.564414,
            "ntotal": 150,
        },
    ),
    "two.stage": (
        {"missing": "two.stage"},
        (0.374026543, 0.107592618, 0.203540282),
        {
            "chisq": 4.83439137,
            "chisq_scaled": 3.73094161,
            "chisq_scaling_factor": 1.29575637,
            "logl": -1239.50105,
            "baseline_chisq": 276.854271,
            "ntotal": 150,
        },
    ),
    "robust.two.stage": (
        {"missing": "robust.two.stage"},
        (0.374026543, 0.100279384, 0.237877214),
        {
            "chisq": 4.83439137,
            "chisq_scaled": 4.59684824,
            "chisq_scaling_factor": 1.05167522,
            "logl": -1239.50105,
            "baseline_chisq": 276.854271,
            "ntotal": 150,
        },
    ),
}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return clustered_survey()


@pytest.fixture(scope="module")
def holes() -> pd.DataFrame:
    return with_holes()


@pytest.mark.parametrize("name", REFERENCE)
def test_agrees_with_lavaan(name: str, data: pd.DataFrame, holes: pd.DataFrame) -> None:
    options, (path, path_error, variance_error), expected = REFERENCE[name]
    fit = sm.fit(MODEL, holes if options.get("missing") else data, **options)
    rows = fit.estimates()
    first = rows[(rows["lhs"] == "g") & (rows["op"] == "~")].iloc[0]
    variance = rows[(rows["lhs"] == "f") & (rows["rhs"] == "f")].iloc[0]
    assert abs(first["est"] - path) < ESTIMATE * path_error
    assert first["se"] == pytest.approx(path_error, rel=ESTIMATE)
    assert variance["se"] == pytest.approx(variance_error, rel=ESTIMATE)
    measures = fit.measures()
    tolerance = EM_STOP if "two.stage" in name else MEASURE
    for key, value in expected.items():
        assert measures[key] == pytest.approx(value, rel=tolerance), key


def test_cluster_alone_means_robust_errors(data: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, data, cluster="id")
    robust = sm.fit(MODEL, data, cluster="id", estimator="MLR")
    assert fit.options["se"] == "robust.cluster"
    assert fit.options["estimator"] == "MLR"
    pd.testing.assert_frame_equal(fit.estimates(), robust.estimates())


def test_clusters_of_one_row_are_rows_with_a_correction(data: pd.DataFrame) -> None:
    """Binder's factor C/(C − 1) is all that is left of clusters of one."""
    single = sm.fit(MODEL, data.assign(id=np.arange(len(data))), cluster="id")
    plain = sm.fit(MODEL, data, estimator="MLR", meanstructure=True)
    n = len(data)
    np.testing.assert_allclose(single.vcov(), plain.vcov() * n / (n - 1), rtol=1e-9)


def test_whole_numbers_of_copies_are_weights(data: pd.DataFrame) -> None:
    """A row of weight 3 is three rows: same estimates, and same log-likelihood when not normalized."""
    copies = np.arange(len(data)) % 3 + 1
    weighted = sm.fit(
        MODEL, data.assign(k=copies), sampling_weights="k", sampling_weights_normalization="none"
    )
    repeated = sm.fit(MODEL, data.loc[data.index.repeat(copies)].reset_index(drop=True), estimator="MLR")
    np.testing.assert_allclose(weighted.estimates()["est"], repeated.estimates()["est"], rtol=1e-7)
    for name in ("chisq", "logl", "bic", "ntotal"):
        assert weighted.measures()[name] == pytest.approx(repeated.measures()[name], rel=1e-9)
    assert weighted.header.n_used == len(data)


def test_equal_weights_change_nothing(holes: pd.DataFrame) -> None:
    equal = sm.fit(MODEL, holes.assign(w=2.5), sampling_weights="w", missing="fiml")
    plain = sm.fit(MODEL, holes, estimator="MLR", missing="fiml")
    np.testing.assert_allclose(equal.vcov(), plain.vcov(), rtol=1e-8)
    np.testing.assert_allclose(equal.measures()["chisq_scaled"], plain.measures()["chisq_scaled"], rtol=1e-8)


def test_rows_of_weight_zero_inform_nothing(holes: pd.DataFrame) -> None:
    odd = holes.copy()
    odd["w"] = np.where(np.arange(len(odd)) < 20, 0.0, 1.0)
    odd.loc[0, ["x1", "x2"]] = np.nan  # a pattern of its own, without weight
    fit = sm.fit(MODEL, odd, sampling_weights="w", missing="fiml", sampling_weights_normalization="none")
    without = sm.fit(MODEL, odd.iloc[20:], estimator="MLR", missing="fiml")
    np.testing.assert_allclose(fit.estimates()["est"], without.estimates()["est"], atol=1e-7)
    np.testing.assert_allclose(fit.estimates()["se"], without.estimates()["se"], rtol=1e-6)


def test_rows_without_a_cluster_are_dropped_and_counted(data: pd.DataFrame) -> None:
    known = data.assign(id=data["id"].astype(float))
    known.loc[[3, 40, 77], "id"] = np.nan
    fit = sm.fit(MODEL, known, cluster="id")
    assert fit.header.n_used == 147
    assert any("no cluster" in note for note in fit.header.notes)
    kept = sm.fit(MODEL, known.dropna(), cluster="id")
    np.testing.assert_allclose(fit.vcov(), kept.vcov(), rtol=1e-12)


def test_two_stages_of_complete_rows_are_plain_maximum_likelihood(data: pd.DataFrame) -> None:
    """Without missing answers the EM moments are the sample's."""
    two = sm.fit(MODEL, data, missing="two.stage")
    one = sm.fit(MODEL, data, meanstructure=True)
    np.testing.assert_allclose(two.estimates()["est"], one.estimates()["est"], atol=1e-9)
    assert two.measures()["chisq"] == pytest.approx(one.measures()["chisq"], rel=1e-10)


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "negative weight": ({"sampling_weights": "negative"}, sm.DataError, "'negative' is negative in row 4 "),
    "missing weight": ({"sampling_weights": "gap"}, sm.DataError, "'gap' is missing in rows 2, 3 "),
    "no weight at all": ({"sampling_weights": "zero"}, sm.DataError, "All sampling weights are 0"),
    "text as weights": ({"sampling_weights": "grp"}, sm.DataError, "'grp' holds text"),
    "unknown weights": ({"sampling_weights": "ww"}, sm.DataError, "Did you mean 'w'"),
    "unknown normalization": (
        {"sampling_weights": "w", "sampling_weights_normalization": "sum"}, sm.SpecError, "Choices: total",
    ),
    "one cluster": ({"cluster": "one"}, sm.DataError, "has one cluster; cluster-robust errors need"),
    "one cluster in a group": ({"cluster": "grp", "group": "grp"}, sm.DataError, "one cluster in group 'b'"),
    "unknown cluster": ({"cluster": "idd"}, sm.DataError, "Did you mean 'id'"),
    "several clusters": ({"cluster": ["id", "grp"]}, sm.SpecError, "several levels are not possible yet"),
    "plain errors with clusters": ({"cluster": "id", "se": "standard"}, sm.SpecError, "rows as independent"),
    "cluster errors without": ({"se": "robust.cluster"}, sm.SpecError, "needs cluster="),
    "least squares": ({"cluster": "id", "estimator": "WLS"}, sm.SpecError, "likelihood, not with WLS"),
    "MLF": ({"sampling_weights": "w", "estimator": "MLF"}, sm.SpecError, "MLF has none"),
    "Wishart": ({"cluster": "id", "likelihood": "wishart"}, sm.SpecError, "wishart"),
    "weights by pairs": ({"sampling_weights": "w", "missing": "pairwise"}, sm.SpecError, "yet"),
    "semopy": ({"cluster": "id", "engine": "semopy"}, sm.SpecError, "semopy"),
    "pairwise GLS": ({"missing": "pairwise", "estimator": "GLS"}, sm.SpecError, "GLS cannot use pairwise"),
    "pairwise MLR": ({"missing": "pairwise", "estimator": "MLR"}, sm.SpecError, "no likelihood by rows"),
    "two-stage MLM": ({"missing": "two.stage", "estimator": "MLM"}, sm.SpecError, "is for estimator='ML'"),
    "doubly robust": ({"missing": "doubly.robust"}, sm.SpecError, "yet"),
    "unknown treatment": ({"missing": "listwize"}, sm.SpecError, "Did you mean 'listwise'"),
    "never together": ({"missing": "two.stage", "never": True}, sm.DataError, "both of 'x1' with 'y1'"),
    "never together, pairwise": ({"missing": "pairwise", "never": True}, sm.DataError, "both of 'x1' with"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_words(name: str, data: pd.DataFrame) -> None:
    options, error, words = REFUSED[name]
    options = dict(options)
    odd = data.assign(negative=data["w"], gap=data["w"], zero=0.0, one=7)
    odd.loc[3, "negative"] = -0.2
    odd.loc[[1, 2], "gap"] = np.nan
    if options.pop("never", False):
        odd.loc[:74, "x1"] = np.nan
        odd.loc[75:, "y1"] = np.nan
    with pytest.raises(error) as caught:
        sm.fit(MODEL, odd, **options)
    assert words in str(caught.value)


def test_moments_have_no_rows_to_weigh(data: pd.DataFrame) -> None:
    cov = data[["x1", "x2", "x3", "y1", "y2", "y3"]].cov()
    with pytest.raises(sm.SpecError, match="cluster= needs the raw data"):
        sm.fit(MODEL, sample_cov=cov, sample_nobs=150, cluster="id")
    with pytest.raises(sm.SpecError, match=r"missing='two.stage' needs the raw data"):
        sm.fit(MODEL, sample_cov=cov, sample_nobs=150, missing="two.stage")


@pytest.mark.parametrize("missing", ["listwise", "fiml", "pairwise", "two.stage"])
def test_an_item_missing_throughout_a_group(data: pd.DataFrame, missing: str) -> None:
    odd = data.copy()
    odd.loc[odd["grp"] == "a", "y2"] = np.nan
    with pytest.raises(sm.DataError, match="'y2' has no answers in group 'a' of 'grp'"):
        sm.fit(MODEL, odd, group="grp", missing=missing)


def test_fourth_moments_need_rows(data: pd.DataFrame) -> None:
    """21 variances and covariances of six items in each group of 20."""
    with pytest.raises(sm.DataError, match=r"WLS needs more rows than moments: 20 rows for 21 moments"):
        sm.fit(MODEL, data.head(20), estimator="WLS")
    with pytest.raises(sm.DataError, match=r"24 rows in group 'b' for 27 moments"):
        sm.fit(MODEL, data.head(36), estimator="WLS", group="grp")


def test_errors_of_pairwise_moments_come_with_a_word_of_caution(holes: pd.DataFrame) -> None:
    assert any("too sure" in note for note in sm.fit(MODEL, holes, missing="pairwise").header.notes)
    drawn = sm.fit(MODEL, holes, missing="pairwise", se="bootstrap", bootstrap=20, seed=1)
    for fit in (sm.fit(MODEL, holes, missing="fiml"), drawn):
        assert not any("too sure" in note for note in fit.header.notes)


def test_pairwise_moments_that_no_rows_could_have(data: pd.DataFrame) -> None:
    """Each covariance from other rows: together they may contradict one another."""
    odd = data.copy()
    odd.loc[:49, "y3"] = np.nan
    odd.loc[50:99, "x1"] = np.nan
    odd.loc[100:, "x2"] = np.nan
    odd.loc[50:99, "y3"] = odd.loc[50:99, "x2"] + 0.01 * odd.loc[50:99, "y1"]
    odd.loc[100:, "y3"] = -3 * odd.loc[100:, "x1"] + 0.01 * odd.loc[100:, "y1"]
    odd.loc[:49, "x1"] = odd.loc[:49, "x2"] + 0.01 * odd.loc[:49, "y1"]
    with pytest.raises(sm.DataError, match=r"not positive definite.*Use missing='fiml'"):
        sm.fit(MODEL, odd, missing="pairwise")


def test_a_factor_on_all_weights_leaves_the_robust_measures(holes: pd.DataFrame) -> None:
    """Total and given weights differ by a factor; lavaan 0.6-14 has 0.796020 and 0.795737 for this CFI."""
    model = "f =~ x1 + x2 + x3 + y1 + y2 + y3"
    one, other = (
        sm.fit(
            model, holes, estimator="MLR", missing="fiml", group="grp", sampling_weights="w",
            sampling_weights_normalization=way,
        ).measures()
        for way in ("total", "none")
    )  # fmt: skip
    for name in ("chisq_scaled", "cfi_robust", "rmsea_robust", "tli_robust", "srmr"):
        assert one[name] == pytest.approx(other[name], rel=1e-7)
    assert one["chisq"] == pytest.approx(68.856799623, rel=1e-8)
    assert other["chisq"] == pytest.approx(88.858833718, rel=1e-8)


@pytest.mark.parametrize(
    ("group", "figures"), [(None, [1.01230643, 1.78379281]), ("grp", [0.921071983, 1.25381251])]
)
def test_clusters_under_the_name_of_ml(group: str | None, figures: list[float]) -> None:
    """lavaan's ML with clusters differs from its MLR in the information of the test; lavaan 0.6-14."""
    fit = sm.fit(MODEL, clustered_survey(), cluster="id", group=group)
    found = fit.measures()[["chisq_scaling_factor", "baseline_chisq_scaling_factor"]]
    np.testing.assert_allclose(found, figures, rtol=1e-6)
    robust = sm.fit(MODEL, clustered_survey(), cluster="id", group=group, estimator="MLR")
    np.testing.assert_allclose(robust.estimates()["se"], fit.estimates()["se"], rtol=1e-12)
