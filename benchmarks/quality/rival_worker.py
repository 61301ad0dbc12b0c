"""Tune and train one rival: rival_worker.py NAME PROBLEM OUT, in the rival's own environment.

Settings are tried axis by axis on the problem's training pairs and scored on its validation pairs, by the geometric
mean of NDCG@10 for all items and for new items among themselves, over 1,500 users.
"""

import os
import sys

import numpy as np
from scipy import sparse

K = 10


def irspack(train, content, factors):
    """Feature-aware iALS: a linear prior inside ALS; new items by their features alone."""
    from irspack.recommenders import IALSRecommender

    empty = np.bincount(train.indices, minlength=train.shape[1]) == 0

    def fit(alpha0, reg, weight):
        model = IALSRecommender(
            sparse.csr_matrix(train), n_components=factors, alpha0=alpha0, reg=reg, train_epochs=16,
            item_features=content, lambda_item_feature=weight, n_threads=2,
        ).learn()  # fmt: skip
        items = model.get_item_embedding().copy()
        items[empty] = model.trainer.core_trainer.transform_item_feature(content[empty])
        return model.get_user_embedding(), items

    grid = {"alpha0": (0.033, 0.0037, 0.0111, 0.1), "reg": (0.009, 0.003, 0.027), "weight": (1.0, 0.1, 10.0)}
    return fit, grid


def cmfrec(train, content, factors):
    """Collective factorisation of the pairs and of the items' content."""
    from cmfrec import CMF_implicit

    def fit(penalty, alpha, weight):
        model = CMF_implicit(
            k=factors, lambda_=penalty, alpha=alpha, w_item=weight, niter=10, nthreads=2, verbose=False
        ).fit(sparse.coo_matrix(train), I=content)
        return model.A_, model.B_

    return fit, {"penalty": (5.0, 1.0, 20.0), "alpha": (1.0, 10.0), "weight": (1.0, 10.0)}


def lightfm(train, content, factors):
    """Hybrid WARP: an item is the sum of its own embedding and those of its features."""
    from lightfm import LightFM

    n_items = train.shape[1]
    features = sparse.hstack([sparse.identity(n_items), sparse.csr_matrix(content)]).tocsr().astype(np.float32)

    def fit(rate, epochs):
        model = LightFM(no_components=factors, loss="warp", learning_rate=rate, random_state=0)
        model.fit(sparse.coo_matrix(train), item_features=features, epochs=epochs, num_threads=2)
        item_bias, items = model.get_item_representations(features)
        _, users = model.get_user_representations()
        ones = np.ones((len(users), 1), np.float32)
        return np.hstack([users, ones]), np.hstack([items, item_bias[:, None]])

    return fit, {"rate": (0.05, 0.02), "epochs": (10, 30)}


def search(fit, grid, score, keep):
    """One axis after the other from the first value of each, once round."""
    best, setting = -1.0, {name: values[0] for name, values in grid.items()}
    for number, (name, values) in enumerate(grid.items()):
        for value in values if number == 0 else values[1:]:
            candidate = {**setting, name: value}
            users, items = (np.asarray(one, np.float32) for one in fit(**candidate))
            found = score(users, items)
            print(f"{candidate}: {found:.4f}", flush=True)
            if found > best:
                best, chosen = found, candidate
                keep(users, items, candidate, found)
        setting = chosen


def ndcg(scores, relevant):
    """Mean over users with relevant items; NaN without any."""
    top = np.argsort(-scores, axis=1)[:, :K]
    gain = 1 / np.log2(np.arange(2, K + 2))
    values = []
    for row, shown in enumerate(top):
        wanted = relevant.indices[relevant.indptr[row] : relevant.indptr[row + 1]]
        if len(wanted):
            values.append((np.isin(shown, wanted) * gain).sum() / gain[: min(K, len(wanted))].sum())
    return float(np.mean(values)) if values else float("nan")


def judge(train, scored, new, share):
    """A function that scores users' and items' vectors on validation."""
    rng = np.random.default_rng(0)
    people = np.flatnonzero((np.diff(scored.indptr) > 0) & (np.diff(train.indptr) > 0))
    people = np.sort(rng.choice(people, min(1500, len(people)), replace=False))
    wanted, known = scored[people], train[people]
    columns = np.flatnonzero(new & (np.bincount(scored.indices, minlength=len(new)) > 0))
    thinned = wanted.copy()
    thinned.data = ((~new[thinned.indices]) | (rng.random(thinned.nnz) < share)).astype(np.float32)
    thinned.eliminate_zeros()
    of_new = sparse.csr_matrix(wanted[:, columns])

    def score(users, items):
        scores = users[people] @ items.T
        cold = ndcg(scores[:, columns], of_new) if len(columns) else float("nan")
        scores[known.nonzero()] = -np.inf
        overall = ndcg(scores, thinned)
        return overall if np.isnan(cold) else float(np.sqrt(overall * cold))

    return score


def main(name, problem, out):
    """Write the vectors of the best setting."""
    with np.load(problem) as file:
        shape = tuple(file["shape"])
        train, scored = (
            sparse.csr_matrix(tuple(file[f"{part}_{key}"] for key in ("data", "indices", "indptr")), shape=shape)
            for part in ("train", "scored")
        )
        content, new, factors = file["content"], file["new"], int(file["factors"])
        score = judge(train, scored, new, float(file["new_share"]))
    tried = 0

    def keep(users, items, setting, value):
        # Beside and then in its place: the process may be stopped at any time.
        part = f"{out}.new.npz"
        np.savez(part, users=users, items=items, setting=str(setting), value=value, tried=tried)
        os.replace(part, out)

    def counted(users, items):
        nonlocal tried
        tried += 1
        return score(users, items)

    fit, grid = globals()[name](train, content.astype(np.float32), factors)
    search(fit, grid, counted, keep)


if __name__ == "__main__":
    main(*sys.argv[1:])
