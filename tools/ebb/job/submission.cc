#include "tools/ebb/job/submission.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/map.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/initializer.h"
#include "common/status_macros.h"
#include "data/dataset.h"
#include "data/order.h"
#include "data/reader.h"
#include "data/remote_files.h"
#include "datasets/manifest.h"
#include "job/average_rules.h"
#include "job/boosted.h"
#include "job/fit.h"
#include "job/keys.h"
#include "job/mistake.h"
#include "job/program_tables.h"
#include "job/specification.h"
#include "job/traits.h"
#include "job/validate.h"
#include "models/backends.h"
#include "models/model.h"
#include "models/plugin.h"
#include "models/registry.h"
#include "rpc/convert.h"
#include "server/job_rule.h"
#include "tools/ebb/job/boosted_start.h"
#include "tools/ebb/job/centroids.h"
#include "tools/ebb/job/data_hint.h"
#include "tools/files/files.h"
#include "tools/text/console.h"
#include "worker/first_centroids.h"
#include "worker/job_data.h"
#include "worker/python/python_data.h"
#include "worker/python/python_model.h"
#include "worker/python/python_program.h"

namespace ebb::tools {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// A mistake of the key `path`, unless the status names another itself.
job::Mistake MistakeOf(const absl::Status& status, absl::string_view path,
                       const job::SourceMap& sources) {
  job::Mistake mistake = job::MistakeFromStatus(status, sources);
  if (mistake.path.empty()) {
    mistake.path = std::string(path);
    mistake.place = sources.Find(path);
  }
  return mistake;
}

std::string PathFrom(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

absl::Status Refuse(const absl::Status& status, absl::string_view path,
                    const job::SourceMap& sources) {
  return job::ToStatus({MistakeOf(status, path, sources)});
}

// Counts the documents with a word, and with two.
absl::StatusOr<job::SourceFacts::Documents> CountDocuments(
    const data::Dataset& dataset) {
  constexpr int64_t kAtOnce = 4096;
  job::SourceFacts::Documents documents;
  data::ExampleBatch batch;
  for (int64_t begin = 0; begin < dataset.examples(); begin += kAtOnce) {
    std::vector<int64_t> rows(std::min(kAtOnce, dataset.examples() - begin));
    std::iota(rows.begin(), rows.end(), begin);
    EBB_RETURN_IF_ERROR(dataset.Gather(rows, &batch));
    for (int64_t row = 0; row < batch.rows; ++row) {
      const auto words =
          std::accumulate(batch.values.begin() + batch.offsets[row],
                          batch.values.begin() + batch.offsets[row + 1], 0.0);
      documents.with_a_word += words >= 1 ? 1 : 0;
      documents.with_two_words += words >= 2 ? 1 : 0;
    }
  }
  return documents;
}

absl::StatusOr<job::SourceFacts> FactsOf(const v1::Job& job,
                                         const data::Dataset& dataset) {
  job::SourceFacts facts = {
      dataset.examples(), dataset.features(),
      static_cast<int64_t>(dataset.index().classes.size()),
      dataset.class_places(), dataset.mean_row_sum()};
  if (const auto& labels = dataset.index().labels) {
    facts.label_deviation = labels->stddev;
  }
  facts.window = dataset.window();
  const v1::ModelTraits& traits = job::TraitsOf(job.model());
  if (traits.words() || traits.topics()) {
    EBB_ASSIGN_OR_RETURN(facts.documents, CountDocuments(dataset));
  }
  return facts;
}

// The kinds of models that the job can name.
absl::StatusOr<std::vector<std::string>> ModelKinds(const v1::Job& job,
                                                    const JobChoice& choice) {
  models::Registry registry;
  EBB_RETURN_IF_ERROR(models::RegisterBuiltinModels(&registry));
  if (job.model().has_plugin()) {
    const auto kind = models::LoadPlugin(job.model().plugin(),
                                         choice.plugin_folders, &registry);
    if (!kind.ok()) return kind.status();
  }
  std::vector<std::string> kinds;
  for (const auto& [kind, summary] : registry.List()) kinds.push_back(kind);
  const v1::ModelTraits& traits = job::TraitsOf(job.model());
  if (traits.program() || traits.python()) kinds.push_back(job.model().kind());
  return kinds;
}

// A plugin's model may have any loss.
void NoteLoss(const models::ModelDescription& description,
              const data::Index& index, job::JobFacts* facts) {
  switch (description.labels) {
    case models::LabelKind::kValue:
      facts->squared_loss = true;
      if (index.labels) {
        facts->guess_loss = index.labels->stddev * index.labels->stddev / 2;
      }
      break;
    case models::LabelKind::kNone:
      break;
    case models::LabelKind::kBinary:
      facts->guess_loss = std::log(2.0);
      break;
    case models::LabelKind::kClass:
      facts->guess_loss = std::log(static_cast<double>(description.classes));
      break;
  }
}

std::optional<v1::Specification> StoredOf(const JobChoice& choice) {
  v1::Specification stored;
  if (choice.stored.empty() || !stored.ParseFromString(choice.stored)) {
    return std::nullopt;
  }
  return stored;
}

bool SameOptions(const google::protobuf::Map<std::string, std::string>& was,
                 const google::protobuf::Map<std::string, std::string>& is) {
  using Sorted = std::map<std::string, std::string>;
  return Sorted(was.begin(), was.end()) == Sorted(is.begin(), is.end());
}

bool SameDataSet(const v1::DataSource& before, const v1::DataSource& now) {
  const v1::PythonData &was = before.python(), &is = now.python();
  return before.has_python() == now.has_python() &&
         was.factory() == is.factory() && was.sha256() == is.sha256() &&
         was.fingerprint() == is.fingerprint() &&
         SameOptions(was.options(), is.options());
}

// Whether the module would make the same model, and the same data sets, as it
// did for the run.
bool SameModule(const v1::Job& before, const v1::Job& now) {
  const v1::Model &was = before.model(), &is = now.model();
  return was.sha256() == is.sha256() && was.class_() == is.class_() &&
         before.seed() == now.seed() &&
         SameOptions(was.options(), is.options()) &&
         SameDataSet(before.data().train(), now.data().train()) &&
         SameDataSet(before.data().test(), now.data().test()) &&
         before.data().split() == now.data().split();
}

// Where an error of a module is to be told: at the data set that is at fault,
// if one is.
std::string KeyAtFault(const absl::Status& status) {
  const auto data = status.GetPayload(worker::kFailedData);
  if (!data) return "model.module";
  return *data == "0" ? "data.train.python" : "data.test.python";
}

// What the module has is the job's from now on.
void TakeModel(const worker::PythonModel& module, v1::Job* job,
               job::JobFacts* facts) {
  for (const auto& [name, share] : module.averages()) {
    v1::Optimizer& rule = *(*job->mutable_tables())[name].mutable_optimizer();
    rule.Clear();
    rule.set_kind(v1::Optimizer::KIND_AVERAGE);
    rule.set_share(share);
  }
  for (const models::TableShape& table : module.description().tables) {
    facts->tables.push_back({table.name, table.size(), table.init, table.dims});
    auto& dims =
        *(*job->mutable_model()->mutable_tables())[table.name].mutable_dims();
    dims.Assign(table.dims.begin(), table.dims.end());
  }
}

// The same, of a run that goes on.
absl::Status TakeStored(const v1::Specification& stored, v1::Job* job,
                        job::JobFacts* facts) {
  v1::Model& model = *job->mutable_model();
  *model.mutable_tables() = stored.job().model().tables();
  EBB_ASSIGN_OR_RETURN(facts->tables, job::ProgramTablesOf(model));
  for (const auto& [name, table] : stored.job().tables()) {
    if (job::TraitsOf(table.optimizer().kind()).statistics()) {
      (*job->mutable_tables())[name] = table;
    }
  }
  if (!model.has_initial()) facts->initial = stored.initial();
  return absl::OkStatus();
}

// An export of topics has their shares beside the counts, and where they were
// drawn the assignments, too. What makes topics differ at first is of
// no use to topics that differ.
InitialValues::Differences DifferencesOf(const v1::Model& model,
                                         const job::JobFacts& facts) {
  InitialValues::Differences differences;
  if (job::TraitsOf(model).topics()) {
    differences = {
        {"topics", "assignments/keys", "assignments/rows"}, "start", {}};
  }
  for (const job::SparseTable& table : facts.sparse_tables) {
    differences.sparse_tables.push_back(table.name);
  }
  return differences;
}

// Reads the file of initial values. A run that goes on begins with what it
// began with, wherever that file is now.
absl::Status ReadInitial(const std::optional<v1::Specification>& stored,
                         const v1::Job& job, job::JobFacts* facts,
                         PreparedJob* prepared) {
  const v1::Model& model = job.model();
  const std::string here = std::filesystem::current_path().string();
  if (stored && stored->has_initial() &&
      stored->job().model().initial() == PathFrom(here, model.initial())) {
    facts->initial = stored->initial();
    return absl::OkStatus();
  }
  EBB_ASSIGN_OR_RETURN(
      prepared->initial,
      job::TraitsOf(model).clusters()
          ? ReadCentroids(model.initial(), facts->tables, FirstSize(job))
          : InitialValues::Read(model.initial(), facts->tables,
                                DifferencesOf(model, *facts)));
  facts->initial = prepared->initial->ToProto();
  return absl::OkStatus();
}

// Whether the run that goes on began with the same `start`.
bool SameStart(const v1::Start& was, v1::Start is) {
  if (!StartJobOf(is.from())) {
    is.set_from(PathFrom(std::filesystem::current_path().string(), is.from()));
  }
  return google::protobuf::util::MessageDifferencer::Equals(was, is);
}

// Whether `start` says what the table begins with.
bool Starts(const v1::Job& job, const std::string& table) {
  const auto& tables = job.start().tables();
  return job.has_start() &&
         (tables.empty() || std::ranges::count(tables, table) > 0);
}

// The sparse tables of a job and what servers keep of them.
absl::StatusOr<InitialRows::Tables> RowTablesOf(const server::JobRule& rule,
                                                const JobRecord& record) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(record));
  InitialRows::Tables rows = {record.plan, {}, rule.RowStates()};
  EBB_ASSIGN_OR_RETURN(rows.tables,
                       job::SparseTablesOf(specification, record.plan));
  return rows;
}

