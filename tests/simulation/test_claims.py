"""The quantities written beside each claim are those of the population."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sem_models.simulation.draw import implied_moments, simulate
from sem_models.simulation.population import Population
from sem_models.simulation.structure import structure

WRITTEN = 0.006
"""Quantities are written to two or three digits."""
DRAWN = 0.015
"""Quantities that were worked out from a draw, and are checked by another."""


@pytest.fixture(scope="module")
def paths(b2b: Population) -> dict[str, pd.DataFrame]:
    """Direct effects among latents, by group."""
    s = structure(b2b)
    p, names = s.n_items, list(s.latents)
    return {g: pd.DataFrame(s.a_mat[k, p:, p:], names, names) for k, g in enumerate(b2b.labels)}


@pytest.fixture(scope="module")
def totals(paths: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Total effects (I − A)⁻¹, by group."""
    return {g: pd.DataFrame(np.linalg.inv(np.eye(len(a)) - a), a.index, a.columns) for g, a in paths.items()}


def _quantities(b2b: Population, claim: str) -> dict[str, float]:
    return next(c.quantities for c in b2b.claims if c.id == claim)


def _agree(found: dict[str, float], written: dict[str, float], tolerance: float = WRITTEN) -> None:
    assert found.keys() == written.keys()
    assert found == pytest.approx(written, abs=tolerance)


def test_weights_of_the_two_services(b2b: Population, paths: dict[str, pd.DataFrame]) -> None:
    gap = {g: a["EDS"] - a["OPS"] for g, a in paths.items()}
    first = {f"{y}.{g}": gap[g][y] for g in paths for y in ("PV", "SAT_REP")}
    _agree(first, _quantities(b2b, "C1"))
    assert min(first.values()) > 0
    second = {f"SAT_ORG.{g}": -gap[g]["SAT_ORG"] for g in paths}
    _agree(second, _quantities(b2b, "C2"))
    assert min(second.values()) > 0


def test_value_mediates(
    b2b: Population, paths: dict[str, pd.DataFrame], totals: dict[str, pd.DataFrame]
) -> None:
    through = {
        (x, g): a.loc["PV", x] * totals[g].loc["BI", "PV"] for g, a in paths.items() for x in ("EDS", "OPS")
    }
    share = {(x, g): value / totals[g].loc["BI", x] for (x, g), value in through.items()}
    found = {f"{x}_through_PV.{g}": v for (x, g), v in through.items()}
    found |= {f"{x}_share.{g}": v for (x, g), v in share.items()}
    written = _quantities(b2b, "C3")
    _agree({name: found[name] for name in written}, written)


def test_substitution_and_group_differences(b2b: Population, paths: dict[str, pd.DataFrame]) -> None:
    terms = {(t.outcome, *t.factors): float(t.slope[0]) for t in structure(b2b).terms}
    ratio = {f"PV.{g}": a.loc["PV", "OPS"] / a.loc["PV", "EDS"] for g, a in paths.items()}
    _agree(ratio | {"EDS_x_OPS": terms["PV", "EDS", "OPS"]}, _quantities(b2b, "C4"))
    pairs = (("PV", "EDS"), ("PV", "OPS"), ("SAT_REP", "EDS"), ("SAT_ORG", "OPS"))
    gap = {f"{y}_{x}": paths["active"].loc[y, x] - paths["inactive"].loc[y, x] for y, x in pairs}
    by_activity = {f"{x}_x_ACT": terms["PV", x, "ACT"] for x in ("EDS", "OPS")}
    _agree(gap | by_activity, _quantities(b2b, "C9"))
    others = {f"{x}_x_{z}": terms["PV", x, z] for x in ("EDS", "OPS") for z in ("tenure_years", "PV_PRIOR")}
    _agree(others, _quantities(b2b, "C10"))
    for a in paths.values():
        _agree({"BI_PV": a.loc["BI", "PV"]}, _quantities(b2b, "C11"))


def test_same_service_satisfies_active_customers_more(
    b2b: Population, totals: dict[str, pd.DataFrame]
) -> None:
    """Δ(ξ*) = Δα + ΔB ξ* of the reduced form at the mean of all customers."""
    moments = implied_moments(b2b)
    service = ["EDS", "OPS"]
    at = sum(share * m.latent_mean[service] for share, m in zip(b2b.shares, moments.values(), strict=True))
    level = {
        g: m.latent_mean + totals[g][service] @ (at - m.latent_mean[service]) for g, m in moments.items()
    }
    gap = level["active"] - level["inactive"]
    _agree({y: gap[y] for y in ("SAT_ORG", "SAT_REP")}, _quantities(b2b, "C8"))


def test_visits_and_calls(b2b: Population) -> None:
    s = structure(b2b)
    data = simulate(b2b, 400_000, rng=np.random.default_rng(21), complete=True, latents=True)
    group = data["active"].map({g: k for k, g in enumerate(b2b.labels)}).to_numpy(dtype=int)
    deviation = {
        name: data[name].to_numpy() - s.eta[group, s.variables.index(name)] for name in ("ACT", "PV_PRIOR")
    }
    visit = np.zeros(len(data))
    for term in (t for t in s.terms if "onsite_visits" in t.factors):
        others = [deviation[f] for f in term.factors if f != "onsite_visits"]
        visit += term.slope[group] * np.prod(others, axis=0)
    call = float(next(t.slope[0] for t in s.terms if t.factors == ("customer_calls",)))
    mean = float(visit.mean())
    _agree({"call": call, "mean_visit": mean, "difference": call - mean}, _quantities(b2b, "C5"), DRAWN)

    activity, prior = (((data[x] - data[x].mean()) / data[x].std()).to_numpy() for x in ("ACT", "PV_PRIOR"))
    tenth = np.abs(activity - np.quantile(activity, 0.10)) < 0.05
    found = {"visit_at_p10_of_ACT": float(visit[tenth].mean()), "share_harmed": float((visit < 0).mean())}
    _agree(found, _quantities(b2b, "C6"), DRAWN)

    corners = {
        name: float(visit[(np.abs(activity - a) < 0.15) & (np.abs(prior - p) < 0.15)].mean())
        for name, a, p in (
            ("both_high", 1, 1), ("only_ACT_high", 1, -1),
            ("only_PV_PRIOR_high", -1, 1), ("both_low", -1, -1),
        )
    }  # fmt: skip
    _agree(corners, _quantities(b2b, "C7"), DRAWN)
    assert [name for name, value in corners.items() if value > 0] == ["both_high"]
