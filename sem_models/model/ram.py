"""Index maps from the parameter table to the reticular action model (RAM) matrices A, S and m.

McArdle, J. J., & McDonald, R. P. (1984). British Journal of Mathematical and Statistical Psychology,
37, 234–251. One set of `slots` (matrix entries that are free in some group) serves every group, so
that kernels run over groups as one batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sem_models.model.constraints import linear_map
from sem_models.model.ordinal import OrdinalPart, ordinal_part, stated_places
from sem_models.model.table import ParameterTable

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]

DIRECTED, SYMMETRIC, MEAN, THRESHOLD, SCALING = 0, 1, 2, 3, 4


@dataclass(frozen=True, eq=False)
class Slots:
    """Free matrix entries, the same list for all groups; n slots.

    kind (n,) DIRECTED, SYMMETRIC or MEAN; row, col (n,) positions, for A[row, col] col → row; ordered items
    add THRESHOLD and SCALING, which Σ and μ do not feel: number (n,) is then the place among thresholds or
    scalings, elsewhere it is col; weight (n,) 1 for directed and off-diagonal entries, ½ for variances, 0 for
    the others, so that ∂Σ/∂slot = weight (z_a z_bᵀ + z_b z_aᵀ) with z the columns of [L Mᵀ]; left, right (n,)
    are a and b; free (g, n) index into the free rows, or −1 where the entry is fixed in that group.
    """

    kind: IntArray
    row: IntArray
    col: IntArray
    weight: Array
    left: IntArray
    right: IntArray
    free: IntArray
    number: IntArray | None = None

    @property
    def where(self) -> IntArray:
        """What tells an entry from others of its kind and row, (n,)."""
        return self.col if self.number is None else self.number

    def places(self, kind: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Group, row, column (or number) and free row of every free entry of one kind."""
        group, k = np.nonzero((self.free >= 0) & (self.kind == kind))
        return group, self.row[k], self.where[k], self.free[group, k]


@dataclass(frozen=True, slots=True)
class RamModel:
    """A model as arrays: v variables (p observed first), g groups, q free rows, k parameters.

    a_base, s_base (g, v, v) and m_base (g, v) hold the fixed values; `reduction` (q, k) and `offset`
    (q,) map the parameters to the free rows, x = reduction @ params + offset; `exogenous` lists the
    positions of fixed covariates, whose moments are taken from the sample; held counts the inequalities that
    are active at the solution, which take directions away but no parameters, and unheld (q, k') is the
    reduction without them; curved says that nonlinear equalities were made straight at the solution; ordinal
    is there for a model of ordered items.
    """

    variables: tuple[str, ...]
    n_observed: int
    has_means: bool
    a_base: Array
    s_base: Array
    m_base: Array
    slots: Slots
    reduction: Array
    offset: Array
    exogenous: IntArray
    row_of_free: IntArray
    held: int = 0
    unheld: Array | None = None
    curved: bool = False
    ordinal: OrdinalPart | None = None
    places: Places = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", _places(self))

    @property
    def n_groups(self) -> int:
        return self.a_base.shape[0]

    @property
    def n_free(self) -> int:
        return self.reduction.shape[0]

    @property
    def n_params(self) -> int:
        return self.reduction.shape[1]

    @property
    def n_counted(self) -> int:
        """Parameters as the degrees of freedom count them."""
        return self.n_params + self.held

    def with_covariates(self, cov: Array, mean: Array) -> RamModel:
        """The same model with the fixed covariates' moments taken from cov (g, p, p) and mean (g, p)."""
        x = self.exogenous
        if not len(x):
            return self
        s_base, m_base = self.s_base.copy(), self.m_base.copy()
        s_base[:, x[:, None], x] = cov[:, x[:, None], x]
        if self.has_means:
            m_base[:, x] = mean[:, x]
        return replace(self, s_base=s_base, m_base=m_base)

    def free_values(self, params: Array) -> Array:
        """x (..., q) from params (..., k)."""
        return params if self.places.unreduced else params @ self.reduction.T + self.offset

    def matrices(self, free: Array) -> tuple[Array, Array, Array]:
        """A, S (..., g, v, v) and m (..., g, v) filled with the free rows' values (..., q).

        The residual variances of ordered items under delta are what the responses' variances leave.
        """
        a_mat, s_mat, m_vec = (
            _filled(base, free, *self.places.filled[kind])
            for kind, base in enumerate((self.a_base, self.s_base, self.m_base))
        )
        if self.ordinal is not None and not self.ordinal.theta:
            residual_variances(a_mat, s_mat, self.scales(free)[1], self.ordinal)
        return a_mat, s_mat, m_vec

    def part(self, kind: int, rows: IntArray, cols: IntArray) -> Part:
        """The entries of A or S at rows and cols, which broadcast, e.g. to (r, c)."""
        base = (self.a_base, self.s_base)[kind]
        flat, index = self.places.filled[kind]
        shown = base[:, rows, cols]
        at = np.full(base.shape, -1)
        at[:, rows, cols] = np.arange(shown.size).reshape(shown.shape)
        place = at.reshape(-1)[flat]
        return Part(shown, place[place >= 0], index[place >= 0])

    def scales(self, free: Array) -> tuple[Array, Array]:
        """Thresholds (..., g, t), 0 where a mean stands, and scalings (..., g, p) of a model of ordered
        items."""
        assert self.ordinal is not None
        of_tau, of_scale = self.places.stated
        return _filled(self.ordinal.tau, free, *of_tau), _filled(self.ordinal.scale, free, *of_scale)

    def to_rows(self, by_slot: Array) -> Array:
        """(..., g, n) values of slots to (..., q) values of free rows."""
        if self.places.one_to_one:
            return by_slot[..., 0, :]
        out = np.zeros((*by_slot.shape[:-2], self.n_free))
        group, k, row = self.places.spread
        out[..., row] = by_slot[..., group, k]
        return out

    def to_parameters(self, by_slot: Array) -> Array:
        """Derivatives by slot (..., g, n) to derivatives by parameter (..., k)."""
        by_row = self.to_rows(by_slot)
        return by_row if self.places.unreduced else by_row @ self.reduction

    def to_row_pairs(self, by_slot: Array) -> Array:
        """(..., g, n, n) values of pairs of slots to (..., q, q) of free rows; groups do not mix."""
        if self.places.one_to_one:
            return by_slot[..., 0, :, :]
        q = self.n_free
        out = np.zeros((*by_slot.shape[:-3], q, q))
        for g, index in enumerate(self.slots.free):
            used = np.flatnonzero(index >= 0)
            rows = index[used]
            out[..., rows[:, None], rows] = by_slot[..., g, used[:, None], used]
        return out

    def reduce(self, by_row: Array) -> Array:
        """Rᵀ M R: a matrix over free rows (..., q, q) to one over parameters (..., k, k)."""
        return by_row if self.places.unreduced else self.reduction.T @ by_row @ self.reduction


