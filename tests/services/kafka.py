#!/usr/bin/env python3
"""Runs a command beside a real Kafka: one broker, or three and a controller.

  kafka.py [--brokers 1|3] [--set NAME=VALUE]... COMMAND...

The command gets EBB_KAFKA, the addresses of the brokers ("127.0.0.1:PORT,..."), which
have no topics. Exit code: the command's; 77, so that ctest says "skipped", if Java
or Maven is missing (Debian: openjdk-17-jdk-headless maven), Maven cannot fetch Kafka,
or it does not serve on this machine. EBB_SERVICES=required makes it 1.

Maven fetches the jars of kafka/pom.xml once, into ~/.cache/ebb/kafka-VERSION (or below
XDG_CACHE_HOME), and refuses those whose checksum is not the repository's (-C).

Tests that stop brokers, or make topics and messages, use the classes:

  with kafka.running(brokers=3) as cluster:     # Raises Skipped, NoService.
      cluster.create_topic("clicks", partitions=2, replicas=3)
      producer = cluster.producer(transactional_id="a")
      producer.begin()
      offsets = producer.send("clicks", 0, [b"one", b"two", None])
      producer.commit()
      cluster.kill(cluster.leader("clicks", 0))

Messages come from the producer of the Kafka project (kafka/KafkaClient.java). None of
this is thread-safe.
"""

import argparse
import base64
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent / "kafka"
PATIENCE_S = 90
FETCH_S = 240
# Broker and client start faster so; the JVM's own choices are made for days.
JAVA = ("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Xshare:auto", f"-Dlog4j2.configurationFile={HERE}/log4j2.properties")


class NoService(Exception):
    """Kafka does not serve on this machine, so that ebb was not tested."""


class Skipped(NoService):
    """What Kafka needs is missing."""


class KafkaError(Exception):
    """Kafka refuses what a test asks for."""


def jars():
    """The folder of Kafka's jars, which are fetched if they are not there."""
    if not shutil.which("javac"):
        raise Skipped("Java is missing; install openjdk-17-jdk-headless")
    said = subprocess.run(["javac", "-version"], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    found = re.search(r"javac (\d+)", said.stdout)
    if found is None or int(found[1]) < 17:
        raise Skipped(f"Kafka needs Java 17, and this is {said.stdout.strip()}")
    pom = (HERE / "pom.xml").read_text()
    version = re.search("<kafka.version>(.*)</kafka.version>", pom)[1]
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME")
                         or pathlib.Path.home() / ".cache") / "ebb"
    folder = cache / f"kafka-{version}"
    with contextlib.suppress(OSError):
        if (folder / "pom.xml").read_text() == pom:
            return folder
    if not shutil.which("mvn"):
        raise Skipped("Maven is missing; install maven")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kafka_", dir=cache) as draft:
        whole = pathlib.Path(draft) / "jars"
        fetch(whole)
        (whole / "pom.xml").write_text(pom)
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # Another run fetched them meanwhile.
            os.rename(whole, folder)
    return folder


def fetch(folder):
    command = ["mvn", "--batch-mode", "--quiet", "--strict-checksums", "--file",
               str(HERE / "pom.xml"), "dependency:copy-dependencies",
               f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=FETCH_S)
    except subprocess.TimeoutExpired as late:
        raise Skipped(f"Maven did not fetch Kafka in {FETCH_S} s") from late
    if done.returncode != 0:
        raise Skipped("Maven cannot fetch Kafka: "
                      + done.stdout.decode(errors="replace")[-2000:])


