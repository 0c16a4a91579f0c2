#include "bench/data/data_page.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "bench/common/paired.h"
#include "bench/pages/markdown.h"
#include "tools/text/charts.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

using bench::Bound;
using bench::Line;
using bench::Row;

constexpr char kTitle[] = "## Measured";
constexpr double kWide = 640;

std::string CachedText(bool cached) { return cached ? "cached" : "not cached"; }

std::string SeriesOf(const ReadingGroup& group) {
  return absl::StrCat(group.reader, ", ", CachedText(group.cached));
}

std::string FileOf(const std::string& format, const std::string& end) {
  return absl::StrCat("data-", absl::StrReplaceAll(format, {{" ", "-"}}), end,
                      ".svg");
}

// The formats in the order of the table.
std::vector<std::string> FormatsOf(const DataTable& table) {
  std::vector<std::string> formats;
  for (const Reading& one : table.readings) {
    if (std::ranges::count(formats, one.format) == 0) {
      formats.push_back(one.format);
    }
  }
  return formats;
}

int64_t MostBatches(const DataTable& table) {
  return std::ranges::max(table.readings, {}, &Reading::batches).batches;
}
int64_t MostExamples(const DataTable& table) {
  return std::ranges::max(table.readings, {}, &Reading::examples).examples();
}

PageImage ImageOf(std::string file, const std::string& title,
                  const std::string& svg) {
  return {std::move(file), title, SvgFile(svg)};
}

PageImage ByFormat(const DataTable& table) {
  const std::string title =
      absl::StrCat("Examples a second of ", WithCommas(MostExamples(table)),
                   " images, by format");
  std::vector<std::string> series;
  std::vector<BarGroup> bars;
  for (const std::string& format : FormatsOf(table)) {
    bars.push_back({.name = format});
  }
  for (const ReadingGroup& group : GroupsOf(table)) {
    const std::string name = SeriesOf(group);
    if (std::ranges::count(series, name) == 0) series.push_back(name);
  }
  for (BarGroup& bar : bars) {
    bar.values.resize(series.size());
    for (const ReadingGroup& group : GroupsOf(table)) {
      if (group.format != bar.name) continue;
      const auto at = std::ranges::find(series, SeriesOf(group));
      for (const Reading& one : group.readings) {
        if (one.examples() != MostExamples(table)) continue;
        bar.values[static_cast<size_t>(at - series.begin())] =
            one.examples_per_second;
      }
    }
  }
  return ImageOf("data-formats.svg", title,
                 BarChart(title, bars, {.width = kWide, .series = series}));
}

// A chart of one format, over the size of a batch or the number of examples.
PageImage Over(const DataTable& table, const std::string& format,
               bool examples) {
  std::set<int64_t> places;
  const auto place = [&](const Reading& one) -> std::optional<int64_t> {
    if (!examples) {
      return one.batches == MostBatches(table) ? std::optional(one.batch)
                                               : std::nullopt;
    }
    return one.examples();
  };
  for (const Reading& one : table.readings) {
    if (const auto x = place(one)) places.insert(*x);
  }
  ChartOptions options = {.width = kWide, .floor = 0};
  for (const int64_t x : places) options.x_names.push_back(absl::StrCat(x));
  std::vector<Curve> curves;
  for (const ReadingGroup& group : GroupsOf(table)) {
    if (group.format != format) continue;
    // Several sizes of a batch may make as many examples.
    std::map<int64_t, std::vector<double>> speeds;
    for (const Reading& one : group.readings) {
      if (const auto x = place(one)) {
        speeds[*x].push_back(one.examples_per_second);
      }
    }
    Curve curve = {SeriesOf(group), {}};
    for (auto& [x, values] : speeds) {
      curve.points.emplace_back(
          static_cast<double>(std::distance(places.begin(), places.find(x))),
          bench::Median(std::move(values)));
    }
    curves.push_back(std::move(curve));
  }
  const std::string title = absl::StrCat(
      format, ": examples a second by ",
      examples
          ? "examples"
          : absl::StrCat("size of a batch, ", MostBatches(table), " batches"));
  return ImageOf(FileOf(format, examples ? "-examples" : "-batch"), title,
                 Chart(title, curves, options));
}

std::string Where(const BenchFigures& figures, const std::string& command) {
  return absl::StrFormat("`%s`, %s, commit %s, in %.0f s; %s, build %s.\n",
                         command, figures.measured, figures.commit,
                         figures.seconds, figures.machine, figures.build);
}

// Examples a second, in the three digits that mean something.
std::string Speed(double value) {
  double unit = 1;
  while (value / unit >= 1000) unit *= 10;
  return WithCommas(std::llround(value / unit) * static_cast<int64_t>(unit));
}

std::string LineText(const Line& line) {
  return absl::StrFormat(
      "%.3g %s %.3g·x, R² %.2f", line.intercept, line.slope < 0 ? "−" : "+",
      line.slope < 0 ? -line.slope : line.slope, line.r_squared);
}

// One table of readings, cached or not.
std::string Readings(const DataTable& table, bool cached) {
  std::vector<std::string> header = {"batch", "batches"};
  std::vector<ReadingGroup> groups = GroupsOf(table);
  std::erase_if(groups, [&](const ReadingGroup& group) {
    return group.cached != cached;
  });
  for (const ReadingGroup& group : groups) {
    header.push_back(absl::StrCat(group.format, ", ", group.reader));
  }
  std::string text = MarkdownHeader(header);
  for (size_t i = 0; !groups.empty() && i < groups[0].readings.size(); ++i) {
    std::vector<std::string> cells = {
        absl::StrCat(groups[0].readings[i].batch),
        absl::StrCat(groups[0].readings[i].batches)};
    for (const ReadingGroup& group : groups) {
      cells.push_back(Speed(group.readings[i].examples_per_second));
    }
    text += MarkdownRow(cells);
  }
  return text;
}

