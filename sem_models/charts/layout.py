"""Where the constructs, arrows and labels of a path diagram go: plain geometry, no drawing.

Layers run left to right by longest path (Sugiyama, Tagawa & Toda 1981) once feedback arrows are set aside
(Eades, Lin & Smyth 1993); within layers, rows minimize crossings, arrows through other constructs, and
length. Coordinates are pixels, y downward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Edge = tuple[str, str]
Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom
_SAMPLES = 241


@dataclass(frozen=True, slots=True)
class Shape:
    """Half width and half height of a construct's outline, and whether it is an ellipse or a box."""

    rx: float
    ry: float
    round: bool = True


def layers(nodes: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Layer of each node: the longest path that leads to it, arrows that close a cycle left out."""
    position = {n: i for i, n in enumerate(_sequence(nodes, edges))}
    depth = dict.fromkeys(nodes, 0)
    for node in position:
        before = [depth[a] for a, b in edges if b == node and position[a] < position[b]]
        depth[node] = 1 + max(before) if before else 0
    return depth


def place(
    nodes: Sequence[str],
    edges: Sequence[Edge],
    depth: Mapping[str, int],
    shape: Mapping[str, Shape],
    *,
    width: float,
    step: float,
) -> dict[str, Point]:
    """Center of each node, the outlines filling `width` from x = 0; `step` is the distance of free rows.

    Deterministic: the search starts from fixed orders.
    """
    columns = max(depth.values()) + 1
    rx, ry = max(s.rx for s in shape.values()), max(s.ry for s in shape.values())
    inner = width - 2 * rx
    x = np.array([rx + (inner * depth[n] / (columns - 1) if columns > 1 else inner / 2) for n in nodes])
    row = _search(
        nodes, edges, depth, x, step, clearance=ry + 9, gap=max(2, int(np.ceil((2 * ry + 12) / step)))
    )
    return {n: (float(a), float(step * b)) for n, a, b in zip(nodes, x, row, strict=True)}


def curve(start: Point, end: Point, bend: float) -> Array:
    """Quadratic curve as points (241, 2); `bend` is its height over the chord in chord lengths.

    Seen along the way from start to end on a screen, positive bends lie to the left.
    """
    a, b = np.array(start), np.array(end)
    chord = b - a
    control = (a + b) / 2 + 2 * bend * np.array([chord[1], -chord[0]])
    t = np.linspace(0, 1, _SAMPLES)[:, None]
    return np.asarray((1 - t) ** 2 * a + 2 * t * (1 - t) * control + t**2 * b)


def clip(points: Array, source: Point, target: Point, first: Shape, last: Shape) -> Array:
    """The part of a curve outside both outlines, with a little air."""
    outside = ~(_inside(points, source, first, 1.0) | _inside(points, target, last, 2.0))
    kept = points[outside]
    return kept if len(kept) > 1 else points


def shorten(points: Array, start: float, end: float, count: int = 24) -> Array:
    """`count` points evenly along the curve, without its first `start` and last `end` pixels."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    total = along[-1]
    if total <= start + end:
        start = end = 0.0
    at = np.linspace(start, total - end, count)
    return np.stack([np.interp(at, along, points[:, 0]), np.interp(at, along, points[:, 1])], axis=1)


def route(
    edges: Sequence[Edge], centers: Mapping[str, Point], shape: Mapping[str, Shape], boxes: Sequence[Box] = ()
) -> dict[Edge, Array]:
    """Straight where nothing is in the way, else with the slightest bend that avoids outlines and boxes."""
    routes = {}
    present = set(edges)
    for source, target in edges:
        # Two arrows between the same constructs would lie on each other: both bend, to opposite sides.
        free = (0, 0.1, -0.1, 0.16, -0.16, 0.23, -0.23, 0.31, -0.31, 0.4, -0.4)
        bends = (0.18, 0.28) if (target, source) in present else free
        trials = [curve(centers[source], centers[target], bend) for bend in bends]
        costs = []
        for points, bend in zip(trials, bends, strict=True):
            others = [n for n in centers if n not in (source, target)]
            hits = sum(int(_inside(points, centers[n], shape[n], 7.0).sum()) for n in others)
            costs.append(hits + sum(int(_in_box(points, b).sum()) for b in boxes) + 20 * abs(bend))
        best = trials[int(np.argmin(costs))]
        routes[source, target] = clip(best, centers[source], centers[target], shape[source], shape[target])
    return routes


def place_labels(
    curves: Sequence[Array], sizes: Sequence[tuple[float, float]], obstacles: Sequence[Box]
) -> list[Point]:
    """A point on each curve for its label, away from the other labels, the other curves and the obstacles.

    curves: evenly sampled points. sizes: (width, height) of each label.
    """
    share = np.array([0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68, 0.26, 0.74, 0.2, 0.8])
    spots, fixed = [], []
    for i, (points, size) in enumerate(zip(curves, sizes, strict=True)):
        at = points[(share * (len(points) - 1)).round().astype(int)]
        cost = 2.0 * np.abs(share - 0.5)
        if float(np.hypot(*(points[-1] - points[0]))) < size[0] + 18:
            # The label would hide so short an arrow: it stands above or below.
            aside = np.array([[0.0, -0.5 * size[1] - 4], [0.0, 0.5 * size[1] + 4]])
            at, cost = at[0] + aside, np.zeros(2)
        boxes = [_box(x, y, size) for x, y in at]
        near = [sum(float(_in_box(c, b).sum()) for j, c in enumerate(curves) if j != i) for b in boxes]
        blocked = [sum(_overlap(b, o) for o in obstacles) for b in boxes]
        spots.append(at)
        fixed.append(cost + 0.5 * np.array(near) + 0.6 * np.array(blocked))
    chosen = [0] * len(curves)
    placed: set[int] = set()
    # Short arrows have the least choice: they go first; two more rounds let each answer to the others.
    order = sorted(range(len(curves)), key=lambda i: float(np.hypot(*(curves[i][-1] - curves[i][0]))))
    for _ in range(3):
        for i in order:
            taken = [_box(spots[j][chosen[j]][0], spots[j][chosen[j]][1], sizes[j]) for j in placed - {i}]
            clash = [sum(_overlap(_box(x, y, sizes[i]), t) for t in taken) for x, y in spots[i]]
            chosen[i] = int(np.argmin(fixed[i] + 0.8 * np.array(clash)))
            placed.add(i)
    return [(float(s[c][0]), float(s[c][1])) for s, c in zip(spots, chosen, strict=True)]


def _sequence(nodes: Sequence[str], edges: Sequence[Edge]) -> list[str]:
    """An order with few arrows against it: sources first, sinks last, else the most outgoing node next."""
    left: list[str] = []
    right: list[str] = []
    rest = list(nodes)
    while rest:
        inside = [(a, b) for a, b in edges if a in rest and b in rest and a != b]
        out = {n: sum(a == n for a, _ in inside) for n in rest}
        into = {n: sum(b == n for _, b in inside) for n in rest}
        sources = [n for n in rest if into[n] == 0]
        sinks = [n for n in rest if out[n] == 0]
        if sources:
            node, side = sources[0], left
        elif sinks:
            node, side = sinks[-1], right
        else:
            node, side = max(rest, key=lambda n: out[n] - into[n]), left
        side.append(node)
        rest.remove(node)
    return left + right[::-1]


def _search(
    nodes: Sequence[str],
    edges: Sequence[Edge],
    depth: Mapping[str, int],
    x: Array,
    step: float,
    *,
    clearance: float,
    gap: int,
) -> Array:
    """Row of each node by coordinate descent with swaps, from several fixed starting orders."""
    index = {n: i for i, n in enumerate(nodes)}
    ends = np.array([[index[a], index[b]] for a, b in edges], dtype=int).reshape(-1, 2)
    columns = [[index[n] for n in nodes if depth[n] == k] for k in range(max(depth.values()) + 1)]
    rows = gap * (max(len(c) for c in columns) - 1) + 3
    generator = np.random.default_rng(0)
    best_row, best_cost = np.zeros(len(nodes)), np.inf
    for start in range(8):
        row = np.zeros(len(nodes))
        for column in columns:
            order = column if start == 0 else [int(i) for i in generator.permutation(column)]
            row[order] = (rows - 1 - gap * (len(column) - 1)) // 2 + gap * np.arange(len(column))
        cost = float(_cost(row[None], x, ends, step, clearance, rows)[0])
        improved = True
        while improved:
            improved = False
            for column in columns:
                moves = _moves(row, column, rows, gap)
                costs = _cost(moves, x, ends, step, clearance, rows)
                k = int(np.argmin(costs))
                if costs[k] < cost - 1e-9:
                    row, cost, improved = moves[k], float(costs[k]), True
        if cost < best_cost - 1e-9:
            best_row, best_cost = row, cost
    return best_row


def _moves(row: Array, column: Sequence[int], rows: int, gap: int) -> Array:
    """The present rows, every free row for each node of a column, and every swap of two: (moves, nodes)."""
    moves = [row]
    for position, i in enumerate(column):
        others = [row[j] for j in column if j != i]
        for r in range(rows):
            if r != row[i] and all(abs(r - o) >= gap for o in others):
                moves.append(row.copy())
                moves[-1][i] = r
        for j in column[position + 1 :]:
            moves.append(row.copy())
            moves[-1][[i, j]] = row[[j, i]]
    return np.array(moves)


def _cost(row: Array, x: Array, ends: NDArray[np.int_], step: float, clearance: float, rows: int) -> Array:
    """Crossings, arrows through or along others, length, eccentricity: (moves, nodes) → (moves,)."""
    cost = 0.02 * np.abs(row - (rows - 1) / 2).sum(axis=1) + 0.04 * np.ptp(row, axis=1)
    if len(ends) == 0:
        return np.asarray(cost)
    p = np.stack([np.broadcast_to(x, row.shape), row * step], axis=-1)
    a, b = p[:, ends[:, 0]], p[:, ends[:, 1]]
    d = b - a
    square = np.maximum((d**2).sum(-1), 1e-9)
    cost = cost + 0.15 * np.abs(d[..., 1]).sum(axis=1) / step
    # Nodes too close to an arrow that does not concern them.
    to_node = p[:, None] - a[:, :, None]
    t = np.clip((to_node * d[:, :, None]).sum(-1) / square[..., None], 0, 1)
    away = np.hypot(*np.moveaxis(to_node - t[..., None] * d[:, :, None], -1, 0))
    own = np.arange(len(ends))
    away[:, own, ends[:, 0]] = away[:, own, ends[:, 1]] = np.inf
    cost = cost + 30 * np.maximum(1 - away / clearance, 0).sum(axis=(1, 2))
    i, j = np.triu_indices(len(ends), 1)
    apart = ~(ends[i][:, :, None] == ends[j][:, None, :]).any(axis=(1, 2))
    astride = _side(a[:, i], b[:, i], a[:, j]) * _side(a[:, i], b[:, i], b[:, j]) < 0
    astride &= _side(a[:, j], b[:, j], a[:, i]) * _side(a[:, j], b[:, j], b[:, i]) < 0
    cost = cost + 5 * (astride & apart).sum(axis=1)
    # Arrows from or to one node in nearly the same direction are hard to tell apart.
    same = (ends[i] == ends[j]).any(axis=1)
    cosine = (d[:, i] * d[:, j]).sum(-1) / np.sqrt(square[:, i] * square[:, j])
    return np.asarray(cost + 6 * np.maximum(cosine[:, same] - 0.93, 0).sum(axis=1) / 0.07)


def _side(a: Array, b: Array, p: Array) -> Array:
    return np.asarray(
        (b[..., 0] - a[..., 0]) * (p[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (p[..., 0] - a[..., 0])
    )


def _inside(points: Array, center: Point, shape: Shape, air: float) -> NDArray[np.bool_]:
    u = np.abs(points[:, 0] - center[0]) / (shape.rx + air)
    v = np.abs(points[:, 1] - center[1]) / (shape.ry + air)
    return np.asarray(u**2 + v**2 < 1 if shape.round else np.maximum(u, v) < 1)


def _box(x: float, y: float, size: tuple[float, float]) -> Box:
    return x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2


def _overlap(a: Box, b: Box) -> float:
    """Common area in square pixels."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _in_box(points: Array, box: Box) -> NDArray[np.bool_]:
    x, y = points[:, 0], points[:, 1]
    return np.asarray((x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3]))
