#!/usr/bin/env python3
"""Makes ebb's container image without a container engine. The image has only the
programs and the libraries that they need. It is a tar of OCI layout, or the
folder of which the Containerfile's last stage consists.

  deploy/image/make_image.py --bin build/bin --out ebb.tar
  skopeo copy oci-archive:ebb.tar docker://registry.example/ebb:VERSION
  ctr -n k8s.io images import ebb.tar          # or straight into a node
  deploy/image/make_image.py --python \
      --name localhost/ebb-python:VERSION --rootfs rootfs # see Containerfile.python
  deploy/image/make_image.py --cublas /usr/local/cuda/lib64 \
      --name localhost/ebb-gpu:VERSION --out ebb-gpu.tar   # for workers on GPUs

The same programs and libraries make the same bytes.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True  # In the source tree.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from program_files import (PROGRAMS, CannotPackage, libraries_of, program_in,
                           put_copyrights, put_library, tar_of)

USER = 65532  # Other images without users have it, too.
ENTRYPOINT = ["/usr/bin/ebb"]
PATH = "/usr/bin"
MOST_BYTES = 150_000_000  # Without cuBLAS.
# The container runtime mounts this of the node's driver.
GPU_ENVIRONMENT = "NVIDIA_DRIVER_CAPABILITIES=compute,utility"
FILES = {
    "etc/passwd": f"root:x:0:0:root:/:/sbin/nologin\n"
                  f"ebb:x:{USER}:{USER}::/tmp:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nebb:x:{USER}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
LINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"}
# Pods mount over some of these; a process may expect the others.
FOLDERS = {"data": 0o755, "dev": 0o755, "etc": 0o755, "proc": 0o755,
           "run": 0o755, "sys": 0o755, "tmp": 0o1777, "usr": 0o755,
           "usr/lib64": 0o755}


def merged(path):
    """Returns the path below usr/, where Debian has it."""
    path = os.path.normpath(path).lstrip("/")
    return path if path.startswith("usr/") else "usr/" + path


def version():
    """Returns the version of ebb, as CMakeLists.txt has it."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        "../../CMakeLists.txt")
    with open(path) as file:
        return re.search(r"project\(ebb VERSION (\S+)", file.read())[1]


def cublas_in(folder, worker):
    """Returns the names of the libraries that the worker opens for a GPU."""
    with open(worker, "rb") as file:
        if b"libcublas.so." not in file.read():
            raise CannotPackage(
                f"{worker} was built without CUDA: it has no use for cuBLAS")
    for name in ("libcublas", "libcublasLt"):
        found = [one for one in os.listdir(folder)
                 if re.fullmatch(name + r"\.so\.\d+", one)]
        if len(found) != 1:
            raise CannotPackage(
                f"{folder} has {sorted(found) or 'no'} {name}.so.N, must be "
                "of one version of CUDA")
        yield os.path.join(folder, found[0])


def size_of(root):
    return sum(os.lstat(os.path.join(folder, name)).st_size
               for folder, _, names in os.walk(root) for name in names)


def put_libraries(libraries, root):
    for library in sorted(libraries):
        put_library(library, os.path.join(root, merged(library)))


def put_programs(bin_folder, root):
    """Also puts, and returns, the libraries that the programs need."""
    libraries = set()
    for program in PROGRAMS:
        source = program_in(bin_folder, program)
        libraries.update(libraries_of(source))
        target = os.path.join(root, "usr/bin", program)
        subprocess.run(["strip", "-o", target, source], check=True)
        os.chmod(target, 0o755)
    put_libraries(libraries, root)
    return libraries


def put_cublas(folder, worker, root):
    """Puts cuBLAS where the loader looks by itself. Also puts, and returns, the
    libraries that it needs."""
    own = {os.path.basename(one): one for one in cublas_in(folder, worker)}
    libraries = {one for path in own.values() for one in libraries_of(path)
                 if os.path.basename(one) not in own}
    put_libraries(libraries, root)
    for name, path in own.items():
        put_library(path, os.path.join(
            root, "usr/lib", f"{platform.machine()}-linux-gnu", name))
    return libraries


