"""`sm.moderate`: one statement of a moderation, one result, whatever the method."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

from sem_models.errors import SpecError, did_you_mean
from sem_models.estimation.options import OPTION_NAMES
from sem_models.moderation.covariates.estimate import OPTIONS as COVARIATE_OPTIONS
from sem_models.moderation.covariates.estimate import moderate_by_covariates
from sem_models.moderation.group_comparison import GroupModeration, compare_groups
from sem_models.moderation.latent.estimate import OPTIONS as LATENT_OPTIONS
from sem_models.moderation.latent.estimate import moderate_latent
from sem_models.moderation.local.estimate import OPTIONS as LOCAL_OPTIONS
from sem_models.moderation.local.estimate import moderate_local
from sem_models.moderation.products.estimate import OPTIONS as PRODUCT_OPTIONS
from sem_models.moderation.products.estimate import moderate_by_products
from sem_models.moderation.products.single_indicators import OPTIONS as COMPOSITE_OPTIONS
from sem_models.moderation.products.single_indicators import moderate_by_composites
from sem_models.moderation.result import Moderation
from sem_models.moderation.two_stage.estimate import moderate_two_stage
from sem_models.threads import single_threaded

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec
    from sem_models.moderation.covariates.result import CovariateModeration
    from sem_models.moderation.local.result import LocalModeration

PRODUCTS = ("dblcent", "uca", "rca", "ca")
LATENT = ("lms", "qml")
TWO_STAGE = ("sam", "rapi")
METHODS = (*PRODUCTS, *LATENT, *TWO_STAGE, "groups", "lsem", "mnlfa")
SIDE_BY_SIDE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(PRODUCTS, PRODUCT_OPTIONS), "lms": LATENT_OPTIONS, "qml": (), "sam": (),
    "rapi": COMPOSITE_OPTIONS, "mnlfa": (), "lsem": ("h", "bandwidth", "kernel", "grid"),
}  # fmt: skip
"""Methods that `sm.multiverse` runs, with the options that are theirs alone: a new one is an entry here."""
OWN_ENGINE = (*LATENT, "sam", "mnlfa", "lsem")
"""Methods that no other engine has."""
WITH_MODERATOR = ("groups", "lsem")
"""Methods whose moderator is a column beside the model; the others read it off the model text."""


@overload
def moderate(
    model: str | ModelSpec, data: Any = None, *, method: Literal["groups"], moderator: str | None = None,
    **options: Any,
) -> GroupModeration: ...  # fmt: skip


@overload
def moderate(
    model: str | ModelSpec, data: Any = None, *, method: Literal["lsem"], moderator: str | None = None,
    **options: Any,
) -> LocalModeration: ...  # fmt: skip


@overload
def moderate(
    model: str | ModelSpec, data: Any = None, *, method: Literal["mnlfa"], moderator: str | None = None,
    **options: Any,
) -> CovariateModeration: ...  # fmt: skip


@overload
def moderate(
    model: str | ModelSpec, data: Any = None, *, method: str = "dblcent", moderator: str | None = None,
    **options: Any,
) -> Moderation: ...  # fmt: skip


@single_threaded
def moderate(
    model: str | ModelSpec, data: Any = None, *, method: str = "dblcent", moderator: str | None = None,
    **options: Any,
) -> GroupModeration | LocalModeration | CovariateModeration | Moderation:  # fmt: skip
    """Estimate a moderation that the model text states, as in `PV ~ EDS + ACT + EDS:ACT`.

    Parameters
    ----------
    model, data
        As in `sm.fit`. A specification brings its moderations along.
    method : str
        "dblcent", "uca", "rca", "ca": product indicators, double-mean-centered, unconstrained,
        residual-centered or constrained (see `moderate_by_products` for their options). "lms", "qml": the
        likelihood of the products themselves (see `moderate_latent` for `nodes` and more). "sam": measurement
        first, paths from its corrected moments; "rapi": composites with their reliabilities; both for small
        samples (see `moderate_two_stage`, `moderate_by_composites`). "groups": paths compared between the
        groups of the column `moderator` (see `compare_groups`). "lsem": all parameters along the continuous
        column `moderator`, by local models (see `moderate_local`). "mnlfa": labelled parameters as functions
        of columns, `b1 :~ tenure + active` (see `moderate_by_covariates`).
    moderator : str, optional
        The column of groups or the continuous moderator, for "groups" and "lsem" only.
    **options
        Those of the method, and those of `sm.fit`.

    Raises
    ------
    SpecError, DataError
        Before the estimation starts, each naming what is wrong, where, and what to do.
    """
    if method not in METHODS:
        raise SpecError(f"method='{method}' is unknown. {did_you_mean(str(method), METHODS, noun='methods')}")
    if moderator is not None and method == "mnlfa":
        raise SpecError(
            "moderator= is not for method='mnlfa', which reads it off the model text: label the parameter "
            f"and write what it follows, as in PV ~ b*EDS and, on a line of its own, b :~ {moderator}."
        )
    if moderator is not None and method not in WITH_MODERATOR:
        raise SpecError(
            f"moderator= is for method='groups' and 'lsem'. method='{method}' reads it off the model text: "
            f"write the product with '{moderator}' into it, as in PV ~ EDS + {moderator} + EDS:{moderator}."
        )
    if method in OWN_ENGINE and options.pop("engine", None) not in (None, "native"):
        raise SpecError(
            f"engine= is for sm.fit, method='groups' and product indicators: method='{method}' is estimated "
            "by this package alone. Leave it out."
        )
    if method == "groups":
        return compare_groups(model, data, moderator=moderator, **options)
    if method == "lsem":
        _refuse_unknown(method, options, LOCAL_OPTIONS)
        return moderate_local(model, data, moderator=moderator, **options)
    if method == "mnlfa":
        _refuse_unknown(method, options, COVARIATE_OPTIONS)
        return moderate_by_covariates(model, data, **options)
    if method in LATENT:
        _refuse_unknown(method, options, LATENT_OPTIONS)
        return moderate_latent(model, data, method=method, **options)
    if method == "sam":
        _refuse_unknown(method, options, ())
        return moderate_two_stage(model, data, **options)
    if method == "rapi":
        _refuse_unknown(method, options, COMPOSITE_OPTIONS)
        return moderate_by_composites(model, data, **options)
    _refuse_unknown(method, options, PRODUCT_OPTIONS)
    return moderate_by_products(model, data, method=method, **options)


def _refuse_unknown(method: str, options: Iterable[str], own: tuple[str, ...]) -> None:
    known = (*own, *OPTION_NAMES)
    for name in options:
        if name in known:
            continue
        others = [repr(m) for m, theirs in SIDE_BY_SIDE.items() if name in theirs]
        if others:
            raise SpecError(
                f"{name}= is an option of method={' or '.join(others)}, not of method='{method}'. Leave it "
                "out, or take such a method."
            )
        raise SpecError(f"moderate() has no option '{name}'. {did_you_mean(name, known, noun='options')}")
