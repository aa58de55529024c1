"""`Alignment`: means and variances of the constructs by group, and which parameters are not invariant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.columns import LEVEL, checked_level
from sem_models.inference.contrasts import Adjust, adjust_pvalues
from sem_models.inference.result import Fit
from sem_models.model.ram import Array
from sem_models.moderation.alignment.flags import invariant_set
from sem_models.moderation.alignment.simplicity import Aligned

LIMIT = 0.25
"""Share of non-invariant parameters beyond which aligned means are not to be trusted."""

PARTS = ("loading", "intercept")


@dataclass(frozen=True)
class Construct:
    """One construct's alignment: its items, the minimum, and the covariance of what is reported."""

    name: str
    items: tuple[str, ...]
    aligned: Aligned
    cov: Array

    def part(self, which: str) -> tuple[Array, Array]:
        """Aligned loadings or intercepts (g, p) and their covariances over groups (p, g, g)."""
        g, p = self.aligned.problem.loadings.shape
        start = 2 * g + (g * p if which == "intercept" else 0)
        places = start + np.arange(g * p).reshape(g, p)
        cov = np.array([self.cov[np.ix_(places[:, j], places[:, j])] for j in range(p)])
        return self.aligned.reported[places], cov

    def invariant(self, which: str) -> NDArray[np.bool_]:
        """Whether each group is in the item's invariant set, (g, p)."""
        value, cov = self.part(which)
        return np.array([invariant_set(value[:, j], cov[j]) for j in range(len(self.items))]).T


