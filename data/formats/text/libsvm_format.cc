// LIBSVM: a line is "label id:value id:value ...", ids ascending; a label alone
// is an example whose features are all zero; # begins a comment.
// https://www.csie.ntu.edu.tw/~cjlin/libsvm/faq.html
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/far_constants.h"
#include "data/formats/format.h"
#include "data/formats/keyed_row.h"
#include "data/formats/options.h"
#include "data/formats/text/lost_values.h"
#include "data/formats/text/sparse_line_reader.h"

namespace ebb::data::internal {
namespace {

class LibsvmReader : public SparseLineReader {
 public:
  LibsvmReader(const SourceSpec& spec, Input file)
      : SparseLineReader(spec, std::move(file)),
        first_id_(spec.libsvm.zero_based ? 0 : 1) {}

  Layout layout() const override { return Layout::kSparse; }
  int64_t features() const override {
    return spec().libsvm.features > 0 ? spec().libsvm.features : found_;
  }
  std::vector<std::string> Remarks() const override {
    std::vector<std::string> remarks = FarConstants::Remarks(
        constants_.FindInSparse(rows_),
        [this](size_t column) {
          return absl::StrCat("feature ", column + first_id_);
        },
        [](const std::string&) {
          return "leave the pair out, which reads as 0, or write another "
                 "number";
        });
    std::vector<std::string> lost =
        lost_values_.Remarks([this](size_t feature) {
          return absl::StrCat("feature ", feature + first_id_);
        });
    std::move(lost.begin(), lost.end(), std::back_inserter(remarks));
    return remarks;
  }
  void LookForConstants() override {
    looks_for_constants_ = spec().scale == 1;
    lost_values_.Begin();
  }

 private:
  void Clear() override {
    ids_.clear();
    values_.clear();
  }
  Example Row() override {
    ++rows_;
    if (!ids_.empty()) found_ = std::max<int64_t>(found_, ids_.back() + 1);
    return {.values = values_, .ids = ids_};
  }

  absl::Status Add(absl::string_view word) override {
    const size_t colon = word.find(':');
    int64_t id;
    if (colon == absl::string_view::npos ||
        !absl::SimpleAtoi(word.substr(0, colon), &id)) {
      return Bad(Excerpt(word), " is not a feature; write id:value, as in 7:1");
    }
    if (id < first_id_) {
      return Bad(
          "feature id ", id, " is below ", first_id_,
          id == 0 ? "; if ids count from 0 here, say zero_based: true" : "");
    }
    id -= first_id_;
    const int64_t limit =
        spec().libsvm.features > 0 ? spec().libsvm.features : kMaxFeatures;
    if (id >= limit) {
      return Bad("feature id ", id + first_id_, " in data of ", limit,
                 spec().libsvm.features > 0
                     ? absl::StrCat(" features; to take it, say features: ",
                                    id + 1, ", or more")
                     : " features, the most there can be");
    }
    if (!ids_.empty() && id <= ids_.back()) {
      return Bad("feature id ", id + first_id_, " stands after ",
                 ids_.back() + first_id_, "; the ids of a line ascend");
    }
    const absl::StatusOr<float> value =
        ParseFeature(word.substr(colon + 1), spec().scale);
    if (!value.ok()) {
      return Bad("feature ", id + first_id_, ": ", value.status().message());
    }
    ids_.push_back(static_cast<int32_t>(id));
    values_.push_back(*value);
    if (looks_for_constants_) {
      constants_.Add(id, *value, word.substr(colon + 1));
    }
    lost_values_.Add(static_cast<size_t>(id), word.substr(colon + 1),
                     spec().scale);
    return absl::OkStatus();
  }

  const int64_t first_id_;
  int64_t found_ = 0;
  int64_t rows_ = 0;
  std::vector<int32_t> ids_;
  std::vector<float> values_;
  bool looks_for_constants_ = false;
  FarConstants constants_;
  LostValues lost_values_;
};

// Reads libsvm files whose ids are keys.
class LibsvmKeyReader : public SparseLineReader {
 public:
  using SparseLineReader::SparseLineReader;

  Layout layout() const override { return Layout::kKeyed; }
  int64_t features() const override { return 1; }
  std::vector<std::string> Remarks() const override {
    return lost_values_.Remarks([](Field /*field*/, uint64_t key) {
      return absl::StrCat("feature ", key);
    });
  }
  void LookForConstants() override { lost_values_.Begin(); }

 private:
  void Clear() override { row_.Clear(); }
  Example Row() override { return row_.AsExample(); }

  absl::Status Add(absl::string_view word) override {
    const size_t colon = word.find(':');
    uint64_t key;
    if (colon == absl::string_view::npos ||
        !ParseWhole(word.substr(0, colon), &key)) {
      return Bad(Excerpt(word),
                 " is not a feature; write id:value, as in 7:1, with an id "
                 "from 0 to 2^64 - 1");
    }
    if (!row_.keys.empty() && key <= row_.keys.back()) {
      return Bad("feature id ", key, " stands after ", row_.keys.back(),
                 "; the ids of a line ascend");
    }
    const absl::StatusOr<float> value =
        ParseFeature(word.substr(colon + 1), spec().scale);
    if (!value.ok()) {
      return Bad("feature ", key, ": ", value.status().message());
    }
    row_.Add(0, key, *value);
    lost_values_.Add(0, key, word.substr(colon + 1), spec().scale);
    return absl::OkStatus();
  }

  KeyedRow row_;
  LostKeyValues lost_values_;
};

absl::Status ValidateLibsvm(const SourceSpec& spec) {
  const int64_t features = spec.libsvm.features;
  if (features < 0 || features > kMaxFeatures) {
    return WrongOption("features ", features,
                       " is not between 0 (as found) and ", kMaxFeatures);
  }
  if (spec.libsvm.keys && (features != 0 || spec.libsvm.zero_based)) {
    return WrongOption(
        "keys: true takes neither features nor zero_based, for keys are any "
        "numbers; leave out features and zero_based, or keys");
  }
  return absl::OkStatus();
}

std::string MeaningOfLibsvm(const SourceSpec& spec, absl::string_view common) {
  return absl::StrCat(spec.libsvm.keys ? "libsvm-keys" : "libsvm", common,
                      " features=", spec.libsvm.features,
                      " zero_based=", spec.libsvm.zero_based ? "yes" : "no");
}

Layout LayoutOfLibsvm(const SourceSpec& spec) {
  return spec.libsvm.keys ? Layout::kKeyed : Layout::kSparse;
}

int64_t WidthOfLibsvm(const SourceSpec& spec) {
  return spec.libsvm.keys ? 1 : spec.libsvm.features;
}

absl::StatusOr<std::unique_ptr<Reader>> OpenLibsvm(const SourceSpec& spec,
                                                   const Encoding& encoding,
                                                   std::vector<Input> files) {
  return spec.libsvm.keys
             ? Open<LibsvmKeyReader>(spec, encoding, std::move(files))
             : Open<LibsvmReader>(spec, encoding, std::move(files));
}

}  // namespace

Format LibsvmFormat() {
  return {.kind = SourceKind::kLibsvm,
          .word = "libsvm",
          .layout = LayoutOfLibsvm,
          .stated_width = WidthOfLibsvm,
          .validate = ValidateLibsvm,
          .meaning = MeaningOfLibsvm,
          .open = OpenLibsvm};
}

}  // namespace ebb::data::internal
