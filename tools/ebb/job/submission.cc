#include "tools/ebb/job/submission.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <random>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "data/index.h"
#include "job/base/mistake.h"
#include "job/base/traits.h"
#include "job/specification.h"
#include "job/validate.h"
#include "rpc/convert.h"
#include "tools/ebb/job/data_hint.h"
#include "tools/ebb/job/data_offer.h"
#include "tools/ebb/job/draft.h"
#include "tools/ebb/job/draft_data.h"
#include "tools/ebb/job/draft_module.h"
#include "tools/ebb/job/draft_notes.h"
#include "tools/ebb/job/draft_start.h"
#include "tools/ebb/job/job_paths.h"
#include "tools/ebb/job/model_tables.h"
#include "tools/ebb/job/open_anywhere.h"
#include "tools/files/files.h"
#include "worker/job_data.h"
#include "worker/job_scores.h"
#include "workloads/seam/rules/rules.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

std::optional<v1::Specification> StoredOf(const JobChoice& choice) {
  v1::Specification stored;
  if (choice.stored.empty() || !stored.ParseFromString(choice.stored)) {
    return std::nullopt;
  }
  return stored;
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

// The job keeps the key absent, which older daemons understand.
void AddPositiveChoice(const v1::Job& given, const std::string& positive,
                       std::vector<job::Choice>* choices) {
  if (positive.empty() || given.data().has_positive()) return;
  choices->push_back(
      {"data.positive", positive,
       "the second of the two classes; precision, recall and F1 are of it"});
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
  if (workloads::ToolsOf(job->model()).Facts().ends_itself) return "";
  v1::Job whole = ReadChosen(choice, {}).job;
  job::FillDefaults(&whole);
  job::FitToData(data, 0, &whole);
  if (job->train().epochs() >= whole.train().epochs()) return "";
  job->clear_expect();
  return absl::StrCat("`expect:` of the job is for ", whole.train().epochs(),
                      " epochs: after ", job->train().epochs(),
                      " it is not looked at");
}

// Returns the column with the labels of the training data; empty: it has no
// columns, or the model does not look at them.
std::string LabelColumn(const v1::Job& job,
                        const std::optional<v1::Columns>& columns) {
  const v1::DataSource& train = job.data().train();
  if (train.has_idx() || !workloads::FactsOf(job).labels) {
    return "";
  }
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

// A job is of one fold.
absl::Status RefuseAllFolds(Draft* draft) {
  const v1::Job& job = draft->full;
  if (!job.has_validate() || job.data().has_fold()) return absl::OkStatus();
  job::JobFile& file = draft->file;
  // Commands that train the folds came here for a mistake in the job.
  if (!file.mistakes.empty()) return job::ToStatus(file.mistakes);
  file.mistakes.push_back(
      {file.sources.Find("validate"), "validate",
       absl::StrCat("trains ", job.validate().folds(),
                    " jobs, one for each fold, and this is one job"),
       "`ebb run FILE`, or `ebb sweep FILE --scheduler HOST:PORT` on a cluster "
       "that runs"});
  job::SortByLine(&file.mistakes);
  return job::ToStatus(file.mistakes);
}

// True if the name says that it is a job file, with mistakes or without.
bool IsYaml(absl::string_view path) {
  return absl::EndsWith(path, ".yaml") || absl::EndsWith(path, ".yml");
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
  draft.open = OpenAnywhere(choice.open);
  draft.stored = StoredOf(choice);
  draft.file = ReadChosen(choice, choice.overrides);
  const std::string text =
      choice.text ? *choice.text : ReadFile(choice.file).value_or("");
  draft.data_hint = DataHint(text);
  const job::JobFile& file = draft.file;
  if (!choice.text && !file.mistakes.empty() && !IsYaml(choice.file)) {
    if (auto offer = OfferJob(choice.file)) {
      return absl::InvalidArgumentError(*std::move(offer));
    }
  }
  // There is no job to look at.
  if (file.job.ByteSizeLong() == 0) {
    EBB_RETURN_IF_ERROR(job::ToStatus(file.mistakes));
  }
  v1::Job& full = draft.full;
  full = file.job;
  job::FillDefaults(&full);

  const auto kinds = ModelKinds(full, choice.plugin_folders);
  draft.Fail(kinds.status(), "model.plugin");
  if (kinds.ok()) draft.known.model_kinds = *kinds;
  draft.Validate();
  EBB_RETURN_IF_ERROR(RefuseAllFolds(&draft));
  job::JobFacts facts;
  // Wrong folds would be told as mistakes in the data.
  if (draft.WrongIn("data") || draft.WrongIn("model") ||
      draft.WrongIn("validate")) {
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
          ? AskModule(choice.plugin_folders, index, &draft, &facts,
                      &prepared.initial)
          : TablesOfModel(full, choice.plugin_folders, index, &facts);
  if (!tables.ok()) {
    const bool python = job::TraitsOf(full.model()).python();
    return Refuse(tables, python ? KeyAtFault(tables) : "model", file.sources);
  }
  EBB_RETURN_IF_ERROR(CheckStatistics(draft));
  EBB_RETURN_IF_ERROR(
      MakeStart(choice.open_model, &draft, &facts, &prepared.initial));
  prepared.data = draft.extent;
  for (size_t c = 0; c < index.classes.size(); ++c) {
    prepared.classes.push_back(index.ClassText(static_cast<int64_t>(c)));
  }
  prepared.positive_class = worker::PositiveClassOf(full, index);
  facts.positive_class = prepared.positive_class;
  prepared.label = LabelColumn(full, facts.columns);
  prepared.choices =
      job::FitToData(*draft.known.train, ParametersOf(facts), &full);
  KeepRoundsOfRuns(ParametersOf(facts), &draft);
  AddLabelChoice(file.job, full, index, &prepared.choices);
  for (job::Choice& choice : draft.begun.choices) {
    prepared.choices.push_back(std::move(choice));
  }
  AddPositiveChoice(file.job, prepared.positive_class, &prepared.choices);
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
    draft.Fail(AddStartRows(draft, &facts, &prepared.initial, &*record),
               "start");
    EBB_RETURN_IF_ERROR(job::ToStatus(file.mistakes));
  } else if (prepared.initial != nullptr &&
             (prepared.initial->has_state() || prepared.initial->has_rows())) {
    draft.Fail(ReadState(full, &facts, &prepared.initial, &*record),
               "model.initial");
    EBB_RETURN_IF_ERROR(job::ToStatus(file.mistakes));
  }
  NoteJob(facts, *record, prepared.initial.get(), &draft);
  prepared.note = absl::StrJoin(draft.notes, "\n");
  prepared.record = *std::move(record);
  prepared.job = std::move(full);
  return prepared;
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

std::string NewRequestId() {
  std::random_device device;
  return absl::StrFormat("%08x%08x%08x%08x", device(), device(), device(),
                         device());
}

}  // namespace ebb::tools
