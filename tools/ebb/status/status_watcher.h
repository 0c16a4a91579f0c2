// News about a running job for people: it compares one status of the scheduler
// with the one before.
#ifndef EBB_TOOLS_EBB_STATUS_STATUS_WATCHER_H_
#define EBB_TOOLS_EBB_STATUS_STATUS_WATCHER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "ebb/v1/scheduler.pb.h"

namespace ebb::tools {

struct Notice {
  enum class Kind {
    kResult,   // An evaluation: what training is for.
    kTrouble,  // A daemon is gone, or something is stuck.
    kRelief,   // They are back.
  };
  Kind kind = Kind::kResult;
  std::string text;
  bool lasting = false;  // It belongs among the warnings of the run, too.
};

// " after 3 failures in a row": of a batch, until its item was quarantined;
// nothing where none are known of.
std::string AfterFailures(int32_t failures);

// Not thread-safe.
class StatusWatcher {
 public:
  // `process_of` a daemon is 0 if it does not run now: a lost daemon whose
  // process runs was not heard.
  explicit StatusWatcher(
      std::function<int64_t(const std::string& daemon)> process_of = nullptr)
      : process_of_(std::move(process_of)) {}

  // Returns what is new in `status`, which has one job at most. Daemons that
  // are there at the first call are not news.
  std::vector<Notice> Update(const v1::GetStatusResponse& status,
                             absl::Time now);

  // From now on the loss of the daemon is not news: it was told to go, and
  // other code reports it. Until it is awaited.
  void LetGo(const std::string& daemon);
  void Await(const std::string& daemon) { let_go_.erase(daemon); }
  // It ended in good order: this is not a loss.
  void Left(const std::string& daemon) { left_.insert(daemon); }

 private:
  struct Item {
    int32_t epoch = 0;
    int32_t shard = 0;
    friend auto operator<=>(const Item&, const Item&) = default;
  };
  struct Held {
    std::string worker;
    int64_t position = 0;
    absl::Time since;  // Orphans: lost since.
  };

  void WatchScheduler(const v1::GetStatusResponse& status, absl::Time now,
                      std::vector<Notice>* notices);
  void WatchWorkers(const v1::GetStatusResponse& status, absl::Time now,
                    std::vector<Notice>* notices);
  void WatchServers(const v1::GetStatusResponse& status, absl::Time now,
                    std::vector<Notice>* notices);
  // Adds daemons that were there before the scheduler's new life, and were not
  // heard of in it yet.
  void KeepUnheard(std::map<uint64_t, std::string>* workers,
                   std::map<Item, Held>* held) const;
  // Follows a server that was connected before, or is now.
  void WatchServer(const v1::ServerStatus& server, const std::string& name,
                   std::vector<Notice>* notices);
  // Reports damage in a server's store, once the cost is known.
  void WatchStore(const v1::ServerStatus& server, absl::Time now,
                  std::vector<Notice>* notices);
  // Why one whose process this was is lost, where that is known.
  std::string WhyLost(const std::string& name, int64_t process) const;
  void WatchJob(const v1::JobStatus& job, std::vector<Notice>* notices);
  void WatchQuarantined(const v1::JobStatus& job, std::vector<Notice>* notices);
  void WatchSkipped(const v1::JobStatus& job, std::vector<Notice>* notices);
  void WatchCourse(const v1::JobStatus& job, std::vector<Notice>* notices);

  std::function<int64_t(const std::string&)> process_of_;
  bool first_ = true;
  int64_t scheduler_ = 0;  // Its process.
  // A scheduler in a new life has yet to hear of the daemons that are there:
  // until then, none is lost.
  absl::Time settled_;
  std::map<uint64_t, std::string> workers_;  // Sessions and their names.
  std::map<uint64_t, int64_t> processes_;    // Process ids of these sessions.
  std::map<std::string, int> lives_;  // Lives of a worker's name, so far.
  std::map<Item, Held> held_;
  std::map<Item, Held> orphans_;  // Their worker is lost.
  struct Server {
    bool connected = false;
    uint64_t session = 0;  // Session of the life that was connected last.
    int64_t process = 0;   // Its process, too.
    bool leaving = false;  // It is leaving.
  };
  std::map<int32_t, Server> servers_;
  // Heard of in this life of the scheduler: if one goes now, it is lost.
  std::set<int32_t> servers_heard_;
  std::set<uint64_t> workers_heard_;
  // Partitions of a server, when it last had any.
  std::map<int32_t, int> partitions_;
  std::map<int32_t, std::string> problems_;
  struct Damage {
    uint64_t session = 0;
    std::string told;  // The message given in this life of the server.
    absl::Time since;  // When there was more to tell; infinite: there is not.
  };
  std::map<int32_t, Damage> damage_;
  std::set<std::string> let_go_;
  std::set<std::string> left_;   // Until they are back.
  std::set<uint64_t> draining_;  // Sessions of workers.
  uint64_t generation_ = 0;
  int32_t epochs_ = 0;
  int32_t best_ = -1;  // The epoch whose version is kept; -1: none.
  bool diverges_ = false;
  bool late_updates_ = false;  // They were told.
  int evaluated_ = -1;         // The newest epoch whose evaluation was told.
  int quarantined_ = 0;
  bool non_finite_told_ = false;  // One that is quarantined now was told.
  int skipped_ = 0;
  v1::JobState state_ = v1::JOB_STATE_UNSPECIFIED;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_STATUS_WATCHER_H_
