"""Which information matrix the errors take and which the tests: lavaan's three options, resolved.

`information` is expected or observed; `observed_information` says how the observed one is made, as second
derivatives ("hessian") or from the moments' own observed information by the chain rule ("h1");
`h1_information` where the moments' information is taken, at the model-implied ("structured") or the saturated
moments ("unstructured"). Each may be a pair, for the errors and for the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sem_models.errors import SpecError, did_you_mean

CHOICES = {
    "information": ("expected", "observed"),
    "observed_information": ("hessian", "h1"),
    "h1_information": ("structured", "unstructured"),
}
NAMES = tuple(CHOICES)


@dataclass(frozen=True, slots=True)
class Information:
    """One information matrix: kind "expected" or "observed", of the "hessian" or of "h1", at the moments
    "structured" or "unstructured"."""

    kind: str
    made: str = "hessian"
    moments: str = "structured"

    @property
    def exact(self) -> bool:
        """Whether it is the second derivative itself."""
        return self.kind == "observed" and self.made == "hessian"


def informations(
    given: Mapping[str, Any], *, default: str, made_for_tests: str
) -> tuple[Information, Information]:
    """The information of the errors and of the tests. SpecError for a value that is none.

    default is the kind where none is asked for; made_for_tests how tests make the observed one.
    """
    kind = _pair("information", given.get("information"), (default, default))
    made = _pair("observed_information", given.get("observed_information"), ("hessian", made_for_tests))
    moments = _pair("h1_information", given.get("h1_information"), ("structured", "structured"))
    return Information(kind[0], made[0], moments[0]), Information(kind[1], made[1], moments[1])


def _pair(name: str, given: Any, default: tuple[str, str]) -> tuple[str, str]:
    values = list(given) if isinstance(given, list | tuple) else [given, given]
    if len(values) != 2:
        raise SpecError(f"{name}={given!r} must be one choice, or two: for the errors and for the tests.")
    out = []
    for value, usual in zip(values, default, strict=True):
        text = usual if value is None or value == "default" else str(value).lower()
        if text not in CHOICES[name]:
            raise SpecError(
                f"{name}='{text}' is not available. {did_you_mean(text, CHOICES[name], noun='choices')}"
            )
        out.append(text)
    return out[0], out[1]


def as_options(pair: tuple[Information, Information]) -> dict[str, Any]:
    """The three options by name: one value where errors and tests agree, else both."""
    values = {
        "information": tuple(i.kind for i in pair),
        "observed_information": tuple(i.made for i in pair),
        "h1_information": tuple(i.moments for i in pair),
    }
    return {name: v[0] if v[0] == v[1] else v for name, v in values.items()}
