"""`sm.multiverse`: one model and one data set under every applicable method of moderation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sem_models.errors import SpecError, did_you_mean
from sem_models.estimation.options import OPTION_NAMES
from sem_models.moderation.moderate import PRODUCTS, SIDE_BY_SIDE, moderate
from sem_models.moderation.multiverse.facts import facts_of
from sem_models.moderation.multiverse.followed import by_covariates, locally
from sem_models.moderation.multiverse.result import Attempt, Multiverse
from sem_models.moderation.products.estimate import product_rows
from sem_models.moderation.statement import Statement, check_factors, model_text, read_statement
from sem_models.observed.ordered_items import ordered_items
from sem_models.observed.sample import group_labels, numeric_columns

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec

OBSERVED = "observed"
"""The one method where no factor of a product is latent: regression on the products themselves."""

FOLLOWED = {"mnlfa": by_covariates, "lsem": locally}
"""Methods in which a path follows an observed moderator; the product's slope is the path's change with it."""

NOT_SPLIT = (
    "Left out: groups split at a moderator's median throw much of its information away, can invent effects "
    "(Maxwell & Delaney, 1993), and their contrast is no slope on the common metric. Use method='groups' "
    "with groups that exist."
)


def multiverse(
    model: str | ModelSpec, data: Any = None, *, methods: Sequence[str] | None = None,
    estimator: str | None = None, **options: Any,
) -> Multiverse:  # fmt: skip
    """Estimate the moderation that the model states by every method that can, and compare.

    Parameters
    ----------
    model, data
        As in `sm.moderate`; products are in the model's text.
    methods : sequence of str, optional
        The methods to run, by default all that `sm.moderate` has for products: product indicators (dblcent,
        uca, rca, ca), lms, qml, sam and rapi; for a product of a latent predictor and an observed moderator
        also mnlfa (the path follows the moderator as a line) and lsem (the linear trend of local models,
        200 bootstrap samples). Where no factor is latent, regression on the products alone.
    estimator : str, optional
        "MLR" unless given, whose errors are those of the sandwich: `sam` has no others. Where items beside
        the products are ordered, product indicators and rapi take "WLSMV" and missing="pairwise"; lms of
        ordered items takes missing="fiml".
    **options
        Those of `sm.moderate`; an option of some methods goes to these only (`nodes` to lms, `match` to
        product indicators).

    A method that does not apply or fails has a row with the reason and costs the others nothing.

    Raises
    ------
    SpecError, DataError
        For what is wrong with model, data or options whatever the method, before anything is estimated.
    """
    frame = product_rows(data, options)
    chosen = _chosen(methods)
    own = {name for names in SIDE_BY_SIDE.values() for name in names}
    for name in options:
        if name not in own and name not in OPTION_NAMES:
            known = (*sorted(own), *OPTION_NAMES)
            raise SpecError(
                f"multiverse() has no option '{name}'. {did_you_mean(name, known, noun='options')}"
            )
    statement = read_statement(model_text(model, group_labels(frame, options.get("group"))))
    check_factors(statement, frame.columns)
    items = ordered_items(frame, statement.without_products, options.get("ordered", ())).codes
    numeric_columns(frame, [v for v in statement.variables.observed if ":" not in v and v not in items])
    from tqdm import tqdm

    given = options if estimator is None else {"estimator": estimator, **options}
    beside = bool(set(items) - _inside(statement))
    attempts = []
    latent = bool(statement.latent_products)
    for method in tqdm(chosen if latent else (OBSERVED,), desc="method", unit="", delay=2, leave=False):
        mine = {k: v for k, v in given.items() if k not in own or k in SIDE_BY_SIDE.get(method, ())}
        chosen_options = {**_suited(method, ordered=bool(items), beside=beside), **mine}
        if method in FOLLOWED:
            attempts.append(_attempt(method, partial(FOLLOWED[method], statement, frame, chosen_options)))
            continue
        name = "dblcent" if method == OBSERVED else method
        attempts.append(_attempt(method, partial(moderate, model, frame, method=name, **chosen_options)))
    if not latent:
        why = f"No factor of {', '.join(p.name for p in statement.products)} is latent."
        attempts += [Attempt(method, None, 0.0, why) for method in chosen]
    attempts.append(Attempt("groups", None, 0.0, NOT_SPLIT))
    done = next((a.result for a in attempts if a.result is not None), None)
    used = f"N = {done.header.n_used} of {done.header.n_available}" if done else f"N = {len(frame)}"
    names = [a.method for a in attempts if a.result is not None]
    how = estimator or ("MLR, of ordered items WLSMV and MML" if beside else "MLR")
    line = f"{_products(statement)} · {used} · {len(names)} method{'s' if len(names) != 1 else ''}, {how}"
    return Multiverse(statement, tuple(attempts), facts_of(statement, frame, names), line)


def _inside(statement: Statement) -> set[str]:
    """What products are made of: items of their latent factors, and columns."""
    return {i for p in statement.latent_products for f in p.factors for i in (f, *statement.items_of(f))}


def _suited(method: str, *, ordered: bool, beside: bool) -> dict[str, str]:
    """Estimator and treatment of missing answers where none was named; beside says that items outside of the
    products are ordered."""
    if beside and method in (*PRODUCTS, "rapi"):
        return {"estimator": "WLSMV", "missing": "pairwise"}
    return {"estimator": "MLR", **({"missing": "fiml"} if ordered and method == "lms" else {})}


def _attempt(method: str, estimate: Callable[[], Any]) -> Attempt:
    """One method, whatever happens to it."""
    start = perf_counter()
    try:
        result = estimate()
        result.standardized()
    except Exception as failure:  # whatever it is, one method's fault must not lose the others
        text = " ".join(str(failure).split()) or type(failure).__name__
        return Attempt(method, None, perf_counter() - start, text)
    return Attempt(method, result, perf_counter() - start, "")


def _chosen(methods: Sequence[str] | None) -> tuple[str, ...]:
    if methods is None:
        return tuple(SIDE_BY_SIDE)
    asked = (methods,) if isinstance(methods, str) else tuple(methods)
    for name in asked:
        if name not in SIDE_BY_SIDE:
            raise SpecError(
                f"methods=: '{name}' is not one that can be set beside others. "
                f"{did_you_mean(str(name), SIDE_BY_SIDE, noun='methods')}"
            )
    if not asked:
        raise SpecError(f"methods= is empty. Methods: {', '.join(SIDE_BY_SIDE)}.")
    return asked


def _products(statement: Statement) -> str:
    return ", ".join(f"{o} ~ {p.name}" for p in statement.products for o in p.outcomes)