// Makes the record anew with the state of the optimizer and the rows that the
// file of initial values has: what servers keep of each table, the first record
// says.
absl::Status ReadState(const v1::Job& job, job::JobFacts* facts,
                       PreparedJob* prepared, JobRecord* record) {
  EBB_ASSIGN_OR_RETURN(const auto rule, server::JobRule::Create(*record));
  InitialValues::States states = rule->DenseStates();
  if (record->plan.algorithm.operated) {
    for (auto& state : states) state.slots.clear();
  }
  EBB_ASSIGN_OR_RETURN(const InitialRows::Tables rows,
                       RowTablesOf(*rule, *record));
  EBB_ASSIGN_OR_RETURN(
      prepared->initial,
      InitialValues::Read(prepared->initial->path(), facts->tables,
                          DifferencesOf(job.model(), *facts), &states,
                          rows.tables.empty() ? nullptr : &rows));
  facts->initial = prepared->initial->ToProto();
  EBB_ASSIGN_OR_RETURN(*record, job::MakeJobRecord(job, *facts));
  return absl::OkStatus();
}

// Into `facts`.
absl::Status TablesOfModel(const v1::Job& job, const JobChoice& choice,
                           const data::Index& index, job::JobFacts* facts) {
  if (job::TraitsOf(job.model()).program()) {
    EBB_ASSIGN_OR_RETURN(facts->tables, job::ProgramTablesOf(job.model()));
    facts->sparse_tables = job::ProgramSparseTablesOf(job.model());
    return absl::OkStatus();
  }
  EBB_ASSIGN_OR_RETURN(const auto backend, models::CreateBackend({}));
  models::Registry registry;
  EBB_RETURN_IF_ERROR(models::RegisterBuiltinModels(&registry));
  EBB_ASSIGN_OR_RETURN(
      const auto model,
      worker::CreateModel(job, index, {choice.plugin_folders, {}}, &registry,
                          backend.get()));
  const models::ModelDescription& description = model->description();
  for (const models::TableShape& table : description.tables) {
    facts->tables.push_back({table.name, table.size(), table.init, table.dims});
  }
  for (const models::SparseTableShape& table : description.sparse_tables) {
    job::SparseTable& sparse = facts->sparse_tables.emplace_back();
    sparse.name = table.name;
    sparse.width = static_cast<int32_t>(table.width);
    sparse.init = table.init;
    sparse.kind = table.kind;
  }
  if (!job::IsOwn(job.model())) NoteLoss(description, index, facts);
  return absl::OkStatus();
}

