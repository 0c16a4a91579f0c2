// The back end that computes with ebb's kernels, over whatever runs them.
#ifndef EBB_MODELS_GPU_KERNEL_BACKEND_H_
#define EBB_MODELS_GPU_KERNEL_BACKEND_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "models/backend.h"
#include "models/gpu/copies.h"
#include "models/gpu/gemm.h"
#include "models/gpu/kernels.h"
#include "models/gpu/lanes.h"
#include "models/gpu/memory_pool.h"
#include "models/gpu/recorder.h"

namespace ebb::models::gpu {

// An Engine is a BlockSource that has
//
//   absl::Status status() const;  // Once it is not OK, it stays so.
//
//   // For Lane::kCompute. No matrix is empty, and there are blocks.
//   void Zero(void* memory, int64_t bytes);
//   void Multiply(const Gemm& gemm);
//   // With bias(m) on each column and `f` in one.
//   void MultiplyFused(const Gemm& gemm, const float* bias, Activation f);
//   // True if it has such a one, which must be asked first. It may try, and
//   // leave in c what means nothing: then it calls `before` first.
//   bool HasFused(const Gemm& gemm, const float* bias, Activation f,
//                 absl::FunctionRef<void()> before);
//   template <typename Kernel>
//   void Launch(int64_t blocks, const Kernel& kernel);
//
//   // Keeps, undone, what `issue` calls of these; null, with the reason in
//   // the log: it cannot be. A Graph is a pointer, and gone before the engine.
//   Graph Capture(absl::FunctionRef<void()> issue);
//   void Replay(const Graph& graph);  // Does it.
//
//   // For any lane. The host's side is a slot, or pinned.
//   void CopyIn(Lane lane, const void* host, int64_t bytes, void* memory);
//   void CopyOut(Lane lane, const void* memory, int64_t bytes, void* host);
//   // The end of what the lane was given so far, in [0, kMarks).
//   void Mark(Lane lane, int mark);
//   // What `lane` is given from now on waits for the mark where it is now.
//   void Await(Lane lane, int mark);
//   void Sync(int mark);  // The host waits; not if it is unmarked.
//   bool Reached(int mark);  // True if Sync would not have to wait.
//
//   int64_t least_copy_bytes() const;  // See ComputeBackend.
//   int64_t slot_bytes() const;
//   void* slot(int i) const;  // 0 and 1: pinned memory of so many bytes.
//   std::shared_ptr<void> PinHost(void* memory, int64_t bytes);
//   bool IsPinned(const void* memory, int64_t bytes) const;
//   double TakeBusySeconds();  // By a BusyMeter.
//
// and returns before they are done, but for Sync. NewBlock and DeleteBlock wait
// for all lanes, if they must.
template <typename Engine>
class KernelBackend final : public ComputeBackend {
 public:
  // With `graphs`, recurring work is given to the device as one graph
  // (recorder.h).
  KernelBackend(std::string name, std::unique_ptr<Engine> engine, bool graphs)
      : name_(std::move(name)),
        engine_(std::move(engine)),
        recorder_(engine_.get(), graphs),
        pool_(&recorder_),
        copies_(&recorder_),
        parts_(this) {}

  absl::string_view name() const override { return name_; }
  bool uses_host_memory() const override { return false; }
  absl::Status TakeError() override {
    if (!engine_->status().ok()) return engine_->status();
    return std::exchange(error_, absl::OkStatus());
  }

