"""Reference cases: run one through the toolkit and measure how far every figure is from the reference."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import sem_models as sm

# One tolerance per quantity. Estimates and errors in units of the reference standard error and relative
# to it: optimizers agree far better than this, so a miss is a different formula, not a rounding.
TOLERANCES = {
    "est": 1e-3, "se": 1e-3, "std": 1e-6, "std_est": 1e-3, "std_se": 1e-3, "vcov": 2e-3,
    "chisq": 1e-6, "logl": 1e-8,
    "index": 1e-6,
    "index_robust": 1e-4, "implied": 1e-6, "r_squared": 1e-3, "residual_cor": 1e-6, "defined": 1e-3,
    "lrt": 1e-6, "mi": 1e-6, "epc": 1e-3, "score_test": 1e-6, "factor_scores": 1e-5,
    "objective": 1e-8, "residual": 1e-6, "lv_cov": 1e-5,
    "polychoric": 1e-6,
}  # fmt: skip

PROBABILITY = 1e-6
"""Absolute, for p-values."""


NOT_POLISHED = dict.fromkeys(
    ("std", "implied", "residual_cor", "lv_cov", "factor_scores"), 1e-4
) | dict.fromkeys(("mi", "score_test"), 1e-3)
"""Where the reference says it stopped short of its optimum (a gradient of 0.05 under constraints that bend,
4e-4 standard errors away), moments and standardized loadings agree as far as its estimates do."""


FROM_CORRELATIONS = {"lrt": 1e-4, "mi": 1e-5, "factor_scores": 1e-3}
"""The reference's correlations of latent responses stop about 1e-7 short of their maximum, which difference
tests (scaled, and differences of small χ²s) carry to 2e-5 and modification indices to 2e-6. Its factor scores
are a search for each row, which stops up to 6e-4 standard deviations short; ours end at 1e-10."""


def gaps_for(result: dict[str, Any]) -> Gaps:
    """An empty record, with tolerances for how far the reference itself was taken."""
    fits = [result, *result.get("levels", {}).values(), *result.get("models", {}).values()]
    if any(
        fit.get("resolved_options", {}).get("estimator") in ("DWLS", "ULS") and fit.get("ov_ord")
        for fit in fits
    ):
        return Gaps(tolerances=TOLERANCES | FROM_CORRELATIONS)
    polish = result.get("polish") or {}
    before = polish.get("max_abs_gradient_before")
    short = "polish" in result and not polish.get("applied") and (before is None or before > 1e-6)
    return Gaps(tolerances=TOLERANCES | (NOT_POLISHED if short else {}))


@dataclass
class Gaps:
    """Worst gap per quantity, what failed its tolerance, and the worst gap per fit measure."""

    tolerances: dict[str, float] = field(default_factory=lambda: TOLERANCES)
    worst: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)

    def add(self, quantity: str, where: str, gap: float) -> None:
        gap = float("inf") if np.isnan(gap) else float(gap)
        self.worst[quantity] = max(self.worst.get(quantity, 0.0), gap)
        if quantity in ("index", "index_robust"):
            name = where.split()[-1]
            self.measures[name] = max(self.measures.get(name, 0.0), gap)
        if gap > self.tolerances[quantity]:
            self.failures.append(f"{quantity} {where}: {gap:.3g} > {self.tolerances[quantity]:g}")


def load_case(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    case = json.loads((folder / "cases" / f"{name}.json").read_text(encoding="utf-8"))
    result = json.loads((folder / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return case, result


def fit_options(case: dict[str, Any], more: dict[str, Any] | None = None) -> dict[str, Any]:
    """lavaan's option names as ours."""
    merged = {**case.get("options", {}), **(more or {})}
    out = {key.replace(".", "_"): value for key, value in merged.items()}
    if case["func"] != "sem":
        out["model_type"] = case["func"]
    return out


