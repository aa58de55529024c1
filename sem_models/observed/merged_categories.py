"""Categories that some group never chose, merged with their neighbors in all groups alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.observed.ordered_items import coded
from sem_models.observed.sample import group_labels, membership_of


@dataclass(frozen=True, slots=True)
class Merged:
    """The data with the items recoded, and what was merged in words, an item each; empty where "
    "nothing was."""

    data: pd.DataFrame
    notes: tuple[str, ...]


def merge_categories(
    data: pd.DataFrame, items: Sequence[str], *, group: str | None = None, least: int = 1
) -> Merged:
    """Merge categories of ordered items until each was chosen at least `least` times in every group.

    From the lowest on, a category that is too rare goes with the next, at the end with the one before; merged
    answers take the number of the largest of their categories, so that others keep theirs. Raises DataError
    for an item that would be left with one category, and for names that are not columns.
    """
    if isinstance(least, bool) or not isinstance(least, int) or least < 1:
        raise SpecError(f"least={least!r} must be a whole number from 1 on.")
    missing = [name for name in items if name not in data.columns]
    if missing:
        raise DataError(
            f"'{missing[0]}' is not a column of the data. "
            f"{did_you_mean(missing[0], data.columns, noun='columns')}"
        )
    labels = group_labels(data, group)
    member = np.zeros(len(data), dtype=np.intp) if group is None else membership_of(data[group], labels)
    out, notes = data.copy(), []
    for name in items:
        codes, answers = coded(data[name], name)
        seen = ~np.isnan(codes) & (member >= 0)
        counts = np.zeros((len(labels), len(answers)))
        np.add.at(counts, (member[seen], codes[seen].astype(np.intp)), 1.0)
        sets = _sets(counts, least)
        if len(sets) < 2:
            raise DataError(
                f"'{name}' would be left with one category: no cut of its answers has {least} or more on "
                "both sides in every group. Leave it out of the model, or merge groups."
            )
        if len(sets) == len(answers):
            continue
        number = np.empty(len(answers))
        for of in sets:
            number[list(of)] = max(of)
        numbers = [a for a in answers if isinstance(a, int | float | np.number)]
        whole = len(numbers) == len(answers)
        value = np.array(numbers if whole else np.arange(1, len(answers) + 1), dtype=np.float64)
        fresh = np.full(len(codes), np.nan)
        known = ~np.isnan(codes)
        fresh[known] = value[number[codes[known].astype(np.intp)].astype(np.intp)]
        out[name] = fresh
        said = [" with ".join(str(answers[k]) for k in of) for of in sets if len(of) > 1]
        notes.append(f"{name}: {', '.join(said)}")
    return Merged(out, tuple(notes))


def _sets(counts: np.ndarray, least: int) -> list[tuple[int, ...]]:
    """As many runs of categories as there can be whose counts (g, k) are `least` or more in each group."""
    sets: list[tuple[int, ...]] = []
    run: tuple[int, ...] = ()
    for k in range(counts.shape[1]):
        run = (*run, k)
        if counts[:, list(run)].sum(axis=1).min() >= least:
            sets.append(run)
            run = ()
    if run and sets:
        sets[-1] = (*sets[-1], *run)
    return sets
