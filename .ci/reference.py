"""CPU time of a file of reference, in which other CPU times are told.

CPU time depends on the machine, and on what else runs there. The file includes
what most of ebb includes, so that compiling it takes as much longer as the rest.
"""

import pathlib
import resource
import statistics
import subprocess
import tempfile

SOURCE = """
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "grpcpp/grpcpp.h"

std::map<std::string, std::vector<std::string>> reference;
"""


def cpu_seconds(*command, **options):
    """Runs the command, and returns the CPU time of it and its children.
    Raises CalledProcessError if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def seconds():
    """Returns the median of three compilations, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "reference.cc")
        source.write_text(SOURCE)
        return statistics.median(
            cpu_seconds("c++", "-std=c++20", "-O2", "-c", source, "-o",
                        source.with_suffix(".o")) for _ in range(3))
