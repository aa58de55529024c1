"""What a model text says, statement by statement: the immutable result of parsing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sem_models.model.expressions import Expression
from sem_models.model.source import Span

ModifierKind = Literal["fixed", "start", "label", "equal", "lower", "upper", "efa", "rv", "prior"]
FormulaOp = Literal["=~", "~", "~~", "<~", "|", "~*~", "~1", ":~"]
ConstraintOp = Literal["==", "<", ">", ":="]
BlockKind = Literal["group", "level", "class", "block"]


@dataclass(frozen=True, slots=True)
class Modifier:
    """What was multiplied on a term: one value, or one per group; None is NA (fixed: free; label: none)."""

    kind: ModifierKind
    values: tuple[float | str | None, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Formula:
    """One row of a formula, terms expanded; rhs is "" for an intercept (op "~1"), "X:Z" for a product."""

    lhs: str
    op: FormulaOp
    rhs: str
    modifiers: tuple[Modifier, ...]
    lhs_span: Span = field(compare=False, repr=False)
    op_span: Span = field(compare=False, repr=False)
    rhs_span: Span = field(compare=False, repr=False)
    block: int = 0


@dataclass(frozen=True, slots=True)
class Constraint:
    """An equality, an inequality, or (op ":=", lhs a Name) a defined parameter."""

    op: ConstraintOp
    lhs: Expression
    rhs: Expression
    span: Span = field(compare=False, repr=False)
    block: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """A header such as `group: 1` or `level: within`."""

    kind: BlockKind
    label: str
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Syntax:
    """A parsed model text. Equality compares what it says, not how it was written.

    moderated are the rows `label :~ covariate`, by which a parameter follows a column of the data.
    """

    source: str = field(compare=False, repr=False)
    formulas: tuple[Formula, ...]
    constraints: tuple[Constraint, ...]
    blocks: tuple[Block, ...]
    moderated: tuple[Formula, ...] = ()
