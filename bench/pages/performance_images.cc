#include "bench/pages/performance_images.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bench/common/paired.h"
#include "tools/text/charts.h"

namespace ebb::tools {

namespace {

using bench::Row;

constexpr char kGrpc[] = "dense-grpc";
constexpr char kBulk[] = "dense-bulk";
constexpr char kShared[] = "dense-shm";
constexpr char kTls[] = "dense-tls";
constexpr char kBulkTls[] = "dense-bulk-tls";
constexpr char kSpeed[] = "GB/s";
constexpr char kCpu[] = "CPU s/GB";

const BenchFigures* Find(const std::vector<PageSection>& sections,
                         absl::string_view name) {
  const auto it = std::ranges::find_if(sections, [&](const PageSection& one) {
    return one.figures.name == name;
  });
  return it == sections.end() ? nullptr : &it->figures;
}

// "push 4 MiB, 8 in flight".
struct CellName {
  std::string direction, size, flight;
};
std::optional<CellName> CellOf(absl::string_view what) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(what, absl::MaxSplits(", ", 1));
  const std::pair<absl::string_view, absl::string_view> name =
      absl::StrSplit(parts.first, absl::MaxSplits(' ', 1));
  if (!absl::EndsWith(parts.second, " in flight")) return std::nullopt;
  return CellName{std::string(name.first), std::string(name.second),
                  std::string(parts.second)};
}

// The rows of one measure, direction and number in flight, by size.
struct CellRows {
  std::vector<std::string> sizes;  // In their order.
  std::map<std::string, const Row*> rows;
};
CellRows RowsOf(const BenchFigures* figures, absl::string_view measure,
                absl::string_view direction, absl::string_view flight) {
  CellRows found;
  if (figures == nullptr) return found;
  for (const Row& row : figures->rows) {
    const auto cell = CellOf(row.what);
    if (!cell || row.measure != measure || cell->direction != direction ||
        cell->flight != flight) {
      continue;
    }
    found.sizes.push_back(cell->size);
    found.rows[cell->size] = &row;
  }
  return found;
}

class PerformanceCharts {
 public:
  explicit PerformanceCharts(const std::vector<PageSection>& sections)
      : sections_(sections) {}

  std::vector<PageImage> All() {
    for (const char* direction : {"push", "pull"}) {
      AddBandwidth(direction);
      AddCpu(direction);
    }
    AddTls();
    AddRows();
    AddKernels();
    AddJobs();
    AddScaling();
    AddSaturation();
    return std::move(images_);
  }

 private:
  void Add(const std::string& name, const std::string& title,
           const std::string& svg) {
    if (svg.empty()) return;
    images_.push_back(
        {absl::StrCat("performance-", name, ".svg"), title, SvgFile(svg)});
  }

  struct Sides {
    CellRows network, bulk, memory;
    CellRows axis;  // The first of them that has sizes, if any has.
  };
  Sides SidesOf(absl::string_view measure, absl::string_view direction) const {
    const auto rows = [&](const char* name) {
      return RowsOf(Find(sections_, name), measure, direction, kFlight);
    };
    Sides sides = {
        .network = rows(kGrpc), .bulk = rows(kBulk), .memory = rows(kShared)};
    for (const CellRows* side : {&sides.memory, &sides.bulk, &sides.network}) {
      if (!side->sizes.empty()) sides.axis = *side;
    }
    return sides;
  }

  void AddBandwidth(const std::string& direction) {
    const Sides sides = SidesOf(kSpeed, direction);
    const CellRows& axis = sides.axis;
    std::vector<Curve> curves = {{"raw socket", {}},
                                 {"gRPC", {}},
                                 {"bulk stream", {}},
                                 {"shared memory", {}}};
    for (size_t i = 0; i < axis.sizes.size(); ++i) {
      const auto x = static_cast<double>(i);
      const auto add = [&](const CellRows& from, size_t curve, bool limit) {
        const auto it = from.rows.find(axis.sizes[i]);
        if (it == from.rows.end()) return;
        curves[curve].points.emplace_back(
            x, limit ? it->second->limit : it->second->ours);
      };
      add(axis, 0, true);
      add(sides.network, 1, false);
      add(sides.bulk, 2, false);
      add(sides.memory, 3, false);
    }
    const std::string title =
        absl::StrCat("GB/s of a ", direction, " by size, eight in flight");
    Add(direction, title,
        Chart(title, curves,
              {.width = kWide, .floor = 0, .x_names = axis.sizes}));
  }

