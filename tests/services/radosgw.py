#!/usr/bin/env python3
"""Runs a command beside a real S3 server: Ceph's radosgw over one OSD in memory.

  radosgw.py [--listen ADDRESS] [--put KEY=FILE]... COMMAND...

The server listens at 127.0.0.1, or at ADDRESS of this machine. The bucket gets the
objects of --put, and is empty else. The command gets AWS_* variables, and EBB_TEST_BUCKET, the bucket's URL.
Exit code: the command's; 77, so that ctest says "skipped", if the programs of Ceph
are missing (Debian: radosgw ceph-mon ceph-osd ceph-common) or do not serve on this
machine. Then the ends of their logs tell why, and EBB_SERVICES=required makes it 1.
"""

import argparse
import datetime
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid

KEY, SECRET, BUCKET, REGION = "radosgwkey", "radosgw/secret", "ebb-test", "default"
PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool",
            "ceph")
PATIENCE_S = 90


class NoService(Exception):
    """Ceph does not serve on this machine, so that ebb was not tested."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Ceph:
    def __init__(self, folder, listen="127.0.0.1"):
        self.folder = pathlib.Path(folder)
        self.listen = listen
        self.port = free_port()
        self.children = []
        self.conf = self.folder / "ceph.conf"

    @classmethod
    def of_environment(cls):
        """The one that this program is run beside, to put objects."""
        url = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL_S3"])
        ceph = cls(os.curdir, url.hostname)
        ceph.port = url.port
        return ceph

    def serve(self):
        """Returns when radosgw has made the bucket. Raises NoService."""
        folder = self.folder
        fsid = str(uuid.uuid4())
        mon = f"127.0.0.1:{free_port()}"
        self.conf.write_text(f"""[global]
