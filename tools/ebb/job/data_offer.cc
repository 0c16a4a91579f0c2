#include "tools/ebb/job/data_offer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <set>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/array_names.h"
#include "data/byte_source.h"
#include "data/column_text.h"
#include "data/file_look.h"
#include "data/find_files.h"
#include "data/pack/packed_set.h"
#include "data/proposed_features.h"
#include "data/reader.h"
#include "data/source.h"
#include "ebb/v1/job.pb.h"
#include "job/base/keys.h"
#include "job/yaml.h"
#include "tools/ebb/cluster/parquet_rows.h"
#include "tools/text/shell_word.h"
#include "worker/job_data.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

constexpr double kTestShare = 0.2;
constexpr double kByteScale = 1.0 / 255;

// Describes some data, and offers a job for it.
struct Offer {
  std::string is;                    // "a table of columns (csv)".
  std::string first;                 // A command to give before; mostly empty.
  v1::Job job;                       // The keys `model` and `data`.
  std::vector<std::string> remarks;  // Remarks on what else would do.

  v1::DataSource* train() { return job.mutable_data()->mutable_train(); }
  void Model(absl::string_view kind) {
    job.mutable_model()->set_kind(std::string(kind));
  }
};

// The front of the bytes of a file, decompressed: whole lines, if it is text
// that goes on.
absl::StatusOr<std::string> FrontOf(const std::string& path,
                                    const data::OpenBytes& open) {
  constexpr size_t kFrontBytes = 256 << 10;
  EBB_ASSIGN_OR_RETURN(const auto source, open(path));
  std::string front(kFrontBytes, '\0');
  size_t size = 0;
  while (size < front.size()) {
    EBB_ASSIGN_OR_RETURN(const size_t some,
                         source->Read(std::span<char>(front).subspan(size)));
    if (some == 0) break;
    size += some;
  }
  const bool whole = size < front.size();
  front.resize(size);
  const size_t end = front.rfind('\n');
  if (!whole && end != std::string::npos) front.resize(end + 1);
  return front;
}

// The meaning of such labels to a model, and the model for them.
struct LabelLook {
  std::string model;
  std::string are;
};

LabelLook LookOfLabels(const std::vector<std::string>& labels) {
  constexpr size_t kMostClasses = 20;
  std::set<std::string> different;
  bool numbers = true, whole = true;
  for (const std::string& label : labels) {
    if (label.empty()) continue;
    different.insert(label);
    double number = 0;
    numbers = numbers && absl::SimpleAtod(label, &number);
    whole = whole && numbers && number == std::floor(number);
  }
  const bool few =
      different.size() <= kMostClasses && 2 * different.size() <= labels.size();
  if (numbers && !(whole && few)) return {"linear", "numbers to predict"};
  const bool two = different.size() == 2;
  return {two ? "logistic" : "softmax",
          few || two ? absl::StrCat(different.size(), " classes")
                     : "another text in nearly each row, so it may be the "
                       "wrong column"};
}

// The labels of the first examples of the offered data; numbers.
absl::StatusOr<std::vector<std::string>> FirstLabels(const Offer& offer) {
  constexpr size_t kMost = 1000;
  const data::SourceSpec spec =
      worker::TrainingSource(offer.job, data::LabelKind::kReal);
  EBB_ASSIGN_OR_RETURN(const auto reader,
                       data::OpenReader(spec, data::OpenFile));
  std::vector<std::string> labels;
  data::Example example;
  while (labels.size() < kMost) {
    EBB_ASSIGN_OR_RETURN(const bool more, reader->Next(&example));
    if (!more) break;
    labels.push_back(absl::StrCat(example.label));
  }
  return labels;
}

// The first of `known` that is among the names; empty: none is.
std::string FirstOf(const std::vector<std::string>& names,
                    std::initializer_list<absl::string_view> known) {
  for (const absl::string_view one : known) {
    for (const std::string& name : names) {
      if (absl::EqualsIgnoreCase(name, one)) return name;
    }
  }
  return "";
}

// The column that is probably the label; empty: none has a usual name.
std::string UsualLabel(const std::vector<std::string>& columns) {
  return FirstOf(columns,
                 {"label", "target", "class", "y", "outcome", "response"});
}

// "a, b, c and 7 more".
std::string SomeOf(const std::vector<std::string>& names) {
  constexpr size_t kMostShown = 12;
  const size_t shown = std::min(names.size(), kMostShown);
  return absl::StrCat(
      absl::StrJoin(names.begin(), names.begin() + static_cast<int64_t>(shown),
                    ", "),
      shown < names.size()
          ? absl::StrCat(" and ", names.size() - shown, " more")
          : "");
}

