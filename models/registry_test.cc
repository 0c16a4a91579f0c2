#include "models/registry.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/reference_backend.h"

namespace ebb::models {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::Pair;

class RegistryTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(RegisterBuiltinModels(&registry_).ok()); }
  // The error of a configuration, or "".
  std::string Error(const ModelConfig& config) {
    auto model = registry_.Create(config, backend_.get());
    EXPECT_TRUE(model.ok() ||
                model.status().code() == absl::StatusCode::kInvalidArgument);
    return std::string(model.status().message());
  }
  static ModelConfig Mlp(std::vector<int64_t> layers) {
    ModelConfig config;
    config.kind = "mlp";
    config.features = 784;
    config.classes = 10;
    config.layers = std::move(layers);
    return config;
  }
  static ModelConfig Simple(const std::string& kind, int64_t classes) {
    ModelConfig config;
    config.kind = kind;
    config.features = 4;
    config.classes = classes;
    return config;
  }

  std::unique_ptr<ComputeBackend> backend_ = MakeReferenceBackend();
  Registry registry_;
};

TEST_F(RegistryTest, HasTheBuiltinModels) {
  EXPECT_THAT(
      registry_.List(),
      ElementsAre(Pair("boosted_trees", _), Pair("deepfm", _), Pair("ffm", _),
                  Pair("fm", _), Pair("forest", _), Pair("kmeans", _),
                  Pair("lda", _), Pair("linear", _), Pair("logistic", _),
                  Pair("matrix_factorisation", _), Pair("mlp", _),
                  Pair("softmax", _), Pair("sparse_logistic", _),
                  Pair("wide_deep", _), Pair("word_vectors", _)));
}

TEST_F(RegistryTest, UnknownKindsAreAnsweredWithTheKnownOnes) {
  EXPECT_EQ(Error(Simple("mpl", 2)),
            "model.kind: there is no model \"mpl\"; there are boosted_trees, "
            "deepfm, ffm, fm, forest, kmeans, lda, linear, logistic, "
            "matrix_factorisation, mlp, softmax, sparse_logistic, wide_deep, "
            "word_vectors");
}

TEST_F(RegistryTest, NamesAreTakenOnceAndSpeltPlainly) {
  const auto factory =
      [](const ModelConfig&,
         ComputeBackend*) -> absl::StatusOr<std::unique_ptr<Model>> {
    return absl::UnimplementedError("never called");
  };
  EXPECT_EQ(registry_.Register("mlp", "", factory).code(),
            absl::StatusCode::kAlreadyExists);
  for (const std::string kind : {"", "Mlp", "2layers", "a-b", "a b"}) {
    EXPECT_EQ(registry_.Register(kind, "", factory).code(),
              absl::StatusCode::kInvalidArgument)
        << kind;
  }
  EXPECT_TRUE(registry_.Register("my_model2", "", factory).ok());
}

TEST_F(RegistryTest, TablesAreNamedAndShapedByTheLayers) {
  ModelConfig config = Mlp({784, 256, 128, 10});
  auto model = registry_.Create(config, backend_.get());
  ASSERT_TRUE(model.ok()) << model.status();
  const ModelDescription& description = (*model)->description();
  EXPECT_EQ(description.ParameterCount(), 235'146);
  EXPECT_EQ(description.features, 784);
  EXPECT_EQ(description.outputs, 10);
  EXPECT_EQ(description.labels, LabelKind::kClass);
  EXPECT_EQ(description.classes, 10);
  ASSERT_EQ(description.tables.size(), 6u);
  const TableShape& weights = description.tables[2];
  EXPECT_EQ(weights.name, "layer2.weights");
  EXPECT_THAT(weights.dims, ElementsAre(256, 128));
  EXPECT_EQ(weights.init, InitRule::Normal(std::sqrt(2.0f / 256)));
  EXPECT_TRUE(weights.regularized);
  const TableShape& bias = description.tables[3];
  EXPECT_EQ(bias.name, "layer2.bias");
  EXPECT_THAT(bias.dims, ElementsAre(128));
  EXPECT_EQ(bias.init, InitRule::Zeros());
  EXPECT_FALSE(bias.regularized);

  config = Simple("softmax", 3);
  model = registry_.Create(config, backend_.get());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->description().tables[0].name, "weights");
  EXPECT_EQ((*model)->description().tables[0].init, InitRule::Zeros());
  EXPECT_EQ((*model)->description().tables[1].name, "bias");
}

TEST_F(RegistryTest, TheInitialSpreadFollowsTheActivation) {
  const auto rule = [&](const std::string& activation,
                        const std::string& init) {
    ModelConfig config = Mlp({784, 100, 10});
    config.activation = activation;
    config.init = init;
    auto model = registry_.Create(config, backend_.get());
    EXPECT_TRUE(model.ok()) << model.status();
    return (*model)->description().tables[0].init;
  };
  const InitRule he = InitRule::Normal(static_cast<float>(std::sqrt(2. / 784)));
  const InitRule glorot =
      InitRule::Uniform(static_cast<float>(std::sqrt(6. / 884)));
  EXPECT_EQ(rule("", ""), he);
  EXPECT_EQ(rule("relu", ""), he);
  EXPECT_EQ(rule("tanh", ""), glorot);
  EXPECT_EQ(rule("sigmoid", ""), glorot);
  EXPECT_EQ(rule("relu", "glorot"), glorot);
  EXPECT_EQ(rule("tanh", "he"), he);
}

