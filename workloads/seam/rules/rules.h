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

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"

namespace ebb::workloads {

// Immutable, so thread-safe. Functions of their arguments alone.
class Rules {
 public:
  virtual ~Rules() = default;

  // Checks the keys of the model against the other keys. The job has its
  // defaults, and its model is known.
  virtual void Check(const v1::Job& job, job::Complaints* found) const = 0;

  // A value that the job leaves open, and why it is chosen.
  struct Wish {
    double value = 0;
    std::string reason;
  };
  // Absent: the value follows from the data, as for models with a gradient.
  struct Wishes {
    std::optional<Wish> l2;    // model.l2
    std::optional<Wish> rate;  // optimizer.rate
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
