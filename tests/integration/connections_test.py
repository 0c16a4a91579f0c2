#!/usr/bin/env python3
"""Two daemons that cannot talk: what the log, `ebb status`, `ebb explain` and
the metrics say of each way in which that happens. docs/connections.md has a row
for each test here.

  connections_test.py BIN_FOLDER
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

from reserved_port import ReservedPort
from shirts import shirts

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
LIMIT_S = 60


def own_host(test):
    """An address of this machine that is not of its loopback. A packet to it
    stays within the machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("203.0.113.1", 9))  # Sends nothing.
            host = asking.getsockname()[0]
        except OSError:
            host = "127.0.0.1"
    if host.startswith("127."):
        test.skipTest("this machine has loopback addresses only")
    return host


class Silent:
    """A port at which connections are taken and nothing is ever said."""

    def __init__(self, test, host="127.0.0.1", backlog=64):
        self._socket = socket.socket()
        test.addCleanup(self._socket.close)
        self._socket.bind((host, 0))
        self._socket.listen(backlog)
        self.address = "%s:%d" % self._socket.getsockname()


class BlackHole(Silent):
    """A port that answers no packet: its queue of connections is full."""

    def __init__(self, test, host="127.0.0.1"):
        super().__init__(test, host, backlog=0)
        for _ in range(4):
            filler = socket.socket()
            test.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(self._socket.getsockname())


