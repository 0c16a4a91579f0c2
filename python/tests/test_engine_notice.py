"""A machine that is about to end takes no new program."""

import pytest

import ebb
from ebb.engine import Engine


# Bug: the engine waited until the notice was gone, and outlived its program.
def test_no_engine_joins_during_a_notice(monkeypatch, tmp_path):
    notice = tmp_path / "notice"
    notice.write_text("now")
    monkeypatch.setenv("EBB_NOTICE_FILE", str(notice))
    with pytest.raises(ebb.errors.Unavailable, match="no engine joins while there is"):
        Engine.join("127.0.0.1:1", "digits")
