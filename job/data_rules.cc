#include "job/data_rules.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "job/labels.h"
#include "job/positive_class.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {
namespace {

void CheckIdx(const v1::Idx& idx, bool needs_labels, const std::string& path,
              Complaints* found) {
  const std::string hint = "idx: PREFIX, or idx: {images: FILE, labels: FILE}";
  if (idx.has_prefix() && (idx.has_images() || idx.has_labels())) {
    found->Add(path, "has both a prefix and single files", hint);
  } else if (!idx.has_prefix() && !idx.has_images()) {
    found->Add(path,
               idx.has_labels() ? "has labels but no images" : "names no data",
               hint);
  } else if (needs_labels && !idx.has_prefix() && !idx.has_labels()) {
    found->Add(path, "has images but no labels", hint);
  }
}

void CheckNpy(const v1::Npy& npy, bool needs_labels, const std::string& path,
              Complaints* found) {
  const std::string hint =
      "npy: {features: FILE, labels: FILE}, or, if it is sparse, npy: "
      "{features: FILE.npz, labels: FILE} or npy: {data: FILE, indices: FILE, "
      "indptr: FILE, columns: NUMBER, labels: FILE}";
  const bool archive = IsArchive(npy);
  const bool sparse = npy.has_data() || npy.has_indices() || npy.has_indptr();
  if (npy.has_features() && sparse) {
    found->Add(path, "has both a matrix and parts of a sparse one", hint);
  } else if (!npy.has_features() && !sparse) {
    found->Add(path, "names no examples", hint);
  } else if (sparse &&
             !(npy.has_data() && npy.has_indices() && npy.has_indptr())) {
    found->Add(path, "has only a part of a sparse matrix", hint);
  } else if (needs_labels && !npy.has_labels()) {
    found->Add(path, "has examples but no labels", hint);
  } else if (archive && npy.has_columns()) {
    found->Add(path, "has an archive, whose matrix says its columns itself",
               "leave columns out");
  } else if (!sparse && !archive && (npy.has_columns() || npy.keys())) {
    found->Add(path, "has a matrix, which counts its columns itself",
               "columns and keys belong to sparse matrices");
  } else if (sparse && npy.has_columns() == npy.keys()) {
    found->Add(path,
               npy.keys() ? "has keys, which are not counted as columns"
                          : "has a sparse matrix without a number of columns",
               npy.keys() ? "leave columns out" : "columns: NUMBER");
  }
}

// `predicts`: the model learns to predict labels, and its rules refuse data
// without them.
void CheckCsv(const v1::Csv& csv, bool predicts, bool has_labels,
              const std::string& path, Complaints* found) {
  if (has_labels && csv.label() == "none") {
    if (predicts) return;
    found->Add(
        path + ".label",
        "none is for data without labels, and the training data has them",
        "the column, by its name or number; or label: none in both");
    return;
  }
  const auto check_column = [&](const std::string& column,
                                const std::string& column_path) {
    int64_t number = 0;
    const bool is_number = absl::SimpleAtoi(column, &number) && number > 0;
    if (csv.has_header() && !csv.header() && !is_number) {
      found->Add(
          column_path,
          absl::StrCat("\"", column,
                       "\" is no number, and without a header columns have "
                       "no names"),
          "count the columns from 1, or header: true");
    }
  };
  const auto check_columns = [&](const auto& columns, const std::string& key) {
    for (int i = 0; i < columns.size(); ++i) {
      const std::string& column = columns[i];
      if (column == "auto" || column == "none") continue;
      check_column(column, absl::StrCat(path, ".", key, "[", i, "]"));
      if (csv.has_label() && column == csv.label()) {
        found->Add(absl::StrCat(path, ".", key),
                   absl::StrCat("\"", column, "\" is the label's column"),
                   "name other columns, or choose another label");
      }
    }
  };
  if (csv.has_label() && has_labels) {
    check_column(csv.label(), path + ".label");
  }
  check_columns(csv.categorical(), "categorical");
  check_columns(csv.dates(), "dates");
  if (csv.categorical_size() > 1 &&
      std::find(csv.categorical().begin(), csv.categorical().end(), "none") !=
          csv.categorical().end()) {
    found->Add(path + ".categorical", "has none beside columns",
               "[none], or the columns");
  }
  for (int i = 0; i < csv.ignore_size(); ++i) {
    const std::string column_path = absl::StrCat(path, ".ignore[", i, "]");
    check_column(csv.ignore(i), column_path);
    if (csv.has_label() && csv.ignore(i) == csv.label()) {
      found->Add(path + ".ignore",
                 absl::StrCat("\"", csv.label(), "\" is the label's column"),
                 "ignore other columns, or choose another label");
    }
  }
}

// Options of images, wherever they are.
template <typename Source>
void CheckImages(const Source& source, const std::string& path,
                 Complaints* found) {
  constexpr int64_t kMostFeatures = int64_t{16} << 20;
  if (!source.has_size()) return;
  const auto size = ParseImageSize(source.size());
  if (!size) {
    found->Add(path + ".size",
               absl::StrCat("\"", source.size(),
                            "\" is no width and height, from 1 to 16384 each"),
               "size: 28x28");
    return;
  }
  const int64_t features = size->width * size->height * (source.grey() ? 1 : 3);
  if (features <= kMostFeatures) return;
  found->Add(
      path + ".size",
      absl::StrCat("an image would have ", features, " features; at most ",
                   kMostFeatures, " are possible"),
      "size: 224x224");
}

void CheckFeature(const v1::Feature& feature, const std::string& path,
                  Complaints* found) {
  using v1::Feature;
  const Feature::As as = feature.as();
  const bool dense = as == Feature::AS_DENSE;
  if (feature.has_width() && !dense && as != Feature::AS_BYTES) {
    found->Add(path + ".width", "is for as: dense and as: bytes",
               "leave it out");
  }
  if (feature.has_field() && as == Feature::AS_LABEL) {
    found->Add(path + ".field", "a label has no field", "leave it out");
  }
  if (feature.has_most() && as != Feature::AS_KEYS) {
    found->Add(path + ".most", "is for as: keys", "leave it out");
  }
  if (feature.log() && !dense) {
    found->Add(path + ".log", "is for as: dense", "leave it out");
  }
  if (feature.has_missing() && !dense) {
    found->Add(path + ".missing", "is for as: dense", "leave it out");
  }
}

// Without features the data itself is looked at, and the error shows some.
void CheckFeatures(const v1::DataSource& source, bool needs_label,
                   const std::string& path, Complaints* found) {
  if (source.features().empty()) return;
  if (!TraitsOf(source).records()) {
    found->Add(path, "is for tf_record, json_lines and protobuf",
               "leave it out");
    return;
  }
  int labels = 0;
  int fields = 0;
  int others = 0;
  const std::map<std::string, v1::Feature> sorted(source.features().begin(),
                                                  source.features().end());
  for (const auto& [name, feature] : sorted) {
    const std::string at = absl::StrCat(path, ".", name);
    CheckFeature(feature, at, found);
    if (feature.as() == v1::Feature::AS_LABEL) {
      ++labels;
      continue;
    }
    ++others;
    fields += feature.has_field() ? 1 : 0;
    if (feature.as() == v1::Feature::AS_BYTES &&
        (HasKeys(source) || source.has_json_lines())) {
      found->Add(at,
                 source.has_json_lines()
                     ? "JSON has no bytes"
                     : "bytes cannot stand beside keys in an example",
                 "as: dense for a list of numbers, or leave it out");
    }
  }
  if (labels > 1 || (labels == 0 && needs_label)) {
    found->Add(path,
               labels > 1 ? "has two labels" : "does not say what the label is",
               "NAME: label, for one of them");
  }
  if (others == 0) {
    found->Add(path, "has nothing beside the label", "{price: dense}");
  }
  if (fields > 0 && fields != others) {
    found->Add(path, "only some of its features have a field",
               "a field for each of them, or for none");
  }
}

// The features beside the label, by name. What they leave open is as it is
// read, so that equal ones are equal.
std::map<std::string, v1::Feature> SettledFeatures(
    const v1::DataSource& source) {
  std::map<std::string, v1::Feature> settled;
  for (const auto& [name, feature] : source.features()) {
    if (feature.as() != v1::Feature::AS_LABEL) settled.emplace(name, feature);
  }
  const bool keyed = HasKeys(source);
  int64_t next = 0;
  for (auto& [name, feature] : settled) {
    // A byte is the same number in a list of JSON.
    if (feature.as() == v1::Feature::AS_BYTES) {
      feature.set_as(v1::Feature::AS_DENSE);
    }
    feature.set_width(feature.has_width() ? feature.width() : 1);
    feature.set_field(!keyed                ? 0
                      : feature.has_field() ? feature.field()
                                            : next);
    ++next;
  }
  return settled;
}

// The first key in which they differ; empty: none.
absl::string_view DifferentKey(const v1::Feature& a, const v1::Feature& b) {
  if (a.as() != b.as()) return "as";
  if (a.width() != b.width()) return "width";
  if (a.field() != b.field()) return "field";
  if (a.most() != b.most()) return "most";
  if (a.log() != b.log()) return "log";
  const bool missing =
      a.has_missing() == b.has_missing() && a.missing() == b.missing();
  return missing ? "" : "missing";
}

// A model reads the features of test data as it has learnt them.
void CheckTestFeatures(const v1::Data& data, Complaints* found) {
  const absl::string_view hint =
      "leave features of the test data out: they are those of data.train";
  const std::string path = "data.test.features";
  if (!TraitsOf(data.test()).records() || data.train().features().empty() ||
      data.test().features().empty()) {
    return;
  }
  const auto train = SettledFeatures(data.train());
  const auto test = SettledFeatures(data.test());
  for (const auto& [name, feature] : test) {
    const auto trained = train.find(name);
    const std::string at = absl::StrCat(path, ".", name);
    if (trained == train.end()) {
      found->Add(at, "is no feature of data.train", std::string(hint));
      continue;
    }
    const absl::string_view key = DifferentKey(feature, trained->second);
    if (key.empty()) continue;
    found->Add(
        at,
        absl::StrCat("is not what it is in data.train: ", key, " is another"),
        std::string(hint));
  }
  for (const auto& [name, feature] : train) {
    if (test.contains(name)) continue;
    found->Add(path,
               absl::StrCat("has no \"", name, "\", a feature of data.train"),
               std::string(hint));
  }
}

void CheckSource(const v1::Job& job, const v1::DataSource& source,
                 const std::string& path, absl::string_view example,
                 Complaints* found) {
  const bool labels = HasLabels(job);
  if (source.has_idx()) CheckIdx(source.idx(), labels, path + ".idx", found);
  if (source.has_csv()) {
    CheckCsv(source.csv(), workloads::FactsOf(job).labels, labels,
             path + ".csv", found);
  }
  if (source.has_npy()) CheckNpy(source.npy(), labels, path + ".npy", found);
  if (source.has_images()) {
    CheckImages(source.images(), path + ".images", found);
  }
  if (source.has_tar()) CheckImages(source.tar(), path + ".tar", found);
  CheckFeatures(source, labels, path + ".features", found);
  if (FormatOf(source) == nullptr) {
    found->Add(path, "names no data", std::string(example));
  }
}

// Windows of packed data come and go.
void CheckPacked(const v1::Job& job, Complaints* found) {
  if (job.data().has_split()) {
    found->Add("data.split",
               "is for data in memory: a packed set is split "
               "when it is packed",
               "ebb data pack --split, then test: {packed: FOLDER/test}");
  }
}

class FactRules {
 public:
  FactRules(const v1::Job& job, const DataFacts& facts, Complaints* found)
      : job_(job), facts_(facts), found_(found) {}

