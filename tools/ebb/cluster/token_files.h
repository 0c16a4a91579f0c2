// The tokens of the jobs that this user submitted: a file each, that only this
// user can read.
#ifndef EBB_TOOLS_EBB_CLUSTER_TOKEN_FILES_H_
#define EBB_TOOLS_EBB_CLUSTER_TOKEN_FILES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"

namespace ebb::tools {

// ebb/tokens in $XDG_STATE_HOME, or in .local/state of $HOME; empty: there is
// neither.
std::string TokenFolder();

// The token of this user's job; empty: the folder has none.
std::string KnownToken(const std::string& folder, JobId job);

// Warns the keeper of a token that all users of the machine can read the file;
// empty: they cannot. A group may read it, as with secrets mounted for other
// users than root.
std::string TokenFileWarning(const std::string& file);

// The token of a job that is about to be submitted. It is in a file before the
// scheduler gets its hash: a job whose token is lost could only be looked at.
class TokenToSubmit {
 public:
  // Takes the token in `file`, or puts a new one there. Without `file` the
  // token is in the folder, under the submission's name until the job has a
  // number. InvalidArgument: it cannot be read or written, and the message says
  // what to do.
  static absl::StatusOr<TokenToSubmit> Take(const std::string& file,
                                            const std::string& folder,
                                            absl::string_view request_id);

  const std::string& token() const { return token_; }
  // The job exists. Returns the file of its token from now on: an earlier try
  // with the same request may have left one.
  absl::StatusOr<std::string> Keep(JobId job) const;
  // The same for a process that died before the scheduler's answer came. OK:
  // also if the folder has no token of this request.
  static absl::Status KeepAnswered(const std::string& folder,
                                   absl::string_view request_id, JobId job);
  // The job was refused: removes what was written for it. A token of an earlier
  // try stays, as the job may exist since.
  void Drop() const;
  // The token's file until Keep.
  const std::string& file() const { return file_; }

 private:
  std::string token_;
  std::string file_;
  std::string folder_;   // Empty: the file was named.
  bool is_new_ = false;  // Made by this try.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CLUSTER_TOKEN_FILES_H_
