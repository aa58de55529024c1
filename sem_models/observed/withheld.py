"""Stand-ins for what a saved fit does not hold: who needs them gets an error that says how to have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from sem_models.errors import DataError
from sem_models.model.ram import Array, IntArray

REMEDY = "Fit the model anew to the data, or save the fit with fit.save(path, include_rows=True)."


@dataclass(frozen=True, slots=True)
class Withheld:
    """Anything that was left out of a file; `what` names it."""

    what: str

    def _refuse(self) -> NoReturn:
        raise DataError(f"This fit was loaded from a file without {self.what}, which this needs. {REMEDY}")

    def __iter__(self) -> Iterator[Any]:
        self._refuse()

    def __len__(self) -> int:
        self._refuse()

    def __getitem__(self, key: Any) -> Any:
        self._refuse()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()


@dataclass(frozen=True, slots=True)
class WithheldPatterns:
    """Group sizes without the moments by missing pattern, some of which would be the answers of a few rows.

    group (g,); size (g,) rows.
    """

    group: IntArray
    size: Array

    @property
    def share(self) -> Array:
        """n_g / N, (g,)."""
        return self.size / self.size.sum()

    @property
    def complete(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        Withheld("the moments by missing pattern")._refuse()


@dataclass(frozen=True, slots=True)
class WithheldRows:
    """One group's rows left out, with Γ (r, r) of their moments where that was kept.

    exogenous are the fixed covariates Γ was computed for.
    """

    gamma: Array | None
    exogenous: IntArray

    def asymptotic_covariance(self, exogenous: IntArray) -> Array:
        """Γ as computed from the rows before they were left out."""
        if self.gamma is None or exogenous.tolist() != self.exogenous.tolist():
            Withheld("the rows of the data")._refuse()
        return self.gamma

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        Withheld("the rows of the data")._refuse()
