"""The base applies, becomes ready, and trains to its accuracy; audit exact."""
import os
import time

from cluster import ROOT
from deployment import Deployment


def prove(cluster, record):
    deployment = Deployment(cluster, "ebb-test-base")
    try:
        deployment.create_namespace()
        folder = os.path.join(ROOT, "deploy/k8s/overlays")
        for overlay in ["base", *sorted("overlays/" + name
                                        for name in os.listdir(folder))]:
            deployment.overlay = overlay
            deployment.data_volume = overlay != "overlays/bucket"
            said = deployment.kubectl("apply", "--dry-run=server", "-f", "-",
                                      text=deployment.rendered())
            record.note(f"the API server accepts {overlay}",
                        f"{len(said.splitlines())} objects")
        deployment.overlay = "base"
        deployment.data_volume = True

        begun = time.time()
        deployment.fill(("train", "t10k"))
        record.seconds("data copied to the volume", time.time() - begun)
        begun = time.time()
        deployment.apply()
        deployment.wait_ready()
        record.seconds("applied until all pods are ready", time.time() - begun)
        deployment.wait_submitted()
        record.seconds("applied until the job is submitted",
                       time.time() - begun)
        deployment.wait_complete()
        job = deployment.job_status()
        record.seconds("applied until the job is complete", time.time() - begun)
        accuracy = max(one["accuracy"] for one in job["evaluations"])
        record.note("test accuracy", f"{accuracy:.4f}")
        assert accuracy >= 0.87, accuracy
        audit = deployment.audit("fashion-mlp")
        record.note("audit", f"exact, {audit['applied']} of "
                    f"{audit['expected']} examples")
        assert not deployment.restarts(), deployment.restarts()
        for name, family in (("ebb-scheduler-0", "ebb_scheduler_jobs"),
                             ("ebb-ps-0", "ebb_server_"),
                             ("ebb-worker-0", "ebb_worker_")):
            text = deployment.metrics(name)
            assert f"\n{family}" in text, text
            record.note(f"metrics of {name}", f"{text.count('# TYPE')} families")
        for name in (f"ebb-worker-{i}" for i in range(3)):
            record.note(f"{name}: process start until its first lease",
                        f"{deployment.first_lease(name):.2f} s")
    finally:
        deployment.end()
