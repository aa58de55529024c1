"""`method="sam"`: latent interactions by structural-after-measurement estimation, made for small samples.

Rosseel, Y., & Loh, W. W. (2022). A structural after measurement approach to structural equation modeling.
Psychological Methods, 29, 561–588 (local SAM). Wall, M. M., & Amemiya, Y. (2000, 2003), for the products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import DataError, SpecError
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.optimizer import Outcome, Solution
from sem_models.estimation.options import Options, resolve
from sem_models.inference.provenance import Provenance
from sem_models.inference.result import Fit
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array, IntArray, build_ram
from sem_models.moderation.products.pairs import Measured
from sem_models.moderation.statement import Statement, check_factors, labeled_text, read_statement
from sem_models.moderation.two_stage.assembly import Assembly, joint_covariance, whole_table
from sem_models.moderation.two_stage.blocks import Stages, stages_of
from sem_models.moderation.two_stage.corrected import (
    Stage,
    covariance_influence,
    covariance_slopes,
    share_of_correction,
)
from sem_models.moderation.two_stage.mapping import Answers, scorable
from sem_models.moderation.two_stage.measurement import Measurement, measured
from sem_models.moderation.two_stage.result import TwoStageModeration
from sem_models.moderation.two_stage.solved import TwoStageSolved
from sem_models.moderation.two_stage.structure import (
    reordered,
    slopes_by_moments,
    solve_structure,
    structure_table,
)
from sem_models.moderation.two_stage.unbiased import monomials_of
from sem_models.observed.frame import frame_with_rows
from sem_models.observed.sample import numeric_columns, sample_from_data

if TYPE_CHECKING:
    import pandas as pd

MISSING = ("listwise", "fiml")


def moderate_two_stage(
    model: Any, data: Any, *, estimator: str = "ML", missing: str = "listwise", group: str | None = None,
    ordered: Sequence[str] | bool = (), seed: int | None = None, **options: Any,
) -> TwoStageModeration:  # fmt: skip
    """Estimate latent interactions and quadratics in two stages.

    Each construct is measured by itself; the covariances of constructs and products follow from Bartlett's
    factor scores, corrected for their error, without an assumption on the constructs' distribution; the
    paths are fitted to them. Errors are the sandwich of both stages (`covariance_influence`). missing "fiml"
    fits the measurement to all answers and takes the paths from the rows with an answer to every construct.

    Raises SpecError, DataError, and ConvergenceError where a stage has no solution.
    """
    frame = _checked(data, estimator, missing, group, ordered, options)
    text = labeled_text(model, ("",), (), options)
    statement = read_statement(text)
    check_factors(statement, frame.columns)
    if not statement.latent_products:
        raise SpecError(
            "No product has a latent factor, so there is no measurement to go first. Products of observed "
            "columns are ordinary predictors: use sm.fit(model, data)."
        )
    _need_main_effects(statement)
    resolved = options_of(missing, seed, options)
    spec_id = getattr(model, "id", None) or "custom"
    try:
        found = two_stage(statement, frame, resolved, text=text, spec_id=spec_id)
    except np.linalg.LinAlgError:
        raise DataError(
            "The constructs' scores or products are collinear in these data, so their moments cannot be "
            "corrected. Drop a product, or use method='rapi'."
        ) from None
    products = tuple(Measured(p, (), (), frozenset()) for p in statement.latent_products)
    centers = {
        name: (float(found.column_means[name]),)
        for p in statement.latent_products for name in p.factors if name not in p.latent
    }  # fmt: skip
    return TwoStageModeration(
        found.fit, statement, "sam", products, centers, {}, {"share": found.share}, found.measurement
    )


@dataclass(frozen=True, slots=True)
class TwoStageFound:
    """The whole model as fitted, stage one, the share of the correction, and the columns' means."""

    fit: Fit
    measurement: Measurement
    share: float
    column_means: Mapping[str, float]


def two_stage(
    statement: Statement, frame: pd.DataFrame, options: Options, *, text: str, spec_id: str = "custom"
) -> TwoStageFound:
    """Both stages of a statement, which may be without products: then it is local SAM."""
    stages = stages_of(statement)
    structure = structure_table(stages.structure, stages.latents, options)
    table = whole_table(statement, stages, structure, replace(options.table, meanstructure=True))
    sample = sample_from_data(frame, table.variables.observed, missing=options.missing, has_means=True)
    assert sample.rows is not None
    used = frame.iloc[sample.rows[0].position]
    measurement = measured(stages.blocks, used, missing=options.missing)
    stage, kept = _stage(stages, measurement, used)
    stage = replace(stage, share=share_of_correction(stage))
    names = stages.names
    cov = np.asarray(stage.cov(measurement.free, stage.no_shift))
    solved = solve_structure(structure, names, cov, len(kept), options)
    assembly = Assembly(table, measurement, structure, stages)
    means = stage.answers.columns.mean(axis=0)
    at = (measurement.free, np.asarray(solved.point.free), means)
    influences = _influences(stage, kept, len(used), solved, names)
    both = joint_covariance(assembly.jacobian(*at), influences)
    ram = build_ram(table, sample.cov, sample.mean)
    free = np.asarray(assembly.values(*at), dtype=np.float64)
    params = np.asarray(np.linalg.lstsq(ram.reduction, free - ram.offset, rcond=None)[0])
    objective = NormalTheory(ram, sample.patterns, sample.mean)
    point = objective.at(params)
    if point is None:
        raise DataError(
            "The two stages together imply no positive definite covariance matrix: the sample is too small "
            "for this model. Use fewer constructs, or method='rapi'."
        )
    solution = Solution(point, np.zeros(len(params)), Outcome.CONVERGED, solved.solution.iterations, 0.0)
    cautions = _cautions(stage.share, len(used) - len(kept))
    whole = TwoStageSolved(table, ram, sample, options, objective, solution, both, *cautions)
    fit = Fit(whole, text, spec_id, Provenance(sample, text, options))
    return TwoStageFound(fit, measurement, stage.share, dict(zip(stages.columns, means, strict=True)))


