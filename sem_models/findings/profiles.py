"""Profiles (C12): what each customer has, what it would respond to, and how sure that is.

A row a customer never leaves but to a file the user names. Scores are regression factor scores with their
errors; the effect of a lever is its conditional effect at the customer's moderators, and its error holds that
of the parameters and that of the customer's scores.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.estimation.fit import fit
from sem_models.findings.fits import controls_beside
from sem_models.findings.scorecard import with_defaults
from sem_models.inference.header import Header
from sem_models.model.parts import Moderation
from sem_models.model.spec import ModelSpec, load
from sem_models.moderation.moderate import moderate
from sem_models.observed.frame import frame_with_rows
from sem_models.threads import single_threaded

SMALLEST = 5
FORMATS = (".csv", ".xlsx", ".parquet")
MORE, LESS, NOTHING = "more", "less", "no lever for sure"


@dataclass(frozen=True)
class Profiles:
    """Profiles of customers. `segments()` can be shown; the rows go to a file by `write`."""

    outcome: str
    levers: tuple[str, ...]
    header: Header
    level: float
    _rows: pd.DataFrame
    notes: tuple[str, ...]

    def segments(self) -> pd.DataFrame:
        """Customers grouped by what they respond to.

        Segments of fewer than 5 are put together, into the largest one where even together they are fewer.

        Columns segment, customers, share, and for each lever the mean effect and its standard deviation over
        the segment's customers.
        """
        sizes = self._rows["suggestion"].value_counts()
        small, together = sizes[sizes < SMALLEST].index.tolist(), "others"
        if len(small) and sizes[small].sum() < SMALLEST and len(sizes) > len(small):
            small, together = [sizes.index[0], *small], f"{sizes.index[0]}, or what fewer than {SMALLEST} do"
        named = self._rows["suggestion"].where(~self._rows["suggestion"].isin(small), together)
        rows = []
        for name, part in self._rows.groupby(named, sort=False):
            size = len(part)
            row: dict[str, Any] = {"segment": name, "customers": size, "share": size / len(self._rows)}
            for lever in self.levers:
                row[f"effect_{lever}"] = float(part[f"effect_{lever}"].mean())
                row[f"effect_{lever}_sd"] = float(part[f"effect_{lever}"].std(ddof=0))
            rows.append(row)
        frame = pd.DataFrame(rows)
        return frame.sort_values("customers", ascending=False, ignore_index=True) if len(frame) else frame

    def write(self, path: str | Path, *, ids: pd.Series | None = None, pseudonymize: bool = False) -> Path:
        """Write a row a customer to a CSV, Excel or Parquet file.

        ids: identifiers by the data's index, the column `customer` of the file; with pseudonymize they are
        replaced by codes that cannot be turned back. Raises SpecError without ids, DataError for another
        format.
        """
        if ids is None:
            raise SpecError(
                "Profiles are of use only with identifiers: give ids= the column that names the customers, "
                "and pseudonymize=True if the file is not to hold them."
            )
        target = Path(path)
        if target.suffix.lower() not in FORMATS:
            raise DataError(f"'{target.name}' must end in {', '.join(FORMATS)}.")
        frame = self._rows.copy()
        known = ids.reindex(frame.index).astype(str)
        if pseudonymize:
            key = secrets.token_bytes(16)
            known = known.map(lambda one: _code(one, key))
        frame.insert(0, "customer", known)
        try:
            if target.suffix.lower() == ".csv":
                frame.to_csv(target, index=False)
            elif target.suffix.lower() == ".xlsx":
                frame.to_excel(target, index=False)
            else:
                frame.to_parquet(target, index=False)
        except OSError as problem:
            raise DataError(f"'{target.name}' cannot be written: {problem.strerror}.") from None
        return target

    def __repr__(self) -> str:
        shown = self.segments().round(2).to_string(index=False)
        return f"{self.header.line()}\n{' '.join(self.notes)}\n\n{shown}".replace("\n\n\n", "\n\n")

    def _repr_html_(self) -> str:
        table = self.segments().to_html(index=False, float_format="{:.2f}".format)
        return f"<p>{self.header.line()}</p>{table}"


@single_threaded
def profiles(
    spec: str | ModelSpec, data: Any, *, outcome: str = "PV", levers: Sequence[str] | None = None,
    method: str = "dblcent", level: float = 0.95, **options: Any,
) -> Profiles:  # fmt: skip
    """A profile of every customer: constructs, and what each lever would do to `outcome`.

    Parameters
    ----------
    spec, data
        As in `sm.scorecard`.
    levers : sequence of str
        Predictors of the outcome; by default all that the specification moderates. The moderators of a lever
        are those of the specification that the data have.
    method : str
        Of `sm.moderate`.
    **options
        Of `sm.fit`; estimator="MLR" and missing="fiml" unless given.

    Raises
    ------
    SpecError
        For a lever that does not predict the outcome.
    """
    spec = load(spec)
    frame = frame_with_rows(data, "Profiles need")
    settings = with_defaults(options)
    moderations = _usable(spec, frame, outcome)
    known = list(dict.fromkeys(m.predictor for m in moderations))
    chosen = tuple(known if levers is None else levers)
    for lever in chosen:
        if lever not in known:
            raise SpecError(
                f"'{lever}' has no moderation of {outcome} in '{spec.id}' that the data can speak to. "
                f"{did_you_mean(lever, known, noun='levers')}"
            )
    if not chosen:
        raise SpecError(
            f"'{spec.id}' states no moderation of {outcome} for which the data have items or columns, so "
            "no response differs from customer to customer."
        )
    measured = fit(_measurement(spec, frame), frame, **settings)
    rows = measured.factor_scores(se=True)
    notes: list[str] = []
    for lever in chosen:
        mine = tuple(m for m in moderations if m.predictor == lever)
        rows = rows.join(_response(spec, frame, rows, mine, method, settings, level, notes))
    suggested = [_suggestions(rows, lever) for lever in chosen]
    rows["suggestion"] = [
        "; ".join(s for s in parts if s) or NOTHING for parts in zip(*suggested, strict=True)
    ]
    sure = [
        np.where(np.array(parts) == "", np.nan, rows.pop(f"effect_{lever}_sure"))
        for lever, parts in zip(chosen, suggested, strict=True)
    ]
    rows["sure"] = np.fmin.reduce(sure)
    rows["extrapolated"] = np.any([rows.pop(f"effect_{lever}_beyond") for lever in chosen], axis=0)
    return Profiles(outcome, chosen, measured.header, level, rows, tuple(notes))


def _usable(spec: ModelSpec, frame: pd.DataFrame, outcome: str) -> list[Moderation]:
    """Two-way moderations of the outcome by which a lever varies, whose variables the data have."""
    items = {c.id: c.ordered_items for c in spec.constructs}
    there = {c for c, own in items.items() if all(i in frame for i in own)} | set(map(str, frame.columns))
    no_lever = {c.id for c in spec.constructs if c.role == "moderator"}
    return [
        m
        for m in spec.moderations
        if m.outcome == outcome
        and not m.second
        and m.predictor not in no_lever
        and {m.predictor, m.moderator, outcome} <= there
    ]


def _measurement(spec: ModelSpec, frame: pd.DataFrame) -> str:
    """All constructs whose items the data have, correlated."""
    lines = [
        f"{c.id} =~ {' + '.join(c.ordered_items)}"
        for c in spec.constructs
        if all(i in frame for i in c.ordered_items)
    ]
    return "\n".join(lines)


def _response(
    spec: ModelSpec, frame: pd.DataFrame, scores: pd.DataFrame, mine: tuple[Moderation, ...], method: str,
    settings: Mapping[str, Any], level: float, notes: list[str],
) -> pd.DataFrame:  # fmt: skip
    """A lever's effect on each customer: effect_LEVER and its _se, _lower, _upper, _sure and _beyond."""
    lever, outcome = mine[0].predictor, mine[0].outcome
    names = tuple(m.moderator for m in mine)
    text = spec.syntax(
        interactions=[m.label for m in mine], controls=controls_beside(spec, {lever, *names}, frame)
    )
    result = moderate(text, frame, **{**settings, "method": method})
    if not result.status.converged:
        notes.append(f"The model of {lever} did not converge; its effects are not to be read.")
    effects = result.conditional_effects(outcome, lever, names, level=level)
    latent = [n for n in names if n in scores]
    source = scores.join(frame[[n for n in names if n not in latent]])
    at = {n: source[n].to_numpy(np.float64) for n in names}
    whole = np.all([np.isfinite(v) for v in at.values()], axis=0)
    filled = {n: np.where(np.isfinite(v), v, np.nanmean(v)) for n, v in at.items()}
    table = effects.at(filled)
    step = {n: effects.effect({**filled, n: filled[n] + 1.0}) - effects.effect(filled) for n in latent}
    variance = table["se"].to_numpy() ** 2
    for n in latent:
        variance = variance + (step[n] * scores[f"{n}_se"].to_numpy()) ** 2
    est, se = table["est"].to_numpy(), np.sqrt(variance)
    half = float(ndtri((1 + level) / 2))
    sure = ndtr(np.abs(est) / se)
    columns = {"": est, "_se": se, "_lower": est - half * se, "_upper": est + half * se, "_sure": sure}
    out = pd.DataFrame({f"effect_{lever}{k}": np.where(whole, v, np.nan) for k, v in columns.items()})
    out[f"effect_{lever}_beyond"] = table["extrapolated"].to_numpy() & whole
    return out.set_index(scores.index)


def _suggestions(rows: pd.DataFrame, lever: str) -> list[str]:
    """More or less of a lever where the interval of its effect excludes zero; else nothing is suggested."""
    lower, upper = rows[f"effect_{lever}_lower"], rows[f"effect_{lever}_upper"]
    return [
        f"{MORE} {lever}" if low > 0 else f"{LESS} {lever}" if high < 0 else ""
        for low, high in zip(lower, upper, strict=True)
    ]


def _code(one: str, key: bytes) -> str:
    return f"P{hashlib.blake2b(one.encode(), key=key, digest_size=6).hexdigest()}"
