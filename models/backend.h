// The few operations of which models are made. An implementation brings models
// to another kind of machine.
#ifndef EBB_MODELS_BACKEND_H_
#define EBB_MODELS_BACKEND_H_

#include <cstdint>
#include <memory>
#include <set>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "models/batch.h"

namespace ebb::models {

enum class Activation { kIdentity, kRelu, kTanh, kSigmoid };

// The loss of one example with scores s and label y:
enum class Loss {
  kSquared,   // (s - y)^2 / 2; one score
  kLogistic,  // log(1 + exp(-s)) if y > 0, else log(1 + exp(s)); one score
  kSoftmax,   // log(sum_j exp(s_j)) - s_y; a score per class
};

struct LossSums {
  double loss = 0;
  // Examples whose label the scores predict: the largest score (the first of
  // equals), or the sign of a single one. None for kSquared.
  int64_t correct = 0;
};

// Names the random choices of a batch; row r is `first_position + r`.
struct DropoutKey {
  uint64_t seed = 0;
  int32_t epoch = 0;
  int32_t shard = 0;
  int64_t first_position = 0;
  int32_t layer = 0;
};

class BackendArray;

// A copy in that was begun (ComputeBackend::BeginCopyIn).
enum class CopyTicket : int64_t { kNone = 0 };

// Arithmetic on matrices of floats stored row after row. Pointers are to the
// back end's own memory (Allocate), inputs and outputs do not overlap unless
// a method works in place, and no size is negative. A NaN in an input reaches
// every output that depends on it. Operations take effect in the order of the
// calls; those that return a value wait for it. An operation allocates nothing
// once it has been called with the largest sizes.
//
// After a failure operations have no effect, and their results mean nothing.
// TakeError reports the failure. With a back end whose memory is its own, ask
// for it before you trust a result.
//
// Not thread-safe: one back end per computing thread. It outlives the models
// that use it.
class ComputeBackend {
 public:
  virtual ~ComputeBackend() = default;

  // "reference", "eigen-avx2", ...
  virtual absl::string_view name() const = 0;

  // True when operations work on ordinary memory, so that nothing need be
  // copied in or out.
  virtual bool uses_host_memory() const = 0;

  // Returns the failure since the last call, and forgets it. Ordinary memory
  // never fails.
  // kResourceExhausted: no memory; with ReleaseArrays and smaller sizes the
  // operations may be tried again.
  // kUnavailable: the device is lost, and nothing will work from now on.
  virtual absl::Status TakeError() { return absl::OkStatus(); }
  // Frees the memory of all arrays (BackendArray): Reserve gets it anew.
  void ReleaseArrays();

  // Memory aligned to 64 bytes. If there is none: null after a failure, or, of
  // ordinary memory, a CHECK that fails. Freed by Free (which takes null too)
  // before the back end goes.
  virtual void* Allocate(int64_t bytes) = 0;
  virtual void Free(void* memory) = 0;
  virtual void CopyIn(const void* host, int64_t bytes, void* memory) = 0;
  virtual void CopyOut(const void* memory, int64_t bytes, void* host) = 0;

  // Copies beside computing. They begin after the operations called so far,
  // and later ones do not wait for them. Until FinishCopies the host's side
  // stays as it is and is not read. Operations may use `memory` of a copy in
  // after AwaitCopyIn, and of a copy out they may only read it; Free takes it
  // at any time. Where there is one memory only, they are done at once.
  virtual CopyTicket BeginCopyIn(const void* host, int64_t bytes,
                                 void* memory) {
    CopyIn(host, bytes, memory);
    return CopyTicket::kNone;
  }
  // Operations from now on find what that copy brought, and those before it.
  virtual void AwaitCopyIn(CopyTicket /*ticket*/) {}
  virtual void BeginCopyOut(const void* memory, int64_t bytes, void* host) {
    CopyOut(memory, bytes, host);
  }
  // Marks the begin of copies for later computing. They begin after the
  // operations called before the last MarkAhead. Operations called since then
  // neither wait for them nor use `memory`; operations after FinishCopies may.
  virtual void MarkAhead() {}
  virtual void BeginCopyInAhead(const void* host, int64_t bytes, void* memory) {
    CopyIn(host, bytes, memory);
  }
  // Calls `more` again and again, until the operations called so far are done
  // or it returns false.
  virtual void WhileComputing(absl::FunctionRef<bool()> /*more*/) {}
  // Smaller ones cost more than they save: they are better made with others.
  virtual int64_t least_copy_bytes() const { return 0; }
  // Waits for all of them, after failures too.
  virtual void FinishCopies() {}
  // Keeps pages of the host in place, so that a device copies from and to them
  // without help. It is faster, for memory that is used again and does not
  // share its pages. The caller releases the result before it frees the memory,
  // perhaps after the back end has gone. Null: not possible, or of no use. Any
  // thread may call this, and any may release the pages.
  virtual std::shared_ptr<void> PinHost(void* /*memory*/, int64_t /*bytes*/) {
    return nullptr;
  }

  // Seconds in which a device had something to do, since the last call; 0 for
  // processors.
  virtual double TakeBusySeconds() { return 0; }

