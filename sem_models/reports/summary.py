"""A fit in the layout R users know: header, tests, fit measures, then parameters by kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.inference.result import Fit

MEASURES = {
    "chisq": "χ²",
    "df": "Degrees of freedom",
    "pvalue": "p",
    "chisq_scaled": "χ², scaled",
    "pvalue_scaled": "p, scaled",
    "chisq_scaling_factor": "Scaling correction factor",
    "cfi": "CFI",
    "cfi_robust": "CFI, robust",
    "tli": "TLI",
    "tli_robust": "TLI, robust",
    "rmsea": "RMSEA",
    "rmsea_robust": "RMSEA, robust",
    "rmsea_ci_lower_robust": "RMSEA, robust, 90 % interval from",
    "rmsea_ci_upper_robust": "RMSEA, robust, 90 % interval to",
    "srmr": "SRMR",
    "logl": "Log-likelihood",
    "aic": "AIC",
    "bic": "BIC",
    "npar": "Free parameters",
}
"""Fit measures in words, in the order they are shown."""
NAME = 26
"""Letters of a parameter's name and label."""
HEADS = ("Estimate", "Std.Err", "z-value", "P(>|z|)", "ci.lower", "ci.upper", "Std.lv", "Std.all")
WIDTHS = (10, 9, 9, 9, 10, 10, 9, 9)
FIGURES = ("est", "se", "z", "pvalue", "ci_lower", "ci_upper", "std_lv", "std_all")
CORRECTIONS = {
    "yuan.bentler.mplus": "Yuan-Bentler correction (Mplus variant)",
    "yuan.bentler": "Yuan-Bentler correction",
    "satorra.bentler": "Satorra-Bentler correction",
    "scaled.shifted": "simple second-order correction",
    "mean.var.adjusted": "mean and variance adjusted correction",
}
SECTIONS = (
    ("Latent Variables:", "=~", "=~"),
    ("Composites:", "<~", "<~"),
    ("Regressions:", "~", "~"),
    ("Covariances:", "~~", "~~"),
    ("Intercepts:", "~1", ""),
    ("Thresholds:", "|", "|"),
    ("Variances:", "variance", ""),
    ("Scales y*:", "~*~", ""),
)


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """What `fit.summary()` returns: text where text is shown, tables in a notebook."""

    fit: Fit

    def __str__(self) -> str:
        return summary_text(self.fit)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return summary_html(self.fit)


def summary_text(fit: Fit) -> str:
    """Plain text: what was estimated, whether it can be trusted, how it fits, and all estimates."""
    lines = [*_head(fit), "", *_tests(fit), "", *_indices(fit), "", *parameter_lines(fit)]
    return "\n".join(lines) + "\n"


def pair(label: str, *values: str) -> str:
    return f"  {label:<44}" + "".join(f"{v:>14}" for v in values)


def _head(fit: Fit) -> list[str]:
    head, status = fit.header, fit.status
    how = "after" if status.converged else "NOT CONVERGED after"
    lines = [
        f"sem_models {fit.provenance['version']} ended {how} {fit.solved.solution.iterations} iterations",
        "",
    ]
    if not status.ok:
        lines[1:1] = [f"  ! {reason}" for reason in status.reasons] or [f"  ! {status}"]
    lines += [
        pair("Estimator", head.estimator),
        pair("Missing answers", head.missing),
        pair("Number of model parameters", str(fit.solved.ram.n_counted)),
        pair("Number of observations", f"used {head.n_used}", f"of {head.n_available}"),
    ]
    if len(head.groups) > 1:
        lines += [pair(f"  {label}", str(n)) for label, n in head.groups.items()]
    return lines


def number(value: float, digits: int = 3) -> str:
    return "" if value != value else f"{value:.{digits}f}"


def _tests(fit: Fit) -> list[str]:
    m = fit.measures()
    robust = "chisq_scaled" in m
    lines = ["Model Test User Model:", pair("", "Standard", *(["Scaled"] if robust else []))]
    rows = [("Test statistic", "chisq"), ("Degrees of freedom", "df"), ("P-value (Chi-square)", "pvalue")]
    for label, name in rows:
        digits = 0 if name == "df" else 3
        lines.append(
            pair(label, number(m[name], digits), *([number(m[f"{name}_scaled"], digits)] if robust else []))
        )
    if robust:
        lines.append(pair("Scaling correction factor", "", number(m["chisq_scaling_factor"])))
        if fit.solved.chi_square.shift:
            lines.append(pair("Shift parameter", "", number(fit.solved.chi_square.shift)))
        lines.append(f"    {CORRECTIONS[fit.solved.options.scaled_test]}")
    return lines


def _indices(fit: Fit) -> list[str]:
    m = fit.measures()
    robust = "cfi_robust" in m and m["cfi_robust"] == m["cfi_robust"]
    lines = ["Fit Measures:", pair("", "Standard", *(["Robust"] if robust else []))]
    rows = [
        ("Comparative Fit Index (CFI)", "cfi"),
        ("Tucker-Lewis Index (TLI)", "tli"),
        ("RMSEA", "rmsea"),
        ("  90 percent confidence interval - lower", "rmsea_ci_lower"),
        ("  90 percent confidence interval - upper", "rmsea_ci_upper"),
    ]
    for label, name in rows:
        lines.append(pair(label, number(m[name]), *([number(m[f"{name}_robust"])] if robust else [])))
    lines.append(pair("SRMR", number(m["srmr"])))
    if "logl" not in m.index:  # least squares have no likelihood
        return lines
    lines += [
        pair("Loglikelihood user model (H0)", number(m["logl"])),
        pair("Loglikelihood unrestricted model (H1)", number(m["unrestricted_logl"])),
        pair("Akaike (AIC)", number(m["aic"])),
        pair("Bayesian (BIC)", number(m["bic"])),
        pair("Sample-size adjusted Bayesian (SABIC)", number(m["bic2"])),
    ]
    return lines


