"""Priorities: what weighs for the customer against how well it is done, and what is spent on it.

`priorities(fit, "BI", schema=survey)` gives the importance–performance map of constructs and items, process
against outcome, the gap to a given investment, and with `necessity` the combined map. Ringle & Sarstedt
(2016), Industrial Management & Data Systems, 116, 1865–1886; Martilla & James (1977), Journal of
Marketing, 41, 77–79; Hauff, Richter, Sarstedt & Ringle (2024), Journal of Retailing and Consumer Services,
78, 103723.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.findings.importance import Block, Weights, importances, item_weights, with_slopes
from sem_models.findings.survey_facts import Element, elements_of, ranges_of
from sem_models.inference.columns import checked_level, inference_columns
from sem_models.model.ram import Array

if TYPE_CHECKING:
    from altair.typing import ChartType

    from sem_models.findings.ceilings import CeilingKind
    from sem_models.findings.necessity import Necessity
    from sem_models.inference.result import Fit
    from sem_models.inference.solved import Solved

QUADRANTS = {
    (True, False): "concentrate here", (True, True): "keep up the good work",
    (False, False): "low priority", (False, True): "possible overkill",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GroupMap:
    """One group's importances with derivatives (k, q), and performances (0–100)."""

    group: str
    importance: Array
    slopes: Array
    performance: Array
    item_importance: Array
    item_slopes: Array
    item_performance: Array


