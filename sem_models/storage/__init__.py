"""Fits as files: an open format without code in it."""
