"""The command line: what it prints, what it writes, and that nobody sees a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sem_models import cli, examples
from sem_models.reports.study import Written

ROOT = Path(__file__).resolve().parents[1]
MODERATION = str(ROOT / "notebooks" / "03_moderation_by_activity.ipynb")
# Everything that takes long to import or is needed by one command only.
HEAVY = (
    "altair",
    "pingouin",
    "papermill",
    "semopy",
    "pandera",
    "nbconvert",
    "pandas",
    "numpy",
    "scipy",
    "pydantic",
)


@dataclass(frozen=True)
class Told:
    code: int
    out: str
    err: str


Tell = Callable[..., Told]


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tell:
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(*argv: str) -> Told:
        code = cli.main(argv)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Told(code, out, err)

    return run


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, encoding="utf-8", cwd=ROOT, check=False
    )


# ---------------------------------------------------------------- start


@pytest.mark.parametrize("code", ["import sem_models", "from sem_models.cli import main; main(['--help'])"])
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    done = _python(
        "-c", f"import sys; {code}; print(*sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    )
    assert done.returncode == 0
    assert done.stderr.split() == []


@pytest.mark.slow
def test_help_answers_soon() -> None:
    # The aim is one second; the limit is three times that, as the machine may be busy.
    start = time.perf_counter()
    assert _python("-m", "sem_models", "--help").returncode == 0
    assert time.perf_counter() - start < 3


def test_module_and_command_are_the_same() -> None:
    done = _python("-m", "sem_models", "--help")
    assert done.returncode == 0
    for command in ("run", "report", "demo", "fit", "models", "schemas", "check", "version"):
        assert f"  {command} " in done.stdout
    assert _python("-m", "sem_models", "fit", "none.csv", "-m", "b2b_service").returncode == 1


@pytest.mark.parametrize("argv", [("modles",), ("fit",), ("run", "--bad"), ("report", "example")])
def test_wrong_command_line(tell: Tell, argv: tuple[str, ...]) -> None:
    told = tell(*argv)
    assert told.code == 2
    assert "Error" in told.err


# ---------------------------------------------------------------- lists


def test_models_are_listed_and_shown(tell: Tell) -> None:
    from sem_models.model.spec import catalogue_names

    listed = tell("models")
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()] == list(catalogue_names())
    shown = tell("models", "show", "b2b_service_core")
    assert "PV =~ pv1 + pv2 + pv3" in shown.out
    missed = tell("models", "show", "b2b_servic")
    assert missed.code == 1
    assert missed.err.startswith("SpecError: There is no specification 'b2b_servic'")
    assert "Did you mean 'b2b_service'" in missed.err


def test_schemas_and_versions(tell: Tell) -> None:
    assert "b2b_service" in tell("schemas").out
    from sem_models import __version__

    assert tell("version").out.startswith(f"sem-models {__version__}\npython 3")


# ---------------------------------------------------------------- fit and check


def test_fit_prints_the_summary_and_writes_json(tell: Tell, tmp_path: Path) -> None:
    told = tell("fit", "example", "--model", "b2b_service_core", "--json", "fits/core.json")
    assert told.code == 0
    assert "simulated" in told.out
    assert "MLR" in told.out
    assert "Wrote fits/core.json" in told.out
    written = json.loads((tmp_path / "fits" / "core.json").read_text(encoding="utf-8"))
    assert written
    assert "C0001" not in told.out + json.dumps(written)


def test_fit_in_groups(tell: Tell) -> None:
    argv = ("--model", "b2b_service_core", "--group", "active", "--group-equal", "loadings")
    told = tell("fit", "example", *argv)
    assert told.code == 0
    assert "inactive" in told.out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("fit", "nope.csv", "-m", "b2b_service"), "DataError: There is no data file 'nope.csv'"),
        (("fit", "example", "-m", "b2b_servic"), "Did you mean 'b2b_service'"),
        (("fit", "example", "-m", "PV =~ pv1 + pv2 + pv33"), "'pv33'"),
        (("fit", "example", "-m", "b2b_service", "--group", "activ"), "Did you mean 'active'"),
        (("fit", "example", "-m", "b2b_service", "--estimator", "MLRR"), "Did you mean 'MLR'"),
        (("fit", "example", "-m", "b2b_service", "--missing", "fimll"), "missing='fimll'"),
        (("report", "nope.sav", "-m", "b2b_service"), "DataError: There is no data file 'nope.sav'"),
        (("report", "example", "-m", "b2b_servic"), "Did you mean 'b2b_service'"),
        (("report", "example", "-m", "b2b_service", "--moderator", "activ"), "Did you mean 'active'"),
        (("report", "example", "-m", "b2b_service", "--out", "taken"), "Cannot write to the output folder"),
        (("demo", "--out", "taken"), "Cannot write to the output folder"),
        (
            ("fit", "example", "-m", "b2b_service", "--json", "taken/f.json"),
            "Cannot write to the output folder",
        ),
        (("run", "none.ipynb"), "DataError: There is no notebook 'none.ipynb'"),
        (("run", MODERATION, "-p", "moderater", "active"), "Did you mean 'moderator'"),
        (("run", MODERATION, "-p", "data", "nope.csv"), "There is no data file 'nope.csv'"),
        (("run", MODERATION, "--out", "taken"), "Cannot write to the output folder"),
        (("run", MODERATION, "-p", "data"), "The setting 'data' has no value"),
        (("run", MODERATION, "-f", "none.yaml"), "There is no settings file 'none.yaml'"),
        (("check", "example", "--schema", "b2b"), "b2b_service"),
        (("check", "nope.csv", "--schema", "b2b_service"), "There is no data file 'nope.csv'"),
    ],
)
def test_mistakes_are_said_in_words(tell: Tell, tmp_path: Path, argv: tuple[str, ...], words: str) -> None:
    (tmp_path / "taken").touch()
    told = tell(*argv)
    assert told.code == 1
    assert words in told.err
    assert told.err.split(":")[0] in ("DataError", "SpecError")


def test_check_lists_every_violation(tell: Tell, tmp_path: Path) -> None:
    assert tell("check", "example", "--schema", "b2b_service").code == 0
    lines = examples.path().read_text(encoding="utf-8").splitlines()
    at = lines[0].split(",").index("eds1")
    for row, value in ((3, "9"), (7, "often")):
        cells = lines[row].split(",")
        cells[at] = value
        lines[row] = ",".join(cells)
    (tmp_path / "bad.csv").write_text("\n".join(lines), encoding="utf-8")
    told = tell("check", "bad.csv", "--schema", "b2b_service")
    assert told.code == 1
    assert "error: eds1, row 3:" in told.out
    assert "error: eds1, row 7:" in told.out
    assert "2 violations of schema 'b2b_service'" in told.err


# ---------------------------------------------------------------- report, run, demo


class _Study:
    """Stands in for a study: writes one file of each kind."""

    def write(self, folder: Path, *, progress: Callable[[str], None]) -> Written:
        progress("screening")
        files = [folder / "report.html", folder / "tables" / "a.csv", folder / "charts" / "a.svg"]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        return Written(files[0], (files[1],), (files[2],))


def test_report_passes_its_options_and_names_its_files(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def open_study(data: Path, **options: Any) -> _Study:
        seen.update(options, data=data)
        return _Study()

    monkeypatch.setattr(cli, "_study", open_study)
    told = tell(
        "report", "example", "--model", "b2b_service", "--moderator", "active",
        "--reference-group", "inactive", "--schema", "b2b_service", "--estimator", "ML",
        "--missing", "listwise", "--interactions", "EDS:ACT", "--method", "lms", "--title", "T",
        "--out", "r",
    )  # fmt: skip
    assert told.code == 0
    assert seen == {
        "data": examples.path(), "model": "b2b_service", "schema": "b2b_service", "moderator": "active",
        "reference_group": "inactive", "estimator": "ML", "missing": "listwise", "title": "T",
        "interactions": "EDS:ACT", "method": "lms",
    }  # fmt: skip
    assert "simulated" in told.out
    assert "  screening …" in told.out
    for line in ("report.html", "tables/", "charts/"):
        assert f"    {line}\n" in told.out


def test_run_takes_pairs_a_file_and_a_folder(
    tell: Tell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from sem_models import runs

    seen: list[Any] = []

    def fake(notebook: str, parameters: dict[str, Any], out: Path) -> runs.RunResult:
        seen.append((notebook, parameters, out))
        return runs.RunResult(Path(out) / "n.ipynb", Path(out), (Path(out) / "n.ipynb",))

    monkeypatch.setattr(runs, "run", fake)
    (tmp_path / "s.yaml").write_text("model: m\nlevel: 0.9\n", encoding="utf-8")
    told = tell("run", "n.ipynb", "-p", "data", "my.sav", "-p", "model=PV =~ a", "-f", "s.yaml", "--out", "o")
    assert told.code == 0
    assert seen[-1] == ("n.ipynb", {"model": "PV =~ a", "level": 0.9, "data": "my.sav"}, Path("o"))
    assert "    n.ipynb" in told.out
    tell("run", "books/n.ipynb")
    assert seen[-1] == ("books/n.ipynb", {}, Path("runs") / "n")


@pytest.mark.parametrize(
    ("argv", "joined"),
    [
        (["-p", "a", "1", "--out", "x"], ["-p", "a=1", "--out", "x"]),
        (["-p", "a", "-1"], ["-p", "a=-1"]),
        (["-p", "model", "PV =~ x"], ["-p", "model=PV =~ x"]),
        (["--parameter", "a", "1", "-p", "b", "2"], ["--parameter", "a=1", "-p", "b=2"]),
        (["-p", "a=1", "-p", "b=2"], ["-p", "a=1", "-p", "b=2"]),
        (["-p", "a"], ["-p", "a"]),
        (["-p"], ["-p"]),
        (["fit", "x"], ["fit", "x"]),
    ],
)
def test_pairs_are_joined(argv: list[str], joined: list[str]) -> None:
    assert cli.join_pairs(argv) == joined


@pytest.mark.parametrize("text", ["[1, 2", "- 1", "a: b: c"])
def test_settings_file_that_holds_none(tell: Tell, tmp_path: Path, text: str) -> None:
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    told = tell("run", MODERATION, "-f", "s.yaml")
    assert told.code == 1
    assert "Write one 'name: value' a line." in told.err


def test_settings_of_a_notebook_are_listed(tell: Tell) -> None:
    told = tell("run", MODERATION, "--list")
    assert told.out.startswith("data = 'example'   (text) survey file")
    assert "schema = None   (text or None)" in told.out


def test_demo_needs_the_notebooks(tell: Tell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "site" / "sem_models" / "cli.py"))
    told = tell("demo")
    assert told.code == 1
    assert "Run the demo in the repository's folder" in told.err


@pytest.mark.slow
def test_demo_writes_everything_and_names_it(tell: Tell, tmp_path: Path) -> None:
    told = tell("demo", "--out", "made")
    assert told.code == 0, told.err
    assert "simulated" in told.out
    for name in cli.DEMO:
        for suffix in (".ipynb", ".html", ".run.json"):
            assert f"    notebooks/{name}{suffix}\n" in told.out
            assert (tmp_path / "made" / "notebooks" / f"{name}{suffix}").stat().st_size > 0
    for line in ("report/report.html", "report/tables/", "report/charts/"):
        assert f"    {line}\n" in told.out
    assert "http" not in (tmp_path / "made/report/report.html").read_text(encoding="utf-8").replace(
        "http://www.w3.org/2000/svg", ""
    )


# ---------------------------------------------------------------- what nobody foresaw


def test_unexpected_errors_go_to_a_file(tell: Tell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*args: object, **options: object) -> None:
        raise KeyError("C-1042")

    monkeypatch.setattr(cli, "_study", fail)
    told = tell("report", "example", "-m", "b2b_service")
    assert told.code == 2
    assert told.err.count("\n") == 1
    assert (
        "Unexpected KeyError: this is a defect of the toolkit. Please report it with this file:" in told.err
    )
    (log,) = tmp_path.glob("sem-models-error-*.log")
    assert str(log) in told.err
    text = log.read_text(encoding="utf-8")
    assert "in fail" in text
    assert "KeyError: '…'" in text


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_interrupted_run_ends_its_kernel_and_says_so(tmp_path: Path) -> None:
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    source = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)"
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), tmp_path / "long.ipynb")
    command = [sys.executable, "-m", "sem_models", "run", "long.ipynb", "--out", "o"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        pid = tmp_path / "pid"
        while process.poll() is None and not (pid.is_file() and pid.read_text(encoding="utf-8")):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == "Interrupted. What was finished before is kept."
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text(encoding="utf-8")), 0)


def test_interruption_is_quiet(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_study", stop)
    told = tell("report", "example", "-m", "b2b_service")
    assert told.code == 130
    assert told.err.strip() == "Interrupted. What was finished before is kept."
