#include "data/growing/proto_headers.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ebb/v1/growing_set.pb.h"

namespace ebb::data::growing {
namespace {

// No sum of two numbers below it overflows.
constexpr int64_t kMostNumber = std::numeric_limits<int64_t>::max() / 4;
constexpr size_t kMostPartitionBytes = 512;
constexpr size_t kHashBytes = 16;

bool IsNumber(int64_t value) { return value >= 0 && value < kMostNumber; }

bool IsPartition(absl::string_view name) {
  return !name.empty() && name.size() <= kMostPartitionBytes;
}

std::string BytesOf(const ObjectHash& hash) {
  std::string bytes;
  for (const uint64_t half : {hash.high, hash.low}) {
    for (int shift = 56; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<char>(half >> shift));
    }
  }
  return bytes;
}

bool ToHash(absl::string_view bytes, ObjectHash* hash) {
  if (bytes.size() != kHashBytes) return false;
  for (size_t i = 0; i < kHashBytes; ++i) {
    uint64_t& half = i < kHashBytes / 2 ? hash->high : hash->low;
    half = half << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return true;
}

// This function is for repeated fields, whose type is known to protobuf alone.
template <typename Repeated>
void PutEnds(const Ends& ends, Repeated* out) {
  for (const auto& [partition, end] : ends) {
    v1::GrowingEnd* one = out->Add();
    one->set_partition(partition);
    one->set_end(end.end);
    if (!end.anchor) continue;
    one->mutable_anchor()->set_offset(end.anchor->offset);
    one->mutable_anchor()->set_hash(end.anchor->hash);
  }
}

template <typename Repeated>
bool TakeEnds(const Repeated& stored, Ends* ends) {
  for (const v1::GrowingEnd& one : stored) {
    if (!IsPartition(one.partition()) || !IsNumber(one.end()) ||
        (!ends->empty() && one.partition() <= ends->rbegin()->first)) {
      return false;
    }
    PartitionEnd end = {one.end(), std::nullopt};
    if (one.has_anchor()) {
      end.anchor = {one.anchor().offset(), one.anchor().hash()};
      if (end.anchor->offset < 0 || end.anchor->offset >= end.end) return false;
    }
    ends->emplace_hint(ends->end(), one.partition(), end);
  }
  return true;
}

void PutTotals(const Totals& totals, v1::GrowingTotals* out) {
  out->set_left_out(totals.left_out);
  out->set_absent(totals.absent);
  out->set_lost(totals.lost);
}

bool TakeTotals(const v1::GrowingTotals& stored, Totals* totals) {
  *totals = {stored.left_out(), stored.absent(), stored.lost()};
  return IsNumber(totals->left_out) && IsNumber(totals->absent) &&
         IsNumber(totals->lost);
}

bool TakeRange(const v1::GrowingRange& stored, const Ends& ends,
               CoveredRange* range) {
  *range = {stored.partition(), stored.begin(),    stored.end(),
            stored.examples(),  stored.left_out(), stored.absent()};
  const auto end = ends.find(range->partition);
  return IsNumber(range->begin) && range->begin <= range->end &&
         IsNumber(range->examples) && IsNumber(range->left_out) &&
         IsNumber(range->absent) && end != ends.end() &&
         end->second.end == range->end;
}

bool TakeLost(const v1::GrowingLost& stored, LostRange* lost) {
  *lost = {stored.partition(), stored.begin(), stored.end(), stored.reason()};
  return IsPartition(lost->partition) && IsNumber(lost->begin) &&
         lost->begin < lost->end && IsNumber(lost->end);
}

bool TakeWindow(const v1::GrowingObject& stored, pack::WindowEntry* window) {
  const v1::GrowingWindow& from = stored.window();
  if (from.raw_bytes_size() != from.stored_bytes_size() ||
      stored.has_window() != (stored.count() > 0)) {
    return false;
  }
  window->examples = stored.count();
  window->entries = from.entries();
  window->hash = from.hash();
  for (int i = 0; i < from.raw_bytes_size(); ++i) {
    window->columns.push_back({from.raw_bytes(i), from.stored_bytes(i)});
  }
  return true;
}

bool TakeSchema(const v1::GrowingSchema& stored, About* about) {
  using Layouts = v1::GrowingSchema;
  pack::WindowSchema& schema = about->schema;
  switch (stored.layout()) {
    case Layouts::LAYOUT_BYTES:
      schema.layout = Layout::kBytes;
      break;
    case Layouts::LAYOUT_DENSE:
      schema.layout = Layout::kDense;
      break;
    case Layouts::LAYOUT_SPARSE:
      schema.layout = Layout::kSparse;
      break;
    case Layouts::LAYOUT_KEYED:
      schema.layout = Layout::kKeyed;
      break;
    default:
      return false;
  }
  schema.has_labels = stored.has_labels();
  schema.gaps = stored.gaps();
  auto index = Index::Decode(stored.index());
  if (!index.ok() || index->features < 1 || !index->files.empty() ||
      (schema.layout == Layout::kKeyed && index->features > kMaxFields)) {
    return false;
  }
  about->index = *std::move(index);
  schema.features = about->index.features;
  if (!stored.has_names()) return stored.feature_names_size() == 0;
  about->names.emplace();
  about->names->features = {stored.feature_names().begin(),
                            stored.feature_names().end()};
  about->names->label = stored.label_name();
  return true;
}

void PutSchema(const About& about, v1::GrowingSchema* out) {
  using Layouts = v1::GrowingSchema;
  switch (about.schema.layout) {
    case Layout::kBytes:
      out->set_layout(Layouts::LAYOUT_BYTES);
      break;
    case Layout::kDense:
      out->set_layout(Layouts::LAYOUT_DENSE);
      break;
    case Layout::kSparse:
      out->set_layout(Layouts::LAYOUT_SPARSE);
      break;
    case Layout::kKeyed:
      out->set_layout(Layouts::LAYOUT_KEYED);
      break;
  }
  out->set_has_labels(about.schema.has_labels);
  out->set_gaps(about.schema.gaps);
  out->set_index(about.index.Encode());
  out->set_has_names(about.names.has_value());
  if (!about.names) return;
  for (const std::string& name : about.names->features) {
    out->add_feature_names(name);
  }
  out->set_label_name(about.names->label);
}

}  // namespace

std::string SourceIdentity::ToString() const {
  std::string text = kind == Kind::kPut     ? "messages that programs put"
                     : kind == Kind::kFiles ? "files"
                                            : "kafka";
  std::vector<std::string> facts;
  if (!cluster.empty()) facts.push_back(absl::StrCat("cluster ", cluster));
  if (!streams.empty()) {
    facts.push_back(absl::StrJoin(streams, ", "));
  }
  if (kind == Kind::kFiles) {
    facts.push_back(
        absl::StrCat("known by their first ", fingerprint_bytes, " bytes"));
  }
  if (!facts.empty()) {
    absl::StrAppend(&text, " (", absl::StrJoin(facts, "; "), ")");
  }
  return text;
}

std::string About::ShortId() const {
  return absl::BytesToHexString(identity.substr(0, 6));
}

std::string ToBytes(const About& about) {
  v1::GrowingSetAbout out;
  out.set_identity(about.identity);
  out.set_created_unix_ms(about.created_unix_ms);
  out.set_place(about.place);
  v1::GrowingSource* source = out.mutable_source();
  source->set_kind(static_cast<v1::GrowingSource::Kind>(
      static_cast<int>(about.source.kind)));
  source->set_cluster(about.source.cluster);
  for (const std::string& stream : about.source.streams) {
    source->add_streams(stream);
  }
  source->set_fingerprint_bytes(about.source.fingerprint_bytes);
  out.set_data_source(about.data_source);
  out.set_header_line(about.header_line);
  out.set_on_bad(
      static_cast<v1::GrowingSetAbout::OnBad>(static_cast<int>(about.on_bad)));
  out.set_on_lost(static_cast<v1::GrowingSetAbout::OnLost>(
      static_cast<int>(about.on_lost)));
  out.set_sampled(about.sampled);
  PutSchema(about, out.mutable_schema());
  return out.SerializeAsString();
}

std::string FromBytes(absl::string_view bytes, About* about) {
  v1::GrowingSetAbout stored;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return "it is no message";
  }
  *about = About();
  about->identity = stored.identity();
  about->created_unix_ms = stored.created_unix_ms();
  about->place = stored.place();
  const v1::GrowingSource& source = stored.source();
  about->source.kind = static_cast<SourceIdentity::Kind>(source.kind());
  about->source.cluster = source.cluster();
  about->source.streams = {source.streams().begin(), source.streams().end()};
  about->source.fingerprint_bytes = source.fingerprint_bytes();
  about->data_source = stored.data_source();
  about->header_line = stored.header_line();
  about->on_bad = static_cast<OnBad>(stored.on_bad());
  about->on_lost = static_cast<OnLost>(stored.on_lost());
  about->sampled = stored.sampled();
  if (about->identity.size() != kIdentityBytes) return "its identity is short";
  if (source.kind() < v1::GrowingSource::KIND_PUT ||
      source.kind() > v1::GrowingSource::KIND_KAFKA) {
    return absl::StrCat("its source is of an unknown kind, ", source.kind());
  }
  if (stored.on_bad() < v1::GrowingSetAbout::ON_BAD_STOP ||
      stored.on_bad() > v1::GrowingSetAbout::ON_BAD_ASIDE ||
      stored.on_lost() < v1::GrowingSetAbout::ON_LOST_PAUSE ||
      stored.on_lost() > v1::GrowingSetAbout::ON_LOST_SKIP) {
    return "what becomes of bad or lost messages is unknown";
  }
  if (!TakeSchema(stored.schema(), about)) return "its schema is wrong";
  return "";
}

