"""Two waves of the same customers: do the questions measure the same, has its level moved, does it last?

The same items asked twice are one group with two sets of columns: loadings, intercepts and residual variances
are held equal across the waves step by step, and the residuals of the same question may covary (Meredith &
Horn, 2001; Widaman, Ferrer & Conger, 2010, Child Development Perspectives, 4, 10–18).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from sem_models.errors import SpecError
from sem_models.estimation.fit import fit
from sem_models.inference.result import Fit
from sem_models.moderation.groups import ladder_step
from sem_models.moderation.retention import retained
from sem_models.observed.ordered_items import is_ordered

LEVELS = ("configural", "metric", "scalar", "strict")
OWN_OPTIONS = ("group", "group_equal", "group_partial", "meanstructure", "model_type", "std_lv")


@dataclass(frozen=True, slots=True)
class Waves:
    """The ladder over two waves: `table()`, `comparisons()`, `changes()`, `stability()`, `fits`."""

    constructs: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    fits: Mapping[str, Fit]

    def table(self) -> pd.DataFrame:
        """One row a level: level, converged, admissible, and all fit measures."""
        return pd.DataFrame(
            [
                {
                    "level": level, "converged": f.status.converged, "admissible": f.status.admissible,
                    **f.measures().to_dict(),
                }
                for level, f in self.fits.items()
            ]
        )  # fmt: skip

    def comparisons(self) -> pd.DataFrame:
        """Each level against the one before: level, against, chisq_diff, df_diff, pvalue, changes of
        fit measures, retained (the usual limits of the changes in fit)."""
        names = list(self.fits)
        rows = [
            ladder_step(level, self.fits[level], above, self.fits[above]) for above, level in pairwise(names)
        ]
        return pd.DataFrame([row | {"retained": retained(row)} for row in rows])

    def changes(self) -> pd.DataFrame:
        """Change of each latent mean from the first wave to the second, in first-wave standard deviations.

        Columns construct, est, se, z, pvalue, ci_lower, ci_upper. Needs equal intercepts (level "scalar").
        """
        return self._named("scalar", {c: f"change_{c}" for c in self.constructs})

    def stability(self) -> pd.DataFrame:
        """Correlation of each construct with itself over the waves; columns as `changes`, level "metric"."""
        return self._named("metric", {c: f"stability_{c}" for c in self.constructs})

    def _named(self, level: str, labels: Mapping[str, str]) -> pd.DataFrame:
        if level not in self.fits:
            raise SpecError(f"The level '{level}' was not fitted. Levels: {', '.join(self.fits)}.")
        table = self.fits[level].estimates().set_index("label")
        columns = ["est", "se", "z", "pvalue", "ci_lower", "ci_upper"]
        frame = table.loc[list(labels.values()), columns].reset_index(drop=True)
        frame.insert(0, "construct", list(labels))
        return frame


def waves(
    data: Any, constructs: Mapping[str, tuple[Sequence[str], Sequence[str]]], *,
    levels: Sequence[str] = LEVELS, **options: Any,
) -> Waves:  # fmt: skip
    """Longitudinal invariance of constructs asked in two waves.

    Parameters
    ----------
    data : DataFrame or Survey
        One row a customer, both waves side by side.
    constructs : mapping
        By name the items of the first and of the second wave, the same questions in the same order:
        {"PV": (["pvp1", "pvp2", "pvp3"], ["pv1", "pv2", "pv3"])}. At least two items each.
    levels : of "configural", "metric", "scalar", "strict"
    **options
        Options of `sm.fit`, such as estimator and missing.

    Raises
    ------
    SpecError
        For item lists that do not match, unknown levels, and options that the ladder sets itself.
    """
    named = {str(c): (tuple(first), tuple(second)) for c, (first, second) in constructs.items()}
    for name, (first, second) in named.items():
        if len(first) != len(second) or len(first) < 2:
            raise SpecError(
                f"'{name}' needs the same two or more questions in both waves; it has {len(first)} and "
                f"{len(second)} items."
            )
    if not named:
        raise SpecError("Name at least one construct with its items in both waves.")
    if len({i for pair in named.values() for part in pair for i in part}) != sum(
        2 * len(first) for first, _ in named.values()
    ):
        raise SpecError("An item is named twice; each question has one column a wave.")
    unknown = [level for level in levels if level not in LEVELS]
    if unknown or not levels:
        raise SpecError(
            f"levels= takes {', '.join(LEVELS)}, not {', '.join(map(repr, unknown)) or 'nothing'}."
        )
    own = [o for o in OWN_OPTIONS if o in options]
    if own:
        raise SpecError(f"{', '.join(own)} is set by the ladder itself and cannot be given.")
    ordered = [level for level in LEVELS if level in levels]
    named_items = options.get("ordered", ())
    types = getattr(data, "dtypes", {})
    asked = [item for pair in named.values() for items in pair for item in items]
    typed = any(is_ordered(types.get(item)) for item in asked)
    if typed or named_items is True or (named_items not in (None, False) and len(tuple(named_items))):
        raise SpecError(
            "waves() cannot treat the items as ordered yet: equal thresholds over time free the responses' "
            "scales, which its model text does not. Leave out ordered= and give numbers (estimator='MLR' for "
            "five or more categories), or write the model with shared threshold labels for sm.fit."
        )
    fits = {level: fit(wave_syntax(named, level), data, meanstructure=True, **options) for level in ordered}
    return Waves(named, fits)


def wave_syntax(constructs: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]], level: str) -> str:
    """The model text of one level; latents are named `PV.w1` and `PV.w2`.

    The first wave's variances are 1 and its means 0. Later ones are free once the loadings, and the
    intercepts, are equal. `stability_…` is the correlation over the waves, `change_…` the second mean.
    """
    lines = []
    equal = LEVELS.index(level)
    for name, (first, second) in constructs.items():
        for w, items in ((1, first), (2, second)):
            terms = []
            for k, item in enumerate(items):
                label = f"l_{name}_{k}" if equal >= 1 else f"l_{name}_{k}_{w}"
                start = "NA*" if k == 0 else ""
                terms.append(f"{start}{item} + {label}*{item}" if start else f"{label}*{item}")
            lines.append(f"{name}.w{w} =~ {' + '.join(terms)}")
            variance = "1*" if w == 1 or equal == 0 else f"NA*{name}.w2 + v_{name}*"
            lines.append(f"{name}.w{w} ~~ {variance}{name}.w{w}")
            mean = "0*1" if w == 1 or equal < 2 else f"NA*1 + change_{name}*1"
            lines.append(f"{name}.w{w} ~ {mean}")
            for k, item in enumerate(items):
                intercept = f"i_{name}_{k}*1" if equal >= 2 else "1"
                lines.append(f"{item} ~ {intercept}")
                residual = f"r_{name}_{k}*" if equal >= 3 else ""
                lines.append(f"{item} ~~ {residual}{item}")
        lines += [f"{a} ~~ {b}" for a, b in zip(first, second, strict=True)]
        lines.append(f"{name}.w1 ~~ s_{name}*{name}.w2")
        spread = f"/sqrt(v_{name})" if equal >= 1 else ""
        lines.append(f"stability_{name} := s_{name}{spread}")
    return "\n".join(lines)
