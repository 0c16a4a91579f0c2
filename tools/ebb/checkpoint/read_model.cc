#include "tools/ebb/checkpoint/read_model.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "server/job_rule.h"
#include "tools/ebb/checkpoint/model_doubts.h"
#include "tools/tensors/slot_tensors.h"

namespace ebb::tools {

namespace {

// Puts a partition's arrays at their place in the job's.
absl::Status Place(const JobPlan& plan, const VersionInfo& version,
                   const NamedArrays& read, NamedArrays* all) {
  const auto [first, last] = plan.ParameterRange(version.key.partition);
  for (auto& [name, whole] : *all) {
    const auto part = read.find(name);
    const int64_t found =
        part == read.end() ? 0 : static_cast<int64_t>(part->second.size());
    if (found != last - first) {
      return absl::DataLossError(absl::StrCat(
          "the version of partition ", version.key.partition.value(), " at ",
          version.server, " has ", found, " floats of \"", name,
          "\" instead of ", last - first));
    }
    std::ranges::copy(part->second, whole.begin() + first);
  }
  return absl::OkStatus();
}

// What another server still has of a silent one's partitions is old.
absl::Status AllAnswered(const CheckpointSource& source) {
  const std::vector<SilentServer> silent = source.silent();
  if (silent.empty()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the model is not whole: ",
                   absl::StrJoin(silent, "; ",
                                 [](std::string* out, const auto& one) {
                                   absl::StrAppend(out, SilentText(one));
                                 }),
                   ". Try again when it is back. If its --state-dir is lost, "
                   "start its --id with an empty folder: ebb loads copies from "
                   "--shared-checkpoints if there are any, and computes the "
                   "rest again."));
}

absl::Status CheckComplete(const JobPlan& plan,
                           const std::vector<VersionInfo>& versions) {
  const std::string incomplete = IncompleteText(plan, versions);
  if (incomplete.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      incomplete,
      "\nhint: wait until the job is complete; --incomplete takes what is "
      "stored now"));
}

// The names by which a model is read.
struct ModelNames {
  struct Table {
    std::string keys;
    std::vector<std::string> arrays;  // Values, then slots.
    int64_t width = 0;
  };
  std::vector<std::string> dense;
  std::vector<Table> tables;  // The sparse ones.

  std::vector<std::string> All() const {
    std::vector<std::string> all = dense;
    for (const Table& table : tables) {
      all.push_back(table.keys);
      all.insert(all.end(), table.arrays.begin(), table.arrays.end());
    }
    return all;
  }
};

// The numbers of the dense slots that are asked for.
std::set<size_t> NumbersOf(const server::JobRule& rule, SlotsRead slots) {
  std::set<size_t> numbers;
  for (const auto& state : rule.DenseStates()) {
    for (size_t s = 0; s < state.slots.size(); ++s) {
      const bool average = state.slots[s] == kAverageSlot;
      if (slots == SlotsRead::kAll ||
          (slots == SlotsRead::kAverages && average)) {
        numbers.insert(s);
      }
    }
  }
  return numbers;
}

absl::StatusOr<ModelNames> NamesOf(const JobRecord& record, SlotsRead slots) {
  EBB_ASSIGN_OR_RETURN(const auto rule, server::JobRule::Create(record));
  ModelNames names;
  names.dense = {"values"};
  for (const size_t s : NumbersOf(*rule, slots)) {
    names.dense.push_back(rule->PublicName(absl::StrCat("slot:", s)));
  }
  for (size_t i = 0; i < record.plan.sparse_tables.size(); ++i) {
    const auto t = static_cast<int32_t>(i);
    const server::RowTableOptions options = rule->RowOptions(t);
    const std::string prefix = absl::StrCat("rows/", options.table, "/");
    ModelNames::Table& table = names.tables.emplace_back();
    table.keys = absl::StrCat(prefix, "keys");
    table.arrays = {absl::StrCat(prefix, "values")};
    table.width = options.width;
    if (slots != SlotsRead::kAll) continue;
    const auto optimizer = rule->RowOptimizer(t);
    for (const absl::string_view slot : optimizer->SlotNames()) {
      table.arrays.push_back(absl::StrCat(prefix, "slot/", slot));
    }
  }
  return names;
}

