"""Modification indices: invariance, agreement with refits, and figures from R lavaan 0.6-14."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.inference.candidates import candidates
from sem_models.inference.extended import curvature_at

MODEL = "E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nB =~ b1 + b2 + b3\nP ~ E\nB ~ P"
HS = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"


def by_name(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index(frame.lhs + frame.op + frame.rhs)


@pytest.fixture(scope="module")
def fit(clients: pd.DataFrame) -> sm.Fit:
    return sm.fit(MODEL, clients)


def test_an_index_foretells_the_chi_square_of_the_refit(fit: sm.Fit, clients: pd.DataFrame) -> None:
    table = by_name(fit.modification_indices())
    for line in ("B ~ E", "e1 ~~ p1", "E =~ b1"):
        freed = sm.fit(f"{MODEL}\n{line}", clients)
        drop = fit.measures()["chisq"] - freed.measures()["chisq"]
        row = table.loc[line.replace(" ", "")]
        estimate = by_name(freed.estimates()).loc[line.replace(" ", "")]
        assert row.mi == pytest.approx(drop, rel=0.1, abs=0.02)
        assert abs(row.epc - estimate.est) < 0.25 * estimate.se


def test_an_index_does_not_depend_on_the_scale_of_the_factors(fit: sm.Fit, clients: pd.DataFrame) -> None:
    other = by_name(sm.fit(MODEL, clients, std_lv=True).modification_indices())
    table = by_name(fit.modification_indices())
    assert set(table.index) == set(other.index)
    np.testing.assert_allclose(table.mi, other.mi.loc[table.index], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(table.sepc_all, other.sepc_all.loc[table.index], rtol=1e-5, atol=1e-8)


def test_rescaling_an_item_changes_neither_the_list_nor_the_indices(clients: pd.DataFrame) -> None:
    base = by_name(sm.fit(MODEL, clients).modification_indices())
    scaled = by_name(sm.fit(MODEL, clients.assign(e2=clients.e2 * 1e3)).modification_indices())
    assert list(base.index) == list(scaled.index)
    np.testing.assert_allclose(base.mi, scaled.mi, rtol=1e-5, atol=1e-6)


def test_markers_and_free_parameters_are_not_listed(fit: sm.Fit) -> None:
    names = set(by_name(fit.modification_indices()).index)
    assert not names & {"E=~e1", "P~E", "e1~~e1", "E~~E", "E~P"}  # E ~ P only turns the path around
    assert {"B~E", "E=~p1", "e1~~e2"} <= names


def test_score_and_information_of_an_extended_model_are_those_of_a_fit(clients: pd.DataFrame) -> None:
    """At its own optimum a model with the candidate free has the same curvature and a score of zero."""
    full = sm.fit(MODEL + "\nB ~ E", clients)
    less = sm.fit(MODEL + "\nB ~ e*E\ne == 0", clients).solved
    found = [c for c in candidates(full.solved.table, full.solved.ram) if c.name == "e1~~p1"]
    at = curvature_at(full.solved, [c.entry for c in found])
    own = full.solved.objective.free_information(full.solved.point, observed=False)  # type: ignore[arg-type]
    np.testing.assert_allclose(at.information[:-1, :-1], own, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(at.score[:-1], 0.0, atol=1e-7)
    assert abs(curvature_at(less, []).score).max() > 1e-3


def test_several_groups_carry_labels(clients: pd.DataFrame) -> None:
    table = sm.fit(MODEL, clients, group="active", group_equal="loadings").modification_indices(sort=True)
    assert list(table.columns[-2:]) == ["level", "block"]
    assert set(table.group) == {"active", "inactive"}
    # a marker is testable once the other group's loadings hold the scale
    assert ((table.lhs == "E") & (table.rhs == "e1")).sum() == 2
    assert table.mi.is_monotonic_decreasing


def test_options(fit: sm.Fit) -> None:
    table = fit.modification_indices(op="~~", minimum_value=1.0, maximum_number=3, sort=True)
    assert set(table.op) == {"~~"}
    assert len(table) == 3
    assert (table.mi >= 1.0).all()
    with pytest.raises(sm.SpecError, match="op='=='"):
        fit.modification_indices(op="==")


def test_fixed_covariates_condition_the_model(clients: pd.DataFrame) -> None:
    """Of the covariates among themselves nothing is to be learned; what they explain is."""
    fit = sm.fit("E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nE ~ tenure + b1\nP ~ E", clients)
    table = by_name(fit.modification_indices())
    assert "tenure~~tenure" not in table.index
    assert {"P~tenure", "P~b1"} <= set(table.index)


def test_power_against_lavaan(golden_dir: Path) -> None:
    """R lavaan 0.6-14: modindices(cfa(HS), power = TRUE, delta = 0.1) and delta = 0.3, high.power = 0.75."""
    fit = sm.fit(HS, pd.read_csv(golden_dir / "data/hs.csv"), model_type="cfa")
    table = by_name(fit.modification_indices(power=True))
    for name, mi, epc, ncp, power, decision in (
        ("visual=~x9", 36.411, 0.577, 1.094, 0.182, "**(m)**"),
        ("x4~~x8", 3.805, -0.069, 7.975, 0.806, "(nm)"),
        ("x1~~x2", 3.606, -0.184, 1.068, 0.178, "(i)"),
        ("x3~~x5", 7.858, -0.130, 4.643, 0.577, "**(m)**"),
    ):
        row = table.loc[name]
        np.testing.assert_allclose([row.mi, row.epc, row.ncp, row.power], [mi, epc, ncp, power], atol=6e-4)
        assert row.decision == decision
    wide = by_name(fit.modification_indices(power=True, delta=0.3))
    assert wide.decision["visual=~x5"] == "epc:nm"
    assert wide.decision["visual=~x7"] == "*epc:m*"


def test_least_squares_in_groups_against_lavaan(golden_dir: Path) -> None:
    """R lavaan 0.6-14: modindices(cfa(two factors, group = "school", group.equal = "loadings",
    estimator = "GLS" and "WLS")); its optimizer stops at 1e-5 of the estimates."""
    data = pd.read_csv(golden_dir / "data/hs.csv")
    model = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"
    for estimator, expected in (
        ("GLS", {"x4~~x6": (14.06895452, -0.2526191518), "textual=~x1": (8.009334194, 0.5095099784)}),
        ("WLS", {"x4~~x6": (12.43483079, -0.2537323263)}),
    ):
        fit = sm.fit(
            model, data, group="school", group_equal="loadings", estimator=estimator, model_type="cfa"
        )
        table = fit.modification_indices()
        table = by_name(table[table.group == "Pasteur"])
        for name, (mi, epc) in expected.items():
            assert table.mi[name] == pytest.approx(mi, rel=2e-4)
            assert table.epc[name] == pytest.approx(epc, rel=1e-4)