// How a job file writes a delimiter.
std::string DelimiterWord(absl::string_view delimiter) {
  return delimiter == "\t" ? "tab" : std::string(delimiter);
}

// The kinds of models that are made of trees, in the order of the alphabet.
std::vector<std::string> TreeModels() {
  std::vector<std::string> kinds;
  v1::Model model;
  for (const std::string& kind :
       job::EnumWords(*v1::Model::BuiltIn_descriptor())) {
    model.set_kind(kind);
    if (workloads::ToolsOf(model).Facts().trees) kinds.push_back(kind);
  }
  std::ranges::sort(kinds);
  return kinds;
}

// The table `path` begins with `front`.
void OfferTable(const std::string& path, const std::string& front,
                Offer* offer) {
  v1::Csv* csv = offer->train()->mutable_csv();
  csv->add_path(path);
  const absl::string_view delimiter = data::DelimiterOf(front);
  const absl::string_view usual = absl::StrContains(path, ".tsv") ? "\t" : ",";
  if (!delimiter.empty() && delimiter != usual) {
    csv->set_delimiter(DelimiterWord(delimiter));
  }
  data::SourceSpec spec = {.kind = data::SourceKind::kCsv, .path = "front"};
  spec.csv.text.delimiter = std::string(delimiter.empty() ? "," : delimiter);
  const data::OpenBytes open = data::OpenMemory({{spec.path, front}});
  const auto columns = data::ReadColumnNames(spec, open);
  offer->Model("linear");
  if (!columns.ok() || columns->size() < 2) {
    offer->remarks.push_back(
        "label: the last column; softmax or logistic if it has classes");
    return;
  }
  const std::string found = UsualLabel(*columns);
  const std::string label = found.empty() ? columns->back() : found;
  if (label != columns->back()) csv->set_label(label);
  const auto texts = data::ReadColumnText(spec, {}, label, open);
  const LabelLook look =
      LookOfLabels(texts.value_or(std::vector<std::string>()));
  offer->Model(look.model);
  offer->remarks.push_back(absl::StrCat(
      "label: column ", label, found.empty() ? " (the last one)" : "", ", ",
      look.are, "; another one is csv: {path: ", path,
      ", label: NAME}, where NAME is one of ", SomeOf(*columns)));
  // Trees take labels for classes, unless they are told otherwise.
  const bool values = look.model == "linear";
  offer->remarks.push_back(absl::StrCat(
      "model: ",
      absl::StrJoin(TreeModels(), " and ",
                    [values](std::string* out, const std::string& kind) {
                      absl::StrAppend(out, values ? "{kind: " : "", kind,
                                      values ? ", labels: values}" : "");
                    }),
      " train on the same lines"));
}

absl::Status OfferSparse(const std::string& path, const std::string& front,
                         Offer* offer) {
  // Ids beyond are rather hashes than columns.
  constexpr int64_t kMostColumns = int64_t{1} << 20;
  data::SourceSpec spec = {.kind = data::SourceKind::kLibsvm, .path = "front"};
  spec.label_kind = data::LabelKind::kReal;
  v1::Libsvm* libsvm = offer->train()->mutable_libsvm();
  libsvm->add_path(path);
  EBB_ASSIGN_OR_RETURN(
      const auto reader,
      data::OpenReader(spec, data::OpenMemory({{spec.path, front}})));
  std::vector<std::string> labels;
  data::Example example;
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const bool more, reader->Next(&example));
    if (!more) break;
    labels.push_back(absl::StrCat(example.label));
  }
  const LabelLook look = LookOfLabels(labels);
  offer->Model(look.model);
  if (reader->features() > kMostColumns && look.model == "logistic") {
    offer->Model("sparse_logistic");
    libsvm->set_keys(true);
  }
  offer->remarks.push_back(
      absl::StrCat("label: the first number of each line, ", look.are));
  return absl::OkStatus();
}

