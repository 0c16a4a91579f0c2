// Keeps a set of daemons running: starts again what dies, less and less
// eagerly, and in the end gives up. A program of the user's is kept in the same
// way until it ends with exit code 0.
//
//   Supervisor supervisor(RestartPolicy{});
//   EBB_RETURN_IF_ERROR(supervisor.Start("ps 0", first_life, later_lives));
//   for (;;) {
//     for (const DaemonEvent& event : supervisor.Poll(SteadyNow()))
//     Tell(event);
//     ... wait for SIGCHLD or supervisor.NextDue() ...
//   }
#ifndef EBB_TOOLS_PROCESS_SUPERVISOR_H_
#define EBB_TOOLS_PROCESS_SUPERVISOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/steady_time.h"
#include "tools/process/child_process.h"

namespace ebb::tools {

struct RestartPolicy {
  // The wait before a daemon that died is started again; doubled for each
  // death that follows a life shorter than `steady_life`. Default 50 ms: most
  // deaths are single ones.
  absl::Duration first_wait = absl::Milliseconds(50);
  absl::Duration longest_wait = absl::Seconds(5);
  absl::Duration steady_life = absl::Seconds(5);
  // So many short lives in a row, without an order to end, after which it is
  // given up. Default 8: together they took about 10 seconds.
  int most_short_lives = 8;
  // With this exit code a daemon says that no other start can help before a
  // person has changed something (wrong flags, a folder that is in use): it is
  // given up at once. Default 2.
  int refusal = 2;
  // With this exit code a daemon says that it cannot begin for want of room, on
  // its disk or elsewhere, or on a disk that is read-only. A person may mend
  // that: it is started again each second, for so long. Default: 5, a minute.
  int no_room = 5;
  absl::Duration room_patience = absl::Minutes(1);

  // The wait after `short_lives` short lives in a row.
  absl::Duration WaitAfter(int short_lives) const;
};

// The orders to the life of a daemon.
struct Orders {
  // To end in good order: a daemon by SIGTERM, a program by SIGINT.
  bool asked = false;
  bool killed = false;    // By our SIGKILL, at once or as it took too long.
  bool at_place = false;  // To kill itself at a place.
  int asked_by = 0;       // The last signal that asked.

  bool any() const { return asked || killed || at_place; }
  // True if a daemon ends this way after such an order. One that was asked ends
  // with code 0, or by the SIGTERM itself if it was just starting. One that was
  // killed, by us or itself, ends by SIGKILL. Any other end is as bad as a
  // death without an order.
  bool MetBy(const ProcessEnd& end) const;
};

struct DaemonEvent {
  enum class Kind {
    kDied,
    kStarted,  // Again.
    kGivenUp,  // After kDied; it will not be started again.
  };
  Kind kind = Kind::kDied;
  std::string daemon;
  pid_t pid = 0;
  // kDied: how; whether it was told to, by Kill, Stop and the like or by its
  // place; and whether it ended as one that was told so does (Orders::MetBy).
  ProcessEnd end;
  bool told = false;
  bool as_told = false;
  // kDied: the place where it killed itself, as KillThenAt ordered.
  std::string place;
  // kDied: how long it lived; whether it is a program that has done its task.
  absl::Duration life;
  bool finished = false;
  // kGivenUp: why.
  std::string reason;
};

// Not thread-safe. Ends everything it started when it is destroyed.
class Supervisor {
 public:
  explicit Supervisor(const RestartPolicy& policy) : policy_(policy) {}

  // Starts a daemon; after a death, `later` is started. If that cannot be
  // started, as no process or file is free, it is tried again as after a short
  // life.
  absl::Status Start(absl::string_view daemon, const ProcessSpec& first,
                     const ProcessSpec& later, absl::Time now);

