"""Structural-after-measurement moderation: measurement blocks first, then paths from corrected moments."""
