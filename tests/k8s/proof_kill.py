"""A worker, a server and the scheduler are killed (kubectl delete pod --force)
while they train: same name, same volume, the job is complete and exact."""
import time

from cluster import wait
from deployment import Deployment, small_job


def claims(pod):
    return {one["persistentVolumeClaim"]["claimName"]
            for one in pod["spec"]["volumes"] if "persistentVolumeClaim" in one}


def kill(deployment, record, name, back):
    """`back()` is true when it does its work again."""
    deployment.wait_progress(2000)
    before = deployment.pod(name)
    begun = time.time()
    deployment.kubectl("delete", "pod", name, "--force", "--grace-period=0")
    wait(back, f"{name} does not work again")
    record.seconds(f"{name} killed until it works again", time.time() - begun)
    after, ready = deployment.wait_replaced(name, before["metadata"]["uid"])
    record.seconds(f"{name} killed until its pod is ready", ready - begun)
    assert claims(after) == claims(before), (claims(before), claims(after))
    deployment.wait_progress(2000)


def prove(cluster, record):
    deployment = Deployment(
        cluster, "ebb-test-kill", job=small_job(80),
        environment={"worker": {"EBB_BATCH_TIME": "50ms"}})
    try:
        deployment.start()
        wait(lambda: deployment.examples() > 0, "nothing is trained")

        old = deployment.worker("ebb-worker-1")["session"]

        def worker_is_back():
            worker = deployment.worker("ebb-worker-1")
            return (worker and worker["session"] != old
                    and worker["examples"] > 0)

        kill(deployment, record, "ebb-worker-1", worker_is_back)
        record.note("its process start until its first lease",
                    f"{deployment.first_lease('ebb-worker-1'):.2f} s")

        served = deployment.server(0)

        def server_is_back():
            server = deployment.server(0)
            return (server and server["session"] != served["session"]
                    and server["connected"]
                    and server["partitions"] == served["partitions"])

        kill(deployment, record, "ebb-ps-0", server_is_back)

        up = deployment.status()["roles"][0]["since_unix_ms"]
        kill(deployment, record, "ebb-scheduler-0",
             lambda: deployment.status()["roles"][0]["since_unix_ms"] > up
             and deployment.examples() > 0)

        deployment.hurry()
        deployment.wait_complete()
        audit = deployment.audit("fashion-small")
        record.note("audit", f"exact, {audit['applied']} of "
                    f"{audit['expected']} examples")
        record.note("containers that were restarted",
                    str(deployment.restarts() or "none"))
    finally:
        deployment.end()
