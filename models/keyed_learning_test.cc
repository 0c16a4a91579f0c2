// That the models of keyed examples, trained by their gradients with rows in a
// map, come as close as theory says to the model that made the data.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/initializer.h"
#include "gtest/gtest.h"
#include "models/backends.h"
#include "models/registry.h"

namespace ebb::models {
namespace {

using Floats = std::vector<float>;

struct Example {
  std::vector<uint64_t> keys;  // That of each field, with the value 1.
  float label = 0;
  double true_score = 0;
};

// Number `i` of the vector that the true model has under a key.
double TrueNumber(uint64_t key, int i) {
  Floats numbers(i + 1);
  FillInitialRow(InitRule::Normal(1), 77, "truth", key, std::span(numbers));
  return numbers[i];
}

double LogLoss(double score, float label) {
  const double margin = label > 0 ? score : -score;
  return std::max(-margin, 0.0) + std::log1p(std::exp(-std::abs(margin)));
}

// Does what the servers do in a job: rows begin when their key is first met,
// and a rule (Adagrad) steps what it is given.
class Trainer {
 public:
  Trainer(Model* model, float rate, uint64_t seed)
      : model_(model),
        description_(model->description()),
        rate_(rate),
        seed_(seed),
        dense_{InitialParameters(description_, seed), {}} {
    dense_.squares.resize(dense_.values.size());
  }

  void Train(const std::vector<Example>& examples, int epochs, size_t batch) {
    std::vector<const Example*> order;
    for (const Example& example : examples) order.push_back(&example);
    std::mt19937 generator(5);
    for (int epoch = 0; epoch < epochs; ++epoch) {
      // std::shuffle differs between libraries.
      for (size_t i = order.size(); i > 1; --i) {
        std::swap(order[i - 1], order[generator() % i]);
      }
      for (size_t at = 0; at < order.size(); at += batch) {
        const size_t count = std::min(batch, order.size() - at);
        Step(std::span(order).subspan(at, count));
      }
    }
  }

  // The mean loss of these examples.
  double Loss(const std::vector<Example>& examples) {
    std::vector<const Example*> all;
    for (const Example& example : examples) all.push_back(&example);
    const BatchView batch = Gather(all);
    BatchStats stats;
    const absl::Status status = model_->Evaluate(params_, batch, &stats);
    EXPECT_TRUE(status.ok()) << status;
    return stats.loss_sum / static_cast<double>(stats.examples);
  }

  size_t rows() const { return rows_[0].size(); }

 private:
  struct Values {
    Floats values, squares;
  };

  void Step(std::span<const Example* const> examples) {
    const BatchView batch = Gather(examples);
    Floats grad(params_.size());
    BatchStats stats;
    const absl::Status status =
        model_->Gradient(params_, batch, std::span(grad), &stats);
    ASSERT_TRUE(status.ok()) << status;
    for (float& g : grad) g /= static_cast<float>(batch.rows);
    const float* g = grad.data();
    g = Adagrad(g, &dense_);
    for (auto& table : rows_) {
      for (const uint64_t key : keys_) g = Adagrad(g, &table[key]);
    }
  }

  const float* Adagrad(const float* grad, Values* values) const {
    for (size_t i = 0; i < values->values.size(); ++i, ++grad) {
      if (*grad == 0) continue;
      values->squares[i] += *grad * *grad;
      values->values[i] -= rate_ * *grad / std::sqrt(values->squares[i]);
    }
    return grad;
  }

  // Numbers the keys of the examples, and puts their rows into params_.
  BatchView Gather(std::span<const Example* const> examples) {
    std::unordered_map<uint64_t, int32_t> places;
    keys_.clear();
    columns_.clear();
    fields_.clear();
    labels_.clear();
    offsets_ = {0};
    for (const Example* example : examples) {
      for (size_t field = 0; field < example->keys.size(); ++field) {
        const uint64_t key = example->keys[field];
        const auto [place, is_new] =
            places.try_emplace(key, static_cast<int32_t>(keys_.size()));
        if (is_new) keys_.push_back(key);
        columns_.push_back(place->second);
        fields_.push_back(static_cast<uint16_t>(field));
      }
      offsets_.push_back(static_cast<int64_t>(columns_.size()));
      labels_.push_back(example->label);
    }
    ones_.assign(columns_.size(), 1);
    params_ = dense_.values;
    rows_.resize(description_.sparse_tables.size());
    for (size_t t = 0; t < rows_.size(); ++t) {
      const SparseTableShape& table = description_.sparse_tables[t];
      for (const uint64_t key : keys_) {
        const auto [row, is_new] = rows_[t].try_emplace(key);
        if (is_new) {
          row->second.values.resize(table.width);
          row->second.squares.resize(table.width);
          FillInitialRow(table.init, seed_, table.name, key,
                         std::span(row->second.values));
        }
        const Floats& values = row->second.values;
        params_.insert(params_.end(), values.begin(), values.end());
      }
    }
    BatchView batch;
    batch.rows = static_cast<int64_t>(examples.size());
    batch.features = description_.features;
    batch.sparse = {offsets_, columns_, ones_};
    batch.fields = fields_;
    batch.distinct_keys = static_cast<int64_t>(keys_.size());
    batch.labels = labels_;
    return batch;
  }

