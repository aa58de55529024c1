"""What a doctor would look at in a fit: each check gives findings in words, with the figures behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtri

from sem_models.estimation.identification import Objective, flat_at_random_points
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.optimizer import Outcome
from sem_models.estimation.ordinal_least_squares import ordinal_least_squares
from sem_models.estimation.units import param_units
from sem_models.inference.culprits import culprits, observed_information, row_name
from sem_models.inference.no_saturated import WHY
from sem_models.inference.residuals import bollen
from sem_models.inference.rounding import ZERO
from sem_models.model.ram import Array
from sem_models.observed.patterns import complete_patterns

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved

Severity = Literal["problem", "note"]

FLAT = 1e-10
"""Eigenvalue of the expected information in its own scale below which a direction counts as flat."""
NEARLY_FLAT = 1e-4
"""The same for the observed information: a direction the data hardly determine."""
FAR_APART = 30.0
"""Ratio of standard deviations above which other units are advised (lavaan warns at about this ratio)."""
FEW_ROWS = 5.0
"""Rows per free parameter below which results are fragile (Bentler & Chou, 1987, ask for five)."""
WEAK = 0.3
"""Standardized loading below which an indicator hardly measures its construct."""
LARGE_RESIDUAL = 0.1
"""Residual correlation worth a look."""
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: topic, what it is about, the figure, the sentence, and what can be done."""

    topic: str
    severity: Severity
    what: str
    group: str
    value: float
    text: str
    advice: str = ""


def symptoms(solved: Solved) -> tuple[Finding, ...]:
    """Everything found, problems first; a sound fit has only notes."""
    found = [
        *_search(solved),
        *_flat_directions(solved),
        *_negative_variances(solved),
        *_beyond_one(solved),
    ]
    troubled = bool(found)
    found += [*_indicators(solved, troubled), *_residuals(solved, troubled), *_saturated(solved)]
    found += [*_scales(solved), *_size(solved)]
    return tuple(sorted(found, key=lambda f: f.severity != "problem"))


def _where(solved: Solved, g: int) -> str:
    return f" in group {solved.table.groups[g]}" if len(solved.table.groups) > 1 else ""


def _search(solved: Solved) -> Iterator[Finding]:
    outcome = solved.solution.outcome
    if outcome is not Outcome.CONVERGED:
        yield Finding(
            "search", "problem", outcome.name.lower().replace("_", " "), "",
            float(solved.solution.iterations), solved.status.reasons[0],
        )  # fmt: skip


def _of_moments(solved: Solved) -> Objective:
    """The model of complete moments, with the thresholds of ordered items: what it is identified by."""
    sample = solved.sample
    if sample.ordinal is not None:
        return ordinal_least_squares(solved.ram, sample, "DWLS")
    patterns = complete_patterns(sample.n_by_group, sample.mean, sample.cov)
    return NormalTheory(solved.ram, patterns, sample.mean)


