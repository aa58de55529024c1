"""`run`: one notebook with given parameters, checked before it starts and recorded when it ends."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sem_models import errors
from sem_models.errors import DataError, SEMError, SpecError
from sem_models.runs.crash import masked
from sem_models.runs.data import DataFile, data_file, example_path
from sem_models.runs.parameters import check, read_parameters

_VERSIONS = ("numpy", "scipy", "pandas", "altair", "papermill")


class NotebookError(SEMError):
    """A notebook stopped for a reason that the toolkit did not foresee."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """The executed notebook, the folder it went to, and every file the run wrote, that notebook included."""

    notebook: Path
    folder: Path
    outputs: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that passed every check that needs no execution."""

    source: Path
    folder: Path
    values: dict[str, Any]
    resolved: dict[str, Any]
    data: DataFile | None

    @property
    def target(self) -> Path:
        """The executed notebook."""
        return self.folder / self.source.name

    @property
    def page(self) -> Path:
        """Its HTML page."""
        return self.target.with_suffix(".html")

    @property
    def record(self) -> Path:
        """The file that says what was run, on what, with which result."""
        return self.target.with_suffix(".run.json")


def run(
    notebook: str | Path,
    parameters: Mapping[str, Any] | None = None,
    out: str | Path = "runs",
    *,
    progress: bool = True,
) -> RunResult:
    """Execute a notebook through papermill and write it, its HTML page and `NAME.run.json` to `out`.

    Parameters
    ----------
    notebook : .ipynb file with a cell tagged `parameters`.
    parameters : values for it; texts are read as the command line gives them.
    out : folder, made if need be. A notebook with a parameter `out` saves its tables and charts there too,
        unless it is given another.
    progress : a bar on stderr while it runs, if that is a terminal.

    Raises SpecError or DataError before anything runs: no such notebook, undeclared parameter, value of a
    wrong type, data file absent, folder not writable. An error of the toolkit inside the notebook is raised
    again as what it was, any other as NotebookError; the partly executed notebook is kept.
    """
    ready = plan(notebook, parameters or {}, out)
    before = _stamps(ready)
    started, clock = datetime.now(UTC), time.perf_counter()
    error = _execute(ready, progress=progress)
    seconds = round(time.perf_counter() - clock, 2)
    record = _record(ready, started, seconds, error)
    _write(ready.record, json.dumps(record, indent=2, ensure_ascii=False))
    if error is not None:
        raise error
    _write(ready.page, _html(ready, started))
    written = [p for p, stamp in _stamps(ready).items() if before.get(p) != stamp]
    return RunResult(ready.target, ready.folder, tuple(sorted(written)))


def plan(notebook: str | Path, parameters: Mapping[str, Any], out: str | Path) -> Plan:
    """Check a run without starting it; raises what `run` would raise before it starts."""
    source, folder = Path(notebook).absolute(), Path(out).expanduser().absolute()
    known = read_parameters(notebook)
    values = check(known, parameters, where=f"The notebook {source.name}")
    defaults = {p.name: p.default for p in known}
    data = None
    if "data" in defaults:
        named = values.get("data", defaults["data"])
        data = data_file(named)
        if "data" in values and example_path(named) is None:
            values["data"] = str(data.path)
    if (folder / source.name).resolve() == source.resolve():
        raise SpecError(f"The run would overwrite its own notebook in {folder}.\n  Choose another folder.")
    writable(folder)
    if "out" in defaults:
        given = values.get("out")
        values["out"] = str(Path(given).expanduser().absolute() if given else folder)
        writable(Path(values["out"]))
    return Plan(source, folder, values, defaults | values, data)


