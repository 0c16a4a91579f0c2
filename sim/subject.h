// Says what the jobs of seeds are.
#ifndef EBB_SIM_SUBJECT_H_
#define EBB_SIM_SUBJECT_H_

namespace ebb::sim {

enum class Subject {
  kAny,
  kRuns,     // They push runs (docs/decisions/0055-runs.md).
  kGrowing,  // Their data grows (docs/decisions/0059-data-that-grows.md).
};

}  // namespace ebb::sim

#endif  // EBB_SIM_SUBJECT_H_
