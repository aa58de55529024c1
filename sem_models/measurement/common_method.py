"""Common method variance: the share of a single unrotated factor (Harman's test)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sem_models.errors import DataError
from sem_models.measurement.items import complete, numeric_items


def single_factor_share(frame: pd.DataFrame, items: Sequence[str]) -> pd.DataFrame:
    """Share of the items' variance on the first principal component, from complete rows.

    One row: n_items, n, share, verdict ("below one half" or "one half or more"). A weak test: a low share
    does not rule method variance out (Podsakoff et al. 2003, Journal of Applied Psychology 88, p. 889).
    """
    data = complete(numeric_items(frame, items))
    n, p = data.shape
    if p < 3 or n <= p:
        raise DataError(
            f"{n} complete rows of {p} items: the single-factor share needs 3 items and more rows."
        )
    spread = data.std()
    still = [str(c) for c in data.columns if not spread[c] > 0]
    if still:
        raise DataError(f"Constant items: {', '.join(still)}. Leave them out.")
    share = float(np.linalg.eigvalsh(np.corrcoef(data.to_numpy(), rowvar=False))[-1]) / p
    verdict = "below one half" if share < 0.5 else "one half or more"
    return pd.DataFrame([{"n_items": p, "n": n, "share": share, "verdict": verdict}])
