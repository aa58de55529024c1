"""Real survey: every path of the reputation model by kind of plan, from the file to the comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

import data_schemas as ds
import sem_models as sm
from sem_models.moderation.group_comparison import GroupModeration


@pytest.fixture(scope="module", params=[".sav", ".csv"])
def found(request: pytest.FixtureRequest, shared_dir: Path) -> GroupModeration:
    survey = ds.load(shared_dir / f"telecom_reputation{request.param}", schema="telecom_reputation")
    return sm.moderate(
        sm.load("telecom_reputation"), survey, method="groups", moderator="servicetype",
        reference_group="prepaid", estimator="MLR", missing="fiml",
    )  # fmt: skip


def test_every_path_is_compared_by_label(found: GroupModeration) -> None:
    differences = found.differences()
    assert len(differences) == 7
    assert set(differences["group"]) == {"contract"}
    assert set(differences["reference_group"]) == {"prepaid"}
    assert found.header.groups == {"contract": 219, "prepaid": 125}


def test_measurement_is_alike_and_no_path_is_claimed_to_differ(found: GroupModeration) -> None:
    assert found.invariance.comparisons()["retained"].all()
    assert (found.differences()["pvalue_adjusted"] > 0.05).all()
    assert found.fit.status.converged
    assert found.fit.status.admissible


def test_switching_items_stay_out(found: GroupModeration) -> None:
    assert not [name for name in found.fit.solved.table.variables.observed if name.startswith("switch")]
