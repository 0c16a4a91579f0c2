"""Workers and servers are scaled up and down, and each role is restarted and
rolled back pod by pod, while it trains."""
import time

from cluster import wait
from deployment import Deployment, small_job


def scale(deployment, record, role, replicas, settled, what):
    begun = time.time()
    deployment.kubectl("scale", f"statefulset/ebb-{role}",
                       f"--replicas={replicas}")
    wait(settled, what)
    record.seconds(what, time.time() - begun)
    deployment.wait_progress(1000)


def workers_at_work(deployment):
    return sum(one["role"] == "worker" and one["examples"] > 0
               for one in deployment.status()["roles"])


def partitions(deployment):
    """By server, of those that are there."""
    return {one["id"]: one["partitions"]
            for one in deployment.status()["roles"]
            if one["role"] == "server" and one["connected"]}



def replace(deployment, record, role, change, what):
    begun = time.time()
    deployment.kubectl("rollout", *change, f"statefulset/ebb-{role}")
    deployment.rollout(role)
    record.seconds(what, time.time() - begun)
    deployment.wait_progress(1000)


def prove(cluster, record):
    deployment = Deployment(
        cluster, "ebb-test-scale", job=small_job(90),
        environment={"worker": {"EBB_BATCH_TIME": "50ms"}})
    try:
        deployment.start()
        wait(lambda: deployment.examples() > 0, "nothing is trained")
        scale(deployment, record, "worker", 5,
              lambda: workers_at_work(deployment) == 5,
              "workers 3 to 5, until all have counted examples")
        scale(deployment, record, "worker", 2,
              lambda: workers_at_work(deployment) == 2
              and len(deployment.get("pods", "-l", "app.kubernetes.io/"
                                     "component=worker")["items"]) == 2,
              "workers 5 to 2, until three have left")
        scale(deployment, record, "ps", 3,
              lambda: partitions(deployment).get(2, 0) > 0,
              "servers 2 to 3, until the third has partitions")
        begun = time.time()
        deployment.ebb("scale", "fashion-small", "--servers", "2")
        wait(lambda: sorted(partitions(deployment).values()) == [0, 4, 4],
             "a server keeps partitions")
        record.seconds("ebb scale --servers 2, until the rest have all "
                       "partitions", time.time() - begun)
        left = next(id for id, count in partitions(deployment).items()
                    if count == 0)
        assert left == 2, left  # The one that a StatefulSet ends first.
        scale(deployment, record, "ps", 2,
              lambda: set(partitions(deployment)) == {0, 1},
              "servers 3 to 2, until the third has left")
        for role in ("worker", "ps", "scheduler"):
            replace(deployment, record, role, ["restart"],
                    f"rolling restart of {role}, pod by pod")
            replace(deployment, record, role, ["undo"],
                    f"rollback of {role}")
        deployment.hurry()
        deployment.wait_complete()
        audit = deployment.audit("fashion-small")
        record.note("audit", f"exact, {audit['applied']} of "
                    f"{audit['expected']} examples")
    finally:
        deployment.end()
