"""The parameter table: input text and options → rows, as lavaan documents its defaults."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sem_models.errors import SpecError
from sem_models.estimation.options import MODEL_TYPES
from sem_models.model.build_table import build_table
from sem_models.model.syntax import parse
from sem_models.model.table import ParameterTable, TableOptions
from sem_models.model.variables import classify


def table(text: str, groups: tuple[str, ...] = ("",), **options: Any) -> ParameterTable:
    return build_table(parse(text), TableOptions(**options), groups)


def shown(rows: ParameterTable, *, block: int = 1) -> list[str]:
    """Rows of a group as text: `f=~x1` free, `f=~x1@1` fixed, `x~~x@x` fixed covariate, `:a` its label."""
    out = []
    for row in rows.rows:
        if row.block == block:
            fixed = "@x" if row.exogenous else "" if row.fixed is None else f"@{row.fixed:g}"
            out.append(row.name + fixed + (f":{row.label}" if row.label else ""))
    return out


TWO = "f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3"
DEFAULTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "marker, variances, factor covariance": (
        "f =~ x1 + x2\ng =~ y1 + y2",
        {},
        "f=~x1@1 f=~x2 g=~y1@1 g=~y2 x1~~x1 x2~~x2 y1~~y1 y2~~y2 f~~f g~~g f~~g",
    ),
    "std_lv": ("f =~ x1 + x2", {"std_lv": True}, "f=~x1 f=~x2 x1~~x1 x2~~x2 f~~f@1"),
    "orthogonal": (
        "f =~ x1 + x2\ng =~ y1 + y2",
        {"orthogonal": True},
        "f=~x1@1 f=~x2 g=~y1@1 g=~y2 x1~~x1 x2~~x2 y1~~y1 y2~~y2 f~~f g~~g f~~g@0",
    ),
    "NA* frees the marker": (
        "f =~ NA*x1 + x2\nf ~~ 1*f",
        {},
        "f=~x1 f=~x2 f~~f@1 x1~~x1 x2~~x2",
    ),
    "a label leaves the marker fixed": ("f =~ a*x1 + b*x2", {}, "f=~x1@1:a f=~x2:b x1~~x1 x2~~x2 f~~f"),
    "fixed and labelled": (
        "f =~ x1 + 0.5*x2 + b*x3",
        {},
        "f=~x1@1 f=~x2@0.5 f=~x3:b x1~~x1 x2~~x2 x3~~x3 f~~f",
    ),
    "single indicator": ("f =~ x1\ny ~ f", {}, "f=~x1@1 y~f x1~~x1@0 y~~y f~~f"),
    "single indicator, residual stated": (
        "f =~ x1\nx1 ~~ 0.3*x1\ny ~ f",
        {},
        "f=~x1@1 x1~~x1@0.3 y~f y~~y f~~f",
    ),
    "fixed covariates": ("y ~ a + b", {}, "y~a y~b y~~y a~~a@x a~~b@x b~~b@x"),
    "random covariates": ("y ~ a + b", {"fixed_x": False}, "y~a y~b y~~y a~~a a~~b b~~b"),
    "a covariate with its variance stated is random": (
        "y ~ a + b\na ~~ a",
        {},
        "y~a y~b a~~a y~~y b~~b@x",
    ),
    "means": (
        "f =~ x1 + x2\ny ~ f + a",
        {"meanstructure": True},
        "f=~x1@1 f=~x2 y~f y~a x1~~x1 x2~~x2 y~~y f~~f a~~a@x x1~1 x2~1 y~1 a~1@x f~1@0",
    ),
    "terminal residuals correlate": (
        "y ~ a\nz ~ a\nw ~ y",
        {},
        "y~a z~a w~y y~~y z~~z w~~w z~~w a~~a@x",
    ),
    "factor and second-order factor": (
        "f =~ x1 + x2\ng =~ y1 + y2\nh =~ f + g",
        {},
        "f=~x1@1 f=~x2 g=~y1@1 g=~y2 h=~f@1 h=~g x1~~x1 x2~~x2 y1~~y1 y2~~y2 f~~f g~~g h~~h",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults(name: str) -> None:
    text, options, expected = DEFAULTS[name]
    assert sorted(shown(table(text, **options))) == sorted(expected.split())


def test_user_rows_come_first_and_in_the_order_of_the_text() -> None:
    text = "g =~ y1 + y2\nf =~ x1 + x2\ng ~ f\nx1 ~~ y1"
    assert shown(table(text))[:6] == ["g=~y1@1", "g=~y2", "f=~x1@1", "f=~x2", "g~f", "x1~~y1"]


def test_growth_frees_latent_means_and_fixes_intercepts() -> None:
    text = "i =~ 1*t1 + 1*t2 + 1*t3\ns =~ 0*t1 + 1*t2 + 2*t3"
    rows = shown(table(text, **MODEL_TYPES["growth"]))
    assert {"t1~1@0", "t2~1@0", "t3~1@0", "i~1", "s~1"} <= set(rows)


def test_lavaan_type_adds_nothing_but_covariates() -> None:
    text = "f =~ x1 + x2\ng =~ 1*y1\nf ~ a"
    assert shown(table(text, **MODEL_TYPES["lavaan"])) == ["f=~x1", "f=~x2", "g=~y1@1", "f~a", "a~~a@x"]


GROUPS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing equal": ({"meanstructure": True}, {"f=~x2": "", "x1~1": "", "f~1": "@0", "f~~f": ""}),
    "loadings": ({"group_equal": ("loadings",)}, {"f=~x1": "@1", "f=~x2": "=", "f~~f": "", "x1~~x1": ""}),
    "loadings, std_lv frees the later variance": (
        {"group_equal": ("loadings",), "std_lv": True},
        {"f=~x1": "=", "f~~f": "", "f~~g": ""},
    ),
    "intercepts free the later latent mean": (
        {"group_equal": ("loadings", "intercepts"), "meanstructure": True},
        {"x1~1": "=", "f~1": "", "f=~x3": "="},
    ),
    "intercepts and means": (
        {"group_equal": ("intercepts", "means"), "meanstructure": True},
        {"x1~1": "=", "f~1": "@0"},
    ),
    "partial": (
        {"group_equal": ("loadings", "intercepts"), "group_partial": ("f=~x3", "x2 ~ 1"),
         "meanstructure": True},
        {"f=~x2": "=", "f=~x3": "", "x1~1": "=", "x2~1": ""},
    ),
    "residuals and covariances": (
        {"group_equal": ("residuals", "lv_covariances", "lv_variances", "residual_covariances")},
        {"x1~~x1": "=", "f~~g": "=", "f~~f": "=", "x1~~y1": "=", "f=~x2": ""},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_equality_over_groups(name: str) -> None:
    """Second group: "=" shares the first group's label, "" is free on its own, "@v" is fixed."""
    options, expected = GROUPS[name]
    rows = table(TWO + "\nx1 ~~ y1", ("a", "b"), **options).rows
    first = {row.name: row for row in rows if row.block == 1}
    second = {row.name: row for row in rows if row.block == 2}
    for row_name, want in expected.items():
        row = second[row_name]
        if want.startswith("@"):
            assert row.fixed == float(want[1:]), row
        else:
            assert row.free, row
            shared = bool(row.label) and row.label == first[row_name].label
            assert shared == (want == "="), row


