"""Words and numbers on charts: text widths, wrapping, and figures as they are printed in journals."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

MINUS = "\N{MINUS SIGN}"
ARROW = "\N{RIGHTWARDS ARROW}"
NBSP = (
    "\N{NO-BREAK SPACE}"  # keeps an estimate and its interval on one line; `wrap` breaks at plain spaces only
)

# Advance widths in 1/1000 em of Helvetica and Helvetica Bold (Adobe font metrics) for printable ASCII; Arial
# and Liberation Sans share them. The signs are Arial's; what is in neither is taken as 0.6 em.
_REGULAR = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
_BOLD = (
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611,
    975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556,
    333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611,
    611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
)  # fmt: skip
_SIGNS = {
    MINUS: 584, ARROW: 1000, "\N{LEFT RIGHT ARROW}": 1000, NBSP: 278, "\N{EN DASH}": 556, "\N{EM DASH}": 1000,
    "\N{MIDDLE DOT}": 333, "\N{SUPERSCRIPT TWO}": 333, "\N{HORIZONTAL ELLIPSIS}": 1000,
    "\N{MULTIPLICATION SIGN}": 584, "\N{GREEK CAPITAL LETTER DELTA}": 668, "\N{GREEK SMALL LETTER CHI}": 525,
}  # fmt: skip
_OTHER = 600


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width in pixels of one line of text in a Helvetica-like face of `size` pixels."""
    table = _BOLD if bold else _REGULAR
    # Accented letters are as wide as their base letters.
    plain = (unicodedata.normalize("NFD", c)[0] if c.isalpha() else c for c in text)
    units = sum(table[ord(c) - 32] if 32 <= ord(c) < 127 else _SIGNS.get(c, _OTHER) for c in plain)
    return units / 1000 * size


def wrap(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """Lines of at most `width` pixels, broken at spaces and after hyphens; a wider word is broken inside."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for piece in re.findall(r"[^ -]*-(?=\w)|[^ ]+ *| +", paragraph):
            if text_width((line + piece).rstrip(" "), size, bold=bold) <= width:
                line += piece
                continue
            if line:
                lines.append(line.rstrip(" "))
            *full, line = _split_word(piece, width, size, bold)
            lines.extend(full)
        lines.append(line.rstrip(" "))
    return lines


def _split_word(word: str, width: float, size: float, bold: bool) -> list[str]:
    parts = [""]
    for char in word:
        if parts[-1] and text_width((parts[-1] + char).rstrip(" "), size, bold=bold) > width:
            parts.append("")
        parts[-1] += char
    return parts


def number(value: float, digits: int = 2, *, bounded: bool = True) -> str:
    """A figure with a true minus sign; `bounded` ones (coefficients, fit indices) lose the leading zero."""
    if not math.isfinite(value):
        return "n/a"
    text = f"{abs(value):.{digits}f}"
    zero = float(text) == 0
    if bounded and text.startswith("0."):
        text = text[1:]
    return f"{MINUS}{text}" if value < 0 and not zero else text


def interval(lower: float, upper: float, digits: int = 2, *, bounded: bool = True) -> str:
    """`[lower, upper]`, or an empty text where there is no interval (a fixed parameter)."""
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return ""
    return f"[{_limit(lower, digits, bounded)},{NBSP}{_limit(upper, digits, bounded)}]"


def _limit(value: float, digits: int, bounded: bool) -> str:
    """A limit of an interval, with as many digits as show on which side of 0 it lies (4 at most)."""
    while value != 0 and round(value, digits) == 0 and digits < 4:
        digits += 1
    return number(value, digits, bounded=bounded)


def estimate(value: float, lower: float, upper: float, digits: int = 2, *, bounded: bool = True) -> str:
    """`.67 [.55, .79]`."""
    limits = interval(lower, upper, digits, bounded=bounded)
    return number(value, digits, bounded=bounded) + (f"{NBSP}{limits}" if limits else "")


def pvalue(p: float) -> str:
    """`p = .012`, `p < .001`."""
    if not math.isfinite(p):
        return f"p{NBSP}n/a"
    return f"p{NBSP}<{NBSP}.001" if p < 0.001 else f"p{NBSP}={NBSP}{number(p, 3)}"


def covers_zero(lower: float, upper: float) -> bool:
    """True where the interval leaves the sign open: it holds 0, or is not there."""
    return not (lower > 0 or upper < 0)


def listing(parts: Sequence[str], shown: int = 3) -> str:
    """`a, b and c`; beyond `shown` the rest is counted."""
    if len(parts) > shown:
        return f"{', '.join(parts[:shown])} and {len(parts) - shown} more"
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else list(parts))


def unique(values: Iterable[object]) -> list[str]:
    """Distinct values as text, in order of appearance."""
    return list(dict.fromkeys(str(v) for v in values))


def path_name(source: str, target: str, names: Mapping[str, str] | None = None) -> str:
    """`EDS → PV`, with the constructs' titles where `names` has them."""
    named = names or {}
    first, second = named.get(source, source), named.get(target, target)
    return f"{first}{NBSP}{ARROW}{' ' if ' ' in second else NBSP}{second}"
