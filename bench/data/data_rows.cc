#include "bench/data/data_rows.h"

#include <fcntl.h>
#include <simdjson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bench/common/disk.h"
#include "bench/common/limits.h"
#include "bench/data/bare_images.h"
#include "bench/data/data_files.h"
#include "bench/data/tf_example.pb.h"
#include "common/program/daemon.h"
#include "common/status_macros.h"
#include "data/dataset.h"
#include "data/order.h"
#include "data/pack/packer.h"
#include "data/reader.h"
#include "tools/files/files.h"

namespace ebb::bench {

namespace {

using data::SourceKind;
using data::SourceSpec;

constexpr Bound kFraming{Bound::Kind::kAtLeast, 0.8};
constexpr Bound kExamples{Bound::Kind::kAtLeast, 3};
constexpr Bound kJson{Bound::Kind::kAtLeast, 0.5};
constexpr Bound kImages{Bound::Kind::kAtLeast, 0.9};
constexpr Bound kInOrder{Bound::Kind::kAtLeast, 0.9};
constexpr Bound kShuffled{Bound::Kind::kAtLeast, 0.8};
constexpr Bound kCold{Bound::Kind::kAtLeast, 0.9};
constexpr Bound kPack{Bound::Kind::kAtLeast, 0.5};

constexpr char kExamplesPerSecond[] = "examples/s";
constexpr char kBytesPerSecond[] = "GB/s";

constexpr int64_t kBlobBytes = 64 << 10;
constexpr int64_t kRowFloats = 196;
constexpr int64_t kRowBytes = kRowFloats * 4;
constexpr int64_t kWindow = 16384;
constexpr int64_t kBatch = 512;
constexpr int64_t kColourSide = 192;

// A file in memory that maps its pages.
class Mapped {
 public:
  static absl::StatusOr<Mapped> Open(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return absl::ErrnoToStatus(errno, path);
    const absl::Cleanup closes = [file] { close(file); };
    struct stat facts = {};
    if (fstat(file, &facts) != 0) return absl::ErrnoToStatus(errno, path);
    const auto size = static_cast<size_t>(facts.st_size);
    void* const at = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    if (at == MAP_FAILED) return absl::ErrnoToStatus(errno, path);
    return Mapped(static_cast<const char*>(at), size);
  }
  ~Mapped() {
    if (at_ != nullptr) munmap(const_cast<char*>(at_), size_);
  }
  Mapped(Mapped&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)), size_(other.size_) {}
  absl::string_view bytes() const { return {at_, size_}; }

 private:
  Mapped(const char* at, size_t size) : at_(at), size_(size) {}
  const char* at_;
  size_t size_;
};

// Keeps the compiler from leaving work out.
void Keep(double value) { asm volatile("" : : "m"(value) : "memory"); }

// Reads all examples of a source: how many there are.
absl::StatusOr<int64_t> CountExamples(const SourceSpec& spec) {
  EBB_ASSIGN_OR_RETURN(const auto reader, data::OpenReader(spec));
  data::Example example;
  int64_t examples = 0;
  double sum = 0;
  for (;; ++examples) {
    EBB_ASSIGN_OR_RETURN(const bool more, reader->Next(&example));
    if (!more) break;
    sum += example.label;
    if (!example.values.empty()) sum += example.values.back();
    if (!example.bytes.empty()) sum += example.bytes.back();
  }
  Keep(sum);
  return examples;
}

// Looks at each value of a document.
double SumOf(const simdjson::dom::element& value) {
  switch (value.type()) {
    case simdjson::dom::element_type::ARRAY: {
      double sum = 0;
      for (const auto one : simdjson::dom::array(value)) sum += SumOf(one);
      return sum;
    }
    case simdjson::dom::element_type::OBJECT: {
      double sum = 0;
      for (const auto field : simdjson::dom::object(value)) {
        sum += static_cast<double>(field.key.size()) + SumOf(field.value);
      }
      return sum;
    }
    case simdjson::dom::element_type::INT64:
      return static_cast<double>(int64_t{value});
    case simdjson::dom::element_type::UINT64:
      return static_cast<double>(uint64_t{value});
    case simdjson::dom::element_type::DOUBLE:
      return double{value};
    case simdjson::dom::element_type::STRING:
      return static_cast<double>(std::string_view(value).size());
    default:
      return 0;
  }
}

class DataBench {
 public:
  explicit DataBench(const DataRowsOptions& options) : options_(options) {}

