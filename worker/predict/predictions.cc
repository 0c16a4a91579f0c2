#include "worker/predict/predictions.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <span>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/file_look.h"
#include "data/good_column_text.h"
#include "job/base/traits.h"
#include "worker/base/examples.h"
#include "worker/job_data.h"

namespace ebb::worker {

namespace {

// The text of each class, as the files have it.
std::vector<std::string> ClassTexts(const data::Index& index) {
  std::vector<std::string> texts;
  for (size_t c = 0; c < index.classes.size(); ++c) {
    texts.push_back(index.ClassText(static_cast<int64_t>(c)));
  }
  return texts;
}

// The shortest text that is read back as the same number.
std::string FloatText(double number) {
  char text[32];
  const auto value = static_cast<float>(number);
  return {text, std::to_chars(text, text + sizeof(text), value).ptr};
}

// A field of CSV.
std::string Field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string HeaderLine(const std::vector<std::string>& classes) {
  std::string line = "prediction";
  for (const std::string& text : classes) {
    absl::StrAppend(&line, ",", Field(absl::StrCat("p(", text, ")")));
  }
  return line + "\n";
}

std::string Row(std::span<const float> outputs,
                const std::vector<std::string>& classes,
                const ValueUnits& labels) {
  if (classes.empty()) {
    return FloatText(labels.Undo(outputs.front())) + "\n";
  }
  // One output of two classes is the probability of the second.
  std::vector<float> shares(outputs.begin(), outputs.end());
  if (shares.size() < classes.size()) {
    shares.insert(shares.begin(), 1 - shares.front());
  }
  const auto best = std::ranges::max_element(shares) - shares.begin();
  std::string line = Field(classes[best]);
  for (const float share : shares) {
    absl::StrAppend(&line, ",", FloatText(share));
  }
  return line + "\n";
}

// A batch of keys as a model takes it: places among its distinct keys, and
// their rows behind the dense parameters.
class BatchOfKeys {
 public:
  explicit BatchOfKeys(const ExportedModel& stored) : stored_(stored) {
    params_ = stored.parameters;
  }

  void Fill(const data::ExampleBatch& batch, models::BatchView* view) {
    std::vector<uint64_t> keys = batch.keys;
    std::ranges::sort(keys);
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    places_.resize(batch.keys.size());
    for (size_t i = 0; i < places_.size(); ++i) {
      places_[i] = static_cast<int32_t>(
          std::ranges::lower_bound(keys, batch.keys[i]) - keys.begin());
    }
    params_.resize(stored_.parameters.size());
    known_.assign(keys.size(), false);
    for (size_t t = 0; t < stored_.rows.size(); ++t) {
      const auto width = static_cast<size_t>(stored_.sparse_tables[t].width);
      const size_t first = params_.size();
      params_.resize(first + keys.size() * width);
      for (size_t i = 0; i < keys.size(); ++i) {
        const auto row = std::span(params_).subspan(first + i * width, width);
        if (stored_.rows[t].Get(keys[i], row)) known_[i] = true;
      }
    }
    view->sparse = {batch.offsets, places_, batch.values};
    view->fields = batch.fields;
    view->distinct_keys = static_cast<int64_t>(keys.size());
  }
  const std::vector<float>& params() const { return params_; }

  // Adds up the examples of the batch that was filled last.
  void CountUnknown(const data::ExampleBatch& batch, UnknownKeys* unknown) {
    for (int64_t row = 0; row < batch.rows; ++row) {
      const auto begin = static_cast<size_t>(batch.offsets[row]);
      const auto end = static_cast<size_t>(batch.offsets[row + 1]);
      size_t missing = 0;
      for (size_t i = begin; i < end; ++i) {
        if (!known_[places_[i]]) ++missing;
      }
      if (missing > 0) ++unknown->some;
      if (missing > 0 && missing == end - begin) ++unknown->all;
    }
  }

