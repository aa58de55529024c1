"""Parameters as functions of observed covariates (`label :~ covariate`): moderated nonlinear factor
analysis."""
