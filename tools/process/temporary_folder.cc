#include "tools/process/temporary_folder.h"

#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <set>
#include <system_error>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/status_macros.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

constexpr std::array kEndingSignals = {SIGINT, SIGTERM, SIGHUP};

// A handler reaches only what is global. The thread of
// InterruptedFolders reads what EndByThread writes.
std::atomic<bool> armed{false};     // There is such a thread.
std::atomic<int> ending_signal{0};  // Zero: none came.
static_assert(std::atomic<int>::is_always_lock_free);
sem_t woken;

// A handler. The signal's action is the default one by now (SA_RESETHAND).
void EndByThread(int signal) {
  if (!armed) {
    raise(signal);  // It ends the process when this function has returned.
    return;
  }
  const int error = errno;
  ending_signal = signal;
  sem_post(&woken);
  errno = error;
}

Mutex lifetime_mu;
std::weak_ptr<InterruptedFolders> living ABSL_GUARDED_BY(lifetime_mu);

void RemoveAll(const std::string& path) {
  // Another thread may write into it meanwhile.
  constexpr int kTries = 10;
  std::error_code error;
  for (int i = 0; i < kTries; ++i) {
    fs::remove_all(path, error);
    if (!error) return;
  }
}

}  // namespace

// The temporary folders that there are, the handlers of the signals, and the
// thread that removes the folders. It exists as long as there are folders.
// Thread-safe, apart from its constructor and destructor.
class InterruptedFolders {
 public:
  static std::shared_ptr<InterruptedFolders> Get() {
    MutexLock lock(&lifetime_mu);
    std::shared_ptr<InterruptedFolders> folders = living.lock();
    if (folders == nullptr) {
      folders = std::make_shared<InterruptedFolders>();
      living = folders;
    }
    return folders;
  }
  static void Release(std::shared_ptr<InterruptedFolders>* folders) {
    MutexLock lock(&lifetime_mu);
    folders->reset();
  }

  // Use Get and Release: there is one at a time.
  InterruptedFolders() {
    ending_signal = 0;
    sem_init(&woken, 0, 0);
    armed = true;
    // A signal for another thread must not be handled on this one.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { RemoveWhenWoken(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    for (const int signal : kEndingSignals) {
      struct sigaction now = {};
      sigaction(signal, nullptr, &now);
      if (now.sa_handler != SIG_DFL) continue;
      struct sigaction end = {};
      end.sa_handler = EndByThread;
      end.sa_flags = SA_RESTART | SA_RESETHAND;
      sigaction(signal, &end, nullptr);
    }
  }
  ~InterruptedFolders() {
    for (const int signal : kEndingSignals) {
      struct sigaction now = {};
      sigaction(signal, nullptr, &now);
      // An InterruptNote that has another one restores EndByThread later.
      if (now.sa_handler == EndByThread) std::signal(signal, SIG_DFL);
    }
    armed = false;
    sem_post(&woken);
    thread_.join();
    sem_destroy(&woken);
  }
  InterruptedFolders(const InterruptedFolders&) = delete;
  InterruptedFolders& operator=(const InterruptedFolders&) = delete;

  // Makes a folder by mkdtemp(3). Once it is there, it is removed.
  absl::StatusOr<std::string> Make(const std::string& pattern) {
    std::string path = pattern;
    MutexLock lock(&mu_);
    if (mkdtemp(path.data()) == nullptr) {
      return absl::ErrnoToStatus(
          errno, absl::StrCat("cannot make the temporary folder ", pattern));
    }
    paths_.insert(path);
    return path;
  }
  void Remove(const std::string& path) {
    RemoveAll(path);
    MutexLock lock(&mu_);
    paths_.erase(path);
  }
  // Chooses the words that a signal prints.
  void SetWords(std::string words) {
    MutexLock lock(&mu_);
    words_ = std::move(words);
  }

 private:
  void RemoveWhenWoken() {
    while (sem_wait(&woken) != 0) {
    }
    const int signal = ending_signal;
    if (signal == 0) return;  // The last folder is gone.
    // It is never unlocked again: no folder is made after this.
    MutexLock lock(&mu_);
    for (const std::string& path : paths_) RemoveAll(path);
    // The process ends: nothing is done about a terminal that is gone.
    [[maybe_unused]] const ssize_t n =
        write(STDERR_FILENO, words_.data(), words_.size());
    std::signal(signal, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    raise(signal);
    // The first process of a container does not end by it.
    constexpr int kEndedBySignal = 128;
    _exit(kEndedBySignal + signal);
  }

  std::thread thread_;
  Mutex mu_;
  std::set<std::string> paths_ ABSL_GUARDED_BY(mu_);
  std::string words_ ABSL_GUARDED_BY(mu_);
};

std::string FolderOfTemporaryFiles() {
  std::error_code error;
  const fs::path folder = fs::temp_directory_path(error);
  return error ? "." : folder.string();
}

absl::StatusOr<TemporaryFolder> TemporaryFolder::Make(
    const std::string& front) {
  std::error_code error;  // mkdtemp tells.
  const fs::path above = fs::path(front).parent_path();
  if (!above.empty()) fs::create_directories(above, error);
  std::shared_ptr<InterruptedFolders> folders = InterruptedFolders::Get();
  absl::StatusOr<std::string> path =
      folders->Make(absl::StrCat(front, "-XXXXXX"));
  if (!path.ok()) {
    InterruptedFolders::Release(&folders);
    return path.status();
  }
  return TemporaryFolder(*std::move(path), std::move(folders));
}

InterruptWords::InterruptWords(std::string words)
    : interrupted_(InterruptedFolders::Get()) {
  interrupted_->SetWords(std::move(words));
}

InterruptWords::~InterruptWords() {
  interrupted_->SetWords("");
  InterruptedFolders::Release(&interrupted_);
}

TemporaryFolder::~TemporaryFolder() {
  if (path_.empty()) return;
  interrupted_->Remove(path_);
  InterruptedFolders::Release(&interrupted_);
}

}  // namespace ebb::tools