  absl::StatusOr<std::vector<Row>> Measure() {
    ConfigureMalloc();  // Workers do so, too.
    for (const RecordKind kind :
         {RecordKind::kNumbers, RecordKind::kList, RecordKind::kClicks}) {
      EBB_RETURN_IF_ERROR(MeasureRecords(kind));
    }
    EBB_RETURN_IF_ERROR(MeasureFraming());
    EBB_ASSIGN_OR_RETURN(const ImageSet grey,
                         ReadImageSet(options_.fashion, options_.images));
    EBB_RETURN_IF_ERROR(MeasureImages(grey, "28x28 grey"));
    EBB_RETURN_IF_ERROR(MeasureImages(
        MakeColourImages(kColourSide,
                         std::max<int64_t>(1, options_.images / 10)),
        "192x192 colours"));
    EBB_RETURN_IF_ERROR(MeasurePacked());
    return std::move(rows_);
  }

 private:
  // A figure, the more the better.
  using Sample = absl::FunctionRef<absl::StatusOr<double>()>;

  absl::Status Compare(const std::string& what, const char* measure,
                       std::optional<Bound> bound, Sample ours, Sample limit) {
    std::vector<double> mine, theirs;
    for (int pair = -1; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(options_.watch.Tell(what, pair, options_.pairs));
      for (const bool first : {pair % 2 == 0, pair % 2 != 0}) {
        EBB_ASSIGN_OR_RETURN(const double figure, first ? ours() : limit());
        if (pair >= 0) (first ? mine : theirs).push_back(figure);
      }
    }
    rows_.push_back(MakeRow(what, measure, mine, theirs, bound));
    return absl::OkStatus();
  }

  std::string Path(absl::string_view name) const {
    return absl::StrCat(options_.folder, "/", name);
  }
  void Remove(absl::string_view name) const {
    std::error_code ignored;
    std::filesystem::remove_all(Path(name), ignored);
  }

  // Examples a second of a reader, which must find `examples`.
  static absl::StatusOr<double> SpeedOf(const SourceSpec& spec,
                                        int64_t examples) {
    absl::StatusOr<int64_t> found;
    const double seconds = SecondsOf([&] { found = CountExamples(spec); });
    EBB_RETURN_IF_ERROR(found.status());
    if (*found != examples) {
      return absl::DataLossError(absl::StrCat(spec.path, ": ", examples,
                                              " examples were written, and ",
                                              *found, " read"));
    }
    return static_cast<double>(examples) / seconds;
  }

  absl::Status MeasureRecords(RecordKind kind) {
    const int64_t records = options_.records;
    const std::string json = Path("records.jsonl"),
                      tf = Path("records.tfrecord");
    EBB_RETURN_IF_ERROR(WriteRecords(kind, records, json, tf));
    const SourceSpec lines = {.kind = SourceKind::kJsonLines,
                              .path = json,
                              .features = FeaturesOf(kind)};
    SourceSpec examples = lines;
    examples.kind = SourceKind::kTfRecord;
    examples.path = tf;

    EBB_ASSIGN_OR_RETURN(std::string text, tools::ReadFile(json));
    text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
    // Examples a second of simdjson with each line in memory.
    const auto parse = [&](bool visits) -> absl::StatusOr<double> {
      simdjson::dom::parser parser;
      bool good = true;
      double sum = 0;
      const double seconds = SecondsOf([&] {
        const char* at = text.data();
        const char* const end = at + text.size();
        while (good && at < end) {
          const auto* const line = static_cast<const char*>(
              std::memchr(at, '\n', static_cast<size_t>(end - at)));
          simdjson::dom::element record;
          good = parser.parse(at, static_cast<size_t>(line - at), false)
                     .get(record) == simdjson::SUCCESS;
          if (good && visits) sum += SumOf(record);
          at = line + 1;
        }
      });
      Keep(sum);
      if (!good) return absl::DataLossError("simdjson cannot parse a line");
      return static_cast<double>(records) / seconds;
    };
    const auto read_lines = [&] { return SpeedOf(lines, records); };
    EBB_RETURN_IF_ERROR(Compare(absl::StrCat("JSON lines, ", NameOf(kind)),
                                kExamplesPerSecond, kJson, read_lines,
                                [&] { return parse(true); }));
    EBB_RETURN_IF_ERROR(Compare(
        absl::StrCat("JSON lines, ", NameOf(kind), ", beside parsing alone"),
        kExamplesPerSecond, std::nullopt, read_lines,
        [&] { return parse(false); }));

    EBB_ASSIGN_OR_RETURN(const std::string bytes, tools::ReadFile(tf));
    const std::vector<absl::string_view> found = RecordsIn(bytes);
    // A list is one copy for libprotobuf, too.
    const std::optional<Bound> bound =
        kind == RecordKind::kList ? std::nullopt : std::optional(kExamples);
    EBB_RETURN_IF_ERROR(Compare(
        absl::StrCat("Examples of TFRecord, ", NameOf(kind)),
        kExamplesPerSecond, bound, [&] { return SpeedOf(examples, records); },
        [&]() -> absl::StatusOr<double> {
          tf::Example example;
          bool good = true;
          const double seconds = SecondsOf([&] {
            for (const absl::string_view record : found) {
              good =
                  good && example.ParseFromArray(
                              record.data(), static_cast<int>(record.size()));
            }
          });
          if (!good) return absl::DataLossError("libprotobuf cannot parse");
          return static_cast<double>(records) / seconds;
        }));
    const std::string types = Path("records.desc"), pb = Path("records.pb");
    EBB_RETURN_IF_ERROR(WriteMessages(kind, records, types, pb));
    const SourceSpec messages = Messages(kind, types, pb);
    EBB_RETURN_IF_ERROR(Compare(
        absl::StrCat("protobuf, ", NameOf(kind), ", beside JSON lines"),
        kExamplesPerSecond, std::nullopt,
        [&] { return SpeedOf(messages, records); }, read_lines));
    for (const char* const name :
         {"records.jsonl", "records.tfrecord", "records.desc", "records.pb"}) {
      Remove(name);
    }
    return absl::OkStatus();
  }

