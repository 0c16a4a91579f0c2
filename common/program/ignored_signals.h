// Signals that were ignored when this process started stay ignored: nohup
// ignores SIGHUP, and a shell without job control ignores SIGINT for background
// processes. So code that waits for a signal, or handles it, asks here first.
#ifndef EBB_COMMON_PROGRAM_IGNORED_SIGNALS_H_
#define EBB_COMMON_PROGRAM_IGNORED_SIGNALS_H_

#include <csignal>
#include <initializer_list>

namespace ebb {

bool IsIgnored(int signal);

// Returns those of `signals` that are not ignored. Only these may be blocked:
// the kernel keeps a blocked signal for the thread that waits for it, ignored
// or not.
sigset_t NotIgnored(std::initializer_list<int> signals);

}  // namespace ebb

#endif  // EBB_COMMON_PROGRAM_IGNORED_SIGNALS_H_
