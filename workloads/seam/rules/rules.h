// The side of a workload that job files know: its rules and its defaults.
//
//   class MyRules final : public GradientRules {
//     Wishes WishesOf(const v1::Job& job) const override {
//       return {.l2 = Wish{0.1, "the default of mine"}};
//     }
//   };
//
//   void RegisterMineRules(RulesSides* sides) {
//     sides->Add("mine", std::make_unique<MyRules>());
//   }
//
// The build calls the function if workloads/mine/CMakeLists.txt has a RULES
// side. A workload without one has that of the gradients.
#ifndef EBB_WORKLOADS_SEAM_RULES_RULES_H_
#define EBB_WORKLOADS_SEAM_RULES_RULES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"
#include "job/base/data_facts.h"

namespace ebb::workloads {

// The one figure of an evaluation that a workload has.
struct OnlyFigure {
  std::string name;
  std::string why;    // Why it has no other.
  std::string bound;  // A bound that a job may set, for hints.
};

// The nature of a workload, which follows from the job with its defaults and
// never from the data.
struct WorkloadFacts {
  bool labels = true;      // It looks at labels.
  bool documents = false;  // Its examples are documents.
  bool quantities = true;  // Features in other units than 1 make it worse.
  bool tasks = false;      // Its parts are tasks, of all data.
  bool steps = true;       // Its values step by a rate.
  bool evaluates = true;   // It can be evaluated while it trains.
  // It begins with values that are chosen at submission, from the data.
  bool begins_with_values = false;
  // The least loss of a push is told of the job in place of the sum.
  bool least_loss = false;
  // A push with a loss of exactly 0 had nothing to learn from.
  bool zero_loss_is_none = false;
  // Why it can keep no averages of its values; empty: it can.
  std::string why_no_average;
  // Why its tables can neither begin with those of another job nor be frozen;
  // empty: they can.
  std::string why_no_start;
  std::optional<OnlyFigure> figure;  // Absent: it has all of its task.
  // The least format of the specification that older releases must not take for
  // another job's; 0: any.
  uint32_t format = 0;
};

// Immutable, so thread-safe. Functions of their arguments alone.
class Rules {
 public:
  virtual ~Rules() = default;

  // Sets what the job leaves open, before anything else does. Idempotent.
  virtual void Fill(v1::Job* /*job*/) const {}
  virtual WorkloadFacts Facts(const v1::Job& /*job*/) const { return {}; }

  // Checks the keys of the model against the other keys. The job has its
  // defaults, and its model is known.
  virtual void Check(const v1::Job& job, job::Complaints* found) const = 0;
  // Checks the algorithm against the model, and the keys that it has no use
  // for.
  virtual void CheckAlgorithm(const v1::Job& /*job*/,
                              job::Complaints* /*found*/) const {}
  // Checks the training data, or test data under the key at `path`. Both have
  // examples.
  virtual void CheckTrain(const v1::Job& job, const job::SourceFacts& train,
                          job::Complaints* found) const = 0;
  virtual void CheckTest(const job::SourceFacts& /*test*/,
                         const std::string& /*path*/,
                         job::Complaints* /*found*/) const {}

  // A value that the job leaves open, and why it is chosen.
  struct Wish {
    double value = 0;
    std::string reason;
  };
  // Absent: the value follows from the data, as for models with a gradient.
  struct Wishes {
    std::optional<int64_t> most_of_a_batch;  // train.batch, at most
    std::optional<Wish> l2;                  // model.l2
    std::optional<Wish> rate;                // optimizer.rate
  };
  virtual Wishes WishesOf(const v1::Job& /*job*/) const { return {}; }
};

// By the names of workloads.
class RulesSides {
 public:
  void Add(const std::string& workload, std::unique_ptr<const Rules> rules) {
    rules_[workload] = std::move(rules);
  }
  // Returns the gradients' side for a workload that has none of its own.
  const Rules& Find(const std::string& workload) const;

 private:
  std::map<std::string, std::unique_ptr<const Rules>> rules_;
};

// The rules of the model's workload. They live for ever.
const Rules& RulesOf(const v1::Model& model);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_SEAM_RULES_RULES_H_