@dataclass(frozen=True, slots=True)
class Priorities:
    """Result of `priorities`; `table()`, `items()`, `elements()`, `investment()`, `combined()`, charts."""

    target: str
    constructs: tuple[str, ...]
    item_names: tuple[str, ...]
    item_construct: tuple[str, ...]
    maps: tuple[GroupMap, ...]
    level: float
    element: Mapping[str, Element]
    target_performance: tuple[float, ...]
    solved: Solved = field(repr=False)

    def table(self) -> pd.DataFrame:
        """One row a construct: group, construct, importance, se, z, pvalue, ci_lower, ci_upper, performance,
        quadrant.

        importance is the total effect on the target's score of one point more of the construct's, both 0–100;
        performance its mean score. Quadrants divide at the means of both (Martilla & James, 1977).
        """
        return self._map("construct", self.constructs, items=False)

    def items(self) -> pd.DataFrame:
        """The same for single items, with their construct and element (process, outcome or empty)."""
        frame = self._map("item", self.item_names, items=True)
        repeat = len(self.maps)
        frame.insert(1, "construct", list(self.item_construct) * repeat)
        return frame.assign(element=[self.element.get(i, "") for i in self.item_names] * repeat)

    def elements(self) -> pd.DataFrame:
        """Process against outcome: summed importance of their items, performance, and the difference.

        Columns group, element ("process", "outcome", "process less outcome"), n_items, importance, se, z,
        pvalue, ci_lower, ci_upper, performance (mean weighted by importance; NaN in the row of differences).
        Only items with an element count. DataError where no item of an element reaches the target.
        """
        kinds: tuple[Element, Element] = ("process", "outcome")
        chosen = [
            np.array([self.element.get(i) == kind for i in self.item_names], dtype=float) for kind in kinds
        ]
        for kind, mask in zip(kinds, chosen, strict=True):
            if not mask.any():
                raise DataError(
                    f"No item before '{self.target}' is marked as {kind}. Give schema= with `element:` in "
                    "its fields, or elements=."
                )
        rows = []
        for m in self.maps:
            weights = np.stack([*chosen, chosen[0] - chosen[1]])
            values, slopes = weights @ m.item_importance, weights @ m.item_slopes
            done = [_weighted(m.item_performance, mask * m.item_importance) for mask in chosen] + [np.nan]
            counts = [int(mask.sum()) for mask in chosen]
            columns = self._inference(values, slopes)
            for k, name in enumerate((*kinds, "process less outcome")):
                n = counts[k] if k < 2 else sum(counts)
                rows.append(
                    {"group": m.group, "element": name, "n_items": n}
                    | {c: v[k] for c, v in columns.items()} | {"performance": done[k]}
                )  # fmt: skip
        return pd.DataFrame(rows)

    def investment(self, amounts: Mapping[str, float]) -> pd.DataFrame:
        """Importance against what is spent: shares among the constructs named, and the gap with its interval.

        amounts: spending by construct in any unit. Columns group, construct, investment (share, %),
        importance_share (%), gap (importance share less investment share, points), se, z, pvalue, ci_lower,
        ci_upper, performance. A positive gap: customers weigh it more than the provider pays for it.
        """
        for name in amounts:
            _known(name, self.constructs, "constructs")
        if len(amounts) < 2 or min(amounts.values()) < 0 or sum(amounts.values()) <= 0:
            raise SpecError("amounts= needs at least two constructs, no negative amount, and a positive sum.")
        at = [self.constructs.index(name) for name in amounts]
        spent = np.array(list(amounts.values()), dtype=np.float64)
        spent = 100.0 * spent / spent.sum()
        parts = []
        for m in self.maps:
            value, slope = m.importance[at], m.slopes[at]
            total = value.sum()
            share = 100.0 * value / total
            share_slope = (100.0 * slope - share[:, None] * slope.sum(axis=0)) / total
            columns = self._inference(share - spent, share_slope)
            columns["gap"] = columns.pop("importance")
            frame = pd.DataFrame(
                {"group": m.group, "construct": list(amounts), "investment": spent, "importance_share": share}
                | {c: columns[c] for c in ("gap", "se", "z", "pvalue", "ci_lower", "ci_upper")}
            )
            parts.append(frame.assign(performance=m.performance[at]))
        return pd.concat(parts, ignore_index=True)

    def combined(
        self, necessity: Necessity, *, ceiling: CeilingKind = "ce_fdh", level: float = 80.0,
        alpha: float = 0.05, smallest: float = 0.1,
    ) -> pd.DataFrame:  # fmt: skip
        """Importance, performance and necessity of the constructs that both results hold (cIPMA).

        Parameters
        ----------
        necessity : Necessity
            Of the same target, from the same fit.
        level : float
            The target level aimed at, in % of its range.
        alpha, smallest
            A construct is necessary where p < alpha and d is at least `smallest`.

        Returns
        -------
        DataFrame
            group, construct, importance, ci_lower, ci_upper, performance, effect_size, pvalue, necessary,
            required (% of the construct's range; NaN none, inf out of reach) and below (% of the customers
            who do not reach it). Hauff et al. (2024).
        """
        if necessity.outcome != self.target:
            raise SpecError(
                f"The necessity analysis is for '{necessity.outcome}', the priorities for '{self.target}'."
            )
        shared = [c for c in self.constructs if c in necessity.conditions]
        if not shared:
            raise SpecError("The necessity analysis and the priorities have no construct in common.")
        tests = {r["condition"]: r for r in necessity.table().to_dict("records") if r["ceiling"] == ceiling}
        required = necessity.bottleneck(ceiling, steps=[level])
        below = necessity.bottleneck(ceiling, steps=[level], x="percentile")
        frame = self.table()
        frame = frame[frame["construct"].isin(shared)].reset_index(drop=True)
        names = [str(n) for n in frame["construct"]]
        d = np.array([tests[n]["effect_size"] for n in names])
        p = np.array([tests[n]["pvalue"] for n in names])
        share = np.array([float(below[n].iloc[0]) for n in names])
        return frame[["group", "construct", "importance", "ci_lower", "ci_upper", "performance"]].assign(
            effect_size=d, pvalue=p, necessary=(p < alpha) & (d >= smallest),
            required=[float(required[n].iloc[0]) for n in names],
            below=np.where(np.isnan(share), 0.0, np.where(np.isinf(share), 100.0, share)),
        )  # fmt: skip

    def chart(self, *, items: bool = False, names: Mapping[str, str] | None = None) -> ChartType:
        """The importance–performance map of constructs, or of items."""
        from sem_models.charts.priorities import priority_map

        return priority_map(self.items() if items else self.table(), target=self.target, names=names)

    def combined_chart(
        self, necessity: Necessity, *, ceiling: CeilingKind = "ce_fdh", level: float = 80.0,
        names: Mapping[str, str] | None = None,
    ) -> ChartType:  # fmt: skip
        """The combined map: sizes are the shares of customers below what the target level needs."""
        from sem_models.charts.priorities import combined_map

        return combined_map(
            self.combined(necessity, ceiling=ceiling, level=level),
            target=self.target,
            level=level,
            names=names,
        )

    def investment_chart(
        self, amounts: Mapping[str, float], *, names: Mapping[str, str] | None = None
    ) -> ChartType:
        """Share of importance against share of spending."""
        from sem_models.charts.priorities import investment_map

        return investment_map(self.investment(amounts), target=self.target, names=names)

    def _map(self, noun: str, labels: tuple[str, ...], *, items: bool) -> pd.DataFrame:
        parts = []
        for m in self.maps:
            value, slopes = (m.item_importance, m.item_slopes) if items else (m.importance, m.slopes)
            done = m.item_performance if items else m.performance
            frame = pd.DataFrame({"group": m.group, noun: labels} | self._inference(value, slopes))
            high, good = value >= value.mean(), done >= np.nanmean(done)
            quadrant = [QUADRANTS[(bool(h), bool(p))] for h, p in zip(high, good, strict=True)]
            parts.append(frame.assign(performance=done, quadrant=quadrant))
        return pd.concat(parts, ignore_index=True)

    def _inference(self, value: Array, slopes: Array) -> dict[str, Array]:
        return inference_columns(value, self.solved.errors_of(slopes), "importance", level=self.level)


