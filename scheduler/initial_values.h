// The values that jobs begin with, as the scheduler keeps them: data sets that
// are named after what they hold, for as long as a job names them.
#ifndef EBB_SCHEDULER_INITIAL_VALUES_H_
#define EBB_SCHEDULER_INITIAL_VALUES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/kill_point.h"
#include "common/mutex.h"
#include "datasets/set_store.h"
#include "ebb/v1/specification.pb.h"

namespace ebb::scheduler {

struct InitialValuesOptions {
  std::string folder;  // Made, if it is missing.
  // Most bytes of all initial values, as in SetStoreOptions. Default 0: what
  // the disk has.
  int64_t max_bytes = 0;
  // Values that no job names go when they were pushed, or named by a
  // submission, so long ago: the submission that they were pushed for may still
  // come. Default a day.
  absl::Duration unnamed_for = absl::Hours(24);
  // For tests: where this process kills itself. Default: nowhere.
  KillPoints kill_points;
};

// Thread-safe.
class InitialValues {
 public:
  static absl::StatusOr<std::unique_ptr<InitialValues>> Open(
      InitialValuesOptions options);

  // Checks that those that a new job names are here. FailedPrecondition: they
  // are not; push them again. Blocks on the disk.
  absl::Status Check(const v1::InitialValues& wanted);
  // Removes what no job names, now.
  void Sweep(const std::set<std::string>& named);

  // It lives as long as this.
  datasets::SetStore* store() const { return store_.get(); }

 private:
  InitialValues(InitialValuesOptions options,
                std::unique_ptr<datasets::SetStore> store);

  const InitialValuesOptions options_;
  const std::unique_ptr<datasets::SetStore> store_;
  Mutex mu_;
  // When a submission named it last, by set.
  std::map<std::string, absl::Time> submitted_ ABSL_GUARDED_BY(mu_);
};

// While it lives, removes once an hour what no job names.
class InitialValuesSweeper {
 public:
  // `values` is not owned and outlives it. `named` returns the ids of the
  // values that jobs name, or nothing while it does not know them all.
  InitialValuesSweeper(
      InitialValues* values,
      std::function<std::optional<std::set<std::string>>()> named);
  ~InitialValuesSweeper();
  InitialValuesSweeper(const InitialValuesSweeper&) = delete;
  InitialValuesSweeper& operator=(const InitialValuesSweeper&) = delete;

 private:
  void Run();
  // False: it ends.
  bool WaitUntil(absl::Time time);

  InitialValues& values_;
  const std::function<std::optional<std::set<std::string>>()> named_;
  Mutex mu_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // Last: it uses the others.
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_INITIAL_VALUES_H_
