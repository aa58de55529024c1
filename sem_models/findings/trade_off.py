"""The trade-off between two services (C4): how much of one makes up for a unit less of the other.

The rate of substitution is the ratio of their total effects on an outcome, the slope of the line along which
the outcome stays the same. Its confidence set is Fieller's; the bootstrap stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import chi2

from sem_models.errors import SpecError
from sem_models.findings.cheapest_mix import Mix, cheapest
from sem_models.inference.effect_values import effect_value
from sem_models.inference.fieller import FiellerSet, fieller_set
from sem_models.inference.result import Fit
from sem_models.model.ram import Array
from sem_models.moderation.pooled import pooled_variances

if TYPE_CHECKING:
    from altair.typing import ChartType

    from sem_models.moderation.probing.probe import Probing

POINTS = 41
ELLIPSE = 0.95
"""Share of the customers inside the ellipse that counts as the data's support."""


OF_RESPONSES = "Items are ordered: a point is a standard deviation of the marker item's latent response."
"""What the unit of a construct is where its items have no numbers."""


@dataclass(frozen=True)
class TradeOff:
    """How `gives` is compensated by `takes` for the same `outcome`; see `trade_off`."""

    fit: Fit
    outcome: str
    takes: str
    gives: str
    level: float
    bootstrap: int
    seed: int | None

    @property
    def _ordered(self) -> bool:
        return self.fit.solved.sample.ordinal is not None

    @cached_property
    def _rates(self) -> pd.DataFrame:
        rows = []
        for g, label in enumerate(self.fit.groups):
            for scale in ("points", "sd"):
                top, bottom, cov = self._pair(g, scale)
                found = fieller_set(top, bottom, cov, self._half)
                units = OF_RESPONSES if scale == "points" and self._ordered else ""
                rows.append(
                    (label, scale, bottom, top, top / bottom if bottom else np.nan, found.lower, found.upper,
                     found.kind, *self._drawn(g, scale), " ".join(filter(None, (found.note, units))))
                )  # fmt: skip
        columns = ["group", "scale", f"effect_{self.takes}", f"effect_{self.gives}", "rate", "ci_lower",
                   "ci_upper", "set", "boot_lower", "boot_upper", "note"]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def rates(self) -> pd.DataFrame:
        """The rate of substitution by group, in points of the items' scale and in pooled standard deviations.

        Columns group, scale ("points", "sd"), the two total effects, rate (of `takes` for one unit less of
        `gives`), ci_lower, ci_upper (Fieller's set; infinite where it is no interval), set ("interval",
        "disjoint", "unbounded"), boot_lower, boot_upper (percentiles, where asked for) and note.
        """
        return self._rates.copy()

    def iso_value(self) -> pd.DataFrame:
        """The mixes at which an average customer's outcome stays what it is, in deviations from the means.

        Columns group, x (change of `gives`, points), y (change of `takes` that makes up for it), lower, upper
        (from Fieller's set; infinite where it is no interval) and supported: within the ellipse that holds
        95 % of the customers.
        """
        frames = []
        for g, label in enumerate(self.fit.groups):
            cov = self._support(g)
            spread = 2.5 * np.sqrt(cov[0, 0])
            x = np.linspace(-spread, spread, POINTS)
            top, bottom, spread_of = self._pair(g, "points")
            found = fieller_set(top, bottom, spread_of, self._half)
            y = -(top / bottom) * x
            ends = np.sort(np.stack([-found.lower * x, -found.upper * x]), axis=0)
            ends[:, x == 0] = 0.0
            points = np.stack([x, y])
            distance = np.einsum("ik,ij,jk->k", points, np.linalg.inv(cov), points)
            frames.append(
                pd.DataFrame(
                    {"group": label, "x": x, "y": y, "lower": ends[0], "upper": ends[1],
                     "supported": distance <= chi2.ppf(ELLIPSE, 2)}
                )
            )  # fmt: skip
        return pd.concat(frames, ignore_index=True)

    def cheapest(
        self, *, costs: Mapping[str, float], target: float, room: Mapping[str, float] | None = None,
        group: str | None = None,
    ) -> Mix:  # fmt: skip
        """The cheapest way to raise the outcome by `target` points, at unit costs of the two services.

        room: how far each service can be raised, in points; by default two standard deviations, what the data
        support. See `Mix`.
        """
        for name in (self.takes, self.gives):
            if name not in costs:
                raise SpecError(f"costs= needs the cost of a point of {self.takes} and of {self.gives}.")
        g = self._group(group)
        top, bottom, cov = self._pair(g, "points")
        sd = dict(zip((self.gives, self.takes), np.sqrt(np.diagonal(self._support(g))), strict=True))
        limits = {name: 2.0 * float(sd[name]) for name in (self.takes, self.gives)} | dict(room or {})
        return cheapest(
            (self.takes, self.gives), np.array([bottom, top]), cov[::-1, ::-1],
            np.array([costs[self.takes], costs[self.gives]], dtype=np.float64), float(target),
            np.array([limits[self.takes], limits[self.gives]]), level=self.level, seed=self.seed or 0,
        )  # fmt: skip

    def chart(self, **options: Any) -> ChartType:
        """Iso-value lines over the support of the data."""
        from sem_models.charts.trade_off import iso_value

        units = f"\n{OF_RESPONSES}" if self._ordered else ""
        return iso_value(
            self.iso_value(), self.rates(), takes=self.takes, gives=self.gives, outcome=self.outcome,
            subtitle=f"{self.fit.header.line()}{units}", **options,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"{self.fit.header.line()}\n\n{self.rates().round(3).to_string(index=False)}"

    def _repr_html_(self) -> str:
        table = self.rates().to_html(index=False, float_format="{:.2f}".format)
        return f"<p>{self.fit.header.line()}</p>{table}"

    # ------------------------------------------------------------------ numbers

    @property
    def _half(self) -> float:
        return float(ndtri((1 + self.level) / 2))

    def _group(self, label: str | None) -> int:
        if label is None and len(self.fit.groups) > 1:
            raise SpecError(f"Name group=: the fit has the groups {', '.join(self.fit.groups)}.")
        if label is not None and str(label) not in self.fit.groups:
            raise SpecError(f"group='{label}' is not a group. Groups: {', '.join(self.fit.groups)}.")
        return 0 if label is None else self.fit.groups.index(str(label))

    def _pair(self, g: int, scale: str) -> tuple[float, float, Array]:
        """Total effects of `gives` and `takes`, and their covariance (2, 2); a factor sd for scale "sd"."""
        solved = self.fit.solved
        found = [
            effect_value(solved, "total", name, self.outcome, g, "raw") for name in (self.gives, self.takes)
        ]
        values, slopes = [f[0] for f in found], np.stack([f[1] for f in found])
        if scale == "sd":
            pooled = pooled_variances(solved)
            for k, name in enumerate((self.gives, self.takes)):
                i = solved.ram.variables.index(name)
                sd = float(np.sqrt(pooled.value[i]))
                slopes[k] = sd * slopes[k] + values[k] * pooled.jacobian[i] / (2 * sd)
                values[k] *= sd
        return values[0], values[1], slopes @ solved.covariance.free @ slopes.T

    def _support(self, g: int) -> Array:
        """Covariance (2, 2) of `gives` and `takes` in a group."""
        ram, at = self.fit.solved.ram, self.fit.solved.point.at
        chosen = [ram.variables.index(name) for name in (self.gives, self.takes)]
        return np.asarray(at.cov_all[g][np.ix_(chosen, chosen)])

    def _drawn(self, g: int, scale: str) -> tuple[float, float]:
        """Percentile limits of the rate over bootstrap replicates."""
        if not self.bootstrap:
            return float("nan"), float("nan")
        tops, bottoms = self._replicated[:, g, 0], self._replicated[:, g, 1]
        ratio = tops / bottoms
        if scale == "sd":
            variances = pooled_variances(self.fit.solved).value
            places = [self.fit.solved.ram.variables.index(n) for n in (self.gives, self.takes)]
            ratio = ratio * float(np.sqrt(variances[places[0]] / variances[places[1]]))
        tail = (1 - self.level) / 2
        low, high = np.quantile(ratio[np.isfinite(ratio)], [tail, 1 - tail])
        return float(low), float(high)

    @cached_property
    def _replicated(self) -> Array:
        """Total effects of `gives` and `takes` by replicate and group, (b, g, 2)."""
        solved = self.fit.solved
        drawn = self.fit.bootstrap(self.bootstrap, seed=self.seed)
        free = drawn.draws.replicates.free
        a_mat = solved.ram.matrices(free)[0]
        total = np.linalg.inv(np.eye(a_mat.shape[-1]) - a_mat)
        names = solved.ram.variables
        columns = [names.index(self.gives), names.index(self.takes)]
        return np.asarray(total[:, :, names.index(self.outcome), columns])


def trade_off(
    fit: Fit, *, outcome: str = "PV", takes: str = "EDS", gives: str = "OPS", level: float = 0.95,
    bootstrap: int = 0, seed: int | None = None,
) -> TradeOff:  # fmt: skip
    """How much of one service makes up for less of another, with the outcome unchanged.

    Parameters
    ----------
    fit : Fit
        With one or several groups; the rates are by group.
    outcome, takes, gives : str
        `takes` (EDS) makes up for a unit less of `gives` (OPS) in `outcome` (PV), by total effects.
    bootstrap : int
        Replicates for percentile sets beside Fieller's; none by default.

    Raises
    ------
    SpecError
        Where no path leads from a service to the outcome.
    """
    if takes == gives:
        raise SpecError(f"'{takes}' cannot make up for itself: name two services.")
    for name in (takes, gives):
        effect_value(fit.solved, "total", name, outcome, 0, "raw")
    return TradeOff(fit, outcome, takes, gives, level, bootstrap, seed)


def rates_along(
    result: Probing, *, outcome: str = "PV", takes: str = "EDS", gives: str = "OPS", moderator: str = "ACT",
    level: float = 0.95, points: int = POINTS,
) -> pd.DataFrame:  # fmt: skip
    """The rate of substitution along a continuous moderator of both services, with Fieller's sets.

    result is that of `sm.moderate` or `sm.probe` with one group. Columns value, rate, ci_lower, ci_upper,
    set, extrapolated.
    """
    top, bottom = (
        result.conditional_effects(outcome, name, moderator, level=level) for name in (gives, takes)
    )
    low, high = result.terms.support_of(moderator).limits()
    at = np.linspace(low, high, points)
    first, second = top.gradient({moderator: at}), bottom.gradient({moderator: at})
    numerators, denominators = top.effect({moderator: at}), bottom.effect({moderator: at})
    half = float(ndtri((1 + level) / 2))
    rows: list[tuple[float, float, FiellerSet]] = []
    for k, value in enumerate(at):
        slopes = np.stack([first[k], second[k]])
        cov = slopes @ result.terms.covariance @ slopes.T
        a, b = float(numerators[k]), float(denominators[k])
        rows.append((float(value), a / b, fieller_set(a, b, cov, half)))
    return pd.DataFrame(
        {"value": [v for v, _, _ in rows], "rate": [r for _, r, _ in rows],
         "ci_lower": [f.lower for _, _, f in rows], "ci_upper": [f.upper for _, _, f in rows],
         "set": [f.kind for _, _, f in rows], "extrapolated": top.beyond({moderator: at})}
    )  # fmt: skip
