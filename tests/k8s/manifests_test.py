#!/usr/bin/env python3
"""deploy/k8s as kustomize renders it: that it is safe to run, agrees with
itself, and with the flags of the programs. Needs no cluster.

  manifests_test.py BIN_FOLDER [unittest arguments]

Renders with `kubectl kustomize` and `kustomize build`, whichever is installed,
and what EBB_KUSTOMIZE names (render.py). With none the overlays are skipped,
and the base is read as it is.
"""
import copy
import os
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

import pod_security
import render
from cluster import version

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "../.."))
DEPLOY = os.path.join(ROOT, "deploy/k8s")
FASHION = "/usr/share/datasets/fashion-mnist"
ROLES = {"scheduler": "ebb-scheduler", "ps": "ebb-ps", "worker": "ebb-worker",
         "submit": "ebb"}


def overlays():
    return sorted("overlays/" + name
                  for name in os.listdir(os.path.join(DEPLOY, "overlays")))


def seconds(text):
    factor = {"ms": 0.001, "s": 1, "m": 60}
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * factor[unit]


def bytes_of(text):
    factor = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", text).groups()
    return int(number) * factor[unit]


def fits(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


class Rendered:
    """All objects of an overlay, and its pods by role."""

    def __init__(self, objects):
        self.objects = objects
        self.pods = {}
        self.workloads = {}
        for one in objects:
            template = one.get("spec", {}).get("template")
            if template:
                role = template["metadata"]["labels"][
                    "app.kubernetes.io/component"]
                self.pods[role] = template
                self.workloads[role] = one

    def of_kind(self, kind):
        return [one for one in self.objects if one["kind"] == kind]

    def named(self, kind, name):
        return next(one for one in self.of_kind(kind)
                    if one["metadata"]["name"] == name)

    def container(self, role):
        (container,) = self.pods[role]["spec"]["containers"]
        return container

    def environment(self, role):
        return {one["name"]: one for one in self.container(role)["env"]}

    def value(self, role, name):
        return self.environment(role)[name]["value"]


def load():
    """{(overlay, renderer): Rendered}"""
    found = render.renderers()
    if not found:
        base = render.base_without_kustomize(os.path.join(DEPLOY, "base"))
        return {("base", "no kustomize"): Rendered(base)}
    return {(overlay, name):
            Rendered(render.render(command, os.path.join(DEPLOY, overlay)))
            for overlay in ["base", *overlays()]
            for name, command in found.items()}


def everywhere(test):
    """A test of one overlay, for all of them."""

    def run(self):
        for (overlay, renderer), rendered in self.all.items():
            with self.subTest(overlay=overlay, renderer=renderer):
                test(self, overlay, rendered)

    return run


class ManifestsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.all = load()
        print("rendered by:", *sorted({name for _, name in cls.all}))
        cls.help = {}
        for role, program in ROLES.items():
            command = [os.path.join(BIN, program)]
            command += ["submit"] if role == "submit" else []
            cls.help[role] = subprocess.run(
                [*command, "--help"], capture_output=True, text=True,
                check=True).stdout

    def test_the_model_of_the_overlay_is_the_example(self):
        # An overlay takes no file from outside of its folder.
        example = os.path.join(DEPLOY, "..", "..", "examples", "python")
        overlay = os.path.join(DEPLOY, "overlays", "python")
        texts = []
        for folder in (example, overlay):
            with open(os.path.join(folder, "my_model.py")) as file:
                texts.append(file.read())
        self.assertEqual(*texts)

    def test_every_overlay_is_rendered(self):
        if not render.renderers():
            self.skipTest("neither kubectl nor kustomize is installed: only "
                          "the base is looked at, no overlay")
        self.assertIn("overlays/single-node", {name for name, _ in self.all})

    def test_all_that_render_render_the_same(self):
        def plain(rendered):
            objects = copy.deepcopy(rendered.objects)
            for one in Rendered(objects).pods.values():
                for container in one["spec"]["containers"]:
                    container["env"].sort(key=lambda env: env["name"])
                    container["volumeMounts"].sort(key=lambda m: m["name"])
                one["spec"]["volumes"].sort(key=lambda v: v["name"])
            return sorted(objects, key=lambda one: (
                one["kind"], one["metadata"]["name"]))

        first = {}
        for (overlay, renderer), rendered in self.all.items():
            with self.subTest(overlay=overlay, renderer=renderer):
                self.assertEqual(plain(rendered),
                                 plain(first.setdefault(overlay, rendered)))

    @everywhere
    def test_pods_are_restricted_and_more(self, _, rendered):
        self.assertEqual(set(rendered.pods), set(ROLES))
        for role, pod in rendered.pods.items():
            spec = pod["spec"]
            self.assertEqual(pod_security.violations(
                spec, pod["metadata"].get("annotations")), [], role)
            own = rendered.container(role)["securityContext"]
            self.assertIs(own["readOnlyRootFilesystem"], True)
            self.assertIs(spec["automountServiceAccountToken"], False)
            account = rendered.named("ServiceAccount",
                                     spec["serviceAccountName"])
            self.assertIs(account["automountServiceAccountToken"], False)
        for kind in ("Role", "ClusterRole", "RoleBinding",
                     "ClusterRoleBinding"):
            self.assertEqual(rendered.of_kind(kind), [])

    def test_the_pods_that_fill_the_volume_are_restricted(self):
        for name in ("fill.yaml", "receive.yaml"):
            with open(os.path.join(DEPLOY, name)) as file:
                pod = yaml.safe_load(file)
            self.assertEqual(pod_security.violations(pod["spec"]), [], name)

    def test_the_pod_that_receives_data_is_a_scheduler_of_its_own(self):
        with open(os.path.join(DEPLOY, "receive.yaml")) as file:
            pod = yaml.safe_load(file)
        (container,) = pod["spec"]["containers"]
        self.assertEqual(container["image"], "localhost/ebb:" + version())
        self.assertEqual(container["command"], ["/usr/bin/ebb-scheduler"])
        environment = {one["name"]: one["value"] for one in container["env"]}
        for name in environment:
            self.assertIn(f"(Env:{name})", self.help["scheduler"])
        # Nobody but a forwarded port reaches it, and it needs no leave to
        # speak plain text.
        self.assertTrue(environment["EBB_LISTEN"].startswith("127.0.0.1:"))
        self.assertNotIn("EBB_INSECURE", environment)
        paths = [one["mountPath"] for one in container["volumeMounts"]]
        for name in ("EBB_DATA_FOLDER", "EBB_STATE_DIR", "EBB_HEALTH_SOCKET"):
            self.assertTrue(any((environment[name] + "/").startswith(path + "/")
                                for path in paths), name)

    def test_with_a_bucket_only_the_scheduler_has_a_volume(self):
        for renderer in render.renderers():
            rendered = self.all["overlays/bucket", renderer]
            claims = [one["metadata"]["name"] for one in rendered.objects
                      if one["kind"] == "PersistentVolumeClaim"
                      or one.get("spec", {}).get("volumeClaimTemplates")]
            self.assertEqual(claims, ["ebb-scheduler"])
            for role in ("ps", "worker", "submit"):
                sources = rendered.container(role)["envFrom"]
                self.assertIn({"configMapRef": {"name": "ebb-bucket"}}, sources)
                self.assertIn({"secretRef": {"name": "ebb-bucket",
                                             "optional": True}}, sources)
            settings = rendered.named("ConfigMap", "ebb-bucket")["data"]
            job = yaml.safe_load(
                rendered.named("ConfigMap", "ebb-job")["data"]["job.yaml"])
            for part in job["data"].values():
                self.assertTrue(part["idx"].startswith(settings["EBB_SOURCES"]))

    def test_fetched_data_needs_no_file_system_that_pods_share(self):
        for renderer in render.renderers():
            rendered = self.all["overlays/fetched-data", renderer]
            claim = rendered.named("PersistentVolumeClaim", "ebb-data")["spec"]
            self.assertEqual(claim["accessModes"], ["ReadWriteOnce"])
            mounted = {role for role, pod in rendered.pods.items()
                       for volume in pod["spec"]["volumes"]
                       if "persistentVolumeClaim" in volume}
            self.assertEqual(mounted, {"scheduler"})
            size = bytes_of(claim["resources"]["requests"]["storage"])
            kept = rendered.value("scheduler", "EBB_DATA_BYTES")
            self.assertLess(bytes_of(kept.removesuffix("B")), size)
            for role in ("worker", "submit"):
                volumes = rendered.pods[role]["spec"]["volumes"]
                (cache,) = [one for one in volumes if one["name"] == "cache"]
                bound = rendered.value(role, "EBB_DATA_CACHE_BYTES")
                self.assertLess(bytes_of(bound.removesuffix("B")),
                                bytes_of(cache["emptyDir"]["sizeLimit"]))

    @everywhere
    def test_images_are_of_this_version(self, overlay, rendered):
        for role in ROLES:
            container = rendered.container(role)
            own = {("overlays/gpu", "worker"): "-gpu",
                   ("overlays/python", "worker"): "-python",
                   ("overlays/python", "submit"): "-python"}
            self.assertEqual(container["image"], "localhost/ebb" +
                             own.get((overlay, role), "") + ":" + version())
            self.assertEqual(container["command"][0],
                             "/usr/bin/" + ROLES[role])

    @everywhere
    def test_the_environment_is_what_the_programs_know(self, _, rendered):
        for role in ROLES:
            for name in rendered.environment(role):
                # `ebb` is run in pods of the scheduler, too.
                self.assertIn(f"(Env:{name})",
                              self.help[role] + self.help["submit"], role)
            args = rendered.container(role).get("args", [])
            for flag in [one for one in args if one.startswith("--")]:
                self.assertIn(flag, self.help[role], role)

    @everywhere
    def test_ports_agree(self, _, rendered):
        for role in ("scheduler", "ps"):
            listen = rendered.value(role, "EBB_LISTEN")
            port = int(listen.removeprefix(":"))
            named, *others = rendered.container(role)["ports"]
            self.assertEqual(named["containerPort"], port)
            service = rendered.named("Service", "ebb-" + role)
            (served,) = service["spec"]["ports"]
            self.assertEqual(served["port"], port)
            self.assertEqual(served["targetPort"], named["name"])
            policy = rendered.named("NetworkPolicy", "ebb-" + role)
            (rule,) = policy["spec"]["ingress"]
            passed = [port]
            if role == "ps":
                passed.append(int(rendered.value(role, "EBB_BULK_PORT")))
                self.assertEqual(others[0]["containerPort"], passed[1])
            self.assertEqual([one["port"] for one in rule["ports"]], passed)
        scheduler = rendered.value("scheduler", "EBB_LISTEN")
        for role in ("ps", "worker", "submit"):
            self.assertEqual(rendered.value(role, "EBB_SCHEDULER"),
                             "ebb-scheduler" + scheduler)

    @everywhere
    def test_metrics_are_scraped_where_they_are(self, _, rendered):
        policy = rendered.named("NetworkPolicy", "ebb-metrics")["spec"]
        (rule,) = policy["ingress"]
        (peer,) = rule["from"]
        self.assertEqual(peer["namespaceSelector"], {})
        self.assertTrue(peer["podSelector"]["matchLabels"])
        for role, pod in rendered.pods.items():
            labels = pod["metadata"]["labels"]
            selector = policy["podSelector"]
            (expression,) = selector["matchExpressions"]
            self.assertEqual(expression["operator"], "In")
            let_in = (fits(selector["matchLabels"], labels)
                      and labels.get(expression["key"])
                      in expression["values"])
            annotations = pod["metadata"].get("annotations", {})
            if role == "submit":
                self.assertFalse(let_in)
                self.assertNotIn("prometheus.io/scrape", annotations)
                continue
            self.assertTrue(let_in, role)
            port = rendered.value(role, "EBB_METRICS_PORT")
            self.assertEqual(rendered.value(role, "EBB_METRICS_HOST"),
                             "0.0.0.0")
            self.assertEqual(annotations["prometheus.io/scrape"], "true")
            self.assertEqual(annotations["prometheus.io/port"], port)
            self.assertEqual(annotations["prometheus.io/path"], "/metrics")
            ports = {one["name"]: one["containerPort"]
                     for one in rendered.container(role)["ports"]}
            self.assertEqual(ports["metrics"], int(port))
            self.assertEqual([one["port"] for one in rule["ports"]],
                             [int(port)])

    @everywhere
    def test_services_and_selectors_find_their_pods(self, _, rendered):
        labels = {role: pod["metadata"]["labels"]
                  for role, pod in rendered.pods.items()}

        def selected(selector):
            return {role for role in labels if fits(selector, labels[role])}

        for role in ("scheduler", "ps", "worker"):
            workload = rendered.workloads[role]
            self.assertEqual(workload["kind"], "StatefulSet")
            self.assertEqual(
                selected(workload["spec"]["selector"]["matchLabels"]),
                {role})
            service = rendered.named("Service",
                                     workload["spec"]["serviceName"])
            self.assertEqual(service["spec"]["clusterIP"], "None")
            self.assertEqual(selected(service["spec"]["selector"]), {role})
            budget = rendered.named("PodDisruptionBudget", "ebb-" + role)
            self.assertEqual(budget["spec"]["maxUnavailable"], 1)
            self.assertEqual(
                selected(budget["spec"]["selector"]["matchLabels"]), {role})
        for role in ("scheduler", "ps"):
            service = rendered.named("Service", "ebb-" + role)
            self.assertIs(service["spec"]["publishNotReadyAddresses"], True)
        nobody = rendered.named("NetworkPolicy", "ebb-nobody")["spec"]
        self.assertEqual(selected(nobody["podSelector"]["matchLabels"]),
                         set(ROLES))

    @everywhere
    def test_grace_is_longer_than_leaving_takes(self, _, rendered):
        for role, name in (("ps", "EBB_DRAIN_TIMEOUT"),
                           ("worker", "EBB_GRACE")):
            spec = rendered.pods[role]["spec"]
            self.assertGreaterEqual(
                spec["terminationGracePeriodSeconds"],
                seconds(rendered.value(role, name)) + 5)

    @everywhere
    def test_memory_is_bounded_below_the_limit(self, _, rendered):
        for role in ROLES:
            resources = rendered.container(role)["resources"]
            self.assertLess(bytes_of(resources["requests"]["memory"]),
                            bytes_of(resources["limits"]["memory"]))
        for role in ("ps", "worker"):
            self.assertEqual(
                rendered.environment(role)["EBB_MEMORY"]["valueFrom"],
                {"resourceFieldRef": {"resource": "requests.memory"}})

    @everywhere
    def test_the_core_is_above_the_workers(self, _, rendered):
        def priority(role):
            name = rendered.pods[role]["spec"]["priorityClassName"]
            return rendered.named("PriorityClass", name)

        for role in ("scheduler", "ps", "submit"):
            self.assertGreater(priority(role)["value"],
                               priority("worker")["value"])
        self.assertEqual(priority("worker")["preemptionPolicy"], "Never")

    @everywhere
    def test_as_many_servers_as_the_scheduler_waits_for(self, _, rendered):
        self.assertLessEqual(
            int(rendered.value("scheduler", "EBB_MIN_SERVERS")),
            rendered.workloads["ps"]["spec"]["replicas"])

    @everywhere
    def test_lost_nodes_are_left_soon(self, _, rendered):
        for role in ("scheduler", "ps", "worker"):
            left = {one["key"]: one["tolerationSeconds"]
                    for one in rendered.pods[role]["spec"]["tolerations"]
                    if one.get("effect") == "NoExecute"}
            for why in ("not-ready", "unreachable"):
                self.assertLessEqual(left["node.kubernetes.io/" + why], 30)

    @everywhere
    def test_what_is_mounted_is_there(self, _, rendered):
        claims = {one["metadata"]["name"]
                  for one in rendered.of_kind("PersistentVolumeClaim")}
        for role, pod in rendered.pods.items():
            volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
            made = {one["metadata"]["name"]
                    for one in rendered.workloads[role]["spec"].get(
                        "volumeClaimTemplates", [])}
            mounts = rendered.container(role)["volumeMounts"]
            for mount in mounts:
                self.assertIn(mount["name"], set(volumes) | made)
            for volume in volumes.values():
                if "persistentVolumeClaim" in volume:
                    self.assertIn(
                        volume["persistentVolumeClaim"]["claimName"],
                        claims)
            paths = [one["mountPath"] for one in mounts]
            for name, env in rendered.environment(role).items():
                path = env.get("value", "")
                # What is below /usr is the image's.
                if path.startswith("/") and not path.startswith("/usr/"):
                    self.assertTrue(
                        any(f"{path}/".startswith(f"{top}/")
                            or f"{top}/".startswith(f"{path}/")
                            for top in paths), (role, name))

    @everywhere
    def test_probes_ask_the_socket(self, _, rendered):
        for role in ("scheduler", "ps", "worker"):
            socket = "unix:" + rendered.value(role, "EBB_HEALTH_SOCKET")
            container = rendered.container(role)
            ask = ["/usr/bin/ebb", "health"]
            for probe, command in (
                    ("startupProbe", [*ask, "--alive", socket]),
                    ("livenessProbe", [*ask, "--alive", socket]),
                    ("readinessProbe", [*ask, socket])):
                self.assertEqual(container[probe]["exec"]["command"],
                                 command)

    @everywhere
    def test_the_job_is_what_is_submitted(self, overlay, rendered):
        if overlay == "overlays/python":
            return  # Another job.
        job = rendered.named("ConfigMap", "ebb-job")["data"]["job.yaml"]
        with open(os.path.join(DEPLOY, "base/job.yaml")) as file:
            wanted = yaml.safe_load(file)
        if overlay == "overlays/gpu":
            wanted["device"] = "gpu"
        if overlay == "overlays/bucket":
            for part in wanted["data"].values():
                part["idx"] = part["idx"].replace("/data/",
                                                  "s3://my-bucket/data/")
        self.assertEqual(yaml.safe_load(job), wanted)
        self.assertEqual(rendered.container("submit")["command"][1:],
                         ["submit", "/job/job.yaml"])

    @everywhere
    def test_the_module_is_what_the_python_job_names(self, overlay, rendered):
        if overlay != "overlays/python":
            return
        job = yaml.safe_load(
            rendered.named("ConfigMap", "ebb-job")["data"]["job.yaml"])
        module = job["model"]["module"]
        self.assertIn(f"class {job['model']['class']}(", rendered.named(
            "ConfigMap", "ebb-model")["data"][module])
        for role in ("worker", "submit"):
            mounts = rendered.container(role)["volumeMounts"]
            self.assertIn({"name": "model", "mountPath": "/models/" + module,
                           "subPath": module, "readOnly": True}, mounts)
        self.assertEqual(rendered.value("worker", "EBB_ALLOW_PLUGINS"),
                         "/models")
        self.assertEqual(rendered.container("submit")["command"][1:],
                         ["submit", "/job/job.yaml", "--allow-plugins",
                          "/models"])

    def test_the_job_files_are_sound(self):
        self.is_sound("base/job.yaml")
        self.is_sound("overlays/gpu/job.yaml")

    def is_sound(self, path):
        with open(os.path.join(DEPLOY, path)) as file:
            job = file.read()
        folder = tempfile.TemporaryDirectory(prefix="ebb_manifests_")
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "job.yaml")
        with open(path, "w") as file:  # The same files, as they are here.
            file.write(job.replace("/data/fashion-mnist", FASHION))
        checked = subprocess.run(
            [os.path.join(BIN, "ebb"), "job", "check", path],
            capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    @everywhere
    def test_plain_text_or_tls_but_not_both(self, overlay, rendered):
        for role in ROLES:
            environment = rendered.environment(role)
            tls = {"EBB_TLS_CERT", "EBB_TLS_KEY", "EBB_TLS_CA"}
            if overlay == "overlays/tls":
                self.assertNotIn("EBB_INSECURE", environment)
                self.assertLessEqual(tls, set(environment))
            else:
                self.assertIn("EBB_INSECURE", environment)
                self.assertFalse(tls & set(environment))

    @everywhere
    def test_spot_workers_hear_of_an_annotation(self, overlay, rendered):
        environment = rendered.environment("worker")
        if overlay != "overlays/spot":
            self.assertNotIn("EBB_NOTICE_FILE", environment)
            return
        folder, name = os.path.split(environment["EBB_NOTICE_FILE"]["value"])
        (mount,) = [one["name"]
                    for one in rendered.container("worker")["volumeMounts"]
                    if one["mountPath"] == folder]
        (volume,) = [one for one in rendered.pods["worker"]["spec"]["volumes"]
                     if one["name"] == mount]
        self.assertEqual(volume["downwardAPI"]["items"], [
            {"path": name,
             "fieldRef": {"fieldPath": "metadata.annotations['ebb/notice']"}}])

    @everywhere
    def test_workers_ask_for_the_gpu_that_they_want(self, overlay, rendered):
        wants = rendered.environment("worker").get("EBB_DEVICE")
        limits = rendered.container("worker")["resources"]["limits"]
        if overlay != "overlays/gpu":
            self.assertIsNone(wants)
            self.assertNotIn("nvidia.com/gpu", limits)
            return
        self.assertEqual(wants["value"], "gpu")
        self.assertEqual(limits["nvidia.com/gpu"], "1")
        self.assertIn({"key": "nvidia.com/gpu", "operator": "Exists",
                       "effect": "NoSchedule"},
                      rendered.pods["worker"]["spec"]["tolerations"])

    def test_the_overlay_for_1_20_changes_only_what_it_lacks(self):
        for renderer in render.renderers():
            plain, old = (
                {(one["kind"], one["metadata"]["name"]): copy.deepcopy(one)
                 for one in self.all[overlay, renderer].objects}
                for overlay in ("base", "overlays/k8s-1.20"))
            for name, one in old.items():
                if one["kind"] == "PodDisruptionBudget":
                    self.assertEqual(one["apiVersion"], "policy/v1beta1")
                    one["apiVersion"] = "policy/v1"
            self.assertEqual(plain, old)


class PodSecurityTest(unittest.TestCase):
    """That the check would notice."""

    GOOD = {
        "securityContext": {"runAsNonRoot": True,
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]}}}],
    }

    def bad(self, change):
        spec = copy.deepcopy(self.GOOD)
        change(spec, spec["containers"][0]["securityContext"])
        return pod_security.violations(spec)

    def test_each_rule(self):
        self.assertEqual(pod_security.violations(self.GOOD), [])
        rules = [
            lambda pod, own: pod.update(hostNetwork=True),
            lambda pod, own: pod.update(hostPID=True),
            lambda pod, own: pod.update(
                volumes=[{"name": "v", "hostPath": {"path": "/"}}]),
            lambda pod, own: pod["securityContext"].update(
                sysctls=[{"name": "kernel.msgmax"}]),
            lambda pod, own: own.update(privileged=True),
            lambda pod, own: own.pop("allowPrivilegeEscalation"),
            lambda pod, own: own.update(runAsNonRoot=False),
            lambda pod, own: own.update(runAsUser=0),
            lambda pod, own: pod["securityContext"].pop("seccompProfile"),
            lambda pod, own: own.update(seccompProfile={"type": "Unconfined"}),
            lambda pod, own: own.pop("capabilities"),
            lambda pod, own: own["capabilities"].update(add=["SYS_ADMIN"]),
            lambda pod, own: own.update(procMount="Unmasked"),
            lambda pod, own: own.update(seLinuxOptions={"user": "root"}),
            lambda pod, own: pod["containers"][0].update(
                ports=[{"containerPort": 1, "hostPort": 1}]),
        ]
        for rule in rules:
            self.assertEqual(len(self.bad(rule)), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
