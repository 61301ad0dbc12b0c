"""A small shop from two CSV files to answers, by the commands a user types."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import longtail
from longtail.cli.main import app

KINDS = ("rope", "lamp", "tent", "boot", "mug", "map")
COLOURS = ("red", "blue", "green")


def write_shop(folder):
    """150 users who each like two kinds of things; 120 items, the last 12 with no events at all."""
    rng = np.random.default_rng(7)
    items = [
        {
            "sku": f"{number:05d}",
            "name": f"{COLOURS[number % 3]} {KINDS[number % 6]} no {number}",
            "kind": KINDS[number % 6],
            "colour": COLOURS[number % 3],
            "price": f"{5 + number % 6 * 10 + number % 7}",
        }
        for number in range(120)
    ]
    events = []
    for user in range(150):
        liked = rng.choice(6, 2, replace=False)
        for _ in range(int(rng.integers(8, 25))):
            kind = rng.choice(liked) if rng.random() < 0.9 else rng.integers(6)
            number = int(kind + 6 * min(17, int(rng.exponential(5))))
            day = int(rng.integers(60))
            events.append(
                {
                    "customer": f"c{user:03d}",
                    "sku": f"{number:05d}",
                    "time": f"2026-0{1 + day // 30}-{1 + day % 28:02d} 10:00:00",
                    "what": str(rng.choice(["view", "purchase"], p=[0.7, 0.3])),
                }
            )
    events.append({"customer": "", "sku": "00001", "time": "2026-01-05 10:00:00", "what": "view"})
    for name, rows in (("products.csv", items), ("events.csv", events)):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder)
    run("init", folder / "events.csv", folder / "products.csv", "-o", folder / "shop.toml")
    text = (folder / "shop.toml").read_text()
    (folder / "shop.toml").write_text(text + "\n[als]\nfactors = 12\n")
    run("train", folder / "shop.toml", "-o", folder / "shop.bundle", "--cache", folder / "cache")
    return folder


def test_check_counts_what_was_refused(shop):
    report = json.loads(run("check", shop / "shop.toml", "--json"))
    assert report["events"]["refused"] == 1
    assert report["catalog"]["accepted"] == 120


def test_similar_items_share_the_kind_and_keep_leading_zeros(shop):
    answer = json.loads(run("similar", shop / "shop.bundle", "00003", "-k", "5", "--json"))
    assert len(answer["results"]) == 5
    kinds = [row["title"].split()[1] for row in answer["results"]]
    assert kinds.count("boot") >= 4
    assert all(len(row["item_id"]) == 5 for row in answer["results"])


def test_an_item_without_events_is_predicted_and_lands_among_its_kind(shop):
    answer = json.loads(run("similar", shop / "shop.bundle", "00115", "-k", "5", "--json"))
    kinds = [row["title"].split()[1] for row in answer["results"]]
    assert kinds.count(KINDS[115 % 6]) >= 4
    bundle = longtail.Recommender.load(shop / "shop.bundle").bundle
    row = bundle.items.row("00115")
    assert bundle.n_interactions[row] == 0
    np.testing.assert_array_equal(bundle.item_vectors[row], bundle.predictions[row])


def test_recommendations_obey_filters_and_leave_out_what_was_seen(shop):
    answer = json.loads(
        run("recommend", shop / "shop.bundle", "c001", "-k", "8", "--where", "colour = 'red' and price < 40", "--json")
    )
    bundle = longtail.Recommender.load(shop / "shop.bundle").bundle
    seen = set(bundle.items.take(bundle.history[[bundle.users.row("c001")]].indices))
    assert answer["results"]
    assert not seen & {row["item_id"] for row in answer["results"]}
    assert all(row["title"].startswith("red") for row in answer["results"])


def test_somebody_unknown_gets_answers_from_a_history(shop):
    answer = json.loads(run("recommend", shop / "shop.bundle", "--history", "00000,00006", "-k", "4", "--json"))
    kinds = [row["title"].split()[1] for row in answer["results"]]
    assert kinds.count("rope") >= 3


def test_a_new_item_is_read_by_the_encoders_of_training(shop):
    new = {"item_id": "n1", "name": "blue lamp no 900", "kind": "lamp", "colour": "blue", "price": "19"}
    (shop / "new.json").write_text(json.dumps(new))
    answer = json.loads(run("similar", shop / "shop.bundle", "--new", shop / "new.json", "-k", "5", "--json"))
    kinds = [row["title"].split()[1] for row in answer["results"]]
    assert kinds.count("lamp") >= 4


def test_an_item_that_is_read_again_gets_the_bits_it_got_in_training(shop):
    recommender = longtail.Recommender.load(shop / "shop.bundle")
    row = next(
        row for row in csv.DictReader((shop / "products.csv").open(encoding="utf-8")) if row["sku"] == "00115"
    )
    recommender.add_items([{**row, "sku": "again"}])
    bundle = recommender.bundle
    np.testing.assert_array_equal(
        bundle.item_vectors[bundle.items.row("again")], bundle.item_vectors[bundle.items.row("00115")]
    )
    np.testing.assert_array_equal(bundle.content[bundle.items.row("again")], bundle.content[bundle.items.row("00115")])


def test_the_same_recipe_gives_the_same_bundle(shop):
    run("train", shop / "shop.toml", "-o", shop / "second.bundle", "--cache", shop / "cache")
    first, second = (longtail.Recommender.load(shop / name).bundle for name in ("shop.bundle", "second.bundle"))
    np.testing.assert_array_equal(first.item_vectors, second.item_vectors)
    np.testing.assert_array_equal(first.user_factors, second.user_factors)


def test_evaluate_prints_every_method_and_writes_json(shop):
    run("evaluate", shop / "shop.toml", "--json", shop / "result.json", "--resamples", "100")
    document = json.loads((shop / "result.json").read_text())
    assert document["skipped"] == {}
    (result,) = document["results"]
    assert result["methods"] == ["popularity", "content kNN", "ALS", "article", "longtail"]


def test_interrupted_training_leaves_the_old_bundle_as_it_was(shop, monkeypatch):
    before = {path.name: path.read_bytes() for path in (shop / "shop.bundle").iterdir()}

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("longtail.pipeline.publishable", interrupt)
    result = CliRunner().invoke(app, ["train", str(shop / "shop.toml"), "-o", str(shop / "shop.bundle")])
    assert result.exit_code != 0
    assert {path.name: path.read_bytes() for path in (shop / "shop.bundle").iterdir()} == before


def test_errors_are_one_message_that_names_the_nearest(shop, capsys, monkeypatch):
    from longtail.cli.main import main

    monkeypatch.setattr("sys.argv", ["longtail", "similar", str(shop / "shop.bundle"), "3"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "'00003'" in capsys.readouterr().err
