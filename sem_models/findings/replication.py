"""Does a new study replicate published figures? And what do several studies or markets say together?

`replicate(fit, "published.yaml")` compares claim by claim; `synthesize` pools one quantity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from sem_models.errors import DataError, SpecError
from sem_models.findings.published import Published, read_published
from sem_models.findings.synthesis import Method, Synthesis, Test, synthesis
from sem_models.inference.columns import checked_level
from sem_models.inference.contrasts import Contrast

if TYPE_CHECKING:
    from altair.typing import ChartType

    from sem_models.inference.effect_values import Scale
    from sem_models.inference.result import Fit

ALPHA = 0.05
Verdict = Literal["replicated", "not replicated", "undecided"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One published figure beside its replication; see `Replication.table` for what each field means."""

    same_sign: bool
    intervals_overlap: bool
    pi_lower: float
    pi_upper: float
    original_in_prediction: bool
    difference: float
    z: float
    pvalue: float
    small_effect: float
    small_telescopes_p: float
    small_telescopes_power: float
    power_at_original: float
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Replication:
    """Result of `replicate`: `table()`, `summary()`, `chart()`."""

    published: Published
    level: float
    rows: tuple[dict[str, Any], ...] = field(repr=False)

    def table(self) -> pd.DataFrame:
        """One row a claim.

        claim, title, scale; original, original_se, original_ci_lower, original_ci_upper; replication, ... the
        same of the new study; same_sign; intervals_overlap; pi_lower, pi_upper: where an original with these
        errors is expected, r ± z √(se_r² + se_o²) (Patil, Peng & Leek, 2016), and original_in_prediction;
        difference (new less original) with z and pvalue; small_effect: the effect that
        gave the original study a power of 1/3, small_telescopes_p: that the new one is smaller than that
        (one-sided; Simonsohn, 2015), small_telescopes_power: to find so if there is no effect;
        power_at_original: of the new study at the original's size; verdict and reason.

        Replicated: both intervals exclude 0 on the same side, and the original lies in the prediction
        interval. Not replicated: the new interval lies on the other side of 0, or the effect is smaller than
        small_effect. Else undecided.
        """
        return pd.DataFrame(list(self.rows))

    def summary(self) -> pd.DataFrame:
        """How many claims got which verdict, and how many hold each criterion."""
        frame = self.table()
        counts = {
            v: int((frame["verdict"] == v).sum()) for v in ("replicated", "not replicated", "undecided")
        }
        criteria = {
            "same sign": "same_sign", "intervals overlap": "intervals_overlap",
            "original in the prediction interval": "original_in_prediction",
        }  # fmt: skip
        counts |= {words: int(frame[column].sum()) for words, column in criteria.items()}
        return pd.DataFrame({"what": list(counts), "claims": list(counts.values()), "of": len(frame)})

    def chart(self) -> ChartType:
        """Original and replication with their intervals, a row a claim."""
        from sem_models.charts.replication import replication_chart

        return replication_chart(self.table(), study=self.published.study, level=self.level)

    def __str__(self) -> str:
        shown = ["claim", "original", "replication", "same_sign", "original_in_prediction", "verdict"]
        return f"Against {self.published.study}\n{self.table()[shown].to_string(index=False)}"


@dataclass(frozen=True, slots=True)
class Studies:
    """Result of `synthesize`: the studies (`table()`), what they say together (`pooled`), `chart()`."""

    title: str
    names: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    pooled: Synthesis
    level: float

    def table(self) -> pd.DataFrame:
        """study, est, se, ci_lower, ci_upper, weight (%); the pooled estimate last."""
        half = float(ndtri((1 + self.level) / 2))
        frame = pd.DataFrame(
            {
                "study": self.names, "est": self.estimate, "se": self.se,
                "ci_lower": self.estimate - half * self.se, "ci_upper": self.estimate + half * self.se,
                "weight": 100 * self.pooled.weights,
            }
        )  # fmt: skip
        p = self.pooled
        last = [("pooled", p.estimate, p.se, p.ci_lower, p.ci_upper, 100.0)]
        return pd.concat([frame, pd.DataFrame(last, columns=frame.columns)], ignore_index=True)

    def summary(self) -> pd.Series:
        """method, test, k, est, se, pvalue, ci, prediction interval, tau2 with its limits, i2, q."""
        p = self.pooled
        return pd.Series(
            {
                "method": p.method, "test": p.test, "k": p.k, "est": p.estimate, "se": p.se,
                "statistic": p.statistic, "pvalue": p.pvalue, "ci_lower": p.ci_lower, "ci_upper": p.ci_upper,
                "pi_lower": p.pi_lower, "pi_upper": p.pi_upper, "tau2": p.tau2, "tau2_lower": p.tau2_lower,
                "tau2_upper": p.tau2_upper, "i2": p.i2, "q": p.q, "q_df": p.q_df, "q_pvalue": p.q_pvalue,
            },
            name=self.title, dtype=object,
        )  # fmt: skip

    def chart(self) -> ChartType:
        """Forest plot: studies by their weight, the pooled estimate, and where a new study is expected."""
        from sem_models.charts.replication import forest_chart

        return forest_chart(self)

    def __str__(self) -> str:
        return f"{self.title}\n{self.table().to_string(index=False)}\n{self.summary().to_string()}"


