"""The shipped population: its lines that decide claims, and where their boundaries lie."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from sem_models.errors import SpecError
from sem_models.model.ram import Array
from sem_models.simulation.draw import implied_moments, simulate
from sem_models.simulation.population import Population, load_population
from sem_models.simulation.structure import structure

PV = "PV ~ c(0.66, 0.38)*EDS + c(0.33, 0.08)*OPS"
PV_LEVEL = "PV ~ c(0.10, 0)*1"
REP = "SAT_REP ~ c(0.56, 0.40)*EDS + c(0.08, 0.04)*OPS + 0.28*PV"
REP_LEVEL = "SAT_REP ~ c(0.30, 0)*1"
ORG = "SAT_ORG ~ c(0.04, 0.02)*EDS + c(0.44, 0.32)*OPS + 0.32*PV + 0.22*SAT_REP"
ORG_LEVEL = "SAT_ORG ~ c(0.25, 0)*1"
BI = "BI ~ 0.42*PV + 0.12*SAT_REP + 0.34*SAT_ORG"
BI_LEVEL = "BI ~ c(0.10, 0)*1"
BY_ACTIVITY = "PV ~ 0.22*EDS:ACT + 0.20*OPS:ACT + -0.05*EDS:OPS"
BY_OTHERS = "PV ~ -0.06*EDS:PV_PRIOR + 0.08*OPS:PV_PRIOR + -0.02*EDS:tenure_years + 0.015*OPS:tenure_years"
CALLS = "PV ~ 0.06*customer_calls + 0.01*company_calls"
VISITS = "PV ~ c(-0.015, -0.123)*onsite_visits + 0.09*onsite_visits:ACT"
VISITS_TOO = "PV ~ c(0.080, 0.008)*onsite_visits:PV_PRIOR + 0.06*onsite_visits:ACT:PV_PRIOR"

Edits = Mapping[str, str]
NO_RECORDS = {CALLS: "", VISITS: "", VISITS_TOO: "", BY_OTHERS: "PV ~ -0.06*EDS:PV_PRIOR + 0.08*OPS:PV_PRIOR"}
"""Value does not depend on service records, whose means and links with operations differ by group."""
NO_MODERATION = {PV: "PV ~ 0.5*EDS + 0.25*OPS", PV_LEVEL: "", BY_ACTIVITY: "", BY_OTHERS: "", VISITS_TOO: ""}
DRAWN = 200_000


def edited(edits: Edits) -> Population:
    shipped = load_population("b2b_service")
    text = shipped.model
    for old, new in edits.items():
        if old not in text:
            raise SpecError(f"The shipped population no longer has the line '{old}'.")
        text = text.replace(old, new)
    return shipped.model_copy(update={"model": text})


def _by_group(name: str) -> tuple[Array, Array, Array]:
    """Shares of the groups, and mean and standard deviation of a latent in each."""
    shipped = load_population("b2b_service")
    moments = list(implied_moments(shipped).values())
    i = list(moments[0].latent_mean.index).index(name)
    means = np.array([m.latent_mean.to_numpy(np.float64)[i] for m in moments])
    variances = np.array([m.latent_cov.to_numpy(np.float64)[i, i] for m in moments])
    return np.array(shipped.shares), means, np.sqrt(variances)


def equal_weight(on_eds: float) -> float:
    """The slope of OPS whose standardized weight, over all customers, is that of a slope of EDS."""

    def variance(name: str) -> float:
        share, means, sd = _by_group(name)
        return float(share @ (sd**2 + (means - share @ means) ** 2))

    return on_eds * sqrt(variance("EDS") / variance("OPS"))


def room() -> float:
    """How far EDS can be raised in scale points: the 95th percentile of its item means less their mean."""
    shipped = load_population("b2b_service")
    drawn = simulate(shipped, DRAWN, rng=np.random.default_rng(95), complete=True)
    scores = drawn[["eds1", "eds2", "eds3", "eds4"]].mean(axis=1)
    return float(scores.quantile(0.95) - scores.mean())


def deviations(name: str) -> Array:
    """Means of the active and inactive customers, as deviations from the mean of all."""
    share, means, _ = _by_group(name)
    return np.asarray(means - share @ means)


def quantile(name: str, share: float) -> float:
    """Quantile of a latent over all customers, a mixture of two normals, as deviation from their mean."""
    shares, _, sd = _by_group(name)
    at = deviations(name)
    return float(brentq(lambda x: float(shares @ ndtr((x - at) / sd)) - share, -10.0, 10.0))


def visits(level: float, act: float = 0.0, prior: float = 0.0, both: float = 0.0) -> dict[str, str]:
    """A visit is worth level + act A + prior P + both A P, in deviations from the means of all customers.

    The population's terms are in deviations from the group's own means a, p: A = A_g + a and P = P_g + p.
    """
    a, p = deviations("ACT"), deviations("PV_PRIOR")
    pair = [(level + act * i + prior * j + both * i * j, act + both * j, prior + both * i)
            for i, j in zip(a, p, strict=True)]  # fmt: skip
    main, by_act, by_prior = (f"c({x:.8f}, {y:.8f})" for x, y in zip(*pair, strict=True))
    return {
        VISITS: f"PV ~ {main}*onsite_visits + {by_act}*onsite_visits:ACT",
        VISITS_TOO: f"PV ~ {by_prior}*onsite_visits:PV_PRIOR + {both:.8f}*onsite_visits:ACT:PV_PRIOR",
        BY_OTHERS: "PV ~ -0.06*EDS:PV_PRIOR + 0.08*OPS:PV_PRIOR",
        PV: "PV ~ 0.5*EDS + 0.25*OPS",
        PV_LEVEL: "",
    }


def same_service(org: float | None, rep: float | None) -> dict[str, str]:
    """Intercepts by which the gaps at the same service are as given (None: as shipped)."""
    gap = same_service_gaps(edited(NO_RECORDS))
    rep_level = 0.30 if rep is None else 0.30 + rep - gap["SAT_REP"]
    edits = {**NO_RECORDS, REP_LEVEL: f"SAT_REP ~ c({rep_level:.8f}, 0)*1"}
    gap = same_service_gaps(edited(edits))
    org_level = 0.25 if org is None else 0.25 + org - gap["SAT_ORG"]
    return {**edits, ORG_LEVEL: f"SAT_ORG ~ c({org_level:.8f}, 0)*1"}


def same_service_gaps(population: Population) -> dict[str, float]:
    """Both satisfactions of active less inactive customers at the mean service of all."""
    s = structure(population)
    p, names = s.n_items, list(s.latents)
    at = [names.index("EDS"), names.index("OPS")]
    moments = list(implied_moments(population).values())
    means = np.array([m.latent_mean.to_numpy() for m in moments])
    center = np.asarray(population.shares) @ means[:, at]
    levels = []
    for g in range(2):
        total = np.linalg.inv(np.eye(len(names)) - s.a_mat[g, p:, p:])
        levels.append(means[g] + total[:, at] @ (center - means[g, at]))
    return {name: float((levels[0] - levels[1])[names.index(name)]) for name in ("SAT_ORG", "SAT_REP")}
