"""Ordered items by WLSMV and as continuous by MLR: recovery and coverage where the truth is known."""
