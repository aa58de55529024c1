"""Latent interactions of ordered items, by the likelihood of the answers and with their numbers."""