TEST_F(RegistryTest, InitialParametersAreThoseOfTheTables) {
  auto model = registry_.Create(Mlp({784, 3, 10}), backend_.get());
  ASSERT_TRUE(model.ok()) << model.status();
  const std::vector<float> params =
      InitialParameters((*model)->description(), 5);
  // layer1.weights, layer1.bias, layer2.weights, layer2.bias
  std::vector<float> expected(784 * 3 + 3 + 3 * 10 + 10);
  FillInitial(InitRule::Normal(std::sqrt(2.0f / 784)), 5, "layer1.weights", 0,
              std::span(expected).first(784 * 3));
  FillInitial(InitRule::Normal(std::sqrt(2.0f / 3)), 5, "layer2.weights", 0,
              std::span(expected).subspan(784 * 3 + 3, 30));
  EXPECT_EQ(params, expected);
}

TEST_F(RegistryTest, LayersMustFitTheData) {
  EXPECT_EQ(Error(Mlp({748, 256, 128, 10})),
            "model.layers: the first layer has 748 inputs, but the examples "
            "have 784 features\nhint: layers: [784, 256, 128, 10]");
  EXPECT_EQ(Error(Mlp({784, 256, 12})),
            "model.layers: the last layer has 12 outputs, but the labels have "
            "10 classes\nhint: layers: [784, 256, 10]");
  EXPECT_EQ(Error(Mlp({748, 256, 12})),
            "model.layers: the first layer has 748 inputs, but the examples "
            "have 784 features\nhint: layers: [784, 256, 10]");
  ModelConfig values = Mlp({784, 256, 12});
  values.classes = 0;
  EXPECT_EQ(Error(values),
            "model.layers: the last layer has 12 outputs, but the labels are "
            "values\nhint: layers: [784, 256, 1]");
  EXPECT_EQ(Error(Mlp({784})),
            "model.layers: a perceptron needs the widths of its layers, from "
            "the features to the outputs\nhint: layers: [784, 64, 10]");
}

TEST_F(RegistryTest, LayersMustBePossible) {
  EXPECT_EQ(Error(Mlp({784, 0, 10})),
            "model.layers: layer 1 has 0 units; 1 to 2147483648 are possible");
  EXPECT_EQ(Error(Mlp({784, int64_t{1} << 31, int64_t{1} << 31, 10})),
            "model.layers: [784, 2147483648, 2147483648, 10] has more than "
            "1099511627776 parameters");
}

TEST_F(RegistryTest, WordsMustBeKnown) {
  ModelConfig config = Mlp({784, 10});
  config.activation = "rleu";
  EXPECT_EQ(Error(config),
            "model.activation: \"rleu\" is none of relu, tanh, sigmoid\n"
            "hint: activation: relu");
  config = Mlp({784, 20, 10});
  config.init = "xavier";
  EXPECT_EQ(Error(config),
            "model.init: \"xavier\" is none of he, glorot, zeros\n"
            "hint: init: he");
  config.init = "zeros";
  EXPECT_EQ(Error(config),
            "model.init: units of a layer that start alike stay alike\n"
            "hint: init: he");
}

TEST_F(RegistryTest, NumbersMustBeInTheirRange) {
  ModelConfig config = Mlp({784, 20, 10});
  config.l2 = -1;
  EXPECT_EQ(Error(config),
            "model.l2: -1 is no number from 0 up\nhint: leave it out");
  config = Mlp({784, 20, 10});
  config.clip_norm = std::nan("");
  EXPECT_EQ(Error(config),
            "train.clip_norm: nan is no number from 0 up\nhint: leave it out");
  config = Mlp({784, 20, 10});
  config.dropout = 1;
  EXPECT_EQ(Error(config),
            "model.dropout: 1 is no share from 0 up and below 1\n"
            "hint: dropout: 0.5");
  config = Simple("linear", 0);
  config.features = 0;
  EXPECT_EQ(Error(config),
            "data.train: the examples have 0 features; models take 1 to "
            "2147483648");
  EXPECT_EQ(Error(Simple("softmax", 1)),
            "data.train: the labels have 1 class; models tell 2 or more apart");
}

TEST_F(RegistryTest, KindsMustFitTheLabels) {
  EXPECT_EQ(Error(Simple("linear", 0)), "");
  EXPECT_EQ(Error(Simple("logistic", 2)), "");
  EXPECT_EQ(Error(Simple("softmax", 3)), "");
  EXPECT_EQ(Error(Simple("linear", 2)),
            "model.kind: linear predicts values, but the labels are 2 classes"
            "\nhint: kind: logistic");
  EXPECT_EQ(Error(Simple("logistic", 10)),
            "model.kind: logistic tells 2 classes apart, but the labels are 10"
            "\nhint: kind: softmax");
  EXPECT_EQ(Error(Simple("logistic", 0)),
            "model.kind: logistic tells 2 classes apart, but the labels are "
            "values\nhint: kind: linear");
  EXPECT_EQ(Error(Simple("softmax", 0)),
            "model.kind: softmax tells classes apart, but the labels are "
            "values\nhint: kind: linear");
}

