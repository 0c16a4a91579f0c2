#!/usr/bin/env python3
"""Checks that folders include only what their layer may.

This file owns the table of layers. There is one include root, so CMake's link
edges do not stop an include; this check does. It also follows the includes of
the servers' and the scheduler's programs, which must not have a model in them.

  check_layers.py              checks the project, and that the picture of the
                               layers in docs/architecture.md is the table's
  check_layers.py --picture    prints that picture
  check_layers.py --programs CONTROL PROGRAM...
                               no program has a model in it; CONTROL has some,
                               so that this can fail
  check_layers.py --self-test  checks the check, on planted violations
"""

import fnmatch
import pathlib
import re
import subprocess
import sys
import tempfile

from project_files import ROOT, project_files, read_lines

# Layer -> the other layers it may include. A file's layer is the longest key
# that is a prefix of its path; "*" stands for one folder.
LAYERS = {
    "proto": [],
    "include/ebb": [],  # Users include these.
    "common": [],
    "protocol": ["common"],  # Plain structs of the protocol.
    # Update rules: servers step by them, and workers in runs.
    "optimizer": ["common", "proto"],
    "algorithms": ["common", "include/ebb", "optimizer", "protocol"],
    # Rules of a job are written with these.
    "job/base": ["common", "protocol", "proto"],
    # The sides of a workload: see WORKLOADS. They share the first.
    "workloads/*/base": ["common"],
    "workloads/*/rules": ["common", "job/base", "protocol", "proto",
                          "workloads/*/base"],
    # The job file, its message, and the plan made of it.
    "job": ["algorithms", "common", "job/base", "optimizer", "protocol", "proto",
            "workloads/*/rules"],
    "workloads/*/server": ["algorithms", "common", "job", "job/base", "protocol",
                           "proto", "workloads/*/base", "workloads/*/rules"],
    # Hyperparameter sweeps.
    "sweep": ["common", "job", "job/base", "proto", "workloads/*/rules"],
    "datasets": ["common"],
    "rpc": ["common", "datasets", "protocol", "proto"],
    "data": ["common", "protocol"],
    # Sets to which feeders append: their headers are messages.
    "data/growing": ["common", "data", "proto", "protocol"],
    # From logs of messages into growing sets.
    "feed": ["common", "data", "data/growing", "proto", "protocol"],
    "models": ["common", "include/ebb"],
    "workloads/*/model": ["common", "include/ebb", "models",
                          "workloads/*/base"],
    "client": ["algorithms", "common", "data", "include/ebb", "job", "job/base",
               "proto", "protocol", "rpc", "workloads/*/rules"],
    "server": ["algorithms", "common", "datasets", "job", "job/base",
               "optimizer", "proto", "protocol", "rpc", "workloads/*/rules",
               "workloads/*/server"],
    # It uses the order of examples alone of data.
    "scheduler": ["algorithms", "common", "data", "datasets", "job", "job/base",
                  "proto", "protocol", "rpc", "workloads/*/rules",
                  "workloads/*/server"],
}
# Batches, and what models see of them.
LAYERS["worker/base"] = ["algorithms", "client", "common", "data", "datasets",
                         "include/ebb", "job", "job/base", "models", "proto",
                         "protocol", "rpc", "workloads/*/rules"]
LAYERS["workloads/*/worker"] = [*LAYERS["worker/base"], "worker/base",
                                "workloads/*/base", "workloads/*/model",
                                "workloads/*/server"]
