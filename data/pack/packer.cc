#include "data/pack/packer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/example_hash.h"
#include "common/status_macros.h"
#include "data/dataset/fit.h"
#include "data/dataset/kernels.h"
#include "data/formats/bad_examples.h"
#include "data/formats/records/record_mapping.h"
#include "data/pack/bucket.h"
#include "data/pack/footer.h"
#include "data/pack/packed_set.h"
#include "data/pack/packing_folder.h"
#include "data/pack/window_writer.h"
#include "data/reader.h"

namespace ebb::data::pack {
namespace {

constexpr uint64_t kShuffleVersion = 4;  // 1 to 3 are orders and the split.
constexpr int kBucketBits = 6;
constexpr size_t kBuckets = size_t{1} << kBucketBits;
constexpr int64_t kExamplesOfAStep = 4096;
constexpr int64_t kMostOfAWindow = 16384;
constexpr int64_t kBytesOfAWindow = int64_t{64} << 20;

template <typename... Args>
absl::Status CannotPack(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

// The head before the content of an example in a bucket.
struct RecordHead {
  uint64_t hash = 0;
  int64_t number = 0;
  float label = 0;
  uint32_t entries = 0;
};

template <typename Number>
void Put(std::span<const Number> numbers, std::string* out) {
  out->append(reinterpret_cast<const char*>(numbers.data()),
              numbers.size_bytes());
}

// Packs one source.
class Packer {
 public:
  Packer(const PackSource& source, std::string folder, std::string work,
         const PackOptions& options, const OpenBytes& open,
         const Footer* training)
      : source_(source),
        spec_(source.spec),
        folder_(std::move(folder)),
        work_(std::move(work)),
        options_(options),
        open_(open),
        training_(training) {}

  absl::Status Run() {
    EBB_RETURN_IF_ERROR(ReadSource());
    EBB_RETURN_IF_ERROR(ChooseWindow());
    WindowWriter writer(folder_, footer_, options_.compress);
    done_ = 0;
    for (Bucket& bucket : buckets_) {
      Bucket all = std::move(bucket);
      EBB_RETURN_IF_ERROR(Sort(std::move(all), kBucketBits, &writer));
      options_.kill_points.Reached("bucket-written");
    }
    EBB_RETURN_IF_ERROR(writer.Finish());
    footer_ = writer.footer();
    return absl::OkStatus();
  }

  const Footer& footer() const { return footer_; }
  const std::vector<std::string>& remarks() const { return remarks_; }
  const std::vector<TimeZones>& zones_of_dates() const {
    return zones_of_dates_;
  }

 private:
  absl::Status Step(bool writing, int64_t total) {
    if (done_ % kExamplesOfAStep != 0 || !options_.progress) {
      return absl::OkStatus();
    }
    if (!options_.progress({source_.name, writing, done_, total})) {
      return absl::OkStatus();
    }
    return absl::CancelledError("packing was stopped; nothing was published");
  }

  absl::Status ReadSource();
  // Reads as classes, or as numbers, whichever the labels are. `read` reads all
  // examples into the buckets.
  absl::Status ReadLabels(absl::FunctionRef<absl::Status(LabelKind)> read);
  // Reads all examples into the buckets. `encoding` says what text becomes.
  absl::Status ReadAs(LabelKind labels, const Encoding& encoding);
  // The figures of one pass over the examples.
  struct Pass {
    explicit Pass(const SourceSpec& spec) : bad(spec.on_bad_example) {}

    internal::Moments labels{1};
    std::optional<internal::Moments> features;  // Absent for rows.
    internal::BadExamples bad;
    std::string places;  // The places of the classes that were first met.
  };
  absl::Status BeginFooter(const Encoding& encoding, Reader* reader);
  absl::Status ReadExamples(const Encoding& encoding, Reader* reader,
                            Pass* pass);
  absl::Status FillFooter(const Reader& reader, const Pass& pass);
  absl::Status CheckFeatures(const Reader& reader, const Pass& pass);
  bool LabelsAreNumbers() const {
    return spec_.has_labels && footer_.index.encoding.classes.empty();
  }
  absl::Status AddExample(const Example& example, int64_t number);
  absl::Status ChooseWindow();
  // Writes the examples of a bucket by their hashes, whose first `bits` bits
  // are equal. A bucket that does not fit into memory is cut into smaller ones.
  absl::Status Sort(Bucket bucket, int bits, WindowWriter* writer);
  absl::Status Cut(const Bucket& bucket, int bits, std::vector<Bucket>* parts);
  size_t BytesOf(const RecordHead& head) const;
  std::vector<Bucket> MakeBuckets();

  const PackSource& source_;
  SourceSpec spec_;
  const std::string folder_;
  const std::string work_;
  const PackOptions& options_;
  const OpenBytes& open_;
  const Footer* const training_;  // Null: this is the training data.
  Footer footer_;
  std::vector<std::string> remarks_;
  std::vector<TimeZones> zones_of_dates_;
  std::vector<Bucket> buckets_;
  int64_t made_buckets_ = 0;
  int64_t done_ = 0;
  int64_t entries_ = 0;
  std::string record_;
};

std::vector<Bucket> Packer::MakeBuckets() {
  std::vector<Bucket> buckets;
  for (size_t i = 0; i < kBuckets; ++i) {
    buckets.emplace_back(absl::StrCat(work_, "/bucket-", ++made_buckets_));
  }
  return buckets;
}

// A table's text is found out about in a pass of its own, only if there is any,
// as Dataset::Load() does. Other labels than classes are numbers.
absl::Status Packer::ReadSource() {
  if (training_ != nullptr) {
    return ReadLabels([this](LabelKind labels) {
      return ReadAs(labels, training_->index.encoding);
    });
  }
  const CsvOptions& csv = spec_.csv;
  const bool table = spec_.kind == SourceKind::kCsv;
  const auto read = [&](LabelKind labels) -> absl::Status {
    spec_.label_kind = labels;
    if (spec_.kind == SourceKind::kImages) {  // Their folders are classes.
      EBB_ASSIGN_OR_RETURN(const FoundEncoding found,
                           FindEncoding(spec_, open_));
      return ReadAs(labels, found.encoding);
    }
    absl::Status numbers;
    if (!table || (csv.categorical.empty() && csv.dates.empty())) {
      numbers = ReadAs(labels, {});
      if (!table || !absl::IsInvalidArgument(numbers)) return numbers;
    }
    const auto found = FindEncoding(spec_, open_);
    if (!numbers.ok() && (!found.ok() || found->encoding.empty())) {
      return found.ok() ? numbers : found.status();
    }
    EBB_RETURN_IF_ERROR(found.status());
    if (!found->encoding.columns.empty() && found->encoding.features() == 0) {
      return CannotPack(spec_.Name(), " has no features: ",
                        absl::StrJoin(found->remarks, "; "));
    }
    EBB_RETURN_IF_ERROR(ReadAs(labels, found->encoding));
    remarks_.insert(remarks_.begin(), found->remarks.begin(),
                    found->remarks.end());
    return absl::OkStatus();
  };
  return ReadLabels(read);
}

// If more examples are left out with classes than with numbers, their labels
// are numbers.
absl::Status Packer::ReadLabels(
    absl::FunctionRef<absl::Status(LabelKind)> read) {
  if (!spec_.has_labels) return read(LabelKind::kReal);
  absl::Status classes = read(LabelKind::kClass);
  const int64_t left_out = footer_.index.left_out;
  if (classes.ok() && left_out == 0) return classes;
  if (!classes.ok() && !absl::IsInvalidArgument(classes)) return classes;
  absl::Status numbers = read(LabelKind::kReal);
  if (!classes.ok()) {
    // Mistakes beside the labels occur both times.
    return absl::IsInvalidArgument(numbers) ? classes : numbers;
  }
  if (numbers.ok() && footer_.index.left_out < left_out) return numbers;
  return read(LabelKind::kClass);
}

absl::Status Packer::ReadAs(LabelKind labels, const Encoding& encoding) {
  spec_.label_kind = labels;
  buckets_ = MakeBuckets();
  footer_ = Footer();
  remarks_.clear();
  done_ = entries_ = 0;
  EBB_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader,
                       OpenReader(spec_, open_, encoding));
  EBB_RETURN_IF_ERROR(BeginFooter(encoding, reader.get()));
  Pass pass(spec_);
  if (!footer_.rows()) pass.features.emplace(reader->features());
  EBB_RETURN_IF_ERROR(ReadExamples(encoding, reader.get(), &pass));
  if (training_ == nullptr && encoding.origins.empty()) {
    Encoding with = encoding;
    with.origins = reader->Origins();
    if (!with.origins.empty()) return ReadAs(labels, with);
  }
  options_.kill_points.Reached("source-read");
  EBB_RETURN_IF_ERROR(FillFooter(*reader, pass));
  if (training_ == nullptr) return CheckFeatures(*reader, pass);
  footer_.index.mean = training_->index.mean;
  footer_.index.stddev = training_->index.stddev;
  return absl::OkStatus();
}

// The facts that are known before the first example. Those of the training data
// hold for other data, which must fit them.
absl::Status Packer::BeginFooter(const Encoding& encoding, Reader* reader) {
  Index& index = footer_.index;
  index.encoding = encoding;
  footer_.layout = reader->layout();
  footer_.has_labels = spec_.has_labels;
  footer_.gaps = spec_.csv.missing == CsvOptions::Missing::kMean ||
                 spec_.csv.missing == CsvOptions::Missing::kKeep;
  footer_.shuffled = true;
  footer_.seed = options_.seed;
  if (training_ == nullptr) {
    reader->LookForConstants();
    return absl::OkStatus();
  }
  Index like = training_->index;
  if (!internal::HasClasses(spec_)) like.classes.clear();
  EBB_RETURN_IF_ERROR(
      internal::CheckFit(spec_, internal::FittingOf(spec_, *reader), like));
  index.features = like.features;
  if (!encoding.classes.empty()) index.classes = like.classes;
  return absl::OkStatus();
}

absl::Status Packer::ReadExamples(const Encoding& encoding, Reader* reader,
                                  Pass* pass) {
  Index& index = footer_.index;
  const bool classes = internal::HasClasses(spec_);
  // Only a job that wants classes asks whether a label is one of the training
  // data's: whole numbers may be values.
  const bool known = training_ != nullptr && !encoding.classes.empty();
  Example example;
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const bool more, reader->Next(&example));
    if (!more) break;
    if (training_ != nullptr) {
      const absl::Status fits =
          internal::CheckExample(*reader, example, classes && known, index);
      if (!fits.ok()) {
        EBB_RETURN_IF_ERROR(pass->bad.Add(fits));
        continue;
      }
    }
    if (classes && !known) {
      EBB_RETURN_IF_ERROR(internal::AddClass(*reader, example.label, encoding,
                                             &index.classes, &pass->places));
    }
    pass->bad.AddGood();
    if (LabelsAreNumbers()) pass->labels.AddRow(std::span(&example.label, 1));
    if (footer_.layout == Layout::kBytes) pass->features->AddRow(example.bytes);
    if (footer_.layout == Layout::kDense) {
      pass->features->AddRow(example.values);
    }
    EBB_RETURN_IF_ERROR(AddExample(example, index.examples++));
    ++done_;
    EBB_RETURN_IF_ERROR(Step(/*writing=*/false, 0));
  }
  return pass->bad.Judge(spec_.Name());
}

