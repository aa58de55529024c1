"""`SemTree`: the grown tree, its tests, and the paths in its leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sem_models.charts.text import listing, number, pvalue
from sem_models.errors import SpecError
from sem_models.inference.columns import LEVEL
from sem_models.inference.result import Fit
from sem_models.model.ram import Array

if TYPE_CHECKING:
    from altair.typing import ChartType


@dataclass(frozen=True, slots=True)
class Test:
    """A covariate's test in a node; pvalue_adjusted is by Bonferroni over the covariates."""

    covariate: str
    scale: str
    statistic: float
    pvalue: float
    pvalue_adjusted: float
    by_cut: Array = field(repr=False)


@dataclass(frozen=True)
class Node:
    """A node: its number, its parent's (0 for the root), the rule that leads to it, its fit and tests.

    split_by is the covariate that splits it, empty for a leaf; gain twice the log-likelihood that both sides
    gain; members the labels of its rows, which no print or chart shows.
    """

    number: int
    parent: int
    depth: int
    n: int
    rule: str
    fit: Fit = field(repr=False)
    tests: tuple[Test, ...] = field(repr=False)
    split_by: str
    gain: float
    members: tuple[Any, ...] = field(repr=False)

    @property
    def leaf(self) -> bool:
        return not self.split_by

    @property
    def strongest(self) -> Test | None:
        """The test with the smallest p value."""
        return min(self.tests, key=lambda t: (t.pvalue, -t.statistic), default=None)


