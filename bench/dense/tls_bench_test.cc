#include "bench/dense/tls_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebb::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

// One pair in which TLS takes `times` the CPU.
TlsReport ReportOf(double times) {
  const std::vector<double> ours = {0.5 * times}, plain = {0.5};
  return {.machine = "a machine",
          .rows = {MakeRow("push 4 MiB, 8 in flight", "CPU s/GB", ours, plain,
                           TlsCpuBound(4 * kMiB))}};
}

TEST(TlsBenchTest, LargeModelsMayCostSoMuchMore) {
  for (const int64_t bytes : {4 * kMiB, 16 * kMiB}) {
    EXPECT_TRUE(TlsCpuBound(bytes)->Allows(2.5));
    EXPECT_FALSE(TlsCpuBound(bytes)->Allows(2.51));
  }
  EXPECT_FALSE(TlsCpuBound(kMiB).has_value());
}

TEST(TlsBenchTest, ATextSaysWhatIsComparedAndWhetherItHolds) {
  const TlsReport good = ReportOf(2.4), bad = ReportOf(3);

  EXPECT_TRUE(AllHold(good.rows));
  EXPECT_FALSE(AllHold(bad.rows));
  EXPECT_THAT(TlsText(bad), AllOf(HasSubstr("PLAIN"), HasSubstr("3.00"),
                                  HasSubstr("<= 2.5"), HasSubstr("MISSED")));
}

TEST(TlsBenchTest, FiguresHaveTheRows) {
  tools::Json json = tools::Json::Object();

  AddTlsReport(ReportOf(3), &json);

  EXPECT_THAT(json.ToString(),
              AllOf(HasSubstr("push 4 MiB, 8 in flight"),
                    HasSubstr("\"at_most\""), HasSubstr("\"all_hold\"")));
}

}  // namespace
}  // namespace ebb::bench
