#include "job/algorithm_rules.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "job/base/keys.h"
#include "job/base/refusals.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {
namespace {

class AlgorithmRules {
 public:
  AlgorithmRules(const v1::Job& job, Complaints* found)
      : job_(job), found_(found) {}

  void Check() {
    const v1::Algorithm::Kind kind = job_.algorithm().kind();
    if (TraitsOf(kind).local_rule()) CheckLocalRule();
    if (kind == v1::Algorithm::KIND_PLUGIN && !job_.algorithm().has_plugin()) {
      found_->Add("algorithm.kind", "there is no plugin to load",
                  "plugin: libmy_algorithm.so");
    }
    const v1::AlgorithmTraits& traits = workloads::AlgorithmTraitsOf(job_);
    const workloads::Rules& rules = workloads::RulesOf(job_.model());
    if (traits.line_search()) CheckLbfgs();
    const workloads::Rules* const owner = workloads::RulesOf(kind);
    if (owner != nullptr && owner != &rules) owner->RefuseModel(job_, found_);
    rules.CheckAlgorithm(job_, found_);
    if (traits.by_lateness()) CheckLateness();
    for (const auto& [name, table] : job_.tables()) {
      const std::string path = Join("tables", name);
      CheckRuleOfTable(table, IsDenseTable(job_.model(), name), path);
      if (CannotShortenSteps(kind, table.optimizer().kind())) {
        found_->Add(path + ".optimizer",
                    "dynsgd makes single steps shorter, but ftrl has one rate "
                    "for all",
                    "kind: adagrad");
      }
      if (TraitsOf(kind).local_rule() && MayHaveSparseTables(job_.model())) {
        CheckRowsOfRuns(table, path);
      }
    }
  }

 private:
  void CheckLocalRule();
  void CheckLbfgs();
  void CheckLateness();
  void CheckDecayOfMeans(const v1::Optimizer& optimizer,
                         const std::string& path);
  void CheckRuleOfTable(const v1::Table& table, bool dense,
                        const std::string& path);
  void CheckRowsOfRuns(const v1::Table& table, const std::string& path);

