"""Every mistake is shown at its character, with a remedy."""

from __future__ import annotations

import pytest

from sem_models.errors import SpecError
from sem_models.model.source import Span
from sem_models.model.syntax import parse, parse_expression, point_at

# text, the characters the carets must mark, words of the message, words of the remedy
MISTAKES = [
    ("f =- x1 + x2", "=-", "not an operator", "Did you mean =~"),
    ("f ~= x1", "~=", "not an operator", "Did you mean =~"),
    ("f = x1 + x2", "=", "not an operator", "Use =~ (is measured by) or ~ (is predicted by)"),
    ("x -> y", "->", "not an operator", "'y ~ x'"),
    ("y <- x", "<-", "not an operator", "'y ~ x'"),
    ("y ~~~ x", "~~~", "not an operator", "Did you mean ~~"),
    ("a === b", "===", "not an operator", "Did you mean =="),
    ("a >= b", ">=", "not an operator", "Use >"),
    ("y \u223c x", "\u223c", "no meaning", "look-alike of the tilde"),
    ("y ~ \u22121*x", "\u2212", "no meaning", "typographic minus"),
    ("f =~ \u201ca\u201d*x1", "\u201c", "no meaning", "typographic quotes"),
    ("f =~ x1 $ x2", "$", "no meaning", "letters, digits"),
    ("y ~ 'a*x", "'", "no meaning", "never closed"),
    ("f =~", "=~", "Nothing stands right of '=~'", "Add the variables"),
    ("d :=", ":=", "Nothing stands right of ':='", "Add the variables"),
    ("=~ x1", "=~", "Nothing stands left of '=~'", "before the operator"),
    ("f =~ x1 +", "+", "missing after '+'", "remove the '+'"),
    ("f =~ x1 +\ng =~ x2", "+", "missing after '+'", "remove the '+'"),
    ("f =~ x1 + + x2", "+ +", "missing between '+' and '+'", "remove one"),
    ("f =~ =~ x1", "=~ =~", "follow each other", "Keep one"),
    ("f =~ x1 ~ x2", "~ ", "second operator", "new line"),
    ("0 < a < 1", "< 1", "second operator", "'a > 0' and 'a < 1'"),
    ("f =~ x1 x2", "x2", "operator is missing between 'x1' and 'x2'", "Put + between"),
    ("f =~ (x1", "(", "never closed", "Add the ')'"),
    ("f =~ c(a,b\ng =~ x", "(", "never closed", "Add the ')'"),
    ("f =~ x1)", ")", "closes nothing", "Remove it"),
    ("+ f =~ x", "+", "cannot start with '+'", "line above"),
    ("f =~ x1, x2", ",", "comma", "Put + between"),
    ("f =~ c()*x1", "c()", "is empty", "one for each group"),
    ("f =~ start()*x1", "start()", "is empty", "one for each group"),
    ("f =~ strat(1)*x1", "strat(1)", "not a function", "Did you mean 'start'"),
    ("a == expp(b)", "expp(b)", "not a function", "Did you mean 'exp'"),
    ("a == exp(b, 2)", "exp(b, 2)", "takes one argument", "It has 2"),
    ("a == min()", "min()", "at least one argument", "It has 0"),
    ("EDS", "EDS", "alone is not a statement", "Use =~"),
    ("f =~ x1\nx2", "x2", "alone is not a statement", "start this one with +"),
    ("f =~ x1\nx2 x3", "x2 x3", "no operator", "start this one with +"),
    ("groups: 1\nf =~ x", "groups", "not a block header", "Did you mean 'group'"),
    ("group:\nf =~ x", "group:", "no label", "'group: 1'"),
    ("level: 1 f =~ x", "level: 1 f =~ x", "alone on its line", "new line"),
    ("a:b ~ x", "a:b", "cannot stand left of '~'", "outcome is one variable"),
    ("1 ~ x", "1", "cannot stand left", "variable"),
    ("start(1)*f =~ x1", "start(1)", "modifier cannot stand left", "on the right"),
    ("f =~ x1 - x2", "- ", "no '-' between terms", "'-1*x'"),
    ("f =~ -x1", "-x1", "cannot be negative", "'-1*x1'"),
    ("f =~ a*b*x1", "a*b", "two labels", ":= definition"),
    ("f =~ c(1,2)*3*x1", "c(1,2)*3", "two fixed values", "Keep one"),
    ("f =~ c(a,1)*x1", "1)", "cannot mix", "c(0.5,NA)"),
    ("f =~ a/2*x1", "a/2", "not a number", "label alone"),
    ("f =~ 1/0*x1", "1/0", "not a finite number", "finite"),
    ("f =~ start(a)*x1", "a)", "not a number", "c(…)"),
    ("f =~ start(1,2)*x1", "start(1,2)", "takes one argument", "c(…)"),
    ("f =~ equal(x2)*x1", "x2", "text in quotes", "equal("),
    ("f =~ a?x1", "a?", "Before '?' stands a number", "0.5?x"),
    ("y ~ 2", "2", "stands where a variable belongs", "'2*1'"),
    ("f =~ 1", "1", "cannot stand right of '=~'", "'x ~ 1'"),
    ("x ~~ 0", "0", "cannot stand right of '~~'", "'0*x'"),
    ("f =~ 'x'", "'x'", "quoted text", "without quotes"),
    ("f =~ c(a,b)", "c(a,b)", "stands where a variable belongs", "forget '*x'"),
    ("f =~ sqrt(x)", "sqrt(x)", "stands where a variable belongs", "column of the data"),
    ("f =~ (x1 + x2)", "(x1 + x2)", "stands where a variable belongs", "Write the terms out"),
    ("y ~ if", "if", "reserved word", "Rename"),
    ("y ~ TRUE*x", "TRUE", "reserved word", "another label"),
    ("y ~ NA", "NA", "reserved word", "'NA*x'"),
    ("f =~ 1x", "1x", "neither a number nor a name", "starts with a letter"),
    ("f =~ _x", "_x", "not a name", "'x'"),
    ("u | x1", "x1", "not a threshold", "t1, t2"),
    ("u ~*~ v", "v", "one variable", "'u ~*~ u'"),
    ("f =~ f", "f\n", "cannot be measured by itself", "f =~ 0"),
    ("y ~ y", "y\n", "cannot be predicted by itself", "x ~~ x"),
    ("f <~ x:y", "x:y", "cannot stand right of '<~'", "one variable"),
    ("a := a + 1", "a :", "defined by itself", "name of its own"),
    ("a := b\na := c", "a := c", "defined twice", "another name"),
    ("2 := b", "2", "one new name", "'indirect := a*b'"),
    ("a == 'b'", "'b'", "quoted text", "without quotes"),
    ("a == b:c", "b:c", "no place in a constraint", "'a*b'"),
    ("a == NA", "NA", "reserved word", "label or a number"),
]