  void* Allocate(int64_t bytes) override {
    if (Failed()) return nullptr;
    auto block = pool_.Allocate(std::max<int64_t>(bytes, 1));
    if (block.ok()) return *block;
    error_ = absl::Status(block.status().code(),
                          absl::StrCat(name_, ": ", block.status().message()));
    return nullptr;
  }
  void Free(void* memory) override {
    if (memory == nullptr) return;
    copies_.Join();
    pool_.Free(memory);
  }
  void CopyIn(const void* host, int64_t bytes, void* memory) override {
    if (bytes > 0 && !Failed()) copies_.In(host, bytes, memory);
  }
  void CopyOut(const void* memory, int64_t bytes, void* host) override {
    if (bytes > 0 && !Failed()) copies_.Out(memory, bytes, host);
  }
  CopyTicket BeginCopyIn(const void* host, int64_t bytes,
                         void* memory) override {
    if (bytes == 0 || Failed()) return CopyTicket::kNone;
    return copies_.BeginIn(host, bytes, memory);
  }
  void AwaitCopyIn(CopyTicket ticket) override { copies_.Await(ticket); }
  void BeginCopyOut(const void* memory, int64_t bytes, void* host) override {
    if (bytes > 0 && !Failed()) copies_.BeginOut(memory, bytes, host);
  }
  void MarkAhead() override { copies_.MarkAhead(); }
  void BeginCopyInAhead(const void* host, int64_t bytes,
                        void* memory) override {
    if (bytes > 0 && !Failed()) copies_.BeginInAhead(host, bytes, memory);
  }
  void WhileComputing(absl::FunctionRef<bool()> more) override {
    copies_.WhileComputing(more);
  }
  int64_t least_copy_bytes() const override {
    return engine_->least_copy_bytes();
  }
  void FinishCopies() override { copies_.Finish(); }
  std::shared_ptr<void> PinHost(void* memory, int64_t bytes) override {
    return engine_->PinHost(memory, bytes);
  }
  double TakeBusySeconds() override { return engine_->TakeBusySeconds(); }

