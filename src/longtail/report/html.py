"""HTML without surprises: text is escaped, markup is marked as such."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"br", "img", "input", "meta", "link", "hr"})


class Html(str):
    """Markup that may go into a page as it is."""

    __slots__ = ()


#: What an element may hold: markup, text, numbers, nothing, or several of these.
Child = Html | str | int | float | None | Iterable["Child"]


def tag(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """An element, ``tag("p", "1 < 2", class_="lead")``.

    Args:
        name: of the element.
        children: text is escaped, `Html` is not, None is left out, iterables are joined.
        attributes: a trailing underscore is dropped, the others become hyphens; None and False leave an attribute out,
            True gives it no value.
    """
    given = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        said = key.rstrip("_").replace("_", "-")
        given.append(f" {said}" if value is True else f' {said}="{escape(str(value))}"')
    opening = f"<{name}{''.join(given)}>"
    return Html(opening if name in _VOID else f"{opening}{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """Several children one after the other."""
    return Html("".join(_markup(child) for child in children))


def _markup(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return escape(child)
    if isinstance(child, int | float):
        return escape(str(child))
    return join(child)
