"""A binary covariate is a multi-group model: log-likelihood, estimates and errors agree to the digit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.moderation.covariates.result import CovariateModeration

SAME = 1e-7
"""Two searches for one optimum."""

MEASURES = "E =~ e1 + l*e2 + e3\nP =~ p1 + p2 + p3\nP ~ b*E\nE ~~ v*E\np1 ~~ r*p1\ne2 ~ i*1\n"
FOLLOWING = MEASURES + "b + l + v + r + i :~ active\n"
GROUPS = """
E =~ e1 + e2 + c(l3,l3)*e3
P =~ p1 + c(q2,q2)*p2 + c(q3,q3)*p3
P ~ E
e1 ~~ c(a1,a1)*e1
e2 ~~ c(a2,a2)*e2
e3 ~~ c(a3,a3)*e3
p2 ~~ c(a5,a5)*p2
p3 ~~ c(a6,a6)*p3
P ~~ c(z,z)*P
e1 ~ c(m1,m1)*1
e3 ~ c(m3,m3)*1
p1 ~ c(m4,m4)*1
p2 ~ c(m5,m5)*1
p3 ~ c(m6,m6)*1
"""
ROWS = {"b": ("P", "~", "E"), "l": ("E", "=~", "e2"), "v": ("E", "~~", "E"), "r": ("p1", "~~", "p1"),
        "i": ("e2", "~1", "")}  # fmt: skip


@pytest.fixture(scope="module")
def data(clients: pd.DataFrame) -> pd.DataFrame:
    return clients.assign(active=(clients["active"] == "active").astype(float))


def incomplete(data: pd.DataFrame) -> pd.DataFrame:
    out = data.copy()
    items = [c for c in data.columns if c[0] in "ep" and c[1:].isdigit()]
    out[items] = out[items].mask(np.random.default_rng(6).random((len(out), len(items))) < 0.12)
    return out


@pytest.mark.parametrize("missing", ["listwise", "fiml"])
@pytest.mark.parametrize("estimator", ["ML", "MLR"])
def test_binary_covariate_is_a_multi_group_model(data: pd.DataFrame, missing: str, estimator: str) -> None:
    frame = incomplete(data) if missing == "fiml" else data
    found = sm.moderate(FOLLOWING, frame, method="mnlfa", missing=missing, estimator=estimator)
    groups = sm.fit(
        GROUPS, frame, group="active", missing=missing, estimator=estimator, information="observed"
    )
    assert found.status.ok
    assert found.loglik == pytest.approx(float(groups.measures()["logl"]), abs=1e-6)
    mine, theirs = found.estimates(), groups.estimates()
    cov = groups.vcov()
    for label, (lhs, op, rhs) in ROWS.items():
        by_group = theirs[(theirs["lhs"] == lhs) & (theirs["op"] == op) & (theirs["rhs"] == rhs)]
        by_group = by_group.set_index("group")["est"]
        first, second = float(by_group["0"]), float(by_group["1"])
        base = mine[(mine["lhs"] == lhs) & (mine["op"] == op) & (mine["rhs"] == rhs)].iloc[0]
        moved = mine[(mine["lhs"] == label) & (mine["op"] == ":~")].iloc[0]
        log = label in ("v", "r")
        assert base["est"] == pytest.approx(first, abs=SAME)
        expected = np.log(second / first) if log else second - first
        assert moved["est"] == pytest.approx(expected, abs=SAME)
        name = f"{lhs}{op}{rhs}" if op != "~1" else f"{lhs}~1"
        pair = [c for c in cov.columns if c.removesuffix(".g2") == name]
        order = pair if groups.groups[0] == "0" else pair[::-1]
        slopes = np.array([-1 / first, 1 / second]) if log else np.array([-1.0, 1.0])
        variance = slopes @ cov.loc[order, order].to_numpy() @ slopes
        assert moved["se"] == pytest.approx(np.sqrt(variance), rel=1e-5)
        assert base["se"] == pytest.approx(np.sqrt(cov.loc[order[0], order[0]]), rel=1e-5)


def test_latent_mean_variance_and_correlation_follow_a_group(data: pd.DataFrame) -> None:
    """Scalar invariance with latent moments by group: Fisher's z, log ratios and mean differences."""
    text = """
    E =~ NA*e1 + e2 + e3
    P =~ NA*p1 + p2 + p3
    E ~ 0*1 + m*1
    E ~~ 1*E + v*E
    P ~~ 1*P + w*P
    E ~~ k*P
    m + v + w + k :~ active
    """
    groups = """
    E =~ c(NA,NA)*e1 + c(a1,a1)*e1 + c(a2,a2)*e2 + c(a3,a3)*e3
    P =~ c(NA,NA)*p1 + c(b1,b1)*p1 + c(b2,b2)*p2 + c(b3,b3)*p3
    E ~ c(M)*1
    P ~ 0*1
    E ~~ c(V)*E
    P ~~ c(V)*P
    E ~~ P
    """
    ordered = sm.fit("E =~ e1 + e2 + e3", data, group="active").groups
    text_of = groups.replace("c(M)", "c(0,NA)" if ordered[0] == "0" else "c(NA,0)")
    text_of = text_of.replace("c(V)", "c(1,NA)" if ordered[0] == "0" else "c(NA,1)")
    fit = sm.fit(
        text_of, data, group="active", group_equal=("intercepts", "residuals"), group_partial=("P~1",)
    )
    found = sm.moderate(text, data, method="mnlfa")
    assert found.loglik == pytest.approx(float(fit.measures()["logl"]), abs=1e-6)
    of = fit.estimates().set_index(["lhs", "op", "rhs", "group"])["est"]
    mine = found.estimates().set_index(["lhs", "op", "rhs"])["est"]
    cov = {g: of["E", "~~", "P", g] / np.sqrt(of["E", "~~", "E", g] * of["P", "~~", "P", g]) for g in "01"}
    assert mine["m", ":~", "active"] == pytest.approx(of["E", "~1", "", "1"], abs=SAME)
    assert mine["v", ":~", "active"] == pytest.approx(np.log(of["E", "~~", "E", "1"]), abs=SAME)
    assert mine["k", ":~", "active"] == pytest.approx(np.arctanh(cov["1"]) - np.arctanh(cov["0"]), abs=SAME)
    curve = found.curve("E~~P", values=[0.0, 1.0])
    assert curve["est"].to_numpy() == pytest.approx([of["E", "~~", "P", g] for g in "01"], abs=SAME)


