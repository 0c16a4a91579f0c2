#include "tools/ebb/sweep/sweep_table.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

sweep::Sweep Rates() {
  sweep::Sweep sweep;
  sweep.name = "digits";
  sweep.metric = "accuracy";
  sweep.maximise = true;
  sweep::Dimension rate;
  rate.key = "optimizer.rate";
  rate.values = {"0.1", "0.01"};
  sweep::Dimension layers;
  layers.key = "model.layers";
  layers.values = {"[4, 3]", "[4, 8, 3]"};
  sweep.space = {rate, layers};
  return sweep;
}

std::vector<sweep::Trial> Three() {
  std::vector<sweep::Trial> trials(3);
  for (size_t i = 0; i < trials.size(); ++i) {
    trials[i].number = static_cast<int64_t>(i);
    trials[i].job = 10 + i;
    trials[i].epochs = 3;
    trials[i].choices = {{"optimizer.rate", "0.1"}, {"model.layers", "[4, 3]"}};
  }
  trials[0].state = sweep::TrialState::kComplete;
  trials[0].measured = {{1, 5, -0.5}, {3, 9, -0.75}};
  trials[0].examples = 3000;
  trials[0].seconds = 2.5;
  trials[1].state = sweep::TrialState::kStopped;
  trials[1].trouble = "a gradient is not finite";
  trials[2].state = sweep::TrialState::kComplete;
  trials[2].measured = {{3, 9, -0.875}};
  return trials;
}

TEST(SweepTableTest, TheBestTrialIsTheFirstLine) {
  EXPECT_EQ(TrialsTable(Rates(), Three(), Console(), 10),
            R"(rank  trial  state     accuracy  epoch  examples  rate  layers
   1      2  complete    0.8750    3/3         0  0.1   [4, 3]
   2      0  complete    0.7500    3/3     3,000  0.1   [4, 3]
          1  failed                0/3         0  0.1   [4, 3]
)");
}

TEST(SweepTableTest, RowsThatAreLeftOutAreCounted) {
  const std::string text = TrialsTable(Rates(), Three(), Console(), 1);
  EXPECT_EQ(text.substr(text.size() - 7), "2 more\n");
}

TEST(SweepTableTest, Csv) {
  EXPECT_EQ(TrialsCsv(Rates(), Three()),
            "trial,job,state,rank,accuracy,epochs,examples,seconds,"
            "optimizer.rate,model.layers\n"
            "0,10,complete,2,0.75,3,3000,2.5,0.1,\"[4, 3]\"\n"
            "1,11,failed,,,0,0,,0.1,\"[4, 3]\"\n"
            "2,12,complete,1,0.875,3,0,,0.1,\"[4, 3]\"\n");
}

TEST(SweepTableTest, FoldsHaveAllFiguresAndTheirMeans) {
  sweep::Sweep sweep = Rates();
  sweep.space.clear();
  sweep.folds = 2;
  std::vector<sweep::Trial> trials = Three();
  trials.erase(trials.begin() + 1);
  trials[1].number = 1;
  trials[0].figures = {{"accuracy", 0.75}, {"log_loss", 0.5}};
  trials[1].figures = {{"accuracy", 0.875}, {"log_loss", 0.25}};
  EXPECT_EQ(TrialsTable(sweep, trials, Console(), 1),
            R"(     fold  state     epoch  examples  accuracy  log loss
        0  complete    3/3     3,000    0.7500    0.5000
        1  complete    3/3         0    0.8750    0.2500
     mean                               0.8125    0.3750
deviation                               0.0625    0.1250
)");
  EXPECT_EQ(TrialsCsv(sweep, trials),
            "trial,fold,job,state,accuracy,epochs,examples,seconds,log_loss\n"
            "0,0,10,complete,0.75,3,3000,2.5,0.5\n"
            "0,1,12,complete,0.875,3,0,,0.25\n");
  const std::string json = TrialsJson(sweep, trials).ToLine();
  EXPECT_NE(json.find("\"log_loss\": {\"mean\": 0.375, "
                      "\"deviation\": 0.125}"),
            std::string::npos)
      << json;
}

TEST(SweepTableTest, SettingsAreRankedByTheMeanOfTheirFolds) {
  sweep::Sweep sweep = Rates();
  sweep.folds = 2;
  std::vector<sweep::Trial> trials = Three();
  trials.erase(trials.begin() + 1);
  trials[1].number = 1;
  EXPECT_EQ(
      TrialsTable(sweep, trials, Console(), 10),
      R"(rank  trial  state     accuracy  deviation  epoch  examples  rate  layers
   1      0  complete    0.8125     0.0625    3/3     3,000  0.1   [4, 3]
)");
  EXPECT_EQ(TrialsCsv(sweep, trials),
            "trial,fold,job,state,rank,accuracy,epochs,examples,seconds,"
            "optimizer.rate,model.layers\n"
            "0,0,10,complete,1,0.75,3,3000,2.5,0.1,\"[4, 3]\"\n"
            "0,1,12,complete,1,0.875,3,0,,0.1,\"[4, 3]\"\n");
}

TEST(SweepTableTest, JsonTellsTheBestAndWhyATrialFailed) {
  const std::string json = TrialsJson(Rates(), Three()).ToLine();
  EXPECT_NE(json.find("\"best\": 2"), std::string::npos) << json;
  EXPECT_NE(json.find("\"why\": \"a gradient is not finite\""),
            std::string::npos)
      << json;
}

}  // namespace
}  // namespace ebb::tools
