"""A study: one data file, one specification, one moderator. Each section is computed when asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.inference.result import Fit
from sem_models.moderation.group_comparison import GroupModeration, compare_groups
from sem_models.reports.section import Section
from sem_models.reports.sentences import first_lower
from sem_models.reports.settings import (
    amounts_of,
    categories_of,
    check_sizes,
    data_path,
    interactions_of,
    is_bundled,
    items_of,
    reference_of,
    schema_for,
    target_of,
)

if TYPE_CHECKING:
    import pandas as pd

    from data_schemas import Survey
    from sem_models.findings.treatment import Treatment
    from sem_models.model.spec import ModelSpec
    from sem_models.moderation.result import Moderation
    from sem_models.observed.merged_categories import Merged

SECTIONS = ("screening", "measurement", "structure", "treatment", "moderation", "latent_moderation")
TREATMENTS = ("continuous", "ordered")
PARCELS = 2
"""Means into which the ordered items of an interaction's constructs are gathered for their products."""
OF_ORDERED = {"MLR": "WLSMV", "ML": "WLSMV", "fiml": "pairwise"}
"""What takes the place of the defaults for continuous items."""


@dataclass(frozen=True, slots=True)
class Written:
    """What `Study.write` left on disk."""

    report: Path
    tables: tuple[Path, ...]
    charts: tuple[Path, ...]