  // c(m, n) = a(m, k) b(k, n), plus bias(n) on each row unless it is null.
  virtual void MatMul(int64_t m, int64_t k, int64_t n, const float* a,
                      const float* b, const float* bias, float* c) = 0;
  // MatMul and Activate, in one where a back end can.
  virtual void MatMulActivate(Activation f, int64_t m, int64_t k, int64_t n,
                              const float* a, const float* b, const float* bias,
                              float* c) {
    MatMul(m, k, n, a, b, bias, c);
    if (f != Activation::kIdentity) Activate(f, m * n, c);
  }
  // Returns whether the two below can be called, and rows of SparseMatMul are
  // apart, too.
  virtual bool has_rows_apart() const { return false; }
  // MatMul, where the bits of a row of c follow from that row of a, b and bias
  // alone: not from the other rows, their number or its place among them.
  virtual void MatMulRowsApart(int64_t /*m*/, int64_t /*k*/, int64_t /*n*/,
                               const float* /*a*/, const float* /*b*/,
                               const float* /*bias*/, float* /*c*/) {}
  // Activate for x(m, n), where the bits of a row follow from that row alone.
  virtual void ActivateRowsApart(Activation /*f*/, int64_t /*m*/, int64_t /*n*/,
                                 float* /*x*/) {}
  // c(k, n) = a(m, k)' b(m, n).
  virtual void MatMulTransA(int64_t m, int64_t k, int64_t n, const float* a,
                            const float* b, float* c) = 0;
  // c(m, k) = a(m, n) b(k, n)'.
  virtual void MatMulTransB(int64_t m, int64_t n, int64_t k, const float* a,
                            const float* b, float* c) = 0;
  // MatMul and MatMulTransA for an `a` of m sparse rows with k columns.
  virtual void SparseMatMul(int64_t m, int64_t n, const CsrView& a,
                            const float* b, const float* bias, float* c) = 0;
  virtual void SparseMatMulTransA(int64_t m, int64_t k, int64_t n,
                                  const CsrView& a, const float* b,
                                  float* c) = 0;

  // The six below read m sparse rows `a` of entries (column, value), and all
  // but the first two their fields: one for each element of a.columns, in [0,
  // f). Pairs are those of entries, whatever their columns.

