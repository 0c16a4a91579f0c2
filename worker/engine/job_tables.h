// Tells a program of a job's tables and data.
#ifndef EBB_WORKER_ENGINE_JOB_TABLES_H_
#define EBB_WORKER_ENGINE_JOB_TABLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ebb/v1/specification.pb.h"
#include "protocol/plan.h"
#include "worker/engine/look_ahead.h"

namespace ebb::worker {

// The tables: the dense ones in the order of the vector of parameters.
// Immutable.
class JobTables {
 public:
  explicit JobTables(const JobRecord& record);

  // The fingerprint of examples that only programs know; may be empty.
  const std::string& fingerprint() const;
  // Its programs make runs of steps of their own.
  bool ProgramsStep() const {
    return specification_.job().algorithm().program_steps();
  }
  // The factor of the rate of the batch with this number in its run, from 0.
  double RunFactor(int64_t batch) const;
  // The examples have such windows (data::ShardLayout).
  int64_t window() const { return specification_.window(); }
  int64_t size() const { return specification_.tables_size(); }
  // Sparse tables.
  int64_t row_tables() const { return specification_.sparse_tables_size(); }
  const std::string& RowTable(int32_t table) const {
    return specification_.sparse_tables(table).name();
  }
  // A kTable, or kRowTable, for each.
  std::vector<std::string> Messages() const;
  // The trained parameters whose rule has a momentum, in order.
  std::vector<MomentumRun> Momenta() const;
  // Names the parameter with this number: "a.weight[3, 5]".
  std::string NameOf(int64_t parameter) const;

 private:
  v1::Specification specification_;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_JOB_TABLES_H_
