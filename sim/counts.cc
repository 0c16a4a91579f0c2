#include "sim/counts.h"

namespace ebb::sim {

namespace {

constexpr std::array<absl::string_view, static_cast<size_t>(Fault::kCount)>
    kFaultNames = {
        "message lost",
        "message duplicated",
        "message delayed",
        "message overtaken",
        "network split",
        "session broken",
        "scheduler killed",
        "server killed",
        "worker killed",
        "killed between two actions",
        "storage operation lost in a crash",
        "server restarted from an older disk",
        "version damaged",
        "scheduler restarted without its store",
        "scheduler restarted with an older store",
        "scheduler stopped",
        "server stopped",
        "worker stopped",
        "worker joined",
        "worker drained",
        "server drained",
        "server's disk failed",
        "scheduler's disk failed",
        "server slow",
        "worker slow",
        "late copy of a grant",
        "checkpoint demanded",
        "poisonous batch",
        "second process with a server's id",
        "operator paused the job",
        "operator scaled the job",
        "operator rolled the job back",
        "server joined late",
        "servers scaled",
};

constexpr std::array<absl::string_view, static_cast<size_t>(Probe::kCount)>
    kProbeNames = {
        "push answered gap",
        "duplicate from a worker without the lease",
        "push answered superseded",
        "push answered busy",
        "push answered stale",
        "push answered not open",
        "push answered closed",
        "pull answered closed",
        "answered wrong placement",
        "pull answered wait",
        "pull answered not in view",
        "pull without a bound in a clocked job",
        "pull under the bound of a table",
        "worker joined the view again",
        "server asked for a view",
        "parked pull released by a view",
        "kept value of a closed round pulled",
        "grant of another life refused",
        "grant of an older term refused",
        "new term went on from memory",
        "first version of a term stored",
        "version loaded",
        "load fell back to an older version",
        "partition began again from initial values",
        "write of a version failed",
        "versions deleted",
        "update outlived its partition",
        "lease ran out",
        "lease adopted by a new scheduler",
        "worker told that its lease is lost",
        "unconfirmed item reopened",
        "job adopted from a server",
        "term above the scheduler's met",
        "scheduler started without all servers",
        "item quarantined",
        "skip decided",
        "skip applied",
        "operator resumed",
        "evaluation finished",
        "evaluation begun again",
        "complete job reopened",
        "job rolled back",
        "skip adopted from a server",
        "second process of a server refused",
        "silent server displaced",
        "second process took a server's place",
        "partition moved",
        "move given up",
        "partition forgotten",
        "leaving server handed everything over",
        "partitions taken over",
        "item taken from a slower worker",
        "item leased to a second worker",
        "second worker of an item done first",
        "first worker of an item done first",
        "one of an item's two workers gone",
        "push answered overlap",
        "batch kept for a server that is away",
        "share of such batches applied",
        "share of such batches refused",
        "batch computed from values used before",
        "batch computed from rows of sparse tables",
        "partition with expired rows at the end",
        "partition with evicted rows at the end",
        "partition with gradients not admitted at the end",
        "increment of rows stored",
        "increment refused, for its base is not stored",
        "job rolled back by itself",
};

}  // namespace

absl::string_view FaultName(Fault fault) {
  return kFaultNames[static_cast<size_t>(fault)];
}

absl::string_view ProbeName(Probe probe) {
  return kProbeNames[static_cast<size_t>(probe)];
}

}  // namespace ebb::sim
