#include "worker/engine/job_tables.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "algorithms/algorithm.h"
#include "job/specification.h"
#include "job/training.h"
#include "worker/engine/messages.h"
#include "worker/engine/value_name.h"

namespace ebb::worker {

namespace {

std::vector<int64_t> DimsOf(const v1::DenseTable& table) {
  if (table.dims().empty()) return {table.size()};
  return {table.dims().begin(), table.dims().end()};
}

// The share of a step that the next one repeats.
float MomentumOf(const v1::Optimizer& given) {
  const auto optimizer = job::OptimizerOf(given);
  if (!optimizer.ok()) return 0;
  switch (optimizer->kind()) {
    case v1::Optimizer::KIND_MOMENTUM:
    case v1::Optimizer::KIND_NESTEROV:
      return static_cast<float>(optimizer->momentum());
    case v1::Optimizer::KIND_ADAM:
    case v1::Optimizer::KIND_ADAMW:
      return static_cast<float>(optimizer->beta1());
    default:
      return 0;
  }
}

}  // namespace

JobTables::JobTables(const JobRecord& record) {
  auto specification = job::ReadSpecification(record);
  if (specification.ok()) specification_ = *std::move(specification);
}

double JobTables::RunFactor(int64_t batch) const {
  return WarmUpFactor(batch, specification_.job().algorithm().run_warm_up());
}

const std::string& JobTables::fingerprint() const {
  return specification_.job().data().train().positions().fingerprint();
}

std::vector<std::string> JobTables::Messages() const {
  std::vector<std::string> messages;
  int64_t offset = 0;
  for (const v1::DenseTable& table : specification_.tables()) {
    const std::vector<int64_t> dims = DimsOf(table);
    const TableBody body = {offset, static_cast<int64_t>(dims.size())};
    std::string tail(reinterpret_cast<const char*>(dims.data()),
                     dims.size() * sizeof(int64_t));
    tail += table.name().substr(0, kMostText);
    messages.push_back(Encode({Kind::kTable, 0, 0}, body, tail));
    offset += table.size();
  }
  for (const v1::SparseTable& table : specification_.sparse_tables()) {
    messages.push_back(Encode({Kind::kRowTable, 0, 0},
                              RowTableBody{table.width()},
                              table.name().substr(0, kMostText)));
  }
  return messages;
}

std::vector<MomentumRun> JobTables::Momenta() const {
  std::vector<MomentumRun> runs;
  int64_t begin = 0;
  for (const v1::DenseTable& table : specification_.tables()) {
    const int64_t end = begin + table.size();
    const float momentum =
        table.frozen() ? 0
                       : MomentumOf(table.has_optimizer()
                                        ? table.optimizer()
                                        : specification_.job().optimizer());
    if (momentum > 0) {
      if (!runs.empty() && runs.back().end == begin &&
          runs.back().momentum == momentum) {
        runs.back().end = end;
      } else {
        runs.push_back({begin, end, momentum});
      }
    }
    begin = end;
  }
  return runs;
}

std::string JobTables::NameOf(int64_t parameter) const {
  int64_t left = parameter;
  for (const v1::DenseTable& table : specification_.tables()) {
    if (left >= table.size()) {
      left -= table.size();
      continue;
    }
    return NameOfValue(table.name(), DimsOf(table), left);
  }
  return absl::StrCat("parameter ", parameter);
}

}  // namespace ebb::worker
