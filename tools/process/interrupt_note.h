// Signals that end work between two of its steps.
#ifndef EBB_TOOLS_PROCESS_INTERRUPT_NOTE_H_
#define EBB_TOOLS_PROCESS_INTERRUPT_NOTE_H_

#include <array>
#include <csignal>

namespace ebb::tools {

// Notes the first SIGINT, SIGTERM or SIGHUP, whichever thread gets it, also one
// that was started before. For work that ends in good order between two steps.
// A second one does what it did before, so nothing becomes unstoppable. The
// destructor restores what was there. One at a time, and not beside a
// SignalWaiter. A signal that is ignored stays so.
class InterruptNote {
 public:
  InterruptNote();
  InterruptNote(const InterruptNote&) = delete;
  InterruptNote& operator=(const InterruptNote&) = delete;
  ~InterruptNote();

  // Thread-safe.
  bool noted() const;

 private:
  static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};
  std::array<struct sigaction, kSignals.size()> before_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_INTERRUPT_NOTE_H_
