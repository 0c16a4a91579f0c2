#include "models/testing/emulated_gpu.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace ebb::models::testing {

using gpu::Lane;

namespace {

void Product(const gpu::Gemm& gemm) {
  for (int64_t i = 0; i < gemm.m; ++i) {
    for (int64_t j = 0; j < gemm.n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < gemm.k; ++p) {
        const float a =
            gemm.a[gemm.transpose_a ? p + i * gemm.lda : i + p * gemm.lda];
        const float b =
            gemm.b[gemm.transpose_b ? j + p * gemm.ldb : p + j * gemm.ldb];
        sum += double{a} * b;
      }
      gemm.c[i + j * gemm.ldc] = static_cast<float>(sum);
    }
  }
}

}  // namespace

EmulatedEngine::EmulatedEngine(const Schedule& schedule)
    : schedule_(schedule), random_(schedule.seed) {
  for (auto& slot : slots_) slot = std::make_unique<char[]>(slot_bytes());
}

EmulatedEngine::~EmulatedEngine() {
  Drain();
  CHECK(blocks_.empty()) << blocks_.size() << " blocks were not deleted";
}

void* EmulatedEngine::NewBlock(int64_t bytes) {
  CHECK(captured_ == nullptr) << "memory cannot be taken in a capture";
  if (bytes > memory_bytes_ - used_bytes_) return nullptr;
  constexpr int64_t kAlignment = 256;
  void* const block = std::aligned_alloc(
      kAlignment, gpu::CeilDivide(bytes, kAlignment) * kAlignment);
  CHECK(block != nullptr);
  std::memset(block, 0xff, bytes);  // NaN: nothing may read it unwritten.
  used_bytes_ += bytes;
  blocks_[block] = bytes;
  return block;
}

void EmulatedEngine::DeleteBlock(void* block) {
  CHECK(captured_ == nullptr) << "memory cannot be given back in a capture";
  Drain();
  const auto found = blocks_.find(block);
  CHECK(found != blocks_.end());
  used_bytes_ -= found->second;
  blocks_.erase(found);
  std::free(block);
}

void EmulatedEngine::Multiply(const gpu::Gemm& gemm) {
  Compute([gemm] { Product(gemm); });
}

bool EmulatedEngine::HasFused(const gpu::Gemm& gemm, const float* bias,
                              Activation f, absl::FunctionRef<void()> before) {
  if (f != Activation::kIdentity && f != Activation::kRelu) return false;
  const bool aligned = reinterpret_cast<uintptr_t>(bias) % 16 == 0;
  if (tried_.insert({gemm.m, gemm.n, gemm.k, f, aligned}).second) {
    before();
    Compute([gemm] { gemm.c[0] = 1e30f; });
  }
  return aligned;
}

void EmulatedEngine::MultiplyFused(const gpu::Gemm& gemm, const float* bias,
                                   Activation f) {
  Compute([this, gemm, bias, f] {
    CHECK(tried_.contains({gemm.m, gemm.n, gemm.k, f, true}));
    Product(gemm);
    for (int64_t j = 0; j < gemm.n; ++j) {
      for (int64_t i = 0; i < gemm.m; ++i) {
        float& c = gemm.c[i + j * gemm.ldc];
        c += bias[i];
        if (f == Activation::kRelu && c < 0) c = 0;
      }
    }
  });
}

EmulatedEngine::Graph EmulatedEngine::Capture(absl::FunctionRef<void()> issue) {
  CHECK(captured_ == nullptr);
  if (!status_.ok()) return nullptr;
  captured_ = std::make_unique<Captured>();
  const int64_t calls = calls_;
  issue();
  calls_ = calls;
  Graph graph = std::move(captured_);
  if (fail_captures_) return nullptr;
  ++captures_;
  return graph;
}

void EmulatedEngine::Replay(const Graph& graph) {
  ++calls_;
  ++replays_;
  launches_ += graph->launches;
  for (const auto& run : graph->runs) Call(Lane::kCompute, run);
}

void EmulatedEngine::Compute(std::function<void()> run) {
  ++calls_;
  if (captured_ != nullptr) {
    captured_->runs.push_back(std::move(run));
  } else {
    Call(Lane::kCompute, std::move(run));
  }
}

void EmulatedEngine::CopyIn(Lane lane, const void* host, int64_t bytes,
                            void* memory) {
  CHECK(IsPinned(host, bytes)) << "the device cannot read this by itself";
  if (host != slot(0) && host != slot(1)) ++direct_copies_;
  Call(lane, [=, this] {
    const bool computes = !QueueOf(Lane::kCompute).steps.empty();
    if (lane == Lane::kAhead && computes) ++copies_beside_;
    std::memcpy(memory, host, bytes);
  });
}

void EmulatedEngine::CopyOut(Lane lane, const void* memory, int64_t bytes,
                             void* host) {
  CHECK(IsPinned(host, bytes)) << "the device cannot write this by itself";
  if (host != slot(0) && host != slot(1)) ++direct_copies_;
  Call(lane, [=] { std::memcpy(host, memory, bytes); });
}

void EmulatedEngine::Mark(Lane lane, int mark) {
  CHECK(captured_ == nullptr) << "there are no marks in a capture";
  CHECK(mark >= 0 && mark < gpu::kMarks);
  marks_[mark] = {lane, QueueOf(lane).called};
}

