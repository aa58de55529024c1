"""The house rules that no other test would notice breaking: ranges, pins, set-up messages, proof of a run."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)\s]+?)(?:#[^)]*)?\)", text)
    named = [f"docs/{name}" for name in re.findall(r"\bdocs/([\w-]+\.(?:md|json))\b", text)]
    lost = [t for t in targets if not (page.parent / t).exists()] + [
        n for n in named if not (ROOT / n).exists()
    ]
    assert not lost, f"{page.name} leads to {', '.join(lost)}, which do not exist"


MODULES = sorted(
    f for package in ("sem_models", "data_schemas", "benchmarks") for f in ROOT.glob(f"{package}/**/*.py")
)


def test_no_module_takes_the_private_names_of_another() -> None:
    taken = [
        f"{module.relative_to(ROOT)} takes {alias.name} from {node.module}"
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
        if re.match(r"_[^_]", alias.name)
    ]
    assert not taken, "\n".join(taken)


@pytest.fixture(scope="module")
def project() -> dict[str, dict[str, Requirement]]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = {"main": table["project"]["dependencies"]} | table["project"]["optional-dependencies"]
    groups["build"] = table["build-system"]["requires"]
    return {
        group: {canonicalize_name(r.name): r for r in map(Requirement, lines)}
        for group, lines in groups.items()
    }


@pytest.fixture(scope="module")
def lock_text() -> str:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pins(lock_text: str) -> list[Requirement]:
    return [Requirement(line.rstrip(" \\")) for line in lock_text.splitlines() if re.match(r"[a-z0-9]", line)]


def test_every_range_is_pinned_inside_it_for_every_python(
    project: dict[str, dict[str, Requirement]], pins: list[Requirement]
) -> None:
    wanted = [r for group in project.values() for r in group.values()]
    for python in ("3.11.0", "3.12.0", "3.13.0", "3.14.0"):
        env = {"python_full_version": python, "python_version": python[:4]}
        valid = {canonicalize_name(p.name): p for p in pins if p.marker is None or p.marker.evaluate(env)}
        for requirement in wanted:
            pin = valid[canonicalize_name(requirement.name)]
            version = str(pin.specifier).removeprefix("==")
            assert requirement.specifier.contains(version), f"{pin} lies outside {requirement}"


def test_lock_has_hashes_and_names_no_address(lock_text: str, pins: list[Requirement]) -> None:
    assert len(pins) > 50
    for block in re.split(r"\n(?=[a-z0-9])", lock_text.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]
    assert "://" not in lock_text
    assert not re.search(r"^\s*-(i|f|-index|-extra|-find|-trusted)", lock_text, flags=re.MULTILINE)


def test_conda_environment_has_the_ranges_of_the_project(project: dict[str, dict[str, Requirement]]) -> None:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    pip_entries = next(e["pip"] for e in entries if isinstance(e, dict))
    assert "-e ." in pip_entries
    lines = [e for e in entries if isinstance(e, str)] + [e for e in pip_entries if not e.startswith("-")]
    found = {canonicalize_name(r.name): r.specifier for r in map(Requirement, lines)}
    assert str(found.pop("python")) == ">=3.11"
    assert found.pop("pip") is not None
    known = project["main"] | project["dev"]
    assert project["main"].keys() <= found.keys()
    assert found == {name: known[name].specifier for name in found}


def test_pre_commit_hooks_download_nothing() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    assert {hook["language"] for hook in config["repos"][0]["hooks"]} == {"system"}
    assert "://" not in text


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY: "))
    assert set(phony.split()[1:]) - {"help"} == set(re.findall(r'echo "make (\w+) ', makefile))


@pytest.mark.parametrize(
    ("version", "has_venv", "words"),
    [
        ((3, 10), True, ["Python 3.10", "3.11 or newer", "PYTHON=python3.11"]),
        ((3, 12), False, ["ensurepip", "apt install python3.12-venv", "environment.yml"]),
        ((3, 11), True, []),
    ],
)
def test_bootstrap_says_what_is_missing(version: tuple[int, int], has_venv: bool, words: list[str]) -> None:
    message = _tool("bootstrap").missing_prerequisite(version, has_venv=has_venv)
    assert bool(message) == bool(words)
    assert all(word in message for word in words)


def test_bootstrap_is_ready_only_for_the_same_inputs(tmp_path: Path) -> None:
    bootstrap = _tool("bootstrap")
    python = bootstrap.python_of(tmp_path)
    assert not bootstrap.is_ready(tmp_path, "abc")
    python.parent.mkdir()
    python.touch()
    (tmp_path / ".ready").write_text("abc", encoding="utf-8")
    assert bootstrap.is_ready(tmp_path, "abc")
    assert not bootstrap.is_ready(tmp_path, "other")


JUNIT = """<testsuites><testsuite>
<testcase classname="tests.golden.test_ml" name="test_case[v01_hs_cfa_ml]"/>
<testcase classname="tests.golden.test_ml" name="test_case[v02_hs_cfa_mlr]"><skipped/></testcase>
</testsuite></testsuites>"""


def test_check_run_counts_only_what_ran(tmp_path: Path) -> None:
    check_run = _tool("check_run")
    report = tmp_path / "test.xml"
    report.write_text(JUNIT, encoding="utf-8")
    names = check_run.ran(report)
    assert names == ["tests.golden.test_ml::test_case[v01_hs_cfa_ml]"]
    assert check_run.golden_used(names, ["v01_hs_cfa_ml", "v02_hs_cfa_mlr", "v01"]) == {"v01_hs_cfa_ml"}
    report.write_text("<testsuites><testsuite/></testsuites>", encoding="utf-8")
    assert check_run.main([str(report)]) == 1


def test_clean_spares_sources_and_environment(tmp_path: Path) -> None:
    kept = [tmp_path / ".venv/lib/__pycache__/a.pyc", tmp_path / "sem_models/a.py"]
    doomed = [tmp_path / "build/x.txt", tmp_path / "sem_models/inner/__pycache__/b.pyc"]
    for path in kept + doomed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    _tool("clean").main(tmp_path)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in doomed)
