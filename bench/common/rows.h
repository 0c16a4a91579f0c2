// Rows of a benchmark as people and programs read them.
#ifndef EBB_BENCH_COMMON_ROWS_H_
#define EBB_BENCH_COMMON_ROWS_H_

#include <span>
#include <string>

#include "bench/common/paired.h"
#include "tools/text/json.h"

namespace ebb::bench {

// A table; `limit` heads the column of what ours is compared with.
std::string RowsText(std::span<const Row> rows, const std::string& limit);
// Adds "rows" and "all_hold" to the object.
void AddRows(std::span<const Row> rows, tools::Json* json);

}  // namespace ebb::bench

#endif  // EBB_BENCH_COMMON_ROWS_H_
