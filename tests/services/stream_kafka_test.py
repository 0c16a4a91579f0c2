#!/usr/bin/env python3
"""`ebb stream follow kafka:…` beside a real broker: each committed message is in the
set once, though feeders and the broker are killed; what is not the topic that was
fed is refused.

  stream_kafka_test.py BIN_FOLDER

Exit code 77 where Kafka cannot be had (kafka.py).
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import kafka

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 180


class StreamKafkaTest(unittest.TestCase):
    cluster = None  # The brokers; see below.

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.set = os.path.join(self.folder, "set")
        self.topic = self.id().rsplit(".", maxsplit=1)[-1].replace("_", "-")
        self.feeders = []
        self.addCleanup(self.end_feeders)

    def end_feeders(self):
        for feeder in self.feeders:
            if feeder.poll() is None:
                feeder.kill()
            feeder.communicate()

    def follow(self, *more):
        feeder = subprocess.Popen(
            [os.path.join(BIN, "ebb"), "stream", "follow",
             f"kafka:{self.cluster.servers}/{self.topic}", self.set,
             "--format", "csv", "--set", "csv.header=false",
             "--interval", "50ms", "--sample", "2", "-q", *more],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.feeders.append(feeder)
        return feeder

    def ask(self, *args):
        done = subprocess.run([os.path.join(BIN, "ebb"), "stream", *args],
                              capture_output=True, text=True, timeout=LIMIT_S,
                              check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def await_examples(self, count):
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            status = self.ask("status", self.set, "--json")
            if status and status["next_number"] >= count:
                break
            for feeder in self.feeders:
                if feeder.poll() not in (None, -9):
                    self.fail(feeder.communicate()[0])
        self.assertEqual(status["next_number"], count)
        report = self.ask("verify", self.set, "--json")
        self.assertTrue(report and report["sound"], report)
        self.assertEqual(report["examples"], count)
        return status

    def ends(self, status):
        return {one["partition"]: one["end"] for one in status["partitions"]}

    def test_each_committed_message_once_though_everything_dies(self):
        self.cluster.create_topic(self.topic, partitions=2)
        plain = self.cluster.producer()
        transactional = self.cluster.producer("one")
        wanted = 0

        def write(count):
            nonlocal wanted
            for i in range(count):
                values = [f"{wanted + k},{k % 2}".encode() for k in range(5)]
                plain.send(self.topic, 0, values)
                transactional.begin()
                transactional.send(self.topic, 1, values)
                if i % 3 == 0:
                    transactional.abort()
                    wanted += 5
                else:
                    transactional.commit()
                    wanted += 10

        write(10)
        self.follow()
        self.await_examples(wanted)
        for _ in range(3):
            self.follow()  # A second one, which watches, or wins.
            write(4)
            self.feeders[-2].kill()
            write(4)
            self.await_examples(wanted)
        self.cluster.kill(1)
        self.cluster.start(1)
        plain, transactional = (self.cluster.producer(),
                                self.cluster.producer("two"))
        write(5)
        # A partition that comes later is read from its first message.
        self.cluster.add_partitions(self.topic, 3)
        plain.send(self.topic, 2, [b"7,0", b"8,1"])
        wanted += 2
        status = self.await_examples(wanted)
        self.assertEqual(self.ends(status)[f"{self.topic}[2]"], 2)
        plain.close()
        transactional.close()

    def test_an_open_transaction_is_waited_for(self):
        self.cluster.create_topic(self.topic)
        plain = self.cluster.producer()
        opened = self.cluster.producer("open")
        plain.send(self.topic, 0, [b"1,0", b"2,1"])
        opened.begin()
        opened.send(self.topic, 0, [b"3,1"])
        plain.send(self.topic, 0, [b"4,0"])
        self.follow()
        status = self.await_examples(2)
        self.assertEqual(self.ends(status)[f"{self.topic}[0]"], 2)
        opened.commit()
        status = self.await_examples(4)
        # The marker behind the last message is covered, too.
        self.assertIn(self.ends(status)[f"{self.topic}[0]"], (4, 5))
        plain.close()
        opened.close()

    def test_a_topic_that_was_made_anew_is_refused(self):
        self.cluster.create_topic(self.topic)
        plain = self.cluster.producer()
        plain.send(self.topic, 0, [b"1,0", b"2,1", b"3,0"])
        feeder = self.follow()
        self.await_examples(3)
        feeder.kill()
        self.cluster.delete_topic(self.topic)
        self.cluster.create_topic(self.topic)
        plain = self.cluster.producer()
        # It is as long as before, and longer.
        plain.send(self.topic, 0, [b"4,0", b"5,1", b"6,0", b"7,1"])
        again = self.follow()
        said = again.communicate(timeout=LIMIT_S)[0]
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("not the topic that was fed", said)
        plain.close()

    def test_deleted_messages_are_lost_by_name_or_stop_the_feeder(self):
        self.cluster.create_topic(self.topic)
        plain = self.cluster.producer()
        plain.send(self.topic, 0, [b"1,0", b"2,1", b"3,0"])
        feeder = self.follow("--on-lost", "skip")
        self.await_examples(3)
        feeder.kill()
        plain.send(self.topic, 0, [b"4,0", b"5,1", b"6,0", b"7,1"])
        self.cluster.delete_records(self.topic, 0, 5)
        self.follow()
        status = self.await_examples(5)
        self.assertEqual(status["lost"], 2)
        plain.close()

    def test_a_compacted_topic_and_a_missing_one_are_refused(self):
        self.cluster.create_topic(self.topic,
                                  config={"cleanup.policy": "compact"})
        said = self.follow().communicate(timeout=LIMIT_S)[0]
        self.assertIn("cleanup.policy", said)
        self.topic = "nowhere"
        said = self.follow().communicate(timeout=LIMIT_S)[0]
        self.assertIn("no topic nowhere", said)


if __name__ == "__main__":
    try:
        with kafka.running() as StreamKafkaTest.cluster:
            ran = unittest.main(exit=False)
        sys.exit(0 if ran.result.wasSuccessful() else 1)
    except kafka.NoService as why:
        print(f"skipped: {why}")
        sys.exit(1 if os.environ.get("EBB_SERVICES") == "required" else 77)
