"""`sm.tree`: split the customers where the paths of a model change along an observed covariate.

Arnold, M., Voelkle, M. C., & Brandmaier, A. M. (2021). Score-guided structural equation model trees.
Frontiers in Psychology, 11, 564403; Brandmaier, A. M., von Oertzen, T., McArdle, J. J., & Lindenberger, U.
(2013). Structural equation model trees. Psychological Methods, 18, 71–86.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import ConvergenceError, DataError, SEMError, SpecError, did_you_mean
from sem_models.estimation.fit import fit as fit_model
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.scores import free_scores
from sem_models.inference.result import Fit
from sem_models.model.ram import Array, IntArray
from sem_models.moderation.tree.covariates import Covariate, Cut, cuts_of, read_covariate
from sem_models.moderation.tree.fluctuation import efficient_scores, fluctuation
from sem_models.moderation.tree.result import Node, SemTree, Test
from sem_models.observed.frame import frame_with_rows
from sem_models.threads import single_threaded

if TYPE_CHECKING:
    import pandas as pd

    from sem_models.model.spec import ModelSpec

SMALLEST = 5
"""Customers that every leaf has at least, whatever is asked for."""

TRIED = 12
"""Cuts of a covariate whose likelihood is computed."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When a node is split: level, least customers in a leaf, depth, and the parameters that are tested."""

    alpha: float
    min_leaf: int
    max_depth: int
    focus: tuple[str, ...]


@single_threaded
def tree(
    model: str | ModelSpec, data: Any = None, *, covariates: Sequence[str],
    focus: Sequence[str] | str = "paths", alpha: float = 0.05, min_leaf: int | None = None,
    max_depth: int = 3, **options: Any,
) -> SemTree:  # fmt: skip
    """Grow a tree of structural equation models.

    In each node the model is fitted, the scores of the parameters in focus are cumulated along every
    covariate, and the one with the smallest p value, times the number of covariates, splits the node where
    that is below alpha: at the cut that raises the likelihood most.

    Parameters
    ----------
    model, data, **options
        As in `sm.fit`, with maximum likelihood and without groups.
    covariates : sequence of str
        Columns outside the model. Numbers of more than 10 different values are continuous, of fewer, and
        ordered categories, ordered; all others categories. Rows without one of them are left out.
    focus : "paths", "all", or names
        What is tested: the regressions, all parameters, or parameters named as "PV~EDS" or by label. Others
        may differ too: they count as nuisance, and are estimated anew in every leaf.
    alpha : float
        Level of each node's tests together (Bonferroni).
    min_leaf : int
        Customers in a leaf, by default twice the number of parameters, at least 5.
    max_depth : int
        Splits above a leaf at most.

    Raises
    ------
    SpecError, DataError, ConvergenceError
        Before the tree is grown, each naming what is wrong, where, and what to do.
    """
    frame = frame_with_rows(data, "A tree needs")
    for refused in ("group", "cluster", "sampling_weights"):
        if options.get(refused):
            raise SpecError(f"tree() has no {refused}= yet. Give the column as a covariate, or leave it out.")
    names = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    if not names:
        raise SpecError("covariates= is empty: name the columns that may split the customers.")
    if not 0.0 < alpha < 1.0:
        raise SpecError(f"alpha={alpha} must lie between 0 and 1.")
    if max_depth < 1:
        raise SpecError(f"max_depth={max_depth}: a tree needs at least one level of splits.")
    root = fit_model(model, frame, **options)
    if not isinstance(root.solved.objective, NormalTheory):
        raise SpecError("A tree needs casewise scores: estimator='ML' or 'MLR', and no ordered items.")
    if not root.status.converged:
        raise ConvergenceError(f"The model does not fit all customers. {' '.join(root.status.reasons)}")
    known = root.solved.table.variables.observed
    read = [read_covariate(frame, name, known) for name in dict.fromkeys(names)]
    complete = np.all([c.codes >= 0 for c in read], axis=0)
    left_out = int((~complete).sum())
    rules = _rules(root, alpha, min_leaf, max_depth, focus)
    kept = np.flatnonzero(complete)
    if left_out:
        root = fit_model(model, frame.iloc[kept], **options)
    grower = _Grower(model, frame, tuple(read), rules, options)
    grower.grow(kept, root, parent=0, depth=0, rule="all customers")
    return SemTree(tuple(grower.nodes), names, rules.focus, alpha, rules.min_leaf, left_out)


def _rules(
    root: Fit, alpha: float, min_leaf: int | None, max_depth: int, focus: Sequence[str] | str
) -> Rules:
    least = max(SMALLEST, root.solved.ram.n_observed + 1)
    wanted = max(least, 2 * root.solved.ram.n_params) if min_leaf is None else int(min_leaf)
    if wanted < least:
        raise SpecError(
            f"min_leaf={min_leaf} is too small: a model of {root.solved.ram.n_observed} variables needs more "
            f"than so many customers, and no leaf may have fewer than {SMALLEST}. Take at least {least}."
        )
    if root.header.n_used < 2 * wanted:
        raise DataError(
            f"{root.header.n_used} customers cannot be split into leaves of at least {wanted}. Give "
            "min_leaf= a smaller number, or a model with fewer parameters."
        )
    return Rules(alpha, wanted, max_depth, _focus(root, focus))


