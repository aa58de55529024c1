"""Freely mentioned elements: shares worked out by hand, the provider's list, nothing small or verbatim."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.charts import export
from sem_models.findings.shares import clustered_share, wilson

SECRET = "the invoice of Ms Example was wrong"


def _table() -> pd.DataFrame:
    """10 respondents: all name `listening` (process), six `price` (outcome), five `parking` (process)."""
    rows = [(r, "listening", "process") for r in range(10)]
    rows += [(r, "price", "outcome") for r in range(6)]
    rows += [(r, "parking", "process") for r in range(5, 10)]
    rows += [(0, SECRET, "outcome"), (0, "listening", "process")]
    return pd.DataFrame(rows, columns=["respondent", "element", "kind"]).assign(verbatim=SECRET)


def test_wilson_by_hand() -> None:
    """8 of 10, with z² = 3.841459: (.8 + .192073) / 1.384146 = .716740, half-width .226578."""
    assert wilson(0.8, 10, 0.95) == pytest.approx((0.490162, 0.943318), abs=1e-6)
    assert wilson(0.0, 10, 0.95)[0] == 0.0
    assert wilson(0.0, 10, 0.95)[1] == pytest.approx(3.841459 / 13.841459, abs=1e-6)


def test_clustered_share_by_hand() -> None:
    """p = 4/8; deviations x − pm are 1, −1, 1, −1: variance 4/3 · 4 / 64 = 1/12, effective 3."""
    share = clustered_share(np.array([2.0, 0, 2, 0]), np.full(4, 2.0), 0.95)
    assert share.share == 0.5
    assert share.se == pytest.approx(sqrt(1 / 12))
    assert share.effective_n == pytest.approx(3.0)
    assert (share.ci_lower, share.ci_upper) == pytest.approx(wilson(0.5, 3, 0.95))


def test_shares_and_elements() -> None:
    result = sm.mentions(_table(), n_respondents=12)
    assert (result.n_mentions, result.n_respondents, result.n_naming) == (22, 12, 10)
    shares = result.shares().set_index("kind")
    assert shares.loc["process", "share"] == pytest.approx(15 / 22)
    assert shares["mentions"].tolist() == [15, 7]
    assert shares["respondents"].tolist() == [10, 6]
    assert shares.loc["outcome", "respondent_share"] == 0.5
    elements = result.elements().set_index("element")
    assert elements["respondents"].tolist() == [10, 6, 5]  # the verbatim one is not there
    assert elements.loc["listening", "ci_lower"] == pytest.approx(wilson(10 / 12, 12, 0.95)[0])


def test_against_the_provider() -> None:
    provider = {"listening": "process", "price": "outcome", "uptime": "outcome", "repair": "outcome"}
    result = sm.mentions(_table(), provider=provider)  # type: ignore[arg-type]
    test = result.test()
    assert test["against"] == 0.25
    assert test["difference"] == pytest.approx(15 / 22 - 0.25)
    assert test["z"] == pytest.approx(test["difference"] / test["se"])
    assert result.test(0.5)["against"] == 0.5
    unseen = result.unseen().set_index("what")
    assert unseen.loc["mentions off the list", "share"] == pytest.approx(6 / 22)
    assert unseen.loc["respondents who name any", "n"] == 6
    assert unseen.loc["parking", "kind"] == "process"
    assert result.unnamed() == ("uptime", "repair")
    frame = pd.DataFrame({"element": list(provider), "kind": list(provider.values())})
    assert sm.mentions(_table(), provider=frame).unseen().equals(result.unseen())


def test_coverage_of_the_clustered_interval() -> None:
    """Respondents differ in their own share: the clustered interval holds the true one, the plain one not."""
    rng = np.random.default_rng(5)
    held = plain = 0
    draws = 1500
    for _ in range(draws):
        own = rng.beta(1.4, 0.6, size=60)
        sizes = rng.integers(1, 8, size=60).astype(float)
        x = rng.binomial(sizes.astype(int), own).astype(float)
        s = clustered_share(x, sizes, 0.95)
        held += s.ci_lower <= 0.7 <= s.ci_upper
        low, high = wilson(s.share, sizes.sum(), 0.95)
        plain += low <= 0.7 <= high
    assert abs(held / draws - 0.95) < 0.02
    assert plain / draws < 0.88


def test_nothing_small_or_verbatim_leaves() -> None:
    result = sm.mentions(_table(), provider={"listening": "process"})
    texts = [
        str(result), repr(result), result.elements().to_json(), result.unseen().to_json(),
        str(result.unnamed()), str(export.specification(result.chart())),
    ]  # fmt: skip
    assert not [t for t in texts if "Example" in t]
    few = _table()[lambda t: (t["kind"] == "process") | (t["respondent"] < 3)]
    shares = sm.mentions(few).shares().set_index("kind")
    assert shares.loc["outcome"].isna().all()
    assert np.isnan(shares.loc["process", "share"])  # the complement would give it away
    assert shares.loc["process", "respondents"] == 10


def test_rest_of_many_small_elements() -> None:
    table = pd.DataFrame(
        {"respondent": range(12), "element": [f"e{i // 2}" for i in range(12)], "kind": "process"}
    )
    rest = sm.mentions(table).elements()
    assert rest["element"].tolist() == ["6 others, fewer than 5 respondents each"]
    assert rest["respondents"].tolist() == [12]


def test_chart_names_the_finding() -> None:
    spec = export.specification(
        sm.mentions(_table(), provider={"listening": "process", "price": "outcome"}).chart()
    )
    title = " ".join(spec["title"]["text"])
    assert "68 %" in title
    assert "50 % of the provider's list" in title
    assert "parking *" in str(spec["datasets"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.rename(columns={"kind": "knd"}), "Did you mean 'knd'"),
        (lambda t: t.assign(kind="proces"), "neither 'process' nor 'outcome'"),
        (lambda t: pd.concat([t, t.head(1).assign(kind="outcome")], ignore_index=True), "coded both as"),
        (lambda t: t[t["respondent"] < 3], "Fewer than 5 respondents"),
    ],
)
def test_refusals_name_rows_not_answers(change: object, words: str) -> None:
    with pytest.raises(sm.DataError, match=words) as caught:
        sm.mentions(change(_table()))  # type: ignore[operator]
    assert "Example" not in str(caught.value)
    assert "listening" not in str(caught.value)


def test_other_refusals() -> None:
    with pytest.raises(sm.DataError, match="fewer than the 10"):
        sm.mentions(_table(), n_respondents=4)
    with pytest.raises(sm.DataError, match="neither process nor outcome"):
        sm.mentions(_table(), provider={"a": "x"})  # type: ignore[dict-item]
    with pytest.raises(sm.DataError, match="No provider= list"):
        sm.mentions(_table()).unseen()
