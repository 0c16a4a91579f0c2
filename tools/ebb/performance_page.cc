#include "tools/ebb/performance_page.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "bench/paired.h"
#include "tools/ebb/charts.h"

namespace ebb::tools {

namespace {

using bench::Bound;
using bench::Row;

constexpr char kGrpc[] = "dense-grpc";
constexpr char kShared[] = "dense-shm";
constexpr char kSpeed[] = "GB/s";
constexpr char kCpu[] = "CPU s/GB";

// A vertical bar would end the cell.
std::string Cell(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"\n", " "}});
}

std::string BoundText(const Bound& bound) {
  return absl::StrFormat(
      "%s %g", bound.kind == Bound::Kind::kAtLeast ? "≥" : "≤", bound.value);
}

// By how much of the bound, in percent.
double Miss(const Row& row) {
  const double off = row.bound->kind == Bound::Kind::kAtLeast
                         ? row.bound->value - row.ratio.median
                         : row.ratio.median - row.bound->value;
  return 100 * off / row.bound->value;
}

std::string RowLine(const Row& row) {
  std::string verdict;
  if (row.bound) verdict = row.holds() ? "holds" : "**misses**";
  return absl::StrFormat(
      "| %s | %s | %.3g | %.3g | %.2f | %.2f–%.2f | %s | %s |\n",
      Cell(row.what), Cell(row.measure), row.limit, row.ours, row.ratio.median,
      row.ratio.low, row.ratio.high, row.bound ? BoundText(*row.bound) : "",
      verdict);
}

std::string Rows(const PageSection& section) {
  std::string text = absl::StrCat("| | | ", Cell(section.limit),
                                  " | ebb | ratio | spread | required | |\n"
                                  "|---|---|--:|--:|--:|---|---|---|\n");
  for (const Row& row : section.figures.rows) {
    absl::StrAppend(&text, RowLine(row));
  }
  return text;
}

std::string Sides(const std::vector<Contestant>& contestants) {
  if (contestants.empty()) return "";
  std::string text =
      "\n| | examples/s | CPU s per million examples | accuracy |\n"
      "|---|--:|--:|--:|\n";
  for (const Contestant& one : contestants) {
    absl::StrAppendFormat(
        &text, "| %s | %.0f | %.1f | %s |\n", Cell(one.name),
        one.examples_per_second, one.cpu_seconds_per_million,
        one.accuracy < 0 ? "" : absl::StrFormat("%.4f", one.accuracy));
  }
  return text;
}

std::string Section(const PageSection& section) {
  const BenchFigures& figures = section.figures;
  std::string text =
      absl::StrCat("\n## ", section.title, "\n\n`", section.command, "`");
  if (!figures.skipped.empty()) {
    return absl::StrCat(text, ": not measured: ", figures.skipped, "\n");
  }
  absl::StrAppendFormat(&text, ", %s, commit %s, in %.0f s.\n\n",
                        figures.measured, figures.commit, figures.seconds);
  absl::StrAppend(&text, Rows(section), Sides(figures.contestants));
  for (const std::string& note : figures.notes) {
    absl::StrAppend(&text, "\nNot measured: ", note, "\n");
  }
  return text;
}

std::string Machine(const std::vector<PageSection>& sections) {
  for (const PageSection& section : sections) {
    const BenchFigures& figures = section.figures;
    if (figures.machine.empty()) continue;
    return absl::StrCat("Machine: ", figures.machine, "; Linux ",
                        figures.kernel, ", congestion control ",
                        figures.congestion_control, ", loopback; build ",
                        figures.build, ".\n");
  }
  return "";
}

std::string Misses(const std::vector<PageSection>& sections,
                   const std::string& notes) {
  std::string lines;
  for (const PageSection& section : sections) {
    for (const Row& row : section.figures.rows) {
      if (row.holds()) continue;
      absl::StrAppendFormat(&lines, "| %s | %s | %s | %.2f | %s | %.0f %% |\n",
                            section.figures.name, Cell(row.what),
                            Cell(row.measure), row.ratio.median,
                            BoundText(*row.bound), Miss(row));
    }
  }
  if (lines.empty()) return "";
  std::string text = "\n## What misses\n\n";
  if (!notes.empty()) {
    absl::StrAppend(&text, "What bounds these rows, and what was tried: [",
                    notes, "](", notes, ").\n\n");
  }
  return absl::StrCat(text,
                      "| | | | ratio | required | misses by |\n"
                      "|---|---|---|--:|---|--:|\n",
                      lines);
}

// --- Charts ------------------------------------------------------------------
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

class Images {
 public:
  explicit Images(const std::vector<PageSection>& sections)
      : sections_(sections) {}

  std::vector<PageImage> All() {
    for (const char* direction : {"push", "pull"}) {
      AddBandwidth(direction);
      AddCpu(direction);
    }
    AddKernels();
    AddJobs();
    return std::move(images_);
  }

