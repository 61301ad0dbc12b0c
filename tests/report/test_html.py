from longtail.report.html import Html, join, tag


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "1 < 2 & 3", tag("b", '"x"')) == "<p>1 &lt; 2 &amp; 3<b>&quot;x&quot;</b></p>"
    assert join(["a", None, [1, Html("<br>")], 2.5]) == "a1<br>2.5"


def test_attributes() -> None:
    found = tag("i", class_='a"b', data_tip="x < y", hidden=True, open=False, id=None)
    assert found == '<i class="a&quot;b" data-tip="x &lt; y" hidden></i>'
    assert tag("input", name="colour", checked=False) == '<input name="colour">'