 private:
  const ExportedModel& stored_;
  std::vector<int32_t> places_;  // The place of each entry's key.
  std::vector<bool> known_;      // By place: the model has a row for the key.
  std::vector<float> params_;
};

// Arrays of NumPy have their labels, and sparse ones their parts, in files
// beside the one that is named. The archive of a sparse matrix has its parts.
absl::Status CheckNpyToPredict(const v1::DataSource& train,
                               const job::PredictionInput& input) {
  if (!train.has_npy()) return absl::OkStatus();
  if (job::IsSparse(train) && !absl::EndsWith(input.path, ".npz")) {
    return absl::InvalidArgumentError(absl::StrCat(
        input.path,
        ": the model learnt from a sparse matrix, so predict takes the archive "
        "of one: write it by scipy.sparse.save_npz(\"X.npz\", X)"));
  }
  if (!input.labelled) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--score: the labels of .npy data are a file of their own, which predict "
      "does not take; leave --score out, and compare the predictions");
}

// Returns the look of the first file of `path`. Unclear if it cannot be read.
data::FileLook LookAt(const std::string& path, const data::OpenBytes& open) {
  const auto files = open.FilesOf(path);
  if (!files.ok() || files->empty()) return data::FileLook::kUnclear;
  const auto source = open(files->front());
  if (!source.ok()) return data::FileLook::kUnclear;
  std::string front(data::kLookBytes, '\0');
  size_t size = 0;
  while (size < front.size()) {
    const auto read = (*source)->Read(std::span(front).subspan(size));
    if (!read.ok()) return data::FileLook::kUnclear;
    if (*read == 0) break;
    size += *read;
  }
  front.resize(size);
  return data::LookOf(front);
}

// Refuses a file that has the format of other data. `why` it could not be read
// may be empty.
absl::Status CheckLook(const data::SourceSpec& spec, const std::string& path,
                       const data::OpenBytes& open, absl::string_view why) {
  const data::FileLook look = LookAt(path, open);
  if (data::CouldBe(spec.kind, look)) return absl::OkStatus();
  // What a reader of text says of other files is how to train from them.
  const bool lines =
      look == data::FileLook::kTable || look == data::FileLook::kNumbers ||
      look == data::FileLook::kPairs || look == data::FileLook::kTriples;
  return absl::InvalidArgumentError(absl::StrCat(
      path, ": the file looks like ", data::TextOf(look),
      ", but the model takes ", data::ContentOf(spec.kind),
      ", like its training data", lines && !why.empty() ? ": " : "",
      lines ? why.substr(0, why.find('\n')) : "",  // The first mistake.
      "\nhint: write the examples in the format of the training data, or name "
      "a model that learnt from such files"));
}

// The end of an error about the input: by which flags it could be read. Empty:
// by none.
std::string OtherWays(const ExportedModel& stored,
                      const job::PredictionInput& input,
                      const data::OpenBytes& open) {
  // The examples that are left out then; absent: it cannot be read so.
  const auto left_out = [&](bool labelled, bool skip) {
    job::PredictionInput other = input;
    other.labelled = labelled;
    other.skip_bad = skip;
    const auto loaded = data::Dataset::LoadLike(SpecToPredict(stored, other),
                                                stored.index, open);
    return loaded.ok() ? std::optional(loaded->left_out().examples)
                       : std::nullopt;
  };
  // A file of images or of an array has no labels of its own.
  const bool maybe_labels =
      !input.labelled && !job::TraitsOf(stored.job.data().train()).binary();
  const std::string labels = absl::StrCat(
      "it has labels, as the training data has: --labelled passes over them",
      SpecToPredict(stored, input).looks_at_labels
          ? ", --score compares with them"
          : "");
  if (maybe_labels && left_out(true, input.skip_bad)) {
    return absl::StrCat("\nhint: ", labels);
  }
  if (input.skip_bad) return "";
  bool passes_over = false;
  auto bad = left_out(input.labelled, true);
  if (!bad && maybe_labels) {
    passes_over = true;
    bad = left_out(true, true);
  }
  if (!bad || *bad == 0) return "";
  return absl::StrCat(
      "\nhint: ", passes_over ? absl::StrCat(labels, "; and ") : "",
      "--bad-examples skip leaves out ",
      *bad == 1 ? "the bad example, which has"
                : absl::StrCat("the ", *bad, " bad examples, which have"),
      " no prediction then");
}

}  // namespace

