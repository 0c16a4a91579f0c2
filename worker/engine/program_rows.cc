#include "worker/engine/program_rows.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::worker {

PlaceBody PlaceOf(const client::FindRows& batch) {
  return {batch.item.epoch, batch.item.shard, batch.begin, batch.end};
}

const BatchKeys& KeysOf(const client::PulledValues& values) {
  return *static_cast<const BatchKeys*>(values.rows->batch.get());
}

absl::Status GiveRows(const client::PulledValues& values,
                      const RowMemory* memory) {
  const BatchKeys& keys = KeysOf(values);
  if (keys.entries() == 0) return absl::OkStatus();
  if (memory == nullptr) {
    return absl::FailedPreconditionError("there is no row memory");
  }
  EBB_ASSIGN_OR_RETURN(const RowMemory::Parts parts,
                       memory->PartsOf(keys.entries(), keys.floats()));
  keys.CopyPlaces(parts.places);
  std::fill(parts.sums.begin(), parts.sums.end(), 0.0F);
  return keys.Assemble(values, parts.values);
}

absl::StatusOr<client::BatchRowsPtr> RowsOf(const JobPlan& plan,
                                            const client::FindRows& batch,
                                            const ToldRows::Told& told) {
  if (told.failed) {
    return absl::InvalidArgumentError(
        told.failed->empty() ? "the program failed it" : *told.failed);
  }
  auto rows = std::make_shared<client::BatchRows>();
  rows->item = batch.item;
  rows->begin = batch.begin;
  rows->end = batch.end;
  auto keys = std::make_shared<const BatchKeys>(plan, told.keys);
  rows->partitions = keys->Pulls();
  rows->batch = std::move(keys);
  return rows;
}

EvaluationResult EarlierPart() {
  EvaluationResult result;
  result.correct = 0;
  return result;
}

absl::Status CheckRowsOf(const JobRecord& record) {
  const JobPlan& plan = record.plan;
  const size_t tables = plan.sparse_tables.size();
  if (tables > kMostRowTables) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", record.name, " has ", tables, " sparse tables; programs have ",
        kMostRowTables, " at most"));
  }
  if (static_cast<size_t>(plan.trained_tables()) == tables) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "job ", record.name,
      " has sparse tables that its examples write; let ebb-workers train it"));
}

absl::StatusOr<std::vector<std::vector<uint64_t>>> ProgramRows::Keys(
    std::span<const uint64_t> counts) const {
  const size_t tables = plan_.sparse_tables.size();
  if (counts.size() != tables) {
    return absl::InvalidArgumentError(absl::StrCat(
        "keys of ", counts.size(), " tables; the job has ", tables));
  }
  if (memory_ == nullptr) {
    return absl::FailedPreconditionError("there is no row memory");
  }
  return memory_->Keys(counts);
}

std::optional<ToldRows::Told> ProgramRows::Find(Awaited awaited) {
  auto told = told_.Take(PlaceOf(awaited.batch));
  if (!told) awaited_ = std::move(awaited);
  return told;
}

std::optional<ProgramRows::Awaited> ProgramRows::Tell(ToldRows::Told* told) {
  if (awaited_ && SamePlace(PlaceOf(awaited_->batch), told->place)) {
    return std::exchange(awaited_, std::nullopt);
  }
  told_.Tell(std::move(*told));
  return std::nullopt;
}

EvaluationResult ProgramRows::TakeResult() {
  if (auto result = std::exchange(result_, std::nullopt)) {
    return *std::move(result);
  }
  EvaluationResult replaced;
  replaced.error = "another evaluation took its place";
  return replaced;
}

void ProgramRows::ForgetEvaluation() {
  looked_up_ = nullptr;
  result_.reset();
}

client::BatchRowsPtr ProgramRows::NextPart(const client::FindRows& part) {
  if (part.begin == 0) ForgetEvaluation();
  auto rows = std::make_shared<client::BatchRows>();
  rows->begin = part.begin;
  rows->end = part.begin + 1;
  rows->test = true;
  rows->last = result_.has_value();
  auto keys = std::exchange(looked_up_, nullptr);
  if (keys == nullptr) {
    const std::vector<std::vector<uint64_t>> none(plan_.sparse_tables.size());
    keys = std::make_shared<const BatchKeys>(plan_, none);
  }
  rows->partitions = keys->Pulls();
  rows->batch = std::move(keys);
  return rows;
}

}  // namespace ebb::worker