// The facts that are known after the last example.
absl::Status Packer::FillFooter(const Reader& reader, const Pass& pass) {
  Index& index = footer_.index;
  index.left_out = reader.left_out().examples + pass.bad.left_out().examples;
  if (index.examples == 0) {
    return CannotPack(
        spec_.Name(), " has no examples",
        spec_.split.has_value() ? " in this part of its split" : "");
  }
  std::string absent = internal::AbsentFeature(reader);
  if (training_ == nullptr && !absent.empty()) {
    return CannotPack(spec_.Name(), ": ", absent);
  }
  std::string columns = internal::FittingOf(spec_, reader).shape;
  if (absl::StartsWith(reader.ColumnOrder(), internal::kDenseColumns)) {
    columns = reader.ColumnOrder();
  }
  index.meaning = internal::WithColumns(spec_.Meaning(), columns);
  index.files = reader.Fingerprints();
  footer_.names = reader.Names();
  remarks_ = reader.Remarks();
  zones_of_dates_ = reader.ZonesOfDates();
  if (!absent.empty()) remarks_.push_back(std::move(absent));
  if (LabelsAreNumbers()) {
    index.labels = LabelMoments{pass.labels.mean()[0], pass.labels.Stddev()[0]};
  }
  if (pass.features) {
    index.mean = pass.features->mean();
    index.stddev = pass.features->Stddev();
  }
  return absl::OkStatus();
}

