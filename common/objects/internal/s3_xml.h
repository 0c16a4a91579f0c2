// The documents that S3 and the token service answer with.
#ifndef EBB_COMMON_OBJECTS_INTERNAL_S3_XML_H_
#define EBB_COMMON_OBJECTS_INTERNAL_S3_XML_H_

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/objects/credentials.h"
#include "common/objects/object_store.h"

namespace ebb {

// The longest document that is read.
inline constexpr size_t kMostXmlBytes = size_t{16} << 20;

// A ListBucketResult: the answer to "list-type=2". Unavailable: it is another
// document (a proxy's page, perhaps), or says what cannot be.
absl::StatusOr<ObjectPage> ParseListing(absl::string_view xml);

struct S3Error {
  std::string code;     // "NoSuchKey"; empty: the document says none.
  std::string message;  // At most 300 bytes, printable.
  std::string region;   // The bucket's region, if it is another.
};
S3Error ParseS3Error(absl::string_view xml);

// The id in the answer to the begin of an upload in parts; empty: it is
// another document.
std::string ParseUploadId(absl::string_view xml);
// The ETag in the answer to the end of such an upload; empty: it is an error,
// or another document.
std::string ParseCompletedUpload(absl::string_view xml);
// The request that ends the upload: the ETags of its parts, in their order.
std::string CompleteUploadXml(std::span<const std::string> etags);

// An AssumeRoleWithWebIdentityResponse of the security token service.
// Unavailable: it is another document. The message contains none of it.
absl::StatusOr<TemporaryCredentials> ParseAssumedRole(absl::string_view xml);

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_INTERNAL_S3_XML_H_
