"""The scheduler of Kubernetes evicts workers for a pod of higher priority, and
one hears of its machine's end: they drain, training goes on, nothing is
computed twice, and they come back."""
import statistics
import subprocess
import threading
import time

import yaml

from cluster import LIMIT_S, wait
from deployment import Deployment, log_time, small_job

TIMES = 5
PRIORITY = "ebb-test-urgent"


def cpus_millis(text):
    return int(text[:-1]) if text.endswith("m") else int(text) * 1000


def urgent(cluster, node_cpus):
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "urgent"},
        "spec": {
            "priorityClassName": PRIORITY, "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532,
                                "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "urgent", "image": cluster.tools_image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sh", "-c", "sleep 3600"],
                "resources": {"requests": {"cpu": f"{node_cpus // 2}m"}},
                "securityContext": {"allowPrivilegeEscalation": False,
                                    "capabilities": {"drop": ["ALL"]}}}]}}


class Followed:
    """Follows a container's words, also after the pod's object is gone."""

    def __init__(self, deployment, name):
        self.said = []
        self.first = threading.Event()
        deadline = time.monotonic() + LIMIT_S
        # A kubelet may stay silent about a log that it was late to find. And
        # only who has heard something is sure to hear the end, however soon.
        while True:
            self.attach(deployment, name)
            if self.first.wait(10):
                return
            self.drop()
            self.reader.join()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} says nothing")

    def attach(self, deployment, name):
        self.process = subprocess.Popen(
            [*deployment.cluster.kubectl_command, "-n", deployment.namespace,
             "logs", "-f", "--tail=-1", name],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            self.first.set()

    def lines(self):
        """All, once the container has ended."""
        self.reader.join(LIMIT_S)
        ended = not self.reader.is_alive()
        self.drop()
        if not ended:
            raise TimeoutError("a container that was to end goes on: "
                               + self.said[-1])
        return self.said

    def drop(self):
        self.process.kill()
        self.process.wait()


def prove(cluster, record):
    nodes = cluster.get("nodes")["items"]
    node_cpus = min(cpus_millis(one["status"]["allocatable"]["cpu"])
                    for one in nodes)
    workers = 2 * len(nodes)
    deployment = Deployment(
        cluster, "ebb-test-preempt", job=small_job(30), workers=workers,
        overlay="overlays/spot",
        # These rule out what else may have others compute twice: a worker or a
        # server that a busy machine gives no time, and backup tasks.
        environment={"worker": {"EBB_BATCH_TIME": "400ms"},
                     "scheduler": {"EBB_LEASE_TTL": "120s",
                                   "EBB_CONFIRM_TIMEOUT": "120s",
                                   "EBB_BACKUP_GAIN": "1000h"}},
        worker_cpu=f"{node_cpus * 36 // 100}m")
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                "metadata": {"name": PRIORITY}, "value": 10000}
    cluster.kubectl("apply", "-f", "-", text=yaml.safe_dump(priority))
    leases = []
    try:
        deployment.start()
        wait(lambda: deployment.examples() > 0, "nothing is trained")
        for i in range(TIMES):
            leases += once(cluster, deployment, record, node_cpus, workers, i)
        for what, seconds, limit in (
                ("process start", [one for one, _ in leases], 1.5),
                # A kubelet cuts its seconds off: up to one more than passed.
                ("container start (whole seconds)",
                 [one for _, one in leases], 2.5)):
            median = statistics.median(seconds)
            record.note(f"{what} until the first lease, of those that came "
                        f"back: p50 of {len(seconds)}",
                        f"{median:.2f} s (longest {max(seconds):.2f} s)")
            assert median <= limit, seconds
        noticed(deployment, record, "ebb-worker-0")
        deployment.hurry()
        deployment.wait_complete()
        # By what servers and scheduler say: a pod's log may lack its end.
        audit = deployment.audit("fashion-small")
        record.note("audit", f"exact, {audit['applied']} of "
                    f"{audit['expected']} examples")
        job = wait(lambda: status_when_idle(deployment),
                   "some worker is still at it")
        computed = sum(one["examples"] for one in job["computed"])
        unsaid = audit["expected"] - computed
        record.note("examples that the workers said they computed, in all "
                    "their lives", f"{computed}" + (
                        f"; {unsaid} were applied and not said: their worker "
                        "ended before it could" if unsaid > 0 else ""))
        # A server that is restarted has lost what no version held.
        record.note("containers that were restarted",
                    str(deployment.restarts() or "none"))
        assert not job["leases_repeated"], job["leases_repeated"]
        assert not job["backups"]["computed_twice"], job["backups"]
        assert unsaid >= 0, f"{-unsaid} examples were computed twice"
    finally:
        deployment.end()
        cluster.kubectl("delete", "priorityclass", PRIORITY,
                        "--ignore-not-found")


