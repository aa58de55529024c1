"""Importance–performance maps: hand-worked algebra, invariance to scaling, intervals, refusals, charts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.charts import export

CLOSE = 1e-6  # the optimizer's last step, relative to figures of size 1 and 100
MODEL = """
    A =~ 1*a1 + 0.5*a2
    B =~ 1*b1 + 1*b2
    T =~ 1*t1 + 2*t2
    B ~ p*A
    T ~ q*A + r*B
"""
# A's items run from 1 to 5, all others from 0 to 10.
SCALE = {"a1": (1.0, 5.0), "a2": (1.0, 5.0)} | dict.fromkeys(("b1", "b2", "t1", "t2"), (0.0, 10.0))
MEAN = pd.Series({"a1": 3.0, "a2": 4.0, "b1": 5.0, "b2": 7.0, "t1": 6.0, "t2": 2.0})
P, Q, R = 0.5, 0.3, 0.4


def _cov() -> pd.DataFrame:
    """The model's own covariances: variance 1 of A, residual variances .75 of B and .5 of T."""
    names = list(MEAN.index)
    loadings = np.zeros((6, 3))
    loadings[[0, 1, 2, 3, 4, 5], [0, 0, 1, 1, 2, 2]] = [1, 0.5, 1, 1, 1, 2]
    paths = np.array([[0, 0, 0], [P, 0, 0], [Q, R, 0]])
    total = np.linalg.inv(np.eye(3) - paths)
    latent = total @ np.diag([1, 0.75, 0.5]) @ total.T
    cov = loadings @ latent @ loadings.T + np.diag([0.5, 0.25, 0.5, 0.25, 0.5, 1.0])
    return pd.DataFrame(cov, names, names)


@pytest.fixture(scope="module")
def fit() -> sm.Fit:
    return sm.fit(
        MODEL,
        sample_cov=_cov(),
        sample_mean=MEAN,
        sample_nobs=400,
        sample_cov_rescale=False,
        meanstructure=True,
    )


def test_by_hand_with_regression_weights(fit: sm.Fit) -> None:
    """Weights λ/θ: A 2:2, B 2:4, T 2:2. Points per unit: A (.5·1 + .5·.5)·25, B 1·10, T (.5·1 + .5·2)·10."""
    result = sm.priorities(fit, "T", scale=SCALE)
    c_a, c_b, c_t = 0.75 * 25, 10.0, 15.0
    table = result.table().set_index("construct")
    assert table.loc["A", "importance"] == pytest.approx((Q + P * R) * c_t / c_a, rel=CLOSE)
    assert table.loc["B", "importance"] == pytest.approx(R * c_t / c_b, rel=CLOSE)
    assert table.loc["A", "performance"] == pytest.approx(0.5 * 50 + 0.5 * 75, rel=CLOSE)
    assert table.loc["B", "performance"] == pytest.approx((50 + 2 * 70) / 3, rel=CLOSE)
    assert result.target_performance == pytest.approx((0.5 * 60 + 0.5 * 20,), rel=CLOSE)
    assert table["quadrant"].tolist() == ["low priority", "keep up the good work"]
    items = result.items().set_index("item")["importance"]
    assert items["b2"] == pytest.approx(2 * items["b1"], rel=CLOSE)
    assert items[["b1", "b2"]].sum() == pytest.approx(table.loc["B", "importance"], rel=CLOSE)


def test_other_weights_by_hand(fit: sm.Fit) -> None:
    """Loadings: A 2:1, T 1:2. Equal: A and T 1:1."""
    loaded = sm.priorities(fit, "T", scale=SCALE, weights="loadings").table().set_index("construct")
    c_a, c_t = (2 / 3 + 1 / 6) * 25, (1 / 3 + 4 / 3) * 10
    assert loaded.loc["A", "importance"] == pytest.approx((Q + P * R) * c_t / c_a, rel=CLOSE)
    assert loaded.loc["A", "performance"] == pytest.approx((2 * 50 + 75) / 3, rel=CLOSE)
    equal = sm.priorities(fit, "T", scale=SCALE, weights="equal").table().set_index("construct")
    assert equal.loc["A", "importance"] == pytest.approx((Q + P * R) * 15 / (0.75 * 25), rel=CLOSE)


def test_errors_are_the_delta_methods(fit: sm.Fit) -> None:
    """With fixed loadings and equal weights c is fixed: the error is that of the raw total effect times c."""
    table = sm.priorities(fit, "T", scale=SCALE, weights="equal").table().set_index("construct")
    raw = fit.effects().query("target == 'T' and kind == 'total'").set_index("source")
    ratio = {"A": 15 / (0.75 * 25), "B": 15 / 10}
    for name, factor in ratio.items():
        assert table.loc[name, "se"] == pytest.approx(raw.loc[name, "se"] * factor, rel=1e-5)
    half = table["ci_upper"] - table["importance"]
    assert half.to_numpy() == pytest.approx(1.959964 * table["se"].to_numpy(), rel=1e-6)


def test_the_unit_of_the_latent_variable_does_not_matter(clients: pd.DataFrame) -> None:
    text = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nBI =~ b1 + b2 + b3\nPV ~ EDS\nBI ~ PV + EDS"
    marked = sm.priorities(sm.fit(text, clients), "BI", scale=(-5, 15))
    unit = sm.priorities(sm.fit(text, clients, std_lv=True), "BI", scale=(-5, 15))
    for one, two in ((marked.table(), unit.table()), (marked.items(), unit.items())):
        for column in ("importance", "se", "performance"):
            assert one[column].to_numpy() == pytest.approx(two[column].to_numpy(), rel=1e-4)


