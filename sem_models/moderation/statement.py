"""What a model text says of moderation: which products predict what, and of which variables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.source import Span
from sem_models.model.syntax import Formula, Syntax, parse, point_at
from sem_models.model.variables import Variables, classify

EXAMPLE = "PV ~ EDS + ACT + EDS:ACT"


@dataclass(frozen=True, slots=True)
class Product:
    """A product predictor: its name as first written, its factors, and what it predicts.

    `latent` are the distinct factors that are latent variables; a product without any is a column of the
    data, and every method treats it as one.
    """

    name: str
    factors: tuple[str, ...]
    outcomes: tuple[str, ...]
    latent: tuple[str, ...]

    @property
    def quadratic(self) -> bool:
        return len(set(self.factors)) < len(self.factors)


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed model whose products are named alike throughout.

    variables are those of the model without its products; products come in order of appearance.
    """

    syntax: Syntax
    variables: Variables
    products: tuple[Product, ...]

    @property
    def latent_products(self) -> tuple[Product, ...]:
        """Products with at least one latent factor."""
        return tuple(p for p in self.products if p.latent)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the latent products: `TableOptions.products`."""
        return tuple(p.name for p in self.latent_products)

    @property
    def without_products(self) -> Syntax:
        """The model text without its products."""
        kept = (f for f in self.syntax.formulas if ":" not in f.lhs + f.rhs)
        return replace(self.syntax, formulas=tuple(kept))

    def items_of(self, latent: str) -> tuple[str, ...]:
        """The observed indicators of a latent variable, in the order of the text."""
        rows = self.syntax.formulas
        return tuple(
            dict.fromkeys(
                f.rhs for f in rows if f.op == "=~" and f.lhs == latent and f.rhs not in self.variables.latent
            )
        )


def model_text(model: Any, groups: Sequence[str] = (), *, labels: bool = True) -> str:
    """The text of a model with its interactions: a text as it is, a specification with its moderations.

    groups are the labels of several groups: a specification's paths then have one label in each, as a single
    one would hold them equal; labels=False leaves them out.
    """
    if isinstance(model, str) and any(mark in model for mark in "~=<>|\n"):
        return model
    if isinstance(model, str):
        from sem_models.model.spec import load

        model = load(model)
    if not hasattr(model, "syntax"):
        raise SpecError(
            f"The model must be text or a ModelSpec, not {type(model).__name__}. Use sm.load(name) or "
            "lavaan syntax."
        )
    return str(model.syntax(interactions=True, groups=groups if len(groups) > 1 else (), labels=labels))


def read_statement(text: str) -> Statement:
    """Find the products of a model text and check that each can be a moderation.

    Raises SpecError where the text has no product, where an outcome is a factor of its own predictor, or
    where a factor is an item of the outcome or of the product's other factor.
    """
    syntax = parse(text)
    if syntax.moderated:
        what = f"'{syntax.moderated[0].lhs}' follows a covariate, which only method='mnlfa' can estimate."
        hint = "Use sm.moderate(model, data, method='mnlfa'), or write the moderation as a product."
        raise SpecError(point_at(syntax.source, syntax.moderated[0].op_span, what, hint))
    canonical: dict[tuple[str, ...], str] = {}
    formulas: list[Formula] = []
    outcomes: dict[str, list[str]] = {}
    for formula in syntax.formulas:
        if ":" in formula.rhs or ":" in formula.lhs:
            lhs, rhs = _canonical(formula.lhs, canonical), _canonical(formula.rhs, canonical)
            formula = replace(formula, lhs=lhs, rhs=rhs)
            if formula.op == "~" and formula.rhs not in outcomes:
                outcomes[formula.rhs] = []
            if formula.op == "~" and formula.lhs not in outcomes[formula.rhs]:
                outcomes[formula.rhs].append(formula.lhs)
        formulas.append(formula)
    if not outcomes:
        raise SpecError(
            "The model states no moderation: it has no product of two variables.\n"
            f"  Write the interaction into it, as in {EXAMPLE}; or compare groups with method='groups' and "
            "moderator= a column."
        )
    whole = replace(syntax, formulas=tuple(formulas))
    linear = replace(syntax, formulas=tuple(f for f in formulas if ":" not in f.lhs + f.rhs))
    variables = classify(linear)
    products = []
    for name, targets in outcomes.items():
        factors = tuple(name.split(":"))
        latent = tuple(dict.fromkeys(f for f in factors if f in variables.latent))
        products.append(Product(name, factors, tuple(targets), latent))
    statement = Statement(whole, variables, tuple(products))
    for product in products:
        _check(product, statement)
    return statement


def lacking_main_effects(statement: Statement) -> tuple[str, ...]:
    """A sentence for each outcome that a product predicts without one of its factors."""
    paths = {(f.lhs, f.rhs) for f in statement.syntax.formulas if f.op == "~"}
    return tuple(
        f"'{p.name}' predicts {outcome} without the path {outcome} ~ {factor}: its coefficient is that of an "
        "interaction only where that path is 0."
        for p in statement.products
        for outcome in p.outcomes
        for factor in dict.fromkeys(p.factors)
        if (outcome, factor) not in paths
    )


def labeled_text(
    model: Any, labels: Sequence[str], group_equal: str | Sequence[str], options: dict[str, Any]
) -> str:
    """The model text for groups `labels`, with what `constraints=` adds, which is taken out of `options`.

    Paths have their labels by group, except where group_equal holds them equal.
    """
    equal = (group_equal,) if isinstance(group_equal, str) else tuple(group_equal)
    text = model_text(model, labels, labels="regressions" not in equal)
    given = options.pop("constraints", None)
    if not given:
        return text
    return f"{text}\n{given if isinstance(given, str) else chr(10).join(map(str, given))}"


def check_factors(statement: Statement, columns: Iterable[str]) -> None:
    """SpecError where a factor is neither in the model nor a column of the data."""
    known = [*statement.variables.latent, *statement.variables.observed]
    columns = [str(c) for c in columns]
    for product in statement.products:
        for factor in product.factors:
            if factor not in known and factor not in columns:
                raise _refusal(
                    statement, product,
                    f"'{factor}' in the product '{product.name}' is neither a variable of the model nor a "
                    "column of the data.",
                    did_you_mean(factor, list(dict.fromkeys([*known, *columns])), noun="names"),
                )  # fmt: skip


def _canonical(name: str, seen: dict[tuple[str, ...], str]) -> str:
    """The product's first spelling: X:Z and Z:X are one."""
    if ":" not in name:
        return name
    return seen.setdefault(tuple(sorted(name.split(":"))), name)


