#include "bench/common/bench_figures.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "tools/text/console.h"
#include "tools/text/json.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace {

using bench::Bound;
using bench::PairedRatio;
using bench::Row;
using google::protobuf::Struct;

PairedRatio RatioIn(const Struct& json) {
  return {.median = NumberIn(json, "ratio", 0),
          .low = NumberIn(json, "lowest_ratio", 0),
          .high = NumberIn(json, "highest_ratio", 0),
          .pairs = static_cast<int>(NumberIn(json, "pairs", 0))};
}

Row RowIn(const Struct& json) {
  Row row = {.what = TextIn(json, "what"),
             .measure = TextIn(json, "measure"),
             .limit = NumberIn(json, "limit", 0),
             .ours = NumberIn(json, "ours", 0),
             .ratio = RatioIn(json)};
  const double none = std::nan("");
  const double least = NumberIn(json, "at_least", none);
  const double most = NumberIn(json, "at_most", none);
  if (!std::isnan(least)) row.bound = {Bound::Kind::kAtLeast, least};
  if (!std::isnan(most)) row.bound = {Bound::Kind::kAtMost, most};
  return row;
}

// Three digits after the point, as a person compares them.
double Rounded(double ratio) { return std::round(ratio * 1000) / 1000; }

bool SameRow(const RecordedRow& recorded, const Row& row) {
  return recorded.what == row.what && recorded.measure == row.measure;
}

}  // namespace

absl::StatusOr<BenchFigures> ReadFigures(const std::string& name,
                                         absl::string_view json) {
  EBB_ASSIGN_OR_RETURN(const Struct object, ParseJsonObject(json, name));
  if (!object.fields().contains("rows")) {
    return absl::DataLossError(absl::StrCat(name, " has no \"rows\""));
  }
  BenchFigures figures = {
      .name = name,
      .machine = TextIn(object, "machine"),
      .build = TextIn(object, "build"),
      .commit = TextIn(object, "commit"),
      .kernel = TextIn(object, "kernel"),
      .congestion_control = TextIn(object, "congestion_control"),
      .measured = TextIn(object, "measured"),
      .seconds = NumberIn(object, "seconds", 0),
      .skipped = TextIn(object, "skipped")};
  for (const auto& row : ListIn(object, "rows").values()) {
    figures.rows.push_back(RowIn(row.struct_value()));
  }
  for (const auto& one : ListIn(object, "contestants").values()) {
    const Struct& side = one.struct_value();
    figures.contestants.push_back(
        {.name = TextIn(side, "name"),
         .examples_per_second = NumberIn(side, "examples_per_second", 0),
         .cpu_seconds_per_million =
             NumberIn(side, "cpu_s_per_million_examples", 0),
         .accuracy = NumberIn(side, "accuracy", -1)});
  }
  for (const auto& one : ListIn(object, "cells").values()) {
    const Struct& cell = one.struct_value();
    figures.server_cpu_seconds_per_gb[TextIn(cell, "what")] =
        NumberIn(cell, "server_cpu_seconds_per_gb", 0);
  }
  for (const auto& note : ListIn(object, "notes").values()) {
    figures.notes.push_back(note.string_value());
  }
  return figures;
}

std::string ContestantsText(const std::vector<Contestant>& contestants) {
  if (contestants.empty()) return "";
  TextTable table({"", "EXAMPLES/S", "CPU S/MILLION", "ACCURACY"}, {1, 2, 3});
  for (const Contestant& one : contestants) {
    table.Add({one.name, absl::StrFormat("%.0f", one.examples_per_second),
               absl::StrFormat("%.1f", one.cpu_seconds_per_million),
               one.accuracy < 0 ? "" : absl::StrFormat("%.4f", one.accuracy)});
  }
  return table.ToString();
}

BenchRecord RecordOf(const std::vector<BenchFigures>& figures,
                     const BenchRecord& earlier) {
  BenchRecord record = {.machine = earlier.machine, .commit = earlier.commit};
  std::vector<std::string> renewed;
  for (const BenchFigures& one : figures) {
    if (one.rows.empty()) continue;
    renewed.push_back(one.name);
    record.machine = one.machine;
    record.commit = one.commit;
    for (const Row& row : one.rows) {
      if (!row.bound) continue;
      record.rows.push_back({one.name, row.what, row.measure, row.ratio});
    }
  }
  for (const RecordedRow& row : earlier.rows) {
    if (std::ranges::count(renewed, row.bench) == 0) {
      record.rows.push_back(row);
    }
  }
  return record;
}

std::string RecordJson(const BenchRecord& record) {
  Json json = Json::Object();
  json["machine"] = record.machine;
  json["commit"] = record.commit;
  json["rows"] = Json::List();
  for (const RecordedRow& row : record.rows) {
    Json one = Json::Object();
    one["bench"] = row.bench;
    one["what"] = row.what;
    one["measure"] = row.measure;
    one["ratio"] = Rounded(row.ratio.median);
    one["lowest_ratio"] = Rounded(row.ratio.low);
    one["highest_ratio"] = Rounded(row.ratio.high);
    one["pairs"] = row.ratio.pairs;
    json["rows"].Add(std::move(one));
  }
  return json.ToString();
}

absl::StatusOr<BenchRecord> ReadRecord(absl::string_view json) {
  EBB_ASSIGN_OR_RETURN(const Struct object,
                       ParseJsonObject(json, "the record"));
  if (!object.fields().contains("rows")) {
    return absl::DataLossError("the record has no \"rows\"");
  }
  BenchRecord record = {.machine = TextIn(object, "machine"),
                        .commit = TextIn(object, "commit")};
  for (const auto& value : ListIn(object, "rows").values()) {
    const Struct& row = value.struct_value();
    record.rows.push_back({.bench = TextIn(row, "bench"),
                           .what = TextIn(row, "what"),
                           .measure = TextIn(row, "measure"),
                           .ratio = RatioIn(row)});
  }
  return record;
}

const RecordedRow* FindRecorded(const BenchRecord& record,
                                const std::string& bench, const Row& row) {
  const auto it =
      std::ranges::find_if(record.rows, [&](const RecordedRow& one) {
        return one.bench == bench && SameRow(one, row);
      });
  return it == record.rows.end() ? nullptr : &*it;
}

std::vector<std::string> WorseThanRecorded(
    const BenchRecord& record, const std::vector<BenchFigures>& figures) {
  std::vector<std::string> worse;
  for (const RecordedRow& recorded : record.rows) {
    const auto bench =
        std::ranges::find(figures, recorded.bench, &BenchFigures::name);
    // Not measured this time, or not here.
    if (bench == figures.end() || bench->rows.empty()) continue;
    const std::string name = absl::StrCat(recorded.bench, ": ", recorded.what,
                                          ", ", recorded.measure, ": ");
    const auto row = std::ranges::find_if(
        bench->rows, [&](const Row& one) { return SameRow(recorded, one); });
    if (row == bench->rows.end() || !row->bound) {
      worse.push_back(absl::StrCat(name,
                                   "it was recorded, and is no longer "
                                   "measured"));
      continue;
    }
    const double now = Rounded(row->ratio.median);
    const bool at_least = row->bound->kind == Bound::Kind::kAtLeast;
    if (at_least ? now >= recorded.ratio.low : now <= recorded.ratio.high) {
      continue;
    }
    worse.push_back(
        absl::StrFormat("%s%.2f now, %.2f recorded (%.2f-%.2f; it must be %s)",
                        name, now, recorded.ratio.median, recorded.ratio.low,
                        recorded.ratio.high, row->bound->ToString()));
  }
  return worse;
}

}  // namespace ebb::tools
