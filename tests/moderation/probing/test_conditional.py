"""Conditional effects by hand, against ordinary least squares, and by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import sem_models as sm
from sem_models.errors import ConvergenceError, SpecError
from sem_models.moderation.probing.neyman import crossings
from sem_models.moderation.probing.probe import Probe
from sem_models.moderation.probing.surface import zero_pieces


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 500
    x, z, w = rng.normal(1, 1, n), rng.normal(0, 1.5, n), rng.integers(0, 2, n).astype(float)
    y = 1 + 0.4 * x + 0.3 * z - 0.2 * w + 0.25 * x * z + 0.3 * x * w + rng.normal(size=n)
    m = 0.5 * x + 0.2 * z + 0.3 * x * z + rng.normal(size=n)
    v = 0.4 * m + 0.1 * x + 0.2 * w * m + rng.normal(size=n)
    return pd.DataFrame({"x": x, "z": z, "w": w, "y": y, "m": m, "v": v, "xx": x})


@pytest.fixture(scope="module")
def probe(data: pd.DataFrame) -> Probe:
    return sm.probe(sm.fit("y ~ x + z + w + x:z + x:w", data, meanstructure=True))


def _ols(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and their maximum likelihood covariance: 1, x, z, w, xz, xw."""
    x, z, w = (data[c].to_numpy() for c in "xzw")
    design = np.column_stack([np.ones(len(x)), x, z, w, x * z, x * w])
    b, rss = np.linalg.lstsq(design, data["y"], rcond=None)[:2]
    return b, float(rss[0]) / len(x) * np.linalg.inv(design.T @ design)


def test_slopes_and_margins_are_those_of_the_regression(data: pd.DataFrame, probe: Probe) -> None:
    b, v = _ols(data)
    w = data["w"].mean()
    slopes = probe.simple_slopes(predictor="x", moderator="z", values=(-1, 3))
    for row, z in zip(slopes.to_dict("records"), (-1, 3), strict=True):
        g = np.array([0, 1, 0, 0, z, w])
        assert row["est"] == pytest.approx(g @ b, rel=1e-6)
        assert row["se"] == pytest.approx(np.sqrt(g @ v @ g), rel=1e-5)
        g0 = np.array([1, 0, z, w, 0, 0])
        assert row["intercept"] == pytest.approx(g0 @ b, rel=1e-6)
        assert row["intercept_se"] == pytest.approx(np.sqrt(g0 @ v @ g0), rel=1e-5)
    margins = probe.margins(predictor="x", moderator="z", x=(0.5,), values=(3,), at={"w": 1})
    g = np.array([1, 0.5, 3, 1, 1.5, 0.5])
    assert margins["est"][0] == pytest.approx(g @ b, rel=1e-6)
    assert margins["se"][0] == pytest.approx(np.sqrt(g @ v @ g), rel=1e-5)


def test_gradient_and_covariance(probe: Probe) -> None:
    effects = probe.conditional_effects("y", "x", ("z", "w"))
    at = {"z": np.array([0.0, 1.0]), "w": 1.0}
    cov = effects.covariance(at)
    np.testing.assert_allclose(np.sqrt(np.diagonal(cov)), effects.at(at)["se"])
    # a step of the free rows moves the effect by the gradient
    step = np.linspace(-0.1, 0.1, effects.gradient(at).shape[1])
    moved = effects.weights(at) @ (effects.terms.value + effects.terms.jacobian @ step)
    np.testing.assert_allclose(moved - effects.effect(at), effects.gradient(at) @ step)


def test_all_interactions_by_default(probe: Probe) -> None:
    table = probe.simple_slopes()
    assert table["moderator"].tolist() == ["z"] * 3 + ["w"] * 2
    assert table["position"].tolist() == ["-1 SD", "mean", "+1 SD", "0", "1"]
    both = probe.simple_slopes(predictor="x", moderator=("z", "w"), percentiles=(10, 90))
    assert both[["moderator", "moderator_2"]].iloc[0].tolist() == ["z", "w"]
    assert len(both) == 4


