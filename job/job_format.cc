#include "job/job_format.h"

#include <algorithm>

#include "job/average_rules.h"
#include "job/base/traits.h"
#include "job/frozen_rows.h"
#include "job/initial_rows.h"
#include "job/training.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {

namespace {

constexpr uint32_t kFormatOfRuns = 19;
constexpr uint32_t kFormatOfPositive = 18;
constexpr uint32_t kFormatOfFrozenRows = 17;
constexpr uint32_t kFormatOfInitialRows = 16;
constexpr uint32_t kFormatOfAverages = 15;
constexpr uint32_t kFormatOfTransfer = 14;
constexpr uint32_t kFormatOfInitialSlots = 13;
constexpr uint32_t kFormatOfPackedSets = 12;
constexpr uint32_t kFormatOfTasks = 11;
constexpr uint32_t kFormatOfSums = 10;
constexpr uint32_t kFormatOfRules = 9;

bool IsNewRule(const v1::Optimizer& optimizer) {
  return optimizer.kind() == v1::Optimizer::KIND_ADAMW ||
         optimizer.kind() == v1::Optimizer::KIND_AVERAGE ||
         optimizer.has_weight_decay();
}

// Returns whether tables step in ways that format 9 brought: by these rules, by
// a factor of the rate, or dense ones by rules of their own.
bool HasNewRules(const v1::Job& job, const JobFacts& facts) {
  if (IsNewRule(job.optimizer()) ||
      job.optimizer().schedule().kind() == v1::Schedule::KIND_TABLE) {
    return true;
  }
  return std::any_of(job.tables().begin(), job.tables().end(),
                     [&](const auto& entry) {
                       return IsNewRule(entry.second.optimizer()) ||
                              entry.second.has_rate_factor() ||
                              std::ranges::count(facts.tables, entry.first,
                                                 &DenseTable::name) > 0;
                     });
}

// Returns whether format 10 brought the form of the data.
bool HasNewFormat(const v1::DataSource& source) {
  const v1::FormatTraits& traits = TraitsOf(source);
  return traits.python() || traits.text() || traits.bags();
}

}  // namespace

uint32_t SpecificationFormatOf(const v1::Job& job, const JobFacts& facts) {
  const v1::Model& model = job.model();
  // It would know no such algorithm, or order the examples in another way.
  if (TraitsOf(job.algorithm().kind()).runs() ||
      job.data().train().positions().has_window()) {
    return kFormatOfRuns;
  }
  // Its figures would be of another class, and decide when the job ends.
  if (job.data().has_positive()) return kFormatOfPositive;
  // It would train rows that are frozen.
  if (std::ranges::any_of(facts.sparse_tables, [&](const SparseTable& table) {
        return IsFrozen(job, table.name);
      })) {
    return kFormatOfFrozenRows;
  }
  // It would begin without rows.
  int64_t parameters = 0;
  for (const DenseTable& table : facts.tables) parameters += table.size;
  if (facts.initial && InitialRowBytes(*facts.initial, parameters) > 0) {
    return kFormatOfInitialRows;
  }
  // It would keep no averages of weights.
  if (HasAverages(job)) return kFormatOfAverages;
  // It would train tables that are frozen, or begin with other values.
  if (!job.freeze().empty() || job.has_start()) return kFormatOfTransfer;
  // It would begin with other slots.
  if (facts.initial && facts.initial->slots() > 0) {
    return kFormatOfInitialSlots;
  }
  // It would look for files of another form.
  if (facts.window > 0 || TraitsOf(job.data().test()).packed() ||
      TraitsOf(job.data().train()).records()) {
    return kFormatOfPackedSets;
  }
  // It would take the items for ranges of data.
  const workloads::WorkloadFacts workload = workloads::FactsOf(job);
  if (workload.tasks > 0) return kFormatOfTasks;
  // It would know no such algorithm.
  if (TraitsOf(job.algorithm().kind()).contributions()) return kFormatOfTasks;
  // It would know neither the model nor what closes its rounds, or not that
  // they may end, or look for a file of another form.
  if (workload.format >= kFormatOfSums || job.algorithm().tolerance() > 0 ||
      HasNewFormat(job.data().train())) {
    return kFormatOfSums;
  }
  if (HasNewRules(job, facts)) return kFormatOfRules;
  // It would compute another model, or begin with other values.
  if (TraitsOf(model).program() || TraitsOf(model).python() ||
      model.has_initial()) {
    return 8;
  }
  const v1::Algorithm::Kind algorithm = job.algorithm().kind();
  if (algorithm == v1::Algorithm::KIND_STALENESS_AWARE) return 7;
  // It would know none such, or push the rows of a run's last batch only.
  if (algorithm == v1::Algorithm::KIND_GEO ||
      (TraitsOf(algorithm).local_rule() && !facts.sparse_tables.empty())) {
    return 6;
  }
  const auto written = [](const SparseTable& table) {
    return table.kind != RowKind::kTrained;
  };
  // It would step by what is to be added.
  if (std::any_of(facts.sparse_tables.begin(), facts.sparse_tables.end(),
                  written)) {
    return 5;
  }
  // It would compute on its processor.
  if (job.device().kind() == v1::Device::KIND_GPU) return 5;
  const auto has_bound = [](const auto& table) {
    return table.second.has_consistency();
  };
  // It would not wait.
  if (std::any_of(job.tables().begin(), job.tables().end(), has_bound)) {
    return 4;
  }
  if (algorithm == v1::Algorithm::KIND_PLUGIN ||
      algorithm == v1::Algorithm::KIND_LBFGS) {
    return 4;
  }
  if (TraitsOf(algorithm).local_rule()) return 3;
  return algorithm == v1::Algorithm::KIND_DYNSGD ? 2 : 1;
}

}  // namespace ebb::job
