"""The options of `sm.fit`: lavaan's names in snake case, resolved to the values in force.

An option the engine does not know is an error with the near match; one that lavaan has and the engine
cannot honor yet is refused by name unless it is left at its default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.table import TableOptions

ESTIMATORS = ("ML", "MLR")
LATER_ESTIMATORS = (
    "MLM",
    "MLMV",
    "MLMVS",
    "MLF",
    "GLS",
    "WLS",
    "ULS",
    "DWLS",
    "WLSM",
    "WLSMV",
    "ULSM",
    "ULSMV",
    "PML",
)
MODEL_TYPES: dict[str, dict[str, Any]] = {
    "sem": {},
    "cfa": {},
    "growth": {"int_ov_free": False, "int_lv_free": True, "meanstructure": True},
    "lavaan": {
        "int_ov_free": False, "auto_fix_first": False, "auto_fix_single": False, "auto_var": False,
        "auto_cov_lv_x": False, "auto_cov_y": False,
    },
}  # fmt: skip

LATER: dict[str, tuple[Any, ...]] = {
    "conditional_x": (False, "default"),
    "effect_coding": (False, "", ()),
    "parameterization": ("delta", "default"),
    "bootstrap": (1000,),
    "sampling_weights": (None,),
    "cluster": (None,),
    "bounds": ("none", None, False),
    "aux": ((), None),
    "ordered": ((), None, False),
    "constraints": ("", None),
    "likelihood": ("normal", "default"),
    "auto_th": (True,),
    "auto_delta": (True,),
    "auto_efa": (False, True),
    "h1_information": ("structured", "default"),
    "observed_information": ("hessian", "default"),
    "zero_add": ("default",),
    "rotation": ("none", "geomin"),
    "level": (0.95,),
    "WLS_V": (None,),
    "NACOV": (None,),
}
"""Options of lavaan that are not built yet, with the values that change nothing."""


@dataclass(frozen=True, slots=True)
class Options:
    """Everything `sm.fit` was asked, with defaults filled in."""

    estimator: str
    missing: str
    se: str
    test: str
    information: str
    model_type: str
    group: str | None
    table: TableOptions
    sample_cov_rescale: bool
    max_iterations: int
    check_identification: bool
    engine: str
    seed: int | None

    def as_dict(self) -> dict[str, Any]:
        """Flat mapping of all options, for provenance."""
        flat = asdict(self)
        return {**{k: v for k, v in flat.items() if k != "table"}, **flat["table"]}

    @property
    def robust(self) -> bool:
        return self.test == "yuan.bentler.mplus"


_SWITCHES = (
    "int_ov_free", "int_lv_free", "fixed_x", "orthogonal", "orthogonal_x", "orthogonal_y", "std_lv",
    "auto_fix_first",
    "auto_fix_single", "auto_var", "auto_cov_lv_x", "auto_cov_y", "meanstructure",
)  # fmt: skip
_OWN = (
    "se",
    "test",
    "information",
    "model_type",
    "sample_cov_rescale",
    "max_iterations",
    "check_identification",
)


def resolve(
    given: Mapping[str, Any],
    *,
    estimator: str,
    missing: str,
    group: str | None,
    group_equal: str | Sequence[str],
    group_partial: str | Sequence[str],
    engine: str,
    seed: int | None,
    has_groups: bool,
    has_intercepts: bool,
    has_sample_mean: bool,
) -> Options:
    """Fill in lavaan's defaults. Raises SpecError for unknown, unsupported and contradictory options."""
    known = (*_SWITCHES, *_OWN, *LATER)
    for name, value in given.items():
        if name not in known:
            raise SpecError(f"fit() has no option '{name}'. {did_you_mean(name, known, noun='options')}")
        if name in LATER and not any(_same(value, neutral) for neutral in LATER[name]):
            raise SpecError(f"The engine cannot honor {name}={value!r} yet. Leave the option out.")
    if engine not in ("native", "semopy"):
        raise SpecError(
            f"engine='{engine}' is unknown. {did_you_mean(engine, ('native', 'semopy'), noun='engines')}"
        )
    estimator = _estimator(estimator)
    missing = _missing(missing)
    robust = estimator == "MLR"
    model_type = _one_of("model_type", given.get("model_type", "sem"), tuple(MODEL_TYPES))
    se = _default(given.get("se"), "robust.huber.white" if robust else "standard")
    se = _one_of(
        "se", {"robust": "robust.huber.white"}.get(se, se), ("standard", "robust.huber.white", "none")
    )
    test = _default(given.get("test"), "yuan.bentler.mplus" if robust else "standard")
    test = _one_of("test", test, ("standard", "yuan.bentler.mplus"))
    needs_observed = se == "robust.huber.white" or test == "yuan.bentler.mplus" or missing == "fiml"
    information = _default(given.get("information"), "observed" if needs_observed else "expected")
    information = _one_of("information", information, ("expected", "observed"))
    equal = (group_equal,) if isinstance(group_equal, str) else tuple(group_equal)
    equal = tuple(name.replace(".", "_") for name in equal)
    partial = (group_partial,) if isinstance(group_partial, str) else tuple(group_partial)
    if equal and not has_groups:
        raise SpecError("group_equal= needs group= (or covariance matrices of several groups).")
    switches = {
        **MODEL_TYPES[model_type],
        **{k: v for k, v in given.items() if k in _SWITCHES and v not in ("default", None)},
    }
    if "meanstructure" not in switches:
        switches["meanstructure"] = bool(
            has_groups
            or missing == "fiml"
            or has_intercepts
            or has_sample_mean
            or {"intercepts", "means"} & set(equal)
        )
    elif not switches["meanstructure"] and (missing == "fiml" or has_intercepts):
        raise SpecError(
            "meanstructure=False contradicts missing='fiml' and intercepts in the model. Leave it out."
        )
    return Options(
        estimator, missing, se, test, information, model_type, group,
        replace(TableOptions(), **switches, group_equal=equal, group_partial=partial),
        bool(given.get("sample_cov_rescale", True)), int(given.get("max_iterations", 500)),
        bool(given.get("check_identification", True)), engine, seed,
    )  # fmt: skip


def _same(value: Any, neutral: Any) -> bool:
    if isinstance(value, list):
        value = tuple(value)
    return type(value) is type(neutral) and value == neutral


def _default(value: Any, default: str) -> str:
    if value is None or value == "default":
        return default
    return str(value).lower()


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise SpecError(
            f"{option}='{value}' is not available. {did_you_mean(str(value), choices, noun='choices')}"
        )
    return value


def _estimator(name: str) -> str:
    upper = str(name).upper()
    if upper in LATER_ESTIMATORS:
        raise SpecError(
            f"The engine cannot estimate by {upper} yet. Use ML, or MLR for errors and tests robust "
            "to non-normality."
        )
    if upper not in ESTIMATORS:
        raise SpecError(
            f"estimator='{name}' is unknown. {did_you_mean(upper, ESTIMATORS, noun='estimators')}"
        )
    return upper


def _missing(name: str) -> str:
    lower = str(name).lower()
    if lower in ("ml", "fiml", "direct"):
        return "fiml"
    if lower in (
        "pairwise",
        "ml.x",
        "two.stage",
        "robust.two.stage",
        "available.cases",
        "doubly.robust",
        "fiml.x",
    ):
        raise SpecError(f"The engine cannot treat missing answers by '{name}' yet. Use missing='fiml'.")
    return _one_of("missing", lower, ("listwise", "fiml"))