@dataclass(frozen=True, repr=False)
class Alignment:
    """Aligned measurement of several groups. fit is the configural model, constructs their alignments."""

    fit: Fit
    constructs: Mapping[str, Construct]
    reference_group: str

    @property
    def groups(self) -> tuple[str, ...]:
        return self.fit.groups

    def means(self, *, level: float = LEVEL) -> pd.DataFrame:
        """Mean and variance of each construct in each group, in the reference group's standard deviations.

        Columns construct, group, n, mean, mean_se, mean_ci_lower, mean_ci_upper, variance, variance_se.
        Errors by the delta method from those of the configural model.
        """
        half = float(ndtri(0.5 + checked_level(level) / 2))
        rows = []
        for name, c in self.constructs.items():
            g = len(self.groups)
            se = np.sqrt(np.maximum(np.diagonal(c.cov), 0.0))
            for k, label in enumerate(self.groups):
                mean, sd = float(c.aligned.means[k]), float(c.aligned.sds[k])
                rows.append(
                    (name, label, self.fit.solved.sample.counts[k], mean, se[k], mean - half * se[k],
                     mean + half * se[k], sd**2, 2.0 * sd * se[g + k])
                )  # fmt: skip
        columns = ["construct", "group", "n", "mean", "mean_se", "mean_ci_lower", "mean_ci_upper", "variance",
                   "variance_se"]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def comparisons(self, *, level: float = LEVEL, adjust: Adjust = "holm") -> pd.DataFrame:
        """Differences of the means, every pair of groups: construct, group, against, est, se, z, pvalue,
        pvalue_adjusted (over the pairs of a construct), ci_lower, ci_upper."""
        half = float(ndtri(0.5 + checked_level(level) / 2))
        frames = []
        for name, c in self.constructs.items():
            rows = []
            for j in range(len(self.groups)):
                for i in range(j + 1, len(self.groups)):
                    est = float(c.aligned.means[i] - c.aligned.means[j])
                    se = float(np.sqrt(max(c.cov[i, i] + c.cov[j, j] - 2.0 * c.cov[i, j], 0.0)))
                    z = est / se if se > 0 else np.nan
                    rows.append(
                        (name, self.groups[i], self.groups[j], est, se, z, 2.0 * float(ndtr(-abs(z))), np.nan,
                         est - half * se, est + half * se)
                    )  # fmt: skip
            columns = ["construct", "group", "against", "est", "se", "z", "pvalue", "pvalue_adjusted",
                       "ci_lower", "ci_upper"]  # fmt: skip
            frame = pd.DataFrame(rows, columns=columns)
            frames.append(
                frame.assign(pvalue_adjusted=adjust_pvalues(frame["pvalue"].to_numpy(float), adjust))
            )
        return pd.concat(frames, ignore_index=True)

    def parameters(self) -> pd.DataFrame:
        """Aligned loading and intercept of each item in each group: construct, item, group, parameter, est,
        se, invariant (whether the group is in the set that shares the parameter)."""
        rows = []
        for name, c in self.constructs.items():
            for which in PARTS:
                (value, cov), same = c.part(which), c.invariant(which)
                for j, item in enumerate(c.items):
                    for k, label in enumerate(self.groups):
                        se = float(np.sqrt(max(cov[j, k, k], 0.0)))
                        rows.append((name, item, label, which, value[k, j], se, bool(same[k, j])))
        columns = ["construct", "item", "group", "parameter", "est", "se", "invariant"]
        return pd.DataFrame(rows, columns=columns)

    def items(self) -> pd.DataFrame:
        """How invariant each parameter is: construct, item, parameter, mean, r_squared, invariant_groups,
        non_invariant (labels), contribution (to the simplicity function).

        r_squared is the share of the configural parameter's variance over groups that the groups' means and
        variances explain (Asparouhov & Muthén, 2014): 1 under full invariance.
        """
        rows = []
        for name, c in self.constructs.items():
            problem, reported = c.aligned.problem, c.aligned
            for which in PARTS:
                value, same = c.part(which)[0], c.invariant(which)
                average = value.mean(axis=0)
                loadings = c.part("loading")[0].mean(axis=0)
                if which == "loading":
                    known, predicted = problem.loadings, reported.sds[:, None] * average
                else:
                    known, predicted = problem.intercepts, average + reported.means[:, None] * loadings
                for j, item in enumerate(c.items):
                    spread = float(known[:, j].var())
                    left = float((known[:, j] - predicted[:, j]).var())
                    out = [g for g, ok in zip(self.groups, same[:, j], strict=True) if not ok]
                    explained = max(1.0 - left / spread, 0.0) if spread > 0 else np.nan
                    rows.append(
                        (name, item, which, average[j], explained,
                         int(same[:, j].sum()), ", ".join(out), _contribution(value[:, j], c.aligned))
                    )  # fmt: skip
        columns = ["construct", "item", "parameter", "mean", "r_squared", "invariant_groups", "non_invariant",
                   "contribution"]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def non_invariance(self) -> pd.Series:
        """Share of the parameters outside their invariant sets, by construct.

        Above .25 the means are not to be trusted without a simulation (Muthén & Asparouhov, 2014).
        """
        flags = self.parameters().groupby("construct", sort=False)["invariant"].mean()
        return pd.Series(1.0 - flags, name="non_invariant")

    def construct(self, name: str) -> Construct:
        """One construct's alignment. SpecError with near matches for one that is not there."""
        if name not in self.constructs:
            hint = did_you_mean(name, self.constructs, noun="constructs")
            raise SpecError(f"'{name}' was not aligned. {hint}")
        return self.constructs[name]

    def sentences(self) -> tuple[str, ...]:
        """For each construct how many parameters are invariant, and whether its means can be compared."""
        out = []
        shares = self.non_invariance()
        for name, c in self.constructs.items():
            share = float(shares[name])
            trust = "can be compared" if share <= LIMIT else "are NOT to be trusted (more than 25 %)"
            text = f"{name}: {share:.0%} of the loadings and intercepts are not invariant; its means {trust}."
            if c.aligned.minima < 0.5:
                text += f" Only {c.aligned.minima:.0%} of the starts found this minimum: others are near."
            out.append(text)
        return tuple(out)

    def __str__(self) -> str:
        table = self.means().to_string(index=False, float_format="%.3f")
        return "\n".join([f"Alignment · {self.fit.header.line()}", *self.sentences(), "", table])

    def __repr__(self) -> str:
        return f"<Alignment of {', '.join(self.constructs)} over {len(self.groups)} groups>"

    def _repr_html_(self) -> str:
        words = "".join(f"<p>{s}</p>" for s in (self.fit.header.line(), *self.sentences()))
        return words + self.means().to_html(index=False, float_format="{:.3f}".format)


def _contribution(values: Sequence[float] | Array, aligned: Aligned) -> float:
    """What one item's parameter adds to the simplicity function."""
    problem = aligned.problem
    v = np.asarray(values)
    i, j = np.triu_indices(len(v), 1)
    weight = np.sqrt(problem.sizes[i] * problem.sizes[j])
    return float(weight / weight.mean() @ np.sqrt(np.sqrt((v[i] - v[j]) ** 2 + problem.epsilon)))