  absl::Status MeasureFraming() {
    const std::string tf = Path("blobs.tfrecord");
    EBB_RETURN_IF_ERROR(WriteBlobs(options_.blobs, kBlobBytes, tf));
    const SourceSpec blobs = Blobs(kBlobBytes, tf);
    EBB_ASSIGN_OR_RETURN(const std::string bytes, tools::ReadFile(tf));
    const std::vector<absl::string_view> records = RecordsIn(bytes);
    constexpr double kGigabytes = kBlobBytes * 1e-9;
    EBB_RETURN_IF_ERROR(Compare(
        "frames of TFRecord, 64 KiB each", kBytesPerSecond, kFraming,
        [&]() -> absl::StatusOr<double> {
          EBB_ASSIGN_OR_RETURN(const double speed,
                               SpeedOf(blobs, options_.blobs));
          return speed * kGigabytes;
        },
        [&]() -> absl::StatusOr<double> {
          std::vector<char> copy(2 * kBlobBytes);
          uint32_t sum = 0;
          const double seconds = SecondsOf([&] {
            for (const absl::string_view record : records) {
              sum ^= Checksum(record);
              std::memcpy(copy.data(), record.data(), record.size());
            }
          });
          Keep(sum + copy[0]);
          return static_cast<double>(options_.blobs) * kGigabytes / seconds;
        }));
    Remove("blobs.tfrecord");
    return absl::OkStatus();
  }

  absl::Status MeasureImages(const ImageSet& set, const std::string& size) {
    for (const ImageFile kind : {ImageFile::kPng, ImageFile::kJpeg}) {
      const bool png = kind == ImageFile::kPng;
      EBB_RETURN_IF_ERROR(
          WriteImageFiles(set, set.images(), kind, Path("images")));
      std::vector<std::string> paths;
      std::error_code error;
      for (const auto& one : std::filesystem::recursive_directory_iterator(
               Path("images"), error)) {
        if (one.is_regular_file()) paths.push_back(one.path().string());
      }
      std::ranges::sort(paths);
      const SourceSpec spec = {.kind = SourceKind::kImages,
                               .path = Path("images"),
                               .image = {.width = set.side,
                                         .height = set.side,
                                         .grey = set.channels == 1}};
      EBB_RETURN_IF_ERROR(Compare(
          absl::StrCat(png ? "PNG" : "JPEG", " files, ", size),
          kExamplesPerSecond, kImages,
          [&] { return SpeedOf(spec, set.images()); },
          [&]() -> absl::StatusOr<double> {
            absl::Status status;
            const double seconds = SecondsOf(
                [&] { status = DecodeBare(paths, png, set.bytes()); });
            EBB_RETURN_IF_ERROR(status);
            return static_cast<double>(paths.size()) / seconds;
          }));
      Remove("images");
    }
    return absl::OkStatus();
  }