// The arrays of one folder.
void OfferArray(const std::string& path, Offer* offer) {
  const fs::path folder = fs::path(path).parent_path();
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry :
       fs::directory_iterator(folder.empty() ? fs::path(".") : folder, error)) {
    if (entry.path().extension() == ".npy") {
      names.push_back(entry.path().stem().string());
    }
  }
  const std::string own = fs::path(path).stem().string();
  std::erase(names, own);
  std::ranges::sort(names);
  const std::string labels =
      FirstOf(names, {absl::StrReplaceAll(own, {{"X", "y"}, {"x", "y"}}), "y",
                      "y_train", "labels", "label", "targets", "target"});
  v1::Npy* npy = offer->train()->mutable_npy();
  npy->set_features(path);
  npy->set_labels(
      (folder / (labels.empty() ? "y.npy" : labels + ".npy")).string());
  offer->Model("softmax");
  const auto there = FirstLabels(*offer);
  if (!there.ok()) {
    offer->remarks.push_back(
        absl::StrCat("label: an array with one for each row of ", path, "; ",
                     npy->labels(), " is a guess; linear if they are numbers"));
    return;
  }
  const LabelLook look = LookOfLabels(*there);
  offer->Model(look.model);
  offer->remarks.push_back(
      absl::StrCat("label: the array ", npy->labels(), ", ", look.are));
}

absl::Status OfferArchive(const std::string& path, Offer* offer) {
  EBB_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       data::ReadArrayNames(path));
  std::string features = FirstOf(
      names, {"x_train", "x", "features", "images", "train_images", "data"});
  std::string labels = FirstOf(names, {"y_train", "y", "labels", "label",
                                       "train_labels", "targets", "target"});
  if (features.empty()) features = names.empty() ? "X" : names.front();
  if (labels.empty()) labels = names.empty() ? "y" : names.back();
  v1::Npy* npy = offer->train()->mutable_npy();
  npy->set_features(absl::StrCat(path, "/", features));
  npy->set_labels(absl::StrCat(path, "/", labels));
  offer->is = "an archive of NumPy arrays (npy)";
  offer->Model("softmax");
  offer->remarks.push_back(absl::StrCat(
      "its arrays are ", SomeOf(names),
      "; model: linear if the labels are numbers to predict, logistic if there "
      "are two classes"));
  return absl::OkStatus();
}

// Records of which the job must say what the values are: as the first of them
// suggests. `train` has their files.
absl::Status OfferRecords(Offer* offer) {
  v1::DataSource& train = *offer->train();
  data::SourceSpec spec =
      worker::TrainingSource(offer->job, data::LabelKind::kReal);
  data::Example example;
  absl::Status wrong;
  if (auto reader = data::OpenReader(spec, data::OpenFile); reader.ok()) {
    wrong = (*reader)->Next(&example).status();
  } else {
    wrong = reader.status();
  }
  const auto entries = data::ProposedFeatures(wrong);
  if (!entries) return absl::NotFoundError("no record suggests features");
  const job::JobFile read = job::ReadJob(
      absl::StrCat("data: {train: {features: {", *entries, "}}}"), "offer");
  *train.mutable_features() = read.job.data().train().features();
  std::string label;
  bool keys = false;
  for (const auto& [name, feature] : train.features()) {
    if (feature.as() == v1::Feature::AS_LABEL) label = name;
    keys = keys || feature.as() == v1::Feature::AS_KEY ||
           feature.as() == v1::Feature::AS_KEYS;
  }
  EBB_ASSIGN_OR_RETURN(const auto labels, FirstLabels(*offer));
  const LabelLook look = LookOfLabels(labels);
  offer->Model(look.model);
  if (keys && look.model == "logistic") {
    offer->Model("sparse_logistic");
  } else if (keys) {  // Models of keys tell no more than two classes apart.
    offer->Model("fm");
    offer->job.mutable_model()->set_labels(v1::Model::LABELS_VALUES);
  }
  offer->remarks.push_back(
      absl::StrCat("label: ", label, ", ", look.are,
                   "; for another one, say label for it in `features`, and "
                   "what this one is, or leave this one out"));
  offer->remarks.emplace_back(
      "features: what the first record has; leave out what tells records "
      "apart, such as an id");
  return absl::OkStatus();
}

void OfferIdx(const std::string& path, Offer* offer) {
  v1::Idx* idx = offer->train()->mutable_idx();
  offer->train()->set_scale(kByteScale);
  offer->Model("softmax");
  absl::string_view prefix = absl::StripSuffix(path, ".gz");
  if (absl::ConsumeSuffix(&prefix, "-images-idx3-ubyte") ||
      absl::ConsumeSuffix(&prefix, "-labels-idx1-ubyte")) {
    idx->set_prefix(std::string(prefix));
    return;
  }
  idx->set_images(path);
  idx->set_labels("LABELS");
  offer->remarks.emplace_back(
      "LABELS stands for the IDX file of the labels, one for each image");
}

