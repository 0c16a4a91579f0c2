"""The page of `ebb bench report`, and its charts."""

import unittest

from sections_for_tests import LEAST, needs_charts, row_of, section_of

from bench_figures import BenchFigures, Contestant
from performance_images import images
from performance_page import count_rows, page

EIGHT = "8 in flight"


def files_of(made):
    return [image.file for image in made]


class PerformancePageTest(unittest.TestCase):
    def test_it_says_where_what_and_whether_it_holds(self):
        text = page(
            [section_of("dense-grpc", row_of(f"push 4 MiB, {EIGHT}", "GB/s", 3.6, LEAST),
                        row_of(f"pull 4 MiB, {EIGHT}", "GB/s", 2, LEAST),
                        row_of("told", "GB/s", 1, None))], [], "performance-notes.md")
        for part in (
            "Machine: a machine, 2 cores; Linux 6.1, congestion control bbr, loopback; build "
            "Release.",
            "**1 of 2 rows hold.**",
            "## Title of dense-grpc\n\n`ebb bench dense-grpc`, today, commit abc, in 61 s.",
            "| push 4 MiB, 8 in flight | GB/s | 4 | 3.6 | 0.90 | 0.10–2.00 | ≥ 0.8 | holds |",
            "| 0.50 | 0.10–2.00 | ≥ 0.8 | **misses** |",
            "| told | GB/s | 4 | 1 | 0.25 | 0.10–2.00 |  |  |",
            # By how much, and where to read on.
            "| dense-grpc | pull 4 MiB, 8 in flight | GB/s | 0.50 | ≥ 0.8 | 38 % |",
            "](performance-notes.md)"):
            self.assertIn(part, text)

    def test_it_says_what_was_skipped(self):
        peers = section_of("peers")
        peers.figures = BenchFigures("peers", skipped="PyTorch is not installed")
        text = page([peers], [])
        self.assertIn("not measured: PyTorch is not installed", text)
        self.assertIn("**0 of 0 rows hold.**", text)
        self.assertNotIn("What misses", text)
        self.assertEqual(count_rows([peers]).benches_skipped, 1)

    @needs_charts
    def test_it_shows_its_images_and_contestants(self):
        peers = section_of("peers")
        peers.figures.contestants = [Contestant("ebb", 60000, 20, 0.87), Contestant("a|b", 20000, 40)]
        peers.figures.notes = ["a peer exited with 1"]
        made = images([peers])
        self.assertEqual(
            files_of(made),
            ["performance-speed.svg", "performance-cpu.svg", "performance-accuracy.svg"])
        text = page([peers], made)
        for part in (
            "](images/performance-speed.svg)", "| ebb | 60000 | 20.0 | 0.8700 |",
            "| a\\|b | 20000 | 40.0 |  |", "Not measured: a peer exited with 1"):
            self.assertIn(part, text)


@needs_charts
class PerformanceImagesTest(unittest.TestCase):
    def shows(self, image, *texts):
        for text in texts:
            self.assertIn(f">{text}<", image.svg)

    def test_one_of_each_thing_that_was_measured(self):
        made = images([
            section_of("kernels", row_of("sgd", "GB/s", 3, LEAST)),
            section_of(
                "dense-grpc", row_of(f"push 4 KiB, {EIGHT}", "GB/s", 1, None),
                row_of("push 4 MiB, 1 in flight", "GB/s", 2, LEAST),
                row_of(f"push 4 MiB, {EIGHT}", "GB/s", 3, LEAST),
                row_of(f"push 4 MiB, {EIGHT}", "CPU s/GB", 3, LEAST),
                row_of("push 4 KiB, acknowledged, p50", "us", 3, LEAST)),
            section_of("dense-bulk", row_of(f"push 4 MiB, {EIGHT}", "GB/s", 5, LEAST)),
            section_of("dense-shm", row_of(f"push 4 MiB, {EIGHT}", "GB/s", 8, LEAST))])
        self.assertEqual(
            files_of(made),
            ["performance-push.svg", "performance-push-cpu.svg", "performance-kernels.svg"])
        self.shows(made[0], "4 KiB", "4 MiB", "raw socket", "bulk stream", "shared memory")
        self.shows(made[2], "sgd")
        self.assertEqual(images([]), [])

    def test_tls_stands_beside_plain_text(self):
        made = images([section_of(
            "dense-tls", row_of(f"push 4 MiB, {EIGHT}", "GB/s", 1, None),
            row_of("push 4 MiB, 1 in flight", "CPU s/GB", 9, LEAST),
            row_of(f"push 4 MiB, {EIGHT}", "CPU s/GB", 1.5, LEAST),
            row_of(f"pull 16 MiB, {EIGHT}", "CPU s/GB", 1.25, LEAST))])
        self.assertEqual(files_of(made), ["performance-tls.svg"])
        self.shows(made[0], "push 4 MiB", "pull 16 MiB", "plain text", "mutual TLS")

    def test_bulk_streams_stand_beside_a_raw_socket_with_the_same_tls(self):
        made = images([section_of(
            "dense-bulk-tls", row_of(f"push 64 KiB, {EIGHT}", "CPU s/GB", 9, None),
            row_of(f"push 4 MiB, {EIGHT}", "CPU s/GB", 1.1, LEAST))])
        self.assertEqual(files_of(made), ["performance-bulk-tls.svg"])
        self.shows(made[0], "push 4 MiB", "raw TLS socket", "bulk stream")
        self.assertNotIn(">push 64 KiB<", made[0].svg)

    def test_rows_of_each_table_stand_beside_a_hash_map(self):
        made = images([
            section_of("sparse-grpc", row_of(f"push, {EIGHT}", "M rows/s", 1.5, LEAST),
                       row_of(f"pull, {EIGHT}", "M rows/s", 2, LEAST)),
            section_of("sparse-zipf", row_of(f"push, {EIGHT}", "M rows/s", 1, LEAST))])
        self.assertEqual(files_of(made), ["performance-rows.svg"])
        self.shows(
            made[0], "push gRPC", "pull gRPC", "push gRPC, Zipf 1.1", "hash map in one process",
            "ebb")

    def test_scaling_has_a_line_for_each_number_of_servers(self):
        made = images([section_of(
            "scaling", row_of("1 worker, 1 server", "examples/s", 4, None),
            row_of("2 workers, 1 server", "examples/s", 2, None),
            row_of("1 worker, 2 servers", "examples/s", 4, None),
            row_of("2 workers, 2 servers", "examples/s", 4, None))])
        self.assertEqual(files_of(made), ["performance-scaling.svg"])
        self.shows(made[0], "1 server", "2 servers", "1 worker", "2 workers")

    # 16 workers move 1.07 GB a second each way: 0.75 s of a core for a GB.
    def test_saturation_is_of_what_the_server_took(self):
        dense = section_of("dense-grpc")
        dense.figures.server_cpu = {"push 16 MiB, 8 in flight": 0.5}
        self.assertEqual(images([dense]), [])
        dense.figures.server_cpu["pull 16 MiB, 8 in flight"] = 0.25
        made = images([dense])
        self.assertEqual(files_of(made), ["performance-saturation.svg"])
        self.shows(made[0], "of 4 cores", "64 MiB", "0.201", "0.859")


if __name__ == "__main__":
    unittest.main()
