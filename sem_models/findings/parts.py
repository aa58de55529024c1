"""From a part of a claim to its evidence: which fit it is read off, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from sem_models.errors import SpecError
from sem_models.findings.distinctness import Pairs, too_close
from sem_models.findings.evidence import Evidence
from sem_models.findings.fits import ClaimFits, NotTestable
from sem_models.findings.necessary_part import necessity_of
from sem_models.inference.contrasts import Contrast, ContrastResult, evaluate_contrast
from sem_models.inference.result import Fit
from sem_models.model.expressions import Binary, Name
from sem_models.model.parts import ClaimPart, Moderation, Rules
from sem_models.model.ram import Array
from sem_models.model.spec import ModelSpec

if TYPE_CHECKING:
    from sem_models.moderation.group_comparison import GroupModeration
    from sem_models.moderation.probing.terms import EffectTerms

TOST = 0.90
"""Confidence of the interval that is held against the bound of equivalence: two one-sided tests at 5 %."""
DRAWS, POINTS = 4000, 400


def evidence(claim: str, part: ClaimPart, fits: ClaimFits, rules: Rules) -> Evidence:
    """What the data say on a part; where they cannot, the obstacle."""
    try:
        if part.counts == "raw":
            return _READERS.get(part.effect, _expression)(claim, part, fits, rules)
        capped, caps = fits.capped(rules.cap)
        found = _READERS.get(part.effect, _expression)(claim, part, capped, rules)
    except NotTestable as reason:
        return Evidence(sign=part.sign, obstacle=str(reason))
    said = ", ".join(f"{name} at {cap:g}" for name, cap in caps.items())
    return replace(
        found, definition=f"{found.definition}; counts capped at their {rules.cap:.0%} quantile ({said})"
    )


def _missing(fits: ClaimFits, problem: SpecError) -> NotTestable:
    """Why the model holds no such quantity: the survey lacks items, or the model text leaves it out."""
    if fits.lacking:
        return NotTestable(f"The survey has no items of {', '.join(fits.lacking)}.")
    return NotTestable(f"The model does not hold it: {str(problem).splitlines()[0]}")


def _expression(claim: str, part: ClaimPart, fits: ClaimFits, rules: Rules) -> Evidence:
    needs = fits.spec.needs(part)
    if "interactions" in needs:
        return _interaction(part, fits, rules)
    if "groups" in needs:
        compared = fits.groups(part)
        fit, doubt = compared.fit, _group_doubt(compared, "loadings")
    elif "controls" in needs:
        labels = set(part.labels)
        own = tuple(c.predictor for c in fits.spec.controls if c.label in labels)
        fit, doubt = fits.with_controls(own), ""
    else:
        fit = fits.plain()
        doubt = _compared(part, fits.spec, close_pairs(fits, rules))
    contrast = _contrast(claim, part, rules)
    try:
        found = evaluate_contrast(fit.solved, contrast)
    except SpecError as problem:
        raise _missing(fits, problem) from None
    doubt = doubt or _trouble(fit)
    if part.effect == "ratio":
        return _ratio(found, part, fits, fit, doubt, rules)
    sign = 1 if part.effect == "share" else part.sign
    std = found if part.scale == "standardized" else _standardized(claim, part, fit, rules)
    return _from_contrast(found, sign, std if part.effect != "share" else None, doubt)


def _contrast(claim: str, part: ClaimPart, rules: Rules) -> Contrast:
    return Contrast.from_claim(claim, part, level=rules.confidence)


def _standardized(claim: str, part: ClaimPart, fit: Fit, rules: Rules) -> ContrastResult | None:
    """The same on the standardized scale, to be held against the bound of equivalence."""
    twin = part.model_copy(update={"scale": "standardized"})
    try:
        return evaluate_contrast(fit.solved, _contrast(claim, twin, rules))
    except SpecError:
        return None


def _from_contrast(found: ContrastResult, sign: int, std: ContrastResult | None, doubt: str) -> Evidence:
    half = float(ndtri((1 + TOST) / 2))
    nan = float("nan")
    sized = (nan, nan, nan) if std is None else _around(std.estimate, half * std.se)
    return Evidence(
        found.estimate, found.se, found.ci_lower, found.ci_upper, found.pvalue, sign, sized,
        found.definition, found.note, doubt=doubt,
    )  # fmt: skip


def _ratio(
    found: ContrastResult, part: ClaimPart, fits: ClaimFits, fit: Fit, doubt: str, rules: Rules
) -> Evidence:
    """A rate of substitution, with the room the data leave for it."""
    tree = part.parsed
    assert isinstance(tree, Binary)
    below = next(p for p in fits.spec.paths if p.label in tree.right.names)
    slope = evaluate_contrast(fit.solved, Contrast(part.part, str(tree.right), level=rules.confidence))
    room = headroom(fits, fit, below.predictor, standardized=part.scale == "standardized")
    note = found.note
    if slope.ci_lower <= 0:
        doubt = doubt or f"The effect of {below.predictor}, which would have to compensate, may be zero."
    return Evidence(
        found.estimate, found.se, found.ci_lower, found.ci_upper, found.pvalue, 0,
        definition=f"{found.definition}; room for {room:.2f}", note=note, doubt=doubt, headroom=room,
    )  # fmt: skip


def headroom(fits: ClaimFits, fit: Fit, construct: str, *, standardized: bool) -> float:
    """How far a construct can be raised within what the data show: its 95th percentile less its mean.

    In points of the items' scale, of the customers' item means; or in the construct's standard deviations.
    """
    items = list(next(c for c in fits.spec.constructs if c.id == construct).ordered_items)
    scores = fits.frame[items].mean(axis=1)
    room = float(scores.quantile(0.95) - scores.mean())
    if not standardized:
        return room
    moments = next(iter(fit.latent_moments().values()))
    return room / float(np.sqrt(moments["cov"].loc[construct, construct]))


def _interaction(part: ClaimPart, fits: ClaimFits, rules: Rules) -> Evidence:
    """The coefficient of one product, in the units of its factors."""
    wanted = [m for m in fits.spec.moderations if m.label in part.labels]
    if not wanted and fits.lacking:
        raise NotTestable(f"The survey has no items of {', '.join(fits.lacking)}.")
    if len(wanted) != 1 or str(part.parsed) != wanted[0].label:
        raise NotTestable("Only one interaction by itself can be tested in a part.")
    result = fits.moderated(same_moderator(fits.spec, wanted[0]))
    row = wanted[0]
    raw = _row(result.estimates(level=rules.confidence), row)
    std = _row(result.standardized(level=rules.confidence), row)
    own, name = (std, "est_std") if part.scale == "standardized" else (raw, "est")
    half = float(ndtri((1 + TOST) / 2))
    return Evidence(
        float(own[name]), float(own["se"]), float(own["ci_lower"]), float(own["ci_upper"]),
        float(raw["pvalue"]), part.sign, _around(float(std["est_std"]), half * float(std["se"])),
        f"{row.product} → {row.outcome}, {result.title}", doubt=_trouble(result),
    )  # fmt: skip


def same_moderator(spec: ModelSpec, chosen: Moderation) -> tuple[Moderation, ...]:
    """The interactions estimated together: same outcome and moderator, of services or of records.

    A three-way one comes with the products of two of its variables. Those of service records come with those
    of the services: visits follow poor operations, so that without operations by activity a part of it would
    pass for visits by activity.
    """
    services = {c.id for c in spec.constructs if c.role != "moderator"}
    of = set(chosen.ends) if chosen.second else {chosen.moderator}

    def belongs(m: Moderation) -> bool:
        if m.outcome != chosen.outcome or (m.second and not chosen.second):
            return False
        if m.predictor in services and chosen.predictor not in services:
            return m.moderator in of
        if chosen.second:
            return set(m.ends) <= of
        return m.moderator in of and (m.predictor in services) == (chosen.predictor in services)

    return tuple(m for m in spec.moderations if belongs(m))


def _conditional_source(part: ClaimPart, fits: ClaimFits) -> Any:
    """The moderation a part with predictor and moderator is read off."""
    wanted = [
        m for m in fits.spec.moderations
        if (m.outcome, m.predictor) == (part.outcome, part.predictor)
        and set(m.ends[1:]) == {part.moderator, part.second} - {""}
    ]  # fmt: skip
    if not wanted:
        product = ":".join(n for n in (part.predictor, part.moderator, part.second) if n)
        raise NotTestable(f"The specification has no moderation {product}.")
    return fits.moderated(same_moderator(fits.spec, wanted[0]))


def _conditional(claim: str, part: ClaimPart, fits: ClaimFits, rules: Rules) -> Evidence:
    """The effect of a predictor at a quantile of its moderator."""
    result = _conditional_source(part, fits)
    names = (part.moderator, *((part.second,) if part.second else ()))
    effects = result.conditional_effects(part.outcome, part.predictor, names, level=rules.confidence)
    shares = (part.quantile, part.second_quantile)
    at = {
        name: result.terms.support_of(name).quantile(np.array([share], dtype=np.float64))
        for name, share in zip(names, shares, strict=False)
    }
    row = effects.at(at).iloc[0]
    assert part.quantile is not None
    where = f"{part.moderator} is at its {100 * part.quantile:g}th percentile"
    if part.second_quantile is not None:
        where += f" and {part.second} at its {100 * part.second_quantile:g}th"
    return Evidence(
        float(row["est"]), float(row["se"]), float(row["ci_lower"]), float(row["ci_upper"]),
        float(row["pvalue"]), part.sign,
        definition=f"effect of {part.predictor} on {part.outcome} where {where}", doubt=_trouble(result),
    )  # fmt: skip


def _share(claim: str, part: ClaimPart, fits: ClaimFits, rules: Rules) -> Evidence:
    """The share of customers at whose moderator the effect has the claimed sign, by normal draws."""
    result = _conditional_source(part, fits)
    names = (part.moderator, *((part.second,) if part.second else ()))
    effects = result.conditional_effects(part.outcome, part.predictor, names)
    support = result.terms.support_of(part.moderator)
    weights = effects.weights(_customers(result.terms, names))
    value, jacobian = result.terms.value, result.terms.jacobian
    share = float(((weights @ value) * part.sign > 0).mean())
    rng = np.random.default_rng(20031103)
    slopes = weights @ jacobian
    used = np.abs(slopes).max(axis=0) > 0
    root = _root(result.terms.covariance[np.ix_(used, used)])
    moved = rng.standard_normal((DRAWS, int(used.sum()))) @ root.T @ slopes[:, used].T
    drawn = ((weights @ value + moved) * part.sign > 0).mean(axis=1)
    tail = (1 - rules.confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    at_most = float((drawn <= rules.many).mean())
    return Evidence(
        share, float(drawn.std()), float(low), float(high), min(1.0, 2 * min(at_most, 1 - at_most)), 1,
        definition=f"share of customers at whose {' and '.join(names)} the effect of {part.predictor} on "
        f"{part.outcome} is {'positive' if part.sign > 0 else 'negative'} ({support.words}); "
        f"many is more than {rules.many:g}", doubt=_trouble(result), threshold=rules.many,
    )  # fmt: skip


def _customers(terms: EffectTerms, names: tuple[str, ...]) -> dict[str, Array]:
    """Values of the moderators that stand for the customers: quantiles of one, or draws of two together.

    Two follow their correlation as normal variables, each with its own distribution.
    """
    if len(names) == 1:
        shares = (np.arange(POINTS) + 0.5) / POINTS
        return {names[0]: terms.support_of(names[0]).quantile(shares)}
    places = [terms.place(n) for n in names]
    cov = np.einsum("g,gij->ij", terms.share, terms.cov)[np.ix_(places, places)]
    sd = np.sqrt(np.diagonal(cov))
    draws = np.random.default_rng(1).standard_normal((10 * POINTS, 2))
    normal = draws @ np.linalg.cholesky(cov / np.outer(sd, sd)).T
    return {n: terms.support_of(n).quantile(ndtr(normal[:, k])) for k, n in enumerate(names)}


def _root(cov: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(cov)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _same_service(claim: str, part: ClaimPart, fits: ClaimFits, rules: Rules) -> Evidence:
    """The gap between the first group and the reference at the same service."""
    if part.outcome in fits.lacking:
        raise NotTestable(f"The survey has no items of {part.outcome}.")
    compared, group = fits.groups(part), fits.group_of(part)
    table = compared.same_service([part.outcome], level=rules.confidence)
    other = next((v for v in group.values if v != group.reference), "")
    row = table[table["group"] == other].iloc[0]
    half = float(ndtri((1 + TOST) / 2)) / float(ndtri((1 + rules.confidence) / 2))
    std = float(row["est_std"])
    return Evidence(
        float(row["est"]), float(row["se"]), float(row["ci_lower"]), float(row["ci_upper"]),
        float(row["pvalue"]), part.sign, _around(std, half * (float(row["ci_upper_std"]) - std)),
        f"{part.outcome} of {other} less {group.reference} customers at the pooled means of the service; "
        f"the latent means themselves differ by {float(row['mean_difference']):.2f}",
        doubt=_group_doubt(compared, "intercepts") or _trouble(compared.fit),
    )  # fmt: skip


def _items(claim: str, part: ClaimPart, fits: ClaimFits, rules: Rules) -> Evidence:
    """Whether the survey asks for the constructs at all."""
    known = {c.id: c for c in fits.spec.constructs}
    lacking = [
        c for c in part.constructs
        if c not in known or not all(i in fits.frame for i in known[c].ordered_items)
    ]  # fmt: skip
    if lacking:
        raise NotTestable(f"The survey has no items of {', '.join(lacking)}.")
    return Evidence(
        sign=0, lower=1.0, upper=1.0, definition=f"the survey has items of {', '.join(part.constructs)}"
    )


def _compared(part: ClaimPart, spec: ModelSpec, close: Pairs) -> str:
    """Why a difference of two paths is undecided: the constructs it compares are too close to tell apart."""
    tree = part.parsed
    if not (
        isinstance(tree, Binary) and tree.op == "-" and isinstance(tree.left, Name)
        and isinstance(tree.right, Name)
    ):  # fmt: skip
        return ""
    paths = [p for p in spec.paths if p.label in tree.names]
    for ends in (frozenset(p.predictor for p in paths), frozenset(p.outcome for p in paths)):
        if ends in close:
            return f"{' and '.join(sorted(ends))} cannot be told apart ({close[ends]})."
    return ""


def close_pairs(fits: ClaimFits, rules: Rules) -> Mapping[frozenset[str], str]:
    """Pairs of constructs that are too close to be compared."""
    used = set(fits.spec.items)
    constructs = {c.id: tuple(i for i in c.ordered_items if i in used) for c in fits.spec.constructs}
    return too_close(fits.plain(), {c: items for c, items in constructs.items() if items}, rules)


def _group_doubt(compared: GroupModeration, family: str) -> str:
    """Why groups cannot be compared: their measurement differs."""
    steps = compared.invariance.comparisons()
    held = {str(r["level"]): bool(r["retained"]) for r in steps.to_dict("records")}
    for level, what in (("metric", "loadings"), ("scalar", "intercepts")):
        if not held.get(level, True) and not held.get(f"partial {level}", False):
            return f"The {what} of the items differ between the groups."
        if what == family:
            break
    return ""


def _trouble(result: Any) -> str:
    """Why estimates cannot be read: the fit did not converge."""
    status = result.status
    return "" if status.converged else f"The estimation did not converge. {' '.join(status.reasons)}"


def _row(frame: pd.DataFrame, moderation: Moderation) -> pd.Series:
    chosen = frame[
        (frame["lhs"] == moderation.outcome) & (frame["op"] == "~") & (frame["rhs"] == moderation.product)
    ]
    return chosen.iloc[0]


def _around(value: float, half: float) -> tuple[float, float, float]:
    return value, value - half, value + half


_READERS: dict[str, Callable[[str, ClaimPart, ClaimFits, Rules], Evidence]] = {
    "same_service": _same_service,
    "conditional": _conditional,
    "share_of_customers": _share,
    "necessity": necessity_of,
    "items": _items,
}
"""Kinds of parts that are no expression; "any" is read off the other parts by the scorecard."""