def priorities(
    fit: Fit, target: str, *, schema: Any = None,
    scale: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
    elements: Mapping[str, Element] | None = None, weights: Weights = "regression", level: float = 0.95,
) -> Priorities:  # fmt: skip
    """Importance and performance of everything that leads to a target construct.

    Parameters
    ----------
    fit : Fit
        Converged, with the items' means (raw data, or sample_mean).
    target : str
        A latent variable with items.
    schema : Survey, Schema or name, optional
        Gives the items' limits and their element (process or outcome).
    scale : pair or mapping, optional
        Lowest and highest possible answer, of all items or by item; before the schema's.
    elements : mapping, optional
        "process" or "outcome" by item; before the schema's.
    weights : "regression", "loadings" or "equal"
        Of the items in their construct's score: λ/θ as in a factor score, λ, or one each.
    level : float
        Confidence of the intervals (delta method).

    Raises
    ------
    SpecError, DataError
        For a target without items or without predecessors, unknown limits, answers beyond them on average, or
        a residual variance that is not positive (weights "regression").
    """
    solved = fit.solved
    if solved.sample.ordinal is not None:
        raise SpecError(
            "Performance is a mean of answers on their scale, and this fit sees ordered items as latent "
            "responses, which have none. Fit the items as continuous for the map (without ordered=, "
            "estimator='MLR')."
        )
    if weights not in ("regression", "loadings", "equal"):
        raise SpecError(
            f"weights='{weights}' is unknown. "
            + did_you_mean(str(weights), ("regression", "loadings", "equal"), noun="weights")
        )
    checked_level(level)
    if not solved.sample.has_means and solved.sample.rows is None:
        raise DataError("Performance needs the items' means. Fit raw data, or give sample_mean=.")
    before = _predecessors(solved, target)
    names = list(solved.ram.variables)
    limits = ranges_of([i for c in (*before, target) for i in _items(solved, c)], schema, scale)
    blocks = [_block(solved, c, names, limits) for c in (*before, target)]
    if weights == "regression":
        _need_positive_residuals(solved, blocks)
    items = tuple(names[i] for b in blocks[:-1] for i in b.items)
    maps, of_target = [], []
    for g, label in enumerate(fit.groups):
        *done, last = [_performance(solved, b, limits, weights, g) for b in blocks]
        parts = [len(blocks) - 1]

        def both(free: Array, g: int = g) -> Array:
            return np.concatenate(importances(solved, free, blocks[:-1], blocks[-1], weights, g), axis=-1)

        value, slopes = with_slopes(both, solved.point.free)
        of_construct, of_item = np.split(value, parts)
        slope_c, slope_i = np.split(slopes, parts)
        maps.append(
            GroupMap(
                label, of_construct, slope_c, np.array([d[0] for d in done]), of_item, slope_i,
                np.concatenate([d[1] for d in done]),
            )
        )  # fmt: skip
        of_target.append(last[0])
    return Priorities(
        target, before, items, tuple(b.name for b in blocks[:-1] for _ in b.items), tuple(maps), level,
        elements_of(items, schema, elements), tuple(of_target), solved,
    )  # fmt: skip


