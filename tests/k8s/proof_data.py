"""Data is pushed into a cluster: to its volume, and where nodes share none to
the scheduler, from which workers fetch it, one of them killed; audit exact."""
import os
import subprocess
import threading
import time

import yaml

from cluster import LIMIT_S, ROOT, run, wait
from deployment import FASHION, Deployment, small_job

PORT = 17000


class Forward:
    """A port of this side that leads into a pod."""

    def __init__(self, deployment, pod):
        self.process = subprocess.Popen(
            [*deployment.cluster.kubectl_command, "-n", deployment.namespace,
             "port-forward", "pod/" + pod, f"{PORT}:7000"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        said = self.process.stdout.readline()
        if "Forwarding from" not in said:
            self.__exit__()
            raise RuntimeError(f"kubectl port-forward: {said.strip()}")
        # Whoever does not listen to it holds it up.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        return f"localhost:{PORT}"

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def push(deployment, pod, record, what):
    """All of Fashion-MNIST."""
    ebb = [*deployment.cluster.nearby, deployment.cluster.ebb, "data"]

    def pushed():
        with Forward(deployment, pod) as address:
            run([*ebb, "push", FASHION, address], limit=LIMIT_S)
            return run([*ebb, "list", address])

    begun = time.time()
    listed = wait(pushed, f"nothing can be pushed to {pod}")
    record.seconds(what, time.time() - begun)
    assert "fashion-mnist" in listed, listed


def prove(cluster, record):
    received(cluster, record)
    fetched(cluster, record)


def received(cluster, record):
    deployment = Deployment(cluster, "ebb-test-receive")
    try:
        deployment.create_namespace()
        objects = []
        for name in ("base/data.yaml", "receive.yaml", "fill.yaml"):
            with open(os.path.join(ROOT, "deploy/k8s", name)) as file:
                objects.append(yaml.safe_load(file))
        claim, receiver, filler = objects
        claim["spec"]["accessModes"] = ["ReadWriteOnce"]
        receiver["spec"]["containers"][0]["image"] = cluster.image
        deployment.kubectl("apply", "-f", "-",
                           text=yaml.safe_dump_all([claim, receiver]))
        wait(lambda: deployment.ready("ebb-receive"), "it does not get ready")
        push(deployment, "ebb-receive", record,
             "Fashion-MNIST pushed to the volume")
        deployment.kubectl("delete", "pod", "ebb-receive")
        # It has a shell to look with.
        filler["spec"]["containers"][0]["image"] = cluster.tools_image
        deployment.kubectl("apply", "-f", "-", text=yaml.safe_dump(filler))
        wait(lambda: deployment.ready("ebb-fill"), "nobody can look")
        for name in sorted(os.listdir(FASHION)):
            (size, *_) = deployment.kubectl(
                "exec", "ebb-fill", "--", "wc", "-c",
                "/data/fashion-mnist/" + name).split()
            expected = os.path.getsize(os.path.join(FASHION, name))
            assert int(size) == expected, (name, size, expected)
        record.note("files of it in the volume, at /data/fashion-mnist",
                    str(len(os.listdir(FASHION))))
    finally:
        deployment.end()


def fetched(cluster, record):
    job = small_job(20).replace("/data/fashion-mnist", "ebb://fashion-mnist")
    deployment = Deployment(
        cluster, "ebb-test-data", job=job, overlay="overlays/fetched-data",
        environment={"worker": {"EBB_BATCH_TIME": "100ms"}})
    try:
        deployment.create_namespace()
        deployment.apply()
        deployment.rollout("scheduler")
        push(deployment, "ebb-scheduler-0", record,
             "Fashion-MNIST pushed to the scheduler")
        begun = time.time()
        deployment.wait_ready()
        deployment.wait_submitted()
        wait(lambda: deployment.examples() > 0, "nothing is trained")
        record.seconds("then, until workers have fetched it and count examples",
                       time.time() - begun)
        uid = deployment.pod("ebb-worker-1")["metadata"]["uid"]
        begun = time.time()
        deployment.kubectl("delete", "pod", "ebb-worker-1", "--force",
                           "--grace-period=0")
        deployment.wait_replaced("ebb-worker-1", uid)
        wait(lambda: deployment.first_lease("ebb-worker-1"),
             "it does not train again")
        record.seconds("a worker killed until its successor has fetched it "
                       "again and trains", time.time() - begun)
        deployment.hurry()
        deployment.wait_complete()
        audit = deployment.audit("fashion-small")
        record.note("audit", f"exact, {audit['applied']} of "
                    f"{audit['expected']} examples")
    finally:
        deployment.end()
