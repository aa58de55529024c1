"""Tests that parameters do not follow their covariates: of each, of each covariate, and of all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sem_models.inference.compare import wald_of
from sem_models.moderation.covariates.problem import CovariateProblem
from sem_models.moderation.covariates.solution import CovariateSolution, ratio_test, without
from sem_models.observed.patterns import BoolArray

ALL = "all coefficients"


@dataclass(frozen=True)
class Constancy:
    """The tests of one result; each is computed when first asked for and kept in `known` by its number."""

    problem: CovariateProblem
    found: CovariateSolution
    known: dict[int, dict[str, Any]]

    @cached_property
    def sets(self) -> list[tuple[str, str, BoolArray]]:
        """What is tested: label, covariates and coefficients (m,); each label, each of its "
        "covariates, all."""
        statement, along = self.problem.statement, self.found.likelihood.along
        of = np.array([c.moderated for c in statement.coefficients])
        free = np.asarray(along.spread.any(axis=1), dtype=bool)
        sets: list[tuple[str, str, BoolArray]] = []
        for m, moderated in enumerate(statement.moderated):
            mine = np.asarray((of == m) & free, dtype=bool)
            sets.append((moderated.label, ", ".join(self.covariates_of(mine)), mine))
            if mine.sum() > 1:
                for j in np.flatnonzero(mine):
                    one = np.zeros(len(of), dtype=bool)
                    one[j] = True
                    sets.append((moderated.label, self.covariates_of(one)[0], one))
        if free.sum() > 1 and len(statement.moderated) > 1:
            sets.append((ALL, "", free))
        return [s for s in sets if s[2].any()]

    def test(self, number: int) -> dict[str, Any]:
        if number not in self.known:
            label, names, dropped = self.sets[number]
            along = self.found.likelihood.along
            test = ratio_test(self.found, without(self.problem, self.found, dropped))
            value, slopes = along.coefficients(self.found.point.params)[dropped], along.spread[dropped]
            _, first = np.unique(slopes, axis=0, return_index=True)  # a shared coefficient is tested once
            slopes, value = slopes[np.sort(first)], value[np.sort(first)]
            inner = slopes @ self.found.covariance[along.k0 :, along.k0 :] @ slopes.T
            wald = wald_of(value, inner)
            self.known[number] = {
                "parameter": label, "covariate": names, "df": test.df, "chisq_diff": test.chisq_diff,
                "pvalue": test.pvalue, "wald": wald.statistic, "wald_pvalue": wald.pvalue,
                "converged": test.converged,
            }  # fmt: skip
        return self.known[number]

    def covariates_of(self, chosen: BoolArray) -> list[str]:
        return [self.problem.statement.coefficients[j].formula.rhs for j in np.flatnonzero(chosen)]

    def table(self, labels: Sequence[str] | None = None) -> pd.DataFrame:
        """One row a test, of some labels or of all."""
        chosen = [i for i, s in enumerate(self.sets) if labels is None or s[0] in labels]
        return pd.DataFrame([self.test(i) for i in chosen])
