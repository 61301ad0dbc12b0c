"""Memory and time of full ranking: every item scored for every user, in blocks, none of them sampled.

python benchmarks/quality/full_ranking.py                    100,000 users x 100,000 items, 64 factors
python benchmarks/quality/full_ranking.py --users 1000       fewer users take as much memory
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from longtail.core.buckets import LABELS, bucket_of
from longtail.evaluate.full_ranking import rank_each
from longtail.evaluate.metrics import exposure_share, gini_at_k
from longtail.evaluate.score import score


def peak_mib() -> float:
    """The most memory this process has held, in MiB. Where the system tells: ru_maxrss begins with the parent's."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    held = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(held.split()[1]) / 1024


def measure(
    n_users: int, n_items: int, factors: int, k: int = 10, seen_each: int = 20, seed: int = 0
) -> dict[str, Any]:
    """Rank all items and their tail for all users with the pairs they have seen left out, and measure the result."""
    rng = np.random.default_rng(seed)
    users = rng.standard_normal((n_users, factors), np.float32)
    columns = np.ascontiguousarray(rng.standard_normal((n_items, factors), np.float32).T)
    taken = sparse.csr_array(
        (np.ones(n_users * seen_each, np.float32), rng.integers(0, n_items, n_users * seen_each, np.int32),
         np.arange(n_users + 1) * seen_each), shape=(n_users, n_items),
    )  # fmt: skip
    taken.sum_duplicates()
    relevant = sparse.csr_array(
        (np.ones(n_users, np.bool_), rng.integers(0, n_items, n_users), np.arange(n_users + 1)),
        shape=(n_users, n_items),
    )
    counts = np.bincount(taken.indices, minlength=n_items)
    tail = counts < 20
    warm = np.arange(min(2, n_users))
    rank_each(lambda rows: users[rows] @ columns, warm, k, [tail], seen=taken)  # compiled before it is watched
    held = peak_mib()
    started, used = time.perf_counter(), time.process_time()
    whole, of_tail = rank_each(
        lambda rows: users[rows] @ columns, np.arange(n_users), k, [np.ones(n_items, np.bool_), tail], seen=taken
    )
    ranked = time.perf_counter() - started
    scores = score(whole, relevant, k)
    exposure_share(of_tail, bucket_of(counts), len(LABELS), k)
    gini_at_k(whole, np.ones(n_items, np.bool_), k)
    assert len(scores.users) == n_users
    return {
        "users": n_users,
        "items": n_items,
        "factors": factors,
        "held before ranking, MiB": round(held),
        "peak, MiB": round(peak_mib()),
        "ranking, s": round(ranked, 1),
        "processor, s": round(time.process_time() - used, 1),
        "scores of all users at once, MiB": round(n_users * n_items * 4 / 2**20),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--factors", type=int, default=64)
    given = parser.parse_args()
    print(json.dumps(measure(given.users, given.items, given.factors)))
