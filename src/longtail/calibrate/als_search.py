"""ALS's own two settings that matter, chosen on validation: the baseline deserves it as much as what builds on it."""

from __future__ import annotations

from typing import Any

from longtail.calibrate.scoring import Judge
from longtail.cf.als import AlsSettings, fit_als
from longtail.core.progress import SILENT, Progress

#: One step.
FACTOR = 3.0
#: A move must gain at least this share, or the search would follow noise.
_MARGIN = 1.005


def choose_als(
    judge: Judge, matrix: Any, settings: AlsSettings, *, budget: int = 12, seed: int = 0, progress: Progress = SILENT
) -> tuple[AlsSettings, list[dict[str, Any]]]:
    """Pattern search over unobserved weight and regularization, in steps of three, by overall NDCG.

    The two are tied: an item without events is penalised with their product. So beside steps along either axis there
    are steps that keep the product; without them the search stops on a ridge, far below its top. Trials run to the end,
    since few iterations prefer other settings than many.

    Args:
        matrix: ``(n_users, n_items)`` CSR; settings: where the search begins; all but the two stay as they are.
        budget: trials at most.
        seed: of the trials' initial factors.

    Returns:
        The settings with the best values found, and every trial.
    """
    curve: list[dict[str, Any]] = []
    seen: dict[tuple[int, int], float] = {}

    def score(place: tuple[int, int]) -> float | None:
        if place not in seen:
            if len(seen) >= budget:
                return None
            trial = _at(settings, place)
            fit = fit_als(matrix, trial, seed=seed)
            seen[place] = judge.measure(fit.user_factors[judge.users], fit.item_factors, only=("overall",)).overall
            curve.append(
                {
                    "unobserved_weight": trial.background,
                    "regularization": trial.regularization,
                    "overall": seen[place],
                }
            )
            task.say(f"NDCG {max(seen.values()):.4f}")
            task.advance()
        return seen[place]

    with progress.task("tuning ALS", budget) as task:
        here = (0, 0)
        best = score(here) or 0.0
        # "hu" has no unobserved weight to choose.
        axes = [(0, 1)] if settings.objective == "hu" else [(1, -1), (1, 0), (0, 1)]
        moved = True
        while moved and len(seen) < budget:
            moved = False
            for axis in axes:
                for sign in (-1, 1):
                    while True:
                        place = (here[0] + sign * axis[0], here[1] + sign * axis[1])
                        if place in seen:
                            break
                        value = score(place)
                        if value is None or value <= best * _MARGIN:
                            break
                        here, best, moved = place, value, True
    return _at(settings, here), curve


def _at(settings: AlsSettings, place: tuple[int, int]) -> AlsSettings:
    update: dict[str, float] = {"regularization": settings.regularization * FACTOR ** place[1]}
    if settings.objective != "hu":
        update["unobserved_weight"] = settings.unobserved_weight * FACTOR ** place[0]
    return settings.model_copy(update=update)
