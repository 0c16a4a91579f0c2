#!/usr/bin/env python3
"""Runs a command beside a second S3 server: moto, which keeps objects in memory.

  moto.py COMMAND...

The command gets AWS_* variables, and EBB_TEST_BUCKET, the URL of an empty bucket.
EBB_MOTO names a Python that has moto (pip install 'moto[server]'); otherwise it is
the one of the virtual environment of .ci/ecosystem, or of the search path.
Exit code: the command's; 77, so that ctest says "skipped", if there is no such
program or it does not serve. EBB_SERVICES=required makes it 1.

moto does not look at signatures, so this is about conditions, ranges, uploads in
parts and listings.
"""

import http.client
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

BUCKET, REGION = "ebb-test", "us-east-1"
PATIENCE_S = 60


class NoService(Exception):
    """moto does not serve on this machine, so that ebb was not tested."""


#: moto answers in many threads and looks at If-None-Match before it takes a lock, so
#: that two creates of one object may both succeed: here one request runs at a time.
SERVE = """
import sys, threading
from moto.server import (DomainDispatcherApplication, MotoRequestHandler,
                         create_backend_app)
from werkzeug.serving import run_simple
moto, one_at_a_time = DomainDispatcherApplication(create_backend_app), threading.Lock()
def serve(environ, start_response):
    with one_at_a_time:
        return list(moto(environ, start_response))
run_simple("127.0.0.1", int(sys.argv[1]), serve, threaded=True,
           request_handler=MotoRequestHandler)
"""


def python_with_moto():
    root = pathlib.Path(__file__).resolve().parents[2]
    for one in (os.environ.get("EBB_MOTO"),
                root / "build/ecosystem/bin/python3", "python3"):
        found = shutil.which(str(one)) if one else None
        if found and subprocess.run([found, "-c", "import moto.server"],
                                    stderr=subprocess.DEVNULL,
                                    check=False).returncode == 0:
            return found
    return None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def put_bucket(port, server):
    """Until the server serves, and has made the bucket."""
    end = time.monotonic() + PATIENCE_S
    while True:
        if server.poll() is not None:
            raise NoService(f"moto ended with {server.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port,
                                                    timeout=30)
            connection.request("PUT", f"/{BUCKET}", headers={
                "authorization": f"AWS4-HMAC-SHA256 Credential=moto/20260101/"
                                 f"{REGION}/s3/aws4_request, SignedHeaders=host,"
                                 " Signature=none"})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            connection.close()
            if answer.status == 200:
                return
        except OSError as error:
            text = str(error)
        if time.monotonic() > end:
            raise NoService(f"moto does not make a bucket: {text}")
        time.sleep(0.2)


def main():
    unserved = 1 if os.environ.get("EBB_SERVICES") == "required" else 77
    python = python_with_moto()
    if python is None:
        print("skipped: moto is missing; pip install 'moto[server]', and name "
              "the Python that has it by EBB_MOTO")
        sys.exit(unserved)
    port = free_port()
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen([python, "-c", SERVE, str(port)],
                                  stdout=log, stderr=log)
        try:
            put_bucket(port, server)
            environment = dict(
                os.environ, AWS_ACCESS_KEY_ID="moto",
                AWS_SECRET_ACCESS_KEY="moto", AWS_REGION=REGION,
                AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{port}",
                EBB_TEST_BUCKET=f"s3://{BUCKET}")
            code = subprocess.run(sys.argv[1:], env=environment,
                                  check=False).returncode
        except NoService as reason:
            log.seek(0)
            print(log.read().decode(errors="replace")[-2000:])
            print(f"skipped: moto does not serve on this machine: {reason}")
            code = unserved
        finally:
            server.kill()
            server.wait()
    sys.exit(code)


if __name__ == "__main__":
    main()
