// A job file for data that stands where a job file should: `ebb run table.csv`.
#ifndef EBB_TOOLS_EBB_JOB_DATA_OFFER_H_
#define EBB_TOOLS_EBB_JOB_DATA_OFFER_H_

#include <optional>
#include <string>

namespace ebb::tools {

// Returns what to say if a job file is wanted and `path` is data in a format
// that ebb reads: which two lines are a job file for it, which column is the
// label, and which models suit it. Lines of the job file, and a command to give
// before, begin with two blanks. Absent: it is not there, or looks like no
// data. Blocks: reads the front of the data.
std::optional<std::string> OfferJob(const std::string& path);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_DATA_OFFER_H_
