"""What a product-indicator result says: standardized solution, tests, probing, summary."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.errors import SpecError
from sem_models.estimation.kernels import implied
from sem_models.inference.effects import effects
from sem_models.inference.replicates import Replicates, effect_replicates, row_replicates
from sem_models.inference.standardized import standardize
from sem_models.moderation.products.result import ProductModeration

from .conftest import MODEL, customers


@pytest.fixture(scope="module")
def result(data: pd.DataFrame) -> ProductModeration:
    found = sm.moderate(MODEL + "Y ~ t + X:t", data, match=True)
    assert isinstance(found, ProductModeration)
    return found


def test_the_standardized_interaction_has_the_units_of_its_factors(result: ProductModeration) -> None:
    cov = result.fit.latent_moments()[""]["cov"]
    table = result.estimates().set_index(["lhs", "op", "rhs"])
    sd = np.sqrt(np.diagonal(cov))
    by_name = dict(zip(cov.columns, sd, strict=True))
    expected = table.loc[("Y", "~", "X:Z"), "est"] * by_name["X"] * by_name["Z"] / by_name["Y"]
    assert table.loc[("Y", "~", "X:Z"), "std_all"] == pytest.approx(expected)
    spread = result.fit.implied()[""]["cov"].loc["t", "t"] ** 0.5
    mixed = table.loc[("Y", "~", "X:t"), "est"] * by_name["X"] / by_name["Y"]
    assert table.loc[("Y", "~", "X:t"), "std_all"] == pytest.approx(mixed * spread)
    assert table.loc[("Y", "~", "X:t"), "std_lv"] == pytest.approx(mixed)
    own = cov.loc["X:Z", "X:Z"] / (by_name["X"] * by_name["Z"]) ** 2
    assert table.loc[("X:Z", "~~", "X:Z"), "std_all"] == pytest.approx(own)


def test_effects_have_the_same_units(result: ProductModeration) -> None:
    table = result.fit.effects().set_index(["source", "target", "kind"])
    exact = result.standardized(errors="delta").set_index(["lhs", "op", "rhs"])
    for product in ("X:Z", "X:t"):
        row = table.loc[(product, "Y", "total")]
        assert row["est_std"] == pytest.approx(exact.loc[("Y", "~", product), "est_std"])
        assert row["se_std"] == pytest.approx(exact.loc[("Y", "~", product), "se"])


def test_a_replicate_is_standardized_like_the_fit(result: ProductModeration) -> None:
    solved = result.fit.solved
    effects_of = effects(solved.table, solved.ram, solved.point.free, solved.point.at)
    rng = np.random.default_rng(3)
    drawn = solved.point.free * (1 + 0.02 * rng.normal(size=(4, solved.ram.n_free)))
    replicates = Replicates(drawn, None)
    for metric in ("std_all", "std_lv"):
        rows = row_replicates(solved.table, solved.ram, replicates, metric)
        for b, free in enumerate(drawn):
            at = implied(*solved.ram.matrices(free), solved.ram.n_observed, solved.ram.places.sources)
            expected = standardize(solved.table, solved.ram, free, at, metric)  # type: ignore[arg-type]
            assert rows[b] == pytest.approx(expected.value)
    found = effect_replicates(solved.ram, effects_of, replicates, standardized=True)
    at = implied(*solved.ram.matrices(drawn[0]), solved.ram.n_observed, solved.ram.places.sources)
    expected = [e.standardized for e in effects(solved.table, solved.ram, drawn[0], at)]
    assert found[0] == pytest.approx(expected)


def test_errors_of_the_standardized_interaction(result: ProductModeration) -> None:
    """By the delta method they are those of central differences; rescaled ones are the product's own."""
    solved = result.fit.solved
    exact, rescaled = solved.standardized("std_all"), solved.standardized("std_all", units_known=True)
    row = next(i for i, r in enumerate(solved.table.rows) if r.key == ("Y", "~", "X:Z"))
    h, slope = 1e-5, np.zeros(solved.ram.n_params)
    for k in range(len(slope)):
        ends = []
        for side in (h, -h):
            params = solved.point.params.copy()
            params[k] += side
            point = solved.objective.at(params)
            assert point is not None
            ends.append(standardize(solved.table, solved.ram, point.free, point.at).value[row])
        slope[k] = (ends[0] - ends[1]) / (2 * h)
    assert exact.jacobian[row] @ solved.ram.reduction == pytest.approx(slope, abs=1e-6)
    assert rescaled.value[row] == exact.value[row]
    table = result.standardized()
    delta = result.standardized(errors="delta")
    same = ~(table["lhs"].str.contains(":") | table["rhs"].str.contains(":"))
    assert np.allclose(table.loc[same, "se"], delta.loc[same, "se"])
    with pytest.raises(SpecError, match="Did you mean 'delta'"):
        result.standardized(errors="delt")  # type: ignore[arg-type]


