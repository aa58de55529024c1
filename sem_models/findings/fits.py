"""The fits that the claims of a specification need, each made once and only when a claim asks for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sem_models.errors import (
    ConvergenceError,
    DataError,
    IdentificationError,
    SEMError,
    SpecError,
    did_you_mean,
)
from sem_models.estimation.fit import fit
from sem_models.findings.by_groups import group_column
from sem_models.inference.result import Fit
from sem_models.model.parts import ClaimPart, Group, Moderation
from sem_models.model.spec import ModelSpec
from sem_models.moderation.group_comparison import GroupModeration, compare_groups
from sem_models.moderation.moderate import PRODUCTS, moderate


class NotTestable(Exception):
    """A claim that these data, or this specification, cannot speak to; its text says why."""


@dataclass(frozen=True, eq=False)
class ClaimFits:
    """Fits of a specification to one data frame, remembered by what they hold.

    options are those of `sm.fit`, interaction_options those of `sm.moderate` beside them. lacking are the
    constructs of the model whose items the data do not have; `spec` is without them.
    """

    @classmethod
    def of(
        cls, spec: ModelSpec, frame: pd.DataFrame, options: Mapping[str, Any], interactions: Mapping[str, Any]
    ) -> ClaimFits:
        """The fits of what the data can speak to. DataError where no path is left."""
        used = set(spec.items)
        lacking = tuple(
            c.id for c in spec.constructs if any(i in used and i not in frame for i in c.ordered_items)
        )
        reduced = _without(spec, lacking) if lacking else spec
        if not reduced.paths:
            items = [i for i in spec.items if i not in frame]
            raise DataError(
                f"The data lack {len(items)} of the {len(spec.items)} items of '{spec.id}', and no path of "
                f"the model can be estimated. {did_you_mean(items[0], frame.columns, noun='columns')}"
            )
        return cls(reduced, frame, options, interactions, lacking)

    spec: ModelSpec
    frame: pd.DataFrame
    options: Mapping[str, Any]
    interaction_options: Mapping[str, Any]
    lacking: tuple[str, ...] = ()
    _made: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> Fit:
        """The model of the paths, on all customers."""
        return self._once("plain", lambda: fit(self.spec, self.frame, **self.options))

    def with_controls(self, columns: tuple[str, ...]) -> Fit:
        """The same with controls, the columns of service records named."""
        self._need_columns(columns)
        text = self.spec.syntax(controls=[c.label for c in self.spec.controls if c.predictor in columns])
        return self._once(f"controls {columns}", lambda: fit(text, self.frame, **self.options))

    def capped(self, quantile: float) -> tuple[ClaimFits, dict[str, float]]:
        """The same with counts of the records capped at a quantile of theirs, and the caps by column.

        A count is a control whose values are whole numbers, none negative, more than two of them.
        """
        caps: dict[str, float] = {}
        for control in self.spec.controls:
            name = control.predictor
            if control.family != "records" or name not in self.frame or name in caps:
                continue
            seen = self.frame[name].dropna().to_numpy(np.float64)
            if len(np.unique(seen)) > 2 and (seen >= 0).all() and (seen == np.floor(seen)).all():
                caps[name] = float(np.quantile(seen, quantile, method="inverted_cdf"))
        if not caps:
            raise NotTestable("The data have no counts of contacts to cap.")

        def made() -> ClaimFits:
            frame = self.frame.assign(
                **{name: self.frame[name].clip(upper=cap) for name, cap in caps.items()}
            )
            return ClaimFits(self.spec, frame, self.options, self.interaction_options, self.lacking)

        return self._once(f"capped {quantile}", made), caps

    def group_of(self, part: ClaimPart) -> Group:
        """The grouping whose values the part's labels name, else the first whose column the data have."""
        if not self.spec.groups:
            raise NotTestable("The specification names no groups of customers.")
        named = group_column(part, self.spec.groups)
        asked = [g for g in self.spec.groups if g.column == named] or list(self.spec.groups)
        for group in asked:
            if group.column in self.frame:
                return group
        raise NotTestable(f"The data have no column '{asked[0].column}' that tells groups apart.")

    def groups(self, part: ClaimPart) -> GroupModeration:
        """The groups that a part compares, on top of the ladder of invariance."""
        group = self.group_of(part)
        return self._once(
            f"groups {group.column}",
            lambda: compare_groups(
                self.spec, self.frame, moderator=group.column, reference_group=group.reference,
                levels=("configural", "metric", "scalar"), **self.options,
            ),
        )  # fmt: skip

    def moderated(self, moderations: tuple[Moderation, ...]) -> Any:
        """The model with these interactions, one moderator's together."""
        ends = {end for m in moderations for end in m.ends}
        constructs = {c.id: c for c in self.spec.constructs}
        self._need_columns(tuple(end for end in ends if end not in constructs))
        for end in ends & set(constructs):
            self._need_items(end)
        controls = controls_beside(self.spec, ends, self.frame)
        labels = [m.label for m in moderations]
        text = self.spec.syntax(interactions=labels, controls=controls)
        key = f"moderated {sorted(labels)}"
        options = {**self.options, **self.interaction_options}
        if options.get("method", "dblcent") in PRODUCTS:
            # matched pairs (Marsh, Wen & Hau, 2004): all of them would be many indicators and slow
            options.setdefault("match", "position")
        return self._once(key, lambda: moderate(text, self.frame, **options))

    def _need_columns(self, columns: tuple[str, ...]) -> None:
        lacking = [c for c in columns if c not in self.frame]
        if lacking:
            raise NotTestable(f"The data have no {', '.join(sorted(lacking))}.")
        still = [c for c in columns if len(self.frame[c].dropna().unique()) == 1]
        if still:
            raise NotTestable(f"{', '.join(sorted(still))} is the same for all customers.")

    def _need_items(self, construct: str) -> None:
        items = next(c for c in self.spec.constructs if c.id == construct).ordered_items
        lacking = [i for i in items if i not in self.frame]
        if lacking:
            raise NotTestable(f"The data have no items of {construct} ({', '.join(lacking)}).")

    def _once(self, key: str, make: Any) -> Any:
        if key not in self._made:
            try:
                self._made[key] = make()
            except (DataError, SpecError, IdentificationError, ConvergenceError) as problem:
                self._made[key] = problem
        found = self._made[key]
        if isinstance(found, SEMError):
            if key == "plain":
                raise found
            raise NotTestable(f"Its model could not be fitted: {str(found).splitlines()[0]}")
        return found


def _without(spec: ModelSpec, lacking: tuple[str, ...]) -> ModelSpec:
    """The specification without some constructs and everything that leads to or from them."""
    gone = set(lacking)

    def kept(parts: Any, *ends: str) -> tuple[Any, ...]:
        return tuple(p for p in parts if not any(getattr(p, end) in gone for end in ends))

    return spec.model_copy(
        update={
            "constructs": tuple(c for c in spec.constructs if c.id not in gone),
            "paths": kept(spec.paths, "outcome", "predictor"),
            "controls": kept(spec.controls, "outcome"),
            "covariances": kept(spec.covariances, "first", "second"),
            "moderations": kept(spec.moderations, "outcome", "predictor", "moderator", "second"),
        }
    )


def controls_beside(spec: ModelSpec, ends: Collection[str], frame: pd.DataFrame) -> list[str]:
    """Labels of the controls a model with these variables needs: with one of a family come all of it.

    Counts of visits and calls are so controlled for one another.
    """
    families = {c.family for c in spec.controls if c.predictor in ends}
    return [c.label for c in spec.controls if c.family in families and c.predictor in frame]
