// The models of keyed examples against a program of its own: losses in double
// precision, written from their definitions pair by pair, and their
// differences.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/example_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/dropout.h"
#include "models/registry.h"
#include "models/testing/all_backends.h"
#include "models/testing/keyed_batch.h"

namespace ebb::models {
namespace {

using testing::KeyedBatch;
using Doubles = std::vector<double>;
using Entry = KeyedBatch::Entry;

// The loss of a batch, as the documentation has it.
class Oracle {
 public:
  Oracle(const ModelConfig& config, const KeyedBatch& batch, bool drop)
      : config_(config), batch_(batch), drop_(drop && config.dropout > 0) {
    const bool deep = config.kind == "wide_deep" || config.kind == "deepfm";
    size_ = deep ? config.dim : config.rank;
    if (deep) {
      widths_.push_back(config.features * size_ + config.beside);
      widths_.insert(widths_.end(), config.layers.begin(), config.layers.end());
      widths_.push_back(1);
    }
    dense_ = deep ? 0 : 1;
    for (size_t i = 0; i + 1 < widths_.size(); ++i) {
      dense_ += (widths_[i] + 1) * widths_[i + 1];
    }
  }

  size_t Parameters() const {
    const int64_t vectors = config_.kind == "ffm" ? config_.features : 1;
    return dense_ + batch_.keys() * (1 + vectors * size_);
  }

  double DataLoss(const Doubles& params) const {
    double sum = 0;
    for (size_t row = 0; row < batch_.examples().size(); ++row) {
      const double score = Score(params, row);
      const double label = batch_.labels()[row];
      sum += config_.classes == 0
                 ? (score - label) * (score - label) / 2
                 : std::log(1 + std::exp(label > 0 ? -score : score));
    }
    return sum;
  }

  // With L2: of the weights of layers for each example, and of a key's rows for
  // each example that has it.
  double Loss(const Doubles& params) const {
    double penalty = 0;
    const auto add = [&](size_t begin, size_t count) {
      for (size_t i = begin; i < begin + count; ++i) {
        penalty += params[i] * params[i];
      }
    };
    for (const std::vector<Entry>& example : batch_.examples()) {
      size_t at = 0;
      for (size_t i = 0; i + 1 < widths_.size(); ++i) {
        add(at, widths_[i] * widths_[i + 1]);
        at += (widths_[i] + 1) * widths_[i + 1];
      }
      const size_t width = VectorsWidth();
      for (int32_t key = 0; key < batch_.keys(); ++key) {
        bool has_key = false;
        for (const Entry& entry : example) has_key |= entry.key == key;
        if (!has_key) continue;
        add(dense_ + key, 1);
        add(dense_ + batch_.keys() + key * width, width);
      }
    }
    return DataLoss(params) + config_.l2 / 2 * penalty;
  }

  double Score(const Doubles& params, size_t row) const {
    const std::vector<Entry>& example = batch_.examples()[row];
    double score = widths_.empty() ? params[0] : Deep(params, row);
    for (const Entry& entry : example) {
      score += params[dense_ + entry.key] * entry.value;
    }
    const bool by_field = config_.kind == "ffm";
    if (config_.kind == "wide_deep") return score;
    for (size_t a = 0; a < example.size(); ++a) {
      for (size_t b = a + 1; b < example.size(); ++b) {
        const double* of_a =
            Vector(params, example[a], by_field ? example[b].field : 0);
        const double* of_b =
            Vector(params, example[b], by_field ? example[a].field : 0);
        for (int64_t j = 0; j < size_; ++j) {
          score += of_a[j] * of_b[j] * example[a].value * example[b].value;
        }
      }
    }
    return score;
  }

 private:
  size_t VectorsWidth() const {
    return config_.kind == "ffm" ? config_.features * size_ : size_;
  }
  const double* Vector(const Doubles& params, const Entry& entry,
                       int64_t field) const {
    return params.data() + dense_ + batch_.keys() + entry.key * VectorsWidth() +
           field * size_;
  }