  void Check() {
    if (facts_.train.has_value()) CheckAgainstTrainData(*facts_.train);
    if (facts_.test.has_value()) CheckAgainstTestData(*facts_.test);
  }

 private:
  void CheckAgainstTrainData(const SourceFacts& data);
  void CheckAgainstTestData(const SourceFacts& data);

  const v1::Job& job_;
  const DataFacts& facts_;
  Complaints* const found_;
};

void FactRules::CheckAgainstTrainData(const SourceFacts& data) {
  if (data.examples < 1) {
    found_->Add("data.train", "has no examples",
                "a file with a row per example");
    return;
  }
  if (job_.train().batch() > data.examples) {
    found_->Add(
        "train.batch",
        absl::StrCat("a batch of ", job_.train().batch(), " is more than the ",
                     data.examples, " examples of data.train"),
        absl::StrCat("leave it out, or batch: ",
                     std::max<int64_t>(1, data.examples / 8)));
  }
  const auto round = ParseEpochOrCount(job_.consistency().examples());
  if (round.has_value() && *round > data.examples) {
    found_->Add("consistency.examples",
                absl::StrCat(*round, " are more than the ", data.examples,
                             " examples of data.train"),
                "examples: epoch");
  }
  if (job_.data().standardise_labels() && data.classes > 0 &&
      !TraitsOf(job_.model()).perceptron()) {
    found_->Add("data.standardise_labels",
                absl::StrCat("the labels of data.train are ", data.classes,
                             " classes, no numbers to predict"),
                "leave it out");
  }
  CheckPositiveAgainst(job_, data, found_);
  if (IsOwn(job_.model())) return;
  workloads::RulesOf(job_.model()).CheckTrain(job_, data, found_);
}

void FactRules::CheckAgainstTestData(const SourceFacts& data) {
  const bool split = job_.data().has_split();
  const std::string path = split                 ? "data.split"
                           : job_.has_validate() ? "validate"
                                                 : "data.test";
  if (data.examples < 1) {
    found_->Add(path, "leaves no examples to test on",
                split                 ? "split: 0.2"
                : job_.has_validate() ? "validate: 5"
                                      : "a file with a row per example");
    return;
  }
  workloads::RulesOf(job_.model()).CheckTest(data, path, found_);
  if (!facts_.train.has_value()) return;
  if (data.features != facts_.train->features) {
    found_->Add(
        path,
        absl::StrCat("its examples have ", data.features,
                     " features, those of data.train ", facts_.train->features),
        "both must have the same columns");
  }
  if (facts_.train->classes > 0 && data.classes > facts_.train->classes) {
    found_->Add(path,
                absl::StrCat("it has ", data.classes, " classes, data.train ",
                             facts_.train->classes),
                "no class may occur in the test data alone");
  }
  if (facts_.train->classes > 0 && data.classes == 0) {
    found_->Add(path, "its labels are no classes, those of data.train are",
                "both must have the same labels");
  }
}

}  // namespace