// Parameters of the dense tables.
int64_t ParametersOf(const job::JobFacts& facts) {
  int64_t sum = 0;
  for (const job::DenseTable& table : facts.tables) sum += table.size;
  return sum;
}

// A job file, and all that is found to be wrong with it, each thing once.
struct Draft {
  data::OpenBytes open = data::OpenFile;
  v1::Job full;
  job::JobFile file;
  // What a run that goes on has stored of its job; nothing: it is a new job.
  std::optional<v1::Specification> stored;
  job::DataFacts known;
  DataExtent extent;
  std::vector<std::string> notes;
  // The centroids that k-means++ chose, for a job that finds clusters.
  std::vector<float> centroids;
  // The module, once it was asked.
  std::unique_ptr<worker::PythonModel> module;
  // What boosted trees begin with; absent: the job has none.
  std::optional<BoostedStart> boosted;
  // StartValues::with_rows of the model with which the job starts.
  decltype(StartValues::with_rows) with_rows;
  // Where the data comes from, for errors that say that it is not there.
  std::string data_hint;

  // Notes the bad examples that are left out of the data at `key`, beyond those
  // that are known of already.
  void NoteLeftOut(const data::Dataset& data, absl::string_view key,
                   int64_t known_already = 0) {
    const int64_t count = data.left_out().examples - known_already;
    if (count <= 0) return;
    notes.push_back(
        absl::StrCat(Count(count, "bad example"), " of ", key,
                     " left out; the first: ", data.left_out().first));
  }

  // Notes what the owner should know of the columns of the training data.
  void NoteRemarks(const data::Dataset& data, absl::string_view key) {
    constexpr size_t kMost = 30;
    const std::vector<std::string>& remarks = data.remarks();
    for (size_t i = 0; i < remarks.size(); ++i) {
      if (i == kMost) {
        notes.push_back(absl::StrCat(key, ": ", remarks.size() - kMost,
                                     " more columns like these"));
        break;
      }
      notes.push_back(absl::StrCat(key, ": ", remarks[i]));
    }
  }

  // A mistake for each line of the message.
  void Fail(const absl::Status& status, absl::string_view path) {
    if (status.ok()) return;
    std::vector<job::Mistake> mistakes;
    std::string text;
    for (const absl::string_view line :
         absl::StrSplit(status.message(), '\n')) {
      if (!text.empty() && !absl::StartsWith(line, "hint: ")) {
        mistakes.push_back(
            MistakeOf(absl::Status(status.code(), text), path, file.sources));
        text.clear();
      }
      absl::StrAppend(&text, text.empty() ? "" : "\n", line);
    }
    mistakes.push_back(
        MistakeOf(absl::Status(status.code(), text), path, file.sources));
    if (absl::IsNotFound(status) && absl::StartsWith(path, "data.") &&
        mistakes.back().hint.empty()) {
      mistakes.back().hint = data_hint;
    }
    job::MergeMistakes(mistakes, &file.mistakes);
  }
  void Validate() {
    job::MergeMistakes(
        job::ValidateJob(file.job, known, file.sources, file.mistakes),
        &file.mistakes);
  }
  bool WrongIn(absl::string_view key) const {
    return std::ranges::any_of(file.mistakes, [&](const job::Mistake& one) {
      return one.path == key ||
             absl::StartsWith(one.path, absl::StrCat(key, "."));
    });
  }
};

// Whether the source can be read at all, whatever its labels are and whatever
// becomes of its features.
void Open(data::SourceSpec spec, absl::string_view path, Draft* draft) {
  if (draft->WrongIn(path)) return;
  spec.standardise = false;
  spec.split.reset();
  draft->Fail(data::OpenReader(spec, draft->open).status(), path);
}

// Test data where nothing is known of the training data.
void OpenTestData(Draft* draft) {
  const v1::Data& data = draft->full.data();
  if (!data.has_test() || job::TraitsOf(data.test()).python()) return;
  Open(*worker::TestSource(draft->full, data::LabelKind::kReal, std::nullopt),
       "data.test", draft);
}

