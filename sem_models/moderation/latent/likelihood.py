"""What the maximizer needs of a distribution-analytic likelihood, whichever approximation it rests on."""

from __future__ import annotations

from typing import Protocol

from sem_models.model.ram import Array, RamModel


class Likelihood(Protocol):
    """The log-likelihood of all rows under a model with latent products.

    `ram` is the model with every latent product as a variable without items, mean or variance (a phantom),
    so that an interaction is an ordinary entry of A. Parameters are those of `ram`, params (k,).
    """

    @property
    def ram(self) -> RamModel: ...

    def value_and_gradient(self, params: Array) -> tuple[float, Array] | None:
        """ℓ and ∂ℓ/∂params (k,), summed over rows; None where a matrix is not positive definite."""
        ...

    def case_scores(self, params: Array) -> Array:
        """∂ℓᵢ/∂params of each row (n, k), rows in the order of the groups and of `Sample.rows`."""
        ...

    def information(self, params: Array) -> Array:
        """Observed information −∂²ℓ/∂params² (k, k), summed over rows."""
        ...