def _focus(root: Fit, focus: Sequence[str] | str) -> tuple[str, ...]:
    """Names of the rows in focus, as `lhs+op+rhs`."""
    rows = [root.solved.table.rows[n] for n in root.solved.ram.row_of_free]
    if focus == "all":
        return tuple(row.name for row in rows)
    if focus == "paths":
        found = tuple(row.name for row in rows if row.op == "~")
        if not found:
            raise SpecError("The model has no free path. Use focus='all' for a measurement model.")
        return found
    asked = (focus,) if isinstance(focus, str) else tuple(focus)
    out = []
    for name in (a.replace(" ", "") for a in asked):
        match = [row.name for row in rows if name in (row.name, row.label)]
        if not match:
            known = [row.name for row in rows]
            raise SpecError(
                f"focus=: '{name}' is no free parameter. {did_you_mean(name, known, noun='parameters')}"
            )
        out += match
    return tuple(dict.fromkeys(out))


@dataclass
class _Grower:
    """Grows the tree depth first; nodes are numbered in the order in which they are made."""

    model: Any
    frame: pd.DataFrame
    covariates: tuple[Covariate, ...]
    rules: Rules
    options: dict[str, Any]

    def __post_init__(self) -> None:
        self.nodes: list[Node] = []

    def grow(self, rows: IntArray, fitted: Fit, *, parent: int, depth: int, rule: str) -> None:
        """A node of the rows (n,) with its fit, and all below it."""
        number = len(self.nodes) + 1
        can_split = depth < self.rules.max_depth and len(rows) >= 2 * self.rules.min_leaf
        tests, scores, used = self._tests(rows, fitted) if can_split else ((), np.empty((0, 0)), rows)
        best = min(tests, key=lambda t: (t.pvalue, -t.statistic), default=None)
        split = None
        if best is not None and best.pvalue_adjusted < self.rules.alpha:
            covariate = next(c for c in self.covariates if c.name == best.covariate)
            split = self._best_cut(covariate, best, rows, used, scores, fitted)
        node = Node(
            number, parent, depth, len(rows), rule, fitted, tests, best.covariate if split and best else "",
            split[3] if split else float("nan"), tuple(self.frame.index[rows]),
        )  # fmt: skip
        self.nodes.append(node)
        if split is None:
            return
        cut, left, right, _ = split
        codes = next(c for c in self.covariates if c.name == node.split_by).codes[rows]
        goes_left = cut.left[codes]
        self.grow(rows[goes_left], left, parent=number, depth=depth + 1, rule=cut.rule_left)
        self.grow(rows[~goes_left], right, parent=number, depth=depth + 1, rule=cut.rule_right)

    def _tests(self, rows: IntArray, fitted: Fit) -> tuple[tuple[Test, ...], Array, IntArray]:
        """The covariates' tests, the decorrelated scores (n', k), and the rows that they are of."""
        solved = fitted.solved
        assert isinstance(solved.objective, NormalTheory)
        assert isinstance(solved.point, Point)
        assert solved.sample.rows is not None
        scores = free_scores(solved.objective, solved.point, solved.sample.rows) @ solved.ram.reduction
        names = [solved.table.rows[n].name for n in solved.ram.row_of_free]
        inside = np.array([name in self.rules.focus for name in names])
        focus = np.flatnonzero(np.abs(solved.ram.reduction[inside]).sum(axis=0) > 0)
        used = rows[solved.sample.rows[0].position]
        try:
            whitened = efficient_scores(scores, focus)
        except np.linalg.LinAlgError:
            return (), np.empty((0, 0)), used
        out = []
        for covariate in self.covariates:
            found = fluctuation(whitened, covariate.codes[used], covariate.scale, self.rules.min_leaf)
            if found is not None:
                adjusted = min(1.0, found.pvalue * len(self.covariates))
                out.append(
                    Test(
                        covariate.name, covariate.scale, found.statistic, found.pvalue, adjusted, found.by_cut
                    )
                )
        return tuple(out), whitened, used

    def _best_cut(
        self, covariate: Covariate, test: Test, rows: IntArray, used: IntArray, scores: Array, fitted: Fit
    ) -> tuple[Cut, Fit, Fit, float] | None:
        """The cut with the largest likelihood of both sides, its fits, twice the gain; None without one."""
        best = None
        codes = covariate.codes[rows]
        for cut in cuts_of(covariate, covariate.codes[used], scores, test.by_cut, TRIED):
            goes_left = cut.left[codes]
            if min(int(goes_left.sum()), int((~goes_left).sum())) < self.rules.min_leaf:
                continue
            try:
                sides = [
                    fit_model(self.model, self.frame.iloc[rows[side]], **self.options)
                    for side in (goes_left, ~goes_left)
                ]
            except (SEMError, np.linalg.LinAlgError):
                continue
            if not all(side.status.converged for side in sides):
                continue
            gain = 2.0 * (sides[0].solved.logl + sides[1].solved.logl - fitted.solved.logl)
            if best is None or gain > best[3]:
                best = (cut, sides[0], sides[1], float(gain))
        return best
