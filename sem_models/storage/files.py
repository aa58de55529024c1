"""`fit.save` and `sm.load_fit`: one zip of JSON and arrays, versioned and hashed, without code in it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import DataError, SEMError
from sem_models.inference.solved import Solved
from sem_models.storage.codec import Decoder, Encoder, Unreadable
from sem_models.storage.privacy import without_rows

if TYPE_CHECKING:
    from sem_models.inference.result import Fit

FORMAT = "sem_models.fit"
VERSION = 1
SUFFIX = ".semfit"
MANIFEST = "manifest.json"
PARTS = ("fit.json", "state.json", "arrays.npz")
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Fixed time stamp, so that saving the same fit twice gives the same file."""

OF_SOLVED = (
    "covariance", "df", "saturated_value", "fmin", "saturated_trace", "traces", "chi_square", "logl",
    "saturated_logl", "resampled", "own_trace",
)  # fmt: skip
OF_FIT = ("_measures", "_tests")
"""What is computed before rows are left out, by the names of the properties that hold it."""


def save_fit(fit: Fit, path: str | Path, *, include_rows: bool = False) -> Path:
    """Write a fit. Raises DataError for a group of fewer than 5 rows unless `include_rows`."""
    path = Path(path)
    if not path.suffix:
        path = path.with_suffix(SUFFIX)
    solved = fit.solved
    kept = {"solved": _computed(solved, OF_SOLVED), "fit": _computed(fit, OF_FIT)}
    if not include_rows:
        if solved.options.discrepancy in ("PML", "MML"):
            raise DataError(
                "A likelihood of answers needs their tables or patterns, which can be of fewer than 5 "
                "customers. Save it with include_rows=True where that is allowed, or keep fit.to_json()."
            )
        solved = without_rows(solved)
    encoder = Encoder()
    state = encoder.encode(
        {
            "syntax": fit.syntax,
            "spec_id": fit.spec_id,
            "provenance": dict(fit.provenance),
            "solved": {
                name: getattr(solved, name)
                for name in ("table", "ram", "sample", "options", "objective", "solution")
            },
            "kept": kept,
        }
    )
    arrays = io.BytesIO()
    np.savez(arrays, allow_pickle=False, **encoder.arrays)
    parts = {
        "fit.json": fit.to_json().encode(),
        "state.json": json.dumps(state, ensure_ascii=False, allow_nan=False).encode(),
        "arrays.npz": arrays.getvalue(),
    }
    manifest = {
        "format": FORMAT, "format_version": VERSION, "sem_models": fit.provenance.get("version", ""),
        "include_rows": include_rows,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()},
    }  # fmt: skip
    parts = {MANIFEST: json.dumps(manifest, indent=2).encode(), **parts}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return path


def _computed(owner: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Values of properties by name; those that cannot be computed for this fit are left out."""
    out = {}
    for name in names:
        with suppress(SEMError, AssertionError, np.linalg.LinAlgError):
            out[name] = getattr(owner, name)
    return out


def load_fit(path: str | Path) -> Fit:
    """Read a fit written by `fit.save`; reading runs no code from the file.

    Raises DataError for a file that is missing, of another kind, damaged, or of a newer version.
    """
    from sem_models.inference.result import Fit

    path = Path(path)
    parts = _checked_parts(path)
    with _as_data_error(path):
        with np.load(io.BytesIO(parts["arrays.npz"]), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        state = Decoder(arrays).decode(json.loads(parts["state.json"]))
        solved = Solved(**state["solved"])
        fit = Fit(solved, state["syntax"], state["spec_id"], state["provenance"])
        solved.__dict__.update({k: v for k, v in state["kept"]["solved"].items() if k in OF_SOLVED})
        fit.__dict__.update({k: v for k, v in state["kept"]["fit"].items() if k in OF_FIT})
    return fit


def _checked_parts(path: Path) -> dict[str, bytes]:
    if not path.is_file():
        raise DataError(f"There is no file '{path}'. Give the path that fit.save() returned.")
    foreign = f"'{path.name}' is not a fit saved by fit.save()."
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if MANIFEST not in names:
                raise DataError(f"{foreign} Give a file that fit.save() wrote.")
            manifest = json.loads(archive.read(MANIFEST))
            _check_version(path, manifest, foreign)
            missing = [name for name in PARTS if name not in names]
            if missing:
                raise DataError(f"'{path.name}' is damaged: {missing[0]} is missing. Save the fit again.")
            parts = {name: archive.read(name) for name in PARTS}
    except zipfile.BadZipFile:
        cut = path.read_bytes()[:2] == b"PK"
        what = "is damaged or cut short. Save the fit again." if cut else ""
        raise DataError(f"'{path.name}' {what}" if cut else f"{foreign} It is no zip file.") from None
    except (ValueError, EOFError, OSError, zlib.error) as error:
        if isinstance(error, SEMError):
            raise
        raise DataError(f"'{path.name}' is damaged and cannot be unpacked. Save the fit again.") from None
    for name, content in parts.items():
        if hashlib.sha256(content).hexdigest() != manifest["sha256"].get(name):
            raise DataError(
                f"'{path.name}' is damaged: {name} does not match its checksum. Save the fit again."
            )
    return parts


def _check_version(path: Path, manifest: Any, foreign: str) -> None:
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{foreign} Its manifest names another format.")
    version = manifest.get("format_version")
    if not isinstance(version, int) or not isinstance(manifest.get("sha256"), dict):
        raise DataError(f"{foreign} Its manifest is not complete.")
    if version > VERSION:
        from sem_models import __version__

        raise DataError(
            f"'{path.name}' was written by a newer version of the package (format {version}, sem_models "
            f"{manifest.get('sem_models')}); this is {__version__}, which reads format {VERSION}. Upgrade "
            "sem_models."
        )


@contextmanager
def _as_data_error(path: Path) -> Iterator[None]:
    """What the right checksums do not rule out: a file made by hand or by another program."""
    try:
        yield
    except SEMError:
        raise
    except (Unreadable, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError,
            zipfile.BadZipFile) as error:  # fmt: skip
        raise DataError(
            f"'{path.name}' cannot be read as a fit ({type(error).__name__}: {error}). It was written by "
            "another program or a version that is not compatible. Fit the model anew."
        ) from None