// Reads the module, whose hashes are the job's from now on, and loads it unless
// a run that goes on has it. Returns whether it did.
absl::StatusOr<bool> LoadModule(const std::vector<std::string>& folders,
                                const data::Index& index, Draft* draft) {
  v1::Job* const job = &draft->full;
  const worker::UserCode code = {folders, worker::ChosenPython()};
  EBB_ASSIGN_OR_RETURN(worker::ModuleText text, worker::ReadModule(*job, code));
  worker::SetHashes(text, job);
  if (draft->stored && SameModule(draft->stored->job(), *job)) return false;
  EBB_ASSIGN_OR_RETURN(
      draft->module,
      worker::CreatePythonModel(*job, index, code.python, std::move(text)));
  return true;
}

// Asks the module, once. Its hash and its tables become the job's, and what its
// parameters are the initial values, unless the job names a file with others.
// A run that goes on has all of these. `draft` may have asked it already.
absl::Status AskModule(const std::vector<std::string>& folders,
                       const data::Index& index, Draft* draft,
                       job::JobFacts* facts, PreparedJob* prepared) {
  v1::Job* const job = &draft->full;
  if (draft->module == nullptr) {
    EBB_ASSIGN_OR_RETURN(const bool is_new, LoadModule(folders, index, draft));
    if (!is_new) return TakeStored(*draft->stored, job, facts);
  }
  const worker::PythonModel& module = *draft->module;
  TakeModel(module, job, facts);
  if (job->model().has_initial()) return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(prepared->initial,
                       InitialValues::Of(job->model().module(),
                                         module.initial(), facts->tables));
  facts->initial = prepared->initial->ToProto();
  return absl::OkStatus();
}

// Asks the module how many examples its data sets have. A run that goes on
// knows it.
absl::StatusOr<job::JobFacts> AskData(const std::vector<std::string>& folders,
                                      Draft* draft) {
  v1::Job& job = draft->full;
  data::Index train;
  std::optional<data::Index> test;
  EBB_ASSIGN_OR_RETURN(const bool is_new, LoadModule(folders, train, draft));
  if (!is_new) {
    EBB_ASSIGN_OR_RETURN(train,
                         data::Index::Decode(draft->stored->train_index()));
    if (!draft->stored->test_index().empty()) {
      EBB_ASSIGN_OR_RETURN(test,
                           data::Index::Decode(draft->stored->test_index()));
    }
  } else {
    const auto& found = draft->module->data_sets();
    train = worker::PythonTrainingIndex(job, found);
    test = worker::PythonTestIndex(job, found);
  }
  draft->known.train = job::SourceFacts{.examples = train.examples};
  job::JobFacts out;
  if (test) {
    draft->known.test = job::SourceFacts{.examples = test->examples};
    out.test_index = test->Encode();
  }
  draft->Validate();
  out.examples = train.examples;
  out.train_index = train.Encode();
  out.train_index_hash = train.Hash();
  out.order_version = data::kOrderVersion;
  return out;
}

// Only opens the data, where it or the model that would read it is wrong.
void OpenData(Draft* draft) {
  const v1::DataSource& train = draft->full.data().train();
  const v1::FormatTraits& traits = job::TraitsOf(train);
  if (draft->full.data().has_train() && !traits.positions() &&
      !traits.python()) {
    Open(worker::TrainingSource(draft->full, data::LabelKind::kReal),
         "data.train", draft);
  }
  OpenTestData(draft);
}

// Reads nothing: only programs know the data.
job::JobFacts NotePositions(Draft* draft) {
  const v1::Positions& positions = draft->full.data().train().positions();
  const data::Index index =
      data::IndexOfPositions(positions.examples(), positions.fingerprint());
  draft->known.train = job::SourceFacts{.examples = index.examples};
  draft->Validate();
  job::JobFacts out;
  out.examples = index.examples;
  out.train_index = index.Encode();
  out.train_index_hash = index.Hash();
  out.order_version = data::kOrderVersion;
  return out;
}

// The centroids that k-means++ chose for a run that goes on, whatever it would
// choose now.
std::optional<v1::InitialValues> ChosenBefore(
    const std::optional<v1::Specification>& stored, const v1::Job& job,
    absl::string_view train_index) {
  if (!stored || !stored->has_initial() ||
      stored->job().model().has_initial() ||
      stored->job().model().clusters() != job.model().clusters() ||
      stored->job().model().seeding() != job.model().seeding() ||
      stored->job().seed() != job.seed() ||
      stored->train_index() != train_index) {
    return std::nullopt;
  }
  return stored->initial();
}

// What ebb job check says of a batch's size.
DataExtent ExtentOf(const v1::Model& model, const data::Dataset& train) {
  DataExtent extent = {train.memory_bytes(), train.features(), train.entries()};
  if (job::TraitsOf(model).words()) {
    // A word as a centre and in contexts, and what is drawn against these: the
    // mean width of a window is (window + 1) / 2 to either side.
    extent.entries *= 2 + (model.window() + 1) * model.negatives();
    extent.rows = 2 * static_cast<int64_t>(
                          train.index().encoding.vocabulary.words.size());
  }
  return extent;
}

// Says how many rounds servers keep, unless the job does: rounds of small data
// are shorter than the disk takes to write one.
void KeepRounds(int64_t parameters, Draft* draft) {
  if (draft->file.job.has_consistency()) return;
  constexpr int64_t kMostBytes = int64_t{1} << 26;
  constexpr int64_t kMost = 1000;
  v1::Consistency& consistency = *draft->full.mutable_consistency();
  // A run that goes on is the job that it was.
  if (draft->stored && draft->stored->job().consistency().kind() ==
                           v1::Consistency::KIND_ROUNDS) {
    consistency.set_rounds_in_memory(
        draft->stored->job().consistency().rounds_in_memory());
    return;
  }
  const int64_t bytes = parameters * static_cast<int64_t>(sizeof(float));
  consistency.set_rounds_in_memory(std::max(
      consistency.rounds_in_memory(), std::min(kMostBytes / bytes, kMost)));
}