def _check(product: Product, statement: Statement) -> None:
    for outcome in product.outcomes:
        if outcome in product.factors:
            raise _refusal(
                statement, product,
                f"'{outcome}' would moderate its own prediction: it is the outcome and a factor of "
                f"'{product.name}'.",
                "A moderator must be another variable than the outcome.",
            )  # fmt: skip
        for factor in product.factors:
            if factor in statement.items_of(outcome):
                raise _refusal(
                    statement, product,
                    f"The moderator '{factor}' is an item of the outcome '{outcome}' itself.",
                    f"Take another moderator, or remove '{factor}' from {outcome} =~ … .",
                )  # fmt: skip
    for factor in product.factors:
        for other in product.latent:
            if factor in statement.items_of(other):
                raise _refusal(
                    statement, product,
                    f"'{factor}' is an item of '{other}', the other factor of '{product.name}'.",
                    f"For a curved effect of {other} write {other}:{other}.",
                )  # fmt: skip


def _refusal(statement: Statement, product: Product, what: str, hint: str) -> SpecError:
    span = next(
        (f.rhs_span for f in statement.syntax.formulas if f.op == "~" and f.rhs == product.name),
        Span(0, 0, 1, 1),
    )
    return SpecError(point_at(statement.syntax.source, span, what, hint))
