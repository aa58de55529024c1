"""Necessary conditions: reference figures of R's NCA 5.0.1, hand-worked ceilings, the test's distribution."""

from __future__ import annotations

import json
from itertools import permutations as orders
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.charts import export
from sem_models.findings.ceilings import Scope, ceiling, peers
from sem_models.findings.necessity import Necessity, effect_word
from sem_models.findings.permutation import effect_sizes

EXACT = 1e-10  # the reference has 15 digits; sums of a few hundred numbers differ in the last three
NAMES = {
    "Ceiling zone": "zone", "Effect size": "effect_size", "# above": "above", "Slope": "slope",
    "Intercept": "intercept", "Complexity": "complexity", "Fit": "fit", "Ceiling accuracy": "accuracy",
    "Abs. ineff.": "absolute_inefficiency", "Rel. ineff.": "relative_inefficiency",
    "Condition ineff.": "condition_inefficiency", "Outcome ineff.": "outcome_inefficiency",
}  # fmt: skip


def test_reference_case(golden_dir: Path) -> None:
    case = json.loads((golden_dir / "cases" / "v83_mobi_nca.json").read_text(encoding="utf-8"))
    reference = json.loads((golden_dir / "results" / "v83_mobi_nca.json").read_text(encoding="utf-8"))
    data = pd.read_csv(golden_dir / case["data"])
    result = sm.necessity(data, case["x"], case["y"], permutations=0)
    table = result.table().set_index(["condition", "ceiling"])
    for condition, summary in reference["summaries"].items():
        figures = summary["params"]
        assert summary["global"]["data"][:2] == [
            table.loc[(condition, "ce_fdh"), "n"], table.loc[(condition, "ce_fdh"), "scope"],
        ]  # fmt: skip
        for row, values in zip(figures["rows"], figures["data"], strict=True):
            if row not in NAMES:
                continue
            for kind, value in zip(figures["cols"], values, strict=True):
                ours = table.loc[(condition, kind), NAMES[row]]
                if value is None:
                    assert np.isnan(ours), (condition, kind, row)
                else:
                    assert ours == pytest.approx(value, rel=EXACT), (condition, kind, row)
    for kind, expected in reference["bottlenecks"].items():
        ours = result.bottleneck(kind, text=True)
        assert list(ours.columns) == expected["cols"]
        assert ours.iloc[:, 0].tolist() == pytest.approx(expected["y"])
        assert ours.iloc[:, 1:].to_numpy().tolist() == expected["x"]


POINTS = pd.DataFrame({"x": [0, 1, 2, 2, 4, 4, 3.0], "y": [1, 0, 3, 3, 4, 2, 1.0]})


def test_by_hand() -> None:
    """Corners (0, 1), (2, 3) twice, (4, 4) in a box of 4 × 4."""
    x, y = POINTS["x"].to_numpy(), POINTS["y"].to_numpy()
    assert sorted(peers(x, y)) == [0, 2, 3, 4]
    step = ceiling(x, y, "ce_fdh")
    assert step.zone == pytest.approx(2 * 3 + 2 * 1)
    assert step.effect_size == pytest.approx(0.5)
    assert (step.condition_inefficiency, step.outcome_inefficiency) == pytest.approx((0, 25))
    # means 2 and 11/4 over the four corners; Σdx² = 8, Σdxdy = 6, so y = 5/4 + 3/4 x
    line = ceiling(x, y, "cr_fdh")
    assert (line.slope, line.intercept) == pytest.approx((0.75, 1.25))
    assert line.zone == pytest.approx((11 / 3) * (4 - 1.25) / 2)
    assert line.above(x, y) == 2
    assert line.height(np.array([4.0]))[0] == pytest.approx(4.25)
    assert line.x_at_top == pytest.approx(11 / 3)
    assert step.required(np.array([0.5, 1.0, 1.5, 3.0, 3.5, 4.5])) == pytest.approx(
        [np.nan, np.nan, 2, 2, 4, np.inf], nan_ok=True
    )