LAYERS["worker"] = [*LAYERS["workloads/*/worker"], "workloads/*/worker"]
SIM_MAY = [*LAYERS]
LAYERS["sim"] = SIM_MAY
# The tools may include all of the system, and of each other:
SYSTEM = [*LAYERS]
TOOLS = {
    "tools/text": [],
    "tools/files": [],
    "tools/tensors": ["files", "text"],
    "tools/process": [],
    "tools/buckets": ["files", "process"],
    "tools/chaos": ["text"],
    "tools/command": ["files"],
    "tools/ebb/status": ["text"],
    "tools/ebb/cluster": ["command", "ebb/status", "files", "process", "text"],
    # A model as the commands know it.
    "tools/ebb/model": ["files", "tensors", "text"],
    "workloads/*/tools": ["ebb/model", "files", "tensors", "text"],
    "tools/ebb/job": ["command", "ebb/cluster", "ebb/model", "ebb/status",
                      "files", "tensors", "text"],
    "tools/ebb/checkpoint": ["command", "ebb/cluster", "ebb/status", "files",
                             "process", "tensors", "text"],
    "tools/ebb/audit": ["command", "ebb/checkpoint", "ebb/cluster",
                        "ebb/status", "files", "process", "tensors", "text"],
    "tools/ebb/rollback": ["command", "ebb/checkpoint", "ebb/cluster",
                           "ebb/status", "files", "process", "tensors",
                           "text"],
    "tools/ebb/trained": ["command", "ebb/checkpoint", "ebb/cluster",
                          "ebb/job", "ebb/model", "ebb/status", "files",
                          "process", "tensors", "text"],
    "tools/ebb/export": ["buckets", "command", "ebb/checkpoint", "ebb/cluster",
                         "ebb/job", "ebb/model", "ebb/status", "ebb/trained",
                         "files", "process", "tensors", "text"],
    "tools/ebb/submit": ["command", "ebb/checkpoint", "ebb/cluster", "ebb/job",
                         "ebb/model", "ebb/status", "ebb/trained", "files",
                         "process", "tensors", "text"],
    "tools/ebb/report": ["chaos", "command", "ebb/checkpoint", "ebb/cluster",
                         "ebb/job", "ebb/model", "ebb/status", "ebb/trained",
                         "files", "process", "tensors", "text"],
    "tools/ebb/run": ["chaos", "command", "ebb/checkpoint", "ebb/cluster",
                      "ebb/job", "ebb/model", "ebb/report", "ebb/rollback",
                      "ebb/status", "ebb/trained", "files", "process",
                      "tensors", "text"],
    "tools/ebb/sweep": ["chaos", "command", "ebb/checkpoint", "ebb/cluster",
                        "ebb/job", "ebb/model", "ebb/report", "ebb/rollback",
                        "ebb/run", "ebb/status", "ebb/trained", "files",
                        "process", "tensors", "text"],
    "tools/ebb/predict": ["buckets", "chaos", "command", "ebb/checkpoint",
                          "ebb/cluster", "ebb/job", "ebb/model", "ebb/report",
                          "ebb/rollback", "ebb/run", "ebb/status",
                          "ebb/trained", "files", "process", "tensors",
                          "text"],
    "tools/ebb/generate": ["command", "files", "process", "text"],
    "tools/ebb/stream": ["command", "files", "text"],
    "tools/ebb/sim": ["chaos", "command", "files", "text"],
    "tools/ebb/main": ["command"],
}
for tool, others in TOOLS.items():
    LAYERS[tool] = [*SYSTEM, *[f"tools/{other}" for other in others]]
    if "ebb/model" in others and tool.startswith("tools/"):
        LAYERS[tool].append("workloads/*/tools")
LAYERS["bench"] = [*SYSTEM, *TOOLS]
# These may include everything.
TOP = ["tests", "python", "examples"]
for top in TOP:
    LAYERS[top] = [layer for layer in [*LAYERS, *TOP] if layer != top]