  double Deep(const Doubles& params, size_t row) const {
    Doubles units(widths_[0]);
    for (const Entry& entry : batch_.examples()[row]) {
      for (int64_t j = 0; j < size_; ++j) {
        units[entry.field * size_ + j] +=
            entry.value * Vector(params, entry, 0)[j];
      }
    }
    const std::span<const float> beside = batch_.beside(row);
    std::ranges::copy(beside, units.end() - std::ssize(beside));
    size_t at = 0;
    for (size_t i = 0; i + 1 < widths_.size(); ++i) {
      const size_t outputs = widths_[i + 1];
      Doubles next(outputs);
      for (size_t j = 0; j < outputs; ++j) {
        next[j] = params[at + units.size() * outputs + j];
        for (size_t k = 0; k < units.size(); ++k) {
          next[j] += units[k] * params[at + k * outputs + j];
        }
      }
      at += (units.size() + 1) * outputs;
      if (i + 2 < widths_.size()) Hide(i, row, &next);
      units = next;
    }
    return units[0];
  }

  void Hide(size_t layer, size_t row, Doubles* units) const {
    for (double& unit : *units) {
      unit = config_.activation == "tanh" ? std::tanh(unit)
                                          : 1 / (1 + std::exp(-unit));
    }
    if (!drop_) return;
    std::vector<float> mask(units->size());
    FillDropoutMask({config_.seed, 1, 2, static_cast<int64_t>(30 + row),
                     static_cast<int>(layer)},
                    static_cast<float>(config_.dropout), 1, mask.size(),
                    mask.data());
    for (size_t j = 0; j < mask.size(); ++j) (*units)[j] *= mask[j];
  }

  const ModelConfig& config_;
  const KeyedBatch& batch_;
  const bool drop_;
  std::vector<int64_t> widths_;
  int64_t size_ = 0;   // Of a vector.
  int64_t dense_ = 0;  // Parameters of dense tables.
};

struct Case {
  ModelConfig config;
  KeyedBatch batch;
};

ModelConfig Config(const std::string& kind, int64_t fields, int64_t classes) {
  ModelConfig config;
  config.kind = kind;
  config.features = fields;
  config.classes = classes;
  config.seed = 99;
  if (kind == "fm" || kind == "ffm" || kind == "matrix_factorisation") {
    config.rank = 3;
  }
  if (kind == "wide_deep" || kind == "deepfm") {
    config.dim = 3;
    config.layers = {5, 4};
    config.activation = "tanh";
  }
  return config;
}

// Each kind, loss and size of a batch, with and without L2 and dropout.
std::vector<Case> AllCases() {
  std::vector<Case> cases;
  const auto add = [&](ModelConfig config, const KeyedBatch& batch) {
    cases.push_back({config, batch});
    config.l2 = 0.3;
    cases.push_back({config, batch});
  };
  for (const std::string kind :
       {"sparse_logistic", "fm", "ffm", "wide_deep", "deepfm"}) {
    for (const int64_t classes : {0, 2}) {
      if (kind == "sparse_logistic" && classes == 0) continue;
      for (const int64_t rows : {1, 7}) {
        add(Config(kind, 4, classes),
            KeyedBatch::Random(rows, 4, 9, classes, 5));
      }
    }
    // A big one: more rows than any kernel takes at once.
    cases.push_back({Config(kind, 3, 2), KeyedBatch::Random(300, 3, 12, 2, 6)});
  }
  for (const std::string kind : {"wide_deep", "deepfm"}) {
    ModelConfig config = Config(kind, 3, 2);
    config.dropout = 0.4;
    config.activation = "sigmoid";
    add(config, KeyedBatch::Random(7, 3, 8, 2, 7));
    config.dropout = 0;
    config.layers = {4};
    add(config, KeyedBatch::Random(7, 3, 8, 2, 8));
    // Numbers beside the keys.
    config.beside = 2;
    add(config, KeyedBatch::Random(7, 3, 8, 2, 8).AddBeside(2, 3));
    config.classes = 0;
    config.dropout = 0.4;
    add(config, KeyedBatch::Random(300, 3, 12, 0, 6).AddBeside(2, 4));
  }
  for (const int64_t rows : {1, 12}) {
    add(Config("matrix_factorisation", 2, 0),
        KeyedBatch::Ratings(rows, 3, 4, 9));
  }
  return cases;
}

std::string Name(const Case& test) {
  return test.config.kind + " beside " + std::to_string(test.config.beside) +
         " classes " + std::to_string(test.config.classes) + " rows " +
         std::to_string(test.batch.labels().size()) + " l2 " +
         std::to_string(test.config.l2) + " dropout " +
         std::to_string(test.config.dropout);
}

class KeyedGradientTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok()); }
  std::unique_ptr<Model> Create(const ModelConfig& config) {
    auto model = registry_.Create(config, backend_.get());
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }
  // Small random numbers for all parameters alike.
  static std::vector<float> Params(const Model& model,
                                   const KeyedBatch& batch) {
    std::vector<float> params(model.description().ParameterCount() +
                              batch.keys() * model.description().RowFloats());
    FillInitial(InitRule::Normal(0.5f), 3, "test", 0, std::span(params));
    return params;
  }

  std::unique_ptr<ComputeBackend> backend_ = testing::MakeBackend(GetParam());
  Registry registry_;
};