def test_theoretical_scope_by_hand() -> None:
    """In the box 0–6 by 0–6 the columns 4 to 6 add the strip above 4, and the rows 4 to 6 their width."""
    result = sm.necessity(POINTS, "x", "y", scope={"x": (0, 6), "y": (0, 6)}, permutations=0)
    step = result.pair("x").ceilings["ce_fdh"]
    assert step.zone == pytest.approx(2 * 5 + 2 * 3 + 2 * 2)
    assert step.condition_inefficiency == 0  # the ceiling never reaches 6
    assert result.bottleneck(text=True)["x"].tolist()[-1] == "NA"
    # a line from (0, 1.25) to (19/3, 6): within the box up to x = 6, height 5.75
    assert result.pair("x").ceilings["cr_fdh"].zone == pytest.approx(6 * (4.75 + 0.25) / 2)


def test_units_of_the_bottleneck() -> None:
    result = sm.necessity(POINTS, "x", "y", permutations=0)
    assert result.bottleneck(x="actual", y="actual", steps=[1.5, 4])["x"].tolist() == [2, 4]
    assert result.bottleneck(x="percentage.max", steps=[100])["x"].tolist() == [100]
    assert result.bottleneck(x="percentile", y="actual", steps=[4])["x"].tolist() == pytest.approx([500 / 7])
    assert result.bottleneck(y="percentile", steps=[50])["x"].tolist() == [50]  # the median of y is 2
    with pytest.raises(sm.SpecError, match="Did you mean 'percentile'"):
        result.bottleneck(x="percentil")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["ce_fdh", "cr_fdh"])
def test_batched_effect_sizes_are_those_of_single_ones(kind: str) -> None:
    rng = np.random.default_rng(3)
    for values in (rng.integers(1, 5, size=(2, 12)).astype(float), rng.normal(size=(2, 12))):
        x, y = np.sort(values[0]), values[1]
        draws = np.array([rng.permutation(y) for _ in range(40)])
        scope = Scope.of(x, y)
        batched = effect_sizes(x, draws, kind, scope)  # type: ignore[arg-type]
        single = [ceiling(x, row, kind, scope).effect_size for row in draws]  # type: ignore[arg-type]
        assert batched == pytest.approx(single, abs=1e-12)


def test_permutation_p_against_all_orders() -> None:
    data = pd.DataFrame({"x": [1, 2, 3, 4, 5, 6.0], "y": [1, 3, 2, 5, 4, 6.0]})
    y = data["y"].to_numpy()
    every = np.array(list(orders(y)))
    draws = 20_000
    result = sm.necessity(data, "x", "y", permutations=draws, seed=4).table().set_index("ceiling")
    for kind in ("ce_fdh", "cr_fdh"):
        sizes = effect_sizes(data["x"].to_numpy(), every, kind, Scope.of(data["x"].to_numpy(), y))  # type: ignore[arg-type]
        exact = (sizes >= result.loc[kind, "effect_size"] - 1e-12).mean()
        assert abs(result.loc[kind, "pvalue"] - exact) < 4 * np.sqrt(exact * (1 - exact) / draws)


