// Measures what filters cost in accuracy: a small job trained with and without,
// through the same steps that workers and servers take, but for the transport.
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/gradient_filter.h"
#include "client/pulled_values.h"
#include "common/filters/codec.h"
#include "gtest/gtest.h"
#include "models/backends.h"
#include "models/registry.h"
#include "server/pull_encoding.h"

namespace ebb {
namespace {

constexpr int64_t kFeatures = 20, kClasses = 10, kBatch = 50;
constexpr int64_t kExamples = 4000, kTestExamples = 4000;
constexpr int kSeeds = 5;
constexpr double kMostLost = 0.003;  // 0.3 points.

struct Examples {
  std::vector<float> features, labels;

  models::BatchView View(int64_t begin, int64_t end) const {
    models::BatchView view;
    view.rows = end - begin;
    view.features = kFeatures;
    view.dense = std::span(features).subspan(begin * kFeatures,
                                             (end - begin) * kFeatures);
    view.labels = std::span(labels).subspan(begin, end - begin);
    return view;
  }
};

// Classes that overlap: about nine of ten can be told.
Examples Draw(int64_t n, std::mt19937* random) {
  std::mt19937 of_centres(7);
  std::normal_distribution<float> normal;
  std::vector<float> centres(kClasses * kFeatures);
  for (float& x : centres) x = 0.6f * normal(of_centres);
  Examples examples;
  for (int64_t i = 0; i < n; ++i) {
    const auto label = static_cast<int64_t>((*random)() % kClasses);
    examples.labels.push_back(static_cast<float>(label));
    for (int64_t f = 0; f < kFeatures; ++f) {
      examples.features.push_back(centres[label * kFeatures + f] +
                                  normal(*random));
    }
  }
  return examples;
}

// The accuracy after an epoch in two items, and the bytes of all pushes.
struct Outcome {
  double accuracy = 0;
  int64_t pushed = 0;
};

Outcome Train(const FilterPlan& filters, uint32_t seed) {
  std::mt19937 random(seed);
  const Examples train = Draw(kExamples, &random);
  const Examples test = Draw(kTestExamples, &random);
  models::Registry registry;
  EXPECT_TRUE(models::RegisterBuiltinModels(&registry).ok());
  const auto backend = models::CreateBackend({});
  models::ModelConfig config;
  config.kind = "softmax";
  config.features = kFeatures;
  config.classes = kClasses;
  config.seed = seed;
  const auto model = registry.Create(config, backend->get());
  EXPECT_TRUE(model.ok()) << model.status();

  auto record = std::make_shared<JobRecord>();
  JobPlan& plan = record->plan;
  plan.examples = kExamples;
  plan.shard_size = kExamples / 2;
  plan.batch_by_epoch = {kBatch};
  plan.seed = seed;
  plan.parameters = (*model)->description().ParameterCount();
  plan.filters = filters;
  std::vector<float> weights =
      models::InitialParameters((*model)->description(), seed);
  std::vector<float> pulled(weights.size()), gradient(weights.size());
  client::GradientFilter filter(1);
  Outcome outcome;
  int64_t updates = 0;
  for (int64_t at = 0; at < kExamples; at += kBatch, ++updates) {
    PullRequest pull;
    pull.encoding = EncodingOf(filters.pull);
    PullReply reply;
    reply.segments.push_back({PartitionId(0), PullResult::kValues, Term(1),
                              updates, Payload::Of(weights)});
    server::Encode(server::PullEncoding(plan, pull), &reply);
    client::PulledValues values;
    values.partitions = {reply.segments[0].values};
    values.encodings = {reply.segments[0].encoding};
    EXPECT_TRUE(client::Assemble(plan, values, pulled).ok());

    models::BatchStats stats;
    EXPECT_TRUE((*model)
                    ->Gradient(pulled, train.View(at, at + kBatch),
                               std::span(gradient), &stats)
                    .ok());
    client::ComputeResult result;
    result.gradient = Payload::Of(gradient);
    const ItemId item{0, static_cast<int32_t>(at / plan.shard_size)};
    const int64_t begin = at % plan.shard_size;
    filter.Apply(
        {record, Generation(1), item, begin, begin + kBatch, nullptr, {true}},
        &result);
    outcome.pushed += result.gradient.size();
    if (!result.filtered.empty()) {
      const client::FilteredGradient& filtered = *result.filtered[0];
      outcome.pushed += filtered.bytes.size() - result.gradient.size();
      Decode(filtered.encoding, filtered.bytes, gradient);
    }
    for (size_t i = 0; i < weights.size(); ++i) {
      weights[i] -= 0.2f * gradient[i] / kBatch;
    }
  }
  models::BatchStats stats;
  EXPECT_TRUE(
      (*model)->Evaluate(weights, test.View(0, kTestExamples), &stats).ok());
  outcome.accuracy =
      static_cast<double>(stats.correct) / static_cast<double>(kTestExamples);
  return outcome;
}

// Means over the seeds.
Outcome Mean(const FilterPlan& filters) {
  Outcome mean;
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    const Outcome one = Train(filters, seed);
    mean.accuracy += one.accuracy / kSeeds;
    mean.pushed += one.pushed / kSeeds;
  }
  return mean;
}

TEST(FiltersLearningTest, CostNoMoreThanThreeTenthsOfAPoint) {
  const Outcome full = Mean({});
  ASSERT_GT(full.accuracy, 0.8);
  ASSERT_LT(full.accuracy, 0.97);  // Or there would be nothing to lose.
  const Filter int8{FilterKind::kInt8}, bf16{FilterKind::kBfloat16},
      fp16{FilterKind::kFloat16};
  const Filter top{.kind = FilterKind::kTopK, .share = 0.1};
  const Filter threshold{.kind = FilterKind::kThreshold, .threshold = 4};
  const std::map<std::string, FilterPlan> all = {
      {"bf16", {bf16, bf16}},         {"fp16", {fp16, fp16}},
      {"int8", {int8, int8}},         {"top_k", {top, {}}},
      {"threshold", {threshold, {}}},
  };
  for (const auto& [name, filters] : all) {
    const Outcome filtered = Mean(filters);
    EXPECT_GE(filtered.accuracy, full.accuracy - kMostLost) << name;
    EXPECT_LT(filtered.pushed * 19 / 10, full.pushed) << name;
  }
}

// That the bound above is one which can be missed.
TEST(FiltersLearningTest, AThresholdThatKeepsAlmostAllCostsMore) {
  const Filter threshold{.kind = FilterKind::kThreshold, .threshold = 1e9};
  EXPECT_LT(Mean({threshold, {}}).accuracy, Mean({}).accuracy - kMostLost);
}

}  // namespace
}  // namespace ebb
