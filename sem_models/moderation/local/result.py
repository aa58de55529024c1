"""`LocalModeration`: a model's parameters as curves over a continuous moderator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.columns import LEVEL, checked_level, inference_columns, row_keys
from sem_models.inference.header import Header, Status
from sem_models.inference.measures import rmsea
from sem_models.inference.result import Fit
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array, IntArray
from sem_models.model.table import Row
from sem_models.moderation.local.curves import Curves, permutation_pvalues, two_sided
from sem_models.moderation.local.draws import LocalDraws
from sem_models.moderation.local.kernel import effective_sizes
from sem_models.moderation.local.problem import LocalProblem
from sem_models.moderation.local.solve import LocalSolution
from sem_models.moderation.probing.support import Support

if TYPE_CHECKING:
    from sem_models.charts.local import LocalCharts

Metric = Literal["raw", "std_all"]
METRICS: tuple[Metric, ...] = ("raw", "std_all")

SMALL = 50
"""Effective customers below which a local fit is marked as small."""


@dataclass(frozen=True, repr=False)
class LocalModeration:
    """Parameters as curves over a continuous moderator. Tables are data frames; print it for a summary.

    bootstrap and permuted hold the draws, None where none were asked for.
    """

    problem: LocalProblem
    solution: LocalSolution
    bootstrap: LocalDraws | None
    permuted: LocalDraws | None
    settings: Mapping[str, Any]

    # ------------------------------------------------------------------ what was done

    @property
    def method(self) -> str:
        return "lsem"

    @property
    def title(self) -> str:
        """The method in words."""
        return "local structural equation models"

    @property
    def moderator(self) -> str:
        """The column that the parameters are followed along."""
        return self.problem.moderator

    @property
    def grid(self) -> Array:
        """The focal points (f,)."""
        return self.problem.window.grid.copy()

    @property
    def pooled(self) -> Fit:
        """The model on all customers, the items' smooth means over the moderator taken out if
        residualized."""
        return self.problem.pooled

    @property
    def options(self) -> dict[str, Any]:
        """All options, resolved."""
        return {**self.problem.plain.options, **self.settings, "method": self.method}

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Hashes of data and model, versions and options."""
        return {**self.problem.plain.provenance, "moderation": {"method": self.method, **self.settings}}

    @property
    def support(self) -> Support:
        """Where the customers lie on the moderator."""
        return Support.observed([self.problem.window.moderator])

    @cached_property
    def status(self) -> Status:
        """Of all local fits: those that failed, are improper or rest on few customers are named."""
        s, grid = self.solution, self.problem.window.grid
        reasons = []
        failed = np.flatnonzero(~s.converged)
        if len(failed):
            why = next((s.why[i] for i in failed if s.why[i]), "")
            what = f"{len(failed)} of {len(grid)} local fits did not converge ({self._where(failed)})."
            reasons.append(f"{what} {why}".strip())
        improper = np.flatnonzero(s.converged & ~s.admissible)
        if len(improper):
            reasons.append(
                f"{len(improper)} of {len(grid)} local fits are not admissible ({self._where(improper)}): "
                f"{s.why[improper[0]]}"
            )
        return Status(not len(failed), not len(failed), not len(improper) and not len(failed), tuple(reasons))

    @cached_property
    def cautions(self) -> tuple[str, ...]:
        """What to say beside the status: small effective sizes and draws that failed."""
        out = []
        small = np.flatnonzero(self._sizes[0] < SMALL)
        if len(small):
            out.append(
                f"{len(small)} of {len(self.grid)} focal points rest on fewer than {SMALL} effective "
                f"customers ({self._where(small)})."
            )
        for what, drawn in (("bootstrap", self.bootstrap), ("permutation", self.permuted)):
            if drawn is not None and drawn.failed.any():
                out.append(
                    f"{int(drawn.failed.sum())} of {drawn.n * len(self.grid)} {what} refits failed and are "
                    "left out."
                )
            if drawn is not None and drawn.inadmissible.any():
                out.append(
                    f"{int(drawn.inadmissible.sum())} of {drawn.n * len(self.grid)} {what} refits have a "
                    "negative variance."
                )
        return tuple(out)

    def _where(self, points: IntArray) -> str:
        shown = ", ".join(f"{self.grid[i]:.3g}" for i in points[:4])
        return f"{self.moderator} = {shown}" + (", …" if len(points) > 4 else "")

    @cached_property
    def header(self) -> Header:
        """N available, used and dropped, estimator, missing method, and what went wrong."""
        head = self.problem.plain.header
        drops = tuple(n for n in head.notes if "rows dropped" in n)
        return Header(
            "ML (LSEM)", head.missing, head.n_available, head.n_used, head.n_dropped, head.groups,
            self.status.converged, self.status.admissible,
            (*drops, *self.status.reasons, *self.cautions),
        )  # fmt: skip

    # ------------------------------------------------------------------ numbers

    @cached_property
    def _sizes(self) -> tuple[Array, Array]:
        return effective_sizes(self.problem.window.weights())

    @cached_property
    def _curves(self) -> dict[str, Curves]:
        share = self.problem.window.density()
        out: dict[str, Curves] = {}
        for metric in METRICS:
            value, influence = self.solution.curves(metric)
            draws = None if self.bootstrap is None else self.bootstrap.rows[metric]
            out[metric] = Curves(value, influence, draws, share, self.problem.window.grid)
        return out

    def curves(self, metric: Metric = "raw") -> Curves:
        """Values, influence and draws of all rows as arrays."""
        if metric not in METRICS:
            raise SpecError(f"metric='{metric}' is unknown. {did_you_mean(metric, METRICS, noun='metrics')}")
        return self._curves[metric]

    @cached_property
    def _names(self) -> pd.DataFrame:
        keys = dict(row_keys(self.solution.table))
        return pd.DataFrame({k: keys[k] for k in ("lhs", "op", "rhs", "group", "label")})

    @cached_property
    def moving(self) -> IntArray:
        """Positions of the rows that are free to vary over the focal points, defined parameters included."""
        table = self.solution.table
        held = self._held
        free = [i for i, row in enumerate(table.rows) if row.free and i not in held]
        extra = range(len(table.rows), self.solution.n_rows)
        return np.array([*free, *extra], dtype=np.intp)

    @cached_property
    def _held(self) -> set[int]:
        """Rows that group_equal holds equal over the focal points."""
        if not self.solution.joint:
            return set()
        solved = self.solution.fits[0]
        assert solved is not None
        r = len(self.solution.table.rows)
        if len(solved.table.groups) < 2:
            return set()
        first, second = solved.table.rows[:r], solved.table.rows[r : 2 * r]
        return {
            i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a.label and a.label == b.label
        }

    def position(self, parameter: str) -> int:
        """Row of a parameter, by its label or as "PV ~ EDS". SpecError with near matches."""
        asked = parameter.replace(" ", "")
        for i, row in enumerate(self.solution.table.rows):
            if asked in _spellings(row):
                return i
        for i, (name, _) in enumerate(self.solution.table.definitions):
            if asked == name:
                return len(self.solution.table.rows) + i
        known = [row.label or row.name for row in self.solution.table.rows if row.free]
        known += [name for name, _ in self.solution.table.definitions]
        raise SpecError(
            f"'{parameter}' is no parameter of the model. {did_you_mean(asked, known, noun='parameters')}"
        )

    # ------------------------------------------------------------------ tables

    def estimates(self, *, level: float = LEVEL) -> pd.DataFrame:
        """One row a parameter and focal point; columns as `Fit.estimates()`, with the moderator's value.

        Errors of the bootstrap where there is one, else of the kernel-weighted sandwich.
        """
        raw, scaled = self._curves["raw"], self._curves["std_all"]
        frames = []
        for point, at in enumerate(self.grid):
            columns = inference_columns(raw.value[point], raw.error[point], "est", level=checked_level(level))
            found = self.solution.rows(point, "std_lv")
            frame = self._names.copy()
            frame.insert(5, self.moderator, at)
            lv = np.full(len(frame), np.nan) if found is None else found.value
            frames.append(frame.assign(**columns, std_lv=lv, std_all=scaled.value[point]))
        return pd.concat(frames, ignore_index=True)

    def curve(self, parameter: str, *, metric: Metric = "raw", level: float = LEVEL) -> pd.DataFrame:
        """One parameter along the moderator, with a pointwise and a simultaneous band.

        Columns: the moderator, est, se, ci_lower, ci_upper (each by itself), band_lower, band_upper (all
        focal points at once), n_effective, admissible.
        """
        curves, row = self.curves(metric), self.position(parameter)
        est, se = curves.value[:, row], curves.error[:, row]
        half, wide = curves.pointwise(checked_level(level)), curves.simultaneous(row, level)
        if not np.isfinite(wide):
            wide = half
        return pd.DataFrame(
            {self.moderator: self.grid, "est": est, "se": se, "ci_lower": est - half * se,
             "ci_upper": est + half * se, "band_lower": est - wide * se, "band_upper": est + wide * se,
             "n_effective": self._sizes[0], "admissible": self.solution.admissible}
        )  # fmt: skip

    def indices(self, *, metric: Metric = "raw", level: float = LEVEL) -> pd.DataFrame:
        """What each parameter's curve amounts to: one row a parameter that can vary.

        Columns lhs, op, rhs, label, pooled (the model on all customers), mean and sd over the customers,
        sd_corrected (less what sampling error adds), slope per unit of the moderator with its se, pvalue and
        interval, lowest and highest value.
        """
        found, chosen = self.curves(metric).indices(), self.moving
        frame = self._names.iloc[chosen][["lhs", "op", "rhs", "label"]].reset_index(drop=True)
        frame["pooled"] = self._pooled(metric)[chosen]
        half = self.curves(metric).pointwise(checked_level(level))
        for name in ("mean", "mean_se", "sd", "sd_corrected", "slope", "slope_se"):
            frame[name] = found[name][chosen]
        slope, se = found["slope"][chosen], found["slope_se"][chosen]
        with np.errstate(all="ignore"):
            frame["slope_pvalue"] = two_sided(np.where(se > 0, slope / se, np.nan))
        frame["slope_ci_lower"], frame["slope_ci_upper"] = slope - half * se, slope + half * se
        frame["lowest"], frame["highest"] = found["lowest"][chosen], found["highest"][chosen]
        return frame

    def _pooled(self, metric: Metric) -> Array:
        solved = self.pooled.solved
        whole = solved.rows if metric == "raw" else solved.standardized(metric)
        return np.append(whole.value, solved.defined(whole).value)

    def constancy(self, *, metric: Metric = "raw") -> pd.DataFrame:
        """Permutation tests that each parameter is the same at all values of the moderator.

        One row a parameter, last "all parameters": sd (of the curve over the customers), sd_permuted (its
        mean under permutation), pvalue, p_adjusted (for looking at all of them; Westfall & Young), n
        (permutations counted). SpecError without permutations.
        """
        if self.permuted is None:
            raise SpecError(
                "There are no permutations to test constancy by. Ask for them: sm.moderate(..., "
                "method='lsem', permutations=1000, seed=1)."
            )
        curves, chosen = self.curves(metric), self.moving
        observed = curves.variation()[chosen]
        permuted = curves.variation(self.permuted.rows[metric])[:, chosen]
        single, adjusted, overall = permutation_pvalues(observed, permuted)
        counted = np.isfinite(permuted)
        frame = self._names.iloc[chosen][["lhs", "op", "rhs", "label"]].reset_index(drop=True)
        with np.errstate(all="ignore"):
            under = np.where(counted, permuted, 0.0).sum(axis=0) / counted.sum(axis=0)
        frame = frame.assign(
            sd=observed, sd_permuted=under, pvalue=single, p_adjusted=adjusted, n=counted.sum(axis=0)
        )
        whole = {
            "lhs": "all parameters", "op": "", "rhs": "", "label": "", "sd": np.nan, "sd_permuted": np.nan,
            "pvalue": overall, "p_adjusted": overall, "n": int(counted.all(axis=1).sum()),
        }  # fmt: skip
        return pd.concat([frame, pd.DataFrame([whole])], ignore_index=True)

    def focal_points(self) -> pd.DataFrame:
        """One row a focal point: how many customers it rests on, and whether its fit can be trusted.

        Columns: the moderator, n_effective (sum of the weights, the kernel 1 at its center), n_kish, small,
        share (of the customers that it stands for in the indices), converged, admissible, chisq, df and rmsea
        (the local fit's at its effective size; not with group_equal), bootstrap_failed, and note.
        """
        s = self.solution
        sums, kish = self._sizes
        frame = pd.DataFrame(
            {self.moderator: self.grid, "n_effective": sums, "n_kish": kish, "small": sums < SMALL,
             "share": self.problem.window.density(), "converged": s.converged, "admissible": s.admissible}
        )  # fmt: skip
        fits: list[Solved | None] = [None if s.joint else s.at(i)[0] for i in range(len(self.grid))]
        frame["chisq"] = [np.nan if f is None else f.minimum for f in fits]
        frame["df"] = [np.nan if f is None else float(f.df) for f in fits]
        frame["rmsea"] = [np.nan if f is None else rmsea(f.minimum, f.df, float(f.sample.n), 1) for f in fits]
        if self.bootstrap is not None:
            frame["bootstrap_failed"] = self.bootstrap.failed
        return frame.assign(note=list(s.why))

    # ------------------------------------------------------------------ showing

    @property
    def charts(self) -> LocalCharts:
        """Curves of parameters over the moderator."""
        from sem_models.charts.local import LocalCharts

        return LocalCharts(self)

    def summary(self) -> str:
        """Head, focal points, and what the curves amount to, as text."""
        points = self.focal_points().drop(columns=["note"])
        with pd.option_context("display.width", 140, "display.max_columns", 20, "display.max_rows", 200):
            parts = [
                f"Local structural equation models along {self.moderator}",
                f"  {self.header.line()}",
                *(f"  ! {reason}" for reason in (*self.status.reasons, *self.cautions)),
                f"  {len(self.grid)} focal points, {self.problem.window.kernel} kernel, bandwidth "
                f"{self.problem.window.bandwidth:.4g}",
                "", "Focal points:", points.round(3).to_string(index=False),
                "", "Curves over the customers:", self.indices().round(3).to_string(index=False),
            ]  # fmt: skip
            if self.permuted is not None:
                parts += [
                    "",
                    "Permutation tests of constancy:",
                    self.constancy().round(4).to_string(index=False),
                ]
        return "\n".join(parts) + "\n"

    def _repr_html_(self) -> str:
        from sem_models.reports.result_page import result_html

        frames = {"Curves over the customers": self.indices()}
        if self.permuted is not None:
            frames["Permutation tests of constancy"] = self.constancy()
        frames["Focal points"] = self.focal_points()
        title = f"{self.title[:1].upper()}{self.title[1:]} along {self.moderator}"
        return result_html(
            title, self.header.line(), self.status, self.cautions, frames, folded=("Focal points",)
        )

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return (
            f"<LocalModeration along {self.moderator}, {len(self.grid)} focal points: {self.header.line()}>"
        )


def _spellings(row: Row) -> tuple[str, ...]:
    """What a parameter may be called: its label, its name, and a covariance the other way round."""
    turned = f"{row.rhs}~~{row.lhs}" if row.op == "~~" else ""
    return tuple(name for name in (row.label, row.name, turned) if name)
