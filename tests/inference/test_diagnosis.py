"""What `fit.diagnose()` says of fits whose trouble is known, and that it changes nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

ONE = "f =~ x1 + x2 + x3"


def heywood(share: float, n: int = 400) -> sm.Fit:
    """One construct whose first item's population residual variance is `share` of its variance."""
    loading = np.array([np.sqrt(1.0 - share), 0.4, 0.4])
    cor = np.outer(loading, loading)
    np.fill_diagonal(cor, 1.0)
    names = ["x1", "x2", "x3"]
    return sm.fit(ONE, sample_cov=pd.DataFrame(cor, names, names), sample_nobs=n)


def found(fit: sm.Fit, topic: str) -> pd.DataFrame:
    table = fit.diagnose().table()
    return table[table["topic"] == topic]


def test_a_sound_fit_has_no_problem(clients: pd.DataFrame) -> None:
    fit = sm.fit("EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ EDS", clients)
    diagnosis = fit.diagnose()
    assert diagnosis.problems == ()
    assert "No problem found." in str(diagnosis)
    assert "300 rows for 13 free parameters: 23.1 rows a parameter." in str(diagnosis)
    assert "No problem found." in diagnosis._repr_html_()
    assert "0 problems, 1 attempts" in repr(diagnosis)


@pytest.mark.parametrize(
    ("ordered", "estimator"),
    [(True, "WLSMV"), (["p1", "p2", "p3"], "WLSMV"), (True, "PML"), (True, "MML")],
)
def test_thresholds_are_no_flat_directions(
    clients: pd.DataFrame, ordered: bool | list[str], estimator: str
) -> None:
    names = [f"{stem}{i}" for stem in "ep" for i in (1, 2, 3)]
    kept = names if ordered is True else ordered
    answers = clients.assign(**{n: pd.qcut(clients[n], 4, labels=False) for n in kept})
    fit = sm.fit(
        "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ EDS", answers, ordered=ordered, estimator=estimator
    )
    diagnosis = fit.diagnose()
    assert diagnosis.problems == ()
    assert "standard deviation" not in str(diagnosis)


def test_a_variance_below_zero_by_chance_and_one_that_is_not() -> None:
    """Residual variance −0.02 at N = 400 may be zero; −0.6 at N = 4,000 may not."""
    chance = found(heywood(-0.02), "negative variance").iloc[0]
    assert chance["what"] == "x1 ~~ x1"
    assert chance["value"] == pytest.approx(-0.02 * 399 / 400, abs=1e-6)
    assert "covers zero" in chance["text"]
    assert "It loads on f (1.01), standardized" in chance["text"]
    assert "bounds" in chance["advice"]
    certain = found(heywood(-0.6, 4000), "negative variance").iloc[0]
    assert "lies wholly below zero" in certain["text"]
    assert "the model is wrong" in certain["advice"]
    loading = found(heywood(-0.6, 4000), "indicator").iloc[0]
    assert (loading["what"], loading["severity"]) == ("f =~ x1", "problem")
    assert loading["value"] == pytest.approx(np.sqrt(1.6), abs=1e-6)


def test_a_correlation_beyond_one_is_named() -> None:
    """Items that correlate more across two constructs than within them."""
    within, across = 0.5, 0.6
    cor = np.full((6, 6), across)
    cor[:3, :3] = cor[3:, 3:] = within
    np.fill_diagonal(cor, 1.0)
    names = ["x1", "x2", "x3", "y1", "y2", "y3"]
    fit = sm.fit("f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3", sample_cov=pd.DataFrame(cor, names, names),
                 sample_nobs=300)  # fmt: skip
    row = found(fit, "indefinite covariance of latent variables").iloc[0]
    assert row["what"] == "f and g"
    assert f"f and g correlate {across / within:.3f}" in row["text"]
    assert row["value"] == pytest.approx(1 - across / within, abs=1e-6)


def test_residuals_that_cannot_be(clients: pd.DataFrame) -> None:
    """A residual variance held at zero beside a residual covariance."""
    model = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\ne1 ~~ 0*e1 + 0.2*p1"
    fit = sm.fit(model, clients)
    row = found(fit, "indefinite covariance of residuals of the items").iloc[0]
    assert row["what"] == "e1 and p1"
    assert "correlate although one has no variance" in row["text"]
    assert not fit.status.admissible


def test_a_variance_on_its_bound_is_not_negative() -> None:
    names = ["x1", "x2", "x3"]
    cor = pd.DataFrame([[1.0, 0.5, 0.5], [0.5, 1.0, 0.1], [0.5, 0.1, 1.0]], names, names)
    free = sm.fit(ONE, sample_cov=cor, sample_nobs=200)
    held = sm.fit(ONE, sample_cov=cor, sample_nobs=200, bounds="pos.var")
    assert not free.status.admissible
    assert held.status.admissible
    assert found(held, "negative variance").empty


