"""`AnswerModeration`: latent interactions estimated from ordered items by their own likelihood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sem_models.estimation.optimizer import Outcome
from sem_models.model.ram import Array
from sem_models.moderation.latent.likelihood import Likelihood
from sem_models.moderation.latent.ordered.likelihood import AnswerLikelihood
from sem_models.moderation.latent.result import Along, LatentModeration
from sem_models.moderation.latent.solve import LatentSolution

COARSE = 5
"""Nodes for each latent variable that a search begins with."""
TURNS = 3
"""How often nodes are placed anew during one search."""
STILL = 1e-5
"""Change of the log-likelihood by placing the nodes anew below which they stay."""


@dataclass
class Placing:
    """Each time a search comes near its end, puts the nodes in force where the rows are.

    The first time there become as many as asked for: the way to the optimum is gone on a coarse grid.
    """

    likelihood: AnswerLikelihood
    per_dimension: int
    turns: int = 0

    def __call__(self, params: Array) -> AnswerLikelihood | None:
        if self.turns == TURNS:
            return None
        self.turns += 1
        again = self.likelihood.adapted(params, self.per_dimension)
        if self.likelihood.per_dimension != self.per_dimension:
            self.likelihood = again
            return again
        before, after = self.likelihood.value(params), again.value(params)
        if before is None or after is None or abs(after - before) < STILL:
            return None
        self.likelihood = again
        return again


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
        return self._without.value

    @property
    def _linear_converged(self) -> bool:
        return self._without.outcome is Outcome.CONVERGED

    @cached_property
    def _searched(self) -> AnswerLikelihood:
        """The likelihood that another search begins with."""
        assert isinstance(self.likelihood, AnswerLikelihood)
        return self.likelihood.adapted(self.solution.params, min(COARSE, self.settings["nodes"]))

    def _settled(self, along: Along) -> Callable[[Array], Likelihood | None]:
        assert isinstance(along.likelihood, AnswerLikelihood)
        placing = Placing(along.likelihood, self.settings["nodes"])

        def settled(params: Array) -> Likelihood | None:
            again = placing(along.fixed + along.kept @ params)
            return None if again is None else Along(again, along.kept, along.fixed)

        return settled

    def measures(self) -> pd.Series:
        """As LatentModeration's; linear_chisq to linear_rmsea are the scaled ones of WLSMV."""
        found = super().measures()
        linear = self.linear.measures()
        for name in ("chisq", "df", "pvalue", "cfi", "tli", "rmsea"):
            found[f"linear_{name}"] = float(linear.get(f"{name}_scaled", np.nan))
        return found
