"""A loaded fit gives what the saved one gave, holds no row, and a file that is none is refused in words."""

from __future__ import annotations

import json
import pickle
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.storage.codec import Encoder

MODEL = """
EDS =~ e1 + e2 + e3
PV =~ p1 + p2 + p3
BI =~ b1 + b2 + b3
PV ~ a*EDS + tenure
BI ~ b*PV + EDS
through := a*b
"""
GROUPS = {"group": "active", "group_equal": ("loadings",)}
KINDS: dict[str, dict[str, Any]] = {
    "ML": {},
    "MLR": {"estimator": "MLR"},
    "MLM": {"estimator": "MLM"},
    "MLMV in groups": {"estimator": "MLMV", **GROUPS},
    "GLS": {"estimator": "GLS"},
    "WLS": {"estimator": "WLS"},
    "ULSMV": {"estimator": "ULSMV"},
    "Wishart": {"likelihood": "wishart"},
    "FIML": {"missing": "fiml"},
    "FIML, MLR": {"missing": "fiml", "estimator": "MLR"},
    "FIML in groups": {"missing": "fiml", "estimator": "MLR", **GROUPS},
    "several tests": {"test": ["satorra.bentler", "browne.residual.adf", "mean.var.adjusted"]},
    "MLR in groups": {"estimator": "MLR", "group": "active"},
    "bounds": {"bounds": "pos.var"},
    "restricted": {"constraints": "a > 0\nb == a^2 + 0.1"},
    "two stages": {"missing": "robust.two.stage"},
    "two stages, auxiliary": {"missing": "two.stage", "aux": ["spend"]},
    "pairwise": {"missing": "pairwise", "estimator": "ULSMV"},
    "std_lv": {"std_lv": True, "meanstructure": True},
    "bootstrap": {"se": "bootstrap", "bootstrap": 20, "seed": 5},
}


@pytest.fixture(scope="module")
def incomplete(clients: pd.DataFrame) -> pd.DataFrame:
    """A tenth of the answers missing, so that most patterns belong to one or two customers."""
    rng = np.random.default_rng(4)
    items = [c for c in clients.columns if c not in ("tenure", "active")]
    spend = clients["p1"] + rng.normal(size=len(clients))
    gone = {c: clients[c].mask(rng.random(len(clients)) < 0.1) for c in items}
    return clients.assign(**gone, spend=spend)


@pytest.fixture(scope="module")
def fits(clients: pd.DataFrame, incomplete: pd.DataFrame) -> dict[str, sm.Fit]:
    return {
        name: sm.fit(MODEL, incomplete if "missing" in options else clients, **options)
        for name, options in KINDS.items()
    }


def same(ours: sm.Fit, theirs: sm.Fit) -> None:
    """Every table equal to the last bit."""
    for method in ("estimates", "effects", "vcov", "tests"):
        pd.testing.assert_frame_equal(getattr(ours, method)(), getattr(theirs, method)(), check_exact=True)
    for method in ("measures", "r_squared"):
        pd.testing.assert_series_equal(getattr(ours, method)(), getattr(theirs, method)(), check_exact=True)
    for metric in ("std_all", "std_lv", "std_nox"):
        pd.testing.assert_frame_equal(
            ours.standardized(metric), theirs.standardized(metric), check_exact=True
        )
    for mine, other in (
        *((ours.residuals(k), theirs.residuals(k)) for k in ("raw", "cor", "cor_bentler")),  # type: ignore[arg-type]
        (ours.implied(), theirs.implied()), (ours.sample_moments(), theirs.sample_moments()),
        (ours.latent_moments(), theirs.latent_moments()),
    ):  # fmt: skip
        assert list(mine) == list(other)
        for label, moments in mine.items():
            pd.testing.assert_frame_equal(moments["cov"], other[label]["cov"], check_exact=True)
            pd.testing.assert_series_equal(moments["mean"], other[label]["mean"], check_exact=True)
    pd.testing.assert_series_equal(ours.contrast("a - b"), theirs.contrast("a - b"), check_exact=True)
    assert ours.wald("a == b") == theirs.wald("a == b")
    assert (ours.status, ours.header, ours.options) == (theirs.status, theirs.header, theirs.options)
    assert ours.provenance == theirs.provenance
    assert str(ours) == str(theirs)
    assert ours.to_json() == theirs.to_json()