def test_process_against_outcome_by_hand(fit: sm.Fit) -> None:
    elements = {"a1": "process", "a2": "process", "b1": "outcome"}
    result = sm.priorities(fit, "T", scale=SCALE, elements=elements)  # type: ignore[arg-type]
    items = result.items().set_index("item")
    frame = result.elements().set_index("element")
    process, outcome = items.loc[["a1", "a2"], "importance"].sum(), items.loc["b1", "importance"]
    assert frame["importance"].tolist() == pytest.approx([process, outcome, process - outcome])
    assert frame["n_items"].tolist() == [2, 1, 3]
    assert frame.loc["process", "performance"] == pytest.approx(62.5, rel=CLOSE)
    assert items.loc["b2", "element"] == ""
    with pytest.raises(sm.DataError, match="is marked as outcome"):
        sm.priorities(fit, "T", scale=SCALE, elements={"a1": "process"}).elements()


def test_investment_gap_by_hand(fit: sm.Fit) -> None:
    result = sm.priorities(fit, "T", scale=SCALE)
    a, b = result.table()["importance"]
    frame = result.investment({"A": 30, "B": 10}).set_index("construct")
    assert frame["investment"].tolist() == [75, 25]
    assert frame["gap"].tolist() == pytest.approx([100 * a / (a + b) - 75, 100 * b / (a + b) - 25])
    assert frame["se"].iloc[0] == pytest.approx(frame["se"].iloc[1])  # two shares sum to 100
    with pytest.raises(sm.SpecError, match="at least two constructs"):
        result.investment({"A": 1})
    with pytest.raises(sm.SpecError, match="not among the constructs"):
        result.investment({"A": 1, "C": 2})


def test_combined_with_necessity(clients: pd.DataFrame) -> None:
    text = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nBI =~ b1 + b2 + b3\nPV ~ EDS\nBI ~ PV + EDS"
    fit = sm.fit(text, clients)
    result = sm.priorities(fit, "BI", scale=(-5, 15))
    needed = sm.necessity(fit, ["EDS", "PV"], "BI", permutations=400, seed=3)
    frame = result.combined(needed, ceiling="cr_fdh", level=60).set_index("construct")
    scores = fit.factor_scores()
    for name in ("EDS", "PV"):
        level = needed.bottleneck("cr_fdh", steps=[60], x="actual")[name].iloc[0]
        assert frame.loc[name, "below"] == pytest.approx(100 * (scores[name] < level).mean())
        test = needed.table().set_index(["condition", "ceiling"]).loc[(name, "cr_fdh")]
        assert frame.loc[name, "necessary"] == (test["pvalue"] < 0.05 and test["effect_size"] >= 0.1)
    assert frame["necessary"].any()
    spec = export.specification(result.combined_chart(needed, ceiling="cr_fdh", level=60))
    assert "necessary for BI at 60 %" in " ".join(spec["title"]["text"])
    other = sm.necessity(fit, "EDS", "PV", permutations=0)
    with pytest.raises(sm.SpecError, match="necessity analysis is for 'PV'"):
        result.combined(other)


def test_groups_stand_apart(clients: pd.DataFrame) -> None:
    text = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ EDS"
    fit = sm.fit(text, clients, group="active", group_equal=("loadings", "intercepts"))
    table = sm.priorities(fit, "PV", scale=(-5, 15)).table()
    assert table["group"].tolist() == list(fit.groups)
    assert abs(table["importance"].iloc[0] - table["importance"].iloc[1]) > 0.1


def test_charts_say_what_they_show(fit: sm.Fit) -> None:
    result = sm.priorities(fit, "T", scale=SCALE)
    title = " ".join(export.specification(result.chart(names={"B": "Bond"}))["title"]["text"])
    assert "T" in title
    items = export.specification(result.chart(items=True))
    assert "a1" in str(items["datasets"])
    gap = export.specification(result.investment_chart({"A": 30, "B": 10}))
    assert "than" in " ".join(gap["title"]["text"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "A"}, "No path leads to 'A'"),
        ({"target": "t"}, "Did you mean 'T'"),
        ({"scale": None}, "The scale of a1, a2"),
        ({"scale": (7, 1)}, "has no range"),
        ({"scale": (0, 3)}, "lies outside its scale"),
        ({"weights": "eqaul"}, "Did you mean 'equal'"),
        ({"elements": {"a1": "proces"}}, "'process' or 'outcome'"),
        ({"level": 95}, "between 0 and 1"),
    ],
)
def test_refusals(fit: sm.Fit, changes: dict[str, object], words: str) -> None:
    arguments: dict[str, object] = {"target": "T", "scale": SCALE} | changes
    target = str(arguments.pop("target"))
    with pytest.raises(sm.SEMError, match=words):
        sm.priorities(fit, target, **arguments)  # type: ignore[arg-type]


def test_covariances_alone_have_no_performance() -> None:
    fit = sm.fit(MODEL, sample_cov=_cov(), sample_nobs=400)
    with pytest.raises(sm.DataError, match="needs the items' means"):
        sm.priorities(fit, "T", scale=SCALE)
