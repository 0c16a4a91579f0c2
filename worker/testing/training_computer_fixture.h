// Jobs of a few examples that are known, and what a worker should compute.
#ifndef EBB_WORKER_TESTING_TRAINING_COMPUTER_FIXTURE_H_
#define EBB_WORKER_TESTING_TRAINING_COMPUTER_FIXTURE_H_

#include <cstdint>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/test_folder.h"
#include "data/order.h"
#include "gtest/gtest.h"
#include "job/specification.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "worker/job_data.h"
#include "worker/training_computer.h"

namespace ebb::worker::testing {

inline constexpr int64_t kExamples = 37;
inline constexpr int64_t kFeatures = 3;

// The label of an example is its number modulo two. Its features are functions
// of the number, so tests know the data that was read.
inline int64_t Byte(int64_t example, int64_t feature) {
  return (example * 7 + feature * 3) % 11;
}
inline float Feature(int64_t example, int64_t feature) {
  return 0.25F * static_cast<float>(Byte(example, feature));
}

inline std::string JobText(const std::string& data, int epochs = 2) {
  return "model: {kind: mlp, layers: [3, 4, 2], activation: tanh}\n"
         "data: {" +
         data +
         ", standardise: false}\n"
         "train: {epochs: " +
         std::to_string(epochs) +
         ", batch: 4, item_examples: 10, shuffle_seed: 9}\n"
         "oracle: 3\n";
}

class TrainingComputerFixture : public ::testing::Test {
 protected:
  std::string WriteCsv(const std::string& name, int64_t examples) {
    std::string path = folder_ / name;
    std::ofstream out(path);
    for (int64_t i = 0; i < examples; ++i) {
      for (int64_t f = 0; f < kFeatures; ++f) out << Feature(i, f) << ",";
      out << i % 2 << "\n";
    }
    return path;
  }
  std::string WriteLibsvm(const std::string& name, int64_t examples) {
    std::string path = folder_ / name;
    std::ofstream out(path);
    for (int64_t i = 0; i < examples; ++i) {
      out << i % 2;
      for (int64_t f = 0; f < kFeatures; ++f) {
        out << " " << f + 1 << ":" << Feature(i, f);
      }
      out << "\n";
    }
    return path;
  }

  // The front of the names of two files.
  std::string WriteIdx(const std::string& name, int64_t examples) {
    std::string prefix = folder_ / name;
    const auto count = static_cast<char>(examples);
    std::ofstream images(prefix + "-images-idx3-ubyte", std::ios::binary);
    images.write("\0\0\x08\x03\0\0\0", 7).put(count);
    images.write("\0\0\0\x01\0\0\0\x03", 8);
    std::ofstream labels(prefix + "-labels-idx1-ubyte", std::ios::binary);
    labels.write("\0\0\x08\x01\0\0\0", 7).put(count);
    for (int64_t i = 0; i < examples; ++i) {
      for (int64_t f = 0; f < kFeatures; ++f) {
        images.put(static_cast<char>(Byte(i, f)));
      }
      labels.put(static_cast<char>(i % 2));
    }
    return prefix;
  }

