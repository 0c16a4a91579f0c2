// A sweep whose trials a program runs by itself, by ask and tell.
//
//   Study study(sweep, {});
//   while (const auto trial = study.Ask(now)) {
//     for (int epoch = 1; epoch <= epochs; ++epoch) {
//       ... train with trial->choices ...
//       if (!study.Tell(trial->number, epoch, epochs, loss)) break;
//     }
//     study.Finish(trial->number);
//   }
//
#ifndef EBB_SWEEP_STUDY_H_
#define EBB_SWEEP_STUDY_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "sweep/sweep.h"

namespace ebb::sweep {

// Not thread-safe.
class Study {
 public:
  // Goes on from the trials of another Study of this sweep, by number.
  Study(Sweep sweep, std::vector<Trial> trials)
      : sweep_(std::move(sweep)), trials_(std::move(trials)) {}

  // A trial that a former Study of this sweep gave: it runs, and nothing has
  // been told of it. Trials come in their order.
  void Restore(Step::Begin begin, int64_t began_unix_ms);
  // The next trial, which runs from now on. Absent: the budget is used up, or
  // every point of the space has been tried.
  std::optional<Step::Begin> Ask(int64_t now_unix_ms);
  // The metric of a trial after so many of its epochs. False: halving stops
  // the trial, which is over then. Also false for a trial that is over, or that
  // was never asked for.
  bool Tell(int64_t number, int32_t epoch, int32_t epochs, double metric);
  // The trial is over, and its last metric is its result. False: as of Tell.
  bool Finish(int64_t number);
  // The trial is over with this result, which halving does not judge: there is
  // nothing left to stop. False: as of Tell.
  bool Finish(int64_t number, double metric);
  // The trial is over without a result that counts. False: as of Tell.
  bool Fail(int64_t number);

  const std::vector<Trial>& trials() const { return trials_; }

 private:
  // Null: it does not run.
  Trial* Running(int64_t number);
  void Record(int32_t epoch, int32_t epochs, double metric, Trial* trial);

  Sweep sweep_;
  std::vector<Trial> trials_;
};

}  // namespace ebb::sweep

#endif  // EBB_SWEEP_STUDY_H_