def test_likelihood_ratio_tests_are_those_of_nested_fits(data: pd.DataFrame) -> None:
    found = sm.moderate(MEASURES + "b :~ active + tenure\nl :~ tenure", data, method="mnlfa")
    tests = found.tests().set_index(["parameter", "covariate"])
    less = sm.moderate(MEASURES + "b :~ active\nl :~ tenure", data, method="mnlfa")
    constant = sm.fit(MEASURES, data, meanstructure=True)
    assert tests.loc[("b", "tenure"), "chisq_diff"] == pytest.approx(
        2 * (found.loglik - less.loglik), abs=1e-6
    )
    whole = 2 * (found.loglik - float(constant.measures()["logl"]))
    assert tests.loc[("all coefficients", ""), "chisq_diff"] == pytest.approx(whole, abs=1e-6)
    assert tests.loc[("all coefficients", ""), "df"] == 3
    assert tests.loc[("b", "active, tenure"), "df"] == 2
    assert found.measures()["constant_logl"] == pytest.approx(float(constant.measures()["logl"]))


def test_centering_moves_the_origin_only(data: pd.DataFrame) -> None:
    text = MEASURES + "b + v :~ tenure"
    raw, centered = (
        sm.moderate(text, data, method="mnlfa"),
        sm.moderate(text, data, method="mnlfa", center=True),
    )
    assert centered.loglik == pytest.approx(raw.loglik, abs=1e-7)
    for parameter in ("b", "v"):
        first, second = raw.curve(parameter), centered.curve(parameter)
        assert second[["est", "se"]].to_numpy() == pytest.approx(first[["est", "se"]].to_numpy(), rel=1e-4)
    base = centered.estimates().set_index("label")["est"]["b"]
    assert base == pytest.approx(raw.curve("b", values=[data["tenure"].mean()])["est"].iloc[0], abs=1e-6)


def test_shared_and_fixed_coefficients(data: pd.DataFrame) -> None:
    text = MEASURES + "b :~ c*tenure + 0.2*active\nl :~ c*tenure"
    table = sm.moderate(text, data, method="mnlfa").estimates()
    rows = table[table["op"] == ":~"].set_index(["lhs", "rhs"])
    assert rows.loc[("b", "tenure"), "est"] == rows.loc[("l", "tenure"), "est"]
    assert rows.loc[("b", "active"), "est"] == 0.2
    assert rows.loc[("b", "active"), "se"] == 0.0
    assert np.isnan(rows.loc[("b", "active"), "pvalue"])


def test_covariate_products(data: pd.DataFrame) -> None:
    """tenure:active is the column of products."""
    text = MEASURES + "b :~ tenure + active + {}"
    first = sm.moderate(text.format("tenure:active"), data, method="mnlfa")
    second = sm.moderate(
        text.format("both"), data.assign(both=data["tenure"] * data["active"]), method="mnlfa"
    )
    assert first.loglik == pytest.approx(second.loglik, abs=1e-7)
    ends = first.curve("b", "tenure", values=[4.0, 8.0], at={"active": 1.0})["est"]
    rows = first.estimates().set_index(["lhs", "rhs"])["est"]
    assert ends.iloc[1] - ends.iloc[0] == pytest.approx(
        4 * (rows["b", "tenure"] + rows["b", "tenure:active"])
    )