  const v1::Job& job_;
  Complaints* const found_;
};

void AlgorithmRules::CheckLocalRule() {
  const std::string name = KindOf(job_.algorithm());
  const v1::Algorithm::Kind kind = job_.algorithm().kind();
  const v1::Consistency::Kind consistency = job_.consistency().kind();
  CheckDecayOfMeans(job_.optimizer(), "optimizer");
  if (HasSparseTables(job_.model())) {
    if (!TraitsOf(kind).takes_rows()) {
      found_->Add(
          "algorithm.kind",
          absl::StrCat(name,
                       " steps in copies of the whole model, and of one with "
                       "sparse tables a worker has only its batch's rows"),
          "kind: geo, downpour or adag");
    }
    if (job_.algorithm().has_pull_every() &&
        job_.algorithm().pull_every() != 1) {
      found_->Add(
          "algorithm.pull_every",
          "a model with sparse tables pulls the rows of each batch with it",
          "leave it out");
    }
  }
  const v1::AlgorithmTraits& traits = TraitsOf(kind);
  const bool averages = traits.averages_rounds();
  if (averages && consistency != v1::Consistency::KIND_ROUNDS) {
    found_->Add(
        "algorithm.kind",
        "local_sgd takes the mean of what workers made of a round's items",
        "consistency: {kind: rounds, examples: 8192}");
  }
  // A plugin's plan says whether it fits rounds (MakeJobRecord).
  const bool rounds = kind == v1::Algorithm::KIND_PLUGIN &&
                      consistency == v1::Consistency::KIND_ROUNDS;
  if (!averages && !rounds && !traits.runs() &&
      consistency != v1::Consistency::KIND_ASP) {
    found_->Add(
        "algorithm.kind",
        absl::StrCat(name,
                     " lets workers go on by themselves, which only asp does"),
        "consistency: asp");
  }
  if (traits.workers_step() && job_.optimizer().weight_decay() > 0) {
    found_->Add("optimizer.weight_decay",
                absl::StrCat("is the servers', and with ", name,
                             " it is workers that step"),
                "leave it out, or model: {l2: …}");
  }
  if (traits.workers_step() && !TraitsOf(job_.optimizer().kind()).plain()) {
    found_->Add("optimizer.kind",
                absl::StrCat("with ", name,
                             " it is workers that step, and only by plain SGD"),
                "kind: sgd");
  }
  if (traits.pushes_whole() &&
      TraitsOf(job_.filters().push().kind()).leaves_out()) {
    found_->Add("filters.push.kind",
                absl::StrCat("leaves out values of what ", name, " pushes"),
                "kind: int8");
  }
}

// The objective must be one function, and what is pushed its gradient.
void AlgorithmRules::CheckLbfgs() {
  if (HasSparseTables(job_.model())) {
    found_->Add(
        "algorithm.kind",
        "lbfgs takes sums over the whole model, and the rows of sparse tables "
        "only become more",
        "kind: sgd or dynsgd");
  }
  const v1::Consistency& consistency = job_.consistency();
  if (consistency.kind() != v1::Consistency::KIND_ROUNDS ||
      ParseEpochOrCount(consistency.examples()) != kWholeEpoch) {
    found_->Add("algorithm.kind", "each trial of lbfgs is a round of one epoch",
                "consistency: {kind: rounds, examples: epoch}");
  }
  if (!TraitsOf(job_.optimizer().kind()).plain()) {
    found_->Add("optimizer.kind", "lbfgs is an optimizer itself",
                "leave it out");
  }
  if (job_.optimizer().weight_decay() > 0) {
    found_->Add("optimizer.weight_decay", "lbfgs makes the steps itself",
                "leave it out, or model: {l2: …}");
  }
  if (job_.has_on_divergence()) {
    found_->Add(
        "on_divergence",
        "is nothing for lbfgs, which takes back steps that are too long",
        "leave it out");
  }
  if (job_.on_nonfinite() == v1::POLICY_ROLLBACK) {
    found_->Add("on_nonfinite", "makes the rate smaller, and lbfgs has none",
                "on_nonfinite: pause");
  }
  RefuseFilters(job_, "rounds off what lbfgs compares", found_);
  if (job_.train().has_clip_norm()) {
    found_->Add("train.clip_norm",
                "makes something else of gradients, which lbfgs "
                "compares",
                "leave it out");
  }
  if (job_.model().dropout() > 0) {
    found_->Add("model.dropout",
                "makes each trial of lbfgs one of another function",
                "leave it out, and take l2");
  }
}

void AlgorithmRules::CheckLateness() {
  if (job_.consistency().kind() == v1::Consistency::KIND_ROUNDS) {
    found_->Add(
        "algorithm.kind",
        "goes by how late gradients come, and in rounds none comes late",
        "kind: sgd, or consistency: asp");
  }
  if (TraitsOf(job_.optimizer().kind()).rates_fall()) {
    found_->Add(
        "algorithm.kind",
        "makes single steps shorter, but ftrl has one rate for all its steps",
        "kind: sgd, or optimizer: adagrad");
  }
}

// A server knows of how many examples a push is, and adds the decay for each.
// Adag pushes the mean over its batches, so each of them would add all of it.
void AlgorithmRules::CheckDecayOfMeans(const v1::Optimizer& optimizer,
                                       const std::string& path) {
  if (job_.algorithm().kind() != v1::Algorithm::KIND_ADAG ||
      optimizer.weight_decay() <= 0 ||
      optimizer.kind() == v1::Optimizer::KIND_ADAMW) {
    return;
  }
  found_->Add(path + ".weight_decay",
              "is added for each batch, and adag pushes the mean of several",
              "leave it out, or optimizer: adamw, or model: {l2: …}");
}

// Where the servers have no rule of their own, no table can have another. Where
// workers step in copies, these have one rate.
void AlgorithmRules::CheckRuleOfTable(const v1::Table& table, bool dense,
                                      const std::string& path) {
  const v1::AlgorithmTraits& traits = workloads::AlgorithmTraitsOf(job_);
  const bool own = table.has_optimizer() || table.has_rate_factor();
  CheckDecayOfMeans(table.optimizer(), path + ".optimizer");
  if (traits.local_rule() && !traits.workers_step() &&
      (table.has_rate_factor() || (dense && table.has_optimizer()))) {
    found_->Add(
        path + (table.has_rate_factor() ? ".rate_factor" : ".optimizer"),
        absl::StrCat("with ", KindOf(job_.algorithm()),
                     " workers step in copies of all tables at one "
                     "rate"),
        "leave it out");
  }
  if (!own || (!traits.workers_step() && !traits.line_search() &&
               !traits.statistics())) {
    return;
  }
  const std::string name = KindOf(job_.algorithm());
  found_->Add(path + (table.has_optimizer() ? ".optimizer" : ".rate_factor"),
              traits.workers_step()
                  ? absl::StrCat("with ", name,
                                 " it is workers that step, and only by plain "
                                 "SGD")
                  : absl::StrCat(name, " makes one step of all tables"),
              "leave it out");
}

// Of workers that go on by themselves.
void AlgorithmRules::CheckRowsOfRuns(const v1::Table& table,
                                     const std::string& path) {
  const std::string name = KindOf(job_.algorithm());
  const v1::TableConsistency::Kind consistency = table.consistency().kind();
  if (consistency == v1::TableConsistency::KIND_SSP ||
      consistency == v1::TableConsistency::KIND_BSP) {
    found_->Add(path + ".consistency",
                absl::StrCat("clocks count batches, and with ", name,
                             " a push has several"),
                "leave it out");
  }
  const v1::AlgorithmTraits& traits = TraitsOf(job_.algorithm().kind());
  if (!traits.workers_step() || !traits.takes_rows()) return;
  if (table.has_admit()) {
    found_->Add(
        path + ".admit",
        "with geo a key's first pushes are a part of its row's value, not "
        "steps that others make up for",
        "leave it out, or kind: downpour of the algorithm");
  }
}

}  // namespace

void CheckAlgorithmRules(const v1::Job& job, Complaints* found) {
  AlgorithmRules(job, found).Check();
}

}  // namespace ebb::job
