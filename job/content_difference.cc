#include "job/content_difference.h"

#include "google/protobuf/util/message_differencer.h"
#include "job/early_end.h"
#include "job/specification.h"
#include "protocol/plan_change.h"
#include "protocol/plan_codec.h"

namespace ebb::job {

namespace {

using google::protobuf::util::MessageDifferencer;

v1::Specification ContentOf(v1::Specification specification) {
  specification.clear_source();
  specification.clear_request_id();
  specification.clear_submitted_unix_ms();
  specification.clear_token_hash();
  // These follow from the job, and older releases did not note them.
  specification.clear_positive_class();
  for (v1::DenseTable& table : *specification.mutable_tables()) {
    table.clear_dims();
  }
  return specification;
}

std::string EncodedPlan(const JobPlan& plan) {
  JobRecord record;
  record.plan = plan;
  return EncodeJobRecord(record);
}

}  // namespace

std::string ContentDifference(const JobRecord& known, const JobRecord& given) {
  if (known.name != given.name) return "name";
  auto one = ReadSpecification(known);
  const auto other = ReadSpecification(given);
  if (!one.ok() || !other.ok()) {
    return known.specification == given.specification ? "" : "specification";
  }
  bool ended = false;
  if (EndsEarlyAs(other->job(), one->job())) {
    TakeEpochs(other->job(), one->mutable_job());
    ended = true;
  }
  if (!MessageDifferencer::Equals(one->job(), other->job())) return "job file";
  if (one->train_index() != other->train_index() ||
      one->test_index() != other->test_index()) {
    return "data";
  }
  if (!MessageDifferencer::Equals(ContentOf(*one), ContentOf(*other))) {
    return "specification";
  }
  const bool same = ended ? MayEndAs(given.plan, known.plan).ok()
                          : EncodedPlan(known.plan) == EncodedPlan(given.plan);
  return same ? "" : "plan";
}

}  // namespace ebb::job
