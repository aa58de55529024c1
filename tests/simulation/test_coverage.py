"""Coverage of the structural paths' intervals in samples of the example's size.

1,000 samples of N = 387 (226 and 161) from the example's population, items continuous and normal, terms on
products and records left out, no missing answers, so that the model is exactly true. Two-group ML with equal
loadings (metric invariance), standard errors from the expected information. A coverage of .95 has a Monte
Carlo error of .007 in 1,000 samples.
"""

from __future__ import annotations

import numpy as np
import pytest

from sem_models.simulation.monte_carlo import recovery
from sem_models.simulation.population import Population


@pytest.mark.slow
def test_intervals_of_structural_paths_cover(b2b: Population) -> None:
    rng = np.random.default_rng(20260101)
    frame = recovery(b2b, "b2b_service", b2b.n, 1000, rng, group_equal=("loadings",))
    paths = frame[frame["op"] == "~"]
    assert len(paths) == 24
    assert (paths["converged"] == 1).all()
    shown = paths[["lhs", "rhs", "group", "bias", "sd", "se", "coverage"]].round(4).to_string()
    assert 0.94 <= paths["coverage"].mean() <= 0.96, shown
    assert paths["coverage"].between(0.925, 0.975).all(), shown
    assert (paths["bias"].abs() < 0.15 * paths["sd"]).all(), shown
