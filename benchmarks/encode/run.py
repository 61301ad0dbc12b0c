"""Items per second of longtail's encoders against the forward pass of the same model alone, on the same items.

    python benchmarks/encode/run.py [--texts FILE] [--pictures FOLDER] [--n-texts 3000] [--n-pictures 320]
                                    [--threads 1] [--repeats 3] [--json FILE]

Texts are the lines of FILE, left out: product texts of Complete Journey (needs ``longtail[demo]``). Pictures are the
``.jpg`` files below FOLDER, left out: drawn garments of the boutique. longtail's time is everything from text or file
to vector: cleaning and tokenising, reading and decoding. The forward pass alone gets tokens (length-sorted batches of
32, padded) or decoded pixels (batches of 32), all prepared before the clock starts. The two alternate; medians are
shown, of processor time too, since on a busy machine wall time says little.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from longtail.content.cleaning import clean_column
from longtail.content.picture_model import PictureModel, find_weights, load_backbone
from longtail.content.pictures import decode
from longtail.content.sentence_model import SentenceModel, best_device, find_model, hash_model
from longtail.data.datasets import boutique, complete_journey

BATCH = 32
WARM = 64


@dataclass(frozen=True)
class Measured:
    what: str
    items: int
    wall: float
    processor: float

    @property
    def rate(self) -> float:
        return self.items / self.wall


def alternate(n: int, repeats: int, ways: dict[str, Callable[[], None]]) -> list[Measured]:
    times: dict[str, list[tuple[float, float]]] = {what: [] for what in ways}
    for _ in range(repeats):
        for what, run in ways.items():
            wall, processor = time.perf_counter(), time.process_time()
            run()
            times[what].append((time.perf_counter() - wall, time.process_time() - processor))
    return [
        Measured(what, n, statistics.median(wall for wall, _ in found), statistics.median(cpu for _, cpu in found))
        for what, found in times.items()
    ]


def texts_of(file: Path | None, n: int) -> list[str]:
    if file is not None:
        return file.read_text(encoding="utf-8").splitlines()[:n]
    table = pq.read_table(complete_journey.products(), columns=["product_type", "product_category", "department"])
    rows = sorted({". ".join(filter(None, row.values())) for row in table.to_pylist()})
    return [rows[at] for at in np.random.default_rng(0).permutation(len(rows))[:n]]


def measure_texts(texts: list[str], repeats: int) -> list[Measured]:
    folder = find_model(None, allow_network=False)
    device, precision = best_device()
    model = SentenceModel(folder, hash_model(folder), precision, device)

    def ours() -> None:
        cleaned = clean_column(pa.array(texts)).to_pylist()
        ids, _ = model.tokenize([text or "" for text in cleaned])
        for _ in model.encode(ids):
            pass

    raw = model._loaded
    ids = sorted(model.tokenize(texts)[0], key=len)
    padded = [
        raw.tokenizer.pad({"input_ids": ids[at : at + BATCH]}, return_tensors="pt") for at in range(0, len(ids), BATCH)
    ]

    def alone() -> None:
        narrow = torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16")
        with torch.inference_mode(), narrow:
            for batch in padded:
                raw({key: value.to(device) for key, value in batch.items()})["sentence_embedding"].float().cpu()

    return alternate(len(texts), repeats, {f"texts, longtail ({precision})": ours, "texts, forward pass alone": alone})


def measure_pictures(files: list[Path], repeats: int) -> list[Measured]:
    weights = find_weights(None, allow_network=False)
    model = PictureModel(weights, weights.hash)

    def ours() -> None:
        for _ in model.encode(len(files), lambda at: files[at].read_bytes()):
            pass

    raw = load_backbone(weights).to(memory_format=torch.channels_last)
    side = raw.pretrained_cfg["input_size"][-1]
    pixels = torch.from_numpy(np.stack([decode(file.read_bytes(), side) for file in files]))
    pixels = pixels.permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)

    def alone() -> None:
        with torch.inference_mode():
            for start in range(0, len(pixels), BATCH):
                raw(pixels[start : start + BATCH])

    return alternate(len(files), repeats, {"pictures, longtail": ours, "pictures, forward pass alone": alone})


def drawn(folder: str, n: int) -> list[Path]:
    boutique.write(folder, n_items=n + 2, n_users=10)
    return sorted(Path(folder, "images").glob("g*.jpg"))[:n]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--n-texts", type=int, default=3000)
    parser.add_argument("--n-pictures", type=int, default=320)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    texts = texts_of(arguments.texts, arguments.n_texts)
    measure_texts(texts[:WARM], 1)
    results = measure_texts(texts, arguments.repeats)
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(arguments.pictures.rglob("*.jpg")) if arguments.pictures else drawn(folder, arguments.n_pictures)
        files = [files[at] for at in np.random.default_rng(0).permutation(len(files))[: arguments.n_pictures]]
        measure_pictures(files[:WARM], 1)
        results += measure_pictures(files, arguments.repeats)

    print(f"{'':34}{'items':>7}{'items/s':>9}{'ms of processor':>17}{'share of raw':>14}{'by processor':>14}")
    for ours, alone in zip(results[::2], results[1::2], strict=True):
        for one in (ours, alone):
            shares = f"{ours.rate / alone.rate:>14.0%}{alone.processor / ours.processor:>14.0%}" if one is ours else ""
            print(f"{one.what:34}{one.items:>7}{one.rate:>9.1f}{1000 * one.processor / one.items:>17.1f}{shares}")
    if arguments.json:
        about: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
        about |= {"threads": arguments.threads, "results": [asdict(one) for one in results]}
        arguments.json.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
