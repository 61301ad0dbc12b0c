import pytest

from longtail.cli.console import RichProgress, print_json


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
