"""The model text with its latent products measured: loadings, residual covariances, means, constraints."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal, cast

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.build_table import build_table
from sem_models.model.polynomials import Polynomial
from sem_models.model.syntax import parse, to_text
from sem_models.model.table import TableOptions
from sem_models.moderation.products import constrained
from sem_models.moderation.products.pairs import Indicator, Measured
from sem_models.moderation.products.symbols import Labels, Symbols
from sem_models.moderation.statement import Statement

ResidualCovariances = Literal["simple", "equality", "none"]
RESIDUAL_COVARIANCES = ("simple", "equality", "none")


def residual_covariances(asked: object) -> ResidualCovariances:
    """`res_cov_method=` as one of RESIDUAL_COVARIANCES; None is "simple"."""
    if asked is None:
        return "simple"
    if asked not in RESIDUAL_COVARIANCES:
        raise SpecError(
            f"res_cov_method={asked!r} is unknown. "
            f"{did_you_mean(str(asked), RESIDUAL_COVARIANCES, noun='methods')}"
        )
    return cast(ResidualCovariances, asked)


def product_model(
    statement: Statement, products: tuple[Measured, ...], *, method: str, res_cov: ResidualCovariances,
    across: bool, options: TableOptions, groups: Sequence[str],
) -> str:  # fmt: skip
    """The text of the model with every latent product measured by its indicators.

    Residuals of indicators that share an item correlate, as both contain it (Marsh, Wen & Hau, 2004), but
    for items known without error, whose residual is none; so do those of products of three and more with
    their own items (`_own_items`). res_cov "simple" frees them, "equality" holds those equal that share the
    same item, "none" leaves them out; across says whether also between products.
    "uca" and "ca" give the product the mean that its factors' covariance is, "ca" all that follows for normal
    variables. The scale of a latent product is that of its factors: an indicator's loading is the product
    of its items' loadings, a fixed number for markers, a constraint otherwise.
    """
    lines = [to_text(statement.syntax).rstrip()]
    lines += [f"{m.name} =~ {' + '.join(i.name for i in m.indicators)}" for m in products]
    if method in ("uca", "ca"):
        lines += [f"{m.name} ~ 1" for m in products if len(m.product.factors) == 2]
    if method != "ca":
        lines += _shared_items(products, res_cov, across=across)
    text = "\n".join(lines) + "\n"
    pinned = _pinned(text, products, method, options, groups)
    # rows that are labelled later are merged with those that are there, as lavaan takes each row once
    return to_text(parse(text + "".join(f"{line}\n" for line in pinned))) if pinned else text


def _shared_items(products: tuple[Measured, ...], how: ResidualCovariances, *, across: bool) -> list[str]:
    """Residual covariances of the indicators that share an item, in order of their names."""
    if how == "none":
        return []
    owned = sorted(
        ((i, m) for m in products for i in m.indicators), key=lambda pair: pair[0].name
    )  # fmt: skip
    lines = []
    for (one, first), (two, second) in combinations(owned, 2):
        shared = [item for item in one.items if item in two.items]
        if first is not second and not across:
            continue
        with_error = [item for item in shared if item not in first.exact]
        if how == "simple" and with_error:
            lines.append(f"{one.name} ~~ {two.name}")
        elif how == "equality" and shared:
            lines.append(f"{one.name} ~~ shared.{shared[0]}*{two.name}")
    return lines + _own_items(owned)


def _own_items(owned: list[tuple[Indicator, Measured]]) -> list[str]:
    """Residual covariances of indicators of three and more factors with their own items.

    The residual of x z w holds e_x Z W, whose covariance with that of x is Var(e_x) Cov(Z, W): not 0 where
    the other factors correlate, while of a product of two it is Var(e_x) E(Z) = 0 for centered items.
    """
    return [
        f"{indicator.name} ~~ {item}"
        for indicator, measured in owned
        if len(indicator.items) > 2
        for item in dict.fromkeys(indicator.items)
        if item not in measured.exact
    ]


def _pinned(
    text: str, products: tuple[Measured, ...], method: str, options: TableOptions, groups: Sequence[str]
) -> list[str]:
    """What fixes the scale of the products, and the constraints of "uca" and "ca"."""
    table = build_table(parse(text), options, groups)
    labels = Labels(table)
    pins = _Pins(labels)
    for block in range(1, len(groups) + 1):
        symbols = Symbols(labels, block)
        if method == "ca":
            constrained.check_constrained(products, symbols)
            _constrain(pins, symbols, products)
            continue
        for measured in products:
            _scale(pins, symbols, measured)
            if method == "uca" and len(measured.product.factors) == 2:
                one, two = measured.product.factors
                pins.add(block, measured.name, "~1", "", symbols.covariance(one, two))
    return pins.lines()


def _scale(pins: _Pins, symbols: Symbols, measured: Measured) -> None:
    """The first indicator whose loading is a number sets the scale; without one, the first by constraint."""
    values = [constrained.loading(symbols, measured, i) for i in measured.indicators]
    at = next((k for k, v in enumerate(values) if not any(v.terms)), 0)
    row = symbols.labels.row(symbols.block, measured.name, "=~", measured.indicators[0].name)
    variance = symbols.labels.row(symbols.block, measured.name, "~~", measured.name)
    assert row is not None
    assert variance is not None
    if at == 0 and row.fixed is not None and values[0].terms == {(): row.fixed} and variance.free:
        return
    for k, indicator in enumerate(measured.indicators):
        if k == at:
            pins.add(symbols.block, measured.name, "=~", indicator.name, values[at])
        elif k == 0:
            pins.free(measured.name, "=~", indicator.name)
    if not variance.free:
        pins.free(measured.name, "~~", measured.name)


def _constrain(pins: _Pins, symbols: Symbols, products: tuple[Measured, ...]) -> None:
    """Loadings, moments and residuals of all products as the factors imply them."""
    table, block = symbols.labels.table, symbols.block
    owned = [(m, i) for m in products for i in m.indicators]
    for measured, indicator in owned:
        value = constrained.loading(symbols, measured, indicator)
        pins.add(block, measured.name, "=~", indicator.name, value)
    names = {m.name for m in products}
    for factor in table.variables.latent_exogenous:
        for measured in products:
            if factor not in names and symbols.labels.row(block, factor, "~~", measured.name) is not None:
                pins.add(block, factor, "~~", measured.name, Polynomial.of(0.0))
    for k, one in enumerate(products):
        for two in products[k:]:
            value = constrained.product_covariance(symbols, one, two)
            pins.add(block, one.name, "~~", two.name, value)
        pins.add(block, one.name, "~1", "", symbols.covariance(*one.product.factors))
    for k, first in enumerate(owned):
        for second in owned[k:]:
            value = constrained.residual_covariance(symbols, first, second)
            if value or first is second:
                pins.add(block, _name(first), "~~", _name(second), value)


def _name(owned: tuple[Measured, Indicator]) -> str:
    return owned[1].name


class _Pins:
    """Parameters that are given a value: a number is fixed, a polynomial becomes a constraint."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.fixed: dict[tuple[str, str, str], dict[int, float | None]] = {}
        self.named: dict[tuple[str, str, str], dict[int, str]] = {}
        self.constraints: list[str] = []
        self.used: set[str] = set()

    def free(self, lhs: str, op: str, rhs: str) -> None:
        """Not fixed whatever the defaults say."""
        key = (lhs, op, rhs)
        self.fixed[key] = dict.fromkeys(range(1, len(self.labels.table.groups) + 1))

    def add(self, block: int, lhs: str, op: str, rhs: str, value: Polynomial) -> None:
        key = (lhs, op, rhs)
        if not any(value.terms):
            self.fixed.setdefault(key, {})[block] = value.terms.get((), 0.0)
            return
        self.fixed.setdefault(key, {})[block] = None
        row = self.labels.row(block, lhs, op, rhs)
        if row is not None and row.label and not row.label.startswith(".p"):
            name = row.label
        else:
            parts = (lhs, {"=~": "by", "~~": "with", "~1": "mean"}[op], rhs)
            name = ".".join(p.replace(":", ".x.") for p in parts if p)
            name += f".g{block}" if len(self.labels.table.groups) > 1 else ""
            self.named.setdefault(key, {})[block] = name
        self.constraints.append(f"{name} == {value}")
        self.used.update(name for monomial in value.terms for name in monomial)

    def lines(self) -> list[str]:
        """Statements of the model language."""
        blocks = range(1, len(self.labels.table.groups) + 1)
        out = self.labels.lines(frozenset(self.used))
        for (lhs, op, rhs), by_block in self.fixed.items():
            target, sign = (rhs or "1"), ("~" if op == "~1" else op)
            values = ["NA" if (v := by_block.get(b)) is None else f"{v:.17g}" for b in blocks]
            one = values[0] if len(set(values)) == 1 else f"c({', '.join(values)})"
            terms = [f"{one}*{target}"]
            names = [self.named.get((lhs, op, rhs), {}).get(b, '""') for b in blocks]
            if any(n != '""' for n in names):
                label = names[0] if len(names) == 1 else f"c({', '.join(names)})"
                terms.append(f"{label}*{target}")
            out.append(f"{lhs} {sign} {' + '.join(terms)}")
        return out + self.constraints
