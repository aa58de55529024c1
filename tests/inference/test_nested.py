"""Difference tests of nested models: identities, refusals, and figures from R lavaan 0.6-14."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import sem_models as sm
from sem_models.inference import nested
from sem_models.inference.nested import chosen_method

FULL = "EDS =~ eds1 + eds2 + eds3\nPV =~ pv1 + pv2 + pv3\nSAT =~ sat1 + sat2 + sat3\nPV ~ EDS\nSAT ~ EDS + PV"
LESS = "EDS =~ eds1 + a*eds2 + a*eds3\nPV =~ pv1 + pv2 + pv3\nSAT =~ sat1 + sat2 + sat3\nPV ~ EDS\nSAT ~ PV"
PATHS = "E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nB =~ b1 + b2 + b3\nP ~ E\nB ~ P + {}E"


@pytest.fixture(scope="module")
def heavy(golden_dir: Path) -> pd.DataFrame:
    return pd.read_csv(golden_dir / "data/b2b_n387_heavy.csv")


def difference(
    data: pd.DataFrame, estimator: str, method: str = "default", *, shifted: bool = True, **options: object
) -> pd.Series:
    general, restricted = (sm.fit(m, data, estimator=estimator, **options) for m in (FULL, LESS))
    return general.compare(restricted, method=method, scaled_shifted=shifted).iloc[1]  # type: ignore[arg-type]


LAVAAN = [
    # estimator, method, scaled_shifted, Chisq diff, Df diff, Pr(>Chisq)
    ("MLR", "default", True, 12.14950905, 2, 0.002300210762),
    ("MLR", "satorra.bentler.2010", True, 7.856324073, 2, 0.01967981011),
    ("MLR", "satorra.2000", True, 10.06800375, 2, 0.006512695374),
    ("MLR", "satorra.2000", False, 10.17322817, 2, 0.006178905745),
    ("MLM", "satorra.bentler.2001", True, 10.12750731, 2, 0.006321785121),
    ("MLM", "satorra.bentler.2010", True, 9.461584718, 2, 0.008819480076),
    ("MLM", "satorra.2000", True, 10.20277077, 2, 0.006088306069),
    ("MLMV", "default", True, 10.20277077, 2, 0.006088306069),
    ("MLMV", "satorra.2000", False, 10.03744686, 1.946055615, 0.006201381456),
    ("MLMVS", "default", True, 10.20277077, 2, 0.006088306069),
    ("ULSM", "satorra.bentler.2001", True, 7.682951857, 2, 0.02146190173),
    ("ULSM", "satorra.bentler.2010", True, 7.43577763, 2, 0.02428518428),
    ("ULSM", "satorra.2000", True, 7.276095994, 2, 0.02630363867),
    ("ULSM", "satorra.2000", False, 7.500856567, 2, 0.02350767575),
]


@pytest.mark.parametrize(("estimator", "method", "shifted", "stat", "df", "p"), LAVAAN)
def test_against_lavaan(
    heavy: pd.DataFrame, estimator: str, method: str, shifted: bool, stat: float, df: float, p: float
) -> None:
    """lavTestLRT(sem(FULL), sem(LESS), method, scaled.shifted), whose optimizer stops at about 1e-5."""
    row = difference(heavy, estimator, method, shifted=shifted)
    assert row.chisq_diff == pytest.approx(stat, rel=1e-4)
    assert row.df_diff == pytest.approx(df, rel=1e-5)
    assert row.pvalue == pytest.approx(p, rel=1e-3)


def test_missing_answers_against_lavaan(golden_dir: Path) -> None:
    """lavTestLRT(FULL, LESS) with estimator = "MLR", missing = "ml"."""
    data = pd.read_csv(golden_dir / "data/b2b_n387_mar.csv")
    assert difference(data, "MLR", missing="fiml").chisq_diff == pytest.approx(13.74183196, rel=1e-4)
    row = difference(data, "MLR", "satorra.bentler.2010", missing="fiml")
    assert row.chisq_diff == pytest.approx(11.51220571, rel=1e-4)


def test_scores_of_incomplete_rows_give_what_moments_give_for_complete_ones(heavy: pd.DataFrame) -> None:
    """One missing value in 387 rows moves the casewise version a little from the moments' version."""
    general, restricted = (sm.fit(m, heavy, estimator="MLR", missing="fiml") for m in (FULL, LESS))
    complete = general.compare(restricted, method="satorra.2000").iloc[1].chisq_diff
    holed = heavy.copy()
    holed.loc[5, "eds1"] = float("nan")
    row = difference(holed, "MLR", "satorra.2000", missing="fiml")
    assert row.chisq_diff == pytest.approx(complete, rel=0.03)