# Room of a layer -> the rooms beside it that it may include. A file may include
# its own room and what lies in no room of its layer. Other layers see no room.
DATA_BASE = ["data/bytes", "data/compression", "data/formats"]
ROOMS = {
    "data/bytes": [],
    "data/compression": ["data/bytes"],
    "data/formats": ["data/bytes", "data/compression"],
    "data/formats/arrays": DATA_BASE,
    "data/formats/images": DATA_BASE,
    "data/formats/records": DATA_BASE,
    "data/formats/tables": DATA_BASE,
    "data/formats/text": DATA_BASE,
    "data/dataset": DATA_BASE,
    "bench/common": [],
    "bench/command": ["bench/common"],
    "bench/kernels": ["bench/command", "bench/common"],
    "bench/rows": ["bench/common"],
    "bench/plane": ["bench/common"],
    "bench/dense": ["bench/command", "bench/common", "bench/plane"],
    "bench/link": ["bench/command", "bench/common", "bench/dense",
                   "bench/plane"],
    "bench/sparse": ["bench/command", "bench/common", "bench/plane",
                     "bench/rows"],
    "bench/checkpoint": ["bench/command", "bench/common", "bench/dense",
                         "bench/plane", "bench/rows", "bench/sparse"],
    "bench/job": ["bench/command", "bench/common"],
    "bench/gpu": ["bench/command", "bench/common"],
    "bench/data": ["bench/command", "bench/common", "bench/job"],
}

# A workload may include itself, the interfaces and the gradients, from which
# others take what they do not have. All others include the interfaces alone.
WORKLOADS = re.compile(r"workloads/(\w+)/")
INTERFACES = "seam"
SHARED = "gradients"

# Programs without models: what is reached from here, by includes and then the
# source of each header, must not lie there. Generated code calls the workloads.
WITHOUT_MODELS = ["server/ps_main.cc", "scheduler/scheduler_main.cc"]
CALLED = re.compile(r"workloads/\w+/(rules|server)/\w+\.cc$")
MODELS = re.compile(r"models/|workloads/\w+/(model|worker|tools)/")
MODEL_SYMBOL = b"ebb::models::"

# A test may use the shared helpers of tests/ besides what its folder may.
TEST_FILES = ["*_test.cc", "*_fuzz.cc", "*_benchmark.cc"]
TEST_HELPERS = "tests/testing/"

# Include prefix -> (library, paths that may include it).
EVERYWHERE_ON_TOP = [f"{top}/*" for top in ["tools", "bench", *TOP]]
EDGES = ["rpc/*", "*_service*", "*_main.cc", *EVERYWHERE_ON_TOP]
STORES = ["server/store*", "scheduler/store*", "tests/*"]
LIBRARIES = {
    "rocksdb/": ("RocksDB", STORES),
    "grpc/": ("gRPC", EDGES),
    "grpc++/": ("gRPC", EDGES),
    "grpcpp/": ("gRPC", EDGES),
    # The last reads a cloud's JSON with it.
    "google/protobuf/": ("protobuf", EDGES + STORES + [
        "common/tensor_view.cc", "job/*", "worker/preemption_source.cc",
        "data/formats/records/tf_record_format_test.cc",
        "data/fuzz/protobuf_fuzz.cc",
        "data/formats/records/message_type*",
        "data/formats/records/protobuf_format*"]),
    "openssl/": ("OpenSSL", ["common/tls/*", "rpc/internal/tls_*", "bench/plane/raw_wire.cc"]),
    "curl/": ("libcurl", ["common/objects/internal/*", "bench/data/object_rows.cc"]),
    "pugixml": ("pugixml", ["common/objects/internal/*"]),
    "simdjson": ("simdjson", ["data/formats/records/json_lines_format.cc", "bench/data/data_rows.cc"]),
    "isa-l/": ("ISA-L", ["data/bytes/tf_record.cc", "bench/data/data_files.cc"]),
    "CLI/": ("CLI11", ["common/program/*", "*_main.cc", *EVERYWHERE_ON_TOP]),
}

# Files generated from proto/ are included as "ebb/v1/name.pb.h".
GENERATED = "ebb/v1/"
# The folder of what users include is an include root, too.
PUBLIC = re.compile(r"ebb/\w+\.h$")

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
NAMESPACE = re.compile(r"\s*(?:inline\s+)?namespace\s+(?:ebb::)?(\w+)")
OWN_NAMESPACE = ["data", "models", "client", "server", "scheduler", "sweep",
                 "worker", "sim"]


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def folder_of(path, folders):
    """Returns the deepest of the folders that holds the path, or None."""
    return max((folder for folder in folders if is_below(path, folder)),
               key=len, default=None)


