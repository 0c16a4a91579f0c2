// The section "Measured" of docs/data.md: what `ebb bench data` measured.
#ifndef EBB_BENCH_DATA_DATA_PAGE_H_
#define EBB_BENCH_DATA_DATA_PAGE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "bench/common/bench_figures.h"
#include "bench/data/data_table.h"
#include "bench/pages/performance_images.h"

namespace ebb::tools {

// One part of the benchmark with rows.
struct DataPart {
  std::string title;    // "Reading and packing".
  std::string command;  // The command that measured it.
  std::string limit;    // Heads the column of the limits.
  std::string how;      // Tells of the limits, in sentences.
  BenchFigures figures;
};

struct DataFigures {
  // The table, and where and when it was measured.
  std::optional<DataTable> table;
  BenchFigures table_figures;
  std::string table_command;
  std::vector<DataPart> parts;
};

// The charts of the table.
std::vector<PageImage> DataImages(const DataTable& table);

// Markdown, from its heading on. `images` is the folder of the charts, seen
// from the page: "images/".
std::string DataSection(const DataFigures& figures,
                        const std::vector<PageImage>& images,
                        const std::string& folder);

// The page with its section "Measured", which ends it, replaced or added.
std::string WithDataSection(absl::string_view page, absl::string_view section);

}  // namespace ebb::tools

#endif  // EBB_BENCH_DATA_DATA_PAGE_H_
