"""One random model with data from a population that it describes, or describes wrongly.

Everything follows from (seed, number): 3–8 constructs, 60–2,000 customers, up to 30 % of the answers missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

SMALLEST, LARGEST = 60, 2000


@dataclass(frozen=True, slots=True)
class Drawn:
    """A model text with its data, the options of the fit, and what is special about it."""

    number: int
    model: str
    data: pd.DataFrame
    options: dict[str, Any]
    features: tuple[str, ...]
    constructs: int
    items: int


@dataclass(slots=True)
class _Plan:
    """The population while it is drawn: names by construct, loadings by (item, construct), and so on."""

    rng: np.random.Generator
    constructs: list[str]
    items: dict[str, list[str]] = field(default_factory=dict)
    loadings: dict[tuple[str, str], float] = field(default_factory=dict)
    paths: dict[tuple[str, str], float] = field(default_factory=dict)
    residuals: dict[tuple[str, str], float] = field(default_factory=dict)
    features: list[str] = field(default_factory=list)

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)


def draw(seed: int, number: int) -> Drawn:
    """The model of this number."""
    plan = _measurement(np.random.default_rng([seed, number]))
    rng = plan.rng
    _structure(plan)
    wrong = plan.chance(0.35)
    options: dict[str, Any] = {"estimator": str(rng.choice(["ML", "MLR"]))}
    if plan.chance(0.2):
        options["std_lv"] = True
        plan.features.append("std_lv")
    text = _text(plan, covariate=plan.chance(0.2), std_lv="std_lv" in options)
    if wrong:
        _misspecify(plan)
        plan.features.append("misspecified")
    p = sum(map(len, plan.items.values())) + 1
    n = int(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
    groups = int(rng.integers(2, 4)) if plan.chance(0.2) else 1
    smallest = groups * (p + 8)
    n = max(n, smallest if groups > 1 else p + 10)
    data = _customers(plan, n, groups)
    if groups > 1:
        plan.features.append("groups")
        options["group"] = "g"
        families = [(), ("loadings",), ("loadings", "intercepts"), ("loadings", "regressions")]
        chosen = families[int(rng.integers(len(families)))]
        if chosen and not ("intercepts" in chosen and plan.chance(0.5)):
            options["group_equal"] = chosen
    if plan.chance(0.45):
        data = _with_missing(plan, data)
        options["missing"] = "fiml"
        plan.features.append("missing")
    return Drawn(number, text, data, options, tuple(plan.features), len(plan.constructs), p - 1)


def _measurement(rng: np.random.Generator) -> _Plan:
    plan = _Plan(rng, [f"F{i + 1}" for i in range(int(rng.integers(3, 9)))])
    weak = plan.chance(0.25)
    for construct in plan.constructs:
        size = int(rng.choice([2, 3, 4, 5], p=[0.15, 0.45, 0.25, 0.15]))
        plan.items[construct] = [f"{construct.lower()}_{k + 1}" for k in range(size)]
        for item in plan.items[construct]:
            low, high = (0.05, 0.35) if weak and plan.chance(0.3) else (0.5, 0.95)
            sign = -1.0 if plan.chance(0.05) else 1.0
            plan.loadings[(item, construct)] = sign * rng.uniform(low, high)
    if weak:
        plan.features.append("weak loadings")
    if plan.chance(0.25):
        plan.features.append("cross-loadings")
        for _ in range(int(rng.integers(1, 3))):
            _cross_load(plan, 0.15, 0.4)
    if plan.chance(0.2):
        plan.features.append("correlated residuals")
        construct = str(
            rng.choice([c for c in plan.constructs if len(plan.items[c]) >= 3] or plan.constructs)
        )
        if len(plan.items[construct]) >= 4:
            first, second = rng.choice(plan.items[construct], 2, replace=False)
            plan.residuals[(str(first), str(second))] = float(rng.uniform(0.1, 0.4))
        else:
            other = str(rng.choice([c for c in plan.constructs if c != construct]))
            pair = (plan.items[construct][-1], plan.items[other][-1])
            plan.residuals[pair] = float(rng.uniform(0.1, 0.4))
    return plan


def _cross_load(plan: _Plan, low: float, high: float) -> tuple[str, str] | None:
    """A further loading of an item that measures one construct of three or more items."""
    homes = [c for c in plan.constructs if len(plan.items[c]) >= 3]
    if not homes:
        return None
    home = str(plan.rng.choice(homes))
    item = str(plan.rng.choice(plan.items[home][1:]))
    other = str(plan.rng.choice([c for c in plan.constructs if c != home]))
    plan.loadings.setdefault((item, other), float(plan.rng.uniform(low, high)))
    return item, other


def _structure(plan: _Plan) -> None:
    """Paths from earlier to later constructs, or none: then all constructs correlate."""
    if plan.chance(0.3):
        plan.features.append("measurement only")
        return
    plan.features.append("paths")
    exogenous = int(plan.rng.integers(1, max(2, len(plan.constructs) - 1)))
    for i, outcome in enumerate(plan.constructs):
        if i < exogenous:
            continue
        causes = [c for c in plan.constructs[:i] if plan.chance(0.5)] or [
            str(plan.rng.choice(plan.constructs[:i]))
        ]
        for cause in causes:
            plan.paths[(outcome, cause)] = float(plan.rng.uniform(-0.2, 0.6)) / np.sqrt(len(causes))


def _text(plan: _Plan, *, covariate: bool, std_lv: bool) -> str:
    rng = plan.rng
    equal = plan.chance(0.2)
    lines = []
    for construct in plan.constructs:
        own = [i for (i, c) in plan.loadings if c == construct]
        marks = [""] * len(own)
        if equal and len(own) >= 3 and plan.chance(0.5):
            marks[1] = marks[2] = f"l_{construct}*"
            plan.features.append("equal labels")
        lines.append(f"{construct} =~ " + " + ".join(m + i for m, i in zip(marks, own, strict=True)))
    outcomes = dict.fromkeys(o for o, _ in plan.paths)
    for outcome in outcomes:
        causes = [c for (o, c) in plan.paths if o == outcome]
        if covariate and plan.chance(0.5):
            causes.append("x")
        lines.append(f"{outcome} ~ " + " + ".join(causes))
    if any(line.endswith("+ x") for line in lines):
        plan.features.append("covariate")
    lines += [f"{a} ~~ {b}" for a, b in plan.residuals]
    rng.shuffle(lines)
    plan.features[:] = list(dict.fromkeys(plan.features))
    return "\n".join(sorted(lines, key=lambda line: "=~" not in line))


def _misspecify(plan: _Plan) -> None:
    """What the population has and the model lacks."""
    kind = plan.rng.integers(3)
    if kind == 0:
        for _ in range(3):
            _cross_load(plan, 0.3, 0.6)
    elif kind == 1:
        for construct in plan.constructs[:3]:
            items = plan.items[construct]
            plan.residuals[(items[0], items[-1])] = float(plan.rng.uniform(0.3, 0.6))
    else:
        for outcome, cause in zip(plan.constructs[2:], plan.constructs, strict=False):
            plan.paths.setdefault((outcome, cause), float(plan.rng.uniform(0.3, 0.6)))


def _customers(plan: _Plan, n: int, groups: int) -> pd.DataFrame:
    rng = plan.rng
    x = rng.normal(size=n)
    m = len(plan.constructs)
    common = np.full((m, m), rng.uniform(0.1, 0.6))
    np.fill_diagonal(common, 1.0)
    scores = rng.multivariate_normal(np.zeros(m), common, size=n)
    heavy = plan.chance(0.3)
    by_name: dict[str, np.ndarray] = {}
    for i, construct in enumerate(plan.constructs):
        causes = [(c, b) for (o, c), b in plan.paths.items() if o == construct]
        part = scores[:, i]
        if causes:
            part = 0.7 * rng.normal(size=n) + 0.2 * x
            part = part + sum(b * by_name[c] for c, b in causes)
        by_name[construct] = part
    noise: dict[str, np.ndarray] = {}
    for (first, second), r in plan.residuals.items():
        shared = rng.normal(size=n)
        for item in (first, second):
            noise[item] = noise.get(item, np.zeros(n)) + np.sqrt(r) * shared
    frame: dict[str, np.ndarray] = {}
    rounded = plan.chance(0.4)
    for construct in plan.constructs:
        for item in plan.items[construct]:
            loads = [(c, b) for (i, c), b in plan.loadings.items() if i == item]
            error = rng.standard_t(5, size=n) if heavy else rng.normal(size=n)
            unique = np.sqrt(max(1.0 - sum(b * b for _, b in loads), 0.1))
            value = sum(b * by_name[c] for c, b in loads) + unique * error + noise.get(item, 0.0)
            frame[item] = np.clip(np.round(4.0 + 1.2 * value), 1, 7) if rounded else 4.0 + 1.2 * value
    if rounded:
        plan.features.append("7-point answers")
    out = pd.DataFrame({**frame, "x": x})
    if groups > 1:
        labels = rng.permutation(np.arange(n) % groups)
        shift = rng.uniform(-0.5, 0.5, size=groups)
        items = [c for c in out.columns if c != "x"]
        out[items] = out[items].add(shift[labels], axis=0)
        out["g"] = np.array(["north", "south", "west"])[labels]
    return out


def _with_missing(plan: _Plan, data: pd.DataFrame) -> pd.DataFrame:
    """Answers missing at random, depending on x in half of the models; x itself is complete."""
    rng = plan.rng
    share = rng.uniform(0.02, 0.30)
    items = [c for c in data.columns if c not in ("x", "g")]
    tilt = 1.0 if plan.chance(0.5) else 0.0
    odds = np.log(share / (1.0 - share)) + tilt * data["x"].to_numpy()
    gone = rng.random((len(data), len(items))) < (1.0 / (1.0 + np.exp(-odds)))[:, None]
    gone &= rng.random((len(data), len(items))) < 1.0 if tilt == 0.0 else rng.random(gone.shape) < 0.8
    return data.assign(**{c: data[c].mask(gone[:, k]) for k, c in enumerate(items)})
