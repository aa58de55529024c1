"""How well every method of `sm.moderate` recovers a latent interaction: bias, coverage and type I error."""
