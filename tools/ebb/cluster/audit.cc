#include "tools/ebb/cluster/audit.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "common/status_macros.h"
#include "data/index.h"
#include "ebb/v1/specification.pb.h"
#include "protocol/marks.h"
#include "rpc/admin.h"
#include "rpc/convert.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

std::vector<uint64_t> DecodeOracle(absl::string_view bytes) {
  std::vector<uint64_t> sums(bytes.size() / sizeof(uint64_t));
  std::memcpy(sums.data(), bytes.data(), sums.size() * sizeof(uint64_t));
  return sums;
}

void CheckMarks(const JobPlan& plan, const v1::PartitionLedger& stored,
                const Ledger& ledger, PartitionAudit* audit) {
  const auto marks = MarkSet::Decode(plan, stored.marks());
  if (!marks.ok()) {
    audit->problem = std::string(marks.status().message());
    return;
  }
  audit->marked = marks->examples();
  audit->marks_agree =
      audit->marked == ledger.Total().count + ledger.skipped_examples();
  const auto durable = MarkSet::Decode(plan, stored.durable_marks());
  if (durable.ok()) audit->durable = durable->examples();
}

PartitionAudit AuditPartition(const JobPlan& plan, int server,
                              const v1::PartitionLedger& stored) {
  PartitionAudit audit;
  audit.partition = stored.partition();
  audit.server = server;
  audit.updates = stored.updates();
  const auto ledger = Ledger::Decode(plan, stored.ledger());
  if (!ledger.ok()) {
    audit.problem = std::string(ledger.status().message());
    audit.ledger = AuditLedger(plan, Ledger(plan));
    audit.oracle_exact = false;
    return audit;
  }
  audit.ledger = AuditLedger(plan, *ledger);
  audit.skipped = ledger->skipped();
  std::ranges::sort(audit.skipped, {}, [](const SkippedRange& range) {
    return std::pair(range.item, range.begin);
  });
  CheckMarks(plan, stored, *ledger, &audit);
  audit.oracle_exact =
      plan.oracle_width == 0 ||
      DecodeOracle(stored.oracle()) ==
          ExpectedOracle(plan, stored.partition(), audit.skipped);
  return audit;
}

// The servers of which a partition is without an answer. One in the middle of a
// move may be answered for by another server.
std::vector<SilentServer> SilentOf(
    const std::vector<PartitionAudit>& partitions,
    const std::vector<SilentServer>& servers) {
  std::map<int32_t, const SilentServer*> owners;
  for (const SilentServer& server : servers) {
    for (const int32_t p : server.partitions) owners[p] = &server;
  }
  std::map<int, SilentServer> silent;
  for (const PartitionAudit& audit : partitions) {
    if (audit.server >= 0) continue;
    const auto owner = owners.find(audit.partition);
    const int id = owner == owners.end() ? -1 : owner->second->server;
    SilentServer& server = silent[id];
    server.server = id;
    if (owner != owners.end()) server.why = owner->second->why;
    server.partitions.push_back(audit.partition);
  }
  std::vector<SilentServer> all;
  for (auto& [id, server] : silent) all.push_back(std::move(server));
  return all;
}

}  // namespace

std::vector<uint64_t> ExpectedOracle(const JobPlan& plan, int32_t partition,
                                     const std::vector<SkippedRange>& skipped) {
  std::vector<uint64_t> sums(plan.oracle_width);
  const uint64_t first = uint64_t{static_cast<uint32_t>(partition)} *
                         static_cast<uint64_t>(plan.oracle_width);
  std::map<ItemId, std::vector<SkippedRange>> holes;
  for (const SkippedRange& range : skipped) {
    holes[range.item].push_back(range);
  }
  // Adds OracleValue (ledger.h) of each example, and hashes the example once.
  const auto add = [&](ItemId item, int64_t begin, int64_t end) {
    for (int64_t position = begin; position < end; ++position) {
      const uint64_t example = ExampleHash(item, position);
      for (size_t k = 0; k < sums.size(); ++k) {
        sums[k] += HashAppend(example, first + k);
      }
    }
  };
  for (int64_t ordinal = 0; ordinal < plan.items(); ++ordinal) {
    const ItemId item = plan.ItemAt(ordinal);
    const auto hole = holes.find(item);
    if (hole == holes.end()) {
      add(item, 0, plan.ItemSize(item));
      continue;
    }
    std::ranges::sort(hole->second, {}, &SkippedRange::begin);
    int64_t at = 0;
    for (const SkippedRange& range : hole->second) {
      add(item, at, std::max(at, range.begin));
      at = std::max(at, range.end);
    }
    add(item, at, plan.ItemSize(item));
  }
  return sums;
}

