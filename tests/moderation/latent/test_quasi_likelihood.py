"""The quasi-likelihood against its definition by contrasts, and its derivatives against differences."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from sem_models.errors import SpecError
from sem_models.model.build_table import build_table
from sem_models.model.ram import Array, build_ram
from sem_models.model.table import TableOptions
from sem_models.moderation.latent.qml import QuasiLikelihood, quasi_likelihood
from sem_models.moderation.statement import read_statement
from sem_models.observed.sample import group_labels, sample_from_data

DEFINITION = 1e-9
"""Relative agreement of two ways to compute one log-likelihood."""
GRADIENT = 1e-6
"""Relative agreement of analytic and central differences of a log-likelihood of size 1e3."""
INFORMATION = 1e-7
"""The same for differences of the analytic gradient."""

MEASURES = "X =~ x1 + x2 + x3\nZ =~ z1 + z2\nY =~ y1 + y2 + y3\n"
TWO = MEASURES + "W =~ w1 + w2\n"
MODELS = {
    "interaction": MEASURES + "Y ~ X + Z + X:Z",
    "quadratic": MEASURES + "Y ~ X + Z + X:X",
    "all second-order terms": MEASURES + "Y ~ X + Z + X:Z + X:X + Z:Z",
    "endogenous moderator": TWO + "Z ~ X\nW ~ X + Z\nY ~ X + Z + W + X:W",
    "two outcomes": TWO + "Y ~ X + Z + X:Z\nW ~ X + Z + X:X",
    "one product, two outcomes": TWO + "Y ~ X + X:Z\nW ~ Y + Z + X:Z",
    "an outcome's outcome": TWO + "Y ~ X + Z + X:Z\nW ~ Y + X",
    "observed moderator": MEASURES + "Y ~ X + Z + v + X:v",
    "observed outcome": MEASURES + "Y ~ X\nw1 ~ X + Z + X:Z + Y",
    "equal loadings and paths": MEASURES + "Y =~ l*y2\nZ =~ l*z2\nY ~ b*X + b*Z + c*X:Z + c*X:X",
    "an item of two": "X =~ x1 + x2 + x3 + y3\nZ =~ z1 + z2\nY =~ y1 + y2 + y3\nY ~ X + Z + X:Z",
    "a free mean": MEASURES + "Y ~ X + Z + X:Z\nX ~ 1\nx1 ~ 0*1",
}


def customers(n: int = 150, *, holes: float = 0.0, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    z = 0.4 * x + rng.normal(size=n)
    v = rng.normal(size=n) + 0.2 * x
    y = 0.5 * x + 0.3 * z + 0.5 * x * z + 0.2 * x**2 + 0.3 * x * v + rng.normal(size=n)
    w = 0.4 * y + 0.3 * x + rng.normal(size=n)
    sources = {"x": (x, 3), "z": (z, 2), "y": (y, 3), "w": (w, 2)}
    frame = pd.DataFrame(
        {
            f"{stem}{i + 1}": 2.0 + (1.0 - 0.15 * i) * score + 0.5 * rng.normal(size=n)
            for stem, (score, count) in sources.items()
            for i in range(count)
        }
    )
    frame["v"] = v
    if holes:
        shown = rng.random(frame.shape) > holes
        shown[:, 0] = True
        frame = frame.where(shown)
        frame["v"] = v
    frame["half"] = np.where(np.arange(n) % 3 == 0, "a", "b")
    return frame


def likelihood(
    model: str, data: pd.DataFrame, group: str | None = None, equal: tuple[str, ...] = ()
) -> QuasiLikelihood:
    statement = read_statement(model)
    options = TableOptions(meanstructure=True, products=statement.names, group_equal=equal)
    labels = group_labels(data, group)
    table = build_table(statement.syntax, options, labels)
    sample = sample_from_data(
        data, table.variables.observed, missing="fiml", group=group, exogenous=table.variables.exogenous,
        has_means=True,
    )  # fmt: skip
    ram = build_ram(table, sample.cov, sample.mean)
    return quasi_likelihood(ram, sample, {p.name: p.factors for p in statement.latent_products})


def somewhere(quasi: QuasiLikelihood, seed: int = 1) -> Array:
    """Parameters far from any optimum at which every covariance matrix is positive definite."""
    rng = np.random.default_rng(seed)
    ram = quasi.ram
    free = np.empty(ram.n_free)
    for kind in range(3):
        for index in np.unique(ram.slots.places(kind)[3]):
            free[index] = rng.uniform(0.4, 0.9) if kind < 2 else rng.normal(1.5, 0.3)
    _, row, col, index = ram.slots.places(1)
    free[index] = np.where(row == col, rng.uniform(0.7, 1.3, len(index)), 0.1)
    return np.asarray(np.linalg.lstsq(ram.reduction, free - ram.offset, rcond=None)[0])


def by_contrasts(quasi: QuasiLikelihood, params: Array, scaling: str | int) -> float:
    """ℓ from the definition: contrasts free of the outcomes, scaling items given them, row by row.

    `scaling` picks the scaling items: the n-th set of items that will do, or "last".
    """
    ram, plan = quasi.ram, quasi.at.plan
    a_mat, s_mat, m_vec = ram.matrices(ram.free_values(params))
    total = 0.0
    assert quasi.sample.rows is not None
    for g, block in enumerate(quasi.sample.rows):
        reach = np.linalg.inv(np.eye(len(a_mat[g])) - a_mat[g])
        omega, eta = reach @ s_mat[g] @ reach.T, reach @ m_vec[g]
        f, f_mean = plan.factors, eta[plan.factors]
        for o in block.values:
            seen = np.flatnonzero(~np.isnan(o))
            directions = reach[np.ix_(seen, plan.targets)]
            bend = directions @ a_mat[g][np.ix_(plan.targets, plan.products)]
            rank = np.linalg.matrix_rank(directions, tol=1e-9)
            sets = [
                s for s in combinations(range(len(seen)), rank)
                if np.linalg.matrix_rank(directions[list(s)], tol=1e-6) == rank
            ]  # fmt: skip
            chosen = list(sets[-1] if scaling == "last" else sets[int(scaling)])
            others = [i for i in range(len(seen)) if i not in chosen]
            contrast = np.zeros((len(others), len(seen)))
            contrast[:, others] = np.eye(len(others))
            contrast[:, chosen] = -directions[others] @ np.linalg.pinv(directions[chosen])
            mean, cov = eta[seen], omega[np.ix_(seen, seen)]
            of_contrasts = contrast @ cov @ contrast.T
            c = contrast @ (o[seen] - mean)
            total += multivariate_normal.logpdf(c, np.zeros(len(c)), of_contrasts)
            back = np.linalg.inv(of_contrasts)
            joint = np.r_[seen[chosen], f]
            with_c = omega[np.ix_(joint, seen)] @ contrast.T
            given = np.r_[eta[seen[chosen]], f_mean] + with_c @ back @ c
            spread = omega[np.ix_(joint, joint)] - with_c @ back @ with_c.T
            if rank:
                total += multivariate_normal.logpdf(
                    o[seen[chosen]], *quadratic_moments(given, spread, bend[chosen], plan.first, plan.second)
                )
    return float(total)


def quadratic_moments(
    mean: Array, cov: Array, bend: Array, first: Array, second: Array
) -> tuple[Array, Array]:
    """Mean and covariance of s + bend · (f_i f_j) for jointly normal (s, f), by Isserlis's theorem."""
    r = len(bend)
    i, j = r + first, r + second
    product_mean = mean[i] * mean[j] + cov[i, j]
    cross = cov[:r][:, i] * mean[j] + cov[:r][:, j] * mean[i]
    products = np.empty((len(i), len(i)))
    for k in range(len(i)):
        for h in range(len(i)):
            a, b, c, d = i[k], j[k], i[h], j[h]
            products[k, h] = (
                cov[a, c] * cov[b, d] + cov[a, d] * cov[b, c]
                + mean[a] * mean[c] * cov[b, d] + mean[a] * mean[d] * cov[b, c]
                + mean[b] * mean[c] * cov[a, d] + mean[b] * mean[d] * cov[a, c]
            )  # fmt: skip
    crossed = cross @ bend.T
    return mean[:r] + bend @ product_mean, cov[:r, :r] + crossed + crossed.T + bend @ products @ bend.T