def test_percentiles_are_those_of_the_data(data: pd.DataFrame, probe: Probe) -> None:
    table = probe.simple_slopes(predictor="x", moderator="z", values="percentiles")
    np.testing.assert_allclose(table["value"], np.percentile(data["z"], [16, 50, 84]))


def test_percentiles_are_named(probe: Probe) -> None:
    table = probe.simple_slopes(predictor="x", moderator="z", percentiles=(2.5, 11, 21, 22, 63))
    words = [p.removesuffix(" percentile") for p in table["position"]]
    assert words == ["2.5th", "11th", "21st", "22nd", "63rd"]


def test_printing_shows_no_arrays(probe: Probe) -> None:
    assert repr(probe.conditional_effects("y", "x")) == "<ConditionalEffects of x on y by z, w>"
    assert repr(probe.terms) == "<EffectTerms x:z, x:w: ML, complete rows only · N = 500 of 500>"


def test_rare_pairs_are_extrapolated(probe: Probe) -> None:
    table = probe.surface("y", "x", "z").table()
    corners = table[table["x"].isin(table["x"].iloc[[0, -1]]) & table["y"].isin(table["y"].iloc[[0, -1]])]
    assert len(corners) == 4
    assert corners["extrapolated"].all()
    assert not table["extrapolated"].iloc[len(table) // 2]


def test_extrapolation_is_marked(data: pd.DataFrame, probe: Probe) -> None:
    values = (data["z"].min() - 1, data["z"].median(), data["z"].max() + 1)
    table = probe.simple_slopes(predictor="x", moderator="z", values=values)
    assert table["extrapolated"].tolist() == [True, False, True]


def test_level_and_distribution(probe: Probe) -> None:
    table = probe.simple_slopes(predictor="x", moderator="z", values=(2,), level=0.9, distribution="t")
    row = table.iloc[0]
    half = stats.t.ppf(0.95, probe.terms.df) * row["se"]
    assert row["ci_upper"] - row["est"] == pytest.approx(half)
    assert row["pvalue"] == pytest.approx(2 * stats.t.sf(abs(row["t"]), probe.terms.df))


def test_johnson_neyman_points_are_where_the_limit_is_zero(probe: Probe) -> None:
    found = probe.johnson_neyman(predictor="x", moderator="z")
    band = found.band(np.array(found.points))
    nearest = np.minimum(band["ci_lower"].abs(), band["ci_upper"].abs())
    np.testing.assert_allclose(nearest, 0, atol=1e-10)
    t = stats.t.ppf(0.975, probe.terms.df)
    np.testing.assert_allclose(band["ci_upper"] - band["est"], t * band["se"])
    table = found.table()
    assert table["effect"].tolist() == ["negative", "not significant", "positive"]
    assert table["share"].sum() == pytest.approx(1.0)


def test_the_simultaneous_band_is_wider(probe: Probe) -> None:
    wide = probe.johnson_neyman(predictor="x", moderator="z", simultaneous=True)
    # two coefficients move the slope along z, so k = 2
    assert wide.critical == pytest.approx(np.sqrt(2 * stats.f.ppf(0.95, 2, probe.terms.df)))
    assert wide.table()["band"][0].startswith("simultaneous")
    normal = probe.johnson_neyman(predictor="x", moderator="z", simultaneous=True, distribution="normal")
    assert normal.critical == pytest.approx(np.sqrt(stats.chi2.ppf(0.95, 2)))
    narrow = probe.johnson_neyman(predictor="x", moderator="z")
    assert wide.points[0] < narrow.points[0] < narrow.points[1] < wide.points[1]


def test_crossings_of_curved_effects() -> None:
    # slope u² − 1 with a constant error of ½ and c = 1: |u² − 1| = ½
    covariance = np.zeros((3, 3))
    covariance[0, 0] = 0.25
    found = crossings(np.array([-1.0, 0.0, 1.0]), covariance, 1.0)
    np.testing.assert_allclose(found, [-np.sqrt(1.5), -np.sqrt(0.5), np.sqrt(0.5), np.sqrt(1.5)])
    # touching without crossing is no limit: slope u with error |u|
    touching = np.zeros((2, 2))
    touching[1, 1] = 0.25
    assert crossings(np.array([0.0, 1.0]), touching, 1.0).size == 0
    # a far root is not lost to cancellation
    near, far = crossings(np.array([1.0, 1e-7]), np.array([[0.25, 0.0], [0.0, 0.0]]), 1.0)[::-1]
    assert near == pytest.approx(-0.5e7)
    assert far == pytest.approx(-1.5e7)


def test_a_curve_is_its_own_moderator(data: pd.DataFrame) -> None:
    probe = sm.probe(sm.fit("y ~ x + x:x", data, meanstructure=True))
    table = probe.simple_slopes(values=(0, 2))
    rows = {r.key: v for r, v in zip(probe.terms.table.rows, probe.terms.value, strict=True)}
    b1, b2 = rows[("y", "~", "x")], rows[("y", "~", "x:x")]
    np.testing.assert_allclose(table["est"], [b1, b1 + 4 * b2])
    lines = probe.conditional_effects().lines()
    x, y = lines["x"].to_numpy(), lines["est"].to_numpy()
    np.testing.assert_allclose(np.polyfit(x, y, 2)[0], b2, rtol=1e-6)


def test_three_way(data: pd.DataFrame) -> None:
    probe = sm.probe(sm.fit("y ~ x + z + w + x:z + x:w + z:w + x:z:w", data, meanstructure=True))
    effects = probe.conditional_effects("y", "x")
    assert effects.moderators == ("z", "w")
    b = {r.rhs: v for r, v in zip(probe.terms.table.rows, probe.terms.value, strict=True) if r.op == "~"}
    expected = b["x"] + 2 * b["x:z"] + b["x:w"] + 2 * b["x:z:w"]
    assert effects.effect({"z": 2.0, "w": 1.0})[0] == pytest.approx(expected)
    surface = probe.surface("y", "x")
    assert (surface.x, surface.y, surface.what) == ("z", "w", "effect")
    shares = surface.shares()
    assert sum(shares.values()) == pytest.approx(1.0)
    contour = surface.contour()
    assert len(contour) > 10
    for name in ("", "_end"):  # both ends of every piece lie where the effect is zero
        ends = effects.effect({"z": contour[f"x{name}"].to_numpy(), "w": contour[f"y{name}"].to_numpy()})
        np.testing.assert_allclose(ends, 0, atol=1e-9)


def test_a_surface_of_the_outcome_has_its_contour_where_the_slope_is_zero(probe: Probe) -> None:
    surface = probe.surface("y", "x", "z", n=9)
    assert (surface.what, surface.x, surface.y) == ("prediction", "x", "z")
    table = surface.table()
    margin = probe.margins("y", "x", "z", x=(table["x"][0],), values=(table["y"][0],))
    assert table["est"][0] == pytest.approx(margin["est"][0])
    assert len(table) == 81


def test_zero_pieces_of_a_plane() -> None:
    x, y = np.linspace(-1, 1, 6), np.linspace(-1, 1, 6)
    across, up = np.meshgrid(x, y)
    pieces = np.array(zero_pieces(x, y, across + up - 0.1))
    np.testing.assert_allclose(pieces[:, 0] + pieces[:, 1], 0.1)
    np.testing.assert_allclose(pieces[:, 2] + pieces[:, 3], 0.1)
    assert zero_pieces(x, y, across + up + 9) == []


def test_contrast_between_two_points(probe: Probe) -> None:
    found = probe.contrast(0, 2, predictor="x", moderator="z")
    row = next(i for i, r in enumerate(probe.terms.table.rows) if r.rhs == "x:z")
    assert found["est"] == pytest.approx(2 * probe.terms.value[row])
    outcome = probe.contrast(
        {"x": 0, "z": 1}, {"x": 1, "z": 1}, predictor="x", moderator="z", of="prediction"
    )
    slope = probe.simple_slopes(predictor="x", moderator="z", values=(1,))
    assert outcome["est"] == pytest.approx(slope["est"][0])
    assert outcome["se"] == pytest.approx(slope["se"][0])


def test_sizes_against_two_regressions(data: pd.DataFrame) -> None:
    full = sm.fit("y ~ x + z + w + x:z + x:w", data, meanstructure=True)
    sizes = sm.probe(full).sizes()
    x, z, w, y = (data[c].to_numpy() for c in "xzwy")

    def r_squared(*columns: np.ndarray) -> float:
        design = np.column_stack([np.ones(len(y)), *columns])
        left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        return 1 - left.var() / y.var()

    gain = r_squared(x, z, w, x * z, x * w) - r_squared(x, z, w, x * w)
    row = sizes.iloc[0]
    assert row["product"] == "x:z"
    assert row["delta_r_squared"] == pytest.approx(gain, rel=1e-5)
    assert row["r_squared"] == pytest.approx(r_squared(x, z, w, x * z, x * w), rel=1e-5)
    assert row["f_squared"] == pytest.approx(gain / (1 - row["r_squared"]), rel=1e-5)
    assert row["std_all"] == pytest.approx(row["est"] * x.std() * z.std() / y.std(), rel=1e-4)


def test_shares_of_customers(data: pd.DataFrame, probe: Probe) -> None:
    shares = probe.shares("y", "x", "z", seed=1).set_index("effect")
    slope = probe.conditional_effects("y", "x", "z").effect({"z": data["z"].to_numpy()})
    assert shares.loc["negative", "share"] == pytest.approx((slope < 0).mean(), abs=2e-3)
    assert shares["share"].sum() == pytest.approx(1.0)
    assert (shares["ci_lower"] <= shares["share"]).all()
    assert (shares["share"] <= shares["ci_upper"]).all()
    assert shares["basis"].tolist() == ["observed values"] * 2
    # the slope a + b z is negative below −a/b: its error gives the limits of the share
    b = {r.rhs: v for r, v in zip(probe.terms.table.rows, probe.terms.value, strict=True) if r.op == "~"}
    cov = probe.conditional_effects("y", "x", "z").covariance({"z": np.array([0.0, 1.0])})
    a = b["x"] + b["x:w"] * data["w"].mean()
    drawn = np.random.default_rng(5).multivariate_normal([a, a + b["x:z"]], cov, 4000)
    zero = -drawn[:, 0] / (drawn[:, 1] - drawn[:, 0])
    expected = np.quantile([(data["z"] < z).mean() for z in zero], [0.025, 0.975])
    np.testing.assert_allclose(
        shares.loc["negative", ["ci_lower", "ci_upper"]].astype(float), expected, atol=0.01
    )
    both = probe.shares("y", "x", ("z", "w"), seed=1).set_index("effect")
    each = probe.conditional_effects("y", "x").effect({"z": data["z"].to_numpy(), "w": data["w"].to_numpy()})
    assert both.loc["negative", "share"] == pytest.approx((each < 0).mean(), abs=0.03)


def test_groups_have_their_own_slopes(data: pd.DataFrame) -> None:
    grouped = data.assign(g=np.where(np.arange(len(data)) % 2, "a", "b"))
    probe = sm.probe(sm.fit("y ~ x + z + x:z", grouped, group="g"))
    table = probe.simple_slopes()
    assert table["group"].tolist() == ["b"] * 3 + ["a"] * 3
    one = sm.probe(sm.fit("y ~ x + z + x:z", grouped[grouped["g"] == "a"], meanstructure=True))
    mine = table[table["group"] == "a"]
    np.testing.assert_allclose(one.simple_slopes(values=mine["value"])["est"], mine["est"], rtol=1e-5)
    with pytest.raises(SpecError, match="Name group=: the model has the groups b, a"):
        probe.johnson_neyman()
    plain = sm.probe(sm.fit("y ~ x + z", grouped, group="g")).simple_slopes("y", "x")
    assert plain["group"].tolist() == ["b", "a"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: p.simple_slopes("yy"), "'yy' is not a variable of the model"),
        (lambda p: p.simple_slopes("x", "y", "z"), "Nothing predicts 'x'"),
        (lambda p: p.simple_slopes("y", "x", "y"), "'y' does not moderate the effect of x on y"),
        (lambda p: p.johnson_neyman(), "Several interactions fit: x × z → y, x × w → y"),
        (lambda p: p.simple_slopes("y", "z", "w"), "does not moderate the effect of z on y"),
        (lambda p: p.simple_slopes(values="quartiles"), "values='quartiles' is unknown"),
        (lambda p: p.simple_slopes(level=95), "level=95 must lie between 0 and 1"),
        (lambda p: p.simple_slopes(percentiles=(0, 50)), "between 0 and 100"),
        (lambda p: p.simple_slopes(percentiles=(50, 99.5)), "percentiles between 1 and 99"),
        (lambda p: p.simple_slopes(distribution="students"), "distribution='students' is unknown"),
        (lambda p: p.simple_slopes("y", "x", "z", at={"ww": 1}), "'ww' does not predict 'y'"),
        (lambda p: p.contrast({"zz": 0}, {"z": 1}, "y", "x", "z"), "'zz' is not among the moderators"),
        (lambda p: p.conditional_indirect("y", "x"), "no indirect path from 'x' to 'y'"),
        (lambda p: p.surface("y", "x", "z", n=2), "n=2"),
    ],
)
def test_wrong_names_and_settings(probe: Probe, call, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SpecError) as caught:
        call(probe)
    assert words in str(caught.value)


