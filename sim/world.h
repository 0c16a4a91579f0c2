// A cluster under virtual time: its processes, the network between them, the
// clock.
//
// It runs the production classes and decides nothing for them: it carries
// messages, keeps disks, and lets things go wrong. Thread-compatible: one
// thread, and no state outside the object.
#ifndef EBB_SIM_WORLD_H_
#define EBB_SIM_WORLD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "algorithms/algorithm.h"
#include "data/order.h"
#include "sim/arithmetic.h"
#include "sim/bucket.h"
#include "sim/checker.h"
#include "sim/counts.h"
#include "sim/describe.h"
#include "sim/event_queue.h"
#include "sim/meter.h"
#include "sim/node.h"
#include "sim/rng.h"
#include "sim/scenario.h"
#include "sim/scheduler_node.h"
#include "sim/server_node.h"
#include "sim/worker_node.h"

namespace ebb::sim {

class World {
 public:
  using TraceSink = std::function<void(absl::string_view line)>;

  // `trace` may be null.
  World(Scenario scenario, uint64_t seed, TraceSink trace);
  ~World();

  // --- Time ------------------------------------------------------------------
  EventQueue& queue() { return queue_; }
  absl::Time now() const { return queue_.now(); }
  absl::Duration elapsed() const { return now() - kStart; }
  // Runs until `done`, a violation, or `until`.
  void RunUntil(absl::Time until, const std::function<bool()>& done);

  // --- Nodes -----------------------------------------------------------------
  const Scenario& scenario() const { return scenario_; }
  SchedulerNode& scheduler() { return *scheduler_; }
  std::vector<std::unique_ptr<ServerNode>>& servers() { return servers_; }
  std::vector<std::unique_ptr<WorkerNode>>& workers() { return workers_; }
  WorkerNode& AddWorker();
  // A second process with the id of a server, on a disk of its own; once.
  ServerNode& AddTwin(ServerId of);
  ServerNode* twin() { return twin_.get(); }
  // The disk that servers share, if the scenario has one.
  server::MemoryDisk& shared_disk() { return shared_disk_; }
  // It may be a bucket instead; null: it is not.
  Bucket* bucket() { return bucket_.get(); }
  // The versions there, which a server that shares it can load.
  std::vector<VersionKey> SharedVersions() const {
    return bucket_ == nullptr ? shared_disk_.Versions() : bucket_->Versions();
  }
  // The process that served, or would, under this session; if it is gone, the
  // server with its id.
  ServerNode& ServerOf(const scheduler::Ownership& owner);
  // All processes; the scheduler first.
  std::vector<Node*> Nodes();
  ServerNode* ServerAt(absl::string_view address);
  SessionId NewSession() { return SessionId(next_session_++); }
  // The job's id, once it is submitted.
  JobId job;
  // The test loss that workers find in a snapshot of a judged job; else 0.
  std::map<int64_t, int32_t> evaluated;  // The epoch, by snapshot.
  double TestLoss(int64_t snapshot) const {
    const auto it = evaluated.find(snapshot);
    return scenario_.Judged() && it != evaluated.end()
               ? scenario_.losses[it->second]
               : 0;
  }
  // How many examples of data that grows are there; and whether there will be
  // no more. `lag`: as that was so long ago.
  int64_t DataThere(absl::Duration lag = absl::ZeroDuration()) const;
  bool DataEnded() const;
  // Kills it now and starts it again after a while.
  void KillAndRestart(Node* node);
  // No fault is under way or to come; everything killed is brought back.
  bool calm = false;

  // --- Network ---------------------------------------------------------------
  // A session stream to the scheduler; false: it cannot be reached.
  bool Dial(ClientNode* client, bool from_server);
  void SendUp(const StreamPtr& stream, Task handle);
  void SendDown(const StreamPtr& stream, Task handle);
  // Both ends learn of it, if they live.
  void Break(const StreamPtr& stream);
  // Between two processes, or one and all others.
  void Split(const Node* a, const Node* b);
  void Heal(const Node* a, const Node* b);
  bool Reachable(const Node& a, const Node& b) const;
  absl::Duration Delay(const Node& from, const Node& to);
  // When a message of no stream arrives, maybe before one that was sent before.
  absl::Time Arrival(const Node& from, const Node& to);
  // A message that may get lost; and one that comes twice.
  bool Loses();
  bool Duplicates();

  // --- What comes of it ------------------------------------------------------
  Rng& rng() { return rng_; }
  Arithmetic& arithmetic() { return arithmetic_; }
  const data::Order& order() const { return order_; }
  const std::shared_ptr<const Algorithm>& algorithm() const {
    return algorithm_;
  }
  Checker& checker() { return *checker_; }
  Counts& counts() { return counts_; }
  Meter& meter() { return meter_; }
  void Violate(std::string text);
  const std::string& violation() const { return violation_; }
  bool ok() const { return violation_.empty(); }
  bool tracing() const { return trace_ != nullptr; }
  // Parts are text, numbers or messages, which are described only if there is a
  // trace.
  template <typename... Parts>
  void Trace(const Node& node, const Parts&... parts) {
    if (trace_ != nullptr) TraceLine(node, absl::StrCat(TextOf(parts)...));
  }

 private:
  static const absl::Time kStart;

  void TraceLine(const Node& node, absl::string_view text);
  template <typename Part>
  static decltype(auto) TextOf(const Part& part) {
    if constexpr (requires { Describe(part); }) {
      return Describe(part);
    } else {
      return part;
    }
  }

  const Scenario scenario_;
  EventQueue queue_;
  Rng rng_;
  Arithmetic arithmetic_;
  const data::Order order_;  // Valid if the data lies in windows.
  const std::shared_ptr<const Algorithm> algorithm_;  // The scenario's.
  Counts counts_;
  Meter meter_;
  TraceSink trace_;
  std::string violation_;
  uint64_t next_session_ = 1000;
  uint64_t next_link_ = 1;
  std::set<std::pair<const Node*, const Node*>> splits_;
  absl::flat_hash_map<std::pair<const Node*, const Node*>, absl::Time>
      last_arrivals_;
  std::vector<std::weak_ptr<Stream>> streams_;
  std::unique_ptr<Checker> checker_;
  server::MemoryDisk shared_disk_;
  std::unique_ptr<Bucket> bucket_;  // Null: there is none.
  std::unique_ptr<SchedulerNode> scheduler_;
  std::vector<std::unique_ptr<ServerNode>> servers_;
  std::unique_ptr<ServerNode> twin_;  // Null: there was none.
  std::vector<std::unique_ptr<WorkerNode>> workers_;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_WORLD_H_
