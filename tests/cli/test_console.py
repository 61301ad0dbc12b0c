import os
import subprocess
import sys

import pytest

from longtail.cli.console import RichProgress, print_json, print_json_file
from longtail.core.errors import DataError


def test_without_a_terminal_each_finished_task_is_one_line(capsys):
    with RichProgress() as progress:
        with progress.task("reading", total=10) as task:
            task.advance(4)
            task.say("4 rows [bold]")
        progress.note("chose [1, 2]")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "reading: " in captured.err
    assert "4 rows [bold]" in captured.err
    assert "chose [1, 2]" in captured.err


def test_json_keeps_ids_as_they_are_and_refuses_nan(capsys):
    print_json({"item_id": "007 Ö"})
    assert '"007 Ö"' in capsys.readouterr().out
    with pytest.raises(ValueError, match="JSON"):
        print_json(float("nan"))


def test_a_file_that_cannot_be_written_is_an_error_that_says_so(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="no folder"):
        print_json_file(tmp_path / "nowhere" / "x.json", {})

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.write_text", refuse)
    with pytest.raises(DataError, match="Permission denied"):
        print_json_file(tmp_path / "x.json", {})


def test_the_command_starts_without_the_libraries_that_take_their_time():
    script = (
        "import sys\nimport longtail.cli.main\n"
        "loaded = {'numpy', 'scipy', 'pyarrow', 'duckdb', 'numba', 'torch', 'pandas'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_request_to_end_removes_what_is_temporary(tmp_path):
    script = (
        "import os, signal, time\n"
        "from longtail.cli import main\n"
        "from longtail.data.database import Database\n"
        "def work():\n"
        "    database = Database()\n"
        "    assert os.listdir(os.environ['TMPDIR'])\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(30)\n"
        "main.app = work\n"
        "main.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert done.returncode == 143
    assert list(tmp_path.iterdir()) == []
