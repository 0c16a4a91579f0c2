// Gives recurring work to a device as one graph.
#ifndef EBB_MODELS_GPU_RECORDER_H_
#define EBB_MODELS_GPU_RECORDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "models/backend.h"
#include "models/gpu/gemm.h"
#include "models/gpu/lanes.h"
#include "models/gpu/memory_pool.h"
#include "models/gpu/operations.h"

namespace ebb::models::gpu {

// Stands before an Engine (kernel_backend.h) and looks like one. A segment is
// the work of the computing lane between two points at which another lane or
// the host waits, or may be waited for: a copy in that lane, a mark, a wait.
//
//   first time    given to the engine operation by operation, and remembered
//   second time   captured as a graph, which is launched
//   from then on  the graph is launched
//
// A segment is the same only if all of its operations are, with all their
// arguments: memory, sizes, numbers. So a graph never does anything but what
// the operations would have done, whatever has become of the memory. Values
// that differ from batch to batch must lie in memory. To compare, the recorder
// holds back operations that may be those of a known segment, until it ends or
// goes on differently.
//
// Graphs are few, and go when memory goes back to the engine. If one cannot be
// captured, no more are made. Not thread-safe.
template <typename Engine>
class Recorder final : public BlockSource {
 public:
  // The engine is not owned and outlives it. Without `graphs` it is given
  // everything at once.
  Recorder(Engine* engine, bool graphs) : engine_(engine), graphs_(graphs) {}

  // Ends the segment: the engine has been given all of it.
  void Flush() {
    ++segment_;
    if (operations_.size() == 0) return;
    if (!Repeat()) {
      operations_.Issue(issued_, engine_);
      Remember();
    }
    operations_.Clear();
    issued_ = 0;
    match_ = kNone;
  }
  // The number of segments before the present one.
  int64_t segment() const { return segment_; }

  void Zero(void* memory, int64_t bytes) { Add(ZeroOperation{memory, bytes}); }
  void Multiply(const Gemm& gemm) { Add(Product{gemm}); }
  bool MultiplyFused(const Gemm& gemm, const float* bias, Activation f) {
    if (!engine_->HasFused(gemm, bias, f, [this] { Flush(); })) return false;
    Add(FusedProduct{gemm, bias, f});
    return true;
  }
  template <typename Kernel>
  void Launch(int64_t blocks, const Kernel& kernel) {
    Add(KernelLaunch<Kernel>{blocks, kernel});
  }
  // Runs before held operations, and is never part of a segment.
  template <typename Kernel>
  void LaunchBefore(int64_t blocks, const Kernel& kernel) {
    engine_->Launch(blocks, kernel);
  }

  void CopyIn(Lane lane, const void* host, int64_t bytes, void* memory) {
    if (lane == Lane::kCompute) Flush();
    engine_->CopyIn(lane, host, bytes, memory);
  }
  void CopyOut(Lane lane, const void* memory, int64_t bytes, void* host) {
    if (lane == Lane::kCompute) Flush();
    engine_->CopyOut(lane, memory, bytes, host);
  }
  void Mark(Lane lane, int mark) {
    if (lane == Lane::kCompute) Flush();
    engine_->Mark(lane, mark);
  }
  void Await(Lane lane, int mark) {
    if (lane == Lane::kCompute) Flush();
    engine_->Await(lane, mark);
  }
  void Sync(int mark) { engine_->Sync(mark); }
  bool Reached(int mark) { return engine_->Reached(mark); }
  int64_t slot_bytes() const { return engine_->slot_bytes(); }
  void* slot(int i) const { return engine_->slot(i); }
  bool IsPinned(const void* memory, int64_t bytes) const {
    return engine_->IsPinned(memory, bytes);
  }

  void* NewBlock(int64_t bytes) override { return engine_->NewBlock(bytes); }
  void DeleteBlock(void* block) override {
    Flush();
    engine_->DeleteBlock(block);
    known_.clear();
  }

  // Segments that have one.
  int64_t graphs() const {
    int64_t count = 0;
    for (const Known& known : known_) count += known.graph != nullptr;
    return count;
  }

