"""Reference figures beyond estimates and fit: modification indices, score tests, difference tests, scores."""

from __future__ import annotations

from typing import Any

import numpy as np

import sem_models as sm

from .reference import Gaps

DEFECTS = {
    "v21_hs_corr_resid": "a fixed loading has a modification index of 7.0 (44.1 for the factor's "
    "variance when that is fixed instead), although a scale can be set either way without changing the fit",
    "v85_talor_obs_interaction": "the indices take the sample variance of cond:import for that of cond: the "
    "extended model orders its variables in another way than the sample moments",
}
"""Cases whose modification indices in the reference contradict the model they are of."""


def compare_modification(fit: sm.Fit, reference: dict[str, Any], gaps: Gaps, where: str) -> None:
    """Every index that is stored, by parameter; the expected changes in units of their standard errors."""
    stored = reference.get("modification_indices")
    if not isinstance(stored, list) or reference.get("id") in DEFECTS:
        return
    number = {label: i + 1 for i, label in enumerate(fit.groups)}
    ours = {}
    for row in fit.modification_indices().itertuples(index=False):
        group = number.get(row.group, 1)
        ours[(row.lhs, row.op, row.rhs, group)] = row
        if row.op == "~~":
            ours[(row.rhs, row.op, row.lhs, group)] = row
    for theirs in stored:
        key = (theirs["lhs"], theirs["op"], theirs["rhs"], theirs.get("group", 1))
        name = f"{where}{key}"
        if key not in ours:
            gaps.failures.append(f"no modification index {name}")
            continue
        mine, mi = ours[key], theirs["mi"]
        gaps.add("mi", name, abs(mine.mi - mi) / max(1.0, mi))
        for column, value in (
            ("epc", theirs["epc"]),
            ("sepc_lv", theirs["sepc.lv"]),
            ("sepc_all", theirs["sepc.all"]),
        ):
            # a change of zero standardized by a variance of zero is stored as 0; it is undefined
            if value and mi > 0:
                unit = abs(value) / mi**0.5
                gaps.add("epc", f"{name} {column}", abs(getattr(mine, column) - value) / max(unit, 1e-3))


def compare_score_tests(
    fit: sm.Fit,
    total: dict[str, Any],
    univariate: list[dict[str, Any]],
    gaps: Gaps,
    where: str,
    add: str | None,
) -> None:
    """Total tests (also the robust ones) and each constraint's own, by position: their order is lavaan's."""
    ours = fit.score_tests(add=add)
    as_list = {k: v if isinstance(v, list) else [v] for k, v in total.items()}
    for i, test in enumerate(as_list["test"]):
        mine = ours.total.set_index("test").loc[test]
        for key, theirs in (("stat", "X2"), ("df", "df"), ("pvalue", "p.value")):
            value = as_list[theirs][i]
            gaps.add("score_test", f"{where}{test} {key}", abs(mine[key] - value) / max(1.0, abs(value)))
    if len(univariate) != len(ours.univariate):
        gaps.failures.append(f"{where}{len(ours.univariate)} constraints, reference {len(univariate)}")
        return
    for (_, mine), theirs in zip(ours.univariate.iterrows(), univariate, strict=True):
        name = f"{where}{theirs['lhs']} == {theirs['rhs']}"
        gaps.add("score_test", name, abs(mine["stat"] - theirs["X2"]) / max(1.0, theirs["X2"]))
        if "X2.scaled" in theirs:
            scaled = theirs["X2.scaled"]
            gaps.add("score_test", f"{name} scaled", abs(mine["stat_scaled"] - scaled) / max(1.0, scaled))


LRT = {
    "default": {},
    "standard": {"method": "standard"},
    "satorra.bentler.2001": {"method": "satorra.bentler.2001"},
    "satorra.bentler.2010": {"method": "satorra.bentler.2010"},
    "satorra.2000": {"method": "satorra.2000"},
    "satorra.2000.mean_var_or_scaled_only": {"method": "satorra.2000", "scaled_shifted": False},
}


def compare_difference_tests(
    general: sm.Fit, restricted: sm.Fit, reference: dict[str, Any], gaps: Gaps, where: str
) -> None:
    """Every method that is stored; one that the reference refuses must be refused here."""
    for method, expected in reference["lrt"].items():
        name = f"{where} {method}"
        if "_error" in expected:
            try:
                general.compare(restricted, **LRT[method])
            except sm.SpecError:
                continue
            gaps.failures.append(f"{name} is refused by the reference")
            continue
        if "chisq_diff" not in expected:
            continue
        row = general.compare(restricted, **LRT[method]).iloc[1]
        for key in ("chisq_diff", "df_diff", "pvalue", "rmsea"):
            gap = abs(row[key] - expected[key])
            gaps.add("lrt", f"{name} {key}", min(gap, gap / max(abs(expected[key]), 1e-12)))


AT_A_BOUND = {"v86_hs_bounds"}
"""Modification indices at an active bound differ on purpose: freeing visual =~ x7 there lowers χ² by 3.95,
our index says 3.74, the reference 42.85; x4 ~~ x7 by 7.28, 7.14 against 17.27 (docs/parity.md)."""


def compare_further(fit: sm.Fit, reference: dict[str, Any], gaps: Gaps, where: str) -> None:
    """Everything of this module that one fitted model's reference holds."""
    if reference.get("id") not in AT_A_BOUND:
        compare_modification(fit, reference, gaps, where)
    compare_factor_scores(fit, reference, gaps, where)
    if "test" in reference.get("score_test", {}):
        stored = reference["score_test"]
        compare_score_tests(fit, stored["test"], stored["uni"], gaps, where, None)


def compare_factor_scores(fit: sm.Fit, reference: dict[str, Any], gaps: Gaps, where: str) -> None:
    """The stored rows in units of the scores' spread, and mean and spread over all rows."""
    for method, blocks in reference.get("factor_scores", {}).items():
        if not isinstance(blocks, list):
            continue
        ours = fit.factor_scores(method)
        for block in blocks:
            names = block["names"]
            mine = ours[ours.group == block["label"]] if len(fit.groups) > 1 else ours
            rows = mine.loc[[number - 1 for number in block["case_idx"]], names].to_numpy()
            theirs, spread = np.array(block["data"], dtype=float), np.array(block["sd"], dtype=float)
            gap = np.nanmax(np.abs(rows - theirs) / np.where(spread > 0, spread, 1.0))
            gaps.add("factor_scores", f"{where}{method} {block['label']}", gap)
            if mine[names].isna().to_numpy().any():
                # a row without answers to a factor's items has no Bartlett score; the reference gives some
                # of them (v56, v57) the factor's mean with an error of 0, and counts it
                continue
            unit = np.where(spread > 0, spread, 1.0)
            of_all = mine[names].mean().to_numpy() - np.array(block["mean"], dtype=float)
            gaps.add("factor_scores", f"{where}{method} mean", np.abs(of_all / unit).max())
            gaps.add(
                "factor_scores", f"{where}{method} spread", np.abs((mine[names].std() - spread) / unit).max()
            )