def residual_variances(a_mat: Array, s_mat: Array, scale: Array, part: OrdinalPart) -> None:
    """Fill in S_ii of the ordered items so that each response has variance 1/Δ² given the covariates.

    Those that ordered predictors pass on count, so the variances solve B s = 1/Δ² − rest with B = E_oo²,
    squared entry by entry. Raises numpy.linalg.LinAlgError where I − A is singular.
    """
    o = part.ordered
    s_mat[..., o, o] = 0.0
    inside = s_mat.copy()
    inside[..., part.x[:, None], part.x] = 0.0
    total = np.linalg.inv(np.eye(a_mat.shape[-1]) - a_mat)
    lead = total[..., o, :]
    left = 1.0 / scale[..., part.layout.ordered] ** 2 - ((lead @ inside) * lead).sum(axis=-1)
    if part.passed:
        left = np.linalg.solve(total[..., o[:, None], o] ** 2, left[..., None])[..., 0]
    s_mat[..., o, o] = left


@dataclass(frozen=True, slots=True)
class Part:
    """Some entries of A or S: fixed values base (g, …), flat places in it and the free row of each."""

    base: Array
    place: IntArray
    index: IntArray

    def __call__(self, free: Array) -> Array:
        """The entries (..., g, …) at free rows (..., q)."""
        return _filled(self.base, free, self.place, self.index)


@dataclass(frozen=True, slots=True)
class Places:
    """Where values go, worked out once a model.

    filled: for A, S and m, flat positions and the free row that fills each; sources: variables with outgoing
    paths; spread: group, slot and free row of every free entry; one_to_one: slots are the free rows of the
    only group, in order; unreduced: the parameters are the free rows; stated: as filled, for thresholds and
    scalings.
    """

    filled: tuple[tuple[IntArray, IntArray], ...]
    sources: IntArray
    spread: tuple[IntArray, IntArray, IntArray]
    one_to_one: bool
    unreduced: bool
    stated: tuple[tuple[IntArray, IntArray], ...]


def _places(ram: RamModel) -> Places:
    slots, v = ram.slots, len(ram.variables)
    filled = []
    for kind in (DIRECTED, SYMMETRIC, MEAN, THRESHOLD, SCALING):
        group, row, col, index = slots.places(kind)
        flat = group * v + row if kind == MEAN else (group * v + row) * v + col
        if kind in (THRESHOLD, SCALING) and ram.ordinal is not None:
            width = ram.ordinal.tau.shape[1] if kind == THRESHOLD else ram.ordinal.scale.shape[1]
            flat = group * width + col
        if kind == SYMMETRIC:
            flat, index = np.append(flat, (group * v + col) * v + row), np.append(index, index)
        filled.append((flat, index))
    group, k = np.nonzero(slots.free >= 0)
    one_to_one = len(slots.free) == 1 and np.array_equal(slots.free[0], np.arange(ram.n_free))
    unreduced = np.array_equal(ram.reduction, np.eye(*ram.reduction.shape)) and not ram.offset.any()
    paths = np.asarray(ram.a_base.any(axis=(0, 1)))
    paths[slots.col[slots.kind == DIRECTED]] = True
    return Places(
        tuple(filled[:THRESHOLD]),
        np.flatnonzero(paths),
        (group, k, slots.free[group, k]),
        one_to_one,
        unreduced,
        tuple(filled[THRESHOLD:]),
    )


