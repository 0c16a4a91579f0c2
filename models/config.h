// A job's settings of its model, and the reports of mistakes in them.
#ifndef EBB_MODELS_CONFIG_H_
#define EBB_MODELS_CONFIG_H_

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ebb::models {

// The keys of a job that concern its model, and the numbers that its data
// decide. An empty string, an empty list or 0 means that the job does not say,
// and the model chooses.
struct ModelConfig {
  // Which model: a name of the registry.
  std::string kind;
  // From the data: the features of each example, or the fields of keyed ones.
  int64_t features = 0;
  // From the data: the numbers beside the keys of each example, for models that
  // take them. Their features are not among `features`.
  int64_t beside = 0;
  // From the data: how many examples there are to train on.
  int64_t examples = 0;
  // From the data: the number of classes; 0 if labels are values.
  int64_t classes = 0;
  // mlp: the width of each layer, from the features to the outputs. wide_deep,
  // deepfm: of each hidden layer.
  std::vector<int64_t> layers;
  // For mlp, wide_deep and deepfm: relu (default), tanh or sigmoid, after each
  // layer but the last.
  std::string activation;
  // How weights start: he, glorot or zeros. Default: he for relu, glorot for
  // the other activations, zeros where there are no hidden layers.
  std::string init;
  // fm, ffm, matrix_factorisation: the numbers of a factor.
  int64_t rank = 0;
  // wide_deep, deepfm: the numbers of an embedding.
  int64_t dim = 0;
  // kmeans: the number of clusters.
  int64_t clusters = 0;
  // lda: the number of topics, and the priors of those of a document and of the
  // words of a topic.
  int64_t topics = 0;
  double document_prior = 0;
  double topic_prior = 0;
  // lda: topics are drawn for each word, by Gibbs sampling.
  bool draws_topics = false;
  // boosted_trees: their number for each output, the splits above a leaf (0:
  // any number), the leaves (0: level by level) and the intervals of a feature.
  int64_t trees = 0;
  int64_t depth = 0;
  int64_t leaves = 0;
  int64_t bins = 0;
  // boosted_trees: the shares of the examples and of the features from which
  // each tree learns.
  double row_share = 1;
  double column_share = 1;
  // boosted_trees: the share of the examples that is kept back to say when to
  // stop; 0: none.
  double validation_share = 0;
  // kmeans: each push is a step, of at most so many batches that are computed
  // at once; 0: pushes are sums of Lloyd's rounds.
  int64_t batches_at_once = 0;
  // kmeans: each of so many runs is a task; 0: there is one run, of all
  // workers.
  int64_t restarts = 0;
  // The probability of leaving out a hidden unit in training, in [0, 1).
  double dropout = 0;
  // Adds l2 / 2 times the sum of the squares of the weights (not of the
  // biases) to the loss of each example.
  double l2 = 0;
  // train.clip_norm: shortens the gradient of a batch (the mean over its
  // examples) to this Euclidean norm where it is longer. 0: never.
  double clip_norm = 0;
  // freeze: dense tables whose values never change. Models need not compute
  // their gradient.
  std::vector<std::string> frozen;
  // Seeds dropout, the initial values and what shares are drawn.
  uint64_t seed = 0;
  // For models of users.
  std::map<std::string, std::string> options;
};

// kInvalidArgument with the message "PATH: TEXT". If there is a HINT, a second
// line "hint: HINT" says what would be right. PATH is that of a key in the job,
// such as "model.layers"; the reader of the file knows its line.
absl::Status ConfigError(absl::string_view path, absl::string_view text,
                         absl::string_view hint = "");

// Refuses numbers out of range, whatever the model.
absl::Status CheckRanges(const ModelConfig& config);

// Refuses keys below `model` that are set but not `used` by this kind of model,
// and all options.
absl::Status CheckOnlyUses(const ModelConfig& config,
                           std::initializer_list<absl::string_view> used);

// Refuses L2 and clipping, and says why.
absl::Status RefusePenalties(const ModelConfig& config, absl::string_view why);

}  // namespace ebb::models

#endif  // EBB_MODELS_CONFIG_H_
