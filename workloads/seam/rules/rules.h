// The side of a workload that job files know: its rules and its defaults.
//
//   class MyRules final : public GradientRules {
//     Wishes WishesOf(const v1::Job& job, const job::SourceFacts& data,
//                     int64_t parameters) const override {
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
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/key.pb.h"
#include "job/base/complaints.h"
#include "job/base/data_facts.h"
#include "protocol/plan.h"
#include "workloads/seam/rules/registry.h"

namespace ebb::workloads {

// A figure of an evaluation that a job has in place of another.
struct OtherFigure {
  std::string why;    // Why it does not have the one that was asked for.
  std::string name;   // The one that it has.
  std::string bound;  // A bound that a job may set, for hints.
};

// The nature of a workload, which follows from the job with its defaults and
// never from the data.
struct WorkloadFacts {
  // Its items are so many tasks, each made of all data; 0: they are ranges of
  // data.
  int64_t tasks = 0;
  std::string unit = "example";  // Items consist of these.
  // Tokens of each example; 0: they are not sequences of as many.
  int64_t tokens = 0;
  bool all_data = false;   // A worker needs all of the training data in memory.
  bool labels = true;      // It looks at labels.
  bool documents = false;  // Its examples are documents.
  bool quantities = true;  // Features in other units than 1 make it worse.
  bool steps = true;       // Its values step by a rate.
  // A smaller rate may help where values are not finite.
  bool diverges = true;
  bool evaluates = true;  // It can be evaluated while it trains.
  // The schedule of its rate follows from the data (Wishes).
  bool schedule_by_data = false;
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
  // Says which figure evaluations have in place of this one; absent: as far as
  // the workload goes, they have it.
  virtual std::optional<OtherFigure> InPlaceOf(
      const v1::Job& job, absl::string_view figure) const = 0;

  // Checks the keys of the model against the other keys. The job has its
  // defaults, and its model is known.
  virtual void Check(const v1::Job& job, job::Complaints* found) const = 0;
  // Checks the algorithm against the model, and the keys that it has no use
  // for.
  virtual void CheckAlgorithm(const v1::Job& /*job*/,
                              job::Complaints* /*found*/) const {}
  // Refuses the job's model, which is of another workload than its algorithm,
  // and this is the algorithm's.
  virtual void RefuseModel(const v1::Job& /*job*/,
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
  struct ScheduleWish {
    v1::Schedule schedule;
    std::string text;  // The schedule in short.
    std::string reason;
  };
  // Absent: the value follows from the data, as for models with a gradient.
  struct Wishes {
    std::optional<int64_t> most_of_a_batch;  // train.batch, at most
    // Batches do not become smaller than this to be enough for many workers.
    std::optional<int64_t> least_of_a_batch;
    std::optional<int64_t> batch;          // train.batch
    std::optional<Wish> epochs;            // train.epochs
    std::optional<Wish> l2;                // model.l2
    std::optional<Wish> rate;              // optimizer.rate
    std::optional<ScheduleWish> schedule;  // optimizer.schedule
  };
  // Facts about the data that are not known are 0. The schedule is asked for
  // when the job has a batch and epochs.
  virtual Wishes WishesOf(const v1::Job& /*job*/,
                          const job::SourceFacts& /*data*/,
                          int64_t /*parameters*/) const {
    return {};
  }

  // Cuts the parameters of the plan, which has the data and the tables, into
  // partitions. False: they are cut by default. InvalidArgument, naming the
  // key: the job has too much of something.
  virtual absl::StatusOr<bool> Cut(const v1::Job& /*job*/,
                                   JobPlan* /*plan*/) const {
    return false;
  }
};

using RulesSides = Registry<std::unique_ptr<const Rules>>;

// The rules of the model's workload. They live for ever.
const Rules& RulesOf(const v1::Model& model);
// The rules of the workload whose models the algorithm trains; null: it trains
// models of several.
const Rules* RulesOf(v1::Algorithm::Kind algorithm);

// Rules::Facts of the model's workload.
WorkloadFacts FactsOf(const v1::Job& job);
// The traits of the job's algorithm; those of tasks if its items are tasks.
const v1::AlgorithmTraits& AlgorithmTraitsOf(const v1::Job& job);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_SEAM_RULES_RULES_H_
