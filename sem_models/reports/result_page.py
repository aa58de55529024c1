"""A result as a notebook shows it: its head, what is wrong with it, and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from sem_models.inference.header import Status


def result_html(
    title: str, header: str, status: Status, notes: Sequence[str], frames: Mapping[str, pd.DataFrame],
    *, folded: Sequence[str] = (),
) -> str:  # fmt: skip
    """Tables by caption under the head; what did not converge or is improper stands above them."""
    from sem_models.reports.section import STYLE
    from sem_models.reports.sentences import status_sentences
    from sem_models.reports.tables import Table

    trouble = "".join(
        f'<p class="caution">{escape(s)}</p>' for s in status_sentences(status, "the model")
    ) + "".join(f'<p class="note">{escape(s)}</p>' for s in notes)
    tables = "".join(
        Table(caption, caption, frame, folded=caption in folded).html() for caption, frame in frames.items()
    )
    head = f"<p><b>{escape(title)} · {escape(header)}</b></p>"
    return f"<style>{STYLE}</style><div>{head}{trouble}{tables}</div>"