TEST_F(RegistryTest, SparseTablesAreNamedAndShapedByTheModel) {
  const auto tables = [&](const std::string& kind, int64_t features) {
    ModelConfig config = Simple(kind, kind == "matrix_factorisation" ? 0 : 2);
    config.features = features;
    if (kind == "fm" || kind == "ffm") config.rank = 5;
    auto model = registry_.Create(config, backend_.get());
    EXPECT_TRUE(model.ok()) << model.status();
    const ModelDescription& description = (*model)->description();
    EXPECT_EQ(description.outputs, 1);
    std::string text;
    for (const TableShape& table : description.tables) {
      text += table.name + " " + std::to_string(table.size()) + ", ";
    }
    text += "rows of " + std::to_string(description.RowFloats());
    for (const SparseTableShape& table : description.sparse_tables) {
      text += ", " + table.name + " " + std::to_string(table.width);
    }
    EXPECT_EQ(description.sparse_tables[0].init, InitRule::Zeros());
    if (description.sparse_tables.size() > 1) {
      EXPECT_NE(description.sparse_tables[1].init, InitRule::Zeros())
          << "factors that are all zero stay so";
    }
    return text;
  };
  EXPECT_EQ(tables("sparse_logistic", 7), "bias 1, rows of 1, weights 1");
  EXPECT_EQ(tables("fm", 7), "bias 1, rows of 6, weights 1, factors 5");
  EXPECT_EQ(tables("ffm", 7), "bias 1, rows of 36, weights 1, factors 35");
  EXPECT_EQ(tables("matrix_factorisation", 2),
            "bias 1, rows of 17, biases 1, factors 16");
  for (const std::string kind : {"wide_deep", "deepfm"}) {
    EXPECT_EQ(tables(kind, 7),
              "layer1.weights 14336, layer1.bias 128, layer2.weights 8192, "
              "layer2.bias 64, layer3.weights 64, layer3.bias 1, "
              "rows of 17, weights 1, embeddings 16");
  }
}

TEST_F(RegistryTest, KeyedModelsRefuseWhatTheyCannotBe) {
  EXPECT_EQ(Error(Simple("sparse_logistic", 0)),
            "model.kind: sparse_logistic tells 2 classes apart, but the labels "
            "are values\nhint: kind: fm");
  EXPECT_EQ(Error(Simple("fm", 5)),
            "model.kind: fm tells 2 classes apart or predicts values, but the "
            "labels are 5 classes\nhint: labels: values");
  EXPECT_EQ(Error(Simple("fm", 0)), "");
  EXPECT_EQ(Error(Simple("matrix_factorisation", 0)),
            "data.train: the examples have 4 fields; ratings have 2, user and "
            "item\nhint: ratings: FILE");
  EXPECT_EQ(Error(Simple("matrix_factorisation", 5)),
            "model.kind: matrix_factorisation predicts values, but the labels "
            "are 5 classes\nhint: kind: fm");
  ModelConfig config = Simple("ffm", 2);
  config.features = 65536;
  config.rank = 17;
  EXPECT_EQ(Error(config),
            "model.rank: 17 numbers are not possible; 1 to 16 are");
  config.features = 65537;
  EXPECT_EQ(Error(config),
            "data.train: the examples have 65537 fields; ffm takes 1 to 65536");
  config = Simple("wide_deep", 2);
  config.dim = -1;
  EXPECT_EQ(Error(config),
            "model.dim: -1 numbers are not possible; 1 to 1048576 are");
  config = Simple("deepfm", 2);
  config.layers = {64, 0};
  EXPECT_EQ(Error(config),
            "model.layers: layer 2 has 0 units; 1 to 2147483648 are possible");
  config = Simple("deepfm", 2);
  config.rank = 8;
  EXPECT_EQ(Error(config),
            "model.rank: deepfm has no use for it\nhint: leave it out");
  config = Simple("mlp", 2);
  config.layers = {4, 2};
  config.dim = 8;
  EXPECT_EQ(Error(config),
            "model.dim: mlp has no use for it\nhint: leave it out");
}

TEST_F(RegistryTest, KeysThatAModelDoesNotUseAreRefused) {
  ModelConfig config = Simple("softmax", 3);
  config.layers = {4, 3};
  EXPECT_EQ(Error(config),
            "model.layers: softmax has no use for it\nhint: leave it out");
  config = Simple("linear", 0);
  config.dropout = 0.5;
  EXPECT_EQ(Error(config),
            "model.dropout: linear has no use for it\nhint: leave it out");
  config = Simple("logistic", 2);
  config.options["depth"] = "3";
  EXPECT_EQ(Error(config),
            "model.options.depth: logistic has no such option\n"
            "hint: leave it out");
}

}  // namespace
}  // namespace ebb::models