std::string Lines(const DataTable& table) {
  std::vector<std::string> header = {"format", "reader", ""};
  constexpr Parameter kAll[] = {Parameter::kBatch, Parameter::kBatches,
                                Parameter::kExamples};
  for (const Parameter parameter : kAll) {
    header.push_back(absl::StrCat("x = ", NameOf(parameter)));
  }
  std::string text = MarkdownHeader(header);
  for (const ReadingGroup& group : GroupsOf(table)) {
    std::vector<std::string> cells = {group.format, group.reader,
                                      CachedText(group.cached)};
    for (const Parameter parameter : kAll) {
      cells.push_back(LineText(LineOver(parameter, group.readings)));
    }
    text += MarkdownRow(cells);
  }
  return text;
}

std::string RowsOf(const std::vector<Row>& rows, const std::string& limit) {
  std::string text = absl::StrCat("| | | ", limit,
                                  " | ebb | ratio | spread | required | |\n"
                                  "|---|---|--:|--:|--:|---|---|---|\n");
  for (const Row& row : rows) {
    const bool least = row.bound && row.bound->kind == Bound::Kind::kAtLeast;
    absl::StrAppendFormat(
        &text, "| %s | %s | %.3g | %.3g | %.2f | %.2f–%.2f | %s | %s |\n",
        row.what, row.measure, row.limit, row.ours, row.ratio.median,
        row.ratio.low, row.ratio.high,
        row.bound
            ? absl::StrFormat("%s %g", least ? "≥" : "≤", row.bound->value)
            : "",
        !row.bound    ? ""
        : row.holds() ? "holds"
                      : "**misses**");
  }
  return text;
}

std::string TableText(const DataFigures& figures,
                      const std::vector<PageImage>& images,
                      const std::string& folder) {
  const DataTable& table = *figures.table;
  std::string text = absl::StrCat(
      "\n### Formats, caching, sizes\n\n",
      Where(figures.table_figures, figures.table_command),
      "\nExamples a second of reading ", table.images,
      " (28x28, grey): all of a data set is opened, read and made "
      "into batches of floats by one thread. Figures are medians of ",
      Count(table.rounds, "round"),
      ". Before a reading that is not cached, each file was synced and dropped "
      "from the page cache (`posix_fadvise`, `DONTNEED`). Folders stayed in "
      "memory, and so may have what is below the machine's disk.\n");
  absl::StrAppend(
      &text, "\nThe peer: ",
      table.peer_skipped.empty()
          ? absl::StrCat("tf.data of ", table.peer,
                         ", one thread, on the same files.")
          : absl::StrCat("tf.data, skipped: ", table.peer_skipped, "."),
      " TFRecord: the records hold raw pixels. TFRecord of JPEG: the same "
      "images as JPEG, which ebb does not decode. There a loop over libraries "
      "stands in its place: CRC-32C of ISA-L, libprotobuf and libjpeg-turbo. "
      "Packed set: packed of decoded pixels, compressed and in a random order."
      "\n\nNot cached:\n\n",
      Readings(table, false), "\nCached:\n\n", Readings(table, true), "\n",
      RowsOf(table.rows, "other"),
      "\nA regression line for each parameter, over all readings of a row: "
      "examples a second = intercept + slope·x.\n\n",
      Lines(table));
  for (const PageImage& image : images) {
    absl::StrAppend(&text, "\n![", image.title, "](", folder, image.file,
                    ")\n");
  }
  return text;
}

}  // namespace

std::vector<PageImage> DataImages(const DataTable& table) {
  std::vector<PageImage> images = {ByFormat(table)};
  for (const std::string& format : FormatsOf(table)) {
    images.push_back(Over(table, format, true));
    images.push_back(Over(table, format, false));
  }
  return images;
}

std::string DataSection(const DataFigures& figures,
                        const std::vector<PageImage>& images,
                        const std::string& folder) {
  std::string text = absl::StrCat(
      kTitle,
      "\n\n`ebb bench data --page docs/data.md` wrote this section; do not "
      "edit it. A ratio is the median over pairs of ebb and its limit that "
      "took turns, with the lowest and the highest pair.\n");
  if (figures.table) text += TableText(figures, images, folder);
  for (const DataPart& part : figures.parts) {
    absl::StrAppend(&text, "\n### ", part.title, "\n\n",
                    Where(part.figures, part.command), "\n", part.how,
                    part.how.empty() ? "" : "\n\n");
    text += part.figures.skipped.empty()
                ? RowsOf(part.figures.rows, part.limit)
                : absl::StrCat("Skipped: ", part.figures.skipped, ".\n");
  }
  return text;
}

std::string WithDataSection(absl::string_view page, absl::string_view section) {
  const size_t at = page.find(absl::StrCat("\n", kTitle, "\n"));
  absl::string_view before = page.substr(0, at);
  while (!before.empty() && before.back() == '\n') before.remove_suffix(1);
  return absl::StrCat(before, before.empty() ? "" : "\n\n", section);
}

}  // namespace ebb::tools
