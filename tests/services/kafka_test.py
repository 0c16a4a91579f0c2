#!/usr/bin/env python3
"""Tests of kafka.py: what the tests of streams rely on.

  kafka_test.py [1|3]   with this many brokers. Exit codes are those of kafka.py.
"""

import os
import socket
import sys

import kafka


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"{found} instead of {wanted}")


def refuses(call):
    try:
        call()
    except kafka.KafkaError:
        return
    raise AssertionError("Kafka did not refuse")


def one_broker():
    with kafka.running() as cluster:
        cluster.create_topic("t", config={"retention.ms": "-1"})
        refuses(lambda: cluster.create_topic("t"))
        plain = cluster.producer()
        message = {"key": b"k", "value": b"v", "headers": {"h": b"\xff"}}
        expect(plain.send("t", 0, [b"a", message, None]), [0, 1, 2])
        # A marker takes an offset, be it a commit or an abort.
        transactional = cluster.producer("id")
        transactional.begin()
        expect(transactional.send("t", 0, [b"b"]), [3])
        transactional.commit()
        transactional.begin()
        expect(transactional.send("t", 0, [b"c", b"d"]), [5, 6])
        transactional.abort()
        expect(cluster.latest("t"), 8)
        # A broker that was killed comes back with its port and its messages.
        port = cluster.ports[1]
        cluster.kill(1)
        with socket.socket() as probe:
            expect(probe.connect_ex(("127.0.0.1", port)) == 0, False)
        cluster.start(1)
        expect(cluster.latest("t"), 8)
        expect(plain.send("t", 0, [b"e"]), [8])
        cluster.stop(1)
        cluster.start(1)
        cluster.delete_records("t", 0, 4)
        expect((cluster.earliest("t"), cluster.latest("t")), (4, 9))
        cluster.add_partitions("t", 3)
        expect(len(cluster.describe("t")["partitions"]), 3)
        cluster.set_config("t", {"cleanup.policy": "compact"})
        refuses(lambda: cluster.set_config("t", {"cleanup.policy": "none"}))
        plain.close()
        cluster.delete_topic("t")
        refuses(lambda: cluster.describe("t"))


def three_brokers():
    with kafka.running(brokers=3) as cluster:
        cluster.create_topic("t", assignment=[[2, 3, 1]])
        producer = cluster.producer(config={"acks": "all"})
        expect(producer.send("t", 0, [b"a"] * 10), list(range(10)))
        expect(cluster.leader("t"), 2)
        cluster.kill(2)
        expect(producer.send("t", 0, [b"b"]), [10])
        expect(cluster.leader("t") in (1, 3), True)
        cluster.start(2)
        expect(cluster.latest("t"), 11)


if __name__ == "__main__":
    try:
        (three_brokers if sys.argv[1:] == ["3"] else one_broker)()
    except kafka.NoService as reason:
        print(f"skipped: {reason}")
        sys.exit(1 if os.environ.get("EBB_SERVICES") == "required" else 77)
