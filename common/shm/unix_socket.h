// How two processes of one machine meet: a Unix socket in the abstract
// namespace, which hands over descriptors and tells when the other one ends.
#ifndef EBB_COMMON_SHM_UNIX_SOCKET_H_
#define EBB_COMMON_SHM_UNIX_SOCKET_H_

#include <sys/types.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/shm/memory_file.h"

namespace ebb::shm {

// Id of this boot of the machine; empty: unknown.
std::string BootId();
// `bytes` of the system's randomness. Aborts where it has none.
std::string RandomBytes(int bytes);

// Listens at `name`, of letters and digits. Unavailable: it cannot.
absl::StatusOr<Fd> ListenLocally(const std::string& name);
// Accepts the next connection; Unavailable: there is none.
absl::StatusOr<Fd> AcceptLocally(int listening);
absl::StatusOr<Fd> ConnectLocally(const std::string& name);

// The process at the other end of a connection, as the kernel says.
struct Peer {
  pid_t pid = 0;  // 0: of another namespace.
  // Ends with that process (poll); none: unknown.
  Fd process;
};
// PermissionDenied: a process of another user.
absl::StatusOr<Peer> PeerOfSameUser(int socket);
// Its process has ended. False also where that cannot be known.
bool HasEnded(const Peer& peer);
// It closed the connection, or it ended; other processes may still have its
// descriptors.
bool IsGone(int socket, const Peer& peer);

// Shows the other side that this end is done, even if other processes have the
// socket.
void Disconnect(int socket);

// One message, whole, with descriptors. Never blocks: Unavailable.
absl::Status SendMessage(int socket, absl::string_view bytes,
                         std::initializer_list<int> fds);
struct Message {
  std::string bytes;
  std::vector<Fd> fds;
};
// Waits for at most `limit`: then Unavailable, as when the other one is gone.
absl::StatusOr<Message> ReceiveMessage(int socket, absl::Duration limit);

}  // namespace ebb::shm

#endif  // EBB_COMMON_SHM_UNIX_SOCKET_H_
