"""What all results of `sm.moderate` share, whichever estimator they came from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.inference.header import Header, Status
from sem_models.moderation.probing.probe import Probing

if TYPE_CHECKING:
    from sem_models.moderation.probing.terms import EffectTerms
    from sem_models.moderation.statement import Statement

TITLES = {
    "dblcent": "double-mean-centered product indicators",
    "uca": "unconstrained product indicators",
    "rca": "residual-centered product indicators",
    "ca": "constrained product indicators",
    "rapi": "reliability-adjusted single product indicators",
    "sam": "structural-after-measurement estimation",
    "lms": "latent moderated structural equations",
    "qml": "quasi-maximum likelihood",
    "mnlfa": "path that follows the moderator as a line",
    "lsem": "linear trend of local models",
    "groups": "comparison of groups",
    "sem": "products of observed variables",
}
"""Methods in words."""


class Moderation(Probing, ABC):
    """An estimated moderation: parameters, fit, tests, and all of `Probing`.

    The row of an interaction has the product as written in the model on its right, as `PV ~ EDS:ACT`.
    """

    @property
    @abstractmethod
    def statement(self) -> Statement:
        """What the model text says of moderation."""

    @property
    @abstractmethod
    def method(self) -> str:
        """The method as `sm.moderate` takes it."""

    @property
    @abstractmethod
    def terms(self) -> EffectTerms:
        """The estimated equations, as probing takes them."""

    @property
    @abstractmethod
    def status(self) -> Status:
        """Converged, stationary and admissible, each apart and with its reason."""

    @property
    @abstractmethod
    def header(self) -> Header:
        """N available, used and dropped, estimator, missing method and non-convergence."""

    @property
    @abstractmethod
    def groups(self) -> tuple[str, ...]:
        """Labels of the groups in order of first appearance; ("",) without groups."""

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """All options, resolved."""

    @property
    @abstractmethod
    def provenance(self) -> Mapping[str, Any]:
        """Hashes of data and model, versions and options."""

    @property
    @abstractmethod
    def loglik(self) -> float:
        """The log-likelihood at the estimates."""

    @abstractmethod
    def estimates(self, *, level: float = 0.95) -> pd.DataFrame:
        """One row a parameter; columns as `Fit.estimates()`, products in the units of their factors."""

    @abstractmethod
    def standardized(self, type: Any = "std_all", *, level: float = 0.95) -> pd.DataFrame:
        """Standardized estimates with errors; the interaction's is b sd(x) sd(z) / sd(y)."""

    @abstractmethod
    def measures(self) -> pd.Series:
        """Fit measures by name; NaN where the method has none."""

    @abstractmethod
    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of the free parameters, labelled lhs+op+rhs."""

    @abstractmethod
    def interaction_test(self) -> pd.DataFrame:
        """Tests of the products' paths: each by itself, and all together where there are several.

        Columns term ("PV ~ EDS:ACT", last "all products"), df, chisq_diff and pvalue (likelihood ratio
        against the model with these paths at 0, scaled where the test is), wald, wald_pvalue, converged (of
        the restricted model).
        """

    @abstractmethod
    def summary(self) -> Any:
        """Text when printed, tables in a notebook."""

    @property
    def title(self) -> str:
        """The method in words."""
        return TITLES.get(self.method, self.method)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        names = ", ".join(p.name for p in self.statement.products)
        return f"<{type(self).__name__} {names}, {self.title}: {self.header.line()}>"
