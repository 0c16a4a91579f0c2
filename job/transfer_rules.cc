#include "job/transfer_rules.h"

#include <string>

#include "absl/strings/match.h"
#include "job/traits.h"

namespace ebb::job {
namespace {

// Why such a model has no tables to take or to keep; null: it has.
const char* WhyNotOf(const v1::Model& model) {
  const v1::ModelTraits& traits = TraitsOf(model);
  if (traits.clusters()) {
    return "kmeans begins with centroids, and moves all of them";
  }
  if (traits.boosted() || traits.forest()) {
    return "trees are grown from the data, and not trained further";
  }
  if (traits.topics()) {
    return "topics are counts of the documents of this job";
  }
  if (traits.words()) {
    return "the words of another text have other numbers, and so other rows";
  }
  return nullptr;
}

void CheckStart(const v1::Job& job, Complaints* found) {
  if (job.model().has_initial()) {
    found->Add("start",
               "is another way to say what the tables begin with than "
               "model.initial",
               "leave one of them out: model.initial takes all tables of a "
               "file, with the state of its optimizer");
  }
  if (const char* why = WhyNotOf(job.model())) {
    found->Add("start", why, "leave it out");
  }
  const std::string& from = job.start().from();
  if (from == "job:" || absl::StartsWith(from, "job:@")) {
    found->Add("start.from", "does not say which job", "from: job:NAME");
  }
}

}  // namespace

void CheckTransferRules(const v1::Job& job, Complaints* found) {
  if (job.has_start()) CheckStart(job, found);
  if (job.freeze().empty()) return;
  if (const char* why = WhyNotOf(job.model())) {
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
