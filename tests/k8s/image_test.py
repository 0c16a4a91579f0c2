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
            r"|usr/bin/ebb(-ps|-scheduler|-worker)?"
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
        for name in ("ebb", "ebb-ps", "ebb-scheduler", "ebb-worker"):
            program = os.path.join(self.root, "usr/bin", name)
            command = [loader, "--inhibit-cache", "--library-path", path]
            listed = subprocess.run([*command, "--list", program],
                                    capture_output=True, text=True, check=True)
            for found in re.findall(r"=> (/\S+)", listed.stdout):
                self.assertTrue(found.startswith(self.root + "/"), found)
            said = subprocess.run([*command, program, "--version"],
                                  capture_output=True, text=True, check=True)
            self.assertRegex(said.stdout, r"\d+\.\d+\.\d+")

    def test_the_containerfile_makes_the_same(self):
        with open(os.path.join(IMAGE, "Containerfile")) as file:
            last = file.read().split("FROM scratch")[1]
        said = dict(re.findall(r"^([A-Z]+) (.*)$", last, re.MULTILINE))
        config = self.config["config"]
        self.assertEqual(said["USER"], config["User"])
        self.assertEqual([said["ENV"]], config["Env"])
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


if __name__ == "__main__":
    unittest.main()