data::SourceSpec SpecToPredict(const ExportedModel& stored,
                               const job::PredictionInput& input) {
  data::SourceSpec spec = TrainingSource(stored.job, LabelKindOf(stored.index));
  spec.path = input.path;
  spec.further_paths.clear();
  spec.split.reset();
  spec.like = stored.columns;
  std::vector<std::string>& ignored = spec.csv.ignore;
  if (!input.id.empty() && !stored.columns &&
      std::ranges::find(ignored, input.id) == ignored.end()) {
    ignored.push_back(input.id);
  }
  // There is a prediction for each line, unless the user says otherwise.
  spec.on_bad_example =
      input.skip_bad ? data::OnBadExample::kSkip : data::OnBadExample::kStop;
  if (spec.has_labels) spec.has_labels = input.labelled;
  spec.bags.vocabulary.clear();  // The model knows its words.
  spec.documents.least_words = 0;
  if (spec.kind == data::SourceKind::kNpy) {
    spec.path.clear();
    spec.npy = {.features = input.path,
                .archive = spec.npy.sparse(),
                .keys = spec.npy.keys};
    return spec;
  }
  if (spec.kind != data::SourceKind::kIdx) return spec;
  spec.idx = {};
  if (!input.labelled) {  // A file of images alone.
    spec.path.clear();
    spec.idx.images = input.path;
  }
  return spec;
}

absl::StatusOr<data::Dataset> LoadToPredict(const ExportedModel& stored,
                                            const job::PredictionInput& input,
                                            const data::OpenBytes& open) {
  EBB_RETURN_IF_ERROR(CheckNpyToPredict(stored.job.data().train(), input));
  const data::SourceSpec spec = SpecToPredict(stored, input);
  // Any line can be read as text.
  if (spec.kind == data::SourceKind::kText) {
    EBB_RETURN_IF_ERROR(CheckLook(spec, input.path, open, ""));
  }
  auto loaded = data::Dataset::LoadLike(spec, stored.index, open);
  // Flags do not help if the file cannot be reached.
  if (loaded.ok() || !(absl::IsInvalidArgument(loaded.status()) ||
                       absl::IsDataLoss(loaded.status()))) {
    return loaded;
  }
  EBB_RETURN_IF_ERROR(
      CheckLook(spec, input.path, open, loaded.status().message()));
  return absl::Status(
      loaded.status().code(),
      absl::StrCat(loaded.status().message(), OtherWays(stored, input, open)));
}

std::string LeftOutText(const data::Dataset& examples) {
  const data::LeftOut& left_out = examples.left_out();
  if (left_out.examples == 0) return "";
  return absl::StrCat(left_out.examples,
                      left_out.examples == 1
                          ? " bad example has no prediction: "
                          : " bad examples have no predictions; the first: ",
                      left_out.first);
}

absl::StatusOr<std::vector<std::string>> ReadIds(
    const ExportedModel& stored, const job::PredictionInput& input,
    const data::OpenBytes& open) {
  const data::SourceSpec spec = SpecToPredict(stored, input);
  if (spec.kind != data::SourceKind::kCsv) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--id ", input.id,
        ": only tables (csv) have columns to carry through; ",
        spec.kind == data::SourceKind::kRatings
            ? "the model reads ratings by user and item"
            : "the model reads another format",
        ". Leave --id out: there is a prediction for each example of ",
        input.path, ", in their order"));
  }
  return data::ReadGoodColumnText(spec, stored.index, input.id, open);
}

