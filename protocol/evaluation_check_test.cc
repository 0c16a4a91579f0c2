#include "protocol/evaluation_check.h"

#include <cstdint>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

std::string Refusal(int64_t examples, int64_t correct, Figures figures = {}) {
  EvaluationResult result;
  result.examples = examples;
  result.correct = correct;
  result.figures = std::move(figures);
  return std::string(CheckEvaluation(result).message());
}

TEST(EvaluationCheckTest, TakesWhatTheSchedulerTakes) {
  EXPECT_EQ(Refusal(0, 0), "");
  EXPECT_EQ(Refusal(5, -1), "");
  EXPECT_EQ(Refusal(5, 5), "");
  EXPECT_EQ(Refusal(5, 0, {{{"top_5", 0.9}, {std::string(32, 'a'), 1}}, {}}),
            "");
}

TEST(EvaluationCheckTest, NamesWhatIsWrong) {
  EXPECT_THAT(Refusal(-1, -1), HasSubstr("of -1 examples"));
  EXPECT_THAT(Refusal(5, 6), HasSubstr("6 correct of 5 examples"));
  EXPECT_THAT(Refusal(5, -2), HasSubstr("-2 correct of 5 examples"));
  for (const std::string& name : {std::string(), std::string("Top"),
                                  std::string("top-5"), std::string(33, 'a')}) {
    EXPECT_THAT(Refusal(1, 0, {{{name, 1}}, {}}),
                HasSubstr("figure \"" + name + "\""));
  }
  Figures many;
  many.named.resize(33, {"a", 1});
  EXPECT_THAT(Refusal(1, 0, many), HasSubstr("33 figures"));
}

}  // namespace
}  // namespace ebb
