from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sem_models.errors import DataError
from sem_models.measurement.normality import kurtosis, mardia, normality_table, skewness
from sem_models.measurement.screening import Screening, screen

SCALES = {"X": ["x1", "x2", "x3"], "Y": ["y1", "y2", "y3"]}


@pytest.fixture
def survey() -> pd.DataFrame:
    """200 answers on 1–7 to six items, a few missing."""
    rng = np.random.default_rng(11)
    common = rng.normal(size=(200, 2)).repeat(3, axis=1)
    answers = np.clip(np.round(4 + common + rng.normal(size=(200, 6))), 1, 7)
    frame = pd.DataFrame(answers, columns=[i for v in SCALES.values() for i in v])
    frame.loc[:19, "x1"] = np.nan
    frame.loc[10:29, "y1"] = np.nan
    frame["active"] = ["active", "inactive"] * 100
    return frame


def test_item_table_against_scipy(survey: pd.DataFrame) -> None:
    table = screen(survey, SCALES, limits={"x2": (1, 7)}).items.set_index("item")
    x1 = survey["x1"].dropna()
    row = table.loc["x1"]
    assert row["n"] == 180
    assert row["missing_pct"] == pytest.approx(10)
    assert row["mean"] == pytest.approx(x1.mean())
    assert row["sd"] == pytest.approx(x1.std())
    assert row["skew"] == pytest.approx(stats.skew(x1, bias=False))
    assert row["kurtosis"] == pytest.approx(stats.kurtosis(x1, bias=False))
    top = int((survey["x2"] == 7).sum())
    expected = np.nan if 0 < top < 5 else top / 2
    assert table.loc["x2", "ceiling_pct"] == pytest.approx(expected, nan_ok=True)


def test_shares_of_fewer_than_five_are_not_shown() -> None:
    frame = pd.DataFrame({"a": [1.0] * 4 + [4.0] * 90 + [7.0] * 6, "b": np.arange(100.0)})
    row = screen(frame, ["a", "b"]).items.set_index("item").loc["a"]
    assert np.isnan(row["floor_pct"])
    assert row["ceiling_pct"] == pytest.approx(6)


def test_missing_patterns(survey: pd.DataFrame) -> None:
    row = screen(survey, SCALES).missing.iloc[0]
    # x1 alone, x1 and y1, y1 alone, complete.
    assert row.to_dict() == {"n_rows": 200, "n_complete": 170, "n_patterns": 4}


