"""What `label :~ covariate` refuses, by place; and the grammar of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.model.syntax import parse, to_text

BASE = "E =~ e1 + l*e2 + e3\nP =~ p1 + p2 + p3\nP ~ b*E\n"
SPEC, DATA, IDENT = sm.SpecError, sm.DataError, sm.IdentificationError
BAD: dict[str, tuple[str, dict[str, Any], type[Exception], list[str]]] = {
    "nothing follows": (BASE, {}, SPEC, ["No parameter of the model follows", "b :~ tenure"]),
    "no label": (BASE + "c :~ tenure", {}, SPEC, ["'c' is no label", "line 4, col 1", "Labels: l, b"]),
    "no column": (
        BASE + "b :~ tenur", {}, SPEC, ["'tenur' is not a column", "line 4", "Did you mean 'tenure'"],
    ),
    "itself": (BASE + "b :~ b", {}, SPEC, ["goes in a circle", "line 4"]),
    "one another": (BASE + "b :~ l\nl :~ b", {}, SPEC, ["'l' is a parameter", "in a circle"]),
    "an item": (BASE + "b :~ p1", {}, SPEC, ["'p1' is explained by the model", "circle"]),
    "latent": (BASE + "b :~ E", {}, SPEC, ["'E' is a latent variable", "method='lms'"]),
    "text column": (BASE + "b :~ active", {}, DATA, ["'active' holds text", "0 and 1"]),
    "holes": (BASE + "b :~ holes", {}, DATA, ["missing in 2 of 300 rows", "dropna(subset=['holes'])"]),
    "one value": (BASE + "b :~ same", {}, DATA, ["'same' has one value only"]),
    "fixed number": (BASE + "b :~ 0", {}, SPEC, ["line 4"]),
    "modifier": (BASE + "b :~ lower(1)*tenure", {}, SPEC, ["lower()", "right of ':~'"]),
    "taken label": (BASE + "b :~ l*tenure", {}, SPEC, ["'l' is the label of another parameter"]),
    "all fixed": (BASE + "b :~ 0.5*tenure", {}, SPEC, ["nothing is left to estimate"]),
    "defined": (BASE + "d := 2*b\nd :~ tenure", {}, SPEC, ["'d' is computed from parameters"]),
    "mixed kinds": (
        BASE + "E ~~ q*E\nP ~ q*E\nq :~ tenure", {}, SPEC, ["different kinds"],
    ),
    "not identified": (
        "E =~ l1*e1 + l2*e2 + l3*e3\nE ~~ v*E\nl1 + l2 + l3 + v :~ half", {}, IDENT,
        ["not identified", "v:~half"],
    ),
    "free latent mean": (BASE + "E ~ m*1\nm :~ tenure", {}, IDENT, ["E ~ 0*1 + m*1"]),
    "groups": (BASE + "b :~ tenure", {"group": "active"}, SPEC, ["takes no group=", "0 and 1"]),
    "estimator": (BASE + "b :~ tenure", {"estimator": "ULS"}, SPEC, ["'ULS'", "'MLR'"]),
    "missing": (BASE + "b :~ tenure", {"missing": "pairwise"}, SPEC, ["'pairwise'", "fiml"]),
    "weights": (BASE + "b :~ tenure", {"sampling_weights": "tenure"}, SPEC, ["sampling_weights= yet"]),
    "ordered": (BASE + "b :~ tenure", {"ordered": ["e1"]}, SPEC, ["ordered items yet"]),
    "moderator": (
        BASE + "b :~ tenure", {"moderator": "tenure"}, SPEC, ["moderator= is not for", "b :~ tenure"],
    ),
    "option": (
        BASE + "b :~ tenure", {"centre": True}, SPEC, ["no option 'centre'", "Did you mean 'center'"],
    ),
    "no data": (BASE + "b :~ tenure", {"data": None}, DATA, ["needs the rows of the data"]),
    "composite outcome": (
        "E =~ e1 + l*e2 + e3\nC <~ p1 + p2 + p3\nC ~ b*E\nb :~ tenure", {}, SPEC, ["composite 'C'", "yet"],
    ),
    "inequality": (BASE + "b > 0\nb :~ tenure", {}, SPEC, ["cannot hold inequalities"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def data(clients: pd.DataFrame) -> pd.DataFrame:
    holes = clients["tenure"].to_numpy(copy=True)
    holes[[1, 7]] = np.nan
    return clients.assign(same=2.0, holes=holes, half=np.arange(300) % 2)


@pytest.mark.parametrize("case", BAD)
def test_refused(case: str, data: pd.DataFrame) -> None:
    text, options, error, words = BAD[case]
    given = {"data": data} | options
    with pytest.raises(error) as caught:
        sm.moderate(text, method="mnlfa", **given)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_other_methods_name_the_one_that_can(data: pd.DataFrame) -> None:
    text = BASE + "b :~ tenure"
    for call in (
        lambda: sm.fit(text, data),
        lambda: sm.moderate(text, data),
        lambda: sm.moderate(text, data, method="lms"),
        lambda: sm.moderate(text, data, method="lsem", moderator="tenure"),
        lambda: sm.moderate(text, data, method="groups", moderator="active"),
        lambda: sm.invariance(text, data, group="active"),
    ):
        with pytest.raises(sm.SpecError, match="method='mnlfa'") as caught:
            call()
        assert "line 4, col 3" in str(caught.value)


def test_wrong_curves_are_refused(data: pd.DataFrame) -> None:
    found = sm.moderate(BASE + "b :~ tenure + b1", data.drop(columns=["b2", "b3"]), method="mnlfa")
    with pytest.raises(sm.SpecError, match="follows several covariates"):
        found.curve("b")
    with pytest.raises(sm.SpecError, match="does not follow 'tenur'"):
        found.curve("b", "tenur")
    with pytest.raises(sm.SpecError, match="'l' follows no covariate"):
        found.curve("l")
    with pytest.raises(sm.SpecError, match="at=: 'x' is no covariate"):
        found.curve("b", "tenure", at={"x": 1.0})


TEXTS = {
    "b:~z": "b :~ z\n",
    "b :~ c*z + 0.5*w": "b :~ c*z\nb :~ 0.5*w\n",
    "a + b :~ start(0.1)*z": "a :~ start(0.1)*z\nb :~ start(0.1)*z\n",
    "b :~ z:w": "b :~ z:w\n",
    "group :~ z": "group :~ z\n",
}


@pytest.mark.parametrize("text", TEXTS)
def test_grammar(text: str) -> None:
    syntax = parse("y ~ b*x\n" + text)
    assert to_text(syntax) == "y ~ b*x\n" + TEXTS[text]
    assert parse(to_text(syntax)) == syntax
    assert [f.op for f in syntax.formulas] == ["~"]


@pytest.mark.parametrize("text", ["b :~", ":~ z", "b :~ 1", "b:x :~ z", "b :~ z ~ w", "b := z :~ w"])
def test_grammar_refuses(text: str) -> None:
    with pytest.raises(sm.SpecError, match="line 2"):
        parse("y ~ b*x\n" + text)
