"""What ordered items change in the options, and what cannot be combined with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sem_models.errors import SpecError, did_you_mean
from sem_models.estimation.data_options import DataOptions
from sem_models.estimation.estimators import ESTIMATORS, SCALED_TESTS, Estimator
from sem_models.estimation.information import Information

FOR_ITEMS = ("WLSMV", "WLSM", "WLSMVS", "DWLS", "WLS", "ULSMV", "ULSM", "ULSMVS", "ULS", "PML", "MML")
ONLY_ITEMS = ("WLSMV", "WLSM", "WLSMVS", "DWLS", "PML", "MML")
"""Estimators for ordered items, and those that are not built for continuous variables alone."""

ERRORS = ("standard", "robust.sem", "robust.cluster.sem", "bootstrap", "none")
TESTS = ("standard", *(t for t in SCALED_TESTS if t != "yuan.bentler.mplus"))
OF_LIKELIHOOD = ("standard", "robust.huber.white", "robust.cluster", "bootstrap", "none")
"""Errors of the pairwise and the marginal likelihood."""
PARAMETERIZATIONS = ("delta", "theta")


def estimator_of_items(estimator: str, *, items: bool) -> str:
    """The estimator in force; with ordered items the default, ML, is WLSMV, as in lavaan.

    Raises SpecError for estimators without a meaning for these variables.
    """
    if not items:
        if estimator in ONLY_ITEMS:
            raise SpecError(
                f"The engine cannot estimate by {estimator} without ordered items yet. Name them in "
                "ordered=, or "
                "use estimator='MLR' for continuous variables."
            )
        return estimator
    if estimator == "ML":
        return "WLSMV"
    if estimator not in FOR_ITEMS:
        raise SpecError(
            f"estimator='{estimator}' treats its variables as continuous, but some are ordered. Use "
            "WLSMV, or "
            "leave out ordered= to treat the items as continuous."
        )
    return estimator


def defaults_of(estimator: str, *, items: bool) -> Estimator:
    """Errors and test that an estimator brings; with items ULS has the plain ones."""
    found = ESTIMATORS[estimator]
    return Estimator("ULS", "standard", "standard") if items and estimator == "ULS" else found


def parameterization(given: Mapping[str, Any]) -> str:
    asked = given.get("parameterization", "delta")
    name = "delta" if asked in (None, "default") else str(asked).lower()
    if name not in PARAMETERIZATIONS:
        near = did_you_mean(name, PARAMETERIZATIONS, noun="choices")
        raise SpecError(f"parameterization='{asked}' is not available. {near}")
    return name


def check_conditional(given: Mapping[str, Any], *, items: bool) -> None:
    """SpecError for conditional_x where it is not the only way."""
    asked = given.get("conditional_x", "default")
    if asked in (None, "default"):
        return
    if asked not in (True, False):
        raise SpecError(f"conditional_x={asked!r} is not understood. Give True or False.")
    if asked is True and not items:
        raise SpecError("The engine cannot honor conditional_x=True without ordered items yet. Leave it out.")
    if asked is False and items and given.get("fixed_x", True) not in (False,):
        raise SpecError(
            "The engine cannot fix covariates and yet model them jointly with ordered items (conditional_x="
            "False with fixed_x=True) yet. Use fixed_x=False, or leave both out to condition on the "
            "covariates."
        )


def refuse_rows_of_items(rows: DataOptions, missing: str, estimator: str) -> None:
    """Treatments of rows that ordered items do not go with."""
    if estimator == "MML":
        if missing not in ("listwise", "fiml"):
            raise SpecError(
                f"estimator='MML' uses every answer; missing='{missing}' does not go with it. Use 'fiml'."
            )
        if rows.design or rows.aux:
            raise SpecError(
                f"The engine cannot combine estimator='MML' with {rows.design or 'aux='} yet. Use 'PML' or "
                "'WLSMV'."
            )
        return
    if missing not in ("listwise", "pairwise"):
        raise SpecError(
            f"Ordered items have no likelihood of incomplete rows by missing='{missing}' yet. Use missing="
            "'pairwise' (valid if answers are missing completely at random), estimator='MML' with 'fiml' "
            "(one or two factors), or treat the items as continuous."
        )
    if rows.aux:
        raise SpecError(
            "The engine cannot combine ordered items with aux= yet. Leave it out, or treat the items as "
            "continuous."
        )


def refuse_design_of_items(estimator: str, rows: DataOptions) -> None:
    """Weights and clusters need errors that know of them: robust ones, or WLS, which weighs by their Γ."""
    if rows.design and estimator in ("DWLS", "ULS"):
        raise SpecError(
            f"{rows.design} needs robust errors, and {estimator} has plain ones. Use estimator="
            f"'{'WLSMV' if estimator == 'DWLS' else 'ULSMV'}'."
        )


def refuse_for_items(
    *, se: str, tests: tuple[str, ...], information: tuple[Information, Information], likelihood: str,
    engine: str, std_ov: bool, effect_coding: tuple[str, ...], likelihood_of: str,
) -> None:  # fmt: skip
    """Combinations with ordered items that have no meaning or are not built: one sentence each.

    likelihood_of is the estimator where it is a likelihood of answers, else empty.
    """
    errors = OF_LIKELIHOOD if likelihood_of else ERRORS
    if se not in errors:
        raise SpecError(
            f"The engine cannot give ordered items se='{se}' yet. {did_you_mean(se, errors, noun='choices')}"
        )
    if likelihood_of == "MML" and tests != ("standard",):
        raise SpecError(
            "estimator='MML' has no test against the saturated model, whose likelihood is that of all "
            "combinations of answers. Leave out test=, and compare nested models by fit.compare()."
        )
    for test in tests:
        if test not in TESTS:
            near = did_you_mean(test, TESTS, noun="choices")
            raise SpecError(f"The engine cannot give ordered items test='{test}' yet. {near}")
    if not likelihood_of and any(i.kind != "expected" for i in information):
        raise SpecError("Ordered items have information='expected' only yet. Leave it out.")
    if likelihood != "normal":
        raise SpecError(
            "likelihood='wishart' is a matter of maximum likelihood. Leave it out with ordered items."
        )
    if engine != "native":
        raise SpecError("engine='semopy' knows no ordered items. Use the native engine.")
    if std_ov:
        raise SpecError(
            "The engine cannot standardize variables beside ordered items (std_ov) yet. Leave it out."
        )
    if effect_coding:
        raise SpecError("The engine cannot combine effect coding with ordered items yet. Leave it out.")
