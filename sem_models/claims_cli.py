"""The commands about claims: `sem-models scorecard` and `sem-models preregister`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sem_models.errors import DataError


def scorecard(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Survey file; 'example': the simulated one.")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Catalogue name or specification file with claims.")
    ] = None,
    schema: Annotated[str | None, typer.Option("--schema", "-s", help="Survey schema: name or file.")] = None,
    estimator: Annotated[str | None, typer.Option(help="MLR (robust, the default) or ML.")] = None,
    missing: Annotated[str | None, typer.Option(help="fiml (the default) or listwise.")] = None,
    method: Annotated[str | None, typer.Option(help="Method for interactions, such as lms.")] = None,
    preregistration: Annotated[str | None, typer.Option(help="File of `sem-models preregister`.")] = None,
    out: Annotated[str | None, typer.Option(help="Folder for the table (CSV) and the chart.")] = None,
) -> None:
    """Judge the claims of a specification on a survey file."""
    from sem_models.findings.preregistration import read_preregistration
    from sem_models.findings.scorecard import scorecard as judge
    from sem_models.reports.settings import schema_for
    from sem_models.runs.data import data_file
    from sem_models.runs.notebook import writable

    registered = read_preregistration(preregistration) if preregistration else None
    if model is None and registered is None:
        raise DataError("Name the specification: --model b2b_service, or --preregistration FILE.")
    import data_schemas
    from sem_models.model.spec import load

    file = data_file(data)
    if out is not None:
        writable(Path(out).absolute())
    spec = registered.spec if registered and model is None else load(str(model))
    survey = data_schemas.load(file.path, schema=schema if schema is not None else schema_for(spec))
    options = dict(registered.content["options"]) if registered else {}
    options |= {k: v for k, v in (("estimator", estimator), ("missing", missing)) if v is not None}
    interactions = dict(registered.content["interactions"]) if registered else {}
    if method is not None:
        interactions["method"] = method
    rules = registered.rules if registered else None
    card = judge(spec, survey, rules=rules, interactions=interactions, **options)
    typer.echo(f"{file}\n{card}")
    if registered is not None:
        kept = registered.deviations(card)
        said = f"registered {registered.created} ({registered.hash[:12]})"
        typer.echo(f"\nKept to what was {said}." if not kept else f"\nNot kept to what was {said}:")
        for line in kept:
            typer.echo(f"  {line}")
    if out is not None:
        from sem_models.charts import export

        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        card.table().to_csv(folder / "scorecard.csv", index=False)
        export.save(card.chart(), folder, "scorecard")
        typer.echo(f"\nWrote scorecard.csv, .html, .svg and .png to {folder}")


def preregister(
    out: Annotated[str, typer.Argument(metavar="FILE", help="YAML file to write.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="Catalogue name or specification file with claims.")
    ],
    estimator: Annotated[str, typer.Option(help="MLR (robust) or ML.")] = "MLR",
    missing: Annotated[str, typer.Option(help="fiml or listwise.")] = "fiml",
    method: Annotated[str | None, typer.Option(help="Method for interactions, such as lms.")] = None,
    confidence: Annotated[float | None, typer.Option(help="Of the intervals, instead of the rules'.")] = None,
    equivalence: Annotated[float | None, typer.Option(help="Bound of no relevant effect.")] = None,
) -> None:
    """Freeze specification, rules and options with a hash, before the data are seen."""
    from sem_models.findings.preregistration import preregister as freeze

    changed = {k: v for k, v in (("confidence", confidence), ("equivalence", equivalence)) if v is not None}
    made = freeze(
        model, out, rules=changed or None, interactions={"method": method} if method else None,
        estimator=estimator, missing=missing,
    )  # fmt: skip
    typer.echo(f"Wrote {out}\n  sha256 {made.hash}\n  {made.created}")