size_t HeaderLength(absl::string_view predictions) {
  bool quoted = false;
  for (size_t i = 0; i < predictions.size(); ++i) {
    if (predictions[i] == '"') quoted = !quoted;
    if (predictions[i] == '\n' && !quoted) return i + 1;
  }
  return predictions.size();
}

absl::Status ReadPredictions(absl::string_view predictions, int64_t each,
                             std::vector<float>* outputs) {
  predictions.remove_prefix(HeaderLength(predictions));
  while (!predictions.empty()) {
    // Texts may have line breaks, in quotes, as the header may.
    absl::string_view line = predictions.substr(0, HeaderLength(predictions));
    predictions.remove_prefix(line.size());
    bool good = absl::ConsumeSuffix(&line, "\n");
    // The numbers come last. They have neither quotes nor commas.
    const size_t first = outputs->size();
    outputs->resize(first + each);
    for (int64_t i = each; good && i-- > 0;) {
      const size_t comma = line.rfind(',');
      const absl::string_view cell =
          comma == line.npos ? line : line.substr(comma + 1);
      float& value = (*outputs)[first + i];
      const char* const end = cell.data() + cell.size();
      const auto read = std::from_chars(cell.data(), end, value);
      good = read.ec == std::errc() && read.ptr == end &&
             (comma != line.npos || i == 0);
      line = line.substr(0, comma == line.npos ? 0 : comma);
    }
    if (good) continue;
    return absl::DataLossError(
        absl::StrCat("prediction ", first / each + 1, " of the file does not ",
                     "end with ", each, each == 1 ? " number" : " numbers"));
  }
  return absl::OkStatus();
}

absl::Status WritePredictions(
    const ExportedModel& stored, const data::Dataset& examples,
    models::Model* model, const std::function<void(absl::string_view)>& write,
    const PredictionExtras& extras) {
  const bool named = !extras.id_column.empty();
  if (named && static_cast<int64_t>(extras.ids.size()) != examples.examples()) {
    return absl::FailedPreconditionError(
        absl::StrCat("column ", extras.id_column, " has ", extras.ids.size(),
                     " values for ", examples.examples(),
                     " examples; was the data changed while it was read?"));
  }
  std::vector<std::string> classes = model->description().output_names;
  if (model->description().labels != models::LabelKind::kNone) {
    classes = ClassTexts(stored.index);
  }
  const auto outputs_each = model->description().outputs;
  const auto wanted = static_cast<int64_t>(classes.size());
  if (!classes.empty() && outputs_each != wanted &&
      !(outputs_each == 1 && wanted == 2)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the model has ", outputs_each, " outputs for ", wanted, " classes"));
  }
  if (named) write(Field(extras.id_column) + ",");
  write(HeaderLine(classes));
  data::ExampleBatch batch;
  std::vector<float> outputs;
  BatchOfKeys keyed(stored);
  const auto labels = LabelScaleOf(stored.job, stored.index).units;
  const int64_t last = extras.last.value_or(examples.examples());
  for (int64_t begin = extras.first; begin < last; begin += kPredictionBatch) {
    std::vector<int64_t> rows(std::min(kPredictionBatch, last - begin));
    std::iota(rows.begin(), rows.end(), begin);
    EBB_RETURN_IF_ERROR(examples.Gather(rows, &batch));
    models::BatchView view = ViewOf(batch);
    if (batch.keyed) {
      keyed.Fill(batch, &view);
      if (extras.unknown != nullptr) keyed.CountUnknown(batch, extras.unknown);
    }
    EBB_RETURN_IF_ERROR(model->Predict(keyed.params(), view, &outputs));
    if (extras.scores != nullptr) extras.scores->Add(batch.labels, outputs);
    for (int64_t row = 0; row < batch.rows; ++row) {
      if (named) write(Field(extras.ids[begin + row]) + ",");
      write(Row(std::span(outputs).subspan(row * outputs_each, outputs_each),
                classes, labels));
    }
    extras.step();
  }
  return absl::OkStatus();
}

}  // namespace ebb::worker