def is_below(path, folder):
    if "*" not in folder:
        return path.startswith(folder + "/")
    parts = folder.split("/")
    return path.count("/") >= len(parts) and all(
        part in ("*", own) for part, own in zip(parts, path.split("/")))


def layer_of(path):
    """Returns the layer of a path, or None outside the table."""
    return folder_of(path, LAYERS)


def check_rooms(path, included):
    """Returns the complaint about an include of a room, or None."""
    target = folder_of(included, ROOMS)
    if target is None or path.startswith("tests/"):
        return None
    layer = layer_of(included)
    if layer_of(path) != layer:
        return f"only {layer}/ and tests/ may include {target}/"
    room = folder_of(path, ROOMS)
    if room in (None, target) or target in ROOMS[room]:
        return None
    return f"{room}/ may include {slashes(ROOMS[room])}"


def check_workload(path, included):
    """Returns the complaint about the workload that is included, or None."""
    owner = WORKLOADS.match(path)
    other = WORKLOADS.match(included)
    if (other is None or path.startswith(("tests/", "bench/"))
            or path.endswith("_test.cc")):
        return None
    allowed = [INTERFACES]
    if owner is not None:
        allowed = [owner[1], INTERFACES, SHARED]
    if other[1] in allowed:
        return None
    return ("of workloads it may include "
            + slashes([f"workloads/{name}" for name in dict.fromkeys(allowed)]))


def slashes(layers):
    return ", ".join(layer + "/" for layer in layers) or "nothing else"


def check_include(path, quote, included, exists):
    """Returns the complaint about one include line, or None."""
    for prefix, (library, allowed) in LIBRARIES.items():
        if included.startswith(prefix):
            if matches(path, allowed):
                return None
            return f"{library} may be included only in {', '.join(allowed)}"

    layer = layer_of(path)
    target = ("proto" if included.startswith(GENERATED)
              else "include/ebb" if PUBLIC.match(included)
              else layer_of(included))
    if target is None:
        folder = path.rpartition("/")[0]
        if quote == '"' and exists(f"{folder}/{included}"):
            return f'write "{folder}/{included}": includes are root-relative'
        return None
    if quote == "<" and exists(included):
        return f'write "{included}": <> is for the libraries'

    owner, internal, _ = included.partition("/internal/")
    if (internal and not path.startswith(owner + "/")
            and not path.startswith("tests/")):
        return f"only {owner}/ and tests/ may include {owner}/internal/"
    if complaint := check_rooms(path, included):
        return complaint
    if layer is None or target == layer or target in LAYERS[layer]:
        return check_workload(path, included)
    if included.startswith(TEST_HELPERS) and matches(path, TEST_FILES):
        return None
    return f"{layer}/ may include {slashes(LAYERS[layer])}"


def check_namespace(path, name):
    """Returns the complaint about one opened namespace, or None."""
    if name not in OWN_NAMESPACE or path.startswith((name + "/", "include/")):
        return None
    if path.startswith("tests/") or matches(path, TEST_FILES):
        return None
    return f"only {name}/ defines what is in ebb::{name}"


def check(root):
    """Returns all complaints about the files below `root`."""
    def exists(name):
        return (pathlib.Path(root) / name).exists()

    complaints = []
    for path in project_files(root, ".h", ".cc", ".cu", ".inc"):
        # A header whose source includes it first is known to stand alone; the
        # build verifies only the others (ebb_library).
        own = path.removesuffix(".cc") + ".h"
        missing = own if path.endswith(".cc") and exists(own) else None
        for number, line in enumerate(read_lines(root, path), 1):
            complaint = None
            if include := INCLUDE.match(line):
                complaint = check_include(path, *include.groups(), exists)
                if missing and include[2] != missing:
                    complaint = f'include "{missing}" before anything else'
                missing = None
            elif namespace := NAMESPACE.match(line):
                complaint = check_namespace(path, namespace[1])
            if complaint:
                complaints.append(
                    f"{path}:{number}: {line.strip()}: {complaint}")
    return complaints


