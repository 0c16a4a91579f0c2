"""Two namespaces, each with a job and a quota, know nothing of each other."""
import time

from cluster import wait
from deployment import Deployment, small_job


def pods(deployment):
    """Returns those that have not ended: others are in no quota."""
    return {one["metadata"]["name"] for one in deployment.get("pods")["items"]
            if one["status"]["phase"] in ("Pending", "Running")}


def prove(cluster, record):
    one, other = (
        Deployment(cluster, f"ebb-test-team-{name}", job=small_job(30),
                   workers=2, overlay="overlays/quota",
                   environment={"worker": {"EBB_BATCH_TIME": "50ms"}},
                   more=[{"apiVersion": "v1", "kind": "ResourceQuota",
                          "metadata": {"name": "ebb"},
                          "spec": {"hard": {"pods": "7"}}}])
        for name in "ab")
    try:
        begun = time.time()
        for team in (one, other):
            team.start()
        record.seconds("both deployed", time.time() - begun)
        for team in (one, other):
            wait(lambda: team.examples() > 0, "nothing is trained")
        # Scheduler, two servers, two workers: two more fit.
        one.kubectl("scale", "statefulset/ebb-worker", "--replicas=6")
        said = wait(lambda: [
            event["message"] for event in one.get("events")["items"]
            if "exceeded quota" in event.get("message", "")],
            "the quota refuses nothing")
        record.note("more workers than the quota has", said[0][-120:])
        assert len(pods(one)) <= 7, pods(one)
        assert len(pods(other)) <= 6, pods(other)
        for team in (one, other):
            status = team.status()
            assert len(status["jobs"]) == 1, status["jobs"]
            # Whoever is there is of this namespace.
            known = pods(team)
            for role in status["roles"]:
                if role["role"] == "worker":
                    assert role["name"] in known, role["name"]
        # What one does to its cluster is nothing to the other.
        begin = other.examples()
        one.ebb("cancel", "fashion-small")
        other.wait_complete()
        assert other.job_status()["state"] == "complete"
        assert begin < other.examples()
        audit = other.audit("fashion-small")
        record.note("audit of one, after the other's job was cancelled",
                    f"exact, {audit['applied']} of {audit['expected']} "
                    "examples")
    finally:
        for team in (one, other):
            team.end()