void EmulatedEngine::Await(Lane lane, int mark) {
  Call(
      lane, [] {}, marks_[mark]);
}

void EmulatedEngine::Sync(int mark) {
  CHECK(captured_ == nullptr) << "nobody waits in a capture";
  const Place place = marks_[mark];
  while (!Reached(place)) RunOne();
}

bool EmulatedEngine::Reached(int mark) {
  if (Reached(marks_[mark])) return true;
  RunOne();
  return false;
}

bool EmulatedEngine::MayRun(Lane lane) {
  const Queue& queue = QueueOf(lane);
  return !queue.steps.empty() && Reached(queue.steps.front().after);
}

std::vector<Lane> EmulatedEngine::Runnable() {
  std::vector<Lane> lanes;
  for (const Lane lane : {Lane::kCompute, Lane::kCopy, Lane::kAhead}) {
    if (MayRun(lane)) lanes.push_back(lane);
  }
  return lanes;
}

void EmulatedEngine::RunFirst(Lane lane) {
  Queue& queue = QueueOf(lane);
  const Step step = std::move(queue.steps.front());
  queue.steps.pop_front();
  if (status_.ok()) step.run();
  busy_seconds_ += 1;
  ++queue.done;
}

void EmulatedEngine::RunOne() {
  const std::vector<Lane> lanes = Runnable();
  CHECK(!lanes.empty()) << "the lanes wait for each other";
  switch (schedule_.order) {
    case Schedule::Order::kAtOnce:
    case Schedule::Order::kCopiesLate:
      return RunFirst(lanes.front());
    case Schedule::Order::kCopiesEarly:
      return RunFirst(lanes.back());
    case Schedule::Order::kRandom:
      return RunFirst(lanes[random_() % lanes.size()]);
  }
}

void EmulatedEngine::Call(Lane lane, std::function<void()> run, Place after) {
  CHECK(captured_ == nullptr) << "this cannot be captured";
  Queue& queue = QueueOf(lane);
  queue.steps.push_back({std::move(run), after});
  ++queue.called;
  switch (schedule_.order) {
    case Schedule::Order::kAtOnce:
      return Drain();
    case Schedule::Order::kCopiesLate:
      while (MayRun(Lane::kCompute)) RunFirst(Lane::kCompute);
      return;
    case Schedule::Order::kCopiesEarly:
      for (const Lane lane : {Lane::kAhead, Lane::kCopy}) {
        while (MayRun(lane)) RunFirst(lane);
      }
      return;
    case Schedule::Order::kRandom:
      for (auto steps = random_() % 3; steps > 0; --steps) {
        if (!Runnable().empty()) RunOne();
      }
      return;
  }
}

void EmulatedEngine::Drain() {
  const auto left = [](const Queue& queue) { return !queue.steps.empty(); };
  while (std::ranges::any_of(queues_, left)) RunOne();
}

std::shared_ptr<void> EmulatedEngine::PinHost(void* memory, int64_t bytes) {
  const auto first = reinterpret_cast<uintptr_t>(memory);
  MutexLock lock(&pins_->mu);
  CHECK(pins_->ranges.emplace(first, bytes).second) << "pinned already";
  return {memory, [pins = pins_, first](void* /*memory*/) {
            MutexLock unlock(&pins->mu);
            pins->ranges.erase(first);
          }};
}

bool EmulatedEngine::IsPinned(const void* memory, int64_t bytes) const {
  for (const auto& slot : slots_) {
    if (memory == slot.get() && bytes <= slot_bytes()) return true;
  }
  const auto first = reinterpret_cast<uintptr_t>(memory);
  MutexLock lock(&pins_->mu);
  auto range = pins_->ranges.upper_bound(first);
  if (range == pins_->ranges.begin()) return false;
  --range;
  return first + bytes <= range->first + range->second;
}

int64_t EmulatedEngine::pinned_bytes() const {
  MutexLock lock(&pins_->mu);
  int64_t bytes = 0;
  for (const auto& [first, size] : pins_->ranges) bytes += size;
  return bytes;
}

std::unique_ptr<EmulatedGpu> MakeEmulatedGpu(const Schedule& schedule,
                                             bool graphs) {
  return std::make_unique<EmulatedGpu>(
      "gpu-emulated", std::make_unique<EmulatedEngine>(schedule), graphs);
}

std::vector<Schedule> ManySchedules(uint32_t random) {
  using Order = Schedule::Order;
  std::vector<Schedule> schedules = {
      {Order::kAtOnce}, {Order::kCopiesLate}, {Order::kCopiesEarly}};
  for (uint32_t seed = 1; seed <= random; ++seed) {
    schedules.push_back({Order::kRandom, seed});
  }
  return schedules;
}

std::string NameOf(const Schedule& schedule) {
  switch (schedule.order) {
    case Schedule::Order::kAtOnce:
      return "at_once";
    case Schedule::Order::kCopiesLate:
      return "late";
    case Schedule::Order::kCopiesEarly:
      return "early";
    case Schedule::Order::kRandom:
      break;
  }
  return absl::StrCat("random_", schedule.seed);
}

}  // namespace ebb::models::testing
