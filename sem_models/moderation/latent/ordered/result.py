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
from sem_models.moderation.latent.problem import Problem
from sem_models.moderation.latent.result import LatentModeration
from sem_models.moderation.latent.solve import LatentSolution
from sem_models.moderation.latent.true_moments import true_moments

SWALLOWED = 1e-4
"""Share of its residual in an ordered item's variance below which its loading has no end: residuals are the
unit, so that a variance of 0 lies at infinity."""


@dataclass(frozen=True, repr=False)
class AnswerModeration(LatentModeration):
    """As LatentModeration, with ordered items among the responses.

    `fit` and the linear_* measures of fit are WLSMV's, since whole answers have no saturated model to be held
    against; `linear_logl` and the likelihood-ratio tests are of the likelihood of the answers.
    """

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

    def _vanishing(self) -> list[str]:
        gone = swallowed(self.problem, self.solution.params)
        if not gone:
            return super()._vanishing()
        return [
            f"Without a residual: {', '.join(gone)}. What these items load on explains them whole, and their "
            "loadings have no end. Drop such an item, fix its loading, or merge categories that few chose."
        ]

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


def swallowed(problem: Problem, params: Array) -> list[str]:
    """The ordered items whose residuals are next to nothing in their variances, in any group."""
    ram = problem.ram
    part = ram.ordinal
    assert part is not None
    free = ram.free_values(params)
    items = part.y[part.layout.ordered]
    total = true_moments(ram, problem.products)(free)[1][:, items, items]
    lost = (ram.matrices(free)[1][:, items, items] < SWALLOWED * total).any(axis=0)
    return [ram.variables[i] for i in items[lost]]
