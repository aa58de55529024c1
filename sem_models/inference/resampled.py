"""What the errors of se="bootstrap" leave behind: percentile limits and a count of refits, no replicate."""

from __future__ import annotations

from dataclasses import dataclass

from sem_models.inference.bootstrap import Bootstrap
from sem_models.inference.columns import LEVEL
from sem_models.model.ram import Array


@dataclass(frozen=True, slots=True)
class Resampled:
    """lower and upper (n,): percentile limits of the table's rows and the defined parameters.

    A saved fit keeps the 95 % ones and not the replicates: with a known seed, a replicate is that of known
    draws of the rows.
    """

    lower: Array
    upper: Array
    line: str


def summary_of(bootstrap: Bootstrap, level: float = LEVEL) -> Resampled:
    """The summary of a bootstrap of rows, with limits of this level."""
    drawn = bootstrap.estimates(level=level)
    return Resampled(drawn["ci_lower"].to_numpy(), drawn["ci_upper"].to_numpy(), bootstrap.line())