@dataclass(frozen=True, repr=False)
class SemTree:
    """A tree of fits. focus names what was tested; left_out counts rows that lack a covariate."""

    nodes: tuple[Node, ...]
    covariates: tuple[str, ...]
    focus: tuple[str, ...]
    alpha: float
    min_leaf: int
    left_out: int

    @property
    def leaves(self) -> tuple[Node, ...]:
        """The nodes that are not split, from left to right."""
        return tuple(node for node in self.nodes if node.leaf)

    def node(self, number: int) -> Node:
        """A node by its number."""
        if not 1 <= number <= len(self.nodes):
            raise SpecError(f"The tree has no node {number}: nodes are numbered 1 to {len(self.nodes)}.")
        return self.nodes[number - 1]

    def table(self) -> pd.DataFrame:
        """One row a node: node, parent, depth, rule, n, split_by, statistic, pvalue, pvalue_adjusted (of the
        strongest covariate's test, NaN where none was made), gain, leaf, converged, admissible."""
        rows = []
        for node in self.nodes:
            t = node.strongest
            figures = (t.statistic, t.pvalue, t.pvalue_adjusted) if t else (np.nan,) * 3
            status = node.fit.status
            rows.append(
                (node.number, node.parent, node.depth, node.rule, node.n, node.split_by, *figures, node.gain,
                 node.leaf, status.converged, status.admissible)
            )  # fmt: skip
        columns = ["node", "parent", "depth", "rule", "n", "split_by", "statistic", "pvalue",
                   "pvalue_adjusted", "gain", "leaf", "converged", "admissible"]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def tests(self) -> pd.DataFrame:
        """Every test: node, n, covariate, scale, statistic, pvalue, pvalue_adjusted, chosen.

        A covariate that no cut divides into leaves of `min_leaf` has no test: `untested` names the root's.
        """
        rows = [
            (node.number, node.n, t.covariate, t.scale, t.statistic, t.pvalue, t.pvalue_adjusted,
             t.covariate == node.split_by)
            for node in self.nodes for t in node.tests
        ]  # fmt: skip
        columns = ["node", "n", "covariate", "scale", "statistic", "pvalue", "pvalue_adjusted", "chosen"]
        return pd.DataFrame(rows, columns=columns)

    def parameters(self, *, focus_only: bool = True, level: float = LEVEL) -> pd.DataFrame:
        """Estimates in the leaves: node, rule (the whole way from the root), n, lhs, op, rhs, est, se,
        ci_lower, ci_upper, std_all; intervals do not know of the search."""
        frames = []
        for leaf in self.leaves:
            table = leaf.fit.estimates(level=level)
            if focus_only:
                names = table["lhs"] + table["op"] + table["rhs"]
                table = table[names.isin(self.focus)]
            frame = table[["lhs", "op", "rhs", "est", "se", "ci_lower", "ci_upper", "std_all"]].copy()
            frame.insert(0, "n", leaf.n)
            frame.insert(0, "rule", self.way(leaf.number))
            frame.insert(0, "node", leaf.number)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def way(self, number: int) -> str:
        """The rules from the root to a node, in words."""
        rules, node = [], self.node(number)
        while node.parent:
            rules.append(node.rule)
            node = self.node(node.parent)
        return " and ".join(reversed(rules)) or "all customers"

    def membership(self) -> pd.Series:
        """Number of each row's leaf, labelled by the data's index; rows without a covariate are not there."""
        parts = [pd.Series(leaf.number, index=list(leaf.members)) for leaf in self.leaves]
        return pd.concat(parts).rename("node")

    @property
    def charts(self) -> TreeCharts:
        """`.tree()`: the tree drawn."""
        return TreeCharts(self)

    def sentence(self) -> str:
        """What the tree found."""
        root = self.nodes[0]
        if root.leaf:
            t = root.strongest
            said = f" (smallest adjusted {pvalue(t.pvalue_adjusted)}, {t.covariate})" if t else ""
            return f"No covariate splits the {root.n} customers{said}"
        names = list(dict.fromkeys(node.split_by for node in self.nodes if node.split_by))
        t = next(t for t in root.tests if t.covariate == root.split_by)
        first = f"first {root.split_by}, " if len(names) > 1 else ""
        return (
            f"{listing(names)} split{'s' if len(names) == 1 else ''} {root.n} customers into "
            f"{len(self.leaves)} leaves ({first}{pvalue(t.pvalue_adjusted)})"
        )

    @property
    def untested(self) -> tuple[str, ...]:
        """Covariates without a test among all customers: none of their cuts leaves enough on both sides."""
        tested = {t.covariate for t in self.nodes[0].tests}
        return tuple(name for name in self.covariates if name not in tested)

    def _remarks(self) -> list[str]:
        out = [f"{self.sentence()}."]
        if self.untested:
            out.append(
                f"Not tested: {listing(self.untested)}, as no cut leaves {self.min_leaf} customers on both "
                "sides (min_leaf=)."
            )
        return out

    def __str__(self) -> str:
        lines = self._remarks()
        if self.left_out:
            lines.append(f"{self.left_out} rows lack a covariate and are left out.")
        for node in self.nodes:
            t = node.strongest
            test = f"; {t.covariate} {pvalue(t.pvalue_adjusted)}" if t else ""
            lines.append(f"{'  ' * node.depth}{node.number}. {node.rule} (n = {node.n}{test})")
            if node.leaf:
                own = self.parameters()
                own = own[own["node"] == node.number]
                lines += [
                    f"{'  ' * node.depth}     {r['lhs']} {r['op']} {r['rhs']} {number(r['est'])}"
                    for r in own.to_dict("records")
                ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<SemTree of {len(self.leaves)} leaves by {', '.join(self.covariates)}>"

    def _repr_html_(self) -> str:
        words = "".join(f"<p>{remark}</p>" for remark in self._remarks())
        return words + self.table().to_html(index=False, float_format="{:.3f}".format)


@dataclass(frozen=True, slots=True)
class TreeCharts:
    """Charts of a tree."""

    of: SemTree

    def tree(self, *, paths: int = 4, title: str | None = None) -> ChartType:
        """Nodes with their covariate and p value, leaves with the paths that differ most."""
        from sem_models.charts.tree import tree_chart

        tree = self.of
        return tree_chart(tree.table(), tree.parameters(), tree.sentence(), paths=paths, title=title)
