"""Does it matter whether items are treated as ordered or as continuous? One model both ways, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sem_models.errors import SpecError
from sem_models.estimation.fit import fit
from sem_models.inference.header import Header
from sem_models.inference.result import Fit
from sem_models.observed.frame import frame_with_rows
from sem_models.observed.ordered_items import MOST, is_ordered
from sem_models.threads import single_threaded

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec

MEASURES = (
    "chisq_scaled", "df", "pvalue_scaled", "cfi_scaled", "tli_scaled", "rmsea_scaled", "cfi_robust",
    "rmsea_robust", "srmr",
)  # fmt: skip
SAME, ONLY_ORDERED, ONLY_CONTINUOUS, OTHER_SIGN = (
    "same conclusion", "detected as ordered only", "detected as continuous only", "other sign",
)  # fmt: skip


@dataclass(frozen=True)
class Treatment:
    """`table()` and `measures()` hold both fits; `items` were ordered in one of them."""

    ordered: Fit
    continuous: Fit
    items: tuple[str, ...]

    @property
    def header(self) -> Header:
        """Data and status of the fit of ordered items."""
        return self.ordered.header

    @cached_property
    def _table(self) -> pd.DataFrame:
        latent = set(self.ordered.solved.table.variables.latent)
        both = {}
        for name, one in (("ordered", self.ordered), ("continuous", self.continuous)):
            frame = one.standardized()
            structural = (frame["op"] == "~~") & (frame["lhs"] != frame["rhs"]) & frame["lhs"].isin(latent)
            kept = frame[frame["op"].isin(["=~", "~"]) | structural]
            columns = {"est_std": f"est_{name}", "se": f"se_{name}", "pvalue": f"pvalue_{name}"}
            both[name] = kept[["lhs", "op", "rhs", "group", *columns]].rename(columns=columns)
        out = both["ordered"].merge(both["continuous"], on=["lhs", "op", "rhs", "group"], how="inner")
        out["difference"] = out["est_ordered"] - out["est_continuous"]
        out["in_errors"] = out["difference"] / out["se_continuous"].where(out["se_continuous"] > 0)
        out["conclusion"] = [_conclusion(row) for row in out.to_dict("records")]
        return out

    def table(self) -> pd.DataFrame:
        """Standardized loadings, paths and latent covariances both ways.

        Columns lhs, op, rhs, group, est_ordered, se_ordered, pvalue_ordered, the same of continuous,
        difference (ordered less continuous), in_errors (in standard errors of the continuous one) and
        conclusion: whether sign and detection at 5 % are the same.
        """
        return self._table.copy()

    def measures(self) -> pd.DataFrame:
        """Fit measures (rows) both ways; NaN where a fit has none."""
        found = {name: one.measures() for name, one in self._fits.items()}
        return pd.DataFrame(
            {name: [m.get(k, np.nan) for k in MEASURES] for name, m in found.items()}, index=MEASURES
        )

    def reliability(self) -> pd.DataFrame:
        """Omega, composite reliability and AVE both ways: columns group, construct, and each with "
        "its suffix."""
        keys = ["group", "construct"]
        parts = [
            one.reliability()[[*keys, "omega", "cr", "ave"]]
            .rename(columns={c: f"{c}_{name}" for c in ("omega", "cr", "ave")})
            for name, one in self._fits.items()
        ]  # fmt: skip
        return parts[0].merge(parts[1], on=keys)

    def sentences(self) -> tuple[str, ...]:
        """What differs, in words."""
        table = self._table
        loadings, paths = table[table["op"] == "=~"], table[table["op"] == "~"]
        out = []
        if len(loadings):
            gap = float(loadings["difference"].median())
            more = "larger" if gap > 0 else "smaller"
            out.append(
                f"Seen as ordered, standardized loadings are {more} by {abs(gap):.3f} in the median of "
                f"{len(loadings)} (from {_signed(loadings['difference'].min())} to "
                f"{_signed(loadings['difference'].max())})."
            )
        if len(paths):
            other = paths[paths["conclusion"] != SAME]
            largest = paths.iloc[int(paths["difference"].abs().to_numpy().argmax())]
            out.append(
                f"Standardized paths differ by at most {abs(largest['difference']):.3f} "
                f"({largest['rhs']} → {largest['lhs']}: {largest['est_ordered']:.3f} as ordered, "
                f"{largest['est_continuous']:.3f} as continuous); "
                + (
                    "all lead to the same conclusion."
                    if other.empty
                    else f"{len(other)} of {len(paths)} lead to another conclusion: "
                    + "; ".join(
                        f"{r['rhs']} → {r['lhs']} ({r['conclusion']})" for r in other.to_dict("records")
                    )
                    + "."
                )
            )
        return tuple(out)

    @property
    def _fits(self) -> dict[str, Fit]:
        return {"ordered": self.ordered, "continuous": self.continuous}

    def __repr__(self) -> str:
        lines = [f"{name}: {one.header.line()}" for name, one in self._fits.items()]
        return "\n".join([*lines, "", *self.sentences(), "", self._table.round(3).to_string(index=False)])

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{sentence}</p>" for sentence in self.sentences())
        return said + self._table.to_html(index=False, float_format="{:.3f}".format)


