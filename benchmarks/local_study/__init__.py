"""How local models and parameters as functions of covariates do on populations whose curves are known."""
