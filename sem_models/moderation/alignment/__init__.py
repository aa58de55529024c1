"""Group means and variances where scalar invariance fails: factor analysis alignment."""
