"""ebb in a namespace of a cluster, as a user deploys it: by an overlay of
deploy/k8s."""
import copy
import datetime
import json
import os
import re
import subprocess
import tempfile
import time

import yaml

from cluster import LIMIT_S, ROOT, wait

FASHION = "/usr/share/datasets/fashion-mnist"
# Small machines can run many of these.
SIZES = {"scheduler": ("50m", "256Mi", "512Mi"), "ps": ("100m", "512Mi", "640Mi"),
         "worker": ("100m", "768Mi", "1Gi"), "submit": ("50m", "256Mi", "512Mi")}

# Softmax on 10,000 images; EBB_BATCH_TIME of the workers makes it last.
SMALL_JOB = """
name: fashion-small
model: softmax
data:
  train: {idx: /data/fashion-mnist/t10k, scale: 1/255}
train: {epochs: EPOCHS, batch: 50, item_examples: 500, shuffle_seed: 1}
optimizer: {kind: rmsprop, rate: 0.0005}
checkpoint: {every: 1s, keep: 3}
partitions: 8
"""


def small_job(epochs):
    return SMALL_JOB.replace("EPOCHS", str(epochs))


def log_time(line):
    """Of a line of glog's, in UTC."""
    stamp = re.match(r"[IWE](\d{8} \d\d:\d\d:\d\d\.\d{6})", line).group(1)
    moment = datetime.datetime.strptime(stamp, "%Y%m%d %H:%M:%S.%f")
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()


class NotExact(Exception):
    """An audit's answer: no machine is so busy that this may be."""


