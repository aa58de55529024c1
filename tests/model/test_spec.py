"""Specifications: reading, checking, extending, and writing as lavaan syntax."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from sem_models.errors import SpecError
from sem_models.model.spec import ModelSpec, load
from sem_models.model.syntax import parse


def minimal() -> dict[str, Any]:
    return {
        "id": "small",
        "title": "Small model",
        "sources": [{"id": "book", "citation": "A book."}],
        "constructs": [
            {"id": "F", "items": [{"id": "f1"}, {"id": "f2"}], "reference": "f2", "source": "book"},
            {"id": "G", "items": [{"id": "g1"}, {"id": "g2"}], "role": "outcome"},
            {"id": "M", "items": [{"id": "m1"}, {"id": "m2"}], "role": "moderator"},
        ],
        "paths": [{"outcome": "G", "predictor": "F", "sign": 1, "hypothesis": "H1"}],
        "moderations": [{"outcome": "G", "predictor": "F", "moderator": "M"}],
        "controls": [{"outcome": "G", "predictor": "age"}],
        "groups": [{"column": "side", "values": ["left", "right"], "reference": "left"}],
        "claims": [{"id": "C1", "title": "A claim", "parts": [{"part": "G", "expression": "b_G_F"}]}],
    }


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(minimal()), **changes}


def test_syntax_has_the_reference_item_first_and_stable_labels() -> None:
    spec = ModelSpec.from_dict(minimal())
    assert spec.syntax() == (
        "# small 1: Small model\n# measurement\nF =~ f2 + f1\nG =~ g1 + g2\n# structure\nG ~ b_G_F*F\n"
    )
    assert spec.items == ("f2", "f1", "g1", "g2")
    assert spec.all_items == ("f2", "f1", "g1", "g2", "m1", "m2")


def test_syntax_with_interactions_controls_and_groups() -> None:
    spec = ModelSpec.from_dict(minimal())
    text = spec.syntax(interactions=True, controls=True)
    assert "M =~ m1 + m2\n" in text
    assert "G ~ b_G_F*F + b_G_age*age + b_G_M*M + b_G_F_x_M*F:M\n" in text
    assert spec.syntax(interactions="F:M") == spec.syntax(interactions=["b_G_F_x_M"])
    assert "age" not in spec.syntax(interactions=True)
    assert spec.syntax(controls=["age"]) == spec.syntax(controls=True)
    grouped = spec.syntax(groups=["left", "far right"])
    assert "G ~ c(b_G_F.left, b_G_F.far_right)*F\n" in grouped
    (row,) = (f for f in parse(grouped).formulas if f.op == "~")
    assert row.modifiers[0].values == ("b_G_F.left", "b_G_F.far_right")
    assert "G ~ F\n" in spec.syntax(labels=False, groups=["left", "right"])


def test_syntax_refuses_what_it_does_not_know() -> None:
    spec = ModelSpec.from_dict(minimal())
    with pytest.raises(SpecError, match=r"'F:N' is not among the moderations(.|\n)*Did you mean 'F:M'"):
        spec.syntax(interactions=["F:N"])
    with pytest.raises(SpecError, match="not among the controls"):
        spec.syntax(controls=["agee"])
    with pytest.raises(SpecError, match="same label ending"):
        spec.syntax(groups=["a b", "a-b"])


def test_labels_covariances_and_extra_text() -> None:
    content = changed(
        covariances=[{"first": "f1", "second": "g1", "label": "cv"}],
        text=["d := b_G_F^2", "F ~~ 1*F"],
    )
    text = ModelSpec.from_dict(content).syntax()
    assert text.endswith("# covariances\nf1 ~~ cv*g1\nd := b_G_F^2\nF ~~ 1*F\n")
    assert len(parse(text).formulas) == 7


def test_lookup_names_near_matches() -> None:
    spec = ModelSpec.from_dict(minimal())
    assert spec.get_construct("F").marker == "f2"
    assert spec.get_path("b_G_F").hypothesis == "H1"
    with pytest.raises(SpecError, match=r"'b_G_FF' is not a path of small.\n  Did you mean 'b_G_F'"):
        spec.get_path("b_G_FF")
    with pytest.raises(SpecError, match="'X' is not a construct of small"):
        spec.get_construct("X")


@pytest.mark.parametrize(
    ("expression", "needs"),
    [
        ("b_G_F", set()),
        ("b_G_F.left - b_G_F.right", {"groups"}),
        ("b_G_F_x_M", {"interactions"}),
        ("b_G_F + b_G_M", {"interactions"}),
        ("b_G_age", {"controls"}),
        ("b_G_age*b_G_F_x_M", {"controls", "interactions"}),
    ],
)
def test_needs_of_a_claim(expression: str, needs: set[str]) -> None:
    claims = [{"id": "V1", "title": "A claim", "parts": [{"part": "G", "expression": expression}]}]
    spec = ModelSpec.from_dict(changed(claims=claims))
    assert spec.needs(spec.claims[0].parts[0]) == needs


PROBLEMS: list[tuple[dict[str, Any], str, str]] = [
    ({"title": None}, "title: None is not a text", "quotes"),
    ({"id": "2x"}, "id: '2x' is not a name", "start with a letter"),
    ({"version": 1.0}, "version: 1.0 is not a text", "Put it in quotes"),
    ({"construct": []}, "construct: unknown key", "Did you mean 'constructs'"),
    ({"paths": {"outcome": "G"}}, "paths: this must be", "a list"),
    ({"constructs": [{"items": [{"id": "f1"}]}]}, "constructs[1].id: missing", "Add 'id: …'"),
    ({"constructs": [{"id": "F", "items": []}]}, "constructs[F].items: too few", "at least 1"),
    (
        {"constructs": [{"id": "F", "items": [{"id": "f1", "titel": "x"}]}]},
        "constructs[F].items[f1].titel: unknown key",
        "Did you mean 'title'",
    ),
    (
        {"constructs": [{"id": "F", "items": [{"id": "f1"}], "role": "outcom"}]},
        "constructs[F].role: 'outcom' is not allowed",
        "'outcome'",
    ),
    (
        {"paths": [{"outcome": "G", "predictor": "E"}]},
        "paths[b_G_E].predictor: 'E' is not a construct",
        "F, G",
    ),
    ({"paths": [{"outcome": "G", "predictor": "G"}]}, "paths[b_G_G]: 'G' cannot predict itself", "Change"),
    (
        {"paths": [{"outcome": "G", "predictor": "F", "source": "boook"}]},
        "paths[b_G_F].source: 'boook' is not among the sources",
        "Did you mean 'book'",
    ),
    (
        {"paths": [{"outcome": "G", "predictor": "F"}, {"outcome": "G", "predictor": "F"}]},
        "labels: 'b_G_F' stands 2 times",
        "rename",
    ),
    (
        {"paths": [{"outcome": "G", "predictor": "F", "label": "b-1"}]},
        "labels: 'b-1' is not a name",
        "letters",
    ),
    (
        {"moderations": [{"outcome": "G", "predictor": "F", "moderator": "MM"}]},
        "moderations[b_G_F_x_MM].moderator: 'MM' is not a construct or control",
        "Did you mean 'M'",
    ),
    ({"covariances": [{"first": "F", "second": "H"}]}, "covariances[F~~H].second: 'H'", "F, G"),
    (
        {"groups": [{"column": "side", "values": ["left", "right"], "reference": "mid"}]},
        "groups[side]: reference 'mid' is not among the values",
        "left, right",
    ),
    (
        {"claims": [{"id": "C1", "title": "t", "parts": [{"part": "G", "expression": "b_G_FF - 1"}]}]},
        "claims[C1].parts[G].expression: 'b_G_FF' is not a label",
        "Did you mean 'b_G_F",
    ),
    (
        {"claims": [{"id": "C1", "title": "t", "parts": [{"part": "G", "expression": "b_G_F -"}]}]},
        "claims[C1].parts[G].expression: 'b_G_F -' is not an expression",
        "missing after '-'",
    ),
    (
        {
            "claims": [
                {
                    "id": "C1",
                    "title": "t",
                    "parts": [
                        {"part": "UP", "expression": "b_G_F", "sign": 1},
                        {"part": "DOWN", "expression": "b_G_F", "sign": -1},
                    ],
                }
            ]
        },
        "'UP' and 'DOWN' claim opposite signs",
        "Keep one of them",
    ),
    (
        {
            "claims": [
                {
                    "id": "C1",
                    "title": "t",
                    "parts": [
                        {"part": "G", "expression": "b_G_F"},
                        {"part": "ANY", "effect": "any", "of": ["C1.H"], "sign": 0},
                    ],
                }
            ]
        },
        "'C1.H' is no part of a claim",
        "Did you mean 'C1.G'",
    ),
    (
        {
            "claims": [
                {
                    "id": "C1",
                    "title": "t",
                    "parts": [{"part": "N", "effect": "necessity", "outcome": "G", "predictor": "FF"}],
                }
            ]
        },
        "claims[C1].parts[N].predictor: 'FF' is not a construct",
        "Did you mean 'F'",
    ),
    ({"claims": [{"id": "X1", "title": "t", "parts": []}]}, "claims[X1].id: 'X1' does not fit", "C1, C2"),
    ({"text": ["F ~ "]}, "text: Nothing stands right of '~'", "line 1, col 3"),
    (
        {"constructs": [{"id": "F", "items": [{"id": "f1"}]}, {"id": "G", "items": [{"id": "f1"}]}]},
        "items: 'f1' stands 2 times (of F, G)",
        "Keep one",
    ),
    (
        {"constructs": [{"id": "F", "items": [{"id": "f1"}], "reference": "f11"}]},
        "constructs[F].reference: 'f11' is not an item of it",
        "Did you mean 'f1'",
    ),
    (
        {"constructs": [{"id": "F", "items": [{"id": "f1", "sign": -1}], "reference": "f1"}]},
        "constructs[F].reference: 'f1' is expected to load negatively",
        "sign 1",
    ),
    ({"constructs": [{"id": "F", "items": [{"id": "F"}]}]}, "'F' is both a construct and an item", "Rename"),
]


@pytest.mark.parametrize(("changes", "problem", "remedy"), PROBLEMS)
def test_problems_are_named_by_key_path_with_a_remedy(
    changes: dict[str, Any], problem: str, remedy: str
) -> None:
    with pytest.raises(SpecError) as caught:
        ModelSpec.from_dict(changed(**changes), where="small.yaml")
    text = str(caught.value)
    assert text.startswith("small.yaml: ")
    row = text[text.index(problem) :]
    assert remedy in row


def test_all_problems_at_once() -> None:
    with pytest.raises(SpecError, match=r"(?s)3 problems.*titel.*version.*paths"):
        ModelSpec.from_dict(changed(titel="x", version=2, paths=3))
    paths = [{"outcome": "G", "predictor": f"X{i}"} for i in range(10)]
    with pytest.raises(SpecError, match=r"(?s)… and 2 more\.$"):
        ModelSpec.from_dict(changed(paths=paths))


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


PARENT = """\
id: parent
title: Parent
constructs:
  - {id: F, title: Cause, items: [{id: f1}, {id: f2}]}
  - {id: G, role: outcome, items: [{id: g1}, {id: g2}]}
