"""Names of tables that files and job files cannot have as they are."""

import itertools
import json

import pytest

from ebb.job_file import as_file
from ebb.table_names import decoded, encoded

ODD = ["a/b", "a b", "<user>", "a~2Fb", "~", "é", ".a", "a..b", 'a"b', "a\\b", "a\nb", "a:b", "日本"]


@pytest.mark.parametrize("name", ["a", "layer1.weight", "A-b_c.9", "a.", "0"])
def test_plain_names_stay_as_they_are(name):
    assert encoded(name) == name == decoded(name)


@pytest.mark.parametrize("name", ODD)
def test_others_come_back(name):
    made = encoded(name)
    assert decoded(made) == name
    assert all(c.isalnum() and c.isascii() or c in "._-~" for c in made) and made[0] != "."


@pytest.mark.parametrize("name", ["~41", "a~2E", "~5F", "~FF", "~C3", "~ED~A0~80", "a~2f~"])
def test_each_has_one_spelling(name):
    """Bug: ~41 was A, and ~FF some sign of replacement. The daemons take neither."""
    assert decoded(name) == name


def test_no_two_names_are_the_same():
    names = {"".join(part) for n in (1, 2, 3) for part in itertools.product("a~/2F.", repeat=n)}
    assert len({encoded(name) for name in names}) == len(names)


def test_a_job_has_them_in_all_places():
    tables = {"a/b": {"dims": [2]}, "c": {"dims": [3]}}
    job = {
        "name": "a/b",
        "model": {"kind": "program", "tables": tables, "sparse_tables": {"x y": {"width": 2}}},
        "tables": {"a/b": {"optimizer": "sgd"}},
    }
    with as_file(job, {}) as (path, names):
        with open(path, encoding="utf-8") as file:
            written = json.load(file)
    assert written["name"] == "a/b"
    assert list(written["model"]["tables"]) == ["a~2Fb", "c"]
    assert list(written["model"]["sparse_tables"]) == ["x~20y"]
    assert list(written["tables"]) == ["a~2Fb"]
    assert dict(names)["a\\~2Fb"] == "a/b"
    assert "c" not in dict(names)
