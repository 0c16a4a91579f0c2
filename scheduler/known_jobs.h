// Which jobs there are: those that operators submit, those that a server
// remembers and the store does not, and those that were forgotten.
//
// Decision logic only. Thread-compatible. Belongs to a SchedulerCore.
#ifndef EBB_SCHEDULER_KNOWN_JOBS_H_
#define EBB_SCHEDULER_KNOWN_JOBS_H_

#include <map>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/scheduler_state.h"

namespace ebb::scheduler {

class KnownJobs {
 public:
  // `state` is not owned, and outlives it.
  explicit KnownJobs(SchedulerState* state) : state_(*state) {}

  // --- From the store --------------------------------------------------------
  void Load(JobRecordPtr record, JobState state);
  void LoadForgotten(JobId job, bool versions) { forgotten_[job] = versions; }

  // --- Operators -------------------------------------------------------------
  // Draws an id and begins the job, whose plan has been checked.
  JobId Submit(JobRecord record, Context* context);
  // The job is listed no more, and servers let go of it; with what they stored
  // of it if `versions`.
  void Forget(JobId job, bool versions, Context* context);

  // --- What servers say of jobs ----------------------------------------------
  // False: the job was forgotten, or what the server says cannot be.
  bool MayBelieve(const JobRegistration& registration, ServerId server,
                  Context* context) const;
  // Tells the server if the job was forgotten while it was away.
  void LetForget(const ServerInfo& server, const JobRegistration& registration,
                 Context* context) const;
  // Takes the job in, unless it is known.
  void Adopt(const JobRegistration& registration, Context* context);

  // --- When they start -------------------------------------------------------
  // Starts those that were adopted later than the others; all of them if
  // `ready`, else those that waited for long enough.
  void StartLate(bool ready, Context* context);
  bool any_late() const { return !late_.empty(); }
  // A job was adopted just now: a server that has its data may be on its way.
  bool InDoubt(absl::Time now) const { return now < DoubtEnds(); }
  absl::Time NextTick(absl::Time last_event) const;

 private:
  TrainingJob* Add(JobRecordPtr record, JobState state);
  void TellForget(const ServerInfo& server, JobId job, bool versions,
                  Context* context) const;
  absl::Time DoubtEnds() const {
    return adopted_at_ + state_.options.server_ttl;
  }

  SchedulerState& state_;
  // Jobs that were forgotten, the latest; true: with their versions.
  std::map<JobId, bool> forgotten_;
  // Jobs that were heard of later, and when they start at the latest.
  std::map<JobId, absl::Time> late_;
  // When a server was last heard of a job that is not in the store.
  absl::Time adopted_at_ = absl::InfinitePast();
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_KNOWN_JOBS_H_
