"""Partial invariance found by score tests, and latent means on top of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.errors import SpecError
from sem_models.inference.standardized import mean_jacobian
from sem_models.moderation.groups import Invariance
from sem_models.moderation.latent_means import latent_means
from tests.moderation.test_groups import MODEL, simulate


def ladder(**shift: float) -> Invariance:
    return sm.invariance(MODEL, simulate(**shift), group="activity", partial=True)


def test_a_ladder_that_holds_gives_nothing_up() -> None:
    found = ladder()
    assert list(found.rungs) == ["configural", "metric", "scalar", "strict"]
    assert found.released().empty
    assert found.comparisons()["retained"].all()


@pytest.mark.parametrize(
    ("shift", "level", "name", "later"),
    [
        ({"loading_shift": 0.5}, "metric", "PV=~p3", {"scalar": 5, "strict": 8}),
        ({"intercept_shift": 1.0}, "scalar", "p3~1", {"strict": 8}),
    ],
)
def test_the_broken_item_alone_is_released_and_stays_so(
    shift: dict[str, float], level: str, name: str, later: dict[str, int]
) -> None:
    found = ladder(**shift)
    assert found.released()[["level", "score"]].iloc[0, 0] == f"partial {level}"
    assert (found.released()["lhs"] + found.released()["op"] + found.released()["rhs"]).tolist() == [name]
    steps = found.comparisons().set_index("level")
    assert not steps.loc[level, "retained"]
    assert steps.loc[f"partial {level}", "retained"]
    assert steps.loc[f"partial {level}", "released"] == name
    for following, df in later.items():
        assert steps.loc[following, "df_diff"] == df  # the item's next parameter is free as well
    assert found.holding(level) is found.fits[f"partial {level}"]


def test_the_score_of_a_release_is_that_of_score_tests() -> None:
    found = ladder(loading_shift=0.5)
    full = found.fits["metric"]
    univariate = full.score_tests().univariate
    assert found.released()["score"][0] == pytest.approx(univariate["stat"].max(), rel=1e-10)


def test_two_items_of_a_construct_stay_equal() -> None:
    data = simulate(loading_shift=0.9)
    data["p2"] -= np.where(data["activity"] == "high", 0.6 * (data["p1"] - 4), 0)
    found = sm.invariance(MODEL, data, group="activity", levels=("configural", "metric"), partial=True)
    held = found.fits["partial metric" if "partial metric" in found.fits else "metric"].estimates()
    loadings = held[(held["lhs"] == "PV") & (held["op"] == "=~")].groupby("rhs")["est"].nunique()
    assert (loadings == 1).sum() >= 2


def test_latent_means_are_those_of_the_scalar_model() -> None:
    data = simulate()
    moderation = sm.moderate(MODEL, data, method="groups", moderator="activity")
    means = moderation.latent_means().set_index("variable")
    moments = moderation.invariance.fits["scalar"].latent_moments()
    sizes = data["activity"].value_counts()
    for name in ("EDS", "OPS", "PV"):
        gap = moments["high"]["mean"][name] - moments["low"]["mean"][name]
        pooled = sum(moments[g]["cov"].loc[name, name] * sizes[g] for g in ("high", "low")) / len(data)
        assert means.loc[name, "est"] == pytest.approx(gap, abs=1e-12)
        assert means.loc[name, "d"] == pytest.approx(gap / np.sqrt(pooled), abs=1e-12)
    assert means.loc["PV", "ci_lower"] < 0.4 < means.loc["PV", "ci_upper"]  # 0.4 is how it was simulated
    other = sm.moderate(MODEL, data, method="groups", moderator="activity", reference_group="high")
    np.testing.assert_allclose(other.latent_means()["est"], -means["est"], atol=1e-12)


def test_latent_means_need_equal_intercepts() -> None:
    fit = sm.fit(MODEL, simulate(), group="activity", group_equal=("loadings",))
    with pytest.raises(SpecError, match="intercepts of the items are equal"):
        latent_means(fit)


def test_mean_jacobian_against_central_differences() -> None:
    solved = sm.fit(MODEL, simulate(), group="activity", group_equal=("loadings", "intercepts")).solved
    ram, free, step = solved.ram, solved.point.free, 1e-6
    exact = mean_jacobian(ram, solved.point.at)
    for k in range(ram.n_free):
        moved = np.array([free, free])
        moved[0, k] += step
        moved[1, k] -= step
        a_mat, _, m_vec = ram.matrices(moved)
        eta = np.linalg.solve(np.eye(a_mat.shape[-1]) - a_mat, m_vec[..., None])[..., 0]
        np.testing.assert_allclose(exact[..., k], (eta[0] - eta[1]) / (2 * step), atol=1e-8)


def test_the_size_of_a_difference_is_in_pooled_standard_deviations() -> None:
    data = simulate()
    moderation = sm.moderate(MODEL, data, method="groups", moderator="activity")
    row = moderation.differences().iloc[0]
    moments = moderation.fit.latent_moments()
    sizes = data["activity"].value_counts()
    pooled = {
        n: sum(moments[g]["cov"].loc[n, n] * sizes[g] for g in ("high", "low")) / len(data)
        for n in ("EDS", "PV")
    }
    assert row["est_std"] == pytest.approx(row["est"] * np.sqrt(pooled["EDS"] / pooled["PV"]), abs=1e-12)
    assert row["ci_lower_std"] < row["est_std"] < row["ci_upper_std"]


def test_p_values_are_adjusted_for_the_number_of_paths() -> None:
    moderation = sm.moderate(MODEL, simulate(), method="groups", moderator="activity")
    for frame, column in (
        (moderation.differences(), "pvalue"),
        (moderation.tests(), "wald_pvalue"),
        (moderation.tests(), "lrt_pvalue"),
    ):
        raw = np.sort(frame[column].to_numpy())
        holm = np.maximum.accumulate(np.minimum(raw * np.arange(len(raw), 0, -1), 1.0))
        np.testing.assert_allclose(np.sort(frame[f"{column}_adjusted"].to_numpy()), holm, rtol=1e-12)


def test_a_wrong_reference_group_is_refused_before_anything_is_fitted() -> None:
    with pytest.raises(SpecError, match="Did you mean 'high'"):
        sm.moderate(MODEL, simulate(), method="groups", moderator="activity", reference_group="hihg")


def test_a_group_of_five_is_refused() -> None:
    data = simulate()
    data["activity"] = data["activity"].astype(object)
    data.loc[data.index[:5], "activity"] = "rare"
    with pytest.raises(sm.DataError, match="group 'rare'"):
        sm.moderate(MODEL, data, method="groups", moderator="activity")


def test_released_is_a_table_even_when_empty() -> None:
    assert isinstance(ladder().released(), pd.DataFrame)