  // The record of the job as a submitter makes it, in three partitions.
  static JobRecordPtr Submit(const std::string& text) {
    auto job = job::ParseJobYaml(text, "job.yaml", nullptr);
    EXPECT_TRUE(job.ok()) << job.status();
    job::FillDefaults(&*job);
    const auto train = LoadTrainingData(*job);
    EXPECT_TRUE(train.ok()) << train.status();
    job::JobFacts facts;
    facts.examples = train->examples();
    facts.train_index = train->index().Encode();
    facts.train_index_hash = train->index().Hash();
    facts.order_version = train->order_version();
    facts.window = train->window();
    facts.columns = ToProto(train->names());
    if (const auto test =
            TestSource(*job, LabelKindOf(train->index()), train->names())) {
      const auto examples = data::Dataset::LoadLike(*test, train->index());
      EXPECT_TRUE(examples.ok()) << examples.status();
      facts.test_index = examples->index().Encode();
    }
    const auto model = Model(*job, train->index());
    for (const auto& table : model->description().tables) {
      facts.tables.push_back({table.name, table.size(), table.init});
    }
    for (const auto& table : model->description().sparse_tables) {
      job::SparseTable& sparse = facts.sparse_tables.emplace_back();
      sparse.name = table.name;
      sparse.width = static_cast<int32_t>(table.width);
    }
    auto record = job::MakeJobRecord(*job, facts);
    EXPECT_TRUE(record.ok()) << record.status();
    record->id = JobId(5);
    record->plan.block_floats = 8;
    record->plan.partitions = 3;
    return std::make_shared<const JobRecord>(*std::move(record));
  }

  // Submits a job of kExamples in a.csv.
  JobRecordPtr SubmitSmall() {
    return Submit(
        JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  }

  // The first batch of the first item.
  static client::ComputeTask FirstBatch(const JobRecordPtr& record,
                                        const client::PulledValuesPtr& values) {
    return {record, Generation(1), ItemId{0, 0}, 0, 4, values};
  }

  static std::unique_ptr<models::Model> Model(const v1::Job& job,
                                              const data::Index& index) {
    static auto* backend =
        models::CreateBackend({.kind = "reference"}).value().release();
    models::Registry registry;
    EXPECT_TRUE(models::RegisterBuiltinModels(&registry).ok());
    auto model = CreateModel(job, index, {}, &registry, backend);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  // Values of all partitions, each a payload of its own in two slices.
  static client::PulledValuesPtr Pulled(const JobPlan& plan,
                                        const std::vector<float>& params) {
    auto values = std::make_shared<client::PulledValues>();
    for (int32_t p = 0; p < plan.partitions; ++p) {
      const auto [first, last] = plan.ParameterRange(PartitionId(p));
      auto part = std::make_shared<std::vector<float>>(params.begin() + first,
                                                       params.begin() + last);
      const auto bytes = std::as_bytes(std::span<const float>(*part));
      Payload payload;
      payload.Append(part, bytes.first(bytes.size() / 2));
      payload.Append(part, bytes.subspan(bytes.size() / 2));
      values->partitions.push_back(std::move(payload));
      values->updates.push_back(0);
    }
    return values;
  }

  static std::vector<float> Params(const JobPlan& plan) {
    std::vector<float> params(plan.parameters);
    for (size_t i = 0; i < params.size(); ++i) {
      params[i] = 0.1F * static_cast<float>(i % 7) - 0.3F;
    }
    return params;
  }

  template <typename T>
  static std::vector<T> Read(const Payload& payload) {
    std::vector<T> values(payload.size() / sizeof(T));
    payload.CopyTo(std::as_writable_bytes(std::span(values)));
    return values;
  }

  const TestFolder folder_;
};

// The gradient by the reference back end over the very examples, in one call.
inline std::vector<float> Expected(models::Model* model,
                                   const std::vector<float>& params,
                                   const std::vector<int64_t>& examples,
                                   double* loss) {
  std::vector<float> features, labels;
  for (const int64_t example : examples) {
    for (int64_t f = 0; f < kFeatures; ++f) {
      features.push_back(Feature(example, f));
    }
    labels.push_back(static_cast<float>(example % 2));
  }
  models::BatchView view;
  view.rows = static_cast<int64_t>(examples.size());
  view.features = kFeatures;
  view.dense = features;
  view.labels = labels;
  std::vector<float> gradient(params.size());
  models::BatchStats stats;
  EXPECT_TRUE(model->Gradient(params, view, std::span(gradient), &stats).ok());
  *loss = stats.loss_sum;
  return gradient;
}

}  // namespace ebb::worker::testing

#endif  // EBB_WORKER_TESTING_TRAINING_COMPUTER_FIXTURE_H_
