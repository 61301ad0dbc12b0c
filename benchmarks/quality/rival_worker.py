"""Tune and train one rival: rival_worker.py NAME PROBLEM OUT, in the rival's own environment.

A rival is trained on the items that somebody took; the others, new ones among them, get what it says of them by their
content alone. Settings are walked axis by axis, on each as long as it gets better, until none does or the processor
time is spent, on the problem's training pairs; they are scored on its validation pairs by the geometric mean of
NDCG@10 for all items and for new items among themselves, over 1,500 users.
"""

import sys
import time

import numpy as np
from scipy import sparse

K = 10
#: Seconds of processor time after which no further setting is tried.
BUDGET = 300


def irspack(train, content, new, factors):
    """Feature-aware iALS: a linear prior inside ALS.

    A new item is the prior, or what the model solves it to where all users passed it by.
    """
    from irspack.recommenders import IALSRecommender

    def fit(alpha0, reg, nu, weight):
        model = IALSRecommender(
            sparse.csr_matrix(train), n_components=factors, alpha0=alpha0, reg=reg, nu=nu, train_epochs=16,
            item_features=content, lambda_item_feature=weight, n_threads=2,
        ).learn()  # fmt: skip
        users, items = model.get_user_embedding(), model.get_item_embedding()
        yield {"new": "prior"}, users, items, model.trainer.transform_item_feature(new)
        yield {"new": "solved"}, users, items, model.compute_item_embedding_from_features(new)

    return fit, {
        "alpha0": (0.033, (0.0004, 0.0012, 0.0037, 0.011, 0.033, 0.1, 0.3, 0.9, 2.7)),
        "reg": (0.009, (0.0003, 0.001, 0.003, 0.009, 0.027, 0.08, 0.24)),
        "nu": (1.0, (0.5, 1.0)),
        "weight": (1.0, (0.01, 0.1, 1.0, 10.0, 100.0)),
    }


def cmfrec(train, content, new, factors):
    """Collective factorisation of the pairs and of the items' content.

    A new item is solved from its content alone, or with all users having passed it by, which is what the library's
    ``item_factors_cold`` does item by item; here it is done for all at once.
    """
    from cmfrec import CMF_implicit

    def fit(alpha, penalty, weight):
        model = CMF_implicit(
            k=factors, lambda_=penalty, alpha=alpha, w_item=weight, niter=10, nthreads=2, verbose=False,
            random_state=0, precompute_for_predictions=False, produce_dicts=False,
        ).fit(sparse.coo_matrix(train), I=content)  # fmt: skip
        users, items, loadings = model.A_, model.B_, model.D_.astype(np.float64)
        told = weight * loadings.T @ (new - model._I_colmeans).T
        alone = weight * loadings.T @ loadings + penalty * np.eye(factors)
        yield {"new": "alone"}, users, items, np.linalg.solve(alone, told).T
        yield {"new": "passed by"}, users, items, np.linalg.solve(alone + users.T @ users, told).T

    return fit, {
        "alpha": (10.0, (1.0, 3.0, 10.0, 30.0, 100.0)),
        "weight": (10.0, (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)),
        "penalty": (5.0, (0.6, 1.25, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)),
    }


def lightfm(train, content, new, factors):
    """Hybrid WARP: an item is the sum of its own embedding and those of its content; a new item has the latter."""
    from lightfm import LightFM

    n_items = train.shape[1]
    features = sparse.hstack([sparse.identity(n_items), sparse.csr_matrix(content)]).tocsr().astype(np.float32)
    pairs = sparse.coo_matrix(train)

    def fit(rate):
        model = LightFM(no_components=factors, loss="warp", learning_rate=rate, random_state=0)
        for epochs in (5, 5, 10, 10):
            model.fit_partial(pairs, item_features=features, epochs=epochs, num_threads=2)
            biases, items = model.get_item_representations(features)
            vectors = np.hstack([items, biases[:, None]])
            parts = np.hstack([model.item_embeddings, model.item_biases[:, None]])[n_items:]
            users = model.get_user_representations()[1]
            yield {"epochs": epochs}, np.hstack([users, np.ones((len(users), 1))]), vectors, new @ parts

    return fit, {"rate": (0.05, (0.01, 0.02, 0.05, 0.1))}


def search(fit, grid, score, keep):
    """Walk the axes from the first value of each; every fit may have several results. True: the time ended it."""
    setting, found, spent = {name: first for name, (first, _) in grid.items()}, {}, []

    def value_of(candidate):
        key = tuple(candidate.values())
        if key not in found:
            found[key] = -1.0
            if time.process_time() > BUDGET and len(found) > 1:
                print("the processor time is spent", flush=True)
                spent.append(True)
                return -1.0
            for further, *vectors in fit(**candidate):
                vectors = [np.asarray(one, np.float32) for one in vectors]
                value = score(*vectors)
                print(f"{candidate | further}: {value:.4f}", flush=True)
                keep(*vectors, candidate | further, value)
                found[key] = max(found[key], value)
        return found[key]

    best, before = value_of(setting), -1.0
    while best > before:
        before = best
        for name, (_, values) in grid.items():
            for step in (1, -1):
                at = values.index(setting[name]) + step
                while 0 <= at < len(values) and value_of({**setting, name: values[at]}) > best:
                    setting = {**setting, name: values[at]}
                    best, at = value_of(setting), at + step
    return bool(spent)


def ndcg(scores, relevant):
    """Mean over users with relevant items; NaN without any."""
    top = np.argsort(-scores, axis=1)[:, :K]
    gain = 1 / np.log2(np.arange(2, K + 2))
    values = []
    for row, shown in enumerate(top):
        wanted = relevant.indices[relevant.indptr[row] : relevant.indptr[row + 1]]
        if len(wanted):
            values.append((np.isin(shown, wanted) * gain[: len(shown)]).sum() / gain[: min(K, len(wanted))].sum())
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
    elsewhere = new.copy()  # held out for the test: neither right nor wrong here
    elsewhere[columns] = False

    def score(users, items):
        scores = users[people] @ items.T
        cold = ndcg(scores[:, columns], of_new) if len(columns) else float("nan")
        scores[known.nonzero()] = -np.inf
        scores[:, elsewhere] = -np.inf
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
        content, new, factors = file["content"].astype(np.float32), file["new"], int(file["factors"])
        score = judge(train, scored, new, float(file["new_share"]))
    taken = np.bincount(train.indices, minlength=shape[1]) > 0
    best, tried = -1.0, 0

    def whole(of_taken, of_new):
        items = np.zeros((shape[1], of_taken.shape[1]), np.float32)
        items[taken], items[~taken] = of_taken, of_new
        return items

    def keep(users, of_taken, of_new, setting, value):
        nonlocal best, tried
        tried += 1
        if value > best:
            best = value
            np.savez(out, users=users, items=whole(of_taken, of_new), setting=str(setting), value=value)

    fit, grid = globals()[name](train[:, taken], content[taken], content[~taken], factors)
    stopped = search(fit, grid, lambda users, *items: score(users, whole(*items)), keep)
    with np.load(out) as file:
        kept = dict(file)
    np.savez(out, **kept, tried=tried, stopped=stopped)


if __name__ == "__main__":
    main(*sys.argv[1:])