void OfferImages(const std::string& path, bool archive, Offer* offer) {
  constexpr char kSize[] = "32x32";
  if (archive) {
    offer->train()->mutable_tar()->add_path(path);
    offer->train()->mutable_tar()->set_size(kSize);
  } else {
    offer->is = "a folder of images, with a folder for each class (images)";
    offer->train()->mutable_images()->set_path(path);
    offer->train()->mutable_images()->set_size(kSize);
  }
  offer->train()->set_scale(kByteScale);
  offer->Model("softmax");
  offer->remarks.emplace_back(
      "size: what each image is scaled to; leave it out if all have one size");
}

// `file` is the first of those that `path` stands for. InvalidArgument: it
// cannot be read as a Parquet file.
absl::Status OfferParquet(const std::string& path, const std::string& file,
                          Offer* offer) {
  const fs::path named =
      path == file ? fs::path(path) : fs::path(path).parent_path();
  const std::string packed = absl::StrCat(named.stem().string(), ".packed");
  Offer table;
  const auto front = FrontOf(file, WithParquet(data::OpenFile));
  if (absl::IsInvalidArgument(front.status())) return front.status();
  OfferTable(path, front.value_or(""), &table);
  offer->is = "a table in a Parquet file";
  offer->job.mutable_model()->Swap(table.job.mutable_model());
  const v1::Csv& csv = table.job.data().train().csv();
  offer->first = absl::StrCat(
      "ebb data pack ", ShellWord(path), " ", ShellWord(packed), " --split ",
      kTestShare,
      csv.has_label()
          ? absl::StrCat(" --set data.train.csv.label=", csv.label())
          : "");
  offer->train()->mutable_packed()->set_path(packed + "/train");
  offer->job.mutable_data()->mutable_test()->mutable_packed()->set_path(
      packed + "/test");
  for (std::string& remark : table.remarks) {
    offer->remarks.push_back(absl::StrReplaceAll(
        remark, {{absl::StrCat("csv: {path: ", path, ", label: NAME}"),
                  "--set data.train.csv.label=NAME"}}));
  }
  return absl::OkStatus();
}

bool IsPackedSet(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / std::string(data::pack::kFooterName), error);
}

absl::Status OfferPacked(const std::string& path, Offer* offer) {
  const fs::path train =
      IsPackedSet(path) ? fs::path(path) : fs::path(path) / "train";
  const fs::path test = fs::path(path) / "test";
  EBB_ASSIGN_OR_RETURN(const auto set,
                       data::pack::PackedSet::Open(train.string()));
  const size_t classes = set->footer().index.classes.size();
  offer->is = "a packed set (packed)";
  offer->Model(set->footer().layout == data::Layout::kKeyed ? "fm"
               : classes == 0                               ? "linear"
               : classes == 2                               ? "logistic"
                                                            : "softmax");
  offer->train()->mutable_packed()->set_path(train.string());
  if (IsPackedSet(test)) {
    offer->job.mutable_data()->mutable_test()->mutable_packed()->set_path(
        test.string());
  }
  return absl::OkStatus();
}

bool IsNamedLinesOfJson(absl::string_view file) {
  return absl::StrContains(file, ".jsonl") ||
         absl::StrContains(file, ".ndjson");
}

// True if text begins with a key of YAML, or is JSON, which is YAML, too: it
// may be a job file with a mistake.
bool MayBeYaml(absl::string_view file, absl::string_view front,
               data::FileLook look) {
  if (look == data::FileLook::kJson) return !IsNamedLinesOfJson(file);
  // The bytes of an array begin with "{'descr':", too.
  if (look == data::FileLook::kNpy) return false;
  return absl::EndsWith(front.substr(0, front.find_first_of(" \n")), ":");
}

// Offers by what is in `path`, or in the first of the files that it stands for.
absl::Status OfferByLook(const std::string& path, const std::string& file,
                         Offer* offer) {
  EBB_ASSIGN_OR_RETURN(const std::string front, FrontOf(file, data::OpenFile));
  const data::FileLook look =
      data::LookOf(absl::string_view(front).substr(0, data::kLookBytes));
  if (MayBeYaml(file, front, look)) {
    return absl::NotFoundError("it may be a job file");
  }
  offer->is = std::string(data::TextOf(look));
  switch (look) {
    case data::FileLook::kTable:
    case data::FileLook::kNumbers:
      OfferTable(path, front, offer);
      break;
    case data::FileLook::kPairs:
      return OfferSparse(path, front, offer);
    case data::FileLook::kTriples:
      offer->train()->mutable_libffm()->add_path(path);
      offer->Model("fm");
      break;
    case data::FileLook::kJson:
      offer->train()->mutable_json_lines()->add_path(path);
      return OfferRecords(offer);
    case data::FileLook::kTfRecord:
      offer->train()->mutable_tf_record()->add_path(path);
      return OfferRecords(offer);
    case data::FileLook::kNpy:
      OfferArray(path, offer);
      break;
    case data::FileLook::kIdx:
      OfferIdx(path, offer);
      break;
    case data::FileLook::kTar:
      OfferImages(path, /*archive=*/true, offer);
      break;
    case data::FileLook::kImage:
    case data::FileLook::kUnclear:
      return absl::NotFoundError("it looks like no data");
  }
  return absl::OkStatus();
}