def included_files(root, path):
    """Returns the project's files that the file includes."""
    found = [INCLUDE.match(line) for line in read_lines(root, path)]
    return [include[2] for include in found
            if include and (pathlib.Path(root) / include[2]).is_file()]


def check_closure(root):
    """Returns the complaints about programs that reach a model, and how."""
    root = pathlib.Path(root)
    called = [path for path in project_files(root, ".cc")
              if CALLED.match(path) and not matches(path, TEST_FILES)]
    complaints = []
    for program in WITHOUT_MODELS:
        if not (root / program).exists():
            continue
        before = {program: None, **{path: program for path in called}}
        waiting = [*before]
        while waiting:
            path = waiting.pop()
            if MODELS.match(path):
                way = [path]
                while before[way[-1]] is not None:
                    way.append(before[way[-1]])
                complaints.append(f"{program} reaches a model: "
                                  + " < ".join(way))
                continue
            source = path.removesuffix(".h") + ".cc"
            after = included_files(root, path)
            if path.endswith(".h") and (root / source).is_file():
                after.append(source)
            for other in after:
                if other not in before:
                    before[other] = path
                    waiting.append(other)
    return complaints


def check_programs(control, programs):
    """Returns the complaints about programs whose symbols tell of a model."""
    def has_models(program):
        names = subprocess.run(["nm", "-C", program], capture_output=True,
                               check=True).stdout
        return MODEL_SYMBOL in names

    complaints = [f"{program}: has functions of {MODEL_SYMBOL.decode()}"
                  for program in programs if has_models(program)]
    if not has_models(control):
        complaints.append(f"{control}: has no function of a model, so the "
                          "programs cannot be compared with it")
    return complaints


