// Counts in a run: the faults that happened to it, and the rare paths of the
// production code that it reached (probes).
#ifndef EBB_SIM_COUNTS_H_
#define EBB_SIM_COUNTS_H_

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "sim/subject.h"

namespace ebb::sim {

enum class Fault {
  // Drawn per message.
  kMessageLost,
  kMessageDuplicated,
  kMessageDelayed,
  kMessageOvertaken,
  // Planned.
  kSplit,
  kSessionBroken,
  kSchedulerKilled,
  kServerKilled,
  kWorkerKilled,
  kKilledBetweenActions,
  kStoreOpLost,
  kServerFromOlderDisk,
  kVersionDamaged,
  kSchedulerStoreLost,
  kSchedulerStoreOlder,
  kSchedulerStopped,
  kServerStopped,
  kWorkerStopped,
  kWorkerJoined,
  kWorkerDrained,
  kServerDrained,
  kDiskFailed,
  kSchedulerDiskFailed,
  kServerSlow,
  kWorkerSlow,
  kGrantCopiedLate,
  kCheckpointDemanded,
  kPoison,
  kTwinStarted,
  kOperatorPaused,
  kOperatorScaled,
  kOperatorRolledBack,
  kServerJoined,
  kServersScaled,
  kEpochsAdded,
  // To a bucket.
  kRequestFailed,
  kRequestLate,
  kKilledInRequest,
  kCount,
};

enum class Probe {
  kGapAnswered,
  kDuplicateOfZombie,
  kSupersededAnswered,
  kBusyAnswered,
  kStaleAnswered,
  kNotOpenAnswered,
  kClosedPushAnswered,
  kClosedPullAnswered,
  kWrongPlacementAnswered,
  kWaitAnswered,
  kNotInViewAnswered,
  kPullWithoutBound,    // In a job with another bounded table.
  kPullOfATablesBound,  // Narrower than that of the dense values.
  kRejoinedView,
  kViewRequested,
  kReleasedByView,
  kKeptRoundValueUsed,
  kGrantOfOtherLife,
  kGrantOfOlderTerm,
  kWentOnFromMemory,
  kFirstVersionOfTerm,
  kLoadedVersion,
  kFellBackToOlderVersion,
  kStartedFromInitial,
  kInitialValuesFetched,
  kInitialStateFetched,   // With its slot.
  kInitialRowsFetched,    // With rows.
  kInitialValuesAwaited,  // A try to fetch them failed.
  kWriteFailed,
  kVersionsDeleted,
  kUpdateOutlivedPartition,
  kLeaseExpired,
  kLeaseAdopted,
  kLeaseLost,
  kHintNotConfirmed,
  kJobAdoptedFromServer,
  kTermAboveStoreMet,
  kGatheringTimedOut,
  kQuarantined,
  kSkipDecided,
  kSkipApplied,
  kResumed,
  kEvaluated,
  kEvaluationRetried,
  kBestVersionKept,
  kEndedByEvaluation,
  kCompletedThenReopened,
  kCompletedThenLonger,
  kRolledBack,
  kSkipAdoptedFromServer,
  kServerRefused,
  kServerDisplaced,
  kTwinTookOver,
  kPartitionMoved,
  kMoveGivenUp,
  kPartitionForgotten,
  kHandedOver,
  kTakenOver,
  kItemMoved,
  kBackupLeased,
  kBackupWon,
  kBackupLost,
  kBackupAlone,
  kOverlapAnswered,
  kLocalBatch,
  kShareApplied,
  kShareRefused,
  kValuesUsedAgain,
  kRowsComputed,
  kCachedRowUsed,
  kRowsExpired,  // In partitions at the end.
  kRowsEvicted,
  kRowsNotAdmitted,
  kIncrementStored,
  kIncrementRefused,
  kRolledBackByItself,
  kUpdateAtOnce,          // Within the event that brought it.
  kRoundWaits,            // For the operation that closes it.
  kOperationNotAwaited,   // A repeat, or of another round.
  kOperationsRegistered,  // At a scheduler that may not know them.
  kContributionReplaced,  // By one of a later epoch, or by the same.
  kEpochAwaited,          // By a push of the next, in a job in order.
  kWindowRead,
  kWindowUsedAgain,    // In a later epoch, without being read again.
  kCutOff,             // A worker from a server that the scheduler hears.
  kFencedOff,          // A former owner that writes to a bucket.
  kListedMeanwhile,    // An object that comes or goes while a bucket is listed.
  kFrozenLeftOut,      // A push has the mark of a partition alone.
  kFrozenRowsLeftOut,  // A batch has rows of a frozen table.
  // Only where pushes are runs.
  kRunCut,  // By a worker that leaves, in asp.
  kCarefulLease,
  kBatchAllowed,     // By the scheduler, under such a lease.
  kSkipInARun,       // A round's item has two runs, or more.
  kSkipEndedLeases,  // In rounds.
  // Only where data grows.
  kDataAwaited,   // A look found nothing more.
  kLookLost,      // By a worker that died, or said nothing.
  kPartOfAnItem,  // Returned, as no more of it was there.
  kEndedByData,   // The job was finished by the end of its data.
  kEndedByOperator,
  kEndedBelowItsSize,  // The last item is shorter than it was.
  kCount,
};

inline Subject SubjectOf(Probe probe) {
  if (probe >= Probe::kDataAwaited) return Subject::kGrowing;
  return probe >= Probe::kRunCut ? Subject::kRuns : Subject::kAny;
}

absl::string_view FaultName(Fault fault);
absl::string_view ProbeName(Probe probe);

struct Counts {
  std::array<int64_t, static_cast<size_t>(Fault::kCount)> faults{};
  std::array<int64_t, static_cast<size_t>(Probe::kCount)> probes{};

  void Add(Fault fault, int64_t n = 1) {
    faults[static_cast<size_t>(fault)] += n;
  }
  void Add(Probe probe, int64_t n = 1) {
    probes[static_cast<size_t>(probe)] += n;
  }
  int64_t of(Fault fault) const { return faults[static_cast<size_t>(fault)]; }
  int64_t of(Probe probe) const { return probes[static_cast<size_t>(probe)]; }
  Counts& operator+=(const Counts& other) {
    for (size_t i = 0; i < faults.size(); ++i) faults[i] += other.faults[i];
    for (size_t i = 0; i < probes.size(); ++i) probes[i] += other.probes[i];
    return *this;
  }
};

}  // namespace ebb::sim

#endif  // EBB_SIM_COUNTS_H_
