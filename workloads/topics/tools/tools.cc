// How models of topics begin, are stored and exported.
#include "workloads/gradients/tools/tools.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/model.h"
#include "tools/ebb/model/initial_values.h"
#include "tools/ebb/model/model_export.h"
#include "tools/ebb/model/model_json.h"
#include "tools/ebb/model/stored_model.h"
#include "tools/text/json.h"
#include "workloads/seam/tools/tools.h"
#include "workloads/topics/tools/topics.h"

namespace ebb::workloads {

namespace {

class TopicTools final : public GradientTools {
 public:
  // An export of topics has their shares beside the counts, and where they were
  // drawn the assignments, too. What makes topics differ at first is of no use
  // to topics that differ.
  tools::InitialValues::Differences Differences() const override {
    return {{"topics", "assignments/keys", "assignments/rows"}, "start", {}};
  }

  // A line for each topic.
  std::string ValuesText(
      const tools::StoredModel& stored,
      const models::ModelDescription& /*description*/) const override {
    std::string text;
    int64_t topic = 0;
    for (const std::vector<std::string>& words : tools::TopWords(stored)) {
      absl::StrAppend(&text, "topic ", topic++, ": ", absl::StrJoin(words, " "),
                      "\n");
    }
    return text;
  }

 protected:
  tools::Json Describe(const tools::StoredModel& stored,
                       const models::ModelDescription& /*description*/,
                       const tools::Scaling& scaling) const override {
    tools::Json json = DescribeHead(stored, scaling);
    json["layout"] = "(in, out)";
    json["features"] = FeaturesJson(stored, scaling);
    if (!stored.sparse_tables.empty()) json["tables"] = TablesJson(stored);
    for (const std::vector<std::string>& words : tools::TopWords(stored)) {
      json["top_words"].Add(tools::ListOf(words));
    }
    json["output"] = "share of each topic";
    return json;
  }

  std::vector<tools::Layer> Layers(
      const v1::Job& /*job*/,
      const models::ModelDescription& /*description*/) const override {
    return {};
  }

  void AddOwnTensors(const tools::StoredModel& stored,
                     tools::ModelExport* all) const override {
    tools::AddTopicShares(stored, all);
  }
};

}  // namespace

void RegisterTopicsTools(ToolsSides* sides) {
  sides->Add("topics", std::make_unique<TopicTools>());
}

}  // namespace ebb::workloads