# Path, line, and what the complaint must say (None: no complaint).
PLANTED = [
    ("common/a.h", '#include "common/b.h"', None),
    ("common/a.h", '#include "absl/time/time.h"', None),
    ("common/a.h", '#include <vector>', None),
    ("common/a.h", '#include "rpc/channel.h"', "nothing else"),
    ("common/a.h", '#include "ebb/v1/ps.pb.h"', "common/ may include"),
    ("common/a.h", '#include <grpcpp/grpcpp.h>', "gRPC may be included only"),
    ("common/a.h", '#include "a_sibling.h"', 'write "common/a_sibling.h"'),
    ("common/a.h", '#include <common/a_sibling.h>', "<> is for the libraries"),
    ("common/a_sibling.cc", '#include <vector>', 'include "common/a_sibling.h"'),
    ("common/a_sibling.cc", '#include "common/a_sibling.h"', None),
    ("rpc/a.h", '#include <grpcpp/grpcpp.h>', None),
    ("rpc/a.h", '#include "ebb/v1/ps.grpc.pb.h"', None),
    ("rpc/a.h", '#include "protocol/push.h"', None),
    ("protocol/a.h", '#include "common/ids.h"', None),
    ("protocol/a.h", '#include "ebb/v1/ps.pb.h"', "may include common/"),
    ("job/a.cc", '#include "ebb/v1/job.pb.h"', None),
    ("job/a.cc", '#include <google/protobuf/message.h>', None),
    ("job/a.cc", '#include <grpcpp/grpcpp.h>', "gRPC may be included"),
    ("data/a.cc", '#include "common/ids.h"', None),
    ("data/a.cc", '#include "models/model.h"', "data/ may include common/"),
    ("data/a.cc", '#include "protocol/codec.h"', None),
    ("data/a.cc", '#include "data/formats/text/a.h"', None),
    ("data/formats/text/a.cc", '#include "data/formats/format.h"', None),
    ("data/formats/text/a.cc", '#include "data/reader.h"', None),
    ("data/formats/text/a.cc", '#include "data/formats/arrays/a.h"',
     "data/formats/text/ may include data/bytes/, data/compression/, "
     "data/formats/"),
    ("data/formats/a.cc", '#include "data/formats/text/a.h"',
     "data/formats/ may include data/bytes/, data/compression/"),
    ("worker/a.cc", '#include "data/formats/format.h"', "only data/ and tests/"),
    ("tests/a.cc", '#include "data/formats/format.h"', None),
    ("models/a.cc", '#include "rpc/channel.h"', "models/ may include"),
    ("models/a.cc", '#include "Eigen/Core"', None),
    ("client/a.cc", '#include "data/reader.h"', None),
    ("client/a.cc", '#include "worker/loop.h"', "client/ may include"),
    ("server/a.cc", '#include "worker/loop.h"', "server/ may include"),
    ("server/a.cc", '  #  include "scheduler/lease.h"', "server/ may include"),
    ("scheduler/a.cc", '#include "server/part.h"', "scheduler/ may include"),
    ("worker/a.cc", '#include "server/part.h"', "worker/ may include"),
    ("worker/a.cc", '#include "client/client.h"', None),
    ("server/a.cc", '#include "rocksdb/db.h"', "RocksDB may be included only"),
    ("server/store/a.cc", '#include "rocksdb/db.h"', None),
    ("scheduler/store_rocksdb.cc", '#include <rocksdb/db.h>', None),
    ("tests/testing/a.h", '#include "rocksdb/env.h"', None),
    ("worker/store/a.cc", '#include "rocksdb/db.h"', "RocksDB may be"),
    ("server/ps_service.cc", '#include <grpcpp/grpcpp.h>', None),
    ("server/ps_main.cc", '#include <grpcpp/grpcpp.h>', None),
    ("server/ps_main.cc", '#include "CLI/CLI.hpp"', None),
    ("common/program/daemon_flags.h", '#include "CLI/CLI.hpp"', None),
    ("server/a.cc", '#include "CLI/CLI.hpp"', "CLI11 may be included only"),
    ("server/a.cc", '#include <grpcpp/grpcpp.h>', "gRPC may be included only"),
    ("server/a.cc", '#include "server/internal/x.h"', None),
    ("server/store/a.cc", '#include "server/internal/x.h"', None),
    ("sim/a.cc", '#include "server/internal/x.h"', "only server/ and tests/"),
    ("tests/sim/a_test.cc", '#include "server/internal/x.h"', None),
    ("sim/a.cc", '#include "server/part.h"', None),
    ("sim/a.cc", '#include "tools/text/json.h"', "sim/ may include"),
    ("sim/a.cc", '#include "tests/testing/a.h"', "sim/ may include"),
    ("sim/a_test.cc", '#include "tests/testing/a.h"', None),
    ("sim/a_test.cc", '#include "tests/sim/a.h"', "sim/ may include"),
    ("sim/a.cc", "namespace ebb::sim {", None),
    ("sim/a.cc", "namespace ebb::server {", "only server/ defines"),
    ("sim/a.cc", "namespace worker {", "only worker/ defines"),
    ("include/ebb/a.h", "namespace ebb::client {", None),
    ("server/a.cc", "namespace ebb::server {", None),
    ("tools/a_test.cc", "namespace ebb::server {", None),
    ("server/a.cc", '#include "sim/network.h"', "server/ may include"),
    ("tools/ebb/run/a.cc", '#include "bench/bench.h"', "tools/ebb/run/ may"),
    ("tools/ebb/run/a.cc", '#include "sim/network.h"', None),
    ("tools/ebb/run/a.cc", '#include "tools/text/json.h"', None),
    ("tools/ebb/job/a.cc", '#include "tools/ebb/run/a.h"', "ebb/job/ may"),
    ("tools/text/a.cc", '#include "tools/files/files.h"', "tools/text/ may"),
    ("bench/a.cc", '#include "tools/ebb/run/a.h"', None),
    ("client/a.cc", '#include "ebb/client.h"', None),
    ("server/a.cc", '#include "ebb/client.h"', "server/ may include"),
    ("bench/a.cc", '#include "server/part.h"', None),
    ("bench/dense/a.cc", '#include "bench/plane/a.h"', None),
    ("bench/plane/a.cc", '#include "bench/dense/a.h"', "bench/plane/ may"),
    ("bench/common/a.cc", '#include "bench/command/a.h"', "nothing else"),
    ("job/base/a.h", '#include "common/ids.h"', None),
    ("job/base/a.h", '#include "job/rules.h"', "job/base/ may include"),
    ("job/a.cc", '#include "job/base/keys.h"', None),
    ("workloads/x/rules/a.cc", '#include "job/base/keys.h"', None),
    ("workloads/x/rules/a.cc", '#include "job/rules.h"', "/rules/ may include"),
    ("workloads/x/rules/a.cc", '#include "workloads/x/server/b.h"',
     "workloads/*/rules/ may include"),
    ("workloads/x/rules/a.cc", '#include "workloads/gradients/rules/b.h"', None),
    ("workloads/x/rules/a.cc", '#include "workloads/seam/rules/b.h"', None),
    ("job/a_test.cc", '#include "workloads/y/rules/b.h"', None),
    ("workloads/x/rules/a.cc", '#include "workloads/y/rules/b.h"',
     "of workloads it may include workloads/x/, workloads/seam/"),
    ("job/a.cc", '#include "workloads/seam/rules/b.h"', None),
    ("job/a.cc", '#include "workloads/x/rules/b.h"', "workloads/seam/"),
    ("job/a.cc", '#include "workloads/seam/server/b.h"', "job/ may include"),
    ("workloads/x/server/a.cc", '#include "job/training.h"', None),
    ("workloads/x/server/a.cc", '#include "workloads/x/model/b.h"',
     "workloads/*/server/ may include"),
    ("workloads/x/server/a.cc", '#include "models/model.h"',
     "workloads/*/server/ may include"),
    ("server/a.cc", '#include "workloads/seam/server/b.h"', None),
    ("server/a.cc", '#include "workloads/seam/worker/b.h"', "server/ may"),
    ("scheduler/a.cc", '#include "workloads/x/server/b.h"', "workloads/seam/"),
    ("workloads/x/model/a.cc", '#include "models/model.h"', None),
    ("workloads/x/model/a.cc", '#include "job/base/keys.h"',
     "workloads/*/model/ may include"),
    ("workloads/x/worker/a.cc", '#include "workloads/x/model/b.h"', None),
    ("workloads/x/model/a.cc", '#include "workloads/x/base/b.h"', None),
    ("workloads/x/server/a.cc", '#include "workloads/x/base/b.h"', None),
    ("workloads/x/base/a.h", '#include "models/model.h"',
     "workloads/*/base/ may include"),
    ("server/a.cc", '#include "workloads/x/base/b.h"', "server/ may include"),
    ("workloads/x/worker/a.cc", '#include "worker/loaded_job.h"',
     "workloads/*/worker/ may include"),
    ("workloads/x/worker/a.cc", '#include "worker/base/examples.h"', None),
    ("worker/base/a.cc", '#include "worker/loaded_job.h"', "worker/base/ may"),
    ("worker/a.cc", '#include "workloads/seam/worker/b.h"', None),
    ("sim/a.cc", '#include "workloads/x/server/b.h"', "workloads/seam/"),
    ("tools/ebb/model/a.cc", '#include "tools/ebb/trained/b.h"', "ebb/model/ may"),
    ("tools/ebb/job/a.cc", '#include "tools/ebb/model/b.h"', None),
    ("tools/ebb/job/a.cc", '#include "workloads/seam/tools/b.h"', None),
    ("tools/ebb/model/a.cc", '#include "workloads/seam/tools/b.h"',
     "tools/ebb/model/ may"),
    ("workloads/x/tools/a.cc", '#include "tools/ebb/model/b.h"', None),
    ("workloads/x/tools/a.cc", '#include "tools/ebb/job/b.h"',
     "workloads/*/tools/ may include"),
    ("tests/a.cc", '#include "workloads/x/tools/b.h"', None),
]

