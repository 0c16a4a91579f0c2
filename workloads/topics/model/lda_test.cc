// workloads/topics/model/lda.cc, beside loops that say what it computes.
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/backends.h"
#include "models/registry.h"
#include "workloads/topics/model/topic_inference.h"

namespace ebb::models {
namespace {

using workloads::Digamma;

using ::testing::Each;
using ::testing::FloatNear;
using ::testing::HasSubstr;

constexpr int64_t kTopics = 3;
constexpr int64_t kWords = 7;
constexpr int64_t kDocuments = 40;
constexpr double kAlpha = 0.2, kEta = 0.1;

using Counted = std::vector<float>;

// Documents as sparse rows of counts.
class Bags {
 public:
  explicit Bags(const std::vector<Counted>& counts) {
    for (const Counted& row : counts) {
      for (size_t word = 0; word < row.size(); ++word) {
        if (row[word] == 0) continue;
        words_.push_back(static_cast<int32_t>(word));
        counts_.push_back(row[word]);
      }
      offsets_.push_back(std::ssize(words_));
    }
  }
  BatchView View() const {
    return {.rows = std::ssize(offsets_) - 1,
            .features = kWords,
            .sparse = {offsets_, words_, counts_}};
  }

 private:
  std::vector<int64_t> offsets_ = {0};
  std::vector<int32_t> words_;
  std::vector<float> counts_;
};

struct Inferred {
  std::vector<double> gamma;
  std::vector<std::vector<double>> shares;  // By word, of its topics.
};

// Coordinate ascent as the paper has it, until it stands still.
Inferred InferPlainly(const std::vector<float>& params,
                      const std::vector<float>& counts) {
  const auto lambda = [&](int64_t k, int64_t w) {
    return kEta + std::max(params[w * kTopics + k], 0.0f);
  };
  Inferred result = {std::vector<double>(kTopics, 1), {}};
  for (int iteration = 0; iteration < 2000; ++iteration) {
    std::vector<double> next(kTopics, kAlpha);
    result.shares.assign(kWords, std::vector<double>(kTopics));
    for (int64_t w = 0; w < kWords; ++w) {
      double sum = 0;
      for (int64_t k = 0; k < kTopics; ++k) {
        double total = 0;
        for (int64_t v = 0; v < kWords; ++v) total += lambda(k, v);
        sum += result.shares[w][k] = std::exp(
            Digamma(result.gamma[k]) + Digamma(lambda(k, w)) - Digamma(total));
      }
      for (int64_t k = 0; k < kTopics; ++k) {
        result.shares[w][k] /= sum;
        next[k] += counts[w] * result.shares[w][k];
      }
    }
    result.gamma = next;
  }
  return result;
}

class LdaTest : public ::testing::Test {
 protected:
  LdaTest() { EXPECT_TRUE(RegisterBuiltinModels(&registry_).ok()); }

  static ModelConfig Config() {
    ModelConfig config;
    config.kind = "lda";
    config.topics = kTopics;
    config.document_prior = kAlpha;
    config.topic_prior = kEta;
    config.features = kWords;
    config.examples = kDocuments;
    return config;
  }
  std::unique_ptr<Model> Make() {
    return *registry_.Create(Config(), backend_.get());
  }
  std::string ErrorOf(const ModelConfig& config) {
    const auto model = registry_.Create(config, backend_.get());
    return model.ok() ? "" : std::string(model.status().message());
  }
  // After many steps.
  static std::vector<float> Counts() {
    std::mt19937 random(5);
    std::vector<float> counts(kTopics * kWords + 1);
    for (float& count : counts) {
      count = static_cast<float>(random() % 1000) / 100 - 0.1f;
    }
    counts.back() = 0;
    return counts;
  }

