"""The command `sem-models`. Commands import what they need, so that `--help` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sem_models import claims_cli
from sem_models.errors import DataError, SEMError, SpecError, did_you_mean
from sem_models.threads import one_thread

if TYPE_CHECKING:
    from sem_models.reports import Study, Written

NOTEBOOKS = (
    "01_screen_the_survey", "02_measure_and_structure", "03_moderation_by_activity", "04_latent_moderation",
    "05_visits_and_calls", "06_scorecard", "07_trade_off", "08_profiles",
    "09_continuous_activity", "10_servuction", "11_priorities_and_necessity", "12_replication",
)  # fmt: skip
DEMO = (*NOTEBOOKS[:4], "06_scorecard")
"""The notebooks that the demo runs; the others are run by name."""
INTERRUPTED = 130

app = typer.Typer(
    help="Structural equation models for service research: survey file to moderation report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
models_app = typer.Typer(help="The specifications that ship with the toolkit.", rich_markup_mode=None)
app.add_typer(models_app, name="models")
app.command()(claims_cli.scorecard)
app.command()(claims_cli.preregister)

DataArgument = Annotated[
    str, typer.Argument(metavar="DATA", help="Survey file; 'example' is the bundled, simulated one.")
]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="Catalogue name, specification file (.yaml) or model text.")
]
SchemaOption = Annotated[str | None, typer.Option("--schema", "-s", help="Survey schema: name or file.")]
EstimatorOption = Annotated[str, typer.Option(help="MLR (robust) or ML.")]
MissingOption = Annotated[str, typer.Option(help="fiml (uses every answer) or listwise.")]


@app.command()
def run(
    notebook: Annotated[str, typer.Argument(help="A notebook with a cell tagged 'parameters'.")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME VALUE", help="One setting; repeat it."),
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", "-f", help="YAML file of settings; -p wins over it.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="Folder for all that is written [runs/NOTEBOOK].")] = None,
    settings: Annotated[bool, typer.Option("--list", help="Only list the notebook's settings.")] = False,
) -> None:
    """Execute a notebook: checked first, then written with its HTML page, tables and charts."""
    from sem_models import runs

    if settings:
        for known in runs.read_parameters(notebook):
            typer.echo(f"{known.name} = {known.default!r}   ({known.noun}) {known.help}".rstrip())
        return
    given = _settings_of(file) | dict(_pair(text) for text in parameter or ())
    folder = Path(out) if out else Path("runs") / Path(notebook).stem
    result = runs.run(notebook, given, folder)
    _wrote(result.outputs, result.folder)


@app.command()
def report(
    data: DataArgument,
    model: ModelOption,
    out: Annotated[str, typer.Option(help="Folder for the report, tables and charts.")] = "runs/report",
    schema: SchemaOption = None,
    moderator: Annotated[str | None, typer.Option(help="Column that splits the customers.")] = None,
    reference_group: Annotated[str | None, typer.Option(help="Group the others are compared with.")] = None,
    estimator: EstimatorOption = "MLR",
    missing: MissingOption = "fiml",
    interactions: Annotated[
        str | None, typer.Option(help="Latent interactions of the model, as EDS:ACT; commas between.")
    ] = None,
    method: Annotated[str, typer.Option(help="How they are estimated, as in sm.moderate.")] = "dblcent",
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
) -> None:
    """From survey file to report: one HTML page, tables (CSV), charts (HTML, SVG, PNG)."""
    from sem_models.runs.data import data_file
    from sem_models.runs.notebook import writable

    file = data_file(data)
    writable(Path(out).absolute())
    study = _study(
        file.path, model=model, schema=schema, moderator=moderator, reference_group=reference_group,
        estimator=estimator, missing=missing, title=title, interactions=interactions or (), method=method,
    )  # fmt: skip
    typer.echo(str(file))
    written = study.write(Path(out), progress=lambda step: typer.echo(f"  {step} …"))
    _wrote(_files(written), Path(out))


@app.command()
def demo(out: Annotated[str, typer.Option(help="Folder for all that is written.")] = "demo_output") -> None:
    """The main job on the bundled, simulated example: the notebooks and the report."""
    from sem_models import runs
    from sem_models.runs.data import EXAMPLE, data_file
    from sem_models.runs.notebook import writable

    file, folder, home = data_file(EXAMPLE), Path(out).absolute(), _notebook_folder()
    writable(folder)
    typer.echo(f"{file}\n")
    files: list[Path] = []
    steps = len(DEMO) + 1
    for step, name in enumerate(DEMO, 1):
        typer.echo(f"[{step}/{steps}] notebook {name} …")
        files += runs.run(home / f"{name}.ipynb", {}, folder / "notebooks").outputs
    typer.echo(f"[{steps}/{steps}] report …")
    study = _study(file.path, model="b2b_service", moderator="active")
    files += _files(study.write(folder / "report", progress=lambda part: typer.echo(f"        {part}")))
    _wrote(files, folder)


@app.command()
def fit(
    data: DataArgument,
    model: ModelOption,
    schema: SchemaOption = None,
    estimator: EstimatorOption = "MLR",
    missing: MissingOption = "fiml",
    group: Annotated[str | None, typer.Option(help="Column that splits the customers.")] = None,
    group_equal: Annotated[
        list[str] | None,
        typer.Option(help="Parameters equal across groups (loadings, intercepts); repeat it."),
    ] = None,
    json: Annotated[str | None, typer.Option("--json", help="Also write the result to this file.")] = None,
) -> None:
    """Fit a model and print its summary."""
    from sem_models.runs.data import data_file
    from sem_models.runs.notebook import writable

    file = data_file(data)
    if json is not None:
        writable(Path(json).absolute().parent)
    from sem_models.estimation.fit import fit as fit_model

    study = _study(
        file.path, model=model, schema=schema, moderator=group, estimator=estimator, missing=missing
    )
    result = fit_model(
        study.spec, study.frame, estimator=estimator, missing=missing, group=group,
        group_equal=tuple(group_equal or ()),
    )  # fmt: skip
    if file.simulated:
        typer.echo(str(file))
    typer.echo(result.summary())
    if json is not None:
        Path(json).write_text(result.to_json() + "\n", encoding="utf-8", newline="\n")
        typer.echo(f"Wrote {json}")


@app.command()
def check(
    data: DataArgument, schema: Annotated[str, typer.Option("--schema", "-s", help="Name or file.")]
) -> None:
    """Check a survey file against a schema: every violation, with column, row and remedy."""
    import data_schemas
    from sem_models.runs.data import data_file

    file = data_file(data)
    survey = data_schemas.load(file.path, schema=schema, strict=False)
    for issue in survey.issues().to_dict("records"):
        place = issue["column"] or "the file"
        if issue["row"] is not None and issue["row"] == issue["row"]:
            place += f", row {issue['row']}"
        typer.echo(f"{issue['severity']}: {place}: {issue['message']}. {issue['remedy']}".rstrip())
    typer.echo(repr(survey))
    if survey.errors:
        count = "1 violation" if len(survey.errors) == 1 else f"{len(survey.errors)} violations"
        raise DataError(
            f"{file.path.name}: {count} of schema '{survey.schema.name}', listed above.\n"
            "  Mend them in the file, or name the schema of this survey."
        )


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List the specifications; `models show NAME` prints one as model text."""
    if context.invoked_subcommand is None:
        from sem_models.model.spec import catalogue_names, load

        for name in catalogue_names():
            typer.echo(f"{name:<22}{load(name).title}")


