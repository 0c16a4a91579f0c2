#include "common/program/flag_mistake.h"

#include <stdlib.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ebb {
namespace {

class FlagMistakeTest : public ::testing::Test {
 protected:
  FlagMistakeTest() {
    app_.require_subcommand(1);
    CLI::App* run = app_.add_subcommand("run");
    run->add_option("JOB", job_)->required();
    run->add_option("--workers", workers_)->check(CLI::Range(1, 8));
    run->add_option("--report", report_);
    run->add_option("--scale", scale_)
        ->envname("FLAG_MISTAKE_SCALE")
        ->check(CLI::NonNegativeNumber);
    CLI::App* sweep = app_.add_subcommand("sweep");
    sweep->add_option("SWEEP", job_);
    sweep->add_option("--run-dir", report_);
    sweep->add_subcommand("best")->add_option("SWEEP", job_)->required();
  }

  std::string Mistake(const std::vector<const char*>& arguments) {
    std::vector<const char*> argv = {"ebb"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const int argc = static_cast<int>(argv.size());
    try {
      app_.parse(argc, argv.data());
    } catch (const CLI::ParseError& error) {
      const std::string text = FlagMistake(app_, error, argc, argv.data());
      return text.substr(0, text.find('\n'));
    }
    return "";
  }

  CLI::App app_{"", "ebb"};
  std::string job_, report_;
  int workers_ = 0;
  int scale_ = 0;
};

// CLI11 says "The following arguments were not expected: 3 --wrokers".
TEST_F(FlagMistakeTest, NamesTheFlagThatIsNearest) {
  EXPECT_EQ(Mistake({"run", "a.yaml", "--wrokers", "3"}),
            "ebb run: there is no flag --wrokers; is it --workers?");
  EXPECT_EQ(Mistake({"run", "a.yaml", "--worker=3"}),
            "ebb run: there is no flag --worker; is it --workers?");
  EXPECT_EQ(Mistake({"run", "a.yaml", "--elephants"}),
            "ebb run: there is no flag --elephants");
  EXPECT_EQ(Mistake({"run", "a.yaml", "--keep"}),
            "ebb run: there is no flag --keep");
  EXPECT_EQ(Mistake({"--wrokers", "3", "run"}),
            "ebb: there is no flag --wrokers");
}

// Bug: "cannot make the folder : No such file or directory".
TEST_F(FlagMistakeTest, NamesTheArgumentThatIsEmpty) {
  const auto empty = [&](std::vector<const char*> argv) {
    argv.insert(argv.begin(), "ebb");
    return EmptyArgument(app_, static_cast<int>(argv.size()), argv.data());
  };
  EXPECT_EQ(empty({"run", "a.yaml", "--report", ""}),
            "ebb run: --report: the value is empty; is a variable of the shell "
            "not set?\n");
  EXPECT_EQ(empty({"sweep", "best", ""}),
            "ebb sweep best: argument 3 is empty; is a variable of the shell "
            "not set?\n");
  EXPECT_EQ(empty({"run", "a.yaml", "--report="}), "");
  EXPECT_EQ(empty({"run", "a.yaml", "--", ""}), "");
  EXPECT_EQ(empty({}), "");
}

// Bug: it named `ebb sweep`, and a flag that this has.
TEST_F(FlagMistakeTest, NamesTheCommandBelowOneThatNeedsNone) {
  EXPECT_EQ(Mistake({"sweep", "best", "--run-dir", "r"}),
            "ebb sweep best: there is no flag --run-dir");
  EXPECT_EQ(Mistake({"sweep", "a.yaml", "--run-dri", "r"}),
            "ebb sweep: there is no flag --run-dri; is it --run-dir?");
}

TEST_F(FlagMistakeTest, SaysWhatElseIsWrongInTheWordsOfTheParser) {
  EXPECT_EQ(Mistake({"run", "a.yaml", "--workers", "9"}),
            "ebb run: --workers: Value 9 not in range 1 to 8");
  EXPECT_EQ(Mistake({"run", "a.yaml", "--scale", "-1"}),
            "ebb run: --scale: Value -1 is too small");
  EXPECT_EQ(Mistake({"run", "a.yaml", "--scale", "abc"}),
            "ebb run: --scale: abc is no number");
  EXPECT_EQ(Mistake({"run", "a.yaml", "--workers", "many"}),
            "ebb run: --workers: many is no number");
  EXPECT_EQ(Mistake({"run", "--report", "run"}), "ebb run: JOB is required");
  EXPECT_EQ(Mistake({"run", "a.yaml", "b.yaml"}),
            "ebb run: The following argument was not expected: b.yaml");
}

// Bug: `ebb run` told of a daemon that refused what it had from the
// environment, and nobody knew where the value came from.
TEST_F(FlagMistakeTest, NamesTheVariableOfWhatNobodyTyped) {
  setenv("FLAG_MISTAKE_SCALE", "-1", 1);

  EXPECT_EQ(Mistake({"run", "a.yaml"}),
            "ebb run: --scale (FLAG_MISTAKE_SCALE): Value -1 is too small");
  EXPECT_EQ(Mistake({"run", "a.yaml", "--scale=-2"}),
            "ebb run: --scale: Value -2 is too small");
  EXPECT_EQ(Mistake({"run", "a.yaml", "--scale", "-2"}),
            "ebb run: --scale: Value -2 is too small");

  unsetenv("FLAG_MISTAKE_SCALE");
}

}  // namespace
}  // namespace ebb