def free_port():
    """A port that the system gives to no outgoing connection, so that none takes
    the port of a broker that is down."""
    low, high = (int(one) for one in pathlib.Path(
        "/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    choice = random.SystemRandom()
    while True:
        port = choice.randrange(10000, 65536)
        if low <= port <= high:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Kafka:
    """Brokers 1 to N. The metadata are kept by broker 1 if it is alone, and else by
    a controller (node 100), which runs until the end, so that any broker may die."""

    def __init__(self, folder, brokers=1, settings=None):
        self.folder = pathlib.Path(folder)
        self.jars = jars()
        self.ids = list(range(1, brokers + 1))
        self.controller = 1 if brokers == 1 else 100
        self.ports = {node: free_port() for node in self.ids}
        self.controller_port = free_port()
        self.settings = settings or {}
        self.children = {}
        self.client = None
        self.cluster_id = ""

    @property
    def servers(self):
        return ",".join(f"127.0.0.1:{self.ports[node]}" for node in self.ids)

    # Life of brokers.

    def serve(self):
        """Returns when all brokers answer. Raises NoService."""
        nodes = sorted({*self.ids, self.controller}, reverse=True)
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]
        for node in nodes:
            self.children[node] = self.format(node, name.replace("-", "_"))
        for node, process in self.children.items():
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired as late:
                raise NoService("StorageTool does not end") from late
            if process.returncode != 0:
                raise NoService(f"StorageTool ended with {process.returncode}")
        for node in nodes:
            self.start(node, wait=False)
        self.client = Client(self)
        try:
            self.await_brokers(self.ids)
        except KafkaError as error:
            raise NoService(str(error)) from error

    def start(self, node, wait=True):
        """Starts a broker that was stopped or killed, with its ports and its logs.
        Returns when the cluster has it again."""
        self.children[node] = self.run_java(
            f"node-{node}", "kafka.Kafka",
            str(self.folder / f"{node}.properties"))
        if wait:
            self.await_brokers([one for one in self.ids if one in self.children])

    def run_java(self, log, *arguments):
        with open(self.folder / f"{log}.log", "ab") as out:
            return subprocess.Popen(
                [*JAVA, "-cp", f"{self.jars}/*", *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def await_brokers(self, nodes):
        """Until these brokers serve, and no others. One that was killed counts for
        the others until its session ends, 3 s later."""
        for node, child in self.children.items():
            if child.poll() is not None:
                raise NoService(f"node {node} ended with {child.returncode}")
        answer = self.ask("await_brokers", nodes=nodes)
        self.cluster_id = answer["cluster_id"]

    def kill(self, node):
        """kill -9."""
        self.finish(node, signal.SIGKILL)

    def stop(self, node):
        """Lets it hand its partitions over and end."""
        self.finish(node, signal.SIGTERM)

    def finish(self, node, signum):
        child = self.children.pop(node)
        child.send_signal(signum)
        child.wait(PATIENCE_S)

    def pause(self, node):
        self.children[node].send_signal(signal.SIGSTOP)

    def resume(self, node):
        self.children[node].send_signal(signal.SIGCONT)

    def end(self):
        if self.client is not None:
            self.client.end()
        for child in self.children.values():
            child.kill()
            child.wait()
        self.children = {}

    def format(self, node, cluster):
        """Starts to write the first files of a node."""
        broker = node in self.ids
        roles = [*(["broker"] if broker else []),
                 *(["controller"] if node == self.controller else [])]
        listeners = []
        if broker:
            listeners += [f"PLAINTEXT://127.0.0.1:{self.ports[node]}"]
        if node == self.controller:
            listeners += [f"CONTROLLER://127.0.0.1:{self.controller_port}"]
        copies = min(len(self.ids), 3)
        properties = {
            "process.roles": ",".join(roles),
            "node.id": node,
            "controller.quorum.voters":
                f"{self.controller}@127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(listeners),
            "log.dirs": self.folder / f"data-{node}",
            "broker.heartbeat.interval.ms": 300,
            "broker.session.timeout.ms": 3000,
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": 0,
            "log.initial.task.delay.ms": 500,
            "log.retention.check.interval.ms": 500,
            "log.segment.delete.delay.ms": 500,
            "num.io.threads": 2,
            "num.network.threads": 2,
            "offsets.topic.num.partitions": 1,
            "offsets.topic.replication.factor": copies,
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "transaction.state.log.replication.factor": copies,
        }
        properties.update(self.settings)
        file = self.folder / f"{node}.properties"
        file.write_text("".join(f"{name}={value}\n"
                                for name, value in properties.items()))
        return self.run_java(f"format-{node}", "kafka.tools.StorageTool", "format",
                             "--cluster-id", cluster, "--config", str(file))

    def print_logs(self):
        """The end of what each node said."""
        for log in sorted(self.folder.glob("*.log")):
            print(f"--- {log.name}")
            print("".join(log.read_text(errors="replace")
                          .splitlines(keepends=True)[-20:]), flush=True)

    # Topics. What Kafka refuses raises KafkaError.

    def ask(self, command, **fields):
        return self.client.ask({"do": command, **fields})

    def create_topic(self, topic, partitions=1, replicas=1, assignment=None,
                     config=None):
        """`assignment`: the brokers of each partition, instead of numbers. Returns
        when all partitions have a leader."""
        where = ({"partitions": partitions, "replicas": replicas}
                 if assignment is None else {"assignment": assignment})
        self.ask("create", topic=topic, config=config or {}, **where)

    def delete_topic(self, topic):
        self.ask("delete", topic=topic)

    def add_partitions(self, topic, count):
        """Until there are `count`."""
        self.ask("add_partitions", topic=topic, count=count)

    def delete_records(self, topic, partition, before):
        """Deletes all messages below the offset; -1: all that are stable."""
        self.ask("delete_records", topic=topic, partition=partition,
                 before=before)

    def set_config(self, topic, config):
        self.ask("set_config", topic=topic, config=config)

    def set_broker_config(self, node, config):
        self.ask("set_config", broker=node, config=config)

    def describe(self, topic):
        """topic_id, and for each of `partitions`: leader (-1: none), replicas, isr."""
        return self.ask("describe", topic=topic)

    def leader(self, topic, partition=0):
        return self.describe(topic)["partitions"][partition]["leader"]

    def await_in_sync(self, topic, partition, nodes):
        """Until exactly these brokers have all acknowledged messages."""
        end = time.monotonic() + PATIENCE_S
        while True:
            isr = self.describe(topic)["partitions"][partition]["isr"]
            if sorted(isr) == sorted(nodes):
                return
            if time.monotonic() > end:
                raise KafkaError(f"{topic}[{partition}] is in sync at {isr}")
            time.sleep(0.05)

    def earliest(self, topic, partition=0):
        return self.ask("offset", topic=topic, partition=partition,
                        which="earliest")["offset"]

    def latest(self, topic, partition=0):
        """The high watermark: open transactions are below it."""
        return self.ask("offset", topic=topic, partition=partition,
                        which="latest")["offset"]

    def elect(self, topic, partition=0, unclean=False):
        """Makes the first replica the leader; with `unclean`, one that lives, also
        if it lacks messages."""
        self.ask("elect", topic=topic, partition=partition, unclean=unclean)

    def move(self, topic, partition, replicas):
        """Begins to move a partition to these brokers."""
        self.ask("move", topic=topic, partition=partition, replicas=replicas)

    def producer(self, transactional_id=None, config=None):
        return Producer(self, transactional_id, config or {})


class Producer:
    """A producer of the Kafka project. It has transactions if it has an id for
    them; another one of the same id aborts what this one left open."""

    def __init__(self, kafka, transactional_id, config):
        self.kafka = kafka
        self.name = str(uuid.uuid4())
        if transactional_id is not None:
            config = {**config, "transactional.id": transactional_id}
        self.ask("open", config=config)

    def ask(self, command, **fields):
        return self.kafka.ask(command, producer=self.name, **fields)

    def begin(self):
        self.ask("begin")

    def send(self, topic, partition, messages, wait=True):
        """Each message is its value, or a dict of key, value and headers; those that
        are not there are null. Returns the offsets, or without `wait` at once."""
        return self.ask("send", topic=topic, partition=partition, wait=wait,
                        messages=[as_json(one) for one in messages]
                        ).get("offsets")

    def flush(self):
        self.ask("flush")

    def commit(self):
        self.ask("commit")

    def abort(self):
        self.ask("abort")

    def close(self):
        self.ask("close")


def as_json(message):
    if not isinstance(message, dict):
        message = {"value": message}

    def text(value):
        return None if value is None else base64.b64encode(value).decode()
    return {"key": text(message.get("key")), "value": text(message.get("value")),
            "headers": {name: text(value) for name, value in
                        message.get("headers", {}).items()}}


class Client:
    """The process of KafkaClient.java."""

    def __init__(self, kafka):
        with open(kafka.folder / "client.log", "ab") as log:
            self.process = subprocess.Popen(
                [*JAVA, "-cp", f"{kafka.jars}/*",
                 str(HERE / "KafkaClient.java"), kafka.servers],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def ask(self, command):
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise NoService("KafkaClient ended; client.log says why")
        answer = json.loads(line)
        if "error" in answer:
            raise KafkaError(f"{command['do']}: {answer['error']}")
        return answer

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextlib.contextmanager
def running(brokers=1, settings=None):
    """A Kafka that serves in a folder of its own until the end of the block. If the
    block fails, the logs are printed."""
    with tempfile.TemporaryDirectory(prefix="ebb_kafka_") as folder:
        cluster = Kafka(folder, brokers, settings)
        try:
            cluster.serve()
            yield cluster
        except BaseException:
            cluster.print_logs()
            raise
        finally:
            cluster.end()


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    flags = parser.parse_args()
    # What ends this process ends the brokers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        with running(flags.brokers, dict(one.split("=", 1)
                                         for one in flags.set)) as cluster:
            print(f"Kafka serves after {time.monotonic() - began:.1f} s",
                  flush=True)
            code = subprocess.run(
                flags.command, check=False,
                env=dict(os.environ, EBB_KAFKA=cluster.servers)).returncode
    except NoService as reason:
        print(f"skipped: {reason}")
        code = 1 if os.environ.get("EBB_SERVICES") == "required" else 77
    sys.exit(code)


if __name__ == "__main__":
    main()