@pytest.mark.parametrize("include_rows", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_a_loaded_fit_is_the_saved_one(
    fits: dict[str, sm.Fit], tmp_path: Path, name: str, include_rows: bool
) -> None:
    path = fits[name].save(tmp_path / "fit", include_rows=include_rows)
    assert path.name == "fit.semfit"
    loaded = sm.load_fit(path)
    same(loaded, fits[name])
    assert path.read_bytes() == loaded.save(tmp_path / "again", include_rows=include_rows).read_bytes()


@pytest.mark.parametrize("name", KINDS)
def test_pickling(fits: dict[str, sm.Fit], name: str) -> None:
    same(pickle.loads(pickle.dumps(fits[name])), fits[name])


def test_a_saved_bootstrap_holds_no_replicate(fits: dict[str, sm.Fit], tmp_path: Path) -> None:
    """With the seed known, a replicate would tell about the rows it drew. The limits are single values."""
    fit = fits["bootstrap"]
    path = fit.save(tmp_path / "fit")
    for replicate in fit.solved.bootstrapped.replicates().to_numpy():
        assert sum(bool(holds(path, value)) for value in replicate) < len(replicate) / 2
    loaded = sm.load_fit(path)
    assert fit.estimates(level=0.8)["ci_lower"].iloc[1] > fit.estimates()["ci_lower"].iloc[1]
    with pytest.raises(sm.DataError, match="include_rows"):
        loaded.estimates(level=0.8)


def test_from_a_covariance_matrix(clients: pd.DataFrame, tmp_path: Path) -> None:
    items = ["e1", "e2", "e3", "p1", "p2", "p3"]
    fit = sm.fit(
        "EDS =~ e1 + e2 + e3\nPV =~ a*p1 + b*p2 + p3", sample_cov=clients[items].cov(), sample_nobs=300
    )
    loaded = sm.load_fit(fit.save(tmp_path / "cov.semfit"))
    same(loaded, fit)
    assert loaded.solved.sample.rows is None


def test_loaded_fits_are_compared(clients: pd.DataFrame, fits: dict[str, sm.Fit], tmp_path: Path) -> None:
    for name in ("ML", "MLR", "MLM"):
        other = sm.fit(MODEL.replace(" + EDS\n", "\n"), clients, **KINDS[name])
        direct = fits[name].compare(other)
        loaded = [sm.load_fit(f.save(tmp_path / f"{i}")) for i, f in enumerate((fits[name], other))]
        pd.testing.assert_frame_equal(loaded[0].compare(loaded[1]), direct, check_exact=True)


def holds(path: Path, values: np.ndarray) -> list[str]:
    """Names of the saved arrays in which any of the values stands."""
    found = []
    with zipfile.ZipFile(path) as archive, np.load(BytesIO(archive.read("arrays.npz"))) as arrays:
        for name in arrays.files:
            if arrays[name].dtype.kind == "f" and np.isin(arrays[name], values).any():
                found.append(name)
    return found


@pytest.mark.parametrize("name", KINDS)
def test_no_row_leaves_unasked(
    fits: dict[str, sm.Fit], clients: pd.DataFrame, incomplete: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    """No answer stands in the file, as it is or centered at a mean of the fit; none of its arrays is long."""
    fit = fits[name]
    answers = clients.drop(columns="active").to_numpy()
    s, mu = fit.solved.sample, fit.solved.point.at.mu
    centered = [answers[:, : len(m)] - m for m in (*s.mean, *mu)]
    ordered = clients[list(s.variables)].to_numpy()
    centered += [ordered - m for m in (*s.mean, *mu)]
    values = np.concatenate([answers.ravel(), incomplete["spend"], *(c.ravel() for c in centered)])
    assert holds(fit.save(tmp_path / "rows", include_rows=True), values)
    path = fit.save(tmp_path / "bare")
    assert holds(path, values) == []
    with zipfile.ZipFile(path) as archive, np.load(BytesIO(archive.read("arrays.npz"))) as arrays:
        assert all(len(clients) not in arrays[a].shape for a in arrays.files)
        assert b"sample:Rows" not in archive.read("state.json")


def test_labels_of_rows_do_not_leave(clients: pd.DataFrame, tmp_path: Path) -> None:
    """The data's index may hold customer ids."""
    named = clients.set_axis([f"customer-{i}" for i in range(len(clients))], axis=0)
    fit = sm.fit(MODEL, named, estimator="MLM")
    with zipfile.ZipFile(fit.save(tmp_path / "fit")) as archive:
        assert not any(b"customer-" in archive.read(name) for name in archive.namelist())


def test_small_patterns_do_not_leave(fits: dict[str, sm.Fit], tmp_path: Path) -> None:
    sizes = fits["FIML"].solved.sample.patterns.size
    assert (sizes < 5).any()
    loaded = sm.load_fit(fits["FIML"].save(tmp_path / "fit"))
    for refused in (
        lambda: loaded.solved.objective.hessian(loaded.solved.point),
        lambda: loaded.solved.objective.at(loaded.solved.point.params),
        lambda: loaded.solved.sample.patterns.mean,
        lambda: loaded.diagnose(attempts=True),
    ):
        with pytest.raises(sm.DataError, match=r"without the .*include_rows=True"):
            refused()
    assert "No problem found" in str(loaded.diagnose())


def test_patterns_of_five_and_more_are_kept(clients: pd.DataFrame, tmp_path: Path) -> None:
    data = clients.assign(e1=clients["e1"].where(np.arange(300) % 3 > 0))
    fit = sm.fit(MODEL, data, missing="fiml")
    loaded = sm.load_fit(fit.save(tmp_path / "fit"))
    again = loaded.solved.objective.at(loaded.solved.point.params)
    assert again.value == fit.solved.point.value
    assert len(loaded.diagnose(attempts=True).trials) == 4


@pytest.mark.parametrize("name", ["ML", "MLR", "FIML, MLR"])
def test_what_needs_rows_says_how_to_have_them(fits: dict[str, sm.Fit], tmp_path: Path, name: str) -> None:
    loaded = sm.load_fit(fits[name].save(tmp_path / "fit"))
    with pytest.raises(sm.DataError, match=r"without the rows .*Fit the model anew .*include_rows=True"):
        _ = [rows.values for rows in loaded.solved.sample.rows or ()]
    whole = sm.load_fit(fits[name].save(tmp_path / "whole", include_rows=True))
    assert len(whole.diagnose(attempts=True).trials) == 4


def test_gamma_stays_only_with_enough_rows(clients: pd.DataFrame, tmp_path: Path) -> None:
    """Ten variables have 65 moments: with 300 rows their fourth moments are kept, with 60 they are not."""
    for n, kept in ((300, True), (60, False)):
        fit = sm.fit(MODEL, clients.head(n), estimator="MLM")
        loaded = sm.load_fit(fit.save(tmp_path / f"{n}"))
        same(loaded, fit)
        assert loaded.solved.sample.rows is not None
        assert (loaded.solved.sample.rows[0].gamma is not None) is kept  # type: ignore[attr-defined]


def test_a_group_of_four_stays_here(tmp_path: Path) -> None:
    data = pd.DataFrame({"y": [1.0, 2.0, 3.0, 5.0, 1, 2, 3, 4, 5, 6], "g": list("aaaabbbbbb")})
    fit = sm.fit("y ~ 1", data, group="g")
    with pytest.raises(sm.DataError, match="Group 'a' has fewer than 5 rows"):
        fit.save(tmp_path / "fit")
    assert sm.load_fit(fit.save(tmp_path / "fit", include_rows=True)).groups == ("a", "b")


# ---------------------------------------------------------------------- files that are none


@pytest.fixture
def saved(fits: dict[str, sm.Fit], tmp_path: Path) -> Path:
    return fits["ML"].save(tmp_path / "fit")


def rewritten(path: Path, change: dict[str, bytes | None]) -> Path:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts.update({k: v for k, v in change.items() if v is not None})
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            if change.get(name, b"") is not None:
                archive.writestr(name, content)
    return path


def manifest(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return dict(json.loads(archive.read("manifest.json")))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(sm.DataError, match=r"There is no file .*none\.semfit"):
        sm.load_fit(tmp_path / "none.semfit")


def test_foreign_files(tmp_path: Path, saved: Path) -> None:
    text = tmp_path / "text.semfit"
    text.write_text("lhs,op,rhs\n", encoding="utf-8")
    with pytest.raises(sm.DataError, match=r"not a fit saved by fit\.save\(\)\. It is no zip"):
        sm.load_fit(text)
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(sm.DataError, match="not a fit saved by"):
        sm.load_fit(other)
    with pytest.raises(sm.DataError, match="another format"):
        sm.load_fit(rewritten(saved, {"manifest.json": b'{"format": "elsewhere"}'}))


def test_damaged_files(saved: Path) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(sm.DataError, match="damaged or cut short"):
        sm.load_fit(saved)
    middle = bytearray(whole)
    middle[len(whole) // 2] ^= 0xFF
    saved.write_bytes(bytes(middle))
    with pytest.raises(sm.DataError, match="damaged"):
        sm.load_fit(saved)
    saved.write_bytes(whole)
    with pytest.raises(sm.DataError, match=r"state\.json does not match its checksum"):
        sm.load_fit(rewritten(saved, {"state.json": b"{}"}))
    saved.write_bytes(whole)
    with pytest.raises(sm.DataError, match=r"arrays\.npz is missing"):
        sm.load_fit(rewritten(saved, {"arrays.npz": None}))


def test_a_newer_file(saved: Path) -> None:
    newer = manifest(saved) | {"format_version": 99, "sem_models": "9.9.9"}
    with pytest.raises(sm.DataError, match=r"newer version .*format 99, sem_models 9\.9\.9.*Upgrade"):
        sm.load_fit(rewritten(saved, {"manifest.json": json.dumps(newer).encode()}))


class Evil:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("owned").touch, ())


@pytest.mark.parametrize(
    "state",
    [
        {"$new": "os:system", "fields": {"command": "true"}, "number": 1},
        {"$new": "sem_models.cli:main", "fields": {}, "number": 1},
        {"$new": "sem_models.model.table:build_table", "fields": {}, "number": 1},
        {"$new": "sem_models.model.table:ParameterTable.__init__", "fields": {}, "number": 1},
        {"$enum": ["sem_models.model.table:Row", "x"]},
        {"$ref": 7},
        {"$array": "a99999"},
        {"$code": "1 + 1"},
        {"solved": {}},
        ["nothing"],
    ],
)
def test_a_stranger_s_file_runs_nothing(saved: Path, state: Any) -> None:
    """Right checksums do not make a class that is not listed, nor anything but a fit."""
    content = json.dumps(state).encode()
    forged = manifest(saved)
    import hashlib

    forged["sha256"]["state.json"] = hashlib.sha256(content).hexdigest()
    rewritten(saved, {"state.json": content, "manifest.json": json.dumps(forged).encode()})
    with pytest.raises(sm.DataError, match="cannot be read as a fit"):
        sm.load_fit(saved)


def test_a_pickle_among_the_arrays_is_not_opened(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    import hashlib

    stream = BytesIO()
    np.savez(stream, a0=np.array([Evil()], dtype=object))
    forged = manifest(saved)
    forged["sha256"]["arrays.npz"] = hashlib.sha256(stream.getvalue()).hexdigest()
    change = {"arrays.npz": stream.getvalue(), "manifest.json": json.dumps(forged).encode()}
    with pytest.raises(sm.DataError, match="cannot be read as a fit"):
        sm.load_fit(rewritten(saved, change))
    assert not (tmp_path / "owned").exists()


def test_only_listed_classes_are_written() -> None:
    with pytest.raises(TypeError, match="has no place in a saved fit"):
        Encoder().encode(Path("x"))
    with pytest.raises(TypeError, match="no place"):
        Encoder().encode(np.array(["customer 1"]))
