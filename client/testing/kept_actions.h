// The actions of a worker's core, kept in lists, for tests.
#ifndef EBB_CLIENT_TESTING_KEPT_ACTIONS_H_
#define EBB_CLIENT_TESTING_KEPT_ACTIONS_H_

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "client/actions.h"
#include "gtest/gtest.h"

namespace ebb::client::testing {

class KeptActions : public ::testing::Test {
 protected:
  // Keeps what the event asks for; what earlier events asked for is gone.
  template <typename Event>
  void On(Event event) {
    ClientActions actions;
    event(&actions);
    pushes_.clear();
    pulls_.clear();
    sent_.clear();
    computes_.clear();
    evaluates_.clear();
    wanted_.clear();
    logged_.clear();
    lost_evaluations_ = 0;
    for (ClientAction& action : actions) {
      if (auto* push = std::get_if<SendPush>(&action)) {
        pushes_.push_back(std::move(*push));
      } else if (auto* pull = std::get_if<SendPull>(&action)) {
        pulls_.push_back(*pull);
        open_pulls_.push_back(std::move(*pull));
      } else if (auto* send = std::get_if<SendScheduler>(&action)) {
        sent_.push_back(std::move(send->message));
      } else if (auto* compute = std::get_if<Compute>(&action)) {
        computes_.push_back(compute->task);
      } else if (auto* expect = std::get_if<Expect>(&action)) {
        expected_.push_back(std::move(expect->values));
      } else if (auto* evaluate = std::get_if<Evaluate>(&action)) {
        evaluates_.push_back(evaluate->task);
        ++evaluations_;
      } else if (std::holds_alternative<LoseEvaluation>(action)) {
        ++lost_evaluations_;
      } else if (auto* find = std::get_if<FindRows>(&action)) {
        wanted_.push_back(std::move(*find));
      } else if (auto* log = std::get_if<LogEvent>(&action)) {
        logged_.push_back(std::move(log->text));
      }
    }
  }

  std::vector<SendPush> pushes_;
  std::vector<SendPull> pulls_;
  std::vector<WorkerToScheduler> sent_;
  std::vector<ComputeTask> computes_;
  std::vector<EvaluateTask> evaluates_;
  std::vector<FindRows> wanted_;
  std::vector<std::string> logged_;
  int lost_evaluations_ = 0;
  // All so far; tests take them out.
  std::vector<SendPull> open_pulls_;
  std::vector<PulledValuesPtr> expected_;
  int evaluations_ = 0;
};

}  // namespace ebb::client::testing

#endif  // EBB_CLIENT_TESTING_KEPT_ACTIONS_H_
