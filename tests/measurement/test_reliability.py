from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sem_models.errors import DataError
from sem_models.measurement.reliability import alpha_table, reliability
from sem_models.measurement.validity import fornell_larcker, fornell_larcker_matrix, htmt, latent_correlations

# semTools refits the measurement model with lavaan's default optimizer, whose parameters are off by up to
# about 1e-4; a case whose own (polished) parameter table is read agrees to rounding.
POLISHED, REFITTED = 1e-9, 1e-5


def labeled(matrix: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(matrix["data"], index=matrix["rows"], columns=matrix["cols"])


def result(golden: Path, case: str) -> dict[str, Any]:
    (path,) = (golden / "results").glob(f"{case}_*.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def ave_of(golden: dict[str, Any]) -> dict[str, float]:
    return dict(zip(golden["semtools"]["ave"]["names"], golden["semtools"]["ave"]["data"], strict=True))


@pytest.fixture
def two_factors() -> pd.DataFrame:
    """ξ₁ with λ 1, 2 and φ 4; ξ₂ with λ 1, 3 and φ 1, its items' residuals correlated; cov(ξ₁, ξ₂) 1."""
    rows = [
        ("A", "=~", "a1", 1.0),
        ("A", "=~", "a2", 2.0),
        ("B", "=~", "b1", 1.0),
        ("B", "=~", "b2", 3.0),
        ("A", "~~", "A", 4.0),
        ("B", "~~", "B", 1.0),
        ("A", "~~", "B", 1.0),
        ("a1", "~~", "a1", 2.0),
        ("a2", "~~", "a2", 3.0),
        ("b1", "~~", "b1", 1.0),
        ("b2", "~~", "b2", 2.0),
        ("b1", "~~", "b2", 0.5),
        ("a1", "~1", "", 3.0),
    ]
    return pd.DataFrame(rows, columns=["lhs", "op", "rhs", "est"]).assign(group="")


@pytest.fixture
def observed() -> pd.DataFrame:
    names = ["a1", "a2", "b1", "b2"]
    values = [[6.0, 8.5, 1.0, 3.0], [8.5, 20.0, 2.0, 6.0], [1.0, 2.0, 2.0, 3.5], [3.0, 6.0, 3.5, 12.0]]
    return pd.DataFrame(values, index=names, columns=names)


def test_hand_worked_figures(two_factors: pd.DataFrame, observed: pd.DataFrame) -> None:
    a, b = reliability(two_factors, observed).to_dict("records")
    assert (a["construct"], a["n_items"], a["group"], a["note"]) == ("A", 2, "", "")
    # (1 + 2)² · 4 = 36 over 6 + 20 + 2·8.5 = 43 observed, 36 + 5 = 41 implied; (1 + 4) · 4 over 6 + 20.
    assert a["omega"] == pytest.approx(36 / 43)
    assert a["cr"] == pytest.approx(36 / 41)
    assert a["ave"] == pytest.approx(20 / 26)
    assert a["alpha"] == pytest.approx(2 * (1 - 26 / 43))
    # A residual covariance of .5 counts twice in the implied variance of the sum.
    assert b["cr"] == pytest.approx(16 / (16 + 3 + 1))


def test_construct_variance_is_the_implied_one(two_factors: pd.DataFrame, observed: pd.DataFrame) -> None:
    # The same model as a regression: B ~ .25 A with disturbance 1 − .25² · 4.
    swap = (two_factors["lhs"] == "A") & (two_factors["rhs"] == "B")
    regression = two_factors.copy()
    regression.loc[swap, ["lhs", "op", "rhs", "est"]] = ["B", "~", "A", 0.25]
    regression.loc[(regression["lhs"] == "B") & (regression["rhs"] == "B"), "est"] = 0.75
    pd.testing.assert_frame_equal(reliability(regression, observed), reliability(two_factors, observed))
    assert latent_correlations(regression)[""].loc["A", "B"] == pytest.approx(0.5)


def test_groups_have_their_own_matrices(two_factors: pd.DataFrame, observed: pd.DataFrame) -> None:
    both = pd.concat([two_factors.assign(group=g) for g in ("active", "inactive")])
    table = reliability(both, {"active": observed, "inactive": 2 * observed})
    assert list(table["group"]) == ["active"] * 2 + ["inactive"] * 2
    assert table["omega"].iloc[0] == pytest.approx(2 * table["omega"].iloc[2])
    with pytest.raises(DataError, match="needs its own"):
        reliability(both, observed)
    with pytest.raises(DataError, match="no sample covariance matrix for group 'inactive'"):
        reliability(both, {"active": observed})


def test_notes_say_what_to_beware_of(two_factors: pd.DataFrame, observed: pd.DataFrame) -> None:
    more = pd.DataFrame([("B", "=~", "a1", 0.2, "")], columns=["lhs", "op", "rhs", "est", "group"])
    crossed = pd.concat([two_factors, more])
    assert reliability(crossed, observed)["note"].tolist() == ["a1 also measures another construct"] * 2
    mixed = two_factors.copy()
    mixed.loc[0, "est"] = -1.0
    assert "reverse the items" in reliability(mixed, observed)["note"].iloc[0]
    single = two_factors.drop(index=1)
    row = reliability(single, observed).iloc[0]
    assert math.isnan(row["omega"])
    assert "single item" in row["note"]


def test_unusable_tables_are_refused(two_factors: pd.DataFrame, observed: pd.DataFrame) -> None:
    threshold = pd.DataFrame([("a1", "|", "t1", 0.1, "")], columns=["lhs", "op", "rhs", "est", "group"])
    with pytest.raises(DataError, match=r"fit\.reliability"):
        reliability(pd.concat([two_factors, threshold]), observed)
    with pytest.raises(DataError, match="lacks the column est"):
        reliability(two_factors.drop(columns="est"), observed)
    with pytest.raises(DataError, match="lacks a2"):
        reliability(two_factors, observed.drop(index="a2"))
    with pytest.raises(DataError, match="no construct"):
        reliability(two_factors[two_factors["op"] != "=~"], observed)


def test_semtools_figures_of_a_confirmatory_model(golden_dir: Path) -> None:
    golden = result(golden_dir, "v43")
    table = reliability(
        pd.DataFrame(golden["param_table"]).assign(group=""), labeled(golden["sample_stats"][0]["cov"])
    ).set_index("construct")
    assert table["omega"].to_dict() == pytest.approx(golden["semtools"]["omega"], abs=POLISHED)
    assert table["alpha"].to_dict() == pytest.approx(golden["semtools"]["alpha"], abs=POLISHED)
    assert table["ave"].to_dict() == pytest.approx(ave_of(golden), abs=POLISHED)


@pytest.mark.parametrize("case", ["v42", "v53"])
def test_semtools_figures_of_refitted_models(golden_dir: Path, case: str) -> None:
    import sem_models as sm

    golden = result(golden_dir, case)
    cov = labeled(golden["sample_stats"][0]["cov"])
    n = golden["ntotal"]
    # A covariance given as input has divisor n − 1 and is rescaled; the reference holds divisor n.
    given = cov * n / (n - 1)
    model = golden["semtools"]["reliability_from"]
    fitted = sm.fit(model, sample_cov=given, sample_nobs=n, model_type="cfa")
    table = reliability(fitted.estimates(), cov).set_index("construct")
    assert table["omega"].to_dict() == pytest.approx(golden["semtools"]["omega"], abs=REFITTED)
    assert table["ave"].to_dict() == pytest.approx(ave_of(golden), abs=REFITTED)
    assert table["alpha"].to_dict() == pytest.approx(golden["semtools"]["alpha"], abs=POLISHED)


@pytest.mark.parametrize("case", ["v42", "v43", "v53"])
def test_semtools_htmt(golden_dir: Path, case: str) -> None:
    golden = result(golden_dir, case)
    measured = [(r["lhs"], r["rhs"]) for r in golden["param_table"] if r["op"] == "=~"]
    constructs = {c: [i for k, i in measured if k == c] for c, _ in measured}
    cov = labeled(golden["sample_stats"][0]["cov"])
    # Both entries of the reference hold the geometric form, semTools' default.
    for key in ("htmt", "htmt2"):
        expected = labeled(golden["semtools"][key])
        np.testing.assert_allclose(htmt(cov, constructs).to_numpy(), expected.to_numpy(), atol=POLISHED)


def test_alpha_table_against_formula_and_pingouin() -> None:
    import pingouin

    rng = np.random.default_rng(3)
    common = rng.normal(size=60)
    frame = pd.DataFrame({f"x{i}": common + rng.normal(size=60) for i in range(4)})
    frame.loc[:6, "x0"] = np.nan
    (row,) = alpha_table(frame, {"X": list(frame)}).to_dict("records")
    cov = frame.dropna().cov().to_numpy()
    assert row["n"] == 53
    assert row["alpha"] == pytest.approx(4 / 3 * (1 - np.trace(cov) / cov.sum()))
    point, limits = pingouin.cronbach_alpha(frame.dropna())
    assert row["alpha"] == pytest.approx(point)
    np.testing.assert_allclose([row["ci_lower"], row["ci_upper"]], limits, atol=0.0005 + 1e-9)
    (wide,) = alpha_table(frame, {"X": list(frame)}, confidence=0.99).to_dict("records")
    assert wide["ci_lower"] < row["ci_lower"] < row["ci_upper"] < wide["ci_upper"]


def test_alpha_of_nullable_and_integer_columns() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 2, 3, 5, 5]})
    nullable = frame.astype("Int64")
    pd.testing.assert_frame_equal(
        alpha_table(nullable, {"X": ["a", "b"]}), alpha_table(frame, {"X": ["a", "b"]})
    )
    short = alpha_table(frame.head(2), {"X": ["a", "b"], "Y": ["a"]})
    assert short["alpha"].isna().all()


def test_fornell_larcker_by_hand(two_factors: pd.DataFrame, observed: pd.DataFrame) -> None:
    (row,) = fornell_larcker(two_factors, observed).to_dict("records")
    # r = 1 / √(4 · 1) = .5, AVE 20/26 and 10/14: .25 is below both.
    assert row["correlation"] == pytest.approx(0.5)
    assert (row["ave_1"], row["ave_2"]) == pytest.approx((20 / 26, 10 / 14))
    assert row["verdict"] == "met"
    square = fornell_larcker_matrix(two_factors, observed)
    assert square.loc["A", "A"] == pytest.approx(math.sqrt(20 / 26))
    assert square.loc["B", "A"] == pytest.approx(0.5)
    assert math.isnan(float(square.loc["A", "B"]))  # type: ignore[arg-type]
    close = two_factors.copy()
    close.loc[(close["lhs"] == "A") & (close["rhs"] == "B"), "est"] = 1.9
    assert fornell_larcker(close, observed)["verdict"].tolist() == ["not met"]
    with pytest.raises(DataError, match="no group 'x'"):
        fornell_larcker_matrix(two_factors, observed, group="x")