def data_arguments(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    if case.get("data"):
        return {"data": pd.read_csv(folder / case["data"])}
    given = case["sample_cov"]
    groups = given.get("groups", [given])
    covs, means, sizes = {}, {}, {}
    for group in groups:
        label, names = group.get("label", ""), group["names"]
        cov = np.array(group["cov"], dtype=float)
        if "sd" in group and group["sd"] is not None:
            cov = cov * np.outer(group["sd"], group["sd"])
        covs[label] = pd.DataFrame(cov, index=names, columns=names)
        sizes[label] = int(group["nobs"])
        if group.get("mean") is not None:
            means[label] = pd.Series(group["mean"], index=names)
    if len(groups) == 1:
        return {"sample_cov": covs[next(iter(covs))], "sample_nobs": sizes[next(iter(sizes))],
                **({"sample_mean": means[next(iter(means))]} if means else {})}  # fmt: skip
    return {"sample_cov": covs, "sample_nobs": sizes, **({"sample_mean": means} if means else {})}


def run(
    case: dict[str, Any], folder: Path, *, syntax: str | None = None, more: dict[str, Any] | None = None
) -> sm.Fit:
    return sm.fit(syntax or case["syntax"], **data_arguments(case, folder), **fit_options(case, more))


def compare(fit: sm.Fit, reference: dict[str, Any], gaps: Gaps, where: str = "") -> None:
    _parameters(fit, reference, gaps, where)
    _measures(fit, reference, gaps, where)
    if "standardized" in reference:
        _standardized(fit, reference, gaps, where)
    if "vcov" in reference:
        _vcov(fit, reference, gaps, where)
    for entry in reference.get("implied", []):
        moments = fit.implied()[entry["label"] or ""]
        _matrix(gaps, "implied", where, moments["cov"], entry.get("cov") or entry["res.cov"])
        _ordered_parts(gaps, "implied", where, moments, entry)
    for entry in reference.get("sample_stats", []):
        if entry.get("th") or entry.get("res.th"):
            moments = fit.sample_moments()[entry["label"] or ""]
            _matrix(gaps, "polychoric", where, moments["cov"], entry.get("cov") or entry["res.cov"])
            _ordered_parts(gaps, "polychoric", where, moments, entry)
    conditional = any("res.cov" in entry for entry in reference.get("implied", []))
    for entry in reference.get("residual_cor", []) if not conditional else []:  # there it has covariates only
        _matrix(gaps, "residual_cor", where, fit.residuals("cor")[entry["label"] or ""]["cov"], entry["cov"])
    for entry in reference.get("lv_cov", []):
        if entry.get("cov", {}).get("rows"):
            _matrix(gaps, "lv_cov", where, fit.latent_moments()[entry["label"] or ""]["cov"], entry["cov"])
    _r_squared(fit, reference, gaps, where)
    _tests(fit, reference, gaps, where)


def _tests(fit: sm.Fit, reference: dict[str, Any], gaps: Gaps, where: str) -> None:
    ours = fit.tests().set_index("test")
    for theirs in reference.get("tests", []):
        if theirs["test"] not in ours.index:
            continue  # lavaan adds a residual test of its own to plain ML
        mine = ours.loc[theirs["test"]]
        quantity = "chisq" if theirs["test"] == "standard" else "index_robust"
        for key, value in (("stat", theirs["stat"]), ("df", theirs["df"]), ("pvalue", theirs.get("pvalue"))):
            if value is not None:
                gaps.add(
                    quantity, f"{where}{theirs['test']} {key}", abs(mine[key] - value) / max(1.0, abs(value))
                )


def _ordered_parts(
    gaps: Gaps, quantity: str, where: str, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    """Thresholds, and slopes on covariates, where the case has ordered items."""
    thresholds = theirs.get("th") or theirs.get("res.th")
    if thresholds:
        mine = ours["thresholds"].loc[thresholds["names"]].to_numpy()
        gaps.add(quantity, f"{where}thresholds", float(np.abs(mine - thresholds["data"]).max()))
    if "res.slopes" in theirs:
        slopes = theirs["res.slopes"]
        mine = ours["slopes"].loc[slopes["rows"], slopes["cols"]].to_numpy()
        gaps.add(quantity, f"{where}slopes", float(np.abs(mine - np.array(slopes["data"])).max()))


def _matrix(gaps: Gaps, quantity: str, where: str, ours: pd.DataFrame, theirs: dict[str, Any]) -> None:
    array = np.array(theirs["data"], dtype=float)
    mine = ours.loc[theirs["rows"], theirs["cols"]].to_numpy()
    diagonal = np.sqrt(np.where(np.diagonal(array) > 0, np.diagonal(array), 1.0))
    scale = 1.0 if quantity == "residual_cor" else np.outer(diagonal, diagonal)
    gaps.add(quantity, where, float(np.abs((mine - array) / scale).max()))


def _keyed(frame: pd.DataFrame, groups: tuple[str, ...]) -> dict[tuple[str, str, str, int], Any]:
    number = {label: i + 1 for i, label in enumerate(groups)}
    out = {}
    for row in frame.itertuples(index=False):
        group = 0 if row.op == ":=" else number.get(row.group, 1)
        rhs = "" if row.op == ":=" else row.rhs
        out[(row.lhs, row.op, rhs, group)] = row
        if row.op == "~~":
            out[(row.rhs, row.op, row.lhs, group)] = row
    return out


def _parameters(fit: sm.Fit, reference: dict[str, Any], gaps: Gaps, where: str) -> None:
    ours = _keyed(fit.estimates(), fit.groups)
    for row in reference["param_table"]:
        if row["op"] in ("==", "<", ">"):
            continue
        key = (row["lhs"], row["op"], "" if row["op"] == ":=" else row["rhs"], row.get("group") or 0)
        name = f"{where}{key}"
        if key not in ours:
            gaps.failures.append(f"no row {name}")
            continue
        mine, error = ours[key], row["se"]
        unit = error if error else 1.0
        quantity = "defined" if row["op"] == ":=" else "est"
        gaps.add(quantity, name, abs(mine.est - row["est"]) / unit)
        if error is not None:
            gaps.add("se", name, abs(mine.se - error) / unit)
        for column, theirs in (("std_all", row.get("std.all")), ("std_lv", row.get("std.lv"))):
            if theirs is not None:
                # in units of the estimate's relative standard error, as no error of its own is stored
                spread = max(1.0, abs(theirs)) * max(
                    1.0, 1e3 * unit / max(abs(row["est"]), 1e-12) if error else 1.0
                )
                gaps.add("std", f"{name} {column}", abs(getattr(mine, column) - theirs) / spread)


def _standardized(fit: sm.Fit, reference: dict[str, Any], gaps: Gaps, where: str) -> None:
    ours = _keyed(fit.standardized(), fit.groups)
    for row in reference["standardized"]:
        if row["op"] in ("==", "<", ">") or row["se"] is None:
            continue
        group = 0 if row["op"] == ":=" else row.get("group", 1)
        mine = ours[(row["lhs"], row["op"], "" if row["op"] == ":=" else row["rhs"], group)]
        gaps.add(
            "std_est",
            f"{where}{row['lhs']}{row['op']}{row['rhs']}",
            abs(mine.est_std - row["est.std"]) / max(row["se"], 1e-3),
        )
        gaps.add(
            "std_se",
            f"{where}{row['lhs']}{row['op']}{row['rhs']}",
            abs(mine.se - row["se"]) / (row["se"] or 1.0),
        )


def _vcov(fit: sm.Fit, reference: dict[str, Any], gaps: Gaps, where: str) -> None:
    names = reference["vcov"]["names"]
    theirs = np.zeros((len(names), len(names)))
    for i, line in enumerate(reference["vcov"]["lower"]):
        theirs[i, : len(line)] = line
    theirs = np.tril(theirs) + np.tril(theirs, -1).T
    ours = fit.vcov()
    if len(ours) != len(names):
        gaps.failures.append(f"vcov {where}: {len(ours)} rows, reference {len(names)}")
        return
    scale = np.sqrt(np.diagonal(theirs))
    scale = np.where(scale > 0, scale, 1.0)
    gaps.add("vcov", where, float(np.abs((ours.to_numpy() - theirs) / np.outer(scale, scale)).max()))


def _measures(fit: sm.Fit, reference: dict[str, Any], gaps: Gaps, where: str) -> None:
    ours = fit.measures()
    for name, value in reference["fit_measures"].items():
        key = name.replace(".", "_")
        if value is None:
            continue
        if key not in ours.index:
            gaps.failures.append(f"no measure {where}{key}")
            continue
        relative = abs(ours[key] - value) / max(abs(value), 1e-12)
        if key in ("npar", "df", "ntotal", "baseline_df") or key.endswith(("_level", "close_h0")):
            if ours[key] != value:
                gaps.failures.append(f"{where}{key}: {ours[key]} is not {value}")
        elif key == "fmin":
            gaps.add("objective", f"{where}{key}", ours[key] - value)
        elif key in ("chisq", "baseline_chisq"):
            # the statistic is 2N times a difference of numbers of size 1: an absolute floor of 1e-6
            gaps.add("chisq", f"{where}{key}", min(relative, abs(ours[key] - value)))
        elif key in ("logl", "unrestricted_logl", "aic", "bic", "bic2"):
            gaps.add("logl", f"{where}{key}", relative)
        elif "scaled" in key or "scaling" in key or "robust" in key:
            gaps.add("index_robust", f"{where}{key}", min(relative, abs(ours[key] - value)))
        else:
            gap = abs(ours[key] - value) / max(1.0, abs(value))
            gaps.add("index", f"{where}{key}", gap)


def _r_squared(fit: sm.Fit, reference: dict[str, Any], gaps: Gaps, where: str) -> None:
    """In units of the standardized residual variance's standard error: R² is 1 less that variance."""
    ours = fit.r_squared()
    errors = {
        (r["lhs"], r.get("group", 1)): r["se"]
        for r in reference.get("standardized", [])
        if r["op"] == "~~" and r["lhs"] == r["rhs"]
    }
    for entry in reference.get("rsquare", []):
        for name, value in zip(entry["r2"]["names"], entry["r2"]["data"], strict=True):
            if value is None:
                continue
            mine = ours[(entry["label"], name)] if len(fit.groups) > 1 else ours[name]
            unit = errors.get((name, entry["group"])) or 1e-3
            gaps.add("r_squared", f"{where}{name}", abs(mine - value) / unit)
