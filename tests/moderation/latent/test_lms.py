"""The LMS likelihood against its definition, its derivatives against differences, its limits against ML."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm

from sem_models.moderation.latent.lms import LMS
from sem_models.moderation.latent.problem import Problem, latent_problem
from sem_models.moderation.latent.quadrature import gauss_hermite
from sem_models.moderation.latent.rules import build_lms

MEASURED = """
X =~ x1 + x2 + x3
Z =~ z1 + z2 + z3
Y =~ y1 + y2 + y3
"""
MORE = "W =~ w1 + w2\nV =~ v1 + v2\n"
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "interaction": (MEASURED + "Y ~ X + Z + X:Z", {}),
    "quadratic": (MEASURED + "Y ~ X + Z + X:X", {}),
    "full second order": (MEASURED + "Y ~ X + Z + X:Z + X:X + Z:Z", {}),
    "endogenous moderator": (MEASURED + "Z ~ X\nY ~ X + Z + Z:X", {}),
    "moderated outcome predicts": (MEASURED + MORE + "Y ~ X + Z + X:Z\nW ~ Y + X\nV ~ W + Y + X:X", {}),
    "products feed products": (MEASURED + MORE + "Y ~ X + Z + X:Z\nW ~ Y + Z + Y:Z\nV ~ W + X:Z", {}),
    "controls": (MEASURED + "Y ~ X + Z + X:Z + c1 + c2\nX ~ c1", {}),
    "observed moderator": (MEASURED + "Y ~ X + c1 + X:c1\nZ ~ X", {}),
    "observed binary and latent": (MEASURED + "Y ~ X + Z + c2 + X:c2 + X:Z", {}),
    "three factors": (MEASURED + MORE + "Y ~ X + Z + W + X:Z:W\nV ~ Y", {}),
    "groups": (MEASURED + "Y ~ X + Z + X:Z", {"group": "g"}),
    "groups, equal": (
        MEASURED + "Y ~ X + Z + X:Z",
        {"group": "g", "group_equal": ("loadings", "intercepts", "regressions")},
    ),
    "incomplete": (MEASURED + "Y ~ X + Z + X:Z", {"missing": "fiml"}),
    "incomplete, groups, controls": (
        MEASURED + "Y ~ X + Z + X:Z + X:c2 + c1 + c2", {"missing": "fiml", "group": "g"},
    ),
    "labels": (MEASURED + "Y ~ a*X + a*Z + b*X:Z + d*X:X\nb == 2*d\nab := a*b", {}),
    "residual covariances": (MEASURED + "Y ~ X + Z + X:Z\nx1 ~~ y1\nx2 ~~ z2", {}),
    "observed outcome": ("X =~ x1 + x2 + x3\nZ =~ z1 + z2 + z3\ny1 ~ X + Z + X:Z", {}),
}  # fmt: skip


def simulated(n: int, seed: int, b: float = 0.4, c: float = 0.3) -> pd.DataFrame:
    """X and Z correlated, Y with their product, W and V after it; two groups, two covariates."""
    rng = np.random.default_rng(seed)
    c1, c2 = rng.normal(size=n), (rng.random(n) < 0.4).astype(float)
    x = rng.normal(size=n) + 0.2 * c1
    z = 0.3 * x + rng.normal(size=n)
    y = 0.4 * x + 0.3 * z + b * x * z + c * c1 * x + 0.6 * rng.normal(size=n)
    w = 0.5 * y + 0.2 * x + 0.8 * rng.normal(size=n)
    v = 0.4 * w + rng.normal(size=n)
    frame = pd.DataFrame({
        f"{stem}{i}": 3 + loading * latent + 0.6 * rng.normal(size=n)
        for stem, latent in (("x", x), ("z", z), ("y", y), ("w", w), ("v", v))
        for i, loading in ((1, 1.0), (2, 0.9), (3, 0.8))
    })  # fmt: skip
    frame["c1"], frame["c2"] = c1, c2
    frame["g"] = np.where(rng.random(n) < 0.5, "a", "b")
    return frame


def incomplete(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    items = [c for c in frame if c[0] in "xzywv"]
    out = frame.copy()
    out[items] = out[items].mask(rng.random((len(out), len(items))) < 0.1)
    return out


def built(name: str, n: int = 90, nodes: int = 12) -> tuple[Problem, LMS]:
    text, options = MODELS[name]
    frame = simulated(n, 7)
    if "missing" in options:
        frame = incomplete(frame, 3)
    problem = latent_problem(text, frame, method="lms", **options)
    likelihood = build_lms(problem, accuracy=10.0)
    if likelihood.plan.r:
        nodes = 5 if likelihood.plan.r > 1 else nodes
        likelihood = likelihood.with_rule(gauss_hermite(nodes).product(likelihood.plan.r))
    return problem, likelihood


def somewhere(problem: Problem) -> np.ndarray:
    """Parameters away from any optimum, with all products at work."""
    rng = np.random.default_rng(11)
    moved = 0.15 * problem.moved * problem.units
    return np.asarray(problem.start + moved + 0.02 * rng.normal(size=len(moved)) * problem.units)


def by_definition(problem: Problem, likelihood: LMS, params: np.ndarray) -> float:
    """Σᵢ log Σ_k w_k N(yᵢ; μ_k, Σ_k), every node and row by itself from the RAM matrices."""
    ram, plan = problem.ram, likelihood.plan
    a_mat, s_mat, m_vec = ram.matrices(ram.free_values(params))
    p, total = ram.n_observed, 0.0
    held = plan.factors[: plan.r]
    assert problem.sample.rows is not None
    for g, rows in enumerate(problem.sample.rows):
        total_effect = np.linalg.inv(np.eye(len(a_mat[g])) - a_mat[g])
        source, level = total_effect[held] @ s_mat[g], total_effect[held] @ m_vec[g]
        omega = source @ total_effect[held].T
        root = np.linalg.cholesky(omega)
        for values in rows.values:
            seen = ~np.isnan(values)
            logs = []
            for x, log_weight in zip(likelihood.rule.nodes, likelihood.rule.log_weight, strict=True):
                at = level + root @ x
                a_node = a_mat[g].copy()
                for k, product in enumerate(plan.products):
                    known = np.prod(at ** plan.powers[k]) * np.prod(values[list(plan.observed[k])])
                    a_node[product, plan.factors[plan.other[k]]] += known
                gain = source.T @ np.linalg.inv(omega)
                s_node = s_mat[g] - gain @ source
                m_node = m_vec[g] + gain @ (at - level)
                e_node = np.linalg.inv(np.eye(len(a_node)) - a_node)[:p][seen]
                logs.append(
                    log_weight
                    + multivariate_normal.logpdf(values[seen], e_node @ m_node, e_node @ s_node @ e_node.T)
                )
            total += np.logaddexp.reduce(logs)
    return float(total)


@pytest.mark.parametrize("name", MODELS)
def test_value_is_that_of_the_definition(name: str) -> None:
    problem, likelihood = built(name, n=70, nodes=5)
    params = somewhere(problem)
    found = likelihood.value(params)
    assert found is not None
    assert found == pytest.approx(by_definition(problem, likelihood, params), abs=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_gradient_is_that_of_central_differences(name: str) -> None:
    problem, likelihood = built(name)
    params = somewhere(problem)
    found = likelihood.value_and_gradient(params)
    assert found is not None
    numeric = np.empty_like(params)
    for j, unit in enumerate(problem.units):
        step = np.zeros_like(params)
        step[j] = 1e-4 * unit
        values = [likelihood.value(params + s * step) for s in (-2, -1, 1, 2)]
        numeric[j] = np.dot([1, -8, 8, -1], np.array(values, dtype=float)) / (12 * step[j])
    size = np.abs(numeric * problem.units).max()
    np.testing.assert_allclose(found[1] * problem.units, numeric * problem.units, atol=1e-7 * size)


@pytest.mark.parametrize("name", ["interaction", "incomplete, groups, controls", "products feed products"])
def test_information_and_scores_are_derivatives_of_the_gradient_and_the_rows(name: str) -> None:
    problem, likelihood = built(name, n=200)
    params = somewhere(problem)
    information = likelihood.information(params)
    numeric = np.empty_like(information)
    for j, unit in enumerate(problem.units):
        step = np.zeros_like(params)
        step[j] = 1e-3 * unit
        slopes = []
        for s in (-2, -1, 1, 2):
            found = likelihood.value_and_gradient(params + s * step)
            assert found is not None
            slopes.append(found[1])
        numeric[j] = -np.tensordot([1, -8, 8, -1], slopes, axes=1) / (12 * step[j])
    scale = np.sqrt(np.abs(np.diagonal(information)))
    np.testing.assert_allclose(
        information / np.outer(scale, scale), numeric / np.outer(scale, scale), atol=1e-6
    )
    found = likelihood.value_and_gradient(params)
    assert found is not None
    scores = likelihood.case_scores(params)
    assert scores.shape == (problem.sample.n_used, len(params))
    np.testing.assert_allclose(scores.sum(axis=0) / scale, found[1] / scale, atol=1e-6)


def test_scores_are_in_the_order_of_the_rows() -> None:
    """A row that is far out has the largest score wherever its pattern puts it."""
    text, options = MODELS["incomplete"]
    frame = incomplete(simulated(90, 7), 3)
    frame.loc[41, ["x1", "x2", "x3", "z1"]] = [19.0, 19.0, np.nan, 18.0]
    problem = latent_problem(text, frame, method="lms", **options)
    scores = build_lms(problem, accuracy=10.0).case_scores(problem.start)
    assert np.abs(scores * problem.units).sum(axis=1).argmax() == 41


@pytest.mark.parametrize("name", ["interaction", "incomplete", "groups, equal", "controls", "three factors"])
def test_without_products_it_is_the_linear_model(name: str) -> None:
    problem, likelihood = built(name, n=200)
    likelihood = build_lms(problem)
    found = likelihood.value(np.where(problem.moved, 0.0, problem.start))
    assert found is not None
    assert found - problem.covariate_logl == pytest.approx(problem.linear.logl, abs=1e-4)


def test_gauss_hermite_nodes_are_exact_for_polynomials() -> None:
    rule = gauss_hermite(9)
    for degree, moment in itertools.zip_longest(
        range(0, 17, 2), [1, 1, 3, 15, 105, 945, 10395, 135135, 2027025]
    ):
        value = (np.exp(rule.log_weight) * rule.nodes[:, 0] ** degree).sum()
        assert value == pytest.approx(moment, rel=1e-10)


def test_the_default_grid_is_as_wide_and_fine_as_the_rows_need() -> None:
    problem, likelihood = built("interaction", n=200)
    likelihood = build_lms(problem)
    nodes = likelihood.rule.nodes[:, 0]
    weight = np.exp(likelihood.rule.log_weight)
    assert weight.sum() == pytest.approx(1.0, abs=1e-4)
    assert np.allclose(np.diff(nodes), nodes[1] - nodes[0])
    assert weight @ norm.pdf(nodes) == pytest.approx(0.5 / np.sqrt(np.pi), abs=1e-6)


@pytest.mark.parametrize(
    "name", ["interaction", "groups", "incomplete, groups, controls", "observed moderator"]
)
def test_rows_in_pieces_give_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, likelihood = built(name)
    params = somewhere(problem)
    whole = likelihood.value_and_gradient(params)
    scores = likelihood.case_scores(params)
    monkeypatch.setattr("sem_models.moderation.latent.lms.PAIRS", 20 * len(likelihood.rule.log_weight))
    parts = likelihood.with_rule(likelihood.rule)
    assert len(parts._pieces) > 3
    found = parts.value_and_gradient(params)
    assert whole is not None
    assert found is not None
    assert found[0] == pytest.approx(whole[0], abs=1e-8)
    np.testing.assert_allclose(found[1], whole[1], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(parts.case_scores(params), scores, atol=1e-6)
