// Which process may be the server that it says it is.
//
// Decision logic only. Thread-compatible. Belongs to a SchedulerCore.
#ifndef EBB_SCHEDULER_SERVER_ADMISSION_H_
#define EBB_SCHEDULER_SERVER_ADMISSION_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/cluster.h"
#include "scheduler/scheduler_state.h"

namespace ebb::scheduler {

class ServerAdmission {
 public:
  // `state` is not owned, and outlives it.
  explicit ServerAdmission(SchedulerState* state) : state_(*state) {}

  // Returns whether the process may be this server; tells the one that may not.
  bool MayRegister(LinkId link, const RegisterServer& message,
                   Context* context);
  // Returns whether it has the shared folder that the server's newest versions
  // are in; tells one that has not.
  bool HasItsFolder(LinkId link, const RegisterServer& message,
                    Context* context);

  // An event begins.
  void NoteTime(absl::Time now);
  absl::Time last_event() const { return last_event_; }
  absl::Time NextTick() const;

 private:
  bool MayReplace(LinkId link, const RegisterServer& message,
                  const ServerInfo& server, Context* context);
  void Refuse(LinkId link, const RegisterServer& message, absl::string_view log,
              std::string reason, Context* context);
  bool LacksWhatItsIdHad(const RegisterServer& message,
                         const ServerInfo& known) const;

  SchedulerState& state_;
  absl::Time last_event_ = absl::InfinitePast();
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_SERVER_ADMISSION_H_