absl::Status OfferFolder(const std::string& path, Offer* offer) {
  if (IsPackedSet(path) || IsPackedSet(fs::path(path) / "train")) {
    return OfferPacked(path, offer);
  }
  for (const absl::string_view images : {"/*/*.png", "/*/*.jp*g"}) {
    if (data::FindFiles(absl::StrCat(path, images)).ok()) {
      OfferImages(path, /*archive=*/false, offer);
      return absl::OkStatus();
    }
  }
  EBB_ASSIGN_OR_RETURN(const auto files, data::FindFiles(path));
  if (IsParquet(files.front())) {
    EBB_RETURN_IF_ERROR(
        OfferParquet(absl::StrCat(absl::StripSuffix(path, "/"), "/*.parquet"),
                     files.front(), offer));
    offer->is = "a folder of tables in Parquet files";
    return absl::OkStatus();
  }
  EBB_RETURN_IF_ERROR(OfferByLook(path, files.front(), offer));
  offer->is =
      absl::StrCat("a folder; ", fs::path(files.front()).filename().string(),
                   " in it is ", offer->is);
  return absl::OkStatus();
}

absl::StatusOr<Offer> OfferOf(const std::string& path) {
  std::error_code error;
  Offer offer;
  if (fs::is_directory(path, error)) {
    EBB_RETURN_IF_ERROR(OfferFolder(path, &offer));
  } else if (IsParquet(path)) {
    EBB_RETURN_IF_ERROR(OfferParquet(path, path, &offer));
  } else if (absl::EndsWith(path, ".npz")) {
    EBB_RETURN_IF_ERROR(OfferArchive(path, &offer));
  } else {
    EBB_RETURN_IF_ERROR(OfferByLook(path, path, &offer));
  }
  return offer;
}

// Data to test with, if it stands beside, or else a share of it.
void AddTestData(const std::string& path, v1::Data* data) {
  if (data->has_test() || data->train().has_packed()) return;
  const std::string beside = absl::StrReplaceAll(path, {{"train", "test"}});
  std::error_code error;
  if (beside == path || !fs::exists(beside, error)) {
    data->set_split(kTestShare);
  } else if (data->train().has_csv()) {
    data->mutable_test()->mutable_csv()->add_path(beside);
  } else if (data->train().has_libsvm()) {
    data->mutable_test()->mutable_libsvm()->add_path(beside);
  } else {
    data->set_split(kTestShare);
  }
}

}  // namespace

std::optional<std::string> OfferJob(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  auto offer = OfferOf(path);
  // It says by its name what it should be.
  if (absl::IsInvalidArgument(offer.status()) &&
      (IsParquet(path) || IsNamedLinesOfJson(path))) {
    return std::string(offer.status().message());
  }
  if (!offer.ok()) return std::nullopt;
  AddTestData(path, offer->job.mutable_data());
  const std::string lines =
      job::JobToYaml(offer->job, job::YamlStyle::kCompact);
  // "shirts.packed/" and "a/shirts.csv.gz" are "shirts".
  std::string name =
      fs::path(std::string(absl::StripSuffix(path, "/"))).filename().string();
  name.resize(std::min(name.size(), name.find('.', 1)));
  std::string text =
      absl::StrCat(path, " is ", offer->is, ", and not a job file. ");
  if (!offer->first.empty()) {
    absl::StrAppend(&text, "Pack it first:\n\n  ", offer->first, "\n\n");
  }
  absl::StrAppend(
      &text, "These two lines are a job file that trains on it:\n\n  ",
      absl::StrReplaceAll(absl::StripSuffix(lines, "\n"), {{"\n", "\n  "}}),
      "\n\n");
  for (const std::string& remark : offer->remarks) {
    absl::StrAppend(&text, "- ", remark, "\n");
  }
  absl::StrAppend(&text, "hint: save them as ", name, ".yaml, then `ebb run ",
                  name, ".yaml`");
  return text;
}

}  // namespace ebb::tools
