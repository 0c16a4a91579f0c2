"""How many sequences are lost and doubled, by logs."""

import tempfile
import unittest
from pathlib import Path

import language_for_tests  # noqa: F401
import line_log
import sequences
from sequences import Counted


class SequencesTest(unittest.TestCase):
    def test_each_once_is_neither_lost_nor_doubled(self):
        self.assertEqual(sequences.count([2, 0, 1], 3, 1), Counted(3, 0, 0))
        self.assertEqual(sequences.count([2, 0, 1, 1, 2, 0], 3, 2), Counted(6, 0, 0))

    def test_uses_that_are_missing_are_lost_and_those_beyond_are_doubled(self):
        self.assertEqual(sequences.count([0, 0, 0, 2], 3, 1), Counted(3, 1, 2))
        # One that was used once of two times is lost once.
        self.assertEqual(sequences.count([0, 1, 1], 2, 2), Counted(4, 1, 0))

    def test_a_line_that_was_cut_off_is_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "copy-0.used")
            log = line_log.Log(file)
            log.add([3, 1])
            log.add([2])
            file.write_text(file.read_text() + "[5, 6")
            self.assertEqual(sequences.read([file]), [3, 1, 2])
            # Bug: the first line of the replica that went on was lost with it.
            line_log.Log(file).add([7])
            self.assertEqual(sequences.read([file]), [3, 1, 2, 7])


if __name__ == "__main__":
    unittest.main()
