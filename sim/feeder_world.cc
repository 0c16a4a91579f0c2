#include "sim/feeder_world.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/objects/memory_objects.h"
#include "data/growing/codec.h"
#include "data/growing/message_decoder.h"
#include "data/growing/verify.h"
#include "feed/feeder_core.h"
#include "feed/message_queues.h"
#include "feed/object_builder.h"
#include "sim/rng.h"

namespace ebb::sim {

using data::growing::About;
using data::growing::ChainRules;
using data::growing::ChainTail;
using data::growing::DecodeObject;
using data::growing::Ends;
using data::growing::Floor;
using data::growing::FloorKey;
using data::growing::ObjectHeader;
using data::growing::ObjectKey;
using feed::FeederCore;
using feed::FeederCoreOptions;
using feed::MessageQueues;
using feed::ObjectBuilder;
using feed::Slice;

namespace {

constexpr int kPartitions = 3;
constexpr int64_t kOffsets = 60;  // The length of each log.
constexpr int kFeeders = 3;
constexpr int kSteps = 2500;
constexpr absl::Duration kStep = absl::Milliseconds(50);

std::string PartitionName(int p) { return absl::StrCat("p", p); }

// A number that names the message.
int64_t ValueOf(int p, int64_t offset) { return p * 1000 + offset; }

About WorldAbout() {
  About about;
  about.identity = std::string(data::growing::kIdentityBytes, 'w');
  about.on_lost = data::growing::OnLost::kSkip;
  about.schema = {data::Layout::kDense, false, false, 1};
  about.index.features = 1;
  return about;
}

data::SourceSpec WorldSpec() {
  data::SourceSpec spec;
  spec.has_labels = false;
  return spec;
}

// A log of messages and markers.
struct Log {
  std::vector<bool> messages;  // Else it is a marker.
  int64_t stable = 0;          // What lies below may be read.
  int64_t earliest = 0;        // What lies below was deleted.
};

class World {
 public:
  explicit World(uint64_t seed)
      : rng_(seed),
        // Appending feeders have messages of their own.
        appends_(rng_.Chance(0.3)),
        // Floors and late puts together need long sleeps.
        prunes_(rng_.Chance(0.6)),
        about_(WorldAbout()),
        decoder_(WorldSpec(), about_) {
    for (int p = 0; p < kPartitions; ++p) {
      for (int64_t i = 0; i < kOffsets; ++i) {
        logs_[p].messages.push_back(rng_.Chance(0.85));
      }
    }
    feeders_.resize(kFeeders);
  }

  WorldResult Run() {
    for (int step = 0; step < kSteps && violation_.empty(); ++step) {
      now_ += kStep;
      ChangeWorld();
      StepFeeder(static_cast<int>(rng_.Below(kFeeders)));
    }
    Check();
    return {violation_, counts_};
  }

 private:
  struct Life {
    FeederCore core;
    MessageQueues queues;
    ObjectBuilder builder;
    bool begun = false;
    Ends position;  // The offsets that the source reads next.
  };
  struct Feeder {
    std::unique_ptr<Life> life;
    int64_t sleeps = 0;
    // Appending: the next of its messages that no life has read yet.
    int64_t next = 0;
  };
  struct LatePut {
    std::string key;
    std::string bytes;
  };

  void Violate(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }

  // --- The store ---

  int64_t LowestPlace() const { return floor_ ? floor_->place : 0; }

  // A put takes effect.
  absl::Status Effect(const std::string& key, const std::string& bytes) {
    const bool was_there = store_.Get(key, {.bytes = 1}).ok();
    absl::Status put = CreateObject(&store_, key, bytes).status();
    if (!put.ok() || was_there) return put;
    const auto header = data::growing::PeekHeader(key, bytes);
    if (header->place < LowestPlace()) {
      ++counts_.void_puts;
      return put;
    }
    const auto [it, is_new] = accepted_.try_emplace(header->place, bytes);
    if (!is_new) Violate(absl::StrCat(key, " was put twice"));
    ++counts_.objects;
    return put;
  }

