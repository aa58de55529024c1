"""`ProductModeration`: a moderation estimated with product indicators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.columns import LEVEL
from sem_models.inference.header import Header, Status
from sem_models.inference.result import Fit
from sem_models.inference.standardized import Metric
from sem_models.moderation.interaction_test import interaction_tests
from sem_models.moderation.products.pairs import Measured
from sem_models.moderation.products.terms import product_terms
from sem_models.moderation.result import Moderation
from sem_models.moderation.statement import Statement, lacking_main_effects

if TYPE_CHECKING:
    from sem_models.moderation.probing.terms import EffectTerms
    from sem_models.moderation.products.summary import ProductSummary

Errors = Literal["rescaled", "delta"]
ERRORS = ("rescaled", "delta")


@dataclass(frozen=True, repr=False)
class ProductModeration(Moderation):
    """A moderation whose latent products are measured by products of items.

    fit is the model with the products as latent variables named as written ("EDS:ACT"); products say which
    columns measure them; centers hold the means that were taken from columns that are factors themselves,
    by group; shifts, by item and group, what was taken from items more than their group's mean.
    """

    fit: Fit
    of: Statement
    by: str
    products: tuple[Measured, ...]
    centers: Mapping[str, tuple[float, ...]]
    shifts: Mapping[str, tuple[float, ...]]
    settings: Mapping[str, Any]

    @property
    def statement(self) -> Statement:
        return self.of

    @property
    def method(self) -> str:
        return self.by

    @cached_property
    def terms(self) -> EffectTerms:
        return product_terms(self.fit, self.method, self.title, self.products, self.centers, self.shifts)

    @property
    def status(self) -> Status:
        return self.fit.status

    @cached_property
    def header(self) -> Header:
        """Header of the fit, with a note on products that the data are too few for or that stand alone."""
        known = self.fit.header
        notes = lacking_main_effects(self.statement)
        if "parcels" in self.settings:
            gathered = dict.fromkeys(name.rsplit(".", 1)[0] for name in self.settings["parcels"])
            notes += (f"items of {' and '.join(gathered)} as parcels, whose means are taken as numbers",)
        count, n = self.fit.solved.ram.n_counted, known.n_used
        if count > n:
            notes += (
                f"{count} free parameters for {n} customers: match=True builds fewer product indicators.",
            )
        return replace(known, notes=known.notes + notes)

    @property
    def groups(self) -> tuple[str, ...]:
        return self.fit.groups

    @property
    def options(self) -> dict[str, Any]:
        return {"method": self.method, **self.settings, **self.fit.options}

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {**self.fit.provenance, "moderation": {"method": self.method, **self.settings}}

    @property
    def loglik(self) -> float:
        return self.fit.solved.logl

    @property
    def syntax(self) -> str:
        """The model text with its product indicators."""
        return self.fit.syntax

    def indicators(self) -> pd.DataFrame:
        """Which items each product indicator is made of: product, indicator, items."""
        rows = [(m.name, i.name, " × ".join(i.items)) for m in self.products for i in m.indicators]
        return pd.DataFrame(rows, columns=["product", "indicator", "items"])

    def estimates(self, *, level: float = LEVEL) -> pd.DataFrame:
        return self.fit.estimates(level=level)

    def standardized(
        self, type: Metric = "std_all", *, level: float = LEVEL, errors: Errors = "rescaled"
    ) -> pd.DataFrame:
        """Standardized estimates; columns as `Fit.standardized()`.

        A product is in the units of its factors: its path is b sd(x) sd(z) / sd(y) (Wen, Marsh & Hau, 2010).
        errors "rescaled" multiply the error in the product's own standard deviation by the ratio of the two
        units, as modsem does; "delta" counts the sampling error of the units too.
        """
        if errors not in ERRORS:
            raise SpecError(f"errors={errors!r} is unknown. {did_you_mean(errors, ERRORS, noun='choices')}")
        return self.fit.standardized(type, level=level, units_known=errors == "rescaled")

    def measures(self) -> pd.Series:
        return self.fit.measures()

    def tests(self) -> pd.DataFrame:
        """Every test that was asked for: test, stat, df, pvalue, scaling_factor, shift_parameter."""
        return self.fit.tests()

    def vcov(self) -> pd.DataFrame:
        return self.fit.vcov()

    @cached_property
    def _interaction(self) -> pd.DataFrame:
        return interaction_tests(self.fit.solved, [p.name for p in self.statement.products])

    def interaction_test(self) -> pd.DataFrame:
        return self._interaction.copy()

    def summary(self) -> ProductSummary:
        from sem_models.moderation.products.summary import ProductSummary

        return ProductSummary(self)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
