"""Which information the errors and the tests take, beside lavaan 0.6-14.

The figures are lavaan 0.6-14's on the data of simulated.py, as
`sem(model, data, missing =, estimator =, test =, information =, observed.information =, h1.information =)`:
the standard errors of the first three free parameters and the sum of all, scaling factors of the model and
of the baseline. lavaan stops about 1e-6 standard errors short of the optimum.
"""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

from .simulated import MODEL, clustered_survey, with_holes

ONE = "f =~ x1 + x2 + x3 + y1 + y2 + y3"
COVARIATES = "f =~ x1 + x2 + x3\nf ~ y1 + y2"
EXP, OBS, U, H1 = "expected", "observed", "unstructured", "h1"
ERRORS, SCALINGS = 5e-6, 2e-5

Case = tuple[str, str, dict[str, Any], list[float], float, float]
CASES: list[Case] = [
    ("full", MODEL, {"information": OBS, "observed_information": H1},
     [0.085583050, 0.088495945, 0.168626910, 1.535909080], nan, nan),
    ("full", MODEL, {"information": EXP, "h1_information": U},
     [0.085444427, 0.088101278, 0.166151947, 1.513493442], nan, nan),
    ("full", MODEL, {"information": OBS, "observed_information": H1, "h1_information": U},
     [0.085444427, 0.088101278, 0.166151947, 1.513493442], nan, nan),
    ("full", MODEL, {"information": "first.order", "h1_information": U},
     [0.077544378, 0.097697444, 0.249073732, 1.681859363], nan, nan),
    ("full", MODEL, {"estimator": "MLR"},
     [0.101427309, 0.078833800, 0.211455450, 2.171750988], 0.954680105, 1.646940920),
    ("full", MODEL, {"estimator": "MLR", "information": (EXP, OBS)},
     [0.101890209, 0.082466138, 0.174354887, 2.054062624], 0.954680105, 1.646940920),
    ("full", MODEL, {"estimator": "MLR", "information": (OBS, EXP)},
     [0.101427309, 0.078833800, 0.211455450, 2.171750988], 1.040109984, 1.646940920),
    ("full", MODEL, {"estimator": "MLR", "observed_information": H1},
     [0.103267268, 0.082506236, 0.191854122, 2.138077581], 0.962117267, 1.646940920),
    ("full", MODEL, {"estimator": "MLR", "observed_information": (H1, "hessian")},
     [0.103267268, 0.082506236, 0.191854122, 2.138077581], 0.954680105, 1.646940920),
    ("full", MODEL, {"estimator": "MLR", "h1_information": U},
     [0.104132023, 0.079229507, 0.238251432, 2.325226057], 0.557427642, nan),
    ("full", MODEL, {"estimator": "MLR", "information": EXP, "h1_information": U},
     [0.102587760, 0.082747525, 0.174612631, 2.064139095], 0.845584401, 0.969136721),
    ("full", MODEL, {"estimator": "MLR", "test": "yuan.bentler"},
     [0.101427309, 0.078833800, 0.211455450, 2.171750988], 0.962117267, 1.646940920),
    ("full", MODEL, {"estimator": "MLR", "test": "yuan.bentler", "h1_information": U},
     [0.104132023, 0.079229507, 0.238251432, 2.325226057], 0.845584401, 0.969136721),
    ("full", MODEL, {"test": "yuan.bentler"},
     [0.085461852, 0.088170443, 0.167147873, 1.525981434], 0.848658177, 1.236840118),
    ("full", MODEL, {"estimator": "MLM", "h1_information": U},
     [0.102587760, 0.082747525, 0.174612631, 2.064139095], 0.845584401, 0.969136721),
    ("full", MODEL, {"estimator": "MLM", "h1_information": ("structured", U)},
     [0.101890209, 0.082466138, 0.174354887, 2.054062624], 0.845584401, 0.969136721),
    ("full", MODEL, {"estimator": "MLM", "information": OBS},
     [0.101672568, 0.081325394, 0.196134133, 2.099354251], 0.838257916, 0.856774091),
    ("full", MODEL, {"estimator": "MLM", "information": OBS, "observed_information": H1},
     [0.101598161, 0.082444714, 0.174749503, 2.054608806], 0.838257916, 0.856774091),
    ("full", MODEL, {"estimator": "MLMV", "h1_information": U},
     [0.102587760, 0.082747525, 0.174612631, 2.064139095], 0.959270278, 1.132280007),
    ("full", MODEL, {"test": "satorra.bentler", "information": OBS},
     [0.085306787, 0.086103349, 0.173825248, 1.538705363], 0.838257916, 0.856774091),
    ("full", MODEL, {"estimator": "MLR", "meanstructure": True, "test": "yuan.bentler"},
     [0.101427309, 0.078833800, 0.211455450, 2.722756568], 0.962117257, 1.646940920),
    ("full", MODEL, {"estimator": "MLR", "group": "grp", "group_equal": "loadings", "test": "yuan.bentler"},
     [0.108081017, 0.080311538, 0.172205846, 6.299969833], 0.870517665, 1.113757103),
    ("full", MODEL, {"estimator": "MLR", "group": "grp", "group_equal": "loadings", "information": (EXP, OBS),
                     "h1_information": U},
     [0.094778298, 0.080261562, 0.110744100, 5.604585205], 0.517800004, nan),
    ("full", MODEL, {"estimator": "MLR", "sampling_weights": "w", "information": EXP, "h1_information": U},
     [0.107873684, 0.087739019, 0.204671631, 2.325577018], 0.999068751, 1.123815375),
    ("full", MODEL, {"estimator": "MLR", "sampling_weights": "w", "test": "yuan.bentler"},
     [0.106576480, 0.083607343, 0.221582009, 2.363259115], 1.120860546, 1.967095354),
    ("full", MODEL, {"cluster": "id", "information": EXP, "h1_information": U},
     [0.106769185, 0.079349506, 0.236690294, 2.872867509], 0.905230952, 1.052258414),
    ("full", ONE, {"estimator": "MLR", "test": "yuan.bentler"},
     [0.118003745, 0.088618915, 0.536697190, 4.013927189], 1.050238800, 1.646940920),
    ("full", ONE, {"estimator": "MLR", "h1_information": U},
     [0.178103171, 0.147297910, 0.647245905, 5.179086492], nan, nan),
    ("full", ONE, {"test": "yuan.bentler", "se": "robust.huber.white"},
     [0.118003745, 0.088618915, 0.536697190, 4.013927189], 0.869655610, 0.856774091),
    ("full", COVARIATES, {"estimator": "MLR", "information": EXP, "h1_information": U},
     [0.103221426, 0.081470458, 0.089200364, 0.793027457], 0.794019064, 1.057219303),
    ("full", COVARIATES, {"estimator": "MLR", "test": "yuan.bentler"},
     [0.100457192, 0.078669421, 0.090630137, 0.799661655], 0.791120526, 0.998911918),
    ("full", COVARIATES, {"test": "yuan.bentler"},
     [0.085421449, 0.088165028, 0.069310197, 0.743836267], 0.782548075, 1.110508010),
    ("full", COVARIATES, {"estimator": "MLM", "h1_information": U},
     [0.103221426, 0.081470458, 0.089200364, 0.793027457], 0.794019064, 1.057219303),
    ("full", ONE, {"estimator": "GLS", "information": OBS, "observed_information": H1},
     [0.090346054, 0.090141796, 0.162902076, 1.334898490], nan, nan),
    ("holes", MODEL, {"information": OBS, "observed_information": H1},
     [0.089970267, 0.091569498, 0.334353089, 2.501918098], nan, nan),
    ("holes", MODEL, {"information": EXP, "h1_information": U},
     [0.087226948, 0.091118682, 0.306578433, 2.434543332], nan, nan),
    ("holes", MODEL, {"estimator": "MLR", "information": EXP},
     [0.100628793, 0.084591171, 0.304347357, 3.024273823], 0.968435243, 1.351097947),
    ("holes", MODEL, {"estimator": "MLR", "observed_information": H1},
     [0.107660227, 0.085398675, 0.325040809, 3.086401229], 0.921597138, 1.342146420),
    ("holes", MODEL, {"estimator": "MLR", "information": EXP, "h1_information": U},
     [0.101391339, 0.084576686, 0.306253261, 3.037666486], 0.878320910, 0.971021727),
    ("holes", MODEL, {"estimator": "MLR", "test": "yuan.bentler"},
     [0.104444998, 0.083358528, 0.352390680, 3.125036459], 0.921597138, 1.342146420),
    ("holes", MODEL, {"test": "yuan.bentler"},
     [0.087950890, 0.089835875, 0.343370199, 2.511395165], 0.826118819, 0.930478467),
    ("holes", ONE, {"test": "yuan.bentler.mplus"},
     [0.097816172, 0.093804690, 0.216066680, 2.351765734], 0.990298543, 1.342146420),
    ("holes", COVARIATES, {"test": "yuan.bentler"},
     [0.206246454, 0.176300649, 0.054268745, 1.167159123], 0.744977812, 0.960898644),
    ("holes", COVARIATES, {"estimator": "MLR", "observed_information": H1},
     [0.222035950, 0.174323636, 0.064257980, 1.188113232], 0.750112482, 0.954919516),
]  # fmt: skip


