"""A fit as plain Python values, ready for JSON; docs/fit-json.md describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sem_models.inference.result import Fit


def fit_as_dict(fit: Fit) -> dict[str, Any]:
    """Everything but the data: no row, no id, no group size below 5; NaN as None."""
    status, vcov = fit.status, fit.vcov()
    return {
        "schema": "sem_models.fit/1",
        "spec": fit.spec_id,
        "syntax": fit.syntax,
        "provenance": plain(fit.provenance),
        "options": plain(fit.options),
        "status": {
            "converged": status.converged,
            "stationary": status.stationary,
            "admissible": status.admissible,
            "reasons": list(status.reasons),
        },
        "n": {
            "available": fit.header.n_available,
            "used": fit.header.n_used,
            "dropped": fit.header.n_dropped,
            "groups": {k: n if n >= 5 else None for k, n in fit.header.groups.items()},
        },
        "attempts": [
            {"what": a.what, "method": a.method, "outcome": a.outcome.name.lower(),
             "iterations": a.iterations, "objective": plain(a.objective), "chosen": a.chosen}
            for a in fit.solved.solution.trail
        ],
        "estimates": plain(fit.estimates().to_dict("records")),
        "effects": plain(fit.effects().to_dict("records")),
        "measures": plain(fit.measures().to_dict()),
        "vcov": {"names": vcov.columns.tolist(), "rows": plain(vcov.to_numpy().tolist())},
    }  # fmt: skip


def plain(value: Any) -> Any:
    """JSON-ready copy: NumPy scalars to Python, NaN to None, tuples to lists."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
