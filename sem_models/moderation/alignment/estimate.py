"""`sm.alignment`: latent means of groups whose measurement is only approximately the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import ConvergenceError, SpecError, did_you_mean
from sem_models.estimation.fit import fit as fit_model
from sem_models.inference.result import Fit
from sem_models.model.ram import Array
from sem_models.moderation.alignment.result import Alignment, Construct
from sem_models.moderation.alignment.simplicity import Kind, Problem, align
from sem_models.moderation.path_tests import reference
from sem_models.threads import single_threaded

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec

KINDS = ("fixed", "free")
EPSILON = 0.01


def alignment(
    model: str | ModelSpec, data: Any = None, *, group: str | None = None, method: Kind = "fixed",
    epsilon: float = EPSILON, reference_group: str | None = None, constructs: Sequence[str] | None = None,
    seed: int = 0, **options: Any,
) -> Alignment:  # fmt: skip
    """Align the constructs of a measurement model over groups, from its configural fit.

    Parameters
    ----------
    model, data, group, **options
        As in `sm.fit`.
    method : "fixed" or "free"
        The reference group's mean is 0, or estimated; its variance is 1 in both. Free needs many groups and
        some non-invariance; with two groups take fixed (Asparouhov & Muthén, 2014).
    epsilon : float
        ε of the component loss √√(x² + ε), .01 by default.
    reference_group : str
        By label; the first to appear in the data unless named.
    constructs : sequence of str
        Those to be aligned, by default all.

    Raises
    ------
    SpecError, DataError
        For one group, ordered items, items of two constructs, constructs with less than two items.
    ConvergenceError
        Where the configural model has no solution or no standard errors.
    """
    if group is None and not isinstance(options.get("sample_cov"), Mapping):
        raise SpecError("alignment() compares groups: give group= the column that tells them apart.")
    for reserved in ("group_equal", "group_partial"):
        if options.get(reserved):
            raise SpecError(f"alignment() starts from the configural model: leave out {reserved}=.")
    _check(method, epsilon)
    found = fit_model(model, data, group=group, **options)
    return align_fit(
        found,
        method=method,
        epsilon=epsilon,
        reference_group=reference_group,
        constructs=constructs,
        seed=seed,
    )


@single_threaded
def align_fit(
    found: Fit, *, method: Kind = "fixed", epsilon: float = EPSILON, reference_group: str | None = None,
    constructs: Sequence[str] | None = None, seed: int = 0,
) -> Alignment:  # fmt: skip
    """The same from a configural fit, as `sm.invariance(...).fits["configural"]`."""
    _check(method, epsilon)
    if len(found.groups) < 2:
        raise SpecError("Alignment compares groups, and this fit has one.")
    if found.solved.table.options.group_equal:
        raise SpecError("Alignment starts from the configural fit: fit without group_equal=.")
    if found.solved.sample.ordinal is not None:
        raise SpecError(
            "Ordered items have thresholds, which alignment does not take yet. Treat items with five or more "
            "categories as continuous (leave out ordered=)."
        )
    if not found.status.converged:
        raise ConvergenceError(f"The configural model did not converge. {' '.join(found.status.reasons)}")
    base = reference(found, reference_group)
    items = _items(found, constructs)
    out = {}
    for name, own in items.items():
        loadings, intercepts, jacobian = _configural(found, name, own)
        problem = Problem(
            loadings, intercepts, np.array(found.solved.sample.counts, dtype=np.float64), float(epsilon),
            found.groups.index(base), method,
        )  # fmt: skip
        aligned = align(problem, seed=seed)
        slopes = aligned.jacobian() @ jacobian
        out[name] = Construct(name, own, aligned, slopes @ found.solved.covariance.free @ slopes.T)
    return Alignment(found, out, base)


def _check(method: str, epsilon: float) -> None:
    if method not in KINDS:
        raise SpecError(f"method='{method}' is unknown. {did_you_mean(str(method), KINDS, noun='methods')}")
    if not 0.0 < float(epsilon) <= 1.0:
        raise SpecError(f"epsilon={epsilon} is not a small positive number. .01 is usual, .0001 sharper.")


def _items(found: Fit, constructs: Sequence[str] | None) -> dict[str, tuple[str, ...]]:
    """Constructs with their items. SpecError for those whose means alignment cannot tell."""
    rows = [r for r in found.solved.table.rows if r.op == "=~" and r.block == 1]
    latent = found.solved.table.variables.latent
    known = {name: tuple(r.rhs for r in rows if r.lhs == name) for name in latent}
    asked = known if constructs is None else dict.fromkeys(constructs)
    out = {}
    for name in asked:
        if name not in known:
            raise SpecError(
                f"constructs=: '{name}' is not a construct of the model. "
                f"{did_you_mean(name, known, noun='constructs')}"
            )
        own = known[name]
        shared = [i for i in own if any(i in v for k, v in known.items() if k != name)]
        higher = [i for i in own if i in latent]
        if shared or higher:
            why = (
                f"'{shared[0]}' measures another construct too" if shared else f"'{higher[0]}' is a construct"
            )
            raise SpecError(
                f"'{name}' cannot be aligned: {why}. Align constructs of items of their own, named by "
                "constructs=."
            )
        if len(own) < 2:
            raise SpecError(
                f"'{name}' has {len(own)} item, and alignment needs several. Leave it out: constructs=."
            )
        out[name] = own
    means = found.latent_moments()
    moved = [n for n in out if any(abs(m["mean"][n]) > 1e-8 for m in means.values())]
    if moved:
        raise SpecError(
            f"'{moved[0]}' has a mean other than 0 in the configural fit (it depends on columns). Align the "
            "measurement model alone."
        )
    return out


def _configural(found: Fit, name: str, items: tuple[str, ...]) -> tuple[Array, Array, Array]:
    """λ and ν (g, p) for a factor of variance 1, and their derivatives (2 g p, q) by the free rows."""
    solved = found.solved
    scaled = solved.standardized("std_lv")
    place = {(r.block, *r.key): i for i, r in enumerate(solved.table.rows)}
    blocks = range(1, len(found.groups) + 1)
    of_loadings = np.array([[place[b, name, "=~", item] for item in items] for b in blocks])
    of_intercepts = np.array([[place[b, item, "~1", ""] for item in items] for b in blocks])
    jacobian = np.concatenate(
        [scaled.jacobian[of_loadings.reshape(-1)], scaled.jacobian[of_intercepts.reshape(-1)]]
    )
    return scaled.value[of_loadings], scaled.value[of_intercepts], jacobian
