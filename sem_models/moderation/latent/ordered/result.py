"""`AnswerModeration`: latent interactions estimated from ordered items by their own likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sem_models.estimation.optimizer import Outcome
from sem_models.model.ram import Array
from sem_models.moderation.latent.ordered.likelihood import COARSE, AnswerLikelihood
from sem_models.moderation.latent.ordered.search import search
from sem_models.moderation.latent.result import STATIONARY, LatentModeration
from sem_models.moderation.latent.solve import LatentSolution

LEFT = 1e-3
"""Share of a response's variance left unexplained below which the solution counts as improper."""


@dataclass(frozen=True, repr=False)
class AnswerModeration(LatentModeration):
    """As LatentModeration, with ordered items among the responses.

    `fit` and the linear_* measures of fit are WLSMV's, since whole answers have no saturated model to be held
    against; `linear_logl` and the likelihood-ratio tests are of the likelihood of the answers.
    """

    def _improper(self) -> list[str]:
        """As LatentModeration's, and responses that are explained all but whole.

        Their slopes, in units of the spread that is left, grow as far as a search goes.
        """
        ram, table = self.problem.ram, self.problem.table
        own = np.diagonal(ram.matrices(self._free)[1], axis1=-2, axis2=-1)
        share = own / np.diagonal(self.moments(self._free)[1], axis1=-2, axis2=-1)
        out = super()._improper()
        ordered = table.options.categories
        for row in table.rows:
            if row.op != "~~" or row.lhs != row.rhs or not (row.free or row.lhs in ordered):
                continue
            left = share[row.block - 1, ram.variables.index(row.lhs)]
            if 0 <= left < LEFT:
                where = f" in group {table.groups[row.block - 1]}" if len(table.groups) > 1 else ""
                out.append(
                    f"Next to nothing of {row.lhs}{where} is left unexplained ({left:.1g} of its variance, a "
                    "Heywood case): the rows are too few for this model, or two variables say the same."
                )
        return out

    def _why_not(self) -> str:
        """As LatentModeration's; where the search is at rest, the nodes are what did not settle."""
        solution = self.solution
        if solution.outcome is not Outcome.STUCK or not solution.decrement < STATIONARY**2:
            return super()._why_not()
        return (
            "The search came to rest, but with its nodes placed anew the likelihood is another: an estimate "
            "may grow without end, as where hardly anyone chose a category. Merge such categories, leave out "
            "the item with the largest standard error, or give more nodes=."
        )

    @property
    def loglik(self) -> float:
        return self.solution.value

    @cached_property
    def _without(self) -> LatentSolution:
        """The end of the search with all products' paths at 0."""
        k = self.problem.ram.n_params
        kept = np.delete(np.eye(k), np.flatnonzero(self.problem.moved), axis=1)
        return self._search_along(kept, np.zeros(k))

    @cached_property
    def linear_loglik(self) -> float:
        return self._without.value if self._linear_converged else float("nan")

    def _against_linear(self) -> tuple[float, int, float]:
        """As LatentModeration's; NaN where either search did not end in a maximum."""
        chisq, df, pvalue = super()._against_linear()
        if self.solution.outcome is not Outcome.CONVERGED:
            return float("nan"), df, float("nan")
        return chisq, df, pvalue

    @property
    def _linear_converged(self) -> bool:
        return self._without.outcome is Outcome.CONVERGED

    def _search_along(self, kept: Array, fixed: Array) -> LatentSolution:
        """The maximum on the plane params = fixed + kept @ x, for its value alone."""
        assert isinstance(self.likelihood, AnswerLikelihood)
        information, size = kept.T @ self.solution.information @ kept, self.settings["nodes"]
        begin = self.likelihood.adapted(self.solution.params, min(COARSE, size))
        return search(
            begin, kept.T @ (self.solution.params - fixed), lambda *_: information, size,
            kept=kept, fixed=fixed, polish=False,
        ).solution  # fmt: skip

    def measures(self) -> pd.Series:
        """As LatentModeration's; linear_chisq to linear_rmsea are the scaled ones of WLSMV."""
        found = super().measures()
        linear = self.linear.measures()
        for name in ("chisq", "df", "pvalue", "cfi", "tli", "rmsea"):
            found[f"linear_{name}"] = float(linear.get(f"{name}_scaled", np.nan))
        return found
