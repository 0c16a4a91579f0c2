#!/usr/bin/env python3
"""Checks that nothing waits or measures by the wall clock.

  check_clocks.py              no source reads the wall clock, apart from the
                               places in WALL, and none waits until an instant
                               of it
  check_clocks.py --self-test  checks the check, on planted violations

A machine's clock may be set back or forth at any time. A wait by it then lasts
as long as the step, or ends at once. C++ waits by SteadyNow() of
common/steady_time.h, gRPC by DeadlineIn() of rpc/internal/grpc_time.h, and
Python by time.monotonic().
"""

import pathlib
import re
import sys
import tempfile

from project_files import ROOT, project_files, read_lines

CPP = re.compile(
    r"absl::(?:Now\b|GetCurrentTimeNanos|ToChronoTime|SleepUntil|Notification\b"
    r"|CondVar\b|BlockingCounter\b|Mutex\b)"
    r"|\bsystem_clock\b|\bCLOCK_REALTIME\b|(?<![\w.>])time\((?:0|NULL|nullptr)\)"
    r"|\bgettimeofday\(|\btimespec_get\(|\bpthread_cond_timedwait\("
    r"|\bsem_timedwait\(|\bGPR_CLOCK_REALTIME\b")
PYTHON = re.compile(r"\btime\.time(?:_ns)?\(|\bdatetime\.now\(|\butcnow\("
                    r"|from time import .*\btime\b")

# The wall clock belongs here: how many uses there are, and why.
WALL = {
    "bench/command/bench_machine.cc": (1, "pages say when they were measured"),
    "common/metrics/process_metrics.cc":
        (1, "Prometheus wants the start of a process as Unix time"),
    "common/objects/s3_objects.h": (1, "signatures and credentials expire"),
    "common/objects/testing/s3_server.py": (1, "credentials expire"),
    "common/steady_time.h": (1, "where the steady clock begins"),
    "common/tls/issue.h": (1, "certificates expire"),
    "datasets/cache.cc": (1, "file times say which file goes first"),
    "feed/open_set.h": (1, "when a growing set was begun"),
    "feed/feeder.h": (1, "objects of a growing set say when they were made"),
    "rpc/internal/grpc_time.cc": (1, "turns waits of Abseil into steady ones"),
    "rpc/internal/tls_context.cc": (1, "certificates expire"),
    "rpc/security.cc": (1, "certificates expire"),
    "rpc/security_watch.cc": (1, "certificates expire"),
    "scheduler/answers/scheduler_admin.cc": (1, "when a job was submitted"),
    "scheduler/initial_values.cc": (1, "file times say when a set came"),
    "server/server_shell.cc": (1, "Prometheus wants a version's Unix time"),
    "server/store/internal/version_draft.cc": (1, "when a version was stored"),
    "server/store/rocksdb_store.cc": (2, "when a version was stored"),
    "tests/services/radosgw.py": (1, "credentials expire"),
    "tools/ebb/cluster/data_command.cc": (1, "the age of a data set"),
    "tools/ebb/model/stored_run.cc": (1, "when an evaluation was done"),
    "tools/ebb/checkpoint/checkpoint_command.cc": (1, "the age of a version"),
    "tools/ebb/checkpoint/checkpoint_source.cc": (1, "which version was the last"),
    "tools/ebb/stream/stream_status_command.cc": (1, "the age of an object"),
    "tools/ebb/rollback/rollback_request.cc": (1, "people name a time of day"),
    "tools/ebb/trained/start_model.cc": (1, "people name a time of day"),
    "tools/lint/tidy.py": (1, "file times say which verdicts are old"),
    "tools/ebb/sweep/sweep_ask_command.cc":
        (1, "a journal outlives a process and its machine"),
    "tools/ebb/sweep/sweep_driver.cc":
        (5, "a sweep's times outlive a process and its machine"),
}
# A test's own waits: a clock that is set meanwhile fails that test alone.
TESTS = re.compile(r"(?:_test|_benchmark|_test_case)\.(?:cc|py)$|^tests/"
                   r"|^python/tests/|/testing/|^examples/|/fuzz/")


def code(line, marker):
    """Returns a line without the comment that ends it."""
    return line.split(marker, 1)[0]


def uses(root, path):
    """Returns the numbers of the lines that name the wall clock."""
    pattern, marker = (PYTHON, "#") if path.endswith(".py") else (CPP, "//")
    return [number for number, line in enumerate(read_lines(root, path), 1)
            for _ in pattern.findall(code(line, marker))]


def check(root, wall):
    complaints, found = [], set()
    for path in project_files(root, ".cc", ".h", ".py"):
        if path == "tools/lint/check_clocks.py":
            continue
        lines = uses(root, path)
        if path in wall:
            found.add(path)
            if len(lines) != wall[path][0]:
                complaints.append(
                    f"{path}: {len(lines)} uses of the wall clock, and "
                    f"{wall[path][0]} in WALL of check_clocks.py")
        elif not TESTS.search(path):
            complaints += [
                f"{path}:{line}: reads the wall clock, which may be set at any "
                "time; use SteadyNow(), DeadlineIn() or time.monotonic(), or "
                "say in WALL of check_clocks.py why not" for line in lines]
    complaints += [f"{path} is in WALL of check_clocks.py, and is not there"
                   for path in wall if path not in found]
    return complaints


def self_test():
    wall = {"a/wall.cc": (1, "people read it")}
    good = {"a/wall.cc": "Print(absl::Now());",
            "a/x.cc": "f(SteadyNow());  // Not absl::Now().\nx.time(0);",
            "a/x.py": "time.monotonic()  # not time.time()",
            "a/x_test.cc": "absl::Now()", "tests/a.py": "time.time()"}
    # Each has what differs from `good`, and its complaint (None: clean).
    cases = [({}, None),
             ({"a/wall.cc": "f(absl::Now(),\n  absl::Now());"}, "2 uses"),
             ({"a/wall.cc": ""}, "0 uses"),
             ({"a/x.h": "cv.wait_until(std::chrono::system_clock::now());"},
              "a/x.h:1: reads"),
             ({"a/x.h": "\nif (absl::Now() < until)"}, "a/x.h:2: reads"),
             ({"a/x.h": "now = absl::Now;"}, "reads"),
             ({"a/x.h": "clock_gettime(CLOCK_REALTIME, &t);"}, "reads"),
             ({"a/x.h": "absl::Notification done;"}, "reads"),
             ({"a/x.cc": "srand(time(nullptr));"}, "reads"),
             ({"a/y.py": "end = time.time() + 5"}, "reads")]
    failures = []
    for changes, expected in cases:
        with tempfile.TemporaryDirectory() as root:
            for path, content in {**good, **changes}.items():
                file = pathlib.Path(root) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            got = check(root, wall)
            if (expected is None and got) or (
                    expected and not any(expected in line for line in got)):
                failures.append(f"{changes}: expected {expected}, got {got}")
    with tempfile.TemporaryDirectory() as root:
        if not check(root, wall):
            failures.append("a file of WALL that is gone: expected complaint")
    return failures


if __name__ == "__main__":
    result = self_test() if sys.argv[1:] == ["--self-test"] else check(ROOT,
                                                                       WALL)
    print("\n".join(result) or "clocks: clean")
    sys.exit(1 if result else 0)
