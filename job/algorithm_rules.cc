#include "job/algorithm_rules.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "job/keys.h"
#include "job/traits.h"
#include "job/values.h"

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
    const v1::AlgorithmTraits& traits = TraitsOf(kind);
    if (traits.line_search()) CheckLbfgs();
    if (traits.by_lateness()) CheckLateness();
    // Of others nothing is to be said but that they have no tables.
    if (!MayHaveSparseTables(job_.model())) return;
    for (const auto& [name, table] : job_.tables()) {
      const std::string path = Join("tables", name);
      if (CannotShortenSteps(kind, table.optimizer().kind())) {
        found_->Add(path + ".optimizer",
                    "dynsgd makes single steps shorter, but ftrl has one rate "
                    "for all",
                    "kind: adagrad");
      }
      if (TraitsOf(kind).local_rule()) CheckRowsOfRuns(table, path);
    }
  }

 private:
  void CheckLocalRule();
  void CheckLbfgs();
  void CheckLateness();
  void CheckRowsOfRuns(const v1::Table& table, const std::string& path);

  const v1::Job& job_;
  Complaints* const found_;
};

void AlgorithmRules::CheckLocalRule() {
  const std::string name = KindOf(job_.algorithm());
  const v1::Algorithm::Kind kind = job_.algorithm().kind();
  const v1::Consistency::Kind consistency = job_.consistency().kind();
  if (TraitsOf(job_.model()).keyed()) {
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
  // Whether one of a plugin fits rounds its plan says (MakeJobRecord).
  const bool rounds = kind == v1::Algorithm::KIND_PLUGIN &&
                      consistency == v1::Consistency::KIND_ROUNDS;
  if (!averages && !rounds && consistency != v1::Consistency::KIND_ASP) {
    found_->Add(
        "algorithm.kind",
        absl::StrCat(name,
                     " lets workers go on by themselves, which only asp does"),
        "consistency: asp");
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
  if (TraitsOf(job_.model()).keyed()) {
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
  const auto whole = [this](const char* key, const v1::Filter& filter) {
    if (filter.kind() == v1::Filter::KIND_UNSPECIFIED ||
        filter.kind() == v1::Filter::KIND_NONE) {
      return;
    }
    found_->Add(key, "rounds off what lbfgs compares", "kind: none");
  };
  whole("filters.push.kind", job_.filters().push());
  whole("filters.pull.kind", job_.filters().pull());
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
  if (table.has_optimizer()) {
    found_->Add(path + ".optimizer",
                "with geo it is workers that step, and only by plain SGD",
                "leave it out");
  }
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
