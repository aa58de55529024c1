"""Meta-analytic structural equation modeling in two stages: pool the correlations, fit the model to them.

`pool_correlations` is stage 1; `masem` fits a model to the pooled correlations by weighted least squares with
the inverse of their covariance as weight, under the constraint that the model's variances are 1. Cheung &
Chan (2005), Psychological Methods, 10, 40–64; Cheung (2014), Behavior Research Methods, 46, 29–40.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.linalg import null_space
from scipy.stats import chi2

from sem_models.errors import ConvergenceError, DataError, SpecError, did_you_mean
from sem_models.findings.correlation_pooling import (
    Acov,
    Stage1,
    fixed_effects,
    pair_positions,
    random_effects,
)
from sem_models.findings.importance import with_slopes
from sem_models.inference.columns import checked_level, inference_columns
from sem_models.model.ram import Array, IntArray

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved
    from sem_models.model.spec import ModelSpec

ITERATIONS, CLOSE, LOOSE = 300, 1e-10, 1e-6

FIXED = 1e-18
"""Variance up to which an estimate counts as a fixed value."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """Stage 1: pooled correlations with their errors; print it for the table."""

    method: Literal["random", "fixed"]
    variables: tuple[str, ...]
    k: int
    n: int
    stage: Stage1 = field(repr=False)
    counts: Array = field(repr=False)

    @property
    def matrix(self) -> pd.DataFrame:
        """The pooled correlation matrix."""
        p = len(self.variables)
        rows, columns = pair_positions(p)
        out = np.eye(p)
        out[rows, columns] = out[columns, rows] = self.stage.r
        return pd.DataFrame(out, self.variables, self.variables)

    def table(self, *, level: float = 0.95) -> pd.DataFrame:
        """One row a correlation: lhs, rhs, studies, est, se, z, pvalue, ci_lower, ci_upper, tau2."""
        rows, columns = pair_positions(len(self.variables))
        frame = pd.DataFrame(
            {
                "lhs": [self.variables[j] for j in columns], "rhs": [self.variables[i] for i in rows],
                "studies": self.counts.astype(int),
            }
        )  # fmt: skip
        errors = np.sqrt(np.diagonal(self.stage.vcov))
        found = inference_columns(self.stage.r, errors, "est", level=checked_level(level))
        return frame.assign(**found, tau2=self.stage.tau2)

    def homogeneity(self) -> pd.Series:
        """Q (χ² of the fixed-effects model), its degrees of freedom and p."""
        q, df = self.stage.q, self.stage.q_df
        return pd.Series({"q": q, "df": df, "pvalue": float(chi2.sf(q, df)) if df else np.nan})

    def __str__(self) -> str:
        q = self.homogeneity()
        head = f"{self.k} studies, N = {self.n}, {self.method} effects; Q({q['df']:.0f}) = {q['q']:.1f}"
        return f"{head}\n{self.table().to_string(index=False)}"


@dataclass(frozen=True, slots=True)
class Masem:
    """Stage 2: a model fitted to pooled correlations. `estimates()`, `measures()`, `implied()`."""

    pooled: Pooled
    chisq: float
    df: int
    solved: Solved = field(repr=False)
    params: Array = field(repr=False)
    vcov: Array = field(repr=False)

    def estimates(self, *, level: float = 0.95) -> pd.DataFrame:
        """lhs, op, rhs, label, est, se, z, pvalue, ci_lower, ci_upper; defined parameters last."""
        from sem_models.inference.definitions import defined_values
        from sem_models.inference.standardized import row_values

        solved = self.solved
        rows = row_values(solved.table, solved.ram, self.params, solved.point.at)
        defined = defined_values(solved.table, rows)
        value = np.append(rows.value, defined.value)
        jacobian = np.concatenate([rows.jacobian, defined.jacobian])
        variance = ((jacobian @ self.vcov) * jacobian).sum(axis=1)
        keys = [(r.lhs, r.op, r.rhs, r.label) for r in solved.table.rows]
        keys += [(name, ":=", str(tree), name) for name, tree in solved.table.definitions]
        frame = pd.DataFrame(keys, columns=["lhs", "op", "rhs", "label"])
        errors = np.sqrt(np.where(variance > FIXED, variance, 0.0))
        return frame.assign(**inference_columns(value, errors, "est", level=checked_level(level)))

    def measures(self) -> pd.Series:
        """chisq, df, pvalue, baseline_chisq, baseline_df, cfi, tli, rmsea, srmr, nobs (N of all studies).

        The baseline model has no correlations; srmr is over all pairs of different variables.
        """
        r, v = self.pooled.stage.r, self.pooled.stage.vcov
        base, base_df = float(r @ np.linalg.solve(v, r)), len(r)
        excess, base_excess = max(self.chisq - self.df, 0.0), max(base - base_df, self.chisq - self.df, 0.0)
        rows, columns = pair_positions(len(self.pooled.variables))
        gap = (self.pooled.matrix.to_numpy() - self.implied().to_numpy())[rows, columns]
        n, df = self.pooled.n, self.df
        values = {
            "chisq": self.chisq, "df": df, "pvalue": float(chi2.sf(self.chisq, df)) if df else np.nan,
            "baseline_chisq": base, "baseline_df": base_df,
            "cfi": 1 - excess / base_excess if base_excess > 0 else 1.0,
            "tli": (base / base_df - self.chisq / df) / (base / base_df - 1) if df else np.nan,
            "rmsea": float(np.sqrt(excess / (df * (n - 1)))) if df else np.nan,
            "srmr": float(np.sqrt((gap**2).mean())), "nobs": n,
        }  # fmt: skip
        return pd.Series(values, name="measures", dtype=float)

    def implied(self) -> pd.DataFrame:
        """The model's correlations."""
        names = list(self.pooled.variables)
        sigma = _sigma(self.solved, self.params[None])[0]
        place = _places(self.solved, self.pooled.variables)
        return pd.DataFrame(sigma[np.ix_(place, place)], names, names)

    def __str__(self) -> str:
        head = f"χ²({self.df}) = {self.chisq:.3f}, {self.pooled.k} studies, N = {self.pooled.n}"
        return f"{head}\n{self.estimates().to_string(index=False)}"