@single_threaded
def compare_treatment(
    model: str | ModelSpec, data: Any, *, ordered: Sequence[str] | bool = True, group: str | None = None,
    as_ordered: dict[str, Any] | None = None, as_continuous: dict[str, Any] | None = None, **options: Any,
) -> Treatment:  # fmt: skip
    """Fit a model with its items as ordered and as continuous.

    Parameters
    ----------
    model, data, group, **options
        As in `sm.fit`, for both fits.
    ordered : sequence of str, or True
        The items in question. True: of a specification its rated items, of a model text the indicators, as
        far as their answers are 2 to 15 whole numbers.
    as_ordered, as_continuous : dict
        Options of one of the fits. By default WLSMV with missing="pairwise", and MLR with missing="fiml".

    Raises
    ------
    SpecError
        Where no item can be treated as ordered.
    """
    from sem_models.model.spec import load

    frame = frame_with_rows(data, "A comparison of treatments needs")
    if ordered is True:
        items = rated(load(model) if isinstance(model, str) else model, frame)
    else:
        items = tuple(ordered or ())
    if not items:
        raise SpecError(
            "No item of this model can be treated as ordered: that takes 2 to 15 categories. Name "
            "them in ordered=."
        )
    plain = _as_numbers(frame, items)
    ways = (
        (frame, {"ordered": items, "estimator": "WLSMV", "missing": "pairwise", **(as_ordered or {})}),
        (plain, {"ordered": (), "estimator": "MLR", "missing": "fiml", **(as_continuous or {})}),
    )
    with warnings.catch_warnings():  # what two categories do as continuous is what is asked here
        warnings.filterwarnings("ignore", message=".*two values only", category=UserWarning)
        first, second = (fit(model, rows, group=group, **{**options, **own}) for rows, own in ways)
    return Treatment(first, second, items)


def rated(spec: ModelSpec, frame: pd.DataFrame, items: Sequence[str] | None = None) -> tuple[str, ...]:
    """The specification's rated items, or those among `items`, whose answers in the data are categories, 2 to
    15 of them."""
    measured = {i.id for c in spec.constructs for i in c.items if i.scale == "continuous"}
    found = []
    for name in spec.rated_items if items is None else [i for i in items if i not in measured]:
        if name not in frame.columns:
            continue
        column = frame[name]
        if is_ordered(column.dtype):
            found.append(name)
            continue
        values = pd.to_numeric(column, errors="coerce").dropna()
        if 2 <= values.nunique() <= MOST and bool((values == values.round()).all()):
            found.append(name)
    return tuple(found)


def _as_numbers(frame: pd.DataFrame, items: Sequence[str]) -> pd.DataFrame:
    """Columns of an ordered type as numbers, so that they are continuous in the other fit."""
    typed = [name for name in items if name in frame.columns and is_ordered(frame[name].dtype)]
    if not typed:
        return frame
    out = frame.copy()
    for name in typed:
        numbers = pd.to_numeric(pd.Series(frame[name].astype(object), index=frame.index), errors="coerce")
        if bool((numbers.isna() & frame[name].notna()).any()):
            codes = frame[name].cat.codes.astype(np.float64)
            numbers = codes.where(codes >= 0) + 1.0
        out[name] = numbers.astype(np.float64)
    return out


def _conclusion(row: dict[Any, Any]) -> str:
    if row["op"] == "=~":
        return SAME if row["est_ordered"] * row["est_continuous"] > 0 else OTHER_SIGN
    seen = [bool(row[f"pvalue_{name}"] < 0.05) for name in ("ordered", "continuous")]
    if seen[0] != seen[1]:
        return ONLY_ORDERED if seen[0] else ONLY_CONTINUOUS
    return OTHER_SIGN if seen[0] and row["est_ordered"] * row["est_continuous"] < 0 else SAME


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