def value(quasi: QuasiLikelihood, params: Array) -> float:
    found = quasi.value_and_gradient(params)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("holes", [0.0, 0.35])
def test_it_is_the_density_of_contrasts_times_the_approximation_given_them(name: str, holes: float) -> None:
    quasi = likelihood(MODELS[name], customers(40, holes=holes))
    params = somewhere(quasi)
    ours = value(quasi, params)
    for scaling in (0, "last"):  # the scaling item does not matter
        assert ours == pytest.approx(by_contrasts(quasi, params, scaling), rel=DEFINITION)


@pytest.mark.parametrize(
    ("name", "n", "holes", "group"),
    [(name, 60, 0.0, None) for name in MODELS]
    + [(name, 30, 0.25, None) for name in MODELS]
    + [("two outcomes", 45, 0.2, "half"), ("interaction", 120, 0.0, "half")],
)
def test_derivatives_agree_with_central_differences(
    name: str, n: int, holes: float, group: str | None
) -> None:
    quasi = likelihood(MODELS[name], customers(n, holes=holes), group, ("loadings",) if group else ())
    params = somewhere(quasi)
    found = quasi.value_and_gradient(params)
    assert found is not None
    gradient = found[1]
    step, axes = 1e-5, np.eye(len(params))
    slopes = np.array([(value(quasi, params + step * e) - value(quasi, params - step * e)) for e in axes]) / (
        2 * step
    )
    assert np.abs(slopes - gradient).max() < GRADIENT * np.abs(gradient).max()
    assert np.abs(quasi.case_scores(params).sum(axis=0) - gradient).max() < GRADIENT * np.abs(gradient).max()
    information = quasi.information(params)

    def slope(at: Array) -> Array:
        there = quasi.value_and_gradient(at)
        assert there is not None
        return there[1]

    curves = np.array([slope(params - step * e) - slope(params + step * e) for e in axes]) / (2 * step)
    assert np.abs(curves - information).max() < INFORMATION * np.abs(information).max()