// There are features, and each has values.
absl::Status Packer::CheckFeatures(const Reader& reader, const Pass& pass) {
  Index& index = footer_.index;
  EBB_RETURN_IF_ERROR(internal::CheckNames(spec_, footer_.names));
  index.features = reader.features();
  if (index.features == 0 ||
      (footer_.layout == Layout::kKeyed && entries_ == 0)) {
    return CannotPack(spec_.Name(), " has no features");
  }
  for (int64_t j = 0; pass.features && j < index.features; ++j) {
    if (pass.features->count()[j] > 0) continue;
    if (spec_.csv.missing == CsvOptions::Missing::kKeep) {
      remarks_.push_back(
          absl::StrCat("feature ", j + 1, " of ", index.features,
                       internal::NameOf(index.encoding, footer_.names, j),
                       " has no value at all, so nothing is learnt from it"));
      continue;
    }
    return CannotPack(spec_.Name(), ": feature ", j + 1, " of ", index.features,
                      internal::NameOf(index.encoding, footer_.names, j),
                      " has no value at all, so no mean; ignore its column");
  }
  return absl::OkStatus();
}

absl::Status Packer::AddExample(const Example& example, int64_t number) {
  RecordHead head;
  head.number = number;
  head.label = example.label;
  head.hash =
      HashAppend(HashAppend(HashAppend(0, kShuffleVersion), options_.seed),
                 static_cast<uint64_t>(number));
  if (footer_.rows()) {
    head.entries = static_cast<uint32_t>(example.values.size());
    entries_ += std::ssize(example.values);
  } else {
    head.entries =
        static_cast<uint32_t>(example.bytes.size() + example.values.size());
  }
  record_.clear();
  Put(std::span<const RecordHead>(&head, 1), &record_);
  Put(example.bytes, &record_);
  Put(example.values, &record_);
  Put(example.ids, &record_);
  Put(example.keys, &record_);
  Put(example.fields, &record_);
  return buckets_[head.hash >> (64 - kBucketBits)].Add(record_);
}