  absl::Status Put(const std::string& key, const std::string& bytes) {
    const int64_t die = rng_.Below(100);
    if (die < 5) {  // The request is lost, or comes late.
      ++counts_.lost_answers;
      if (die < 3) late_.push_back({key, bytes});
      return absl::UnavailableError("no answer");
    }
    if (die == 5) late_.push_back({key, bytes});  // And once more.
    absl::Status put = Effect(key, bytes);
    if (die < 12) {
      ++counts_.lost_answers;
      return absl::UnavailableError("no answer");
    }
    if (absl::IsAlreadyExists(put)) ++counts_.lost_races;
    return put;
  }

  void ChangeWorld() {
    for (Log& log : logs_) {
      if (rng_.Chance(0.2)) {
        log.stable = std::min(kOffsets, log.stable + rng_.Below(4));
      }
      if (!appends_ && rng_.Chance(0.002)) {
        log.earliest = std::min(log.stable, log.earliest + rng_.Below(9));
      }
    }
    if (!late_.empty() && rng_.Chance(0.05)) {
      const auto it = late_.begin() + rng_.Below(std::ssize(late_));
      ++counts_.late_puts;
      Effect(it->key, it->bytes).IgnoreError();  // Its caller is gone.
      late_.erase(it);
    }
    if (!deleting_.empty() && rng_.Chance(0.3)) {
      const auto it = deleting_.begin() + rng_.Below(std::ssize(deleting_));
      store_.Delete(*it).IgnoreError();  // A store in memory cannot fail.
      deleting_.erase(it);
    }
    if (prunes_ && rng_.Chance(0.03)) Prune();
  }

  // Puts a floor, and begins to delete what lies below.
  void Prune() {
    if (std::ssize(accepted_) < 3) return;
    const int64_t newest = accepted_.rbegin()->first;
    if (newest <= LowestPlace()) return;
    const int64_t place = rng_.Between(LowestPlace() + 1, newest);
    Floor floor;
    const std::string& below = accepted_.at(place - 1);
    const auto header = data::growing::PeekHeader("below", below);
    floor.identity = about_.identity;
    floor.floor = counts_.floors;
    floor.place = place;
    floor.number = header->first + header->count;
    floor.ends = header->ends;
    floor.totals = header->totals;
    floor.before = data::growing::HashOfObject(below);
    if (!CreateObject(&store_, FloorKey(floor.floor),
                      data::growing::EncodeFloor(floor))
             .ok()) {
      return Violate("a floor was there already");
    }
    for (int64_t k = LowestPlace(); k < place; ++k) {
      deleting_.push_back(ObjectKey(k));
    }
    ++counts_.floors;
    floor_ = floor;
  }

  // --- The feeders ---

  void StepFeeder(int i) {
    Feeder& feeder = feeders_[i];
    if (feeder.life == nullptr) {
      if (rng_.Chance(0.3)) Start(&feeder);
      return;
    }
    if (feeder.sleeps > 0) {
      --feeder.sleeps;
      return;
    }
    if (rng_.Chance(0.01)) {
      feeder.sleeps = rng_.Chance(0.5) ? 5 : 120;
      return;
    }
    // An appending feeder that dies loses what it has read: that is allowed,
    // and would hide mistakes.
    if (!appends_ && rng_.Chance(0.004)) {
      ++counts_.deaths;
      feeder.life.reset();
      return;
    }
    Act(i, feeder.life.get());
    if (feeder.life->core.watching()) ++counts_.watchers;
  }

  void Start(Feeder* feeder) {
    FeederCoreOptions options;
    options.identity = about_.identity;
    options.appends = appends_;
    options.interval = 4 * kStep;
    options.least_pause = kStep;
    options.most_pause = 8 * kStep;
    feeder->life.reset(
        new Life{FeederCore(options), MessageQueues(appends_, 1 << 20),
                 ObjectBuilder(&about_, &decoder_, WriterOf(feeder))});
  }

