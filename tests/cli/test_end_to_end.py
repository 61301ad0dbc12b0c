"""A small shop from two CSV files to answers, by the commands a user types."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import longtail
from longtail.cli.main import app
from longtail.core.errors import DataError

KINDS = ("rope", "lamp", "tent", "boot", "mug", "map")


def test_check_counts_what_was_refused(run, trained_shop):
    report = json.loads(run("check", trained_shop / "shop.toml", "--json"))
    assert report["events"]["refused"] == 1
    assert report["catalog"]["accepted"] == 120


def test_similar_items_share_the_kind_and_keep_leading_zeros(run, trained_shop):
    answer = json.loads(run("similar", trained_shop / "shop.bundle", "00003", "-k", "5", "--json"))
    assert len(answer["results"]) == 5
    kinds = [row["title"].split()[1] for row in answer["results"]]
    assert kinds.count("boot") >= 4
    assert all(len(row["item_id"]) == 5 for row in answer["results"])


def test_an_item_without_events_is_predicted_and_lands_among_its_kind(run, trained_shop):
    answer = json.loads(run("similar", trained_shop / "shop.bundle", "00115", "-k", "5", "--json"))
    kinds = [row["title"].split()[1] for row in answer["results"]]
    assert kinds.count(KINDS[115 % 6]) >= 4
    bundle = longtail.Recommender.load(trained_shop / "shop.bundle").bundle
    row = bundle.items.row("00115")
    assert bundle.n_interactions[row] == 0
    np.testing.assert_array_equal(bundle.item_vectors[row], bundle.predictions[row])


def test_recommendations_obey_filters_and_leave_out_what_was_seen(run, trained_shop):
    answer = json.loads(
        run(
            "recommend",
            trained_shop / "shop.bundle",
            "c001",
            "-k",
            "8",
            "--where",
            "colour = 'red' and price < 40",
            "--json",
        )
    )
    bundle = longtail.Recommender.load(trained_shop / "shop.bundle").bundle
    seen = set(bundle.items.take(bundle.history[[bundle.users.row("c001")]].indices))
    assert answer["results"]
    assert not seen & {row["item_id"] for row in answer["results"]}
    assert all(row["title"].startswith("red") for row in answer["results"])


def test_somebody_unknown_gets_answers_from_a_history(run, trained_shop):
    answer = json.loads(run("recommend", trained_shop / "shop.bundle", "--history", "00000,00006", "-k", "4", "--json"))
    kinds = [row["title"].split()[1] for row in answer["results"]]
    assert kinds.count("rope") >= 3


def test_a_new_item_is_read_by_the_encoders_of_training(run, trained_shop):
    new = {"item_id": "n1", "name": "blue lamp no 900", "kind": "lamp", "colour": "blue", "price": "19"}
    (trained_shop / "new.json").write_text(json.dumps(new))
    answer = json.loads(
        run("similar", trained_shop / "shop.bundle", "--new", trained_shop / "new.json", "-k", "5", "--json")
    )
    kinds = [row["title"].split()[1] for row in answer["results"]]
    assert kinds.count("lamp") >= 4


def test_a_value_of_a_new_item_that_cannot_be_read_is_said(run, trained_shop, tmp_path):
    (tmp_path / "new.json").write_text(json.dumps({"name": "blue lamp", "kind": "lamp", "price": "cheap"}))
    answer = json.loads(run("similar", trained_shop / "shop.bundle", "--new", tmp_path / "new.json", "--json"))
    assert answer["note"].startswith("price: 1 item of 1 with a value that does not read as a price")
    assert answer["results"]


def test_an_item_that_is_read_again_lands_where_it_was(run, trained_shop):
    recommender = longtail.Recommender.load(trained_shop / "shop.bundle")
    row = next(
        row for row in csv.DictReader((trained_shop / "products.csv").open(encoding="utf-8")) if row["sku"] == "00115"
    )
    recommender.add_items([{**row, "sku": "again"}])
    bundle = recommender.bundle
    again, before = bundle.items.row("again"), bundle.items.row("00115")
    # Features are equal to the bit; a matrix product of one row may round otherwise than one of many.
    np.testing.assert_allclose(bundle.item_vectors[again], bundle.item_vectors[before], atol=2e-6)
    np.testing.assert_allclose(bundle.content[again], bundle.content[before], atol=2e-6)


def test_the_same_recipe_gives_the_same_bundle(run, trained_shop):
    run("train", trained_shop / "shop.toml", "-o", trained_shop / "second.bundle", "--cache", trained_shop / "cache")
    first, second = (longtail.Recommender.load(trained_shop / name).bundle for name in ("shop.bundle", "second.bundle"))
    np.testing.assert_array_equal(first.item_vectors, second.item_vectors)
    np.testing.assert_array_equal(first.user_factors, second.user_factors)


def test_evaluate_prints_every_method_and_writes_json(run, trained_shop):
    run("evaluate", trained_shop / "shop.toml", "--json", trained_shop / "result.json", "--resamples", "100")
    document = json.loads((trained_shop / "result.json").read_text())
    assert document["skipped"] == {}
    (result,) = document["results"]
    assert result["methods"] == ["popularity", "content kNN", "ALS", "article", "longtail"]


def test_interrupted_training_leaves_the_old_bundle_as_it_was(run, trained_shop, monkeypatch):
    before = {path.name: path.read_bytes() for path in (trained_shop / "shop.bundle").iterdir()}

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("longtail.pipeline.publishable", interrupt)
    result = CliRunner().invoke(
        app, ["train", str(trained_shop / "shop.toml"), "-o", str(trained_shop / "shop.bundle")]
    )
    assert result.exit_code != 0
    assert {path.name: path.read_bytes() for path in (trained_shop / "shop.bundle").iterdir()} == before


def test_errors_are_one_message_that_names_the_nearest(run, trained_shop, capsys, monkeypatch):
    from longtail.cli.main import main

    monkeypatch.setattr("sys.argv", ["longtail", "similar", str(trained_shop / "shop.bundle"), "3"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "'00003'" in capsys.readouterr().err


def test_an_index_is_built_into_the_bundle_and_unknown_kinds_are_told_before_training(
    run, trained_shop, tmp_path, monkeypatch
):
    bundle = longtail.Recommender.load(trained_shop / "shop.bundle").bundle
    trained = []
    monkeypatch.setattr("longtail.pipeline.train", lambda *_, **__: trained.append(1) or bundle)
    with pytest.raises(DataError, match="exact, hnsw"):
        CliRunner().invoke(
            app,
            ["train", str(trained_shop / "shop.toml"), "-o", str(tmp_path / "a.bundle"), "--index", "hnws"],
            catch_exceptions=False,
        )
    assert not trained
    pytest.importorskip("voyager")
    run("train", trained_shop / "shop.toml", "-o", tmp_path / "b.bundle", "--index", "hnsw")
    assert (tmp_path / "b.bundle" / "index_user_item.safetensors").exists()
    assert longtail.Recommender.load(tmp_path / "b.bundle").similar_items("00003", k=3).item_ids
