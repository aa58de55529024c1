"""How often the claims scorecard is wrong: verdicts on samples of populations where each claim is known."""
