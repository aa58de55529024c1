"""What normal factors and residuals imply of products of items: the constrained approach.

Jöreskog & Yang (1996); Algina & Moulder (2001), with means of their own for the products. An indicator
x z of the product ξ₁ξ₂, with x = λ₁ξ₁ + δ₁ and z = λ₂ξ₂ + δ₂ centered, is λ₁λ₂ ξ₁ξ₂ plus the residual
λ₁ξ₁δ₂ + λ₂ξ₂δ₁ + δ₁δ₂; covariances of products of normal variables are
cov(ab, cd) = cov(a, c) cov(b, d) + cov(a, d) cov(b, c) (Isserlis, 1918).
"""

from __future__ import annotations

from sem_models.errors import SpecError
from sem_models.model.polynomials import Polynomial
from sem_models.moderation.products.pairs import Indicator, Measured
from sem_models.moderation.products.symbols import ONE, ZERO, Symbols

Part = tuple[str, str]
"""A factor ("factor", name) or the residual of an item ("residual", name)."""


def check_constrained(products: tuple[Measured, ...], symbols: Symbols) -> None:
    """SpecError for products whose constraints are not written: three factors, columns, cross-loadings."""
    for measured in products:
        product = measured.product
        if len(product.factors) > 2:
            raise SpecError(
                f"'{product.name}' has three factors, for which the constrained approach cannot be written "
                "yet. Use method='dblcent'."
            )
        for factor in product.factors:
            if factor not in product.latent:
                raise SpecError(
                    f"The constrained approach cannot take the column '{factor}' as a factor of "
                    f"'{product.name}' yet. Use method='dblcent'."
                )
        for item in measured.items:
            owners = [f for f in sorted(symbols.latent) if symbols.labels.row(symbols.block, f, "=~", item)]
            if len(owners) > 1:
                raise SpecError(
                    f"'{item}' loads on {' and '.join(owners)}; the constrained approach cannot take such "
                    f"an item of the product '{product.name}' yet. Use method='dblcent'."
                )


def loading(symbols: Symbols, measured: Measured, indicator: Indicator) -> Polynomial:
    """λ₁λ₂ of a product indicator on its latent product."""
    out = ONE
    for factor, item in zip(measured.product.factors, indicator.items, strict=True):
        out = out * symbols.loading(factor, item)
    return out


def product_covariance(symbols: Symbols, one: Measured, two: Measured) -> Polynomial:
    """Covariance of two latent products, or the variance of one."""
    (a, b), (c, d) = one.product.factors, two.product.factors
    cov = symbols.covariance
    return cov(a, c) * cov(b, d) + cov(a, d) * cov(b, c)


def residual_covariance(
    symbols: Symbols, one: tuple[Measured, Indicator], two: tuple[Measured, Indicator]
) -> Polynomial:
    """Covariance of the residuals of two product indicators, or the variance of one."""
    total = ZERO
    for weight, a, b in _residual(symbols, *one):
        for other, c, d in _residual(symbols, *two):
            both = _cov(symbols, a, c) * _cov(symbols, b, d) + _cov(symbols, a, d) * _cov(symbols, b, c)
            total = total + weight * other * both
    return total


def _residual(
    symbols: Symbols, measured: Measured, indicator: Indicator
) -> tuple[tuple[Polynomial, Part, Part], ...]:
    """λ₁ξ₁δ₂ + λ₂ξ₂δ₁ + δ₁δ₂ as weights and pairs."""
    (first, second), (x, z) = measured.product.factors, indicator.items
    return (
        (symbols.loading(first, x), ("factor", first), ("residual", z)),
        (symbols.loading(second, z), ("factor", second), ("residual", x)),
        (ONE, ("residual", x), ("residual", z)),
    )


def _cov(symbols: Symbols, one: Part, two: Part) -> Polynomial:
    if one[0] != two[0]:
        return ZERO
    return (symbols.covariance if one[0] == "factor" else symbols.residual)(one[1], two[1])
