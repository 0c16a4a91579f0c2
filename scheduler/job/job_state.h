// The scheduler's memory of a job: stored whole, in one record.
#ifndef EBB_SCHEDULER_JOB_JOB_STATE_H_
#define EBB_SCHEDULER_JOB_JOB_STATE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/scores/figures.h"
#include "protocol/plan.h"

namespace ebb::scheduler {

enum class JobPhase : uint8_t {
  kRunning,
  kPaused,     // `reason` says why; an operator resumes.
  kCompleted,  // Every item full and durable on every partition.
  kCancelled,
};
absl::string_view JobPhaseName(JobPhase phase);

// The state of the job after its training diverged, if it did.
enum class DivergencePause : uint8_t {
  kNone,
  kPaused,    // The job paused itself for it; `reason` says why.
  kAccepted,  // It goes on all the same: an operator said so.
  kGoneBack,  // It is still paused, and has other values or another rate now.
};

struct Evaluation {
  int32_t epoch = 0;        // The first snapshot after this epoch was full.
  int64_t position = 0;     // Examples surely in the snapshot.
  int64_t examples = 0;     // Examples of the test data.
  double loss = 0;          // Mean over them.
  double accuracy = 0;      // -1: no classification.
  std::string error;        // Why there is none.
  int64_t finished_us = 0;  // Unix time.
  // The confusion matrix and the bins of the calibration are kept of the last
  // evaluation, and of the best (keep_best), only.
  Figures figures;
};

// Why an item is quarantined.
struct QuarantineReason {
  std::string text;         // For people.
  bool non_finite = false;  // A batch of it has no finite loss or gradient.
  bool operator==(const QuarantineReason&) const = default;
};

// For a curve that people look at, and a record that is written whole.
inline constexpr size_t kMostEvaluations = 1000;

struct JobState {
  Generation generation;
  RollbackRecord rollback;
  std::string rolled_back;  // The latest rollback, for people; empty: none.
  JobPhase phase = JobPhase::kRunning;
  std::string reason;
  std::vector<ServerId> owners;  // By partition; -1: none.
  // Failures in a row, by item ordinal. For items quarantined for a batch: how
  // many led to it; no entry if an older ebb stored the item.
  std::map<int64_t, int32_t> failures;
  std::vector<int64_t> quarantined;  // Item ordinals.
  // The place where the batch begins that the last failed lease ended in, by
  // item ordinal.
  std::map<int64_t, int64_t> failed_at;
  // Why each quarantined item is quarantined. For items that an older ebb
  // stored there is only `reason`.
  std::map<int64_t, QuarantineReason> why_quarantined;
  std::vector<SkippedRange> skipped;
  // At most kMostEvaluations: see AddEvaluation.
  std::vector<Evaluation> evaluations;
  bool paused_by_operator = false;
  int32_t scaled_workers = -1;  // At most; 0: no limit; -1: as in the plan.
  // By partition: the newest term that was drawn for its owner; 0: none yet.
  // A server that claims it with an older term is a former owner.
  std::vector<Term> owned_since;
  int32_t servers = 0;  // Over how many the partitions lie at most; 0: all.
  // By partition: the shared folder that has the newest durable version that
  // its owner reported; before the first report, the owner's folder. Empty: it
  // may be in no folder. A server with this folder may take the partition over.
  // durable_term is the term of that version; 0: none yet.
  std::vector<std::string> durable_in;
  std::vector<Term> durable_term;
  // By partition: the term in which another owner got it, the last time; 0:
  // none did. Versions of before are not the present owner's to load.
  std::vector<Term> moved;
  // kPaused and kGoneBack only while the job is paused.
  DivergencePause divergence = DivergencePause::kNone;
  // keep_best: the generation chosen_in began from the versions of the end of
  // the epoch kept_epoch, or ended there. In another generation, or below 0:
  // none is kept.
  int32_t kept_epoch = -1;
  Generation chosen_in;
  // Why it ended before its last epoch, or went back, for people; empty: it did
  // neither.
  std::string ended;
  // A job on data that grows is to end after so many examples; -1: it is not.
  int64_t finish_at = -1;

  // The evaluation of the epoch whose version is kept; null: there is none.
  const Evaluation* Kept() const;
  // The first is kept, and of the others the newer half; of the older half
  // every second one goes where there are more than kMostEvaluations. The
  // confusion matrix and the bins of the calibration stay with the last, and
  // with the one that is kept.
  void AddEvaluation(Evaluation evaluation);

  std::string Encode() const;
  static absl::StatusOr<JobState> Decode(absl::string_view bytes);
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_JOB_STATE_H_