def test_labels_and_values_per_group() -> None:
    rows = table("f =~ x1 + c(a, b)*x2 + c(0.5, NA)*x3 + start(c(0.7, 0.9))*x4", ("g1", "g2")).rows
    by = {(r.rhs, r.block): r for r in rows if r.op == "=~"}
    assert [by["x2", g].label for g in (1, 2)] == ["a", "b"]
    assert [by["x3", g].fixed for g in (1, 2)] == [0.5, None]
    assert [by["x4", g].start for g in (1, 2)] == [0.7, 0.9]


def test_one_label_holds_over_groups() -> None:
    rows = table("y ~ b*x", ("g1", "g2")).rows
    assert [r.label for r in rows if r.op == "~"] == ["b", "b"]


def test_labels_of_the_text_win_over_group_equal() -> None:
    rows = table("f =~ x1 + c(a, b)*x2 + x3", ("g1", "g2"), group_equal=("loadings",)).rows
    assert [r.label for r in rows if r.rhs == "x2" and r.op == "=~"] == ["a", "b"]


def test_equal_modifier_shares_a_parameter() -> None:
    rows = {r.name: r for r in table('f =~ x1 + x2 + equal("f=~x2")*x3').rows}
    assert rows["f=~x3"].label == rows["f=~x2"].label != ""


