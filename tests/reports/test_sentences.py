"""Sentences say what their interval supports, and no more."""

from __future__ import annotations

import pandas as pd
import pytest

from sem_models.inference.header import Status
from sem_models.reports import sentences as say
from sem_models.reports.section import prose

NAN = float("nan")
NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("est", "lower", "upper", "expected"),
    [
        (0.67, 0.43, 0.91, "Higher EDS is associated with higher PV: .67 standardized "
                           "(95 % interval [.43, .91])."),
        (-0.3, -0.5, -0.1, "Higher EDS is associated with lower PV: −.30 standardized "
                           "(95 % interval [−.50, −.10])."),
        (0.05, -0.24, 0.33, "No direct association of EDS with PV is detectable: .05 standardized "
                            "(95 % interval [−.24, .33])."),
        (0.18, -0.002, 0.37, "No direct association of EDS with PV is detectable: .18 standardized "
                             "(95 % interval [−.002, .37])."),
        (0.18, 0.002, 0.37, "Higher EDS is associated with higher PV: .18 standardized "
                            "(95 % interval [.002, .37])."),
        (0.18, -0.00004, 0.37, "No direct association of EDS with PV is detectable: .18 standardized "
                               "(95 % interval [.0000, .37])."),
        (0.5, NAN, NAN, "The association of EDS with PV has no interval: .50 standardized."),
    ],
)  # fmt: skip
def test_association(est: float, lower: float, upper: float, expected: str) -> None:
    assert say.association("PV", "EDS", est, lower, upper).replace(NBSP, " ") == expected


@pytest.mark.parametrize(
    ("est", "end"),
    [
        (0.75, "so their separate weights carry the uncertainty shown in the intervals."),
        (0.86, "above .85, so their separate weights cannot be told apart."),
    ],
)
def test_correlation_says_what_follows(est: float, end: str) -> None:
    sentence = say.correlation("staff", "network", est, 0.61, 0.89)
    assert sentence.startswith(f"Staff and network correlate {say.num(est)} (95 % interval [.61,")
    assert sentence.endswith(end)


@pytest.mark.parametrize(
    ("lower", "upper", "sign", "reason", "verdict"),
    [
        (0.1, 0.5, 1, "", "supported by these data"),
        (-0.5, -0.1, -1, "", "supported by these data"),
        (-0.5, -0.1, 1, "", "contradicted by these data"),
        (0.1, 0.5, -1, "", "contradicted by these data"),
        (-0.1, 0.5, 1, "", "undecided, the interval covers zero"),
        (0.1, 0.5, 1, "they correlate .91", "undecided, because they correlate .91"),
        (NAN, NAN, 1, "", "not testable, there is no interval"),
    ],
)
def test_contrast_verdict(lower: float, upper: float, sign: int, reason: str, verdict: str) -> None:
    est = 0.3 if lower != lower else (lower + upper) / 2
    sentence = say.contrast("C1", "a − b", est, lower, upper, "standardized", sign, reason=reason)
    assert sentence.startswith(f"C1: {verdict}. A − b = {say.num(est)} standardized")


def test_contrast_without_an_expected_sign_has_no_verdict() -> None:
    sentence = say.contrast("C4", "", 0.62, 0.28, 1.2, "raw", 0).replace(NBSP, " ")
    assert sentence == "C4: 0.62 unstandardized (95 % interval [0.28, 1.20])."


def _measures(**more: float) -> pd.Series:
    return pd.Series(
        {"df": 57.0, "chisq": 95.0, "pvalue": 0.001, "cfi": 0.97, "rmsea": 0.05, "rmsea_ci_lower": 0.03,
         "rmsea_ci_upper": 0.07, "srmr": 0.038, **more}
    )  # fmt: skip


def test_fit_sentence_plain() -> None:
    assert say.fit_sentence(_measures()).replace(NBSP, " ") == (
        "Exact fit is rejected: χ²(57) = 95.0, p = .001. CFI .970, RMSEA .050 (90 % interval [.030, .070]), "
        "SRMR .038."
    )


def test_fit_sentence_takes_robust_figures_where_they_are_defined() -> None:
    robust = _measures(
        chisq_scaled=70.0, pvalue_scaled=0.12, cfi_robust=0.975, rmsea_robust=0.052,
        rmsea_ci_lower_robust=0.0, rmsea_ci_upper_robust=0.073,
    )  # fmt: skip
    assert say.fit_sentence(robust).replace(NBSP, " ") == (
        "Exact fit is not rejected: scaled χ²(57) = 70.0, p = .120. Robust CFI .975, robust RMSEA .052 "
        "(90 % interval [.000, .073]), SRMR .038."
    )
    undefined = _measures(
        chisq_scaled=70.0, pvalue_scaled=0.12, cfi_robust=NAN, rmsea_robust=NAN, rmsea_ci_lower_robust=NAN,
        rmsea_ci_upper_robust=NAN,
    )  # fmt: skip
    assert "p = .120. CFI .970, RMSEA .050 (90 % interval [.030," in say.fit_sentence(undefined)