def test_near_duplicates_are_flagged_with_their_sign(survey: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    frame = survey.assign(copy=8 - survey["x2"] + rng.normal(scale=0.1, size=200))
    found = screen(frame, [*SCALES["X"], "copy"]).duplicates
    assert found[["item_1", "item_2", "n"]].to_numpy().tolist() == [["x2", "copy", 200]]
    assert found["r"].iloc[0] == pytest.approx(frame[["x2", "copy"]].corr().iloc[0, 1])
    assert found["r"].iloc[0] < -0.95


def test_telecom_switching_items_are_flagged(shared_dir: Path) -> None:
    frame = pd.read_csv(shared_dir / "telecom_reputation.csv").replace(-99, np.nan)
    items = [*(f"qual_{i}" for i in range(1, 9)), *(f"switch_{i}" for i in range(1, 5))]
    screening = screen(frame, items)
    pairs = {frozenset(p) for p in screening.duplicates[["item_1", "item_2"]].to_numpy().tolist()}
    expected = [
        ("switch_1", "qual_6"),
        ("switch_2", "qual_7"),
        ("switch_3", "qual_5"),
        ("switch_4", "qual_6"),
    ]
    assert {frozenset(p) for p in expected} <= pairs
    assert (screening.issues["kind"] == "near duplicate").sum() == len(pairs)


def test_an_honest_survey_has_no_duplicates(shared_dir: Path) -> None:
    frame = pd.read_csv(shared_dir / "ecsi_mobile.csv")
    items = [c for c in frame.columns if c.startswith(("PERQ", "PERV", "CUSA"))]
    assert screen(frame, items).duplicates.empty


def test_constant_empty_and_collinear_items_are_named(survey: pd.DataFrame) -> None:
    frame = survey.dropna().assign(flat=4.0, blank=np.nan)
    frame["total"] = frame["x1"] + frame["x2"]
    screening = screen(frame, ["x1", "x2", "x3", "y2", "total", "flat", "blank"])
    issues = screening.issues.set_index("items")["kind"]
    assert issues["flat"] == issues["blank"] == "constant"
    assert issues["x1, x2, total"] == "collinear"
    table = screening.collinear.set_index("item")
    assert table.loc["x1", "determined_by"] == "x2, total"
    assert table.loc["total", "smc"] == 1
    assert table.loc["y2", "determined_by"] == ""
    assert set(screening.normality["note"]) == {"items are constant or collinear"}


def test_smc_is_the_r_squared_of_the_regression_on_the_others(survey: pd.DataFrame) -> None:
    frame = survey.dropna()
    items = [i for v in SCALES.values() for i in v]
    table = screen(frame, items).collinear.set_index("item")
    design = np.column_stack([np.ones(len(frame)), frame[items[1:]]])
    residual = frame["x1"] - design @ np.linalg.lstsq(design, frame["x1"], rcond=None)[0]
    assert table.loc["x1", "smc"] == pytest.approx(1 - residual.var() / frame["x1"].var())
    # An item outside of an exact relation is regressed on what remains of the others.
    with_sum = frame.assign(total=frame["x2"] + frame["x3"])
    again = screen(with_sum, [*items, "total"]).collinear.set_index("item")
    assert again.loc["x1", "smc"] == pytest.approx(table.loc["x1", "smc"])


def test_straight_lining(survey: pd.DataFrame) -> None:
    items = [i for v in SCALES.values() for i in v]
    frame = survey.copy()
    frame.loc[100:119, items] = 3.0
    row = screen(frame, items).straight_lining.iloc[0]
    answers = frame[items].dropna(thresh=5)
    same = (answers.max(axis=1) == answers.min(axis=1)).sum()
    assert row["share_pct"] == pytest.approx(100 * same / len(answers))
    assert "straight-lining" in set(screen(frame, items).issues["kind"])
    few = pd.DataFrame(np.random.default_rng(5).normal(size=(50, 6)), columns=items)
    few.loc[:2, items] = 1.0
    hidden = screen(few, items).straight_lining.iloc[0]
    assert np.isnan(hidden["share_pct"])
    assert "not shown" in hidden["note"]


def test_moments_of_too_few_or_equal_values_are_undefined() -> None:
    assert np.isnan(
        [skewness(np.ones(9)), kurtosis(np.ones(9)), skewness(np.ones(0)), kurtosis(np.arange(3.0))]
    ).all()


def test_mardia_against_its_definition() -> None:
    data = np.random.default_rng(4).gamma(2, size=(80, 3))
    centered = data - data.mean(axis=0)
    inner = centered @ np.linalg.inv(np.cov(data, rowvar=False, bias=True)) @ centered.T
    m = mardia(data)
    assert m.skewness == pytest.approx((inner**3).mean())
    assert m.kurtosis == pytest.approx((np.diag(inner) ** 2).mean())
    assert m.df == 10
    assert m.pvalue_skewness == pytest.approx(stats.chi2.sf(80 * m.skewness / 6, 10))
    assert m.pvalue_kurtosis == pytest.approx(2 * stats.norm.sf(abs(m.z)))


def test_henze_zirkler_against_its_definition_on_integer_answers(survey: pd.DataFrame) -> None:
    data = survey[["x2", "x3", "y2"]]
    table = normality_table(data).set_index("test")
    x = data.to_numpy()
    n, p = x.shape
    inverse = np.linalg.inv(np.cov(x, rowvar=False, bias=True))
    pair = x[:, None] - x[None]
    between = np.einsum("ijk,kl,ijl->ij", pair, inverse, pair)
    centered = x - x.mean(axis=0)
    own = np.einsum("ik,kl,il->i", centered, inverse, centered)
    b2 = 0.5 * ((2 * p + 1) * n / 4) ** (2 / (p + 4))
    # Henze & Zirkler (1990), Communications in Statistics 19, eq. 2.2.
    statistic = (
        np.exp(-b2 / 2 * between).sum() / n
        - 2 * (1 + b2) ** (-p / 2) * np.exp(-b2 / (2 * (1 + b2)) * own).sum()
        + n * (1 + 2 * b2) ** (-p / 2)
    )
    assert table.loc["Henze-Zirkler", "statistic"] == pytest.approx(statistic)
    assert table["n"].tolist() == [n, n, n]


def test_normal_data_pass_and_skewed_data_fail() -> None:
    rng = np.random.default_rng(8)
    normal = pd.DataFrame(rng.normal(size=(400, 4)))
    assert (normality_table(normal)["pvalue"] > 0.05).all()
    assert (normality_table(normal**2)["pvalue"] < 1e-6).all()


def test_too_few_complete_rows_are_a_note_not_an_error(survey: pd.DataFrame) -> None:
    screening = screen(survey.iloc[20:26], SCALES)
    assert screening.normality["pvalue"].isna().all()
    assert screening.collinear["smc"].isna().all()


def test_large_surveys_are_drawn_from_for_henze_zirkler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sem_models.measurement.normality.HZ_ROWS", 100)
    data = pd.DataFrame(np.random.default_rng(9).normal(size=(300, 2)))
    table = normality_table(data).set_index("test")
    assert table["n"].tolist() == [300, 300, 100]
    assert "100 rows" in table.loc["Henze-Zirkler", "note"]
    pd.testing.assert_frame_equal(table, normality_table(data).set_index("test"))


def test_bad_items_are_named(survey: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"Not in the data: x11.*Did you mean 'x1'"):
        screen(survey, ["x11", "x2"])
    with pytest.raises(DataError, match="hold text: active"):
        screen(survey, ["x1", "active"])
    with pytest.raises(DataError, match="appear twice in the data: x1"):
        screen(pd.concat([survey, survey[["x1"]]], axis=1), ["x1", "x2"])
    with pytest.raises(DataError, match="No items"):
        screen(survey, [])


def test_no_table_holds_rows_or_ids(survey: pd.DataFrame) -> None:
    frame = survey.assign(customer_id=[f"C{i:05d}" for i in range(200)]).set_index("customer_id", drop=False)
    screening = screen(frame, SCALES, group="active")
    for field in dataclasses.fields(Screening):
        table = getattr(screening, field.name)
        assert len(table) < 20
        assert "C0" not in table.to_csv()


def test_nullable_columns_give_the_same_tables(survey: pd.DataFrame) -> None:
    items = [i for v in SCALES.values() for i in v]
    nullable = survey.astype(dict.fromkeys(items, "Int64"))
    for field in ("items", "normality", "collinear"):
        pd.testing.assert_frame_equal(
            getattr(screen(nullable, items), field), getattr(screen(survey, items), field)
        )


def test_group_differences_name_their_reference(survey: pd.DataFrame) -> None:
    table = screen(survey, SCALES, group="active", reference_group="active").differences
    assert set(table["group"]) == {"inactive"}
    assert set(table["reference_group"]) == {"active"}
    assert screen(survey, SCALES).differences.empty