// Chooses the intervals, of which the job says how many there are.
void StartBoosted(const data::Dataset& train, Draft* draft) {
  v1::Model& model = *draft->full.mutable_model();
  const int64_t most = draft->file.job.model().has_bins()
                           ? std::min(model.bins(), kMostBoostedBins)
                           : DefaultBoostedBins(train.features());
  auto start = ChooseBoostedStart(train, most, draft->full.seed());
  draft->Fail(start.status(), "data.train");
  if (!start.ok()) return;
  model.set_bins(start->bins);
  draft->boosted = *std::move(start);
  KeepRounds(job::BoostedShapeOf(model, train.features(),
                                 std::ssize(train.index().classes))
                 .Parameters(),
             draft);
}

// Chooses the centroids, unless a run that goes on has them. Restarts choose by
// themselves.
void StartClusters(const data::Dataset& train, Draft* draft,
                   job::JobFacts* facts) {
  const v1::Job& job = draft->full;
  if (job::HasRestarts(job)) {
    draft->Fail(worker::CheckSeeding(train, job.model()), "data.train");
    return;
  }
  facts->initial = ChosenBefore(draft->stored, job, facts->train_index);
  if (facts->initial) return;
  const auto backend = models::CreateBackend({});
  draft->Fail(backend.status(), "model");
  if (!backend.ok()) return;
  auto centroids =
      worker::ChooseCentroids(train, job.model(), job.seed(), backend->get());
  draft->Fail(centroids.status(), "data.train");
  if (centroids.ok()) draft->centroids = *std::move(centroids);
}

job::JobFacts ReadData(const std::vector<std::string>& folders, Draft* draft) {
  if (job::TraitsOf(draft->full.data().train()).positions()) {
    return NotePositions(draft);
  }
  if (worker::HasPythonData(draft->full)) {
    auto asked = AskData(folders, draft);
    if (asked.ok()) return *std::move(asked);
    draft->Fail(asked.status(), KeyAtFault(asked.status()));
    return {};
  }
  job::JobFacts out;
  auto train = worker::LoadTrainingData(draft->full, draft->open);
  if (!train.ok()) {
    draft->Fail(train.status(), "data.train");
    OpenTestData(draft);
    return out;
  }
  auto facts = FactsOf(draft->full, *train);
  if (!facts.ok()) {
    draft->Fail(facts.status(), "data.train");
    return out;
  }
  draft->known.train = *std::move(facts);
  draft->extent = ExtentOf(draft->full.model(), *train);
  draft->NoteLeftOut(*train, "data.train");
  draft->NoteRemarks(*train, "data.train");
  const data::Index& index = train->index();
  const auto test_source = worker::TestSource(
      draft->full, worker::LabelKindOf(index), train->names());
  if (test_source) {
    const auto test = data::Dataset::LoadLike(*test_source, index, draft->open);
    if (test.ok()) {
      auto test_facts = FactsOf(draft->full, *test);
      draft->Fail(test_facts.status(), "data.test");
      if (test_facts.ok()) draft->known.test = *std::move(test_facts);
      draft->extent.bytes += test->memory_bytes();
      // Both are of the same file.
      const bool split = job::HoldsOut(draft->full);
      if (!split) draft->NoteRemarks(*test, "data.test");
      draft->NoteLeftOut(*test, split ? "data.split" : "data.test",
                         split ? train->left_out().examples : 0);
      out.test_index = test->index().Encode();
    }
    draft->Fail(test.status(), "data.test");
  }
  draft->Validate();
  out.examples = train->examples();
  out.train_index = index.Encode();
  const v1::Model& model = draft->full.model();
  if (job::TraitsOf(model).clusters() && !draft->WrongIn("model")) {
    if (!model.has_initial()) StartClusters(*train, draft, &out);
    if (draft->full.consistency().kind() == v1::Consistency::KIND_ROUNDS) {
      KeepRounds(model.clusters() * (train->features() + 1), draft);
    }
  }
  if (job::TraitsOf(model).boosted() && !draft->WrongIn("model")) {
    StartBoosted(*train, draft);
  }
  out.train_index_hash = index.Hash();
  out.order_version = train->order_version();
  out.window = train->window();
  out.columns = worker::ToProto(train->names());
  return out;
}

void MakeAbsolute(const std::filesystem::path& folder, Message* message) {
  std::vector<const FieldDescriptor*> fields;
  message->GetReflection()->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    const auto* reflection = message->GetReflection();
    const bool of_messages =
        field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (job::KeyOf(*field).format() == v1::FORMAT_PATH) {
      const auto absolute = [&](const std::string& path) {
        return datasets::IsUri(path) || data::IsRemote(path)
                   ? path
                   : (folder / path).lexically_normal().string();
      };
      if (!field->is_repeated()) {
        reflection->SetString(message, field,
                              absolute(reflection->GetString(*message, field)));
        continue;
      }
      for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
        reflection->SetRepeatedString(
            message, field, i,
            absolute(reflection->GetRepeatedString(*message, field, i)));
      }
    } else if (of_messages && !field->is_repeated()) {
      MakeAbsolute(folder, reflection->MutableMessage(message, field));
    }
  }
}

// Adds the choice for the job's labels, if the file has none.
void AddLabelChoice(const v1::Job& given, const v1::Job& full,
                    const data::Index& index,
                    std::vector<job::Choice>* choices) {
  if (given.data().has_standardise_labels() || !index.labels ||
      !full.data().standardise_labels()) {
    return;
  }
  choices->push_back({"data.standardise_labels", "true",
                      absl::StrCat("the labels have mean ", index.labels->mean,
                                   " and deviation ", index.labels->stddev)});
}