std::string ToBytes(const ObjectHeader& header) {
  v1::GrowingObject out;
  out.set_identity(header.identity);
  out.set_place(header.place);
  out.set_first(header.first);
  out.set_count(header.count);
  for (const CoveredRange& range : header.ranges) {
    v1::GrowingRange* one = out.add_ranges();
    one->set_partition(range.partition);
    one->set_begin(range.begin);
    one->set_end(range.end);
    one->set_examples(range.examples);
    one->set_left_out(range.left_out);
    one->set_absent(range.absent);
  }
  PutEnds(header.ends, out.mutable_ends());
  if (header.before) out.set_before(BytesOf(*header.before));
  out.set_created_unix_ms(header.created_unix_ms);
  for (const LostRange& lost : header.lost) {
    v1::GrowingLost* one = out.add_lost();
    one->set_partition(lost.partition);
    one->set_begin(lost.begin);
    one->set_end(lost.end);
    one->set_reason(lost.reason);
  }
  PutTotals(header.totals, out.mutable_totals());
  if (header.count > 0) {
    v1::GrowingWindow* window = out.mutable_window();
    window->set_entries(header.window.entries);
    window->set_hash(header.window.hash);
    for (const pack::StoredColumn& column : header.window.columns) {
      window->add_raw_bytes(column.raw_bytes);
      window->add_stored_bytes(column.stored_bytes);
    }
  }
  out.set_end(header.end);
  out.set_writer(header.writer);
  return out.SerializeAsString();
}

