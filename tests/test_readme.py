"""What the README says can be typed is typed here, on the small shop that tests share."""

import json
import re
import runpy
import shlex
from pathlib import Path

import pandas
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: The README's ids and columns are those of the grocer or of nobody's shop; these stand in for them.
IN_THE_SMALL_SHOP = {
    '"995242"': '"00003"',
    '"1082185"': '"00009"',
    '"900"': '"c001"',
    "department = 'PRODUCE'": "kind = 'boot'",
    "grocer.bundle": "shop.bundle",
    "old.bundle": "shop.bundle",
    "ITEM,ITEM": "00003,00009",
    "ITEM": "00003",
    "USER": "c001",
    "--one-per brand": "--one-per colour",
}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def small(text):
    for there, here in IN_THE_SMALL_SHOP.items():
        text = text.replace(there, here)
    return text


@pytest.fixture
def here(trained_shop, tmp_path, monkeypatch):
    for path in trained_shop.iterdir():
        if path.name != "shop.toml":
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "shop.toml").write_text((trained_shop / "shop.toml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LONGTAIL_CACHE", str(trained_shop / "cache"))
    return tmp_path


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_examples_run(number, here, capsys):
    (here / "shop.bundle").unlink()
    (here / "shop.bundle").symlink_to((here / "events.csv").resolve().parent / "shop.bundle")
    code = small(blocks("python")[number]).replace('save("shop.bundle")', 'save("saved.bundle")')
    events = pandas.read_csv(here / "events.csv", dtype=str)
    names = {"events": events}
    exec(compile(code, f"README block {number}", "exec"), names)
    assert len(names["shop"].bundle.items if "shop" in names else names["items"]) >= 10
    assert ("item_id" in capsys.readouterr().out) == ("to_arrow" in code)


def test_commands_run(here, run, judge_in_browser):
    commands = next(block for block in blocks("sh") if "longtail init" in block)
    (here / "item.json").write_text('{"item_id": "n", "name": "a red boot", "kind": "boot"}')
    ran = 0
    for line in commands.splitlines():
        words = shlex.split(small(line), comments=True)
        if not words or words[0] != "longtail":
            continue
        if words[1] in ("init", "train"):
            words = [word.replace("shop.", "other.") if word.startswith("shop.") else word for word in words]
            if words[1] == "train":
                words[2] = "shop.toml"
        if words[1] == "judge":
            words.append("--page")  # there is no terminal
        run(*words[1:])
        ran += 1
    assert ran >= 9


def test_every_page_that_is_linked_exists():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\S+)", "\n".join(blocks("sh")), flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_table_of_results_is_what_was_measured():
    script = runpy.run_path(str(ROOT / "benchmarks" / "quality" / "readme.py"))
    assert script["placed"](README, script["documents"]()) == README


def test_the_page_of_results_is_what_was_measured():
    script = runpy.run_path(str(ROOT / "benchmarks" / "quality" / "protocols.py"))
    page = script["RESULTS"] / "README.md"
    found = {name: script["RESULTS"] / f"{name}.json" for name in script["SHOPS"]}
    documents = {name: json.loads(path.read_text("utf-8")) for name, path in found.items() if path.exists()}
    documents = {name: document for name, document in documents.items() if "about" in document}
    if not documents:
        assert not page.exists()
        return
    assert script["page"](documents) == page.read_text(encoding="utf-8")
