"""Measurement: reliability, convergent and discriminant validity, screening of survey items."""
