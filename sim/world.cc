#include "sim/world.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace ebb::sim {

// Terms are wall clock times, so the clock of each run begins at a real one.
const absl::Time World::kStart = absl::FromUnixSeconds(1'800'000'000);

int64_t World::DataThere(absl::Duration lag) const {
  const Growth& growth = *scenario_.growth;
  absl::Duration passed = elapsed() - lag;
  const absl::Duration half = growth.lasts / 2;
  if (passed > half) passed = std::max(half, passed - growth.pause);
  const double share =
      std::clamp(absl::FDivDuration(passed, growth.lasts), 0.0, 1.0);
  return static_cast<int64_t>(
      share * static_cast<double>(scenario_.plan.AllExamples()));
}

bool World::DataEnded() const {
  return !scenario_.growth->finished_after &&
         DataThere() == scenario_.plan.AllExamples();
}

World::World(Scenario scenario, uint64_t seed, TraceSink trace)
    : scenario_(std::move(scenario)),
      queue_(kStart),
      rng_(Rng(seed).Fork(1)),
      arithmetic_(scenario_.plan, seed, scenario_.averages,
                  scenario_.epochs_beyond > 0, scenario_.tasks,
                  scenario_.contributions, scenario_.trained,
                  scenario_.frozen_rows),
      order_(scenario_.plan.seed,
             {scenario_.plan.examples, scenario_.plan.shard_size,
              scenario_.window}),
      algorithm_(BuiltinAlgorithms().Create(scenario_.algorithm).value()),
      trace_(std::move(trace)) {
  if (scenario_.poison) {
    if (scenario_.poison->chance == 1 && scenario_.poison->finite_at == 0) {
      arithmetic_.SetNeverApplied({scenario_.poison->range});
    }
    counts_.Add(Fault::kPoison);
  }
  checker_ = std::make_unique<Checker>(this);
  if (scenario_.bucket) {
    bucket_ = std::make_unique<Bucket>(this, Rng(seed).Fork(4));
  }
  scheduler_ = std::make_unique<SchedulerNode>(this);
  for (int i = 0; i < scenario_.servers; ++i) {
    servers_.push_back(std::make_unique<ServerNode>(this, ServerId(i), i));
  }
  for (int i = 0; i < scenario_.workers; ++i) AddWorker();
}

World::~World() = default;

WorkerNode& World::AddWorker() {
  workers_.push_back(
      std::make_unique<WorkerNode>(this, static_cast<int>(workers_.size())));
  return *workers_.back();
}

ServerNode& World::AddTwin(ServerId of) {
  twin_ = std::make_unique<ServerNode>(this, of, scenario_.servers);
  return *twin_;
}

ServerNode& World::ServerOf(const scheduler::Ownership& owner) {
  if (twin_ != nullptr && twin_->session() == owner.session) return *twin_;
  return *servers_[owner.owner.value()];
}

std::vector<Node*> World::Nodes() {
  std::vector<Node*> nodes = {scheduler_.get()};
  for (const auto& server : servers_) nodes.push_back(server.get());
  for (const auto& worker : workers_) nodes.push_back(worker.get());
  return nodes;
}

ServerNode* World::ServerAt(absl::string_view address) {
  int index = 0;
  if (!absl::ConsumePrefix(&address, "server-") ||
      !absl::SimpleAtoi(address, &index) || index < 0) {
    return nullptr;
  }
  if (index >= static_cast<int>(servers_.size())) return twin_.get();
  return servers_[index].get();
}

void World::RunUntil(absl::Time until, const std::function<bool()>& done) {
  while (ok() && !queue_.empty() && now() < until && !done()) {
    if (queue_.tasks_run() >= scenario_.most_events) {
      return Violate(
          absl::StrCat("I8: no end after ", queue_.tasks_run(), " events"));
    }
    queue_.RunOne();
  }
}

void World::KillAndRestart(Node* node) {
  node->Kill();
  const absl::Duration away =
      rng_.Chance(0.5)
          ? rng_.Between(absl::Milliseconds(1), absl::Milliseconds(100))
          : rng_.Between(absl::Milliseconds(50), absl::Milliseconds(1500));
  queue_.At(now() + away, [node] { node->Start(); });
}

// --- Network -----------------------------------------------------------------

bool World::Reachable(const Node& a, const Node& b) const {
  if (splits_.empty()) return true;
  const auto split = [&](const Node* x, const Node* y) {
    return splits_.contains({x, y});
  };
  return !split(&a, &b) && !split(&b, &a) && !split(&a, nullptr) &&
         !split(&b, nullptr);
}

void World::Split(const Node* a, const Node* b) {
  splits_.insert({a, b});
  for (const auto& weak : streams_) {
    const StreamPtr stream = weak.lock();
    if (stream != nullptr && !Reachable(*stream->client, *scheduler_)) {
      Break(stream);
    }
  }
}

void World::Heal(const Node* a, const Node* b) { splits_.erase({a, b}); }

absl::Duration World::Delay(const Node& from, const Node& to) {
  absl::Duration delay =
      rng_.Between(scenario_.delay.least, scenario_.delay.most);
  if (!calm && rng_.Chance(scenario_.slow_messages)) {
    counts_.Add(Fault::kMessageDelayed);
    delay += rng_.Between(absl::ZeroDuration(), scenario_.slow_delay);
  }
  return delay;
}

absl::Time World::Arrival(const Node& from, const Node& to) {
  const absl::Time at = now() + Delay(from, to);
  absl::Time& last = last_arrivals_[{&from, &to}];
  if (at < last) counts_.Add(Fault::kMessageOvertaken);
  last = std::max(last, at);
  return at;
}

bool World::Loses() {
  if (calm || !rng_.Chance(scenario_.lost_messages)) return false;
  counts_.Add(Fault::kMessageLost);
  return true;
}

bool World::Duplicates() {
  if (calm || !rng_.Chance(scenario_.duplicated_messages)) return false;
  counts_.Add(Fault::kMessageDuplicated);
  return true;
}

bool World::Dial(ClientNode* client, bool from_server) {
  if (!scheduler_->alive() || scheduler_->stopped() ||
      !Reachable(*client, *scheduler_)) {
    return false;
  }
  auto stream = std::make_shared<Stream>();
  stream->client = client;
  stream->client_life = client->life();
  stream->scheduler_life = scheduler_->life();
  stream->link = scheduler::LinkId(next_link_++);
  stream->from_server = from_server;
  std::erase_if(streams_, [](const auto& weak) { return weak.expired(); });
  streams_.push_back(stream);
  scheduler_->LinkUp(stream);
  client->Connected(std::move(stream));
  return true;
}

void World::SendUp(const StreamPtr& stream, Task handle) {
  if (stream->broken) return;
  const absl::Time at = std::max(stream->last_to_scheduler,
                                 now() + Delay(*stream->client, *scheduler_));
  stream->last_to_scheduler = at;
  queue_.At(at, [this, stream, handle = std::move(handle)]() mutable {
    if (now() > stream->cut_to_scheduler || !scheduler_->alive() ||
        scheduler_->life() != stream->scheduler_life) {
      return;
    }
    scheduler_->Run(std::move(handle));
  });
}

void World::SendDown(const StreamPtr& stream, Task handle) {
  if (stream->broken) return;
  const absl::Time at = std::max(stream->last_to_client,
                                 now() + Delay(*scheduler_, *stream->client));
  stream->last_to_client = at;
  queue_.At(at, [this, stream, handle = std::move(handle)]() mutable {
    ClientNode* client = stream->client;
    if (now() > stream->cut_to_client || !client->alive() ||
        client->life() != stream->client_life) {
      return;
    }
    client->Run([stream, client, handle = std::move(handle)]() mutable {
      if (client->stream() == stream) handle();
    });
  });
}

void World::Break(const StreamPtr& stream) {
  if (stream->broken) return;
  stream->broken = true;
  const auto notice = [&] {
    return rng_.Chance(0.7)
               ? rng_.Between(absl::ZeroDuration(), absl::Milliseconds(5))
               : rng_.Between(absl::ZeroDuration(), absl::Milliseconds(800));
  };
  const absl::Duration at_client = notice(), at_scheduler = notice();
  stream->cut_to_client = now() + rng_.Between(absl::ZeroDuration(), at_client);
  stream->cut_to_scheduler =
      now() + rng_.Between(absl::ZeroDuration(), at_scheduler);
  queue_.At(now() + at_client, [stream] {
    ClientNode* client = stream->client;
    if (!client->alive() || client->life() != stream->client_life) return;
    client->Run([client, stream] { client->Lost(stream); });
  });
  queue_.At(now() + at_scheduler, [this, stream] {
    if (!scheduler_->alive() || scheduler_->life() != stream->scheduler_life) {
      return;
    }
    scheduler_->Run([this, stream] { scheduler_->LinkDown(*stream); });
  });
}

// --- What comes of it --------------------------------------------------------

void World::Violate(std::string text) {
  if (!violation_.empty()) return;
  violation_ =
      absl::StrCat("at ", absl::FormatDuration(now() - kStart), ": ", text);
  Trace(*scheduler_, "VIOLATION ", violation_);
}

void World::TraceLine(const Node& node, absl::string_view text) {
  trace_(absl::StrFormat("%11.6f %-10s %s",
                         absl::ToDoubleSeconds(now() - kStart), node.name(),
                         text));
}

}  // namespace ebb::sim
