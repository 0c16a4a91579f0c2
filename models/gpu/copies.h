// Copies between the host and a device, in the order of computing or beside it.
#ifndef EBB_MODELS_GPU_COPIES_H_
#define EBB_MODELS_GPU_COPIES_H_

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "models/backend.h"
#include "models/gpu/lanes.h"
#include "models/gpu/staging.h"

namespace ebb::models::gpu {

// The copies of ComputeBackend, over an Engine (kernel_backend.h). Those from
// and to pinned memory the device does by itself; others go through two pinned
// slots in turns, which the host fills and empties.
//
//   compute: ... fork | layer 1 | layer 2 ...            | join
//   copy:             | values 1, values 2 ... gradients |
//   ahead:                      | the next batch's values  |
//
// Three rules keep one lane from overwriting what another still reads. A copy
// begins after all earlier computing calls (Fork). A copy ahead begins after
// all calls before the last MarkAhead. Computing goes on after all copies
// before a block changes hands (Join). A slot is used when its last use is
// over, in whichever lane that was.
template <typename Engine>
class Copies {
 public:
  // The engine is not owned and outlives it.
  explicit Copies(Engine* engine) : engine_(engine) {}

  // In the order of computing. `host` may change afterwards.
  void In(const void* host, int64_t bytes, void* memory) {
    StageIn(Lane::kCompute, host, bytes, memory);
  }
  // Waits for it.
  void Out(const void* memory, int64_t bytes, void* host) {
    StageOut(Lane::kCompute, memory, bytes, host);
  }

  CopyTicket BeginIn(const void* host, int64_t bytes, void* memory) {
    Fork();
    CopyIn(Lane::kCopy, host, bytes, memory);
    engine_->Mark(Lane::kCopy, MarkOf(++last_ticket_));
    under_way_ = true;
    return static_cast<CopyTicket>(last_ticket_);
  }
  void Await(CopyTicket ticket) {
    if (ticket == CopyTicket::kNone) return;
    engine_->Await(Lane::kCompute, MarkOf(static_cast<int64_t>(ticket)));
  }

  void MarkAhead() { engine_->Mark(Lane::kCompute, kBefore); }
  void BeginInAhead(const void* host, int64_t bytes, void* memory) {
    engine_->Await(Lane::kAhead, kBefore);
    CopyIn(Lane::kAhead, host, bytes, memory);
    under_way_ = ahead_ = true;
  }
  // Calls `more` until all is computed that was called, or it returns false.
  void WhileComputing(absl::FunctionRef<bool()> more) {
    engine_->Mark(Lane::kCompute, kComputed);
    while (!engine_->Reached(kComputed)) {
      CopyReady();
      if (!more()) return;
      std::this_thread::yield();
    }
  }

  void BeginOut(const void* memory, int64_t bytes, void* host) {
    under_way_ = true;
    if (engine_->IsPinned(host, bytes)) {
      Fork();
      return engine_->CopyOut(Lane::kCopy, memory, bytes, host);
    }
    // The host has to take part, and would have to wait here. It has more to
    // call first; the copy is ready while the device still computes.
    const int mark = kFirstOut + static_cast<int>(next_out_++ % kTurns);
    engine_->Mark(Lane::kCompute, mark);
    waiting_.push_back({memory, bytes, host, mark});
  }
  // The host waits for all that was begun.
  void Finish() {
    if (!under_way_) return;
    CopyWaiting();
    AwaitAhead();
    engine_->Mark(Lane::kCopy, kHost);
    engine_->Sync(kHost);
    under_way_ = false;
  }
  // Later calls wait for all copies that were begun.
  void Join() {
    if (!under_way_) return;
    CopyWaiting();
    AwaitAhead();
    engine_->Mark(Lane::kCopy, kJoin);
    engine_->Await(Lane::kCompute, kJoin);
  }

 private:
  struct Waiting {
    const void* memory;
    int64_t bytes;
    void* host;
    int ready;  // The mark.
  };

