#include "bench/rows/sparse_rows_bench.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <random>
#include <span>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/common/limits.h"
#include "bench/common/rows.h"
#include "bench/rows/bare_rows.h"
#include "common/status_macros.h"
#include "ebb/v1/job.pb.h"
#include "job/training.h"
#include "server/rows/row_table.h"

namespace ebb::bench {
namespace {

using server::BlockPool;
using server::RowCut;
using server::RowTable;
using server::RowUpdatePtr;

// Of the processor, for this thread: nothing here waits for anything, and what
// else runs on the machine does not count.
double ThreadSecondsOf(absl::FunctionRef<void()> work) {
  const auto now = [] {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_nsec) * 1e-9;
  };
  const double start = now();
  work();
  return now() - start;
}

// The keys of a push to one table, ascending, and where its gradients begin.
struct TablePush {
  size_t table = 0;
  std::vector<uint64_t> keys;
  size_t first_float = 0;
};
using Push = std::vector<TablePush>;

// Whatever is compared: all tables.
class Rows {
 public:
  virtual ~Rows() = default;
  virtual absl::Status Apply(const TablePush& push,
                             std::span<const float> gradient) = 0;
  virtual void Pull(const TablePush& pull, std::span<float> out) = 0;
};

class Bare : public Rows {
 public:
  Bare(const SparseRowsBenchOptions& options, const Optimizer& optimizer,
       const StepContext& context)
      : rows_(options.tables,
              (options.rows + options.tables - 1) / options.tables,
              options.width, optimizer),
        context_(context) {}

  void Create(size_t table, uint64_t key) { rows_.Create(table, key); }
  absl::Status Apply(const TablePush& push,
                     std::span<const float> gradient) override {
    rows_.Apply(push.table, push.keys, gradient, context_);
    return absl::OkStatus();
  }
  void Pull(const TablePush& pull, std::span<float> out) override {
    rows_.Pull(pull.table, pull.keys, out);
  }

 private:
  BareRows rows_;
  const StepContext context_;
};

class EbbRows : public Rows {
 public:
  EbbRows(std::vector<std::unique_ptr<RowTable>> tables,
          const StepContext& context)
      : tables_(std::move(tables)), context_(context) {}

  absl::Status Apply(const TablePush& push,
                     std::span<const float> gradient) override {
    RowTable& table = *tables_[push.table];
    EBB_ASSIGN_OR_RETURN(RowUpdatePtr update, table.Prepare(push.keys, 0));
    Payload payload;
    payload.Append(nullptr, std::as_bytes(gradient));
    GradientCursor cursor(payload);
    table.Apply(std::move(update), cursor, context_);
    return absl::OkStatus();
  }
  void Pull(const TablePush& pull, std::span<float> out) override {
    tables_[pull.table]->Gather(pull.keys, out);
  }

  std::vector<std::unique_ptr<RowTable>>& tables() { return tables_; }

 private:
  std::vector<std::unique_ptr<RowTable>> tables_;
  const StepContext context_;
};

class SparseRowsBench {
 public:
  explicit SparseRowsBench(const SparseRowsBenchOptions& options)
      : options_(options),
        width_(static_cast<size_t>(options.width)),
        sampler_(options.rows, options.zipf, options.seed),
        random_(options.seed) {}

  absl::StatusOr<SparseRowsReport> Measure() {
    EBB_RETURN_IF_ERROR(Make());
    EBB_RETURN_IF_ERROR(Fill());
    EBB_RETURN_IF_ERROR(MeasureSpeed());
    EBB_RETURN_IF_ERROR(Compare());
    EBB_RETURN_IF_ERROR(MeasureCuts());
    return std::move(report_);
  }

