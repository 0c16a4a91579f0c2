#include "workloads/topics/tools/topics.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workloads/topics/model/topic_inference.h"

namespace ebb::tools {
namespace {

using workloads::kTopicShares;

// The model's first table is (words, topics). A value below 0 counts as 0, and
// the prior is added (workloads/topics/model/lda.cc).
std::vector<float> SharesOf(const StoredModel& stored) {
  const int64_t topics = stored.job.model().topics();
  const int64_t words = stored.index.features;
  const double prior =
      workloads::PriorOf(stored.job.model().topic_prior(), topics);
  std::vector<float> shares(words * topics);
  for (int64_t k = 0; k < topics; ++k) {
    const auto lambda = [&](int64_t word) {
      return prior + std::max(stored.parameters[word * topics + k], 0.0f);
    };
    double total = 0;
    for (int64_t word = 0; word < words; ++word) total += lambda(word);
    for (int64_t word = 0; word < words; ++word) {
      shares[k * words + word] = static_cast<float>(lambda(word) / total);
    }
  }
  return shares;
}

// Returns what the data has for this number.
std::string TextOf(const StoredModel& stored, int64_t word) {
  const std::vector<std::string>& found =
      stored.index.encoding.vocabulary.words;
  if (!found.empty()) return found[word];
  if (stored.columns) return stored.columns->features[word];
  return absl::StrCat(word);
}

}  // namespace

void AddTopicShares(const StoredModel& stored, ModelExport* all) {
  const int64_t topics = stored.job.model().topics();
  const auto shares =
      std::make_shared<const std::vector<float>>(SharesOf(stored));
  all->tensors.push_back(
      {kTopicShares,
       TensorType::kFloat32,
       {topics, std::ssize(*shares) / topics},
       [shares](std::ostream& out) {
         const auto bytes = std::as_bytes(std::span(*shares));
         out.write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
         return absl::OkStatus();
       }});
}

std::vector<std::vector<std::string>> TopWords(const StoredModel& stored) {
  constexpr int64_t kMost = 10;
  std::vector<std::vector<std::string>> result;
  const int64_t topics = stored.job.model().topics();
  std::vector<int64_t> words(stored.index.features);
  const auto top = std::min<int64_t>(kMost, std::ssize(words));
  for (int64_t k = 0; k < topics; ++k) {
    std::iota(words.begin(), words.end(), int64_t{0});
    std::ranges::partial_sort(words, words.begin() + top,
                              [&](int64_t a, int64_t b) {
                                const auto& counts = stored.parameters;
                                return std::pair(-counts[a * topics + k], a) <
                                       std::pair(-counts[b * topics + k], b);
                              });
    std::vector<std::string>& texts = result.emplace_back();
    for (int64_t i = 0; i < top; ++i) texts.push_back(TextOf(stored, words[i]));
  }
  return result;
}

}  // namespace ebb::tools
