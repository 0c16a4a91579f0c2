#include "bench/data/data_table.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "bench/common/bench_child.h"
#include "bench/common/disk.h"
#include "bench/common/limits.h"
#include "bench/common/rows.h"
#include "bench/data/bare_records.h"
#include "bench/data/data_files.h"
#include "common/program/daemon.h"
#include "common/status_macros.h"
#include "data/dataset.h"
#include "data/order.h"
#include "data/pack/packer.h"
#include "data/reader.h"
#include "tools/files/files.h"
#include "tools/text/console.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace {

using bench::ImageFile;
using bench::ImageSet;
using data::SourceKind;
using data::SourceSpec;
using google::protobuf::Struct;

constexpr char kJpegFiles[] = "JPEG files";
constexpr char kPngFiles[] = "PNG files";
constexpr char kTfRecord[] = "TFRecord";
// The images in the records are to be decoded, which ebb does not.
constexpr char kJpegRecords[] = "TFRecord of JPEG";
constexpr char kPacked[] = "packed set";

struct FormatReaders {
  const char* format;
  std::vector<const char*> readers;
};
const std::vector<FormatReaders>& AllFormats() {
  static const auto* const kFormats =
      new std::vector<FormatReaders>{{kJpegFiles, {kEbbReader, kPeerReader}},
                                     {kPngFiles, {kEbbReader, kPeerReader}},
                                     {kTfRecord, {kEbbReader, kPeerReader}},
                                     {kJpegRecords, {kBareReader, kPeerReader}},
                                     {kPacked, {kEbbReader}}};
  return *kFormats;
}

constexpr bench::Bound kPackedAgainstDecoding{bench::Bound::Kind::kAtLeast, 5};
constexpr bench::Bound kRecordsAgainstFiles{bench::Bound::Kind::kAtLeast, 2};

// A cached reading is repeated for so long.
constexpr double kLeastSeconds = 0.05;
constexpr double kScale = 1.0 / 255;

// Examples and a sum over them, by which readers are checked.
struct Seen {
  int64_t examples = 0;
  double labels = 0;
};

class TableBench {
 public:
  explicit TableBench(const DataTableOptions& options) : options_(options) {}

  absl::StatusOr<DataTable> Measure() {
    ConfigureMalloc();  // Workers do so, too.
    EBB_RETURN_IF_ERROR(MakeFiles());
    DataTable table = {.images = options_.fashion.empty() ? "generated images"
                                                          : "Fashion-MNIST",
                       .rounds = options_.rounds};
    EBB_RETURN_IF_ERROR(FindPeer(&table));
    MakeReadings(!table.peer.empty());
    for (int round = 0; round < options_.rounds; ++round) {
      for (const bool ours : {round % 2 == 0, round % 2 != 0}) {
        if (ours) {
          EBB_RETURN_IF_ERROR(MeasureOurs(round));
        } else if (!table.peer.empty()) {
          EBB_RETURN_IF_ERROR(MeasurePeer(round));
        }
      }
    }
    for (size_t i = 0; i < readings_.size(); ++i) {
      readings_[i].examples_per_second = bench::Median(speeds_[i]);
    }
    table.readings = readings_;
    AddRow(kPacked, kJpegRecords, kPackedAgainstDecoding, &table);
    AddRow(kPacked, kTfRecord, std::nullopt, &table);
    AddRow(kTfRecord, kPngFiles, kRecordsAgainstFiles, &table);
    return table;
  }

 private:
  std::string Place(const std::string& format, int64_t examples) const {
    std::string name = format;
    std::ranges::replace(name, ' ', '-');
    return absl::StrCat(options_.folder, "/", name, "-", examples);
  }

