"""Frames made of blocks are what pandas itself would make of the columns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sem_models.inference.frames import framed


def test_as_the_constructor_makes_it() -> None:
    text = pd.Series(["a", "b", "c"]).array
    columns = {"name": text, "x": np.array([1.0, np.nan, 3.0]), "n": np.arange(3), "y": np.zeros(3)}
    pd.testing.assert_frame_equal(framed(columns), pd.DataFrame(columns))


def test_the_frame_owns_its_columns() -> None:
    text, x = pd.Series(["a", "b"]).array, np.array([1.0, 2.0])
    frame = framed({"name": text, "x": x})
    frame.loc[0, "name"], frame.loc[0, "x"] = "changed", 9.0
    assert list(text) == ["a", "b"]
    assert x[0] == 1.0


def test_frames_do_not_share_the_name_of_their_columns() -> None:
    framed({"x": np.zeros(2)}).columns.name = "statistic"
    assert framed({"x": np.zeros(2)}).columns.name is None
