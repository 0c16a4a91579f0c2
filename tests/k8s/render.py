"""The objects that kustomize makes of deploy/k8s."""
import os
import shutil
import subprocess

import yaml


def renderers():
    """{name: command before a folder}: what is here, and, from the environment
    variable EBB_KUSTOMIZE, further commands, parted by `;`."""
    found = {}
    if shutil.which("kubectl"):
        found["kubectl kustomize"] = ["kubectl", "kustomize"]
    if shutil.which("kustomize"):
        found["kustomize build"] = ["kustomize", "build"]
    for command in filter(None, os.environ.get("EBB_KUSTOMIZE", "").split(";")):
        found[command] = command.split()
    return found


def render(command, folder):
    made = subprocess.run([*command, folder], capture_output=True, text=True,
                          timeout=60)
    if made.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} {folder}: {made.stderr}")
    return [one for one in yaml.safe_load_all(made.stdout) if one]


def base_without_kustomize(folder):
    """Of the base, which has no patches, what kustomize would make."""
    with open(os.path.join(folder, "kustomization.yaml")) as file:
        kustomization = yaml.safe_load(file)
    objects = []
    for name in kustomization["resources"]:
        with open(os.path.join(folder, name)) as file:
            objects += [one for one in yaml.safe_load_all(file) if one]
    for made in kustomization["configMapGenerator"]:
        data = {}
        for name in made["files"]:
            with open(os.path.join(folder, name)) as file:
                data[name] = file.read()
        objects.append({"apiVersion": "v1", "kind": "ConfigMap",
                        "metadata": {"name": made["name"]}, "data": data})
    return objects
