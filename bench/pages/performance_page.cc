#include "bench/pages/performance_page.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "bench/common/paired.h"

namespace ebb::tools {

namespace {

using bench::Bound;
using bench::Row;

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

}  // namespace

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
