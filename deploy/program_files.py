"""Finds the files that ebb's programs need on another machine: the libraries
that the loader finds, and the licences of those. image/make_image.py makes a
container image of them, tools/package a tarball.
"""
import io
import os
import re
import shutil
import stat
import subprocess
import tarfile

PROGRAMS = ["ebb", "ebb-advise", "ebb-bench", "ebb-ps", "ebb-scheduler",
            "ebb-sim", "ebb-sweep", "ebb-worker"]


class CannotPackage(Exception):
    """Says what is wrong with the programs, and what to do."""


def program_in(bin_folder, name):
    """Returns the path of a program. Raises CannotPackage if it is not built."""
    path = os.path.join(bin_folder, name)
    if not os.path.isfile(path):
        raise CannotPackage(f"{path} is not there; build the target `programs`")
    return path


def libraries_of(program):
    """Returns the files that the loader finds, and the loader, as the program
    names them. Raises CannotPackage if one is not installed."""
    ran = subprocess.run(["ldd", program], capture_output=True, text=True)
    if ran.returncode != 0:
        raise CannotPackage(f"ldd {program}: {ran.stderr.strip()}")
    missing = re.findall(r"(\S+) => not found", ran.stdout)
    if missing:
        raise CannotPackage(
            f"{program} needs {missing[0]}, which is not installed")
    return re.findall(r"(/\S+) \(0x", ran.stdout)


def put_library(library, target):
    """Copies what the library's links point to."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(os.path.realpath(library), target)
    os.chmod(target, 0o755)


def put_copyrights(libraries, folder):
    """Copies the licences of the packages that the libraries belong to into
    NAME/copyright in the folder, as Debian's /usr/share/doc has them."""
    # Packages know a file by its path before or after /lib became /usr/lib.
    real = {os.path.realpath(library) for library in libraries}
    paths = sorted(real | {path.removeprefix("/usr") for path in real})
    known = subprocess.run(["dpkg", "-S", *paths], capture_output=True,
                           text=True).stdout
    for name in sorted({line.split(":")[0] for line in known.splitlines()}):
        path = f"/usr/share/doc/{name}/copyright"
        if not os.path.isfile(path):
            continue
        target = os.path.join(folder, name, "copyright")
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(os.path.realpath(path), target)
        os.chmod(target, 0o644)


def tar_of(root, prefix="", date=0):
    """Returns all of the folder as the bytes of a tar, owned by root, each file of
    the same date. The names in it begin with `prefix`."""
    paths = []
    for folder, folders, names in os.walk(root):
        paths += [os.path.relpath(os.path.join(folder, name), root)
                  for name in folders + names]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(paths):
            full = os.path.join(root, path)
            info = os.lstat(full)
            entry = tarfile.TarInfo(prefix + path)
            entry.mode = stat.S_IMODE(info.st_mode)
            entry.mtime = date
            if stat.S_ISDIR(info.st_mode):
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            elif stat.S_ISLNK(info.st_mode):
                entry.type = tarfile.SYMTYPE
                entry.linkname = os.readlink(full)
                tar.addfile(entry)
            else:
                entry.size = info.st_size
                with open(full, "rb") as file:
                    tar.addfile(entry, file)
    return out.getvalue()