std::string FromBytes(absl::string_view bytes, ObjectHeader* header) {
  v1::GrowingObject stored;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return "its header is no message";
  }
  *header = ObjectHeader();
  header->identity = stored.identity();
  header->place = stored.place();
  header->first = stored.first();
  header->count = stored.count();
  header->created_unix_ms = stored.created_unix_ms();
  header->end = stored.end();
  header->writer = stored.writer();
  if (!IsNumber(header->place) || !IsNumber(header->first) ||
      !IsNumber(header->count) || (header->end && header->count > 0)) {
    return "its place or its numbers are wrong";
  }
  if (!TakeEnds(stored.ends(), &header->ends)) return "its ends are wrong";
  int64_t examples = 0;
  for (const v1::GrowingRange& one : stored.ranges()) {
    if (!TakeRange(one, header->ends, &header->ranges.emplace_back())) {
      return "a range that it covers is wrong";
    }
    examples += header->ranges.back().examples;
    if (examples > header->count) break;
  }
  if (examples != header->count) {
    return "its ranges have another number of examples than it has";
  }
  for (const v1::GrowingLost& one : stored.lost()) {
    if (!TakeLost(one, &header->lost.emplace_back())) {
      return "a lost range is wrong";
    }
  }
  if (stored.before().empty() != (header->place == 0)) {
    return "only the first object follows no other";
  }
  if (!stored.before().empty() &&
      !ToHash(stored.before(), &header->before.emplace())) {
    return "the hash of the object before it is wrong";
  }
  if (!TakeTotals(stored.totals(), &header->totals) ||
      !TakeWindow(stored, &header->window)) {
    return "its totals or its columns are wrong";
  }
  return "";
}

std::string ToBytes(const Floor& floor) {
  v1::GrowingFloor out;
  out.set_identity(floor.identity);
  out.set_floor(floor.floor);
  out.set_place(floor.place);
  out.set_number(floor.number);
  PutEnds(floor.ends, out.mutable_ends());
  out.set_before(BytesOf(floor.before));
  PutTotals(floor.totals, out.mutable_totals());
  out.set_created_unix_ms(floor.created_unix_ms);
  return out.SerializeAsString();
}

std::string FromBytes(absl::string_view bytes, Floor* floor) {
  v1::GrowingFloor stored;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return "it is no message";
  }
  *floor = Floor();
  floor->identity = stored.identity();
  floor->floor = stored.floor();
  floor->place = stored.place();
  floor->number = stored.number();
  floor->created_unix_ms = stored.created_unix_ms();
  if (!IsNumber(floor->floor) || !IsNumber(floor->place) || floor->place == 0 ||
      !IsNumber(floor->number)) {
    return "its place or its number is wrong";
  }
  if (!TakeEnds(stored.ends(), &floor->ends)) return "its ends are wrong";
  if (!ToHash(stored.before(), &floor->before)) {
    return "the hash of the object below it is wrong";
  }
  if (!TakeTotals(stored.totals(), &floor->totals)) {
    return "its totals are wrong";
  }
  return "";
}

}  // namespace ebb::data::growing
