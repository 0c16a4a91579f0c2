#include "tools/ebb/job/job_sizes.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/actions.h"
#include "client/job_limits.h"
#include "client/options.h"
#include "common/filters/encoding.h"
#include "common/filters/filter.h"
#include "common/status_macros.h"
#include "data/index.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/frozen_rows.h"
#include "job/specification.h"
#include "server/job_rule.h"
#include "server/memory_budget.h"
#include "server/rows/row_frequency.h"
#include "tools/text/console.h"
#include "workloads/seam/rules/rules.h"
#include "workloads/seam/tools/tools.h"
#include "workloads/seam/worker/worker.h"

namespace ebb::tools {

namespace {

constexpr int64_t kFloat = sizeof(float);
// A row has this, too, if steps go by how late its gradient is.
constexpr int64_t kFrequencyOfARow = sizeof(server::RowFrequency);

int64_t Encoded(const Filter& filter, int64_t floats) {
  return filter.kind == FilterKind::kNone
             ? floats * kFloat
             : EncodedBytes(EncodingOf(filter), floats);
}

// Distinct keys of a batch, at most; 0 of data without keys.
int64_t KeysOfBatch(const PreparedJob& prepared) {
  const JobPlan& plan = prepared.record.plan;
  if (plan.trained_tables() == 0) return 0;
  const int64_t batch =
      *std::max_element(plan.batch_by_epoch.begin(), plan.batch_by_epoch.end());
  const double entries = static_cast<double>(prepared.data.entries) /
                         static_cast<double>(plan.examples);
  const auto keys = static_cast<int64_t>(entries * static_cast<double>(batch));
  return prepared.data.rows == 0 ? keys : std::min(keys, prepared.data.rows);
}

// In a round of runs the sums of all items may wait for the first, whose worker
// is slow. One is counted where servers ask what training needs.
int64_t MoreOpenItems(const JobPlan& plan) {
  if (!plan.algorithm.runs || !plan.rounds()) return 0;
  return std::max<int64_t>(0, plan.consistency.round_items - 1);
}

// "9.7 B", "31 KiB".
std::string BytesPerExample(int64_t bytes, int64_t examples) {
  const double each =
      static_cast<double>(bytes) / static_cast<double>(examples);
  constexpr double kWhole = 100;
  return each < kWhole ? absl::StrFormat("%.3g B", each)
                       : BytesText(static_cast<int64_t>(each));
}

std::string Batches(int64_t count) {
  return absl::StrCat(count, count == 1 ? " batch" : " batches");
}

// Names the vectors, as long as the model, that servers and each worker hold in
// a job whose pushes are runs.
std::string RunVectorsOfServers(const JobPlan& plan,
                                const std::vector<std::string>& slots) {
  std::string text = "values";
  for (const std::string& slot : slots) absl::StrAppend(&text, ", ", slot);
  if (!plan.rounds()) return text;
  return absl::StrCat(
      text, ", ", Count(plan.consistency.rounds_in_memory, "kept round"),
      ", sums of ", Count(MoreOpenItems(plan) + 1, "open item"));
}

std::string RunVectorsOfWorker(const v1::Job& job, const JobPlan& plan) {
  const int64_t moments = plan.algorithm.worker_vectors - 2;
  const std::string inner = job::KindOf(job.algorithm().inner());
  return absl::StrCat(
      plan.algorithm.worker_vectors + 1, ": values, start, gradient",
      moments > 0 ? absl::StrCat(", ", moments, " of ", inner) : "");
}

// The lines about a run, and about one that is lost, half done on average.
std::string RunText(const PreparedJob& prepared, const JobSizes& sizes) {
  const JobPlan& plan = prepared.record.plan;
  const int64_t examples = plan.PushEnd({0, 0}, 0);
  const int64_t batch = plan.BatchSize({0, 0});
  const int64_t batches = (examples + batch - 1) / batch;
  return absl::StrCat(
      "\n  a run                   ", Batches(batches), " of ", batch, ": ",
      BytesText(sizes.pulled), " pulled, ", BytesText(sizes.pushed),
      " pushed, ", BytesPerExample(sizes.pulled + sizes.pushed, examples),
      " per ", workloads::FactsOf(prepared.job).unit,
      "\n  a lost run              ", Batches((batches + 1) / 2),
      " computed again, on average", "\n  vectors of a run        ",
      RunVectorsOfWorker(prepared.job, plan), "\n  vectors of the servers  ",
      RunVectorsOfServers(plan, sizes.slots));
}

}  // namespace

absl::StatusOr<JobSizes> SizesOf(const PreparedJob& prepared) {
  const JobPlan& plan = prepared.record.plan;
  EBB_ASSIGN_OR_RETURN(const auto rule,
                       server::JobRule::Create(prepared.record));
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(prepared.record));
  const int slots = rule->SlotCount();
  JobSizes sizes;
  for (auto& state : rule->DenseStates()) {
    if (state.slots.size() <= sizes.slots.size()) continue;
    sizes.slots = std::move(state.slots);
  }
  const int64_t trained =
      rule->trained() == nullptr ? plan.parameters : rule->trained()->floats();
  const int64_t frozen = plan.parameters - trained;
  // There is one copy of frozen values, also on disk.
  const int64_t copies =
      server::CopiesOfWeights(plan, slots) + MoreOpenItems(plan);
  sizes.servers = (copies * trained + frozen) * kFloat;
  sizes.disk = (plan.checkpoint_keep * (1 + slots) * trained + frozen) * kFloat;

