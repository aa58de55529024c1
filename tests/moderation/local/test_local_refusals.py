"""What `method="lsem"` refuses, in one clear sentence each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

MODEL = "E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nP ~ E"
SPEC, DATA = sm.SpecError, sm.DataError
BAD: dict[str, tuple[dict[str, Any], type[Exception], list[str]]] = {
    "no moderator": ({}, SPEC, ["needs moderator="]),
    "unknown column": ({"moderator": "tenur"}, DATA, ["'tenur' is not a column", "Did you mean 'tenure'"]),
    "reserved": ({"moderator": "share"}, SPEC, ["'share'", "Rename it"]),
    "no variance": ({"moderator": "same"}, DATA, ["'same' has one value only"]),
    "text": ({"moderator": "active"}, DATA, ["holds text or categories", "method='groups'"]),
    "two values": ({"moderator": "two"}, DATA, ["2 distinct values", "method='groups'"]),
    "ordered": ({"moderator": "band"}, DATA, ["text or categories", "method='groups'"]),
    "missing": ({"moderator": "holes"}, DATA, ["missing in 3 of 300 rows", "dropna(subset=['holes'])"]),
    "in the model": ({"moderator": "e1"}, SPEC, ["'e1' is a variable of the model"]),
    "outside": ({"moderator": "tenure", "grid": [5.0, 99.0]}, DATA, ["1 of 2 focal points (99)", "outside"]),
    "narrow": ({"moderator": "tenure", "h": 0.01}, DATA, ["effective customers", "larger h="]),
    "bandwidth": ({"moderator": "tenure", "bandwidth": -1}, SPEC, ["bandwidth=-1", "above 0"]),
    "h": ({"moderator": "tenure", "h": 0}, SPEC, ["h=0 must be a number above 0"]),
    "kernel": ({"moderator": "tenure", "kernel": "gausian"}, SPEC, ["Did you mean 'gaussian'"]),
    "grid": ({"moderator": "tenure", "grid": "many"}, SPEC, ["grid='many'"]),
    "too many points": ({"moderator": "tenure", "grid": 5000}, SPEC, ["grid=5000", "1 to 500"]),
    "few draws": ({"moderator": "tenure", "bootstrap": 5}, SPEC, ["bootstrap=5", "1000 or more"]),
    "few permutations": ({"moderator": "tenure", "permutations": -3}, SPEC, ["permutations=-3"]),
    "estimator": ({"moderator": "tenure", "estimator": "WLSMV"}, SPEC, ["'WLSMV'", "'ML' or 'MLR'"]),
    "missing method": ({"moderator": "tenure", "missing": "pairwise"}, SPEC, ["'pairwise'", "'fiml'"]),
    "groups": ({"moderator": "tenure", "group": "active"}, SPEC, ["group_equal= holds parameters equal"]),
    "ordered items": ({"moderator": "tenure", "ordered": ["e1"]}, SPEC, ["ordered items yet"]),
    "option": ({"moderator": "tenure", "gird": 3}, SPEC, ["no option 'gird'", "Did you mean 'grid'"]),
    "residualize": ({"moderator": "tenure", "residualize": "yes"}, SPEC, ["residualize='yes'"]),
    "family": ({"moderator": "tenure", "group_equal": "loading"}, SPEC, ["Did you mean 'loadings'"]),
    "partial": (
        {"moderator": "tenure", "group_equal": "loadings", "group_partial": "E=~e9"}, SPEC, ["'E=~e9'"],
    ),
    "permuted clusters": (
        {"moderator": "tenure", "cluster": "manager", "permutations": 20, "grid": 3}, SPEC, ["in clusters"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def data(clients: pd.DataFrame) -> pd.DataFrame:
    holes = clients["tenure"].to_numpy(copy=True)
    holes[[3, 50, 99]] = np.nan
    return clients.assign(
        same=1.0, share=clients["tenure"], two=np.arange(300) % 2, holes=holes, manager=np.arange(300) // 6,
        band=pd.Categorical(np.where(clients["tenure"] > 6, "long", "short"), ordered=True),
    )  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_refused(case: str, data: pd.DataFrame) -> None:
    options, error, words = BAD[case]
    with pytest.raises(error) as caught:
        sm.moderate(MODEL, data, method="lsem", **options)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_other_methods_name_the_column_methods(data: pd.DataFrame) -> None:
    with pytest.raises(sm.SpecError, match="method='groups' and 'lsem'"):
        sm.moderate(MODEL + "\nP ~ E:tenure", data, moderator="tenure")


def test_composites_as_outcomes_are_refused(data: pd.DataFrame) -> None:
    text = "E =~ e1 + e2 + e3\nC <~ p1 + p2 + p3\nC ~ E"
    with pytest.raises(sm.SpecError, match="composite 'C' as an outcome yet"):
        sm.moderate(text, data, method="lsem", moderator="tenure")


def test_inequalities_are_refused(data: pd.DataFrame) -> None:
    with pytest.raises(sm.SpecError, match="cannot hold inequalities"):
        sm.moderate(MODEL.replace("P ~ E", "P ~ b*E\nb > 0"), data, method="lsem", moderator="tenure")