  // The pairwise part of a factorisation machine in time linear in the entries
  // (Rendle 2010, lemma 3.1). There is a factor b(k, n) of each column, and
  // sums(m, n) = a b. For each row, scores(m) grows by the sum over the pairs
  // of its entries of <b of the one, b of the other> times their values. This
  // is sum_j (sums_j^2 - sum_e (value_e b_ej)^2) / 2.
  virtual void FactorScores(int64_t m, int64_t n, const CsrView& a,
                            const float* b, float* sums, float* scores) = 0;
  // c(k, n) = the derivative by b of the sum of delta(m) times these scores,
  // given the `sums`.
  virtual void FactorGradient(int64_t m, int64_t k, int64_t n, const CsrView& a,
                              const float* b, const float* sums,
                              const float* delta, float* c) = 0;
  // The same with a factor of each column for each field of the other entry,
  // b(k, f, n). Scores are the sum over pairs of <b(column of the one, field of
  // the other), b(column of the other, field of the one)> times their values
  // (Juan et al. 2016, equation 4). Time is quadratic in the entries of a row.
  virtual void FieldFactorScores(int64_t m, int64_t f, int64_t n,
                                 const CsrView& a,
                                 std::span<const uint16_t> fields,
                                 const float* b, float* scores) = 0;
  // c(k, f, n) = the derivative by b of the sum of delta(m) times them.
  virtual void FieldFactorGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                                   const CsrView& a,
                                   std::span<const uint16_t> fields,
                                   const float* b, const float* delta,
                                   float* c) = 0;
  // c(m, f, n): SparseMatMul with b(k, n), apart for the entries of each field.
  virtual void FieldSums(int64_t m, int64_t f, int64_t n, const CsrView& a,
                         std::span<const uint16_t> fields, const float* b,
                         float* c) = 0;
  // c(k, n) = the derivative by b of the sum of delta(m, f, n) times them.
  virtual void FieldSumsGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                                 const CsrView& a,
                                 std::span<const uint16_t> fields,
                                 const float* delta, float* c) = 0;
  // sums(n) = the sum of the rows of a(m, n).
  virtual void ColumnSums(int64_t m, int64_t n, const float* a,
                          float* sums) = 0;

  // x = f(x), in place.
  virtual void Activate(Activation f, int64_t count, float* x) = 0;
  // gradient *= f'(x), given y = f(x).
  virtual void ActivateBackward(Activation f, int64_t count, const float* y,
                                float* gradient) = 0;
  // mask(rows, columns) = 0 with probability `rate`, else 1 / (1 - rate): a
  // function of the key, the row and the column, given by dropout.h.
  virtual void DropoutMask(const DropoutKey& key, float rate, int64_t rows,
                           int64_t columns, float* mask) = 0;
  // z = x * y, element by element; z may be x or y.
  virtual void Multiply(int64_t count, const float* x, const float* y,
                        float* z) = 0;

  // *sums = the loss of scores(rows, columns), summed over the rows. With
  // `gradient`, which may be null or `scores`, also the derivative of that sum.
  // Labels fit the loss.
  virtual void ComputeLoss(Loss loss, int64_t rows, int64_t columns,
                           const float* labels, const float* scores,
                           float* gradient, LossSums* sums) = 0;
  // Scores to what a user reads, in place: probabilities of the classes, the
  // probability of 1, or the value itself.
  virtual void ScoresToOutputs(Loss loss, int64_t rows, int64_t columns,
                               float* scores) = 0;

  // nearest(n): for each column of products(m, n) the place of the least of
  // costs(m) - products. -1 if another is at most slack(n) above it, or if
  // there is none, as all are infinite or not numbers. In ordinary memory only.
  virtual void FindLeast(int64_t m, int64_t n, const float* costs,
                         const float* products, const float* slack,
                         int32_t* nearest);

  // nearest(n): for each x of examples(n, d) the place of the least of costs(m)
  // - centroids(m, d) x, in one pass. -1 if another is at most rounding *
  // (|x|^2 + 3 longest^2) above it, or if there is none. d is at most
  // kMostTermsOfNearest. In ordinary memory only.
  static constexpr int64_t kMostTermsOfNearest = 64;
  virtual void FindNearest(int64_t m, int64_t d, int64_t n,
                           const float* centroids, const float* costs,
                           const float* examples, float rounding, float longest,
                           int32_t* nearest);
  // For each x of examples(n, d), in order, and its centroid c, that of
  // centroids(m, d) with the place nearest(n): adds x - c to the row of sums(m,
  // d) with this place, and |x - c|^2 to *squares. The bits are the same with
  // all sets of instructions. In ordinary memory only.
  virtual void AddDifferences(int64_t n, int64_t d, const float* examples,
                              const int32_t* nearest, const float* centroids,
                              float* sums, double* squares);

  // y += alpha x.
  virtual void AddScaled(int64_t count, float alpha, const float* x,
                         float* y) = 0;
  // y(m, n) += alpha * scale(m) * x(m, n), a number of `scale` for each row.
  virtual void AddScaledRows(int64_t m, int64_t n, float alpha,
                             const float* scale, const float* x, float* y) = 0;
  // x *= alpha.
  virtual void Scale(int64_t count, float alpha, float* x) = 0;
  // *squares = the sum of x(count)'s, added in double precision: finite exactly
  // if every element is.
  virtual void SumOfSquares(int64_t count, const float* x, double* squares) = 0;
  // Given the squares of x(count), the sum over `rows`: where the mean has a
  // finite norm above `most`, x is scaled so that it has that one.
  virtual void ClipMean(int64_t rows, double most, const double* squares,
                        int64_t count, float* x) = 0;

 private:
  friend class BackendArray;
  std::set<BackendArray*> arrays_;
};

// An array in a back end's memory that grows as needed and keeps its room, but
// for ReleaseArrays.
class BackendArray {
 public:
  explicit BackendArray(ComputeBackend* backend) : backend_(backend) {
    backend_->arrays_.insert(this);
  }
  ~BackendArray() {
    Release();
    backend_->arrays_.erase(this);
  }
  BackendArray(BackendArray&& other) noexcept
      : backend_(other.backend_),
        memory_(other.memory_),
        capacity_(other.capacity_) {
    backend_->arrays_.insert(this);
    other.memory_ = nullptr;
    other.capacity_ = 0;
  }
  BackendArray& operator=(BackendArray&&) = delete;

  // Room for `count` elements, whose values are not kept; null where Allocate
  // failed.
  template <typename T>
  T* Reserve(int64_t count) {
    const auto bytes = count * static_cast<int64_t>(sizeof(T));
    if (bytes > capacity_) {
      Release();
      memory_ = backend_->Allocate(bytes);
      if (memory_ != nullptr) capacity_ = bytes;
    }
    return static_cast<T*>(memory_);
  }
  // The result of the last Reserve, and its room.
  template <typename T>
  T* data() const {
    return static_cast<T*>(memory_);
  }
  template <typename T>
  int64_t capacity() const {
    return capacity_ / static_cast<int64_t>(sizeof(T));
  }
  // `host` where operations can read it: itself, or a copy in this array.
  template <typename T>
  std::span<const T> Import(std::span<const T> host) {
    if (backend_->uses_host_memory() || host.empty()) return host;
    T* memory = Reserve<T>(host.size());
    backend_->CopyIn(host.data(), host.size_bytes(), memory);
    return {memory, host.size()};
  }
  void Release() {
    backend_->Free(memory_);
    memory_ = nullptr;
    capacity_ = 0;
  }

 private:
  ComputeBackend* backend_;  // Not owned.
  void* memory_ = nullptr;
  int64_t capacity_ = 0;
};

inline void ComputeBackend::ReleaseArrays() {
  for (BackendArray* array : arrays_) array->Release();
}

}  // namespace ebb::models

#endif  // EBB_MODELS_BACKEND_H_
