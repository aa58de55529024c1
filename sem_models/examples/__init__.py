"""The example data that ship with the package. All of them are simulated; none describes real customers."""

from __future__ import annotations

from pathlib import Path

from sem_models.errors import DataError, did_you_mean

_FOLDER = Path(__file__).parent
_KINDS = {
    "csv": "{}.csv", "sav": "{}.sav", "population": "{}_population.yaml",
    "mentions": "{}_mentions.csv", "provider": "{}_provider.csv",
}  # fmt: skip


def names() -> tuple[str, ...]:
    """Names of the bundled examples."""
    return tuple(sorted(p.name.removesuffix("_population.yaml") for p in _FOLDER.glob("*_population.yaml")))


def path(name: str = "b2b_service", kind: str = "csv") -> Path:
    """File of a bundled, simulated example: "csv", "sav", or "population" for what it was drawn from;
    "mentions" for what its respondents name freely, coded, and "provider" for the provider's own list.

    Raises DataError for an unknown name or kind, and for a kind that this example does not have.
    """
    if kind not in _KINDS:
        raise DataError(f"There is no example of kind '{kind}'. {did_you_mean(kind, _KINDS, noun='kinds')}")
    if name not in names():
        raise DataError(f"There is no example '{name}'. {did_you_mean(name, names(), noun='examples')}")
    found = _FOLDER / _KINDS[kind].format(name)
    if not found.is_file():
        has = [k for k, pattern in _KINDS.items() if (_FOLDER / pattern.format(name)).is_file()]
        raise DataError(f"The example '{name}' has no file of kind '{kind}'. Kinds: {', '.join(has)}.")
    return found


def files() -> tuple[Path, ...]:
    """The data files of all bundled examples."""
    found = (_FOLDER / _KINDS[kind].format(name) for name in names() for kind in ("csv", "sav"))
    return tuple(path for path in found if path.is_file())