class Path:
    """A way to an address that can be cut and mended: connections that are
    there stand still, and new ones are refused."""

    def __init__(self, test):
        self.target = None
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._cut = set()   # Connections that stand still.
        self._pairs = []
        self._end = False
        self._listen()
        test.addCleanup(self.end)

    def _listen(self):
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,),
                         daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            host, port = self.target.rsplit(":", 1)
            server = socket.create_connection((host, int(port)))
            self._pairs.append((client, server))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=pair,
                                 daemon=True).start()

    def _carry(self, source, target):
        try:
            while True:
                data = source.recv(1 << 16)
                if source in self._cut:
                    continue    # It is lost.
                if not data:
                    break
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def connections(self):
        return list(self._pairs)

    def cut(self, connections):
        """Of those that are there; and no new one is taken."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in connections:
            self._cut.update(pair)

    def mend(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listen()

    def end(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for pair in self._pairs:
            for end in pair:
                end.close()


class ConnectionsTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ebb_connections_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ)
        self.daemons = []
        self.addCleanup(self.end)

    def end(self):
        for daemon in self.daemons:
            daemon.kill()
            daemon.wait()

    # --- A cluster ----------------------------------------------------------

    def daemon(self, name, program, *flags):
        with open(self.path(f"{name}.log"), "w") as log:
            daemon = subprocess.Popen([os.path.join(BIN, program), *flags],
                                      cwd=self.folder, env=self.environment,
                                      stderr=log)
        self.daemons.append(daemon)
        return daemon

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def log(self, name):
        return self.read(f"{name}.log")

    def wait(self, condition, otherwise):
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > deadline:
                logs = [name for name in os.listdir(self.folder)
                        if name.endswith(".log")]
                self.fail(f"{otherwise}\n" +
                          "\n".join(f"{name}:\n{self.read(name)[-2000:]}"
                                    for name in logs))
            time.sleep(0.05)

    def address_of(self, name):
        self.wait(lambda: os.path.exists(self.path(f"{name}.address")),
                  f"{name} does not start")
        return self.read(f"{name}.address").strip()

    def scheduler(self, *flags):
        self.daemon("scheduler", "ebb-scheduler", "--listen", "127.0.0.1:0",
                    "--state-dir", "scheduler", "--address-file",
                    "scheduler.address", *flags)
        self.environment["EBB_SCHEDULER"] = self.address_of("scheduler")

    def server(self, number, *flags):
        name = f"ps-{number}"
        daemon = self.daemon(name, "ebb-ps", "--id", str(number), "--state-dir",
                             name, "--address-file", f"{name}.address", *flags)
        self.address_of(name)
        return daemon

    def server_of_another_cluster(self, number):
        """Its address. It speaks plain text, and needs no scheduler."""
        self.daemon("other", "ebb-ps", "--id", str(number), "--state-dir",
                    "other", "--address-file", "other.address", "--scheduler",
                    "127.0.0.1:1")
        return self.address_of("other")

    def worker(self, number, *flags):
        name = f"worker-{number}"
        # Beside the network there would be another way to a server.
        return self.daemon(name, "ebb-worker", "--name", name,
                           "--shared-memory", "off", "--metrics-port", "0",
                           *flags)

    def ebb(self, *arguments, environment=None):
        return subprocess.run([os.path.join(BIN, "ebb"), *arguments],
                              cwd=self.folder,
                              env=environment or self.environment,
                              capture_output=True, text=True, timeout=LIMIT_S)

    def submit(self, *flags, job=shirts()):
        with open(self.path("job.yaml"), "w") as file:
            file.write(job)
        done = self.ebb("submit", "job.yaml", *flags)
        self.assertEqual(done.returncode, 0, done.stderr)

    # --- What is said -------------------------------------------------------

    def explain(self, *flags):
        """The reasons of the kind, if any."""
        done = self.ebb("explain", "shirts", "--json", *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [reason for reason in json.loads(done.stdout)["reasons"]
                if reason["kind"] == "unreached"]

    def role(self, name, *flags):
        done = self.ebb("status", "--json", *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        roles = json.loads(done.stdout)["roles"]
        return next((one for one in roles if one["name"] == name), None)

    def metric(self, name, sample):
        port = re.search(r"metrics at http://127\.0\.0\.1:(\d+)/",
                         self.log(name)).group(1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics",
                                    timeout=LIMIT_S) as response:
            lines = response.read().decode().splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines
                    if line.startswith(sample + " "))

    def examples(self, name):
        role = self.role(name)
        return role["examples"] if role else 0

    def assert_told(self, worker, address, cause, words, *flags):
        """All four say the cause of a worker that does not reach ps-0."""
        self.wait(lambda: self.explain(*flags), "explain does not say it")
        reason = self.explain(*flags)[0]
        self.assertIn(f"cannot reach ps 0 at {address}", reason["text"])
        self.assertIn(words, reason["text"])
        self.assertIn("What to do: ", reason["text"])
        self.assertGreater(reason["for_ms"], 0)

        trouble = self.role(worker, *flags)["unreached"][0]
        self.assertEqual((trouble["server"], trouble["address"],
                          trouble["cause"]), (0, address, cause))
        self.assertIn(words, trouble["text"])
        self.assertEqual(self.role("ps-0", *flags)["unreached_by"][0]["who"],
                         worker)
        table = self.ebb("status", *flags).stdout
        self.assertIn(f"cannot reach ps-0 at {address}: ", table)
        self.assertIn(f"{worker} cannot reach it at {address}: ", table)

        line = (rf"server=0 at {re.escape(address)} cannot be reached.*"
                rf"{re.escape(words)}")
        self.wait(lambda: re.search(line, self.log(worker)),
                  "the worker's log does not say it")

        self.assertEqual(self.metric(worker, "ebb_worker_unreached_servers"), 1)
        self.assertGreater(
            self.metric(worker,
                        f'ebb_worker_failed_calls_total{{cause="{cause}"}}'), 0)

    def told_alone(self, advertised, cause, words, *flags):
        """One worker, and a server that advertises such an address."""
        self.scheduler()
        self.server(0, "--advertise", advertised)
        self.worker(0, *flags)
        self.submit()
        self.assert_told("worker-0", advertised, cause, words)
        self.assertIn(f"tells others to reach it at {advertised}",
                      self.log("ps-0"))
        self.wait(lambda: self.role("worker-0")["state"] == "cut_off",
                  "it keeps its leases")
        self.assertEqual(self.role("worker-0")["items"], [])
        self.assertIn("no other worker reaches it", self.explain()[0]["text"])
        self.assertNotIn("nothing waits", self.ebb("explain", "shirts").stdout)

    # --- A worker and a server ----------------------------------------------

    def test_a_name_that_does_not_resolve(self):
        self.told_alone("nosuchhost.invalid:7001", "name",
                        "the name nosuchhost.invalid does not resolve",
                        "--insecure")

    def test_nothing_listens_there(self):
        self.told_alone(ReservedPort(self).address, "refused",
                        "Connection refused")

    def test_nothing_answers(self):
        self.told_alone(Silent(self).address, "no_answer", "")

    # Without --insecure, each of these was told as "not speaking in plain
    # text": mended, the worker still did not reach the server.
    def test_the_first_thing_that_is_wrong_is_told_a_name(self):
        self.told_alone("nosuchhost.invalid:7001", "name",
                        "the name nosuchhost.invalid does not resolve")

    def test_the_first_thing_that_is_wrong_is_told_a_port(self):
        self.told_alone(ReservedPort(self, own_host(self)).address, "refused",
                        "Connection refused")

    def test_the_first_thing_that_is_wrong_is_told_a_black_hole(self):
        self.told_alone(BlackHole(self, own_host(self)).address, "no_answer",
                        "")

    def test_what_answers_is_something_else(self):
        self.scheduler()
        advertised = self.environment["EBB_SCHEDULER"]
        self.server(0, "--advertise", advertised)
        self.worker(0)
        self.submit()
        self.assert_told("worker-0", advertised, "not_ebb", "another role")

    # It answers "wrong placement", for it knows no such job.
    def test_a_server_of_another_cluster_answers(self):
        address = self.server_of_another_cluster(4)
        self.told_alone(address, "wrong_server",
                        f"another server answers at {address}: it says that it "
                        "is server 4, session ")
        self.assertIn("an --advertise of its own", self.explain()[0]["text"])

    # It reaches the scheduler at a loopback address.
    def test_a_worker_without_insecure(self):
        self.scheduler()
        self.server(0, "--listen", own_host(self) + ":0", "--insecure")
        address = self.address_of("ps-0")
        self.worker(0)
        self.worker(1, "--insecure")
        self.submit()
        self.assert_told("worker-0", address, "plain", "plain text")
        # The advice stands there once.
        text = self.explain()[0]["text"]
        self.assertIn("start the worker with --tls-cert", text)
        self.assertEqual(text.count("--insecure"), 1, text)

        # The other trains on, all of it.
        self.assertIn("others get the work meanwhile",
                      self.explain()[0]["text"])
        before = self.examples("worker-1")
        self.wait(lambda: self.examples("worker-1") > before + 1000,
                  "nobody trains")
        self.assertIn("It advances. Meanwhile:",
                      self.ebb("explain", "shirts").stdout)

    # Its items of a round go to the other, so that rounds close.
    def test_rounds_go_on_without_a_worker_that_is_cut_off(self):
        self.scheduler()
        self.server(0, "--listen", own_host(self) + ":0", "--insecure")
        self.worker(0)
        self.worker(1, "--insecure")
        self.submit(job=shirts(more="consistency: {kind: rounds, "
                                    "examples: 1000}\n"))
        self.assert_told("worker-0", self.address_of("ps-0"), "plain",
                         "plain text")
        self.wait(lambda: self.role("worker-0")["state"] == "cut_off",
                  "it keeps its leases")

        def applied():
            (job,) = json.loads(self.ebb("status", "--json").stdout)["jobs"]
            return job["marks"]["least"]

        # Five rounds and more.
        before = applied()
        self.wait(lambda: applied() > before + 5000, "rounds do not close")

    def tls(self, role):
        return ["--tls-cert", f"tls/{role}.pem", "--tls-key",
                f"tls/{role}.key", "--tls-ca", "tls/ca.pem"]

    # The worker's certificate was replaced by one of another role.
    def test_a_server_that_does_not_accept_the_role(self):
        self.assertEqual(self.ebb("certs", "--folder", "tls").returncode, 0)

        def becomes(role):
            for end in ("key", "pem"):
                shutil.copy(self.path(f"tls/{role}.{end}"),
                            self.path(f"tls/next.{end}"))
                os.rename(self.path(f"tls/next.{end}"),
                          self.path(f"tls/mine.{end}"))

        becomes("worker")
        user = [*self.tls("client"), "--token-file", "token"]
        self.scheduler(*self.tls("scheduler"))
        server = self.server(0, *self.tls("ps"))
        self.worker(0, *self.tls("mine"))
        self.submit(*user)
        self.wait(lambda: self.role("worker-0", *user)["examples"] > 0,
                  "it does not train")
        becomes("client")
        self.wait(lambda: "role" in self.log("worker-0"), "it is not noticed")

        # What is connected stays so. It connects anew to a server that is back.
        server.kill()
        server.wait()
        os.remove(self.path("ps-0.address"))
        self.server(0, *self.tls("ps"))
        self.assert_told("worker-0", self.address_of("ps-0"), "denied",
                         "role client", *user)

    # It can never succeed: so it is not tried for ever.
    def test_a_message_over_a_limit(self):
        self.scheduler()
        self.server(0, "--message-limit", "16KiB")
        self.worker(0)
        self.submit()

        def reasons():
            done = self.ebb("explain", "shirts", "--json")
            return {one["kind"]: one["text"]
                    for one in json.loads(done.stdout)["reasons"]}

        self.wait(lambda: "message_limit" in reasons(),
                  "explain does not say it")
        text = reasons()["message_limit"]
        self.assertIn("worker-0 cannot go on with this job: a pull from ps 0 at "
                      + self.address_of("ps-0"), text)
        self.assertIn("is over --message-limit, which is 16384 bytes", text)
        self.assertIn("What to do: ", text)
        (job,) = json.loads(self.ebb("status", "--json").stdout)["jobs"]
        self.assertEqual(job["state"], "paused")
        self.assertIn("--message-limit", self.log("worker-0"))

    def test_a_worker_with_tls_and_a_server_without(self):
        self.assertEqual(self.ebb("certs", "--folder", "tls").returncode, 0)
        tls = self.tls
        address = self.server_of_another_cluster(7)
        self.scheduler(*tls("scheduler"))
        self.server(0, "--advertise", address, *tls("ps"))
        self.worker(0, *tls("worker"))
        user = tls("client")
        self.submit(*user, "--token-file", "token")
        user += ["--token-file", "token"]
        self.assert_told("worker-0", address, "tls", "TLS handshake failed",
                         *user)

    def test_a_path_that_is_cut_in_mid_run(self):
        path = Path(self)
        self.scheduler()
        self.server(0, "--advertise", path.address)
        path.target = self.address_of("ps-0")
        self.worker(0)
        self.submit()
        self.wait(lambda: self.examples("worker-0") > 0, "it does not train")
        first = path.connections()
        self.worker(1)
        self.wait(lambda: self.examples("worker-1") > 0, "it does not train")

        path.cut(first)

        self.wait(lambda: self.role("worker-0")["state"] == "cut_off",
                  "it keeps its leases")
        self.assertTrue(self.explain())
        self.assertIn(self.role("worker-0")["unreached"][0]["cause"],
                      ("no_answer", "refused", "closed"))
        before = self.examples("worker-1")
        self.wait(lambda: self.examples("worker-1") > before + 1000,
                  "the other does not train")

        path.mend()

        before = self.examples("worker-0")
        self.wait(lambda: self.examples("worker-0") > before,
                  "it does not train again")
        self.wait(lambda: not self.explain(), "explain goes on about it")
        self.assertIn("server=0 is there again", self.log("worker-0"))
        done = self.ebb("audit", "shirts", "--json")
        self.assertEqual(json.loads(done.stdout)["problems"], [])

    # A process that stands still is not a path that is cut.
    def test_a_server_that_stands_still(self):
        self.scheduler()
        server = self.server(0)
        self.worker(0)
        self.submit()
        self.wait(lambda: self.examples("worker-0") > 0, "it does not train")

        server.send_signal(signal.SIGSTOP)
        self.addCleanup(server.send_signal, signal.SIGCONT)

        def stands_still():
            done = self.ebb("explain", "shirts", "--json")
            return any("stands still" in reason["text"] or
                       reason["kind"] == "server_away"
                       for reason in json.loads(done.stdout)["reasons"])

        self.wait(stands_still, "explain does not say it")
        server.send_signal(signal.SIGCONT)
        before = self.examples("worker-0")
        self.wait(lambda: self.examples("worker-0") > before,
                  "it does not train again")

    # --- A server and a server ----------------------------------------------

    def test_a_server_that_does_not_reach_another(self):
        address = ReservedPort(self).address
        self.scheduler()
        self.server(0, "--advertise", address)
        self.submit(job=shirts().replace("model: softmax",
                                    "model: {kind: mlp, layers: [784, 64, 10]}\n"
                                    "partitions: 2"))
        self.wait(lambda: self.role("ps-0")["partitions"] == 2, "no partitions")
        self.server(1)

        self.wait(self.explain, "explain does not say it")
        text = self.explain()[0]["text"]
        self.assertIn(f"ps 1 cannot take partitions over, for it cannot reach "
                      f"ps 0 at {address}: Connection refused", text)
        self.assertIn("What to do: ", text)
        self.assertEqual(self.role("ps-1")["unreached"][0]["cause"], "refused")
        self.assertEqual(self.role("ps-0")["unreached_by"][0]["who"], "ps-1")
        self.assertIn(f"cannot move here: it cannot reach the server at "
                      f"{address}: Connection refused", self.log("ps-1"))
        self.assertIn(f"was given up: it cannot reach the server at {address}",
                      self.log("scheduler"))

    # It answered "not here", and was asked again for ever.
    def test_a_server_of_another_cluster_answers_a_server(self):
        address = self.server_of_another_cluster(4)
        self.scheduler()
        self.server(0, "--advertise", address)
        self.submit(job=shirts().replace("model: softmax",
                                    "model: {kind: mlp, layers: [784, 64, 10]}\n"
                                    "partitions: 2"))
        self.wait(lambda: self.role("ps-0")["partitions"] == 2, "no partitions")
        self.server(1)

        self.wait(self.explain, "explain does not say it")
        text = self.explain()[0]["text"]
        self.assertIn(f"ps 1 cannot take partitions over, for it cannot reach "
                      f"ps 0 at {address}: another server answers at {address}: "
                      "it says that it is server 4, session ", text)
        self.assertIn("an --advertise of its own", text)
        self.assertEqual(self.role("ps-1")["unreached"][0]["cause"],
                         "wrong_server")
        self.assertEqual(self.role("ps-0")["unreached_by"][0]["who"], "ps-1")
        self.assertIn("cannot move here: it cannot reach the server at "
                      f"{address}: another server answers", self.log("ps-1"))

    # --- Anybody and the scheduler ------------------------------------------

    def test_a_scheduler_that_is_not_reached(self):
        refused = ReservedPort(self).address
        for name, words in (("nosuchhost.invalid:7000",
                             "the name nosuchhost.invalid does not resolve"),
                            (refused, "Connection refused")):
            self.environment["EBB_SCHEDULER"] = name
            self.worker(0, "--insecure")
            self.daemon("ps-0", "ebb-ps", "--id", "0", "--state-dir", "ps-0",
                        "--insecure")
            for daemon in ("worker-0", "ps-0"):
                self.wait(lambda: words in self.log(daemon),
                          f"{daemon} does not say it")
                self.assertIn(f"scheduler={name}", self.log(daemon))
            self.end()
            self.daemons.clear()

    def test_a_scheduler_that_may_not_be_spoken_to(self):
        self.daemon("scheduler", "ebb-scheduler", "--listen",
                    own_host(self) + ":0", "--insecure", "--state-dir",
                    "scheduler", "--address-file", "scheduler.address")
        address = self.address_of("scheduler")
        done = self.ebb("status", "--scheduler", address)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(f"not speaking to {address} in plain text", done.stderr)
        closed = ReservedPort(self, own_host(self)).address
        done = self.ebb("status", "--scheduler", closed)
        self.assertIn(f"no scheduler listens at {closed} (Connection refused)",
                      done.stderr)

    def test_the_commands_name_what_they_do_not_reach(self):
        for arguments in (("status",), ("explain", "shirts"),
                          ("cancel", "shirts"), ("pause", "shirts"),
                          ("resume", "shirts"), ("audit", "shirts"),
                          ("scale", "shirts", "--workers", "1"),
                          ("checkpoint", "list", "shirts")):
            for more in (("--insecure",), ()):
                done = self.ebb(*arguments, "--scheduler",
                                "nosuchhost.invalid:7000", *more)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("nosuchhost.invalid:7000", done.stderr)
                self.assertIn("the name nosuchhost.invalid does not resolve",
                              done.stderr)
                self.assertNotIn("not speaking", done.stderr)


if __name__ == "__main__":
    unittest.main()
