"""A node is lost without notice, and its Node object deleted as a cloud does:
workers are replaced on the other; its server comes back with its volume, or
others take over its partitions from the shared folder."""
import time

from cluster import Missing, wait
from deployment import Deployment, small_job


def deploy(cluster, name, overlay, takeover):
    more = []
    if overlay.endswith("shared-checkpoints"):
        more = [{"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                 "metadata": {"name": "ebb-shared"},
                 "spec": {"accessModes": ["ReadWriteOnce"]}}]
    deployment = Deployment(
        cluster, name, job=small_job(30), overlay=overlay, more=more,
        environment={"worker": {"EBB_BATCH_TIME": "400ms"},
                     "scheduler": {"EBB_TAKEOVER_AFTER": takeover}})
    return deployment


def node_of(deployment, name):
    return deployment.pod(name)["spec"]["nodeName"]


def pods_on(deployment, node):
    return sorted(one["metadata"]["name"]
                  for one in deployment.get("pods")["items"]
                  if one["spec"].get("nodeName") == node
                  and one["metadata"]["name"].startswith("ebb-")
                  and not one["metadata"]["name"].startswith("ebb-submit"))


def prove(cluster, record):
    if not cluster.can_lose_nodes:
        raise Missing("the nodes of this cluster cannot be killed from here")
    waits = deploy(cluster, "ebb-test-node-waits", "base", "600s")
    takes = deploy(cluster, "ebb-test-node-takes",
                   "overlays/shared-checkpoints", "15s")
    lost = None
    try:
        for one in (waits, takes):
            one.start()
        for one in (waits, takes):
            one.wait_submitted()
            wait(lambda: one.examples() > 0, "nothing is trained")
        lost = next(node for node in cluster.nodes()
                    if node != node_of(takes, "ebb-scheduler-0")
                    and any("ebb-ps" in pod for pod in pods_on(takes, node)))
        servers = {one.namespace: [pod for pod in pods_on(one, lost)
                                   if "ebb-ps" in pod]
                   for one in (waits, takes)}
        assert all(servers.values()), servers
        for one in (waits, takes):
            record.note(f"{one.namespace}: pods on the node {lost}",
                        ", ".join(pods_on(one, lost)))
        uids = {one.namespace: {pod: one.pod(pod)["metadata"]["uid"]
                                for pod in pods_on(one, lost)}
                for one in (waits, takes)}
        begun = time.time()
        cluster.lose_node(lost)
        wait(lambda: any(
            condition["type"] == "Ready" and condition["status"] != "True"
            for condition in cluster.get("node", lost)["status"]["conditions"]),
            "the node is still ready")
        record.seconds("node killed until it is NotReady", time.time() - begun)
        wait(lambda: takes.job_status()["servers"]["taken_over"] > 0,
             "nothing is taken over")
        record.seconds("shared folder: node killed until the other server has "
                       "the partitions (takeover_after 15 s)",
                       time.time() - begun)
        takes.wait_progress(2000)
        record.seconds("and has counted 2,000 more examples",
                       time.time() - begun)
        deleted = time.time()
        cluster.kubectl("delete", "node", lost, "--wait=false")
        for one in (waits, takes):
            for pod, uid in uids[one.namespace].items():
                _, ready = one.wait_replaced(pod, uid)
                record.seconds(f"{one.namespace}: {pod}: Node object deleted "
                               "until it is ready on the other node",
                               ready - deleted)
        for pod in servers[waits.namespace]:
            number = int(pod.rpartition("-")[2])
            wait(lambda: (waits.server(number) or {}).get("partitions"),
                 f"{pod} has no partitions")
        waits.wait_progress(2000)
        record.seconds("volume: Node object deleted until all partitions count "
                       "again", time.time() - deleted)
        assert waits.job_status()["servers"]["taken_over"] == 0
        for one in (waits, takes):
            one.hurry()
        for one in (waits, takes):
            one.wait_complete()
            audit = one.audit("fashion-small")
            record.note(f"{one.namespace}: audit", f"exact, {audit['applied']} "
                        f"of {audit['expected']} examples")
    finally:
        if lost:
            cluster.bring_node(lost)
            wait(lambda: cluster.kubectl("wait", "--for=condition=Ready",
                                         f"node/{lost}", "--timeout=60s"),
                 "the node is not back")
        for one in (waits, takes):
            one.end()
