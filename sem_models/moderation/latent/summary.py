"""A latent moderation in the layout R users know: head, tests of the products, then parameters by kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from sem_models.reports.summary import fit_tables, number, pair, parameter_lines

if TYPE_CHECKING:
    from sem_models.moderation.latent.result import LatentModeration


@dataclass(frozen=True, slots=True, repr=False)
class LatentSummary:
    """What `summary()` of a latent moderation returns: text where text is shown, tables in a notebook."""

    result: LatentModeration

    def __str__(self) -> str:
        return "\n".join([*_head(self.result), "", *_products(self.result), "", *_body(self.result)]) + "\n"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from sem_models.reports.section import STYLE
        from sem_models.reports.sentences import status_sentences

        result: Any = self.result
        trouble = "".join(
            f'<p class="caution">{escape(s)}</p>' for s in status_sentences(result.status, "the model")
        )
        tables = "".join(table.html() for table in fit_tables(result))
        head = f"<p><b>{escape(result.title)} · {escape(result.header.line())}</b></p>"
        return f"<style>{STYLE}</style><div>{head}{trouble}{tables}</div>"


def _head(result: LatentModeration) -> list[str]:
    head, status, solution = result.header, result.status, result.solution
    how = "after" if status.converged else "NOT CONVERGED after"
    lines = [f"sem_models {result.provenance['version']} ended {how} {solution.steps} iterations", ""]
    if not status.ok:
        lines[1:1] = [f"  ! {reason}" for reason in status.reasons] or [f"  ! {status}"]
    lines += [
        pair("Method", result.method.upper()),
        pair("Estimator", head.estimator),
        pair("Missing answers", head.missing),
        pair("Number of model parameters", str(result.problem.ram.n_counted)),
        pair("Number of observations", f"used {head.n_used}", f"of {head.n_available}"),
    ]
    if "nodes" in result.settings:
        lines.append(
            pair("Quadrature", str(result.settings["quadrature"]), f"{result.settings['nodes']} nodes")
        )
    if len(head.groups) > 1:
        lines += [pair(f"  {label}", str(n)) for label, n in head.groups.items()]
    return lines


def _products(result: LatentModeration) -> list[str]:
    m = result.measures()
    lines = [
        "Log-likelihood and information criteria:",
        pair("Log-likelihood", number(m["logl"])),
        pair("Log-likelihood without the products", number(m["linear_logl"])),
        pair("Akaike (AIC)", number(m["aic"])),
        pair("Bayesian (BIC)", number(m["bic"])),
        "",
        "Tests of the products:",
        pair("", "LR", "df", "p"),
    ]
    for row in result.interaction_test().to_dict("records"):
        lines.append(pair(str(row["term"]), number(row["chisq_diff"]), str(row["df"]), number(row["pvalue"])))
    return lines


def _body(result: Any) -> Iterator[str]:
    yield from parameter_lines(result)
