"""Invariance and group moderation on two simulated groups whose paths differ by a known amount."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import sem_models as sm
from sem_models.moderation.path_tests import path_differences, path_tests
from sem_models.moderation.slopes import slope_lines

MODEL = "EDS =~ e1 + e2 + e3\nOPS =~ o1 + o2 + o3\nPV =~ p1 + p2 + p3\nPV ~ EDS + OPS"

TRUE = {"high": 0.8, "low": 0.3}
"""PV ~ EDS by group; PV ~ OPS is 0.3 in both."""


def simulate(n: int = 600, *, loading_shift: float = 0.0, intercept_shift: float = 0.0) -> pd.DataFrame:
    """ "low" comes first; shifts break the invariance of p3 in "high"."""
    rng = np.random.default_rng(31)
    group = np.where(np.arange(n) % 2 == 0, "low", "high")
    is_high = group == "high"
    eds = rng.normal(size=n)
    ops = 0.4 * eds + 0.9 * rng.normal(size=n)
    pv = (
        0.4 * is_high
        + np.where(is_high, TRUE["high"], TRUE["low"]) * eds
        + 0.3 * ops
        + 0.6 * rng.normal(size=n)
    )
    frame = pd.DataFrame(
        {
            f"{stem}{i}": 4 + loading * latent + 0.5 * rng.normal(size=n)
            for stem, latent in (("e", eds), ("o", ops), ("p", pv))
            for i, loading in ((1, 1.0), (2, 0.9), (3, 0.8))
        }
    )
    frame["p3"] += is_high * (loading_shift * pv + intercept_shift)
    frame["activity"] = group
    return frame


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return simulate()


@pytest.fixture(scope="module")
def moderation(data: pd.DataFrame):  # type: ignore[no-untyped-def]
    return sm.moderate(MODEL, data, method="groups", moderator="activity")


# ---------------------------------------------------------------------- invariance


def test_ladder(data: pd.DataFrame) -> None:
    ladder = sm.invariance(MODEL, data, group="activity")
    table = ladder.table()
    assert table["level"].tolist() == ["configural", "metric", "scalar", "strict"]
    # 9 items, 3 constructs: 6 free loadings, 9 intercepts less 3 freed latent means, 9 residual variances
    assert np.diff(table["df"]).tolist() == [6, 6, 9]
    comparisons = ladder.comparisons()
    assert comparisons.columns[:7].tolist() == [
        "level", "against", "chisq_diff", "df_diff", "pvalue", "delta_cfi", "delta_rmsea",
    ]  # fmt: skip
    assert comparisons["against"].tolist() == ["configural", "metric", "scalar"]
    np.testing.assert_allclose(comparisons["chisq_diff"], np.diff(table["chisq"]))
    np.testing.assert_allclose(comparisons["delta_cfi"], np.diff(table["cfi"]))
    assert (comparisons["pvalue"] > 0.001).all()


def test_robust_columns_only_where_they_are_defined(data: pd.DataFrame) -> None:
    levels = ("configural", "metric")
    plain = sm.invariance(MODEL, data, group="activity", levels=levels).comparisons()
    robust = sm.invariance(MODEL, data, group="activity", levels=levels, estimator="MLR").comparisons()
    assert "delta_cfi_robust" not in plain
    assert robust["delta_cfi_robust"].notna().all()


@pytest.mark.parametrize(
    ("shift", "broken"), [({"loading_shift": 0.5}, "metric"), ({"intercept_shift": 1.0}, "scalar")]
)
def test_ladder_finds_what_is_broken_and_partial_invariance_mends_it(
    shift: dict[str, float], broken: str
) -> None:
    data = simulate(**shift)
    families = {"metric": ("loadings",), "scalar": ("loadings", "intercepts")}[broken]
    freed = ("PV=~p3",) if broken == "metric" else ("p3~1",)
    ladder = sm.invariance(
        MODEL,
        data,
        group="activity",
        levels=("configural", {"name": "partial", "group_equal": families, "group_partial": freed}, broken),
    )
    pvalues = ladder.comparisons().set_index("level")["pvalue"]
    assert pvalues["partial"] > 0.001
    assert pvalues[broken] < 1e-6
    assert ladder.comparisons().set_index("level").loc[broken, "df_diff"] == 1


def test_a_known_level_may_take_exceptions(data: pd.DataFrame) -> None:
    ladder = sm.invariance(
        MODEL, data, group="activity", levels=("configural", {"name": "metric", "group_partial": ("PV=~p3",)})
    )
    assert ladder.comparisons()["df_diff"].tolist() == [5]


@pytest.mark.parametrize(
    ("levels", "options", "words"),
    [
        (({"group_equal": ("loadings",)},), {}, ["'name'"]),
        (({"name": "x", "group_eqal": ()},), {}, ["'group_eqal'", "Did you mean 'group_equal'"]),
        (("metric", "metric"), {}, ["same name"]),
        ((), {}, ["at least one level"]),
        (("metric",), {"group_equal": "loadings"}, ["group_equal itself", "levels="]),
    ],
)
def test_bad_levels(
    data: pd.DataFrame, levels: tuple[object, ...], options: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(sm.SpecError) as caught:
        sm.invariance(MODEL, data, group="activity", levels=levels, **options)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value)


# ---------------------------------------------------------------------- paths


def test_difference_is_recovered_and_signed_by_label(moderation, data: pd.DataFrame) -> None:  # type: ignore[no-untyped-def]
    """Group minus reference; the reference is the first to appear unless named."""
    row = moderation.differences().set_index("rhs").loc["EDS"]
    assert (row["group"], row["reference_group"]) == ("high", "low")
    assert row["est"] == pytest.approx(row["est_group"] - row["est_reference"])
    assert abs(row["est"] - (TRUE["high"] - TRUE["low"])) < 4 * row["se"]
    assert row["pvalue"] < 1e-6
    turned = sm.moderate(MODEL, data, method="groups", moderator="activity", reference_group="high")
    other = turned.differences().set_index("rhs").loc["EDS"]
    assert (other["group"], other["reference_group"]) == ("low", "high")
    assert other["est"] == pytest.approx(-row["est"], abs=1e-6)
    assert other["ci_lower"] == pytest.approx(-row["ci_upper"], abs=1e-6)


def test_differences_have_the_errors_of_independent_groups(moderation) -> None:  # type: ignore[no-untyped-def]
    """From vcov: Var(a − b), with the covariance that equal loadings induce."""
    vcov = moderation.fit.vcov()
    a, b = "PV~EDS.g2", "PV~EDS"
    variance = vcov.loc[a, a] + vcov.loc[b, b] - 2 * vcov.loc[a, b]
    row = moderation.differences().set_index("rhs").loc["EDS"]
    assert row["se"] == pytest.approx(np.sqrt(variance))
    assert row["pvalue"] == pytest.approx(2 * norm.sf(abs(row["z"])))


def test_wald_and_likelihood_ratio_agree(moderation) -> None:  # type: ignore[no-untyped-def]
    """Asymptotically the same test; the Wald statistic of two groups is z²."""
    tests = moderation.tests().set_index("rhs")
    differences = moderation.differences().set_index("rhs")
    for path in ("EDS", "OPS"):
        assert tests.loc[path, "df"] == 1
        assert tests.loc[path, "wald"] == pytest.approx(differences.loc[path, "z"] ** 2)
        assert tests.loc[path, "lrt"] == pytest.approx(tests.loc[path, "wald"], rel=0.1, abs=0.1)
    assert tests.loc["EDS", "lrt_pvalue"] < 1e-6
    assert tests.loc["OPS", "lrt_pvalue"] > 0.001
    assert tests["lrt_converged"].all()


def test_likelihood_ratio_is_that_of_the_refit(moderation, data: pd.DataFrame) -> None:  # type: ignore[no-untyped-def]
    by_hand = sm.fit(
        MODEL.replace("~ EDS + OPS", "~ c(s, s)*EDS + OPS"), data, group="activity", group_equal="loadings"
    )
    difference = by_hand.measures()["chisq"] - moderation.fit.measures()["chisq"]
    assert moderation.tests().set_index("rhs").loc["EDS", "lrt"] == pytest.approx(difference, abs=1e-5)


def test_paths_table(moderation) -> None:  # type: ignore[no-untyped-def]
    paths = moderation.paths()
    assert len(paths) == 4
    table = moderation.fit.standardized()
    expected = table.loc[table["op"] == "~", "est_std"].to_numpy()
    np.testing.assert_allclose(paths["est_std"], expected)
    assert (paths["ci_lower_std"] < paths["est_std"]).all()


def test_paths_already_equal_are_not_compared(data: pd.DataFrame) -> None:
    fit = sm.fit(MODEL.replace("~ EDS", "~ c(s, s)*EDS"), data, group="activity")
    assert path_differences(fit)["rhs"].tolist() == ["OPS"]
    assert path_tests(fit)["rhs"].tolist() == ["OPS"]


def test_three_groups(data: pd.DataFrame) -> None:
    three = data.assign(activity=np.resize(["a", "b", "c"], len(data)))
    fit = sm.fit(MODEL, three, group="activity")
    differences = path_differences(fit, reference_group="b")
    assert differences["group"].tolist() == ["a", "c", "a", "c"]
    assert set(differences["reference_group"]) == {"b"}
    assert path_tests(fit)["df"].tolist() == [2, 2]


def test_comparison_needs_groups(data: pd.DataFrame) -> None:
    with pytest.raises(sm.SpecError, match="two or more groups"):
        path_differences(sm.fit(MODEL, data))


# ---------------------------------------------------------------------- slopes


def test_slope_lines_by_hand(data: pd.DataFrame) -> None:
    """Scale points of the marker: y = τ_p1 + α_PV + β (x − τ_e1) + γ E(OPS), the mean of OPS pooled."""
    fit = sm.fit(MODEL, data, group="activity", group_equal=("loadings", "intercepts"))
    lines = slope_lines(fit, "PV", ["EDS"])
    assert lines.columns.tolist() == ["group", "predictor", "x", "y", "lower", "upper"]
    est = fit.estimates().set_index(["lhs", "op", "rhs", "group"])["est"]
    share = pd.Series(fit.header.groups) / sum(fit.header.groups.values())
    means = {g: fit.latent_moments()[g]["mean"] for g in fit.groups}
    ops = sum(share[g] * means[g]["OPS"] for g in fit.groups)
    for label in fit.groups:
        line = lines[lines["group"] == label]
        latent = line["x"] - est[("e1", "~1", "", label)]
        expected = (
            est[("p1", "~1", "", label)]
            + est[("PV", "~1", "", label)]
            + est[("PV", "~", "EDS", label)] * latent
            + est[("PV", "~", "OPS", label)] * ops
        )
        np.testing.assert_allclose(line["y"], expected)
        assert (line["lower"] < line["y"]).all()
        assert (line["upper"] > line["y"]).all()


def test_slope_band_is_the_error_of_the_prediction(data: pd.DataFrame) -> None:
    """In an observed regression the band is OLS theory with residual variance of divisor n."""
    fit = sm.fit("p1 ~ e1", data, meanstructure=True)
    line = slope_lines(fit, "p1", ["e1"])
    x = data["e1"].to_numpy()
    residual = fit.estimates().set_index(["lhs", "op", "rhs"]).loc[("p1", "~~", "p1"), "est"]
    error = np.sqrt(residual * (1 / len(x) + (line["x"] - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()))
    np.testing.assert_allclose(line["upper"] - line["y"], norm.ppf(0.975) * error)


def test_slopes_need_the_path_and_means(data: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, data, group="activity")
    with pytest.raises(sm.SpecError, match="no path EDS ~ OPS"):
        slope_lines(fit, "EDS", ["OPS"])
    with pytest.raises(sm.SpecError, match="intercepts"):
        slope_lines(sm.fit(MODEL, data), "PV", ["EDS"])
