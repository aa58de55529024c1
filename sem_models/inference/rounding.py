"""What counts as nothing."""

from __future__ import annotations

ZERO = 1e-12
"""A variance up to this part of the item's own is zero: an estimate on its bound is only so near to it."""
