#!/usr/bin/env python3
"""`ebb bench`: recovery, moves, scaling, algorithms, dense, sparse, checkpoint,
data and goodput, short: that they measure what they say, in the right order, and that nothing is
ten times too slow.

  bench_test.py BIN_FOLDER
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 240
KILLS = 2
# The pages need it for their charts.
CHARTS = subprocess.run(["/usr/bin/python3", "-c", "import matplotlib"],
                        stderr=subprocess.DEVNULL).returncode == 0
needs_charts = unittest.skipUnless(CHARTS, "no python3-matplotlib")


class BenchTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.mkdtemp(prefix="ebb_bench_test_")
        self.addCleanup(shutil.rmtree, scratch)
        # Its neighbour ../shared would be looked at for data.
        self.folder = os.path.join(scratch, "folder")
        os.mkdir(self.folder)

    def bench(self, *arguments):
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), "bench", *arguments, "--json"],
            cwd=self.folder, text=True, timeout=LIMIT_S,
            env={**os.environ, "TMPDIR": self.folder},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(ran.returncode, 0, ran.stderr + ran.stdout)
        # Of a run that is good nothing is left.
        self.assertEqual(os.listdir(self.folder), [])
        return json.loads(ran.stdout), ran.stderr

    def test_recovery(self):
        result, said = self.bench("recovery", "--kills", str(KILLS),
                                  "--undisturbed", "1s")
        losses = {one["loss"]: one for one in result["losses"]}
        self.assertEqual(list(losses), [
            "worker killed", "worker stopped", "worker told to leave",
            "server killed", "scheduler killed"])
        for name, one in losses.items():
            self.assertEqual(one["times"], KILLS, name)
            for last in range(1, KILLS + 1):
                self.assertIn(f"{name}, {last} of {KILLS}: ", said)
            # Nothing is counted before somebody has it again; but a scheduler
            # is not needed for that.
            if name != "scheduler killed":
                self.assertGreaterEqual(one["recovery_s"]["p50"],
                                        one["resumed_s"]["p50"], name)
            self.assertGreater(one["recovery_s"]["p50"], 0, name)
            self.assertLess(one["recovery_s"]["max"], 35, name)
            if "required" in one:
                required = one["required"]
                self.assertLess(required["found_s"]["max"],
                                10 * required["at_most_s"], one)
        # A lease runs out, no sooner.
        self.assertGreater(losses["worker stopped"]["resumed_s"]["p50"], 1)
        self.assertEqual(result["doubled"], 0)
        self.assertGreater(result["undisturbed_examples_per_second"], 0)

    def test_moves(self):
        result, said = self.bench("moves", "--moves", "3",
                                  "--undisturbed", "1s")
        self.assertGreaterEqual(result["moves"], 3)
        self.assertIn("3 of 3 moves", said)
        paused, stored = result["paused_s"], result["stored_s"]
        # A copy is stored while nobody serves it.
        self.assertGreater(stored["p50"], 0)
        self.assertGreater(paused["max"], stored["max"])
        self.assertLess(result["paused_without_disk_s"]["p95"],
                        10 * result["at_most_s"])
        self.assertEqual(result["doubled"], 0)
        self.assertGreater(result["throughput_ratio"], 0)

    # How fast it is says nothing here; that it measures everything does.
    def test_scaling(self):
        # Workers so small may be between two ticks whenever the system counts
        # them; who spins is seen.
        spins = subprocess.Popen(
            ["nice", "-n", "19", sys.executable, "-c", "while True: pass"])
        self.addCleanup(spins.wait)
        self.addCleanup(spins.kill)
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), "bench", "scaling", "--servers", "1",
             "2", "--workers", "1", "2", "--seconds", "1s", "--batch-time",
             "50ms", "--model-kib", "64", "--json", "scaling.json"],
            cwd=self.folder, text=True, timeout=LIMIT_S,
            env={**os.environ, "TMPDIR": self.folder},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(ran.returncode, 0, ran.stderr + ran.stdout)
        self.assertEqual(os.listdir(self.folder), ["scaling.json"])
        self.assertIn("4 of 4: 2 servers, 2 workers", ran.stderr)
        result = json.loads(self.read("scaling.json"))
        self.assertEqual([row["what"] for row in result["rows"]],
                         ["1 worker, 1 server", "2 workers, 1 server",
                          "1 worker, 2 servers", "2 workers, 2 servers"])
        self.assertEqual(result["rows"][0]["ratio"], 1)
        points = result["points"]
        self.assertEqual([(p["servers"], p["workers"]) for p in points],
                         [(1, 1), (1, 2), (2, 1), (2, 2)])
        for point in points:
            # 8 examples in a batch, 20 batches in a second of each worker; two
            # may end just inside.
            most = 160 * point["workers"] * 1.2
            self.assertGreater(point["examples_per_second"], most / 10, point)
            self.assertLess(point["examples_per_second"], most, point)
            # The model down and up for each batch.
            self.assertGreater(point["bytes_per_second"], 0, point)
            self.assertGreater(point["busy"], 0.25 / os.cpu_count(), point)
            self.assertLessEqual(point["busy"], 1, point)

    # The results of algorithms are for the page; here, that each run is made,
    # once, counts every example once, and is in the page.
    def test_algorithms(self):
        def ebb(*arguments):
            ran = subprocess.run(
                [os.path.join(BIN, "ebb"), *arguments], cwd=self.folder,
                text=True, timeout=LIMIT_S, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE)
            self.assertEqual(ran.returncode, 0, ran.stderr + ran.stdout)
            return ran
        ebb("generate", "clusters", "blobs", "--rows", "4800", "--test-rows",
            "400", "--clusters", "4", "--dimensions", "6")
        ebb("generate", "clicks", "ads", "--rows", "4800", "--test-rows",
            "400", "--vocabulary", "10,100", "--rank", "0",
            "--interactions", "0")
        for name, model, kind, optimizer in [
                ("blobs", "softmax", "csv", "sgd"),
                ("ads", "sparse_logistic", "libsvm", "adagrad")]:
            with open(os.path.join(self.folder, name + ".yaml"), "w",
                      encoding="utf-8") as job:
                job.write(f"""
