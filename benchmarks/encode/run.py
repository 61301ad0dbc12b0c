"""Items per second of longtail's encoders against the forward pass of the same model alone, on the same items.

    python benchmarks/encode/run.py [--texts FILE] [--pictures FOLDER] [--n-texts 160 1500 3900] [--n-pictures 320]
                                    [--threads 1] [--repeats 3] [--json FILE]
    python benchmarks/encode/run.py --show FILE      (the tables of an earlier run as Markdown)

What modalities bring is measured by modalities.py.

Texts are the lines of FILE, left out: product texts of Complete Journey (needs ``longtail[demo]``). Pictures are the
``.jpg`` files below FOLDER, left out: drawn garments of the boutique. longtail's time is everything from text or file
to vector: cleaning and tokenising, reading and decoding. The forward pass alone gets tokens (length-sorted batches of
32, padded) or decoded pixels (batches of 32), all prepared before the clock starts. The two alternate; medians are
shown, of processor time too, since on a busy machine wall time says little. Beside it: the cosine of each text's vector
in bf16 to the one in fp32.
"""

from __future__ import annotations

import argparse
import json
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
from machine import about

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

    return alternate(len(texts), repeats, {f"texts, longtail ({precision})": ours, "texts, forward pass": alone})


def cosines(texts: list[str]) -> dict[str, float]:
    """Of vectors in bf16 to those in fp32: the least, one in a hundred, the mean."""
    folder = find_model(None, allow_network=False)
    found = []
    for precision in ("fp32", "bf16"):
        model = SentenceModel(folder, hash_model(folder), precision, "cpu")
        ids, _ = model.tokenize(texts)
        rows: dict[int, Any] = {}
        for positions, vectors in model.encode(ids):
            rows.update(zip(positions.tolist(), vectors.astype(np.float64), strict=True))
        matrix = np.stack([rows[at] for at in range(len(texts))])
        found.append(matrix / np.linalg.norm(matrix, axis=1, keepdims=True))
    cosine = (found[0] * found[1]).sum(axis=1)
    return {
        "texts": len(texts),
        "least": float(cosine.min()),
        "hundredth": float(np.quantile(cosine, 0.01)),
        "mean": float(cosine.mean()),
    }


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

    return alternate(len(files), repeats, {"pictures, longtail": ours, "pictures, forward pass": alone})


def drawn(folder: str, n: int) -> list[Path]:
    boutique.write(folder, n_items=n + 2, n_users=10)
    return sorted(Path(folder, "images").glob("g*.jpg"))[:n]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--n-texts", type=int, nargs="+", default=[160, 1500, 3900])
    parser.add_argument("--n-pictures", type=int, default=320)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", type=Path)
    arguments = parser.parse_args()
    if arguments.show:
        print(show(json.loads(arguments.show.read_text(encoding="utf-8"))))
        return
    torch.set_num_threads(arguments.threads)

    texts = texts_of(arguments.texts, max(arguments.n_texts))
    measure_texts(texts[:WARM], 1)
    results = [one for n in arguments.n_texts for one in measure_texts(texts[:n], arguments.repeats)]
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(arguments.pictures.rglob("*.jpg")) if arguments.pictures else drawn(folder, arguments.n_pictures)
        files = [files[at] for at in np.random.default_rng(0).permutation(len(files))[: arguments.n_pictures]]
        measure_pictures(files[:WARM], 1)
        results += measure_pictures(files, arguments.repeats)

    found = {"about": about(), "threads": arguments.threads, "repeats": arguments.repeats}
    found |= {"results": [asdict(one) for one in results], "cosine": cosines(texts[:1000])}
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(show(found))


def show(found: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["about"]["versions"].items())
    lines = [
        f"Machine: {found['about']['machine']}; commit {found['about']['commit']}; {versions}; threads "
        f"{found['threads']}; medians of {found['repeats']}.",
        "",
        "| | items | items/s | ms of processor an item | share of the forward pass | by processor time |",
        "| :-- | --: | --: | --: | --: | --: |",
    ]
    results = [Measured(**one) for one in found["results"]]
    for ours, alone in zip(results[::2], results[1::2], strict=True):
        for one in (ours, alone):
            shares = [f"{ours.rate / alone.rate:.0%}", f"{alone.processor / ours.processor:.0%}"]
            cells = [f"{one.items:,}", f"{one.rate:.1f}", f"{1000 * one.processor / one.items:.1f}"]
            lines.append(f"| {one.what} | {' | '.join([*cells, *(shares if one is ours else ('', ''))])} |")
    cosine = found["cosine"]
    lines += [
        "",
        f"Cosine of bf16 to fp32 over {cosine['texts']:,} texts: least {cosine['least']:.5f}, one in a hundred below "
        f"{cosine['hundredth']:.5f}, mean {cosine['mean']:.5f}.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