def put_package(root):
    """Puts ebb's Python package where workers and Debian's Python look."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "../../python/ebb")
    target = os.path.join(root, "usr/lib/ebb/python/ebb")
    shutil.copytree(source, target,
                    ignore=shutil.ignore_patterns("__pycache__"))
    packages = os.path.join(root, "usr/lib/python3/dist-packages")
    os.makedirs(packages)
    os.symlink("../../ebb/python/ebb", os.path.join(packages, "ebb"))


def make_rootfs(bin_folder, root, cublas=None, python=False):
    """Makes and fills the folder `root`. `cublas`: the folder of cuBLAS.
    `python`: with ebb's Python package, but without Python."""
    for folder, mode in FOLDERS.items():
        os.makedirs(os.path.join(root, folder), exist_ok=True)
        os.chmod(os.path.join(root, folder), mode)
    os.makedirs(os.path.join(root, "usr/bin"))
    os.makedirs(os.path.join(root, "usr/lib"))
    libraries = put_programs(bin_folder, root)
    size = size_of(root)
    if size > MOST_BYTES:
        raise CannotPackage(
            f"the image has {size / 1e6:.0f} MB, more than "
            f"{MOST_BYTES / 1e6:.0f}: is it a release build?")
    if cublas:
        libraries |= put_cublas(cublas, os.path.join(bin_folder, "ebb-worker"),
                                root)
    if python:
        put_package(root)
    put_copyrights(libraries, os.path.join(root, "usr/share/doc"))
    for path, text in FILES.items():
        with open(os.path.join(root, path), "w") as file:
            file.write(text)
    for path, target in LINKS.items():
        os.symlink(target, os.path.join(root, path))
    return size_of(root)


def write_image(root, name, path, gpu=False):
    """Writes the folder as an image of one layer: an OCI layout in a tar."""
    environment = ["PATH=" + PATH] + ([GPU_ENVIRONMENT] if gpu else [])
    blobs = {}

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        blobs["blobs/sha256/" + digest] = data
        return {"mediaType": kind, "digest": "sha256:" + digest,
                "size": len(data)}

    def json_blob(value, kind):
        return blob(json.dumps(value, sort_keys=True).encode(), kind)

    tar = tar_of(root)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(),
                                                          platform.machine())
    oci = "application/vnd.oci.image."
    layer = blob(gzip.compress(tar, 6, mtime=0), oci + "layer.v1.tar+gzip")
    config = json_blob({
        "architecture": machine, "os": "linux",
        "config": {"User": f"{USER}:{USER}", "Env": environment,
                   "Entrypoint": ENTRYPOINT, "WorkingDir": "/",
                   "Labels": {"org.opencontainers.image.title": "ebb",
                              "org.opencontainers.image.licenses":
                                  "Apache-2.0"}},
        "rootfs": {"type": "layers", "diff_ids":
                   ["sha256:" + hashlib.sha256(tar).hexdigest()]},
        "history": [{"created_by": "deploy/image/make_image.py"}],
    }, oci + "config.v1+json")
    manifest = json_blob({
        "schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
        "config": config, "layers": [layer],
    }, oci + "manifest.v1+json")
    manifest["annotations"] = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    manifest["platform"] = {"architecture": machine, "os": "linux"}
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
             "index.json": json.dumps({
                 "schemaVersion": 2, "mediaType": oci + "index.v1+json",
                 "manifests": [manifest]}, sort_keys=True).encode(), **blobs}
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as out:
        for inner in sorted(files):
            entry = tarfile.TarInfo(inner)
            entry.size = len(files[inner])
            out.addfile(entry, io.BytesIO(files[inner]))


def make(flags):
    """Makes what the command line asks for."""
    if flags.rootfs:
        if os.path.exists(flags.rootfs):
            raise CannotPackage(f"{flags.rootfs} is there already")
        size = make_rootfs(flags.bin, flags.rootfs, flags.cublas, flags.python)
        print(f"{flags.rootfs}: {size / 1e6:.0f} MB")
        return
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "rootfs")
        size = make_rootfs(flags.bin, root, flags.cublas, flags.python)
        write_image(root, flags.name, flags.out, gpu=bool(flags.cublas))
    print(f"{flags.out}: {flags.name}, {size / 1e6:.0f} MB unpacked, "
          f"{os.path.getsize(flags.out) / 1e6:.0f} MB as a file")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/bin", metavar="FOLDER",
                        help="where the programs are")
    parser.add_argument("--name", default=f"localhost/ebb:{version()}",
                        help="name and tag of the image (%(default)s)")
    parser.add_argument("--cublas", metavar="FOLDER",
                        help="put in the cuBLAS that is there, for workers on "
                        "GPUs")
    parser.add_argument("--python", action="store_true",
                        help="put in ebb's Python package, for models of "
                        "Python; Python itself is to come from elsewhere")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", metavar="FILE", help="the tar to write")
    what.add_argument("--rootfs", metavar="FOLDER",
                      help="the folder to make instead")
    flags = parser.parse_args()
    try:
        make(flags)
    except CannotPackage as error:
        sys.exit(f"make_image: {error}")


if __name__ == "__main__":
    main()
