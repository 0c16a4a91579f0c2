"""A cluster to test on, and what is asked of one: by kubectl alone."""
import contextlib
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "../.."))
# Ten times what anything takes where the machine has nothing else to do.
LIMIT_S = 600
NEIGHBOUR = os.path.join(ROOT, "../shared/kube")


class Missing(Exception):
    """Why there is no cluster to test on."""


def version():
    """The version of ebb, as CMakeLists.txt has it."""
    with open(os.path.join(ROOT, "CMakeLists.txt")) as file:
        return re.search(r"project\(ebb VERSION (\S+)", file.read())[1]


def run(command, limit=300, text=None, check=True, **more):
    ran = subprocess.run(command, capture_output=True, text=True, input=text,
                         timeout=limit, **more)
    if check and ran.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: "
                           f"{ran.stderr.strip() or ran.stdout.strip()}")
    return ran.stdout


def wait(condition, what, limit=LIMIT_S, every=0.2):
    """Until `condition` gives something true, which is returned. Errors of
    kubectl are as good as nothing: the API server may be busy."""
    deadline = time.monotonic() + limit
    error = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except (RuntimeError, ValueError, subprocess.TimeoutExpired) as why:
            error = why
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {limit} s"
                               + (f" ({error})" if error else ""))
        time.sleep(every)


class Cluster:
    """Any, by KUBECONFIG. Its nodes must have, or get, the images."""

    can_lose_nodes = False
    # By this address pods reach a server of this side; None: they may not.
    near_address = None

    def __init__(self, bin_folder):
        self.ebb = os.path.join(bin_folder, "ebb")
        self.nearby = []  # Before a command that talks to what kubectl opens.
        self.kubectl_command = ["kubectl"]
        self.image = os.environ.get("EBB_IMAGE",
                                    f"localhost/ebb:{version()}")
        # With a shell, to put data onto a volume.
        self.tools_image = os.environ.get("EBB_TOOLS_IMAGE",
                                          "docker.io/library/busybox:1")

    def kubectl(self, *arguments, **more):
        return run([*self.kubectl_command, *arguments], **more)

    def get(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def has_api(self, version):
        return version in self.kubectl("api-versions").split()

    def description(self):
        version = json.loads(self.kubectl("version", "-o", "json"))
        return (f"Kubernetes {version['serverVersion']['gitVersion']}, "
                f"{len(self.nodes())} nodes")

    def nodes(self):
        return [one["metadata"]["name"] for one in self.get("nodes")["items"]]

    def end(self):
        pass


VOLUMES = "/tmp/hostpath_pv"
POD_LOGS = "/var/log/pods"
KEPT_LOGS = "/var/log/ebb-k8s-kept"  # On the same file system.


def open_volumes(opened):
    """Volumes are folders that only root may write to, and, being folders of a
    machine, not given to a pod's group (fsGroup)."""
    for name in set(os.listdir(VOLUMES)) - opened:
        os.chmod(os.path.join(VOLUMES, name), 0o777)
        opened.add(name)


def keep_logs(kept):
    """Two kubelets have one folder of logs, and each deletes from it, every
    minute, what is of the other's pods. `kept`: {path of a log: of a link}."""
    os.makedirs(KEPT_LOGS, exist_ok=True)
    for path in glob.glob(f"{POD_LOGS}/ebb-test-*/*/*.log"):
        if path not in kept:
            link = os.path.join(KEPT_LOGS, str(len(kept)))
            with contextlib.suppress(FileExistsError):
                os.link(path, link)
            kept[path] = link
    for path, link in kept.items():
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.link(link, path)


class NeighbourCluster(Cluster):
    """Two real nodes on this machine, by ../shared/kube. Root only."""

    can_lose_nodes = True
    near_address = "10.99.0.1"

    def __init__(self, bin_folder, home):
        if not os.path.isdir(NEIGHBOUR):
            raise Missing("there is no ../shared/kube")
        if os.geteuid() != 0:
            raise Missing("../shared/kube starts nodes for root only")
        super().__init__(bin_folder)
        self.tools_image = "localhost/busybox:1"
        self.environment = {**os.environ, "K8S_HOME": home, "NODES": "2"}
        self.environment.pop("KUBECONFIG", None)
        self.home = home
        os.makedirs(os.path.join(home, "images"), exist_ok=True)
        try:
            self.script("get.sh", limit=300)
        except RuntimeError as why:
            raise Missing(f"../shared/kube cannot be fetched: {why}") from why
        run([os.path.join(ROOT, "deploy/image/make_image.py"), "--bin",
             bin_folder, "--python", "--name", self.image, "--out",
             os.path.join(home, "images/ebb.tar")], limit=600)
        shutil.rmtree(KEPT_LOGS, ignore_errors=True)
        # Volumes that are there are another cluster's.
        self.others = set(os.listdir(VOLUMES)) if os.path.isdir(VOLUMES) \
            else set()
        self.opened, self.kept = set(self.others), {}
        self.ending = threading.Event()
        self.up = False
        begun = time.monotonic()
        try:
            self.script("kube-up.sh", limit=600)
        except BaseException:
            self.end()
            raise
        self.seconds = time.monotonic() - begun
        self.up = True
        self.nearby = ["nsenter", "--net=/run/netns/kt-cp"]
        self.kubectl_command = [
            *self.nearby, os.path.join(home, "root/usr/bin/kubectl"),
            "--kubeconfig", os.path.join(home, "run/admin.kubeconfig")]
        # It mends two things that nodes with a machine each do not have.
        self.mender = threading.Thread(target=self.mend, daemon=True)
        self.mender.start()

    def script(self, name, *arguments, limit=300):
        # What a script starts in the background must not hold our pipes.
        with tempfile.TemporaryFile("w+") as log:
            ran = subprocess.run(
                [os.path.join(NEIGHBOUR, name), *arguments],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, timeout=limit)
            log.seek(0)
            said = log.read()
        if ran.returncode != 0:
            raise RuntimeError(f"{name}: {said.strip()[-2000:]}")
        return said

    def mend(self):
        while not self.ending.wait(0.1):
            with contextlib.suppress(OSError):
                open_volumes(self.opened)
            with contextlib.suppress(OSError):
                keep_logs(self.kept)

    def lose_node(self, name):
        self.script("node.sh", "kill", name.removeprefix("n"))

    def bring_node(self, name):
        self.script("node.sh", "down", name.removeprefix("n"))
        self.script("node.sh", "up", name.removeprefix("n"))

    def end(self):
        self.ending.set()
        if self.up:
            self.mender.join()
        with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
            self.script("kube-down.sh", "--purge")
        pods = {os.path.dirname(os.path.dirname(path)) for path in self.kept}
        volumes = self.opened - self.others
        for folder in [KEPT_LOGS, *pods,
                       *(os.path.join(VOLUMES, name) for name in volumes)]:
            shutil.rmtree(folder, ignore_errors=True)


def open_cluster(bin_folder, home):
    if os.environ.get("KUBECONFIG"):
        return Cluster(bin_folder)
    return NeighbourCluster(bin_folder, home)
