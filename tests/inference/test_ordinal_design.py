"""Ordered items with sampling weights and clusters, and their bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.inference import bootstrap as of_bootstrap
from sem_models.inference import ordinal_refits
from sem_models.model.ordinal import layout_of
from sem_models.observed.item_tables import ItemTables, resampled_items
from sem_models.observed.ordered_sample import PERFECT
from sem_models.observed.ordinal_moments import group_moments

from .items import ITEMS, survey, with_holes

MODEL = "F =~ u1 + u2 + u3 + u4"
SAME = 1e-9
"""Two ways to the same sums."""
SEARCHED = 1e-3
"""Ends of two searches, in standard errors."""

# lavaan 0.6-14: cfa(model, d, ordered = …, sampling.weights = "w"), weights 0.5 + (row %% 7) / 4: errors of
# the free parameters in order of the table, χ², scaled χ², its scaling factor
WEIGHTED: dict[str, tuple[str, list[str], list[float], list[float]]] = {
    "items": (
        MODEL, ITEMS,
        [
            0.09517475082, 0.08306168726, 0.10682719079, 0.10656073803, 0.08731595375, 0.09864995611,
            0.09134949717, 0.09359654234, 0.13562850307, 0.09435813669, 0.09518455311, 0.15156457892,
            0.08795442366, 0.08620701920,
        ],
        [0.870, 1.875, 0.470],
    ),
    "mixed": (
        "F =~ u1 + u2 + u3 + u4 + y1 + y2", ITEMS,
        [
            0.07171928240, 0.06646409999, 0.09311654511, 0.08693125595, 0.09373508051, 0.10656073803,
            0.08731595375, 0.09864995611, 0.09134949717, 0.09359654234, 0.13562850307, 0.09435813669,
            0.09518455311, 0.15156457892, 0.08795442366, 0.07751404208, 0.11490728969, 0.07191949192,
            0.07775888973, 0.08425259647,
        ],
        [2.797, 6.059, 0.506],
    ),
    "covariate": (
        "F =~ u1 + u2 + u3\nF ~ x", ITEMS[:3],
        [
            0.12263445967, 0.10147930580, 0.06623628128, 0.10632962339, 0.08733035272, 0.09857320406,
            0.09126226436, 0.09352904388, 0.13513073495, 0.09421823240, 0.09510455298, 0.15162906829,
            0.10349274749,
        ],
        [0.034, 0.083, 0.508],
    ),
}  # fmt: skip


def weighted() -> pd.DataFrame:
    return survey().assign(w=0.5 + (np.arange(1, 241) % 7) / 4)


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_agree_with_lavaan(name: str) -> None:
    model, items, errors, tests = WEIGHTED[name]
    fit = sm.fit(model, weighted(), ordered=items, sampling_weights="w")
    found = np.sqrt(np.diag(fit.vcov()))
    assert found / errors == pytest.approx(1.0, abs=1e-6)  # lavaan stops its search near 1e-6
    measures = fit.measures()
    assert [measures[k] for k in ("chisq", "chisq_scaled", "chisq_scaling_factor")] == pytest.approx(
        tests, abs=6e-4
    )


def test_whole_weights_as_given_are_repeated_rows() -> None:
    data = survey().assign(w=1 + np.arange(240) % 3)
    repeated = data.loc[np.repeat(data.index, data["w"])].reset_index(drop=True)
    ours = sm.fit(
        MODEL,
        data,
        ordered=ITEMS,
        sampling_weights="w",
        sampling_weights_normalization="none",
        estimator="ULSMV",
    )
    theirs = sm.fit(MODEL, repeated, ordered=ITEMS, estimator="ULSMV")
    assert ours.estimates()["est"].to_numpy() == pytest.approx(theirs.estimates()["est"].to_numpy(), abs=1e-6)
    # the sandwich knows that a row of weight 3 is one customer
    assert (np.diag(ours.vcov()) > np.diag(theirs.vcov())).all()


def test_rows_given_twice_in_a_cluster_count_once() -> None:
    once = sm.fit(MODEL, survey(), ordered=ITEMS, estimator="ULSMV")
    twice = pd.concat(
        [survey().assign(c=np.arange(240)), survey().assign(c=np.arange(240))], ignore_index=True
    )
    fit = sm.fit(MODEL, twice, ordered=ITEMS, cluster="c", estimator="ULSMV")
    assert fit.options["se"] == "robust.cluster.sem"
    # C/(C − 1) for the clusters, N/(N − 1) for the divisor
    factor = (240 / 239) * (480 / 479) / (240 / 239)
    assert np.diag(fit.vcov()) / np.diag(once.vcov()) == pytest.approx(factor, abs=1e-6)
    shift = fit.measures()["chisq_scaled"] / once.measures()["chisq_scaled"]
    assert shift == pytest.approx(1.0, abs=0.02)


def test_every_group_has_clusters_and_weights_of_its_own() -> None:
    data = weighted().assign(c=np.arange(240) // 3)
    both = sm.fit(MODEL, data, ordered=ITEMS, group="g", cluster="c", sampling_weights="w")
    for label in ("a", "b"):
        own = sm.fit(
            MODEL, data[data["g"] == label], ordered=ITEMS, cluster="c", sampling_weights="w"
        ).estimates()
        rows = both.estimates().query("group == @label and op in ('=~', '|')")
        alone = own[own["op"].isin(["=~", "|"])]
        assert rows["est"].to_numpy() == pytest.approx(alone["est"].to_numpy(), abs=1e-5)
        assert rows["se"].to_numpy() == pytest.approx(alone["se"].to_numpy(), rel=2e-3, abs=1e-6)


def test_wls_weighs_by_the_clusters() -> None:
    data = survey().assign(c=np.arange(240) // 2)
    fit = sm.fit(MODEL, data, ordered=ITEMS, cluster="c", estimator="WLS")
    robust = sm.fit(MODEL, data, ordered=ITEMS, cluster="c")
    free = (robust.estimates()["se"] > 0).to_numpy()
    ratio = fit.estimates()["se"].to_numpy()[free] / robust.estimates()["se"].to_numpy()[free]
    assert ratio == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("data", [survey(), with_holes()], ids=["complete", "incomplete"])
def test_resamples_as_tables_and_row_by_row(data: pd.DataFrame) -> None:
    values = data[ITEMS].to_numpy(dtype=float) - 1
    layout = layout_of([4, 3, 5, 2], 0)
    rng = np.random.default_rng(1)
    times = np.stack([np.bincount(rng.integers(0, 240, 240), minlength=240) for _ in range(4)]).astype(float)
    times[3, values[:, 3] == 1] = 0.0
    found = resampled_items(ItemTables.of(values, layout), times, PERFECT)
    for k in range(3):
        one = group_moments(values[np.repeat(np.arange(240), times[k].astype(int))], layout)
        assert found.statistics[k] == pytest.approx(one.statistics, abs=SAME)
        assert found.variance[k] == pytest.approx(np.diag(one.gamma), rel=SAME)
    assert np.isnan(found.statistics[3]).all()  # a category that is not drawn has no threshold


CASES: dict[str, dict[str, Any]] = {
    "delta": {},
    "theta in groups": {
        "parameterization": "theta", "group": "g", "group_equal": ["thresholds", "loadings"],
    },
    "unweighted": {"estimator": "ULSMV"},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_batches_are_the_refits_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = sm.fit(MODEL, survey(), ordered=ITEMS, **CASES[name])
    batch = fit.bootstrap(16, seed=5, progress=False)
    monkeypatch.setattr(ordinal_refits, "CELLS", 1)
    piecewise = fit.bootstrap(16, seed=5, progress=False).draws.replicates.free
    assert piecewise == pytest.approx(batch.draws.replicates.free, abs=1e-8)  # sums end in other last digits
    monkeypatch.setattr(of_bootstrap, "items_batchable", lambda solved: False)
    alone = fit.bootstrap(16, seed=5, progress=False)
    assert alone.n_failed == batch.n_failed == 0
    gap = (alone.draws.replicates.free - batch.draws.replicates.free) / np.sqrt(np.diag(fit.vcov()))
    assert np.abs(gap).max() < SEARCHED
    assert alone.draws.statistic == pytest.approx(batch.draws.statistic, rel=1e-4, abs=1e-5)


def test_errors_of_the_bootstrap_are_those_of_the_sandwich() -> None:
    rng = np.random.default_rng(8)
    responses = 0.7 * rng.normal(size=(900, 1)) + np.sqrt(0.51) * rng.normal(size=(900, 4))
    data = pd.DataFrame(np.digitize(responses, [-0.8, 0.3]), columns=ITEMS)
    fit = sm.fit(MODEL, data, ordered=True)
    drawn = fit.bootstrap(1000, seed=1, progress=False)
    free = fit.solved.ram.row_of_free
    ratio = drawn.estimates()["se"].to_numpy()[free] / fit.estimates()["se"].to_numpy()[free]
    assert ratio == pytest.approx(1.0, abs=0.15)
    resampled = sm.fit(MODEL, data, ordered=True, se="bootstrap", bootstrap=1000, seed=1)
    assert resampled.estimates()["se"].to_numpy()[free] == pytest.approx(
        drawn.estimates()["se"].to_numpy()[free]
    )
    assert drawn.standardized(interval="bca")["ci_lower"].notna().all()
    assert len(drawn.effects()) == 0


def test_a_rare_category_fails_in_some_resamples_which_is_counted() -> None:
    data = survey()
    data.loc[data["u2"] == 3, "u2"] = 2
    data.loc[:2, "u2"] = 3
    drawn = sm.fit(MODEL, data, ordered=ITEMS).bootstrap(200, seed=1, progress=False)
    assert 2 <= drawn.n_failed <= 25  # (1 − 3/240)^240 is 5 %
    assert drawn.n_used + drawn.n_failed == 200


def test_covariates_clusters_and_weights_are_drawn_too() -> None:
    data = weighted().assign(c=np.arange(240) // 3)
    fit = sm.fit("F =~ u1 + u2 + u3 + y1\nF ~ x", data, ordered=ITEMS[:3], cluster="c", sampling_weights="w")
    drawn = fit.bootstrap(30, seed=2, progress=False)
    assert drawn.n_used >= 28
    row = drawn.standardized().query("op == '~'").iloc[0]
    assert 0.03 < row["se"] < 0.15


def test_other_kinds_are_refused() -> None:
    fit = sm.fit(MODEL, survey(), ordered=ITEMS)
    with pytest.raises(sm.SpecError, match="scaled test"):
        fit.bootstrap(20, type="bollen.stine")
