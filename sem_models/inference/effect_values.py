"""One direct, indirect or total effect in any metric, with its derivative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.effects import Effect, effects
from sem_models.inference.standardized import variance_jacobian
from sem_models.model.ram import Array

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved

Scale = Literal["raw", "std_lv", "std_all", "std_nox"]
Kind = Literal["direct", "total", "indirect"]


def effect_value(
    solved: Solved, kind: Kind, source: str, target: str, g: int, scale: Scale, via: str = ""
) -> tuple[float, Array]:
    """The effect of `source` on `target` in group g (from 0), and its derivative (q,).

    An indirect effect `via` a mediator is the sum over the paths that pass through it; without `via` it is
    the total effect less the direct one. Raises SpecError where nothing leads from source to target.
    """
    found = [
        e
        for e in effects(solved.table, solved.ram, solved.point.free, solved.point.at)
        if e.group == g and e.source == source and e.target == target
    ]
    if not found:
        names = sorted({n for row in solved.table.rows if row.op == "~" for n in (row.lhs, row.rhs)})
        unknown = next((n for n in (source, target) if n not in names), "")
        hint = did_you_mean(unknown, names, noun="variables of the paths") if unknown else ""
        raise SpecError(f"No path leads from '{source}' to '{target}'. {hint}".strip())
    value, slope = _sum(_chosen(found, kind, source, target, via), solved.ram.n_free)
    factor, relative = _factor(solved, g, source, target, scale)
    return value * factor, factor * (slope + value * relative)


def _chosen(found: list[Effect], kind: Kind, source: str, target: str, via: str) -> list[Effect]:
    if via:
        through = [e for e in found if e.kind == "indirect" and via in e.path.split("→")[1:-1]]
        if kind != "indirect" or not through:
            raise SpecError(
                f"No path from '{source}' to '{target}' passes through '{via}'."
                if kind == "indirect"
                else f"via='{via}' belongs to an indirect effect, not to a {kind} one."
            )
        return through
    wanted = {"direct": "direct", "total": "total", "indirect": "total indirect"}[kind]
    chosen = [e for e in found if e.kind == wanted]
    if not chosen:
        lacking = "direct path" if kind == "direct" else "mediator"
        raise SpecError(f"There is no {lacking} between '{source}' and '{target}'.")
    return chosen


def _sum(chosen: list[Effect], q: int) -> tuple[float, Array]:
    return sum(e.value for e in chosen), sum((e.jacobian for e in chosen), np.zeros(q))


def _factor(solved: Solved, g: int, source: str, target: str, scale: Scale) -> tuple[float, Array]:
    """sd(source)/sd(target) over the variables that `scale` standardizes, and its log-derivative."""
    ram, at = solved.ram, solved.point.at
    place = {name: i for i, name in enumerate(ram.variables)}
    factor, relative = 1.0, np.zeros(ram.n_free)
    if scale == "raw":
        return factor, relative
    d_variance = variance_jacobian(ram, at)
    for name, power in ((source, 0.5), (target, -0.5)):
        i = place[name]
        kept = (scale == "std_lv" and i < ram.n_observed) or (scale == "std_nox" and i in ram.exogenous)
        if kept:
            continue
        variance = float(at.cov_all[g, i, i])
        if variance <= 0:
            return float("nan"), np.full(ram.n_free, np.nan)
        factor *= variance**power
        relative = relative + power * d_variance[g, i] / variance
    return factor, relative
