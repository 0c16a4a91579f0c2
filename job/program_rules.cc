#include "job/program_rules.h"

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "job/base/keys.h"
#include "job/base/table_name.h"
#include "job/base/traits.h"

namespace ebb::job {
namespace {

constexpr int kMostDims = 32;
// As much as the largest number of partitions may hold is 2^45 values.
constexpr int64_t kMostValues = int64_t{1} << 45;

class ProgramRules {
 public:
  ProgramRules(const v1::Job& job, Complaints* found)
      : job_(job), found_(found) {}

  void Check() {
    CheckPositions();
    if (!TraitsOf(job_.model()).program()) return;
    CheckModel();
    CheckTables();
    CheckData();
    if (job_.device().kind() != v1::Device::KIND_CPU) {
      found_->Add("device.kind", "what programs compute on is their own affair",
                  "leave it out");
    }
  }

 private:
  void CheckPositions();
  void CheckModel();
  void CheckTables();
  void CheckSparseTables();
  void CheckName(const std::string& name, const std::string& path,
                 const std::string& example);
  void CheckData();

  void Refuse(const std::string& path, const std::string& why) {
    found_->Add(path, why, "leave it out");
  }

  const v1::Job& job_;
  Complaints* const found_;
};

void ProgramRules::CheckPositions() {
  const v1::Data& data = job_.data();
  if (TraitsOf(data.test()).positions()) {
    Refuse("data.test",
           "ebb cannot read positions; programs that evaluate have test data "
           "of their own");
  }
  if (!TraitsOf(data.train()).positions()) return;
  if (!TraitsOf(job_.model()).program()) {
    found_->Add(
        "data.train.positions",
        absl::StrCat("only programs know what stands there, and ",
                     job_.model().kind(), " is computed by ebb-workers"),
        "csv: FILE, libsvm: FILE or idx: PREFIX; or model: {kind: "
        "program, tables: …}");
  }
  if (data.train().scale() != 1) {
    Refuse("data.train.scale", "ebb reads no features to scale");
  }
  if (data.train().has_comment()) {
    Refuse("data.train.comment", "ebb reads no lines");
  }
}

void ProgramRules::CheckModel() {
  const v1::Model& model = job_.model();
  if (model.has_l2()) {
    Refuse("model.l2", "programs compute the loss, and what belongs to it");
  }
  if (!model.options().empty()) {
    Refuse("model.options", "ebb hands nothing to programs");
  }
}

void ProgramRules::CheckName(const std::string& name, const std::string& path,
                             const std::string& example) {
  if (IsTableName(name)) return;
  found_->Add(path, TableNameRule(), example);
}

void ProgramRules::CheckSparseTables() {
  const v1::Model& model = job_.model();
  const std::map<std::string, v1::ProgramRows> by_name(
      model.sparse_tables().begin(), model.sparse_tables().end());
  for (const auto& [name, table] : by_name) {
    const std::string path = Join("model.sparse_tables", name);
    CheckName(name, path, "ids: {width: 16}");
    if (model.tables().contains(name)) {
      found_->Add(path, "is the name of a dense table, too", "another name");
    }
  }
}

void ProgramRules::CheckTables() {
  const v1::Model& model = job_.model();
  if (model.tables().empty() && model.sparse_tables().empty()) {
    found_->Add("model.tables", "is missing: a program's model has tables",
                "tables: {weight: {dims: [10, 784]}}");
  }
  CheckSparseTables();
  int64_t rest = kMostValues;
  const std::map<std::string, v1::ProgramTable> by_name(model.tables().begin(),
                                                        model.tables().end());
  for (const auto& [name, table] : by_name) {
    const std::string path = Join("model.tables", name);
    CheckName(name, path, "layer1.weight: {dims: [10, 784]}");
    if (table.dims_size() > kMostDims) {
      found_->Add(path + ".dims",
                  absl::StrCat("has ", table.dims_size(), " dimensions"),
                  absl::StrCat("at most ", kMostDims));
      continue;
    }
    int64_t values = 1;
    for (const int64_t dim : table.dims()) {
      if (dim < 1) return;  // Said elsewhere.
      values = dim > rest / values ? rest + 1 : values * dim;
      if (values > rest) break;
    }
    if (values > rest) {
      found_->Add(path + ".dims",
                  absl::StrCat("all tables have more than ", kMostValues,
                               " values together"),
                  "dims: [10, 784]");
      return;
    }
    rest -= values;
  }
}

void ProgramRules::CheckData() {
  const v1::Data& data = job_.data();
  if (FormatOf(data.train()) != nullptr &&
      !TraitsOf(data.train()).positions()) {
    found_->Add("data.train",
                "ebb reads no data for programs: they know what their examples "
                "are",
                "positions: NUMBER_OF_EXAMPLES");
  }
  if (data.has_test() && !TraitsOf(data.test()).positions()) {
    Refuse("data.test", "programs that evaluate have test data of their own");
  }
  if (data.has_split()) {
    Refuse("data.split",
           "programs that evaluate have test data of their own; they hold it "
           "out themselves");
  }
  if (data.standardise()) {
    Refuse("data.standardise", "ebb reads no features to scale");
  }
  if (data.standardise_labels()) {
    Refuse("data.standardise_labels", "ebb reads no labels to scale");
  }
  if (data.has_positive()) {
    Refuse("data.positive", "programs that evaluate make the figures");
  }
  if (data.on_bad_example() == v1::Data::BAD_EXAMPLE_SKIP) {
    Refuse("data.on_bad_example", "ebb reads no examples");
  }
}

}  // namespace

void CheckProgramRules(const v1::Job& job, Complaints* found) {
  ProgramRules(job, found).Check();
}

}  // namespace ebb::job