def _flat_directions(solved: Solved) -> Iterator[Finding]:
    """Parameters along which the model does not change, or these data hardly tell."""
    moments = _of_moments(solved)
    point = moments.at(solved.point.params)
    units = param_units(solved.table, solved.ram.reduction, solved.ram.row_of_free, solved.sample.cov)
    flat = flat_at_random_points(moments, solved.point.params, units) if point is not None else None
    for direction in [] if flat is None else flat.T:
        found = culprits(solved, direction, most=8, share=0.01)
        names = "; ".join(c.name for c in found)
        yield Finding(
            "identification", "problem", names, "", 0.0,
            f"The model does not identify: {names}. They can change together without any change of what the "
            "model implies.",
            "Fix one of them, set two equal, or add indicators.",
        )  # fmt: skip
    if (flat is not None and flat.size) or solved.solution.outcome is Outcome.RUNAWAY:
        return
    curve = observed_information(solved)
    scale = np.sqrt(np.abs(np.diagonal(curve)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(curve / np.outer(scale, scale)) if len(curve) else (np.ones(1), curve)
    if values[0] >= NEARLY_FLAT:
        return
    found = culprits(solved, vectors[:, 0] / scale, most=5)
    names = "; ".join(map(str, found))
    what = "has a direction that leads further down" if values[0] < -FLAT else "is nearly singular"
    yield Finding(
        "identification", "problem", "; ".join(c.name for c in found), "", float(values[0]),
        f"The information {what} at the solution (smallest eigenvalue {values[0]:.2g}): these data hardly "
        f"determine {names}.",
        "Drop the construct or path behind it, fix one of these parameters, or collect more data.",
    )  # fmt: skip


def _negative_variances(solved: Solved) -> Iterator[Finding]:
    errors = solved.errors_of(solved.rows.jacobian)
    half = float(ndtri((1 + LEVEL) / 2))
    standardized = solved.standardized("std_all").value
    for i in solved.negative_variances:
        row, value, se = solved.table.rows[i], float(solved.rows.value[i]), float(errors[i])
        g = row.block - 1
        latent = row.lhs in solved.table.variables.latent
        kind = "variance" if latent and not _explained(solved, row.lhs, g) else "residual variance"
        covers = value + half * se > 0
        interval = (
            f"95 % interval {value - half * se:.3g} to {value + half * se:.3g}, which "
            + ("covers zero" if covers else "lies wholly below zero")
            if np.isfinite(se)
            else "no standard error"
        )
        advice = (
            "A variance near zero and chance can produce this: hold it at zero or above (bounds on "
            "variances), and see whether χ² hardly changes."
            if covers
            else "Chance does not explain it: the model is wrong for these indicators. Look at their "
            "residual correlations, cross-loadings and correlated residuals."
        )
        loadings = [
            f"{other.lhs} ({standardized[k]:.2f})"
            for k, other in enumerate(solved.table.rows)
            if other.op == "=~" and other.rhs == row.lhs and other.block == row.block
        ]
        carried = f" It loads on {', '.join(loadings)}, standardized." if loadings else ""
        if latent and not loadings:
            carried = _how_its_items_correlate(solved, row.lhs, g)
        yield Finding(
            "negative variance", "problem", row_name(solved.table, i), solved.table.groups[g], value,
            f"The {kind} of {row.lhs}{_where(solved, g)} is negative: {value:.4g} ({interval}).{carried}",
            advice,
        )  # fmt: skip


def _explained(solved: Solved, name: str, g: int) -> bool:
    return any(
        (r.op == "~" and r.lhs == name) or (r.op == "=~" and r.rhs == name)
        for r in solved.table.rows
        if r.block == g + 1
    )


def _how_its_items_correlate(solved: Solved, construct: str, g: int) -> str:
    items = _own_items(solved, construct, g)
    if len(items) < 2:
        return ""
    cor = _correlations(solved.sample.cov[g])[np.ix_(items, items)]
    between = cor[np.tril_indices(len(items), -1)]
    return f" Its {len(items)} indicators correlate {between.min():.2f} to {between.max():.2f}."


def _own_items(solved: Solved, construct: str, g: int) -> list[int]:
    place = {name: i for i, name in enumerate(solved.sample.variables)}
    return [
        place[r.rhs]
        for r in solved.table.rows
        if r.op == "=~" and r.lhs == construct and r.block == g + 1 and r.rhs in place
    ]


def _correlations(cov: Array) -> Array:
    sd = np.sqrt(np.diagonal(cov))
    return np.asarray(cov / np.outer(sd, sd))


def _beyond_one(solved: Solved) -> Iterator[Finding]:
    """Covariance matrices of constructs or residuals that are not positive definite, and what is beyond 1."""
    p, names = solved.ram.n_observed, solved.ram.variables
    s_mat = solved.ram.matrices(solved.point.free)[1]
    latent_advice = (
        "Constructs that cannot be told apart: merge them, drop one, or look for indicators that belong to "
        "the other construct."
    )
    residual_advice = "Leave out the residual covariance, or the item that it leaves without a variance."
    for g, label in enumerate(solved.table.groups):
        total = np.diagonal(solved.point.at.sigma[g])
        kept = np.flatnonzero((s_mat[g, :p, :p] != 0).any(axis=1))
        latent = solved.point.at.cov_all[g, p:, p:]
        for what, advice, cov, scale, chosen in (
            ("latent variables", latent_advice, latent, np.diagonal(latent), names[p:]),
            ("residuals of the items", residual_advice, s_mat[g][np.ix_(kept, kept)], total[kept],
             [names[k] for k in kept]),
        ):  # fmt: skip
            if not len(cov) or (np.diagonal(cov) < -ZERO * scale).any() or (scale <= 0).any():
                continue
            scaled = cov / np.sqrt(np.outer(scale, scale))
            smallest, direction = (part[..., 0] for part in np.linalg.eigh(scaled))
            if smallest >= -1e-8:
                continue
            said, involved = _impossible(scaled, list(chosen), direction)
            yield Finding(
                f"indefinite covariance of {what}", "problem", " and ".join(involved), label, float(smallest),
                f"The covariance matrix of the {what}{_where(solved, g)} is not positive definite (smallest "
                f"eigenvalue, standardized, {smallest:.3g}): {said}.",
                advice,
            )  # fmt: skip


def _impossible(scaled: Array, names: list[str], direction: Array) -> tuple[str, list[str]]:
    """The correlations beyond 1 in words, else the impossible combination; and who takes part."""
    sd = np.sqrt(np.maximum(np.diagonal(scaled), 0.0))
    pairs = np.argwhere(np.abs(np.tril(scaled, -1)) > np.tril(np.outer(sd, sd), -1) + 1e-12).tolist()
    said = []
    for i, j in pairs:
        product = float(sd[i] * sd[j])
        size = "correlate although one has no variance"
        if product > 1e-6:
            size = f"correlate {scaled[i, j] / product:.3f}"
        said.append(f"{names[j]} and {names[i]} {size}")
    involved = [n for n, w in zip(names, direction, strict=True) if abs(w) > 0.2]
    if said:
        return "; ".join(said), list(dict.fromkeys(names[k] for pair in pairs for k in reversed(pair)))
    return (
        f"no single correlation is beyond 1, the combination of {', '.join(involved)} is impossible",
        involved,
    )


def _indicators(solved: Solved, troubled: bool) -> Iterator[Finding]:
    """Standardized loadings beyond 1 or near 0, and indicators that hardly correlate with the others."""
    scaled = solved.standardized("std_all").value
    table = solved.table
    loads_on: dict[tuple[str, int], int] = {}
    for row in table.rows:
        if row.op == "=~":
            loads_on[(row.rhs, row.block)] = loads_on.get((row.rhs, row.block), 0) + 1
    for k, row in enumerate(table.rows):
        if row.op != "=~":
            continue
        g, value = row.block - 1, float(scaled[k])
        if abs(value) > 1.0 and (loads_on[(row.rhs, row.block)] == 1 or troubled):
            yield Finding(
                "indicator", "problem", row_name(table, k), table.groups[g], value,
                f"The standardized loading of {row.rhs} on {row.lhs}{_where(solved, g)} is {value:.3f}, "
                "beyond 1.",
                "The item and its construct are nearly the same thing, or the item belongs elsewhere too.",
            )  # fmt: skip
        elif abs(value) < WEAK:
            yield Finding(
                "indicator", "note", row_name(table, k), table.groups[g], value,
                f"{row.rhs} hardly measures {row.lhs}{_where(solved, g)}: standardized loading {value:.3f}.",
                "Check its wording and coding (reversed?), or leave it out.",
            )  # fmt: skip
    if not troubled:
        return
    for g, label in enumerate(table.groups):
        cor = np.abs(_correlations(solved.sample.cov[g]))
        for construct in table.variables.latent:
            items = _own_items(solved, construct, g)
            if len(items) < 2:
                continue
            block = cor[np.ix_(items, items)]
            np.fill_diagonal(block, 0.0)
            for k, item in enumerate(items):
                strongest = float(block[k].max())
                if strongest < 2.0 / np.sqrt(solved.sample.n_by_group[g]):
                    name = solved.sample.variables[item]
                    yield Finding(
                        "indicator", "problem", f"{construct} =~ {name}", label, strongest,
                        f"{name} hardly correlates with the other indicators of {construct}"
                        f"{_where(solved, g)} (largest |r| {strongest:.3f}, within chance of zero).",
                        "It cannot carry the construct: leave it out, and do not use it as the marker.",
                    )  # fmt: skip


def _residuals(solved: Solved, troubled: bool, *, most: int = 5) -> Iterator[Finding]:
    """The largest differences of observed and implied correlations."""
    sample, at = solved.sample, solved.point.at
    mu = at.mu if solved.ram.has_means else sample.mean
    found: list[tuple[float, int, int, int]] = []
    for g in range(len(sample.groups)):
        if (np.diagonal(at.sigma[g]) <= 0).any():
            continue
        cor = bollen(sample.cov[g], sample.mean[g], at.sigma[g], mu[g]).cov
        found += [(float(cor[i, j]), g, i, j) for i in range(len(cor)) for j in range(i)]
    found = sorted((f for f in found if abs(f[0]) > LARGE_RESIDUAL), key=lambda f: -abs(f[0]))
    for value, g, i, j in found[: most if troubled else 3]:
        first, second = sample.variables[j], sample.variables[i]
        more = "more" if value > 0 else "less"
        yield Finding(
            "residual", "note", f"{first} ~~ {second}", sample.groups[g], value,
            f"{first} and {second}{_where(solved, g)} correlate {abs(value):.2f} {more} than the model says.",
        )  # fmt: skip


def _saturated(solved: Solved) -> Iterator[Finding]:
    if not solved.sample.saturated:
        yield Finding(
            "saturated model", "note", "rows", "", float(solved.sample.n_used),
            f"{WHY} χ² and the indices made of it are undefined.", "Use fewer items, or collect more rows.",
        )  # fmt: skip


def _scales(solved: Solved) -> Iterator[Finding]:
    sample = solved.sample
    if sample.ordinal is not None:  # responses have the unit that the parameterization gives them
        return
    for g, label in enumerate(sample.groups):
        sd = np.sqrt(np.diagonal(sample.cov[g]))
        low, high = int(sd.argmin()), int(sd.argmax())
        ratio = float(sd[high] / sd[low])
        text = (
            f"The largest standard deviation{_where(solved, g)} is {ratio:.3g} times the smallest "
            f"({sample.variables[high]} {sd[high]:.3g}, {sample.variables[low]} {sd[low]:.3g})."
        )
        advice = ""
        if ratio > FAR_APART:
            power = round(float(np.log10(ratio)))
            advice = (
                f"The estimation does not mind, but read the estimates with care: divide "
                f"{sample.variables[high]} by {10**power:,} or the like."
            )
        yield Finding("scale", "note", sample.variables[high], label, ratio, text, advice)


def _size(solved: Solved) -> Iterator[Finding]:
    n, k = solved.sample.n_used, solved.ram.n_params
    ratio = n / k if k else float("inf")
    few = ratio < FEW_ROWS
    advice = "Estimates and tests are fragile: simplify the model or collect more rows." if few else ""
    text = f"{n} rows for {k} free parameters: {ratio:.3g} rows a parameter."
    yield Finding("size", "note", "rows", "", ratio, text, advice)
    small = [
        (label, int(rows))
        for label, rows in zip(solved.sample.groups, solved.sample.rows_by_group, strict=True)
        if len(solved.sample.groups) > 1 and rows < FEW_ROWS * k / len(solved.sample.groups)
    ]
    for label, rows in small:
        yield Finding(
            "size", "note", "rows", label, float(rows), f"Only {rows} rows in group {label}.", advice
        )
