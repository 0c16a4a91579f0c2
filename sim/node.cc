#include "sim/node.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/world.h"

namespace ebb::sim {

namespace {

// A core whose tick is due again at once, so many times, would spin.
constexpr int kMostTicksAtOnce = 100;

}  // namespace

Node::Node(World* world, std::string name)
    : world_(world), name_(std::move(name)) {}

Node::~Node() = default;

void Node::Start() {
  if (alive_) return;
  alive_ = true;
  stopped_ = false;
  ++life_;
  actions_left_ = -1;
  tick_at_ = absl::InfiniteFuture();
  world_->Trace(*this, "starts");
  OnStart();
  Settle();
}

void Node::Kill() {
  if (!alive_) return;
  world_->Trace(*this, "is killed");
  alive_ = false;
  stopped_ = false;
  actions_left_ = -1;
  deferred_.clear();
  OnKilled();
}

void Node::Stop() {
  if (!alive_ || stopped_) return;
  world_->Trace(*this, "is stopped");
  stopped_ = true;
}

void Node::Resume() {
  if (!alive_ || !stopped_) return;
  world_->Trace(*this, "goes on");
  stopped_ = false;
  const uint64_t life = life_;
  while (alive_ && life_ == life && !stopped_ && !deferred_.empty()) {
    Task task = std::move(deferred_.front());
    deferred_.pop_front();
    task();
  }
  if (alive_ && life_ == life && !stopped_) Settle();
}

void Node::After(absl::Duration delay, Task task) {
  world_->queue().At(world_->now() + delay,
                     [this, life = life_, task = std::move(task)]() mutable {
                       if (alive_ && life_ == life) Run(std::move(task));
                     });
}

void Node::Run(Task task) {
  if (stopped_) {
    deferred_.push_back(std::move(task));
    return;
  }
  task();
  Settle();
}

bool Node::Survives() {
  if (!alive_) return false;
  if (actions_left_ < 0) return true;
  if (actions_left_-- > 0) return true;
  world_->counts().Add(Fault::kKilledBetweenActions);
  world_->KillAndRestart(this);
  return false;
}

void Node::Settle() {
  if (!alive_ || stopped_) return;
  const absl::Time due = NextTick();
  if (due >= tick_at_ || due == absl::InfiniteFuture()) return;
  tick_at_ = std::max(due, world_->now());
  world_->queue().At(
      tick_at_, [this, life = life_, at = tick_at_] { TickDue(life, at); });
}

void Node::TickDue(uint64_t life, absl::Time at) {
  // Another was set since, for an earlier time: one that stayed beside it would
  // set a third, and so on, for as long as the process lives.
  if (!alive_ || life_ != life || tick_at_ != at) return;
  Run([this] {
    tick_at_ = absl::InfiniteFuture();
    if (NextTick() > world_->now()) return;
    ticks_at_once_ = last_tick_ == world_->now() ? ticks_at_once_ + 1 : 0;
    last_tick_ = world_->now();
    if (ticks_at_once_ > kMostTicksAtOnce) {
      world_->Violate(absl::StrCat("I8: ", name_,
                                   " spins: its tick is due "
                                   "again and again at one time"));
      return;
    }
    OnTick();
  });
}

// --- Sessions ----------------------------------------------------------------

void ClientNode::Connect(absl::Duration delay) {
  away_ = false;
  After(delay, [this] {
    if (stream_ != nullptr || away_) return;
    if (!world_->Dial(this, IsServer())) {
      Connect(absl::Milliseconds(world_->rng().Between(20, 150)));
    }
  });
}

void ClientNode::Connected(StreamPtr stream) {
  stream_ = std::move(stream);
  OnConnected();
}

void ClientNode::Lost(const StreamPtr& stream) {
  if (stream_ != stream) return;
  stream_ = nullptr;
  OnDisconnected();
  if (!away_) Connect(absl::Milliseconds(world_->rng().Between(1, 100)));
}

void ClientNode::ForgetStream() {
  if (stream_ == nullptr) return;
  const StreamPtr stream = std::exchange(stream_, nullptr);
  world_->Break(stream);
}

void ClientNode::SendUp(Task handle) {
  if (stream_ != nullptr) world_->SendUp(stream_, std::move(handle));
}

}  // namespace ebb::sim
