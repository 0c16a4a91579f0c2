"""Makes a wheel of the Python package, with ebb's programs inside.

tools/package calls it. It needs Python's own library only, and no setuptools.
"""
import base64
import glob
import hashlib
import os
import platform
import tomllib
import zipfile

PYTHON = os.path.dirname(os.path.abspath(__file__))
# The package starts these programs, and a user calls them.
PROGRAMS = ["ebb", "ebb-ps", "ebb-scheduler", "ebb-worker"]
DATE = (1980, 1, 1, 0, 0, 0)  # The same files make the same bytes.


def package_files():
    """Returns the files of the package, from the folder python/."""
    found = glob.glob("ebb/**/*.py", root_dir=PYTHON, recursive=True)
    return sorted([*found, "ebb/py.typed"])


def tag():
    """Returns the tag: any Python 3, and a glibc at least as new as this one."""
    _, glibc = platform.libc_ver()
    return f"py3-none-manylinux_{glibc.replace('.', '_')}_{platform.machine()}"


def metadata():
    """Returns (name, version, METADATA) by pyproject.toml."""
    with open(os.path.join(PYTHON, "pyproject.toml"), "rb") as file:
        about = tomllib.load(file)["project"]
    lines = ["Metadata-Version: 2.1", f"Name: {about['name']}",
             f"Version: {about['version']}", f"Summary: {about['description']}",
             "License: Apache-2.0", f"Requires-Python: {about['requires-python']}"]
    lines += [f"Requires-Dist: {one}" for one in about["dependencies"]]
    for extra, needs in about["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {one} ; extra == "{extra}"' for one in needs]
    return about["name"], about["version"], "\n".join(lines) + "\n"


class Wheel:
    """A wheel that is being written: a zip with a list of checksums."""

    def __init__(self, path, info):
        self.zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED,
                                   compresslevel=9)
        self.info = info
        self.record = []

    def add(self, name, content, executable=False):
        entry = zipfile.ZipInfo(name, DATE)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (0o100755 if executable else 0o100644) << 16
        self.zip.writestr(entry, content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
        self.record.append(
            f"{name},sha256={digest.rstrip(b'=').decode()},{len(content)}")

    def add_file(self, name, path, executable=False):
        with open(path, "rb") as file:
            self.add(name, file.read(), executable)

    def close(self):
        self.record.append(f"{self.info}/RECORD,,")
        self.zip.writestr(zipfile.ZipInfo(f"{self.info}/RECORD", DATE),
                          "\n".join(self.record) + "\n")
        self.zip.close()


def make_wheel(tree, out):
    """Makes the wheel from the folder of a tarball, with bin/ and lib/ebb/.

    A program finds its libraries in ../lib/ebb, in the package as in the
    tarball. Returns the path.
    """
    name, version, about = metadata()
    path = os.path.join(out, f"{name}-{version}-{tag()}.whl")
    wheel = Wheel(path, f"{name}-{version}.dist-info")
    for file in package_files():
        wheel.add_file(file, os.path.join(PYTHON, file))
    for program in PROGRAMS:
        wheel.add_file(f"ebb/bin/{program}", os.path.join(tree, "bin", program),
                       executable=True)
    for library in sorted(glob.glob("lib/ebb/*", root_dir=tree)):
        wheel.add_file(f"ebb/{library}", os.path.join(tree, library),
                       executable=True)
    for licence in ["LICENSE", *sorted(glob.glob("share/doc/*/copyright",
                                                 root_dir=tree))]:
        wheel.add_file(f"{wheel.info}/licenses/{licence}",
                       os.path.join(tree, licence))
    scripts = "".join(f"{one} = ebb.programs:main\n" for one in PROGRAMS)
    wheel.add(f"{wheel.info}/entry_points.txt",
              f"[console_scripts]\n{scripts}".encode())
    wheel.add(f"{wheel.info}/METADATA", about.encode())
    wheel.add(f"{wheel.info}/WHEEL", (
        "Wheel-Version: 1.0\nGenerator: ebb\nRoot-Is-Purelib: false\n"
        f"Tag: {tag()}\n").encode())
    wheel.close()
    return path