  void MatMul(int64_t m, int64_t k, int64_t n, const float* a, const float* b,
              const float* bias, float* c) override {
    MatMulActivate(Activation::kIdentity, m, k, n, a, b, bias, c);
  }
  void MatMulActivate(Activation f, int64_t m, int64_t k, int64_t n,
                      const float* a, const float* b, const float* bias,
                      float* c) override {
    const Gemm gemm = Gemm::MatMul(m, k, n, a, b, c);
    if (bias != nullptr && m > 0 && k > 0 && n > 0 && !Failed() &&
        recorder_.MultiplyFused(gemm, bias, f)) {
      return;
    }
    Multiply(gemm);
    if (bias == nullptr && f == Activation::kIdentity) return;
    Elements(m * n, BiasElement{f, n, bias, c});
  }
  void MatMulTransA(int64_t m, int64_t k, int64_t n, const float* a,
                    const float* b, float* c) override {
    Multiply(Gemm::MatMulTransA(m, k, n, a, b, c));
  }
  void MatMulTransB(int64_t m, int64_t n, int64_t k, const float* a,
                    const float* b, float* c) override {
    Multiply(Gemm::MatMulTransB(m, n, k, a, b, c));
  }
  void SparseMatMul(int64_t m, int64_t n, const CsrView& a, const float* b,
                    const float* bias, float* c) override {
    if (n < kLanes) {
      Launch(SparseProductRows{m, n, Of(a), b, bias, c});
    } else {
      Elements(m * n, SparseProductElement{n, Of(a), b, bias, c});
    }
  }
  void SparseMatMulTransA(int64_t m, int64_t k, int64_t n, const CsrView& a,
                          const float* b, float* c) override {
    Zero(k * n, c);
    Entries(m, n, a, SparseTransposeTerm{n, Of(a), b, c});
  }
  void FactorScores(int64_t m, int64_t n, const CsrView& a, const float* b,
                    float* sums, float* scores) override {
    auto* const pairs = parts_.Reserve<double>(m * n);
    Elements(m * n, FactorSumElement{n, Of(a), b, sums, pairs});
    Elements(m, AddPairsElement{n, pairs, scores});
  }
  void FactorGradient(int64_t m, int64_t k, int64_t n, const CsrView& a,
                      const float* b, const float* sums, const float* delta,
                      float* c) override {
    Zero(k * n, c);
    Entries(m, n, a, FactorGradientTerm{n, Of(a), b, sums, delta, c});
  }
  void FieldFactorScores(int64_t m, int64_t f, int64_t n, const CsrView& a,
                         std::span<const uint16_t> fields, const float* b,
                         float* scores) override {
    Launch(FieldFactorRows{m, {f, n, Of(a), fields.data()}, b, scores});
  }
  void FieldFactorGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                           const CsrView& a, std::span<const uint16_t> fields,
                           const float* b, const float* delta,
                           float* c) override {
    Zero(k * f * n, c);
    const FieldFactors factors = {f, n, Of(a), fields.data()};
    Entries(m, n, a, FieldFactorTerm{factors, b, delta, c});
  }
  void FieldSums(int64_t m, int64_t f, int64_t n, const CsrView& a,
                 std::span<const uint16_t> fields, const float* b,
                 float* c) override {
    Elements(m * n, FieldSumElement{f, n, Of(a), fields.data(), b, c});
  }
  void FieldSumsGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                         const CsrView& a, std::span<const uint16_t> fields,
                         const float* delta, float* c) override {
    Zero(k * n, c);
    Entries(m, n, a, FieldSumsTerm{f, n, Of(a), fields.data(), delta, c});
  }
  void ColumnSums(int64_t m, int64_t n, const float* a, float* sums) override {
    const int64_t slices = ColumnParts::SlicesOf(m);
    auto* const parts = parts_.Reserve<double>(slices * n);
    Launch(ColumnParts{m, n, slices, a, parts});
    Elements(n, ColumnSumElement{slices, n, parts, sums});
  }

  void Activate(Activation f, int64_t count, float* x) override {
    if (f == Activation::kIdentity) return;
    Elements(count, ActivateElement{f, x});
  }
  void ActivateBackward(Activation f, int64_t count, const float* y,
                        float* gradient) override {
    if (f == Activation::kIdentity) return;
    Elements(count, ActivateBackwardElement{f, y, gradient});
  }
  void DropoutMask(const DropoutKey& key, float rate, int64_t rows,
                   int64_t columns, float* mask) override {
    uint64_t item = HashAppend(0, key.seed);
    item = HashAppend(item, static_cast<uint64_t>(key.epoch));
    item = HashAppend(item, static_cast<uint64_t>(key.shard));
    const DropoutBatch* batch = InMemory({item, key.first_position});
    const auto limit = static_cast<uint64_t>(double{rate} * 0x1p32);
    Elements(rows * ((columns + 1) / 2),
             DropoutPair{batch, key.layer, limit, 1.0f / (1.0f - rate), columns,
                         mask});
  }
  void Multiply(int64_t count, const float* x, const float* y,
                float* z) override {
    Elements(count, MultiplyElement{x, y, z});
  }

  void ComputeLoss(Loss loss, int64_t rows, int64_t columns,
                   const float* labels, const float* scores, float* gradient,
                   LossSums* sums) override {
    // The kernels know it as a LossPart.
    static_assert(sizeof(LossPart) == sizeof(LossSums) &&
                  offsetof(LossPart, correct) == offsetof(LossSums, correct));
    auto* const total = reinterpret_cast<LossPart*>(sums);
    int64_t blocks = 0;
    LossPart* parts = nullptr;
    if (loss == Loss::kSoftmax) {
      SoftmaxRows kernel = {rows, columns, labels, scores, gradient, nullptr};
      blocks = kernel.Blocks();
      kernel.parts = parts = parts_.Reserve<LossPart>(blocks);
      LaunchOn(blocks, kernel);
    } else {
      blocks = BlocksOfSums(rows, PointLosses::kThreads);
      parts = parts_.Reserve<LossPart>(blocks);
      LaunchOn(blocks,
               PointLosses{loss, rows, labels, scores, gradient, parts});
    }
    LaunchOn(1, SumParts<LossPart>{blocks, parts, total});
  }
  void ScoresToOutputs(Loss loss, int64_t rows, int64_t columns,
                       float* scores) override {
    switch (loss) {
      case Loss::kSquared:
        break;
      case Loss::kLogistic:
        Elements(rows, ProbabilityElement{scores});
        break;
      case Loss::kSoftmax:
        Launch(SoftmaxRows{rows, columns, nullptr, scores, scores, nullptr});
        break;
    }
  }

  void AddScaled(int64_t count, float alpha, const float* x,
                 float* y) override {
    Elements(count, AddScaledElement{alpha, x, y});
  }
  void AddScaledRows(int64_t m, int64_t n, float alpha, const float* scale,
                     const float* x, float* y) override {
    Elements(m * n, AddScaledRowElement{n, alpha, scale, x, y});
  }
  void Scale(int64_t count, float alpha, float* x) override {
    Elements(count, ScaleElement{alpha, x});
  }
  void SumOfSquares(int64_t count, const float* x, double* squares) override {
    const int64_t blocks = BlocksOfSums(count, SquareSums::kThreads);
    auto* const parts = parts_.Reserve<double>(blocks);
    LaunchOn(blocks, SquareSums{count, x, parts});
    LaunchOn(1, SumParts<double>{blocks, parts, squares});
  }
  void ClipMean(int64_t rows, double most, const double* squares, int64_t count,
                float* x) override {
    auto* const factor = parts_.Reserve<float>(1);
    Elements(1, ClipFactor{rows, most, squares, factor});
    Elements(count, ScaleByElement{factor, x});
  }

  Engine& engine() { return *engine_; }
  const Recorder<Engine>& recorder() const { return recorder_; }
  const MemoryPool& pool() const { return pool_; }
  // The engine has been given all that was called.
  void Flush() { recorder_.Flush(); }

 private:
  // Then nothing is done until TakeError.
  bool Failed() const { return !error_.ok() || !engine_->status().ok(); }

  static CsrPointers Of(const CsrView& a) {
    return {a.row_offsets.data(), a.columns.data(), a.values.data()};
  }
  // Enough to keep a device busy, and few to add up.
  static int64_t BlocksOfSums(int64_t count, int threads) {
    constexpr int64_t kMost = 1024;
    return std::min(CeilDivide(count, threads), kMost);
  }

  template <typename Kernel>
  void LaunchOn(int64_t blocks, const Kernel& kernel) {
    if (blocks > 0 && !Failed()) recorder_.Launch(blocks, kernel);
  }
  template <typename Kernel>
  void Launch(const Kernel& kernel) {
    LaunchOn(kernel.Blocks(), kernel);
  }
  template <typename Element>
  void Elements(int64_t count, const Element& of) {
    Launch(ForEachElement<Element>{count, of});
  }
  template <typename Term>
  void Entries(int64_t m, int64_t n, const CsrView& a, const Term& of) {
    Launch(ForEachEntry<Term>{m, n, Of(a), of});
  }
  void Zero(int64_t count, float* x) {
    if (count > 0 && !Failed()) recorder_.Zero(x, count * sizeof(float));
  }
  void Multiply(const Gemm& gemm) {
    if (gemm.m == 0 || gemm.n == 0) return;
    if (gemm.k == 0) return Zero(gemm.m * gemm.n, gemm.c);
    if (!Failed()) recorder_.Multiply(gemm);
  }
  // `batch` where masks that are called from now on read it.
  const DropoutBatch* InMemory(const DropoutBatch& batch) {
    if (dropout_ == nullptr) {
      dropout_ = static_cast<DropoutBatch*>(Allocate(sizeof(DropoutBatch)));
      // Held operations may use the memory of its last holder.
      recorder_.Flush();
    }
    if (Failed()) return dropout_;
    if (dropout_batch_ != batch) {
      // It is written before held operations: not before masks of another.
      if (dropout_segment_ == recorder_.segment()) recorder_.Flush();
      using Store = ForEachElement<StoreDropoutBatch>;
      recorder_.LaunchBefore(1, Store{1, {batch, dropout_}});
      dropout_batch_ = batch;
    }
    dropout_segment_ = recorder_.segment();
    return dropout_;
  }

  const std::string name_;
  const std::unique_ptr<Engine> engine_;
  Recorder<Engine> recorder_;
  MemoryPool pool_;
  Copies<Recorder<Engine>> copies_;
  absl::Status error_;  // Error of the pool.
  BackendArray parts_;  // Results of blocks for the kernel after them.
  // Never freed, as it keeps its content: the batch whose masks were called
  // last, and in which segment.
  DropoutBatch* dropout_ = nullptr;
  std::optional<DropoutBatch> dropout_batch_;
  int64_t dropout_segment_ = -1;
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_KERNEL_BACKEND_H_
