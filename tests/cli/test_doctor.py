from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from longtail.cli import environment
from longtail.cli.doctor import doctor
from longtail.cli.environment import Finding

app = typer.Typer()
app.command()(doctor)


def by_name(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_python_and_libraries() -> None:
    found = by_name(environment._python())
    assert found["Python"].status == "ok"
    assert sys.version.split()[0] in found["Python"].value
    assert {"numpy", "duckdb", "safetensors"} <= found.keys()


def test_a_missing_library_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "library_versions", lambda: {"numpy": "2"})
    found = by_name(environment._python())
    assert (found["duckdb"].status, found["numpy"].status) == ("problem", "ok")
    assert "pip install" in found["duckdb"].advice


def test_scarce_memory_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "memory", lambda: (3 * 1024**3, 1024**3))
    assert by_name(environment._memory())["memory"].status == "note"
    monkeypatch.setattr(environment, "memory", lambda: (8 * 1024**3, 6 * 1024**3))
    assert by_name(environment._memory())["memory"].status == "ok"


def test_every_optional_package_is_looked_for() -> None:
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = declared["optional-dependencies"].keys() - {"all", "dev"}
    assert environment.EXTRAS.keys() == extras


def test_settings_that_slow_things_down_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NUMBA_DISABLE_JIT", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(environment, "usable_cores", lambda: 4)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    found = by_name(environment._settings())
    assert found["OPENBLAS_CORETYPE"].status == "note"
    assert "unset" in found["OPENBLAS_CORETYPE"].advice
    assert found["OPENBLAS_NUM_THREADS"].status == "note"
    assert "NUMBA_DISABLE_JIT" not in found


def test_slow_blas_kernels_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = {
        "user_api": "blas",
        "internal_api": "openblas",
        "version": "0.3",
        "architecture": "Prescott",
        "num_threads": 64,
        "filepath": "/x/scipy.libs/a.so",
    }
    monkeypatch.setattr(environment.threadpoolctl, "threadpool_info", lambda: [pool])
    found = by_name(environment._blas())
    assert found["BLAS of scipy"].status == "note"
    assert "GFLOP/s" in found["BLAS speed"].value


def test_extras_missing_and_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken_extra.py").write_text("raise OSError('no such library')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        environment,
        "EXTRAS",
        {"good": (("json",), "x"), "none": (("no_such_module",), "y"), "bad": (("broken_extra",), "z")},
    )
    found = by_name(environment._extras())
    assert [found[f"extra {name}"].status for name in ("good", "none", "bad")] == ["ok", "note", "problem"]
    assert "longtail[none]" in found["extra none"].advice
    assert "no such library" in found["extra bad"].value


def test_cache_directory_falls_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert environment._cache_directory(str(tmp_path / "source.py")) == str(tmp_path / "__pycache__")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    assert environment._cache_directory(str(tmp_path / "source.py")) == str(tmp_path / "mine")
    monkeypatch.setattr(environment.os, "access", lambda path, mode: False)
    assert environment._cache_directory(str(tmp_path / "source.py")) is None


def test_an_examination_that_fails_becomes_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def ill() -> Iterator[Finding]:
        raise RuntimeError("ouch")
        yield

    for name in ("_extras", "_gpu", "_blas", "_numba"):
        monkeypatch.setattr(environment, name, lambda: iter(()))
    monkeypatch.setattr(environment, "_cores", ill)
    ill.__name__ = "_cores"
    found = by_name(iter(environment.examine()))
    assert "ouch" in found["cores"].value
    assert found["longtail"].status == "ok"


@pytest.mark.parametrize(
    ("status", "options", "code"),
    [("ok", [], 0), ("note", [], 0), ("note", ["--strict"], 1), ("problem", [], 1), ("problem", ["--json"], 1)],
)
def test_exit_code_and_forms(
    monkeypatch: pytest.MonkeyPatch, status: environment.Status, options: list[str], code: int
) -> None:
    monkeypatch.setattr("longtail.cli.environment.examine", lambda: [Finding("thing", "value", status, "do this")])
    result = CliRunner().invoke(app, options)
    assert result.exit_code == code
    if "--json" in options:
        assert json.loads(result.stdout) == [{"name": "thing", "value": "value", "status": status, "advice": "do this"}]
    else:
        assert "do this" in result.stdout


@pytest.mark.slow
def test_this_machine_has_no_problem() -> None:
    assert not [finding for finding in environment.examine() if finding.status == "problem"]
