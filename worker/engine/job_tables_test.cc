#include "worker/engine/job_tables.h"

#include <string>

#include "ebb/v1/specification.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "protocol/plan.h"

namespace ebb::worker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class JobTablesTest : public testing::Test {
 protected:
  JobTablesTest() { specification_.set_format(1); }

  v1::DenseTable* AddTable(int64_t size) {
    v1::DenseTable* const table = specification_.add_tables();
    table->set_name("t");
    table->set_size(size);
    return table;
  }
  v1::Optimizer* Rule() {
    return specification_.mutable_job()->mutable_optimizer();
  }
  JobTables Tables() const {
    JobRecord record;
    record.specification = specification_.SerializeAsString();
    return JobTables(record);
  }

  v1::Specification specification_;
};

TEST_F(JobTablesTest, ATablesMomentumIsThatOfItsRule) {
  Rule()->set_kind(v1::Optimizer::KIND_MOMENTUM);
  Rule()->set_momentum(0.5);
  AddTable(3);
  AddTable(4);
  AddTable(1)->mutable_optimizer()->set_kind(v1::Optimizer::KIND_AVERAGE);
  v1::Optimizer* const adam = AddTable(2)->mutable_optimizer();
  adam->set_kind(v1::Optimizer::KIND_ADAMW);
  adam->set_beta1(0.75);
  AddTable(5)->set_frozen(true);
  AddTable(6);

  EXPECT_THAT(Tables().Momenta(),
              ElementsAre(MomentumRun{0, 7, 0.5}, MomentumRun{8, 10, 0.75},
                          MomentumRun{15, 21, 0.5}));
}

TEST_F(JobTablesTest, AnAbsentMomentumIsTheDefault) {
  Rule()->set_kind(v1::Optimizer::KIND_ADAM);
  AddTable(3);
  EXPECT_THAT(Tables().Momenta(), ElementsAre(MomentumRun{0, 3, 0.9F}));
  Rule()->set_kind(v1::Optimizer::KIND_NESTEROV);
  EXPECT_THAT(Tables().Momenta(), ElementsAre(MomentumRun{0, 3, 0.9F}));
}

TEST_F(JobTablesTest, OtherRulesHaveNone) {
  AddTable(3);
  for (const auto kind :
       {v1::Optimizer::KIND_SGD, v1::Optimizer::KIND_ADAGRAD,
        v1::Optimizer::KIND_RMSPROP, v1::Optimizer::KIND_FTRL}) {
    Rule()->set_kind(kind);
    EXPECT_THAT(Tables().Momenta(), IsEmpty());
  }
}

}  // namespace
}  // namespace ebb::worker