 private:
  // A graph costs as much to launch as some operations do.
  static constexpr size_t kLeastOperations = 3;
  // Most operations of a segment; more are as good as more segments.
  static constexpr size_t kMostOperations = 256;
  // Known segments; each takes some KiB here, and more on the device.
  static constexpr size_t kMostKnown = 64;
  // A segment that occurred within this many segments is kept: else a step of
  // more than kMostKnown would be captured over and over.
  static constexpr int64_t kKept = 1024;
  static constexpr size_t kNone = SIZE_MAX;

  struct ZeroOperation {
    void Issue(Engine* engine) const { engine->Zero(memory, bytes); }
    bool operator==(const ZeroOperation&) const = default;
    void* memory;
    int64_t bytes;
  };
  struct Product {
    void Issue(Engine* engine) const { engine->Multiply(gemm); }
    bool operator==(const Product&) const = default;
    Gemm gemm;
  };
  struct FusedProduct {
    void Issue(Engine* engine) const { engine->MultiplyFused(gemm, bias, f); }
    bool operator==(const FusedProduct&) const = default;
    Gemm gemm;
    const float* bias;
    Activation f;
  };
  template <typename Kernel>
  struct KernelLaunch {
    void Issue(Engine* engine) const { engine->Launch(blocks, kernel); }
    bool operator==(const KernelLaunch&) const = default;
    int64_t blocks;
    Kernel kernel;
  };

  struct Known {
    Operations<Engine> operations;
    typename Engine::Graph graph;  // Null until it came again.
    int64_t last = 0;              // The segment.
  };

  template <typename Operation>
  void Add(const Operation& operation) {
    if (!graphs_) return operation.Issue(engine_);
    operations_.Add(operation);
    if (issued_ > 0 || !FindMatch()) {
      operations_.Issue(issued_, engine_);
      issued_ = operations_.size();
    }
    if (operations_.size() == kMostOperations) Flush();
  }

  // A known segment that begins as this one does.
  bool FindMatch() {
    const size_t last = operations_.size() - 1;
    if (match_ != kNone) {
      const Operations<Engine>& known = known_[match_].operations;
      if (last < known.size() && operations_.SameAt(last, known)) return true;
    }
    // Mostly they come in the order in which they first did.
    for (size_t i = 0; i < known_.size(); ++i) {
      match_ = (next_ + i) % known_.size();
      if (known_[match_].operations.StartsWith(operations_)) return true;
    }
    match_ = kNone;
    return false;
  }

  // False: it was not there before, or has no graph.
  bool Repeat() {
    if (match_ == kNone) return false;
    for (size_t i = 0; i < known_.size(); ++i) {
      const size_t at = (match_ + i) % known_.size();
      if (known_[at].operations == operations_) return Replay(at);
    }
    return false;
  }
  bool Replay(size_t at) {
    next_ = at + 1;
    Known& known = known_[at];
    known.last = segment_;
    if (known.graph == nullptr) {
      known.graph = engine_->Capture([this] { operations_.Issue(0, engine_); });
    }
    if (known.graph == nullptr) {
      graphs_ = false;  // The engine has said why.
      known_.clear();
      return false;
    }
    engine_->Replay(known.graph);
    return true;
  }

  void Remember() {
    if (!graphs_ || operations_.size() < kLeastOperations) return;
    size_t at = known_.size();
    if (at < kMostKnown) {
      known_.emplace_back();
    } else {
      at = 0;
      for (size_t i = 1; i < known_.size(); ++i) {
        if (known_[i].last < known_[at].last) at = i;
      }
      if (known_[at].last + kKept > segment_) return;
    }
    known_[at].operations = operations_;
    known_[at].graph = nullptr;
    known_[at].last = segment_;
  }

  Engine* const engine_;  // Not owned.
  bool graphs_;
  int64_t segment_ = 0;
  // The operations of the present segment. issued_ of them are with the engine:
  // none while it begins as known_[match_] does.
  Operations<Engine> operations_;
  size_t issued_ = 0;
  size_t match_ = kNone;
  std::vector<Known> known_;
  size_t next_ = 0;  // The next one is looked for here first.
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_RECORDER_H_
