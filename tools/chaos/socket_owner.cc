#include "tools/chaos/socket_owner.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ebb::chaos {

namespace {

// "0100007F:1F90": the address as the kernel prints it, a word of memory.
constexpr size_t kEndLength = 13;

std::string TableForm(const SocketAddress& end) {
  return absl::StrFormat("%08X:%04X", end.address, end.port);
}

// In an IPv6 address that stands for an IPv4 one, the latter is the last part.
absl::string_view LastPart(absl::string_view end) {
  return end.size() > kEndLength ? end.substr(end.size() - kEndLength) : end;
}

std::string ReadAll(const char* path) {
  std::string text;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;  // A kernel without IPv6 has no tcp6.
  std::array<char, 1 << 16> buffer;
  ssize_t n = 0;
  while ((n = read(fd, buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<size_t>(n));
  }
  close(fd);
  return text;
}

// Asks the kernel for the one socket, which it finds by a hash: to print its
// tables it walks through all of them, which takes 10 ms where they are large.
// 0: there is no such socket. Nothing: the kernel does not answer.
std::optional<uint64_t> AskForInode(int netlink, const PeerSocket& socket) {
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } question = {};
  question.header.nlmsg_len = sizeof(question);
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  inet_diag_req_v2& request = question.request;
  request.sdiag_family = AF_INET;
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_states = ~0u;
  request.id.idiag_src[0] = socket.local.address;
  request.id.idiag_sport = htons(static_cast<uint16_t>(socket.local.port));
  request.id.idiag_dst[0] = socket.remote.address;
  request.id.idiag_dport = htons(static_cast<uint16_t>(socket.remote.port));
  request.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (send(netlink, &question, sizeof(question), 0) !=
      static_cast<ssize_t>(sizeof(question))) {
    return std::nullopt;
  }
  // The answer is there when send() returns.
  alignas(nlmsghdr) std::array<char, 4096> answer;
  const ssize_t n = recv(netlink, answer.data(), answer.size(), MSG_DONTWAIT);
  if (n < static_cast<ssize_t>(sizeof(nlmsghdr))) return std::nullopt;
  const auto* const header = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (header->nlmsg_type == NLMSG_ERROR &&
      n >= static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) {
    const auto* const error = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
    if (error->error == -ENOENT) return 0;
  }
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
      n < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(inet_diag_msg)))) {
    return std::nullopt;
  }
  const auto* const found =
      static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  // Where there is no such connection, it gives one that listens.
  return found->id.idiag_dport == request.id.idiag_dport ? found->idiag_inode
                                                         : 0;
}

std::vector<uint64_t> GetInodes(std::span<const PeerSocket> sockets) {
  std::vector<uint64_t> inodes(sockets.size(), 0);
  const int netlink =
      socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  bool answered = netlink >= 0;
  for (size_t i = 0; answered && i < sockets.size(); ++i) {
    const auto inode = AskForInode(netlink, sockets[i]);
    answered = inode.has_value();
    inodes[i] = inode.value_or(0);
  }
  if (netlink >= 0) close(netlink);
  if (answered) return inodes;
  FindInodes(ReadAll("/proc/self/net/tcp"), sockets, &inodes);
  FindInodes(ReadAll("/proc/self/net/tcp6"), sockets, &inodes);
  return inodes;
}

// The inodes of the sockets that `pid` has open go to `found`. A process that
// is gone has none.
void AddSocketsOf(pid_t pid, std::vector<uint64_t>* found) {
  const std::string folder = absl::StrCat("/proc/", pid, "/fd");
  DIR* const fds = opendir(folder.c_str());
  if (fds == nullptr) return;
  std::array<char, 64> link;
  while (const dirent* entry = readdir(fds)) {
    const ssize_t n =
        readlinkat(dirfd(fds), entry->d_name, link.data(), link.size());
    if (n <= 0) continue;
    absl::string_view name(link.data(), static_cast<size_t>(n));
    uint64_t inode = 0;
    if (absl::ConsumePrefix(&name, "socket:[") &&
        absl::ConsumeSuffix(&name, "]") && absl::SimpleAtoi(name, &inode)) {
      found->push_back(inode);
    }
  }
  closedir(fds);
}

}  // namespace

void FindInodes(absl::string_view table, std::span<const PeerSocket> sockets,
                std::vector<uint64_t>* inodes) {
  std::map<std::string, size_t> wanted;
  for (size_t i = 0; i < sockets.size(); ++i) {
    wanted[absl::StrCat(TableForm(sockets[i].local), " ",
                        TableForm(sockets[i].remote))] = i;
  }
  for (const absl::string_view row : absl::StrSplit(table, '\n')) {
    // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
    std::array<absl::string_view, 10> fields;
    size_t n = 0;
    for (const absl::string_view field :
         absl::StrSplit(row, ' ', absl::SkipEmpty())) {
      fields[n++] = field;
      if (n == fields.size()) break;
    }
    if (n < fields.size()) continue;
    const auto match = wanted.find(
        absl::StrCat(LastPart(fields[1]), " ", LastPart(fields[2])));
    uint64_t inode = 0;
    if (match == wanted.end() || !absl::SimpleAtoi(fields[9], &inode)) continue;
    (*inodes)[match->second] = inode;
  }
}

std::vector<std::string> FindOwners(std::span<const PeerSocket> sockets,
                                    std::span<const DaemonProcess> daemons) {
  std::vector<std::string> owners(sockets.size());
  std::map<uint64_t, size_t> missing;
  const std::vector<uint64_t> inodes = GetInodes(sockets);
  for (size_t i = 0; i < inodes.size(); ++i) {
    if (inodes[i] != 0) missing[inodes[i]] = i;
  }
  for (const DaemonProcess& daemon : daemons) {
    if (missing.empty()) break;
    std::vector<uint64_t> open;
    AddSocketsOf(daemon.pid, &open);
    for (const uint64_t inode : open) {
      const auto match = missing.find(inode);
      if (match == missing.end()) continue;
      owners[match->second] = daemon.name;
      missing.erase(match);
    }
  }
  return owners;
}

}  // namespace ebb::chaos
