"""`fit.summary()`: the layout R users know, and the same facts as tables in a notebook."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import sem_models as sm
from sem_models.inference.result import Fit
from sem_models.reports import Study


@pytest.fixture(scope="module")
def by_group(study: Study) -> Fit:
    model = "EDS =~ eds1 + eds2 + eds3\nSAT =~ sato1 + sato2 + sato3\nSAT ~ direct*EDS\ntwice := 2*direct"
    return sm.fit(model, study.frame, estimator="MLR", missing="fiml", group="active")


def test_the_text_has_the_blocks_of_lavaans_summary(study: Study) -> None:
    text = str(study.fit.summary())
    blocks = ["Model Test User Model:", "Fit Measures:", "Parameter Estimates:", "Latent Variables:",
              "Regressions:", "Covariances:", "Intercepts:", "Variances:", "R-Square:"]  # fmt: skip
    places = [text.index(block) for block in blocks]
    assert places == sorted(places)
    assert re.search(r"Number of observations +used 387 +of 387\n", text)
    assert max(len(line) for line in text.splitlines()) <= 101


def test_figures_of_the_text_are_those_of_the_tables(study: Study) -> None:
    text = str(study.fit.summary())
    row = study.fit.estimates().query("lhs == 'PV' and op == '~' and rhs == 'EDS'").iloc[0]
    line = next(line for line in text.splitlines() if "EDS (b_PV_EDS)" in line)
    assert [float(x) for x in line.split()[2:]] == [
        round(row[c], 3) for c in ("est", "se", "z", "pvalue", "ci_lower", "ci_upper", "std_lv", "std_all")
    ]


def test_of_two_informations_it_shows_that_of_the_errors(study: Study) -> None:
    kinds = ("observed", "expected")
    fit = sm.fit("EDS =~ eds1 + eds2 + eds3", study.frame, estimator="ML", information=kinds)
    assert re.search(r"Information +Observed\n", str(fit.summary()))


def test_a_fixed_loading_shows_no_error(study: Study) -> None:
    line = next(line for line in str(study.fit.summary()).splitlines() if line.strip().startswith("eds1 "))
    assert line.split()[:2] == ["eds1", "1.000"]
    assert len(line.split()) == 4


def test_each_group_has_its_block_and_its_r_square(by_group: Fit) -> None:
    text = str(by_group.summary())
    for label, n in by_group.header.groups.items():
        assert re.search(rf"\n    {label} +{n}\n", text)
    parts = re.split(r"\nGroup \[\w+\]:\n", text)[1:]
    assert [part.count("R-Square:") for part in parts] == [1, 1]
    r_squared = by_group.r_squared()
    for label, part in zip(by_group.groups, parts, strict=True):
        assert float(re.findall(r"    SAT +(\S+)", part)[-1]) == round(r_squared[label, "SAT"], 3)
    assert text.count("Defined Parameters:") == 1


def test_the_notebook_shows_the_same_as_tables(by_group: Fit) -> None:
    html = by_group._repr_html_()
    assert html == by_group.summary()._repr_html_()
    captions = re.findall(r"<(?:figcaption|summary)>([\w ]+)", html)
    assert [c.strip() for c in captions] == [
        "Fit measures", "Latent Variables", "Regressions", "Intercepts", "Variances", "Defined Parameters",
    ]  # fmt: skip
    assert by_group.header.line() in html
    assert ".p1." not in html


def test_trouble_is_never_hidden(heywood_file: object) -> None:
    fit = sm.fit("f =~ x1 + x2 + x3\ny ~ f", pd.read_csv(str(heywood_file)))
    assert "! The variance of x1 is negative" in str(fit.summary())
    assert "NOT ADMISSIBLE" in fit._repr_html_()
    assert "INADMISSIBLE" in repr(fit)
