"""What the data say on one part of a claim, before it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan

from scipy.special import ndtr

Verdict = str
SUPPORTED, CONTRADICTED = "supported", "contradicted"
UNDECIDED, NOT_TESTABLE = "undecided", "not testable"
VERDICTS = (SUPPORTED, CONTRADICTED, UNDECIDED, NOT_TESTABLE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """An estimate with its interval, and what stands in the way of judging it.

    sign is the claimed one (0: the claim is that there is an effect); standardized is the estimate, with its
    limits, that is held against the bound of equivalence, NaN where the quantity has no such size; obstacle
    says why it is not testable, doubt why it stays undecided whatever the interval; headroom is the largest
    rate of substitution that the data leave room for (ratios only); threshold is what it must exceed; by_size
    is for an effect size that has a test but no interval.
    """

    estimate: float = nan
    se: float = nan
    lower: float = nan
    upper: float = nan
    pvalue: float = nan
    sign: int = 1
    standardized: tuple[float, float, float] = (nan, nan, nan)
    definition: str = ""
    note: str = ""
    obstacle: str = ""
    doubt: str = ""
    headroom: float = nan
    threshold: float = 0.0
    by_size: bool = False

    @property
    def toward(self) -> tuple[float, float, float]:
        """The estimate and its limits as distances from what would decide it, in standard errors.

        Positive is the claimed side: of zero or the threshold (the estimate's own side without a claimed
        sign), of the headroom for a rate of substitution.
        """
        if not self.se > 0:
            return nan, nan, nan
        if isfinite(self.headroom):
            ends = tuple((self.headroom - v) / self.se for v in (self.estimate, self.upper, self.lower))
            return ends[0], ends[1], ends[2]
        sign = self.sign or (1 if self.estimate >= self.threshold else -1)
        ends = tuple(sign * (v - self.threshold) / self.se for v in (self.estimate, self.lower, self.upper))
        return ends[0], min(ends[1:]), max(ends[1:])

    @property
    def probability(self) -> float:
        """Posterior probability of the claimed direction under a flat prior, Φ(sign (est − threshold) / se).

        NaN without a claimed direction. Numerically one minus the one-sided p value (Casella & Berger, 1987).
        """
        if not self.sign or not self.se > 0:
            return nan
        return float(ndtr(self.sign * (self.estimate - self.threshold) / self.se))
