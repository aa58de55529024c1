"""The two stages of a model text: measurement blocks that are fitted by themselves, and the structure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sem_models.errors import SpecError
from sem_models.model.syntax import Formula, point_at, to_text
from sem_models.moderation.statement import Statement


@dataclass(frozen=True, slots=True)
class Block:
    """Constructs that are measured together, their items, and the text of their model."""

    latents: tuple[str, ...]
    items: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Stages:
    """The blocks; the text of the structure, in which constructs and products are plain variables.

    columns are the structure's observed variables, products its latent products.
    """

    blocks: tuple[Block, ...]
    structure: str
    columns: tuple[str, ...]
    products: tuple[str, ...]

    @property
    def latents(self) -> tuple[str, ...]:
        return tuple(name for block in self.blocks for name in block.latents)

    @property
    def names(self) -> tuple[str, ...]:
        """The structure's variables as its text has them: constructs, columns, products by plain names."""
        return (*self.latents, *self.columns, *(plain(name) for name in self.products))

    @property
    def items(self) -> tuple[str, ...]:
        return tuple(name for block in self.blocks for name in block.items)


def stages_of(statement: Statement) -> Stages:
    """Split the model. SpecError for what belongs to neither stage, with the line and the way out.

    A block is a construct with its items; constructs that share an item, or whose items' residuals
    correlate, are one block, and so are constructs of two items, which are not identified alone (they join
    the first other block where there is only one).
    """
    latent = statement.variables.latent
    items = {name: statement.items_of(name) for name in latent}
    measured = {i for own in items.values() for i in own}
    measuring: list[Formula] = []
    structural: list[Formula] = []
    for formula in statement.syntax.formulas:
        _check(statement, formula, measured)
        both = {formula.lhs, formula.rhs} - {""}
        (measuring if formula.op == "=~" or both <= measured else structural).append(formula)
    _check_labels(measuring, structural, statement)
    blocks = tuple(
        Block(
            group,
            tuple(dict.fromkeys(i for name in group for i in items[name])),
            to_text(replace(statement.syntax, formulas=tuple(_of_block(measuring, group, items)),
                            constraints=())),
        )
        for group in _grouped(latent, items, measuring)
    )  # fmt: skip
    renamed = (replace(f, rhs=plain(f.rhs)) if f.rhs in statement.names else f for f in structural)
    text = to_text(
        replace(
            statement.syntax, formulas=tuple(renamed),
            constraints=tuple(c for c in statement.syntax.constraints if c.op != ":="),
        )
    )  # fmt: skip
    names = set(statement.names)
    used = dict.fromkeys(n for f in structural for n in (f.lhs, f.rhs) if n and n not in latent)
    columns = tuple(n for n in used if n not in names)
    return Stages(blocks, text, columns, statement.names)


def plain(product: str) -> str:
    """A product's name as that of a variable of its own, which X:Z with an endogenous factor would not be."""
    return product.replace(":", ".x.")


def _of_block(
    measuring: Iterable[Formula], group: tuple[str, ...], items: dict[str, tuple[str, ...]]
) -> list[Formula]:
    own = {i for name in group for i in items[name]}
    return [f for f in measuring if f.lhs in group or (f.op != "=~" and f.lhs in own)]


def _grouped(
    latent: tuple[str, ...], items: dict[str, tuple[str, ...]], measuring: Iterable[Formula]
) -> list[tuple[str, ...]]:
    """Constructs by block, in the order of the text."""
    parent = {name: name for name in latent}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    def join(first: str, second: str) -> None:
        parent[root(second)] = root(first)

    of_item: dict[str, str] = {}
    for name in latent:
        for item in items[name]:
            join(of_item.setdefault(item, name), name)
    for formula in measuring:
        if formula.op == "~~" and formula.lhs != formula.rhs:
            join(of_item[formula.lhs], of_item[formula.rhs])

    def members(of: str) -> list[str]:
        return [name for name in latent if root(name) == root(of)]

    short = [name for name in latent if len(members(name)) == 1 and len(items[name]) == 2]
    for name in short[1:]:
        join(short[0], name)
    if len(short) == 1:
        other = next((n for n in latent if n != short[0] and len(items[n]) > 1), None)
        if other is not None:
            join(other, short[0])
    return [tuple(members(name)) for name in latent if members(name)[0] == name]


def _check(statement: Statement, formula: Formula, measured: set[str]) -> None:
    latent, names = statement.variables.latent, set(statement.names)
    lhs, op, rhs = formula.lhs, formula.op, formula.rhs
    if op not in ("=~", "~", "~~", "~1"):
        _refuse(statement, formula, f"'{op}' has no place in the two stages of method='sam'.")
    if op == "=~" and lhs in names:
        _refuse(statement, formula, f"'{lhs}' needs no items: its moments come from its factors' scores.")
    if op == "=~" and rhs in latent:
        _refuse(statement, formula, f"'{lhs}' is a construct of constructs, which method='sam' cannot take.")
    if op == "~1" and lhs in latent:
        _refuse(statement, formula, f"The mean of '{lhs}' is that of its marker item under method='sam'.")
    if lhs in names or (rhs in names and op != "~"):
        _refuse(statement, formula, "Products are predictors only: their moments come from the scores.")
    crossing = op in ("~", "~~") and ({lhs, rhs} & measured) and not (op == "~~" and {lhs, rhs} <= measured)
    if crossing:
        item = lhs if lhs in measured else rhs
        _refuse(statement, formula, f"'{item}' is an item, and this line is no part of its measurement.")
    for modifier in formula.modifiers:
        fixed = modifier.kind == "fixed" and modifier.values[0] is not None
        if op == "~~" and lhs == rhs and lhs in latent and fixed:
            _refuse(statement, formula, f"The unit of '{lhs}' is its marker item's under method='sam'.")


def _check_labels(measuring: list[Formula], structural: list[Formula], statement: Statement) -> None:
    labels = [_labels(part) for part in (measuring, structural)]
    shared = labels[0] & labels[1]
    for constraint in statement.syntax.constraints:
        if constraint.op != ":=":
            shared |= labels[0] & {*constraint.lhs.names, *constraint.rhs.names}
    if shared:
        raise SpecError(
            f"The label '{min(shared)}' ties the measurement to other parameters, and method='sam' fits the "
            "measurement first and alone. Remove it, or use method='dblcent'."
        )


def _labels(formulas: list[Formula]) -> set[str]:
    kinds = ("label", "equal")
    return {str(v) for f in formulas for m in f.modifiers if m.kind in kinds for v in m.values if v}


def _refuse(statement: Statement, formula: Formula, what: str) -> None:
    hint = "Remove the line, or use method='dblcent'."
    raise SpecError(point_at(statement.syntax.source, formula.op_span, what, hint))
