"""Parameters cells: what is declared, and which values are let through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sem_models.errors import DataError, SpecError
from sem_models.runs.parameters import Parameter, check, declared, read_parameters


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("data: str = 'a.csv'  # survey file", Parameter("data", "str", False, "a.csv", "survey file")),
        ("n = 3", Parameter("n", "int", False, 3)),
        ("n: float = 3", Parameter("n", "float", False, 3)),
        ("x = -0.5", Parameter("x", "float", False, -0.5)),
        ("flag = True", Parameter("flag", "bool", False, True)),
        ("schema: Optional[str] = None", Parameter("schema", "str", True, None)),
        ("schema: 'Optional[str]' = 'b2b'", Parameter("schema", "str", True, "b2b")),
        ("schema: str | None = 'b2b'", Parameter("schema", "str", True, "b2b")),
        ("out = None", Parameter("out", "", True, None)),
        ("groups: list[str] = ['a', '#b']  # two", Parameter("groups", "list", False, ["a", "#b"], "two")),
        ("options = {'a': 1}", Parameter("options", "dict", False, {"a": 1})),
        ("path = Path('x')", Parameter("path", "", False, "Path('x')")),
    ],
)
def test_one_line(line: str, expected: Parameter) -> None:
    assert declared(f"from typing import Optional\n\n# a comment\n{line}\n") == (expected,)


def test_only_assignments_of_one_name_declare() -> None:
    assert declared("import os\na, b = 1, 2\nprint(1)\nx.y = 2\nc: int") == ()


def test_invalid_cell_names_the_line() -> None:
    with pytest.raises(SpecError, match="line 2"):
        declared("a = 1\nb = = 2")


KNOWN = declared(
    "from typing import Optional\nmodel: str = 'm'\nmoderator: Optional[str] = 'active'\nn: int = 1\n"
    "level: float = .95\nrobust: bool = True\ngroups: list = []\nextra = None"
)


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("model", "5", "5"),
        ("model", Path("m.yaml"), "m.yaml"),
        ("moderator", "None", None),
        ("moderator", None, None),
        ("n", "12", 12),
        ("level", "0.9", 0.9),
        ("level", 1, 1.0),
        ("robust", "false", False),
        ("groups", "[a, b]", ["a", "b"]),
        ("groups", ("a",), ["a"]),
        ("extra", "3", 3),
        ("extra", "text", "text"),
        ("extra", {"a": 1}, {"a": 1}),
    ],
)
def test_values_are_read_in_the_declared_type(name: str, raw: object, value: object) -> None:
    result = check(KNOWN, {name: raw})[name]
    assert (type(result), result) == (type(value), value)


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("n", "x", "parameter 'n' must be a whole number, not 'x'.\n  Its default is 1."),
        ("n", "1.5", "a whole number"),
        ("n", True, "a whole number, not True"),
        ("level", "high", "a number, not 'high'"),
        ("robust", "perhaps", "true or false, not 'perhaps'"),
        ("robust", 1, "true or false"),
        ("model", None, "parameter 'model' must be text, not None"),
        ("model", "None", "must be text"),
        ("moderator", 3, "text or None, not 3"),
        ("groups", "a", "a list, not 'a'"),
        ("groups", "[a", "a list"),
        ("n", "9" * 50 + "x" * 50, "…"),
    ],
)
def test_wrong_type_is_refused(name: str, raw: object, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        check(KNOWN, {name: raw}, where="03.ipynb")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 200


def test_unknown_names_come_with_the_near_match_and_all_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        check(KNOWN, {"moderater": "x", "n": "x"}, where="The notebook 03.ipynb")
    message = str(caught.value)
    assert "The notebook 03.ipynb has no parameter 'moderater'.\n  Did you mean 'moderator'?" in message
    assert "Parameters: model, moderator, n, level, robust, groups, extra" in message
    assert "parameter 'n' must be a whole number" in message


def test_notebook_without_parameters_declares_none(make_notebook: Any) -> None:
    with pytest.raises(SpecError, match="It declares none"):
        check(read_parameters(make_notebook(parameters="")), {"a": 1})


def test_read_from_a_file(make_notebook: Any) -> None:
    names = [p.name for p in read_parameters(make_notebook())]
    assert names == ["size", "share", "name", "out"]


def test_absent_notebook_is_named_with_the_near_match(make_notebook: Any) -> None:
    path = make_notebook()
    with pytest.raises(DataError, match=r"Did you mean 'question\.ipynb'"):
        read_parameters(path.with_name("qestion.ipynb"))
    with pytest.raises(DataError, match="Check the folder"):
        read_parameters(path.parent / "none" / "question.ipynb")


@pytest.mark.parametrize("text", ["no json", "[]", "{}", "\xff"])
def test_file_that_is_no_notebook(tmp_path: Path, text: str) -> None:
    path = tmp_path / "survey.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"'survey\.csv' is not a Jupyter notebook"):
        read_parameters(path)