def _influences(
    stage: Stage, kept: IntArray, n_rows: int, solved: Solved, names: Sequence[str]
) -> tuple[Array, Array, Array]:
    """What each row (n_rows, …) moves: stage one's free rows, stage two's, the columns' means."""
    first = stage.measurement.influence(n_rows)
    moments = first @ covariance_slopes(stage)
    moments[kept] += covariance_influence(stage)
    wanted = reordered(names, solved.table.variables.observed)
    second = moments[:, wanted] @ slopes_by_moments(solved).T @ solved.ram.reduction.T
    columns = stage.answers.columns
    means = np.zeros((n_rows, columns.shape[1]))
    means[kept] = (columns - columns.mean(axis=0)) / len(kept)
    return first, second, means


def _stage(stages: Stages, measurement: Measurement, used: pd.DataFrame) -> tuple[Stage, IntArray]:
    """The corrected covariances as a function of stage one, and the places of the rows they come from."""
    items = numeric_columns(used, stages.items)
    columns = numeric_columns(used, stages.columns) if stages.columns else np.empty((len(used), 0))
    lam = measurement.matrices(measurement.free, stages.latents, stages.items)[0]
    kept = np.flatnonzero(scorable(items, lam) & np.isfinite(columns).all(axis=1))
    if len(kept) <= len(stages.latents) + len(stages.columns) + len(stages.products):
        raise DataError(
            f"Only {len(kept)} rows have an answer to every construct, fewer than method='sam' needs for "
            "this model. Use method='dblcent' with missing='fiml'."
        )
    plain = (*stages.latents, *stages.columns)
    place = {name: i for i, name in enumerate(plain)}
    products = [[place[factor] for factor in name.split(":")] for name in stages.products]
    monomials = monomials_of(len(plain), products)
    answers = Answers.of(items[kept], columns[kept])
    return Stage(answers, measurement, stages.latents, stages.items, monomials), kept


def _cautions(share: float, left_out: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What makes the solution inadmissible, and what is to be said beside it."""
    improper: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    if share < 1.0:
        improper = (
            "The covariances of the constructs and products, corrected for measurement error, were not "
            f"positive definite; {100 * share:.0f} % of the correction was made (Fuller, 1987). Paths are "
            "attenuated by the rest.",
        )
    if left_out:
        notes = (
            f"{left_out} rows without an answer to every construct inform the measurement, not the paths.",
        )
    return improper, notes


def options_of(missing: str, seed: int | None, options: Mapping[str, Any]) -> Options:
    found = resolve(
        {**options, "information": "observed", "fixed_x": False, "meanstructure": True}, estimator="ML",
        missing=missing, group=None, group_equal=(), group_partial=(), engine="native", seed=seed,
        has_groups=False, has_intercepts=False, has_sample_mean=False,
    )  # fmt: skip
    return replace(found, table=replace(found.table, meanstructure=False))


def _need_main_effects(statement: Statement) -> None:
    named = {n for f in statement.syntax.formulas if ":" not in f.lhs + f.rhs for n in (f.lhs, f.rhs)}
    for product in statement.latent_products:
        for factor in product.factors:
            if factor not in named:
                raise SpecError(
                    f"'{factor}' in the product '{product.name}' is a column, but no variable of the model. "
                    f"Add its own effect: {product.outcomes[0]} ~ {factor} + {product.name}."
                )


def _checked(
    data: Any, estimator: str, missing: str, group: str | None, ordered: Any, options: Mapping[str, Any]
) -> pd.DataFrame:
    """The data frame; SpecError or DataError for what method="sam" cannot do, before anything is fitted."""
    if any(options.get(name) is not None for name in ("sample_cov", "sample_nobs")):
        data = None
    frame = frame_with_rows(data, "method='sam' scores")
    if str(estimator).upper() not in ("ML", "MLR"):
        raise SpecError(
            f"estimator='{estimator}' does not go with method='sam': both stages are maximum likelihood, "
            "with errors that do not count on normal answers. Leave it out."
        )
    if missing not in MISSING:
        raise SpecError(f"missing='{missing}' does not go with method='sam'. Use 'listwise' or 'fiml'.")
    if ordered is True or (not isinstance(ordered, bool) and len(tuple(ordered))):
        raise SpecError(
            "method='sam' cannot treat ordered items yet: its scores are linear in the answers. Leave out "
            "ordered= to treat items with five or more categories as continuous."
        )
    if group is not None:
        raise SpecError(
            "method='sam' has no groups yet. Use method='dblcent' with group=, or fit each group by itself."
        )
    allowed = ("auto_cov_y", "constraints", "max_iterations", "group_equal", "group_partial")
    for name, value in options.items():
        if name not in allowed and value not in (None, False, "default"):
            raise SpecError(f"method='sam' cannot honor {name}={value!r} yet. Leave it out.")
    return frame
