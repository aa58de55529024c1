"""What was tried is written down in order."""

from __future__ import annotations

import numpy as np
import pandas as pd

import sem_models as sm
from sem_models.estimation import trail
from sem_models.estimation.optimizer import Outcome


def test_one_search_where_one_is_enough(customers: pd.DataFrame) -> None:
    solution = sm.fit("EDS =~ e1 + e2 + e3", customers).solved.solution
    (only,) = solution.trail
    assert (only.what, only.outcome, only.chosen) == (trail.FROM_MOMENTS, Outcome.CONVERGED, True)
    assert only.iterations == solution.iterations
    assert only.objective == float(solution.point.value)


def test_incomplete_data_begin_at_the_em_moments(incomplete: pd.DataFrame) -> None:
    first, second = sm.fit("EDS =~ e1 + e2 + e3", incomplete, missing="fiml").solved.solution.trail
    assert (first.what, first.chosen) == (trail.AS_COMPLETE, False)
    assert (second.what, second.chosen) == (trail.FROM_MOMENTS, True)


def test_a_second_start_where_the_first_ran_off() -> None:
    data = pd.DataFrame(
        np.random.default_rng(9).normal(size=(150, 5)), columns=["x1", "x2", "y1", "y2", "y3"]
    )
    tried = sm.fit("f =~ x1 + x2\ng =~ y1 + y2 + y3", data).solved.solution.trail
    assert [t.what for t in tried] == [trail.FROM_MOMENTS, trail.PLAIN]
    assert [t.chosen for t in tried] == [False, True]
    assert tried[0].outcome is not Outcome.CONVERGED
    assert tried[0].method == "trust region"
