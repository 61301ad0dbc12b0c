"""Names for the array types that appear in signatures, and the state of a fitted part.

The numerical core works on plain arrays; these aliases say the dtype, docstrings say the shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

#: What a fitted part writes into a bundle: plain JSON values and named arrays. ``part.state()`` gives it and
#: ``Part.from_state(meta, arrays)`` restores an equal part. Never pickle.
State = tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]