def parameter_lines(fit: Fit) -> Iterator[str]:
    frame = fit.estimates()
    options = fit.options
    yield "Parameter Estimates:"
    yield ""
    yield pair(
        "Standard errors", {"robust.huber.white": "Sandwich"}.get(options["se"], options["se"].capitalize())
    )
    of_errors = options["information"]
    yield pair("Information", (of_errors if isinstance(of_errors, str) else of_errors[0]).capitalize())
    for label in fit.groups:
        part = frame[(frame["group"] == label) & (frame["op"] != ":=")]
        if len(fit.groups) > 1:
            yield ""
            yield f"Group [{label}]:"
        yield from _group_parameters(part, fit)
        yield from _r_squared(fit, label)
    defined = frame[frame["op"] == ":="]
    if len(defined):
        yield from _section("Defined Parameters:", defined, [f"    {n}" for n in defined["lhs"]])


def _group_parameters(part: pd.DataFrame, fit: Fit) -> Iterator[str]:
    endogenous = set(part.loc[part["op"] == "~", "lhs"]) | set(part.loc[part["op"] == "=~", "rhs"])
    variance = (part["op"] == "~~") & (part["lhs"] == part["rhs"])
    for title, op, sign in SECTIONS:
        rows = part[variance] if op == "variance" else part[(part["op"] == op) & ~variance]
        if not len(rows):
            continue
        names: list[str] = []
        before = None
        kept = []
        for i, row in enumerate(rows.to_dict("records")):
            lhs, rhs, label = str(row["lhs"]), str(row["rhs"]), str(row["label"])
            dot = "." if op in ("~~", "~1", "variance") and lhs in endogenous else " "
            if sign:
                if lhs != before:
                    names.append(f" {dot}{lhs} {sign}")
                    kept.append(-1)
                    before = lhs
                inner = "." if op == "~~" and rhs in endogenous else " "
                shown = f" ({label[:12]})" if label and not label.startswith(".p") else ""
                names.append(f"   {inner}{rhs}{shown}")
            else:
                names.append(f"   {dot}{lhs}")
            kept.append(i)
        yield from _section(title, rows, names, kept)


def _section(
    title: str, rows: pd.DataFrame, names: list[str], index: list[int] | None = None
) -> Iterator[str]:
    yield ""
    yield f"{title:<{NAME}}" + "".join(f"{head:>{w}}" for head, w in zip(HEADS, WIDTHS, strict=True))
    records = rows.to_dict("records")
    for name, i in zip(names, index or range(len(names)), strict=True):
        if i < 0:
            yield name
            continue
        r = {k: float(records[i][k]) for k in FIGURES}
        free = r["se"] > 0
        cells = [
            number(r["est"]),
            number(r["se"]) if free else "",
            number(r["z"]),
            number(r["pvalue"]),
            number(r["ci_lower"]) if free else "",
            number(r["ci_upper"]) if free else "",
            number(r["std_lv"]),
            number(r["std_all"]),
        ]
        yield f"{name[: NAME - 1]:<{NAME}}" + "".join(
            f"{cell:>{w}}" for cell, w in zip(cells, WIDTHS, strict=True)
        )


def _r_squared(fit: Fit, group: str) -> Iterator[str]:
    values = fit.r_squared()
    yield ""
    yield f"{'R-Square:':<{NAME}}{'Estimate':>10}"
    for key, value in values.items():
        if isinstance(key, tuple):
            of, name = (str(part) for part in key)
            if of != group:
                continue
        else:
            name = str(key)
        yield f"{'    ' + name:<{NAME}}"[:NAME] + f"{number(value):>10}"


def summary_html(fit: Fit) -> str:
    """The same for a notebook: a status line that never hides trouble, then tables."""
    from sem_models.reports.section import STYLE
    from sem_models.reports.sentences import status_sentences

    trouble = "".join(
        f'<p class="caution">{escape(s)}</p>' for s in status_sentences(fit.status, "the model")
    )
    tables = "".join(table.html() for table in fit_tables(fit))
    return f"<style>{STYLE}</style><div><p><b>{escape(fit.header.line())}</b></p>{trouble}{tables}</div>"


def fit_tables(fit: Fit) -> Iterator[Table]:
    values = fit.measures()
    measures = pd.DataFrame({"measure": [m for m in MEASURES if m in values.index]})
    measures["value"] = [float(values[m]) for m in measures["measure"]]
    yield Table("measures", "Fit measures", measures, names=MEASURES)
    frame = fit.estimates()
    frame["label"] = frame["label"].where(~frame["label"].str.startswith(".p"), "")
    columns = ("lhs", "rhs", "group", "label", "est", "ci_lower", "ci_upper", "se", "z", "pvalue", "std_all")
    variance = (frame["op"] == "~~") & (frame["lhs"] == frame["rhs"])
    for title, op, sign in (*SECTIONS, ("Defined Parameters:", ":=", "")):
        rows = frame[variance] if op == "variance" else frame[(frame["op"] == op) & ~variance]
        if len(rows):
            words = {"lhs": f"lhs {sign}", "rhs": "rhs"} if sign else {"lhs": "Parameter"}
            shown = columns if sign else tuple(c for c in columns if c != "rhs")
            yield Table(
                op,
                title.rstrip(":"),
                rows,
                shown=shown,
                headings=words | {"std_all": "Std.all", "se": "Std.Err"},
                folded=op in ("~1", "variance"),
            )
