"""A search that ends badly names the parameter it was moving, whatever the scale of the items."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.inference.culprits import culprits, flattest, row_name

MODEL = "f =~ x1 + x2\ng =~ y1 + y2 + y3"


def unrelated(seed: int, factor: float = 1.0) -> pd.DataFrame:
    data = pd.DataFrame(
        np.random.default_rng(seed).normal(size=(150, 5)), columns=["x1", "x2", "y1", "y2", "y3"]
    )
    return data.assign(x2=data["x2"] * factor)


@pytest.mark.parametrize("factor", [1.0, 1e4])
def test_a_runaway_is_named_with_its_size_in_standard_deviations(factor: float) -> None:
    fit = sm.fit(MODEL, unrelated(5, factor))
    assert not fit.status.converged
    found = culprits(fit.solved, flattest(fit.solved)[1])
    assert found[0].name == "f =~ x2"
    assert found[0].size == pytest.approx(found[0].value / factor, rel=0.2)
    assert abs(found[0].size) > 20
    assert "The parameter running away: f =~ x2 = " in fit.status.reasons[0]


def test_names_carry_label_and_group() -> None:
    data = pd.concat([unrelated(5), unrelated(8)], ignore_index=True)
    data["who"] = np.repeat(["old", "new"], 150)
    table = sm.fit("f =~ x1 + c(a, b)*x2 + y1", data, group="who").solved.table
    names = [row_name(table, i) for i in range(len(table.rows))]
    assert "f =~ x2 (label a) in group old" in names
    assert "f =~ x2 (label b) in group new" in names
    assert "x1 ~ 1 in group new" in names


def test_a_search_cut_short_names_what_is_least_determined(clients: pd.DataFrame) -> None:
    fit = sm.fit("EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3", clients, max_iterations=1)
    assert not fit.status.converged
    assert "least determined: " in fit.status.reasons[0]
