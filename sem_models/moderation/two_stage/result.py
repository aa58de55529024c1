"""`TwoStageModeration`: a moderation whose measurement was fitted before its paths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sem_models.inference.compare import wald_of
from sem_models.moderation.interaction_test import ALL, COLUMNS
from sem_models.moderation.products.result import ProductModeration
from sem_models.moderation.two_stage.measurement import Measurement


@dataclass(frozen=True, repr=False)
class TwoStageModeration(ProductModeration):
    """A moderation by structural-after-measurement estimation.

    measurement holds the fits of stage one. Products are centered at their means; their rows have no items.
    """

    measurement: Measurement

    def blocks(self) -> pd.DataFrame:
        """Stage one, a row a measurement block: block, items, n, chisq, df, pvalue, cfi, rmsea, srmr."""
        rows = []
        for block, found in zip(self.measurement.blocks, self.measurement.fits, strict=True):
            m = found.measures()
            names = ("chisq", "df", "pvalue", "cfi", "rmsea", "srmr")
            rows.append({"block": ", ".join(block.latents), "items": ", ".join(block.items),
                         "n": found.header.n_used, **{name: m[name] for name in names}})  # fmt: skip
        return pd.DataFrame(rows)

    def measures(self) -> pd.Series:
        """npar and ntotal, and the measurement blocks' summed χ² and df: two stages have no joint χ²."""
        blocks = self.blocks()
        values = {
            "npar": float(self.fit.solved.ram.n_counted), "ntotal": float(self.header.n_used),
            "logl": float("nan"), "measurement_chisq": float(blocks["chisq"].sum()),
            "measurement_df": float(blocks["df"].sum()),
        }  # fmt: skip
        return pd.Series(values, name="measures", dtype=float)

    def tests(self) -> pd.DataFrame:
        """No test of both stages exists; see `blocks()`."""
        return pd.DataFrame(
            columns=["test", "stat", "df", "pvalue", "scaling_factor", "shift_parameter"], dtype=float
        )

    @cached_property
    def _wald(self) -> pd.DataFrame:
        solved = self.fit.solved
        names = {p.name for p in self.statement.products}
        terms: dict[str, list[int]] = {}
        for i, row in enumerate(solved.table.rows):
            if row.op == "~" and row.rhs in names and row.free:
                terms.setdefault(f"{row.lhs} ~ {row.rhs}", []).append(i)
        if len(terms) > 1:
            terms[ALL] = [i for index in list(terms.values()) for i in index]
        out = []
        for term, index in terms.items():
            slopes = solved.rows.jacobian[index]
            wald = wald_of(solved.rows.value[index], slopes @ solved.covariance.free @ slopes.T)
            out.append((term, wald.df, np.nan, np.nan, wald.statistic, wald.pvalue, True))
        return pd.DataFrame(out, columns=COLUMNS)

    def interaction_test(self) -> pd.DataFrame:
        """Wald tests of the products' paths; chisq_diff is NaN, as there is no joint likelihood."""
        return self._wald.copy()

    def summary(self) -> Any:
        from sem_models.moderation.two_stage.summary import TwoStageSummary

        return TwoStageSummary(self)