AuditReport AuditJob(const JobPlan& plan,
                     const std::vector<v1::GetLedgersResponse>& ledgers,
                     const std::vector<SilentServer>& silent) {
  AuditReport report;
  report.oracle_checked = plan.oracle_width > 0;
  report.effect_approximate = plan.KeepsEffect();
  report.partitions.resize(plan.partitions);
  for (int32_t p = 0; p < plan.partitions; ++p) {
    report.partitions[p].partition = p;
  }
  // A partition in the middle of a move may be at two servers: the higher term
  // owns it.
  std::map<int32_t, uint64_t> terms;
  for (const v1::GetLedgersResponse& server : ledgers) {
    for (const v1::PartitionLedger& stored : server.partitions()) {
      const int32_t p = stored.partition();
      if (p < 0 || p >= plan.partitions || stored.term() < terms[p]) continue;
      terms[p] = stored.term();
      report.partitions[p] = AuditPartition(plan, server.server(), stored);
    }
  }
  const auto wrong = [](const PartitionAudit& audit) {
    return audit.ledger.missing + audit.ledger.doubled;
  };
  report.worst.expected = plan.examples * plan.epochs;
  const PartitionAudit* worst = nullptr;
  for (const PartitionAudit& audit : report.partitions) {
    if (audit.server < 0) continue;
    report.sum += audit.ledger;
    report.updates += audit.updates;
    if (worst == nullptr || wrong(*worst) < wrong(audit)) worst = &audit;
  }
  if (worst != nullptr) report.worst = worst->ledger;
  report.worst.partitions = report.sum.partitions;
  report.silent = SilentOf(report.partitions, silent);
  return report;
}

bool AuditReport::exact() const {
  return !partitions.empty() && sum.exact() && Problems().empty();
}

std::vector<std::string> AuditReport::Problems(bool complete) const {
  std::vector<std::string> problems;
  for (const SilentServer& one : silent) {
    problems.push_back(SilentText(one));
  }
  const PartitionAudit* first = nullptr;  // The first that is there.
  for (const PartitionAudit& audit : partitions) {
    if (audit.server < 0) continue;
    const std::string name = absl::StrCat("partition ", audit.partition);
    if (!audit.problem.empty()) {
      problems.push_back(absl::StrCat(name, ": ", audit.problem));
      continue;
    }
    if (first == nullptr) first = &audit;
    // A batch is skipped everywhere or nowhere. While the job runs, some
    // partitions have yet to meet it.
    if ((complete || all_applied()) && audit.skipped != first->skipped) {
      problems.push_back(absl::StrCat(name, ": it skipped other examples than ",
                                      "partition ", first->partition, " (",
                                      WithCommas(audit.ledger.skipped), ", ",
                                      WithCommas(first->ledger.skipped), ")"));
    }
    const bool goes_on = !complete && audit.ledger.missing > 0;
    if (!audit.ledger.exact() && (!goes_on || audit.ledger.doubled > 0)) {
      problems.push_back(absl::StrCat(
          name, ": ", WithCommas(audit.ledger.missing), " examples missing, ",
          WithCommas(audit.ledger.doubled), " applied twice"));
    }
    if (!audit.marks_agree) {
      problems.push_back(absl::StrCat(
          name, ": its marks say ", WithCommas(audit.marked),
          " examples, its ledger ", WithCommas(audit.ledger.applied)));
    }
    if (!audit.oracle_exact && !goes_on) {
      problems.push_back(absl::StrCat(
          name, ": its integer table is not the sum over the examples"));
    }
  }
  return problems;
}