@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_rows_in_pieces_add_up_to_the_same_information(holes: float, monkeypatch: pytest.MonkeyPatch) -> None:
    quasi = likelihood(MODELS["interaction"], customers(50, holes=holes))
    params = somewhere(quasi)
    whole = quasi.information(params)
    monkeypatch.setattr("sem_models.moderation.latent.quasi_curvature.PIECE", 7)
    np.testing.assert_allclose(quasi.information(params), whole, rtol=1e-9, atol=1e-9 * np.abs(whole).max())


def test_case_scores_come_in_the_order_of_the_rows() -> None:
    data = customers(30, holes=0.3)
    quasi = likelihood(MODELS["interaction"], data)
    params = somewhere(quasi)
    scores = quasi.case_scores(params)
    for i in (0, 7, 29):
        one = likelihood(MODELS["interaction"], pd.concat([data.iloc[[i]], data]))
        with_it = one.value_and_gradient(params)
        without = quasi.value_and_gradient(params)
        assert with_it is not None
        assert without is not None
        np.testing.assert_allclose(with_it[1] - without[1], scores[i], atol=1e-8 * np.abs(scores).max())


def test_without_an_interaction_it_is_the_normal_likelihood() -> None:
    quasi = likelihood(MODELS["all second-order terms"], customers(80, holes=0.2))
    params = somewhere(quasi)
    _, _, col, index = quasi.ram.slots.places(0)
    params[index[np.isin(col, quasi.at.plan.products)]] = 0.0
    point = quasi.normal.at(params)
    assert point is not None
    seen = float((quasi.sample.patterns.size * quasi.sample.patterns.seen.sum(axis=1)).sum())
    normal = -quasi.sample.n * float(point.value) - 0.5 * seen * np.log(2 * np.pi)
    assert value(quasi, params) == pytest.approx(normal, rel=1e-13)


def test_incomplete_data_without_a_hole_are_complete_data() -> None:
    data = customers(50)
    quasi = likelihood(MODELS["interaction"], data)
    params = somewhere(quasi)
    halves = [likelihood(MODELS["interaction"], part) for part in (data.iloc[:20], data.iloc[20:])]
    assert value(quasi, params) == pytest.approx(sum(value(half, params) for half in halves), rel=1e-13)


def test_a_row_without_any_item_of_the_outcome_adds_what_the_linear_part_says() -> None:
    data = customers(30)
    data.loc[:9, ["y1", "y2", "y3"]] = np.nan
    quasi = likelihood(MODELS["interaction"], data)
    params = somewhere(quasi)
    assert value(quasi, params) == pytest.approx(by_contrasts(quasi, params, 0), rel=DEFINITION)


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        ("Y ~ X + Z + X:Z\nW ~ Y + X + X:Y", "higher degree than two"),
        ("Y ~ X + Z\nW ~ X + X:Z:Y", "multiplies 3 variables"),
    ],
)
def test_what_is_of_a_higher_degree_is_refused(paths: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        likelihood(TWO + paths, customers(60))
