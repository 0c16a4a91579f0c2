#include "sim/describe.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ebb::sim {

namespace {

// Terms, generations and views are times in µs: the last digits tell them
// apart.
std::string Short(uint64_t number) {
  return number == 0 ? "0" : absl::StrCat("…", number % 1'000'000'000);
}
template <typename Tag>
std::string Short(StrongInt<Tag, uint64_t> number) {
  return Short(number.value());
}

std::string Marks(const std::vector<ItemMark>& marks) {
  return absl::StrJoin(marks, ",", [](std::string* out, const ItemMark& one) {
    absl::StrAppend(out, one.item.epoch, ":", one.item.shard, "=", one.mark);
  });
}

std::string Of(const PartitionRegistration& one) {
  return absl::StrCat("p", one.partition.value(), "@", Short(one.term),
                      one.serving ? " serving" : "", " stored ",
                      Short(one.stored_term),
                      one.durable_marks.empty() ? "" : " durable");
}

std::string Of(const JobRegistration& job) {
  return absl::StrJoin(job.partitions, ", ",
                       [](std::string* out, const PartitionRegistration& one) {
                         absl::StrAppend(out, Of(one));
                       });
}

std::string Of(const WorkerStamp& stamp) {
  if (stamp.joined == ViewNumber()) return "";
  return absl::StrCat(" clock ", stamp.clock, " in view ", Short(stamp.joined));
}

struct Words {
  std::string operator()(const RegisterServer& m) const {
    std::string text = absl::StrCat("registers session ", m.session.value());
    for (const JobRegistration& job : m.jobs) {
      absl::StrAppend(&text, " [", Of(job), "]");
    }
    return text;
  }
  std::string operator()(const RegisterPartitions& m) const {
    return absl::StrCat("has ", Of(m.job));
  }
  std::string operator()(const MarkReport& m) const {
    std::string text = "marks";
    for (const PartitionMarkReport& one : m.partitions) {
      absl::StrAppend(&text, " p", one.partition.value(), " ",
                      Marks(one.marks));
      if (one.figures) {
        absl::StrAppend(&text, " figures of round ", one.figures->round);
      }
      for (const RoundOperation& operation : one.operations) {
        absl::StrAppend(&text, " operation of round ", operation.round);
      }
      if (one.durable.empty()) continue;
      absl::StrAppend(&text, " durable ", Marks(one.durable));
    }
    return text;
  }
  std::string operator()(const ViewRequest&) const { return "asks for a view"; }
  std::string operator()(const SnapshotReply& m) const {
    return absl::StrCat("pinned ", m.partitions.size(), " of snapshot ",
                        Short(m.snapshot));
  }
  std::string operator()(const ServerStatistics& m) const {
    return absl::StrCat("statistics: ", m.updates, " updates ", m.problem);
  }
  std::string operator()(const ServerGoodbye&) const { return "says goodbye"; }
  std::string operator()(const ServerAlive&) const { return "is there"; }
  std::string operator()(const ServerLeaving&) const { return "is leaving"; }
  std::string operator()(const MoveProgress& m) const {
    return absl::StrCat("move of p", m.partition.value(), "@", Short(m.term),
                        m.paused > absl::ZeroDuration() ? " served " : " ",
                        m.failed);
  }
  std::string operator()(const MovedIn& m) const {
    return absl::StrCat("moved in ", Of(m.job));
  }

  std::string operator()(const Grant& m) const {
    std::string text = absl::StrCat("grants session ", m.session.value());
    for (const PartitionGrant& one : m.partitions) {
      absl::StrAppend(&text, " p", one.partition.value(), "@", Short(one.term),
                      " after ", Short(one.parent));
    }
    return text;
  }
  std::string operator()(const ViewUpdate& m) const {
    return absl::StrCat(
        "view ", Short(m.number), ": ",
        absl::StrJoin(m.members, ", ",
                      [](std::string* out, const ViewMember& member) {
                        absl::StrAppend(out, member.worker.value(), " from ",
                                        member.start_clock);
                      }));
  }
  std::string operator()(const RoundStatus& m) const {
    return absl::StrCat("rounds closed ", m.closed_everywhere, " durable ",
                        m.durable_everywhere);
  }
  std::string operator()(const CheckpointNow&) const { return "checkpoint"; }
  std::string operator()(const TakeSnapshot& m) const {
    return absl::StrCat("take snapshot ", Short(m.snapshot));
  }
  std::string operator()(const DropSnapshot& m) const {
    return absl::StrCat("drop snapshot ", Short(m.snapshot));
  }
  std::string operator()(const JobCompleted&) const { return "job complete"; }
  std::string operator()(const ForgetJob&) const { return "forget job"; }
  std::string operator()(const RefuseServer& m) const {
    return absl::StrCat(m.displaced ? "displaces: " : "refuses: ", m.reason);
  }
  std::string operator()(const MoveIn& m) const {
    return absl::StrCat("move p", m.partition.value(), "@", Short(m.term),
                        " in from ", m.source_address, "@",
                        Short(m.source_term));
  }
  std::string operator()(const PartitionMoved& m) const {
    return absl::StrCat("p", m.partition.value(), "@", Short(m.term),
                        " is of server ", m.owner.value());
  }
  std::string operator()(const LeaveNow&) const { return "leave now"; }
  std::string operator()(const ApplyOperation& m) const {
    return absl::StrCat("operation of round ", m.operation.round);
  }

  std::string operator()(const RegisterWorker& m) const {
    return absl::StrCat(
        "registers session ", m.session.value(), " holding ",
        absl::StrJoin(m.held, ", ", [](std::string* out, const HeldItem& h) {
          absl::StrAppend(out, ToString(h.item));
        }));
  }
  std::string operator()(const LeaseRequest& m) const {
    return absl::StrCat("wants ", m.items, " items");
  }
  std::string operator()(const ebb::Progress& m) const {
    return absl::StrCat(
        "progress ", ToString(m.item), " at ", m.position, " clock ", m.clock,
        m.parked ? " parked" : "",
        m.not_in_view ? absl::StrCat(" not in view, which is at ", m.view_clock)
                      : "",
        m.awaits ? absl::StrCat(" awaits the batch at ", m.batch) : "");
  }
  std::string operator()(const ItemEnd& m) const {
    static constexpr const char* kEnds[] = {"done", "returned", "refused",
                                            "failed"};
    return absl::StrCat("ends ", ToString(m.item), ": ",
                        kEnds[static_cast<int>(m.end)], " at ", m.position, " ",
                        m.error);
  }
  std::string operator()(const PlacementRequest& m) const {
    return absl::StrCat(
        "asks for the placement",
        absl::StrJoin(m.unreached, "",
                      [](std::string* out, const PeerTrouble& one) {
                        absl::StrAppend(out, ", does not reach server-",
                                        one.server.value());
                      }),
        m.goes_on ? ", goes on" : "");
  }
  std::string operator()(const EvaluationResult& m) const {
    return absl::StrCat("evaluated snapshot ", Short(m.snapshot), " ", m.error);
  }
  std::string operator()(const WorkerGoodbye&) const { return "says goodbye"; }
  std::string operator()(const DataReached& m) const {
    return absl::StrCat("data reaches ", m.examples,
                        m.ended ? ", and ends there" : "");
  }

  std::string operator()(const Lease& m) const {
    return absl::StrCat("lease ", ToString(m.item), " hints ",
                        absl::StrJoin(m.hints, ","), " joined ",
                        Short(m.joined), " from ", m.start_clock,
                        m.careful ? " careful" : "",
                        m.begins ? absl::StrCat(", begins ", m.batch) : "");
  }
  std::string operator()(const WatchData& m) const {
    return absl::StrCat("watch for data beyond ", m.known);
  }
  std::string operator()(const EvaluationLease& m) const {
    return absl::StrCat("evaluate snapshot ", Short(m.snapshot));
  }
  std::string operator()(const LeaseLost& m) const {
    return m.all ? "all leases lost"
                 : absl::StrCat("lease lost ", ToString(m.item));
  }
  std::string operator()(const Placement& m) const {
    return absl::StrCat(
        "placement ",
        absl::StrJoin(m.partitions, ", ",
                      [](std::string* out, const PartitionPlace& one) {
                        absl::StrAppend(out, "p", one.partition.value(), " on ",
                                        one.server.value(), "@",
                                        Short(one.term));
                      }));
  }
};

}  // namespace

std::string Describe(const VersionKey& key) {
  return absl::StrCat("version (", Short(key.term), ", ", key.sequence,
                      ") of p", key.partition.value());
}

std::string Describe(const PushRequest& push) {
  std::string text =
      absl::StrCat("push #", push.incarnation, ".", push.sequence, " ",
                   ToString(push.item), " [", push.begin, ", ", push.end, ")",
                   push.skip ? " skipped" : "", Of(push.stamp), " for");
  for (const PushSegment& one : push.segments) {
    absl::StrAppend(&text, " p", one.partition.value(), "@", Short(one.term));
  }
  return text;
}

std::string Describe(const PushReply& reply) {
  std::string text = absl::StrCat("push #", reply.incarnation, ".",
                                  reply.sequence, " ", ToString(reply.item));
  for (const PushSegmentReply& one : reply.segments) {
    absl::StrAppend(&text, " p", one.partition.value(), " ",
                    VerdictName(one.verdict), " mark ", one.mark);
  }
  return text;
}

std::string Describe(const PullRequest& pull) {
  std::string text = absl::StrCat("pull r", pull.request, Of(pull.stamp));
  if (pull.stamp.joined != ViewNumber()) {
    absl::StrAppend(&text, " target ", pull.target_clock);
  }
  if (pull.round >= 0) absl::StrAppend(&text, " round ", pull.round);
  if (pull.snapshot != 0) {
    absl::StrAppend(&text, " snapshot ", Short(pull.snapshot));
  }
  for (const PullSegmentRequest& one : pull.segments) {
    absl::StrAppend(&text, " p", one.partition.value(), "@", Short(one.term));
  }
  return text;
}

std::string Describe(const PullReply& reply) {
  std::string text = absl::StrCat("pull r", reply.request);
  for (const PullSegment& one : reply.segments) {
    absl::StrAppend(&text, " p", one.partition.value(), " ",
                    PullResultName(one.result));
  }
  return text;
}

std::string Describe(const ServerToScheduler& message) {
  return std::visit(Words(), message);
}
std::string Describe(const SchedulerToServer& message) {
  return std::visit(Words(), message);
}
std::string Describe(const WorkerToScheduler& message) {
  return std::visit(Words(), message);
}
std::string Describe(const SchedulerToWorker& message) {
  return std::visit(Words(), message);
}

}  // namespace ebb::sim