def build_ram(table: ParameterTable, sample_cov: Array, sample_mean: Array) -> RamModel:
    """Place the table's rows in the RAM matrices.

    sample_cov (g, p, p) and sample_mean (g, p) give the fixed covariates' moments, in the order of
    `table.variables.observed`.
    """
    return _layout(table).with_covariates(sample_cov, sample_mean)


def _filled(base: Array, free: Array, place: IntArray, index: IntArray) -> Array:
    batch = free.shape[:-1]
    if batch:
        flat = np.empty((*batch, base.size))
        flat[...] = base.reshape(-1)
    else:
        flat = base.flatten()
    if len(place):
        flat[..., place] = free[..., index]
    return flat.reshape(batch + base.shape)


@lru_cache(maxsize=32)
def _layout(table: ParameterTable) -> RamModel:
    """The model's arrays, the fixed covariates' moments still zero; remembered by table."""
    observed = table.variables.observed
    variables = observed + table.variables.latent
    place = {name: i for i, name in enumerate(variables)}
    n_groups, v, p = len(table.groups), len(variables), len(observed)
    a_base = np.zeros((n_groups, v, v))
    s_base = np.zeros((n_groups, v, v))
    m_base = np.zeros((n_groups, v))
    entries: dict[tuple[int, int, int], list[int]] = {}
    free_rows = table.free_rows
    index_of = {row: x for x, row in enumerate(free_rows)}
    ordinal = ordinal_part(table)
    of_th = _threshold_places(observed, ordinal)
    for number, row in enumerate(table.rows):
        if row.op == "<~" and row.lhs in table.variables.emergent:
            continue  # the rows that carry the composite hold its weights
        kind, i, j = _entry(row.lhs, row.op, row.rhs, place) if row.op not in ("|", "~*~") else of_th[row.key]
        group = row.block - 1
        if row.free:
            entries.setdefault((kind, i, j), [-1] * n_groups)[group] = index_of[number]
            continue
        if kind in (THRESHOLD, SCALING):
            continue  # the ordinal part holds the fixed ones
        value = 0.0 if row.exogenous else row.fixed
        assert value is not None
        if kind == DIRECTED:
            a_base[group, i, j] = value
        elif kind == SYMMETRIC:
            s_base[group, i, j] = s_base[group, j, i] = value
        else:
            m_base[group, i] = value
    has_means = table.options.meanstructure
    reduction, offset = linear_map(table)
    exogenous = [place[n] for n in table.variables.exogenous] if table.options.fixed_x else []
    return RamModel(
        variables, p, has_means, a_base, s_base, m_base, _slots(entries, v, n_groups), reduction, offset,
        np.array(exogenous, dtype=np.intp), np.array(free_rows, dtype=np.intp), ordinal=ordinal,
    )  # fmt: skip


def _threshold_places(
    observed: tuple[str, ...], ordinal: OrdinalPart | None
) -> dict[tuple[str, str, str], tuple[int, int, int]]:
    """Entries of the rows `u1 | t1` and `u1 ~*~ u1`."""
    if ordinal is None:
        return {}
    layout = ordinal.layout
    out = {}
    for (lhs, op, rhs), n in stated_places(ordinal, observed).items():
        j = n if op == "~*~" else int(layout.th_variable[n])
        out[lhs, op, rhs] = (SCALING if op == "~*~" else THRESHOLD, int(ordinal.y[j]), n)
    return out


def _entry(lhs: str, op: str, rhs: str, place: dict[str, int]) -> tuple[int, int, int]:
    if op == "=~":
        return DIRECTED, place[rhs], place[lhs]
    if op in ("~", "<~"):
        return DIRECTED, place[lhs], place[rhs]
    if op == "~1":
        return MEAN, place[lhs], 0
    i, j = sorted((place[lhs], place[rhs]))
    return SYMMETRIC, i, j


def _slots(entries: dict[tuple[int, int, int], list[int]], v: int, n_groups: int) -> Slots:
    keys = np.array(list(entries), dtype=np.intp).reshape(-1, 3)
    free = np.array(list(entries.values()), dtype=np.intp).reshape(-1, n_groups).T
    return slots_of(keys, v, free)


def slots_of(keys: IntArray, v: int, free: IntArray) -> Slots:
    """Slots from (kind, row, column or number) (n, 3) of v variables, and the free rows (g, n)."""
    kind, row, number = keys.T
    col = np.where(kind > MEAN, row, number)
    weight = np.where(kind >= MEAN, 0.0, np.where((kind == SYMMETRIC) & (row == col), 0.5, 1.0))
    right = np.where(kind == DIRECTED, v + col, col)
    return Slots(kind, row, col, weight, row, right, free, number if (kind > MEAN).any() else None)
