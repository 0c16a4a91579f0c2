#include "tools/ebb/sweep/sweep_page.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

sweep::Sweep Rates() {
  sweep::Sweep sweep;
  sweep.name = "digits";
  sweep.metric = "loss";
  sweep::Dimension kind;
  kind.key = "optimizer.kind";
  kind.values = {"sgd", "<b>"};
  sweep::Dimension rate;
  rate.key = "optimizer.rate";
  rate.kind = sweep::Dimension::Kind::kRange;
  rate.low = 0.01;
  rate.high = 1;
  rate.log = true;
  rate.when = {"optimizer.kind", {"sgd"}};
  sweep.space = {kind, rate};
  return sweep;
}

std::vector<sweep::Trial> Three() {
  std::vector<sweep::Trial> trials(3);
  for (size_t i = 0; i < trials.size(); ++i) {
    trials[i].number = static_cast<int64_t>(i);
    trials[i].state = sweep::TrialState::kComplete;
    trials[i].choices = {{"optimizer.kind", "sgd"}, {"optimizer.rate", "0.1"}};
    trials[i].measured = {{1, 5, 0.5}, {2, 9, 0.25 + static_cast<double>(i)}};
  }
  trials[2].choices = {{"optimizer.kind", "<b>"}};
  return trials;
}

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(SweepPageTest, EveryTrialIsALineThroughItsChoices) {
  const std::string svg = ParallelCoordinates(Rates(), Three());
  EXPECT_EQ(CountOf(svg, "<polyline"), 3u);
  EXPECT_THAT(svg, HasSubstr("trial 2: loss 2.2500; optimizer.kind &lt;b&gt;"));
}

TEST(SweepPageTest, ASliceHasThoseThatHaveTheKey) {
  const sweep::Sweep sweep = Rates();
  EXPECT_EQ(CountOf(SlicePlot(sweep, Three(), sweep.space[0]), "<circle"), 3u);
  EXPECT_EQ(CountOf(SlicePlot(sweep, Three(), sweep.space[1]), "<circle"), 2u);
}

TEST(SweepPageTest, ThePageHasEverythingAndNoMarkupOfTheUsers) {
  const std::string page = SweepPage(Rates(), Three());
  EXPECT_THAT(page, HasSubstr("best: trial 0, loss 0.2500"));
  EXPECT_THAT(page, HasSubstr("loss by optimizer.rate"));
  EXPECT_THAT(page, HasSubstr("loss by epoch"));
  EXPECT_THAT(page, Not(HasSubstr("<b>")));
}

TEST(SweepPageTest, AFigureOfOneClassNamesIt) {
  sweep::Sweep sweep = Rates();
  sweep.metric = "f1";
  sweep.maximise = true;
  std::vector<sweep::Trial> trials = Three();
  for (sweep::Trial& trial : trials) {
    trial.measured = {{1, 5, -0.25}, {2, 10, -0.5}};
    trial.positive_class = "left";
  }
  EXPECT_THAT(SweepPage(sweep, trials),
              HasSubstr("best: trial 0, f1 of 'left' 0.5000"));
  EXPECT_THAT(SweepPage(sweep, trials), HasSubstr("f1 of 'left' by epoch"));
  sweep.metric = "accuracy";
  EXPECT_THAT(SweepPage(sweep, trials), Not(HasSubstr("'left'")));
}

TEST(SweepPageTest, TheFiguresOfFoldsNameTheirClass) {
  sweep::Sweep sweep;
  sweep.name = "digits";
  sweep.metric = "loss";
  sweep.folds = 2;
  std::vector<sweep::Trial> trials(2);
  for (size_t i = 0; i < trials.size(); ++i) {
    trials[i].number = static_cast<int64_t>(i);
    trials[i].state = sweep::TrialState::kComplete;
    trials[i].measured = {{1, 5, 0.5}};
    trials[i].figures = {{"accuracy", 0.75}, {"recall", 0.25}};
    trials[i].positive_class = "left";
  }
  const std::string page = SweepPage(sweep, trials);
  EXPECT_THAT(page, HasSubstr("<th>accuracy</th>"));
  EXPECT_THAT(page, HasSubstr("<th>recall of 'left'</th>"));
}

TEST(SweepPageTest, WithoutResultsItSaysSo) {
  EXPECT_THAT(SweepPage(Rates(), {}), HasSubstr("no trial has a result yet"));
  EXPECT_EQ(ParallelCoordinates(Rates(), {}), "");
}

}  // namespace
}  // namespace ebb::tools
