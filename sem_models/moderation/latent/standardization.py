"""Standardized estimates of a model with latent products: outcomes in their true standard deviations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sem_models.estimation.kernels import Implied, implied
from sem_models.inference.definitions import defined_values
from sem_models.inference.standardized import Metric, standardize
from sem_models.model.ram import Array
from sem_models.moderation.latent.problem import Problem
from sem_models.moderation.latent.true_moments import TrueMoments

STEP = 1e-5
"""Step of the central differences, in units of the parameters."""


@dataclass(frozen=True, eq=False)
class Standardization:
    """The map from free rows to standardized values.

    A product is in the units of its factors, so that its path is b sd(x) sd(z) / sd(y) (Wen, Marsh & Hau,
    2010, Structural Equation Modeling 17, 1–22). `known` (g, v, v), if given, are the covariances of the
    products with one another and with the residuals, held where they are: errors then do not count that the
    products' own variances are estimated, as modsem's do not. Without it they follow the free rows.
    """

    problem: Problem
    moments: TrueMoments
    known: Array | None = None

    def holding(self, free: Array) -> Standardization:
        """The same with the products' covariances held at what they are at free rows (q,)."""
        ram = self.problem.ram
        back = np.eye(len(ram.variables)) - ram.matrices(free)[0]
        sources = back @ self.moments(free)[1] @ np.swapaxes(back, -1, -2)
        products = np.isin(ram.variables, self.problem.table.options.products)
        either = products[:, None] | products
        return replace(self, known=np.where(either, sources, 0.0))

    def __call__(self, free: Array, metric: Metric) -> Array:
        """Values of the table's rows, then of the defined parameters, at free rows (q,).

        The row of a product's variance has it in the units of its factors, Var(xz) / (Var(x) Var(z)).
        """
        ram, table = self.problem.ram, self.problem.table
        matrices = ram.matrices(free)
        linear = implied(*matrices, ram.n_observed, ram.places.sources)
        cov = self._covariance(linear, matrices[1], free)
        place = {name: i for i, name in enumerate(ram.variables)}
        shares = {}
        for product in self.problem.products:
            i = place[product.name]
            unit = np.prod([cov[:, place[f], place[f]] for f in product.factors], axis=0)
            shares[product.name] = cov[:, i, i] / unit
            cov[:, i, i] = unit
        scaled = standardize(table, ram, free, replace(linear, cov_all=cov), metric)
        value = scaled.value.copy()
        for r, row in enumerate(table.rows):
            if row.lhs in shares and row.lhs == row.rhs:
                value[r] = shares[row.lhs][row.block - 1]
        return np.append(value, defined_values(table, scaled).value)

    def _covariance(self, linear: Implied, s_mat: Array, free: Array) -> Array:
        if self.known is None:
            return self.moments(free)[1].copy()
        return np.asarray(linear.total @ (s_mat + self.known) @ np.swapaxes(linear.total, -1, -2))

    def slopes(self, params: Array, metric: Metric) -> Array:
        """Derivatives of the values in the parameters (rows, k), by central differences."""
        ram, out = self.problem.ram, []
        for j, unit in enumerate(self.problem.units):
            step = np.zeros(ram.n_params)
            step[j] = STEP * unit
            up, down = (
                self(ram.free_values(params + step), metric),
                self(ram.free_values(params - step), metric),
            )
            out.append((up - down) / (2.0 * step[j]))
        return np.stack(out, axis=1)

    def errors(self, params: Array, covariance: Array, metric: Metric) -> Array:
        """Delta-method errors (rows,) with the parameters' covariance (k, k); 0 for what does not vary."""
        slopes = self.slopes(params, metric)
        fixed = (np.abs(slopes * self.problem.units) < 1e-8).all(axis=1)
        variance = ((slopes @ covariance) * slopes).sum(axis=1)
        return np.where(fixed, 0.0, np.sqrt(np.where(variance < 0, np.nan, variance)))
