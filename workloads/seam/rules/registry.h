// One side of all workloads, found by the name of the workload. It is here
// because the other sides may include this one. Each side has such a registry,
// which the generated function of the side fills:
//
//   using ToolsSides = Registry<std::unique_ptr<const ToolsSide>>;
//   void RegisterToolsSides(ToolsSides* sides);
//
//   static const auto* const sides = new ToolsSides(RegisterToolsSides);
//   return *sides->Of(model);
#ifndef EBB_WORKLOADS_SEAM_RULES_REGISTRY_H_
#define EBB_WORKLOADS_SEAM_RULES_REGISTRY_H_

#include <map>
#include <string>
#include <utility>

#include "ebb/v1/job.pb.h"
#include "job/base/workload.h"

namespace ebb::workloads {

// `Side` is a pointer, which may own, or a function. Immutable once it is
// filled, and then thread-safe.
template <typename Side>
class Registry {
 public:
  // `fill` adds all sides, among them that of the gradients.
  explicit Registry(void (*fill)(Registry* sides)) { fill(this); }

  void Add(const std::string& workload, Side side) {
    sides_[workload] = std::move(side);
  }

  // Returns the side of the workload, or the gradients' if it has none of its
  // own.
  const Side& Find(const std::string& workload) const {
    const auto own = sides_.find(workload);
    return own != sides_.end() ? own->second : sides_.at(job::kGradients);
  }
  // The same for the workload of the model.
  const Side& Of(const v1::Model& model) const {
    return Find(job::WorkloadOf(model));
  }

 private:
  std::map<std::string, Side> sides_;
};

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_SEAM_RULES_REGISTRY_H_
