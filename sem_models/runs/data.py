"""The data file a run names: found, readable, and told apart from the bundled simulated example."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sem_models.errors import DataError, did_you_mean

EXAMPLE = "example"


@dataclass(frozen=True, slots=True)
class DataFile:
    """Path of a survey file; in a notebook it shows as one sentence that says whether it is simulated."""

    path: Path
    simulated: bool

    def __str__(self) -> str:
        if self.simulated:
            return (
                "Bundled example: simulated answers drawn from a population written down in the toolkit, "
                "not customers."
            )
        return f"Survey file: {self.path.name}"

    def _repr_markdown_(self) -> str:
        return f"**{self}**" if self.simulated else str(self)

    def sha256(self) -> str:
        """Hash of the file's bytes."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def example_path(data: str | Path) -> Path | None:
    """File of the bundled example that "example" or "example:NAME" means; None for anything else."""
    name = str(data).removeprefix(EXAMPLE)
    if not str(data).startswith(EXAMPLE) or (name and not name.startswith(":")):
        return None
    from sem_models import examples

    return Path(examples.path(name.removeprefix(":")) if name else examples.path())


def data_file(data: str | Path) -> DataFile:
    """The survey file of this path, relative to the working directory, or a bundled example's.

    Raises DataError when there is none or it cannot be opened.
    """
    bundled = example_path(data)
    if bundled is not None:
        return DataFile(bundled, simulated=True)
    path = Path(data).expanduser().absolute()
    if path.is_dir():
        raise DataError(f"'{data}' is a folder.\n  Name the survey file in it.")
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
        near = did_you_mean(path.name, beside, noun="files there", shown=5) or "That folder does not exist."
        raise DataError(f"There is no data file '{data}' (looked in {path.parent}).\n  {near}")
    try:
        with path.open("rb") as stream:
            stream.read(1)
    except OSError:
        raise DataError(
            f"The data file '{data}' cannot be opened.\n"
            "  Close it in other programs (Excel, SPSS) or ask for read access."
        ) from None
    return DataFile(path, simulated=_is_bundled(path))


def _is_bundled(path: Path) -> bool:
    """Whether the file holds the same bytes as a bundled one, whatever it is called now."""
    from sem_models import examples

    same_size = [p for p in examples.files() if p.stat().st_size == path.stat().st_size]
    return any(p.read_bytes() == path.read_bytes() for p in same_size)