# Files, and what the complaint about the programs must say (None: none).
MAIN = "server/ps_main.cc"
REACHED = [
    ({MAIN: '#include "server/a.h"', "server/a.h": ""}, None),
    ({MAIN: '#include "server/a.h"', "server/a.h": "",
      "server/a.cc": '#include "server/a.h"\n#include "models/b.h"',
      "models/b.h": ""},
     "server/ps_main.cc reaches a model: models/b.h < server/a.cc < "
     "server/a.h < server/ps_main.cc"),
    ({"scheduler/scheduler_main.cc": '#include "workloads/x/worker/a.h"',
      "workloads/x/worker/a.h": ""}, "workloads/x/worker/a.h"),
    ({MAIN: "", "workloads/x/server/a.cc": '#include "models/b.h"',
      "models/b.h": ""}, "workloads/x/server/a.cc < server/ps_main.cc"),
    ({MAIN: "", "workloads/x/server/a_test.cc": '#include "models/b.h"',
      "workloads/x/worker/c.cc": '#include "models/b.h"', "models/b.h": ""},
     None),
]


PAGE = "docs/architecture.md"


def picture():
    """Returns the table as text: each floor stands on those below it."""
    needs = {layer: set(LAYERS[layer]) - set(TOP) for layer in LAYERS
             if layer not in TOP}
    floor = {}
    for layer in needs:  # The table begins at the ground.
        floor[layer] = 1 + max((floor[below] for below in needs[layer]),
                               default=0)
    lines = ["floor  folder               includes, besides what those include"]
    for layer in sorted(needs, key=lambda one: (-floor[one], one)):
        direct = {below for below in needs[layer]
                  if not any(below in needs[other] for other in needs[layer])}
        lines.append(f"{floor[layer]:5}  {layer:19}  "
                     f"{', '.join(sorted(direct)) or '-'}")
    return lines