  void Act(int i, Life* life) {
    using Kind = FeederCore::Action::Kind;
    const FeederCore::Action action = life->core.Next(now_);
    if (const auto stored = life->core.TakeStored()) {
      life->queues.Drop(stored->ranges);
    }
    switch (action.kind) {
      case Kind::kGet: {
        if (rng_.Chance(0.02)) {
          life->core.TakeGet(absl::UnavailableError("no answer"), now_);
          break;
        }
        life->core.TakeGet(store_.Get(action.key, {.bytes = action.bytes}),
                           now_);
        break;
      }
      case Kind::kPut:
        life->core.TakePut(Put(action.key, life->core.proposed().bytes), now_);
        break;
      case Kind::kRead:
        Read(i, life);
        break;
      case Kind::kWait:
        break;
      case Kind::kStop:
        Stopped(i, life);
        break;
    }
    if (life->core.Next(now_).kind == Kind::kStop) Stopped(i, life);
    if (const auto stored = life->core.TakeStored()) {
      life->queues.Drop(stored->ranges);
    }
  }

  void Stopped(int i, Life* life) {
    const absl::Status& status = life->core.status();
    if (absl::IsFailedPrecondition(status) && appends_) {
      ++counts_.unsure;  // It says so, and stops for good.
      unsure_.insert(i);
      feeders_[i].sleeps = kSteps;
      return;
    }
    if (!status.ok())
      Violate(absl::StrCat("feeder ", i, ": ", status.ToString()));
    feeders_[i].sleeps = kSteps;  // The set has ended.
  }

  // Appending feeders sign their objects.
  std::string WriterOf(const Feeder* feeder) const {
    if (!appends_) return "";
    return absl::StrCat("writer ", feeder - feeders_.data());
  }

  // Polls the log of an ordinary feeder, and proposes.
  void Read(int i, Life* life) {
    if (life->core.TakeBeginning()) {
      const Ends& ends = life->core.tail().ends;
      if (!life->queues.Reset(ends) || !life->begun) {
        life->begun = true;
        life->position = ends;
      }
    }
    if (appends_) {
      PollOwn(i, life);
    } else {
      for (int p = 0; p < kPartitions; ++p) {
        if (rng_.Chance(0.6)) PollLog(p, life);
      }
    }
    const auto parts =
        life->queues.Take(life->core.tail().ends,
                          {.bytes = 1 << 20, .messages = rng_.Between(1, 12)});
    if (rng_.Chance(0.002) && counts_.objects > 20) {
      auto end = life->builder.BuildEnd(life->core.tail(), NowMs());
      if (end.ok()) life->core.Propose(*std::move(end));
      return;
    }
    if (parts.empty()) return;
    auto built = life->builder.Build(life->core.tail(), parts, NowMs());
    if (!built.ok()) return Violate(built.status().ToString());
    life->core.Propose(std::move(built->object));
  }

  int64_t NowMs() const {
    // The clocks of machines differ.
    return absl::ToUnixMillis(now_);
  }

  void PollLog(int p, Life* life) {
    const Log& log = logs_[p];
    int64_t& at = life->position[PartitionName(p)].end;
    Slice slice = {.partition = PartitionName(p), .begin = at};
    if (at < log.earliest) {
      slice.lost.push_back({PartitionName(p), at, log.earliest, "deleted"});
      counts_.lost_offsets += log.earliest - at;
      at = log.earliest;
    }
    const int64_t end = std::min(log.stable, at + rng_.Below(8));
    for (; at < end; ++at) {
      if (!log.messages[at]) continue;
      slice.messages.push_back({.offset = at,
                                .value = absl::StrCat(ValueOf(p, at)),
                                .absent = false,
                                .unix_ms = at * 10 + p});
    }
    slice.end = at;
    const absl::Status added = life->queues.Add(std::move(slice));
    if (!added.ok()) Violate(added.ToString());
  }

  // Messages that this feeder alone has.
  void PollOwn(int i, Life* life) {
    int64_t& next = feeders_[i].next;
    Slice slice = {.partition = "put", .begin = next};
    const int64_t end = std::min(kOffsets, next + rng_.Below(5));
    for (; next < end; ++next) {
      slice.messages.push_back(
          {.offset = next, .value = absl::StrCat(ValueOf(i, next))});
    }
    slice.end = next;
    const absl::Status added = life->queues.Add(std::move(slice));
    if (!added.ok()) Violate(added.ToString());
  }

