"""Charts of parameters along a continuous moderator: they compile, and say only what was tested."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.charts import export
from sem_models.charts.curves import covers_constant, curve, curve_title, parameter_words
from sem_models.moderation.covariates.result import CovariateModeration
from sem_models.moderation.local.result import LocalModeration

MODEL = "E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nP ~ b*E"
NAMES = {"E": "service", "P": "value", "tenure": "length of the relationship"}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """300 simulated customers whose slope of P on E falls along tenure."""
    rng = np.random.default_rng(2)
    n = 300
    tenure = rng.uniform(1, 11, n)
    e = rng.normal(size=n)
    p = (1.1 - 0.12 * tenure) * e + 0.6 * rng.normal(size=n)
    frame = pd.DataFrame(
        {f"{s}{i}": f + 0.5 * rng.normal(size=n) for s, f in (("e", e), ("p", p)) for i in (1, 2, 3)}
    )
    return frame.assign(tenure=tenure, size=rng.normal(size=n))


@pytest.fixture(scope="module")
def local(data: pd.DataFrame) -> LocalModeration:
    return sm.moderate(
        MODEL, data, method="lsem", moderator="tenure", grid=6, permutations=40, seed=1, progress=False
    )


@pytest.fixture(scope="module")
def line(data: pd.DataFrame) -> CovariateModeration:
    return sm.moderate(MODEL + "\nb :~ tenure + size", data, method="mnlfa")


def flat_frame(est: list[float], half: float) -> pd.DataFrame:
    y = np.array(est)
    return pd.DataFrame(
        {"x": [1.0, 2.0, 3.0], "est": y, "ci_lower": y - half, "ci_upper": y + half,
         "band_lower": y - 1.5 * half, "band_upper": y + 1.5 * half}
    )  # fmt: skip


def test_parameters_in_words() -> None:
    assert parameter_words("P", "~", "E", NAMES) == "slope of value on service"
    assert parameter_words("E", "=~", "e2") == "loading of e2 on E"
    assert parameter_words("E", "~~", "E") == "variance of E"
    assert parameter_words("E", "~~", "P", NAMES) == "covariance of service and value"
    assert parameter_words("e1", "~1", "") == "intercept of e1"


def test_titles_go_from_left_to_right() -> None:
    title = curve_title(
        flat_frame([0.9, 0.5, 0.2], 0.1), "the slope", "tenure", varies=True, evidence="p", unit="years"
    )
    assert title == "The slope falls along tenure: 0.90 at 1.0 years to 0.20 at 3.0 years (p)"
    rising = curve_title(flat_frame([0.1, 0.5, 0.2], 0.1), "the slope", "tenure", varies=True, evidence="p")
    assert rising == "The slope rises along tenure: 0.10 at 1.0 to 0.50 at 2.0 (p)"
    open_ = curve_title(
        flat_frame([0.1, 0.5, 0.2], 0.1), "the slope", "tenure", varies=False, evidence="p = .3"
    )
    assert open_.startswith("The slope is not shown to vary with tenure")


def test_a_constant_in_the_band() -> None:
    assert covers_constant(flat_frame([0.1, 0.2, 0.3], 0.1))
    assert not covers_constant(flat_frame([0.1, 0.2, 0.9], 0.1))


def test_local_curve_says_what_was_tested(local: LocalModeration) -> None:
    chart = local.charts.curve("b", names=NAMES, unit="years")
    words = " ".join(chart.to_dict()["title"]["text"])
    p = local.constancy().query("label == 'b'")["pvalue"].iloc[0]
    assert words.startswith("The slope of value on service falls along length of the relationship")
    assert f"p = {p:.3f}".replace("0.", ".") in words.replace("\N{NO-BREAK SPACE}", " ")
    svg = export.svg(chart)
    assert "one value for all customers" in svg
    assert "all values at once" in svg
    assert "length of the relationship (years)" in svg
    assert "40 perm" not in svg


def test_without_permutations_the_band_judges(data: pd.DataFrame) -> None:
    found = sm.moderate(MODEL, data, method="lsem", moderator="tenure", grid=6)
    assert "holds no constant" in found.charts.title("b")
    assert "not shown to vary" in found.charts.title("E=~e2")
    assert "standardized" in export.svg(found.charts.curve("b", metric="std_all"))


def test_covariate_curve_says_what_was_tested(line: CovariateModeration) -> None:
    chart = line.charts.curve("b", "tenure", names=NAMES)
    assert " ".join(chart.to_dict()["title"]["text"]).endswith("< .001)".replace(" ", "\N{NO-BREAK SPACE}"))
    other = line.charts.curve("b", "size")
    assert "not shown to vary with size" in " ".join(other.to_dict()["title"]["text"])
    assert line.charts.pvalue("b", "size") == line.tests("b").set_index("covariate").loc["size", "pvalue"]
    assert export.png(chart)[:4] == b"\x89PNG"
    export.svg(line.charts.simple_slopes("P", "E", "tenure"))


def test_inadmissible_points_are_hollow() -> None:
    frame = flat_frame([0.1, 0.2, 0.3], 0.1).assign(flagged=[False, True, False])
    chart = curve(
        frame, words="the slope", moderator="tenure", constant=0.2, title="t", points=True,
        density=(np.array([1.0, 2.0, 3.0]), np.array([0.4, 0.6])),
    )  # fmt: skip
    assert '"white"' in str(chart.to_json())


def test_no_customer_is_drawn(local: LocalModeration, data: pd.DataFrame) -> None:
    text = export.svg(local.charts.curve("b"))
    assert f"{data['tenure'].iloc[0]:.4f}" not in text