def replicate(
    fit: Fit, published: str | Path | Mapping[str, Any] | Published, *, level: float = 0.95
) -> Replication:
    """Compare a fit with published figures, claim by claim.

    published : YAML file, mapping or Published, with `study`, `citation` and `estimates`, each of them with
    `claim`, `expression` (over the labels of the fit's model), `estimate`, and `se` or `ci`; optional `scale`
    (std_all by default), `effect` (direct, total), `group`, `level`, `n`, `title`, `page`. Raises SpecError.
    """
    source = published if isinstance(published, Published) else read_published(published)
    checked_level(level)
    z = float(ndtri((1 + level) / 2))
    contrasts = [
        Contrast(e.claim, e.expression, e.title, e.scale, e.effect, group=e.group, level=level)
        for e in source.estimates
    ]
    found = fit.contrasts(contrasts)
    rows = []
    for e, value, se in zip(source.estimates, found["est"], found["se"], strict=True):
        result = compare_estimates(e.estimate, e.error, float(value), float(se), level=level)
        row = {
            "claim": e.claim, "title": e.title, "scale": e.scale, "original": e.estimate,
            "original_se": e.error, "original_ci_lower": e.estimate - z * e.error,
            "original_ci_upper": e.estimate + z * e.error, "replication": float(value),
            "replication_se": float(se), "replication_ci_lower": float(value) - z * float(se),
            "replication_ci_upper": float(value) + z * float(se),
        }  # fmt: skip
        rows.append(row | {name: getattr(result, name) for name in Comparison.__slots__})
    return Replication(source, level, tuple(rows))


def compare_estimates(
    original: float, original_se: float, new: float, new_se: float, *, level: float = 0.95
) -> Comparison:
    """The criteria of `Replication.table` for one pair of estimates with normal errors."""
    if not (original_se > 0 and new_se > 0 and np.isfinite([original, new]).all()):
        raise DataError("Both estimates need a finite value and a standard error above 0.")
    z = float(ndtri((1 + level) / 2))
    both = float(np.hypot(original_se, new_se))
    sign = 1.0 if original >= 0 else -1.0
    small = _power_one_third() * original_se
    low, high = new - z * new_se, new + z * new_se
    statistic = (new - original) / both
    smaller = float(ndtr((sign * new - small) / new_se))
    critical = float(ndtri(1 - ALPHA))
    same = sign * new > 0
    inside = abs(new - original) <= z * both
    verdict: Verdict
    if high < 0 < original or original < 0 < low:
        verdict, reason = "not replicated", "The new interval lies on the other side of 0."
    elif smaller < ALPHA:
        verdict, reason = "not replicated", "Smaller than an effect the original study could have found."
    elif abs(original) <= z * original_se:
        verdict, reason = "undecided", "The original itself is not clear of 0."
    elif same and (low > 0 or high < 0) and inside:
        verdict, reason = "replicated", "Same sign, clear of 0, and as large as expected."
    elif not inside:
        verdict, reason = "undecided", "Same sign and clear of 0, but not of the original's size."
        if low <= 0 <= high:
            reason = "Not clear of 0, and not of the original's size."
    else:
        verdict, reason = "undecided", "The new interval covers 0."
    return Comparison(
        same, max(low, original - z * original_se) <= min(high, original + z * original_se),
        new - z * both, new + z * both, inside, new - original, statistic, 2 * float(ndtr(-abs(statistic))),
        sign * small, smaller, float(ndtr(small / new_se - critical)), _power(abs(original) / new_se),
        verdict, reason,
    )  # fmt: skip


def synthesize(
    studies: Mapping[str, Fit] | pd.DataFrame, expression: str = "", *, scale: Scale = "std_all",
    method: Method = "REML", test: Test = "hksj", level: float = 0.95, title: str = "",
) -> Studies:  # fmt: skip
    """Pool one quantity over studies or markets.

    Parameters
    ----------
    studies : mapping or DataFrame
        Fits by name, of the same model text (expression over its labels, in `scale`); or a frame with the
        columns study, estimate and se. The studies must have no customer in common.
    method : "REML", "DL" or "fixed"
    test : "hksj" (t with the refined variance) or "z"

    Raises SpecError, DataError.
    """
    if isinstance(studies, pd.DataFrame):
        missing = [c for c in ("study", "estimate", "se") if c not in studies.columns]
        if missing:
            raise DataError(
                f"The table of studies lacks {', '.join(missing)}; it needs study, estimate and se."
            )
        names = tuple(str(s) for s in studies["study"])
        y, se = studies["estimate"].to_numpy(np.float64), studies["se"].to_numpy(np.float64)
    else:
        if not expression:
            raise SpecError(
                "Name what is pooled: expression= over labels of the model, for example 'b_PV_EDS'."
            )
        names = tuple(str(s) for s in studies)
        found = [fit.contrast(expression, metric=scale) for fit in studies.values()]
        y = np.array([float(c["est"]) for c in found])
        se = np.array([float(c["se"]) for c in found])
    pooled = synthesis(y, se, method=method, test=test, level=level)
    return Studies(title or expression or "Pooled estimate", names, y, se, pooled, level)


def _power(ratio: float) -> float:
    """Power of a two-sided test at 5 % of an effect of this many standard errors."""
    critical = float(ndtri(1 - ALPHA / 2))
    return float(ndtr(ratio - critical) + ndtr(-ratio - critical))


def _power_one_third() -> float:
    """The effect, in standard errors, that is found with a power of 1/3. Simonsohn (2015)."""
    return float(brentq(lambda ratio: _power(ratio) - 1 / 3, 0.0, 5.0))