  Model* const model_;
  const ModelDescription& description_;
  const float rate_;
  const uint64_t seed_;
  Values dense_;
  std::vector<std::unordered_map<uint64_t, Values>> rows_;
  // Of the batch.
  Floats params_, labels_, ones_;
  std::vector<uint64_t> keys_;
  std::vector<int64_t> offsets_;
  std::vector<int32_t> columns_;
  std::vector<uint16_t> fields_;
};

class KeyedLearningTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok());
    auto backend = CreateBackend({});
    ASSERT_TRUE(backend.ok()) << backend.status();
    backend_ = *std::move(backend);
  }

  std::unique_ptr<Model> Create(ModelConfig config) {
    auto model = registry_.Create(config, backend_.get());
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }
  static ModelConfig Config(const std::string& kind, int64_t fields,
                            int64_t classes) {
    ModelConfig config;
    config.kind = kind;
    config.features = fields;
    config.classes = classes;
    config.seed = 1;
    return config;
  }

  Registry registry_;
  std::unique_ptr<ComputeBackend> backend_;
};

// Clicks with one key of `vocabulary` in each of `fields`: the true score is
// the sum of the keys' weights, of deviation `weight`, and of the inner
// products, of deviation about `interaction`, of the pairs' vectors, which with
// `by_field` are those for the other's field.
struct Clicks {
  Clicks(int64_t rows, uint32_t seed, int fields, int vocabulary, double weight,
         double interaction, bool by_field = false) {
    constexpr int kRank = 4;
    const double scale = std::sqrt(interaction / std::sqrt(double{kRank}));
    std::map<std::pair<uint64_t, int>, double> numbers;
    const auto number = [&](uint64_t key, int i) {
      const auto [entry, is_new] = numbers.try_emplace({key, i});
      if (is_new) entry->second = TrueNumber(key, i);
      return entry->second;
    };
    std::mt19937 generator(seed);
    for (int64_t row = 0; row < rows; ++row) {
      Example example;
      for (int field = 0; field < fields; ++field) {
        example.keys.push_back((uint64_t{1} << 60) + field * 1'000'003ULL +
                               generator() % vocabulary);
        example.true_score += weight * number(example.keys.back(), 0);
      }
      for (int a = 0; a < fields && interaction > 0; ++a) {
        for (int b = a + 1; b < fields; ++b) {
          for (int k = 0; k < kRank; ++k) {
            const int of_a = 1 + k + (by_field ? b * kRank : 0);
            const int of_b = 1 + k + (by_field ? a * kRank : 0);
            example.true_score += scale * number(example.keys[a], of_a) *
                                  scale * number(example.keys[b], of_b);
          }
        }
      }
      const double uniform = (generator() + 0.5) / 4294967296.0;
      example.label = uniform < 1 / (1 + std::exp(-example.true_score)) ? 1 : 0;
      true_loss += LogLoss(example.true_score, example.label) / rows;
      examples.push_back(std::move(example));
    }
  }

  std::vector<Example> examples;
  double true_loss = 0;
};

