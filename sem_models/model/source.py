"""Places in a model text and the error layout that points at them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sem_models.errors import SpecError

_WIDTH = 96
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open character range in the source; `line` and `column` of its start are 1-based."""

    start: int
    end: int
    line: int
    column: int

    def to(self, other: Span) -> Span:
        """The range from the start of this span to the end of `other`."""
        return Span(self.start, other.end, self.line, self.column)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a model text."""

    span: Span
    message: str
    hint: str = ""


class SyntaxProblem(SpecError):
    """Carries one problem up to `parse`, which reports all of them together."""

    def __init__(self, span: Span, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(span, message, hint)


def point_at(source: str, span: Span, message: str, hint: str = "") -> str:
    """The error text: message, the line with its number, carets under the span, and the remedy."""
    begin = source.rfind("\n", 0, span.start) + 1
    stop = source.find("\n", span.start)
    line = source[begin : len(source) if stop < 0 else stop].rstrip()
    left = span.start - begin
    right = max(left + 1, min(span.end - begin, len(line)))
    if len(line) > _WIDTH:
        first = max(0, min(left - _WIDTH // 2, len(line) - _WIDTH))
        last = first + _WIDTH
        head, tail = "…" if first else "", "…" if last < len(line) else ""
        line = head + line[first:last] + tail
        left, right = left - first + len(head), min(right, last) - first + len(head)
    prefix = f"  line {span.line}, col {span.column}:  "
    shown = "".join(" " if ch.isspace() else ch for ch in line)
    rows = [message, prefix + shown, " " * (len(prefix) + left) + "^" * max(1, right - left)]
    if hint:
        rows.append(f"  {hint}")
    return "\n".join(rows)


def problems_text(source: str, problems: Iterable[Problem]) -> str:
    """All problems in the order of the text, the first few in full."""
    found = sorted(problems, key=lambda p: p.span.start)
    parts = [point_at(source, p.span, p.message, p.hint) for p in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines = ", ".join(str(p.span.line) for p in found[_SHOWN:])
        parts.append(f"… and {len(found) - _SHOWN} more (line {lines}).")
    return "\n\n".join(parts)