  void AddCpu(const std::string& direction) {
    const Sides sides = SidesOf(kCpu, direction);
    std::vector<BarGroup> groups;
    for (const std::string& size : sides.axis.sizes) {
      // With less, the cost is that of the message, not of the bytes.
      if (!absl::EndsWith(size, "MiB")) continue;
      BarGroup group = {.name = size};
      const auto add = [&](const CellRows& from, bool limit) {
        const auto it = from.rows.find(size);
        const bool there = it != from.rows.end();
        group.values.push_back(
            there ? std::optional<double>(limit ? it->second->limit
                                                : it->second->ours)
                  : std::nullopt);
      };
      // Both networks have the same limit.
      add(sides.network.sizes.empty() ? sides.bulk : sides.network, true);
      add(sides.network, false);
      add(sides.bulk, false);
      add(sides.memory, true);
      add(sides.memory, false);
      groups.push_back(std::move(group));
    }
    const std::string title = absl::StrCat(
        "CPU seconds per GB of a ", direction, ", both sides, eight in flight");
    Add(absl::StrCat(direction, "-cpu"), title,
        BarChart(title, groups,
                 {.width = kWide,
                  .series = {"raw socket", "gRPC", "bulk stream", "one process",
                             "shared memory"}}));
  }

  void AddTls() {
    AddTlsOf(kTls, "tls", "over gRPC", "plain text", "mutual TLS");
    AddTlsOf(kBulkTls, "bulk-tls", "by mutual TLS", "raw TLS socket",
             "bulk stream");
  }
  void AddTlsOf(const char* section, const std::string& file,
                absl::string_view how, const std::string& limit,
                const std::string& ours) {
    std::vector<BarGroup> groups;
    for (const char* direction : {"push", "pull"}) {
      const CellRows cells =
          RowsOf(Find(sections_, section), kCpu, direction, kFlight);
      for (const std::string& size : cells.sizes) {
        if (!absl::EndsWith(size, "MiB")) continue;
        const Row& row = *cells.rows.at(size);
        groups.push_back(
            {absl::StrCat(direction, " ", size), {row.limit, row.ours}});
      }
    }
    const std::string title = absl::StrCat("CPU seconds per GB ", how,
                                           ", both sides, eight in flight");
    const double width = kPerCell * static_cast<double>(groups.size());
    Add(file, title,
        BarChart(title, groups,
                 {.width = std::max(kWide, width), .series = {limit, ours}}));
  }
  // Rows are "push, 8 in flight".
  void AddRows() {
    constexpr std::pair<const char*, const char*> kTables[] = {
        {"sparse-grpc", "gRPC"},
        {"sparse-bulk", "bulk stream"},
        {"sparse-shm", "shared memory"},
        {"sparse-zipf", "gRPC, Zipf 1.1"},
        {"sparse-large", "gRPC, 10 M rows"}};
    std::vector<BarGroup> groups;
    for (const auto& [name, label] : kTables) {
      const BenchFigures* figures = Find(sections_, name);
      if (figures == nullptr) continue;
      for (const Row& row : figures->rows) {
        const std::vector<std::string> words = absl::StrSplit(row.what, ", ");
        groups.push_back(
            {absl::StrCat(words[0], " ", label), {row.limit, row.ours}});
      }
    }
    const std::string title = "Millions of rows per second, eight in flight";
    const double width = kPerName * static_cast<double>(groups.size());
    Add("rows", title,
        BarChart(title, groups,
                 {.width = std::max(kWide, width),
                  .series = {"hash map in one process", "ebb"}}));
  }

  void AddKernels() {
    const BenchFigures* kernels = Find(sections_, "kernels");
    if (kernels == nullptr || kernels->rows.empty()) return;
    std::vector<BarGroup> groups;
    std::optional<double> line;
    for (const Row& row : kernels->rows) {
      groups.push_back({row.what, {row.ratio.median}});
      if (row.bound) line = row.bound->value;
    }
    const std::string title =
        "The optimizers' share of the memory's speed (STREAM triad)";
    Add("kernels", title,
        BarChart(title, groups, {.width = kWide, .line = line}));
  }

