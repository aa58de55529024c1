"""Intervals and spreads of replicates of which some do not exist."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.inference.intervals import KINDS, center_and_spread, intervals


@pytest.mark.parametrize("kind", KINDS)
def test_undefined_replicates_are_left_out_up_to_one_in_ten(kind: str) -> None:
    rng = np.random.default_rng(3)
    whole = rng.normal(size=(950, 2))
    few = np.concatenate([whole, np.full((50, 2), np.nan)])
    few[960, 0] = np.inf
    few[:200, 1] = np.nan
    estimate, acceleration = np.zeros(2), np.full(2, 0.01)
    low, high = intervals(kind, estimate, few, 0.95, acceleration)  # type: ignore[arg-type]
    own = intervals(kind, estimate, whole, 0.95, acceleration)  # type: ignore[arg-type]
    assert (low[0], high[0]) == pytest.approx((own[0][0], own[1][0]))
    assert np.isnan([low[1], high[1]]).all()
    center, spread = center_and_spread(few)
    assert (center[0], spread[0]) == pytest.approx((whole[:, 0].mean(), whole[:, 0].std()))
    assert np.isnan([center[1], spread[1]]).all()


def test_standardized_effects_of_draws_without_a_variance_do_not_exist() -> None:
    """A feedback loop so weakly identified that many draws imply negative variances."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=320)
    y = 0.5 * x + 0.8 * rng.normal(size=320)
    columns = {
        f"{n}{i}": 0.8 * f + 0.6 * rng.normal(size=320) for n, f in (("x", x), ("y", y)) for i in range(4)
    }
    data = pd.DataFrame(columns)
    fit = sm.fit("y0 ~ x0 + y1\ny1 ~ x1 + y0", data)
    with np.errstate(invalid="raise"):
        table = fit.effects(interval="montecarlo", seed=1)
    assert table[["ci_lower_std"]].isna().any(axis=None)
    assert table[["ci_lower", "ci_upper"]].notna().all(axis=None)
    assert (table["ci_lower_std"].isna() == table["ci_upper_std"].isna()).all()
    assert np.isfinite(table[["ci_lower_std", "ci_upper_std"]].to_numpy(na_value=0.0)).all()
