"""The cheapest mix of two services that raises an outcome by a target, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sem_models.errors import SpecError
from sem_models.inference.fieller import FiellerSet, fieller_set
from sem_models.model.ram import Array

DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Mix:
    """How far each service is raised, at what cost, and how the answer depends on what is uncertain.

    raises (2,) in points; cost in the units of the costs; reachable says whether the target lies within the
    room; probability (2,) that each service is the cheaper lever, over normal draws of the effects; switch is
    the set of cost ratios first/second at which the cheaper lever changes (Fieller).
    """

    names: tuple[str, str]
    raises: Array
    cost: float
    reachable: bool
    reached: float
    probability: Array
    switch: FiellerSet
    ratio: float

    def table(self) -> pd.DataFrame:
        """One row a service: raise_points, cost, probability_cheaper."""
        unit = self.raises
        return pd.DataFrame(
            {"service": self.names, "raise_points": unit, "probability_cheaper": self.probability}
        ).assign(total_cost=self.cost, reachable=self.reachable)

    @property
    def sentence(self) -> str:
        """The finding in words, with what it depends on."""
        if not self.reachable:
            return (
                f"The target is out of the data's reach: within the room for both services the outcome rises "
                f"by {self.reached:.2f} points."
            )
        first = int(np.argmax(self.probability))
        parts = [f"{n} by {r:.2f}" for n, r in zip(self.names, self.raises, strict=True) if r > 0]
        sure = f"{self.names[first]} is the cheaper lever with probability {self.probability[first]:.2f}"
        return f"Cheapest: raise {' and '.join(parts) or 'nothing'} (points), cost {self.cost:.2f}; {sure}."


def cheapest(
    names: tuple[str, str], effects: Array, cov: Array, costs: Array, target: float, room: Array, *,
    level: float = 0.95, seed: int = 0,
) -> Mix:  # fmt: skip
    """Minimize cᵀx subject to bᵀx ≥ target and 0 ≤ x ≤ room, for effects b (2,) with covariance cov (2, 2).

    With one constraint the linear program fills the lever with the better effect per cost first. A lever
    whose effect is not positive is not used.
    """
    if (costs <= 0).any():
        raise SpecError("Costs must be positive: what a point of each service costs.")
    if not target > 0:
        raise SpecError(f"target={target:g} must be positive: the points by which the outcome is to rise.")
    raises, left = np.zeros(2), target
    for k in np.argsort(-effects / costs, kind="stable"):
        if effects[k] > 0 and left > 0:
            raises[k] = min(left / effects[k], room[k])
            left = max(left - raises[k] * effects[k], 0.0)
            left = 0.0 if left < 1e-12 * target else left
    reachable = left == 0.0
    rng = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(cov)
    drawn = effects + rng.standard_normal((DRAWS, 2)) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    better = drawn / costs
    first = float((better[:, 0] > better[:, 1]).mean())
    half = float(ndtri((1 + level) / 2))
    switch = fieller_set(float(effects[0]), float(effects[1]), cov, half)
    return Mix(
        names, raises, float(costs @ raises), reachable, float(effects @ raises),
        np.array([first, 1 - first]), switch, float(costs[0] / costs[1]),
    )  # fmt: skip
