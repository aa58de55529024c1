"""What the calibration showed to be wrong, and what was done about it."""

NOTES = """## What was found and mended

Measured with the rules before the change, 60 samples each, same populations and seed:

- **C12** counted C6.PV, the effect of a visit at the 10th percentile of activity, among the differences
  between customers. Where a visit costs every customer the same (“harm to all alike”) the claim was
  supported in 46 of 60 samples. It reads the interaction of visits and activity instead (C6.PV_x).
- **C7** claims that *only* customers with high prior value and an active relationship welcome visits, but
  its verdict asked for the three-way interaction and the effect where both are high alone. Where activity
  alone is enough (“welcome with activity alone”) it was supported in 35 of 60 samples. The effects where
  one of the two is high must now be negative too. Each part excludes zero by itself, so that support needs
  large effects or more customers than 387.
- **C12** asks whether any of eleven effects differs between customers, and counted p < .05 on either side
  (adjusted by Holm's method) as support: 4.8 and 5.2 % of 500 samples where nothing moderates, as much as
  eleven tests at .05 give. Now each side gets half of what the interval leaves out, as with a claimed
  direction: the adjusted p must be below .025 (rules version 3). 500 samples of each population by another
  seed (2004) gave 2.0 and 2.6 %.
- **Visits by activity** were estimated without operations by activity. With PV = … + b₂ V + b₃ V·A + c O·A
  and V = δ O + e, leaving out O·A adds c cov(O, V)/var(V) to b₃, to a good approximation, as A is nearly
  independent of V and O. Visits follow poor operations, δ < 0, and so b₃ was too low: where a visit is
  worth nothing to anybody, its effect at the 10th percentile of activity was .044 points on average in 15
  samples (standard error .010). Interactions of service records are now estimated together with those of
  the services with the same moderator; the mean is in the table of parts (“visits do nothing”).
- **Three-way products** by product indicators left out that the residual of x·z·w covaries with that of x
  by Var(e_x) Cov(Z, W); their estimates were about 15 % too small where predictors correlate .3. These
  covariances are free now, and C7's samples were drawn anew (docs/moderation-products.md).

## What remains

- The share of customers to whom a visit does harm (C6.SHARE) is not to be read by itself: where the effect
  is the same for all and near zero, estimated shares jump between 0 and 1 and its interval by normal draws
  is too short. The claim needs the effect at the 10th percentile as well, which keeps its rate.
- Standard errors of interactions by product indicators are somewhat short at this number of customers (mean
  se against sd below), most so for the three-way product of a skewed count.
- Records are uncorrelated with latent variables in these models, as lavaan has it for covariates. In a draw
  of 100,000 customers with a visit worth .060 that puts the slope of visits at .057, and at .063 with the
  correlations free (standard errors .0014): no bias that matters here."""
