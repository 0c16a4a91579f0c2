"""Workers compute a PyTorch model in processes of Python's: one of these is
killed, a worker's pod is killed and another evicted, and the audit is exact. The
image has no Python: the pods see the node's."""
import os

from cluster import Missing, wait
from deployment import Deployment

# Debian's python3-torch needs these of the node; pods see them there. The
# image has the same libraries, of the same release.
OF_THE_NODE = {
    "/usr/bin/python3.11": "/usr/bin/python3", "/usr/lib/python3": "",
    "/usr/lib/python3.11": "", "/usr/lib/x86_64-linux-gnu": "",
    "/etc/alternatives": "", "/usr/lib": "/node/lib"}

JOB = """
name: fashion-small
model: {kind: python, module: my_model.py, class: Net, options: {hidden: 16}}
data:
  train: {idx: /data/fashion-mnist/t10k, scale: 1/255}
  split: 0.1
train: {epochs: 40, batch: 50, item_examples: 500, shuffle_seed: 1}
optimizer: {kind: adam, rate: 0.001}
checkpoint: {every: 1s, keep: 3}
evaluate: {every: 10 epochs}
partitions: 8
"""


def with_python(kind, name, container):
    """A patch: the pods of `name` see the node's Python."""
    volumes, mounts = [], []
    for number, (path, place) in enumerate(OF_THE_NODE.items()):
        volumes.append({"name": f"node-{number}", "hostPath": {"path": path}})
        mounts.append({"name": f"node-{number}", "readOnly": True,
                       "mountPath": place or path})
    return {"apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
            "kind": kind, "metadata": {"name": name},
            "spec": {"template": {"spec": {
                "containers": [{
                    "name": container, "volumeMounts": mounts,
                    "env": [{"name": "LD_LIBRARY_PATH",
                             "value": "/node/lib"}]}],
                "volumes": volumes}}}}


def python_of(deployment, name):
    """The processes of Python's in a worker's pod, by the node's numbers. They
    are children of the worker."""
    found = []
    uid = deployment.pod(name)["metadata"]["uid"].replace("-", "_")
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/cgroup") as file:
                groups = file.read()
            with open(f"/proc/{process}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if uid in groups.replace("-", "_") and b"python3" in words[0]:
            found.append(int(process))
    return found


def prove(cluster, record):
    if not os.path.exists("/usr/lib/python3/dist-packages/torch"):
        raise Missing("this machine has no python3-torch")
    deployment = Deployment(
        cluster, "ebb-test-python", job=JOB, workers=2, servers=2,
        overlay="overlays/python",
        environment={"worker": {"EBB_BATCH_TIME": "50ms"}},
        more=[with_python("StatefulSet", "ebb-worker", "worker"),
              with_python("Job", "ebb-submit", "submit")])
    try:
        deployment.start()
        deployment.wait_submitted()
        wait(lambda: deployment.examples() > 0, "nothing is trained")

        (process,) = wait(lambda: python_of(deployment, "ebb-worker-0"),
                          "the worker has no Python")
        os.kill(process, 9)
        again = wait(lambda: [one for one in
                              python_of(deployment, "ebb-worker-0")
                              if one != process], "Python is not started again")
        record.note("Python of ebb-worker-0 killed", f"{process} is {again[0]}")
        deployment.wait_progress(2000)

        before = deployment.pod("ebb-worker-0")
        deployment.kubectl("delete", "pod", "ebb-worker-0", "--force",
                           "--grace-period=0")
        deployment.wait_replaced("ebb-worker-0", before["metadata"]["uid"])
        record.note("ebb-worker-0 killed", "its pod is replaced")
        deployment.wait_progress(2000)

        before = deployment.pod("ebb-worker-1")
        deployment.kubectl("create", "--raw",
                           f"/api/v1/namespaces/{deployment.namespace}/pods/"
                           "ebb-worker-1/eviction", "-f", "-",
                           text=EVICTION)
        deployment.wait_replaced("ebb-worker-1", before["metadata"]["uid"])
        record.note("ebb-worker-1 evicted", "its pod is replaced")
        deployment.wait_progress(2000)

        before = deployment.pod("ebb-ps-0")
        deployment.kubectl("delete", "pod", "ebb-ps-0", "--force",
                           "--grace-period=0")
        deployment.wait_replaced("ebb-ps-0", before["metadata"]["uid"])
        record.note("ebb-ps-0 killed", "its pod is replaced")

        deployment.hurry()
        deployment.wait_complete()
        job = deployment.job_status()
        accuracy = max(one["accuracy"] for one in job["evaluations"])
        record.note("test accuracy", f"{accuracy:.4f}")
        audit = deployment.audit("fashion-small")
        record.note("audit", f"exact, {audit['applied']} of "
                    f"{audit['expected']} examples")
    finally:
        deployment.end()


EVICTION = """{"apiVersion": "policy/v1beta1", "kind": "Eviction",
"metadata": {"name": "ebb-worker-1", "namespace": "ebb-test-python"}}"""
