// A part of a store's log that damage keeps from being read.
#ifndef EBB_SERVER_STORE_UNREAD_LOG_H_
#define EBB_SERVER_STORE_UNREAD_LOG_H_

#include <cstdint>
#include <string>

namespace ebb::server {

struct UnreadLog {
  std::string file;   // Its name within the database's folder.
  int64_t from = 0;   // The first byte of the first record that is not read.
  int64_t bytes = 0;  // From there to the file's end.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_UNREAD_LOG_H_
