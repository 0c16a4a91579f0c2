#include "optimizer/word_rules.h"

#include <glog/logging.h>

#include <cstdint>
#include <cstring>

#include "optimizer/internal/kernels.h"

namespace ebb {

namespace {

class WordRule : public Optimizer {
 public:
  std::span<const absl::string_view> SlotNames() const override { return {}; }
};

class Additive final : public WordRule {
 private:
  void StepRange(const StepContext& /*context*/,
                 const internal::KernelRange& range) const override {
    internal::AdditiveKernel(range);
  }
};

class Counts final : public WordRule {
 private:
  void StepRange(const StepContext& /*context*/,
                 const internal::KernelRange& range) const override {
    CHECK_EQ(range.width % 2, 0u);
    const size_t bytes = range.width * sizeof(float);
    for (const RowStep& row : range.rows) {
      const auto* from = reinterpret_cast<const std::byte*>(row.weights_in);
      auto* to = reinterpret_cast<std::byte*>(row.weights_out);
      // Records lie at multiples of four only.
      for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t sum = 0, more = 0;
        std::memcpy(&sum, from + at, sizeof(sum));
        std::memcpy(&more, row.gradient_sum + at, sizeof(more));
        sum += more;
        std::memcpy(to + at, &sum, sizeof(sum));
      }
    }
  }
};

class WriteOnce final : public WordRule {
 private:
  void StepRange(const StepContext& /*context*/,
                 const internal::KernelRange& range) const override {
    for (const RowStep& row : range.rows) {
      uint32_t first = 0;
      std::memcpy(&first, row.weights_in, sizeof(first));
      const void* from = row.gradient_sum;
      if (first != 0) from = row.weights_in;
      std::memmove(row.weights_out, from, range.width * sizeof(float));
    }
  }
};

class Replace final : public WordRule {
 private:
  void StepRange(const StepContext& /*context*/,
                 const internal::KernelRange& range) const override {
    for (const RowStep& row : range.rows) {
      std::memmove(row.weights_out, row.gradient_sum,
                   range.width * sizeof(float));
    }
  }
};

}  // namespace

std::unique_ptr<Optimizer> MakeAdditiveRule() {
  return std::make_unique<Additive>();
}

std::unique_ptr<Optimizer> MakeCountsRule() {
  return std::make_unique<Counts>();
}

std::unique_ptr<Optimizer> MakeWriteOnceRule() {
  return std::make_unique<WriteOnce>();
}

std::unique_ptr<Optimizer> MakeReplaceRule() {
  return std::make_unique<Replace>();
}

}  // namespace ebb
