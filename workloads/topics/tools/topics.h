// Writes what other programs want of a model that finds topics.
#ifndef EBB_WORKLOADS_TOPICS_TOOLS_TOPICS_H_
#define EBB_WORKLOADS_TOPICS_TOOLS_TOPICS_H_

#include <string>
#include <vector>

#include "tools/ebb/model/model_export.h"
#include "tools/ebb/model/stored_model.h"

namespace ebb::tools {

// Adds the tensor "topics" (topics, words): the share of each word in each
// topic.
void AddTopicShares(const StoredModel& stored, ModelExport* all);

// For each topic the ten words with the largest shares, the largest first: as
// the vocabulary has them, or their numbers.
std::vector<std::vector<std::string>> TopWords(const StoredModel& stored);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_TOPICS_TOOLS_TOPICS_H_
