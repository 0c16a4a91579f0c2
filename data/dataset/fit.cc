#include "data/dataset/fit.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/bytes/text.h"
#include "data/bytes/wrong_data.h"
#include "data/formats/format.h"
#include "data/formats/options.h"

namespace ebb::data::internal {
namespace {

// With more, the label is not a class, or should have been declared real.
constexpr size_t kMaxClasses = 65536;

// The front of SourceSpec::Meaning(): the format.
absl::string_view WordOf(absl::string_view meaning) {
  return meaning.substr(0, meaning.find(' '));
}

// Returns whether labels of this format may be texts.
bool HasTexts(SourceKind kind) {
  return kind == SourceKind::kCsv || kind == SourceKind::kImages;
}

bool IsOfImages(SourceKind kind) {
  return kind == SourceKind::kImages || kind == SourceKind::kTar;
}

// Classes go by their texts or by their numbers, in both. Packed sets have the
// encoding of the training data.
absl::Status CheckClasses(const SourceSpec& spec, const Index& constants) {
  if (!HasClasses(spec) || !spec.looks_at_labels ||
      spec.kind == SourceKind::kPacked) {
    return absl::OkStatus();
  }
  const bool texts = !constants.encoding.classes.empty();
  if (spec.kind == SourceKind::kImages && !texts) {
    return WrongData(spec.Name(),
                     " names its classes by folders, but those of the training "
                     "data are numbers; give both in one form");
  }
  if (!HasTexts(spec.kind) && texts) {
    return WrongData(spec.Name(),
                     " has numbers as labels, but the classes of the training "
                     "data have names, as ",
                     Excerpt(constants.encoding.classes[0]),
                     "; give both in one form");
  }
  return absl::OkStatus();
}

// How the files write a label that is a class.
std::string LabelText(const Encoding& encoding, float label) {
  return encoding.classes.empty()
             ? absl::StrCat(label)
             : encoding.classes[static_cast<size_t>(label)];
}

}  // namespace

Fitting FittingOf(const SourceSpec& spec, const Reader& reader) {
  const auto stated_width = FormatOf(spec.kind).stated_width;
  return {reader.layout(), reader.features(),
          !stated_width || stated_width(spec) > 0,
          IsOfImages(spec.kind) ? reader.ColumnOrder() : ""};
}

std::string WithColumns(absl::string_view meaning, absl::string_view columns) {
  return columns.empty() ? std::string(meaning)
                         : absl::StrCat(meaning, kColumnsAre, columns);
}

std::string ShapeIn(absl::string_view meaning) {
  if (WordOf(meaning) == "packed") {
    const size_t at = meaning.rfind(kPackedFrom);
    if (at == absl::string_view::npos) return "";
    meaning.remove_prefix(at + kPackedFrom.size());
  }
  const size_t at = meaning.rfind(kColumnsAre);
  const absl::string_view word = WordOf(meaning);
  if ((word != "images" && word != "tar") || at == absl::string_view::npos) {
    return "";
  }
  return std::string(meaning.substr(at + kColumnsAre.size()));
}

absl::Status CheckFit(const SourceSpec& spec, const Fitting& fitting,
                      const Index& constants) {
  const Layout layout = fitting.layout;
  const bool dense = layout == Layout::kBytes || layout == Layout::kDense;
  if (dense == constants.mean.empty()) {
    return WrongData(spec.Name(), " is ", dense ? "dense" : "sparse",
                     ", but the training data is not");
  }
  // Other formats make other keys of the same things.
  const std::string meaning = spec.Meaning();
  if (!dense && WordOf(meaning) != WordOf(constants.meaning)) {
    return WrongData(spec.Name(), " is read as ", WordOf(meaning),
                     ", but the training data as ", WordOf(constants.meaning));
  }
  const std::string shape = ShapeIn(constants.meaning);
  if (!shape.empty() && !fitting.shape.empty() && fitting.shape != shape) {
    return WrongData(spec.Name(), " has images of ", fitting.shape,
                     " pixels, but the training data of ", shape,
                     "; size: ", shape, " scales them to it");
  }
  const bool moves = spec.kind == SourceKind::kCsv ||
                     spec.kind == SourceKind::kNpy ||
                     spec.kind == SourceKind::kPacked;
  if (!constants.encoding.origins.empty() && !moves) {
    return WrongData(spec.Name(), " is read as ", WordOf(meaning),
                     ", which keeps fewer digits than the training data, read "
                     "as ",
                     WordOf(constants.meaning), "; give both in one format");
  }
  if (fitting.width_is_known && fitting.features != constants.features) {
    return WrongData(spec.Name(), " has ", fitting.features, " ",
                     spec.keyed() ? "fields" : "features",
                     ", but the training data has ", constants.features);
  }
  const bool classes = spec.label_kind == LabelKind::kClass;
  if (spec.has_labels && classes == constants.classes.empty()) {
    return WrongData("the labels of ", spec.Name(), " are ",
                     classes ? "classes" : "real",
                     ", but those of the training data are not");
  }
  return CheckClasses(spec, constants);
}

int64_t ClassOf(const std::vector<float>& classes, float label) {
  const auto at = std::lower_bound(classes.begin(), classes.end(), label);
  return at != classes.end() && *at == label ? at - classes.begin() : -1;
}

absl::Status AddClass(const Reader& reader, float label,
                      const Encoding& encoding, std::vector<float>* classes,
                      std::string* places) {
  constexpr size_t kMostPlaces = 5;
  const auto at = std::lower_bound(classes->begin(), classes->end(), label);
  if (at != classes->end() && *at == label) return absl::OkStatus();
  if (classes->size() == kMaxClasses) {
    return WrongData(reader.Where(), ": label ", label, " makes more than ",
                     kMaxClasses, " classes", kIfNumbers);
  }
  if (classes->size() < kMostPlaces) {
    absl::StrAppend(places, places->empty() ? "" : ", ", "label ",
                    LabelText(encoding, label), " at ", reader.Where());
  }
  classes->insert(at, label);
  return absl::OkStatus();
}

bool HasClasses(const SourceSpec& spec) {
  return spec.has_labels && spec.label_kind == LabelKind::kClass;
}

// So many are hardly classes.
constexpr size_t kManyClasses = 100;

absl::Status CheckExample(const Reader& reader, const Example& example,
                          bool classes, const Index& constants) {
  if (classes && ClassOf(constants.classes, example.label) < 0) {
    return WrongData(
        reader.Where(), ": label ",
        LabelText(constants.encoding, example.label), " is none of the ",
        constants.classes.size(), " classes of the training data, ",
        constants.ClassText(0), " to ",
        constants.ClassText(static_cast<int64_t>(constants.classes.size()) - 1),
        constants.classes.size() > kManyClasses
            ? "; if labels are numbers to predict, say kind: "
              "linear, or labels: values for trees"
            : "");
  }
  if (!example.ids.empty() && example.ids.back() >= constants.features) {
    return WrongData(reader.Where(), ": the highest feature id is number ",
                     example.ids.back() + 1, ", but the training data has ",
                     constants.features,
                     " features; say the number of features for both");
  }
  for (const Field field : example.fields) {
    if (field < constants.features) continue;
    return WrongData(reader.Where(), ": there is a field ", field,
                     ", but the training data has ", constants.features,
                     " fields; say the number of fields for both");
  }
  return absl::OkStatus();
}

void KeepUnitsOfCategories(const SourceSpec& spec, double unit, Index* index) {
  if (!spec.standardise || index->stddev.empty()) return;
  size_t feature = 0;
  for (const ColumnEncoding& column : index->encoding.columns) {
    const size_t end = feature + static_cast<size_t>(column.width());
    for (; feature < end && feature < index->stddev.size(); ++feature) {
      double& deviation = index->stddev[feature];
      if (column.IsCategory() && deviation > 0) {
        deviation = unit;
      }
    }
  }
}

std::string NameOf(const Encoding& encoding,
                   const std::optional<ColumnNames>& names, int64_t feature) {
  if (!names.has_value()) return "";
  const std::vector<std::string> all = encoding.FeatureNames(names->features);
  const std::string& name = all[static_cast<size_t>(feature)];
  return name.empty() ? " (without a name)"
                      : absl::StrCat(" (", Excerpt(name), ")");
}

absl::Status CheckNames(const SourceSpec& spec,
                        const std::optional<ColumnNames>& names) {
  if (!names.has_value()) return absl::OkStatus();
  std::vector<std::string> all = names->features;
  all.push_back(names->label);
  for (const std::string& name : all) {
    if (IsUtf8Text(name)) continue;
    return WrongData(spec.Name(), ": the name of a column, ",
                     NotUtf8(name, spec.path));
  }
  return absl::OkStatus();
}

std::string AbsentFeature(const Reader& reader) {
  const std::vector<std::string> absent = reader.AbsentFeatures();
  if (absent.empty()) return "";
  return absl::StrCat("no record has the feature ", Quoted(absent.front()),
                      absent.size() > 1
                          ? absl::StrCat(", nor ", absent.size() - 1, " others")
                          : "",
                      "; correct its name, or leave it out");
}

}  // namespace ebb::data::internal