// Forests take one interval more.
void AddBinsChoice(const v1::Job& given, std::vector<job::Choice>* choices) {
  if (!job::TraitsOf(given.model()).boosted() ||
      given.model().bins() <= kMostBoostedBins) {
    return;
  }
  choices->push_back({"model.bins", absl::StrCat(kMostBoostedBins),
                      absl::StrCat("of ", given.model().bins(),
                                   " intervals one is for missing values")});
}

job::JobFile ReadChosen(const JobChoice& choice,
                        const std::vector<std::string>& overrides) {
  return choice.text ? job::ReadJob(*choice.text, choice.file, overrides)
                     : job::ReadJobFile(choice.file, overrides);
}

// The file's expectations hold for its epochs. With fewer epochs they are left
// out, unless an override sets them, too. Returns a note about that.
std::string LeaveOutExpectations(const JobChoice& choice,
                                 const job::SourceFacts& data, v1::Job* job) {
  const bool asked = std::ranges::any_of(
      choice.overrides,
      [](const std::string& one) { return absl::StartsWith(one, "expect"); });
  if (asked || choice.overrides.empty() || !job->has_expect()) return "";
  // It ends by itself.
  if (job::TraitsOf(job->model()).boosted()) return "";
  v1::Job whole = ReadChosen(choice, {}).job;
  job::FillDefaults(&whole);
  job::FitToData(data, 0, &whole);
  if (job->train().epochs() >= whole.train().epochs()) return "";
  job->clear_expect();
  return absl::StrCat("`expect:` of the job is for ", whole.train().epochs(),
                      " epochs: after ", job->train().epochs(),
                      " it is not looked at");
}

// Where the labels of the training data are; empty: it has no columns, or the
// model does not look at them.
std::string LabelColumn(const v1::Job& job,
                        const std::optional<v1::Columns>& columns) {
  const v1::DataSource& train = job.data().train();
  if (train.has_idx() || job::TraitsOf(job.model()).clusters()) return "";
  if (columns && !columns->label().empty()) {
    return absl::StrCat("column '", absl::Utf8SafeCEscape(columns->label()),
                        "'");
  }
  if (!train.has_csv()) return "";
  return train.csv().has_label() ? absl::StrCat("column ", train.csv().label())
                                 : "the last column";
}

// The rules of the job file for the statistics that a module turned out to
// have.
absl::Status CheckStatistics(const Draft& draft) {
  if (!job::TraitsOf(draft.full.model()).python()) return absl::OkStatus();
  v1::Job with = draft.file.job;
  for (const auto& [name, table] : draft.full.tables()) {
    if (job::TraitsOf(table.optimizer().kind()).statistics()) {
      (*with.mutable_tables())[name] = table;
    }
  }
  return job::ToStatus(job::ValidateJob(with, draft.known, draft.file.sources));
}

// Prices or counts are whole numbers, too, and no classes. Empty: the labels
// look like classes.
std::string QuantityNote(const v1::Job& job, const job::SourceFacts& data) {
  constexpr int64_t kFewClasses = 50;
  if (data.classes <= kFewClasses || 2 * data.classes <= data.examples) {
    return "";
  }
  return absl::StrCat(
      "warning: the labels have ", data.classes, " different values in ",
      Count(data.examples, "example"), ", and `model: ", job.model().kind(),
      "` takes each for a class of its own. If they are quantities to predict, "
      "take ",
      job::TraitsOf(job.model()).forest() ||
              job::TraitsOf(job.model()).boosted()
          ? "`model.labels: values`"
          : "`model: linear`, or `model.labels: values` with layers");
}

// Reads the tables that the job takes of another model. A run that goes on
// begins with what it began with, whatever that model is now.
absl::Status StartFromModel(const ModelOpener& open, Draft* draft,
                            job::JobFacts* facts, PreparedJob* prepared) {
  const v1::Job& job = draft->full;
  const auto& stored = draft->stored;
  if (stored && stored->has_initial() &&
      SameStart(stored->job().start(), job.start())) {
    facts->initial = stored->initial();
    return absl::OkStatus();
  }
  StartOtherwise otherwise;
  otherwise.seed = job.seed();
  if (draft->module != nullptr) otherwise.values = draft->module->initial();
  EBB_ASSIGN_OR_RETURN(
      StartValues start,
      ReadStart(job.start(), {facts->tables, facts->sparse_tables}, otherwise,
                open));
  draft->with_rows = std::move(start.with_rows);
  prepared->initial = std::move(start.values);
  facts->initial = prepared->initial->ToProto();
  for (std::string& note : start.notes) {
    draft->notes.push_back(std::move(note));
  }
  return absl::OkStatus();
}

// Makes the record anew with the rows that the job takes of another model.
absl::Status AddStartRows(const Draft& draft, job::JobFacts* facts,
                          PreparedJob* prepared, JobRecord* record) {
  EBB_ASSIGN_OR_RETURN(const auto rule, server::JobRule::Create(*record));
  EBB_ASSIGN_OR_RETURN(InitialRows::Tables rows, RowTablesOf(*rule, *record));
  EBB_ASSIGN_OR_RETURN(prepared->initial, draft.with_rows(std::move(rows)));
  facts->initial = prepared->initial->ToProto();
  EBB_ASSIGN_OR_RETURN(*record, job::MakeJobRecord(draft.full, *facts));
  return absl::OkStatus();
}

