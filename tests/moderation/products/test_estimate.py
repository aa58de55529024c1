"""Product indicators from the model text to the estimates, beside lavaan on the same columns.

The figures are of R lavaan 0.6-14: sem(result.syntax, columns) with the options named at each case, products
renamed XXZ for X:Z. They depend on the simulated customers of conftest.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.moderation.probing.product_moments import product_covariances
from sem_models.moderation.products.result import ProductModeration

from .conftest import MODEL, customers

EST = 1e-3
"""Agreement in standard errors; χ² to 1e-6 relative, but for constraints lavaan holds to 1e-6 only."""

Figures = dict[tuple[str, str], tuple[float, float]]


def fitted(*args: Any, **options: Any) -> ProductModeration:
    found = sm.moderate(*args, **options)
    assert isinstance(found, ProductModeration)
    return found


def interaction(result: ProductModeration, rhs: str = "X:Z", group: str | None = None) -> pd.Series:
    table = result.estimates()
    rows = table[(table["op"] == "~") & (table["rhs"] == rhs)]
    return (rows if group is None else rows[rows["group"] == group]).iloc[0]


def check(row: pd.Series, est: float, se: float) -> None:
    assert abs(row["est"] - est) < EST * se
    assert abs(row["se"] - se) < EST * se


def test_double_mean_centering(data: pd.DataFrame) -> None:
    result = fitted(MODEL, data)  # sem(m, d)
    check(interaction(result), 0.270385580947, 0.0365031488748)
    assert result.measures()["chisq"] == pytest.approx(163.640925179, rel=1e-6)
    assert result.measures()["df"] == 111
    assert result.loglik == pytest.approx(-6941.233628307)


def test_fiml_and_robust_errors(holes: pd.DataFrame) -> None:
    result = fitted(MODEL, holes, missing="fiml", estimator="MLR", match=True)
    # sem(m, d, missing = "fiml", estimator = "MLR")
    check(interaction(result), 0.25800008429, 0.0348454123624)
    assert result.measures()["chisq"] == pytest.approx(63.5855792842, rel=1e-6)
    assert result.header.n_used == len(holes)


def test_residual_centering_of_complete_rows(holes: pd.DataFrame) -> None:
    result = fitted(MODEL, holes, method="rca")  # sem(m, d)
    check(interaction(result), 0.250548259792, 0.0451345654354)
    assert result.measures()["chisq"] == pytest.approx(74.2461488865, rel=1e-6)


def test_groups(data: pd.DataFrame) -> None:
    result = fitted(MODEL, data, group="kind", match=True)  # sem(m, d, group = "kind")
    first, second = result.groups
    check(interaction(result, group=first), 0.221065161170, 0.0586337662779)
    check(interaction(result, group=second), 0.268406880305, 0.0475007340554)
    assert result.measures()["chisq"] == pytest.approx(95.8918965315, rel=1e-6)


def test_unconstrained_with_an_endogenous_moderator_and_a_square(data: pd.DataFrame) -> None:
    model = MODEL + "Z ~ t\nY ~ X:X"
    result = fitted(model, data, method="uca", match=True, fixed_x=False)  # sem(m, d, fixed.x = FALSE)
    check(interaction(result), 0.25459825494564, 0.0377239067654)
    check(interaction(result, "X:X"), -0.00338358793519, 0.0264149294325)
    assert result.measures()["chisq"] == pytest.approx(119.325648463, rel=1e-6)
    table = result.estimates().set_index(["lhs", "op", "rhs"])["est"]
    variance, path = table["X", "~~", "X"], result.fit.latent_moments()[""]["cov"].loc["X", "Z"]
    assert table["X:X", "~1", ""] == pytest.approx(variance, rel=1e-6)
    assert table["X:Z", "~1", ""] == pytest.approx(path, abs=1e-7)


def test_constrained(data: pd.DataFrame) -> None:
    result = fitted(MODEL + "Y ~ X:X", data, method="ca")  # sem(m, d), 10 s
    check(interaction(result), 0.26109778205746, 0.0390695203952)
    check(interaction(result, "X:X"), -0.00965549490192, 0.0285894190180)
    assert result.measures()["chisq"] == pytest.approx(116.57343427, rel=1e-6)
    assert result.measures()["df"] == 97


def test_a_column_as_moderator(data: pd.DataFrame) -> None:
    result = fitted(MODEL + "Y ~ t + X:t", data, estimator="MLR")  # sem(m, d, estimator = "MLR")
    check(interaction(result), 0.285890391488, 0.0465208800551)
    check(interaction(result, "X:t"), 0.166251750848, 0.0391262459560)
    assert "x1t ~~ x2t" not in result.syntax


@pytest.mark.parametrize("match", ["all", "position"])
def test_constraints_are_the_moments_of_products_of_normal_variables(data: pd.DataFrame, match: str) -> None:
    """Σ of the product indicators follows from that of the items (Isserlis), whatever the items measure."""
    result = fitted(MODEL + "Y ~ X:X\nx1 ~~ x2\nx2 ~~ z2", data, method="ca", match=match)
    sigma = result.fit.implied()[""]["cov"]
    items = [n for n in sigma.columns if len(n) == 2]
    place = {n: i for i, n in enumerate(items)}
    indicators = [i for m in result.products for i in m.indicators]
    products = [[place[item] for item in i.items] for i in indicators]
    cov = sigma.loc[items, items].to_numpy()
    # outcome items take part in no product; their own covariances with products are not constrained
    expected = product_covariances(products, np.zeros(len(items)), cov)[: len(products), : len(products)]
    names = [i.name for i in indicators]
    np.testing.assert_allclose(sigma.loc[names, names], expected, atol=1e-6)


def test_the_scale_of_a_product_is_that_of_its_factors(data: pd.DataFrame) -> None:
    """Whatever marks the factors, the standardized interaction is one number."""
    plain = fitted(MODEL, data, match=True)
    unit = fitted(MODEL, data, match=True, std_lv=True)
    other = fitted(MODEL.replace("x1 + x2", "NA*x1 + 1*x2"), data, match=True)
    coded = fitted(MODEL, data, match=True, effect_coding=True)
    for result in (unit, other, coded):
        assert result.measures()["chisq"] == pytest.approx(plain.measures()["chisq"], abs=1e-5)
        assert interaction(result)["std_all"] == pytest.approx(interaction(plain)["std_all"], abs=1e-6)
    sd = plain.fit.latent_moments()[""]["cov"].to_numpy().diagonal() ** 0.5
    raw = interaction(plain)["est"]
    assert interaction(unit)["est"] / raw == pytest.approx(
        sd[0] * sd[1] / np.sqrt(_residual_variance(plain)), rel=1e-4
    )


def _residual_variance(result: ProductModeration) -> float:
    table = result.estimates().set_index(["lhs", "op", "rhs"])["est"]
    return float(table["Y", "~~", "Y"])


def test_matching_by_loading_takes_the_strongest_first(data: pd.DataFrame) -> None:
    result = fitted(MODEL, data, match="loading")
    loadings = sm.fit("X =~ x1 + x2 + x3\nZ =~ z1 + z2 + z3", data).estimates()
    loadings = loadings[loadings["op"] == "=~"].set_index("rhs")["std_all"]
    pairs = [i.items for i in result.products[0].indicators]
    for k in (0, 1):
        values = [loadings[items[k]] for items in pairs]
        assert values == sorted(values, reverse=True)
    assert result.status.ok


def test_residual_covariances_across_products(data: pd.DataFrame) -> None:
    both = fitted(MODEL + "Y ~ X:X", data, match=True)
    apart = fitted(MODEL + "Y ~ X:X", data, match=True, res_cov_across=False)
    none = fitted(MODEL + "Y ~ X:X", data, match=True, res_cov_method="none")
    assert "x1x1 ~~ x1z1" in both.syntax
    assert "x1x1 ~~ x1z1" not in apart.syntax
    assert apart.measures()["df"] == both.measures()["df"] + 3
    assert none.measures()["df"] == apart.measures()["df"]


def test_equal_residual_covariances(data: pd.DataFrame) -> None:
    result = fitted(MODEL, data, res_cov_method="equality")
    free = fitted(MODEL, data)
    # 18 covariances, one for each of 6 shared items
    assert result.measures()["df"] == free.measures()["df"] + 12


def test_three_factors_and_one_of_columns_only(data: pd.DataFrame) -> None:
    frame = data.assign(x=data["t"] ** 2, w=1.5 + data["t"])
    result = fitted(MODEL + "Y ~ t + x:w + X:t + Z:t + X:Z:t", frame, match=True)
    assert result.status.converged
    assert [m.name for m in result.products] == ["X:Z", "X:t", "Z:t", "X:Z:t"]
    assert "x:w" in result.fit.solved.sample.variables


def test_weights_center_too(data: pd.DataFrame) -> None:
    rng = np.random.default_rng(3)
    times = rng.integers(1, 4, size=len(data))
    weighted = fitted(MODEL, data.assign(w=times), match=True, sampling_weights="w")
    repeated = fitted(MODEL, data.loc[np.repeat(data.index, times)].reset_index(drop=True), match=True)
    assert interaction(weighted)["est"] == pytest.approx(interaction(repeated)["est"], abs=1e-6)


def test_overall_centering_differs_where_groups_differ(data: pd.DataFrame) -> None:
    moved = data.copy()
    items = [f"{s}{i}" for s in "xz" for i in (1, 2, 3)]
    moved.loc[moved["kind"] == "new", items] += 1.0
    plain = fitted(MODEL, data, group="kind", match=True)
    within = fitted(MODEL, moved, group="kind", match=True)
    overall = fitted(MODEL, moved, group="kind", match=True, centering="overall")
    assert interaction(within)["est"] == pytest.approx(interaction(plain)["est"], abs=1e-6)
    assert abs(interaction(overall)["est"] - interaction(plain)["est"]) > 1e-3


def test_standardized_answers_are_multiplied_after_standardizing(data: pd.DataFrame) -> None:
    result = fitted(MODEL, data, match=True, std_ov=True)
    items = [c for c in data if c not in ("t", "kind")]
    by_hand = data.assign(**(data[items] - data[items].mean()) / data[items].std())
    assert interaction(result)["est"] == pytest.approx(interaction(fitted(MODEL, by_hand, match=True))["est"])


def test_a_specification_with_groups_has_paths_of_their_own() -> None:
    frame = customers(500, 4).rename(columns={f"x{i}": f"eds{i}" for i in (1, 2, 3)})
    content = {
        "id": "small", "title": "Small model",
        "constructs": [
            {"id": "EDS", "items": [{"id": f"eds{i}"} for i in (1, 2, 3)]},
            {"id": "ACT", "items": [{"id": f"z{i}"} for i in (1, 2, 3)]},
            {"id": "PV", "items": [{"id": f"y{i}"} for i in (1, 2, 3)]},
        ],
        "paths": [{"outcome": "PV", "predictor": "EDS"}],
        "moderations": [{"outcome": "PV", "predictor": "EDS", "moderator": "ACT"}],
    }  # fmt: skip
    result = fitted(sm.ModelSpec.from_dict(content), frame, group="kind", match=True)
    table = result.estimates()
    paths = table[(table["op"] == "~") & (table["rhs"] == "EDS:ACT")]
    assert paths["est"].nunique() == 2
    assert result.fit.spec_id == "small"


def test_items_of_the_outcome_may_be_ordered() -> None:
    """By WLSMV; the latent responses are not normal where there is an interaction, which makes it smaller."""
    frame = customers(1500, 6)
    for name in ("y1", "y2", "y3"):
        frame[name] = pd.cut(frame[name], [-99.0, 3.0, 3.7, 4.4, 5.1, 99.0], labels=False)
    result = fitted(MODEL, frame, match=True, ordered=("y1", "y2", "y3"))
    assert result.options["estimator"] == "WLSMV"
    assert result.status.ok
    plain = interaction(fitted(MODEL, customers(1500, 6), match=True))["std_all"]
    assert 0.7 * plain < interaction(result)["std_all"] < plain
