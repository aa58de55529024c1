"""What a path diagram shows and where: the structure read from parameter rows, and its geometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sem_models.charts import text
from sem_models.charts.layout import Array, Box, Edge, Point, Shape, clip, curve, layers, place, route
from sem_models.errors import DataError

ITEM_HEIGHT, ITEM_SIZE = 15.0, 10


@dataclass(frozen=True, slots=True)
class Structure:
    """Constructs and variables, arrows (source, target), correlations, and the items of each construct."""

    nodes: tuple[str, ...]
    latent: frozenset[str]
    arrows: tuple[Edge, ...]
    arcs: tuple[Edge, ...]
    items: Mapping[str, tuple[str, ...]]

    @property
    def explained(self) -> frozenset[str]:
        """Constructs and variables that an arrow leads to."""
        return frozenset(target for _, target in self.arrows)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Positions in pixels, the same for all groups; `key` explains the ids that stand for long names."""

    width: float
    height: float
    font: int
    centers: Mapping[str, Point]
    shapes: Mapping[str, Shape]
    words: Mapping[str, tuple[str, ...]]
    curves: Mapping[Edge, Array]
    arcs: Mapping[Edge, Array]
    boxes: Mapping[Edge, Box]
    key: str


def read_structure(frame: pd.DataFrame) -> Structure:
    """Structure of all groups together; DataError if there is no construct and no regression."""
    rows = [
        (str(a), str(op), str(b)) for a, op, b in zip(frame["lhs"], frame["op"], frame["rhs"], strict=True)
    ]
    latent = dict.fromkeys(lhs for lhs, op, _ in rows if op == "=~")
    # A latent measured by latents (second order) is structure too: its loadings are drawn as arrows.
    arrows = dict.fromkeys(
        (lhs, rhs) if op == "=~" else (rhs, lhs)
        for lhs, op, rhs in rows
        if (op == "~" and rhs) or (op == "=~" and rhs in latent)
    )
    nodes = tuple(dict.fromkeys([*latent, *(n for a in arrows for n in a)]))
    if not nodes:
        raise DataError(
            "There is nothing to draw: the table of estimates has no construct and no regression."
        )
    arcs = dict.fromkeys((a, b) for a, op, b in rows if op == "~~" and a != b and a in nodes and b in nodes)
    items = {
        n: tuple(dict.fromkeys(b for a, op, b in rows if (a, op) == (n, "=~") and b not in latent))
        for n in latent
    }
    return Structure(nodes, frozenset(latent), tuple(arrows), tuple(arcs), items)


def arrange(structure: Structure, names: Mapping[str, str], width: float, *, items: bool) -> Geometry:
    """Everything placed on a canvas `width` pixels wide; the height follows."""
    depth = layers(structure.nodes, structure.arrows)
    columns = max(depth.values()) + 1
    measured = structure.items if items else {}
    most = max((len(v) for v in measured.values()), default=0)
    labels = [names.get(i, i) for v in measured.values() for i in v]
    item_width = 10 + max((text.text_width(f"{i} \N{MINUS SIGN}.00", ITEM_SIZE) for i in labels), default=0.0)
    side = item_width + 22 if most else 2.0
    # Correlations of the first layer are drawn outside of it, unless its items are there.
    outward = -1 if columns > 1 and not most else 1
    left = max(side, _arc_room(structure, depth, 0)) if outward < 0 else side
    right = max(side, _arc_room(structure, depth, columns - 1)) if outward > 0 or columns > 1 else side
    inner = width - left - right
    font = 11 if columns < 5 else 10
    widest = min(66.0, inner / (columns + 0.45 * (columns - 1)) / 2)
    words, key = _words(structure.nodes, names, 2 * widest - 14, font)
    rx = max(
        20.0 if inner < 300 else 28.0,
        *(text.text_width(w, font, bold=True) / 2 + 8 for v in words.values() for w in v),
    )
    ry = 8 + 7 * max(len(words[n]) + (n in structure.explained) for n in structure.nodes)
    shapes = {n: Shape(rx, ry, n in structure.latent) for n in structure.nodes}
    step = max(28.0, ry + 4, (most * ITEM_HEIGHT + 12) / 2)
    if columns > 1 and (inner - 2 * rx * columns) / (columns - 1) < 48:
        step *= 1.3  # columns stand close: steeper arrows leave room for their labels
    centers = place(structure.nodes, structure.arrows, depth, shapes, width=inner, step=step)
    centers = {n: (x + left, y) for n, (x, y) in centers.items()}
    boxes = _item_boxes(measured, centers, shapes, depth, item_width)
    curves = route(structure.arrows, centers, shapes, list(boxes.values()))
    arcs = {
        e: _arc(e, structure, centers, shapes, depth, outward if depth[e[0]] == 0 else 1)
        for e in structure.arcs
    }
    return _shifted(width, font, centers, shapes, words, curves, arcs, boxes, key)


