"""The bundled population, and a small one whose moments can be worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from sem_models.simulation.population import Population, load_population


@pytest.fixture(scope="session")
def b2b() -> Population:
    return load_population("b2b_service")


@pytest.fixture
def small() -> dict[str, Any]:
    """Two latents, a path of .5 (a) and .2 (b), and a record that depends on X."""
    return {
        "name": "small",
        "title": "Simulated",
        "n": 100,
        "seed": 1,
        "group_column": "g",
        "groups": {"a": 0.6, "b": 0.4},
        "model": """
            X =~ 1*x1 + 0.8*x2
            Y =~ 1*y1 + 2*y2
            x1 ~~ 0.5*x1
            x2 ~~ 0.4*x2
            y1 ~~ 0.3*y1
            y2 ~~ 0.7*y2
            x1 ~ 4*1
            x2 ~ 5*1
            y1 ~ 3*1
            y2 ~ 4*1
            X ~ c(0.5, 0)*1
            X ~~ 2*X
            Y ~ c(0.5, 0.2)*X
            Y ~~ 1*Y
            Y ~ c(0.3, 0)*X:calls + -0.1*calls
        """,
        "records": {
            "calls": {"kind": "poisson", "level": {"a": 1.0, "b": 0.5}, "on": {"X": 0.2}, "center": 2}
        },
    }
