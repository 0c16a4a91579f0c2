#include "common/program/daemon.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "common/program/ignored_signals.h"

namespace ebb {

namespace {

constexpr absl::string_view kAddressExample =
    ", like localhost:7000 or [::1]:7000";

// fe80::1, or fe80::1%eth0 with the zone that it is in.
bool IsIpv6(absl::string_view host) {
  const size_t zone = host.find('%');
  if (zone + 1 == host.size()) return false;
  in6_addr address = {};
  return inet_pton(AF_INET6, std::string(host.substr(0, zone)).c_str(),
                   &address) == 1;
}

// A name, an IPv4 address, or an IPv6 address in brackets.
bool IsHost(absl::string_view host) {
  if (absl::ConsumePrefix(&host, "[")) {
    return absl::ConsumeSuffix(&host, "]") && IsIpv6(host);
  }
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
           c == '-' || c == '_';
  });
}

bool IsHostAndPort(absl::string_view address, bool listens) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return false;
  const absl::string_view digits = address.substr(colon + 1);
  int port = -1;
  return IsHost(address.substr(0, colon)) &&
         std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(digits, &port) && port >= (listens ? 0 : 1) &&
         port <= 65535;
}

// HOST:PORT, or what gRPC calls so.
bool IsAddress(absl::string_view address, bool listens) {
  // It has no port.
  if (absl::StartsWith(address, "unix:")) return true;
  // "dns:HOST:PORT", "dns:///HOST:PORT", "dns://SERVER/HOST:PORT".
  if (absl::ConsumePrefix(&address, "dns:")) {
    if (absl::ConsumePrefix(&address, "//")) {
      const size_t slash = address.find('/');
      if (slash == absl::string_view::npos) return false;
      address.remove_prefix(slash + 1);
    }
  } else if (absl::ConsumePrefix(&address, "ipv4:") ||
             absl::ConsumePrefix(&address, "ipv6:")) {
    const std::vector<absl::string_view> all = absl::StrSplit(address, ',');
    return std::all_of(all.begin(), all.end(), [=](absl::string_view one) {
      return IsHostAndPort(one, listens);
    });
  }
  return IsHostAndPort(address, listens);
}

}  // namespace

void ConfigureMalloc() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
}

void SkipMutexChecks() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

void ShareHeap() { mallopt(M_ARENA_MAX, 1); }

absl::Status DieWithParent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // It may have died before.
  if (getppid() != parent) {
    return absl::FailedPreconditionError(
        absl::StrCat("the parent process ", parent, " is dead"));
  }
  return absl::OkStatus();
}

SessionId NewSession() {
  uint64_t value = 0;
  while (value == 0) {
    if (getrandom(&value, sizeof(value), 0) != sizeof(value)) std::abort();
  }
  return SessionId(value);
}

absl::Status WriteAddressFile(const std::string& path,
                              absl::string_view address) {
  const std::string temporary = absl::StrCat(path, ".", getpid());
  const std::string text = absl::StrCat(address, "\n");
  const int fd =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool written = fd >= 0 && write(fd, text.data(), text.size()) ==
                                static_cast<ssize_t>(text.size());
  int error = errno;
  if (fd >= 0) close(fd);
  if (written && std::rename(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
    written = false;
  }
  if (written) return absl::OkStatus();
  if (fd >= 0) unlink(temporary.c_str());
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return absl::Status(full ? absl::StatusCode::kResourceExhausted
                           : absl::StatusCode::kUnavailable,
                      absl::StrCat("cannot write the address file ", path, ": ",
                                   std::strerror(error)));
}

StopSignal::StopSignal() : signals_(NotIgnored({SIGTERM, SIGINT})) {
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  // A peer that is gone is an error of the call, not of the process.
  std::signal(SIGPIPE, SIG_IGN);
  // A file that may not grow (ulimit -f) is an error to tell of, as a full
  // disk.
  std::signal(SIGXFSZ, SIG_IGN);
}

int StopSignal::Wait() const {
  int signal = 0;
  sigwait(&signals_, &signal);
  return signal;
}

int StopSignal::WaitFor(absl::Duration patience) const {
  const timespec limit = absl::ToTimespec(patience);
  // Interrupted by a signal that is none of these, it may end early.
  return std::max(sigtimedwait(&signals_, nullptr, &limit), 0);
}

std::string ParseFlagDuration(const std::string& text,
                              absl::Duration* duration) {
  if (!absl::ParseDuration(text, duration) ||
      *duration < absl::ZeroDuration()) {
    return absl::StrCat("\"", text,
                        "\" is no duration; write 10s, 500ms or 1h30m");
  }
  return "";
}

std::string CheckFlagAddress(absl::string_view address, bool listens) {
  return IsAddress(address, listens)
             ? ""
             : absl::StrCat("\"", address, "\" is no address; write HOST:PORT",
                            kAddressExample);
}

std::string TakeFlagAddress(std::string* address, bool listens) {
  absl::StripAsciiWhitespace(address);
  return CheckFlagAddress(*address, listens);
}

std::string CheckFlagAdvertise(absl::string_view address) {
  return address.empty() || IsHost(address) ||
                 IsAddress(address, /*listens=*/false)
             ? ""
             : absl::StrCat("\"", address,
                            "\" is no address; write HOST or HOST:PORT",
                            kAddressExample);
}

std::string WithBrackets(std::string address) {
  return IsIpv6(address) ? absl::StrCat("[", address, "]") : address;
}

}  // namespace ebb
