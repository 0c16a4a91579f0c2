#!/usr/bin/env python3
"""The container image, made from the programs of this build: whole, small,
without data, and the same as what the Containerfile says.

  image_test.py BIN_FOLDER
"""
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

BIN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/bin"
ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "../.."))
IMAGE = os.path.join(ROOT, "deploy/image")


class ImageTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="ebb_image_")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.made = subprocess.run(
            [os.path.join(IMAGE, "make_image.py"), "--bin", BIN,
             "--name", "localhost/ebb:test",
             "--out", os.path.join(cls.folder, "ebb.tar")],
            capture_output=True, text=True)
        if cls.made.returncode != 0:
            raise RuntimeError(cls.made.stderr)
        with tarfile.open(os.path.join(cls.folder, "ebb.tar")) as tar:
            cls.files = {one.name: tar.extractfile(one).read()
                         for one in tar.getmembers()}
        cls.index = json.loads(cls.files["index.json"])
        (cls.entry,) = cls.index["manifests"]
        cls.manifest = cls.json_blob(cls.entry)
        cls.config = cls.json_blob(cls.manifest["config"])
        (layer,) = cls.manifest["layers"]
        cls.layer = gzip.decompress(cls.blob(layer))
        cls.root = os.path.join(cls.folder, "root")
        with tarfile.open(fileobj=io.BytesIO(cls.layer)) as tar:
            cls.members = {one.name: one for one in tar.getmembers()}
            tar.extractall(cls.root)

    @classmethod
    def blob(cls, descriptor):
        data = cls.files["blobs/sha256/" +
                         descriptor["digest"].removeprefix("sha256:")]
        assert len(data) == descriptor["size"]
        return data

    @classmethod
    def json_blob(cls, descriptor):
        return json.loads(cls.blob(descriptor))

    def test_it_is_an_oci_layout(self):
        self.assertEqual(json.loads(self.files["oci-layout"]),
                         {"imageLayoutVersion": "1.0.0"})
        for name, data in self.files.items():
            if name.startswith("blobs/"):
                self.assertEqual(name, "blobs/sha256/" +
                                 hashlib.sha256(data).hexdigest())
        self.assertEqual(self.config["rootfs"]["diff_ids"],
                         ["sha256:" + hashlib.sha256(self.layer).hexdigest()])
        self.assertEqual(
            self.entry["annotations"]["io.containerd.image.name"],
            "localhost/ebb:test")

    def test_it_is_small(self):
        size = sum(one.size for one in self.members.values())
        self.assertLess(size, 150e6)

    def test_programs_and_libraries_are_all(self):
        allowed = re.compile(
            r"(bin|lib|lib64|data|dev|etc|proc|run|sys|tmp|usr|usr/bin|usr/lib"
            r"|usr/lib64|usr/share|usr/share/doc|usr/lib/[a-z0-9_-]+-linux-gnu"
            r"|etc/(passwd|group|nsswitch\.conf)"
            r"|usr/bin/ebb(-advise|-bench|-ps|-scheduler|-sim|-sweep|-worker)?"
            r"|usr/lib(64)?(/[a-z0-9_-]+)?/[\w.+-]+\.so[\w.]*"
            r"|usr/share/doc/[^/]+(/copyright)?)")
        for name in self.members:
            self.assertRegex(name, re.compile(rf"^{allowed.pattern}$"))

    def test_nobody_is_root_and_nothing_is_set_uid(self):
        user = int(self.config["config"]["User"].split(":")[0])
        self.assertNotEqual(user, 0)
        for one in self.members.values():
            self.assertEqual(one.mode & 0o6000, 0, one.name)
            if one.name != "tmp":
                self.assertEqual(one.mode & 0o002 if not one.issym() else 0, 0,
                                 one.name)

    def test_each_program_finds_its_libraries_in_it(self):
        loader = next(os.path.join(self.root, name) for name in self.members
                      if re.search(r"/ld-linux[^/]*$", name))
        libraries = {os.path.dirname(name) for name in self.members
                     if ".so" in name}
        path = ":".join(os.path.join(self.root, one) for one in libraries)
        for name in ("ebb", "ebb-advise", "ebb-bench", "ebb-ps",
                     "ebb-scheduler", "ebb-sim", "ebb-sweep", "ebb-worker"):
            program = os.path.join(self.root, "usr/bin", name)
            command = [loader, "--inhibit-cache", "--library-path", path]
            listed = subprocess.run([*command, "--list", program],
                                    capture_output=True, text=True, check=True)
            for found in re.findall(r"=> (/\S+)", listed.stdout):
                self.assertTrue(found.startswith(self.root + "/"), found)
            # `ebb` starts these, and they have no version of their own.
            part = name in ("ebb-advise", "ebb-bench", "ebb-sim", "ebb-sweep")
            said = subprocess.run(
                [*command, program, "--help" if part else "--version"],
                capture_output=True, text=True, check=True)
            self.assertRegex(said.stdout,
                             "Usage: " if part else r"\d+\.\d+\.\d+")

    def test_the_containerfiles_make_the_same(self):
        sys.path.insert(0, IMAGE)
        self.addCleanup(sys.path.remove, IMAGE)
        import make_image

        self.says_the_same("Containerfile", [])
        self.says_the_same("Containerfile.gpu", [make_image.GPU_ENVIRONMENT])

    def test_the_python_package_is_put_in_for_models_of_python(self):
        sys.path.insert(0, IMAGE)
        self.addCleanup(sys.path.remove, IMAGE)
        import make_image

        root = os.path.join(self.folder, "python")
        make_image.put_package(root)
        package = os.path.join(root, "usr/lib/ebb/python/ebb")
        self.assertTrue(os.path.exists(os.path.join(package, "worker.py")))
        self.assertTrue(os.path.samefile(package, os.path.join(
            root, "usr/lib/python3/dist-packages/ebb")))
        self.assertEqual([folder for folder, _, _ in os.walk(package)
                          if "__pycache__" in folder], [])
        with open(os.path.join(IMAGE, "Containerfile.python")) as file:
            text = file.read()
        self.assertIn("--python --rootfs /rootfs", text)
        # With the reference BLAS, PyTorch is many times slower.
        self.assertIn("python3-torch libopenblas0-pthread", text)
        self.assertIn("USER " + self.config["config"]["User"], text)
        # Debian has links where the image has folders: /usr/share/doc/libgcc-s1.
        copied = re.findall(r"^COPY --from=build /rootfs/(\S+) (\S+)$", text,
                            re.MULTILINE)
        self.assertEqual(
            [(one, target) for one, target in copied if one.startswith("usr")],
            [("usr/bin/", "/usr/bin/"), ("usr/lib/", "/usr/lib/"),
             ("usr/share/doc/", "/usr/share/doc/ebb/libraries/")])

    def says_the_same(self, name, more_environment):
        with open(os.path.join(IMAGE, name)) as file:
            last = file.read().split("FROM scratch")[1]
        lines = re.findall(r"^([A-Z]+) (.*)$", last, re.MULTILINE)
        said = dict(lines)
        config = self.config["config"]
        self.assertEqual(said["USER"], config["User"])
        self.assertEqual([value for word, value in lines if word == "ENV"],
                         config["Env"] + more_environment)
        self.assertEqual(json.loads(said["ENTRYPOINT"]), config["Entrypoint"])
        self.assertEqual(said["WORKDIR"], config["WorkingDir"])
        self.assertEqual(said["COPY"], "--from=build /rootfs/ /")

    def test_the_same_programs_make_the_same_bytes(self):
        sys.path.insert(0, IMAGE)
        self.addCleanup(sys.path.remove, IMAGE)
        import make_image

        # Whatever dates and order the folder has.
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                os.utime(path, (1, 1), follow_symlinks=False)
        again = os.path.join(self.folder, "again.tar")
        make_image.write_image(self.root, "localhost/ebb:test", again)
        with open(again, "rb") as one, \
                open(os.path.join(self.folder, "ebb.tar"), "rb") as other:
            self.assertEqual(one.read(), other.read())

    def test_cublas_is_put_in_for_a_worker_that_uses_it(self):
        binaries, libraries, root = (os.path.join(self.folder, name)
                                     for name in ("bin", "cuda", "gpu"))
        os.mkdir(libraries)
        shutil.copytree(os.path.join(self.root, "usr/bin"), binaries)
        # Libraries all the same, and smaller.
        other = next(os.path.join(self.root, name) for name in self.members
                     if "/libz.so" in name)
        for name in ("libcublas", "libcublasLt"):
            shutil.copy(other, os.path.join(libraries, name + ".so.13.1"))
            os.symlink(name + ".so.13.1",
                       os.path.join(libraries, name + ".so.13"))
        worker = os.path.join(binaries, "ebb-worker")
        with open(worker, "rb") as file:
            with_cuda = b"libcublas.so." in file.read()

        def make():
            shutil.rmtree(root, ignore_errors=True)
            return subprocess.run(
                [os.path.join(IMAGE, "make_image.py"), "--bin", binaries,
                 "--cublas", libraries, "--rootfs", root],
                capture_output=True, text=True)

        if not with_cuda:
            self.assertIn("was built without CUDA", make().stderr)
            # At the end of the file: it names the library, and runs no worse.
            with open(worker, "ab") as file:
                file.write(b"libcublas.so.")
        made = make()
        self.assertEqual(made.returncode, 0, made.stderr)
        (found,) = [folder for folder, _, names in os.walk(root)
                    if "libcublas.so.13" in names]
        with open(os.path.join(found, "libcublasLt.so.13"), "rb") as file, \
                open(other, "rb") as copied:
            self.assertEqual(file.read(), copied.read())
        os.symlink("libcublas.so.13.1", os.path.join(libraries,
                                                     "libcublas.so.12"))
        self.assertIn("must be of one version of CUDA", make().stderr)


if __name__ == "__main__":
    unittest.main()