def test_exact_restrictions_against_lavaan(heavy: pd.DataFrame) -> None:
    """lavTestLRT(..., method = "satorra.2000", A.method = "exact"): the same parameters in both models."""
    labelled = FULL.replace("EDS + PV", "c*EDS + PV")
    general, restricted, absent = (
        sm.fit(m, heavy, estimator="MLM") for m in (labelled, labelled + "\nc == 0", LESS)
    )
    for way, expected in (("delta", 9.011386657), ("exact", 10.14276848)):
        row = general.compare(restricted, method="satorra.2000", a_method=way).iloc[1]  # type: ignore[arg-type]
        assert row.chisq_diff == pytest.approx(expected, rel=1e-4)
        assert row.df_diff == 1
    with pytest.raises(sm.SpecError, match="'SAT~EDS' is in one only"):
        general.compare(absent, method="satorra.2000", a_method="exact")


def test_the_order_of_the_variables_does_not_matter(clients: pd.DataFrame) -> None:
    usual = "E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nB =~ b1 + b2 + b3\nP ~ E\nB ~ P"
    turned = "B =~ b1 + b2 + b3\nP =~ p1 + p2 + p3\nE =~ e1 + e2 + e3\nP ~ E\nB ~ P"
    general = sm.fit(PATHS.format(""), clients, estimator="MLM")
    straight = sm.fit(usual, clients, estimator="MLM")
    for method in ("satorra.2000", "satorra.bentler.2010"):
        one = general.compare(straight, method=method).iloc[1].chisq_diff  # type: ignore[arg-type]
        two = general.compare(sm.fit(turned, clients, estimator="MLM"), method=method).iloc[1]  # type: ignore[arg-type]
        assert two.chisq_diff == pytest.approx(one, rel=1e-6)


def test_default_methods() -> None:
    assert chosen_method("default", "") == "standard"
    assert chosen_method("satorra.2000", "") == "standard"
    assert chosen_method("default", "yuan.bentler.mplus") == "satorra.bentler.2001"
    assert chosen_method("default", "scaled.shifted") == "satorra.2000"
    with pytest.raises(sm.SpecError, match="mean-scaled"):
        chosen_method("satorra.bentler.2010", "mean.var.adjusted")


def test_refusals(clients: pd.DataFrame) -> None:
    general = sm.fit(PATHS.format(""), clients)
    restricted = sm.fit(PATHS.format("0*"), clients)
    with pytest.raises(sm.SpecError, match=r"Did you mean 'satorra\.2000'"):
        general.compare(restricted, method="satora.2000")  # type: ignore[arg-type]
    with pytest.raises(sm.SpecError, match="same degrees of freedom"):
        general.compare(sm.fit(PATHS.format(""), clients, std_lv=True))
    with pytest.raises(sm.SpecError, match="other variables or rows"):
        general.compare(sm.fit(PATHS.format("0*"), clients.assign(e1=clients.e1 + 0.1 * clients.p2)))
    with pytest.raises(sm.SpecError, match="estimated in another way"):
        general.compare(sm.fit(PATHS.format("0*"), clients, estimator="GLS"))
    apart = "E =~ e1 + e2 + p1\nP =~ e3 + p2 + p3\nB =~ b1 + b2 + b3\nP ~ E\nB ~ P"
    with pytest.raises(sm.SpecError, match="not nested"):
        general.compare(sm.fit(apart, clients))
    means = sm.fit(PATHS.format("0*") + "\ne1 ~ 0*1", clients)
    with pytest.raises(sm.SpecError, match="mean structure"):
        general.compare(means)


def test_a_statistic_that_does_not_exist_says_why(
    clients: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    general, restricted = (sm.fit(PATHS.format(x), clients, estimator="MLR") for x in ("", "0*"))
    assert general.compare(restricted)["note"].tolist() == ["", ""]
    monkeypatch.setattr(nested, "scaling_at_restricted", lambda *fits: 100.0)
    row = general.compare(restricted, method="satorra.bentler.2010").iloc[1]
    assert pd.isna(row["chisq_diff"])
    assert pd.isna(row["pvalue"])
    assert "not positive" in row["note"]
    assert "satorra.2000" in row["note"]


def test_reparameterized_models_are_nested(clients: pd.DataFrame) -> None:
    """Another way to set the scale, or a covariance in place of a path, does not make models foreign."""
    general = sm.fit(PATHS.format(""), clients)
    restricted = sm.fit(PATHS.format("0*"), clients, std_lv=True)
    row = general.compare(restricted).iloc[1]
    assert row.df_diff == 1
    cfa = sm.fit("E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nB =~ b1 + b2 + b3", clients)
    assert cfa.compare(restricted).iloc[1].chisq_diff == pytest.approx(row.chisq_diff, rel=1e-6)
