"""Trees of structural equation models: which observed covariate splits the paths."""