 private:
  absl::Status Make() {
    v1::Optimizer adagrad;
    adagrad.set_kind(v1::Optimizer::KIND_ADAGRAD);
    EBB_ASSIGN_OR_RETURN(const v1::Optimizer settings,
                         job::OptimizerOf(adagrad));
    EBB_ASSIGN_OR_RETURN(auto optimizer, MakeOptimizer(settings));
    optimizer_ = std::move(optimizer);
    // Far more than it takes: the bound reserves no memory.
    const int64_t bytes = 8 * RawBytes() + options_.tables * (int64_t{4} << 20);
    EBB_ASSIGN_OR_RETURN(pool_, BlockPool::Create({.max_bytes = bytes}));
    std::vector<std::unique_ptr<RowTable>> tables;
    server::RowTableOptions table = {.table = "bench", .width = options_.width};
    if (options_.staleness > 0) {
      table.rate_factor = [](int64_t staleness) {
        return 1 / (static_cast<double>(staleness) + 1);
      };
      context_.staleness = options_.staleness;
    }
    for (int64_t t = 0; t < options_.tables; ++t) {
      EBB_ASSIGN_OR_RETURN(tables.emplace_back(),
                           RowTable::Create(table, optimizer_, pool_));
    }
    ours_ = std::make_unique<EbbRows>(std::move(tables), context_);
    bare_ = std::make_unique<Bare>(options_, *optimizer_, context_);
    return absl::OkStatus();
  }

  int64_t RawBytes() const {
    return options_.rows * static_cast<int64_t>(8 + 2 * width_ * sizeof(float));
  }

  // Ids of rows, distinct, as a push.
  Push PushOf(const absl::flat_hash_set<uint64_t>& ids) const {
    const auto tables = static_cast<uint64_t>(options_.tables);
    Push push(tables);
    for (const uint64_t id : ids)
      push[id % tables].keys.push_back(RowSampler::KeyOf(id));
    size_t at = 0;
    for (size_t t = 0; t < tables; ++t) {
      push[t].table = t;
      push[t].first_float = at;
      std::ranges::sort(push[t].keys);
      at += push[t].keys.size() * width_;
    }
    std::erase_if(push, [](const TablePush& p) { return p.keys.empty(); });
    return push;
  }

  Push DrawPush(int64_t rows) { return PushOf(sampler_.Draw(rows)); }

  std::span<const float> GradientOf(const TablePush& push) const {
    return std::span(gradient_).subspan(push.first_float,
                                        push.keys.size() * width_);
  }

  // All rows, in the order of their ids, some at a time.
  absl::Status Fill() {
    constexpr int64_t kAtOnce = 64 * 1024;
    gradient_.resize(
        static_cast<size_t>(std::max(kAtOnce, options_.rows / 50)) * width_);
    std::uniform_real_distribution<float> value(-1, 1);
    for (float& g : gradient_) g = value(random_);
    for (int64_t first = 0; first < options_.rows; first += kAtOnce) {
      absl::flat_hash_set<uint64_t> ids;
      const int64_t last = std::min(first + kAtOnce, options_.rows);
      for (int64_t id = first; id < last; ++id) {
        ids.insert(static_cast<uint64_t>(id));
      }
      for (const TablePush& push : PushOf(ids)) {
        for (const uint64_t key : push.keys) bare_->Create(push.table, key);
        EBB_RETURN_IF_ERROR(bare_->Apply(push, GradientOf(push)));
        absl::Status status;
        const double seconds = ThreadSecondsOf(
            [&] { status = ours_->Apply(push, GradientOf(push)); });
        EBB_RETURN_IF_ERROR(status);
        report_.longest_push_seconds =
            std::max(report_.longest_push_seconds, seconds);
      }
    }
    return absl::OkStatus();
  }

