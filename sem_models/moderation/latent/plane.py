"""A likelihood on a plane of its parameters, as tests that hold some of them search it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sem_models.model.ram import Array
from sem_models.moderation.latent.likelihood import Likelihood


@dataclass(frozen=True, slots=True)
class Along:
    """A likelihood on the plane params = fixed + kept @ x, kept (k, j) orthonormal."""

    likelihood: Likelihood
    kept: Array
    fixed: Array

    @property
    def ram(self) -> Any:
        return self.likelihood.ram

    def value_and_gradient(self, params: Array) -> tuple[float, Array] | None:
        found = self.likelihood.value_and_gradient(self.fixed + self.kept @ params)
        return None if found is None else (found[0], found[1] @ self.kept)

    def case_scores(self, params: Array) -> Array:
        return self.likelihood.case_scores(self.fixed + self.kept @ params) @ self.kept

    def information(self, params: Array) -> Array:
        return self.kept.T @ self.likelihood.information(self.fixed + self.kept @ params) @ self.kept