// "freeze: 2 of 4 tables, with 100352 of 109386 parameters": empty if none is.
std::string FrozenNote(const job::JobFacts& facts, const v1::Job& job) {
  const auto is_frozen = [&](const std::string& table) {
    return std::ranges::count(job.freeze(), table) > 0;
  };
  size_t tables = 0;
  int64_t parameters = 0;
  for (const job::DenseTable& table : facts.tables) {
    if (!is_frozen(table.name)) continue;
    ++tables;
    parameters += table.size;
  }
  std::vector<std::string> of_rows;
  for (const job::SparseTable& table : facts.sparse_tables) {
    if (is_frozen(table.name)) of_rows.push_back(table.name);
  }
  if (tables + of_rows.size() == 0) return "";
  std::vector<std::string> parts;
  if (tables > 0) {
    parts.push_back(absl::StrCat(parameters, " of ",
                                 Count(ParametersOf(facts), "parameter")));
  }
  if (!of_rows.empty()) {
    parts.push_back(absl::StrCat("the rows of ", absl::StrJoin(of_rows, ", ")));
  }
  return absl::StrCat(
      "frozen: ", tables + of_rows.size(), " of ",
      Count(facts.tables.size() + facts.sparse_tables.size(), "table"),
      ", with ", absl::StrJoin(parts, " and "),
      ". They are not pushed, and take no optimizer's memory");
}

// Warns of frozen tables that nothing has trained. What a module begins with,
// it may have trained.
void NoteRandomTables(const job::JobFacts& facts, Draft* draft) {
  const v1::Job& job = draft->full;
  if (job.model().has_initial() || job::TraitsOf(job.model()).python()) return;
  const auto note = [&](const std::string& table, const InitRule& init,
                        absl::string_view begins) {
    const bool random = init.kind == InitRule::Kind::kUniform ||
                        init.kind == InitRule::Kind::kNormal;
    if (!random || std::ranges::count(job.freeze(), table) == 0 ||
        Starts(job, table)) {
      return;
    }
    draft->notes.push_back(absl::StrCat(
        "warning: freeze: ", table, begins,
        " at random, and stays so: start: {from: FILE} takes it from a "
        "model that was trained"));
  };
  for (const job::DenseTable& table : facts.tables) {
    note(table.name, table.init, " begins");
  }
  for (const job::SparseTable& table : facts.sparse_tables) {
    note(table.name, table.init, " has rows that begin");
  }
}

// Updates of a partition, at most.
int64_t UpdatesOf(const JobPlan& plan) {
  if (plan.rounds()) return plan.RoundsPerEpoch() * plan.epochs;
  const int64_t batch = *std::ranges::min_element(plan.batch_by_epoch);
  return plan.items() * ((plan.shard_size + batch - 1) / batch);
}

// A job is of one fold.
absl::Status RefuseAllFolds(Draft* draft) {
  const v1::Job& job = draft->full;
  if (!job.has_validate() || job.data().has_fold()) return absl::OkStatus();
  job::JobFile& file = draft->file;
  file.mistakes.push_back(
      {file.sources.Find("validate"), "validate",
       absl::StrCat("trains ", job.validate().folds(),
                    " jobs, one for each fold, and this is one job"),
       "`ebb run FILE`, or `ebb sweep FILE --scheduler HOST:PORT` on a cluster "
       "that runs"});
  job::SortByLine(&file.mistakes);
  return job::ToStatus(file.mistakes);
}

}  // namespace

void TakeFirstFold(JobChoice* choice) {
  const v1::Job job = job::ReadJobFile(choice->file, choice->overrides).job;
  if (!job.has_validate() || job.data().has_fold()) return;
  choice->overrides.emplace_back("data.fold=0");
}