@dataclass(frozen=True, repr=False)
class Study:
    """Open one with `Study.open`; then call a section (`screening()`, …) or `write()`.

    Printing it shows facts, never rows.
    """

    survey: Survey
    frame: pd.DataFrame
    spec: ModelSpec
    moderator: str | None
    reference_group: str | None
    estimator: str
    missing: str
    title: str
    simulated: bool
    source: str
    interactions: tuple[str, ...] = ()
    method: str = "dblcent"
    treat_as: str = "continuous"
    _done: dict[str, Section] = field(default_factory=dict, repr=False)

    @classmethod
    def open(
        cls,
        data: str | Path,
        *,
        model: str | Path | ModelSpec,
        schema: str | Path | None = None,
        moderator: str | None = None,
        reference_group: str | None = None,
        estimator: str = "MLR",
        missing: str = "fiml",
        title: str | None = None,
        interactions: str | Sequence[str] = (),
        method: str = "dblcent",
        treat_as: str = "continuous",
    ) -> Study:
        """Read and check everything a run needs, so that nothing fails after minutes.

        Parameters
        ----------
        data : path, or "example" for the bundled simulated survey
        model : name in the catalogue, path of a specification, or lavaan syntax
        schema : survey schema by name or path; by default the one named like the model, if there is one
        moderator : column of groups to compare; needed for `moderation()` only
        reference_group : label that differences are taken from; by default the specification's, else the
            first to appear in the data
        interactions : moderations of the specification by product ("EDS:ACT"; several by comma or in a list),
            for `latent_moderation()`; a model text holds its own
        method : how latent interactions are estimated, as in `sm.moderate`
        treat_as : rated items as "continuous", or as "ordered": by WLSMV and pairs of answers in place of MLR
            and FIML, which do not go with them

        Raises
        ------
        DataError, SpecError
            For a file, schema, model, item, moderator, group or option that does not fit, with the remedy.
        """
        import data_schemas as ds
        from sem_models.estimation.options import resolve
        from sem_models.model.spec import load

        if treat_as not in TREATMENTS:
            near = did_you_mean(str(treat_as), TREATMENTS, noun="treatments")
            raise SpecError(f"treat_as='{treat_as}' is unknown. {near}")
        if treat_as == "ordered":
            estimator, missing = (OF_ORDERED.get(option, option) for option in (estimator, missing))
        spec = load(model)
        path = data_path(data)
        survey = ds.load(path, schema=schema if schema is not None else schema_for(spec))
        frame = survey.analysis_frame().data
        wanted = interactions_of(spec, interactions, method)
        items = items_of(spec, wanted)
        missing_items = [item for item in items if item not in frame.columns]
        if missing_items:
            shown = ", ".join(f"'{i}'" for i in missing_items[:6]) + (" …" if len(missing_items) > 6 else "")
            near = did_you_mean(missing_items[0], frame.columns, noun="columns")
            raise DataError(
                f"The data lack {len(missing_items)} of the {len(items)} items of model '{spec.id}': "
                f"{shown}. {near}"
            )
        reference = reference_of(frame, spec, moderator, reference_group)
        if moderator is not None:
            check_sizes(frame, spec, moderator, missing)
        categories = categories_of(spec, frame) if treat_as == "ordered" else ()
        resolve(
            {}, estimator=estimator, missing=missing, group=moderator, group_equal=(), group_partial=(),
            engine="native", seed=None, has_groups=moderator is not None, has_intercepts=False,
            has_sample_mean=False, items=categories,
        )  # fmt: skip
        simulated = is_bundled(path)
        heading = f"{spec.title}, {path.name}" if spec.verbatim else spec.title
        return cls(
            survey, frame, spec, moderator, reference, estimator, missing,
            title or (f"{heading} (simulated example data)" if simulated else heading), simulated, path.name,
            wanted, method, treat_as,
        )  # fmt: skip

    @cached_property
    def fit(self) -> Fit:
        """The model on all customers."""
        from sem_models.estimation.fit import fit

        return fit(self.spec, self.frame, **self.options)

    @property
    def options(self) -> dict[str, Any]:
        """Options of every fit: estimator, missing, and the items that are ordered."""
        out: dict[str, Any] = {"estimator": self.estimator, "missing": self.missing}
        if self.treat_as == "ordered":
            from sem_models.findings.treatment import rated

            out["ordered"] = rated(self.spec, self.frame)
        return out

    @cached_property
    def both_ways(self) -> Treatment:
        """The model with its rated items as ordered and as continuous, on all customers."""
        from sem_models.findings.treatment import compare_treatment

        return compare_treatment(self.spec, self.frame)

    @cached_property
    def by_group(self) -> Merged:
        """The data for comparisons of groups: ordered items with categories that each group has chosen."""
        from sem_models.observed.merged_categories import Merged, merge_categories

        if self.treat_as != "ordered" or self.moderator is None:
            return Merged(self.frame, ())
        return merge_categories(self.frame, self.options["ordered"], group=self.moderator)

    @cached_property
    def group_moderation(self) -> GroupModeration:
        """Groups compared; SpecError without a moderator."""
        if self.moderator is None:
            raise SpecError("There is no moderator to compare groups by. Name the column: moderator='…'.")
        return compare_groups(
            self.spec, self.by_group.data, moderator=self.moderator, reference_group=self.reference_group,
            **self.options,
        )  # fmt: skip

    @cached_property
    def latent_result(self) -> Moderation:
        """The model with its latent interactions; SpecError where none was named."""
        from sem_models.moderation.moderate import moderate
        from sem_models.moderation.result import Moderation

        if not self.interactions:
            raise SpecError("No interaction was named. Open the study with interactions='EDS:ACT'.")
        text = self.spec.syntax(interactions=self.interactions)
        found = moderate(text, self.frame, method=self.method, **self._interaction_options)
        assert isinstance(found, Moderation)
        return found

    @property
    def _interaction_options(self) -> dict[str, Any]:
        """Options of latent interactions: of ordered items products take parcels, LMS the answers."""
        from sem_models.findings.treatment import rated
        from sem_models.moderation.moderate import PRODUCTS

        if self.treat_as != "ordered":
            return self.options
        if self.method in PRODUCTS:
            return {**self.options, "parcels": PARCELS}
        items = rated(self.spec, self.frame, items_of(self.spec, self.interactions))
        missing = "listwise" if self.missing == "listwise" else "fiml"
        return {"estimator": "ML", "missing": missing, "ordered": items}

    @property
    def construct_names(self) -> dict[str, str]:
        """Titles of constructs by id."""
        return {c.id: c.title for c in self.spec.constructs if c.title}

    @cached_property
    def names(self) -> dict[str, str]:
        """Titles of constructs and items by id; an item without one in the specification has the survey's."""
        book = self.survey.codebook()
        asked = {str(k): str(v) for k, v in zip(book["name"], book["title"], strict=True) if v}
        items = {i.id: i.title for c in self.spec.constructs for i in c.items if i.title}
        items = {k: v for k, v in asked.items() if k in self.spec.items} | items
        return {k: v.rstrip(". ") for k, v in items.items()} | self.construct_names

    @property
    def legend(self) -> str:
        """What the ids of the constructs stand for."""
        names = {k: v for k, v in self.construct_names.items() if k in self.constructs}
        return "; ".join(f"{id} {first_lower(title)}" for id, title in names.items())

    @property
    def moderator_title(self) -> str:
        """The moderator as it stands within a sentence: from the specification, the survey, or its name."""
        if self.moderator is None:
            return ""
        for group in self.spec.groups:
            if group.column == self.moderator and group.title:
                return first_lower(group.title)
        book = self.survey.codebook()
        titles = book.loc[book["name"] == self.moderator, "title"].tolist()
        return first_lower(titles[0]) if titles and titles[0] else self.moderator

    @property
    def constructs(self) -> dict[str, tuple[str, ...]]:
        """Item columns of each construct the model uses."""
        used = set(self.spec.items)
        found = {c.id: tuple(i for i in c.ordered_items if i in used) for c in self.spec.constructs}
        return {construct: items for construct, items in found.items() if items}

    def screening(self) -> Section:
        """Can the answers carry the analysis?"""
        return self._section("screening")

    def measurement(self) -> Section:
        """Do the items measure the constructs?"""
        return self._section("measurement")

    def structure(self) -> Section:
        """What goes with what?"""
        return self._section("structure")

    def treatment(self) -> Section:
        """Does it matter that answers are categories?"""
        return self._section("treatment")

    def moderation(self) -> Section:
        """Does it depend on the group?"""
        return self._section("moderation")

    def latent_moderation(self) -> Section:
        """Does it depend on a latent moderator?"""
        return self._section("latent_moderation")

    def scorecard(self) -> Section:
        """Which claims do the data support?"""
        return self._section("scorecard")

    def visits(self) -> Section:
        """Are visits and calls worth it, and for whom?"""
        return self._section("visits")

    def trade_off(
        self, *, outcome: str = "PV", takes: str = "EDS", gives: str = "OPS", costs: str | None = None,
        target: str | float | None = None,
    ) -> Section:  # fmt: skip
        """How much of one service makes up for less of another? costs as "EDS=2, OPS=1", target in points."""
        from sem_models.reports.findings.trade_off import section

        return section(
            self,
            outcome=outcome,
            takes=takes,
            gives=gives,
            costs=amounts_of(costs, "costs"),
            target=target_of(target),
        )

    def continuous_moderation(
        self, *, moderator: str, outcome: str = "PV", predictor: str = "EDS", h: float | str = 2.0,
        draws: int | str = 200,
    ) -> Section:  # fmt: skip
        """Does a path depend on a continuous moderator, a column or a construct outside the model?"""
        from sem_models.reports.findings.continuous_moderation import options_of, section

        smoothing, n = options_of(h, draws)
        return section(self, moderator=moderator, outcome=outcome, predictor=predictor, h=smoothing, draws=n)

    def multiverse(
        self, *, moderator: str, outcome: str = "PV", predictor: str = "EDS", h: float | str = 2.0
    ) -> Section:
        """Does it depend on the method whether a column or a construct moderates a path?"""
        from sem_models.reports.findings import multiverse
        from sem_models.reports.findings.continuous_moderation import options_of

        smoothing, _ = options_of(h, 0)
        return multiverse.section(
            self, moderator=moderator, outcome=outcome, predictor=predictor, h=smoothing
        )

    def profiles(
        self, *, levers: str | None = None, rows: str | Path | None = None, ids: str | None = None,
        pseudonymize: bool = True,
    ) -> Section:  # fmt: skip
        """Does one mix fit all? With `rows`, a row a customer goes to that file, named by column `ids`."""
        from sem_models.findings.profiles import profiles
        from sem_models.reports.findings.profiles import section

        if rows is not None and ids is None:
            raise SpecError("rows= needs ids=, the column that names the customers.")
        if ids is not None and ids not in self.frame:
            near = did_you_mean(ids, self.frame.columns, noun="columns")
            raise DataError(f"ids='{ids}' is not a column of the data. {near}")
        chosen = None if levers is None else [part.strip() for part in levers.split(",")]
        found = profiles(
            self.spec, self.frame, levers=chosen, method=self.method, **self.options,
        )  # fmt: skip
        if rows is not None and ids is not None:
            found.write(rows, ids=self.frame[ids], pseudonymize=pseudonymize)
        return section(self, found)

    def servuction(self) -> Section:
        """Do the claims hold, by groups, and do two waves measure alike?"""
        return self._section("servuction")

    def mentions(self, table: str | Path | None = None, provider: str | Path | None = None) -> Section:
        """What customers name freely: CSV files of coded mentions and of the provider's own list."""
        from sem_models.reports.findings import mentions

        own = self.simulated and self.source.startswith("servuction")
        return mentions.section(table, provider, simulated=own and table is None)

    def priorities(self, target: str = "BI", investment: str | None = None) -> Section:
        """What weighs for a target, how well is it done, and what is it never reached without?

        investment as "EDS=60, OPS=40" sets what is spent beside what weighs.
        """
        from sem_models.reports.findings import priorities

        return priorities.section(self, target, amounts_of(investment, "investment"))

    def replication(self, studies: str, published: str | None = None) -> Section:
        """Do published figures hold here, and what do the studies in a column say together?"""
        from sem_models.reports.findings import replication

        return replication.section(self, studies, published)

    def _section(self, name: str) -> Section:
        if name not in self._done:
            module = import_module(f"sem_models.reports.findings.{name}")
            self._done[name] = module.section(self)
        return self._done[name]

    def provenance(self) -> dict[str, Any]:
        """Data hash, spec hash, versions and options: what a rerun needs to give the same numbers."""
        mine = ("spec_hash", "data_hash")
        return self._given() | {k: v for k, v in self.fit.provenance.items() if k not in mine}

    def _given(self) -> dict[str, Any]:
        """The part of the provenance that needs no fit."""
        return {
            "data_file": self.source,
            "data_hash": self.survey.hash,
            "spec": f"{self.spec.id} {self.spec.version}",
            "spec_hash": self.spec.hash,
            "moderator": self.moderator,
            "reference_group": self.reference_group,
            "treat_as": self.treat_as,
            **({"interactions": list(self.interactions), "method": self.method} if self.interactions else {}),
        }

    def __repr__(self) -> str:
        groups = f", groups by {self.moderator} against {self.reference_group}" if self.moderator else ""
        return (
            f"<Study '{self.title}': {self.source}, {len(self.frame)} customers, {self.estimator}, "
            f"{'items as ordered, ' if self.treat_as == 'ordered' else ''}"
            f"missing={self.missing}{groups}; rows not shown>"
        )

    def _repr_html_(self) -> str:
        facts = {
            "data": f"{self.source}, {len(self.frame)} customers",
            "model": f"{self.spec.id} {self.spec.version}",
            "estimator": f"{self.estimator}, missing answers by {self.missing}",
            "items": f"treated as {self.treat_as}",
            "moderator": f"{self.moderator_title}, against {self.reference_group}" if self.moderator else "",
            "interactions": f"{', '.join(self.interactions)}, by {self.method}" if self.interactions else "",
            "sections": ", ".join(f"{name}()" for name in self._sections()),
        }
        rows = "".join(
            f"<tr><th style='text-align:left'>{k}</th><td style='text-align:left'>{escape(v)}</td></tr>"
            for k, v in facts.items()
            if v
        )
        return f"<table><caption><b>{escape(self.title)}</b></caption>{rows}</table>"

    def _sections(self) -> tuple[str, ...]:
        without = {
            "moderation": not self.moderator, "latent_moderation": not self.interactions,
            "treatment": self.treat_as != "ordered",
        }  # fmt: skip
        return tuple(s for s in SECTIONS if not without.get(s, False))

    def write(
        self,
        folder: str | Path,
        *,
        sections: Sequence[str] | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Written:
        """Write one self-contained report.html, and tables and charts as files beside it.

        Sections finished before an error stay on disk. Raises DataError when the folder cannot be written.
        """
        from sem_models.reports.page import page

        chosen = tuple(sections) if sections is not None else self._sections()
        for name in chosen:
            if name not in SECTIONS:
                near = did_you_mean(name, SECTIONS, noun="sections")
                raise SpecError(f"'{name}' is no section of the report. {near}")
        target = Path(folder)
        _record(target, self._given())
        files: list[Path] = []
        done: list[Section] = []
        for name in chosen:
            if progress is not None:
                progress(name)
            done.append(self._section(name))
            files += done[-1].save(target)
        provenance = self.provenance()
        _record(target, provenance)
        report = target / "report.html"
        report.write_text(page(self.title, done, provenance, simulated=self.simulated), encoding="utf-8")
        return Written(
            report,
            tuple(f for f in files if f.suffix == ".csv"),
            tuple(f for f in files if f.suffix != ".csv"),
        )


def _record(target: Path, provenance: dict[str, Any]) -> None:
    """Write provenance.json; DataError when the folder cannot be written, which this finds out first."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        content = json.dumps(provenance, indent=2, default=str, ensure_ascii=False)
        (target / "provenance.json").write_text(content, encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"The folder {target} cannot be written: {error.strerror}. Choose another output folder."
        ) from error