def _words(
    nodes: tuple[str, ...], names: Mapping[str, str], width: float, font: int
) -> tuple[dict[str, tuple[str, ...]], str]:
    """Lines of each name; a name that would be broken inside a word, or fill 4 lines, gives way to its id."""
    words, replaced = {}, []
    for node in nodes:
        name = names.get(node, node)
        pieces = max(text.text_width(w, font, bold=True) for w in name.replace("-", "- ").split())
        lines = tuple(text.wrap(name, width, font, bold=True))
        if name == node:
            lines = (node,)  # ids stay whole; the outline grows with them
        elif pieces > width or len(lines) > 3:
            replaced.append(f"{node}: {name}")
            lines = (node,)
        words[node] = lines
    return words, "; ".join(replaced)


def _between(edge: Edge, structure: Structure, depth: Mapping[str, int]) -> int:
    """How many nodes of their layer stand, in the order of the model, between two correlated ones."""
    column = [n for n in structure.nodes if depth[n] == depth[edge[0]]]
    return abs(column.index(edge[0]) - column.index(edge[1])) - 1


def _arc_room(structure: Structure, depth: Mapping[str, int], layer: int) -> float:
    inside = [e for e in structure.arcs if depth[e[0]] == depth[e[1]] == layer]
    size = sum(depth[n] == layer for n in structure.nodes)
    return 40.0 + 20.0 * max(size - 2, 0) if inside else 2.0


def _arc(
    edge: Edge,
    structure: Structure,
    centers: Mapping[str, Point],
    shapes: Mapping[str, Shape],
    depth: Mapping[str, int],
    outward: int,
) -> Array:
    """Curve of a correlation: at the constructs' sides within a layer, a bow between layers."""
    a, b = edge
    if depth[a] != depth[b]:
        return clip(curve(centers[a], centers[b], 0.3), centers[a], centers[b], shapes[a], shapes[b])
    upper, lower = sorted((centers[n] for n in edge), key=lambda p: p[1])
    passed = sum(upper[1] < centers[n][1] < lower[1] for n in structure.nodes if depth[n] == depth[a])
    rx, ry = shapes[a].rx, shapes[a].ry
    # An arc that passes others starts further out, so that it does not run along the arcs to its neighbors.
    dx, dy = (0.86 * rx + 1, 0.5 * ry + 1) if passed == 0 else (rx + 1, 0.1 * ry)
    start: Point = upper[0] + outward * dx, upper[1] + dy
    end: Point = lower[0] + outward * dx, lower[1] - dy
    length = max(end[1] - start[1], 1.0)
    return curve(start, end, outward * (min(14 + 0.05 * length, 24) + 18 * passed) / length)


def _item_boxes(
    items: Mapping[str, tuple[str, ...]],
    centers: Mapping[str, Point],
    shapes: Mapping[str, Shape],
    depth: Mapping[str, int],
    width: float,
) -> dict[Edge, Box]:
    """Items beside the first and the last layer; in between above or below, whichever is outward."""
    columns = max(depth.values()) + 1
    middle = float(np.mean([y for _, y in centers.values()]))
    boxes: dict[Edge, Box] = {}
    for node, members in items.items():
        (x, y), shape = centers[node], shapes[node]
        tall = len(members) * ITEM_HEIGHT
        if depth[node] == 0:
            left, top = x - shape.rx - 20 - width, y - tall / 2
        elif depth[node] == columns - 1:
            left, top = x + shape.rx + 20, y - tall / 2
        else:
            left, top = x - width / 2, (y - shape.ry - 8 - tall if y <= middle else y + shape.ry + 8)
        for k, item in enumerate(members):
            boxes[node, item] = (left, top + k * ITEM_HEIGHT, left + width, top + (k + 1) * ITEM_HEIGHT)
    return boxes


def _shifted(
    width: float,
    font: int,
    centers: Mapping[str, Point],
    shapes: Mapping[str, Shape],
    words: Mapping[str, tuple[str, ...]],
    curves: Mapping[Edge, Array],
    arcs: Mapping[Edge, Array],
    boxes: Mapping[Edge, Box],
    key: str,
) -> Geometry:
    """Moved up or down so that the highest thing drawn stands 8 px below the top edge."""
    lines = [*curves.values(), *arcs.values()]
    tops = [y - shapes[n].ry for n, (_, y) in centers.items()]
    tops += [b[1] for b in boxes.values()] + [float(c[:, 1].min()) for c in lines]
    ends = [y + shapes[n].ry for n, (_, y) in centers.items()]
    ends += [b[3] for b in boxes.values()] + [float(c[:, 1].max()) for c in lines]
    up = min(tops) - 8
    move = np.array([0.0, up])
    return Geometry(
        width=width,
        height=max(ends) - up + 8,
        font=font,
        centers={n: (x, y - up) for n, (x, y) in centers.items()},
        shapes=shapes,
        words=words,
        curves={e: c - move for e, c in curves.items()},
        arcs={e: c - move for e, c in arcs.items()},
        boxes={e: (b[0], b[1] - up, b[2], b[3] - up) for e, b in boxes.items()},
        key=key,
    )