class Deployment:
    """Everything about it is in its namespace, which end() removes."""

    def __init__(self, cluster, namespace, job=None, workers=3, servers=2,
                 overlay="base", environment=None, worker_cpu=None, more=(),
                 data_volume=True):
        """`job`: instead of the base's. `environment`: {role: {name: value}}.
        `more`: strategic-merge patches of other objects than the roles'.
        `data_volume`: whether the overlay has one for the data."""
        self.cluster = cluster
        self.namespace = namespace
        self.job = job
        self.workers = workers
        self.servers = servers
        self.overlay = overlay
        self.environment = environment or {}
        self.worker_cpu = worker_cpu
        self.more = list(more)
        self.data_volume = data_volume
        self.folder = tempfile.TemporaryDirectory(prefix="ebb_k8s_")

    # --- What is applied ---

    def patches(self):
        made = []
        for role, (cpu, request, limit) in SIZES.items():
            if role == "worker":
                cpu = self.worker_cpu or cpu
            container = {"name": role, "resources": {
                "requests": {"cpu": cpu, "memory": request},
                "limits": {"memory": limit}}}
            values = dict(self.environment.get(role, {}))
            if role == "scheduler":
                values.setdefault("EBB_MIN_SERVERS", str(self.servers))
            if values:
                container["env"] = [{"name": name, "value": value}
                                    for name, value in values.items()]
            spec = {"template": {"spec": {"containers": [container]}}}
            if role == "worker":
                spec["replicas"] = self.workers
            if role == "ps":
                spec["replicas"] = self.servers
            made.append({
                "apiVersion": "batch/v1" if role == "submit" else "apps/v1",
                "kind": "Job" if role == "submit" else "StatefulSet",
                "metadata": {"name": "ebb-" + role}, "spec": spec})
        if self.data_volume:
            made.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                         "metadata": {"name": "ebb-data"},
                         "spec": {"accessModes": ["ReadWriteOnce"]}})
        return made + copy.deepcopy(self.more)

    def write(self):
        """A kustomization of ours above one of deploy/k8s."""
        folder = self.folder.name
        base = os.path.join(ROOT, "deploy/k8s", self.overlay)
        image, _, tag = self.cluster.image.rpartition(":")
        kustomization = {
            "bases": [os.path.relpath(base, os.path.realpath(folder))],
            "patchesStrategicMerge": ["patches.yaml"],
            # No node that is tested on has a device, so cuBLAS is not needed.
            "images": [{"name": name, "newName": image, "newTag": tag}
                       for name in ("localhost/ebb", "localhost/ebb-gpu",
                                    "localhost/ebb-python")],
            "generatorOptions": {"disableNameSuffixHash": True}}
        with open(os.path.join(folder, "patches.yaml"), "w") as file:
            yaml.safe_dump_all(self.patches(), file)
        if self.job:
            with open(os.path.join(folder, "job.yaml"), "w") as file:
                file.write(self.job)
            kustomization["configMapGenerator"] = [
                {"name": "ebb-job", "behavior": "replace",
                 "files": ["job.yaml"]}]
        with open(os.path.join(folder, "kustomization.yaml"), "w") as file:
            yaml.safe_dump(kustomization, file)
        return folder

    def rendered(self):
        """Returns the text; for a cluster without policy/v1, of what it has."""
        text = self.cluster.kubectl("kustomize", self.write())
        if not self.cluster.has_api("policy/v1"):
            text = text.replace("apiVersion: policy/v1\n",
                                "apiVersion: policy/v1beta1\n")
        return text

    # --- Life ---

    def create_namespace(self):
        self.cluster.kubectl("create", "namespace", self.namespace)
        self.cluster.kubectl(
            "label", "namespace", self.namespace,
            "pod-security.kubernetes.io/enforce=restricted")

    def fill(self, parts=("train", "t10k")):
        """The data, by way of a pod that can write."""
        folder = os.path.join(ROOT, "deploy/k8s")
        with open(os.path.join(folder, "base/data.yaml")) as file:
            claim = yaml.safe_load(file)
        claim["spec"]["accessModes"] = ["ReadWriteOnce"]
        with open(os.path.join(folder, "fill.yaml")) as file:
            pod = yaml.safe_load(file)
        pod["spec"]["containers"][0]["image"] = self.cluster.tools_image
        self.kubectl("apply", "-f", "-", text=yaml.safe_dump_all([claim, pod]))
        self.kubectl("wait", "--for=condition=Ready", "pod/ebb-fill",
                     f"--timeout={LIMIT_S}s", limit=LIMIT_S + 30)
        self.kubectl("exec", "ebb-fill", "--", "mkdir", "-p", "/data/fashion-mnist")
        for part in parts:
            for kind in ("images-idx3", "labels-idx1"):
                self.copy(f"{part}-{kind}-ubyte.gz")
        self.kubectl("delete", "pod", "ebb-fill", "--wait=false")

    def copy(self, name):
        """To the pod that fills the volume. It answers, so that nobody hangs
        up before all has arrived."""
        path = os.path.join(FASHION, name)
        target = "/data/fashion-mnist/" + name
        with open(path, "rb") as file:
            said = subprocess.run(
                [*self.cluster.kubectl_command, "-n", self.namespace, "exec",
                 "-i", "ebb-fill", "--", "/bin/sh", "-c",
                 f"cat > {target} && wc -c < {target}"],
                stdin=file, stdout=subprocess.PIPE, check=True, timeout=LIMIT_S)
        if int(said.stdout) != os.path.getsize(path):
            raise RuntimeError(f"{name} arrived with {said.stdout} bytes")

    def apply(self):
        self.kubectl("apply", "-f", "-", text=self.rendered())

    def start(self, parts=("t10k",)):
        self.create_namespace()
        self.fill(parts)
        self.apply()
        self.wait_ready()

    def wait_ready(self):
        for role in ("scheduler", "ps", "worker"):
            self.rollout(role)

    def rollout(self, role):
        self.kubectl("rollout", "status", f"statefulset/ebb-{role}",
                     f"--timeout={LIMIT_S}s", limit=LIMIT_S + 30)

    def wait_submitted(self):
        self.kubectl("wait", "--for=condition=complete", "job/ebb-submit",
                     f"--timeout={LIMIT_S}s", limit=LIMIT_S + 30)

    def end(self):
        def gone():
            self.cluster.kubectl("delete", "namespace", self.namespace,
                                 "--ignore-not-found", limit=300)
            return True

        self.folder.cleanup()
        wait(gone, f"the namespace {self.namespace} is not gone")

    # --- What is asked ---

    def kubectl(self, *arguments, **more):
        return self.cluster.kubectl("-n", self.namespace, *arguments, **more)

    def get(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def pod(self, name):
        return self.get("pod", name)

    def ready(self, name):
        """Its object if it is, else None."""
        pod = self.pod(name)
        conditions = {one["type"]: one["status"]
                      for one in pod["status"].get("conditions", [])}
        good = conditions.get("Ready") == "True"
        return pod if good and "deletionTimestamp" not in pod["metadata"] \
            else None

    def logs(self, name, *more):
        return self.kubectl("logs", name, *more)

    def ebb(self, *arguments, **more):
        return self.kubectl("exec", "ebb-scheduler-0", "--", "/usr/bin/ebb",
                            *arguments, **more)

    def asked(self, *arguments):
        """By `ebb ... --json`. A busy node may lose a call, so it is asked
        thrice."""
        for tries_left in (2, 1, 0):
            try:
                return json.loads(self.ebb(*arguments, "--json"))
            except RuntimeError:
                if not tries_left:
                    raise

    def status(self):
        return self.asked("status")

    def job_status(self):
        (job,) = self.status()["jobs"]
        return job

    def worker(self, name):
        """Returns what the scheduler says of it, or None."""
        return next((one for one in self.status()["roles"]
                     if one["role"] == "worker" and one["name"] == name), None)

    def server(self, number):
        return next((one for one in self.status()["roles"]
                     if one["role"] == "server" and one["id"] == number), None)

    def examples(self):
        """Counted so far, in the partition that has fewest."""
        return self.job_status()["marks"]["least"]

    def wait_progress(self, more):
        """Until so many more examples are counted."""
        begin = wait(lambda: self.examples() + 1, "no status") - 1
        wait(lambda: self.examples() >= begin + more, "no progress")

    def hurry(self):
        """Training was slow only to last; now it may end."""
        if self.job_status()["state"] == "complete":
            raise TimeoutError("the job was done before all else was")
        self.kubectl("set", "env", "statefulset/ebb-worker",
                     "EBB_BATCH_TIME=0s")
        self.kubectl("delete", "pod", "--wait=false", "-l",
                     "app.kubernetes.io/component=worker")

    def wait_complete(self):
        wait(lambda: self.job_status()["state"] == "complete",
             "the job is not complete", limit=3 * LIMIT_S, every=0.5)

    def audit(self, job):
        """Raises NotExact unless it is."""
        audit = wait(lambda: json.loads(
            self.ebb("audit", job, "--json", check=False)), "no audit")
        if not audit["exact"]:
            raise NotExact(audit)
        return audit

    def wait_replaced(self, name, uid):
        """A ready pod of this name that is another; and when it was ready."""
        def look():
            pod = self.ready(name)
            return pod if pod and pod["metadata"]["uid"] != uid else None

        pod = wait(look, f"{name} is not back")
        return pod, time.time()

    def restarts(self):
        """Of daemons, by pod: what probes or crashes caused. (A submission is
        tried again until servers and scheduler are there.)"""
        return {pod["metadata"]["name"]: one["restartCount"]
                for pod in self.get("pods")["items"]
                for one in pod["status"].get("containerStatuses", [])
                if one["restartCount"]
                and not pod["metadata"]["name"].startswith("ebb-submit")}

    def container_started(self, name):
        """By its kubelet, which knows whole seconds."""
        (status,) = self.pod(name)["status"]["containerStatuses"]
        started = status["state"]["running"]["startedAt"]
        return datetime.datetime.fromisoformat(
            started.replace("Z", "+00:00")).timestamp()

    def first_lease(self, name, of_container=False):
        """Seconds from the start of the process, or of its container, to its
        first lease."""
        lines = self.logs(name).splitlines()
        leased = next((one for one in lines if "leased its first item" in one),
                      None)
        if not leased:
            return None
        if of_container:
            return log_time(leased) - self.container_started(name)
        started = next(one for one in lines if " starts: " in one)
        return log_time(leased) - log_time(started)

    def metrics(self, name):
        """Returns what a pod tells Prometheus, where its annotations say."""
        notes = self.pod(name)["metadata"]["annotations"]
        assert notes["prometheus.io/scrape"] == "true", notes
        return self.cluster.kubectl(
            "get", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/{name}:"
            f"{notes['prometheus.io/port']}/proxy"
            f"{notes['prometheus.io/path']}")
