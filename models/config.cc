#include "models/config.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::models {

absl::Status ConfigError(absl::string_view path, absl::string_view text,
                         absl::string_view hint) {
  std::string message = absl::StrCat(path, ": ", text);
  if (!hint.empty()) absl::StrAppend(&message, "\nhint: ", hint);
  return absl::InvalidArgumentError(message);
}

absl::Status CheckRanges(const ModelConfig& config) {
  const auto not_negative = [](absl::string_view path, double value) {
    if (std::isfinite(value) && value >= 0) return absl::OkStatus();
    return ConfigError(path, absl::StrCat(value, " is no number from 0 up"),
                       "leave it out");
  };
  // Columns of sparse batches are 32-bit numbers.
  constexpr int64_t kMaxFeatures = int64_t{1} << 31;
  if (config.features < 1 || config.features > kMaxFeatures) {
    return ConfigError(
        "data.train",
        absl::StrCat("the examples have ", config.features,
                     " features; models take 1 to ", kMaxFeatures));
  }
  if (config.classes < 0 || config.classes == 1) {
    return ConfigError("data.train",
                       absl::StrCat("the labels have ", config.classes,
                                    " class; models tell 2 or more apart"));
  }
  EBB_RETURN_IF_ERROR(not_negative("model.l2", config.l2));
  EBB_RETURN_IF_ERROR(not_negative("train.clip_norm", config.clip_norm));
  if (!config.frozen.empty() && config.clip_norm > 0) {
    return ConfigError("train.clip_norm",
                       "a gradient that has no frozen tables has another norm",
                       "leave it out");
  }
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    return ConfigError(
        "model.dropout",
        absl::StrCat(config.dropout, " is no share from 0 up and below 1"),
        "dropout: 0.5");
  }
  return absl::OkStatus();
}

absl::Status CheckOnlyUses(const ModelConfig& config,
                           std::initializer_list<absl::string_view> used) {
  const std::pair<absl::string_view, bool> set[] = {
      {"layers", !config.layers.empty()},
      {"activation", !config.activation.empty()},
      {"init", !config.init.empty()},
      {"rank", config.rank != 0},
      {"dim", config.dim != 0},
      {"clusters", config.clusters != 0},
      {"topics", config.topics != 0},
      {"document_prior", config.document_prior != 0},
      {"topic_prior", config.topic_prior != 0},
      {"trees", config.trees != 0},
      {"depth", config.depth != 0},
      {"leaves", config.leaves != 0},
      {"bins", config.bins != 0},
      {"row_share", config.row_share != 1},
      {"column_share", config.column_share != 1},
      {"validation_share", config.validation_share != 0},
      {"dropout", config.dropout != 0}};
  for (const auto& [key, is_set] : set) {
    if (is_set && std::find(used.begin(), used.end(), key) == used.end()) {
      return ConfigError(absl::StrCat("model.", key),
                         absl::StrCat(config.kind, " has no use for it"),
                         "leave it out");
    }
  }
  for (const auto& [key, value] : config.options) {
    return ConfigError(absl::StrCat("model.options.", key),
                       absl::StrCat(config.kind, " has no such option"),
                       "leave it out");
  }
  return absl::OkStatus();
}

absl::Status RefusePenalties(const ModelConfig& config, absl::string_view why) {
  if (config.l2 == 0 && config.clip_norm == 0) return absl::OkStatus();
  return ConfigError(config.l2 != 0 ? "model.l2" : "train.clip_norm", why,
                     "leave it out");
}

}  // namespace ebb::models
