"""The shipped specifications: complete, consistent, and valid lavaan syntax."""

from __future__ import annotations

import random

import numpy as np
import pytest

from sem_models.model.spec import ModelSpec, catalogue_names, load
from sem_models.model.syntax import parse

B2B_ITEMS = ("eds1 eds2 eds3 eds4 ops1 ops2 ops3 ops4 pv1 pv2 pv3", "sato1 sato2 sato3", "bi1 bi2 bi3")
STRUCTURE = {
    "b2b_service": {
        "PV": ["EDS", "OPS"],
        "SAT_REP": ["EDS", "OPS", "PV"],
        "SAT_ORG": ["EDS", "OPS", "PV", "SAT_REP"],
        "BI": ["PV", "SAT_REP", "SAT_ORG"],
    },
    "b2b_service_core": {"PV": ["EDS", "OPS"], "SAT": ["EDS", "OPS", "PV"], "BI": ["PV", "SAT"]},
    "ecsi_mobile": {"PV": ["EDS", "OPS"], "SAT": ["EDS", "OPS", "PV"], "BI": ["PV", "SAT"]},
    "servuction": {
        "EXP": ["FE", "PE", "IO", "CP", "SO"], "PV": ["EXP", "SO", "PV_PRIOR"], "SAT": ["EXP", "SO", "PV"],
        "BI": ["PV", "SAT"],
    },
    "telecom_reputation": {
        "COMP": ["QUAL"], "LIKE": ["QUAL"], "CUSA": ["COMP", "LIKE"], "CUSL": ["COMP", "LIKE", "CUSA"],
    },
}  # fmt: skip
ITEMS = {
    "b2b_service": " ".join([B2B_ITEMS[0], "satr1 satr2 satr3", *B2B_ITEMS[1:]]),
    "b2b_service_core": " ".join(B2B_ITEMS),
    "ecsi_mobile": "PERQ3 PERQ7 IMAG4 PERQ2 PERQ4 PERQ6 PERV1 PERV2 CUSA1 CUSA2 CUSA3 CUSL1 CUSL3",
    "servuction": " ".join(
        f"{stem}{k}"
        for stem in ("fe", "pe", "io", "cp", "so", "ex", "pv", "sat", "bi", "pvp")
        for k in (1, 2, 3)
    ),
    "telecom_reputation": "qual_1 qual_2 qual_3 qual_4 qual_5 qual_6 qual_7 qual_8 comp_1 comp_2 comp_3 "
    "like_1 like_2 like_3 cusa cusl_1 cusl_2 cusl_3",
}


@pytest.fixture(params=sorted(STRUCTURE))
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    return load(request.param)


def test_names() -> None:
    assert catalogue_names() == tuple(sorted(STRUCTURE))


def test_items_and_structure(spec: ModelSpec) -> None:
    assert spec.items == tuple(ITEMS[spec.id].split())
    structure: dict[str, list[str]] = {}
    for row in parse(spec.syntax()).formulas:
        if row.op == "~":
            structure.setdefault(row.lhs, []).append(row.rhs)
            assert [m.values for m in row.modifiers] == [(f"b_{row.lhs}_{row.rhs}",)]
    assert structure == STRUCTURE[spec.id]


def test_moderations_are_declared_but_not_in_the_default_model() -> None:
    core = load("b2b_service_core")
    assert "ACT" not in core.syntax()
    text = core.syntax(interactions=["EDS:ACT", "OPS:ACT"])
    assert "ACT =~ act1 + act2 + act3\n" in text
    assert "b_PV_ACT*ACT + b_PV_EDS_x_ACT*EDS:ACT + b_PV_OPS_x_ACT*OPS:ACT\n" in text
    assert "PV_PRIOR" not in text


def test_every_syntax_parses(spec: ModelSpec) -> None:
    for interactions in (False, True):
        for groups in ((), ("active", "inactive")):
            parse(spec.syntax(interactions=interactions, controls=True, groups=groups))


def test_everything_has_a_title_and_a_source(spec: ModelSpec) -> None:
    assert spec.description
    for construct in spec.constructs:
        assert construct.title
        assert construct.definition
        assert construct.source
        assert construct.reference
        assert all(item.title and item.source for item in construct.items)
    for effect in (*spec.paths, *spec.moderations, *spec.controls):
        assert effect.title
        assert effect.source
        assert effect.hypothesis
    assert all(path.sign for path in spec.paths)
    for claim in spec.claims:
        assert claim.source
        assert all(part.title for part in claim.parts)
        assert all(part.hypothesis for part in claim.parts if part.expression)


def test_every_source_is_cited(spec: ModelSpec) -> None:
    cited = {c.source for c in spec.constructs} | {i.source for c in spec.constructs for i in c.items}
    cited |= {e.source for e in (*spec.paths, *spec.moderations, *spec.controls, *spec.groups, *spec.claims)}
    assert {s.id for s in spec.sources} == cited


def test_hypotheses_of_claims_are_those_of_effects(spec: ModelSpec) -> None:
    known = {e.hypothesis for e in (*spec.paths, *spec.moderations, *spec.controls)}
    stated = {part.hypothesis for claim in spec.claims for part in claim.parts}
    assert stated - {""} <= known


def total_effect(values: dict[str, float], spec: ModelSpec, source: str, target: str, via: str = "") -> float:
    """Sum over directed ways of the products along them, from the matrix (I − B)⁻¹ and not by name."""
    ids = [c.id for c in spec.constructs]
    beta = np.zeros((len(ids), len(ids)))
    for path in spec.paths:
        beta[ids.index(path.outcome), ids.index(path.predictor)] = values[path.label]

    def reach(matrix: np.ndarray) -> float:
        inverse = np.linalg.inv(np.eye(len(ids)) - matrix)
        return float(inverse[ids.index(target), ids.index(source)])

    if not via:
        return reach(beta)
    cut = beta.copy()
    cut[ids.index(via), :] = 0.0
    return reach(beta) - reach(cut)


@pytest.mark.parametrize("predictor", ["EDS", "OPS"])
@pytest.mark.parametrize("name", ["b2b_service", "b2b_service_core", "ecsi_mobile"])
def test_mediation_claim_is_the_effect_through_value(name: str, predictor: str) -> None:
    spec = load(name)
    draw = random.Random(7)
    values = {path.label: draw.uniform(0.1, 0.9) for path in spec.paths}
    (claim,) = (c for c in spec.claims if c.id == "C3")
    parts = {part.part: part.parsed.evaluate(values) for part in claim.parts}
    through = total_effect(values, spec, predictor, "BI", via="PV")
    total = total_effect(values, spec, predictor, "BI")
    assert parts[predictor] == pytest.approx(through, rel=1e-12)
    assert parts[f"{predictor}_SHARE"] == pytest.approx(through / total, rel=1e-12)


def test_claims_by_specification() -> None:
    claims = {name: [c.id for c in load(name).claims] for name in catalogue_names()}
    assert (
        claims["b2b_service_core"]
        == claims["b2b_service"]
        == ["C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "C11", "C12", "C13"]
    )
    assert claims["telecom_reputation"] == []
    assert claims["servuction"] == ["V1", "V2", "V3", "V4", "V5", "V6", "V7"]
    assert claims["ecsi_mobile"] == ["C1", "C2", "C3", "C4", "C11", "C13"]
    parts = {c.id: [p.part for p in c.parts] for c in load("b2b_service").claims}
    assert parts["C1"] == ["PV", "SAT_REP"]
    assert parts["C2"] == ["SAT_ORG"]