@pytest.fixture(scope="module")
def data() -> dict[str, pd.DataFrame]:
    return {"full": clustered_survey(), "holes": with_holes()}


@pytest.mark.parametrize(("which", "model", "options", "errors", "scaling", "baseline"), CASES, ids=str)
def test_beside_lavaan(
    data: dict[str, pd.DataFrame], which: str, model: str, options: dict[str, Any], errors: list[float],
    scaling: float, baseline: float,
) -> None:  # fmt: skip
    fit = sm.fit(model, data[which], missing="listwise" if which == "full" else "fiml", **options)
    found = fit.estimates()["se"]
    found = found[found > 0]
    # errors of unstructured incomplete data hang on how exactly lavaan's EM ended
    allowed = ERRORS if which == "full" else 4 * ERRORS
    np.testing.assert_allclose([*found.iloc[:3], found.sum()], errors, rtol=allowed)
    measures = fit.measures()
    for name, expected in (("chisq", scaling), ("baseline_chisq", baseline)):
        factor = measures.get(f"{name}_scaling_factor", nan)
        np.testing.assert_allclose(factor, expected, rtol=SCALINGS)
    robust = fit.options["estimator"] in ("MLR", "MLM", "MLMV") or "test" in options
    if robust and which == "full" and np.isnan([scaling, baseline]).any():
        assert np.isnan(measures["cfi_robust"])
        assert "not positive" in fit.why("cfi_robust")


