#!/usr/bin/env python3
"""Workloads without a gradient, while an operator interferes: servers and workers
are added and removed, the job is rolled back, all processes end and the run is
resumed. The audit is exact. Where a result does not depend on the order of
pushes, it is that of an undisturbed run, to the bit.

  workloads_test.py BIN_FOLDER [TEST...]
"""
import os
import random
import signal
import sys
import unittest

from background_run import BackgroundRun
from exported import read_tensors
from job_test_case import JobTestCase
from topic_counts import check_counts

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"

COMMON = """
partitions: 6
checkpoint: {every: 100ms}
oracle: {width: 2}
"""


def table(rows):
    """Three classes of points, which overlap."""
    draw = random.Random(5)
    lines = []
    for i in range(rows):
        point = [round(draw.gauss(i % 3 * (1 + j % 2), 1.2), 3)
                 for j in range(6)]
        lines.append(",".join(map(str, [*point, i % 3])))
    return "\n".join(lines) + "\n"


class Workload:
    """The tests of each workload. Its subclasses are test cases, too."""
    programs = BIN
    # In rounds, a job goes back to a round. Else it goes back by versions.
    back = ["--versions-ago", "2"]
    exact = True
    # Long enough that a busy machine moves all partitions meanwhile. At the
    # end more workers come, so that the job does not take all of it.
    batch_time = "80ms"
    # How many positions every partition has before something is done.
    a_while = 0

    @classmethod
    def setUpClass(cls):
        cls.make_data({"job.yaml": f"name: work\n{cls.job}{COMMON}"})
        cls.more_data()
        cls.quiet = None

    @classmethod
    def more_data(cls):
        with open(os.path.join(cls.data, "rows.csv"), "w") as file:
            file.write(table(cls.rows))

    def begin(self):
        """Returns the run when it has gone on for a while."""
        run = BackgroundRun(self, BIN, self.copy_of_data(), "work",
                            batch_time=self.batch_time)
        run.start("--workers", "2", "--servers", "2")
        self.go_on(run, 0)
        return run

    def go_on(self, run, before):
        run.wait(lambda: run.least_mark() > before + self.a_while,
                 "it does not train")

    def undisturbed(self):
        """The report and the tensors of one worker and one server."""
        if type(self).quiet is None:
            folder = self.copy_of_data()
            report, _ = self.run_to_the_end(
                folder, "job.yaml", "--workers", "1", "--servers", "1")
            self.export(folder)
            type(self).quiet = report, read_tensors(
                os.path.join(folder, "model.safetensors"))
        return self.quiet

    def check_result(self, run):
        run.ends(0)
        report = run.report()
        self.assertTrue(report["passed"], report)
        self.assertTrue(report["audit"]["exact"], report["audit"])
        self.assertTrue(report["audit"]["oracle_exact"], report["audit"])
        self.assertEqual(report["restarts"]["total"], 0, run.said())
        quiet, tensors = self.undisturbed()
        self.assertEqual(report["audit"]["applied"],
                         quiet["audit"]["applied"])
        self.export(run.path(""), "--force")
        found = read_tensors(run.path("model.safetensors"))
        self.assertEqual(
            {name: (one.shape, one.dtype) for name, one in found.items()},
            {name: (one.shape, one.dtype) for name, one in tensors.items()})
        if self.exact:
            self.assertEqual(found, tensors)
        self.check_quality(report)
        return report

    def check_quality(self, report):
        pass

    def test_while_its_partitions_move(self):
        run = self.begin()
        run.scale(4, 1)
        run.scale(1, 2)
        run.scale(3, 6)
        self.check_result(run)

    def test_rolled_back_while_it_trains_and_when_it_is_complete(self):
        run = self.begin()
        self.go_on(run, self.a_while)
        before = run.status()["jobs"][0]["generation"]
        said = run.good("checkpoint", "rollback", "work", *self.back)
        job = run.status()["jobs"][0]
        self.assertGreater(job["generation"], before, said)
        self.assertIn("an operator said so", job["rolled_back"])
        run.good("scale", "work", "--workers", "6")
        self.assertEqual(self.check_result(run)["rollbacks"], 1)
        # Complete, it opens again.
        run.environment["EBB_BATCH_TIME"] = "0s"
        run.start("--resume", *self.back)
        report = self.check_result(run)
        self.assertIn("an operator said so", report["rolled_back"])
        self.assertEqual(report["rollbacks"], 1)

    def test_resumed_after_all_processes_ended(self):
        run = self.begin()
        run.process.send_signal(signal.SIGTERM)
        run.ends(130)
        run.start("--resume")
        self.go_on(run, self.a_while)
        run.process.kill()
        run.ends(-signal.SIGKILL)
        run.all_end()
        run.environment["EBB_BATCH_TIME"] = "0s"
        run.start("--resume")
        self.check_result(run)


