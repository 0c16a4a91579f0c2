#!/usr/bin/env python3
"""An S3 server for tests: objects in memory, signatures checked, and faults.

It knows what ebb needs of S3: GET with Range and If-Match, PUT with
If-None-Match and If-Match, DELETE, ListObjectsV2, and uploads in parts. It checks signatures by
code of its own, so that it finds mistakes in ebb's.

  s3_server.py [--port N]      prints "PORT\n" and serves 127.0.0.1 until its
                               standard input ends

POST / is AssumeRoleWithWebIdentity of AWS's token service: the token "good" for
a role that ends with "/trainer" gives keys that serve for an hour.

The tests control it by POST /-/faults with a JSON list of faults. Each has a
"kind". It may have a "method" and a "match", a part of the path and query.
"skip" and "count" say how many requests it passes over first, and then affects.

Kinds: "STATUS CODE" (an error, as "503 SlowDown"), "reset" (closes before it
does anything), "lost" (does it, and closes without an answer), "cut" (ends the
body early), "no_ranges", "no_conditions", "late" (200, and an error in the body).
POST /-/uploads says how many uploads were begun and not ended. POST /-/marker
puts an empty object, whose key may end with "/".
"""

import argparse
import datetime
import hashlib
import hmac
import http.server
import json
import os
import re
import socket
import sys
import threading
import urllib.parse
from xml.sax.saxutils import escape

BUCKET = "bucket"
REGION = "us-east-1"
KEYS = {"AKIDEXAMPLE": "secret/EXAMPLE+key"}
# The keys that the token service gives, and their session token.
ASSUMED = ("ASIAEXAMPLE", "assumed/EXAMPLE+key", "session/TOKEN+1==")
LEAST_PART = 5 << 20
DATE = "Thu, 26 Nov 2026 12:00:00 GMT"


