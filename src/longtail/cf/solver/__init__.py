"""The compiled half-steps of alternating least squares, and nothing else.

`half_step` solves every row of one side, the other fixed: training users, training items, fold-in of unseen ones and
blending are all this one function. `warm_up` compiles or loads the compiled code, best in a thread while data is read.
"""

from __future__ import annotations

from longtail.cf.solver.step import HalfStep, RotatedStep, half_step, repeated_steps
from longtail.cf.solver.warm import warm_up

__all__ = ["HalfStep", "RotatedStep", "half_step", "repeated_steps", "warm_up"]
