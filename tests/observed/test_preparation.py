"""Groups chosen by label and standardized columns, against lavaan 0.6-14 and against doing it by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models import examples

MODEL = "PV =~ pv1 + pv2 + pv3"


@pytest.fixture(scope="module")
def survey() -> pd.DataFrame:
    return pd.read_csv(examples.path())


def test_groups_come_in_the_order_named(survey: pd.DataFrame) -> None:
    names = sm.fit(MODEL, survey, group="active").groups
    turned = sm.fit(MODEL, survey, group="active", group_label=list(reversed(names)))
    assert turned.groups == tuple(reversed(names))
    plain = sm.fit(MODEL, survey, group="active")
    assert turned.measures()["chisq"] == pytest.approx(plain.measures()["chisq"])
    with pytest.raises(sm.DataError, match="group_label: 'aktive' is no value of 'active'"):
        sm.fit(MODEL, survey, group="active", group_label=["aktive", names[0]])
    with pytest.raises(sm.SpecError, match="needs group="):
        sm.fit(MODEL, survey, group_label=["a", "b"])


def test_some_of_the_groups(survey: pd.DataFrame) -> None:
    three = survey.assign(region=np.resize(["n", "s", "w"], len(survey)))
    fit = sm.fit(MODEL, three, group="region", group_label=("w", "n"))
    assert fit.groups == ("w", "n")
    assert fit.header.n_used == int(
        three[three.region != "s"][["pv1", "pv2", "pv3"]].notna().all(axis=1).sum()
    )


def test_standardized_columns_by_hand(survey: pd.DataFrame) -> None:
    complete = survey.dropna(subset=["pv1", "pv2", "pv3"])
    items = complete[["pv1", "pv2", "pv3"]]
    by_hand = sm.fit(MODEL, (items - items.mean()) / items.std())
    pd.testing.assert_frame_equal(sm.fit(MODEL, complete, std_ov=True).estimates(), by_hand.estimates())
    with pytest.raises(sm.SpecError, match="needs the raw data"):
        sm.fit(MODEL, sample_cov=items.cov(), sample_nobs=len(items), std_ov=True)


def test_standardized_columns_beside_lavaan(golden_dir: Path) -> None:
    # lavaan 0.6-14: sem("visual =~ x1 + x2 + x3; visual ~ ageyr", d, std.ov = TRUE, meanstructure = TRUE),
    # and with group = "school": fixed covariates are left as they are, groups are standardized apart
    data = pd.read_csv(golden_dir / "data" / "hs.csv")
    model = "visual =~ x1 + x2 + x3\nvisual ~ ageyr"
    one = sm.fit(model, data, std_ov=True, meanstructure=True).estimates()["est"]
    np.testing.assert_allclose(
        one,
        [1, 0.770, 1.138, -0.005, 0.611, 0.768, 0.497, 0.386, 1.100, 0.070, 0.054, 0.080, 12.997, 0],
        atol=6e-4,
    )
    groups = sm.fit(model, data, std_ov=True, group="school").estimates()
    first = groups[groups["block"] == 1]["est"].head(9)
    np.testing.assert_allclose(first, [1, 0.731, 1.187, -0.034, 0.614, 0.790, 0.459, 0.379, 1.123], atol=6e-4)


def test_names_that_lavaan_takes_for_errors_and_tests(survey: pd.DataFrame) -> None:
    assert sm.fit(MODEL, survey, se="sandwich").options["se"] == "robust.huber.white"
    assert sm.fit(MODEL, survey, se="robust.mlm").options["se"] == "robust.sem"
    assert sm.fit(MODEL, survey, test="Satorra-Bentler").options["test"] == ("standard", "satorra.bentler")
    assert sm.fit(MODEL, survey, information=["observed", "observed"]).options["information"] == "observed"
    assert sm.fit(MODEL, survey, information="first.order").options["se"] == "first.order"
    assert sm.fit(MODEL, survey, test="yuan_bentler").options["test"] == ("standard", "yuan.bentler")
    both = sm.fit(MODEL, survey, information=["observed", "expected"]).options["information"]
    assert both == ("observed", "expected")
    with pytest.raises(sm.SpecError, match="do_fit=False yet"):
        sm.fit(MODEL, survey, do_fit=False)
