"""Options about the rows: missing answers, clusters, sampling weights, auxiliary variables.

What each of them changes in the defaults of an estimator, and what it cannot be combined with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sem_models.errors import SpecError, did_you_mean

MISSING = ("listwise", "fiml", "fiml.x", "pairwise", "two.stage", "robust.two.stage")
ALIASES = {
    "ml": "fiml", "direct": "fiml", "ml.x": "fiml.x", "direct.x": "fiml.x", "available.cases": "pairwise",
    "two.step": "two.stage", "robust.two.step": "robust.two.stage",
}  # fmt: skip
TWO_STAGE = ("two.stage", "robust.two.stage")
NORMALIZATIONS = ("total", "group", "none")
NAMES = ("cluster", "sampling_weights", "sampling_weights_normalization", "aux")
CLUSTERED = {"robust.huber.white": "robust.cluster", "robust.sem": "robust.cluster.sem"}


@dataclass(frozen=True, slots=True)
class DataOptions:
    """cluster and sampling_weights are columns, or None; aux the auxiliary variables."""

    cluster: str | None = None
    sampling_weights: str | None = None
    sampling_weights_normalization: str = "group"
    aux: tuple[str, ...] = ()

    @property
    def design(self) -> str:
        """The option that makes rows unequal or dependent, for messages; empty without one."""
        if self.cluster is not None:
            return "cluster="
        return "sampling_weights=" if self.sampling_weights is not None else ""


def missing_method(name: object) -> str:
    """The treatment of missing answers under its one name."""
    lower = str(name).lower()
    lower = ALIASES.get(lower, lower)
    if lower == "doubly.robust":
        raise SpecError(
            "The engine cannot treat missing answers by 'doubly.robust' yet. Use missing='fiml', or "
            "'available.cases' with ordered items by estimator='PML'."
        )
    if lower not in MISSING:
        raise SpecError(
            f"missing='{name}' is not available. {did_you_mean(lower, (*MISSING, *ALIASES), noun='choices')}"
        )
    return lower


def data_options(given: Mapping[str, Any]) -> DataOptions:
    """The options about rows among those given. SpecError for values of the wrong kind."""
    for name in ("cluster", "sampling_weights"):
        value = given.get(name)
        if value is not None and not isinstance(value, str):
            raise SpecError(
                f"{name}={value!r} must be the name of one column"
                + (" (several levels are not possible yet)." if name == "cluster" else ".")
            )
    normalization = str(given.get("sampling_weights_normalization") or "group").lower()
    normalization = "group" if normalization == "default" else normalization
    if normalization not in NORMALIZATIONS:
        raise SpecError(
            f"sampling_weights_normalization='{normalization}' is not available. "
            f"{did_you_mean(normalization, NORMALIZATIONS, noun='choices')}"
        )
    aux = given.get("aux") or ()
    aux = (aux,) if isinstance(aux, str) else tuple(aux)
    if not all(isinstance(name, str) for name in aux):
        raise SpecError(f"aux={aux!r} must be names of columns.")
    return DataOptions(
        given.get("cluster"), given.get("sampling_weights"), normalization, tuple(dict.fromkeys(aux))
    )


def estimator_for(estimator: str, discrepancy: str, rows: DataOptions) -> str:
    """ML with clusters or weights is MLR: its plain errors and test would be wrong.

    SpecError for estimators that clusters and weights do not go with.
    """
    if rows.design and discrepancy != "ML":
        raise SpecError(
            f"{rows.design} works with maximum likelihood, not with {estimator}. Use estimator='MLR'."
        )
    if rows.design and estimator == "MLF":
        raise SpecError(f"{rows.design} needs sandwich errors; MLF has none. Use estimator='MLR'.")
    return "MLR" if rows.design and estimator == "ML" else estimator


def clustered_errors(se: str, rows: DataOptions) -> str:
    """The name of the errors when they are taken over clusters. SpecError where there is no such kind."""
    if rows.cluster is None:
        if se in CLUSTERED.values():
            raise SpecError(f"se='{se}' needs cluster=, the column that tells which rows belong together.")
        return se
    if se in CLUSTERED:
        return CLUSTERED[se]
    if se in (*CLUSTERED.values(), "none", "bootstrap"):  # which draws clusters whole
        return se
    raise SpecError(
        f"se='{se}' takes rows as independent, which cluster= denies. Leave se= out for 'robust.cluster'."
    )


def refuse_rows(
    rows: DataOptions,
    *,
    estimator: str,
    discrepancy: str,
    missing: str,
    se: str,
    tests: tuple[str, ...],
    likelihood: str,
    engine: str,
) -> None:
    """Combinations of the options about rows that have no meaning or are not built: one sentence each."""
    if rows.design and se == "first.order":
        raise SpecError(f"se='first.order' has no sandwich, which {rows.design} needs. Leave it out.")
    if rows.design and likelihood == "wishart":
        raise SpecError(
            f"likelihood='wishart' is for equal, independent rows, not for {rows.design}. Leave it out."
        )
    if rows.design and missing in ("pairwise", *TWO_STAGE):
        raise SpecError(f"{rows.design} cannot be combined with missing='{missing}' yet. Use missing='fiml'.")
    if (rows.design or rows.aux) and engine == "semopy":
        raise SpecError(f"engine='semopy' knows no {rows.design or 'aux='}. Use the native engine.")
    if rows.aux and missing not in ("fiml", "fiml.x", *TWO_STAGE):
        raise SpecError(
            f"aux= helps where answers are missing and used: with missing='{missing}' it changes nothing. "
            "Use missing='fiml'."
        )
    casewise = any(t.startswith("yuan.bentler") for t in tests) or se in ("robust.huber.white", "first.order")
    if missing == "pairwise" and discrepancy != "PML" and (discrepancy == "GLS" or casewise):
        raise SpecError(
            f"{estimator} cannot use pairwise moments, which have no likelihood by rows. "
            "Use estimator='ML' or 'MLM', or missing='fiml'."
        )
    of_rows = any(t.startswith(("yuan.bentler", "browne")) for t in tests)
    if missing in TWO_STAGE and (estimator != "ML" or se not in (missing, "none", "bootstrap") or of_rows):
        raise SpecError(
            f"missing='{missing}' is for estimator='ML' and brings errors and a scaled test of its own. "
            "Leave out se=, other estimators and tests of rows."
        )
