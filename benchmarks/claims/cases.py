"""Populations in which a claim is true, on its boundary, or false: the shipped one with some lines changed.

Claims are judged on all customers together. Where two groups of customers have the same slopes and intercepts
in the equation that decides a claim, its slopes are also those of all customers together, and the boundary
value is exact; so that equation is the same for active and inactive customers on boundaries and where false.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from benchmarks.claims.shipped import (
    BI,
    BI_LEVEL,
    BY_ACTIVITY,
    BY_OTHERS,
    CALLS,
    NO_MODERATION,
    NO_RECORDS,
    ORG,
    ORG_LEVEL,
    PV,
    PV_LEVEL,
    REP,
    REP_LEVEL,
    VISITS,
    Edits,
    edited,
    equal_weight,
    quantile,
    room,
    same_service,
    visits,
)
from sem_models.simulation.population import Population

Truth = Literal["true", "boundary", "false"]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A population by what is changed in the shipped one, and what is true of the claims judged in it."""

    name: str
    words: str
    edits: Edits
    truths: Mapping[str, Truth]


@lru_cache(maxsize=64)
def population_of(case: Case) -> Population:
    """The shipped population with the case's lines in place of its own."""
    return edited(case.edits)


@lru_cache(maxsize=1)
def cases() -> tuple[Case, ...]:
    """All populations, the cheapest to judge first."""
    equal, points = equal_weight(0.4), room()
    same_pv = {**NO_RECORDS, PV_LEVEL: ""}
    q10, q25 = quantile("ACT", 0.10), quantile("ACT", 0.25)
    high = quantile("ACT", 0.84), quantile("PV_PRIOR", 0.84)
    both_high = 0.12 * high[0] + 0.08 * high[1] + 0.12 * high[0] * high[1]
    low = quantile("PV_PRIOR", 0.16)
    activity_alone = 0.22 * high[0] + 0.12 * low + 0.2 * high[0] * low
    still = {**NO_MODERATION, **dict.fromkeys((CALLS, VISITS), "")}
    every = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "C11", "C12")

    def through_value(by: float) -> dict[str, str]:
        return {
            **NO_RECORDS,
            REP: f"SAT_REP ~ 0.48*EDS + 0.06*OPS + {by}*PV", REP_LEVEL: "",
            ORG: f"SAT_ORG ~ 0.03*EDS + 0.38*OPS + {by}*PV + 0.22*SAT_REP", ORG_LEVEL: "",
            BI: f"BI ~ {by}*PV + 0.12*SAT_REP + 0.34*SAT_ORG", BI_LEVEL: "",
        }  # fmt: skip

    return (
        Case(
            "weights equal", "both services weigh the same on value and on overall satisfaction, "
            "standardized; value adds nothing to intentions beyond satisfaction",
            {
                **same_pv, PV: f"PV ~ 0.4*EDS + {equal:.8f}*OPS",
                ORG: f"SAT_ORG ~ 0.25*EDS + {equal * 0.625:.8f}*OPS + 0.32*PV + 0.22*SAT_REP", ORG_LEVEL: "",
                BI: "BI ~ 0*PV + 0.12*SAT_REP + 0.34*SAT_ORG", BI_LEVEL: "",
            },
            {"C1": "boundary", "C2": "boundary", "C11": "boundary"},
        ),
        Case(
            "weights reversed", "operational service weighs more on value and on satisfaction with "
            "representatives, employee-delivered service more overall; value lowers intentions at equal "
            "satisfaction",
            {
                **same_pv, PV: "PV ~ 0.25*EDS + 0.55*OPS",
                REP: "SAT_REP ~ 0.05*EDS + 0.40*OPS + 0.28*PV", REP_LEVEL: "",
                ORG: "SAT_ORG ~ 0.44*EDS + 0.04*OPS + 0.32*PV + 0.22*SAT_REP", ORG_LEVEL: "",
                BI: "BI ~ -0.2*PV + 0.12*SAT_REP + 0.54*SAT_ORG", BI_LEVEL: "",
            },
            {"C1": "false", "C2": "false", "C11": "false"},
        ),
        Case(
            "satisfaction unrelated", "satisfaction with the organization has nothing to do with intentions, "
            "to which value adds",
            {
                **same_pv, PV: "PV ~ 0.5*EDS + 0.25*OPS",
                ORG: "SAT_ORG ~ 0*EDS + 0*OPS + 0*PV + 0*SAT_REP", ORG_LEVEL: "",
                BI: "BI ~ 0.42*PV + 0.12*SAT_REP + 0*SAT_ORG", BI_LEVEL: "",
            },
            {"C11": "boundary"},
        ),
        Case(
            "one mediation zero", "operational service adds nothing to value; all else runs through value",
            {**same_pv, PV: "PV ~ 0.5*EDS + 0*OPS"}, {"C3": "boundary"},
        ),
        Case("mediation zero", "value leads to nothing", through_value(0.0), {"C3": "boundary"}),
        Case(
            "mediation reversed", "value lowers satisfaction and intentions", through_value(-0.2),
            {"C3": "false"},
        ),
        Case(
            "room used up", "the rate of substitution is the room for more employee-delivered service "
            f"({points:.2f} points)",
            {**same_pv, PV: f"PV ~ 0.33*EDS + {0.33 * points:.8f}*OPS"}, {"C4": "boundary"},
        ),
        Case(
            "beyond the room", "the rate of substitution is twice the room",
            {**same_pv, PV: f"PV ~ 0.3*EDS + {0.6 * points:.8f}*OPS"}, {"C4": "false"},
        ),
        Case(
            "nothing compensates", "employee-delivered service does not raise value",
            {**same_pv, PV: "PV ~ 0*EDS + 0.4*OPS"}, {"C4": "false"},
        ),
        Case(
            "contacts equal", "a visit is worth as much as a call (.06)", visits(0.06), {"C5": "boundary"},
        ),
        Case(
            "visits worth more", "a visit is worth .14, a call .02",
            {**visits(0.14), CALLS: "PV ~ 0.02*customer_calls"}, {"C5": "false"},
        ),
        Case(
            "a quarter harmed", "visits do harm at the 10th percentile of activity, and to exactly 25 % of "
            "customers",
            visits(-0.2 * q25, 0.2), {"C6": "boundary"},
        ),
        Case(
            "a tenth harmed", "a visit is worth nothing at the 10th percentile of activity, more above it",
            visits(-0.2 * q10, 0.2), {"C6": "false"},
        ),
        Case("visits do nothing", "a visit is worth nothing to anybody", visits(0.0), {"C6": "boundary"}),
        Case("visits help", "a visit is worth .1 to everybody", visits(0.1), {"C6": "false"}),
        Case(
            "no three-way", "visits are welcome only where activity and prior value are both high, without a "
            "three-way interaction", visits(-0.15, 0.22, 0.25), {"C7": "boundary"},
        ),
        Case(
            "worthless where both high", "with a three-way interaction, a visit is worth nothing where both "
            "are high, less elsewhere", visits(-both_high, 0.12, 0.08, 0.12), {"C7": "boundary"},
        ),
        Case(
            "worthless with activity alone", "with a three-way interaction; a visit is worth nothing where "
            "activity alone is high, more where prior value is too, less where that alone is high",
            visits(-activity_alone, 0.22, 0.12, 0.2), {"C7": "boundary"},
        ),
        Case(
            "welcome with activity alone", "with a three-way interaction; visits are welcome where activity "
            "and prior value are high, or activity alone", visits(0.15, 0.22, 0.15, 0.12), {"C7": "false"},
        ),
        Case(
            "three-way reversed", "visits are welcome but where both are high",
            visits(0.0, -0.05, -0.05, -0.12), {"C7": "false"},
        ),
        Case(
            "equally satisfied", "with the same service, active customers are as satisfied with the "
            "organization (gap 0), more with the representatives",
            same_service(0.0, None), {"C8": "boundary"},
        ),
        Case(
            "less satisfied", "with the same service, active customers are less satisfied (−.3 points both)",
            same_service(-0.3, -0.3), {"C8": "false"},
        ),
        Case(
            "equal slopes by group", "the slope of employee-delivered service is the same in both groups; "
            "the other three differences and interactions are large",
            {
                **NO_RECORDS, PV: "PV ~ 0.5*EDS + c(0.60, 0)*OPS",
                BY_ACTIVITY: "PV ~ 0.40*EDS:ACT + 0.35*OPS:ACT + -0.05*EDS:OPS",
            },
            {"C9": "boundary"},
        ),
        Case(
            "active get less", "differences and interactions have the other sign",
            {
                **NO_RECORDS, PV: "PV ~ c(0.38, 0.66)*EDS + c(0.08, 0.33)*OPS",
                BY_ACTIVITY: "PV ~ -0.22*EDS:ACT + -0.20*OPS:ACT + -0.05*EDS:OPS",
            },
            {"C9": "false"},
        ),
        Case(
            "only tenure's part zero", "tenure does not moderate employee-delivered service; the other five "
            "interactions are large",
            {
                **same_pv, PV: "PV ~ 0.5*EDS + 0.25*OPS",
                BY_ACTIVITY: "PV ~ 0.40*EDS:ACT + 0.35*OPS:ACT + -0.05*EDS:OPS",
                BY_OTHERS: "PV ~ -0.4*EDS:PV_PRIOR + 0.3*OPS:PV_PRIOR + 0.06*OPS:tenure_years",
            },
            {"C10": "boundary"},
        ),
        Case(
            "no moderation", "nothing moderates the effect of the services; visits and calls do nothing",
            still, {"C9": "boundary", "C10": "false", "C12": "false"},
        ),
        Case(
            "harm to all alike", "nothing moderates anything; a visit costs everybody .12",
            {**still, VISITS: "PV ~ -0.12*onsite_visits"}, {"C12": "false"},
        ),
        Case("as shipped", "the shipped population, where all claims hold", {}, dict.fromkeys(every, "true")),
    )  # fmt: skip
