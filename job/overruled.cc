#include "job/overruled.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/filters/filter.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {
namespace {

// "1 example", "5 examples".
std::string Examples(int64_t count) {
  return absl::StrCat(count, count == 1 ? " example" : " examples");
}

// A round is of whole items.
std::string OfRounds(const v1::Job& given, const JobPlan& plan) {
  const auto wish = ParseEpochOrCount(given.consistency().examples());
  if (!plan.rounds() || !given.consistency().has_examples() ||
      !wish.has_value() || *wish == kWholeEpoch) {
    return "";
  }
  const int64_t made = plan.RoundExamples(0);
  if (made == *wish) return "";
  if (made == plan.examples) {
    return absl::StrCat("consistency.examples: a round has the ",
                        Examples(made), " of an epoch, not ", *wish);
  }
  return absl::StrCat("consistency.examples: a round has ", Examples(made),
                      ", not ", *wish, ": it is of ",
                      plan.consistency.round_items, " whole items of ",
                      plan.shard_size);
}

// No item and no batch is larger than an epoch.
std::string OfItems(const v1::Train& given, const JobPlan& plan) {
  if (!given.has_item_examples() || given.item_examples() <= plan.shard_size) {
    return "";
  }
  return absl::StrCat("train.item_examples: an item has ",
                      Examples(plan.shard_size), ", all of an epoch, not ",
                      given.item_examples());
}

std::string OfBatches(const v1::Train& given, const JobPlan& plan) {
  if (!given.has_batch() || given.batch() <= plan.examples) return "";
  return absl::StrCat("train.batch: a batch has the ", Examples(plan.examples),
                      " of an epoch, not ", given.batch());
}

std::string OfLocalSteps(const v1::Consistency& given, const JobPlan& plan) {
  if (given.local_steps() == 0 || plan.consistency.local_steps > 0) return "";
  const std::string why =
      !plan.sparse_tables.empty() ? "the model has sparse tables"
      : KeepsResiduals(plan.filters.push)
          ? "filters.push keeps what it left out"
          : "the algorithm pushes the effect of many batches";
  return absl::StrCat("consistency.local_steps: 0, not ", given.local_steps(),
                      ": workers wait for a server that is away, because ",
                      why);
}

std::string OfEvaluations(const v1::Job& given, const v1::Job& full) {
  if (workloads::FactsOf(full).tasks == 0 || !given.evaluate().has_every())
    return "";
  return "evaluate.every: only the whole model is evaluated, at the end";
}

std::string OfLabels(const v1::Job& given, const v1::Job& full) {
  const v1::Model& model = full.model();
  if (!given.data().standardise_labels() || workloads::FactsOf(full).labels) {
    return "";
  }
  return absl::StrCat("data.standardise_labels: nothing looks at it, because ",
                      model.kind(), " learns without labels");
}

// Keys of the optimizer that make steps along a gradient.
void AddSteps(const v1::Job& given, const v1::Job& full,
              std::vector<std::string>* found) {
  const v1::AlgorithmTraits& traits = workloads::AlgorithmTraitsOf(full);
  if (!traits.line_search() && !traits.statistics() && !traits.tasks() &&
      !traits.contributions() && workloads::FactsOf(full).steps) {
    return;
  }
  const v1::Optimizer& optimizer = given.optimizer();
  const auto& type = *v1::Optimizer::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& key = *type.field(i);
    if (key.number() == v1::Optimizer::kKindFieldNumber ||
        !IsSet(optimizer, key)) {
      continue;
    }
    found->push_back(absl::StrCat(
        "optimizer.", key.name(), ": nothing looks at it, because ",
        KindOf(full.algorithm()), " takes no steps along a gradient"));
  }
}

}  // namespace

std::vector<std::string> Overruled(const v1::Job& given, const v1::Job& full,
                                   const JobPlan& plan) {
  std::vector<std::string> found;
  const auto add = [&found](std::string text) {
    if (!text.empty()) found.push_back(std::move(text));
  };
  add(OfRounds(given, plan));
  // What a task is made of is not looked at (algorithm_rules.cc).
  if (workloads::FactsOf(full).tasks == 0) {
    add(OfItems(given.train(), plan));
    add(OfBatches(given.train(), plan));
  }
  add(OfLocalSteps(given.consistency(), plan));
  add(OfEvaluations(given, full));
  add(OfLabels(given, full));
  AddSteps(given, full, &found);
  return found;
}

}  // namespace ebb::job
