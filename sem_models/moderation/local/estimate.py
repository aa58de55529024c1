"""`moderate_local`: a model's parameters along a continuous moderator, by local structural equation
models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sem_models.moderation.local.draws import bootstrap_points, check_draws, permute_points
from sem_models.moderation.local.kernel import Kernel
from sem_models.moderation.local.points import points_of
from sem_models.moderation.local.problem import local_problem
from sem_models.moderation.local.result import LocalModeration
from sem_models.moderation.local.solve import solve_points

OPTIONS = (
    "grid", "grid_range", "h", "bandwidth", "kernel", "residualize", "bootstrap", "permutations", "progress",
)  # fmt: skip
"""Options of local models beside those of `sm.fit`."""


def moderate_local(
    model: Any,
    data: Any,
    *,
    moderator: str | None = None,
    grid: int | Sequence[float] = 30,
    grid_range: tuple[float, float] = (0.05, 0.95),
    h: float = 1.1,
    bandwidth: float | None = None,
    kernel: Kernel = "gaussian",
    residualize: bool = True,
    bootstrap: int = 0,
    permutations: int = 0,
    group_equal: str | Sequence[str] = (),
    group_partial: str | Sequence[str] = (),
    estimator: str = "ML",
    missing: str = "listwise",
    seed: int | None = None,
    progress: bool = True,
    **options: Any,
) -> LocalModeration:
    """Fit the model around each focal point of a continuous moderator, customers weighted by a kernel.

    Parameters
    ----------
    model, data
        As in `sm.fit`. The moderator is a column that is not in the model.
    moderator : str
        A numeric column without missing values.
    grid : int or sequence of float
        Number of focal points, evenly between the quantiles `grid_range` of the moderator; or their values.
    h, bandwidth : float
        The bandwidth is h · SD · N^(−1/5), or as given in the moderator's units.
    kernel : "gaussian", "epanechnikov", "uniform"
    residualize : bool
        Take the items' local regression lines on the moderator out before covariances are taken, so that
        means which follow the moderator do not count as covariation; the mean is the line's height at the
        point.
    bootstrap : int
        Resamples of the customers for errors and bands; 0 takes the kernel-weighted sandwich.
    permutations : int
        Permutations of the moderator for the tests of constancy; 0 for none.
    group_equal, group_partial
        Families of parameters equal over the focal points, and exceptions: all are then estimated together.
    missing : "listwise" or "fiml"
        "fiml" weighs each incomplete row's likelihood by the kernel.
    seed : int, optional
        Of bootstrap and permutations; the same numbers whatever the batches.
    **options
        Those of `sm.fit`, sampling_weights and cluster among them.

    Raises
    ------
    SpecError, DataError
        Before the local fits start, each naming what is wrong, where, and what to do.
    """
    check_draws("bootstrap", bootstrap)
    check_draws("permutations", permutations)
    problem = local_problem(
        model, data, moderator=moderator, grid=grid, grid_range=grid_range, h=h, bandwidth=bandwidth,
        kernel=kernel, residualize=residualize, group_equal=group_equal, group_partial=group_partial,
        estimator=estimator, missing=missing, options=options,
    )  # fmt: skip
    points = points_of(problem.window, problem.rows, residualize=problem.residualize)
    solution = solve_points(problem, points)
    drawn = permuted = None
    if bootstrap:
        drawn = bootstrap_points(problem, solution, bootstrap, seed, progress=progress)
    if permutations:
        permuted = permute_points(problem, solution, permutations, seed, progress=progress)
    settings = {
        "moderator": moderator, "grid": tuple(float(v) for v in problem.window.grid), "h": problem.h,
        "bandwidth": problem.window.bandwidth, "kernel": kernel, "residualize": problem.residualize,
        "bootstrap": int(bootstrap), "permutations": int(permutations), "seed": seed,
        "group_equal": problem.group_equal, "group_partial": problem.group_partial,
    }  # fmt: skip
    return LocalModeration(problem, solution, drawn, permuted, settings)
