"""How much memory and time training will take: a rough upper estimate from sizes alone, nothing is run.

The constants were measured on two busy cores and rounded up; `docs/recipe.md` has the formula and the
measurements. Twice too much is useful, half is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from longtail.core.machine import usable_cores

_GIB = float(1 << 30)
#: Python with the numerical libraries; with torch and the text model in memory.
_PROGRAM, _PROGRAM_WITH_TEXT = 0.35 * _GIB, 1.3 * _GIB
#: DuckDB spills to disk beyond this.
_READING = 1.0 * _GIB
_BYTES_PER_EVENT = 150.0
#: A pair is 8 bytes, and there are several matrices: by user, by item, history, parts held out for validation.
_BYTES_PER_PAIR = 8.0 * 6
#: Matrices of vectors alive at once: ALS, blended, predicted, targets, out of sample, the best so far, temporaries.
_VECTORS = 10
#: Numbers an item takes as encoded content, all fields together and beside the vectors, and copies alive at once.
_CONTENT_WIDTH, _CONTENT_COPIES = 2000, 2
_CELLS_PER_SCORE_BLOCK = 64e6

#: Seconds on two cores.
_READ_PER_EVENT = 6e-6
_PER_TEXT, _PER_CHARACTER, _LOAD_MODEL = 4e-3, 2.5e-4, 15.0
_PER_PICTURE = 4e-2  # through the packaged backbone, and in the training of classifiers
_ALS_PER_PAIR, _ALS_PER_ROW = 8e-9, 35e-9  # times factors, an iteration
_NETWORK_PER_ROW = 4e-5  # an epoch and fold
_FLOPS = 2e10
_SCORE_PER_CELL = 6e-9  # one choice on validation scores users x items once
_CHOICES = 40


@dataclass(frozen=True)
class Size:
    """What the estimate stands on.

    Attributes:
        events: raw events.
        users: users in all.
        items: items in all, with and without events.
        items_with_events: those that teach the bridge.
        pairs: different pairs of user and item.
        texts: different texts to encode, cached ones included.
        characters: characters of these texts, each counted up to 1,000.
        pictures: different pictures to encode, cached ones included.
        factors: dimensions of behaviour.
        iterations: of ALS.
        als_fits: fits of ALS, those that tune it, and those of parts, together.
        rounds: of bridge and blend.
        landmarks: of the kernel.
        network_rows: items the network is trained on at most.
        network_passes: epochs times folds.
        validation_users: users on whom choices are scored.
    """

    events: int
    users: int
    items: int
    items_with_events: int
    pairs: int
    texts: int
    characters: int
    pictures: int
    factors: int
    iterations: int
    als_fits: int
    rounds: int
    landmarks: int
    network_rows: int
    network_passes: int
    validation_users: int


@dataclass(frozen=True)
class Cost:
    """The estimate.

    Attributes:
        memory_bytes: at the peak.
        seconds: in all, on this many cores, nothing cached.
        cores: cores counted on.
        memory_parts: bytes by what they are for; reading and training do not add up, the larger counts.
        time_parts: seconds by stage.
    """

    memory_bytes: float
    seconds: float
    cores: int
    memory_parts: dict[str, float]
    time_parts: dict[str, float]


def estimate(size: Size, cores: int | None = None) -> Cost:
    """Estimate what training takes.

    Args:
        size: of the data and the settings.
        cores: to count on; None: those this process may use.
    """
    cores = cores or usable_cores()
    rows = size.users + size.items
    landmarks = min(size.landmarks, size.items_with_events)
    memory = {
        "program and models": _PROGRAM_WITH_TEXT if size.texts or size.pictures else _PROGRAM,
        "reading events": min(_READING, _BYTES_PER_EVENT * size.events),
        "interactions": _BYTES_PER_PAIR * size.pairs,
        "vectors": 4.0 * rows * size.factors * _VECTORS,
        "content": 4.0 * size.items * _CONTENT_WIDTH * _CONTENT_COPIES,
        "bridge": 8.0 * landmarks * landmarks * 3 + 4.0 * 8192 * landmarks,
        "scoring": 4.0 * min(_CELLS_PER_SCORE_BLOCK, size.validation_users * size.items) * 2,
    }
    als = size.factors * (_ALS_PER_PAIR * size.pairs + _ALS_PER_ROW * rows) * size.iterations * size.als_fits
    kernel = 2.0 * size.items_with_events * landmarks * landmarks / _FLOPS
    network = _NETWORK_PER_ROW * min(size.network_rows, size.items_with_events) * size.network_passes
    two_cores = {
        "reading": _READ_PER_EVENT * size.events,
        "text": (_LOAD_MODEL + _PER_TEXT * size.texts + _PER_CHARACTER * size.characters) if size.texts else 0.0,
        "pictures": (_LOAD_MODEL + _PER_PICTURE * size.pictures) if size.pictures else 0.0,
        "factorization": als,
        "bridge": (kernel + network) * size.rounds,
        "choices": _SCORE_PER_CELL * min(size.validation_users, size.users) * size.items * _CHOICES,
    }
    # More cores than eight help less and less.
    speed = min(cores, 8) / 2
    time = {stage: seconds / speed for stage, seconds in two_cores.items()}
    training = sum(memory.values()) - memory["program and models"] - memory["reading events"]
    return Cost(
        memory_bytes=memory["program and models"] + max(memory["reading events"], training),
        seconds=sum(time.values()),
        cores=cores,
        memory_parts=memory,
        time_parts=time,
    )