  absl::Status MakeFiles() {
    std::set<int64_t> sizes;
    for (const int64_t batch : options_.batch_sizes) {
      for (const int64_t batches : options_.batches) {
        sizes.insert(batch * batches);
      }
    }
    EBB_ASSIGN_OR_RETURN(
        images_, bench::ReadImageSet(options_.fashion, *sizes.rbegin()));
    // Every set has all classes, so that they have the same numbers.
    for (size_t i = 0; i < images_.labels.size(); ++i) {
      images_.labels[i] = static_cast<uint8_t>(i % 10);
    }
    for (const int64_t size : sizes) {
      EBB_RETURN_IF_ERROR(options_.watch.Tell(
          absl::StrCat("writing ", Count(size, "image"), " in each format")));
      EBB_RETURN_IF_ERROR(bench::WriteImageFiles(
          images_, size, ImageFile::kJpeg, Place(kJpegFiles, size)));
      EBB_RETURN_IF_ERROR(bench::WriteImageFiles(images_, size, ImageFile::kPng,
                                                 Place(kPngFiles, size)));
      const std::string records = Place(kTfRecord, size);
      std::error_code error;
      std::filesystem::create_directory(records, error);
      EBB_RETURN_IF_ERROR(bench::WriteImageRecords(
          images_, size, records + "/images.tfrecord"));
      const std::string encoded = Place(kJpegRecords, size);
      std::filesystem::create_directory(encoded, error);
      EBB_RETURN_IF_ERROR(
          bench::WriteJpegRecords(images_, size, encoded + "/images.tfrecord"));
      SourceSpec spec =
          bench::ImageRecords(images_, records + "/images.tfrecord");
      EBB_RETURN_IF_ERROR(
          data::pack::PackSources({{"", spec}}, Place(kPacked, size), {})
              .status());
      labels_[size] = std::accumulate(images_.labels.begin(),
                                      images_.labels.begin() + size, 0.0);
    }
    return absl::OkStatus();
  }

  absl::Status FindPeer(DataTable* table) {
    const std::string script = options_.peers + "/tf_data.py";
    if (!std::filesystem::exists(script)) {
      table->peer_skipped =
          absl::StrCat("no peers in ", options_.peers,
                       ": start it in the folder of ebb's sources");
      return absl::OkStatus();
    }
    const std::string log = absl::StrCat(options_.folder, "/version.log");
    const auto end = RunChild(
        {.process = {.argv = {options_.python, "-B", script, "--version"},
                     .log = log},
         .stop = options_.watch.stop});
    if (absl::IsCancelled(end.status())) return end.status();
    if (!end.ok() || !end->clean()) {
      table->peer_skipped = absl::StrCat(
          options_.python,
          " has no TensorFlow: install tensorflow-cpu in a "
          "virtual environment, and name its interpreter with --python");
      return absl::OkStatus();
    }
    table->peer = absl::StrCat("TensorFlow ", LastLine(log));
    return absl::OkStatus();
  }

  void MakeReadings(bool peer) {
    for (const auto& [format, readers] : AllFormats()) {
      for (const char* const reader : readers) {
        if (reader == kPeerReader && !peer) continue;
        for (const bool cached : {false, true}) {
          for (const int64_t batch : options_.batch_sizes) {
            for (const int64_t batches : options_.batches) {
              readings_.push_back({.format = format,
                                   .reader = reader,
                                   .cached = cached,
                                   .batch = batch,
                                   .batches = batches});
            }
          }
        }
      }
    }
    speeds_.resize(readings_.size());
  }

  absl::Status MeasureOurs(int round) {
    for (size_t i = 0; i < readings_.size(); ++i) {
      const Reading& reading = readings_[i];
      if (reading.reader == kPeerReader) continue;
      EBB_RETURN_IF_ERROR(options_.watch.Tell(
          absl::StrCat(reading.reader, ", ", reading.format), round,
          options_.rounds));
      const std::string place = Place(reading.format, reading.examples());
      if (reading.cached) {
        EBB_RETURN_IF_ERROR(Read(reading, place));  // Warms up.
      } else {
        EBB_RETURN_IF_ERROR(bench::DropFromCache(place));
      }
      absl::Status status;
      double seconds = 0;
      int64_t times = 0;
      do {
        seconds += bench::SecondsOf([&] { status = Read(reading, place); });
        EBB_RETURN_IF_ERROR(status);
        ++times;
      } while (reading.cached && seconds < kLeastSeconds);
      speeds_[i].push_back(static_cast<double>(times * reading.examples()) /
                           seconds);
    }
    return absl::OkStatus();
  }