  absl::Status MeasureSpeed() {
    std::vector<float> out(static_cast<size_t>(options_.push_rows) * width_);
    const std::array<Rows*, 2> both = {ours_.get(), bare_.get()};
    std::array<std::vector<double>, 2> push_rates, pull_rates;
    const double rows = static_cast<double>(options_.push_rows) *
                        static_cast<double>(options_.pushes);
    absl::Status status;
    // The first pair warms up and is not counted.
    for (int pair = -1; pair < options_.pairs; ++pair) {
      std::vector<Push> pushes, pulls;
      for (int64_t i = 0; i < options_.pushes; ++i) {
        pushes.push_back(DrawPush(options_.push_rows));
        pulls.push_back(DrawPush(options_.push_rows));
      }
      for (size_t i = 0; i < both.size(); ++i) {
        // Each goes first in every other pair.
        const size_t who = pair % 2 == 0 ? i : 1 - i;
        const double push_seconds = ThreadSecondsOf([&] {
          for (const Push& push : pushes) {
            for (const TablePush& part : push) {
              status.Update(both[who]->Apply(part, GradientOf(part)));
            }
          }
        });
        const double pull_seconds = ThreadSecondsOf([&] {
          for (const Push& pull : pulls) {
            for (const TablePush& part : pull) {
              both[who]->Pull(
                  part, std::span(out).subspan(part.first_float,
                                               part.keys.size() * width_));
            }
          }
        });
        if (pair < 0) continue;
        push_rates[who].push_back(rows / push_seconds / 1e6);
        pull_rates[who].push_back(rows / pull_seconds / 1e6);
      }
      EBB_RETURN_IF_ERROR(status);
    }
    report_.rows.push_back(
        MakeRow("push", "M rows/s", push_rates[0], push_rates[1], kPushBound));
    report_.rows.push_back(
        MakeRow("pull", "M rows/s", pull_rates[0], pull_rates[1], kPullBound));
    return absl::OkStatus();
  }

  // Both did the same pushes.
  absl::Status Compare() {
    if (options_.staleness > 0) return absl::OkStatus();
    for (int i = 0; i < 100; ++i) {
      const Push pull = DrawPush(options_.push_rows);
      for (const TablePush& part : pull) {
        std::vector<float> ours(part.keys.size() * width_), bare = ours;
        ours_->Pull(part, ours);
        bare_->Pull(part, bare);
        if (ours != bare) {
          return absl::InternalError(
              "rows and the bare work came to different weights");
        }
      }
    }
    return absl::OkStatus();
  }

  // Memory of all tables now.
  double Bytes() const {
    int64_t bytes = pool_->Stats().live_bytes();
    for (const auto& table : ours_->tables()) {
      bytes += table->Statistics().other_bytes;
    }
    return static_cast<double>(bytes);
  }

  absl::Status PushOnce(int64_t rows) {
    for (const TablePush& part : DrawPush(rows)) {
      EBB_RETURN_IF_ERROR(ours_->Apply(part, GradientOf(part)));
    }
    return absl::OkStatus();
  }

  absl::Status MeasureCuts() {
    const auto raw = static_cast<double>(RawBytes());
    const double rest = Bytes();
    double most = rest;
    int64_t whole = 0, deltas = 0;
    // One after the other, as a server does; pushes go on.
    constexpr int kPushes = 20;
    for (auto& table : ours_->tables()) {
      absl::StatusOr<RowCut> cut;
      report_.base_cut_seconds =
          std::max(report_.base_cut_seconds,
                   ThreadSecondsOf([&] { cut = table->TakeCut(); }));
      EBB_RETURN_IF_ERROR(cut.status());
      for (int i = 0; i < kPushes; ++i) {
        EBB_RETURN_IF_ERROR(PushOnce(options_.push_rows));
      }
      most = std::max(most, Bytes());
      cut->Seal();
      whole += cut->Bytes() + static_cast<int64_t>(cut->header.size());
      table->Written(cut->token);
    }
    // What those pushes changed is stored, and then a hundredth changes.
    for (const bool count : {false, true}) {
      if (count) EBB_RETURN_IF_ERROR(PushOnce(options_.rows / 100));
      for (auto& table : ours_->tables()) {
        absl::StatusOr<RowCut> cut;
        const double seconds = ThreadSecondsOf([&] { cut = table->TakeCut(); });
        EBB_RETURN_IF_ERROR(cut.status());
        most = std::max(most, Bytes());
        cut->Seal();
        if (count) {
          report_.delta_cut_seconds =
              std::max(report_.delta_cut_seconds, seconds);
          deltas += cut->NewBytes() + static_cast<int64_t>(cut->header.size());
        }
        table->Written(cut->token);
      }
    }
    constexpr double kMega = 1e6;
    const auto add = [&](std::string what, double ours, double limit,
                         Bound bound) {
      ours /= kMega;
      limit /= kMega;
      report_.rows.push_back(
          MakeRow(std::move(what), "MB", {&ours, 1}, {&limit, 1}, bound));
    };
    add("memory, at rest", rest, raw, kRestBound);
    add("memory, cuts taken", most, raw, kCutBound);
    add("cut of 1 % changed", static_cast<double>(deltas),
        static_cast<double>(whole), kDeltaBound);
    return absl::OkStatus();
  }

