import pytest
from hypothesis import given
from hypothesis import strategies as st

from longtail.content.measures import parse_measure

OZ, LB, GAL = 28.3495, 453.592, 3785.41


@pytest.mark.parametrize(
    ("text", "amount", "family"),
    [
        ("10.75 OZ", 10.75 * OZ, "mass"),
        ("40 LB", 40 * LB, "mass"),
        ("300 CT(1)", 300, "count"),
        ("10 3/4 OZ", 10.75 * OZ, "mass"),
        ("1/2 GAL", GAL / 2, "volume"),
        (".5 GAL", GAL / 2, "volume"),
        ("HALF GAL", GAL / 2, "volume"),
        ("10/200 ML", 2000, "volume"),
        ("12 x 330ml", 3960, "volume"),
        ("4 PK/4.4 OZ", 4.4 * OZ, "mass"),
        ("4.3 OZ/4 PK", 4.3 * OZ, "mass"),
        ("3-LB BAG", 3 * LB, "mass"),
        ("P    18 OZ", 18 * OZ, "mass"),
        ("32 FL OZ", 32 * 29.5735, "volume"),
        ("57 SQ FT", 57 * 0.092903, "area"),
        ("1,5 kg", 1500, "mass"),
        ("1,000 ML", 1000, "volume"),
        ("2 dozen", 24, "count"),
        ("12 STEMS", 12, "stem"),
        ("SIZE 3", 3, ""),
        ("L", 1000, "volume"),
    ],
)
def test_measures_shops_write(text: str, amount: float, family: str) -> None:
    measure = parse_measure(text)
    assert measure is not None
    assert measure.amount == pytest.approx(amount)
    assert measure.family == family


@pytest.mark.parametrize("text", ["", "LARGE", "n/a", "0 OZ", "--", "()"])
def test_what_is_no_measure(text: str) -> None:
    assert parse_measure(text) is None


@given(st.text(alphabet="0123456789 ./,xX-×OZLBGA()'\"²", max_size=30))
def test_never_fails_and_is_always_positive(text: str) -> None:
    measure = parse_measure(text)
    assert measure is None or 0 < measure.amount < 1e15
