"""A log of an unexpected error that can be sent to others: where it happened, without what the data hold."""

from __future__ import annotations

import platform
import re
import tempfile
import traceback
from pathlib import Path

from sem_models import __version__

_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
_LONG_NUMBER = re.compile(r"\d[\d.,]{2,}")


def write_log(error: BaseException) -> Path:
    """Write the traceback to a new file in the temporary folder.

    Messages of other libraries may quote cells ("could not convert 'C-1042'"): quoted texts and numbers of
    three digits or more are masked, the code lines are kept.
    """
    lines = [f"sem-models {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"]
    chain: list[BaseException] = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None and before not in chain:
        chain.append(before)
    for link in reversed(chain):
        lines += [line.rstrip("\n") for line in traceback.format_tb(link.__traceback__)]
        lines += [f"{type(link).__name__}: {masked(str(link))}", ""]
    with tempfile.NamedTemporaryFile(
        "w", prefix="sem-models-error-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write("\n".join(lines))
    return Path(log.name)


def masked(message: str) -> str:
    """The message without quoted texts and longer numbers."""
    return _LONG_NUMBER.sub("#", _QUOTED.sub("'…'", message))
