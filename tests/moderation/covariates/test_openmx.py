"""A continuous covariate against OpenMx with definition variables, on the bundled example (simulated)."""

from __future__ import annotations

import pandas as pd
import pytest

import sem_models as sm
from sem_models import examples

LOGLIK = 1e-6
"""Agreement of a log-likelihood of −3,248."""
ESTIMATE = 1e-3
"""Agreement of estimates in standard errors."""
ERROR = 2e-3
"""Agreement of errors, relative: OpenMx takes the second derivatives numerically."""

# OpenMx 2.21.1, mxExpectationNormal of a reticular action model with definition variable m = tenure_years:
# paths A0 + m AD, variances S0 exp(m SD), means M0 + m MD; the example's missing answers filled with the
# items' means
OPENMX_LOGLIK = -3248.0828490434
OPENMX = {
    ("E", "=~", "eds2"): (1.26919495471, 0.110455439229),
    ("E", "=~", "eds3"): (0.90913625546, 0.058478263204),
    ("P", "=~", "pv2"): (0.91357641095, 0.060737109186), ("P", "~", "E"): (0.79306341054, 0.106059341658),
    ("E", "~~", "E"): (0.87632662588, 0.159589404073), ("P", "~~", "P"): (0.60018242560, 0.079865172819),
    ("eds2", "~~", "eds2"): (0.54932552479, 0.067402747955),
    ("eds1", "~1", ""): (4.58781232316, 0.110783978448),
    ("pv3", "~1", ""): (4.65871589015, 0.109998995556),
    ("b", ":~", "tenure_years"): (-0.01274662085, 0.009260547362),
    ("l2", ":~", "tenure_years"): (-0.01481253480, 0.008196395937),
    ("v", ":~", "tenure_years"): (0.01086235610, 0.016057215047),
    ("mE", ":~", "tenure_years"): (0.02280664855, 0.010940309796),
    ("mP", ":~", "tenure_years"): (-0.01529720522, 0.009488794935),
}  # fmt: skip

MODEL = """
E =~ eds1 + l2*eds2 + eds3
P =~ pv1 + pv2 + pv3
P ~ b*E
E ~~ v*E
E ~ 0*1 + mE*1
P ~ 0*1 + mP*1
b + l2 + v + mE + mP :~ tenure_years
"""


def test_openmx_with_a_definition_variable() -> None:
    data = pd.read_csv(examples.path())
    items = ["eds1", "eds2", "eds3", "pv1", "pv2", "pv3"]
    data[items] = data[items].fillna(data[items].mean())
    found = sm.moderate(MODEL, data, method="mnlfa")
    assert found.loglik == pytest.approx(OPENMX_LOGLIK, abs=LOGLIK)
    table = found.estimates().set_index(["lhs", "op", "rhs"])
    for key, (est, se) in OPENMX.items():
        assert abs(table.loc[key, "est"] - est) < ESTIMATE * se
        assert table.loc[key, "se"] == pytest.approx(se, rel=ERROR)