paths:
  - {outcome: G, predictor: F, hypothesis: H1, sign: 1}
claims:
  - {id: C1, title: One, parts: [{part: G, expression: b_G_F}]}
"""


def test_extends_merges_by_id(tmp_path: Path) -> None:
    write(tmp_path, "parent.yaml", PARENT)
    child = write(
        tmp_path,
        "child.yaml",
        "id: child\ntitle: Child\nextends: parent.yaml\nremove: [C1]\nconstructs:\n"
        "  - {id: F, items: [{id: a}, {id: b}]}\n  - {id: H, role: mediator, items: [{id: h}]}\n"
        "paths:\n  - {outcome: G, predictor: F, sign: 0}\n  - {outcome: H, predictor: F}\n",
    )
    spec = ModelSpec.from_yaml(child)
    assert [c.id for c in spec.constructs] == ["F", "H", "G"]
    assert spec.get_construct("F").title == "Cause"
    assert spec.get_construct("F").ordered_items == ("a", "b")
    assert (spec.get_path("b_G_F").hypothesis, spec.get_path("b_G_F").sign) == ("H1", 0)
    assert [p.label for p in spec.paths] == ["b_H_F", "b_G_F"]
    assert spec.claims == ()
    assert spec.extends == "parent.yaml"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["id: a\ntitle: A\nextends: a.yaml\n"], r"in a circle \(a → a\)"),
        (
            ["id: a\ntitle: A\nextends: b.yaml\n", "id: b\ntitle: B\nextends: a.yaml\n"],
            r"in a circle \(a → b → a\)",
        ),
        (["id: a\ntitle: A\nextends: bb.yaml\n", "id: b\n"], r"'.*bb.yaml'.\n  Did you mean 'b.yaml'"),
        (["id: a\ntitle: A\nextends: ecsi_mobil\n"], r"not in the catalogue.\n  Did you mean 'ecsi_mobile'"),
        (["id: a\ntitle: A\nextends: 3\n"], "takes the name of one"),
        (["id: a\ntitle: A\nremove: [x]\n"], "remove: only makes sense beside extends"),
        (
            ["id: a\ntitle: A\nextends: ecsi_mobile\nremove: [ED]\n"],
            r"'ED' is not inherited.\n  Did you mean 'EDS'",
        ),
        (["id: a\ntitle: A\nextends: ecsi_mobile\nremove: EDS\n"], "takes a list"),
        (["id: a\ntitle: A\ntitle: B\n"], r"a.yaml, line 3: the key 'title' stands twice, first in line 2"),
        (["id: a\n  title: A\n"], r"a.yaml, line 2, col 8: not valid YAML"),
        (["- a\n"], "is a mapping of keys, not list"),
    ],
)
def test_file_errors(tmp_path: Path, files: list[str], message: str) -> None:
    for name, text in zip("ab", files, strict=False):
        write(tmp_path, f"{name}.yaml", text)
    with pytest.raises(SpecError, match=message):
        load(tmp_path / "a.yaml")


def test_removing_what_others_refer_to_is_named(tmp_path: Path) -> None:
    write(tmp_path, "parent.yaml", PARENT)
    child = write(tmp_path, "child.yaml", "id: c\ntitle: C\nextends: parent.yaml\nremove: [F]\n")
    with pytest.raises(SpecError, match=r"child.yaml: 1 problem.\n  paths\[b_G_F\].predictor: 'F'"):
        ModelSpec.from_yaml(child)


def test_hash_is_of_the_content(tmp_path: Path) -> None:
    first = ModelSpec.from_yaml(write(tmp_path, "parent.yaml", PARENT))
    commented = ModelSpec.from_yaml(write(tmp_path, "again.yaml", "# a comment\n" + PARENT))
    other = ModelSpec.from_yaml(write(tmp_path, "other.yaml", PARENT.replace("sign: 1", "sign: -1")))
    child = ModelSpec.from_yaml(
        write(tmp_path, "child.yaml", "id: parent\ntitle: Parent\nextends: parent.yaml\n")
    )
    assert first.hash == commented.hash == child.hash
    assert len(first.hash) == 64
    assert other.hash != first.hash
    assert first.diff(commented) == ""
    assert first.diff(other) == "- paths[b_G_F].sign: 1\n+ paths[b_G_F].sign: -1"


def test_from_syntax_keeps_the_text() -> None:
    text = "F =~ x1 + NA*x2\nH =~ F + x3 # second order\ny ~ b*F + c(p,q)*z + F:z\n"
    spec = ModelSpec.from_syntax(text, id="mine")
    assert spec.syntax() == spec.syntax(interactions=True, groups=["a", "b"]) == text
    assert spec.items == ("x1", "x2", "x3")
    assert [(p.outcome, p.predictor, p.label) for p in spec.paths] == [("y", "F", "b"), ("y", "z", "")]
    assert spec.id == "mine"
    assert ModelSpec.from_syntax(text).hash != ModelSpec.from_syntax(text + "z ~~ x3").hash
    with pytest.raises(SpecError, match="line 1, col 3"):
        ModelSpec.from_syntax("f = x")


def test_load_tells_names_files_and_texts_apart(tmp_path: Path) -> None:
    path = write(tmp_path, "parent.yaml", PARENT)
    spec = load(path)
    assert load(str(path)) == spec
    assert load(spec) is spec
    assert load("y ~ x").id == "custom"
    with pytest.raises(SpecError, match=r"'b2b_servise' in the catalogue.\n  Did you mean 'b2b_service'"):
        load("b2b_servise")
    with pytest.raises(
        SpecError, match=r"no specification file '.*parnt.yaml'.\n  Did you mean 'parent.yaml'"
    ):
        load(tmp_path / "parnt.yaml")
    with pytest.raises(SpecError, match="not int"):
        load(3)  # type: ignore[arg-type]


def test_specifications_are_frozen_and_printed() -> None:
    spec = ModelSpec.from_dict(changed(title="A <b>bold</b> model"))
    with pytest.raises(ValueError, match="frozen"):
        spec.title = "Another"  # type: ignore[misc]
    text = str(spec)
    assert all(
        word in text for word in ("F ", "by f2, f1", "G ~ F ", "+ H1", "G ~ F:M", "C1 A claim", "b_G_F")
    )
    assert "<b>bold" not in spec._repr_html_()
    assert "&lt;b&gt;bold" in spec._repr_html_()
    assert repr(spec).startswith("ModelSpec('small', version='1', hash='")
    assert str(ModelSpec.from_syntax("y ~ x")).endswith("\ny ~ x")