  // Marks: of the slots, of each purpose, and in turns for copies. A mark that
  // is used again stands for a later place of the same lane: waiting for it
  // takes longer.
  static constexpr int kHost = 2, kFork = 3, kJoin = 4;
  static constexpr int kBefore = 5, kAhead = 6, kComputed = 7;
  static constexpr int kTurns = 16;
  static constexpr int kFirstIn = 8, kFirstOut = kFirstIn + kTurns;
  static_assert(kFirstOut + kTurns <= kMarks);

  static int MarkOf(int64_t ticket) {
    return kFirstIn + static_cast<int>(ticket % kTurns);
  }

  void Fork() {
    engine_->Mark(Lane::kCompute, kFork);
    engine_->Await(Lane::kCopy, kFork);
  }

  // The copying lane goes on after the one ahead.
  void AwaitAhead() {
    if (!ahead_) return;
    engine_->Mark(Lane::kAhead, kAhead);
    engine_->Await(Lane::kCopy, kAhead);
    ahead_ = false;
  }

  void CopyIn(Lane lane, const void* host, int64_t bytes, void* memory) {
    if (engine_->IsPinned(host, bytes)) {
      engine_->CopyIn(lane, host, bytes, memory);
    } else {
      StageIn(lane, host, bytes, memory);
    }
  }
  void StageIn(Lane lane, const void* host, int64_t bytes, void* memory) {
    const auto* const from = static_cast<const char*>(host);
    auto* const to = static_cast<char*>(memory);
    const auto begin = [&](const Chunk& chunk) {
      void* const slot = engine_->slot(chunk.slot);
      engine_->Sync(chunk.slot);
      std::memcpy(slot, from + chunk.offset, chunk.bytes);
      engine_->CopyIn(lane, slot, chunk.bytes, to + chunk.offset);
      engine_->Mark(lane, chunk.slot);
    };
    next_slot_ = ForEachChunk(bytes, engine_->slot_bytes(), next_slot_, begin,
                              [](const Chunk&) {});
  }
  void StageOut(Lane lane, const void* memory, int64_t bytes, void* host) {
    const auto* const from = static_cast<const char*>(memory);
    auto* const to = static_cast<char*>(host);
    const auto begin = [&](const Chunk& chunk) {
      engine_->Sync(chunk.slot);  // A copy in may still read it.
      engine_->CopyOut(lane, from + chunk.offset, chunk.bytes,
                       engine_->slot(chunk.slot));
      engine_->Mark(lane, chunk.slot);
    };
    const auto end = [&](const Chunk& chunk) {
      engine_->Sync(chunk.slot);
      std::memcpy(to + chunk.offset, engine_->slot(chunk.slot), chunk.bytes);
    };
    next_slot_ =
        ForEachChunk(bytes, engine_->slot_bytes(), next_slot_, begin, end);
  }
  void CopyWaiting() {
    for (const Waiting& copy : waiting_) CopyOne(copy);
    waiting_.clear();
  }
  // Copies those that the host would not have to wait for.
  void CopyReady() {
    auto copy = waiting_.begin();
    while (copy != waiting_.end() && engine_->Reached(copy->ready)) {
      CopyOne(*copy++);
    }
    waiting_.erase(waiting_.begin(), copy);
  }
  void CopyOne(const Waiting& copy) {
    engine_->Await(Lane::kCopy, copy.ready);
    StageOut(Lane::kCopy, copy.memory, copy.bytes, copy.host);
  }

  Engine* const engine_;  // Not owned.
  int next_slot_ = 0;     // Slot s is free when mark s is reached.
  int64_t last_ticket_ = 0;
  int64_t next_out_ = 0;
  bool under_way_ = false;  // Something may be, since the last Finish.
  bool ahead_ = false;  // Part of it is something that kCopy does not wait for.
  std::vector<Waiting> waiting_;
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_COPIES_H_