def test_an_exogenous_covariate_of_the_model_may_be_followed(data: pd.DataFrame) -> None:
    """The likelihood is conditional on it, as that of sm.fit is."""
    text = MEASURES + "P ~ tenure"
    found = sm.moderate(text + "\nb :~ 0.000001*active + tenure", data, method="mnlfa")
    constant = sm.fit(text, data, meanstructure=True)
    assert found.measures()["constant_logl"] == pytest.approx(float(constant.measures()["logl"]))
    assert found.loglik > float(constant.measures()["logl"])


def test_defined_parameters_stand_where_the_covariates_are_zero(data: pd.DataFrame) -> None:
    text = MEASURES + "double := 2*b\nb :~ active"
    table = sm.moderate(text, data, method="mnlfa").estimates().set_index(["lhs", "op", "rhs"])
    path, double = table.loc[("P", "~", "E")], table.xs(":=", level="op").iloc[0]
    assert double["est"] == pytest.approx(2 * path["est"])
    assert double["se"] == pytest.approx(2 * path["se"])


def test_a_path_is_probed_as_an_interaction(data: pd.DataFrame) -> None:
    found = sm.moderate(MEASURES + "b :~ tenure", data, method="mnlfa")
    slopes = found.simple_slopes("P", "E", "tenure", values=[4.0, 8.0])
    curve = found.curve("b", values=[4.0, 8.0])
    for column in ("est", "se", "ci_lower"):
        assert slopes[column].to_numpy() == pytest.approx(curve[column].to_numpy(), rel=1e-9)
    effects = found.conditional_effects("P", "E", "tenure")
    assert effects.moderators == ("tenure",)
    assert len(found.johnson_neyman("P", "E", "tenure").table())
    with pytest.raises(sm.SpecError, match="is not part of this model"):
        found.sizes()
    with pytest.raises(sm.SpecError, match="No path of the model follows"):
        sm.moderate(MEASURES + "v :~ tenure", data, method="mnlfa").simple_slopes()


def test_summary_names_what_was_estimated(data: pd.DataFrame) -> None:
    found = sm.moderate(MEASURES + "b + v :~ active", data, method="mnlfa")
    text = str(found)
    assert "Tests against constancy" in text
    assert ":~" in text
    assert "b, v by active" in repr(found)
    page = found._repr_html_()
    assert "Tests against constancy" in page
    assert "caution" not in page.split("</style>")[1]
    assert found.links()["link"].tolist() == ["identity", "log"]
    assert found.vcov().shape[0] == found.vcov().shape[1]
    assert found.vcov().columns[-1] == "v:~active"
    assert found.options["method"] == "mnlfa"
    assert found.provenance["moderation"]["center"] is False


@pytest.mark.slow
def test_coefficients_are_recovered_and_covered() -> None:
    """200 samples of 400 simulated customers: bias below a tenth of a standard error, coverage near .95."""
    rng = np.random.default_rng(8)
    truth = {"b": 0.15, "v": 0.2, "l": -0.1}
    hits, found = dict.fromkeys(truth, 0), {k: [] for k in truth}
    for _ in range(200):
        z = rng.normal(size=400)
        e = np.exp(0.1 * z) * rng.normal(size=400)
        p = (0.5 + 0.15 * z) * e + 0.7 * rng.normal(size=400)
        load = np.column_stack([np.ones(400), 0.9 - 0.1 * z, 0.8 * np.ones(400)])
        frame = pd.DataFrame(load * e[:, None] + 0.6 * rng.normal(size=(400, 3)), columns=["e1", "e2", "e3"])
        frame[["p1", "p2", "p3"]] = p[:, None] * [1, 0.9, 0.8] + 0.6 * rng.normal(size=(400, 3))
        text = "E =~ e1 + l*e2 + e3\nP =~ p1 + p2 + p3\nP ~ b*E\nE ~~ v*E\nb + v + l :~ z"
        result = sm.moderate(text, frame.assign(z=z), method="mnlfa")
        assert isinstance(result, CovariateModeration)
        rows = result.estimates().query("op == ':~'").set_index("lhs")
        for k, t in truth.items():
            hits[k] += rows.loc[k, "ci_lower"] < t < rows.loc[k, "ci_upper"]
            found[k].append(rows.loc[k, "est"])
    for k, t in truth.items():
        spread = np.std(found[k])
        assert abs(np.mean(found[k]) - t) < 3 * spread / np.sqrt(200)
        assert 0.90 <= hits[k] / 200 <= 0.99