namespace {

using LedgersAnswer = absl::StatusOr<v1::GetLedgersResponse>;

// Many at a time: one that is silent must not take the others' time.
std::vector<LedgersAnswer> AskAll(uint64_t job,
                                  const std::vector<JobServers::There>& servers,
                                  absl::Duration deadline,
                                  const rpc::SecurityPtr& security) {
  constexpr size_t kMostThreads = 16;
  v1::GetLedgersRequest request;
  request.set_job(job);
  std::vector<LedgersAnswer> answers(servers.size());
  std::atomic<size_t> next = 0;
  const auto ask = [&] {
    for (size_t i = next++; i < servers.size(); i = next++) {
      rpc::PsAdminClient client(servers[i].address, security);
      answers[i] = client.GetLedgers(request, deadline);
    }
  };
  std::vector<std::jthread> threads(std::min(kMostThreads, servers.size()));
  for (std::jthread& thread : threads) thread = std::jthread(ask);
  threads.clear();  // Joins them.
  return answers;
}

}  // namespace

void NoteData(const v1::JobRecord& record, AuditReport* report) {
  v1::Specification specification;
  if (!specification.ParseFromString(record.specification())) return;
  const auto index = data::Index::Decode(specification.train_index());
  if (!index.ok()) return;
  report->left_out = index->left_out;
  report->example_tokens =
      specification.job().data().train().positions().tokens();
}

int64_t TokensOf(int64_t examples, int64_t each) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  return each > 0 && examples > kMost / each ? kMost : examples * each;
}

std::string TokensText(const AuditReport& audit) {
  if (audit.example_tokens == 0) return "";
  const int64_t applied = audit.worst.applied;
  return absl::StrCat(
      Count(applied, "sequence"), " of ", Count(audit.example_tokens, "token"),
      ", ", Count(TokensOf(applied, audit.example_tokens), "token"), " in all");
}

absl::StatusOr<AuditReport> FetchAudit(const v1::GetJobResponse& job,
                                       absl::Duration deadline,
                                       const rpc::SecurityPtr& security) {
  EBB_ASSIGN_OR_RETURN(const JobPlan plan, rpc::FromProto(job.record().plan()));
  const auto [servers, awaited] = ServersOf(job);
  auto answers = AskAll(job.record().id(), servers, deadline, security);
  std::vector<SilentServer> silent = awaited;
  std::vector<v1::GetLedgersResponse> ledgers;
  for (size_t i = 0; i < servers.size(); ++i) {
    if (answers[i].ok()) {
      ledgers.push_back(*std::move(answers[i]));
      continue;
    }
    silent.push_back({servers[i].server, servers[i].partitions,
                      absl::StrCat(servers[i].address, ": ",
                                   NoAnswerText(answers[i].status()))});
  }
  AuditReport report = AuditJob(plan, ledgers, silent);
  NoteData(job.record(), &report);
  EBB_ASSIGN_OR_RETURN(const RollbackRecord rollback,
                       rpc::FromProto(job.rollback()));
  report.rolled_back = job.rolled_back();
  report.nonfinite_rollbacks = rollback.nonfinite;
  report.rate_factor = rollback.rate_factor;
  return report;
}

Json AuditJson(const AuditReport& audit, bool complete) {
  const auto known = [&](Json value) {
    return audit.silent.empty() ? std::move(value) : Json();
  };
  Json json = Json::Object();
  json["exact"] = audit.exact();
  json["expected"] = audit.worst.expected;
  json["applied"] = known(audit.worst.applied);
  json["missing"] = known(audit.sum.missing);
  json["doubled"] = known(audit.sum.doubled);
  json["skipped"] = known(audit.worst.skipped);
  json["partitions"] = audit.partitions.size();
  if (audit.oracle_checked) {
    json["oracle_exact"] = known(
        std::ranges::all_of(audit.partitions, &PartitionAudit::oracle_exact));
  }
  json["no_answer"] = SilentJson(audit.silent);
  json["problems"] = Json::List();
  for (const std::string& problem : audit.Problems(complete)) {
    json["problems"].Add(problem);
  }
  json["effect_approximate"] = audit.effect_approximate;
  json["left_out"] = audit.left_out;
  if (audit.example_tokens > 0) json["example_tokens"] = audit.example_tokens;
  json["rolled_back"] = audit.rolled_back;
  json["nonfinite_rollbacks"] = audit.nonfinite_rollbacks;
  json["rate_factor"] = audit.rate_factor;
  json["worst"]["missing"] = known(audit.worst.missing);
  json["worst"]["doubled"] = known(audit.worst.doubled);
  return json;
}

}  // namespace ebb::tools