  void AddJobs() {
    std::vector<BarGroup> speeds, cpus, accuracies;
    for (const char* name : {"peers", "job"}) {
      const BenchFigures* figures = Find(sections_, name);
      if (figures == nullptr) continue;
      for (const Contestant& one : figures->contestants) {
        speeds.push_back({one.name, {one.examples_per_second}});
        cpus.push_back({one.name, {one.cpu_seconds_per_million}});
        if (one.accuracy >= 0) {
          accuracies.push_back({one.name, {one.accuracy}});
        }
      }
    }
    const auto add = [&](const std::string& name, const std::string& title,
                         const std::vector<BarGroup>& groups) {
      // Names stand side by side.
      const double width = kPerName * static_cast<double>(groups.size());
      Add(name, title,
          BarChart(title, groups, {.width = std::max(kChartWidth, width)}));
    };
    add("speed", "Examples per second of the main job", speeds);
    add("cpu", "CPU seconds per million examples, all processes", cpus);
    add("accuracy", "Accuracy on the test data", accuracies);
  }

  // Rows are "4 workers, 2 servers".
  void AddScaling() {
    const BenchFigures* scaling = Find(sections_, "scaling");
    if (scaling == nullptr) return;
    std::vector<std::string> workers;
    std::vector<Curve> curves;
    for (const Row& row : scaling->rows) {
      const std::vector<std::string> sides = absl::StrSplit(row.what, ", ");
      if (sides.size() != 2) continue;
      auto x = std::ranges::find(workers, sides[0]);
      if (x == workers.end()) x = workers.insert(x, sides[0]);
      auto curve = std::ranges::find(curves, sides[1], &Curve::name);
      if (curve == curves.end()) curve = curves.insert(curve, {sides[1], {}});
      curve->points.emplace_back(static_cast<double>(x - workers.begin()),
                                 row.ratio.median);
    }
    if (curves.empty()) return;
    const std::string title =
        "Examples/s as a share of those of so many single workers";
    Add("scaling", title,
        Chart(title, curves, {.width = kWide, .floor = 0, .x_names = workers}));
  }

  // Shows what kWorkers workers take of a server, by what was measured of
  // values of 16 MiB: docs/scaling.md.
  void AddSaturation() {
    const BenchFigures* dense = Find(sections_, kGrpc);
    if (dense == nullptr) return;
    double cpu = 0;  // CPU time of the server, for a byte pulled and pushed.
    for (const char* what :
         {"push 16 MiB, 8 in flight", "pull 16 MiB, 8 in flight"}) {
      const auto it = dense->server_cpu_seconds_per_gb.find(what);
      if (it == dense->server_cpu_seconds_per_gb.end()) return;
      cpu += it->second * 1e-9;
    }
    constexpr double kWorkers = 16, kBatch = 1, kCores = 4;
    constexpr double kNetwork = 1.25e9;  // 10 Gbit/s, each way.
    std::vector<BarGroup> groups;
    for (const int mib : {4, 16, 64, 256}) {
      const double bytes = kWorkers * mib * (1 << 20) / kBatch;  // A second.
      groups.push_back({absl::StrCat(mib, " MiB"),
                        {bytes * cpu / kCores, bytes / kNetwork}});
    }
    const std::string title =
        "What 16 workers with batches of 1 s take of one server, by model";
    Add("saturation", title,
        BarChart(title, groups,
                 {.width = kWide,
                  .series = {"of 4 cores", "of 10 Gbit/s"},
                  .line = 1}));
  }

  static constexpr char kFlight[] = "8 in flight";
  static constexpr double kWide = 640;
  static constexpr double kPerName = 155;
  static constexpr double kPerCell = 90;

  const std::vector<PageSection>& sections_;
  std::vector<PageImage> images_;
};

}  // namespace

std::vector<PageImage> PerformanceImages(
    const std::vector<PageSection>& sections) {
  return PerformanceCharts(sections).All();
}

}  // namespace ebb::tools
