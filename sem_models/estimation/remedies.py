"""What to do about a model that is not identified, from the parameters involved."""

from __future__ import annotations

from collections.abc import Sequence

from sem_models.model.table import ParameterTable, Row

GENERAL = "Fix one of them (a loading or a variance per latent variable), remove a path, or add indicators."


def remedy(table: ParameterTable, involved: Sequence[int]) -> str:
    """Advice for the rows `involved` (numbers in the table): common cases first, else a general one."""
    rows = [table.rows[i] for i in involved]
    latent = set(table.variables.latent)
    advice: list[str] = []
    for check in (_no_scale, _loop, _path_and_covariance, _origin, _single, _two_indicators):
        advice += [a for a in check(table, rows, latent) if a not in advice]
    return " ".join(advice[:3]) or GENERAL


def _rows_of(table: ParameterTable, construct: str, block: int) -> list[Row]:
    return [r for r in table.rows if r.op == "=~" and r.lhs == construct and r.block == block]


def _no_scale(table: ParameterTable, rows: list[Row], latent: set[str]) -> list[str]:
    """All loadings of a construct and its variance move together."""
    out = []
    for row in rows:
        if not (row.op == "~~" and row.lhs == row.rhs and row.lhs in latent):
            continue
        own = _rows_of(table, row.lhs, row.block)
        if own and all(r.free and r in rows for r in own):
            where = _where(table, row)
            out.append(f"{row.lhs} has no scale{where}: fix one of its loadings at 1, or its variance.")
    return out


def _loop(table: ParameterTable, rows: list[Row], latent: set[str]) -> list[str]:
    paths = {(r.lhs, r.rhs) for r in rows if r.op == "~"}
    return [
        f"{a} and {b} predict each other: each needs a predictor that the other does not have."
        for a, b in sorted(paths)
        if a < b and (b, a) in paths
    ]


def _path_and_covariance(table: ParameterTable, rows: list[Row], latent: set[str]) -> list[str]:
    paths = {frozenset((r.lhs, r.rhs)) for r in rows if r.op == "~"}
    both = [r for r in rows if r.op == "~~" and r.lhs != r.rhs and frozenset((r.lhs, r.rhs)) in paths]
    return [f"{r.lhs} and {r.rhs} have a path and a covariance: keep one of the two." for r in both]


def _origin(table: ParameterTable, rows: list[Row], latent: set[str]) -> list[str]:
    means = [r for r in rows if r.op == "~1" and r.lhs in latent]
    if not means or not any(r.op == "~1" and r.lhs not in latent for r in rows):
        return []
    names = ", ".join(dict.fromkeys(r.lhs for r in means))
    return [
        f"{names} and the intercepts share an origin: fix the mean, or the intercept of one indicator, at 0."
    ]


def _single(table: ParameterTable, rows: list[Row], latent: set[str]) -> list[str]:
    out = []
    for row in rows:
        if row.op == "~~" and row.lhs == row.rhs and row.lhs not in latent:
            for construct in latent:
                own = _rows_of(table, construct, row.block)
                if len(own) == 1 and own[0].rhs == row.lhs:
                    out.append(
                        f"{construct} has one indicator: fix the residual variance of {row.lhs} (0, or "
                        "(1 − reliability) × variance)."
                    )
    return out


def _two_indicators(table: ParameterTable, rows: list[Row], latent: set[str]) -> list[str]:
    residuals = {(r.lhs, r.block) for r in rows if r.op == "~~" and r.lhs == r.rhs}
    out = []
    for construct in table.variables.latent:
        for block in sorted({r.block for r in rows}):
            own = _rows_of(table, construct, block)
            if len(own) == 2 and all((r.rhs, block) in residuals for r in own):
                out.append(
                    f"{construct} has two indicators and nothing else to tell their shares from: set its "
                    "loadings equal, add an indicator, or let it correlate with another construct."
                )
    return out


def _where(table: ParameterTable, row: Row) -> str:
    return f" in group {table.groups[row.block - 1]}" if len(table.groups) > 1 else ""
