"""What the growth of ordered items' cost is measured on."""

from __future__ import annotations

import numpy as np

from benchmarks.ordered_growth import milliseconds, population


def test_the_population_has_the_sizes_that_are_named() -> None:
    model, data = population(10, 4, rows=400)
    assert model.count("=~") == 2
    assert data.shape == (400, 10)
    counts = np.array([data[name].value_counts().sort_index() for name in data])
    assert counts.shape == (10, 4)
    assert counts.min() > 60


def test_a_size_is_timed() -> None:
    assert milliseconds(10, 2, fits=1) > 0