size_t Packer::BytesOf(const RecordHead& head) const {
  size_t each = sizeof(float);
  if (footer_.layout == Layout::kBytes) each = 1;
  if (footer_.layout == Layout::kSparse) each += sizeof(int32_t);
  if (footer_.layout == Layout::kKeyed)
    each += sizeof(uint64_t) + sizeof(Field);
  return sizeof(head) + head.entries * each;
}

absl::Status Packer::ChooseWindow() {
  const int64_t examples = footer_.index.examples;
  WindowEntry all;
  all.examples = examples;
  all.entries = entries_;
  const int64_t each =
      std::max<int64_t>(1, footer_.MemoryBytes(all) / examples);
  footer_.window = options_.window;
  if (footer_.window == 0) {
    footer_.window = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(
        std::clamp<int64_t>(kBytesOfAWindow / each, 1, kMostOfAWindow))));
  }
  if (footer_.window > kMostWindowBytes / each) {
    return CannotPack("a window of ", footer_.window, " examples takes about ",
                      footer_.window, " * ", each, " bytes, and may take ",
                      kMostWindowBytes, "\nhint: --window ",
                      std::bit_floor(static_cast<uint64_t>(
                          std::max<int64_t>(1, kBytesOfAWindow / each))));
  }
  return absl::OkStatus();
}

absl::Status Packer::Cut(const Bucket& bucket, int bits,
                         std::vector<Bucket>* parts) {
  *parts = MakeBuckets();
  std::string record;
  for (int64_t at = 0; at < bucket.bytes();) {
    RecordHead head;
    EBB_RETURN_IF_ERROR(
        bucket.ReadAt(at, {reinterpret_cast<char*>(&head), sizeof(head)})
            .status());
    record.resize(BytesOf(head));
    EBB_RETURN_IF_ERROR(bucket.ReadAt(at, record).status());
    at += std::ssize(record);
    EBB_RETURN_IF_ERROR(
        (*parts)[(head.hash << bits) >> (64 - kBucketBits)].Add(record));
  }
  return absl::OkStatus();
}

