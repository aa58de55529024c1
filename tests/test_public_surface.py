"""The public surface other programs rely on: names, keywords, columns in their order, defaults."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import data_schemas as ds
import sem_models as sm

MODEL = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ b*EDS\ntwice := 2*b"

ESTIMATES = [
    "lhs",
    "op",
    "rhs",
    "group",
    "label",
    "est",
    "se",
    "z",
    "pvalue",
    "ci_lower",
    "ci_upper",
    "std_lv",
    "std_all",
]
STANDARDIZED = ["lhs", "op", "rhs", "group", "label", "est_std", "se", "z", "pvalue", "ci_lower", "ci_upper"]
EFFECTS = [
    "group",
    "source",
    "target",
    "kind",
    "path",
    "est",
    "se",
    "z",
    "pvalue",
    "ci_lower",
    "ci_upper",
    "est_std",
    "se_std",
    "ci_lower_std",
    "ci_upper_std",
]
MEASURES = {
    "npar",
    "fmin",
    "chisq",
    "df",
    "pvalue",
    "baseline_chisq",
    "baseline_df",
    "baseline_pvalue",
    "cfi",
    "tli",
    "nnfi",
    "rfi",
    "nfi",
    "pnfi",
    "ifi",
    "rni",
    "logl",
    "unrestricted_logl",
    "aic",
    "bic",
    "ntotal",
    "bic2",
    "rmsea",
    "rmsea_ci_lower",
    "rmsea_ci_upper",
    "rmsea_ci_level",
    "rmsea_pvalue",
    "rmsea_close_h0",
    "rmsea_notclose_pvalue",
    "rmsea_notclose_h0",
    "rmr",
    "rmr_nomean",
    "srmr",
    "srmr_bentler",
    "srmr_bentler_nomean",
    "crmr",
    "crmr_nomean",
    "srmr_mplus",
    "srmr_mplus_nomean",
    "cn_05",
    "cn_01",
    "mfi",
    "ecvi",
    "pgfi",
}
ROBUST = {
    "chisq_scaled",
    "df_scaled",
    "pvalue_scaled",
    "chisq_scaling_factor",
    "baseline_chisq_scaled",
    "baseline_df_scaled",
    "baseline_pvalue_scaled",
    "baseline_chisq_scaling_factor",
    "cfi_scaled",
    "tli_scaled",
    "cfi_robust",
    "tli_robust",
    "rni_robust",
    "nnfi_robust",
    "rmsea_scaled",
    "rmsea_ci_lower_scaled",
    "rmsea_ci_upper_scaled",
    "rmsea_pvalue_scaled",
    "rmsea_robust",
    "rmsea_ci_lower_robust",
    "rmsea_ci_upper_robust",
    "rmsea_pvalue_robust",
    "scaling_factor_h0",
    "scaling_factor_h1",
}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(41)
    n = 200
    eds = rng.normal(size=n)
    pv = 0.5 * eds + 0.8 * rng.normal(size=n)
    frame = pd.DataFrame(
        {f"{s}{i}": v + 0.5 * rng.normal(size=n) for s, v in (("e", eds), ("p", pv)) for i in (1, 2, 3)}
    )
    frame["g"] = np.where(np.arange(n) % 2 == 0, "b", "a")
    return frame


@pytest.fixture(scope="module")
def fit(data: pd.DataFrame) -> sm.Fit:
    return sm.fit(MODEL, data)


def test_names() -> None:
    for name in (
        "fit", "Fit", "load", "ModelSpec", "invariance", "moderate", "multiverse", "SEMError", "SpecError",
        "DataError", "IdentificationError", "ConvergenceError",
    ):  # fmt: skip
        assert name in sm.__all__
        assert getattr(sm, name) is not None
    assert callable(ds.load)
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = sm.fitt
    for error in (sm.SpecError, sm.DataError, sm.IdentificationError, sm.ConvergenceError):
        assert issubclass(error, sm.SEMError)


def test_fit_signature() -> None:
    signature = inspect.signature(sm.fit)
    parameters = signature.parameters
    assert list(parameters)[:2] == ["model", "data"]
    defaults = {
        "estimator": "ML", "missing": "listwise", "group": None, "group_equal": (), "group_partial": (),
        "ordered": (),
        "sample_cov": None, "sample_mean": None, "sample_nobs": None, "engine": "native", "seed": None,
    }  # fmt: skip
    for name, default in defaults.items():
        assert parameters[name].default == default, name
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY, name
    assert parameters["options"].kind is inspect.Parameter.VAR_KEYWORD


OPTIONS = [
    "std_lv",
    "meanstructure",
    "fixed_x",
    "conditional_x",
    "orthogonal",
    "effect_coding",
    "parameterization",
    "likelihood",
    "se",
    "test",
    "information",
    "bootstrap",
    "sampling_weights",
    "cluster",
    "bounds",
    "auto_var",
    "int_ov_free",
    "int_lv_free",
    "auto_fix_first",
    "auto_fix_single",
    "auto_cov_lv_x",
    "auto_cov_y",
    "orthogonal_x",
    "orthogonal_y",
    "model_type",
    "sample_cov_rescale",
    "aux",
    "constraints",
]


@pytest.mark.parametrize("name", OPTIONS)
def test_lavaan_options_are_known_by_name(data: pd.DataFrame, name: str) -> None:
    """Under its snake-case name each is honored or refused as not built; none is unknown, none ignored."""
    column = name in ("cluster", "sampling_weights")
    with pytest.raises(sm.DataError if column else sm.SpecError, match=name) as caught:
        sm.fit(MODEL, data, **{name: "no such value"})
    assert "no option" not in str(caught.value)


def test_other_signatures() -> None:
    invariance = inspect.signature(sm.invariance).parameters
    assert invariance["levels"].default == ("configural", "metric", "scalar", "strict")
    assert invariance["group"].kind is inspect.Parameter.KEYWORD_ONLY
    multiverse = inspect.signature(sm.multiverse).parameters
    assert list(multiverse)[:2] == ["model", "data"]
    assert multiverse["methods"].default is None
    moderate = inspect.signature(sm.moderate).parameters
    assert moderate["method"].default == "dblcent"
    assert moderate["moderator"].default is None


def test_columns(fit: sm.Fit) -> None:
    assert fit.estimates().columns.tolist() == ESTIMATES
    assert fit.standardized().columns.tolist() == STANDARDIZED
    assert fit.effects().columns.tolist() == EFFECTS
    last = fit.estimates().iloc[-1]
    assert (last["lhs"], last["op"], last["rhs"], last["label"]) == ("twice", ":=", "2*b", "twice")
    assert (fit.estimates()["group"] == "").all()


def test_columns_with_groups(data: pd.DataFrame) -> None:
    fit = sm.fit("EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ EDS", data, group="g")
    table = fit.estimates()
    assert table.columns.tolist() == [*ESTIMATES, "level", "block"]
    assert table["group"].unique().tolist() == ["b", "a"]
    assert table["block"].unique().tolist() == [1, 2]
    assert set(fit.effects()["group"]) == {"a", "b"}
    assert set(table["op"]) == {"=~", "~", "~~", "~1"}


def test_measures(fit: sm.Fit, data: pd.DataFrame) -> None:
    measures = fit.measures()
    assert isinstance(measures, pd.Series)
    assert set(measures.index) >= MEASURES
    assert measures.dtype == float
    assert not any("." in name for name in measures.index)
    robust = sm.fit(MODEL, data, estimator="MLR").measures()
    assert set(robust.index) >= MEASURES | ROBUST
    assert robust[sorted(ROBUST)].notna().all()


def test_result_types(fit: sm.Fit) -> None:
    assert isinstance(fit.vcov(), pd.DataFrame)
    assert isinstance(fit.r_squared(), pd.Series)
    assert fit.r_squared().name == "r_squared"
    assert {"converged", "stationary", "admissible"} <= set(dir(fit.status))
    assert fit.options["estimator"] == "ML"
    assert {"data_hash", "spec_hash", "engine", "version", "options"} <= set(fit.provenance)
    assert "<Fit custom" in repr(fit)
    assert "EDS" in str(fit)


def test_tables_are_copies(fit: sm.Fit) -> None:
    """Changing a returned table changes no later one."""
    for method in (fit.estimates, fit.standardized, fit.effects, fit.vcov):
        table = method()
        before = table.copy()
        table.iloc[:, -1] = 0
        pd.testing.assert_frame_equal(method(), before)
    measures = fit.measures()
    chisq = measures["chisq"]
    measures["chisq"] = -1.0
    assert fit.measures()["chisq"] == chisq


def test_results_cannot_be_changed(fit: sm.Fit) -> None:
    with pytest.raises(AttributeError):
        fit.syntax = "other"  # type: ignore[misc]


def test_a_survey_and_a_specification_are_understood(data: pd.DataFrame) -> None:
    class Frame:
        data: pd.DataFrame

    class Survey:
        """What `fit` asks of a survey."""

        def analysis_frame(self) -> Frame:
            frame = Frame()
            frame.data = data
            return frame

    by_frame = sm.fit(MODEL, data)
    assert sm.fit(MODEL, Survey()).estimates()["est"].equals(by_frame.estimates()["est"])
    spec = sm.ModelSpec.from_syntax(MODEL)
    np.testing.assert_allclose(sm.fit(spec, data).measures()["chisq"], by_frame.measures()["chisq"])


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, sem_models as sm; heavy = {'altair', 'pingouin', 'papermill', 'pandera', "
        "'semopy', 'dask', 'docx', 'great_tables', 'pandas', 'scipy'} & set(sys.modules); "
        "print(sorted(heavy))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