def test_a_label_on_a_fixed_parameter_fixes_its_namesakes() -> None:
    rows = {r.name: r for r in table("f =~ x1 + 0.8*x2 + a*x2 + a*x3").rows}
    assert rows["f=~x3"].fixed == 0.8


REFUSALS = {
    "level: 1\nf =~ x1 + x2\nlevel: 2\nf =~ x1 + x2": "'level:' blocks",
}


@pytest.mark.parametrize("text", REFUSALS)
def test_what_cannot_be_estimated_is_refused_by_name_and_place(text: str) -> None:
    with pytest.raises(SpecError, match=r"(?s)yet.*line [0-9]+, col [0-9]+") as caught:
        table(text)
    assert REFUSALS[text] in str(caught.value)


@pytest.mark.parametrize(
    ("text", "options", "groups", "words"),
    [
        ("f =~ x1 + c(a, b)*x2", {}, ("",), ["c() has 2 values", "1 group", "line 1, col"]),
        ("f =~ x1 + c(a, b, d)*x2", {}, ("g", "h"), ["c() has 3 values", "2 groups"]),
        ("f =~ x1 + a*x2\nd := a*bb", {}, ("",), ["'bb'", "neither a label", "line 2", "Labels: a"]),
        ("f =~ x1 + a*x2\na == aa", {}, ("",), ["'aa'", "Did you mean 'a'"]),
        ('f =~ x1 + equal("f=~x9")*x2', {}, ("",), ["f=~x9", "no parameter", "Did you mean 'f=~x2'"]),
        ("f =~ 1*x1 + a*x2\nf =~ a*x1 + 2*x2", {}, ("",), ["'a'", "1 and to 2", "different labels"]),
        ("f =~ x1 + x2", {"group_equal": ("loading",)}, ("g", "h"), ["'loading'", "Did you mean 'loadings'"]),
        ("f =~ x1 + x2", {"group_equal": ("loadings",), "group_partial": ("f=~x9",)}, ("g", "h"),
         ["'f=~x9'", "no parameter", "f=~x2"]),
        ("f =~ x1 + x2\nz =~ y1 + y2\ny ~ f:z", {}, ("",), ["'f:z'", "sm.moderate", "line 3, col 5"]),
    ],
)  # fmt: skip
def test_contradictions(
    text: str, options: dict[str, Any], groups: tuple[str, ...], words: list[str]
) -> None:
    with pytest.raises(SpecError) as caught:
        table(text, groups, **options)
    for word in words:
        assert word in str(caught.value)


def test_variables_by_part() -> None:
    v = classify(parse("f =~ x1 + x2\nf ~ a + b:c\ny ~ f + z\nz ~ a\nu ~~ y"))
    assert v.latent == ("f",)
    assert v.indicators == ("x1", "x2")
    assert v.outcomes == ("y", "z")
    assert v.exogenous == ("a", "b:c")
    assert v.others == ("u",)
    assert v.observed == ("x1", "x2", "y", "z", "u", "a", "b:c")
    assert v.terminal == ("y",)


@given(
    n_items=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    paths=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3))),
    switches=st.fixed_dictionaries(
        {k: st.booleans() for k in ("std_lv", "meanstructure", "orthogonal", "fixed_x", "auto_fix_first")}
    ),
    equal=st.sets(st.sampled_from(["loadings", "intercepts", "regressions", "residuals", "lv_variances"])),
)
def test_every_table_is_consistent(
    n_items: list[int], paths: set[tuple[int, int]], switches: dict[str, bool], equal: set[str]
) -> None:
    """No row twice, the same rows in every group, fixed rows have values, namesakes are free together."""
    lines = [f"f{i} =~ " + " + ".join(f"x{i}{k}" for k in range(n)) for i, n in enumerate(n_items)]
    lines += [f"f{i} ~ f{j}" for i, j in sorted(paths) if j < i < len(n_items)]
    rows = table("\n".join(lines), ("a", "b"), group_equal=tuple(sorted(equal)), **switches).rows
    keys = [(r.lhs, r.op, r.rhs, r.block) for r in rows]
    assert len(set(keys)) == len(keys)
    assert [k[:3] for k in keys if k[3] == 1] == [k[:3] for k in keys if k[3] == 2]
    assert all(r.free or r.exogenous or r.fixed is not None for r in rows)
    for label in {r.label for r in rows if r.label}:
        assert len({r.free for r in rows if r.label == label}) == 1
