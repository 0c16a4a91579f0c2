// Rows of sparse tables between the core, which asks for those of a batch or of
// a part of an evaluation, and the program, which tells of keys.
#ifndef EBB_WORKER_ENGINE_PROGRAM_ROWS_H_
#define EBB_WORKER_ENGINE_PROGRAM_ROWS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/actions.h"
#include "client/job_computer.h"
#include "protocol/messages.h"
#include "protocol/plan.h"
#include "worker/engine/batch_keys.h"
#include "worker/engine/messages.h"
#include "worker/engine/row_memory.h"
#include "worker/engine/told_rows.h"

namespace ebb::worker {

PlaceBody PlaceOf(const client::FindRows& batch);

// The keys for which the values were pulled, of a job with sparse tables.
const BatchKeys& KeysOf(const client::PulledValues& values);

// Puts rows and places into the memory, which may be null, and zeros into the
// sums. An error if there is no room.
absl::Status GiveRows(const client::PulledValues& values,
                      const RowMemory* memory);

// Returns the rows to pull for what was told of a batch. InvalidArgument: it
// cannot be read.
absl::StatusOr<client::BatchRowsPtr> RowsOf(const JobPlan& plan,
                                            const client::FindRows& batch,
                                            const ToldRows::Told& told);

// A part of an evaluation whose figures come with the last one.
EvaluationResult EarlierPart();

// FailedPrecondition: a program cannot hand in rows of the job's tables.
absl::Status CheckRowsOf(const JobRecord& record);

// Thread-compatible.
class ProgramRows {
 public:
  // A batch whose rows the core waits for.
  struct Awaited {
    client::FindRows batch;
    client::JobComputer::RowsFound found;
  };

  // The plan outlives it.
  explicit ProgramRows(const JobPlan* plan) : plan_(*plan) {}

  bool any() const { return !plan_.sparse_tables.empty(); }

  // --- Memory ----------------------------------------------------------------
  const std::shared_ptr<const RowMemory>& memory() const { return memory_; }
  void set_memory(RowMemory memory) {
    memory_ = std::make_shared<const RowMemory>(std::move(memory));
  }
  // The keys that the program wrote there: so many of each table.
  absl::StatusOr<std::vector<std::vector<uint64_t>>> Keys(
      std::span<const uint64_t> counts) const;

  // --- Batches ---------------------------------------------------------------
  // Returns what the program told of the batch; nothing: it is awaited now.
  std::optional<ToldRows::Told> Find(Awaited awaited);
  // The program tells. Returns the batch if it is awaited; else `told` is kept,
  // and moved away.
  std::optional<Awaited> Tell(ToldRows::Told* told);

  // --- Evaluations -----------------------------------------------------------
  // The parts of an evaluation have numbers: the first has no rows, each
  // further one those that the program looks up, and the last one the result.
  void LookUp(std::shared_ptr<const BatchKeys> keys) {
    looked_up_ = std::move(keys);
  }
  void Ended(EvaluationResult result) { result_ = std::move(result); }
  // The result, for the last part.
  EvaluationResult TakeResult();
  // The evaluation is over, or lost.
  void ForgetEvaluation();
  // The rows of a part. The first part forgets an earlier evaluation.
  client::BatchRowsPtr NextPart(const client::FindRows& part);

 private:
  const JobPlan& plan_;
  std::shared_ptr<const RowMemory> memory_;
  ToldRows told_;
  // The core asks for one batch at a time.
  std::optional<Awaited> awaited_;
  std::shared_ptr<const BatchKeys> looked_up_;
  std::optional<EvaluationResult> result_;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_PROGRAM_ROWS_H_
