// The values that a partition begins with, if its job begins with a file.
#ifndef EBB_SERVER_INITIAL_PARTITION_H_
#define EBB_SERVER_INITIAL_PARTITION_H_

#include <memory>
#include <vector>

#include "server/dense_values.h"
#include "server/rows/row_table.h"

namespace ebb::server {

struct InitialPartition {
  InitialDense dense;
  // By sparse table, in the order of the plan. Empty: the tables begin without
  // rows.
  std::vector<std::unique_ptr<RowTable>> rows;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_INITIAL_PARTITION_H_
