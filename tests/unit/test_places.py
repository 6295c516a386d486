"""Folders of the machine are told by name, wherever they stand in a record."""

from __future__ import annotations

from pathlib import Path

from pytest_modelcompat.runner.places import Places


def test_the_longest_folder_wins_and_the_rest_stays() -> None:
    places = Places(cache=Path("/c/cache"), cell=Path("/c/cache/work/run-1/abc"))
    told = places.told(
        {
            "message": "no /c/cache/work/run-1/abc/files/m.onnx, see /c/cache/locks and /c/other",
            "where": ["/c/cache", 3, None],
            "exit_code": 0,
        }
    )
    assert told == {
        "message": "no $CELL/files/m.onnx, see $CACHE/locks and /c/other",
        "where": ["$CACHE", 3, None],
        "exit_code": 0,
    }


def test_the_home_folder_is_a_tilde(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Places().told("/home/somebody/.x/lib") == "~/.x/lib"
    monkeypatch.setenv("HOME", "/")
    assert Places().told("/usr/lib") == "/usr/lib"
