"""A fit in the layout R users know: header, tests, fit measures, then parameters by kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from sem_models.inference.result import Fit

HEADS = ("Estimate", "Std.Err", "z-value", "P(>|z|)", "ci.lower", "ci.upper", "Std.lv", "Std.all")
WIDTHS = (10, 9, 9, 9, 10, 10, 9, 9)
FIGURES = ("est", "se", "z", "pvalue", "ci_lower", "ci_upper", "std_lv", "std_all")
SECTIONS = (
    ("Latent Variables:", "=~", "=~"),
    ("Regressions:", "~", "~"),
    ("Covariances:", "~~", "~~"),
    ("Intercepts:", "~1", ""),
    ("Variances:", "variance", ""),
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
    lines = [*_head(fit), "", *_tests(fit), "", *_indices(fit), "", *_parameters(fit)]
    return "\n".join(lines) + "\n"


def _pair(label: str, *values: str) -> str:
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
        _pair("Estimator", head.estimator),
        _pair("Missing answers", head.missing),
        _pair("Number of model parameters", str(fit.solved.ram.n_params)),
        _pair("Number of observations", f"used {head.n_used}", f"of {head.n_available}"),
    ]
    if len(head.groups) > 1:
        lines += [_pair(f"  {label}", str(n)) for label, n in head.groups.items()]
    return lines


def _num(value: float, digits: int = 3) -> str:
    return "" if value != value else f"{value:.{digits}f}"


def _tests(fit: Fit) -> list[str]:
    m = fit.measures()
    robust = "chisq_scaled" in m
    lines = ["Model Test User Model:", _pair("", "Standard", *(["Scaled"] if robust else []))]
    rows = [("Test statistic", "chisq"), ("Degrees of freedom", "df"), ("P-value (Chi-square)", "pvalue")]
    for label, name in rows:
        digits = 0 if name == "df" else 3
        lines.append(
            _pair(label, _num(m[name], digits), *([_num(m[f"{name}_scaled"], digits)] if robust else []))
        )
    if robust:
        lines.append(_pair("Scaling correction factor", "", _num(m["chisq_scaling_factor"])))
        lines.append("    Yuan-Bentler correction (Mplus variant)")
    return lines


def _indices(fit: Fit) -> list[str]:
    m = fit.measures()
    robust = "cfi_robust" in m and m["cfi_robust"] == m["cfi_robust"]
    lines = ["Fit Measures:", _pair("", "Standard", *(["Robust"] if robust else []))]
    rows = [
        ("Comparative Fit Index (CFI)", "cfi"),
        ("Tucker-Lewis Index (TLI)", "tli"),
        ("RMSEA", "rmsea"),
        ("  90 percent confidence interval - lower", "rmsea_ci_lower"),
        ("  90 percent confidence interval - upper", "rmsea_ci_upper"),
    ]
    for label, name in rows:
        lines.append(_pair(label, _num(m[name]), *([_num(m[f"{name}_robust"])] if robust else [])))
    lines.append(_pair("SRMR", _num(m["srmr"])))
    lines += [
        _pair("Loglikelihood user model (H0)", _num(m["logl"])),
        _pair("Loglikelihood unrestricted model (H1)", _num(m["unrestricted_logl"])),
        _pair("Akaike (AIC)", _num(m["aic"])),
        _pair("Bayesian (BIC)", _num(m["bic"])),
        _pair("Sample-size adjusted Bayesian (SABIC)", _num(m["bic2"])),
    ]
    return lines


def _parameters(fit: Fit) -> Iterator[str]:
    frame = fit.estimates()
    options = fit.options
    yield "Parameter Estimates:"
    yield ""
    yield _pair(
        "Standard errors", {"robust.huber.white": "Sandwich"}.get(options["se"], options["se"].capitalize())
    )
    yield _pair("Information", options["information"].capitalize())
    for label in fit.groups:
        part = frame[(frame["group"] == label) & (frame["op"] != ":=")]
        if len(fit.groups) > 1:
            yield ""
            yield f"Group [{label}]:"
        yield from _group_parameters(part, fit)
    defined = frame[frame["op"] == ":="]
    if len(defined):
        yield from _section("Defined Parameters:", defined, [f"    {n}" for n in defined["lhs"]])
    yield from _r_squared(fit)


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
                shown = f" ({label[:6]})" if label and not label.startswith(".p") else ""
                names.append(f"   {inner}{rhs}{shown}")
            else:
                names.append(f"   {dot}{lhs}")
            kept.append(i)
        yield from _section(title, rows, names, kept)


def _section(
    title: str, rows: pd.DataFrame, names: list[str], index: list[int] | None = None
) -> Iterator[str]:
    yield ""
    yield f"{title:<22}" + "".join(f"{head:>{w}}" for head, w in zip(HEADS, WIDTHS, strict=True))
    records = rows.to_dict("records")
    for name, i in zip(names, index or range(len(names)), strict=True):
        if i < 0:
            yield name
            continue
        r = {k: float(records[i][k]) for k in FIGURES}
        free = r["se"] > 0
        cells = [
            _num(r["est"]),
            _num(r["se"]) if free else "",
            _num(r["z"]),
            _num(r["pvalue"]),
            _num(r["ci_lower"]) if free else "",
            _num(r["ci_upper"]) if free else "",
            _num(r["std_lv"]),
            _num(r["std_all"]),
        ]
        yield f"{name[:21]:<22}" + "".join(f"{cell:>{w}}" for cell, w in zip(cells, WIDTHS, strict=True))


def _r_squared(fit: Fit) -> Iterator[str]:
    values = fit.r_squared()
    yield ""
    yield f"{'R-Square:':<22}{'Estimate':>10}"
    for key, value in values.items():
        name = " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
        yield f"    {name[:30]:<30}"[:22] + f"{_num(value):>10}"


def summary_html(fit: Fit) -> str:
    """The same for a notebook: a status line that never hides trouble, then tables."""
    status = fit.status
    color = "#1b1b1b" if status.ok else "#b00020"
    m = fit.measures()
    shown = ["chisq", "df", "pvalue", "cfi", "tli", "rmsea", "srmr"]
    if "chisq_scaled" in m:
        shown = ["chisq_scaled", "df", "pvalue_scaled", "cfi_robust", "tli_robust", "rmsea_robust", "srmr"]
    measures = pd.DataFrame([m[shown].rename(None)]).to_html(index=False, float_format="{:.3f}".format)
    estimates = fit.estimates().drop(columns=["level", "block"], errors="ignore")
    if len(fit.groups) == 1:
        estimates = estimates.drop(columns="group")
    table = estimates.to_html(index=False, float_format="{:.3f}".format, na_rep="")
    trouble = "" if status.ok else f'<p style="color:{color}"><b>{escape(str(status))}</b></p>'
    return f"<div><p><b>{escape(fit.header.line())}</b></p>{trouble}{measures}{table}</div>"
