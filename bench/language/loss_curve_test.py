"""The curves of losses."""

import tempfile
import unittest
from pathlib import Path

import language_for_tests  # noqa: F401
import loss_curve


class LossCurveTest(unittest.TestCase):
    def test_logs_of_several_processes_are_read_by_time(self):
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in ("a", "b")]
            logs = [loss_curve.Log(file) for file in files]
            for loss in (3.0, 2.0, 1.0):
                logs[loss == 2.0].add(loss)
            with files[0].open("a") as file:
                file.write("[12.5, 0.")  # The process was killed here.
            loss_curve.Log(files[0]).add(0.5)
            self.assertEqual([loss for _, loss in loss_curve.read(files)], [3.0, 2.0, 1.0, 0.5])

    def test_points_are_means_of_neighbours(self):
        losses = [(float(i), float(i)) for i in range(120)]
        made = loss_curve.curve(losses, 10)
        self.assertEqual(len(made), 60)
        self.assertEqual(made[:2], [(10, 0.5), (30, 2.5)])
        self.assertEqual(loss_curve.curve([], 10), [])

    def test_a_moment_is_where_so_many_tokens_were_computed(self):
        losses = [(1.0, 4.0), (2.0, 3.0), (4.0, 2.0)]
        self.assertEqual(loss_curve.tokens_at(losses, 3.0, 10), 20)


if __name__ == "__main__":
    unittest.main()
