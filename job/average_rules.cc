#include "job/average_rules.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "job/keys.h"
#include "job/traits.h"

namespace ebb::job {
namespace {

// Why the job can keep no averages; empty: it can.
std::string WhyNone(const v1::Job& job) {
  const v1::ModelTraits& model = TraitsOf(job.model());
  if (model.clusters() || model.forest() || model.boosted()) {
    return absl::StrCat("averages weights that step along a gradient, and the ",
                        job.model().kind(), " model has none");
  }
  if (model.topics()) {
    return "averages weights that step along a gradient, and lda counts words";
  }
  if (AlgorithmTraitsOf(job).line_search()) {
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
  } else if (HasSparseTables(job.model())) {
    found->Add(key,
               "a row of a sparse table takes a step only where a batch has "
               "its key, and has no average",
               "leave it out, or give it to dense tables: tables: {NAME: "
               "{optimizer: {ema: 0.999}}}");
  }
}

}  // namespace ebb::job