  static absl::Status DecodeBare(const std::vector<std::string>& paths,
                                 bool png, int64_t bytes) {
    std::vector<uint8_t> pixels(static_cast<size_t>(bytes));
    std::vector<char> content;
    double sum = 0;
    for (const std::string& path : paths) {
      const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (file < 0) return absl::ErrnoToStatus(errno, path);
      const absl::Cleanup closes = [file] { close(file); };
      struct stat facts = {};
      if (fstat(file, &facts) != 0) return absl::ErrnoToStatus(errno, path);
      content.resize(static_cast<size_t>(facts.st_size));
      const ssize_t n = read(file, content.data(), content.size());
      const absl::string_view whole(content.data(), content.size());
      if (n != facts.st_size || !(png ? DecodeBarePng(whole, &pixels)
                                      : DecodeBareJpeg(whole, &pixels))) {
        return absl::DataLossError(absl::StrCat(path, " cannot be decoded"));
      }
      sum += pixels.back();
    }
    Keep(sum);
    return absl::OkStatus();
  }

  absl::Status MeasurePacked() {
    const int64_t rows = options_.packed_rows;
    const std::string tf = Path("rows.tfrecord"), raw = Path("rows.raw");
    EBB_RETURN_IF_ERROR(WriteRows(rows, kRowFloats, tf, raw));
    const SourceSpec source = Rows(kRowFloats, tf);
    const auto pack = [&]() -> absl::Status {
      return data::pack::PackSources({{"", source}}, Path("set"),
                                     {.window = kWindow, .compress = false})
          .status();
    };
    EBB_RETURN_IF_ERROR(pack());
    EBB_RETURN_IF_ERROR(MeasurePackedReads(raw));
    return MeasurePacking(source, pack);
  }

