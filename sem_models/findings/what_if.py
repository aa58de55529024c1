"""What-if: the predicted change of outcomes when levers change, for all customers or a segment.

A prediction reads the paths as effects. Nothing here makes them so: service records follow customers'
troubles and were not assigned. `WhatIf.reading` says what is assumed, in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.effect_values import effect_value
from sem_models.inference.result import Fit
from sem_models.model.ram import Array


@dataclass(frozen=True)
class WhatIf:
    """Predicted changes; `table()` has one row a group and outcome."""

    fit: Fit
    changes: Mapping[str, float]
    outcomes: tuple[str, ...]
    groups: tuple[str, ...]
    level: float
    adjusted_for: tuple[str, ...]

    @property
    def reading(self) -> str:
        """The causal reading under which the predictions hold."""
        given = " and ".join(f"{name} by {change:+g}" for name, change in self.changes.items())
        if self.adjusted_for:
            basis = f"given {', '.join(self.adjusted_for)}, which is declared to be enough."
        else:
            basis = (
                "although the levers were observed, not assigned. No adjustment set is declared: read it as "
                "what goes with such a change."
            )
        return f"Changing {given}, everything else as it is. The paths are read as effects {basis}"

    def table(self) -> pd.DataFrame:
        """Columns group, outcome, change (in points), se, ci_lower, ci_upper, change_sd (in standard
        deviations of the outcome), extrapolated (a lever leaves the range the data show)."""
        solved = self.fit.solved
        z = float(ndtri((1 + self.level) / 2))
        rows = []
        for label in self.groups:
            g = self.fit.groups.index(label)
            beyond = self._beyond(g)
            for outcome in self.outcomes:
                value, slope = self._change(outcome, g)
                se = float(solved.errors_of(slope[None])[0])
                i = solved.ram.variables.index(outcome)
                sd = float(np.sqrt(solved.point.at.cov_all[g, i, i]))
                rows.append((label, outcome, value, se, value - z * se, value + z * se, value / sd, beyond))
        columns = ["group", "outcome", "change", "se", "ci_lower", "ci_upper", "change_sd", "extrapolated"]
        return pd.DataFrame(rows, columns=columns)

    def _change(self, outcome: str, g: int) -> tuple[float, Array]:
        total, slope = 0.0, np.zeros(self.fit.solved.ram.n_free)
        for lever, change in self.changes.items():
            try:
                value, step = effect_value(self.fit.solved, "total", lever, outcome, g, "raw")
            except SpecError:
                continue  # nothing leads from this lever to this outcome
            total, slope = total + change * value, slope + change * step
        return total, slope

    def _beyond(self, g: int) -> bool:
        """Whether a change is larger than two standard deviations of its lever."""
        solved = self.fit.solved
        variances = np.diagonal(solved.point.at.cov_all[g])
        places = [solved.ram.variables.index(name) for name in self.changes]
        return bool((np.abs(list(self.changes.values())) > 2 * np.sqrt(variances[places])).any())

    def __repr__(self) -> str:
        return f"{self.reading}\n\n{self.table().round(3).to_string(index=False)}"

    def _repr_html_(self) -> str:
        from html import escape

        table = self.table().to_html(index=False, float_format="{:.2f}".format)
        return f"<p>{escape(self.reading)}</p>{table}"


def what_if(
    fit: Fit,
    changes: Mapping[str, float],
    *,
    outcomes: Sequence[str] | None = None,
    group: str | None = None,
    adjusted_for: Sequence[str] = (),
    level: float = 0.95,
) -> WhatIf:
    """Predict what changes of levers do to outcomes, by total effects of the linear model.

    Parameters
    ----------
    fit : Fit
        The segment is a group of the fit, or all customers of a fit without groups.
    changes : mapping
        Lever (a predictor, observed or latent) → change in its own units: {"onsite_visits": -2}.
    outcomes : sequence of str
        All that a lever leads to, by default.
    adjusted_for : sequence of str
        The adjustment set under which the paths are held to be causal; it is named in the reading.

    Raises
    ------
    SpecError
        For an unknown lever, outcome or group, or a lever that leads to no outcome.
    """
    table = fit.solved.table
    predictors = [n for n in fit.solved.ram.variables if n in table.variables.predictors]
    for lever in changes:
        if lever not in predictors:
            raise SpecError(
                f"'{lever}' predicts nothing in the model. {did_you_mean(lever, predictors, noun='levers')}"
            )
    if not changes:
        raise SpecError("changes= names no lever: for example {'onsite_visits': -2}.")
    reached = [
        n for n in fit.solved.ram.variables
        if n in table.variables.regressed and any(_leads(fit, lever, n) for lever in changes)
    ]  # fmt: skip
    chosen = tuple(reached if outcomes is None else outcomes)
    for name in chosen:
        if name not in reached:
            raise SpecError(
                f"No lever leads to '{name}'. {did_you_mean(name, reached, noun='outcomes reached')}"
            )
    if group is not None and str(group) not in fit.groups:
        raise SpecError(f"group='{group}' is not a group. {did_you_mean(str(group), fit.groups)}")
    groups = fit.groups if group is None else (str(group),)
    return WhatIf(fit, dict(changes), chosen, groups, level, tuple(adjusted_for))


def _leads(fit: Fit, lever: str, outcome: str) -> bool:
    try:
        effect_value(fit.solved, "total", lever, outcome, 0, "raw")
    except SpecError:
        return False
    return lever != outcome