def test_what_is_not_identified_is_named(clients: pd.DataFrame) -> None:
    model = "EDS =~ NA*e1 + e2 + e3\nPV =~ p1 + p2 + p3"
    fit = sm.fit(model, clients, check_identification=False)
    row = found(fit, "identification").iloc[0]
    for name in ("EDS =~ e1", "EDS =~ e2", "EDS =~ e3", "EDS ~~ EDS"):
        assert name in row["what"]
    assert "PV =~" not in row["what"]
    assert "not identified by these data: " in str(fit.status)
    assert "EDS =~ e2" in str(fit.status)


def test_an_indicator_that_belongs_nowhere(clients: pd.DataFrame) -> None:
    e1 = clients["e1"] - clients["e1"].mean()
    z = np.random.default_rng(3).normal(size=len(clients))
    noise = clients.assign(z=z - e1 * (e1 @ z) / (e1 @ e1))
    fit = sm.fit("EDS =~ z + e1\nPV =~ p1 + p2 + p3\nEDS ~~ 0*PV", noise, check_identification=False)
    texts = found(fit, "indicator")["text"]
    assert texts.str.startswith("z hardly correlates with the other indicators of EDS (largest |r| 0.0").any()


def test_scales_and_rows(clients: pd.DataFrame) -> None:
    fit = sm.fit(
        "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3", clients.head(40).assign(p3=lambda d: d["p3"] * 1e4)
    )
    scale = found(fit, "scale").iloc[0]
    assert scale["what"] == "p3"
    assert scale["value"] > 1e3
    assert "divide p3 by 10,000" in scale["advice"]
    assert "fragile" in found(fit, "size").iloc[0]["advice"]


def test_attempts_are_shown_and_change_nothing() -> None:
    fit = heywood(-0.02)
    before = fit.estimates()
    diagnosis = fit.diagnose(attempts=True)
    pd.testing.assert_frame_equal(fit.estimates(), before)
    table = diagnosis.attempts()
    assert table["chosen"].tolist() == [True, False, False, False, False]
    by_name = table.set_index("what")
    for same in ("items in standard deviations", "10 random starts"):
        assert by_name.loc[same, "chisq"] == pytest.approx(fit.measures()["chisq"], abs=1e-6)
    bounded = by_name.loc["variances at zero or above"]
    assert bounded["admissible"]
    assert bounded["df"] == fit.measures()["df"] + 1
    assert bounded["chisq"] > fit.measures()["chisq"]
    assert "At zero: x1 ~~ x1" in bounded["text"]
    assert "← this fit" in str(diagnosis)


def test_attempts_of_every_kind_of_data(clients: pd.DataFrame) -> None:
    holes = clients.mask(np.random.default_rng(1).random(clients.shape) < 0.08)
    holes["active"] = clients["active"]
    model = "EDS =~ e3 + e1 + e2\nPV =~ p3 + p2 + p1\nPV ~ EDS"
    for options in (
        {"missing": "fiml", "estimator": "MLR"},
        {"missing": "fiml", "group": "active"},
        {"estimator": "WLS"},
        {"estimator": "MLM", "group": "active", "group_equal": ("loadings",)},
    ):
        data = holes if "missing" in options else clients
        fit = sm.fit(model, data, **options)  # type: ignore[arg-type]
        made = fit.diagnose(attempts=True).trials
        assert len(made) == 4
        starts = made[-1]
        assert starts.chisq == pytest.approx(fit.solved.minimum, abs=1e-6)
        if "group_equal" not in options and options.get("estimator") != "WLS":
            assert made[0].chisq == pytest.approx(fit.solved.minimum, abs=1e-6)
            assert made[1].chisq == pytest.approx(fit.solved.minimum, abs=1e-6)
            assert "e2 for EDS, p2 for PV" in made[1].text
        else:
            assert made[0].outcome == "not possible"


def test_a_search_that_failed() -> None:
    data = pd.DataFrame(
        np.random.default_rng(5).normal(size=(150, 5)), columns=["x1", "x2", "y1", "y2", "y3"]
    )
    fit = sm.fit("f =~ x1 + x2\ng =~ y1 + y2 + y3", data)
    text = str(fit.diagnose())
    assert text.index("Problems:") < text.index("running away: f =~ x2") < text.index("Tried, in order")
    assert "plain starting values, all paths zero, trust region: runaway" in text.replace("\n    ", " ")
