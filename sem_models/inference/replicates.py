"""What each replicate of a fit says: estimates, standardized ones, defined parameters and effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from sem_models.estimation import kernels
from sem_models.estimation.batched_gradient import filled
from sem_models.estimation.batches import Batch
from sem_models.inference.effects import Effect
from sem_models.inference.product_metric import latent_products
from sem_models.inference.standardized import Metric, emergent_weights, row_values, standardized_values
from sem_models.model.ram import Array, RamModel
from sem_models.model.table import ParameterTable

PIECE = 2_000
"""Replicates worked on at once."""


@dataclass(frozen=True, slots=True)
class Replicates:
    """Free rows (b, q) of b replicates and the moments behind them; None where only parameters were drawn."""

    free: Array
    moments: Batch | None

    def pieces(self) -> list[Replicates]:
        parts = [np.arange(i, min(i + PIECE, len(self.free))) for i in range(0, len(self.free), PIECE)]
        return [
            Replicates(self.free[part], None if self.moments is None else self.moments.at(part))
            for part in parts
        ]


def row_replicates(
    table: ParameterTable, ram: RamModel, drawn: Replicates, metric: Metric | Literal["raw"] = "raw"
) -> Array:
    """Every row of the table, then the defined parameters, (b, rows + d), in a metric of `standardize`."""
    return np.concatenate([_rows(table, ram, piece, metric) for piece in drawn.pieces()])


def effect_replicates(
    ram: RamModel, effects: Sequence[Effect], drawn: Replicates, *, standardized: bool
) -> Array:
    """Every effect in the order given, (b, e)."""
    return np.concatenate([_effects(ram, effects, piece, standardized) for piece in drawn.pieces()])


def _matrices(ram: RamModel, drawn: Replicates) -> tuple[Array, Array, Array]:
    return filled(ram, drawn.free, drawn.moments)


def _rows_of_items(
    table: ParameterTable, ram: RamModel, drawn: Replicates, metric: Metric | Literal["raw"]
) -> Array:
    """The same for models of ordered items, whose thresholds, scalings and residual variances follow rules of
    their own: one replicate after the other."""
    out = np.empty((len(drawn.free), len(table.rows)))
    for b, free in enumerate(drawn.free):
        of = (
            ram if drawn.moments is None else ram.with_covariates(drawn.moments.cov[b], drawn.moments.mean[b])
        )
        at = kernels.implied(*of.matrices(free), of.n_observed, of.places.sources)
        if metric == "raw":
            out[b] = row_values(table, of, free, at).value
        else:
            out[b] = standardized_values(table, of, free, at, [metric])[0]
    return np.concatenate([out, defined_values(table, out)], axis=1)


def _rows(table: ParameterTable, ram: RamModel, drawn: Replicates, metric: Metric | Literal["raw"]) -> Array:
    if ram.ordinal is not None:
        return _rows_of_items(table, ram, drawn, metric)
    a_mat, s_mat, m_vec = _matrices(ram, drawn)
    place = {name: i for i, name in enumerate(ram.variables)}
    out = np.empty((len(drawn.free), len(table.rows)))
    weights = dict(emergent_weights(table, ram, drawn.free))
    sd = residual = unit = None
    if metric != "raw":
        at = kernels.implied(a_mat, s_mat, m_vec, ram.n_observed, ram.places.sources)
        sd = _deviations(at.cov_all, table, ram, metric)
        residual = np.where(sd == 1.0, 1.0, np.sqrt(np.abs(np.diagonal(s_mat, axis1=-2, axis2=-1))))
        unit = _units(sd, ram)
        for name in latent_products(ram.variables, ram.n_observed):
            residual[..., place[name]] = unit[..., place[name]]
    for r, row in enumerate(table.rows):
        g, i = row.block - 1, place[row.lhs]
        j = place[row.rhs] if row.rhs else i
        if row.op == "~1":
            value, scale = m_vec[:, g, i], 1.0 / sd[:, g, i] if sd is not None else 1.0
        elif row.op == "~~":
            value, scale = s_mat[:, g, i, j], 1.0
            if unit is not None and residual is not None:
                by = unit[:, g, i] ** 2 if i == j else residual[:, g, i] * residual[:, g, j]
                with np.errstate(divide="ignore", invalid="ignore"):
                    scale = 1.0 / by
        else:
            to, source = (j, i) if row.op == "=~" else (i, j)
            value = weights[r] if r in weights else a_mat[:, g, to, source]
            if sd is None or unit is None:
                scale = 1.0
            else:
                scale = (sd if row.op == "=~" else unit)[:, g, source] / sd[:, g, to]
        out[:, r] = value * scale
    return np.concatenate([out, defined_values(table, out)], axis=1)


def _units(sd: Array, ram: RamModel) -> Array:
    """Standard deviations (b, g, v), of a latent product the product of its factors'."""
    unit = sd.copy()
    for name, factors in latent_products(ram.variables, ram.n_observed).items():
        unit[..., ram.variables.index(name)] = np.prod(sd[..., list(factors)], axis=-1)
    return unit


def _deviations(cov_all: Array, table: ParameterTable, ram: RamModel, metric: str) -> Array:
    """Standard deviations (b, g, v) to divide by; 1 for variables that the metric leaves alone."""
    variance = np.diagonal(cov_all, axis1=-2, axis2=-1)
    sd = np.sqrt(np.where(variance > 0, variance, np.nan))
    if metric == "std_lv":
        sd[..., : ram.n_observed] = 1.0
    elif metric == "std_nox":
        sd[..., [ram.variables.index(name) for name in table.variables.exogenous]] = 1.0
    return sd


def defined_values(table: ParameterTable, rows: Array) -> Array:
    env: dict[str, Array] = {}
    for r, row in enumerate(table.rows):
        env[table.plabel(r)] = rows[:, r]
        if row.label:
            env.setdefault(row.label, rows[:, r])
    out = np.empty((len(rows), len(table.definitions)))
    for d, (name, expression) in enumerate(table.definitions):
        with np.errstate(all="ignore"):
            out[:, d] = expression.evaluate(env)
        env[name] = out[:, d]
    return out


def _effects(ram: RamModel, effects: Sequence[Effect], drawn: Replicates, standardized: bool) -> Array:
    a_mat, s_mat, m_vec = _matrices(ram, drawn)
    at = kernels.implied(a_mat, s_mat, m_vec, ram.n_observed, ram.places.sources)
    variance = np.diagonal(at.cov_all, axis1=-2, axis2=-1)
    sd = np.sqrt(np.where(variance > 0, variance, np.nan))
    unit = _units(sd, ram)
    place = {name: i for i, name in enumerate(ram.variables)}
    out = np.empty((len(drawn.free), len(effects)))
    for e, effect in enumerate(effects):
        g, source, target = effect.group, place[effect.source], place[effect.target]
        if effect.kind == "total":
            value = at.total[:, g, target, source]
        elif effect.kind == "total indirect":
            value = at.total[:, g, target, source] - a_mat[:, g, target, source]
        else:
            names = [place[name] for name in effect.path.split("→")]
            value = np.prod([a_mat[:, g, to, frm] for frm, to in pairwise(names)], axis=0)
        if standardized:
            with np.errstate(divide="ignore", invalid="ignore"):
                value = value * unit[:, g, source] / sd[:, g, target]
        out[:, e] = value
    return out
