// TFRecord files of tf.train.Example, as TensorFlow writes them: an example
// names lists of numbers or of byte strings.
// https://www.tensorflow.org/tutorials/load_data/tfrecord
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/bytes/tf_record.h"
#include "data/formats/format.h"
#include "data/formats/records/binary_reader.h"
#include "data/formats/records/example_wire.h"
#include "data/formats/records/record_mapping.h"

namespace ebb::data::internal {
namespace {

// The entry that suits a feature.
std::string Suitable(const WireFeature& feature) {
  int64_t count = 0;
  std::string only;
  const WireStatus status = ForEachValue(
      feature, [&](auto) { ++count; },
      [&](absl::string_view floats) { count += floats.size() / sizeof(float); },
      [&](absl::string_view text) {
        ++count;
        only = std::string(text);
      });
  if (status != WireStatus::kOk || count == 0) return "";
  if (feature.kind != WireFeature::Kind::kBytes) {
    return count == 1 ? "dense"
                      : absl::StrCat("{as: dense, width: ", count, "}");
  }
  if (count > 1) return "keys";
  if (IsUtf8Text(only)) return "key";
  return absl::StrCat("{as: bytes, width: ", only.size(), "}");
}

class TfRecordReader final : public BinaryReader {
 public:
  TfRecordReader(const SourceSpec& spec, Input file)
      : BinaryReader(spec, std::move(file), "record"),
        found_(mapping_.size()) {}

  // Returns the error of a source without features.
  absl::Status Propose() {
    absl::Status mistake;
    EBB_ASSIGN_OR_RETURN(const bool more, ReadRecord(&mistake));
    EBB_RETURN_IF_ERROR(mistake);
    std::vector<ProposedFeature> proposed;
    const bool sound =
        more && ForEachFeature(record_, [&](absl::string_view name,
                                            const WireFeature& feature) {
                  std::erase_if(proposed, [&](const ProposedFeature& other) {
                    return other.name == name;
                  });
                  proposed.push_back({std::string(name), Suitable(feature)});
                }) == WireStatus::kOk;
    if (!sound) {
      return absl::InvalidArgumentError(absl::StrCat(
          Where(), ": ", more ? "is no tf.train.Example" : "is empty"));
    }
    return NoFeatures(Where(), std::move(proposed));
  }

 private:
  // Sets record_ to the next record; false at the end of the last file. A
  // record with a wrong checksum, or one that is too long, is only a mistake in
  // this one.
  absl::StatusOr<bool> ReadRecord(absl::Status* mistake) override {
    absl::string_view front;
    for (;;) {
      begin_ = file_.offset();
      EBB_ASSIGN_OR_RETURN(front, file_.ReadView(kTfRecordFront));
      if (!front.empty()) break;
      EBB_ASSIGN_OR_RETURN(const bool more, file_.NextFile());
      if (!more) return false;
      number_ = 0;
    }
    ++number_;
    if (front.size() < kTfRecordFront) return Cut();
    if (!IsTfRecord(front)) {
      return Broken("the checksum of its length is wrong",
                    number_ == 1 ? "; is it a TFRecord file?"
                                 : ", so no record behind it can be found; "
                                   "was the file copied whole?");
    }
    uint64_t length;
    std::memcpy(&length, front.data(), sizeof(length));
    if (length > kMaxExampleBytes) {
      *mistake = absl::InvalidArgumentError(
          absl::StrCat("has ", length, " bytes, but a record has at most ",
                       kMaxExampleBytes >> 20, " MiB"));
      if (!bad_.skip()) return true;
      EBB_RETURN_IF_ERROR(Pass(length));
      EBB_RETURN_IF_ERROR(Pass(sizeof(uint32_t)));
      return true;
    }
    uint32_t checksum;
    EBB_ASSIGN_OR_RETURN(record_, file_.ReadView(length + sizeof(checksum)));
    if (record_.size() < length + sizeof(checksum)) return Cut();
    std::memcpy(&checksum, record_.data() + length, sizeof(checksum));
    record_.remove_suffix(sizeof(checksum));
    if (MaskedCrc(record_) != checksum) {
      *mistake = absl::InvalidArgumentError(
          "the checksum of its bytes is wrong; write the file anew");
    }
    return true;
  }
  // Passes over bytes of the record.
  absl::Status Pass(uint64_t bytes) {
    EBB_ASSIGN_OR_RETURN(const uint64_t passed, file_.Skip(bytes));
    return passed < bytes ? Cut() : absl::OkStatus();
  }
  absl::Status Cut() const {
    return Broken("is cut: the file ends within it; was it copied whole?");
  }

  // Makes an example of record_. The error has no place.
  absl::Status Take(Example* example) override {
    for (WireFeature& feature : found_) feature.Clear();
    const WireStatus status = ForEachFeature(
        record_, [&](absl::string_view name, WireFeature& feature) {
          const size_t i = mapping_.Find(name);
          if (i < found_.size()) std::swap(found_[i], feature);
        });
    if (status != WireStatus::kOk) {
      return absl::InvalidArgumentError("is no tf.train.Example");
    }
    mapping_.Begin();
    for (size_t i = 0; i < found_.size(); ++i) {
      mapping_.Select(i);
      const WireStatus read = ForEachValue(
          found_[i], [&](int64_t whole) { mapping_.AddWhole(whole); },
          [&](absl::string_view floats) { mapping_.AddFloats(floats); },
          [&](absl::string_view text) { mapping_.AddText(text); });
      if (read != WireStatus::kOk) {
        return absl::InvalidArgumentError("is no tf.train.Example");
      }
      mapping_.EndFeature();
    }
    return mapping_.End(example);
  }

  std::vector<WireFeature> found_;  // In the mapping's order.
  absl::string_view record_;        // In the buffer of the file.
};

absl::StatusOr<std::vector<Input>> OpenTfRecordFiles(const SourceSpec& spec,
                                                     const OpenBytes& open) {
  return OpenRecordFiles(spec, open,
                         {.content = Content::kTfRecord, .in_place = true});
}

absl::StatusOr<std::unique_ptr<Reader>> OpenTfRecord(
    const SourceSpec& spec, const Encoding& /*encoding*/,
    std::vector<Input> files) {
  auto reader = std::make_unique<TfRecordReader>(spec, std::move(files[0]));
  if (spec.features.empty()) return reader->Propose();
  return reader;
}

std::string MeaningOfTfRecord(const SourceSpec& spec,
                              absl::string_view common) {
  return MeaningOfRecords("tf_record", spec, common);
}

}  // namespace

Format TfRecordFormat() {
  return {.kind = SourceKind::kTfRecord,
          .word = "tf_record",
          .layout = LayoutOfRecords,
          .hashes_words = true,
          .only_words = HasOnlyWords,
          .validate = ValidateRecords,
          .meaning = MeaningOfTfRecord,
          .files = OpenTfRecordFiles,
          .open = OpenTfRecord};
}

}  // namespace ebb::data::internal