def test_groups_where_there_are_none_and_no_fit(probe: Probe) -> None:
    with pytest.raises(SpecError, match="the model has no groups"):
        probe.simple_slopes(group="active")
    with pytest.raises(SpecError, match=r"takes a result of sm.fit, not Probe"):
        sm.probe(probe)  # type: ignore[arg-type]


def test_a_model_without_product(data: pd.DataFrame) -> None:
    with pytest.raises(SpecError, match="no product of two variables"):
        sm.probe(sm.fit("y ~ x + z", data)).simple_slopes()


def test_a_moderator_without_a_path_of_its_own(data: pd.DataFrame) -> None:
    with pytest.raises(SpecError, match="'z' is a factor of a product but no variable"):
        sm.probe(sm.fit("y ~ x + x:z", data)).simple_slopes()


def test_a_fit_that_did_not_converge(data: pd.DataFrame) -> None:
    fit = sm.fit("y ~ x + z + x:z\nm ~ y", data, max_iterations=0)
    assert not fit.status.converged
    with pytest.raises(ConvergenceError, match="cannot be probed"):
        sm.probe(fit)


# ---------------------------------------------------------------------- moderated mediation

MEDIATED = "m ~ a1*x + z + a3*x:z\nv ~ b*m + x\nindex := a3*b\nat2 := (a1 + 2*a3)*b"