 private:
  void Add(const std::string& name, const std::string& title,
           const std::string& svg) {
    if (svg.empty()) return;
    images_.push_back(
        {absl::StrCat("performance-", name, ".svg"), title, SvgFile(svg)});
  }

  void AddBandwidth(const std::string& direction) {
    const CellRows network =
        RowsOf(Find(sections_, kGrpc), kSpeed, direction, kFlight);
    const CellRows memory =
        RowsOf(Find(sections_, kShared), kSpeed, direction, kFlight);
    const CellRows& axis = network.sizes.empty() ? memory : network;
    std::vector<Curve> curves = {
        {"raw socket", {}}, {"gRPC", {}}, {"shared memory", {}}};
    for (size_t i = 0; i < axis.sizes.size(); ++i) {
      const auto x = static_cast<double>(i);
      const auto add = [&](const CellRows& from, size_t curve, bool limit) {
        const auto it = from.rows.find(axis.sizes[i]);
        if (it == from.rows.end()) return;
        curves[curve].points.emplace_back(
            x, limit ? it->second->limit : it->second->ours);
      };
      add(axis, 0, true);
      add(network, 1, false);
      add(memory, 2, false);
    }
    const std::string title =
        absl::StrCat("GB/s of a ", direction, " by size, eight in flight");
    Add(direction, title,
        Chart(title, curves,
              {.width = kWide, .floor = 0, .x_names = axis.sizes}));
  }

  void AddCpu(const std::string& direction) {
    const CellRows network =
        RowsOf(Find(sections_, kGrpc), kCpu, direction, kFlight);
    const CellRows memory =
        RowsOf(Find(sections_, kShared), kCpu, direction, kFlight);
    const CellRows& axis = network.sizes.empty() ? memory : network;
    std::vector<BarGroup> groups;
    for (const std::string& size : axis.sizes) {
      // Of less it is the message that costs, not the bytes.
      if (!absl::EndsWith(size, "MiB")) continue;
      BarGroup group = {.name = size};
      for (const CellRows* from : {&network, &memory}) {
        const auto it = from->rows.find(size);
        const bool there = it != from->rows.end();
        group.values.push_back(there ? std::optional<double>(it->second->limit)
                                     : std::nullopt);
        group.values.push_back(there ? std::optional<double>(it->second->ours)
                                     : std::nullopt);
      }
      groups.push_back(std::move(group));
    }
    const std::string title = absl::StrCat(
        "CPU seconds per GB of a ", direction, ", both sides, eight in flight");
    Add(absl::StrCat(direction, "-cpu"), title,
        BarChart(title, groups,
                 {.width = kWide,
                  .series = {"raw socket", "gRPC", "one process",
                             "shared memory"}}));
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

  static constexpr char kFlight[] = "8 in flight";
  static constexpr double kWide = 640;
  static constexpr double kPerName = 155;

  const std::vector<PageSection>& sections_;
  std::vector<PageImage> images_;
};

}  // namespace

std::vector<PageImage> PerformanceImages(
    const std::vector<PageSection>& sections) {
  return Images(sections).All();
}

RowCount CountRows(const std::vector<PageSection>& sections) {
  RowCount count;
  for (const PageSection& section : sections) {
    if (!section.figures.skipped.empty()) ++count.benches_skipped;
    for (const Row& row : section.figures.rows) {
      if (!row.bound) continue;
      ++count.required;
      if (row.holds()) ++count.hold;
    }
  }
  return count;
}

std::string PerformancePage(const std::vector<PageSection>& sections,
                            const std::vector<PageImage>& images,
                            const PageOptions& options) {
  const RowCount count = CountRows(sections);
  std::string text = absl::StrCat(
      "# Performance\n\n"
      "Written by `",
      options.command, "`; do not edit.\n\n", Machine(sections));
  if (options.quick) {
    absl::StrAppend(&text,
                    "\n**Short samples (`--quick`): a look, no verdict.**\n");
  }
  absl::StrAppendFormat(
      &text,
      "\n**%d of %d rows hold.** Each ratio is the median over interleaved "
      "pairs of ebb and a limit of the same machine, or another system, with "
      "the lowest and highest pair as its spread; a row holds if its median "
      "does.\n",
      count.hold, count.required);
  absl::StrAppend(&text, Misses(sections, options.notes));
  if (!images.empty()) absl::StrAppend(&text, "\n## Charts\n");
  for (const PageImage& image : images) {
    absl::StrAppend(&text, "\n", image.title, ":\n\n![", image.title, "](",
                    options.images, image.file, ")\n");
  }
  for (const PageSection& section : sections) {
    absl::StrAppend(&text, Section(section));
  }
  return text;
}

}  // namespace ebb::tools
