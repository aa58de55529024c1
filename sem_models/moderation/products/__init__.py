"""Latent products measured by products of items: which items, their columns, the model, its constraints."""