def test_robust_measures_of_a_scaled_test_on_incomplete_data(data: dict[str, pd.DataFrame]) -> None:
    # lavaan 0.6-14: sem(ONE, holes, missing = "ml", test = "yuan.bentler") and test = "yuan.bentler.mplus"
    for test in ("yuan.bentler", "yuan.bentler.mplus"):
        fit = sm.fit(ONE, data["holes"], missing="fiml", test=test)
        assert fit.measures()["cfi_robust"] == pytest.approx(0.754023449, abs=1e-5)


def test_several_scaled_tests_at_once(data: dict[str, pd.DataFrame]) -> None:
    """Each is what it is alone."""
    names = ["satorra.bentler", "yuan.bentler.mplus", "yuan.bentler"]
    together = sm.fit(MODEL, data["full"], test=names).tests().set_index("test")
    for name in names:
        alone = sm.fit(MODEL, data["full"], test=name).tests().set_index("test")
        assert together.loc[name, "stat"] == pytest.approx(alone.loc[name, "stat"], rel=1e-10)


def test_options_are_shown_as_asked(data: dict[str, pd.DataFrame]) -> None:
    shown = sm.fit(MODEL, data["full"], information=[EXP, OBS], h1_information=U).options
    assert shown["information"] == (EXP, OBS)
    assert shown["h1_information"] == U
    assert shown["observed_information"] == ("hessian", "h1")  # tests make it of the moments', as lavaan does


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"information": "expekted"}, "Did you mean 'expected'"),
        ({"observed_information": "h2"}, "observed_information='h2'"),
        ({"h1_information": (U, U, U)}, "one choice, or two"),
    ],
)
def test_values_that_are_none(data: dict[str, pd.DataFrame], options: dict[str, Any], message: str) -> None:
    with pytest.raises(sm.SpecError, match=message):
        sm.fit(MODEL, data["full"], **options)
