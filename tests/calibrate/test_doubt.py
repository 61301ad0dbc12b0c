"""How far candidates are doubted: chosen where noise stands near every question, and not where nothing is gained."""

import numpy as np
from scipy import sparse

from longtail.calibrate.doubt import choose_doubt
from longtail.calibrate.model import Fusion
from longtail.calibrate.similar_queries import draw_queries

GROUPS, GOOD, NOISE = 6, 10, 40


def shop():
    """Groups of items taken together; beside each, items nobody takes, with vectors as near as those of its own."""
    rng = np.random.default_rng(0)
    group = np.concatenate([np.repeat(np.arange(GROUPS), GOOD), np.repeat(np.arange(GROUPS), NOISE)])
    vectors = (np.eye(GROUPS)[group] + rng.normal(0, 0.1, (len(group), GROUPS))).astype(np.float32)
    n = np.concatenate([np.full(GROUPS * GOOD, 12), np.zeros(GROUPS * NOISE, int)])
    taken = np.zeros((60, len(group)), np.float32)
    for user in range(60):
        taken[user, (user % GROUPS) * GOOD + rng.choice(GOOD, 4, replace=False)] = 1
    return sparse.csr_array(taken), vectors, rng.normal(size=(len(group), 4)).astype(np.float32), n


def chosen(doubts):
    taken, vectors, content, n = shop()
    return choose_doubt(taken, vectors, vectors, content, n, Fusion(), tail_below=20, doubts=doubts)


def test_items_nobody_took_are_doubted_where_they_crowd_out_the_right_ones():
    fusion, curve = chosen((0.0, 0.5))
    assert fusion.similar_doubt == 0.5
    assert curve[1]["ndcg"] > 1.5 * curve[0]["ndcg"]
    assert curve[1]["lift"] > 1.5 * curve[0]["lift"]


def test_of_equals_the_smallest():
    taken, vectors, content, n = shop()
    n[:] = 12  # all the same: doubt changes no order
    fusion, curve = choose_doubt(taken, vectors, vectors, content, n, Fusion(), tail_below=20, doubts=(0.0, 1.0))
    assert fusion.similar_doubt == 0.0
    assert len(curve) == 2


def test_next_to_nothing_to_choose_by():
    taken, vectors, content, n = shop()
    nothing = sparse.csr_array(taken.shape, dtype=np.float32)
    fusion = Fusion(similar_weight=0.3, similar_doubt=0.25)
    found = choose_doubt(nothing, vectors, vectors, content, n, fusion, tail_below=20, doubts=(0.0, 1.0))
    assert found == (Fusion(similar_weight=0.3), [])


def test_trust_is_all_without_doubt_and_grows_with_interactions():
    n = np.array([0, 1, 9])
    np.testing.assert_array_equal(Fusion().trust(n), 1.0)
    np.testing.assert_allclose(Fusion(similar_doubt=1.0).trust(n), [1 / 2, 2 / 3, 10 / 11], rtol=1e-6)


def test_queries_count_what_was_taken_together_without_the_item_itself():
    taken = sparse.csr_array(np.array([[1, 1, 0], [5, 1, 0], [0, 0, 0]], np.float32))
    asked = draw_queries(taken, np.array([True, False, True]))
    assert asked.items.tolist() == [0]
    assert asked.n_users == 2
    np.testing.assert_array_equal(asked.together.toarray(), [[0, 2, 0]])