absl::Status PassRows(const ModelNames& names, const VersionInfo& version,
                      const VersionArrays& read, RowReceiver* rows) {
  for (size_t t = 0; t < names.tables.size(); ++t) {
    const ModelNames::Table& table = names.tables[t];
    const auto keys = read.integers.find(table.keys);
    std::vector<std::span<const float>> arrays;
    for (const std::string& name : table.arrays) {
      const auto found = read.floats.find(name);
      if (found == read.floats.end() || keys == read.integers.end() ||
          found->second.size() != keys->second.size() * table.width) {
        return absl::DataLossError(absl::StrCat(
            "the version of partition ", version.key.partition.value(), " at ",
            version.server, " has no whole \"", name, "\""));
      }
      arrays.emplace_back(found->second);
    }
    EBB_RETURN_IF_ERROR(
        rows->Add(static_cast<int32_t>(t), keys->second, arrays));
  }
  return absl::OkStatus();
}

absl::StatusOr<NamedArrays> ReadVersions(
    CheckpointSource* source, const std::vector<VersionInfo>& versions,
    const ModelNames& names, RowReceiver* rows) {
  const JobPlan& plan = source->job().plan;
  NamedArrays all;
  for (const std::string& name : names.dense) all[name].resize(plan.parameters);
  if (rows != nullptr) EBB_RETURN_IF_ERROR(rows->Restart());
  for (const VersionInfo& version : versions) {
    EBB_ASSIGN_OR_RETURN(const VersionArrays read,
                         source->Read(version, names.All()));
    EBB_RETURN_IF_ERROR(Place(plan, version, read.floats, &all));
    EBB_RETURN_IF_ERROR(PassRows(names, version, read, rows));
  }
  return all;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ValueNames(const JobRecord& record) {
  EBB_ASSIGN_OR_RETURN(const ModelNames names,
                       NamesOf(record, SlotsRead::kNone));
  return names.All();
}

absl::StatusOr<NamedArrays> ReadModel(CheckpointSource* source, SlotsRead slots,
                                      RowReceiver* rows,
                                      std::vector<VersionInfo>* read,
                                      ModelsRead models) {
  EBB_ASSIGN_OR_RETURN(ModelNames names, NamesOf(source->job(), slots));
  if (rows == nullptr) names.tables.clear();
  // A job that advances writes new versions and deletes old ones all the time.
  constexpr int kTries = 5;
  absl::Status failed;
  std::vector<VersionInfo> tried;
  for (int i = 0; i < kTries; ++i) {
    EBB_ASSIGN_OR_RETURN(const auto versions, source->List());
    EBB_RETURN_IF_ERROR(AllAnswered(*source));
    const auto found =
        NewestVersions(source->job().plan, source->line(), versions);
    if (!found.ok()) {
      return absl::Status(
          found.status().code(),
          absl::StrCat(found.status().message(), ": ", source->WhyNoVersion()));
    }
    const std::vector<VersionInfo>& newest = *found;
    if (models == ModelsRead::kComplete) {
      EBB_RETURN_IF_ERROR(CheckComplete(source->job().plan, newest));
    }
    // It is not that one was deleted.
    if (!tried.empty() &&
        std::ranges::equal(newest, tried, {}, &VersionInfo::key,
                           &VersionInfo::key)) {
      return failed;
    }
    auto all = ReadVersions(source, newest, names, rows);
    if (all.ok() && read != nullptr) *read = newest;
    if (all.ok()) return all;
    failed = all.status();
    tried = newest;
  }
  return failed;
}

}  // namespace ebb::tools
