"""Data and checkpoints are in a bucket of Ceph's radosgw, and servers have no
volume: a worker and a server are killed, and a node is lost for good; audit
exact."""
import os
import subprocess
import sys
import time

from cluster import ROOT, Missing, wait
from deployment import FASHION, Deployment, small_job
from proof_node import node_of, pods_on

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class Bucket:
    """A radosgw of this side with the data, until end(). What it prints, its
    environment, is in `settings`."""

    def __init__(self, cluster):
        if cluster.near_address is None:
            raise Missing("pods of this cluster may not reach a server here")
        puts = []
        for kind in ("images-idx3", "labels-idx1"):
            name = f"t10k-{kind}-ubyte.gz"
            puts += ["--put", f"data/fashion-mnist/{name}="
                              f"{os.path.join(FASHION, name)}"]
        self.process = subprocess.Popen(
            [*cluster.nearby, sys.executable, "-B",
             os.path.join(ROOT, "tests/services/radosgw.py"), "--listen",
             cluster.near_address, *puts, "sh", "-c",
             "env; echo ready; read -r _"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        said = []
        for line in self.process.stdout:
            if line == "ready\n":
                break
            said.append(line)
        else:
            raise Missing("".join(said[-3:]))
        self.settings = dict(line.rstrip("\n").partition("=")[::2]
                             for line in said)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def deploy(cluster, bucket):
    url = bucket.settings["EBB_TEST_BUCKET"]
    settings = {
        "AWS_REGION": bucket.settings["AWS_REGION"],
        "AWS_ENDPOINT_URL_S3": bucket.settings["AWS_ENDPOINT_URL_S3"],
        "EBB_SHARED_CHECKPOINTS": url + "/cluster",
        "EBB_SOURCES": url + "/data/"}
    job = small_job(40).replace("/data/fashion-mnist/t10k",
                                f'"{url}/data/fashion-mnist/t10k"')
    return Deployment(
        cluster, "ebb-test-bucket", job=job, overlay="overlays/bucket",
        data_volume=False,
        more=[{"apiVersion": "v1", "kind": "ConfigMap",
               "metadata": {"name": "ebb-bucket"}, "data": settings}],
        environment={"worker": {"EBB_BATCH_TIME": "200ms"},
                     "scheduler": {"EBB_TAKEOVER_AFTER": "15s"}})


def kill(deployment, record, name):
    """Until all partitions count examples again."""
    uid = deployment.pod(name)["metadata"]["uid"]
    begun = time.time()
    deployment.kubectl("delete", "pod", name, "--force", "--grace-period=0")
    deployment.wait_replaced(name, uid)
    deployment.wait_progress(2000)
    record.seconds(f"{name} killed until another pod has its name, and 2,000 "
                   "more examples count", time.time() - begun)


def lose_node(cluster, deployment, record, lost):
    uids = {pod: deployment.pod(pod)["metadata"]["uid"]
            for pod in pods_on(deployment, lost)}
    record.note(f"pods on the node {lost}", ", ".join(uids))
    assert any("ebb-ps" in pod for pod in uids), uids
    begun = time.time()
    cluster.lose_node(lost)
    wait(lambda: deployment.job_status()["servers"]["taken_over"] > 0,
         "nothing is taken over")
    record.seconds("node killed until the other server has the partitions "
                   "(takeover_after 15 s)", time.time() - begun)
    deleted = time.time()
    cluster.kubectl("delete", "node", lost, "--wait=false")
    for pod, uid in uids.items():
        deployment.wait_replaced(pod, uid)
    deployment.wait_progress(2000)
    record.seconds("Node object deleted until its pods are ready on the other "
                   "node, and 2,000 more examples count",
                   time.time() - deleted)


def prove(cluster, record):
    bucket = Bucket(cluster)
    deployment = deploy(cluster, bucket)
    lost = None
    try:
        deployment.create_namespace()
        deployment.kubectl(
            "create", "secret", "generic", "ebb-bucket",
            *(f"--from-literal={key}={bucket.settings[key]}" for key in KEYS))
        begun = time.time()
        deployment.apply()
        deployment.wait_ready()
        deployment.wait_submitted()
        wait(lambda: deployment.examples() > 0, "nothing is trained")
        record.seconds("applied until workers have read the bucket, and "
                       "examples count", time.time() - begun)
        kill(deployment, record, "ebb-worker-1")
        kill(deployment, record, "ebb-ps-0")
        if cluster.can_lose_nodes:
            lost = next(node for node in cluster.nodes()
                        if node != node_of(deployment, "ebb-scheduler-0"))
            lose_node(cluster, deployment, record, lost)
        deployment.hurry()
        deployment.wait_complete()
        audit = deployment.audit("fashion-small")
        record.note("audit", f"exact, {audit['applied']} of "
                    f"{audit['expected']} examples")
    finally:
        if lost:
            cluster.bring_node(lost)
            wait(lambda: cluster.kubectl("wait", "--for=condition=Ready",
                                         f"node/{lost}", "--timeout=60s"),
                 "the node is not back")
        deployment.end()
        bucket.end()
