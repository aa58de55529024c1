"""Latent interactions of ordered items by the likelihood of the answers (`method="lms"`, `ordered=`)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import sem_models as sm
from sem_models.errors import SpecError
from sem_models.estimation.optimizer import Outcome
from sem_models.moderation.latent.ordered.equations import equations_of, values_of
from sem_models.moderation.latent.ordered.estimate import error_bound, rows_of
from sem_models.moderation.latent.ordered.likelihood import AnswerLikelihood, answer_likelihood
from sem_models.moderation.latent.ordered.result import AnswerModeration
from sem_models.moderation.latent.problem import latent_problem

MEASURED = "X =~ x1 + x2 + x3\nZ =~ z1 + z2 + z3\nY =~ y1 + y2 + y3\n"
MODEL = MEASURED + "Y ~ X + Z + X:Z"
SMALL = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\nY ~ X + X:X"
SIX = "X =~ x1 + x2\nZ =~ z1 + z2\nY =~ y1 + y2\nW =~ x3 + z3 + y3\nA =~ X + Z\nB =~ Y + W\nY ~ X:Z"
ORDERED = [f"{stem}{i}" for stem in "xzy" for i in (1, 2, 3)]


def draw(n: int, seed: int, categories: int = 4, effect: float = 0.3) -> pd.DataFrame:
    """Answers 1 to K of nine items, a covariate w and a group."""
    rng = np.random.default_rng(seed)
    x, z = rng.multivariate_normal([0, 0], [[1, 0.3], [0.3, 1]], n).T
    w = rng.normal(size=n)
    y = 0.4 * x + 0.3 * z + effect * x * z + 0.2 * w + rng.normal(0, 0.7, n)
    columns: dict[str, Any] = {}
    for stem, factor in (("x", x), ("z", z), ("y", y)):
        for i, loading in enumerate((1.0, 0.9, 0.8), start=1):
            response = loading * factor + rng.normal(0, 0.7, n)
            columns[f"{stem}{i}"] = np.digitize(response, np.linspace(-1.4, 1.4, categories - 1)) + 1
    return pd.DataFrame({**columns, "w": w, "g": np.where(np.arange(n) % 2, "a", "b")})


def lms(text: str, data: pd.DataFrame, **options: Any) -> AnswerModeration:
    found = sm.moderate(text, data, method="lms", **{"ordered": True, **options})
    assert isinstance(found, AnswerModeration)
    return found


def likelihood_of(
    text: str, data: pd.DataFrame, nodes: int = 5, **options: Any
) -> tuple[AnswerLikelihood, np.ndarray]:
    problem = latent_problem(text, data, method="lms", **{"ordered": True, **options})
    equations = equations_of(problem.ram, problem.products)
    rows = rows_of(problem.sample, problem.ram)
    start = problem.start + 0.02 * np.cos(np.arange(len(problem.start)))
    return answer_likelihood(problem.ram, equations, rows, start, nodes), start


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return draw(300, 3)


@pytest.fixture(scope="module")
def result(data: pd.DataFrame) -> AnswerModeration:
    return lms(MODEL, data, nodes=7)


# ---------------------------------------------------------------------- the likelihood itself


def by_hand(likelihood: AnswerLikelihood, params: np.ndarray, row: int) -> float:
    """log f of one row: trapezoids over ±6.5 disturbances of each latent variable, nothing else shared."""
    values = values_of(likelihood.equations, likelihood.ram, params)
    assert values is not None
    own, rows = values[0], likelihood.rows[0]
    line = np.linspace(-6.5, 6.5, 66)
    root, edges = np.linalg.cholesky(own.psi), np.append(own.tau, [np.inf, -np.inf])
    n_latent = len(own.alpha)
    shift = np.array(list(product(line, repeat=n_latent)))
    weight = norm.pdf(shift).prod(axis=1) * (line[1] - line[0]) ** n_latent
    eta = np.zeros_like(shift)
    for i in range(n_latent):  # recursive: exogenous variables come first
        known = np.broadcast_to(rows.covariates[row], (len(eta), rows.covariates.shape[1]))
        base = np.concatenate([eta, known], axis=1)
        q = [base[:, list(f)].prod(axis=1)[:, None] for f in likelihood.equations.factors]
        z = np.concatenate([base, *q], axis=1)
        eta[:, i] = own.alpha[i] + z @ own.paths[i] + shift @ root[i]
    base = np.concatenate([eta, known], axis=1)
    q = [base[:, list(f)].prod(axis=1)[:, None] for f in likelihood.equations.factors]
    level = np.concatenate([base, *q], axis=1) @ own.a.T + own.nu
    density = np.ones(len(eta))
    for j in range(level.shape[1]):
        if not rows.seen[row, j]:
            continue
        sd = np.sqrt(own.v[j])
        if rows.ordered[j]:
            high, low = edges[rows.upper[row, j]], edges[rows.lower[row, j]]
            density *= norm.cdf((high - level[:, j]) / sd) - norm.cdf((low - level[:, j]) / sd)
        else:
            density *= norm.pdf(rows.values[row, j], level[:, j], sd)
    return float(np.log(density @ weight))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (SMALL, {}),
        (SMALL + "\nY ~ w + X:w", {}),
        (SMALL, {"ordered": ["x1", "x2", "x3", "y1"]}),
        (SMALL, {"missing": "fiml"}),
    ],
)
def test_a_row_has_the_integral_that_is_its_definition(
    data: pd.DataFrame, text: str, options: dict[str, Any]
) -> None:
    frame = data.copy()
    if "missing" in options:
        frame.loc[::3, ["x2", "y1"]] = np.nan
    likelihood, start = likelihood_of(text, frame, nodes=21, **options)
    moved = start.copy()
    moved[np.argmin(np.abs(start))] += 0.1
    near = likelihood.adapted(moved)
    values = values_of(near.equations, near.ram, moved)
    assert values is not None
    for row in (0, 3, 7):
        piece = near._piece(values[0], 0, slice(row, row + 1))
        assert float(piece.log_f[0]) == pytest.approx(by_hand(near, moved, row), abs=2e-7)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (MODEL, {}),
        (MODEL + "\nY ~ w + X:w", {"missing": "fiml", "ordered": ORDERED[:7]}),
        (MODEL, {"group": "g", "group_equal": ["loadings", "thresholds", "intercepts"]}),
    ],
)
def test_derivatives_are_those_of_the_value(data: pd.DataFrame, text: str, options: dict[str, Any]) -> None:
    frame = data.astype(dict.fromkeys(ORDERED, float))
    if "missing" in options:
        frame.loc[::4, ["x2", "y1", "y3"]] = np.nan
    likelihood, at = likelihood_of(text, frame, nodes=3, **options)
    found = likelihood.value_and_gradient(at)
    assert found is not None
    value, gradient = found
    assert value == pytest.approx(likelihood.value(at), abs=1e-9)
    np.testing.assert_allclose(likelihood.case_scores(at).sum(axis=0), gradient, atol=1e-9)
    information = likelihood.information(at)
    size = np.sqrt(np.abs(np.diagonal(information)))
    for i in range(len(at)):
        step = np.zeros(len(at))
        step[i] = 1e-5
        up, down = likelihood.value_and_gradient(at + step), likelihood.value_and_gradient(at - step)
        assert up is not None
        assert down is not None
        assert abs(gradient[i] - (up[0] - down[0]) / 2e-5) < 1e-5 * size[i]
        differences = (down[1] - up[1]) / 2e-5
        np.testing.assert_array_less(np.abs(information[i] - differences), 1e-7 * size * size[i])


def test_without_products_it_is_the_marginal_likelihood_of_sm_fit(data: pd.DataFrame) -> None:
    found = lms(SMALL, data, nodes=15)
    linear = sm.fit(SMALL.replace(" + X:X", ""), data, ordered=True, estimator="MML")
    assert found.linear_loglik == pytest.approx(linear.solved.logl, abs=1e-4)
    assert found.measures()["linear_logl"] == found.linear_loglik


def test_nodes_converge_and_the_error_says_so(data: pd.DataFrame) -> None:
    fewer, more = lms(SMALL, data, nodes=4), lms(SMALL, data, nodes=13)
    assert more.error_bound < 1e-5 < fewer.error_bound
    assert abs(fewer.loglik - more.loglik) < 0.01
    assert isinstance(fewer.likelihood, AnswerLikelihood)
    exact = fewer.likelihood.adapted(fewer.solution.params, 15).value(fewer.solution.params)
    assert exact is not None
    assert abs(fewer.loglik - exact) < 2 * fewer.error_bound
    assert error_bound(fewer.likelihood, fewer.solution.params) == fewer.error_bound


# ---------------------------------------------------------------------- the result


def test_it_finds_what_the_answers_were_drawn_with() -> None:
    found = lms(MODEL, draw(1_500, 11, categories=5), nodes=5)
    assert found.status.ok
    row = found.standardized().query("op == '~' and rhs == 'X:Z'").iloc[0]
    truth = 0.3 / np.sqrt(0.16 + 0.09 + 0.072 + 0.09 * 1.09 + 0.04 + 0.49)
    assert abs(row["est_std"] - truth) < 2.5 * row["se"]
    assert row["se"] < 0.04


def test_tables_tests_and_probing(result: AnswerModeration) -> None:
    assert result.status.ok
    assert result.method == "lms"
    assert result.header.estimator == "MML (LMS)"
    test = result.interaction_test().iloc[0]
    assert test["df"] == 1
    assert test["chisq_diff"] == pytest.approx(2 * (result.loglik - result.linear_loglik))
    assert test["converged"]
    assert max(test["pvalue"], test["wald_pvalue"]) < 0.01
    table = result.estimates()
    thresholds = table[table["op"] == "|"]
    assert len(thresholds) == 27
    assert (thresholds["se"] > 0).all()
    assert table.loc[(table["op"] == "~~") & table["lhs"].isin(ORDERED), "est"].eq(1.0).all()
    measures = result.measures()
    assert measures["npar"] == 40
    assert measures["linear_df"] == 24
    slopes = result.simple_slopes("Y", "X", "Z")
    assert slopes["est"].is_monotonic_increasing
    assert "scale points" not in result.charts.simple_slopes().to_json()
    assert "Thresholds" in str(result.summary())
    assert "adaptive" in str(result.summary())
    assert "<svg" not in result._repr_html_()


def test_errors_robust_and_rescaled_alike_where_the_model_holds(data: pd.DataFrame) -> None:
    plain, robust = lms(SMALL, data), lms(SMALL, data, estimator="MLR")
    assert robust.loglik == pytest.approx(plain.loglik, abs=1e-8)
    ratio = robust.estimates()["se"] / plain.estimates()["se"]
    assert 0.8 < ratio.dropna().median() < 1.25
    scaled = lms(SMALL.replace("=~ x1", "=~ NA*x1") + "\nX ~~ 1*X", data)
    assert scaled.loglik == pytest.approx(plain.loglik, abs=1e-4)
    one, two = (
        r.standardized().query("rhs == 'X:X' and op == '~'")["est_std"].iloc[0] for r in (plain, scaled)
    )
    assert one == pytest.approx(two, abs=1e-4)


def test_groups_are_added_up(data: pd.DataFrame) -> None:
    together = lms(SMALL, data, group="g")
    apart = [lms(SMALL, part) for _, part in data.groupby("g")]
    assert together.loglik == pytest.approx(sum(r.loglik for r in apart), abs=1e-5)
    assert set(together.estimates()["group"]) == {"a", "b"}


def test_ordered_types_need_no_option(data: pd.DataFrame) -> None:
    typed = data.copy()
    for name in ORDERED:
        typed[name] = pd.Categorical(typed[name], ordered=True)
    assert lms(SMALL, typed, ordered=()).loglik == pytest.approx(lms(SMALL, data).loglik, abs=1e-9)


def test_a_moderator_far_from_zero_is_to_be_centered(data: pd.DataFrame) -> None:
    text = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\nY ~ X + w + X:w"
    with pytest.raises(SpecError, match=r"'w' lies 2\d\d\d standard deviations from 0.*Center it"):
        lms(text, data.assign(w=data["w"] + 2023))


@pytest.mark.parametrize("shift", [2.0, 15.0])
def test_where_an_observed_moderator_has_its_zero_does_not_matter(data: pd.DataFrame, shift: float) -> None:
    text = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\nY ~ X + w + X:w"
    plain, moved = lms(text, data), lms(text, data.assign(w=data["w"] + shift))
    assert moved.status.converged
    assert moved.loglik == pytest.approx(plain.loglik, abs=2e-3)


def test_many_gaps_end_in_the_optimum_or_say_that_they_do_not() -> None:
    frame = draw(250, 5, categories=3)
    answers = frame[ORDERED].astype(float)
    frame[ORDERED] = answers.mask(np.random.default_rng(1).random(answers.shape) < 0.3)
    found = lms(SMALL, frame, missing="fiml")
    linear = sm.fit(SMALL.replace(" + X:X", ""), frame, ordered=True, estimator="MML", missing="fiml")
    if found.status.converged:
        assert found.loglik > linear.solved.logl - 0.1
    assert abs(found.loglik - linear.solved.logl) < 5.0
    test = found.interaction_test().iloc[0]
    assert not test["converged"] or test["chisq_diff"] > -0.2


def test_robust_errors_are_the_default_of_mlr(data: pd.DataFrame) -> None:
    assert lms(SMALL, data, estimator="MLR", se="default").options["se"] == "robust.huber.white"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (MODEL + "\nx1 ~~ x2", {}, ["'x1' and 'x2' covary", "MLR"]),
        (MODEL + "\nY ~ x1", {}, ["'x1' is explained by the model and predicts 'Y'"]),
        (MODEL + "\nY ~~ 0*Y", {}, ["'Y'", "is 0", "Free it"]),
        (MODEL, {"nodes": 2}, ["nodes=2", "from 3 to 40"]),
        (MODEL, {"nodes": 41}, ["nodes=41"]),
        (MODEL, {"accuracy": None}, ["accuracy=None"]),
        (SMALL + "\nx1 | 2*t1 + 1*t2", {}, ["out of order"]),
        (MODEL, {"adaptive": False}, ["adaptive=False", "Leave it out"]),
        (MODEL, {"adaptive": "gauss"}, ["adaptive='gauss'", "True or False"]),
        (MODEL, {"ordered": 5}, ["ordered=5", "names of items"]),
        (MODEL, {"max_iterations": "many"}, ["max_iterations='many'"]),
        (MODEL, {"max_iterations": -1}, ["max_iterations=-1"]),
        (MODEL, {"parameterization": "delta"}, ["parameterization='delta'", "theta"]),
        (MODEL + "\nY ~ w", {"fixed_x": False}, ["fixed_x=False"]),
        (MODEL, {"cluster": "g"}, ["cluster="]),
        (MODEL, {"missing": "pairwise"}, ["missing='fiml'"]),
        (SIX, {}, ["5 at most", "has 6 (X, Z, Y, W, A, B)"]),
        ("X =~ x1 + x2\nY =~ y1 + y2\nM =~ z1 + z2\nM ~ X + X:X\nY ~ M + M:M", {}, ["multiplied again"]),
    ],
)
def test_refusals_say_what_to_do(
    data: pd.DataFrame, text: str, options: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(SpecError) as caught:
        lms(text, data, **options)
    for word in words:
        assert word in str(caught.value)


def test_names_of_items_may_come_in_an_array(data: pd.DataFrame) -> None:
    assert lms(SMALL, data, ordered=np.array(ORDERED)).loglik == lms(SMALL, data).loglik


def test_too_many_rows_for_the_nodes_are_refused_before_anything_long(data: pd.DataFrame) -> None:
    many = pd.concat([data] * 2, ignore_index=True)
    with pytest.raises(SpecError, match="too many for 600 rows"):
        lms(MODEL, many, nodes=40)


def test_an_end_that_is_none_says_what_to_do(data: pd.DataFrame, result: AnswerModeration) -> None:
    assert "Raise max_iterations" in lms(MODEL, data, nodes=5, max_iterations=1).status.reasons[0]
    at_rest = replace(result, solution=replace(result.solution, outcome=Outcome.STUCK))
    assert "nodes placed anew" in at_rest.status.reasons[0]
    assert not at_rest.status.converged


def test_a_response_without_a_rest_is_improper() -> None:
    """Twenty customers leave nothing of some answers unexplained: the likelihood has no inner maximum."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=20)
    z = 0.4 * x + 0.9 * rng.normal(size=20)
    factors = {"x": x, "z": z, "y": 0.4 * x + 0.3 * z + 0.25 * x * z + 0.7 * rng.normal(size=20)}
    noisy = {f"{n}{i}": 0.8 * f + 0.6 * rng.normal(size=20) for n, f in factors.items() for i in (1, 2, 3)}
    found = lms(MODEL, pd.DataFrame(noisy).apply(lambda c: pd.qcut(c, 4, labels=False)))
    shares = found.standardized().query("op == '~~' and lhs == rhs").set_index("lhs")["est_std"]
    improper = shares[[n for n in (*ORDERED, "Y") if shares[n] < 1e-3]]
    assert len(improper)
    assert not found.status.admissible
    for name in improper.index:
        assert any(f"Next to nothing of {name} is left" in reason for reason in found.status.reasons)
    assert lms(MODEL, draw(300, 3)).status.admissible