@models_app.command("show")
def models_show(name: Annotated[str, typer.Argument(help="Name in the catalogue, or a .yaml file.")]) -> None:
    """Print a specification in lavaan's model language."""
    from sem_models.model.spec import load

    typer.echo(load(name).syntax())


@app.command()
def schemas() -> None:
    """List the survey schemas that ship with the toolkit."""
    import data_schemas

    for name in data_schemas.names():
        typer.echo(f"{name:<22}{data_schemas.Schema.load(name).title}")


@app.command("version")
def show_version() -> None:
    """Print the versions that decide the numbers."""
    import platform
    from importlib.metadata import version

    from sem_models import __version__

    typer.echo(f"sem-models {__version__}")
    typer.echo(f"python {platform.python_version()}")
    for package in ("numpy", "scipy", "pandas"):
        typer.echo(f"{package} {version(package)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns 0 when done, 1 after an error with a remedy (on stderr), 2 after one nobody foresaw (traceback in
    a file) or a wrong command line, 130 when interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    one_thread()
    try:
        app(args=join_pairs(sys.argv[1:] if argv is None else argv), prog_name="sem-models")
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return _interrupted() if code == INTERRUPTED else code
    except KeyboardInterrupt:
        return _interrupted()
    except SEMError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        from sem_models.runs.crash import write_log

        print(
            f"Unexpected {type(error).__name__}: this is a defect of the toolkit. "
            f"Please report it with this file: {write_log(error)}",
            file=sys.stderr,
        )
        return 2
    return 0


