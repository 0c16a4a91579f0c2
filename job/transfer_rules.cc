#include "job/transfer_rules.h"

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "job/average_rules.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {
namespace {

void CheckStart(const v1::Job& job, Complaints* found) {
  if (job.model().has_initial()) {
    found->Add("start",
               "is another way to say what the tables begin with than "
               "model.initial",
               "leave one of them out: model.initial takes all tables of a "
               "file, with the state of its optimizer");
  }
  if (const std::string why = workloads::FactsOf(job).why_no_start;
      !why.empty()) {
    found->Add("start", why, "leave it out");
  }
  const std::string& from = job.start().from();
  if (from == "job:" || absl::StartsWith(from, "job:@")) {
    found->Add("start.from", "does not say which job", "from: job:NAME");
  }
}

// A table that takes no step must not say which.
void CheckStepsOfFrozen(const std::string& name, const v1::Table& table,
                        Complaints* found) {
  const v1::Optimizer& own = table.optimizer();
  // The module of a model says of its statistics what they are.
  if (TraitsOf(own.kind()).statistics()) return;
  const std::string path = Join("tables", name);
  const std::string hint =
      absl::StrCat("leave it out, or leave ", name, " out of freeze");
  if (table.has_rate_factor()) {
    found->Add(path + ".rate_factor",
               absl::StrCat(name, " is frozen, and takes no step at any rate"),
               hint);
  }
  if (!table.has_optimizer()) return;
  if (HasAverage(own)) {
    found->Add(path + (own.has_ema() ? ".optimizer.ema" : ".optimizer.swa"),
               absl::StrCat(name,
                            " is frozen, and the average of values that "
                            "never change would be the same"),
               hint);
  } else {
    found->Add(path + ".optimizer",
               absl::StrCat(name, " is frozen, and no optimizer steps it"),
               hint);
  }
}

void CheckFrozen(const v1::Job& job, Complaints* found) {
  std::set<std::string> frozen;
  for (int i = 0; i < job.freeze_size(); ++i) {
    if (frozen.insert(job.freeze(i)).second) continue;
    found->Add(absl::StrCat("freeze[", i, "]"),
               absl::StrCat(job.freeze(i), " is named before"),
               "name each table once");
  }
  for (const std::string& name : frozen) {
    const auto said = job.tables().find(name);
    if (said != job.tables().end()) {
      CheckStepsOfFrozen(name, said->second, found);
    }
  }
}

}  // namespace

void CheckTransferRules(const v1::Job& job, Complaints* found) {
  if (job.has_start()) CheckStart(job, found);
  if (job.freeze().empty()) return;
  CheckFrozen(job, found);
  if (const std::string why = workloads::FactsOf(job).why_no_start;
      !why.empty()) {
    found->Add("freeze", why, "leave it out");
  }
  if (job.train().has_clip_norm()) {
    found->Add("train.clip_norm",
               "shortens a gradient by the length of all of it, also of the "
               "tables that are frozen",
               "leave it out, or optimizer: adam");
  }
}

}  // namespace ebb::job
