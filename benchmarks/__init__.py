"""Speed against other programs, with the objective each one reaches beside the seconds.

One adapter per rival (`adapters/`), one scoring objective (`scoring.py`), one model (`cases.py`).
`python -m benchmarks` prints it. A new rival is a module in `adapters/` and a line in its list.
"""