def test_the_index_of_moderated_mediation_is_a_defined_parameter(data: pd.DataFrame) -> None:
    fit = sm.fit(MEDIATED, data)
    found = sm.probe(fit).conditional_indirect("v", "x", values=(0, 2))
    defined = fit.estimates().set_index("label")
    index, table = found.index().iloc[0], found.table()
    np.testing.assert_allclose(
        index[["est", "se"]].astype(float), defined.loc["index", ["est", "se"]].astype(float)
    )
    at2 = table.iloc[1]
    np.testing.assert_allclose(
        at2[["est", "se"]].astype(float), defined.loc["at2", ["est", "se"]].astype(float)
    )
    assert at2["path"] == "x → m → v"
    contrast = found.contrast(0, 2).iloc[0]
    assert contrast["est"] == pytest.approx(2 * index["est"])


def test_monte_carlo_limits_are_quantiles_of_drawn_products(data: pd.DataFrame) -> None:
    fit = sm.fit(MEDIATED, data)
    probe = sm.probe(fit)
    found = probe.conditional_indirect(
        "v", "x", values=(2,), interval="montecarlo", draws=40_000, seed=3
    ).table()
    labels = ["a1", "a3", "b"]
    estimates = fit.estimates().set_index("label").loc[labels, "est"].to_numpy(dtype=float)
    names = [r.name for r in fit.solved.table.rows if r.label in labels]
    cov = fit.vcov().loc[names, names].to_numpy()
    drawn = np.random.default_rng(9).multivariate_normal(estimates, cov, 40_000)
    limits = np.quantile((drawn[:, 0] + 2 * drawn[:, 1]) * drawn[:, 2], [0.025, 0.975])
    # two sets of 40,000 draws: a limit has a simulation error of about .015 standard errors
    np.testing.assert_allclose(found.loc[0, ["ci_lower", "ci_upper"]].astype(float), limits,
                               atol=0.06 * found["se"][0])  # fmt: skip
    again = probe.conditional_indirect(
        "v", "x", values=(2,), interval="montecarlo", draws=40_000, seed=3
    ).table()
    pd.testing.assert_frame_equal(found, again)