name: {name}
model: {model}
data:
  train: {{{kind}: {name}.train.{kind}}}
  test: {{{kind}: {name}.test.{kind}}}
optimizer: {{kind: {optimizer}}}
""")
        bench = ["bench", "algorithms", "--job", "blobs.yaml", "--sparse-job",
                 "ads.yaml", "--workers", "2", "--batch", "40", "--epochs",
                 "1", "--batch-time", "10ms", "--targets", "0.9", "0.68",
                 "--only", "asp", "adag", "geo", "--folder", "kept", "--page",
                 "page.md"]
        ran = ebb(*bench)
        names = ["fashion-asp-2", "fashion-adag-2", "clicks-asp-2",
                 "clicks-adag-2", "clicks-geo-2", "fashion-asp-2-churn",
                 "fashion-adag-2-churn", "clicks-asp-2-churn",
                 "clicks-adag-2-churn", "clicks-geo-2-churn",
                 "fashion-adag-2-every-16", "fashion-adag-2-every-64"]
        computed = 0
        for place, name in enumerate(names):
            self.assertIn(f"{place + 1} of {len(names)}, {name};", ran.stderr)
            one = json.loads(self.read(f"kept/{name}.json"))
            self.assertEqual(one["examples"], 4800, name)
            self.assertEqual((one["missing"], one["doubled"]), (0, 0), name)
            self.assertEqual(one["failure"], "", name)
            # 120 batches of 10 ms, of two workers.
            self.assertGreater(one["seconds"], 0.3, name)
            computed += one["worker_seconds"] - one["waited_seconds"]
            self.assertGreater(one["bytes"], 0, name)
            self.assertGreater(one["curve"][-1][1], 0, name)
            self.assertEqual(one["restarts"] > 0, one["churn"], name)
        # Workers say what they computed with their next heartbeat: of one
        # short run it may be known too late.
        self.assertGreater(computed, 0)
        # Fewer pushes, fewer bytes.
        self.assertLess(
            json.loads(self.read("kept/fashion-adag-2.json"))["bytes"],
            json.loads(self.read("kept/fashion-asp-2.json"))["bytes"])
        page = self.read("page.md")
        self.assertIn("0 examples missing, 0 doubled", page)
        for part in ("### 2 workers, under churn", "| adag, a push in 64 |",
                     "| geo |", "images/algorithms-fashion-waiting.svg",
                     "images/algorithms-clicks-sparse-examples.svg"):
            self.assertIn(part, page)
        images = os.path.join(self.folder, "images")
        for image in os.listdir(images):
            xml.etree.ElementTree.parse(os.path.join(images, image))
        # All of it is kept: the same figures again, without a run.
        kept = os.path.join(self.folder, "kept")
        before = {name: os.stat(os.path.join(kept, name)).st_mtime_ns
                  for name in os.listdir(kept)}
        ebb(*bench)
        self.assertEqual(before,
                         {name: os.stat(os.path.join(kept, name)).st_mtime_ns
                          for name in os.listdir(kept)})
        self.assertEqual(page, self.read("page.md"))

    def test_dense(self):
        file = os.path.join(self.folder, "dense.json")
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), "bench", "dense", "--quick",
             "--pairs", "1", "--json", file],
            text=True, timeout=LIMIT_S,
            env={**os.environ, "TMPDIR": self.folder},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(os.listdir(self.folder), ["dense.json"], ran.stderr)
        with open(file, encoding="utf-8") as text:
            result = json.load(text)
        self.assertEqual(ran.returncode, 0, "a look is no verdict")
        rows = {(row["what"], row["measure"]): row for row in result["rows"]}
        for direction in "push", "pull":
            for size in "1 MiB", "4 MiB", "16 MiB", "64 MiB":
                for flight in 1, 8:
                    what = f"{direction} {size}, {flight} in flight"
                    speed = rows[what, "GB/s"]
                    self.assertEqual(speed["at_least"],
                                     0.5 if size == "1 MiB" else 0.8)
                    self.assertEqual(speed["holds"],
                                     speed["ratio"] >= speed["at_least"])
                    self.assertGreater(rows[what, "CPU s/GB"]["ratio"], 0)
                    self.assertIn(what, ran.stdout)
        for size, most in ("4 KiB", 9), ("64 KiB", 7):
            latency = rows[f"push {size}, acknowledged, p50", "us"]
            self.assertEqual(latency["at_most"], most)
            self.assertGreater(latency["limit"], 0)
            self.assertGreater(latency["ratio"], 0)

    # How fast it is says nothing here; that both come to the same weights, it
    # checks itself.
    def test_sparse(self):
        for transport in "grpc", "shm":
            file = os.path.join(self.folder, "sparse.json")
            ran = subprocess.run(
                [os.path.join(BIN, "ebb"), "bench", "sparse", "--quick",
                 "--zipf", "1.1", "--transport", transport, "--json", file],
                text=True, timeout=LIMIT_S,
                env={**os.environ, "TMPDIR": self.folder},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(os.listdir(self.folder), ["sparse.json"],
                             ran.stderr)
            with open(file, encoding="utf-8") as text:
                result = json.load(text)
            self.assertEqual(ran.returncode, 0, "a look is no verdict")
            self.assertEqual(result["rows_in_table"], 50000)
            self.assertEqual([row["what"] for row in result["rows"]],
                             ["push, 8 in flight", "pull, 8 in flight"])
            for row in result["rows"]:
                self.assertEqual(row["at_least"],
                                 0.7 if transport == "shm" else 0.35)
                self.assertEqual(row["holds"],
                                 row["ratio"] >= row["at_least"])
                self.assertGreater(row["ours"], 0)
            for one in "push", "pull":
                self.assertGreater(
                    result[one]["server_cpu_seconds_per_million_rows"], 0)
            os.remove(file)

    def test_sparse_refuses_what_cannot_work(self):
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), "bench", "sparse", "--rows", "5000"],
            text=True, timeout=LIMIT_S,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(ran.returncode, 2, ran.stderr)
        self.assertIn("--message-rows is 1000", ran.stderr)

    # Its folder was left behind.
    def test_checkpoint(self):
        file = os.path.join(self.folder, "checkpoint.json")
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), "bench", "checkpoint", "--quick",
             "--folder", self.folder, "--json", file],
            text=True, timeout=LIMIT_S,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(os.listdir(self.folder), ["checkpoint.json"],
                         ran.stderr)
        with open(file, encoding="utf-8") as text:
            result = json.load(text)
        self.assertEqual(ran.returncode, 0, "a look is no verdict")
        measures = [row["measure"] for row in result["rows"]]
        self.assertEqual(measures, ["GB/s", "p99 ms", "MB until durable",
                                    "MB later", "MB until durable", "MB later",
                                    "p99 ms", "GB/s", "GB"])
        # Counted by the kernel, not timed: once, and no more. (Nothing where
        # the folder lies in memory.)
        written = result["rows"][2]
        if written["ours"] > 0:
            self.assertGreaterEqual(written["ratio"], 1)
        self.assertLessEqual(written["ratio"], written["at_most"])
        # Of rows what was pushed to is written, and no more.
        self.assertLessEqual(result["rows"][4]["ratio"],
                             result["rows"][4]["at_most"])

    # Without TensorFlow, Fashion-MNIST and a bucket, which are named.
    @needs_charts
    def test_data(self):
        kept = os.path.join(self.folder, "kept")
        page = os.path.join(self.folder, "page.md")
        with open(page, "w", encoding="utf-8") as text:
            text.write("# A page\n\nBy hand.\n")
        command = [os.path.join(BIN, "ebb"), "bench", "data", "--pairs", "1",
                   "--generated", "--python", "/bin/false", "--folder", kept]
        ran = subprocess.run(
            [*command, "--quick"], cwd=self.folder, text=True,
            timeout=LIMIT_S, env={**os.environ, "TMPDIR": self.folder},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(ran.returncode, 0, ran.stderr + ran.stdout)
        self.assertIn("tf.data: skipped", ran.stdout)
        self.assertIn("objects: skipped", ran.stdout)
        parts = {}
        for name in "table", "rows", "job", "objects":
            with open(os.path.join(kept, f"quick-{name}.json"),
                      encoding="utf-8") as text:
                parts[name] = json.load(text)
            self.assertNotIn("NaN", json.dumps(parts[name]))
        table = parts["table"]
        self.assertEqual(len(table["readings"]), 5 * 2 * 4)
        self.assertEqual(len(table["lines"]), 5 * 2 * 3)
        for reading in table["readings"]:
            self.assertGreater(reading["examples_per_second"], 0)
        for line in table["lines"]:
            self.assertGreaterEqual(line["r_squared"], 0)
            self.assertLessEqual(line["r_squared"], 1.0000001)
        required = {row["what"]: row.get("at_least")
                    for part in parts.values() for row in part["rows"]}
        for what, least in (
                ("JSON lines, 28 numbers", 0.5),
                ("Examples of TFRecord, a click log", 3),
                ("frames of TFRecord, 64 KiB each", 0.8),
                ("PNG files, 28x28 grey", 0.9), ("pack", 0.5),
                ("packed set, in order, cached", 0.9),
                ("packed set / TFRecord of JPEG, not cached", 5),
                ("packed, 1/8 of the data in memory / all in memory", 0.95)):
            self.assertEqual(required[what], least)
        for part in parts.values():
            for row in part["rows"]:
                self.assertGreater(row["ratio"], 0)

        # A page is made of figures that are there, and of no quick ones.
        for name in parts:
            os.rename(os.path.join(kept, f"quick-{name}.json"),
                      os.path.join(kept, f"{name}.json"))
        made = subprocess.run(
            [*command, "--page", page], cwd=self.folder, text=True,
            timeout=LIMIT_S, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(made.returncode, 0, made.stderr)
        with open(page, encoding="utf-8") as text:
            written = text.read()
        self.assertTrue(written.startswith(
            "# A page\n\nBy hand.\n\n## Measured\n"))
        for line in written.splitlines():
            if line.startswith("!["):
                image = line.split("](")[1].rstrip(")")
                xml.etree.ElementTree.parse(os.path.join(self.folder, image))
        self.assertIn("Skipped: no --bucket", written)
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["images", "kept", "page.md"])

    def test_dense_is_stopped(self):
        bench = subprocess.Popen(
            [os.path.join(BIN, "ebb"), "bench", "dense", "--quick"],
            text=True, env={**os.environ, "TMPDIR": self.folder},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(bench.wait)
        self.addCleanup(bench.kill)
        while "pair 1 of 3" not in bench.stderr.readline():
            self.assertIsNone(bench.poll())
        self.assertEqual(len(os.listdir(self.folder)), 1)
        bench.send_signal(signal.SIGTERM)
        bench.stderr.read()
        self.assertEqual(bench.wait(LIMIT_S), 130)
        self.assertEqual(os.listdir(self.folder), [])

    def report(self, *arguments):
        """Runs in the test's folder; the code and what it said."""
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), "bench", "report", *arguments],
            cwd=self.folder, text=True, timeout=LIMIT_S,
            env={**os.environ, "TMPDIR": self.folder},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return ran.returncode, ran.stdout + ran.stderr

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()

    def figures(self, ratio):
        """Writes those of a benchmark that was run before."""
        self.write("kept/kernels.json", json.dumps({
            "machine": "a machine", "commit": "abc", "rows": [{
                "what": "sgd", "measure": "GB/s", "limit": 10,
                "ours": 10 * ratio, "ratio": ratio,
                "lowest_ratio": ratio - 0.05, "highest_ratio": ratio + 0.05,
                "pairs": 7, "at_least": 0.7, "holds": ratio >= 0.7}]}))

    # Bug: the page was written anew, of short samples; and rows that they do
    # not have, or that they had worse, were warned of.
    def test_quick_report_prints_figures_and_judges_nothing(self):
        self.write("docs/measured/performance.md", "kept")
        row = {"bench": "kernels", "what": "sgd", "measure": "GB/s",
               "ratio": 123.5, "lowest_ratio": 123, "highest_ratio": 124,
               "pairs": 7}
        recorded = json.dumps({"machine": "a machine", "commit": "abc",
                               "rows": [row, {**row, "what": "none"}]})
        self.write("bench/recorded.json", recorded)
        code, said = self.report("--quick", "--only", "kernels", "--folder",
                                 "kept")
        self.assertEqual(code, 0, said)
        sgd = [line for line in said.splitlines() if line.startswith("sgd ")]
        self.assertEqual(len(sgd), 1, said)
        self.assertIn("123.50 (123.00-124.00)", sgd[0])
        self.assertIn("quick: short samples, no verdicts", said)
        for verdict in ("worse", "recorded, and", "hold", "MISS", "none "):
            self.assertNotIn(verdict, said)
        self.assertEqual(self.read("docs/measured/performance.md"), "kept")
        self.assertEqual(self.read("bench/recorded.json"), recorded)
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["bench", "docs", "kept"])
        for flag in (["--page", "page.md"], ["--record"]):
            code, said = self.report("--quick", *flag)
            self.assertEqual(code, 2, said)
            self.assertIn(flag[0], said.splitlines()[0])
            self.assertIn("--quick", said.splitlines()[0])

    @needs_charts
    def test_report_measures_and_writes_a_page(self):
        names = ("kernels", "dense-shm", "dense-tls", "sparse-shm")
        # Short samples make a page as good as others.
        only = [word for name in names for word in ("--only", name)]
        code, said = self.report("--quick", *only, "--folder", "kept")
        self.assertEqual(code, 0, said)
        kept = {}
        for name in names:
            quick = os.path.join(self.folder, f"kept/quick-{name}.json")
            os.rename(quick, quick.replace("quick-", ""))
            kept[name] = json.loads(self.read(f"kept/{name}.json"))
        where = ["--folder", "kept", "--page", "page.md"]
        code, said = self.report(*only, *where)
        holds = all(one["all_hold"] for one in kept.values())
        self.assertEqual(code, 0 if holds else 1, said)
        page = self.read("page.md")
        for name, one in kept.items():
            self.assertIn("kernel", one)
            for row in one["rows"]:
                self.assertIn(f"| {row['what']} | {row['measure']} |", page,
                              name)
        self.assertIn("not asked for", page)
        self.assertIn("4 MiB, 8 in flight | CPU s/GB", page)
        for image in ("push", "pull", "push-cpu", "pull-cpu", "tls",
                      "rows", "kernels"):
            file = f"images/performance-{image}.svg"
            self.assertIn(file, page)
            xml.etree.ElementTree.fromstring(self.read(file))
        # What is there is not measured again.
        self.assertEqual(json.loads(self.read("kept/kernels.json")),
                         kept["kernels"])
        again, said = self.report("--only", "kernels", *where)
        self.assertEqual(again, code, said)
        self.assertIn("dense-shm", self.read("page.md"))
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["images", "kept", "page.md"])

    @needs_charts
    def test_report_compares_with_what_was_recorded(self):
        where = ["--folder", "kept", "--page", "page.md", "--recorded",
                 "recorded.json", "--only", "kernels"]
        self.figures(0.9)
        code, said = self.report("--record", *where)
        self.assertEqual(code, 0, said)
        self.assertNotIn("worse", said)
        # Within the spread; beyond it, though it holds; and a miss.
        for ratio, expected in (0.86, 0), (0.8, 0), (0.5, 1):
            self.figures(ratio)
            code, said = self.report(*where)
            self.assertEqual(code, expected, said)
            self.assertEqual("worse than recorded: kernels: sgd" in said,
                             ratio < 0.85, said)
        self.assertIn("**misses**", self.read("page.md"))
        code, said = self.report("--record", *where)
        self.assertIn("worse than recorded", said)
        _, said = self.report(*where)
        self.assertNotIn("worse than recorded", said)
        self.assertEqual(
            json.loads(self.read("recorded.json"))["rows"][0]["ratio"], 0.5)

    @needs_charts
    def test_report_names_figures_that_cannot_be_read(self):
        self.write("kept/kernels.json", "torn {")
        code, said = self.report("--folder", "kept", "--page", "page.md",
                                 "--only", "kernels")
        self.assertEqual(code, 1)
        self.assertIn("kept/kernels.json", said)
        self.assertIn("--again kernels", said)

    def test_report_is_stopped(self):
        bench = subprocess.Popen(
            [os.path.join(BIN, "ebb"), "bench", "report", "--quick", "--only",
             "dense-grpc", "--folder", "kept"],
            text=True, cwd=self.folder,
            env={**os.environ, "TMPDIR": self.folder},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(bench.wait)
        self.addCleanup(bench.kill)
        while ", dense-grpc" not in bench.stderr.readline():
            self.assertIsNone(bench.poll())
        bench.send_signal(signal.SIGTERM)
        bench.stderr.read()
        self.assertEqual(bench.wait(LIMIT_S), 130)
        # No scratch folder.
        self.assertEqual(os.listdir(self.folder), ["kept"])

    # A job of its own: with the loop that everybody else would write.
    def test_job_against_a_loop(self):
        self.write("data.csv", "".join(
            f"{i % 2 * 3},{i % 7 / 10},{i % 2}\n" for i in range(400)))
        self.write("job.yaml", "model: softmax\n"
                   "data: {train: {csv: data.csv}, test: {csv: data.csv}}\n"
                   "train: {epochs: 20, batch: 4}\n"
                   "optimizer: {kind: adam, rate: 0.01}\n"
                   "evaluate: {every: 1 epoch}\n")
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), "bench", "job", "job.yaml", "--against",
             "loop", "--pairs", "1", "--json", "job.json"],
            cwd=self.folder, text=True, timeout=LIMIT_S,
            env={**os.environ, "TMPDIR": self.folder},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        result = json.loads(self.read("job.json"))
        self.assertEqual(ran.returncode, 0 if result["all_hold"] else 1,
                         ran.stderr)
        speed, accuracy = result["rows"]
        self.assertEqual(speed["at_least"], 0.85)
        self.assertEqual(accuracy["measure"], "accuracy")
        cluster, loop = result["contestants"]
        self.assertEqual(cluster["accuracy"], 1)
        self.assertEqual(loop["accuracy"], 1)
        self.assertGreater(loop["examples_per_second"],
                           cluster["examples_per_second"])
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["data.csv", "job.json", "job.yaml"])

    # Bug: what did not go together was ignored, without a word.
    def test_job_refuses_flags_that_do_not_go_together(self):
        for flags, named in [
                (["--pairs", "3"], ("--pairs", "--against")),
                (["--quick"], ("--quick", "--against")),
                (["--data", "."], ("--data", "--against")),
                (["--json", "job.json"], ("--json", "--against")),
                (["--peers", "."], ("--peers", "--against")),
                (["--against", "loop", "--peers", "."],
                 ("--peers", "--against peers", "--against loop")),
                (["--against", "loop", "--runs", "2"],
                 ("--runs", "--against")),
                (["--against", "loop", "--servers", "2"],
                 ("--servers", "--against")),
                (["--against", "peers", "--workers", "2"],
                 ("--workers", "--against")),
                (["--against", "peers", "--target", "0.5"],
                 ("--target", "--against"))]:
            ran = subprocess.run(
                [os.path.join(BIN, "ebb"), "bench", "job", "job.yaml", *flags],
                cwd=self.folder, text=True, timeout=LIMIT_S,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(ran.returncode, 2, flags)
            for name in named:
                self.assertIn(name, ran.stderr.splitlines()[0], flags)
        self.assertEqual(os.listdir(self.folder), [])

    # No PyTorch is needed to know that there are no peers.
    def test_job_without_peers(self):
        self.write("job.yaml", "model: softmax\n")
        ran = subprocess.run(
            [os.path.join(BIN, "ebb"), "bench", "job", "job.yaml", "--against",
             "peers", "--peers", "none", "--data", ".", "--json", "job.json"],
            cwd=self.folder, text=True, timeout=LIMIT_S,
            env={**os.environ, "TMPDIR": self.folder},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("skipped: no peers in none", ran.stdout)
        self.assertIn("no peers", json.loads(self.read("job.json"))["skipped"])

    def test_goodput(self):
        result, _ = self.bench("goodput", "--speed", "600", "--seconds", "6s",
                               "--warm-up", "2s")
        self.assertEqual(result["trace"], "a market made up")
        self.assertGreater(result["events"], 24)
        self.assertEqual(result["doubled"], 0)
        # 64 examples in 100 ms at most, and in 2 s one batch more or less.
        self.assertLessEqual(result["rate_of_one_worker"], 640 * 1.1)
        self.assertGreater(result["goodput"], 0.097)
        self.assertLess(result["goodput"], 10)
        self.assertGreaterEqual(result["seconds"], 6)


if __name__ == "__main__":
    unittest.main()