// A model of 81 parameters that 20,000 examples decide is expected to lose
// 81 / (2 * 20,000) = 0.002 to the true one.
TEST_F(KeyedLearningTest, SparseLogisticFindsTheGeneratingModel) {
  const Clicks train(20'000, 1, 4, 20, 0.7, 0);
  const Clicks test(10'000, 2, 4, 20, 0.7, 0);
  auto model = Create(Config("sparse_logistic", 4, 2));
  Trainer trainer(model.get(), 0.1f, 1);
  const double before = trainer.Loss(test.examples);
  EXPECT_NEAR(before, std::log(2.0), 1e-6) << "zeros at first";
  trainer.Train(train.examples, 5, 100);
  EXPECT_EQ(trainer.rows(), 80u);
  EXPECT_LT(test.true_loss, before - 0.1) << "there is something to learn";
  EXPECT_NEAR(trainer.Loss(test.examples), test.true_loss, 0.005);
}

TEST_F(KeyedLearningTest, FactorsFindInteractionsThatWeightsCannot) {
  const Clicks train(15'000, 3, 3, 12, 0.5, 1);
  const Clicks test(5'000, 4, 3, 12, 0.5, 1);
  const auto loss = [&](ModelConfig config) {
    auto model = Create(std::move(config));
    Trainer trainer(model.get(), 0.1f, 1);
    trainer.Train(train.examples, 6, 100);
    return trainer.Loss(test.examples);
  };
  const double linear = loss(Config("sparse_logistic", 3, 2));
  EXPECT_GT(linear, test.true_loss + 0.05) << "there are interactions";
  const double reach = linear - test.true_loss;
  ModelConfig fm = Config("fm", 3, 2);
  fm.rank = 4;
  EXPECT_LT(loss(fm), test.true_loss + 0.2 * reach);
  ModelConfig ffm = Config("ffm", 3, 2);
  ffm.rank = 4;
  EXPECT_LT(loss(ffm), test.true_loss + 0.3 * reach);
  for (const std::string kind : {"wide_deep", "deepfm"}) {
    ModelConfig config = Config(kind, 3, 2);
    config.dim = 8;
    config.layers = {32, 16};
    EXPECT_LT(loss(config), test.true_loss + 0.5 * reach) << kind;
  }
}

TEST_F(KeyedLearningTest, FieldAwareFactorsFindWhatDependsOnTheFields) {
  const Clicks train(15'000, 5, 3, 10, 0.3, 1, /*by_field=*/true);
  const Clicks test(5'000, 6, 3, 10, 0.3, 1, /*by_field=*/true);
  const auto loss = [&](const std::string& kind) {
    ModelConfig config = Config(kind, 3, 2);
    config.rank = 4;
    auto model = Create(std::move(config));
    Trainer trainer(model.get(), 0.1f, 1);
    trainer.Train(train.examples, 6, 100);
    return trainer.Loss(test.examples) - test.true_loss;
  };
  const double ffm = loss("ffm");
  EXPECT_LT(ffm, 0.03);
  EXPECT_GT(loss("fm"), 2 * ffm);
}

// 15,000 ratings decide 541 parameters, so that the error of the best fit is
// expected to be about sigma * (1 + 541 / (2 * 15,000)) on other ratings.
TEST_F(KeyedLearningTest, MatrixFactorisationComesCloseToTheNoise) {
  constexpr double kSigma = 0.5;
  constexpr int kRank = 2;
  std::vector<Example> train, test;
  std::mt19937 generator(9);
  std::map<uint64_t, std::vector<double>> numbers;
  const auto of = [&](uint64_t key) -> const std::vector<double>& {
    std::vector<double>& row = numbers[key];
    for (int i = static_cast<int>(row.size()); i <= kRank; ++i) {
      row.push_back(TrueNumber(key, i));
    }
    return row;
  };
  for (int row = 0; row < 20'000; ++row) {
    Example example;
    example.keys = {generator() % 100, 1'000'000 + generator() % 80};
    const std::vector<double>& user = of(example.keys[0]);
    const std::vector<double>& item = of(example.keys[1]);
    double rating = 3.5 + 0.3 * user[0] + 0.3 * item[0];
    for (int k = 1; k <= kRank; ++k) rating += 0.5 * user[k] * item[k];
    // Normal noise by twelve uniform numbers.
    double noise = -6;
    for (int i = 0; i < 12; ++i) noise += (generator() + 0.5) / 4294967296.0;
    example.label = static_cast<float>(rating + kSigma * noise);
    (row < 15'000 ? train : test).push_back(std::move(example));
  }
  ModelConfig config = Config("matrix_factorisation", 2, 0);
  config.rank = kRank;
  config.l2 = 0.02;
  auto model = Create(config);
  Trainer trainer(model.get(), 0.2f, 1);
  trainer.Train(train, 12, 100);
  const double rmse = std::sqrt(2 * trainer.Loss(test));
  EXPECT_LT(rmse, 1.06 * kSigma);
  EXPECT_GT(rmse, 0.98 * kSigma) << "nothing is better than the noise";
}

}  // namespace
}  // namespace ebb::models
