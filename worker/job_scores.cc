#include "worker/job_scores.h"

#include <vector>

#include "job/positive_class.h"
#include "models/model_scores.h"
#include "worker/job_data.h"

namespace ebb::worker {

namespace {

std::vector<std::string> ClassTextsOf(const data::Index& train) {
  std::vector<std::string> texts;
  for (int64_t c = 0; c < std::ssize(train.classes); ++c) {
    texts.push_back(train.ClassText(c));
  }
  return texts;
}

}  // namespace

int64_t PlaceOfPositive(const v1::Job& job, const data::Index& train) {
  return job::FindPositive(job.data(), ClassTextsOf(train)).value_or(1);
}

std::optional<Scores> ScoresOf(const v1::Job& job, const data::Index& train,
                               const models::ModelDescription& description) {
  return models::ScoresOf(description, LabelScaleOf(job, train).units,
                          PlaceOfPositive(job, train));
}

std::string PositiveClassOf(const v1::Job& job, const data::Index& train) {
  if (train.classes.size() != 2) return "";
  return train.ClassText(PlaceOfPositive(job, train));
}

}  // namespace ebb::worker
