// The records of the jobs in job/testdata and examples/jobs do not change by
// accident: records.txt has their hashes. A change that is meant is written by
// EBB_REWRITE=1, and then reviewed.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/tls/sha256.h"
#include "gtest/gtest.h"
#include "job/base/traits.h"
#include "job/fit.h"
#include "job/program_tables.h"
#include "job/specification.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "protocol/contribution_rows.h"
#include "protocol/plan_codec.h"
#include "tests/testing/golden.h"
#include "workloads/boosted/rules/shape.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {
namespace {

constexpr char kGolden[] = "job/testdata/records.txt";

struct Data {
  std::string name;
  SourceFacts facts;
};

std::vector<Data> AllData() {
  SourceFacts facts{.examples = 5000, .features = 20};
  SourceFacts values = facts, two = facts, ten = facts, documents = facts;
  values.label_deviation = 2.5;
  two.classes = 2;
  two.class_texts = {"no", "yes"};
  ten.classes = 10;
  documents.features = 300;
  documents.row_sum = 40;
  documents.documents = SourceFacts::Documents{4990, 4950};
  return {
      {"values", values}, {"two", two}, {"ten", ten}, {"documents", documents}};
}

void AddDense(const std::string& name, std::vector<int64_t> dims,
              JobFacts* facts) {
  const int64_t size = *ElementsOf(dims);
  facts->tables.push_back({name, size, InitRule::Normal(0.1f), dims});
}

void AddSparse(const std::string& name, int32_t width, JobFacts* facts) {
  SparseTable& table = facts->sparse_tables.emplace_back();
  table.name = name;
  table.width = width;
  table.init = InitRule::Zeros();
}

// Tables like those that the job's model has. Their names are made up, but for
// those of the job file.
void AddTables(const v1::Job& job, const SourceFacts& data, JobFacts* facts) {
  const v1::Model& model = job.model();
  const v1::ModelTraits& traits = TraitsOf(model);
  const int64_t outputs = data.classes > 2 ? data.classes : 1;
  if (traits.program()) {
    const auto tables = ProgramTablesOf(model);
    if (tables.ok()) facts->tables = *tables;
    facts->sparse_tables = ProgramSparseTablesOf(model);
  } else if (workloads::FactsOf(job).tasks > 0) {
    AddSparse("tasks", 64, facts);
  } else if (model.kind() == "boosted_trees") {
    AddDense("trees",
             {workloads::BoostedShapeOf(model, data.features, data.classes)
                  .Parameters()},
             facts);
  } else if (model.kind() == "kmeans") {
    AddDense("centroids", {model.clusters(), data.features}, facts);
    AddDense("sizes", {model.clusters()}, facts);
  } else if (model.kind() == "lda") {
    AddDense("words", {data.features, model.topics()}, facts);
    if (TraitsOf(job.algorithm().kind()).contributions()) {
      AddSparse("contributions", kContributionWidth, facts);
    }
  } else if (traits.keyed()) {
    AddDense("bias", {1}, facts);
    AddSparse("keys", 1, facts);
    AddSparse("vectors", 8, facts);
  } else {
    AddDense("weights", {data.features, outputs}, facts);
    AddDense("biases", {outputs}, facts);
  }
  for (const auto& [name, table] : job.tables()) {
    const bool there =
        std::ranges::count(facts->tables, name, &DenseTable::name) > 0 ||
        std::ranges::count(facts->sparse_tables, name, &SparseTable::name) > 0;
    if (there) continue;
    if (facts->sparse_tables.empty()) {
      AddDense(name, {8, 4}, facts);
    } else {
      AddSparse(name, 4, facts);
    }
  }
}

// The hash of the job's record, or why there is none.
std::string RecordOf(const JobFile& file, const SourceFacts& train) {
  DataFacts data{.train = train};
  if (HasTestData(file.job)) data.test = train;
  if (!ValidateJob(file.job, data, file.sources).empty()) return "refused";
  v1::Job job = file.job;
  FillDefaults(&job);
  // `ebb submit` chooses these by the data.
  if (job.model().kind() == "boosted_trees" && !job.model().has_bins()) {
    job.mutable_model()->set_bins(DefaultBoostedBins(train.features));
  }
  JobFacts facts;
  facts.examples = train.examples;
  facts.train_index = "train";
  facts.test_index = data.test ? "test" : "";
  facts.train_index_hash = 77;
  facts.order_version = 1;
  facts.source = "the text";
  AddTables(job, train, &facts);
  int64_t parameters = 0;
  for (const DenseTable& table : facts.tables) parameters += table.size;
  if (workloads::FactsOf(job).begins_with_values ||
      TraitsOf(job.model()).python() || job.model().has_initial() ||
      job.has_start()) {
    constexpr int64_t kFloatBytes = 4;
    facts.initial.emplace().set_bytes(kFloatBytes * parameters);
  }
  FitToData(train, parameters, &job);
  const auto record = MakeJobRecord(job, facts);
  if (!record.ok()) return "impossible";
  return absl::BytesToHexString(Sha256(EncodeJobRecord(*record)));
}

TEST(RecordTest, RecordsOfAllJobsAreAsBefore) {
  std::string all;
  int records = 0;
  for (const std::string folder : {"job/testdata", "examples/jobs"}) {
    for (const std::string& name : testing_golden::CaseNames(folder)) {
      const std::string text = testing_golden::CaseText(folder, name);
      std::vector<std::string> overrides;
      for (absl::string_view line : absl::StrSplit(text, '\n')) {
        if (absl::ConsumePrefix(&line, "# set: ")) overrides.emplace_back(line);
      }
      const JobFile file = ReadJob(text, name + ".yaml", overrides);
      if (!file.ok()) continue;
      for (const Data& data : AllData()) {
        const std::string record = RecordOf(file, data.facts);
        if (record == "refused") continue;
        absl::StrAppend(&all, record, " ", data.name, " ", folder, "/", name,
                        ".yaml\n");
        records += record != "impossible" ? 1 : 0;
      }
    }
  }
  EXPECT_GT(records, 100);
  if (std::getenv("EBB_REWRITE") != nullptr) {
    std::ofstream(kGolden, std::ios::binary) << all;
  }
  EXPECT_EQ(all, testing_golden::ReadText(kGolden));
}

}  // namespace
}  // namespace ebb::job
