"""The estimators by name: which discrepancy they minimize, and the errors and tests they bring along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Discrepancy = Literal["ML", "GLS", "ULS", "WLS", "DWLS", "PML", "MML"]
SCALED_TESTS = (
    "satorra.bentler", "scaled.shifted", "mean.var.adjusted", "yuan.bentler.mplus", "yuan.bentler",
)  # fmt: skip
YUAN_BENTLER = ("yuan.bentler.mplus", "yuan.bentler")
"""Scaled tests of the casewise likelihood."""
RESIDUAL_TESTS = ("browne.residual.nt", "browne.residual.nt.model", "browne.residual.adf")


@dataclass(frozen=True, slots=True)
class Estimator:
    """One estimator's defaults, as lavaan documents them for its `estimator=` argument."""

    discrepancy: Discrepancy
    se: str
    test: str


ESTIMATORS: dict[str, Estimator] = {
    "ML": Estimator("ML", "standard", "standard"),
    "MLR": Estimator("ML", "robust.huber.white", "yuan.bentler.mplus"),
    "MLM": Estimator("ML", "robust.sem", "satorra.bentler"),
    "MLMV": Estimator("ML", "robust.sem", "scaled.shifted"),
    "MLMVS": Estimator("ML", "robust.sem", "mean.var.adjusted"),
    "MLF": Estimator("ML", "first.order", "standard"),
    "GLS": Estimator("GLS", "standard", "standard"),
    "WLS": Estimator("WLS", "standard", "standard"),
    "ULS": Estimator("ULS", "robust.sem.nt", "browne.residual.nt"),
    "ULSM": Estimator("ULS", "robust.sem", "satorra.bentler"),
    "ULSMV": Estimator("ULS", "robust.sem", "scaled.shifted"),
    "ULSMVS": Estimator("ULS", "robust.sem", "mean.var.adjusted"),
    "DWLS": Estimator("DWLS", "standard", "standard"),
    "WLSM": Estimator("DWLS", "robust.sem", "satorra.bentler"),
    "WLSMV": Estimator("DWLS", "robust.sem", "scaled.shifted"),
    "WLSMVS": Estimator("DWLS", "robust.sem", "mean.var.adjusted"),
    "PML": Estimator("PML", "robust.huber.white", "mean.var.adjusted"),
    "MML": Estimator("MML", "standard", "standard"),
}
LATER = ("FML",)
BOLLEN_STINE = "bollen.stine"
STANDARD_ERRORS = (
    "standard", "robust.huber.white", "robust.sem", "robust.sem.nt", "first.order", "none",
    "bootstrap", "robust.cluster", "robust.cluster.sem", "two.stage", "robust.two.stage",
)  # fmt: skip
