"""Indirect effects that depend on a moderator, and the index of moderated mediation.

Edwards, J. R., & Lambert, L. S. (2007). Psychological Methods, 12, 1–22; Hayes, A. F. (2015). Multivariate
Behavioral Research, 50, 1–22: the index is the indirect effect's slope in the moderator. Intervals by the
delta method or by Monte Carlo (Preacher & Selig, 2012).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.ram import Array
from sem_models.moderation.probing.conditional import ConditionalEffects, conditional_effects
from sem_models.moderation.probing.critical import check, inference
from sem_models.moderation.probing.polynomial import polynomial
from sem_models.moderation.probing.positions import positions
from sem_models.moderation.probing.terms import EffectTerms

Interval = Literal["delta", "montecarlo"]
INTERVALS: tuple[str, ...] = ("delta", "montecarlo")
TOTAL = "total indirect"
LONGEST = 8


@dataclass(frozen=True, eq=False)
class IndirectPath:
    """One way from predictor to outcome; steps are the effects along it."""

    variables: tuple[str, ...]
    steps: tuple[ConditionalEffects, ...]

    @property
    def name(self) -> str:
        return " → ".join(self.variables)

    def weights(self, moderator: str, values: Array) -> Array:
        """Weights (steps, m, rows) of each step at m values of the moderator."""
        out = []
        for step in self.steps:
            at = {moderator: values} if moderator in step.moderators else {}
            found = step.weights(at)
            out.append(np.broadcast_to(found, (len(values), found.shape[1])))
        return np.array(out)


@dataclass(frozen=True, eq=False)
class ConditionalIndirect:
    """The indirect effects of `predictor` on `outcome` as functions of one moderator, in one group."""

    terms: EffectTerms
    outcome: str
    predictor: str
    moderator: str
    group: int
    paths: tuple[IndirectPath, ...]
    points: tuple[tuple[float, str], ...]
    interval: Interval
    draws: int
    seed: int | None
    level: float

    def table(self) -> pd.DataFrame:
        """Each indirect effect, and their total, at the moderator's chosen values.

        Columns outcome, predictor, [group], path, moderator, value, position, est, se, z, pvalue, ci_lower,
        ci_upper, extrapolated. Errors, z and p by the delta method; limits as `interval` says.
        """
        values = np.array([v for v, _ in self.points])
        frames = []
        for name, paths in self._sums():
            frame = pd.DataFrame(self._columns(paths, values))
            for i, (column, content) in enumerate(
                {**self._names, "path": name, "moderator": self.moderator, "value": values,
                 "position": [w for _, w in self.points]}.items()
            ):  # fmt: skip
                frame.insert(i, column, content)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def curve(self, n: int = 61) -> pd.DataFrame:
        """The indirect effects along the moderator: path, value, est, se, limits, extrapolated."""
        at = self.paths[0].steps[0].axis(self.moderator, n=n, spread=3.0)
        frames = []
        for name, paths in self._sums():
            columns = self._columns(paths, at)
            frames.append(pd.DataFrame({"path": name, "value": at, **columns}).drop(columns=["z", "pvalue"]))
        return pd.concat(frames, ignore_index=True)

    def index(self) -> pd.DataFrame:
        """The index of moderated mediation by path: the indirect effect's change per unit of the moderator.

        Columns outcome, predictor, [group], path, moderator, est, se, z, pvalue, ci_lower, ci_upper, note.
        Where the indirect effect is not a straight line there is no such index; note says so and the values
        are NaN. `contrast` compares two values of the moderator instead.
        """
        rows = []
        mean, sd = self.terms.support_of(self.moderator).moments()
        for name, paths in self._sums():
            bent = any(self._bent(p, mean, sd or 1.0) for p in paths)
            note = "not a straight line in the moderator: contrast two values instead" if bent else ""
            row = {k: float(v[0]) for k, v in self._difference(paths, 0.0, 1.0).items()}
            row = {k: float("nan") for k in row} if bent else row
            rows.append({**self._names, "path": name, "moderator": self.moderator, **row, "note": note})
        return pd.DataFrame(rows)

    def contrast(self, first: float, second: float) -> pd.DataFrame:
        """Each indirect effect at `second` minus that at `first`, with its interval."""
        rows = []
        beyond = bool(
            self.terms.support_of(self.moderator).beyond(np.array([first, second]), self._of_group).any()
        )
        for name, paths in self._sums():
            row = {k: float(v[0]) for k, v in self._difference(paths, float(first), float(second)).items()}
            rows.append(
                {**self._names, "path": name, "moderator": self.moderator, "first": first, "second": second,
                 **row, "extrapolated": beyond}
            )  # fmt: skip
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        return f"{self.table().to_html(index=False)}{self.index().to_html(index=False)}"

    def __repr__(self) -> str:
        return f"{self.table().to_string(index=False)}\n\n{self.index().to_string(index=False)}"

    # ------------------------------------------------------------------ parts

    @property
    def _of_group(self) -> int | None:
        return self.group if len(self.terms.groups) > 1 else None

    @property
    def _names(self) -> dict[str, Any]:
        names: dict[str, Any] = {"outcome": self.outcome, "predictor": self.predictor}
        if len(self.terms.groups) > 1:
            names["group"] = self.terms.groups[self.group]
        return names

    def _sums(self) -> Iterator[tuple[str, tuple[IndirectPath, ...]]]:
        for path in self.paths:
            yield path.name, (path,)
        if len(self.paths) > 1:
            yield TOTAL, self.paths

    @cached_property
    def _drawn(self) -> Array:
        """Values of all rows of the table in draws from the estimates' normal distribution, (draws, rows)."""
        values, vectors = np.linalg.eigh(self.terms.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        rng = np.random.default_rng(self.seed)
        noise = rng.standard_normal((self.draws, len(root)))
        return np.asarray(self.terms.value + noise @ (self.terms.jacobian @ root).T)

    def _columns(self, paths: Sequence[IndirectPath], at: Array) -> dict[str, Array]:
        drawn = self._replicates(paths, at) if self.interval == "montecarlo" else None
        beyond = self.terms.support_of(self.moderator).beyond(at, self._of_group)
        return {**self._inference(*self._parts(paths, at), drawn), "extrapolated": beyond}

    def _difference(self, paths: Sequence[IndirectPath], first: float, second: float) -> dict[str, Array]:
        ends = np.array([first, second])
        est, gradient = (np.diff(v, axis=0) for v in self._parts(paths, ends))
        drawn = np.diff(self._replicates(paths, ends), axis=1) if self.interval == "montecarlo" else None
        return self._inference(est, gradient, drawn)

    def _parts(self, paths: Sequence[IndirectPath], at: Array) -> tuple[Array, Array]:
        """The sum of the paths' effects (m,) and its weights on the rows of the table (m, rows)."""
        est, gradient = np.zeros(len(at)), np.zeros((len(at), len(self.terms.value)))
        for path in paths:
            weights = path.weights(self.moderator, at)
            slopes = weights @ self.terms.value
            est += slopes.prod(axis=0)
            for k in range(len(weights)):
                others = np.delete(slopes, k, axis=0).prod(axis=0)
                gradient += weights[k] * others[:, None]
        return est, gradient

    def _replicates(self, paths: Sequence[IndirectPath], at: Array) -> Array:
        """(draws, m) values of the sum."""
        total = np.zeros((self.draws, len(at)))
        for path in paths:
            weights = path.weights(self.moderator, at)
            total += np.einsum("kmr,dr->kdm", weights, self._drawn).prod(axis=0)
        return total

    def _inference(self, est: Array, gradient: Array, drawn: Array | None) -> dict[str, Array]:
        """Columns by the delta method, the limits by percentiles of drawn (draws, m) where there are any."""
        out = inference(est, self.terms.errors_of(gradient), self.level, "normal", self.terms.df)
        if drawn is not None:
            tails = [(1.0 - self.level) / 2.0, (1.0 + self.level) / 2.0]
            out["ci_lower"], out["ci_upper"] = np.quantile(drawn, tails, axis=0)
        return out

    def _bent(self, path: IndirectPath, mean: float, sd: float) -> bool:
        """True where more than one step depends on the moderator, or one of them in a curve."""
        at = path.weights(self.moderator, mean + sd * np.array([-1.0, 0.0, 1.0, 2.0]))
        moving = [not np.allclose(w, w[0]) for w in at]
        curved = [not np.allclose(np.diff(w, 2, axis=0), 0.0) for w in at]
        return sum(moving) > 1 or any(curved)


def conditional_indirect(
    terms: EffectTerms, outcome: str, predictor: str, moderator: str | None = None, *,
    through: str | Sequence[str] | None = None, values: Any = None, percentiles: Any = None, group: int = 0,
    at: dict[str, float] | None = None, interval: Interval = "delta", draws: int = 20_000,
    seed: int | None = None, level: float = 0.95,
) -> ConditionalIndirect:  # fmt: skip
    """The indirect effects of `predictor` on `outcome`, all of them or those through the named variables.

    moderator: by default the only one that any step depends on. SpecError where there is no indirect path,
    or none that the moderator changes.
    """
    check(level, "normal", terms.df)
    if interval not in INTERVALS:
        raise SpecError(
            f"interval='{interval}' is unknown. {did_you_mean(str(interval), INTERVALS, noun='kinds')}"
        )
    if interval == "montecarlo" and draws < 100:
        raise SpecError(f"{draws} draws are too few for an interval. Ask for 1,000 or more.")
    for name in (outcome, predictor):
        terms.place(name)
    named = (through,) if isinstance(through, str) else tuple(through or ())
    for name in named:
        terms.place(name)
    routes = [r for r in _routes(terms, predictor, outcome, group) if len(r) > 2 and set(named) <= set(r)]
    if not routes:
        way = f" through {', '.join(named)}" if named else ""
        raise SpecError(f"The model has no indirect path from '{predictor}' to '{outcome}'{way}.")
    found = []
    for route in routes:
        steps = tuple(
            conditional_effects(terms, to, source, group=group, at=_known(terms, to, group, at))
            for source, to in pairwise(route)
        )
        found.append(IndirectPath(route, steps))
    possible = tuple(dict.fromkeys(m for path in found for step in path.steps for m in step.moderators))
    if moderator is None:
        if len(possible) != 1:
            raise SpecError(
                f"Name moderator=: the indirect effects depend on {', '.join(possible) or 'no variable'}."
            )
        moderator = possible[0]
    if moderator not in possible:
        raise SpecError(
            f"'{moderator}' changes no step from '{predictor}' to '{outcome}'. "
            f"{did_you_mean(moderator, possible, noun='moderators') if possible else 'No variable does.'}"
        )
    points = positions(terms.support_of(moderator), values, percentiles)
    return ConditionalIndirect(
        terms, outcome, predictor, moderator, group, tuple(found), points, interval, draws, seed, level
    )


def _known(terms: EffectTerms, outcome: str, group: int, at: dict[str, float] | None) -> dict[str, float]:
    """Those of the held values that this equation has."""
    variables = polynomial(terms, outcome, group).variables
    return {k: v for k, v in (at or {}).items() if k in variables}


def _routes(terms: EffectTerms, source: str, target: str, group: int) -> list[tuple[str, ...]]:
    """Directed ways from source to target that visit no variable twice."""
    into: dict[str, tuple[str, ...]] = {}
    for row in terms.table.rows:
        if row.op == "~" and row.block == group + 1 and row.lhs not in into:
            into[row.lhs] = polynomial(terms, row.lhs, group).variables
    found: list[tuple[str, ...]] = []

    def extend(route: tuple[str, ...]) -> None:
        if route[0] == source:
            found.append(route)
            return
        if len(route) < LONGEST:
            for name in into.get(route[0], ()):
                if name not in route:
                    extend((name, *route))

    extend((target,))
    return sorted(found, key=len)
