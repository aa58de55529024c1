"""`fit.diagnose()`: what is wrong with a fit, in words, and what was tried."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from textwrap import fill
from typing import TYPE_CHECKING

import pandas as pd

from sem_models.estimation.trail import Attempt
from sem_models.inference.attempts import Refit, Trial, trials
from sem_models.inference.symptoms import Finding, symptoms

if TYPE_CHECKING:
    from sem_models.inference.header import Status
    from sem_models.inference.solved import Solved

WIDTH = 100
COLUMNS = ["topic", "severity", "what", "group", "value", "text", "advice"]
TRIED = [
    "what",
    "method",
    "outcome",
    "iterations",
    "objective",
    "chisq",
    "df",
    "admissible",
    "chosen",
    "text",
]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Findings about one fit, problems first, and the attempts made; print it, or take `table()`.

    `trail` is what the estimation itself tried, in order; `trials` what `diagnose(attempts=True)` tried
    besides. None of them changed the fit.
    """

    status: Status
    findings: tuple[Finding, ...]
    trail: tuple[Attempt, ...]
    trials: tuple[Trial, ...] = ()
    line: str = ""

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that make the solution doubtful."""
        return tuple(f for f in self.findings if f.severity == "problem")

    def table(self) -> pd.DataFrame:
        """One row a finding: topic, severity, what, group, value, text, advice."""
        return pd.DataFrame([asdict(f) for f in self.findings], columns=COLUMNS)

    def attempts(self) -> pd.DataFrame:
        """One row an attempt, the estimation's own first.

        Columns what, method, outcome, iterations, objective, chisq, df, admissible, chosen, text.
        """
        rows = [{**asdict(a), "outcome": a.outcome.name.lower().replace("_", " ")} for a in self.trail]
        rows += [{"method": "", "chosen": False, **asdict(t)} for t in self.trials]
        return pd.DataFrame(rows, columns=TRIED).astype({"text": object}).fillna({"text": ""})

    def __str__(self) -> str:
        lines = [self.line, str(self.status).split(":")[0] + ".", ""]
        if not self.problems:
            lines += ["No problem found.", ""]
        for title, severity in (("Problems", "problem"), ("Also", "note")):
            chosen = [f for f in self.findings if f.severity == severity]
            if chosen:
                lines += [f"{title}:", *(_wrapped(f) for f in chosen), ""]
        lines.append("Tried, in order:")
        lines += [_indented(text) for text in self._tried()]
        return "\n".join(lines) + "\n"

    def _tried(self) -> list[str]:
        out = []
        for a in self.trail:
            mark = " ← this fit" if a.chosen else ""
            ended = a.outcome.name.lower().replace("_", " ")
            out.append(
                f"{a.what}, {a.method}: {ended} after {a.iterations} iterations, objective "
                f"{a.objective:.8g}{mark}"
            )
        for t in self.trials:
            figures = f", χ²({t.df:.0f}) = {t.chisq:.4f}" if t.chisq == t.chisq else ""
            out.append(f"{t.what}: {t.outcome}{figures}. {t.text}")
        if not self.trials:
            out.append("diagnose(attempts=True) tries other units, markers, bounds and starts.")
        return out

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{escape(self.line)}</b><br>{escape(str(self.status).split(':')[0])}.</p>"]
        if not self.problems:
            parts.append("<p>No problem found.</p>")
        for title, severity in (("Problems", "problem"), ("Also", "note")):
            items = [
                f"<li>{escape(f.text)}{' <i>' + escape(f.advice) + '</i>' if f.advice else ''}</li>"
                for f in self.findings
                if f.severity == severity
            ]
            if items:
                parts.append(f"<p>{title}</p><ul>{''.join(items)}</ul>")
        tried = "".join(f"<li>{escape(text)}</li>" for text in self._tried())
        return f"<div>{''.join(parts)}<p>Tried, in order</p><ol>{tried}</ol></div>"

    def __repr__(self) -> str:
        return f"<Diagnosis: {len(self.problems)} problems, {len(self.trail) + len(self.trials)} attempts>"


def diagnose(solved: Solved, refit: Refit, *, line: str = "", attempts: bool = False) -> Diagnosis:
    """Look at a fit and, with `attempts`, try other units, markers, bounds on variances and starts."""
    made: list[Trial] = []
    if attempts:
        from tqdm import tqdm

        planned = list(trials(solved, refit))
        made = [run() for _, run in tqdm(planned, desc="attempts", unit="attempt", delay=2, leave=False)]
    return Diagnosis(solved.status, symptoms(solved), solved.solution.trail, tuple(made), line)


def _wrapped(finding: Finding) -> str:
    text = finding.text + (f" {finding.advice}" if finding.advice else "")
    return _indented(text)


def _indented(text: str) -> str:
    return fill(text, WIDTH, initial_indent="  - ", subsequent_indent="    ", break_long_words=False)
