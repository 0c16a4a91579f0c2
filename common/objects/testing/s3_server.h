// The S3 server of the tests as a process (s3_server.py).
#ifndef EBB_COMMON_OBJECTS_TESTING_S3_SERVER_H_
#define EBB_COMMON_OBJECTS_TESTING_S3_SERVER_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/objects/s3_objects.h"

namespace ebb {

// It serves the bucket "bucket", which is empty at first, until this object
// goes. Aborts the test program if Python or the server cannot start.
// Thread-compatible.
class S3Server {
 public:
  S3Server();
  ~S3Server();
  S3Server(const S3Server&) = delete;
  S3Server& operator=(const S3Server&) = delete;

  // One for the whole test program, emptied and without faults. It takes a
  // third of a second to start one.
  static S3Server& Shared();

  std::string endpoint() const;
  // "AWS_...=...", for a process that is to use it.
  std::vector<std::string> environment() const;
  // Options for the bucket, with retries that hardly wait.
  S3Options Options(const std::string& prefix = "") const;
  std::unique_ptr<S3Objects> Open(const std::string& prefix = "") const;

  // A JSON list, as s3_server.py says; replaces the faults before.
  void SetFaults(const std::string& faults);
  // Puts an empty object whose key ends with "/", as other tools do to make a
  // "folder". No ObjectStore puts such a key.
  void PutMarker(const std::string& key);
  // From now on, requests need no signature.
  void MakePublic();
  int64_t requests();
  // Uploads in parts that were begun, and neither ended nor aborted.
  int64_t open_uploads();

 private:
  int64_t Number(const std::string& path);
  std::string Control(const std::string& path, const std::string& body);

  Fd input_;  // The server ends when it is closed.
  pid_t pid_ = 0;
  int port_ = 0;
};

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_TESTING_S3_SERVER_H_
