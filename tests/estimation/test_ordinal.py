"""Least squares of ordered items: derivatives against central differences, weights, starts."""

from __future__ import annotations

import numpy as np
import pytest

from sem_models.estimation.ordinal_least_squares import OrdinalLeastSquares, ordinal_least_squares
from sem_models.model.build_table import build_table
from sem_models.model.ram import build_ram
from sem_models.model.syntax import parse
from sem_models.model.table import TableOptions
from sem_models.observed.ordered_items import ordered_items
from sem_models.observed.ordered_sample import sample_of_items
from tests.inference.items import ITEMS, survey

CFA = "F =~ u1 + u2 + u3 + u4 + y1"
MODELS = {
    "factor": (CFA, {}),
    "covariates": (f"{CFA}\nF ~ x\nu2 ~ x", {}),
    "groups": (CFA, {"group_equal": ("thresholds", "loadings")}),
    "groups, covariate": (f"{CFA}\nF ~ x", {"group_equal": ("thresholds", "loadings", "intercepts")}),
    "ordered mediator": ("F =~ u1 + u3 + u4\nu2 ~ F\ny1 ~ u2 + F", {}),
}


def objective_of(text: str, kind: str = "DWLS", **options: object) -> OrdinalLeastSquares:
    data, syntax = survey(), parse(text)
    items = ordered_items(data, syntax, ITEMS)
    groups = ("a", "b") if options.get("group_equal") else ("",)
    table = build_table(syntax, TableOptions(meanstructure=True, ordered=items.sizes, **options), groups)  # type: ignore[arg-type]
    sample = sample_of_items(
        data, table.variables.observed, items, missing="listwise", group="g" if len(groups) > 1 else None,
        exogenous=table.variables.exogenous,
    )  # fmt: skip
    return ordinal_least_squares(build_ram(table, sample.cov, sample.mean), sample, kind)


@pytest.mark.parametrize("parameterization", ["delta", "theta"])
@pytest.mark.parametrize("name", MODELS)
def test_derivatives_against_central_differences(name: str, parameterization: str) -> None:
    text, options = MODELS[name]
    objective = objective_of(text, parameterization=parameterization, **options)
    x = np.random.default_rng(3).uniform(0.2, 0.5, objective.ram.n_params)
    h, point = 1e-5, objective.at(x)
    assert point is not None

    def at(shifted: np.ndarray) -> object:
        return objective.at(shifted)

    gradient = objective.gradient(point)
    numeric = np.array([(at(x + h * e).value - at(x - h * e).value) / (2 * h) for e in np.eye(len(x))])  # type: ignore[attr-defined]
    np.testing.assert_allclose(gradient, numeric, atol=1e-8 * np.abs(gradient).max())
    if name == "ordered mediator" and parameterization == "delta":
        return  # there the curvature is Gauss–Newton's: the derived residual variances bend further
    slopes = [objective.gradient(at(x + h * e)) - objective.gradient(at(x - h * e)) for e in np.eye(len(x))]  # type: ignore[arg-type]
    hessian = objective.hessian(point)
    np.testing.assert_allclose(hessian, np.array(slopes) / (2 * h), atol=1e-7 * np.abs(hessian).max())


def test_weights() -> None:
    dwls, wls, uls = (objective_of(CFA, kind) for kind in ("DWLS", "WLS", "ULS"))
    np.testing.assert_allclose(1 / dwls.weight[0], np.diag(np.linalg.inv(wls.weight[0])), rtol=1e-8)
    assert (uls.weight == 1).all()


def test_a_point_without_response_variance_is_no_point() -> None:
    objective = objective_of(CFA, parameterization="theta")
    assert objective.at(np.full(objective.ram.n_params, 0.5)) is not None
    assert objective.at(np.full(objective.ram.n_params, -30.0)) is None