def pool_correlations(
    matrices: Mapping[str, pd.DataFrame], n: Mapping[str, int], *,
    method: Literal["random", "fixed"] = "random", acov: Acov = "weighted",
) -> Pooled:  # fmt: skip
    """Pool the correlation matrices of several studies or markets (stage 1).

    Parameters
    ----------
    matrices : mapping
        By study, labelled correlation or covariance matrices (turned into correlations). A study may lack
        variables: leave them out, or fill their row and column with NaN.
    n : mapping
        Number of customers by study.
    method : "random" or "fixed"
        Means of correlations that vary between studies (variances τ², uncorrelated), or one matrix for all.
    acov : "weighted" or "individual"
        Random effects only: sampling covariances at the mean matrix over the studies, or at each study's own.

    Raises
    ------
    DataError
        For fewer than two studies, sizes that do not match, matrices that are no correlations or not positive
        definite, or a pair of variables that no study has.
    """
    for name, value, known in (
        ("method", method, ("random", "fixed")),
        ("acov", acov, ("weighted", "individual")),
    ):
        if value not in known:
            raise SpecError(f"{name}='{value}' is unknown. {did_you_mean(value, known, noun='choices')}")
    if len(matrices) < 2:
        raise DataError("Pooling needs at least two studies.")
    missing = [s for s in matrices if s not in n]
    if missing:
        raise DataError(f"n= has no size for {', '.join(missing)}.")
    variables = tuple(dict.fromkeys(str(c) for m in matrices.values() for c in m.columns))
    prepared = [_correlations(label, matrix, variables) for label, matrix in matrices.items()]
    sizes = np.array([float(n[s]) for s in matrices])
    short = [s for s, size, (_, at) in zip(matrices, sizes, prepared, strict=True) if not size > len(at) + 1]
    if short:
        raise DataError(f"n of {', '.join(short)} is too small for the number of its variables.")
    rows, columns = pair_positions(len(variables))
    together = np.zeros((len(variables),) * 2)
    for _, at in prepared:
        together[np.ix_(at, at)] += 1
    never = np.flatnonzero(together[rows, columns] == 0)
    if len(never):
        pair = f"{variables[columns[never[0]]]} and {variables[rows[never[0]]]}"
        raise DataError(f"No study has both {pair}, so their correlation is not known. Leave one out.")
    found, seen = [m for m, _ in prepared], [at for _, at in prepared]
    stage = (
        fixed_effects(found, seen, sizes)
        if method == "fixed"
        else random_effects(found, seen, sizes, acov)
    )  # fmt: skip
    return Pooled(method, variables, len(found), int(sizes.sum()), stage, together[rows, columns])


