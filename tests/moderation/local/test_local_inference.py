"""Bands, indices, bootstrap and permutation tests: what they are made of, seeds, and what is shown "
"of failures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import sem_models as sm
from sem_models.moderation.local import draws as drawn
from sem_models.moderation.local import solve
from sem_models.moderation.local.curves import Curves, permutation_pvalues
from sem_models.moderation.local.result import LocalModeration

MODEL = "E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nP ~ E"


@pytest.fixture(scope="module")
def changing() -> pd.DataFrame:
    """400 simulated customers whose slope of P on E falls from 1.2 to −0.4 along tenure."""
    rng = np.random.default_rng(11)
    n = 400
    tenure = rng.uniform(0, 10, n)
    e = rng.normal(size=n)
    p = (1.2 - 0.16 * tenure) * e + 0.6 * rng.normal(size=n)
    frame = pd.DataFrame(
        {f"{s}{i}": 3 + f + 0.5 * rng.normal(size=n) for s, f in (("e", e), ("p", p)) for i in (1, 2, 3)}
    )
    return frame.assign(tenure=tenure, noise=rng.normal(size=n))


@pytest.fixture(scope="module")
def result(changing: pd.DataFrame) -> LocalModeration:
    return sm.moderate(
        MODEL, changing, method="lsem", moderator="tenure", grid=7, bootstrap=100, permutations=99, seed=3,
        progress=False,
    )  # fmt: skip


def test_the_curve_is_found_and_the_test_sees_it(result: LocalModeration) -> None:
    curve = result.curve("P~E")
    truth = 1.2 - 0.16 * curve["tenure"]
    assert ((curve["band_lower"] < truth) & (truth < curve["band_upper"])).all()
    tests = result.constancy().set_index(["lhs", "op", "rhs"])
    assert tests.loc[("P", "~", "E"), "pvalue"] == 0.01  # 1 / (1 + 99): no permutation comes near
    assert tests.loc[("P", "~", "E"), "p_adjusted"] == 0.01
    assert tests.loc[("all parameters", "", ""), "pvalue"] == 0.01
    slope = result.indices(level=0.999).set_index(["lhs", "op", "rhs"]).loc[("P", "~", "E")]
    assert slope["slope_ci_lower"] < -0.16 < slope["slope_ci_upper"]
    assert slope["slope_ci_upper"] < 0


def test_bands_hold_each_other(result: LocalModeration) -> None:
    for parameter in ("P~E", "E=~e2", "P~~P"):
        curve = result.curve(parameter)
        assert (curve["band_lower"] <= curve["ci_lower"]).all()
        assert (curve["ci_upper"] <= curve["band_upper"]).all()


def test_bootstrap_and_sandwich_errors_are_of_one_size(
    changing: pd.DataFrame, result: LocalModeration
) -> None:
    plain = sm.moderate(MODEL, changing, method="lsem", moderator="tenure", grid=7)
    ratio = result.curve("P~E")["se"] / plain.curve("P~E")["se"]
    assert ratio.between(0.75, 1.35).all()


@pytest.mark.parametrize("missing", ["listwise", "fiml"])
@pytest.mark.parametrize("equal", [(), ("loadings",)])
def test_batches_do_not_change_a_number(
    changing: pd.DataFrame, missing: str, equal: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = changing.copy()
    if missing == "fiml":
        data.loc[::9, "e1"] = np.nan
    options = {
        "method": "lsem", "moderator": "tenure", "grid": 3, "bootstrap": 20, "permutations": 20, "seed": 7,
        "missing": missing, "group_equal": equal, "progress": False, "meanstructure": True,
    }  # fmt: skip
    whole = sm.moderate(MODEL, data, **options)
    monkeypatch.setattr(drawn, "_chunk", lambda points, solution: 3)
    parts = sm.moderate(MODEL, data, **options)
    assert isinstance(whole, LocalModeration)
    assert isinstance(parts, LocalModeration)
    for kind in ("bootstrap", "permuted"):
        first, second = getattr(whole, kind), getattr(parts, kind)
        assert np.isfinite(first.rows["raw"]).all()
        assert first.rows["raw"] == pytest.approx(
            second.rows["raw"], abs=2e-5
        )  # searches end near an optimum


def test_a_bootstrap_draw_is_the_fit_of_its_rows(changing: pd.DataFrame) -> None:
    found = sm.moderate(
        MODEL,
        changing,
        method="lsem",
        moderator="tenure",
        grid=[3.0, 7.0],
        bootstrap=20,
        seed=5,
        progress=False,
    )
    assert found.bootstrap is not None
    rows = np.random.default_rng(5).integers(0, 400, size=(20, 400))[4]
    window = found.problem.window
    again = sm.moderate(
        MODEL, changing.iloc[rows].reset_index(drop=True), method="lsem", moderator="tenure",
        grid=[3.0, 7.0], bandwidth=window.bandwidth,
    )  # fmt: skip
    assert found.bootstrap.rows["raw"][4] == pytest.approx(again.curves("raw").value, abs=1e-3)
    assert found.bootstrap.rows["std_all"][4] == pytest.approx(again.curves("std_all").value, abs=1e-3)


def test_a_permutation_is_the_fit_of_shuffled_customers(changing: pd.DataFrame) -> None:
    found = sm.moderate(
        MODEL, changing, method="lsem", moderator="tenure", grid=[3.0, 7.0], permutations=20, seed=5,
        residualize=False, progress=False,
    )  # fmt: skip
    assert found.permuted is not None
    order = np.random.default_rng(5).permutation(400)
    shuffled = changing.assign(tenure=changing["tenure"].to_numpy()[order])
    again = sm.moderate(
        MODEL, shuffled, method="lsem", moderator="tenure", grid=[3.0, 7.0], residualize=False
    )
    assert found.permuted.rows["raw"][0] == pytest.approx(again.curves("raw").value, abs=1e-3)


def test_permutation_p_by_hand() -> None:
    permuted = np.array([[1.0, 5.0, 0.0], [2.0, 4.0, 0.0], [3.0, np.nan, 0.0], [4.0, 6.0, 0.0]])
    single, adjusted, overall = permutation_pvalues(np.array([3.5, 7.0, 0.0]), permuted)
    assert single[:2] == pytest.approx([2 / 5, 1 / 4])
    assert np.isnan(single[2])  # cannot vary
    assert np.isnan(adjusted[2])
    assert overall == np.nanmin(adjusted)
    assert (adjusted[:2] >= single[:2]).all() or adjusted[1] == pytest.approx(1 / 4)


def test_the_test_of_all_keeps_its_level() -> None:
    """Skewed exchangeable statistics of six rows: at most 5 % of the tests reject at 5 %, but for chance."""
    rng = np.random.default_rng(9)
    rejected = 0
    for _ in range(1000):
        drawn_ = rng.exponential(size=(40, 6))
        rejected += permutation_pvalues(drawn_[0], drawn_[1:])[2] <= 0.05
    assert 0.03 <= rejected / 1000 <= 0.07


def test_the_simultaneous_value_of_independent_points_is_known() -> None:
    """Four independent focal points: the value solves (2Φ(c) − 1)⁴ = .95."""
    influence = np.zeros((4, 4, 1))
    influence[np.arange(4), np.arange(4), 0] = 1.0
    curves = Curves(np.ones((4, 1)), influence, None, np.full(4, 0.25), np.arange(4.0))
    assert curves.simultaneous(0, 0.95) == pytest.approx(norm.ppf((1 + 0.95**0.25) / 2), abs=0.03)
    same = replace(curves, influence=np.ones((1, 4, 1)))
    assert same.simultaneous(0, 0.95) == pytest.approx(norm.ppf(0.975), abs=0.02)


def test_indices_by_hand() -> None:
    grid, share = np.array([0.0, 1.0, 2.0]), np.array([0.25, 0.5, 0.25])
    value = np.array([[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]])
    influence = np.zeros((3, 3, 2))
    influence[np.arange(3), np.arange(3), 0] = 0.1
    found = Curves(value, influence, None, share, grid).indices()
    assert found["mean"] == pytest.approx([2.0, 2.0])
    assert found["sd"] == pytest.approx([np.sqrt(0.5), 0.0])
    assert found["slope"] == pytest.approx([1.0, 0.0])
    assert found["mean_se"] == pytest.approx([0.1 * np.sqrt(0.375), 0.0])
    assert found["sd_corrected"][0] == pytest.approx(np.sqrt(0.5 - 0.01 + 0.01 * 0.375))
    assert found["slope_se"][0] == pytest.approx(0.1 * np.sqrt(0.5))


def test_many_customers_are_kept_as_a_root(changing: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"method": "lsem", "moderator": "tenure", "grid": 3}
    plain = sm.moderate(MODEL, changing, **options)
    monkeypatch.setattr(solve, "MANY", 1)
    rooted = sm.moderate(MODEL, changing, **options)
    assert isinstance(plain, LocalModeration)
    assert isinstance(rooted, LocalModeration)
    first, second = (r.solution.influence[0] for r in (plain, rooted))
    assert first is not None
    assert second is not None
    assert len(second) < len(first) == 400
    for metric in ("raw", "std_all"):
        a, b = plain.curves(metric), rooted.curves(metric)
        assert b.error == pytest.approx(a.error, rel=1e-6, abs=1e-9)
        assert b.indices()["slope_se"] == pytest.approx(a.indices()["slope_se"], rel=1e-6, abs=1e-9)


def test_failures_are_counted_and_shown(changing: pd.DataFrame, result: LocalModeration) -> None:
    solution = result.solution
    broken = replace(solution, converged=np.array([False, *solution.converged[1:]]),
                     admissible=np.array([False, False, *solution.admissible[2:]]),
                     why=("ran out of iterations", "a variance is negative", *solution.why[2:]))  # fmt: skip
    shown = replace(result, solution=broken)
    text = str(shown)
    assert "1 of 7 local fits did not converge" in text
    assert "1 of 7 local fits are not admissible" in text
    assert "DID NOT CONVERGE" in shown.header.line()
    assert not shown.status.converged
    page = shown._repr_html_()
    assert "DID NOT CONVERGE" in page
    assert 'class="caution"' in page
    points = shown.focal_points()
    assert points["converged"].tolist() == [False] + [True] * 6
    assert np.isnan(shown.curve("P~E")["est"].iloc[0])
    assert shown.curve("P~E")["est"].iloc[1:].notna().all()


def test_small_effective_sizes_are_marked(changing: pd.DataFrame) -> None:
    found = sm.moderate(MODEL, changing, method="lsem", moderator="tenure", grid=5, h=0.4)
    points = found.focal_points()
    assert points["small"].any()
    assert (points.loc[points["small"], "n_effective"] < 50).all()
    assert "fewer than 50 effective customers" in str(found)


def test_constancy_needs_permutations(changing: pd.DataFrame) -> None:
    found = sm.moderate(MODEL, changing, method="lsem", moderator="tenure", grid=3)
    with pytest.raises(sm.SpecError, match="permutations=1000"):
        found.constancy()
    with pytest.raises(sm.SpecError, match="Did you mean 'P~E'"):
        found.curve("P~F")


def test_results_hold_no_row(result: LocalModeration, changing: pd.DataFrame) -> None:
    text = repr(result) + str(result)
    assert f"{changing['e1'].iloc[0]:.6f}"[:7] not in text