  // Opens the data set, and makes all batches of it.
  absl::Status Read(const Reading& reading, const std::string& place) {
    Seen seen;
    if (reading.format == kPacked) {
      EBB_RETURN_IF_ERROR(ReadPacked(place, reading.batch, &seen));
    } else if (reading.reader == kBareReader) {
      EBB_RETURN_IF_ERROR(ReadBare(place, reading.batch, &seen));
    } else {
      SourceSpec spec =
          bench::ImageRecords(images_, place + "/images.tfrecord");
      if (reading.format != kTfRecord) {
        spec = {.kind = SourceKind::kImages,
                .path = place,
                .image = {.grey = true}};
      }
      EBB_RETURN_IF_ERROR(ReadBatches(spec, reading.batch, &seen));
    }
    return Check(reading, seen);
  }

  absl::Status ReadBatches(const SourceSpec& spec, int64_t batch, Seen* seen) {
    EBB_ASSIGN_OR_RETURN(const auto reader, data::OpenReader(spec));
    const int64_t width = reader->features();
    values_.resize(static_cast<size_t>(batch * width));
    data::Example example;
    for (;;) {
      EBB_ASSIGN_OR_RETURN(const bool more, reader->Next(&example));
      if (!more) return absl::OkStatus();
      Add(example.label, example.bytes, batch, seen);
    }
  }

  absl::Status ReadBare(const std::string& place, int64_t batch, Seen* seen) {
    values_.resize(static_cast<size_t>(batch * images_.bytes()));
    return bench::ReadJpegRecords(
        place + "/images.tfrecord", images_.bytes(),
        [&](int64_t label, std::span<const uint8_t> pixels) {
          Add(static_cast<double>(label), pixels, batch, seen);
        });
  }

  // Puts an image into its place in the batch.
  void Add(double label, std::span<const uint8_t> pixels, int64_t batch,
           Seen* seen) {
    constexpr auto kFactor = static_cast<float>(kScale);
    seen->labels += label;
    float* const out =
        values_.data() + seen->examples++ % batch * std::ssize(pixels);
    for (size_t k = 0; k < pixels.size(); ++k) {
      out[k] = static_cast<float>(pixels[k]) * kFactor;
    }
  }

