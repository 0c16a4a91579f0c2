#include "tools/ebb/sweep/study_journal.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;

class StudyJournalTest : public testing::Test {
 protected:
  StudyJournalTest() {
    const std::string path = folder_ / "study.yaml";
    EXPECT_TRUE(WriteFile(path, R"(name: rates
method: tpe
budget: {trials: 14}
halving: {first: 1, factor: 2}
space:
  rate: {log: [0.001, 1]}
  layers: {integer: [1, 9]}
)")
                    .ok());
    file_ = sweep::ReadStudyFile(path, {});
    EXPECT_TRUE(file_.ok()) << job::ToString(file_.mistakes);
  }

  std::unique_ptr<StudyJournal> Open() {
    auto opened = StudyJournal::Open(file_, Path());
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  std::string Path() const { return folder_ / "rates.study"; }
  static std::string Line(const absl::StatusOr<Json>& json) {
    return json.ok() ? json->ToLine() : std::string(json.status().message());
  }

  const TestFolder folder_;
  sweep::SweepFile file_;
};

TEST_F(StudyJournalTest, ARequestThatIsRepeatedIsOneTrial) {
  const std::string first = Line(Open()->Ask("a", 5));
  EXPECT_THAT(first, HasSubstr("{\"trial\": 0, \"set\": {"));
  EXPECT_EQ(Line(Open()->Ask("a", 6)), first);
  EXPECT_THAT(Line(Open()->Ask("b", 7)), HasSubstr("{\"trial\": 1, "));
  EXPECT_THAT(Line(Open()->Ask("", 8)), HasSubstr("{\"trial\": 2, "));
  EXPECT_EQ(Open()->trials().size(), 3u);
}

TEST_F(StudyJournalTest, WhatIsToldTwiceCountsOnce) {
  Open()->Ask("", 0).status().IgnoreError();
  const std::string line =
      R"({"trial": 0, "epoch": 1, "epochs": 4, "value": 0.5})";
  EXPECT_EQ(Line(Open()->Tell(line)),
            R"({"trial": 0, "counted": true, "go_on": true})");
  EXPECT_EQ(Line(Open()->Tell(line)),
            R"({"trial": 0, "counted": false, "go_on": true})");
  EXPECT_EQ(Line(Open()->Tell(R"({"trial": 0, "value": 0.25})")),
            R"({"trial": 0, "counted": true, "go_on": false})");
  EXPECT_EQ(Line(Open()->Tell(R"({"trial": 0, "value": 0.75})")),
            R"({"trial": 0, "counted": false, "go_on": false})");
  const auto journal = Open();
  const sweep::Trial& trial = journal->trials()[0];
  EXPECT_EQ(trial.state, sweep::TrialState::kComplete);
  ASSERT_EQ(trial.measured.size(), 2u);
  EXPECT_EQ(trial.measured[1].value, 0.25);
}

TEST_F(StudyJournalTest, TakesAFigureOfTheProgramsOwn) {
  const std::string path = folder_ / "own.yaml";
  const auto read = [&](const std::string& metric) {
    EXPECT_TRUE(
        WriteFile(path, absl::StrCat("name: own\nmethod: grid\n", metric,
                                     "space: {rate: [0.1, 0.2, 0.3]}\n"))
            .ok());
    return sweep::ReadStudyFile(path, {});
  };
  file_ = read("metric: reward\ngoal: max\n");
  ASSERT_TRUE(file_.ok()) << job::ToString(file_.mistakes);
  EXPECT_EQ(file_.sweep.metric, "reward");
  EXPECT_TRUE(file_.sweep.maximise);
  {
    const auto journal = Open();
    for (int i = 0; i < 3; ++i) journal->Ask("", i).status().IgnoreError();
    EXPECT_THAT(
        Line(journal->Tell(
            R"({"trial": 0, "epoch": 1, "epochs": 2, "reward": 1, "steps": 9})")),
        HasSubstr("\"counted\": true"));
    EXPECT_THAT(Line(journal->Tell(R"({"trial": 0, "reward": 1})")),
                HasSubstr("\"counted\": true"));
    EXPECT_THAT(Line(journal->Tell(R"({"trial": 1, "value": 3.5})")),
                HasSubstr("\"counted\": true"));
    EXPECT_THAT(Line(journal->Tell(R"({"trial": 2, "reward": "much"})")),
                HasSubstr("reward: is missing, or is not a finite number"));
    EXPECT_THAT(Line(journal->Tell(R"({"trial": 2, "rewrad": 3})")),
                HasSubstr("rewrad: a line has no such key\nhint: reward"));
  }
  const auto journal = Open();
  EXPECT_EQ(journal->trials()[0].measured.back().value, -1);
  EXPECT_EQ(journal->trials()[1].measured.back().value, -3.5);
  // Without a goal it may be a typing error.
  EXPECT_THAT(job::ToString(read("metric: reward\n").mistakes),
              HasSubstr("\"reward\" is none of loss, accuracy, "));
  EXPECT_THAT(job::ToString(read("metric: reward\n").mistakes),
              HasSubstr("hint: goal: max (or min), beside a figure of the "
                        "program's own"));
  EXPECT_THAT(job::ToString(read("metric: acuracy\n").mistakes),
              HasSubstr("hint: metric: accuracy"));
  EXPECT_THAT(job::ToString(read("metric: epoch\ngoal: min\n").mistakes),
              HasSubstr("is a key of each line that is told"));
  EXPECT_THAT(job::ToString(read("metric: a b\ngoal: min\n").mistakes),
              HasSubstr("is no word of at most 64 bytes"));
}

TEST_F(StudyJournalTest, HalvingStopsATrial) {
  const auto journal = Open();
  for (int i = 0; i < 2; ++i) journal->Ask("", i).status().IgnoreError();
  EXPECT_THAT(Line(journal->Tell(
                  R"({"trial": 0, "epoch": 1, "epochs": 4, "value": 0.1})")),
              HasSubstr("\"go_on\": true"));
  EXPECT_THAT(Line(journal->Tell(
                  R"({"trial": 1, "epoch": 1, "epochs": 4, "value": 0.9})")),
              HasSubstr("\"go_on\": false"));
}

TEST_F(StudyJournalTest, WrongLinesSayWhatIsRight) {
  const auto journal = Open();
  journal->Ask("", 0).status().IgnoreError();
  EXPECT_THAT(Line(journal->Tell("{")),
              HasSubstr("the line is no JSON object\nhint: "));
  // Bug: the error did not say what to do about a loss that diverged.
  EXPECT_THAT(Line(journal->Tell(R"({"trial": 0, "value": NaN})")),
              HasSubstr("say that the trial failed\nhint: "));
  EXPECT_THAT(Line(journal->Tell(R"({"trial": 1, "value": 1})")),
              HasSubstr("nothing asked for a trial of this number"));
  EXPECT_THAT(Line(journal->Tell(R"({"trial": 0, "value": "fast"})")),
              HasSubstr("value: is missing, or is not a finite number"));
  EXPECT_THAT(Line(journal->Tell(
                  R"({"trial": 0, "epoch": 5, "epochs": 4, "value": 1})")),
              HasSubstr("epoch: is not a whole number from 1 to epochs"));
  journal->Tell(R"({"trial": 0, "epoch": 3, "epochs": 4, "value": 1})")
      .status()
      .IgnoreError();
  EXPECT_THAT(Line(journal->Tell(
                  R"({"trial": 0, "epoch": 2, "epochs": 4, "value": 1})")),
              HasSubstr("epoch: 2 comes after epoch 3"));
  // Bug: halving then compared it as a trial of another length.
  EXPECT_THAT(Line(journal->Tell(
                  R"({"trial": 0, "epoch": 4, "epochs": 5, "value": 1})")),
              HasSubstr("epochs: 5, and it was 4 before"));
}

// Bug: an epoch that was misspelt ended the trial, and other keys had no hint.
TEST_F(StudyJournalTest, AKeyThatIsMisspeltIsToldTheNearest) {
  const auto journal = Open();
  journal->Ask("", 0).status().IgnoreError();
  EXPECT_EQ(Line(journal->Tell(R"({"trial": 0, "vaule": 0.5})")),
            "vaule: a line has no such key\nhint: value");
  EXPECT_EQ(Line(journal->Tell(
                R"({"trial": 0, "epohc": 1, "epochs": 4, "value": 0.5})")),
            "epohc: a line has no such key\nhint: epoch");
  // The program's own.
  EXPECT_THAT(
      Line(journal->Tell(
          R"({"trial": 0, "value": 1, "values": [1], "best_epoch": 3})")),
      HasSubstr("\"counted\": true"));
}

TEST_F(StudyJournalTest, AnotherStudyIsRefused) {
  Open();
  sweep::SweepFile other = file_;
  other.sweep.seed = 9;
  const auto opened = StudyJournal::Open(other, Path());
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(opened.status().message(), HasSubstr("is of the study rates"));
  // More trials are the same study.
  other = file_;
  other.sweep.budget.trials = 99;
  EXPECT_TRUE(StudyJournal::Open(other, Path()).ok());
}

// Bug: a file without a line break, given by mistake, was emptied.
TEST_F(StudyJournalTest, AFileOfAnythingElseStaysAsItIs) {
  for (const std::string& text :
       {std::string("notes without a line break"), std::string("{\"a\": 1}\n"),
        std::string("{\"a\": 1}\nand more"), std::string("{\"st")}) {
    std::ofstream(Path(), std::ios::trunc) << text;
    const auto opened = StudyJournal::Open(file_, Path());
    if (text == "{\"st") {  // A first line that a death cut off.
      EXPECT_TRUE(opened.ok()) << opened.status();
      continue;
    }
    EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(opened.status().message(),
                HasSubstr("the file is not that of a study"));
    EXPECT_EQ(*ReadFile(Path()), text);
  }
}

// Bug: an `ebb sweep tell` that stayed open kept all others waiting.
TEST_F(StudyJournalTest, SeveralHaveItOpen) {
  const auto one = Open();
  const auto other = Open();
  EXPECT_THAT(Line(one->Ask("a", 0)), HasSubstr("{\"trial\": 0, "));
  EXPECT_THAT(Line(other->Ask("b", 1)), HasSubstr("{\"trial\": 1, "));
  EXPECT_EQ(Line(other->Ask("a", 1)), Line(one->Ask("a", 1)));
  const std::string line = R"({"trial": 0, "value": 0.25})";
  EXPECT_EQ(Line(other->Tell(line)),
            R"({"trial": 0, "counted": true, "go_on": false})");
  EXPECT_EQ(Line(one->Tell(line)),
            R"({"trial": 0, "counted": false, "go_on": false})");
  std::filesystem::remove(Path());
  EXPECT_EQ(one->Tell(line).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(StudyJournalTest, DamageIsNotPassedOver) {
  Open();
  std::ofstream(Path(), std::ios::app) << "{\"ask\": 0\n{\"trial\": 0}\n";
  EXPECT_EQ(StudyJournal::Open(file_, Path()).status().code(),
            absl::StatusCode::kDataLoss);
}

// A process dies at any byte of what it writes, and its request is made again:
// the study is that of a process that lives.
TEST_F(StudyJournalTest, ADeathAtAnyByteLosesNoAnswerAndCountsNothingTwice) {
  const auto value = [](const StudyJournal& journal, int64_t number) {
    const auto& choices = journal.trials()[static_cast<size_t>(number)].choices;
    return std::abs(std::log(std::atof(choices.at("rate").c_str())) + 3);
  };
  // `reopen` gets the journal after each line, and how long its file was
  // before.
  const auto drive = [&](const auto& reopen) {
    std::string said;
    std::unique_ptr<StudyJournal> journal = Open();
    // Made twice: the answer is lost, and perhaps the line.
    const auto ask = [&](int64_t number) {
      const uintmax_t before = std::filesystem::file_size(Path());
      const std::string request = absl::StrCat("r", number);
      journal->Ask(request, number).status().IgnoreError();
      journal = reopen(std::move(journal), before);
      absl::StrAppend(&said, Line(journal->Ask(request, number)), "\n");
    };
    const auto tell = [&](int64_t number, const std::string& what) {
      const uintmax_t before = std::filesystem::file_size(Path());
      const std::string line =
          absl::StrCat("{\"trial\": ", number, ", ", what, "}");
      journal->Tell(line).status().IgnoreError();
      journal = reopen(std::move(journal), before);
      journal->Tell(line).status().IgnoreError();
    };
    for (int64_t number = 0; number < 14; ++number) {
      ask(number);
      const double loss = value(*journal, number);
      for (int epoch = 1; epoch <= 3; ++epoch) {
        tell(number,
             absl::StrCat("\"epoch\": ", epoch,
                          ", \"epochs\": 3, \"value\": ", loss / epoch));
      }
      tell(number, absl::StrCat("\"value\": ", loss / 3));
    }
    absl::StrAppend(&said, Line(journal->Ask("", 99)), "\n");
    for (const sweep::Trial& trial : journal->trials()) {
      absl::StrAppend(&said, trial.number, " ", static_cast<int>(trial.state),
                      " ", trial.measured.size(), "\n");
    }
    journal.reset();
    std::filesystem::remove(Path());
    return said;
  };
  const std::string expected =
      drive([](std::unique_ptr<StudyJournal> journal, uintmax_t /*before*/) {
        return journal;
      });
  EXPECT_THAT(expected, HasSubstr("{\"trial\": null, \"why\": "));
  uintmax_t deaths = 0;
  const std::string found =
      drive([&](std::unique_ptr<StudyJournal> journal, uintmax_t before) {
        journal.reset();
        // The line was not written whole, by a few bytes more each time.
        const uintmax_t size = std::filesystem::file_size(Path());
        std::filesystem::resize_file(Path(),
                                     before + deaths++ % (size - before + 1));
        return Open();
      });
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace ebb::tools
