from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sem_models.charts.layout import Shape, clip, curve, layers, place, place_labels, route, shorten

CORE = [
    ("EDS", "PV"),
    ("OPS", "PV"),
    ("EDS", "SAT"),
    ("OPS", "SAT"),
    ("PV", "SAT"),
    ("PV", "BI"),
    ("SAT", "BI"),
]
NODES = ["EDS", "OPS", "PV", "SAT", "BI"]


def test_layers_are_longest_paths() -> None:
    assert layers(NODES, CORE) == {"EDS": 0, "OPS": 0, "PV": 1, "SAT": 2, "BI": 3}


def test_feedback_leaves_the_sources_first() -> None:
    depth = layers(NODES, [*CORE, ("SAT", "PV"), ("BI", "EDS")])
    assert depth["OPS"] == depth["EDS"] == 0
    assert depth["BI"] == 3


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda e: e[0] != e[1]),
        max_size=20,
        unique=True,
    )
)
def test_any_graph_is_placed_without_overlap(pairs: list[tuple[int, int]]) -> None:
    nodes = [str(i) for i in range(8)]
    edges = [(str(a), str(b)) for a, b in pairs]
    shape = dict.fromkeys(nodes, Shape(25, 20))
    depth = layers(nodes, edges)
    centers = place(nodes, edges, depth, shape, width=560, step=30)
    for i, a in enumerate(nodes):
        for b in nodes[i + 1 :]:
            if depth[a] == depth[b]:
                assert abs(centers[a][1] - centers[b][1]) >= 2 * 20 + 10
            else:
                assert abs(centers[a][0] - centers[b][0]) > 2 * 25
    assert set(route(edges, centers, shape)) == set(edges)


def test_placement_is_reproducible_and_keeps_arrows_off_other_constructs() -> None:
    shape = dict.fromkeys(NODES, Shape(40, 25))
    centers = place(NODES, CORE, layers(NODES, CORE), shape, width=560, step=32)
    assert centers == place(NODES, CORE, layers(NODES, CORE), shape, width=560, step=32)
    for (a, b), points in route(CORE, centers, shape).items():
        for node in set(NODES) - {a, b}:
            x, y = centers[node]
            assert (((points[:, 0] - x) / 40) ** 2 + ((points[:, 1] - y) / 25) ** 2).min() > 1


def test_reciprocal_arrows_do_not_lie_on_each_other() -> None:
    centers = {"A": (0.0, 0.0), "B": (200.0, 0.0)}
    routes = route([("A", "B"), ("B", "A")], centers, dict.fromkeys("AB", Shape(20, 20)))
    there, back = routes["A", "B"][:, 1], routes["B", "A"][:, 1]
    assert there.min() < -10 or there.max() > 10
    assert np.sign(there[np.abs(there).argmax()]) == -np.sign(back[np.abs(back).argmax()])


def test_curves_end_at_the_outlines() -> None:
    a, b = (0.0, 0.0), (100.0, 0.0)
    points = clip(curve(a, b, 0.0), a, b, Shape(20, 10), Shape(30, 10, round=False))
    assert points[0][0] == pytest.approx(21, abs=0.5)
    assert points[-1][0] == pytest.approx(68, abs=0.5)
    cut = shorten(points, 4, 6, count=5)
    assert len(cut) == 5
    np.testing.assert_allclose(cut[[0, -1], 0], points[[0, -1], 0] + [4, -6])


def test_labels_keep_apart_where_arrows_cross() -> None:
    curves = [shorten(curve((0, 0), (100, 100), 0), 0, 0), shorten(curve((0, 100), (100, 0), 0), 0, 0)]
    (x1, y1), (x2, y2) = place_labels(curves, [(24, 13), (24, 13)], [])
    assert abs(x1 - x2) >= 24 or abs(y1 - y2) >= 13


def test_labels_avoid_obstacles() -> None:
    line = shorten(curve((0, 0), (200, 0), 0), 0, 0)
    ((x, _),) = place_labels([line], [(24, 13)], [(80, -20, 120, 20)])
    assert abs(x - 100) > 20


def test_a_label_does_not_hide_a_short_arrow() -> None:
    line = shorten(curve((0, 0), (25, 0), 0), 0, 0)
    ((_, y),) = place_labels([line], [(24, 13)], [])
    assert abs(y) > 13 / 2
