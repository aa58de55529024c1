"""From the parameter table to matrices: places, shared parameters, linear constraints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sem_models.errors import SpecError
from sem_models.model.build_table import build_table
from sem_models.model.ram import DIRECTED, MEAN, SYMMETRIC, RamModel, build_ram
from sem_models.model.syntax import parse
from sem_models.model.table import ParameterTable, TableOptions


def build(text: str, groups: tuple[str, ...] = ("",), **options: Any) -> tuple[ParameterTable, RamModel]:
    table = build_table(parse(text), TableOptions(**options), groups)
    p = len(table.variables.observed)
    cov = np.stack([np.eye(p) * (g + 2.0) + 0.5 for g in range(len(groups))])
    mean = np.stack([np.arange(p) + 10.0 * g for g in range(len(groups))])
    return table, build_ram(table, cov, mean)


def test_places_of_every_kind() -> None:
    table, ram = build("f =~ x1 + x2\ny ~ f + z", meanstructure=True)
    assert ram.variables == ("x1", "x2", "y", "z", "f")
    values = np.arange(1.0, ram.n_free + 1)
    a_mat, s_mat, m_vec = ram.matrices(values)
    place = {name: i for i, name in enumerate(ram.variables)}
    numbered = dict(zip([table.rows[i].name for i in table.free_rows], values, strict=True))
    assert a_mat[0, place["x1"], place["f"]] == 1.0
    assert a_mat[0, place["x2"], place["f"]] == numbered["f=~x2"]
    assert a_mat[0, place["y"], place["z"]] == numbered["y~z"]
    assert s_mat[0, place["y"], place["y"]] == numbered["y~~y"]
    assert m_vec[0, place["x2"]] == numbered["x2~1"]
    assert (a_mat != 0).sum() == 4


def test_fixed_covariates_take_the_moments_of_their_group() -> None:
    _, ram = build("y ~ a + b", ("g1", "g2"), meanstructure=True)
    a, b = ram.variables.index("a"), ram.variables.index("b")
    assert ram.exogenous.tolist() == [a, b]
    for g in (0, 1):
        _, s_mat, m_vec = ram.matrices(np.zeros(ram.n_free))
        assert s_mat[g, a, a] == g + 2.5
        assert s_mat[g, a, b] == s_mat[g, b, a] == 0.5
        assert m_vec[g, b] == b + 10.0 * g


def test_slots_serve_all_groups() -> None:
    """An entry fixed in one group and free in the other is one slot, −1 where fixed."""
    _, ram = build("f =~ x1 + c(0.5, NA)*x2 + x3", ("g1", "g2"))
    slots = ram.slots
    f, x2 = ram.variables.index("f"), ram.variables.index("x2")
    k = int(np.flatnonzero((slots.kind == DIRECTED) & (slots.row == x2) & (slots.col == f))[0])
    assert slots.free[0, k] == -1
    assert slots.free[1, k] >= 0
    assert ram.matrices(np.zeros(ram.n_free))[0][0, x2, f] == 0.5
    assert set(slots.weight[slots.kind == SYMMETRIC]) == {0.5}
    assert MEAN not in slots.kind


def test_symmetric_entries_are_filled_on_both_sides_whatever_the_order() -> None:
    for text in ("x1 ~~ x2", "x2 ~~ x1"):
        table, ram = build(text)
        free = np.zeros(ram.n_free)
        free[[table.rows[i].lhs != table.rows[i].rhs for i in table.free_rows].index(True)] = 0.3
        s_mat = ram.matrices(free)[1]
        assert s_mat[0, 0, 1] == s_mat[0, 1, 0] == 0.3


def test_shared_labels_are_one_parameter() -> None:
    table, ram = build("f =~ x1 + a*x2 + a*x3")
    assert ram.n_params == ram.n_free - 1
    free = ram.free_values(np.arange(1.0, ram.n_params + 1))
    labelled = [free[k] for k, i in enumerate(table.free_rows) if table.rows[i].label == "a"]
    assert labelled[0] == labelled[1]


@pytest.mark.parametrize(
    ("constraints", "lost", "check"),
    [
        ("a == b", 1, lambda v: v["a"] - v["b"]),
        ("a == 2*b + 1", 1, lambda v: v["a"] - 2 * v["b"] - 1),
        ("a + b == d", 1, lambda v: v["a"] + v["b"] - v["d"]),
        ("a == 0.7", 1, lambda v: v["a"] - 0.7),
        ("a == b\nb == d", 2, lambda v: abs(v["a"] - v["b"]) + abs(v["b"] - v["d"])),
        ("a == b\nb == a", 1, lambda v: v["a"] - v["b"]),
        ("(a + b)/2 == d", 1, lambda v: (v["a"] + v["b"]) / 2 - v["d"]),
    ],
)
def test_linear_constraints_hold_for_every_parameter_vector(constraints: str, lost: int, check: Any) -> None:
    table, ram = build(f"y ~ a*x1 + b*x2 + d*x3\n{constraints}")
    assert ram.n_params == ram.n_free - lost
    rng = np.random.default_rng(5)
    for _ in range(3):
        free = ram.free_values(rng.normal(size=ram.n_params))
        named = {table.rows[i].label: free[k] for k, i in enumerate(table.free_rows)}
        assert check(named) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        ("a == 1\na == 2", ["contradict"]),
    ],
)
def test_constraints_that_cannot_hold(constraints: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        build(f"y ~ a*x1 + b*x2 + d*x3\n{constraints}")
    for word in words:
        assert word in str(caught.value)
