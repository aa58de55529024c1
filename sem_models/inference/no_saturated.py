"""Fit measures where the saturated model has no maximum: few incomplete rows for many items."""

from __future__ import annotations

WHY = (
    "The saturated model has no maximum for these incomplete data: there are too few rows for so many items, "
    "or some items are hardly ever answered together. So there is nothing to test against."
)

OF_ANSWERS = (
    "A marginal likelihood has no test: its saturated model is that of all combinations of answers, nearly "
    "all of which no one gave. Compare nested models by fit.compare(), or test the structure by WLSMV or PML."
)

_TESTS = ("chisq", "pvalue", "baseline_chisq", "baseline_pvalue")
_INCREMENTAL = ("cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni")
RMSEA_NAMES = ("rmsea", "rmsea_ci_lower", "rmsea_ci_upper", "rmsea_pvalue", "rmsea_notclose_pvalue")
_RESIDUAL = (
    "rmr", "rmr_nomean", "srmr", "srmr_bentler", "srmr_bentler_nomean", "crmr", "crmr_nomean",
    "srmr_mplus", "srmr_mplus_nomean",
)  # fmt: skip
_GFI = ("gfi", "gfi_ci_lower", "gfi_ci_upper")
_OTHER = (
    "fmin",
    "unrestricted_logl",
    "cn_05",
    "cn_01",
    "gfi",
    "gfi_ci_lower",
    "gfi_ci_upper",
    "gfi_lisrel",
    "agfi_lisrel",
    "pgfi",
    "mfi",
    "ecvi",
)


def undefined(*, robust: bool) -> tuple[str, ...]:
    """Names of the measures that compare with the saturated model, or with moments estimated by it."""
    plain = (*_TESTS, *_INCREMENTAL, *RMSEA_NAMES, *_RESIDUAL, *_OTHER)
    more = tuple(f"{name}_robust" for name in ("cfi", "tli", "nnfi", "rni", *RMSEA_NAMES, *_GFI))
    if robust:
        more += tuple(f"{name}_scaled" for name in (*_TESTS, *_INCREMENTAL, *RMSEA_NAMES))
        more += ("chisq_scaling_factor", "baseline_chisq_scaling_factor", "scaling_factor_h1")
    return plain + more