fsid = {fsid}
mon_host = v1:{mon}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = /dev/null
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_crush_chooseleaf_type = 0
osd_class_update_on_start = false
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data = {folder}/mon
mon_data_avail_crit = 0
mon_cluster_log_file = {folder}/cluster.log
osd_data = {folder}/osd
run_dir = {folder}
admin_socket = {folder}/$name.asok
log_file = {folder}/$name.log
rgw_data = {folder}/rgw
rgw_enable_usage_log = false
rgw_cache_enabled = true
""")
        self.run("monmaptool", "--create", "--fsid", fsid, "--addv", "a",
                 f"[v1:{mon}]", str(self.folder / "monmap"))
        for name in ("mon", "osd", "rgw"):
            (self.folder / name).mkdir()
        self.run("ceph-mon", "-c", self.conf, "--mkfs", "-i", "a", "--monmap",
                 self.folder / "monmap")
        self.start("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        self.run("ceph", "-c", self.conf, "osd", "create", osd, again=True)
        self.run("ceph-osd", "-c", self.conf, "-i", "0", "--mkfs",
                 "--osd-uuid", osd)
        self.start_osd()
        # Makes the pools and the zone, which radosgw would make at the same time.
        self.run("radosgw-admin", "-c", self.conf, "user", "create", "--uid",
                 "ebb", "--display-name", "ebb", "--access-key", KEY,
                 "--secret", SECRET)
        self.start("radosgw", "-n", "client.rgw", "--rgw_frontends",
                   f"beast endpoint={self.listen}:{self.port}")
        self.make_bucket()

    def run(self, *arguments, again=False):
        """Runs a program; with `again` until it succeeds, for a service that
        has only just started."""
        end = time.monotonic() + PATIENCE_S
        command = [str(argument) for argument in arguments]
        while True:
            self.check_children()
            try:
                done = subprocess.run(command, check=False,
                                      stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT,
                                      timeout=PATIENCE_S)
            except subprocess.TimeoutExpired as late:
                raise NoService(f"{' '.join(command)}: did not end within "
                                f"{PATIENCE_S} s") from late
            if done.returncode == 0:
                return
            if not again or time.monotonic() > end:
                raise NoService(f"{' '.join(command)}: {done.stdout.decode()}")
            time.sleep(0.2)

    def start_osd(self):
        """Until it is up. It ends when the monitor that it asks is not ready to
        answer, although that has answered before."""
        end = time.monotonic() + PATIENCE_S
        self.start("ceph-osd", "-i", "0")
        while True:
            if self.children[-1].poll() is not None:
                self.children.pop()
                self.start("ceph-osd", "-i", "0")
            said = subprocess.run(
                ["ceph", "-c", str(self.conf), "osd", "stat", "-f", "json"],
                check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                timeout=PATIENCE_S).stdout
            if said.strip() and json.loads(said)["num_up_osds"] > 0:
                return
            if time.monotonic() > end:
                raise NoService(f"the OSD is not up within {PATIENCE_S} s")
            time.sleep(0.2)

    def start(self, program, *arguments):
        with open(self.folder / f"{program}.out", "wb") as log:
            self.children.append(subprocess.Popen(
                [program, "-f", "-c", str(self.conf), *arguments],
                stdout=log, stderr=log))

    def check_children(self):
        for child in self.children:
            if child.poll() is not None:
                raise NoService(f"{child.args[0]} ended with {child.returncode}")

    def print_logs(self):
        """The end of what each daemon said."""
        for log in sorted([*self.folder.glob("*.log"),
                           *self.folder.glob("*.out")]):
            print(f"--- {log.name}")
            print("".join(log.read_text(errors="replace")
                          .splitlines(keepends=True)[-20:]), flush=True)

    def make_bucket(self):
        """Until radosgw serves, and has made the bucket."""
        end = time.monotonic() + PATIENCE_S
        while True:
            self.check_children()
            try:
                status, text = self.put(f"/{BUCKET}", b"")
                if status == 200:
                    return
            except OSError as error:
                text = str(error)
            if time.monotonic() > end:
                raise NoService(f"radosgw does not make a bucket: {text}")
            time.sleep(0.2)

    def put(self, path, body):
        """Returns the status, and what the server says."""
        connection = http.client.HTTPConnection(self.listen, self.port,
                                                timeout=30)
        connection.request("PUT", path, body=body,
                           headers=self.signed(path, body))
        try:
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def put_file(self, key, file):
        body = pathlib.Path(file).read_bytes()
        status, text = self.put(f"/{BUCKET}/{key}", body)
        if status != 200:
            raise NoService(f"{key} cannot be put: {status} {text}")

    def signed(self, path, body):
        now = datetime.datetime.now(datetime.timezone.utc)
        date, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": f"{self.listen}:{self.port}",
                   "x-amz-content-sha256": digest, "x-amz-date": date}
        names = ";".join(sorted(headers))
        canonical = "\n".join(
            ["PUT", path, "",
             "".join(f"{n}:{headers[n]}\n" for n in sorted(headers)), names,
             digest])
        scope = f"{day}/{REGION}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", date, scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + SECRET).encode()
        for part in (day, REGION, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}")
        return headers

    def end(self):
        for child in reversed(self.children):
            child.kill()
            child.wait()


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--put", action="append", default=[])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    flags = parser.parse_args()
    unserved = 1 if os.environ.get("EBB_SERVICES") == "required" else 77
    if not all(shutil.which(program) for program in PROGRAMS):
        print("skipped: the programs of Ceph are missing; install radosgw, "
              "ceph-mon, ceph-osd and ceph-common")
        sys.exit(unserved)
    with tempfile.TemporaryDirectory(prefix="ebb_radosgw_") as folder:
        began = time.monotonic()
        ceph = Ceph(folder, flags.listen)
        try:
            ceph.serve()
            for key, _, file in (one.partition("=") for one in flags.put):
                ceph.put_file(key, file)
            print(f"radosgw serves after {time.monotonic() - began:.1f} s",
                  flush=True)
            environment = dict(
                os.environ, AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET,
                AWS_REGION=REGION,
                AWS_ENDPOINT_URL_S3=f"http://{ceph.listen}:{ceph.port}",
                EBB_TEST_BUCKET=f"s3://{BUCKET}")
            code = subprocess.run(flags.command, env=environment,
                                  check=False).returncode
        except (NoService, subprocess.TimeoutExpired) as reason:
            ceph.print_logs()
            print(f"skipped: Ceph does not serve on this machine: {reason}")
            code = unserved
        finally:
            ceph.end()
    sys.exit(code)


if __name__ == "__main__":
    main()