class Bucket:
    def __init__(self):
        self.lock = threading.Lock()
        self.objects = {}  # key -> (bytes, etag)
        self.uploads = {}  # id -> (key, {number: (bytes, etag)})
        self.faults = []
        self.requests = 0
        self.puts = 0

    def fault(self, method, target):
        """Returns the kind of the fault that this request meets, or None."""
        with self.lock:
            self.requests += 1
            for fault in self.faults:
                if fault.get("method", method) != method:
                    continue
                if fault.get("match", "") not in target:
                    continue
                if fault.get("skip", 0) > 0:
                    fault["skip"] -= 1
                    continue
                if fault.get("count", 1) <= 0:
                    continue
                fault["count"] = fault.get("count", 1) - 1
                return fault["kind"]
        return None


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature_error(handler, path, query, body):
    """Returns (status, code) of what is wrong with the signature, or None."""
    header = handler.headers.get("authorization")
    if header is None:
        return None if handler.server.public else (403, "AccessDenied")
    scheme, _, rest = header.partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return 400, "InvalidRequest"
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    access, day, region, service, last = fields["Credential"].split("/")
    secret = KEYS.get(access)
    if access == ASSUMED[0]:
        if handler.headers.get("x-amz-security-token") != ASSUMED[2]:
            return 403, "InvalidToken"
        secret = ASSUMED[1]
    if secret is None:
        return 403, "InvalidAccessKeyId"
    if region != REGION:
        return 400, "AuthorizationHeaderMalformed"
    if (service, last) != ("s3", "aws4_request"):
        return 403, "SignatureDoesNotMatch"
    names = fields["SignedHeaders"].split(";")
    for name in ("host", "x-amz-date", "x-amz-content-sha256"):
        if name not in names:
            return 403, "AccessDenied"
    digest = hashlib.sha256(body).hexdigest()
    if handler.headers["x-amz-content-sha256"] != digest:
        return 400, "XAmzContentSHA256Mismatch"
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    quoted = sorted((urllib.parse.quote(name, safe="-._~"),
                     urllib.parse.quote(value, safe="-._~"))
                    for name, value in pairs)
    canonical = "\n".join([
        handler.command,
        urllib.parse.quote(urllib.parse.unquote(path), safe="/-._~"),
        "&".join(f"{name}={value}" for name, value in quoted),
        "".join(f"{name}:{' '.join(handler.headers[name].split())}\n"
                for name in names),
        ";".join(names), digest])
    date = handler.headers["x-amz-date"]
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope,
                         hashlib.sha256(canonical.encode()).hexdigest()])
    key = sign(("AWS4" + secret).encode(), day)
    for part in (region, service, "aws4_request"):
        key = sign(key, part)
    right = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    if not date.startswith(day) or fields["Signature"] != right:
        return 403, "SignatureDoesNotMatch"
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return DATE

    def answer(self, status, body=b"", headers=(), cut=False):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut:
            self.drop()

    def error(self, status, code):
        region = "<Region>eu-central-9</Region>" if status in (301, 400) else ""
        document = (f"<Error><Code>{code}</Code><Message>said by the test"
                    f"</Message>{region}</Error>")
        if self.command == "POST":  # The token service's form.
            document = f"<ErrorResponse>{document}</ErrorResponse>"
        self.answer(status, document.encode())

    def drop(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def do_POST(self):
        if self.path.startswith(f"/{BUCKET}/"):
            return self.do_any()
        size = int(self.headers.get("content-length", 0))
        body = self.rfile.read(size)
        bucket = self.server.bucket
        if self.path == "/":
            return self.assume_role(body)
        if self.path == "/-/faults":
            with bucket.lock:
                bucket.faults = json.loads(body)
        elif self.path == "/-/public":
            self.server.public = True
        elif self.path == "/-/clear":
            with bucket.lock:
                bucket.objects.clear()
                bucket.uploads.clear()
                bucket.faults = []
            self.server.public = False
        elif self.path == "/-/marker":
            with bucket.lock:
                bucket.objects[body.decode()] = (b"", '"marker"')
        elif self.path == "/-/uploads":
            return self.answer(200, str(len(bucket.uploads)).encode())
        return self.answer(200, str(bucket.requests).encode())

    def assume_role(self, body):
        fault = self.server.bucket.fault("POST", self.path) or ""
        if fault[:1].isdigit():
            status, code = fault.split(" ", 1)
            return self.error(int(status), code)
        form = dict(urllib.parse.parse_qsl(body.decode()))
        if form.get("Action") != "AssumeRoleWithWebIdentity":
            return self.error(400, "InvalidAction")
        if form.get("WebIdentityToken") != "good":
            return self.error(400, "InvalidIdentityToken")
        if not form.get("RoleArn", "").endswith("/trainer"):
            return self.error(403, "AccessDenied")
        end = (datetime.datetime.now(datetime.timezone.utc) +
               datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        access, secret, token = map(escape, ASSUMED)
        return self.answer(200, f"""<AssumeRoleWithWebIdentityResponse
 xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>{access}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>
<SessionToken>{token}</SessionToken><Expiration>{end}</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>""".encode())

    def do_any(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        bucket = self.server.bucket
        fault = bucket.fault(self.command, self.path) or ""
        if fault == "reset":
            return self.drop()
        if fault[:1].isdigit():
            status, code = fault.split(" ", 1)
            return self.error(int(status), code)
        path, _, query = self.path.partition("?")
        wrong = signature_error(self, path, query, body)
        if wrong:
            return self.error(*wrong)
        _, name, *key = urllib.parse.unquote(path).split("/", 2)
        if name != BUCKET:
            return self.error(404, "NoSuchBucket")
        with bucket.lock:
            answer = self.serve(key[0] if key else "", query, body, fault)
        if fault == "lost":
            return self.drop()
        status, content, headers = answer
        if isinstance(content, str):
            return self.error(status, content)
        return self.answer(status, content, headers, cut=fault == "cut")

    do_GET = do_PUT = do_DELETE = do_any

    def serve(self, key, query, body, fault):
        objects = self.server.bucket.objects
        there = objects.get(key)
        fields = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        if "uploads" in fields or "uploadId" in fields:
            return self.upload(key, fields, body, fault)
        if self.command == "GET" and not key:
            return self.list(dict(urllib.parse.parse_qsl(query)))
        if self.command == "DELETE":
            objects.pop(key, None)
            return 204, b"", ()
        if self.command == "PUT":
            if fault != "no_conditions":
                if self.headers.get("if-none-match") == "*" and there:
                    return 412, "PreconditionFailed", ()
                match = self.headers.get("if-match")
                if match and not there:
                    return 404, "NoSuchKey", ()
                if match and there[1] != match:
                    return 412, "PreconditionFailed", ()
            self.server.bucket.puts += 1
            etag = '"%s-%d"' % (hashlib.md5(body).hexdigest(),
                                self.server.bucket.puts)
            objects[key] = (body, etag)
            return 200, b"", (("ETag", etag),)
        if not there:
            return 404, "NoSuchKey", ()
        content, etag = there
        match = self.headers.get("if-match")
        if match and match != etag and fault != "no_conditions":
            return 412, "PreconditionFailed", ()
        headers = [("ETag", etag)]
        wanted = self.headers.get("range")
        if not wanted or fault == "no_ranges":
            return 200, content, headers
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        begin = int(first)
        end = min(int(last) + 1 if last else len(content), len(content))
        if begin >= len(content):
            return 416, "InvalidRange", ()
        headers.append(("Content-Range",
                        f"bytes {begin}-{end - 1}/{len(content)}"))
        return 206, content[begin:end], headers

    def upload(self, key, fields, body, fault):
        """A request of an upload in parts."""
        uploads = self.server.bucket.uploads
        xml = (("Content-Type", "application/xml"),)
        if "uploads" in fields:
            self.server.bucket.puts += 1
            name = f"upload+{self.server.bucket.puts}/="
            uploads[name] = (key, {})
            return 200, (f"<InitiateMultipartUploadResult><UploadId>{name}"
                         "</UploadId></InitiateMultipartUploadResult>"
                         ).encode(), xml
        name = fields["uploadId"]
        if name not in uploads or uploads[name][0] != key:
            return 404, "NoSuchUpload", ()
        parts = uploads[name][1]
        if self.command == "PUT":
            etag = f'"{hashlib.md5(body).hexdigest()}"'
            parts[int(fields["partNumber"])] = (body, etag)
            return 200, b"", (("ETag", etag),)
        if self.command == "DELETE":
            del uploads[name]
            return 204, b"", ()
        listed = re.findall("<Part><PartNumber>(.*?)</PartNumber>"
                            "<ETag>(.*?)</ETag></Part>", body.decode())
        if [(str(number), etag) for number, (_, etag)
                in sorted(parts.items())] != listed:
            return 400, "InvalidPart", ()
        contents = [content for _, (content, _) in sorted(parts.items())]
        if any(len(content) < LEAST_PART for content in contents[:-1]):
            return 400, "EntityTooSmall", ()
        if self.headers.get("if-none-match") == "*" and fault != "no_conditions":
            if key in self.server.bucket.objects:
                return 412, "PreconditionFailed", ()
        if fault == "late":
            return 200, b"<Error><Code>InternalError</Code></Error>", xml
        self.server.bucket.puts += 1
        etag = f'"{self.server.bucket.puts}-{len(contents)}"'
        self.server.bucket.objects[key] = (b"".join(contents), etag)
        del uploads[name]
        return 200, (f"<CompleteMultipartUploadResult><ETag>{etag}</ETag>"
                     "</CompleteMultipartUploadResult>").encode(), xml

    def list(self, query):
        objects = self.server.bucket.objects
        prefix = query.get("prefix", "")
        after = query.get("continuation-token", "").removeprefix("token ")
        most = min(int(query.get("max-keys", 1000)), 1000)
        delimiter = query.get("delimiter", "")
        names = {}
        for key in objects:
            if not key.startswith(prefix):
                continue
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            if at >= 0:
                names[key[:at + 1]] = None
            else:
                names[key] = len(objects[key][0])
        rest = sorted(name for name in names if name > after)
        page = rest[:most]
        xml = ['<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult '
               'xmlns="http://s3.amazonaws.com/doc/2006-03-01/">']
        for name in page:
            if names[name] is None:
                xml.append(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix>"
                           "</CommonPrefixes>")
            else:
                xml.append(f"<Contents><Key>{escape(name)}</Key><Size>"
                           f"{names[name]}</Size></Contents>")
        more = len(rest) > len(page)
        xml.append(f"<IsTruncated>{str(more).lower()}</IsTruncated>")
        if more:
            xml.append("<NextContinuationToken>token "
                       f"{escape(page[-1])}</NextContinuationToken>")
        xml.append("</ListBucketResult>")
        return 200, "".join(xml).encode(), (("Content-Type",
                                             "application/xml"),)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    bucket = Bucket()
    public = False

    def handle_error(self, request, client_address):
        pass  # A client that is gone.


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    server = Server(("127.0.0.1", parser.parse_args().port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