  const std::unique_ptr<ComputeBackend> backend_ = *CreateBackend({});
  Registry registry_;
};

TEST(DigammaTest, IsThatOfTables) {
  EXPECT_NEAR(Digamma(1), -0.57721566490153, 1e-11);
  EXPECT_NEAR(Digamma(0.1), -10.42375494041108, 1e-10);
  EXPECT_NEAR(Digamma(10), 2.25175258906672, 1e-11);
  EXPECT_NEAR(Digamma(1e6), std::log(1e6) - 0.5e-6, 1e-11);
}

TEST_F(LdaTest, PushesWhatTheCountsWouldBe) {
  const auto model = Make();
  const std::vector<std::vector<float>> documents = {{3, 0, 1, 0, 0, 2, 0},
                                                     {0, 1, 0, 0, 4, 0, 1}};
  const std::vector<float> params = Counts();
  std::vector<double> expected(params.size());
  for (const auto& document : documents) {
    const Inferred inferred = InferPlainly(params, document);
    for (int64_t w = 0; w < kWords; ++w) {
      for (int64_t k = 0; k < kTopics; ++k) {
        expected[w * kTopics + k] -=
            kDocuments * document[w] * inferred.shares[w][k];
      }
    }
  }
  std::vector<float> pushed(params.size());
  BatchStats stats;

  const Bags bags(documents);
  ASSERT_TRUE(model->Gradient(params, bags.View(), pushed, &stats).ok());

  for (size_t i = 0; i < pushed.size(); ++i) {
    EXPECT_NEAR(pushed[i], expected[i], 0.2) << i;
  }
  EXPECT_NEAR(std::accumulate(pushed.begin(), pushed.end(), 0.0),
              -kDocuments * 12, 1e-2);
  EXPECT_EQ(stats.examples, 2);
  EXPECT_EQ(stats.words, 12);
  EXPECT_GT(stats.loss_sum, 0);
}

TEST_F(LdaTest, PredictsTheSharesOfTopics) {
  const auto model = Make();
  const std::vector<float> document = {3, 0, 1, 0, 0, 2, 0};
  const std::vector<float> params = Counts();
  const Inferred inferred = InferPlainly(params, document);
  std::vector<float> shares;

  const Bags bags({document});
  ASSERT_TRUE(model->Predict(params, bags.View(), &shares).ok());

  ASSERT_EQ(shares.size(), 3u);
  for (int64_t k = 0; k < kTopics; ++k) {
    EXPECT_NEAR(shares[k], inferred.gamma[k] / (6 + 3 * kAlpha), 2e-3);
  }
}

TEST_F(LdaTest, JudgesEverySecondWordByTheOthers) {
  const auto model = Make();
  const std::vector<float> params = Counts();
  // Words 0 0 0 2 5 5: the first, third and fifth are seen.
  const Inferred seen = InferPlainly(params, {2, 0, 0, 0, 0, 1, 0});
  double expected = 0;
  for (const auto& [word, count] : {std::pair(0, 1), {2, 1}, {5, 1}}) {
    double probability = 0;
    for (int64_t k = 0; k < kTopics; ++k) {
      double total = 0;
      for (int64_t v = 0; v < kWords; ++v) {
        total += kEta + std::max(params[v * kTopics + k], 0.0f);
      }
      probability += seen.gamma[k] / (3 + 3 * kAlpha) *
                     (kEta + std::max(params[word * kTopics + k], 0.0f)) /
                     total;
    }
    expected -= count * std::log(probability);
  }
  BatchStats stats;

  const Bags bags({Counted{3, 0, 1, 0, 0, 2, 0}});
  ASSERT_TRUE(model->Evaluate(params, bags.View(), &stats).ok());

  EXPECT_EQ(stats.words, 3);
  EXPECT_NEAR(stats.loss_sum, expected, 1e-2);
}

TEST_F(LdaTest, TopicsDifferBeforeTheFirstStep) {
  const auto pushed_of = [&](uint64_t seed) {
    ModelConfig config = Config();
    config.seed = seed;
    const auto model = *registry_.Create(config, backend_.get());
    const std::vector<float> params =
        InitialParameters(model->description(), seed);
    std::vector<float> pushed(params.size());
    BatchStats stats;
    const Bags bags({Counted{3, 0, 1, 0, 0, 2, 0}});
    EXPECT_TRUE(model->Gradient(params, bags.View(), pushed, &stats).ok());
    // All words are as likely.
    EXPECT_NEAR(stats.loss_sum, 6 * std::log(kWords), 1e-4);
    EXPECT_EQ(pushed.back(), 0);
    return pushed;
  };
  const std::vector<float> one = pushed_of(1);
  EXPECT_NE(one[0], one[1]);
  EXPECT_EQ(one, pushed_of(1));
  EXPECT_NE(one, pushed_of(2));
}

TEST_F(LdaTest, ADocumentWithoutWordsTeachesNothing) {
  const auto model = Make();
  const std::vector<float> params = Counts();
  std::vector<float> pushed(params.size(), 7);
  std::vector<float> shares;
  BatchStats stats;
  const Bags bags({Counted()});

  ASSERT_TRUE(model->Gradient(params, bags.View(), pushed, &stats).ok());
  ASSERT_TRUE(model->Predict(params, bags.View(), &shares).ok());

  EXPECT_THAT(pushed, Each(0));
  EXPECT_EQ(stats.loss_sum, 0);
  EXPECT_EQ(stats.words, 0);
  EXPECT_THAT(shares, Each(FloatNear(1.0f / 3, 1e-6f)));
}

// exp(digamma(prior)) is below every double here.
TEST_F(LdaTest, WordsOfNoTopicAreSharedOut) {
  ModelConfig config = Config();
  config.topic_prior = 1e-5;
  config.document_prior = 1e-5;
  const auto model = *registry_.Create(config, backend_.get());
  const std::vector<float> params(kTopics * kWords + 1);
  std::vector<float> pushed(params.size());
  BatchStats stats;

  const Bags bags({Counted{0, 0, 5, 0, 0, 0, 1}});
  ASSERT_TRUE(model->Gradient(params, bags.View(), pushed, &stats).ok());

  EXPECT_NEAR(std::accumulate(pushed.begin(), pushed.end(), 0.0),
              -6 * kDocuments, 1e-2);
}

TEST_F(LdaTest, RefusesWhatIsNoCount) {
  const auto model = Make();
  std::vector<float> params = Counts();
  std::vector<float> pushed(params.size());
  BatchStats stats;
  const Bags below({Counted{-1}});
  EXPECT_THAT(model->Gradient(params, below.View(), pushed, &stats).message(),
              HasSubstr("occurs -1 times"));
  const Bags good({Counted{1}});
  params[4] = INFINITY;
  EXPECT_EQ(model->Gradient(params, good.View(), pushed, &stats).code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(LdaTest, RefusesSettingsOfOtherModels) {
  ModelConfig config = Config();
  config.topics = 0;
  EXPECT_THAT(ErrorOf(config), HasSubstr("model.topics: 0 is not at least 1"));
  config = Config();
  config.l2 = 0.1;
  EXPECT_THAT(ErrorOf(config), HasSubstr("model.l2: lda learns counts"));
  config = Config();
  config.clusters = 2;
  EXPECT_THAT(ErrorOf(config), HasSubstr("model.clusters: lda has no use"));
}

}  // namespace
}  // namespace ebb::models
