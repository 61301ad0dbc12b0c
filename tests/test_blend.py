import numpy as np
import pytest
from scipy import sparse

from longtail.blend import blend, default_exposure, with_silent
from longtail.cf.als import AlsSettings, solve_items
from longtail.core.errors import DataError

D = 4


def world(counts, seed=0, n_users=2000):
    rng = np.random.default_rng(seed)
    users = rng.standard_normal((n_users, D)).astype(np.float32)
    columns = [rng.choice(n_users, n, replace=False) for n in counts]
    rows = np.concatenate(columns) if columns else np.zeros(0, int)
    items = np.repeat(np.arange(len(counts)), counts)
    matrix = sparse.csr_array((np.ones(len(rows), np.float32), (rows, items)), shape=(n_users, len(counts)))
    prior = rng.standard_normal((len(counts), D)).astype(np.float32)
    return matrix, users, prior, np.ones(len(counts), bool)


@pytest.mark.parametrize("nu", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("tau", [0.0, 0.3, 50.0])
def test_no_events_and_no_exposure_give_the_prediction_to_the_bit(nu, tau):
    matrix, users, prior, has = world([0, 3, 0])
    result = blend(matrix, users, prior, has, tau, AlsSettings(factors=D, frequency_scaling=nu), with_share=True)
    np.testing.assert_array_equal(result.vectors[[0, 2]], prior[[0, 2]])
    np.testing.assert_allclose(result.behaviour_share[[0, 2]], 0.0, atol=1e-6)


def test_many_events_let_go_of_the_prior():
    counts = [1, 10, 100, 1500]
    matrix, users, prior, has = world(counts)
    settings = AlsSettings(factors=D, regularization=0.001, unobserved_weight=0.01)
    alone = solve_items(matrix, users, settings).factors
    result = blend(matrix, users, prior, has, 1.0, settings, exposure=np.ones(4, np.float32), with_share=True)
    gap = np.linalg.norm(result.vectors - alone, axis=1) / np.linalg.norm(prior - alone, axis=1)
    assert gap[-1] < 0.02
    assert (np.diff(gap) < 0).all()
    assert (np.diff(result.behaviour_share) > 0).all()
    assert result.behaviour_share[-1] > 0.95


def test_equals_the_formula():
    matrix, users, prior, has = world([0, 2, 30, 200], n_users=300)
    settings = AlsSettings(factors=D, regularization=0.02, unobserved_weight=0.1, frequency_scaling=0.7, alpha=2.0)
    exposure = np.array([0.0, 0.3, 1.0, 1.0], np.float32)
    tau = 0.8
    result = blend(matrix, users, prior, has, tau, settings, exposure=exposure, with_share=True)
    U = users.astype(np.float64)
    base = 0.02 * (0.1 * 300) ** 0.7
    for item in range(4):
        mine = U[matrix[:, [item]].toarray()[:, 0] > 0]
        penalty = tau + 0.02 * (len(mine) + 0.1 * 300) ** 0.7 - base
        A = 0.1 * exposure[item] * U.T @ U + 2.0 * mine.T @ mine + penalty * np.eye(D)
        expected = np.linalg.solve(A, 2.0 * mine.sum(axis=0) + tau * prior[item])
        np.testing.assert_allclose(result.vectors[item], expected, atol=1e-4)
        predicted = np.linalg.solve(A, tau * prior[item])
        learned, content = np.linalg.norm(expected - predicted), np.linalg.norm(predicted)
        share = learned / (learned + content)
        assert result.behaviour_share[item] == pytest.approx(share, abs=1e-4)


def test_without_a_prediction_an_item_is_plain_als():
    matrix, users, prior, has = world([5, 5])
    has[1] = False
    settings = AlsSettings(factors=D)
    result = blend(matrix, users, prior, has, 5.0, settings)
    alone = solve_items(matrix, users, settings).factors
    np.testing.assert_allclose(result.vectors[1], alone[1], atol=1e-5)
    assert not np.allclose(result.vectors[0], alone[0], atol=1e-2)


def test_one_item_alone_equals_that_item_among_others():
    matrix, users, prior, has = world([3, 40, 0, 200])
    settings = AlsSettings(factors=D)
    whole = blend(matrix, users, prior, has, 1.0, settings).vectors
    for item in range(4):
        one = blend(sparse.csr_array(matrix[:, [item]]), users, prior[[item]], has[[item]], 1.0, settings).vectors
        np.testing.assert_allclose(one[0], whole[item], atol=1e-4)


def test_default_exposure_is_where_there_are_events():
    matrix, *_ = world([0, 1, 9])
    assert default_exposure(matrix).tolist() == [0, 1, 1]


def test_silent_items_on_sale_count_as_seen_and_new_ones_do_not():
    matrix = sparse.csr_array(np.array([[1, 0, 0, 1], [0, 0, 0, 1]], np.float32))
    new = np.array([False, False, True, False])
    given = np.array([0.5, 0, 0.9, 1], np.float32)
    np.testing.assert_allclose(with_silent(matrix, given, new, 1.0), [0.5, 1, 0, 1])
    np.testing.assert_allclose(with_silent(matrix, given, None, 0.0), [0.5, 0, 0, 1])
    np.testing.assert_allclose(with_silent(matrix, None, None, 1.0), [1, 1, 1, 1])


def test_refusals():
    matrix, users, prior, has = world([1, 1])
    with pytest.raises(DataError, match="precision of at least 0"):
        blend(matrix, users, prior, has, -1.0, AlsSettings(factors=D))
    with pytest.raises(DataError, match="prediction and a mask"):
        blend(matrix, users, prior[:1], has, 1.0, AlsSettings(factors=D))
