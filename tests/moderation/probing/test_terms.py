"""What probing takes from a fit: products, means, supports, and what a range gives away."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import sem_models as sm
from sem_models.errors import DataError, SpecError
from sem_models.moderation.probing.probe import Probe
from sem_models.moderation.probing.product_moments import covariance, expectation, product_covariances
from sem_models.moderation.probing.support import SMALLEST, Support
from sem_models.moderation.probing.terms import EffectTerms


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    x, z = rng.normal(2, 1, 400), rng.normal(-1, 2, 400)
    y = 1 + 0.5 * x + 0.3 * z + 0.2 * x * z + rng.normal(size=400)
    return pd.DataFrame({"x": x, "z": z, "y": y, "xz": (x - x.mean()) * (z - z.mean())})


def test_observed_products_are_found(data: pd.DataFrame) -> None:
    terms = EffectTerms.from_fit(sm.fit("y ~ x + z + x:z", data, meanstructure=True))
    assert terms.products == {"x:z": ("x", "z")}
    assert terms.names == ("y", "x", "z")
    np.testing.assert_allclose(terms.mean[0], data[["y", "x", "z"]].mean())
    np.testing.assert_allclose(np.diagonal(terms.cov[0])[1:], data[["x", "z"]].var(ddof=0))
    assert terms.support["z"].basis == "observed"
    assert terms.df == 400 - 5
    assert terms.offset == {}


def test_without_means_the_intercept_is_the_regression_s_own(data: pd.DataFrame) -> None:
    with_means = EffectTerms.from_fit(sm.fit("y ~ x + z + x:z", data, meanstructure=True))
    without = EffectTerms.from_fit(sm.fit("y ~ x + z + x:z", data))
    weights = {}
    for name, terms in (("with", with_means), ("without", without)):
        row = {r.key: i for i, r in enumerate(terms.table.rows)}
        w = np.zeros(len(terms.table.rows))
        for key, value in ((("y", "~1", ""), 1.0), (("y", "~", "x"), 3.0), (("y", "~", "z"), 1.0),
                           (("y", "~", "x:z"), 3.0)):  # fmt: skip
            w[row[key]] = value
        weights[name] = (w @ terms.value, float(terms.errors_of(w)))
    assert weights["without"] == pytest.approx(weights["with"], rel=1e-6)


def test_a_product_of_centered_columns_is_understood(data: pd.DataFrame) -> None:
    by_hand = sm.fit("y ~ x + z + xz", data, meanstructure=True)
    written = sm.fit("y ~ x + z + x:z", data, meanstructure=True)
    first = Probe(EffectTerms.from_fit(by_hand, {"xz": ("x", "z")})).simple_slopes(values=(-3, 0, 2))
    second = Probe(EffectTerms.from_fit(written)).simple_slopes(values=(-3, 0, 2))
    pd.testing.assert_frame_equal(first, second, rtol=1e-5)


def test_a_column_that_is_no_product(data: pd.DataFrame) -> None:
    fit = sm.fit("y ~ x + z + w", data.assign(w=data["xz"] + data["x"] ** 2))
    with pytest.raises(DataError, match="'w' is not a product of x and z"):
        EffectTerms.from_fit(fit, {"w": ("x", "z")})


@pytest.mark.parametrize(
    ("products", "words"),
    [
        ({"xy": ("x", "z")}, "'xy' is not a variable of the model"),
        ({"xz": ("x", "zz")}, "factor 'zz'"),
        ({"xz": ("x",)}, "two or more factors"),
        ({"xz": ("x", "xz")}, "cannot be a factor of itself"),
    ],
)
def test_wrong_products(data: pd.DataFrame, products: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(SpecError, match=words.replace("(", r"\(")):
        EffectTerms.from_fit(sm.fit("y ~ x + z + xz", data), products)


def test_products_of_normal_variables() -> None:
    mean, cov = np.array([0.5, -1.0]), np.array([[1.0, 0.3], [0.3, 2.0]])
    # Var(XZ) = μx² Vz + μz² Vx + 2 μx μz C + Vx Vz + C² (Aroian, 1947)
    expected = 0.25 * 2 + 1 + 2 * 0.5 * -1 * 0.3 + 2 + 0.09
    assert covariance([0, 1], [0, 1], mean, cov) == pytest.approx(expected)
    assert expectation([0, 1], mean, cov) == pytest.approx(0.3 - 0.5)
    assert expectation([0, 0, 0, 0], np.zeros(2), cov) == pytest.approx(3.0)
    table = product_covariances([[0, 1], [0, 0]], mean, cov)
    assert table.shape == (2, 4)
    assert table[0, 2] == pytest.approx(-1.0 * 1 + 0.5 * 0.3)  # Cov(XZ, X) = μz Vx + μx C


def test_the_observed_range_has_five_customers_at_each_end() -> None:
    values = np.arange(100.0)
    support = Support.observed([values])
    low, high = support.limits()
    assert (values <= low).sum() == (values >= high).sum() == SMALLEST
    assert support.beyond(np.array([low, high, low - 0.1, high + 0.1])).tolist() == [False, False, True, True]
    histogram = support.histogram()
    assert histogram is not None
    assert histogram.counts.sum() == 100
    assert histogram.counts[histogram.counts > 0].min() >= SMALLEST


def test_few_distinct_values_get_a_bar_each() -> None:
    histogram = Support.observed([np.repeat([0.0, 1.0, 2.0], [40, 3, 57])]).histogram()
    assert histogram is not None
    assert histogram.counts.tolist() == [43, 57]
    assert histogram.edges.tolist() == [-0.5, 1.5, 2.5]


def test_a_normal_support() -> None:
    support = Support("normal", np.zeros(1), np.full(1, 2.0), np.full(1, 1000.0))
    assert support.share(-2, 2) == pytest.approx(norm.cdf(1) - norm.cdf(-1))
    assert support.limits()[1] == pytest.approx(2 * norm.ppf(1 - 5 / 1000))
    assert support.histogram() is None
    mixed = Support("normal", np.array([0.0, 3.0]), np.ones(2), np.array([100.0, 300.0]))
    at = mixed.quantile(np.array([0.2, 0.5]))
    np.testing.assert_allclose(mixed.below(at), [0.2, 0.5], atol=1e-12)
    assert mixed.moments()[0] == pytest.approx(2.25)


def test_shares_of_fewer_than_five_customers_are_not_given() -> None:
    support = Support.observed([np.arange(100.0)])
    exact = np.array([0.03, 0.47, 0.5])
    released = support.released(exact)
    np.testing.assert_allclose(released, [0.05, 0.45, 0.5])
    np.testing.assert_allclose(support.released(np.array([0.0, 0.47, 0.53])), [0.0, 0.47, 0.53])
    model = Support("normal", np.zeros(1), np.ones(1), np.full(1, 100.0))
    np.testing.assert_allclose(model.released(exact), exact)