  const SparseRowsBenchOptions options_;
  const size_t width_;
  StepContext context_ = {.rate = 0.01f, .gradient_scale = 0.01f};
  RowSampler sampler_;
  std::mt19937_64 random_;
  std::shared_ptr<const Optimizer> optimizer_;
  std::shared_ptr<BlockPool> pool_;
  std::unique_ptr<EbbRows> ours_;
  std::unique_ptr<Bare> bare_;
  std::vector<float> gradient_;
  SparseRowsReport report_;
};

}  // namespace

absl::Status SparseRowsBenchOptions::Validate() const {
  if (tables < 1 || tables > 4096 || rows < 100 * tables ||
      rows > int64_t{1} << 30) {
    return absl::InvalidArgumentError(
        absl::StrCat("rows is ", rows, " and tables ", tables,
                     "; there must be 1 to 4096 tables, with 100 rows each at "
                     "least, and 2^30 in all at most"));
  }
  if (width < 1 || width > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("width is ", width, "; it must be from 1 to 1024"));
  }
  if (push_rows < 1 || push_rows > rows / 10 || push_rows > 65536) {
    return absl::InvalidArgumentError(absl::StrCat(
        "push_rows is ", push_rows,
        "; it must be from 1 to a tenth of the rows, 65536 at most"));
  }
  if (!(zipf >= 0 && zipf <= 2)) {
    return absl::InvalidArgumentError(
        absl::StrCat("zipf is ", zipf, "; it must be from 0 to 2"));
  }
  if (staleness < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("staleness is ", staleness, "; it must be at least 0"));
  }
  if (pairs < 1 || pushes < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("pairs is ", pairs, " and pushes ", pushes,
                     "; there must be at least one of each"));
  }
  return absl::OkStatus();
}

absl::StatusOr<SparseRowsReport> MeasureSparseRows(
    const SparseRowsBenchOptions& options) {
  EBB_RETURN_IF_ERROR(options.Validate());
  SparseRowsBench bench(options);
  return bench.Measure();
}

int RunSparseRowsBench(const SparseRowsBenchOptions& options, std::ostream& out,
                       std::ostream& err) {
  const auto report = MeasureSparseRows(options);
  if (!report.ok()) {
    err << "ebb-bench-sparse-rows: " << report.status().message() << "\n";
    return absl::IsInvalidArgument(report.status()) ? 2 : 1;
  }
  const double cut =
      std::max(report->base_cut_seconds, report->delta_cut_seconds);
  const bool fast = cut <= kCutSeconds;
  out << MachineText() << "\n"
#ifdef NDEBUG
      << "optimized build"
#else
      << "build with assertions"
#endif
      << ", CPU time of one thread; " << options.rows << " rows of "
      << options.width << " floats with Adagrad in " << options.tables
      << " tables, "
      << (options.zipf == 0 ? "uniform" : absl::StrCat("Zipf ", options.zipf))
      << ", pushes and pulls of " << options.push_rows << " rows, "
      << (options.staleness == 0
              ? ""
              : absl::StrCat("pushes ", options.staleness,
                             " updates late that take dynsgd's steps, "))
      << options.pairs << " pairs, seed " << options.seed << "\n\n"
      << RowsText(report->rows, "bare")
      << absl::StrFormat(
             "\nTaking a cut of a table: base %.2f ms, 1 %% changed %.2f ms at "
             "most; required <= %.0f ms, %s. Longest push to a table while "
             "it grew: %.2f ms.\n",
             1e3 * report->base_cut_seconds, 1e3 * report->delta_cut_seconds,
             1e3 * kCutSeconds, fast ? "holds" : "MISSED",
             1e3 * report->longest_push_seconds);
  return AllHold(report->rows) && fast ? 0 : 1;
}

}  // namespace ebb::bench
