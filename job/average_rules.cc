#include "job/average_rules.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {
namespace {

// Why the job can keep no averages; empty: it can.
std::string WhyNone(const v1::Job& job) {
  const std::string why = workloads::FactsOf(job).why_no_average;
  if (!why.empty()) return why;
  if (workloads::AlgorithmTraitsOf(job).line_search()) {
    return "averages away the noise of many small steps, and lbfgs makes few "
           "exact ones";
  }
  return "";
}

void CheckRule(const v1::Optimizer& optimizer, const std::string& path,
               Complaints* found) {
  if (!optimizer.has_ema() || !optimizer.has_swa()) return;
  found->Add(path + ".swa", "is another average than ema, and servers keep one",
             "leave one of the two out");
}

// Its key and why it is hardly an average; empty: it is one.
std::string Note(const v1::Optimizer& optimizer, const std::string& path,
                 int64_t updates) {
  const std::string made =
      absl::StrCat(updates, updates == 1 ? " update" : " updates");
  if (optimizer.has_swa() && optimizer.swa() >= updates) {
    return absl::StrCat("warning: ", path, ".swa: the job makes ", made,
                        " at most, and none beyond the first ", optimizer.swa(),
                        ", so there is no average: take a smaller number");
  }
  // The share of the values that the job begins with.
  constexpr double kMuch = 0.1;
  if (optimizer.has_ema() &&
      std::pow(optimizer.ema(), static_cast<double>(updates)) > kMuch) {
    return absl::StrCat(
        "warning: ", path, ".ema: the job makes ", made,
        " at most, after which more than a tenth of the average is still the "
        "values that the job begins with: take a smaller number");
  }
  return "";
}

}  // namespace

bool HasAverage(const v1::Optimizer& optimizer) {
  return optimizer.has_ema() || optimizer.has_swa();
}

bool HasAverages(const v1::Job& job) {
  return HasAverage(job.optimizer()) ||
         std::any_of(job.tables().begin(), job.tables().end(),
                     [](const auto& entry) {
                       return HasAverage(entry.second.optimizer());
                     });
}

void CheckAverageRules(const v1::Job& job, Complaints* found) {
  CheckRule(job.optimizer(), "optimizer", found);
  for (const auto& [name, table] : job.tables()) {
    CheckRule(table.optimizer(), Join(Join("tables", name), "optimizer"),
              found);
  }
  if (!HasAverage(job.optimizer())) return;
  const std::string key =
      job.optimizer().has_ema() ? "optimizer.ema" : "optimizer.swa";
  if (std::string why = WhyNone(job); !why.empty()) {
    found->Add(key, std::move(why), "leave it out");
  } else if (HasSparseTables(job.model()) && job.freeze().empty()) {
    // MakeJobRecord knows which of them are frozen, and so need no average.
    found->Add(key,
               "a row of a sparse table takes a step only where a batch has "
               "its key, and has no average",
               "leave it out, or give it to dense tables: tables: {NAME: "
               "{optimizer: {ema: 0.999}}}");
  }
}

std::string AverageNotes(const v1::Job& job, int64_t updates) {
  if (job.has_start() || job.model().has_initial()) return "";
  std::vector<std::string> notes = {
      Note(job.optimizer(), "optimizer", updates)};
  for (const auto& [name, table] : job.tables()) {
    notes.push_back(Note(table.optimizer(),
                         Join(Join("tables", name), "optimizer"), updates));
  }
  std::erase(notes, "");
  std::ranges::sort(notes);  // The order of a map is not one.
  return absl::StrJoin(notes, "\n");
}

}  // namespace ebb::job