def test_same_seed_same_p() -> None:
    rng = np.random.default_rng(8)
    data = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "y"])
    one, two = (sm.necessity(data, ["a", "b"], "y", permutations=300, seed=5).table() for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert set(one["condition"]) == {"a", "b"}
    assert (one["pvalue"] > 0.01).all()  # unrelated


def test_necessary_and_not_necessary_populations() -> None:
    rng = np.random.default_rng(11)
    x, u = rng.random((2, 250))
    data = pd.DataFrame({"x": x, "needed": u * np.minimum(1, 0.2 + x), "free": u})
    needed = sm.necessity(data, "x", "needed", permutations=500, seed=1).table().set_index("ceiling")
    free = sm.necessity(data, "x", "free", permutations=500, seed=1).table().set_index("ceiling")
    assert needed.loc["cr_fdh", "effect_size"] > 0.2
    assert needed.loc["cr_fdh", "pvalue"] < 0.01
    assert free.loc["cr_fdh", "pvalue"] > 0.05


@pytest.fixture(scope="module")
def scored(clients: pd.DataFrame) -> Necessity:
    fit = sm.fit("EDS =~ e1 + e2 + e3\nBI =~ b1 + b2 + b3\nBI ~ EDS", clients)
    return sm.necessity(fit, "EDS", "BI", permutations=200, seed=2)


def test_scores_of_a_fit_and_item_means(scored: Necessity, clients: pd.DataFrame) -> None:
    assert scored.table()["n"].tolist() == [300, 300]
    means = sm.necessity(
        clients, "EDS", "b1", items={"EDS": ["e1", "e2", "e3"]}, permutations=0, ceilings=["ce_fdh"]
    )
    by_hand = sm.necessity(
        clients.assign(EDS=clients[["e1", "e2", "e3"]].mean(axis=1)), "EDS", "b1", permutations=0,
        ceilings=["ce_fdh"],
    )  # fmt: skip
    assert means.table()["effect_size"].tolist() == pytest.approx(by_hand.table()["effect_size"].tolist())


def test_chart_holds_no_customer(scored: Necessity) -> None:
    cells, hidden = scored.cells("EDS")
    assert cells["n"].min() >= 5
    assert cells["n"].sum() + hidden == 300
    spec = export.specification(scored.chart(names={"EDS": "employees"}))
    drawn = [row for rows in spec["datasets"].values() for row in rows if "customers" in row]
    assert len(drawn) == len(cells)
    title = " ".join(spec["title"]["text"])
    assert "employees" in title
    assert "d\N{NO-BREAK SPACE}=" in title
    assert "array" not in repr(scored)
    exact = {round(float(v), 9) for v in np.concatenate([scored.pair("EDS").x, scored.pair("EDS").y])}
    inner = [
        row for rows in spec["datasets"].values() for row in rows
        if row.get("kind") == "ce_fdh" and 2 < row["step"] < 5
    ]  # fmt: skip
    assert inner
    assert not [row for row in inner if round(row["x"], 9) in exact or round(row["y"], 9) in exact]


def test_missing_answers_are_left_out_by_pair() -> None:
    data = pd.DataFrame({"a": [1, 2, 3, 4, 5, 6, np.nan], "b": [1.0, 2, 3, 4, 5, 6, 7]})
    data["y"] = [2, 1, 4, 3, 6, 5, 7.0]
    table = sm.necessity(data, ["a", "b"], "y", permutations=0, ceilings=["ce_fdh"]).table()
    assert table["n"].tolist() == [6, 7]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conditions": "z"}, "Not there: z"),
        ({"conditions": "y"}, "cannot be a condition for itself"),
        ({"ceilings": ["cr_fhd"]}, "Did you mean 'cr_fdh'"),
        ({"scope": {"x": (1, 3)}}, "does not hold all its values"),
        ({"conditions": "same"}, "the same for all 7 customers"),
        ({"conditions": "few"}, "Fewer than 5 customers"),
        ({"conditions": "word"}, "hold text"),
        ({"permutations": -1}, "must be 0 or more"),
    ],
)
def test_refusals(changes: dict[str, object], words: str) -> None:
    data = POINTS.assign(same=1.0, word=list("abcdefg"), few=[1, 2, 3, 4, np.nan, np.nan, np.nan])
    arguments: dict[str, object] = {"conditions": "x", "outcome": "y", "permutations": 0} | changes
    with pytest.raises(sm.SEMError, match=words):
        sm.necessity(data, **arguments)  # type: ignore[arg-type]


def test_words_for_sizes() -> None:
    assert [effect_word(d) for d in (0, 0.05, 0.1, 0.3, 0.5)] == [
        "none", "small", "medium", "large", "very large",
    ]  # fmt: skip
