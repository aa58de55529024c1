"""A made-up business survey that fits `b2b_service`; tests break it in one place each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data_schemas import Schema


@pytest.fixture
def b2b() -> pd.DataFrame:
    """60 made-up customers, all columns but wave, complete; object columns, so that cells can be replaced."""
    rng = np.random.default_rng(20)
    n = 60
    schema = Schema.load("b2b_service")
    items = {c.name: rng.integers(1, 8, n).astype(float) for c in schema.with_role("item")}
    records = {c.name: rng.integers(1, 60, n).astype(float) for c in schema.with_role("measure")}
    labels = {
        "customer_id": [f"K{i:03d}" for i in range(n)],
        "account_manager": [f"manager {i % 9}" for i in range(n)],
        "active": ["active", "inactive"] * (n // 2),
    }
    return pd.DataFrame(items | labels | records).astype(object)
