"""A specification written out: as lavaan syntax, as text, as HTML, and as the difference to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from textwrap import fill
from typing import TYPE_CHECKING, Any

from sem_models.model.parts import ClaimPart, Construct, Control, Moderation, path_label

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec

_WIDTH = 96
_SIGNS = {1: "+", 0: "?", -1: "−"}
_KEYS = ("id", "label", "column", "part")


def measured(spec: ModelSpec, moderations: Sequence[Moderation]) -> tuple[Construct, ...]:
    """Constructs in the model: moderators only where a path, covariance or chosen moderation has them."""
    used = {end for p in spec.paths for end in (p.outcome, p.predictor)}
    used |= {end for c in spec.covariances for end in (c.first, c.second)}
    used |= {end for m in moderations for end in m.ends}
    return tuple(c for c in spec.constructs if c.role != "moderator" or c.id in used)


def syntax_text(
    spec: ModelSpec,
    moderations: Sequence[Moderation],
    controls: Sequence[Control],
    groups: Sequence[str] | None,
) -> str:
    """Model text: loadings (reference item first), paths by outcome, covariances, extra lines.

    `groups` are the label endings, one a group (empty: one label); None leaves labels out.
    """
    rows = [f"# {spec.id} {spec.version}: {spec.title}", "# measurement"]
    rows += [f"{c.id} =~ {' + '.join(c.ordered_items)}" for c in measured(spec, moderations)]
    effects = _effects(spec, moderations, controls)
    if effects:
        rows.append("# structure")
        for outcome, terms in effects.items():
            rows.append(
                f"{outcome} ~ " + " + ".join(_labelled(label, groups) + term for term, label in terms.items())
            )
    if spec.covariances:
        rows.append("# covariances")
        rows += [f"{c.first} ~~ {_labelled(c.label, groups)}{c.second}" for c in spec.covariances]
    return "\n".join([*rows, *spec.text]) + "\n"


def _effects(
    spec: ModelSpec, moderations: Sequence[Moderation], controls: Sequence[Control]
) -> dict[str, dict[str, str]]:
    """Outcome → term → label; each product after its main effects."""
    effects: dict[str, dict[str, str]] = {}
    for effect in (*spec.paths, *controls):
        effects.setdefault(effect.outcome, {})[effect.predictor] = effect.label
    for moderation in moderations:
        terms = effects.setdefault(moderation.outcome, {})
        for end in moderation.ends:
            terms.setdefault(end, path_label(moderation.outcome, end))
    for moderation in moderations:
        effects[moderation.outcome][moderation.product] = moderation.label
    return effects


def _labelled(label: str, groups: Sequence[str] | None) -> str:
    if not label or groups is None:
        return ""
    return f"c({', '.join(f'{label}.{g}' for g in groups)})*" if groups else f"{label}*"


def plain_text(spec: ModelSpec) -> str:
    """The specification for a terminal."""
    return "\n".join(_plain_lines(spec))


def _plain_lines(spec: ModelSpec) -> Iterator[str]:
    yield f"{spec.title} ({spec.id} {spec.version})"
    if spec.verbatim:
        yield spec.verbatim.strip("\n")
        return
    yield "Constructs"
    for c in spec.constructs:
        yield f"  {c.id:<10} {c.title or c.id} [{c.role}] by {', '.join(c.ordered_items)}"
    sections = (("Paths", spec.paths), ("Controls", spec.controls))
    for title, effects in sections:
        if effects:
            yield title
            for e in effects:
                effect = f"{e.outcome} ~ {e.predictor}"
                yield f"  {effect:<24} {_SIGNS[e.sign]} {e.hypothesis:<4} {e.title}".rstrip()
    if spec.moderations:
        yield "Moderations"
        for m in spec.moderations:
            effect = f"{m.outcome} ~ {m.product}"
            yield f"  {effect:<24} {_SIGNS[m.sign]} {m.hypothesis:<4} {m.title}".rstrip()
    if spec.claims:
        yield "Claims"
        for claim in spec.claims:
            yield f"  {claim.id} {claim.title}"
            for part in claim.parts:
                yield fill(
                    f"{part.part}: {_computed(part)} ({part.scale}, {part.effect}, {_SIGNS[part.sign]})",
                    _WIDTH,
                    initial_indent="     ",
                    subsequent_indent="       ",
                )


def _computed(part: ClaimPart) -> str:
    """What a part of a claim computes, in a line."""
    if part.expression:
        return part.expression
    if part.constructs or part.of:
        return ", ".join(part.constructs or part.of)
    if not part.predictor:
        return part.outcome
    at = f" at quantile {part.quantile:g}" if part.quantile is not None else ""
    and_by = f" and {part.second}" if part.second else ""
    and_at = f" and {part.second_quantile:g}" if part.second_quantile is not None else ""
    return f"{part.predictor} → {part.outcome} by {part.moderator}{and_by}{at}{and_at}"


def html_text(spec: ModelSpec) -> str:
    """A small table for notebooks."""
    heads = "".join(f"<th>{h}</th>" for h in ("construct", "title", "items", "predicted by"))
    rows = []
    for c in spec.constructs:
        predictors = ", ".join(p.predictor for p in spec.paths if p.outcome == c.id)
        cells = (c.id, c.title, ", ".join(c.ordered_items), predictors)
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    caption = (
        f"<b>{escape(spec.title)}</b> ({escape(spec.id)} {escape(spec.version)}, {len(spec.claims)} claims)"
    )
    return f"<p>{caption}</p><table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def diff_text(first: ModelSpec, second: ModelSpec) -> str:
    """Lines of `-` (only in the first), `+` (only in the second) by key path."""
    a, b = dict(_flat(first.model_dump(mode="json"))), dict(_flat(second.model_dump(mode="json")))
    lines = []
    for path in dict.fromkeys((*a, *b)):
        if a.get(path) != b.get(path):
            lines += [f"{mark} {path}: {x[path]}" for mark, x in (("-", a), ("+", b)) if path in x]
    return "\n".join(lines)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for position, inner in enumerate(value, 1):
            name = (
                next((inner[k] for k in _KEYS if inner.get(k)), position)
                if isinstance(inner, dict)
                else position
            )
            yield from _flat(inner, f"{path}[{name}]")
    elif value not in ("", None):
        yield path, value