TEST_P(KeyedGradientTest, IsTheSlopeOfTheLoss) {
  for (const Case& test : AllCases()) {
    SCOPED_TRACE(Name(test));
    auto model = Create(test.config);
    const std::vector<float> params = Params(*model, test.batch);
    std::vector<float> grad(params.size(), NAN);
    BatchStats stats;
    const absl::Status status =
        model->Gradient(params, test.batch.View(), std::span(grad), &stats);
    ASSERT_TRUE(status.ok()) << status;

    const Oracle oracle(test.config, test.batch, /*drop=*/true);
    ASSERT_EQ(params.size(), oracle.Parameters());
    Doubles point(params.begin(), params.end());
    const auto rows = static_cast<int64_t>(test.batch.labels().size());
    const double data_loss = oracle.DataLoss(point);
    EXPECT_EQ(stats.examples, rows);
    EXPECT_NEAR(stats.loss_sum, data_loss, 3e-6 * (1 + data_loss));
    // Of big batches some will do: each takes the loss of all rows.
    const size_t stride = rows > 100 ? 13 : 1;
    for (size_t i = 0; i < point.size(); i += stride) {
      constexpr double kStep = 1e-5;
      const double middle = point[i];
      point[i] = middle + kStep;
      const double above = oracle.Loss(point);
      point[i] = middle - kStep;
      const double below = oracle.Loss(point);
      point[i] = middle;
      const double slope = (above - below) / (2 * kStep);
      ASSERT_NEAR(grad[i], slope, 1e-5 * (1 + std::abs(slope))) << i;
    }
  }
}

TEST_P(KeyedGradientTest, EvaluateAndPredictUseTheWholeNetwork) {
  for (const Case& test : AllCases()) {
    SCOPED_TRACE(Name(test));
    auto model = Create(test.config);
    const std::vector<float> params = Params(*model, test.batch);
    BatchStats stats;
    ASSERT_TRUE(model->Evaluate(params, test.batch.View(), &stats).ok());
    std::vector<float> outputs;
    BatchView unlabelled = test.batch.View();
    unlabelled.labels = {};
    ASSERT_TRUE(model->Predict(params, unlabelled, &outputs).ok());

    const Oracle oracle(test.config, test.batch, /*drop=*/false);
    const Doubles point(params.begin(), params.end());
    const double data_loss = oracle.DataLoss(point);
    EXPECT_NEAR(stats.loss_sum, data_loss, 3e-6 * (1 + data_loss));
    ASSERT_EQ(outputs.size(), test.batch.labels().size());
    int64_t correct = 0;
    for (size_t row = 0; row < outputs.size(); ++row) {
      const double score = oracle.Score(point, row);
      if (test.config.classes == 0) {
        EXPECT_NEAR(outputs[row], score, 2e-6 * (1 + std::abs(score)));
      } else {
        EXPECT_NEAR(outputs[row], 1 / (1 + std::exp(-score)), 2e-6);
        correct += (score > 0) == (test.batch.labels()[row] == 1);
      }
    }
    EXPECT_EQ(stats.correct, correct);
  }
}

