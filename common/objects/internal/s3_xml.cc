#include "common/objects/internal/s3_xml.h"

#include <algorithm>
#include <cstring>
#include <pugixml.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace ebb {

namespace {

constexpr size_t kMostMessage = 300;

// All text of the element, as it is: a key may begin with white space.
constexpr unsigned int kParse =
    (pugi::parse_default | pugi::parse_ws_pcdata_single) & ~pugi::parse_eol;

absl::Status NoListing(absl::string_view why) {
  return absl::UnavailableError(
      absl::StrCat("the answer is no list of objects: ", why));
}

std::string Printable(const char* text) {
  std::string printable(text, std::min(std::strlen(text), kMostMessage));
  std::ranges::replace_if(
      printable,
      [](char c) {
        return !absl::ascii_isprint(static_cast<unsigned char>(c));
      },
      ' ');
  return printable;
}

// The text of root/child; empty: there is none.
std::string ChildOf(absl::string_view xml, const char* root,
                    const char* child) {
  pugi::xml_document document;
  if (xml.size() > kMostXmlBytes ||
      !document.load_buffer(xml.data(), xml.size(), pugi::parse_default,
                            pugi::encoding_utf8)) {
    return "";
  }
  return document.child(root).child_value(child);
}

}  // namespace

std::string ParseUploadId(absl::string_view xml) {
  return ChildOf(xml, "InitiateMultipartUploadResult", "UploadId");
}

std::string ParseCompletedUpload(absl::string_view xml) {
  std::string etag = ChildOf(xml, "CompleteMultipartUploadResult", "ETag");
  // radosgw 16 leaves out the quotes, which its headers have.
  if (etag.empty() || etag.front() == '"') return etag;
  return absl::StrCat("\"", etag, "\"");
}

std::string CompleteUploadXml(std::span<const std::string> etags) {
  std::string xml = "<CompleteMultipartUpload>";
  for (size_t i = 0; i < etags.size(); ++i) {
    absl::StrAppend(
        &xml, "<Part><PartNumber>", i + 1, "</PartNumber><ETag>",
        absl::StrReplaceAll(etags[i],
                            {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}}),
        "</ETag></Part>");
  }
  absl::StrAppend(&xml, "</CompleteMultipartUpload>");
  return xml;
}

absl::StatusOr<ObjectPage> ParseListing(absl::string_view xml) {
  if (xml.size() > kMostXmlBytes) return NoListing("it is too long");
  pugi::xml_document document;
  const pugi::xml_parse_result parsed =
      document.load_buffer(xml.data(), xml.size(), kParse, pugi::encoding_utf8);
  if (!parsed) return NoListing(parsed.description());
  const pugi::xml_node root = document.child("ListBucketResult");
  if (!root) return NoListing("it has no ListBucketResult");
  ObjectPage page;
  for (const pugi::xml_node& entry : root.children("Contents")) {
    ListedObject object;
    object.key = entry.child_value("Key");
    if (object.key.empty() ||
        !absl::SimpleAtoi(entry.child_value("Size"), &object.bytes)) {
      return NoListing("an object in it has no Key or Size");
    }
    page.objects.push_back(std::move(object));
  }
  for (const pugi::xml_node& entry : root.children("CommonPrefixes")) {
    std::string folder = entry.child_value("Prefix");
    if (!absl::EndsWith(folder, "/")) {
      return NoListing("a prefix in it does not end with /");
    }
    page.folders.push_back(std::move(folder));
  }
  if (absl::EqualsIgnoreCase(root.child_value("IsTruncated"), "true")) {
    page.next = root.child_value("NextContinuationToken");
    if (page.next.empty()) {
      return NoListing("it has no NextContinuationToken for what follows");
    }
  }
  // S3 lists by UTF-8 bytes; not every server does.
  std::ranges::sort(page.objects, {}, &ListedObject::key);
  std::ranges::sort(page.folders);
  return page;
}

S3Error ParseS3Error(absl::string_view xml) {
  S3Error error;
  pugi::xml_document document;
  if (xml.size() > kMostXmlBytes ||
      !document.load_buffer(xml.data(), xml.size(), pugi::parse_default,
                            pugi::encoding_utf8)) {
    return error;
  }
  pugi::xml_node root = document.child("Error");
  // The token service puts it into another element.
  if (!root) root = document.child("ErrorResponse").child("Error");
  error.code = Printable(root.child_value("Code"));
  error.message = Printable(root.child_value("Message"));
  error.region = Printable(root.child_value("Region"));
  return error;
}

absl::StatusOr<TemporaryCredentials> ParseAssumedRole(absl::string_view xml) {
  const auto no_keys = [](absl::string_view why) {
    return absl::UnavailableError(
        absl::StrCat("its answer has no keys: ", why));
  };
  if (xml.size() > kMostXmlBytes) return no_keys("it is too long");
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(
      xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed) return no_keys(parsed.description());
  const pugi::xml_node found =
      document.child("AssumeRoleWithWebIdentityResponse")
          .child("AssumeRoleWithWebIdentityResult")
          .child("Credentials");
  TemporaryCredentials assumed;
  assumed.credentials.access_key = found.child_value("AccessKeyId");
  assumed.credentials.secret_key = found.child_value("SecretAccessKey");
  assumed.credentials.session_token = found.child_value("SessionToken");
  if (assumed.credentials.access_key.empty() ||
      assumed.credentials.secret_key.empty() ||
      assumed.credentials.session_token.empty()) {
    return no_keys("it lacks AccessKeyId, SecretAccessKey or SessionToken");
  }
  if (!absl::ParseTime(absl::RFC3339_full, found.child_value("Expiration"),
                       &assumed.expires, nullptr)) {
    return no_keys("it lacks the time of Expiration");
  }
  return assumed;
}

}  // namespace ebb