def test_slopes_are_in_the_moderators_own_metric(result: ProductModeration, data: pd.DataFrame) -> None:
    """A centered product says the same as one that is not: the slope at t is b + b₃ (t − t̄)."""
    table = result.estimates().set_index(["lhs", "op", "rhs"])["est"]
    slopes = result.simple_slopes("Y", "X", "t", values=(0.0, data["t"].mean()), at={"Z": 0.0})
    b, b3 = table["Y", "~", "X"], table["Y", "~", "X:t"]
    assert slopes["est"].to_numpy() == pytest.approx([b - b3 * data["t"].mean(), b])
    assert result.centers == {"t": (pytest.approx(data["t"].mean()),)}


def test_interaction_tests(result: ProductModeration, data: pd.DataFrame) -> None:
    tests = result.interaction_test().set_index("term")
    assert list(tests.index) == ["Y ~ X:Z", "Y ~ X:t", "all products"]
    z = result.estimates().set_index(["lhs", "op", "rhs"]).loc[("Y", "~", "X:Z"), "z"]
    assert tests.loc["Y ~ X:Z", "wald"] == pytest.approx(z**2)
    without = sm.fit(result.syntax.replace("Y ~ X:Z", "Y ~ 0*X:Z"), _columns(result))
    assert tests.loc["Y ~ X:Z", "chisq_diff"] == pytest.approx(
        2 * (result.loglik - without.solved.logl), rel=1e-5
    )
    assert tests["df"].tolist() == [1, 1, 2]
    assert tests["converged"].all()


def _columns(result: ProductModeration) -> pd.DataFrame:
    sample = result.fit.solved.sample
    assert sample.rows is not None
    return pd.DataFrame(sample.rows[0].values, columns=list(sample.variables))


def test_the_test_is_scaled_where_the_fit_is(data: pd.DataFrame) -> None:
    robust = sm.moderate(MODEL, data, match=True, estimator="MLR")
    assert isinstance(robust, ProductModeration)
    plain = sm.moderate(MODEL, data, match=True)
    assert isinstance(plain, ProductModeration)
    assert robust.interaction_test()["chisq_diff"][0] != pytest.approx(
        plain.interaction_test()["chisq_diff"][0], rel=1e-3
    )


def test_what_it_was_made_with(result: ProductModeration) -> None:
    assert result.options["method"] == "dblcent"
    assert result.options["match"] == "position"
    assert result.provenance["moderation"]["res_cov_method"] == "simple"
    assert result.indicators()["indicator"].tolist()[:3] == ["x1z1", "x2z2", "x3z3"]
    assert "double-mean-centered" in repr(result)
    text = str(result)
    assert "3 indicators, items matched by position" in text
    assert "x1z1" in text
    assert "Double-mean-centered" in result._repr_html_()


def test_what_a_reader_should_know(result: ProductModeration, data: pd.DataFrame) -> None:
    assert result.header.notes == ()
    alone = sm.moderate(MODEL.replace("X + Z + X:Z", "X + X:Z"), data, match=True)
    assert "without the path Y ~ Z" in alone.header.notes[0]
    few = sm.moderate(MODEL, data.iloc[:50])
    assert any("60 free parameters for 50 customers: match=True" in note for note in few.header.notes)


def test_sizes_have_the_true_variance(result: ProductModeration) -> None:
    sizes = result.sizes().set_index("product")
    table = result.estimates().set_index(["lhs", "op", "rhs"])
    assert sizes.loc["X:Z", "std_all"] == pytest.approx(table.loc[("Y", "~", "X:Z"), "std_all"])


def test_a_saved_fit_keeps_its_standardized_interaction(result: ProductModeration, tmp_path: object) -> None:
    from pathlib import Path

    path = result.fit.save(Path(str(tmp_path)) / "fit.sem")
    again = sm.load_fit(path)
    pd.testing.assert_frame_equal(again.standardized(), result.fit.standardized())


@pytest.mark.parametrize(
    ("options", "near"),
    [
        ({}, 1e-9),
        ({"group_equal": ("loadings", "intercepts")}, 0.02),
        ({"centering": "overall"}, 0.04),  # b₃ times the distance of the means is .14
    ],
)
def test_slopes_are_the_same_wherever_the_items_are_centered(options: dict[str, object], near: float) -> None:
    """Groups whose X and Z lie apart: the slope at one place of Z, however the product is made."""
    frame = customers(1500, 12)
    new = (frame["kind"] == "new").to_numpy()
    for i, loading in enumerate((1.0, 0.9, 0.8)):
        for stem, shift in (("x", 0.5), ("z", 1.0)):
            frame[f"{stem}{i + 1}"] += np.where(new, shift * loading, 0.0)
    plain = sm.moderate(MODEL, frame, group="kind", match=True)
    other = sm.moderate(MODEL, frame, group="kind", match=True, **options)
    means = {str(label): float(part["z1"].mean()) for label, part in frame.groupby("kind")}
    for label in plain.groups:
        # Z is 0 at its group's mean, with equal intercepts at the first group's
        origin = means[plain.groups[0]] if "group_equal" in options else means[label]
        at = np.array([0.0, 0.5])
        one = plain.simple_slopes("Y", "X", "Z", values=at, group=label)["est"].to_numpy()
        two = other.simple_slopes("Y", "X", "Z", values=at + means[label] - origin, group=label)
        assert two["est"].to_numpy() == pytest.approx(one, abs=near)