def _interrupted() -> int:
    print("Interrupted. What was finished before is kept.", file=sys.stderr)
    return INTERRUPTED


def join_pairs(argv: Sequence[str]) -> list[str]:
    """`-p name value`, as papermill takes it, as the `-p name=value` that Typer reads; both are allowed."""
    joined: list[str] = []
    rest = list(argv)
    while rest:
        token = rest.pop(0)
        joined.append(token)
        if token not in ("-p", "--parameter") or not rest:
            continue
        name = rest.pop(0)
        joined.append(f"{name}={rest.pop(0)}" if name.isidentifier() and rest else name)
    return joined


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark:
        raise SpecError(f"The setting '{text}' has no value.\n  Write: -p {text} VALUE")
    return name.strip(), value


def _settings_of(file: str | None) -> dict[str, Any]:
    """Settings of a YAML file: a mapping of names to values."""
    if file is None:
        return {}
    import yaml

    path = Path(file)
    if not path.is_file():
        near = (
            [p.name for s in ("*.yaml", "*.yml") for p in path.parent.glob(s)] if path.parent.is_dir() else []
        )
        raise DataError(
            f"There is no settings file '{file}'.\n  {did_you_mean(path.name, near, noun='files there')}"
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise SpecError(f"{path.name}{place}: not valid YAML.\n  Write one 'name: value' a line.") from None
    if not isinstance(content, dict):
        raise SpecError(f"{path.name} holds no settings.\n  Write one 'name: value' a line.")
    return {str(name): value for name, value in content.items()}


def _study(data: Path, **options: Any) -> Study:
    from sem_models import reports

    return reports.Study.open(data, **options)


def _files(written: Written) -> list[Path]:
    return [written.report, *written.tables, *written.charts]


def _notebook_folder() -> Path:
    """Where the notebooks are: beside the package in the repository, or in the working directory."""
    places = (Path(__file__).resolve().parents[1] / "notebooks", Path.cwd() / "notebooks")
    for place in places:
        if all((place / f"{name}.ipynb").is_file() for name in NOTEBOOKS):
            return place
    raise DataError(
        "The notebooks are not here.\n  Run the demo in the repository's folder, where notebooks/ is."
    )


def _wrote(files: Sequence[Path], folder: Path) -> None:
    """Name what was written: notebooks and pages each, tables and charts by folder."""
    kinds = {
        "Executed notebooks": [f for f in files if f.suffix == ".ipynb"],
        "HTML pages": [f for f in files if f.suffix == ".html" and f.parent.name != "charts"],
        "Tables (CSV)": [f for f in files if f.suffix == ".csv"],
        "Charts (HTML, SVG, PNG)": [f for f in files if f.parent.name == "charts"],
        "Run records": [f for f in files if f.suffix == ".json"],
    }
    typer.echo(f"\nWritten to {folder}:")
    for kind, found in kinds.items():
        if found:
            typer.echo(f"  {kind}: {len(found)}")
            for line in dict.fromkeys(_shown(file, folder) for file in found):
                typer.echo(f"    {line}")


def _shown(file: Path, folder: Path) -> str:
    """A file relative to the output folder; of tables and charts, of which there are many, the folder."""
    together = file.parent.name in ("tables", "charts")
    path = file.parent if together else file
    try:
        shown = path.resolve().relative_to(folder.resolve())
    except ValueError:
        return str(path)
    return f"{shown.as_posix()}/" if together else shown.as_posix()