def noticed(deployment, record, name):
    """It leaves when its pod is annotated, stays away, and joins when that is
    gone."""
    wait(lambda: deployment.worker(name), f"{name} is not there")
    begun = time.time()
    deployment.kubectl("annotate", "pod", name, "ebb/notice=gone at noon")
    wait(lambda: deployment.worker(name) is None, f"{name} does not leave")
    record.seconds(f"{name} annotated until it has left", time.time() - begun)
    deployment.wait_progress(1000)
    assert deployment.worker(name) is None, f"{name} joined all the same"
    begun = time.time()
    deployment.kubectl("annotate", "pod", name, "ebb/notice-")
    wait(lambda: (deployment.worker(name) or {}).get("items"),
         f"{name} does not join again")
    record.seconds("annotation removed until it has an item",
                   time.time() - begun)


def status_when_idle(deployment):
    """Of the job, once no worker has an item, and so each has said how many
    examples it computed; None before."""
    status = deployment.status()
    if any(one.get("items") for one in status["roles"]):
        return None
    (job,) = status["jobs"]
    return job


def once(cluster, deployment, record, node_cpus, workers, i):
    """Seconds until the first lease of each worker that came back, since its
    process and since its container were started."""
    names = [f"ebb-worker-{n}" for n in range(workers)]
    uids = {name: deployment.ready(name)["metadata"]["uid"] for name in names}
    followed = {name: Followed(deployment, name) for name in names}
    begun = time.time()
    deployment.kubectl("apply", "-f", "-",
                       text=yaml.safe_dump(urgent(cluster, node_cpus)))

    def victims():
        left = {one["metadata"]["name"]: one["metadata"]
                for one in deployment.get("pods")["items"]}
        return [name for name in names
                if name not in left or left[name]["uid"] != uids[name]
                or "deletionTimestamp" in left[name]]

    gone = wait(victims, "nobody was preempted")
    record.seconds(f"{i + 1}: urgent pod made until {', '.join(gone)} "
                   "was chosen", time.time() - begun)
    wait(lambda: deployment.pod("urgent")["status"]["phase"] == "Running",
         "the urgent pod does not run")
    record.seconds(f"{i + 1}: until it runs", time.time() - begun)
    gone = victims()
    for name in names:
        if name not in gone:
            followed[name].drop()
            continue
        lines = followed[name].lines()
        told = next((one for one in lines if " leaves: signal 15" in one), None)
        left = next((one for one in lines if " left batches=" in one), None)
        # A kubelet that finds a container ended may stop before its last lines.
        record.note(f"{i + 1}: {name}: SIGTERM until it left in good order",
                    f"{log_time(left) - log_time(told):.3f} s" if told and left
                    else "not known: its kubelet kept its last lines")
    deployment.wait_progress(3000)  # With the rest.
    begun = time.time()
    deployment.kubectl("delete", "pod", "urgent", "--wait=false")
    leases = []
    for name in gone:
        deployment.wait_replaced(name, uids[name])
        # Each by itself: a kubelet's answer may have a part of a log.
        leases.append(tuple(
            wait(lambda: deployment.first_lease(name, of_container),
                 f"{name} has no lease") for of_container in (False, True)))
    record.seconds(f"{i + 1}: urgent pod deleted until all workers are ready",
                   time.time() - begun)
    return leases