  static absl::Status ReadPacked(const std::string& place, int64_t batch,
                                 Seen* seen) {
    EBB_ASSIGN_OR_RETURN(
        const data::Dataset set,
        data::Dataset::Load(
            {.kind = SourceKind::kPacked, .path = place, .scale = kScale}));
    const data::Order order(1, {.examples = set.examples(),
                                .shard_size = set.window(),
                                .window = set.window()});
    data::ExampleBatch made;
    std::vector<int64_t> places;
    for (int64_t at = 0; at < set.examples(); at += batch) {
      places.clear();
      const int64_t end = std::min(at + batch, set.examples());
      for (int64_t i = at; i < end; ++i) {
        places.push_back(order.ExampleAt(0, i));
      }
      EBB_RETURN_IF_ERROR(set.Gather(places, &made));
      seen->examples += made.rows;
      for (const float label : made.labels) {
        // Classes are numbered by their labels, in order.
        seen->labels +=
            set.index().classes.empty()
                ? label
                : static_cast<double>(
                      set.index().classes[static_cast<size_t>(label)]);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Check(const Reading& reading, const Seen& seen) const {
    const double labels = labels_.at(reading.examples());
    if (seen.examples == reading.examples() && seen.labels == labels) {
      return absl::OkStatus();
    }
    return absl::DataLossError(absl::StrFormat(
        "%s, %s: %d examples with labels of the sum %g were written, and %d "
        "with %g read",
        reading.reader, reading.format, reading.examples(), labels,
        seen.examples, seen.labels));
  }

  absl::Status MeasurePeer(int round) {
    EBB_RETURN_IF_ERROR(options_.watch.Tell("tf.data", round, options_.rounds));
    Json cells = Json::List();
    std::vector<size_t> places;
    for (size_t i = 0; i < readings_.size(); ++i) {
      const Reading& reading = readings_[i];
      if (reading.reader != kPeerReader) continue;
      Json cell = Json::Object();
      cell["format"] = reading.format == kTfRecord      ? "tfrecord"
                       : reading.format == kJpegRecords ? "jpeg_tfrecord"
                       : reading.format == kJpegFiles   ? "jpeg"
                                                        : "png";
      cell["path"] = Place(reading.format, reading.examples());
      cell["batch"] = reading.batch;
      cell["cached"] = reading.cached;
      cell["least_seconds"] = kLeastSeconds;
      cells.Add(std::move(cell));
      places.push_back(i);
    }
    const std::string file = absl::StrCat(options_.folder, "/cells.json");
    const std::string log =
        absl::StrCat(options_.folder, "/tf-data-", round, ".log");
    EBB_RETURN_IF_ERROR(WriteFile(file, cells.ToString()));
    EBB_ASSIGN_OR_RETURN(
        const ProcessEnd end,
        RunChild({.process = {.argv = {options_.python, "-B",
                                       options_.peers + "/tf_data.py",
                                       "--cells", file},
                              .log = log},
                  .stop = options_.watch.stop}));
    if (!end.clean()) {
      return absl::FailedPreconditionError(
          absl::StrCat("tf_data.py ", end.ToString(), ": ", LastLine(log)));
    }
    EBB_ASSIGN_OR_RETURN(const Struct result,
                         ParseJsonObject(LastLine(log), "tf_data.py"));
    const auto& found = ListIn(result, "cells").values();
    if (found.size() != std::ssize(places)) {
      return absl::DataLossError("tf_data.py did not measure all cells");
    }
    for (size_t k = 0; k < places.size(); ++k) {
      const Struct& cell = found[static_cast<int>(k)].struct_value();
      const Reading& reading = readings_[places[k]];
      EBB_RETURN_IF_ERROR(Check(
          reading,
          {.examples = static_cast<int64_t>(NumberIn(cell, "examples", 0)),
           .labels = NumberIn(cell, "labels", -1)}));
      speeds_[places[k]].push_back(NumberIn(cell, "examples_per_second", 0));
    }
    return absl::OkStatus();
  }

  // Reading one format beside another, not cached: by ebb if it reads it.
  void AddRow(const std::string& ours, const std::string& other,
              std::optional<bench::Bound> bound, DataTable* table) {
    const auto of = [&](const std::string& format) -> std::vector<double> {
      size_t best = 0;
      for (size_t i = 0; i < readings_.size(); ++i) {
        if (readings_[i].format == format && !readings_[i].cached &&
            readings_[i].reader != kPeerReader) {
          best = i;  // The last one is the largest.
        }
      }
      return speeds_[best];
    };
    table->rows.push_back(
        bench::MakeRow(absl::StrCat(ours, " / ", other, ", not cached"),
                       "examples/s", of(ours), of(other), bound));
  }

  const DataTableOptions& options_;
  ImageSet images_;
  std::map<int64_t, double> labels_;  // Their sum, by the number of images.
  std::vector<Reading> readings_;
  std::vector<std::vector<double>> speeds_;  // By reading, then by round.
  std::vector<float> values_;                // A batch.
};

}  // namespace

absl::StatusOr<DataTable> MeasureDataTable(const DataTableOptions& options) {
  return TableBench(options).Measure();
}

std::string NameOf(Parameter parameter) {
  switch (parameter) {
    case Parameter::kBatch:
      return "size of a batch";
    case Parameter::kBatches:
      return "batches";
    case Parameter::kExamples:
      return "examples";
  }
  return "";
}

bench::Line LineOver(Parameter parameter,
                     const std::vector<Reading>& readings) {
  std::vector<std::pair<double, double>> points;
  for (const Reading& one : readings) {
    const int64_t x = parameter == Parameter::kBatch     ? one.batch
                      : parameter == Parameter::kBatches ? one.batches
                                                         : one.examples();
    points.emplace_back(static_cast<double>(x), one.examples_per_second);
  }
  return bench::FitLine(points);
}

std::vector<ReadingGroup> GroupsOf(const DataTable& table) {
  std::vector<ReadingGroup> groups;
  for (const Reading& one : table.readings) {
    if (groups.empty() || groups.back().format != one.format ||
        groups.back().reader != one.reader ||
        groups.back().cached != one.cached) {
      groups.push_back(
          {.format = one.format, .reader = one.reader, .cached = one.cached});
    }
    groups.back().readings.push_back(one);
  }
  return groups;
}

std::string DataTableText(const DataTable& table) {
  TextTable text(
      {"FORMAT", "READER", "CACHED", "BATCH", "BATCHES", "EXAMPLES/S"},
      {3, 4, 5});
  for (const Reading& one : table.readings) {
    text.Add({one.format, one.reader, one.cached ? "yes" : "no",
              absl::StrCat(one.batch), absl::StrCat(one.batches),
              absl::StrFormat("%.0f", one.examples_per_second)});
  }
  TextTable lines(
      {"FORMAT", "READER", "CACHED", "OVER", "SLOPE", "INTERCEPT", "R2"},
      {4, 5, 6});
  for (const ReadingGroup& group : GroupsOf(table)) {
    for (const Parameter parameter :
         {Parameter::kBatch, Parameter::kBatches, Parameter::kExamples}) {
      const bench::Line line = LineOver(parameter, group.readings);
      lines.Add({group.format, group.reader, group.cached ? "yes" : "no",
                 NameOf(parameter), absl::StrFormat("%.3g", line.slope),
                 absl::StrFormat("%.0f", line.intercept),
                 absl::StrFormat("%.2f", line.r_squared)});
    }
  }
  return absl::StrCat(
      text.ToString(), "\n", lines.ToString(), "\n",
      bench::RowsText(table.rows, "OTHER"),
      table.peer_skipped.empty()
          ? ""
          : absl::StrCat("tf.data: skipped: ", table.peer_skipped, "\n"));
}

void AddDataTable(const DataTable& table, Json* json) {
  (*json)["images"] = table.images;
  (*json)["peer"] = table.peer;
  (*json)["peer_skipped"] = table.peer_skipped;
  (*json)["rounds"] = table.rounds;
  (*json)["readings"] = Json::List();
  for (const Reading& one : table.readings) {
    Json reading = Json::Object();
    reading["format"] = one.format;
    reading["reader"] = one.reader;
    reading["cached"] = one.cached;
    reading["batch"] = one.batch;
    reading["batches"] = one.batches;
    reading["examples_per_second"] = one.examples_per_second;
    (*json)["readings"].Add(std::move(reading));
  }
  (*json)["lines"] = Json::List();
  for (const ReadingGroup& group : GroupsOf(table)) {
    for (const Parameter parameter :
         {Parameter::kBatch, Parameter::kBatches, Parameter::kExamples}) {
      const bench::Line fitted = LineOver(parameter, group.readings);
      Json line = Json::Object();
      line["format"] = group.format;
      line["reader"] = group.reader;
      line["cached"] = group.cached;
      line["over"] = NameOf(parameter);
      line["slope"] = fitted.slope;
      line["intercept"] = fitted.intercept;
      line["r_squared"] = fitted.r_squared;
      (*json)["lines"].Add(std::move(line));
    }
  }
  bench::AddRows(table.rows, json);
}

}  // namespace ebb::tools
