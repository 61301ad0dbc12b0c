"""The exceptions longtail raises, one small tree.

::

    LongtailError
    ├── DataError            rows, columns or files that cannot be used
    ├── RecipeError          a recipe that cannot be understood
    ├── UnknownIdError       an id that is in no vocabulary (also a KeyError)
    ├── FilterError          a ``--where`` that cannot be evaluated
    ├── NumericalError       NaN or infinite numbers where a solver met them
    ├── BundleError          a bundle that is damaged, incomplete or of another version
    └── MissingExtraError    an optional dependency that is not installed (also an ImportError)

Every message says what was found, what was expected and what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence


class LongtailError(Exception):
    """Base of every error longtail raises on purpose."""


class DataError(LongtailError):
    """Rows, columns or files that cannot be used as they are."""


class RecipeError(LongtailError):
    """A recipe that cannot be understood: an unknown key, a missing or invalid value."""


class UnknownIdError(LongtailError, KeyError):
    """An id that is in no vocabulary.

    Attributes:
        kind: what was looked up, ``"user"`` or ``"item"``.
        id: the id as it was asked for.
        nearest: known ids that look most like it, best first; may be empty.
    """

    def __init__(self, kind: str, id: str, nearest: Sequence[str] = ()) -> None:
        self.kind = kind
        self.id = id
        self.nearest = tuple(nearest)
        hint = f" Nearest known: {', '.join(map(repr, self.nearest))}." if self.nearest else ""
        super().__init__(f"Unknown {kind} {id!r}.{hint}")

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0])


class FilterError(LongtailError):
    """A filter over catalog columns that cannot be evaluated."""


class NumericalError(LongtailError):
    """NaN or infinite numbers where a solver met them; names the row and the remedy."""


class BundleError(LongtailError):
    """A bundle that is damaged, incomplete or written by another format version."""


class MissingExtraError(LongtailError, ImportError):
    """An optional dependency that is not installed; names the extra that brings it."""

    def __init__(self, purpose: str, extra: str, package: str) -> None:
        self.extra = extra
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'longtail[{extra}]'"
        )
