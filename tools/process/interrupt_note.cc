#include "tools/process/interrupt_note.h"

#include <atomic>
#include <cstddef>

#include "common/program/ignored_signals.h"

namespace ebb::tools {

namespace {

// Handlers have nothing else to write to. Pairs with InterruptNote::noted.
std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

}  // namespace

InterruptNote::InterruptNote() {
  interrupted = false;
  for (size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction note = {};
    note.sa_handler = [](int) { interrupted = true; };
    note.sa_flags = SA_RESTART | SA_RESETHAND;
    sigaction(kSignals[i], IsIgnored(kSignals[i]) ? nullptr : &note,
              &before_[i]);
  }
}

InterruptNote::~InterruptNote() {
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &before_[i], nullptr);
  }
}

bool InterruptNote::noted() const { return interrupted; }

}  // namespace ebb::tools
