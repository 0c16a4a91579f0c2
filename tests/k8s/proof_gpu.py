"""Workers that want a GPU get onto a node that has one, and no other; a resource
is said to be there and is not, so they say what they lack; as `auto` they train
on the node's processor, and the audit is exact."""
import json
import time

from cluster import Missing, wait
from deployment import Deployment, small_job

RESOURCE = "nvidia.com/gpu"


def offer(cluster, node, count):
    """A node's status says that it has so many."""
    def replaced():
        seen = cluster.get("node", node)
        for kind in ("capacity", "allocatable"):
            seen["status"][kind][RESOURCE] = str(count)
        return cluster.kubectl("replace", "--raw",
                               f"/api/v1/nodes/{node}/status", "-f", "-",
                               text=json.dumps(seen))

    wait(replaced, f"the status of {node} cannot be changed")


def waits_for_a_gpu(pod):
    return any(one["type"] == "PodScheduled" and one["status"] == "False"
               and RESOURCE in one.get("message", "")
               for one in pod["status"].get("conditions", []))


def prove(cluster, record):
    if any(one["status"]["capacity"].get(RESOURCE, "0") != "0"
           for one in cluster.get("nodes")["items"]):
        raise Missing("nodes have GPUs of their own, which are left alone")
    node = cluster.nodes()[0]
    deployment = Deployment(
        cluster, "ebb-test-gpu", job=small_job(4) + "device: auto\n",
        workers=2, servers=1, overlay="overlays/gpu")
    names = ["ebb-worker-0", "ebb-worker-1"]
    try:
        deployment.create_namespace()
        deployment.fill(("t10k",))
        deployment.apply()
        for name in names:
            wait(lambda: waits_for_a_gpu(deployment.pod(name)),
                 f"{name} does not wait for a GPU")
        record.note("no node has a GPU", "both workers' pods wait for one")

        begun = time.time()
        offer(cluster, node, 1)
        (placed,) = wait(
            lambda: [one for one in map(deployment.pod, names)
                     if one["spec"].get("nodeName")],
            "no worker is scheduled")
        assert placed["spec"]["nodeName"] == node, placed["spec"]
        record.seconds("a node says it has one until a worker is put there",
                       time.time() - begun)
        name = placed["metadata"]["name"]
        said = wait(
            lambda: [line for line in deployment.logs(name).splitlines()
                     if "there is no gpu 0 here" in line],
            "it does not say what it lacks")
        record.note("there is none, says the worker", said[0][-120:])

        deployment.kubectl("set", "env", "statefulset/ebb-worker",
                           "EBB_DEVICE=auto")
        deployment.kubectl("delete", "pod", *names, "--wait=false")
        deployment.wait_complete()
        audit = deployment.audit("fashion-small")
        record.note("audit of the job, with EBB_DEVICE=auto",
                    f"exact, {audit['applied']} of {audit['expected']} "
                    "examples")
        scheduled = [one for one in map(deployment.pod, names)
                     if one["spec"].get("nodeName")]
        assert len(scheduled) == 1, scheduled
        record.note("the other worker's pod", "waits: there is one GPU")
    finally:
        deployment.end()
        offer(cluster, node, 0)
