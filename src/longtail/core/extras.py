"""Optional dependencies, imported on first use."""

from __future__ import annotations

import importlib
from types import ModuleType

from longtail.core.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Raises:
        MissingExtraError: the module's top-level package is not installed. An import error from inside an installed
            package passes through unchanged, so that a broken installation is not mistaken for a missing one.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise MissingExtraError(purpose, extra, package) from error