void CheckSourceRules(const v1::Job& job, Complaints* found) {
  const v1::Data& data = job.data();
  const absl::string_view example = TraitsOf(job.model()).program()
                                        ? "positions: NUMBER_OF_EXAMPLES"
                                        : "csv: FILE, libsvm: FILE or idx: "
                                          "PREFIX";
  if (data.has_train()) {
    CheckSource(job, data.train(), "data.train", example, found);
  }
  if (data.has_test()) {
    CheckSource(job, data.test(), "data.test", example, found);
    CheckTestFeatures(data, found);
  }
  if (TraitsOf(data.train()).packed()) CheckPacked(job, found);
  if (data.has_test() && data.has_split()) {
    found->Add("data.split", "cannot stand beside test", "keep one of the two");
  }
  if (data.standardise_labels() &&
      TraitsOf(job.algorithm().kind()).line_search()) {
    found->Add("data.standardise_labels",
               "lbfgs compares losses with slopes: both must have one unit",
               "leave it out: lbfgs finds labels of any size");
  }
  CheckPositive(job, found);
  if (data.standardise() && IsSparse(data.train())) {
    found->Add("data.standardise", "would fill the zeros of sparse rows",
               HintOfDense(data.train(), "leave it out, or scale"));
  }
}

void CheckFactRules(const v1::Job& job, const DataFacts& facts,
                    Complaints* found) {
  FactRules(job, facts, found).Check();
}

}  // namespace ebb::job
