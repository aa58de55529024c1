"""Local structural equation models: a model's parameters as curves over a continuous moderator."""
