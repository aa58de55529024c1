"""The report on disk: self-contained, traceable, and without anything personal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sem_models
from sem_models.reports import Study, Written
from sem_models.reports.page import page
from sem_models.reports.section import Section

NAMESPACE = "http://www.w3.org/2000/svg"
# Answers of one customer side by side that would give the row away.
RUN_OF_ANSWERS = 8


@pytest.fixture(scope="module")
def html(written: Written) -> str:
    return written.report.read_text(encoding="utf-8")


def _texts(written: Written) -> dict[str, str]:
    """Everything written that can be read as text, by file name."""
    folder = written.report.parent
    files = [p for p in folder.rglob("*") if p.suffix in (".html", ".csv", ".json", ".svg")]
    found = {p.name: p.read_text(encoding="utf-8") for p in files}
    # The chart pages embed a script of 1 MB that is the same for all data.
    return {k: re.sub(r"<script>(?!\nconst specs).*?</script>", "", v, flags=re.S) for k, v in found.items()}


def test_the_page_needs_no_network_and_no_script(html: str) -> None:
    assert set(re.findall(r"\w+://[^\s\"'<)]+", html)) == {NAMESPACE}
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\((?!#)|javascript:| on\w+=", html)


def test_charts_are_vector_graphics_with_tooltips(html: str, written: Written) -> None:
    graphics = re.findall(r"<svg.*?</svg>", html, flags=re.S)
    assert len(graphics) == len([p for p in written.charts if p.suffix == ".svg"]) == 6
    assert all("<title>" in graphic for graphic in graphics)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_the_answer_comes_first(html: str, study: Study) -> None:
    head = html[html.index("<h1>") : html.index("<section")]
    assert head.index("Simulated data.") < head.index("In short")
    order = [head.index(s.split(":")[0][:40].split(" → ")[0]) for s in (study.moderation().key[0],)]
    assert order[0] > head.index("In short")
    assert "Exact fit" in head
    assert (
        head.index("stronger for active than for inactive") < head.index("Claim C1") < head.index("Exact fit")
    )


def test_every_table_has_the_header_of_its_section(html: str, study: Study) -> None:
    n_tables = sum(
        len(study._section(s).tables) for s in ("screening", "measurement", "structure", "moderation")
    )
    tables = re.findall(r'<(?:figure|details) class="table">.*?</table>', html, flags=re.S)
    assert len(tables) == n_tables
    assert all(re.search(r"N = 387 of 387", t) for t in tables)


def test_provenance_traces_the_numbers(html: str, written: Written, study: Study) -> None:
    stored = json.loads((written.report.parent / "provenance.json").read_text(encoding="utf-8"))
    assert stored["data_hash"] == study.survey.hash
    assert stored["spec_hash"] == study.spec.hash
    assert stored["version"] == sem_models.__version__
    assert {"numpy", "python", "engine"} <= set(stored)
    assert stored["options"]["estimator"] == "MLR"
    assert stored["options"]["missing"] == "fiml"
    assert (stored["moderator"], stored["reference_group"]) == ("active", "inactive")
    for value in (study.survey.hash, study.spec.hash, stored["numpy"], "yuan.bentler.mplus"):
        assert value in html


def test_only_the_name_of_the_data_file_is_told(tmp_path: Path) -> None:
    from sem_models import examples

    folder = tmp_path / "customer-acme"
    folder.mkdir()
    copy = folder / "wave1.sav"
    copy.write_bytes(examples.path(kind="sav").read_bytes())
    opened = Study.open(copy, model="b2b_service_core")
    written = opened.write(tmp_path / "out", sections=["screening"])
    text = written.report.read_text(encoding="utf-8") + (tmp_path / "out" / "provenance.json").read_text()
    assert "wave1.sav" in text
    assert "customer-acme" not in text


def test_no_id_of_a_customer_or_account_manager_is_written(written: Written, study: Study) -> None:
    data = study.survey.data
    ids = {str(v) for column in ("customer_id", "account_manager") for v in data[column]}
    assert len(ids) > 387
    pattern = re.compile(r"\b(?:" + "|".join(map(re.escape, sorted(ids))) + r")\b")
    leaks = {
        name: pattern.findall(text)[:3] for name, text in _texts(written).items() if pattern.search(text)
    }
    assert leaks == {}


def _numbers(text: str) -> str:
    """The numbers of a text side by side, whole ones without decimals."""
    return "," + ",".join(re.sub(r"\.0+$", "", n) for n in re.findall(r"\d+(?:\.\d+)?", text)) + ","


def test_a_row_of_answers_would_be_found(study: Study) -> None:
    answers = study.frame[list(study.spec.items)].dropna().iloc[0]
    assert _run(answers.to_numpy()) in _numbers("7 | " + " | ".join(f"{v}" for v in answers) + " | x")


def _run(answers: np.ndarray) -> str:
    return "," + ",".join(f"{v:.0f}" for v in answers[:RUN_OF_ANSWERS]) + ","


def test_no_row_of_answers_is_written(written: Written, study: Study) -> None:
    texts = {name: _numbers(text) for name, text in _texts(written).items()}
    rows = study.frame[list(study.spec.items)].dropna()
    assert len(rows) > 100
    leaks = [name for answers in rows.to_numpy() for name, text in texts.items() if _run(answers) in text]
    assert leaks == []


def test_no_cell_counts_fewer_than_five_customers(written: Written) -> None:
    counts = re.compile(r"^(n|n_.*|alpha_n|count)$")
    for path in written.tables:
        frame = pd.read_csv(path)
        for column in frame.columns:
            if counts.match(str(column)) and column != "n_items":
                values = frame[column].dropna()
                assert not ((values > 0) & (values < 5)).any(), f"{path.name}: {column}"
    items = pd.read_csv(written.report.parent / "tables" / "screening_items.csv")
    for column in ("floor_pct", "ceiling_pct"):
        people = items[column] * items["n"] / 100
        assert not ((people > 0.5) & (people < 4.5)).any()
    people = items["missing_pct"] * 387 / 100
    assert not ((people > 0.5) & (people < 4.5)).any()


def test_cautions_stand_at_the_head_of_the_page() -> None:
    section = Section("structure", "T", "H", ("said",), cautions=("Caution: it DID NOT CONVERGE.",))
    text = page("Title & more", [section, section], {"options": {}})
    assert text.count("Caution: it DID NOT CONVERGE.") == 3  # once at the head, once in each section
    assert text.index('<p class="caution">') < text.index("<nav>")
    assert "<h1>Title &amp; more</h1>" in text
    assert "In short" not in text


def test_the_page_prints() -> None:
    text = page("T", [], {})
    printing = text[text.index("@media print") :]
    assert "nav{display:none}" in printing
    assert "break-inside:avoid" in printing
