"""The facts every table and chart is headed by: data used, estimator, and whether the fit can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

METHODS = {
    "listwise": "complete rows only",
    "fiml": "FIML for missing answers",
    "fiml.x": "FIML for missing answers and covariates",
    "pairwise": "pairwise moments",
    "available.cases": "all pairs and answers",
    "two.stage": "two-stage estimation for missing answers",
    "robust.two.stage": "robust two-stage estimation for missing answers",
}
"""Treatments of missing answers in words."""


PAIRWISE_ERRORS = (
    "where answers are missing, standard errors and χ² take pairwise moments as those of complete rows, as "
    "lavaan does, and are too sure of them: use se='bootstrap' or missing='fiml'"
)
"""Said of continuous variables; those of ordered items know which rows answered a pair."""


@dataclass(frozen=True, slots=True)
class Status:
    """Convergence, stationarity and admissibility, each apart and with its reason."""

    converged: bool
    stationary: bool
    admissible: bool
    reasons: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.converged and self.stationary and self.admissible

    def __str__(self) -> str:
        flags = [
            "converged" if self.converged else "NOT CONVERGED",
            "stationary" if self.stationary else "NOT STATIONARY",
            "admissible" if self.admissible else "NOT ADMISSIBLE",
        ]
        return ", ".join(flags) + ("" if not self.reasons else ": " + " ".join(self.reasons))


@dataclass(frozen=True, slots=True)
class Header:
    """Estimator, missing-data method, N available, used and dropped, group sizes, and the fit's status."""

    estimator: str
    missing: str
    n_available: int
    n_used: int
    n_dropped: int
    groups: dict[str, int]
    converged: bool
    admissible: bool
    notes: tuple[str, ...] = ()

    def line(self) -> str:
        """One sentence for the head of a table or chart."""
        method = METHODS.get(self.missing, self.missing)
        dropped = f", {self.n_dropped} dropped" if self.n_dropped else ""
        sizes = ", ".join(f"{label} {n}" for label, n in self.groups.items()) if len(self.groups) > 1 else ""
        parts = [f"{self.estimator}, {method}", f"N = {self.n_used} of {self.n_available}{dropped}"]
        if sizes:
            parts.append(sizes)
        if not self.converged:
            parts.append("DID NOT CONVERGE: do not interpret")
        elif not self.admissible:
            parts.append("INADMISSIBLE SOLUTION: interpret with care")
        return " · ".join(parts)
