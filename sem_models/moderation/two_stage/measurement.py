"""Stage one: every measurement block by itself, its estimates and what each row adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import ConvergenceError
from sem_models.estimation.fit import fit
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.scores import free_scores
from sem_models.model.ram import Array
from sem_models.moderation.two_stage.blocks import Block

if TYPE_CHECKING:
    import pandas as pd

    from sem_models.inference.result import Fit

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Measurement:
    """The fits of the blocks, with the free rows of all of them as one vector (q,).

    keys (q,) name the free rows; fixed holds the others' values (markers) by name.
    """

    blocks: tuple[Block, ...]
    fits: tuple[Fit, ...]

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        return tuple(
            f.solved.table.rows[n].key for f in self.fits for n in f.solved.ram.row_of_free
        )  # fmt: skip

    @cached_property
    def fixed(self) -> dict[Key, float]:
        return {
            row.key: row.fixed
            for f in self.fits
            for row in f.solved.table.rows
            if row.fixed is not None
        }  # fmt: skip

    @cached_property
    def free(self) -> Array:
        return np.concatenate([f.solved.point.free for f in self.fits])

    def influence(self, n_rows: int) -> Array:
        """Influence of every row of the data on the free rows, (n_rows, q); 0 for rows a fit did not use.

        θ̂ − θ ≈ Σ of the rows: A⁻¹ s / n with A the observed information and s the casewise scores.
        """
        out = np.zeros((n_rows, len(self.keys)))
        start = 0
        for found in self.fits:
            solved = found.solved
            objective, point = solved.objective, solved.point
            assert solved.sample.rows is not None
            assert isinstance(objective, NormalTheory)
            assert isinstance(point, Point)
            scores = free_scores(objective, point, solved.sample.rows)
            reduction = solved.ram.reduction
            inverse = np.linalg.pinv(solved.covariance.information, hermitian=True)
            q = len(reduction)
            position = np.concatenate([block.position for block in solved.sample.rows])
            out[position, start : start + q] = scores @ (reduction @ inverse @ reduction.T) / solved.sample.n
            start += q
        return out

    def matrices(self, free: Any, latents: Sequence[str], items: Sequence[str]) -> tuple[Any, Any, Any]:
        """Λ (p, k), Θ (p, p) and ν (p,) at free rows (q,), which may be complex."""
        lam = np.zeros((len(items), len(latents)), dtype=np.result_type(free, np.float64))
        theta = np.zeros((len(items), len(items)), dtype=lam.dtype)
        nu = np.zeros(len(items), dtype=lam.dtype)
        at = {name: i for i, name in enumerate(items)}
        column = {name: j for j, name in enumerate(latents)}
        values = {**self.fixed, **dict(zip(self.keys, free, strict=True))}
        for (lhs, op, rhs), value in values.items():
            if op == "=~":
                lam[at[rhs], column[lhs]] = value
            elif op == "~~" and lhs in at:
                theta[at[lhs], at[rhs]] = theta[at[rhs], at[lhs]] = value
            elif op == "~1" and lhs in at:
                nu[at[lhs]] = value
        return lam, theta, nu


def measured(blocks: tuple[Block, ...], frame: pd.DataFrame, **options: Any) -> Measurement:
    """Fit the blocks; where a variance comes out negative, again within lavaan's standard bounds.

    ConvergenceError where a block does not converge.
    """
    fits = []
    for block in blocks:
        found = fit(block.text, frame, information="observed", meanstructure=True, **options)
        if not (found.status.converged and found.status.admissible):
            held = fit(
                block.text, frame, information="observed", meanstructure=True, bounds="standard", **options
            )
            found = held if held.status.converged else found
        if not found.status.converged:
            raise ConvergenceError(
                f"The measurement of {', '.join(block.latents)} did not converge, and method='sam' fits it "
                f"first. {' '.join(found.status.reasons)}"
            )
        fits.append(found)
    return Measurement(blocks, tuple(fits))
