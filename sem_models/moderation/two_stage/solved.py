"""The two stages' solution in the form of a fitted model, so that every table and chart reads it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sem_models.inference.covariance import ParameterCovariance
from sem_models.inference.header import Status
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array


@dataclass(frozen=True)
class TwoStageSolved(Solved):
    """A solution whose parameters do not minimize one function, and whose errors are those of both stages.

    both_stages (q, q) is the covariance of the free rows; improper says what makes it inadmissible, notes
    what else a reader should know.
    """

    both_stages: Array
    improper: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def covariance(self) -> ParameterCovariance:
        size = self.ram.n_params
        return ParameterCovariance(self.both_stages, np.full((size, size), np.nan), None, False)

    @cached_property
    def logl(self) -> float:
        """There is no likelihood of both stages together."""
        return float("nan")

    @cached_property
    def status(self) -> Status:
        found = super().status
        admissible = found.admissible and not self.improper
        return replace(found, admissible=admissible, reasons=(*found.reasons, *self.improper, *self.notes))