absl::Status Packer::Sort(Bucket bucket, int bits, WindowWriter* writer) {
  if (bucket.bytes() == 0) return absl::OkStatus();
  EBB_RETURN_IF_ERROR(bucket.Flush());
  // Examples whose first 60 bits are equal are few.
  if (bucket.bytes() > options_.memory_bytes && bits + kBucketBits <= 60) {
    std::vector<Bucket> parts;
    EBB_RETURN_IF_ERROR(Cut(bucket, bits, &parts));
    { const Bucket cut = std::move(bucket); }
    for (Bucket& part : parts) {
      Bucket one = std::move(part);
      EBB_RETURN_IF_ERROR(Sort(std::move(one), bits + kBucketBits, writer));
    }
    return absl::OkStatus();
  }
  std::vector<char> all(static_cast<size_t>(bucket.bytes()));
  EBB_ASSIGN_OR_RETURN(const size_t read, bucket.ReadAt(0, all));
  if (read != all.size()) {
    return absl::DataLossError(
        absl::StrCat(work_, ": a file of examples became shorter; pack again"));
  }
  struct Place {
    uint64_t hash;
    int64_t number;
    size_t at;
  };
  std::vector<Place> places;
  for (size_t at = 0; at < all.size();) {
    RecordHead head;
    std::memcpy(&head, all.data() + at, sizeof(head));
    places.push_back({head.hash, head.number, at});
    at += BytesOf(head);
  }
  std::ranges::sort(places, [](const Place& a, const Place& b) {
    return std::pair(a.hash, a.number) < std::pair(b.hash, b.number);
  });
  // Numbers within a record may begin at any byte: they are copied.
  std::vector<float> values;
  std::vector<int32_t> ids;
  std::vector<uint64_t> keys;
  std::vector<Field> fields;
  for (const Place& place : places) {
    RecordHead head;
    const char* from = all.data() + place.at;
    std::memcpy(&head, from, sizeof(head));
    from += sizeof(head);
    const auto take = [&](auto* to) {
      to->resize(head.entries);
      const size_t bytes = head.entries * sizeof((*to)[0]);
      if (bytes > 0) std::memcpy(to->data(), from, bytes);
      from += bytes;
    };
    Example example;
    example.label = head.label;
    if (footer_.layout == Layout::kBytes) {
      example.bytes = {reinterpret_cast<const uint8_t*>(from), head.entries};
    } else {
      take(&values);
      example.values = values;
    }
    if (footer_.layout == Layout::kSparse) {
      take(&ids);
      example.ids = ids;
    }
    if (footer_.layout == Layout::kKeyed) {
      take(&keys);
      take(&fields);
      example.keys = keys;
      example.fields = fields;
    }
    EBB_RETURN_IF_ERROR(writer->Add(example));
    ++done_;
    EBB_RETURN_IF_ERROR(Step(/*writing=*/true, footer_.index.examples));
  }
  return absl::OkStatus();
}

absl::Status CheckSources(const std::vector<PackSource>& sources) {
  for (const PackSource& source : sources) {
    const SourceSpec& spec = source.spec;
    if (absl::StrContains(spec.path, "://")) {
      return CannotPack(spec.Name(),
                        " is not on this machine; bring its files here, and "
                        "pack these");
    }
    if (spec.kind == SourceKind::kPacked) {
      return CannotPack(spec.Name(), " is a packed set already");
    }
    if (spec.kind == SourceKind::kText || spec.kind == SourceKind::kBags) {
      return CannotPack(spec.Name(),
                        " has documents, and these are not packed: they must "
                        "fit into the memory of workers");
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::span<const absl::string_view> PackKillPoints() {
  static constexpr absl::string_view kPoints[] = {
      "source-read", "bucket-written", "set-written", "before-rename",
      "renamed"};
  return kPoints;
}

absl::StatusOr<std::vector<PackedFacts>> PackSources(
    const std::vector<PackSource>& sources, const std::string& folder,
    const PackOptions& options, const OpenBytes& open) {
  EBB_RETURN_IF_ERROR(CheckSources(sources));
  EBB_ASSIGN_OR_RETURN(const PackingFolder work, PackingFolder::Begin(folder));
  std::vector<PackedFacts> facts;
  std::optional<Footer> training;
  std::optional<LabelKind> labels;
  std::vector<TimeZones> zones;  // The training data has these.
  for (const PackSource& source : sources) {
    PackSource one = source;
    if (labels) one.spec.label_kind = *labels;
    if (training && !one.spec.split) {
      one.spec.like = training->names;
      one.spec.training_zones = zones;
    }
    EBB_ASSIGN_OR_RETURN(const std::string to, work.MakeSet(one.name));
    Packer packer(one, to, work.buckets(), options, open,
                  training ? &*training : nullptr);
    EBB_RETURN_IF_ERROR(packer.Run());
    options.kill_points.Reached("set-written");
    EBB_ASSIGN_OR_RETURN(const auto written, PackedSet::Open(to));
    const Footer& footer = written->footer();
    if (training && one.spec.split &&
        footer.index.files != training->index.files) {
      return absl::FailedPreconditionError(absl::StrCat(
          one.spec.Name(), " changed while it was packed; pack it again"));
    }
    facts.push_back({.name = one.name,
                     .id = written->id(),
                     .examples = footer.index.examples,
                     .features = footer.index.features,
                     .classes = std::ssize(footer.index.classes),
                     .window = footer.window,
                     .windows = std::ssize(footer.windows),
                     .left_out = footer.index.left_out,
                     .keyed = footer.layout == Layout::kKeyed,
                     .sparse = footer.layout == Layout::kSparse,
                     .remarks = packer.remarks()});
    if (!training) {
      training = footer;
      zones = packer.zones_of_dates();
      labels =
          footer.index.classes.empty() ? LabelKind::kReal : LabelKind::kClass;
    }
  }
  EBB_RETURN_IF_ERROR(work.Publish(options.kill_points));
  return facts;
}

}  // namespace ebb::data::pack
