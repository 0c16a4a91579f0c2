#!/usr/bin/env python3
"""Checks that folders include only what their layer may.

This file owns the table of layers. There is one include root, so CMake's link
edges do not stop an include; this check does.

  check_layers.py              checks the project, and that the picture of the
                               layers in docs/architecture.md is the table's
  check_layers.py --picture    prints that picture
  check_layers.py --self-test  checks the check, on planted violations
"""

import fnmatch
import pathlib
import re
import sys
import tempfile

from project_files import ROOT, project_files, read_lines

# Layer -> the other layers it may include. A file's layer is the longest key
# that is a prefix of its path.
LAYERS = {
    "proto": [],
    "include/ebb": [],  # Users include these.
    "common": [],
    "protocol": ["common"],  # Plain structs of the protocol.
    "algorithms": ["common", "include/ebb", "protocol"],
    # The job file, its message, and the plan made of it.
    "job": ["algorithms", "common", "protocol", "proto"],
    # Hyperparameter sweeps.
    "sweep": ["common", "job", "proto"],
    "datasets": ["common"],
    "rpc": ["common", "datasets", "protocol", "proto"],
    "data": ["common", "protocol"],
    "models": ["common", "include/ebb"],
    "client": ["algorithms", "common", "data", "include/ebb", "job", "proto",
               "protocol", "rpc"],
    "server": ["algorithms", "common", "datasets", "job", "proto", "protocol",
               "rpc"],
    # It uses the order of examples alone of data.
    "scheduler": ["algorithms", "common", "data", "datasets", "job", "proto",
                  "protocol", "rpc"],
    "worker": ["algorithms", "client", "common", "data", "datasets", "job",
               "models", "proto", "protocol", "rpc"],
}
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
    "tools/ebb/job": ["command", "ebb/cluster", "ebb/status", "files", "tensors",
                      "text"],
    "tools/ebb/versions": ["command", "ebb/cluster", "ebb/status", "files",
                           "process", "tensors", "text"],
    "tools/ebb/audit": ["command", "ebb/cluster", "ebb/status", "ebb/versions",
                        "files", "process", "tensors", "text"],
    "tools/ebb/rollback": ["command", "ebb/cluster", "ebb/status",
                           "ebb/versions", "files", "process", "tensors",
                           "text"],
    "tools/ebb/stored": ["command", "ebb/cluster", "ebb/job", "ebb/status",
                         "ebb/versions", "files", "process", "tensors", "text"],
    "tools/ebb/start": ["command", "ebb/cluster", "ebb/job", "ebb/status",
                        "ebb/stored", "ebb/versions", "files", "process",
                        "tensors", "text"],
    "tools/ebb/export": ["buckets", "command", "ebb/cluster", "ebb/job",
                         "ebb/status", "ebb/stored", "ebb/versions", "files",
                         "process", "tensors", "text"],
    "tools/ebb/submit": ["command", "ebb/cluster", "ebb/job", "ebb/start",
                         "ebb/status", "ebb/stored", "ebb/versions", "files",
                         "process", "tensors", "text"],
    "tools/ebb/report": ["chaos", "command", "ebb/cluster", "ebb/job",
                         "ebb/status", "ebb/stored", "ebb/versions", "files",
                         "process", "tensors", "text"],
    "tools/ebb/run": ["chaos", "command", "ebb/cluster", "ebb/job",
                      "ebb/report", "ebb/rollback", "ebb/start", "ebb/status",
                      "ebb/stored", "ebb/versions", "files", "process",
                      "tensors", "text"],
    "tools/ebb/sweep": ["chaos", "command", "ebb/cluster", "ebb/job",
                        "ebb/report", "ebb/rollback", "ebb/run", "ebb/start",
                        "ebb/status", "ebb/stored", "ebb/versions", "files",
                        "process", "tensors", "text"],
    "tools/ebb/predict": ["buckets", "chaos", "command", "ebb/cluster",
                          "ebb/job", "ebb/report", "ebb/rollback", "ebb/run",
                          "ebb/start", "ebb/status", "ebb/stored",
                          "ebb/versions", "files", "process", "tensors",
                          "text"],
    "tools/ebb/generate": ["command", "files", "process", "text"],
    "tools/ebb/sim": ["chaos", "command", "files", "text"],
    "tools/ebb/main": ["command"],
}
for tool, others in TOOLS.items():
    LAYERS[tool] = [*SYSTEM, *[f"tools/{other}" for other in others]]
LAYERS["bench"] = [*SYSTEM, *TOOLS]
# These may include everything.
TOP = ["tests", "python", "examples"]
for top in TOP:
    LAYERS[top] = [layer for layer in [*LAYERS, *TOP] if layer != top]

# Room of a layer -> the rooms beside it that it may include. A file may include
# its own room and what lies in no room of its layer. Other layers see no room.
DATA_BASE = ["data/internal", "data/formats"]
ROOMS = {
    "data/internal": [],
    "data/formats": ["data/internal"],
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
    "bench/cluster": ["bench/command", "bench/common"],
    "bench/pages": ["bench/command", "bench/common", "bench/job"],
    "bench/data": ["bench/command", "bench/common", "bench/job", "bench/pages"],
    "bench/algorithms": ["bench/command", "bench/common", "bench/job",
                         "bench/pages"],
    "bench/python": ["bench/command"],
    "bench/workloads": ["bench/command"],
}

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
        "data/formats/records/wire_message*",
        "data/formats/records/protobuf_format*"]),
    "openssl/": ("OpenSSL", ["common/tls/*", "rpc/internal/tls_*", "bench/plane/raw_wire.cc"]),
    "curl/": ("libcurl", ["common/objects/internal/*", "bench/data/object_rows.cc"]),
    "pugixml": ("pugixml", ["common/objects/internal/*"]),
    "simdjson": ("simdjson", ["data/formats/records/json_lines_format.cc", "bench/data/data_rows.cc"]),
    "isa-l/": ("ISA-L", ["data/internal/tf_record.cc", "bench/data/data_files.cc"]),
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
    return max((folder for folder in folders if path.startswith(folder + "/")),
               key=len, default=None)


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
        return None
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
     "data/formats/text/ may include data/internal/, data/formats/"),
    ("data/formats/a.cc", '#include "data/formats/text/a.h"',
     "data/formats/ may include data/internal/"),
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
    lines = ["floor  folder              includes, besides what those include"]
    for layer in sorted(needs, key=lambda one: (-floor[one], one)):
        direct = {below for below in needs[layer]
                  if not any(below in needs[other] for other in needs[layer])}
        lines.append(f"{floor[layer]:5}  {layer:18}  "
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
    return failures


if __name__ == "__main__":
    if sys.argv[1:] == ["--picture"]:
        print("\n".join(picture()))
        sys.exit(0)
    found = (self_test() if sys.argv[1:] == ["--self-test"]
             else check(ROOT) + check_picture(ROOT))
    print("\n".join(found) or "layers: clean")
    sys.exit(1 if found else 0)