class ForestTest(Workload, JobTestCase):
    job = """
model: {kind: forest, trees: 60}
data: {train: {csv: rows.csv}, split: 0.2}
"""
    rows = 600
    batch_time = "400ms"
    a_while = 5

    def check_quality(self, report):
        self.assertGreater(report["accuracy"], 0.7)
        self.assertEqual(report["forest"]["trees"], 60)


class KMeansTest(Workload, JobTestCase):
    job = """
model: {kind: kmeans, clusters: 5}
data: {train: {csv: rows.csv}}
algorithm: {tolerance: 0, max_rounds: 12}
train: {batch: 40, item_examples: 80}
"""
    rows = 600
    back = ["--to-round", "3"]
    a_while = 600 * 2

    def check_quality(self, report):
        self.assertEqual(report["inertia"], self.undisturbed()[0]["inertia"])


class KMeansRestartsTest(Workload, JobTestCase):
    job = """
model: {kind: kmeans, clusters: 5, restarts: 60}
data: {train: {csv: rows.csv}}
"""
    rows = 600
    batch_time = "400ms"
    a_while = 5

    def check_quality(self, report):
        self.assertEqual(report["runs"], self.undisturbed()[0]["runs"])


class BoostedTest(Workload, JobTestCase):
    job = """
model: {kind: boosted_trees, trees: 8, depth: 3, bins: 16, row_share: 0.8}
data: {train: {csv: rows.csv}, split: 0.2}
train: {batch: 40, item_examples: 80}
evaluate: 8 epochs
"""
    rows = 600
    back = ["--to-round", "3"]
    a_while = 480 * 4

    def check_quality(self, report):
        self.assertGreater(report["accuracy"], 0.7)


class TopicsTest(Workload, JobTestCase):
    job = """
model: {kind: lda, topics: 4}
data:
  train: {bags: {path: news.train.bags, vocabulary: news.train.words}}
  test: {bags: news.test.bags}
train: {epochs: 20, batch: 40, item_examples: 80}
evaluate: 10 epochs
consistency: {kind: rounds, examples: epoch}
"""
    rows = 600
    back = ["--to-round", "2"]
    a_while = 600 * 2

    @classmethod
    def more_data(cls):
        cls.generate("documents", "news", "--rows", str(cls.rows),
                     "--test-rows", "100", "--topics", "4", "--vocabulary",
                     "150", "--words", "40")


class GibbsTest(TopicsTest):
    job = TopicsTest.job.replace(
        "consistency: {kind: rounds, examples: epoch}", "algorithm: gibbs")
    back = Workload.back
    # Draws depend on which documents were drawn before.
    exact = False

    def check_result(self, run):
        report = super().check_result(run)
        check_counts(self, run.path("news.train.bags"),
                     read_tensors(run.path("model.safetensors")))
        return report

    def check_quality(self, report):
        quiet, _ = self.undisturbed()
        self.assertLess(report["evaluations"][-1]["perplexity"],
                        2 * quiet["evaluations"][-1]["perplexity"])


class WordsTest(Workload, JobTestCase):
    job = """
model: {kind: word_vectors, dim: 8}
data:
  train: {text: {path: lines.train.txt, document: line}}
  test: {text: lines.test.txt}
train: {epochs: 3, item_examples: 32}
"""
    rows = 1500
    exact = False
    a_while = 400

    @classmethod
    def more_data(cls):
        cls.generate("analogies", "lines", "--rows", str(cls.rows),
                     "--test-rows", "100", "--first", "4", "--second", "4",
                     "--fillers", "20")

    def check_quality(self, report):
        quiet, _ = self.undisturbed()
        self.assertLess(report["loss"], 1.05 * quiet["loss"])


if __name__ == "__main__":
    unittest.main()