  const client::ClientOptions options;
  const auto limits = client::LimitsFor(options, plan, 0);
  sizes.worker_data = prepared.data.bytes;
  if (workloads::FactsOf(prepared.job).tasks > 0) {
    EBB_ASSIGN_OR_RETURN(const data::Index index,
                         data::Index::Decode(specification.train_index()));
    sizes.worker_data =
        prepared.data.bytes + workloads::WorkerSideOf(prepared.job.model())
                                  .TaskBytes(specification.job(), index);
    workloads::ToolsOf(prepared.job.model())
        .AddSizes(prepared.job, plan, index, &sizes);
  }
  sizes.worker = sizes.worker_data +
                 (limits ? client::JobBytes(options, plan, *limits) : 0);

  const std::vector<bool> frozen_rows = job::FrozenRowsOf(specification);
  int64_t row_floats = 0;
  int64_t pushed_tables = 0;
  int64_t pushed_floats = 0;
  for (int32_t t = 0; t < plan.trained_tables(); ++t) {
    const int64_t width = plan.sparse_tables[t].width;
    const int64_t row_slots = rule->RowOptimizer(t)->SlotCount();
    const int64_t row = kRowOverhead + width * (1 + row_slots) * kFloat;
    sizes.servers_of_a_key += row + row / 2 + kIndexOfARow;
    if (rule->RowOptions(t).rate_factor != nullptr) {
      sizes.servers_of_a_key += kFrequencyOfARow;
    }
    row_floats += width;
    if (!frozen_rows.empty() && frozen_rows[static_cast<size_t>(t)]) continue;
    ++pushed_tables;
    pushed_floats += width;
  }
  const int64_t keys = KeysOfBatch(prepared);
  const auto rows_of = [keys](int64_t tables, int64_t floats) {
    return keys *
           (tables * static_cast<int64_t>(sizeof(uint64_t)) + floats * kFloat);
  };
  sizes.pulled += Encoded(plan.filters.pull, plan.parameters) +
                  rows_of(plan.trained_tables(), row_floats);
  sizes.pushed += Encoded(plan.filters.push, trained) +
                  rows_of(pushed_tables, pushed_floats);
  return sizes;
}

absl::Status CheckRoomForTasks(const PreparedJob& prepared, int64_t memory) {
  if (memory == 0 || workloads::FactsOf(prepared.job).tasks == 0)
    return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(const JobSizes sizes, SizesOf(prepared));
  if (sizes.worker_data <= memory) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "data.train: each worker of such a job has all of the data, which takes ",
      BytesText(sizes.worker_data), ", more than the ", BytesText(memory),
      " of --memory\nhint: a larger --memory, or a sample of the data"));
}

std::string SizesText(const PreparedJob& prepared, const JobSizes& sizes) {
  const JobPlan& plan = prepared.record.plan;
  const bool tasks = sizes.task > 0;
  const std::string unit = workloads::FactsOf(prepared.job).unit;
  const bool rows = sizes.servers_of_a_key > 0;
  const std::string most = rows ? "at most " : "";
  std::string text = "It takes about\n  memory of all servers   ";
  if (tasks) {
    absl::StrAppend(&text, "at most ", BytesText(plan.examples * sizes.task));
  } else {
    absl::StrAppend(&text, BytesText(sizes.servers));
  }
  if (rows) {
    absl::StrAppend(&text, ", and ", BytesText(sizes.servers_of_a_key),
                    " for each key");
  }
  absl::StrAppend(&text, "\n  memory of each worker   ",
                  BytesText(sizes.worker), ", ", BytesText(sizes.worker_data),
                  " of it data");
  if (tasks) {
    absl::StrAppend(
        &text, absl::StrFormat("\n  %-24sat most ", absl::StrCat("a ", unit)),
        BytesText(sizes.task), " pushed",
        "\n  disk for checkpoints    as the servers' memory\n");
    return text;
  }
  if (plan.algorithm.runs) {
    absl::StrAppend(&text, RunText(prepared, sizes));
  } else {
    absl::StrAppend(&text, "\n  a batch                 ", most,
                    BytesText(sizes.pulled), " pulled, ", most,
                    BytesText(sizes.pushed), " pushed");
  }
  absl::StrAppend(&text, "\n  disk for checkpoints    ", BytesText(sizes.disk),
                  " (", Count(plan.checkpoint_keep, "version"), ")",
                  rows ? ", and the rows" : "", "\n");
  return text;
}

std::string WideModelWarning(const PreparedJob& prepared) {
  const JobPlan& plan = prepared.record.plan;
  constexpr int64_t kNobodyMinds = int64_t{1} << 24;
  if (!prepared.job.data().train().has_libsvm() || plan.trained_tables() > 0 ||
      plan.parameters < kNobodyMinds ||
      prepared.data.features / 2 < prepared.data.entries) {
    return "";
  }
  return absl::StrCat(
      "warning: the model has ", plan.parameters, " parameters (",
      BytesText(plan.parameters * kFloat), "), as the highest index of ",
      "data.train is ", prepared.data.features, ", but its rows have ",
      prepared.data.entries,
      " numbers together: most features occur nowhere\n  hint: libsvm: {path: "
      "…, "
      "keys: true} with model: sparse_logistic (values to predict: {kind: fm, "
      "labels: values}) has only what occurs");
}

}  // namespace ebb::tools
