"""Structural equation modeling for service research. `import sem_models as sm`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "fit": "sem_models.estimation.fit",
    "Fit": "sem_models.inference.result",
    "load": "sem_models.model.spec",
    "ModelSpec": "sem_models.model.spec",
    "catalogue_names": "sem_models.model.spec",
    "Contrast": "sem_models.inference.contrasts",
    "load_fit": "sem_models.storage.files",
    "alignment": "sem_models.moderation.alignment.estimate",
    "invariance": "sem_models.moderation.groups",
    "moderate": "sem_models.moderation.moderate",
    "multiverse": "sem_models.moderation.multiverse.run",
    "probe": "sem_models.moderation.probing.probe",
    "masem": "sem_models.findings.masem",
    "merge_categories": "sem_models.observed.merged_categories",
    "mentions": "sem_models.findings.mentions",
    "necessity": "sem_models.findings.necessity",
    "scorecard": "sem_models.findings.scorecard",
    "preregister": "sem_models.findings.preregistration",
    "pool_correlations": "sem_models.findings.masem",
    "priorities": "sem_models.findings.priorities",
    "profiles": "sem_models.findings.profiles",
    "trade_off": "sem_models.findings.trade_off",
    "tree": "sem_models.moderation.tree.grow",
    "what_if": "sem_models.findings.what_if",
    "compare_treatment": "sem_models.findings.treatment",
    "replicate": "sem_models.findings.replication",
    "synthesize": "sem_models.findings.replication",
    "waves": "sem_models.moderation.waves",
    "SEMError": "sem_models.errors",
    "SpecError": "sem_models.errors",
    "DataError": "sem_models.errors",
    "IdentificationError": "sem_models.errors",
    "ConvergenceError": "sem_models.errors",
}

__all__ = [
    "Contrast",
    "ConvergenceError",
    "DataError",
    "Fit",
    "IdentificationError",
    "ModelSpec",
    "SEMError",
    "SpecError",
    "__version__",
    "alignment",
    "catalogue_names",
    "compare_treatment",
    "fit",
    "invariance",
    "load",
    "load_fit",
    "masem",
    "mentions",
    "merge_categories",
    "moderate",
    "multiverse",
    "necessity",
    "pool_correlations",
    "preregister",
    "priorities",
    "probe",
    "profiles",
    "replicate",
    "scorecard",
    "synthesize",
    "trade_off",
    "tree",
    "waves",
    "what_if",
]

if TYPE_CHECKING:
    from sem_models.errors import ConvergenceError, DataError, IdentificationError, SEMError, SpecError
    from sem_models.estimation.fit import fit
    from sem_models.findings.masem import masem, pool_correlations
    from sem_models.findings.mentions import mentions
    from sem_models.findings.necessity import necessity
    from sem_models.findings.preregistration import preregister
    from sem_models.findings.priorities import priorities
    from sem_models.findings.profiles import profiles
    from sem_models.findings.replication import replicate, synthesize
    from sem_models.findings.scorecard import scorecard
    from sem_models.findings.trade_off import trade_off
    from sem_models.findings.treatment import compare_treatment
    from sem_models.findings.what_if import what_if
    from sem_models.inference.contrasts import Contrast
    from sem_models.inference.result import Fit
    from sem_models.model.spec import ModelSpec, catalogue_names, load
    from sem_models.moderation.alignment.estimate import alignment
    from sem_models.moderation.groups import invariance
    from sem_models.moderation.moderate import moderate
    from sem_models.moderation.multiverse.run import multiverse
    from sem_models.moderation.probing.probe import probe
    from sem_models.moderation.tree.grow import tree
    from sem_models.moderation.waves import waves
    from sem_models.observed.merged_categories import merge_categories
    from sem_models.storage.files import load_fit


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import sem_models` stays fast."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'sem_models' has no attribute '{name}'")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