def writable(folder: Path) -> None:
    """Make the folder and try to write in it; DataError with the reason if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = "a file stands in its way" if isinstance(error, FileExistsError | NotADirectoryError) else None
        raise DataError(
            f"Cannot write to the output folder '{folder}': {why or (error.strerror or 'refused').lower()}.\n"
            "  Choose another folder with --out (out= in Python) or change its rights."
        ) from None


def _execute(ready: Plan, *, progress: bool) -> SEMError | None:
    """Run the notebook; what stopped it, or None."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from sem_models.runs.kernel import writing_to

    bar = {"desc": ready.source.stem, "leave": False} if progress and sys.stderr.isatty() else False
    with tempfile.TemporaryFile() as messages:
        try:
            papermill.execute_notebook(
                _literal(ready.source),
                _literal(ready.target),
                parameters=ready.values,
                progress_bar=bar,
                kernel_name="python3",
                kernel_manager_class=writing_to(messages),
            )
        except PapermillExecutionError as error:
            return _stopped(ready, error)
        except RuntimeError:
            # nbclient and jupyter_client raise this, or a class of it, for a process that is gone.
            messages.seek(0)
            last = messages.read().decode(errors="replace").strip().rpartition("\n")[2]
            return NotebookError(
                f"The Python process that ran {ready.source.name} did not start, or ended by itself, perhaps "
                f"for lack of memory{f' ({masked(last)})' if last else ''}.\n"
                f"  The notebook as far as it ran: {ready.target}"
            )
    return None


def _stopped(ready: Plan, error: Any) -> SEMError:
    """The toolkit's error as it was raised in the notebook; any other as a NotebookError."""
    kind = getattr(errors, error.ename, None)
    if isinstance(kind, type) and issubclass(kind, SEMError):
        return kind(f"{error.evalue}\n  {ready.source.name} stopped there; as far as it ran: {ready.target}")
    return NotebookError(
        f"{ready.source.name} stopped at In [{error.exec_count}] with an unexpected {error.ename}.\n"
        f"  Its traceback is in the notebook as far as it ran: {ready.target}"
    )


def _literal(path: Path) -> str:
    """papermill formats paths as templates; braces in them are meant."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _html(ready: Plan, started: datetime) -> str:
    import nbformat

    from sem_models.runs.page import page

    shown = {n: Path(str(v)).name if n == "data" else v for n, v in ready.resolved.items() if n != "out"}
    if ready.data is not None and ready.data.simulated:
        shown = {"data": "bundled example (simulated)"} | {n: v for n, v in shown.items() if n != "data"}
    facts = {"run": f"{started:%Y-%m-%d %H:%M} UTC"} | {n: v for n, v in shown.items() if v is not None}
    executed = nbformat.read(ready.target, as_version=4)  # type: ignore[no-untyped-call]
    return page(executed, ready.source.stem.replace("_", " "), facts)


def _record(ready: Plan, started: datetime, seconds: float, error: SEMError | None) -> dict[str, Any]:
    """What is needed to repeat the run; no data values."""
    cells = json.loads(ready.target.read_text(encoding="utf-8"))["cells"] if ready.target.is_file() else []
    return {
        "notebook": ready.source.name,
        "status": "completed" if error is None else "failed",
        "error": None if error is None else f"{type(error).__name__}: {error}",
        "parameters": ready.resolved,
        "data": None
        if ready.data is None
        else {
            "file": ready.data.path.name,
            "sha256": ready.data.sha256(),
            "simulated": ready.data.simulated,
        },
        "started": started.isoformat(timespec="seconds"),
        "seconds": seconds,
        "seconds_by_cell": [
            round(took, 3)
            for cell in cells
            if cell["cell_type"] == "code"
            and (took := cell["metadata"].get("papermill", {}).get("duration")) is not None
        ],
        "versions": {"sem_models": _own_version(), "python": platform.python_version()}
        | {name: _version(name) for name in _VERSIONS},
        "platform": platform.platform(terse=True),
    }


def _own_version() -> str:
    from sem_models import __version__

    return __version__


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _stamps(ready: Plan) -> dict[Path, int]:
    """Files that may belong to the run, in its folders and theirs, and when they were last written."""
    folders = {ready.folder, Path(ready.values.get("out", ready.folder))}
    found = {path for folder in folders for depth in ("*", "*/*") for path in folder.glob(depth)}
    return {path: path.stat().st_mtime_ns for path in found if path.is_file()}


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