TEST_P(KeyedGradientTest, NumbersBesideKeysMustFitTheModel) {
  for (const std::string kind : {"wide_deep", "deepfm"}) {
    ModelConfig config = Config(kind, 3, 2);
    config.beside = 2;
    auto model = Create(config);
    EXPECT_EQ(model->description().tables[0].dims[0], 3 * config.dim + 2);
    const KeyedBatch right = KeyedBatch::Random(7, 3, 8, 2, 8).AddBeside(2, 3);
    const KeyedBatch wrong = KeyedBatch::Random(7, 3, 8, 2, 8).AddBeside(3, 3);
    const KeyedBatch none = KeyedBatch::Random(7, 3, 8, 2, 8);
    const std::vector<float> params = Params(*model, right);
    std::vector<float> outputs;
    EXPECT_TRUE(model->Predict(params, right.View(), &outputs).ok());
    EXPECT_EQ(model->Predict(params, none.View(), &outputs).message(),
              "batch of 7 examples with 0 numbers beside their keys; the model "
              "takes 2 of each example");
    EXPECT_FALSE(model->Predict(params, wrong.View(), &outputs).ok());
    config.beside = 0;
    EXPECT_FALSE(Create(config)->Predict(params, right.View(), &outputs).ok());
  }
  // Other models say which ones take them.
  ModelConfig config = Config("fm", 3, 2);
  config.beside = 1;
  EXPECT_THAT(registry_.Create(config, backend_.get()).status().message(),
              ::testing::HasSubstr("wide_deep and deepfm do"));
}

// Rows of a batch are those of any numbering of its keys.
TEST_P(KeyedGradientTest, TheOrderOfTheKeysDoesNotMatter) {
  constexpr int64_t kKeys = 9;
  const ModelConfig config = Config("deepfm", 4, 2);
  const KeyedBatch batch = KeyedBatch::Random(7, 4, kKeys, 2, 11);
  std::vector<std::vector<Entry>> renamed = batch.examples();
  for (std::vector<Entry>& example : renamed) {
    for (Entry& entry : example) entry.key = kKeys - 1 - entry.key;
  }
  const KeyedBatch reversed(4, kKeys, renamed, batch.labels());
  auto model = Create(config);
  const std::vector<float> params = Params(*model, batch);
  const int64_t dense = model->description().ParameterCount();
  const auto reverse = [&](std::vector<float> values) {
    int64_t at = dense;
    for (const SparseTableShape& table : model->description().sparse_tables) {
      const std::vector<float> old = values;
      for (int64_t key = 0; key < kKeys; ++key) {
        for (int64_t j = 0; j < table.width; ++j) {
          values[at + key * table.width + j] =
              old[at + (kKeys - 1 - key) * table.width + j];
        }
      }
      at += kKeys * table.width;
    }
    return values;
  };
  BatchStats stats;
  std::vector<float> grad(params.size()), reversed_grad(params.size());
  ASSERT_TRUE(
      model->Gradient(params, batch.View(), std::span(grad), &stats).ok());
  ASSERT_TRUE(model
                  ->Gradient(reverse(params), reversed.View(),
                             std::span(reversed_grad), &stats)
                  .ok());
  // A device adds in no fixed order.
  if (GetParam() == "gpu-0") {
    EXPECT_THAT(reverse(reversed_grad),
                ::testing::Pointwise(::testing::FloatNear(1e-5f), grad));
  } else {
    EXPECT_EQ(reverse(reversed_grad), grad);
  }
}

// Ratings train without rounds, so no exported model shows whether their bits
// are as before.
TEST(RatingsTest, GradientsHaveTheBitsOfBefore) {
  Registry registry;
  ASSERT_TRUE(RegisterBuiltinModels(&registry).ok());
  const auto backend = testing::MakeBackend("reference");
  ModelConfig config = Config("matrix_factorisation", 2, 0);
  config.l2 = 0.1;
  const auto model = registry.Create(config, backend.get());
  ASSERT_TRUE(model.ok()) << model.status();
  const KeyedBatch batch = KeyedBatch::Ratings(12, 3, 4, 9);
  std::vector<float> params((*model)->description().ParameterCount() +
                            batch.keys() * (*model)->description().RowFloats());
  FillInitial(InitRule::Normal(0.5f), 3, "test", 0, std::span(params));
  std::vector<float> grad(params.size());
  BatchStats stats;
  ASSERT_TRUE(
      (*model)->Gradient(params, batch.View(), std::span(grad), &stats).ok());
  uint64_t hash = HashAppend(0, std::bit_cast<uint64_t>(stats.loss_sum));
  for (const float value : grad) {
    hash = HashAppend(hash, std::bit_cast<uint32_t>(value));
  }
  EXPECT_EQ(hash, 5989342259588586055u);
}

INSTANTIATE_TEST_SUITE_P(All, KeyedGradientTest,
                         ::testing::ValuesIn(testing::AllBackendNames()),
                         [](const auto& info) {
                           return testing::TestName(info.param);
                         });

}  // namespace
}  // namespace ebb::models
