#include "tools/ebb/job/draft_module.h"

#include <google/protobuf/map.h>

#include <map>
#include <optional>
#include <utility>

#include "common/status_macros.h"
#include "data/order.h"
#include "ebb/v1/job.pb.h"
#include "job/base/traits.h"
#include "job/program_tables.h"
#include "models/model.h"
#include "worker/job_data.h"
#include "worker/python/python_data.h"
#include "worker/python/python_program.h"

namespace ebb::tools {

namespace {

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

// True if the module would make the same model, and the same data sets, as it
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

// Gives the job what the module has.
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

}  // namespace

absl::Status AskModule(const std::vector<std::string>& folders,
                       const data::Index& index, Draft* draft,
                       job::JobFacts* facts,
                       std::shared_ptr<const InitialValues>* initial) {
  v1::Job* const job = &draft->full;
  if (draft->module == nullptr) {
    EBB_ASSIGN_OR_RETURN(const bool is_new, LoadModule(folders, index, draft));
    if (!is_new) return TakeStored(*draft->stored, job, facts);
  }
  const worker::PythonModel& module = *draft->module;
  TakeModel(module, job, facts);
  if (job->model().has_initial()) return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(
      *initial, InitialValues::Of(job->model().module(), module.initial(),
                                  facts->tables));
  facts->initial = (*initial)->ToProto();
  return absl::OkStatus();
}

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

std::string KeyAtFault(const absl::Status& status) {
  const auto data = status.GetPayload(worker::kFailedData);
  if (!data) return "model.module";
  return *data == "0" ? "data.train.python" : "data.test.python";
}

}  // namespace ebb::tools