def check_picture(root):
    page = pathlib.Path(root) / PAGE
    text = page.read_text() if page.exists() else ""
    if "\n".join(picture()) in text:
        return []
    return [f"{PAGE}: put the picture of check_layers.py --picture there"]


def self_test():
    failures = []
    for path, line, expected in PLANTED:
        with tempfile.TemporaryDirectory() as root:
            file = pathlib.Path(root) / path
            file.parent.mkdir(parents=True)
            file.write_text(f"// A file.\n{line}\n")
            (file.parent / "a_sibling.h").touch()
            got = check(root)
        if expected is None:
            good = not got
        else:
            good = (len(got) == 1 and expected in got[0]
                    and got[0].startswith(f"{path}:2: "))
        if not good:
            failures.append(f"{path}: {line}: expected {expected}, got {got}")
    for files, expected in REACHED:
        with tempfile.TemporaryDirectory() as root:
            for path, content in files.items():
                file = pathlib.Path(root) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            got = check_closure(root)
        if got if expected is None else (
                len(got) != 1 or expected not in got[0]):
            failures.append(f"{files}: expected {expected}, got {got}")
    return failures


if __name__ == "__main__":
    if sys.argv[1:] == ["--picture"]:
        print("\n".join(picture()))
        sys.exit(0)
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
    elif sys.argv[1:2] == ["--programs"]:
        found = check_programs(sys.argv[2], sys.argv[3:])
    else:
        found = check(ROOT) + check_closure(ROOT) + check_picture(ROOT)
    print("\n".join(found) or "layers: clean")
    sys.exit(1 if found else 0)