absl::StatusOr<PreparedJob> PrepareJob(const JobChoice& choice) {
  Draft draft;
  // The user names the places, and reads them by rights of their own.
  draft.open = data::WithRemoteFiles(choice.open, {});
  draft.stored = StoredOf(choice);
  draft.file = ReadChosen(choice, choice.overrides);
  const std::string text =
      choice.text ? *choice.text : ReadFile(choice.file).value_or("");
  draft.data_hint = DataHint(text);
  const job::JobFile& file = draft.file;
  // There is no job to look at.
  if (file.job.ByteSizeLong() == 0) {
    EBB_RETURN_IF_ERROR(job::ToStatus(file.mistakes));
  }
  v1::Job& full = draft.full;
  full = file.job;
  job::FillDefaults(&full);

  const auto kinds = ModelKinds(full, choice);
  draft.Fail(kinds.status(), "model.plugin");
  if (kinds.ok()) draft.known.model_kinds = *kinds;
  draft.Validate();
  EBB_RETURN_IF_ERROR(RefuseAllFolds(&draft));
  job::JobFacts facts;
  if (draft.WrongIn("data") || draft.WrongIn("model")) {
    OpenData(&draft);
  } else {
    facts = ReadData(choice.plugin_folders, &draft);
  }
  job::SortByLine(&draft.file.mistakes);
  EBB_RETURN_IF_ERROR(job::ToStatus(file.mistakes));
  EBB_ASSIGN_OR_RETURN(const data::Index index,
                       data::Index::Decode(facts.train_index));
  PreparedJob prepared;
  const absl::Status tables =
      job::TraitsOf(full.model()).python()
          ? AskModule(choice.plugin_folders, index, &draft, &facts, &prepared)
          : TablesOfModel(full, choice, index, &facts);
  if (!tables.ok()) {
    const bool python = job::TraitsOf(full.model()).python();
    return Refuse(tables, python ? KeyAtFault(tables) : "model", file.sources);
  }
  EBB_RETURN_IF_ERROR(CheckStatistics(draft));
  if (!draft.centroids.empty()) {
    // The sizes of the clusters are not known yet.
    draft.centroids.resize(ParametersOf(facts), FirstSize(full));
    EBB_ASSIGN_OR_RETURN(
        prepared.initial,
        InitialValues::Of("model.seeding", std::move(draft.centroids),
                          facts.tables));
    facts.initial = prepared.initial->ToProto();
  } else if (draft.boosted) {
    const BoostedShape shape = job::BoostedShapeOf(full.model(), index.features,
                                                   std::ssize(index.classes));
    EBB_ASSIGN_OR_RETURN(
        prepared.initial,
        InitialValues::Of("the intervals of the data",
                          BoostedInitialValues(shape, *draft.boosted),
                          facts.tables));
    facts.initial = prepared.initial->ToProto();
  } else if (full.has_start()) {
    draft.Fail(StartFromModel(choice.open_model, &draft, &facts, &prepared),
               "start");
    EBB_RETURN_IF_ERROR(job::ToStatus(file.mistakes));
  } else if (full.model().has_initial()) {
    draft.Fail(ReadInitial(draft.stored, full, &facts, &prepared),
               "model.initial");
    EBB_RETURN_IF_ERROR(job::ToStatus(file.mistakes));
  }
  prepared.data = draft.extent;
  for (size_t c = 0; c < index.classes.size(); ++c) {
    prepared.classes.push_back(index.ClassText(static_cast<int64_t>(c)));
  }
  prepared.label = LabelColumn(full, facts.columns);
  prepared.choices =
      job::FitToData(*draft.known.train, ParametersOf(facts), &full);
  AddLabelChoice(file.job, full, index, &prepared.choices);
  AddBinsChoice(file.job, &prepared.choices);
  const std::string unexpected =
      LeaveOutExpectations(choice, *draft.known.train, &full);
  if (!unexpected.empty()) draft.notes.push_back(unexpected);
  if (full.algorithm().kind() == v1::Algorithm::KIND_PLUGIN) {
    auto algorithm = worker::CreateAlgorithm(full, choice.plugin_folders);
    if (!algorithm.ok()) {
      return Refuse(algorithm.status(), "algorithm.plugin", file.sources);
    }
    facts.algorithm = *std::move(algorithm);
  }
  prepared.source = choice.source.value_or(text);
  facts.source = prepared.source;
  MakePathsAbsolute(std::filesystem::current_path().string(), &full);
  auto record = job::MakeJobRecord(full, facts);
  if (!record.ok()) return Refuse(record.status(), "", file.sources);
  if (draft.with_rows != nullptr) {
    draft.Fail(AddStartRows(draft, &facts, &prepared, &*record), "start");
    EBB_RETURN_IF_ERROR(job::ToStatus(file.mistakes));
  } else if (prepared.initial != nullptr &&
             (prepared.initial->has_state() || prepared.initial->has_rows())) {
    draft.Fail(ReadState(full, &facts, &prepared, &*record), "model.initial");
    EBB_RETURN_IF_ERROR(job::ToStatus(file.mistakes));
  }
  if (const auto note = FrozenNote(facts, full); !note.empty()) {
    draft.notes.push_back(note);
  }
  NoteRandomTables(facts, &draft);
  if (const auto note = job::AverageNotes(full, UpdatesOf(record->plan));
      !note.empty()) {
    draft.notes.push_back(note);
  }
  if (record->plan.partitions < full.partitions()) {
    draft.notes.push_back(
        absl::StrCat("partitions: ", full.partitions(), " are asked for, ",
                     record->plan.partitions, " are made: there ",
                     record->plan.parameters == 1 ? "is " : "are ",
                     Count(record->plan.parameters, "parameter"),
                     ", and the others would hold nothing"));
  }
  if (const auto note = QuantityNote(full, *draft.known.train); !note.empty()) {
    draft.notes.push_back(note);
  }
  prepared.note = absl::StrJoin(draft.notes, "\n");
  prepared.record = *std::move(record);
  prepared.job = std::move(full);
  return prepared;
}

void MakePathsAbsolute(absl::string_view folder, v1::Job* job) {
  MakeAbsolute(std::string(folder), job->mutable_data());
  if (job->has_start() && !StartJobOf(job->start().from())) {
    job->mutable_start()->set_from(
        PathFrom(std::string(folder), job->start().from()));
  }
  if (job->model().has_initial()) {
    job->mutable_model()->set_initial(
        PathFrom(std::string(folder), job->model().initial()));
  }
}

v1::SubmitJobRequest SubmitRequestOf(const PreparedJob& prepared,
                                     absl::string_view request_id) {
  v1::SubmitJobRequest request;
  request.set_request_id(std::string(request_id));
  request.set_name(prepared.record.name);
  *request.mutable_plan() = rpc::ToProto(prepared.record.plan);
  request.set_specification(prepared.record.specification);
  request.set_source(prepared.source);
  return request;
}

std::string ChoicesText(const std::vector<job::Choice>& choices) {
  if (choices.empty()) return "";
  return absl::StrCat(
      "Chosen from the data: ",
      absl::StrJoin(choices, "; ",
                    [](std::string* out, const job::Choice& choice) {
                      absl::StrAppend(out, choice.key, " ", choice.value, " (",
                                      choice.reason, ")");
                    }));
}

std::string WorkText(const PreparedJob& prepared, absl::string_view times) {
  const JobPlan& plan = prepared.record.plan;
  std::string examples =
      Count(plan.examples, job::NameOfAnExample(prepared.job));
  if (job::TasksOf(prepared.job) > 0) return examples;
  return absl::StrCat(examples, times, Count(plan.epochs, "epoch"));
}

std::string SizeText(const JobPlan& plan) {
  const auto sparse = static_cast<int64_t>(plan.sparse_tables.size());
  std::vector<std::string> parts;
  if (plan.parameters > 0 || sparse == 0) {
    parts.push_back(Count(plan.parameters, "parameter"));
  }
  if (sparse > 0) {
    parts.push_back(
        absl::StrCat("the rows of ", Count(sparse, "sparse table")));
  }
  return absl::StrCat(absl::StrJoin(parts, " and "), " in ",
                      Count(plan.partitions, "partition"));
}

std::string NewRequestId() {
  std::random_device device;
  return absl::StrFormat("%08x%08x%08x%08x", device(), device(), device(),
                         device());
}

}  // namespace ebb::tools