def test_fit_sentence_of_a_saturated_model() -> None:
    assert "cannot be judged" in say.fit_sentence(_measures() * 0)


@pytest.mark.parametrize(
    ("cfi", "rmsea", "robust", "verdict"),
    [
        (-0.010, 0.015, (NAN, NAN), "is retained"),
        (-0.011, 0.000, (NAN, NAN), "is not retained"),
        (-0.001, 0.016, (NAN, NAN), "is not retained"),
        (-0.020, 0.000, (-0.005, 0.001), "is retained"),
    ],
)
def test_invariance(cfi: float, rmsea: float, robust: tuple[float, float], verdict: str) -> None:
    row = {"level": "metric", "against": "configural", "chisq_diff": 11.9, "df_diff": 14, "pvalue": 0.614,
           "delta_cfi": cfi, "delta_rmsea": rmsea,
           "delta_cfi_robust": robust[0], "delta_rmsea_robust": robust[1]}  # fmt: skip
    (sentence,) = say.invariance_sentences(pd.DataFrame([row]))
    assert sentence.startswith(f"Metric invariance (equal loadings) {verdict} by change of fit: ΔCFI ")
    assert sentence.endswith("Δχ²(14) = 11.9, p = .614.")
    assert say.retained(row) == (verdict == "is retained")


def _difference(group: float, reference: float, half: float, **more: str) -> dict[str, object]:
    gap = group - reference
    return {"lhs": "PV", "rhs": "EDS", "group": "active", "reference_group": "inactive", "est_group": group,
            "est_reference": reference, "est": gap, "pvalue": 0.01, "ci_lower": gap - half,
            "ci_upper": gap + half, **more}  # fmt: skip


TESTS = pd.DataFrame({"lhs": ["PV"], "rhs": ["EDS"], "lrt_pvalue": [0.028]})


@pytest.mark.parametrize(
    ("group", "reference", "word"),
    [
        (0.6, 0.3, "stronger"),
        (0.3, 0.6, "weaker"),
        (-0.6, -0.3, "stronger"),
        (0.3, -0.6, "higher"),
        (-0.6, 0.3, "lower"),
    ],
)
def test_a_difference_names_both_groups(group: float, reference: float, word: str) -> None:
    frame = pd.DataFrame([_difference(group, reference, 0.1)])
    (clear,), silent = say.difference_sentences(frame, TESTS, {"EDS": "staff", "PV": "value"})
    assert clear.startswith(f"Staff → value is {word} for active than for inactive: ")
    assert "Wald p = .010; likelihood-ratio p = .028)" in clear
    assert silent == []


def test_paths_without_a_detectable_difference_share_a_sentence() -> None:
    rows = [_difference(0.3, 0.25, 0.2, rhs=f"X{i}") for i in range(5)]
    clear, (silent,) = say.difference_sentences(pd.DataFrame(rows), TESTS, {})
    assert clear == []
    assert silent == (
        "No difference between the groups is detectable for 5 of 5 paths: X0 → PV; X1 → PV; X2 → PV; "
        "and 2 more."
    )


def test_with_three_groups_each_silent_path_names_its_group() -> None:
    rows = [_difference(0.3, 0.25, 0.2), _difference(0.9, 0.25, 0.2) | {"group": "new"}]
    (clear,), (silent,) = say.difference_sentences(pd.DataFrame(rows), TESTS, {})
    assert "for new than for inactive" in clear
    assert "likelihood-ratio p = .028 over all groups" in clear
    assert silent.endswith("1 of 2 paths: EDS → PV (active).")


def test_trouble_with_a_fit_is_said_with_its_reason() -> None:
    assert say.status_sentences(Status(True, True, True), "the model") == ()
    (one,) = say.status_sentences(Status(True, True, False, ("A variance is negative.",)), "the model")
    assert one == "Caution: the model is NOT ADMISSIBLE. A variance is negative. Interpret with care."
    (two,) = say.status_sentences(Status(False, False, True), "the model")
    assert (
        two
        == "Caution: the model DID NOT CONVERGE and is NOT STATIONARY. Its figures must not be interpreted."
    )


@pytest.mark.parametrize(
    ("title", "within"),
    [("Perceived value", "perceived value"), ("NPS", "NPS"), ("B2B mood", "B2B mood"), ("x", "x"), ("", "")],
)
def test_titles_within_a_sentence(title: str, within: str) -> None:
    assert say.first_lower(title) == within


def test_figures_stay_on_one_line() -> None:
    assert (
        prose("(95 % interval [.1]), p = .03, a < b")
        == f"(95{NBSP}%{NBSP}interval [.1]), p{NBSP}={NBSP}.03, a &lt; b"
    )