def test_two_moderated_steps_have_no_index(data: pd.DataFrame) -> None:
    probe = sm.probe(sm.fit("m ~ x + z + x:z\nv ~ m + x + z + m:z", data))
    index = probe.conditional_indirect("v", "x", "z").index().iloc[0]
    assert np.isnan(index["est"])
    assert "not a straight line" in index["note"]
    contrast = probe.conditional_indirect("v", "x", "z").contrast(0, 1).iloc[0]
    b = {
        (r.lhs, r.rhs): v
        for r, v in zip(probe.terms.table.rows, probe.terms.value, strict=True)
        if r.op == "~"
    }
    at = [(b["m", "x"] + z * b["m", "x:z"]) * (b["v", "m"] + z * b["v", "m:z"]) for z in (0, 1)]
    assert contrast["est"] == pytest.approx(at[1] - at[0])


def test_simultaneous_bands_cover_the_whole_line() -> None:
    """400 samples: the true line lies within the Working–Hotelling band everywhere in at least 92 %."""
    rng = np.random.default_rng(7)
    inside = 0
    grid = np.linspace(-2.5, 2.5, 41)
    for _ in range(400):
        x, z = rng.normal(size=150), rng.normal(size=150)
        y = 0.3 * x + 0.2 * x * z + rng.normal(size=150)
        fit = sm.fit("y ~ x + z + x:z", pd.DataFrame({"x": x, "z": z, "y": y}))
        band = sm.probe(fit).johnson_neyman(simultaneous=True).band(grid)
        true = 0.3 + 0.2 * grid
        inside += bool(((band["ci_lower"] <= true) & (true <= band["ci_upper"])).all())
    assert inside >= 368