def _items(solved: Solved, construct: str) -> list[str]:
    """Observed indicators of a latent variable, in the model's order."""
    observed = set(solved.ram.variables[: solved.ram.n_observed])
    found = [r.rhs for r in solved.table.rows if r.op == "=~" and r.lhs == construct and r.rhs in observed]
    return list(dict.fromkeys(found))


def _predecessors(solved: Solved, target: str) -> tuple[str, ...]:
    """Latent variables with items from which paths lead to the target, in the model's order."""
    latent = solved.ram.variables[solved.ram.n_observed :]
    if target not in latent or not _items(solved, target):
        hint = did_you_mean(target, latent, noun="constructs")
        raise SpecError(f"'{target}' is no construct with items of its own. {hint}")
    arrows = {(r.rhs, r.lhs) for r in solved.table.rows if r.op == "~"}
    reached, grown = {target}, True
    while grown:
        more = {a for a, b in arrows if b in reached} - reached
        grown, reached = bool(more), reached | more
    found = tuple(c for c in latent if c in reached and c != target and ":" not in c and _items(solved, c))
    if not found:
        raise SpecError(f"No path leads to '{target}', so nothing has importance for it.")
    return found


def _block(solved: Solved, name: str, names: list[str], limits: Mapping[str, tuple[float, float]]) -> Block:
    items = _items(solved, name)
    ranges = np.array([limits[i][1] - limits[i][0] for i in items])
    return Block(name, names.index(name), np.array([names.index(i) for i in items]), ranges)


def _performance(
    solved: Solved, block: Block, limits: Mapping[str, tuple[float, float]], kind: Weights, g: int
) -> tuple[float, Array]:
    """Mean score (0–100) of a construct and of its items (i,); items with negative loadings turned round."""
    a_mat, s_mat, _ = solved.ram.matrices(solved.point.free)
    names = solved.ram.variables
    low = np.array([limits[names[i]][0] for i in block.items])
    mean = solved.sample.mean[g, block.items]
    scores = 100.0 * (mean - low) / block.ranges
    beyond = [names[i] for i, s in zip(block.items, scores, strict=True) if not 0.0 <= s <= 100.0]
    if beyond:
        raise DataError(
            f"The mean of {', '.join(beyond)} lies outside its scale. Check scale= or the schema's limits."
        )
    scores = np.where(a_mat[g, block.items, block.latent] < 0, 100.0 - scores, scores)
    return float(item_weights(a_mat[g], s_mat[g], block, kind) @ scores), scores


def _need_positive_residuals(solved: Solved, blocks: list[Block]) -> None:
    _, s_mat, _ = solved.ram.matrices(solved.point.free)
    names = solved.ram.variables
    bad = [names[i] for b in blocks if len(b.items) > 1 for i in b.items if (s_mat[:, i, i] <= 0).any()]
    if bad:
        raise SpecError(
            f"The residual variance of {', '.join(bad)} is not positive, so its weight λ/θ does not exist. "
            "Take weights='loadings' or 'equal', or mend the model."
        )


def _weighted(values: Array, weights: Array) -> float:
    total = weights.sum()
    return float(weights @ values / total) if total > 0 else float("nan")


def _known(name: str, choices: tuple[str, ...], noun: str) -> None:
    if name not in choices:
        raise SpecError(f"'{name}' is not among the {noun}. {did_you_mean(name, choices, noun=noun)}")