  // --- The rules ---

  void Check() {
    ChainRules rules(about_.identity, std::nullopt);
    std::map<int, std::vector<int64_t>> found;
    std::map<int, std::vector<std::pair<int64_t, int64_t>>> lost;
    std::map<int, int64_t> ends;
    data::pack::Window window;
    for (const auto& [place, bytes] : accepted_) {
      const std::string name = ObjectKey(place);
      const auto header = DecodeObject(name, bytes, about_.schema, &window);
      if (!header.ok()) return Violate(header.status().ToString());
      const std::string problem =
          rules.Check(*header, data::growing::HashOfObject(bytes));
      if (!problem.empty()) return Violate(absl::StrCat(name, ": ", problem));
      if (header->end) ++counts_.ends;
      for (int64_t row = 0; row < header->count; ++row) {
        const auto value = static_cast<int64_t>(window.values[row]);
        found[static_cast<int>(value / 1000)].push_back(value % 1000);
      }
      for (const auto& range : header->lost) {
        int p = 0;
        if (!absl::SimpleAtoi(range.partition.substr(1), &p)) return;
        lost[p].emplace_back(range.begin, range.end);
      }
      for (const auto& [partition, end] : header->ends) {
        int p = 0;
        if (absl::SimpleAtoi(partition.substr(1), &p)) ends[p] = end.end;
      }
    }
    for (int p = 0; p < kPartitions && violation_.empty(); ++p) {
      if (appends_) {
        CheckOwn(p, found[p]);
      } else {
        CheckLog(p, ends[p], found[p], lost[p]);
      }
    }
  }

  void CheckLog(int p, int64_t end, const std::vector<int64_t>& found,
                const std::vector<std::pair<int64_t, int64_t>>& lost) {
    std::vector<int64_t> wanted;
    for (int64_t i = 0; i < end; ++i) {
      const bool is_lost = std::ranges::any_of(lost, [&](const auto& range) {
        return range.first <= i && i < range.second;
      });
      if (is_lost && i >= logs_[p].earliest) {
        Violate(absl::StrCat("p", p, "@", i, " is called lost"));
      }
      if (logs_[p].messages[i] && !is_lost) wanted.push_back(i);
    }
    if (found != wanted) {
      Violate(absl::StrCat("p", p, " has ", found.size(), " messages, not the ",
                           wanted.size(), " below its end, in order"));
    }
  }

  // The messages of an appending feeder: each once, in order. The last ones may
  // not be there yet.
  void CheckOwn(int i, const std::vector<int64_t>& found) {
    for (size_t n = 0; n < found.size(); ++n) {
      if (found[n] == static_cast<int64_t>(n)) continue;
      return Violate(
          absl::StrCat("message ", n, " of feeder ", i, " is ", found[n]));
    }
  }

  Rng rng_;
  const bool appends_;
  const bool prunes_;
  const About about_;
  const data::growing::MessageDecoder decoder_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
  Log logs_[kPartitions];
  MemoryObjects store_;
  std::vector<Feeder> feeders_;
  std::vector<LatePut> late_;
  std::vector<std::string> deleting_;
  std::optional<Floor> floor_;
  // All objects that counted when they were put, by place.
  std::map<int64_t, std::string> accepted_;
  std::set<int> unsure_;
  WorldCounts counts_;
  std::string violation_;
};

}  // namespace

void WorldCounts::Add(const WorldCounts& other) {
  objects += other.objects;
  lost_races += other.lost_races;
  lost_answers += other.lost_answers;
  late_puts += other.late_puts;
  void_puts += other.void_puts;
  floors += other.floors;
  lost_offsets += other.lost_offsets;
  deaths += other.deaths;
  watchers += other.watchers;
  ends += other.ends;
  unsure += other.unsure;
}

WorldResult RunFeederWorld(uint64_t seed) { return World(seed).Run(); }

}  // namespace ebb::sim
