// A simulated process: it lives, dies, is stopped, comes back; its disk stays.
#ifndef EBB_SIM_NODE_H_
#define EBB_SIM_NODE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "scheduler/actions.h"
#include "sim/event_queue.h"

namespace ebb::sim {

class World;

// Thread-compatible. Its World owns it and outlives it.
class Node {
 public:
  Node(World* world, std::string name);
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const std::string& name() const { return name_; }
  bool alive() const { return alive_; }
  bool stopped() const { return stopped_; }
  uint64_t life() const { return life_; }

  // A new life, unless it lives.
  void Start();
  // SIGKILL: what it was about to do never happens.
  void Kill();
  // SIGSTOP and SIGCONT: what comes to it meanwhile waits.
  void Stop();
  void Resume();
  // It dies before the action after this many.
  void DieAfter(int actions) { actions_left_ = actions; }
  bool dies_soon() const { return actions_left_ >= 0; }

  // Runs the task in this life, `delay` from now or when the process goes on.
  void After(absl::Duration delay, Task task);
  void Run(Task task);

  // Factor of the time that work takes.
  double slowness = 1;

 protected:
  virtual void OnStart() = 0;
  virtual void OnKilled() = 0;
  virtual void OnTick() = 0;
  virtual absl::Time NextTick() const = 0;

  // For a stopped process: runs the task first when it goes on.
  void RunFirst(Task task) { deferred_.push_front(std::move(task)); }
  // False: it dies before this action.
  bool Survives();

  World* const world_;  // Not owned.

 private:
  // After each event: when is the next tick?
  void Settle();
  void TickDue(uint64_t life, absl::Time at);

  const std::string name_;
  bool alive_ = false;
  bool stopped_ = false;
  uint64_t life_ = 0;
  int actions_left_ = -1;
  std::deque<Task> deferred_;
  absl::Time tick_at_ = absl::InfiniteFuture();
  absl::Time last_tick_ = absl::InfinitePast();
  int ticks_at_once_ = 0;
};

class ClientNode;

// A session stream between a server or worker and the scheduler: ordered and
// reliable until it breaks, which both ends notice, each in its own time.
struct Stream {
  ClientNode* client = nullptr;  // Not owned.
  uint64_t client_life = 0;
  uint64_t scheduler_life = 0;
  scheduler::LinkId link;
  bool from_server = false;
  bool broken = false;
  // When it breaks, messages under way that arrive before these times still do.
  absl::Time cut_to_client = absl::InfiniteFuture();
  absl::Time cut_to_scheduler = absl::InfiniteFuture();
  absl::Time last_to_client = absl::InfinitePast();
  absl::Time last_to_scheduler = absl::InfinitePast();
};
using StreamPtr = std::shared_ptr<Stream>;

// A process that keeps a session with the scheduler.
class ClientNode : public Node {
 public:
  using Node::Node;

  const StreamPtr& stream() const { return stream_; }
  // The stream is up, or known to be down.
  void Connected(StreamPtr stream);
  void Lost(const StreamPtr& stream);

 protected:
  virtual bool IsServer() const = 0;
  virtual void OnConnected() = 0;
  virtual void OnDisconnected() = 0;

  // Connects, and connects again, for this life.
  void Connect(absl::Duration delay);
  // No longer wants a session.
  void StayAway() { away_ = true; }
  void ForgetStream();
  // Runs `handle` at the scheduler, in the order of the calls.
  void SendUp(Task handle);

 private:
  StreamPtr stream_;
  bool away_ = false;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_NODE_H_