def masem(model: str | ModelSpec, pooled: Pooled) -> Masem:
    """Fit a model to pooled correlations (stage 2).

    Minimizes (r − ρ(θ))' V⁻¹ (r − ρ(θ)) with the model's variances held at 1, by Gauss–Newton steps on the
    Lagrangian; the minimum is χ². Errors are those of the constrained weighted least squares estimates.
    Raises SpecError, DataError, IdentificationError, ConvergenceError.
    """
    from sem_models.estimation.fit import fit

    matrix = pooled.matrix
    if np.linalg.eigvalsh(matrix.to_numpy())[0] <= 0:
        raise DataError(
            "The pooled correlation matrix is not positive definite; no model can be fitted to it."
        )
    start = fit(
        model, sample_cov=matrix, sample_nobs=pooled.n, sample_cov_rescale=False, fixed_x=False,
        meanstructure=False,
    )  # fmt: skip
    solved = start.solved
    lost = [v for v in pooled.variables if v not in solved.sample.variables]
    keep = np.array([v not in lost for v in pooled.variables])
    rows, columns = pair_positions(len(pooled.variables))
    inside = keep[rows] & keep[columns]
    if lost:
        stage = pooled.stage
        part = Stage1(
            stage.r[inside], stage.vcov[np.ix_(inside, inside)], stage.tau2[inside], stage.q, stage.q_df
        )
        kept = tuple(v for v in pooled.variables if v not in lost)
        pooled = Pooled(pooled.method, kept, pooled.k, pooled.n, part, pooled.counts[inside])
        rows, columns = pair_positions(len(kept))
    place = _places(solved, pooled.variables)
    lines, across = place[rows], place[columns]
    weight = np.linalg.inv(pooled.stage.vcov)
    m = len(rows)

    def moments(free: Array) -> Array:
        sigma = _sigma(solved, free)
        return np.concatenate([sigma[:, lines, across], np.diagonal(sigma, axis1=-2, axis2=-1)], axis=1)

    x = solved.point.free.copy()
    for _ in range(ITERATIONS):
        value, slope = with_slopes(moments, x)
        j, h = slope[:m], slope[m:]
        error, off = pooled.stage.r - value[:m], value[m:] - 1.0
        space = null_space(h, rcond=1e-7)  # keeps the variances
        back = -np.linalg.pinv(h) @ off
        jz = j @ space
        gain = np.linalg.lstsq(jz.T @ weight @ jz, jz.T @ weight @ (error - j @ back), rcond=None)[0]
        step = back + space @ gain
        size = min(1.0, 0.5 / max(float(np.abs(step).max()), 1e-12))
        x = x + size * step
        if float(np.abs(step).max()) < CLOSE:
            break
    else:
        if float(np.abs(step).max()) > LOOSE:
            raise ConvergenceError(
                "The model did not converge on the pooled correlations. Check that it is identified."
            )
    if float(np.abs(off).max()) > LOOSE:
        raise SpecError(
            "The model cannot have all its variances at 1: leave the variances of observed variables free."
        )
    information = jz.T @ weight @ jz
    vcov = space @ np.linalg.inv(information) @ space.T
    chisq = float(error @ weight @ error)
    return Masem(pooled, chisq, m - space.shape[1], solved, x, vcov)


def _sigma(solved: Solved, free: Array) -> Array:
    """Implied covariances (b, p, p) of the one group."""
    a_mat, s_mat, _ = solved.ram.matrices(free)
    a_mat, s_mat = a_mat[:, 0], s_mat[:, 0]
    total = np.linalg.inv(np.eye(a_mat.shape[-1]) - a_mat)[:, : solved.ram.n_observed]
    return np.asarray(total @ s_mat @ np.swapaxes(total, -1, -2))


def _places(solved: Solved, variables: tuple[str, ...]) -> IntArray:
    order = {name: i for i, name in enumerate(solved.sample.variables)}
    return np.array([order[v] for v in variables], dtype=np.intp)


def _correlations(label: str, matrix: pd.DataFrame, variables: tuple[str, ...]) -> tuple[Array, IntArray]:
    """A study's correlations and where its variables stand among all."""
    names = [str(c) for c in matrix.columns]
    if sorted(names) != sorted(str(i) for i in matrix.index) or len(set(names)) != len(names):
        raise DataError(f"The matrix of '{label}' needs the same distinct labels on rows and columns.")
    values = matrix.loc[list(matrix.columns), list(matrix.columns)].to_numpy(dtype=np.float64)
    off = ~np.eye(len(names), dtype=bool)
    there = ~(np.isnan(np.diagonal(values)) | np.isnan(np.where(off, values, np.nan)).all(axis=1))
    values = values[np.ix_(there, there)]
    present = [name for name, t in zip(names, there, strict=True) if t]
    if len(present) < 2 or np.isnan(values).any():
        raise DataError(
            f"The matrix of '{label}' lacks single correlations. Leave out a variable of each such pair."
        )
    scale = np.sqrt(np.diagonal(values))
    if not np.allclose(values, values.T, atol=1e-8) or (np.diagonal(values) <= 0).any():
        raise DataError(
            f"The matrix of '{label}' is no covariance matrix: it is not symmetric, or a variance is 0."
        )
    values = values / np.outer(scale, scale)
    if np.linalg.eigvalsh(values)[0] <= 1e-10:
        raise DataError(f"The matrix of '{label}' is not positive definite. Check the figures as typed.")
    return values, np.array([variables.index(name) for name in present], dtype=np.intp)