  // Starts a program that ends by itself: with exit code 0 it has done its
  // task, and no life follows. Its other exit codes have no meaning here. It is
  // asked to end by SIGINT, as by Ctrl-C, and may then end as it likes.
  absl::Status StartProgram(absl::string_view name, const ProcessSpec& spec,
                            absl::Time now);

  // The lives that follow are started by `later` from now on.
  void SetLater(absl::string_view daemon, const ProcessSpec& later);

  // Notices deaths, and starts daemons that are due. Does not block.
  std::vector<DaemonEvent> Poll(absl::Time now);
  // When Poll has something to start or to kill; infinite: nothing.
  absl::Time NextDue() const;

  // Kills it with SIGKILL; it is started again, not before `back_at`, unless it
  // was stopped. False: it does not run.
  bool Kill(absl::string_view daemon,
            absl::Time back_at = absl::InfinitePast());
  // The same; the next life is `next`, which is to kill itself at `place`.
  bool KillThenAt(absl::string_view daemon, const ProcessSpec& next,
                  absl::string_view place);
  // Asks it to end, and kills it at `kill_at` if it is there still; it is
  // started again. False: it does not run. One that was asked already is not
  // asked twice (that would be: at once), and keeps the earlier `kill_at`.
  bool Terminate(absl::string_view daemon, absl::Time kill_at);
  // Sends it any signal; one that ends it is an order. False: it does not run.
  bool Signal(absl::string_view daemon, int signal);
  // Stands still from now on, or goes on. False: it does not run.
  bool Freeze(absl::string_view daemon);
  bool Thaw(absl::string_view daemon);
  // From now on: it is asked to end, as above, and not started again.
  void Stop(absl::string_view daemon,
            absl::Time kill_at = absl::InfiniteFuture());
  // It is killed and not started again.
  void Remove(absl::string_view daemon);

  bool Running(absl::string_view daemon) const;
  // It was started, and neither stopped nor removed: it runs, or will again.
  bool Kept(absl::string_view daemon) const;
  // True if it is a program that has done its task.
  bool Finished(absl::string_view program) const;
  // 0: it does not run.
  pid_t Pid(absl::string_view daemon) const;
  // The processes of daemons; programs have none here.
  std::vector<pid_t> Pids() const;
  // Names of the daemons that run and are to run on.
  std::vector<std::string> Names() const;

 private:
  struct Daemon {
    ProcessSpec later;
    // The next life, where it is another one, and its place; then the place of
    // the life that runs.
    std::optional<ProcessSpec> next;
    std::string next_place;
    std::string place;
    std::optional<ChildProcess> process;
    absl::Time started = absl::InfinitePast();
    absl::Time due = absl::InfiniteFuture();
    absl::Time kill_at = absl::InfiniteFuture();
    absl::Time back_at = absl::InfinitePast();  // The next life.
    int short_lives = 0;
    // When it found no room for the first time. A life that finds none has not
    // begun, however long it took to find out.
    absl::Time no_room_since = absl::InfiniteFuture();
    Orders orders;         // To the life that runs; at_place: see Death.
    bool stopped = false;  // No life follows.
    bool program = false;
    bool finished = false;  // It is a program, and has done its task.
  };

  void NoticeDeath(const std::string& name, Daemon* daemon, absl::Time now,
                   std::vector<DaemonEvent>* events);
  void StartAgain(const std::string& name, Daemon* daemon, absl::Time now,
                  std::vector<DaemonEvent>* events);
  // It found no room: starts it later, or gives it up.
  void AwaitRoom(Daemon* daemon, DaemonEvent event, absl::Time now,
                 std::vector<DaemonEvent>* events) const;
  // How it died.
  static DaemonEvent Death(const std::string& name, Daemon* daemon);
  void StartNoMore(absl::string_view daemon);
  const Daemon* Find(absl::string_view name) const;
  Daemon* Find(absl::string_view name);

  const RestartPolicy policy_;
  std::map<std::string, Daemon, std::less<>> daemons_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_SUPERVISOR_H_
