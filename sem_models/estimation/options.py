"""The options of `sm.fit`: lavaan's names in snake case, resolved to the values in force.

An option the engine does not know is an error with the near match; one that lavaan has and the engine
cannot honor yet is refused by name unless it is left at its default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from sem_models.errors import SpecError, did_you_mean
from sem_models.estimation.bounds import BOUNDS
from sem_models.estimation.data_options import (
    NAMES as DATA_NAMES,
)
from sem_models.estimation.data_options import (
    TWO_STAGE,
    DataOptions,
    clustered_errors,
    data_options,
    estimator_for,
    missing_method,
    refuse_rows,
)
from sem_models.estimation.estimators import (
    BOLLEN_STINE,
    ESTIMATORS,
    RESIDUAL_TESTS,
    SCALED_TESTS,
    STANDARD_ERRORS,
    YUAN_BENTLER,
    Discrepancy,
)
from sem_models.estimation.estimators import (
    LATER as LATER_ESTIMATORS,
)
from sem_models.estimation.information import (
    NAMES as INFORMATION,
)
from sem_models.estimation.information import (
    Information,
    as_options,
    informations,
)
from sem_models.estimation.ordinal_options import (
    check_conditional,
    defaults_of,
    estimator_of_items,
    parameterization,
    refuse_design_of_items,
    refuse_for_items,
    refuse_rows_of_items,
)
from sem_models.model.effect_coding import EFFECT_CODED
from sem_models.model.table import TableOptions

MODEL_TYPES: dict[str, dict[str, Any]] = {
    "sem": {},
    "cfa": {},
    "growth": {"int_ov_free": False, "int_lv_free": True, "meanstructure": True},
    "lavaan": {
        "int_ov_free": False, "auto_fix_first": False, "auto_fix_single": False, "auto_var": False,
        "auto_cov_lv_x": False, "auto_cov_y": False, "auto_th": False, "auto_delta": False,
    },
}  # fmt: skip

LATER: dict[str, tuple[Any, ...]] = {
    "auto_efa": (False, True),
    "zero_add": ("default",),
    "rotation": ("none", "geomin"),
    "level": (0.95,),
    "WLS_V": (None,),
    "NACOV": (None,),
    "composites": (True,),
    "correlation": (False,),
    "marker": (None,),
    "marker_int_zero": (False,),
    "ridge": (False, "default"),
    "group_w_free": (False,),
    "gamma_n_minus_one": (False,),
    "gamma_unbiased": (False,),
    "start": ("default", "simple", "mplus"),
    "rstarts": (0,),
    "em_h1_args": (None,),
    "mimic": ("default", "lavaan"),
    "ceq_simple": (False,),
    "do_fit": (True,),
    "baseline": (True,),
    "h1": (True,),
    "implied": (True,),
    "loglik": (True,),
    "store_vcov": (True, "default"),
    "check_start": (True,),
    "check_post": (True,),
    "check_gradient": (True,),
    "check_vcov": (True,),
    "check_lv_names": (True,),
    "optim_method": ("default", "nlminb"),
    "control": (None, {}),
    "verbose": (False,),
    "warn": (True,),
    "debug": (False,),
}
"""Options of lavaan that are not built or have no counterpart, with the values that change nothing."""

SE_NAMES = {
    "sandwich": "robust.huber.white", "robust.mlr": "robust.huber.white", "robust.mlm": "robust.sem",
    "boot": "bootstrap",
}  # fmt: skip
TEST_NAMES = {"bootstrap": BOLLEN_STINE, "boot": BOLLEN_STINE}
"""Other names that lavaan takes for errors and tests."""


@dataclass(frozen=True, slots=True)
class Options:
    """Everything `sm.fit` was asked, with defaults filled in."""

    estimator: str
    discrepancy: Discrepancy
    missing: str
    se: str
    test: tuple[str, ...]
    information: str
    model_type: str
    group: str | None
    table: TableOptions
    sample_cov_rescale: bool
    max_iterations: int
    check_identification: bool
    engine: str
    seed: int | None
    likelihood: str = "normal"
    rows: DataOptions = field(default_factory=DataOptions)
    bounds: str = "none"
    bootstrap: int = 1000
    std_ov: bool = False
    group_label: tuple[str, ...] = ()
    observed_information: str = "hessian"
    h1_information: str = "structured"
    test_information: Information = field(default_factory=lambda: Information("expected", "h1"))

    def as_dict(self) -> dict[str, Any]:
        """Flat mapping of all options, for provenance."""
        apart = ("table", "rows", "test_information")
        out = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in apart}
        out |= as_options(self.informations)
        for part in (self.rows, self.table):
            out |= {f.name: getattr(part, f.name) for f in fields(part)}
        return out

    @property
    def informations(self) -> tuple[Information, Information]:
        """The information of the errors and of the tests."""
        own = Information(self.information, self.observed_information, self.h1_information)
        return own, self.test_information

    @property
    def casewise_sandwich(self) -> bool:
        """Whether the errors are a sandwich of rows' (or clusters') scores."""
        return self.se in ("robust.huber.white", "robust.cluster")

    @property
    def scaled_test(self) -> str:
        """The scaled test that fit measures use: the first one asked for, or an empty string."""
        return next((t for t in self.test if t in SCALED_TESTS), "")

    @property
    def robust(self) -> bool:
        """Whether there is a scaled test."""
        return bool(self.scaled_test)


_SWITCHES = (
    "int_ov_free", "int_lv_free", "fixed_x", "orthogonal", "orthogonal_x", "orthogonal_y", "std_lv",
    "auto_fix_first",
    "auto_fix_single", "auto_var", "auto_cov_lv_x", "auto_cov_y", "meanstructure",
    "auto_th", "auto_delta",
)  # fmt: skip
_YES_NO = ("std_ov", "sample_cov_rescale", "check_identification")
_OWN = (
    "se",
    "test",
    *INFORMATION,
    "model_type",
    "sample_cov_rescale",
    "max_iterations",
    "check_identification",
    "likelihood",
    "bounds",
    "effect_coding",
    "constraints",
    "bootstrap",
    "std_ov",
    "group_label",
    "parameterization",
    "conditional_x",
)


_NAMED = (
    "estimator", "ordered", "missing", "group", "group_equal", "group_partial",
    "sample_cov", "sample_mean", "sample_nobs",
    "engine", "seed",
)  # fmt: skip
"""Options that `fit` names itself; offered as near matches too."""


OPTION_NAMES = (*_NAMED, *_SWITCHES, *_OWN, *DATA_NAMES, *LATER)
"""Every option of `sm.fit` by name."""


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
    items: tuple[tuple[str, int], ...] = (),
) -> Options:
    """Fill in lavaan's defaults; items are the ordered items with their numbers of categories. Raises
    SpecError for unknown, unsupported and contradictory options."""
    known = (*_SWITCHES, *_OWN, *DATA_NAMES, *LATER)
    for name, value in given.items():
        if name not in known:
            raise SpecError(
                f"fit() has no option '{name}'. {did_you_mean(name, (*_NAMED, *known), noun='options')}"
            )
        if name in _SWITCHES + _YES_NO and not (value is None or value in (True, False, "default")):
            raise SpecError(f"{name}={value!r} is not understood. Give True or False.")
        if name in LATER and not any(_same(value, neutral) for neutral in LATER[name]):
            raise SpecError(f"The engine cannot honor {name}={value!r} yet. Leave the option out.")
    group_label = given.get("group_label")
    if group_label is not None and not has_groups:
        raise SpecError("group_label= needs group=.")
    if engine not in ("native", "semopy"):
        raise SpecError(
            f"engine='{engine}' is unknown. {did_you_mean(engine, ('native', 'semopy'), noun='engines')}"
        )
    rows = data_options(given)
    asked_missing = str(missing).lower()
    missing = missing_method(missing)
    estimator = estimator_of_items(_estimator(estimator), items=bool(items))
    if items:
        refuse_rows_of_items(rows, missing, estimator)
    check_conditional(given, items=bool(items))
    named = estimator
    if items:
        refuse_design_of_items(estimator, rows)
    else:
        estimator = estimator_for(estimator, ESTIMATORS[estimator].discrepancy, rows)
    if estimator == "PML" and asked_missing == "available.cases":
        missing = asked_missing  # whose incomplete pairs count by the answer they have
    full = missing in ("fiml", "fiml.x")
    defaults = defaults_of(estimator, items=bool(items))
    if missing in TWO_STAGE:
        defaults = replace(defaults, se=missing, test="satorra.bentler")
    model_type = _one_of("model_type", given.get("model_type", "sem"), tuple(MODEL_TYPES))
    se = _default(given.get("se"), defaults.se).replace("-", ".").replace("_", ".")
    se = SE_NAMES.get(se, se)
    if items and se == "robust":
        se = "robust.huber.white" if estimator in ("PML", "MML") else "robust.sem"
    if se == "robust":
        se = "robust.huber.white" if full or estimator == "MLR" else "robust.sem"
    se = _one_of("se", se, STANDARD_ERRORS)
    if not (items and estimator == "WLS"):  # whose weights are the clusters' own
        se = clustered_errors(se, rows)
    tests = _tests(given.get("test"), defaults.test)
    likelihood = _one_of("likelihood", _default(given.get("likelihood"), "normal"), ("normal", "wishart"))
    _refuse_combinations(estimator, defaults.discrepancy, full, se, tests, likelihood)
    refuse_rows(
        replace(rows, cluster=None, sampling_weights=None) if items and missing != "listwise" else rows,
        estimator=estimator, discrepancy=defaults.discrepancy, missing=missing, se=se, tests=tests,
        likelihood=likelihood, engine=engine,
    )  # fmt: skip
    needs_observed = full or se in ("robust.huber.white", "robust.cluster")
    needs_observed |= se == "bootstrap" and bool(rows.design)  # for the scaled test
    asked = given.get("information")
    if asked == "first.order" and se == "standard":
        asked, se = None, "first.order"
    hessian = estimator == "MLR" and "yuan.bentler" not in tests
    # as lavaan: ML with clusters tests by h1, unless weights have made it MLR already
    hessian &= rows.cluster is None or rows.sampling_weights is not None or named == "MLR"
    for_errors, for_tests = informations(
        {**given, "information": asked}, default="observed" if needs_observed else "expected",
        made_for_tests="hessian" if hessian else "h1",
    )  # fmt: skip
    equal = (group_equal,) if isinstance(group_equal, str) else tuple(group_equal)
    equal = tuple(name.replace(".", "_") for name in equal)
    if items and "intercepts" in equal and "thresholds" not in equal:
        equal = (*equal, "thresholds")  # the level of a latent response is in its thresholds
    partial = (group_partial,) if isinstance(group_partial, str) else tuple(group_partial)
    if equal and not has_groups:
        raise SpecError("group_equal= needs group= (or covariance matrices of several groups).")
    switches = {
        **MODEL_TYPES[model_type],
        **{k: v for k, v in given.items() if k in _SWITCHES and v not in ("default", None)},
    }
    if defaults.discrepancy != "ML" and not items:
        switches.setdefault("fixed_x", False)  # lavaan takes covariates as fixed by maximum likelihood alone
    if "meanstructure" not in switches:
        switches["meanstructure"] = bool(
            has_groups
            or full
            or rows.cluster is not None
            or missing in TWO_STAGE
            or has_intercepts
            or has_sample_mean
            or items
            or {"intercepts", "means"} & set(equal)
        )
    elif not switches["meanstructure"] and (full or has_intercepts or items):
        raise SpecError(
            "meanstructure=False contradicts missing='fiml', ordered items and intercepts in the model. "
            "Leave it out."
        )
    effect_coding = _effect_coding(given, switches)
    if items:
        refuse_for_items(
            se=se, tests=tests, information=(for_errors, for_tests), likelihood=likelihood, engine=engine,
            std_ov=given.get("std_ov") is True, effect_coding=effect_coding,
            likelihood_of=estimator if estimator in ("PML", "MML") else "",
        )  # fmt: skip
    return Options(
        estimator, defaults.discrepancy, missing, se, tests, for_errors.kind, model_type, group,
        TableOptions(
            **switches, effect_coding=effect_coding,
            group_equal=equal, group_partial=partial, ordered=items, parameterization=parameterization(given),
        ),
        bool(given.get("sample_cov_rescale", True)), _iterations(given.get("max_iterations", 500)),
        bool(given.get("check_identification", True)), engine, seed, likelihood, rows,
        _bounds(given.get("bounds", "none")), _draws(given.get("bootstrap", 1000)),
        given.get("std_ov") is True, _labels(given.get("group_label")),
        for_errors.made, for_errors.moments, for_tests,
    )  # fmt: skip


def _tests(given: Any, default: str) -> tuple[str, ...]:
    """The tests asked for, the standard one always first."""
    names = [given] if given is None or isinstance(given, str) else list(given)
    known = ("standard", *SCALED_TESTS, *RESIDUAL_TESTS, BOLLEN_STINE)
    chosen = [_default(name, default).replace("-", ".").replace("_", ".") for name in names]
    chosen = [_one_of("test", TEST_NAMES.get(name, name), known) for name in chosen]
    return tuple(dict.fromkeys(["standard", *chosen]))


def _refuse_combinations(
    estimator: str, discrepancy: str, full: bool, se: str, tests: tuple[str, ...], likelihood: str
) -> None:
    """Combinations that have no meaning or are not built: one clear sentence each."""
    moment_based = se in ("robust.sem", "robust.cluster.sem", "robust.sem.nt") or any(
        t not in ("standard", BOLLEN_STINE, *YUAN_BENTLER) for t in tests
    )
    if full and (discrepancy not in ("ML", "MML") or moment_based):
        raise SpecError(
            f"{estimator} with these errors and tests works on complete rows. "
            "Use estimator='MLR' (or 'ML') with missing='fiml', or missing='listwise'."
        )
    casewise = bool(set(YUAN_BENTLER) & set(tests)) or se in ("robust.huber.white", "first.order")
    if discrepancy not in ("ML", "PML", "MML") and casewise:
        raise SpecError(
            f"{estimator} has no casewise likelihood. Use se='robust.sem' and test='satorra.bentler', "
            "or estimator='MLR'."
        )
    if likelihood == "wishart" and (discrepancy != "ML" or full):
        raise SpecError(
            "likelihood='wishart' is a matter of maximum likelihood with complete rows. Leave it out."
        )


def _labels(given: Any) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else tuple(map(str, given))


def _iterations(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < 0:
        raise SpecError(f"max_iterations={given!r} must be a whole number, as 500.")
    return int(given)


def _draws(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 10:
        raise SpecError(f"bootstrap={given!r} must be a whole number of draws, 1000 or more.")
    return given


def _bounds(given: Any) -> str:
    if given in (None, False):
        return "none"
    name = "standard" if given is True else str(given).lower().replace("_", ".")
    return _one_of("bounds", name, BOUNDS)


def _effect_coding(given: Mapping[str, Any], switches: Mapping[str, Any]) -> tuple[str, ...]:
    """The families that effect coding scales: both for True."""
    asked = given.get("effect_coding", ())
    if asked in (None, False, "", "default"):
        return ()
    names = EFFECT_CODED if asked is True else (asked,) if isinstance(asked, str) else tuple(asked)
    for name in names:
        _one_of("effect_coding", name, EFFECT_CODED)
    if "loadings" in names and switches.get("std_lv"):
        raise SpecError(
            "std_lv=True and effect coding of the loadings both set the constructs' scale. Keep one."
        )
    return tuple(n for n in names if n == "loadings" or switches["meanstructure"])


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
        turned = [e for e in ESTIMATORS if sorted(e) == sorted(upper)]  # the same letters come first
        hint = did_you_mean(upper, ESTIMATORS, noun="estimators")
        hint = f"Did you mean '{turned[0]}'? {hint.split('? ')[-1]}" if turned else hint
        raise SpecError(f"estimator='{name}' is unknown. {hint}")
    return upper
