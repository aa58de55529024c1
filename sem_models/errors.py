"""What the toolkit raises: one family, each message says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SEMError(ValueError):
    """Root of every error the toolkit raises on purpose; the CLI prints its text without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows (an IPython protocol): the message alone."""
        return [f"{type(self).__name__}: {self}"]


class SpecError(SEMError):
    """The model (syntax, specification file or an option) cannot be understood or estimated as written."""


class DataError(SEMError):
    """The data do not fit what was asked of them."""


class IdentificationError(SEMError):
    """The parameters named in the message have no unique solution, whatever the data."""


class ConvergenceError(SEMError):
    """A result was asked of a fit that has none."""


def did_you_mean(name: object, known: Iterable[object], *, noun: str = "names", shown: int = 8) -> str:
    """A sentence that offers near matches of `name` among `known`, then lists the first few."""
    name, choices = str(name), [str(k) for k in known]
    near = get_close_matches(name, choices, n=3, cutoff=0.6)
    if not near:
        folded = {c.lower(): c for c in choices}
        near = [folded[m] for m in get_close_matches(name.lower(), folded, n=3, cutoff=0.6)]
    hint = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    rest = f", … ({len(choices) - shown} more)" if len(choices) > shown else ""
    return f"{hint}{noun.capitalize()}: {', '.join(choices[:shown])}{rest}" if choices else hint.strip()