# ---------------------------------------------------------------------- groups


@pytest.fixture(scope="module")
def grouped(data: pd.DataFrame) -> Probe:
    frame = data.assign(g=np.where(data["w"] > 0, "active", "inactive"))
    return sm.probe(sm.fit("y ~ x + z + x:z\nv ~ m", frame, group="g"))


def test_a_contrast_between_groups(grouped: Probe) -> None:
    found = grouped.contrast(
        {"group": "inactive", "z": 1}, {"group": "active", "z": 1}, outcome="y", predictor="x"
    )
    table = grouped.simple_slopes("y", "x", "z", values=(1,)).set_index("group")
    assert found["est"] == pytest.approx(table.loc["active", "est"] - table.loc["inactive", "est"])
    # groups are independent samples
    assert found["se"] == pytest.approx(np.hypot(*table["se"]))
    assert found["first"] == "inactive, z = 1"
    between = grouped.contrast("inactive", "active", outcome="v", predictor="m")
    assert between["first"] == "inactive"
    with pytest.raises(SpecError, match=r"'actve' is not a group. Did you mean 'active'"):
        grouped.contrast("actve", "inactive", outcome="v", predictor="m")


def test_groups_alone_have_slopes_but_no_regions(data: pd.DataFrame) -> None:
    frame = data.assign(g=np.where(data["w"] > 0, "active", "inactive"))
    probe = sm.probe(sm.fit("y ~ x + z\nv ~ m", frame, group="g"))
    table = probe.simple_slopes()
    assert len(table) == 3 * 2
    assert set(table["group"]) == {"active", "inactive"}
    with pytest.raises(SpecError, match="groups have no values in between"):
        probe.johnson_neyman("v", "m", group="active")
    with pytest.raises(SpecError, match=r"no path v ~ x. It has: y ~ x, y ~ z, v ~ m"):
        probe.simple_slopes("v", "x")