  absl::Status MeasurePackedReads(const std::string& raw) {
    const int64_t rows = options_.packed_rows;
    const double gigabytes = static_cast<double>(rows * kRowBytes) * 1e-9;
    const data::Order order(
        1, {.examples = rows, .shard_size = rows, .window = kWindow});
    std::vector<int64_t> in_order(static_cast<size_t>(rows));
    std::iota(in_order.begin(), in_order.end(), 0);
    std::vector<int64_t> shuffled;
    for (int64_t place = 0; place < rows; ++place) {
      shuffled.push_back(order.ExampleAt(0, place));
    }
    // Batches of a set that is opened anew.
    const auto first_use = [&](const std::vector<int64_t>& examples,
                               bool ahead) -> absl::StatusOr<double> {
      absl::Status status;
      const double seconds = SecondsOf([&] {
        const auto set = OpenSet();
        status = set.ok() ? Gather(*set, examples, ahead) : set.status();
      });
      EBB_RETURN_IF_ERROR(status);
      return gigabytes / seconds;
    };
    // The speed of a set that was read before.
    const auto later_use =
        [&](const std::vector<int64_t>& examples) -> absl::StatusOr<double> {
      EBB_ASSIGN_OR_RETURN(const data::Dataset set, OpenSet());
      EBB_RETURN_IF_ERROR(Gather(set, examples, /*ahead=*/false));
      absl::Status status;
      const double seconds =
          SecondsOf([&] { status = Gather(set, examples, /*ahead=*/false); });
      EBB_RETURN_IF_ERROR(status);
      return gigabytes / seconds;
    };
    EBB_ASSIGN_OR_RETURN(const Mapped mapped, Mapped::Open(raw));
    std::vector<char> batch(kBatch * kRowBytes);
    const auto copy = [&](bool one_by_one) -> absl::StatusOr<double> {
      const double seconds = SecondsOf([&] {
        for (size_t at = 0; at < shuffled.size(); at += kBatch) {
          const size_t n = std::min<size_t>(kBatch, shuffled.size() - at);
          if (!one_by_one) {
            std::memcpy(batch.data(), mapped.bytes().data() + at * kRowBytes,
                        n * kRowBytes);
          }
          for (size_t i = 0; one_by_one && i < n; ++i) {
            std::memcpy(batch.data() + i * kRowBytes,
                        mapped.bytes().data() + shuffled[at + i] * kRowBytes,
                        kRowBytes);
          }
          Keep(batch[0]);
        }
      });
      return gigabytes / seconds;
    };
    enum class Use { kFirst, kFirstAhead, kLater };
    for (const Use use : {Use::kFirst, Use::kFirstAhead, Use::kLater}) {
      const std::string cached = use == Use::kFirst ? ", cached"
                                 : use == Use::kFirstAhead
                                     ? ", cached, checked ahead"
                                     : ", cached, read before";
      const auto read = [&](const std::vector<int64_t>& examples) {
        return use == Use::kLater
                   ? later_use(examples)
                   : first_use(examples, /*ahead=*/use == Use::kFirstAhead);
      };
      EBB_RETURN_IF_ERROR(Compare(
          "packed set, in order" + cached, kBytesPerSecond, kInOrder,
          [&] { return read(in_order); }, [&] { return copy(false); }));
      EBB_RETURN_IF_ERROR(Compare(
          "packed set, shuffled" + cached, kBytesPerSecond, kShuffled,
          [&] { return read(shuffled); }, [&] { return copy(true); }));
    }
    const int direct = open(raw.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (direct < 0) return absl::OkStatus();  // A file system in memory.
    const absl::Cleanup closes = [direct] { close(direct); };
    return Compare(
        "packed set, shuffled, not cached", kBytesPerSecond, kCold,
        [&]() -> absl::StatusOr<double> {
          EBB_RETURN_IF_ERROR(DropFromCache(Path("set")));
          return first_use(shuffled, /*ahead=*/true);
        },
        [&] { return ReadDirectly(direct, gigabytes); });
  }

  absl::StatusOr<data::Dataset> OpenSet() const {
    return data::Dataset::Load(
        {.kind = SourceKind::kPacked, .path = Path("set")});
  }

  // With `ahead`, the set is told the next window, as workers do.
  static absl::Status Gather(const data::Dataset& set,
                             const std::vector<int64_t>& examples, bool ahead) {
    data::ExampleBatch batch;
    double sum = 0;
    for (size_t at = 0; at < examples.size(); at += kBatch) {
      const size_t n = std::min<size_t>(kBatch, examples.size() - at);
      const size_t next = at + kWindow;
      if (ahead && at % kWindow == 0 && next < examples.size()) {
        set.Expect(examples[next] / kWindow);
      }
      EBB_RETURN_IF_ERROR(
          set.Gather(std::span(examples).subspan(at, n), &batch));
      if (std::ssize(batch.values) != std::ssize(batch.labels) * kRowFloats) {
        return absl::DataLossError("a batch of the packed set is not whole");
      }
      sum += batch.values[0];
    }
    Keep(sum);
    return absl::OkStatus();
  }

  // GB/s of reading a file past the page cache, a window at a time.
  static absl::StatusOr<double> ReadDirectly(int file, double gigabytes) {
    constexpr size_t kBlock = 4096;
    constexpr size_t kPiece = kWindow * kRowBytes;
    static_assert(kPiece % kBlock == 0);
    const std::unique_ptr<void, decltype(&std::free)> piece(
        std::aligned_alloc(kBlock, kPiece), std::free);
    int wrong = 0;
    const double seconds = SecondsOf([&] {
      for (off_t at = 0;;) {
        const ssize_t n = pread(file, piece.get(), kPiece, at);
        if (n < 0) wrong = errno;
        if (n <= 0) break;
        at += n;
      }
    });
    if (wrong != 0) return absl::ErrnoToStatus(wrong, "rows.raw");
    return gigabytes / seconds;
  }

  absl::Status MeasurePacking(const SourceSpec& source,
                              absl::FunctionRef<absl::Status()> pack) {
    const auto rows = static_cast<double>(options_.packed_rows);
    return Compare(
        "pack", kExamplesPerSecond, kPack,
        [&]() -> absl::StatusOr<double> {
          Remove("set");
          absl::Status status;
          const double seconds = SecondsOf([&] { status = pack(); });
          EBB_RETURN_IF_ERROR(status);
          return rows / seconds;
        },
        [&]() -> absl::StatusOr<double> {
          absl::Status status;
          const double seconds = SecondsOf([&] {
            status = CopyTwice();
            if (status.ok()) status = CountExamples(source).status();
          });
          Remove("copy-0");
          Remove("copy-1");
          EBB_RETURN_IF_ERROR(status);
          return rows / seconds;
        });
  }

  // Copies the rows twice, until they are on the disk.
  absl::Status CopyTwice() const {
    for (const char* const name : {"copy-0", "copy-1"}) {
      std::error_code error;
      std::filesystem::copy_file(Path("rows.raw"), Path(name), error);
      const int file = open(Path(name).c_str(), O_RDONLY | O_CLOEXEC);
      if (error || file < 0) {
        return absl::UnavailableError(absl::StrCat("cannot copy to ", name));
      }
      const absl::Cleanup closes = [file] { close(file); };
      if (fdatasync(file) != 0) return absl::ErrnoToStatus(errno, name);
    }
    return absl::OkStatus();
  }

  const DataRowsOptions& options_;
  std::vector<Row> rows_;
};

}  // namespace

absl::StatusOr<std::vector<Row>> MeasureData(const DataRowsOptions& options) {
  return DataBench(options).Measure();
}

}  // namespace ebb::bench