@pytest.mark.parametrize(("text", "marked", "message", "remedy"), MISTAKES)
def test_mistake_is_marked(text: str, marked: str, message: str, remedy: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    said, place, carets, hint = str(caught.value).split("\n\n")[0].split("\n")
    assert message in said
    assert remedy in hint
    start = (text + "\n").rindex(marked)
    line = text.count("\n", 0, start) + 1
    column = start - text.rfind("\n", 0, start)
    assert place.startswith(f"  line {line}, col {column}:  ")
    prefix = f"  line {line}, col {column}:  "
    left, right = carets.index("^") - len(prefix), carets.rindex("^") + 1 - len(prefix)
    written = place[len(prefix) :]
    assert written == text.split("\n")[line - 1]
    assert left == column - 1
    assert marked.startswith(written[left:right])


def test_all_faulty_statements_are_reported_the_first_three_in_full() -> None:
    with pytest.raises(SpecError) as caught:
        parse("f = x\ny ~ x\ng =~\nh ~= z\nq =- w\nlone")
    text = str(caught.value)
    assert text.count("^\n") == 3
    assert text.endswith("… and 2 more (line 5, 6).")


@pytest.mark.parametrize("text", ["", "   \n# only a comment\n", ";;\n"])
def test_empty_text(text: str) -> None:
    with pytest.raises(SpecError, match="holds no statement"):
        parse(text)


def test_not_a_text() -> None:
    with pytest.raises(SpecError, match="not list"):
        parse(["f =~ x"])  # type: ignore[arg-type]


def test_expression_errors_show_the_expression() -> None:
    with pytest.raises(SpecError, match=r"'a \+' is not an expression(.|\n)*missing after"):
        parse_expression("a +")
    with pytest.raises(SpecError, match="not one expression"):
        parse_expression("a\nb := c")


def test_long_lines_are_cut_around_the_place() -> None:
    text = "f =~ " + " + ".join(f"x{i}" for i in range(80)) + " + "
    start = text.index("x50")
    shown = point_at(text, Span(start, start + 3, 1, start + 1), "What.", "Remedy.").split("\n")
    assert max(map(len, shown)) < 130
    left = shown[2].index("^")
    assert shown[1][left : left + 3] == "x50"
    assert shown[2].strip() == "^^^"
    assert shown[3] == "  Remedy."
