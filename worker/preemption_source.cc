#include "worker/preemption_source.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <httplib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <exception>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/fd.h"
#include "common/status_macros.h"
#include "glog/logging.h"

namespace ebb::worker {

namespace {

// Most bytes of an answer, of a file that is read, and of a notice that is
// shown.
constexpr size_t kAnswerBytes = 64 << 10;
constexpr size_t kFileBytes = 4096;
constexpr size_t kToldBytes = 200;
constexpr std::chrono::milliseconds kConnectFor(500);
constexpr std::chrono::milliseconds kReadFor(1000);
// The address on all clouds, whatever name they give it.
constexpr char kMetadataAddress[] = "169.254.169.254";

std::string Told(const std::string& where, absl::string_view body) {
  return absl::StrCat(
      where, ": \"",
      absl::CHexEscape(absl::StripAsciiWhitespace(body).substr(0, kToldBytes)),
      "\"");
}

// Returns whether one of Azure's scheduled events is of one of the types and
// names this machine; an event that names none is for all. InvalidArgument: it
// is not a list of events.
absl::StatusOr<bool> HasEvent(const std::string& body,
                              const std::vector<std::string>& types,
                              const std::string& name) {
  google::protobuf::Struct document;
  if (!google::protobuf::util::JsonStringToMessage(body, &document).ok()) {
    return absl::InvalidArgumentError("its answer is no JSON object");
  }
  const auto events = document.fields().find("Events");
  if (events == document.fields().end() || !events->second.has_list_value()) {
    return absl::InvalidArgumentError("its answer has no list of events");
  }
  for (const auto& event : events->second.list_value().values()) {
    const auto& fields = event.struct_value().fields();
    const auto type = fields.find("EventType");
    if (type == fields.end() ||
        std::ranges::find(types, type->second.string_value()) == types.end()) {
      continue;
    }
    const auto resources = fields.find("Resources");
    const auto of_us = [&](const google::protobuf::Value& resource) {
      return absl::EqualsIgnoreCase(resource.string_value(), name);
    };
    if (name.empty() || resources == fields.end() ||
        resources->second.list_value().values().empty() ||
        std::ranges::any_of(resources->second.list_value().values(), of_us)) {
      return true;
    }
  }
  return false;
}

class FileSource final : public PreemptionSource {
 public:
  explicit FileSource(std::string path) : path_(std::move(path)) {}

  std::optional<std::string> Look() override {
    // If it is a pipe, opening it must not block.
    const Fd file(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!file) return std::nullopt;
    std::array<char, kFileBytes> bytes = {};
    const ssize_t got = read(file.get(), bytes.data(), bytes.size());
    const absl::string_view text(bytes.data(), std::max<ssize_t>(got, 0));
    if (absl::StripAsciiWhitespace(text).empty()) return std::nullopt;
    return Told(absl::StrCat("the notice in ", path_), text);
  }

 private:
  const std::string path_;
};

class UrlSource final : public PreemptionSource {
 public:
  explicit UrlSource(NoticeQuestion question)
      : question_(std::move(question)),
        where_(absl::StrCat("http://", question_.host, ":", question_.port,
                            question_.path)) {}

  std::optional<std::string> Look() override {
    std::optional<std::string> notice;
    std::string wrong;
    try {
      wrong = Ask(&notice);
    } catch (const std::exception& error) {
      wrong = error.what();
    }
    if (!wrong.empty() && !warned_) {
      LOG(WARNING) << where_ << " gives no notice (" << wrong
                   << "); it is asked again, without a further word";
      warned_ = true;
    }
    return notice;
  }

 private:
  // Returns what went wrong, or nothing.
  std::string Ask(std::optional<std::string>* notice) {
    httplib::Client client(question_.host, question_.port);
    client.set_connection_timeout(kConnectFor);
    client.set_read_timeout(kReadFor);
    client.set_write_timeout(kReadFor);
    httplib::Headers headers(question_.headers.begin(),
                             question_.headers.end());
    if (!question_.token_path.empty()) {
      if (token_.empty()) token_ = NewToken(&client);
      if (!token_.empty()) headers.emplace("X-aws-ec2-metadata-token", token_);
    }
    std::string body;
    const auto response = Get(&client, question_.path, headers, &body);
    if (body.size() == kAnswerBytes) return "its answer is too long";
    if (!response) return httplib::to_string(response.error());
    if (response->status == 401) token_.clear();  // It is too old.
    // Before there is a notice, there is nothing under that path.
    if (response->status == 404) return "";
    if (response->status != 200) {
      return absl::StrCat("status ", response->status);
    }
    bool is_one = !absl::StripAsciiWhitespace(body).empty();
    if (!question_.event_types.empty()) {
      if (name_.empty()) name_ = NameOfThisMachine(&client, headers);
      const auto has_event = HasEvent(body, question_.event_types, name_);
      if (!has_event.ok()) return std::string(has_event.status().message());
      is_one = *has_event;
    } else if (!question_.words.empty()) {
      is_one = std::any_of(question_.words.begin(), question_.words.end(),
                           [&](const std::string& word) {
                             return absl::StrContains(body, word);
                           });
    }
    if (is_one) *notice = Told(absl::StrCat("the notice at ", where_), body);
    return "";
  }

  // The body as far as it is wanted: kAnswerBytes of one that is too long.
  static httplib::Result Get(httplib::Client* client, const std::string& path,
                             const httplib::Headers& headers,
                             std::string* body) {
    const auto end = std::chrono::steady_clock::now() + kReadFor;
    return client->Get(path, headers, [=](const char* data, size_t size) {
      body->append(data, std::min(size, kAnswerBytes - body->size()));
      return body->size() < kAnswerBytes &&
             std::chrono::steady_clock::now() < end;
    });
  }

  // Empty: it is not told.
  std::string NameOfThisMachine(httplib::Client* client,
                                const httplib::Headers& headers) {
    std::string name;
    const auto response = Get(client, question_.name_path, headers, &name);
    if (!response || response->status != 200) return "";
    return std::string(absl::StripAsciiWhitespace(name));
  }

  // Empty: there is none to be had, and perhaps none needed.
  std::string NewToken(httplib::Client* client) {
    const auto response = client->Put(
        question_.token_path,
        {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}}, "", "text/plain");
    return response && response->status == 200 && response->body.size() < 1024
               ? response->body
               : "";
  }

  const NoticeQuestion question_;
  const std::string where_;
  std::string token_;
  std::string name_;  // The name of this machine, if events name some.
  bool warned_ = false;
};

bool IsAddress(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes;
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

}  // namespace

std::unique_ptr<PreemptionSource> WatchNoticeFile(std::string path) {
  return std::make_unique<FileSource>(std::move(path));
}

absl::StatusOr<NoticeQuestion> ParseNoticeUrl(const std::string& text) {
  NoticeQuestion question;
  question.host = kMetadataAddress;
  if (text == "aws") {
    question.path = "/latest/meta-data/spot/instance-action";
    question.token_path = "/latest/api/token";
    return question;
  }
  if (text == "azure") {
    question.path = "/metadata/scheduledevents?api-version=2020-07-01";
    question.headers = {{"Metadata", "true"}};
    question.event_types = {"Preempt", "Terminate"};
    question.name_path =
        "/metadata/instance/compute/name?api-version=2021-02-01&format=text";
    return question;
  }
  if (text == "gcp") {
    question.path = "/computeMetadata/v1/instance/preempted";
    question.headers = {{"Metadata-Flavor", "Google"}};
    question.words = {"TRUE"};
    return question;
  }
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" ", why,
                     "; give aws, azure, gcp or http://ADDRESS[:PORT]/PATH"));
  };
  absl::string_view rest = text;
  if (!absl::ConsumePrefix(&rest, "http://")) {
    return refuse("is no URL of a notice");
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  absl::string_view host = rest.substr(0, slash);
  question.path = std::string(rest.substr(slash));
  if (question.path.empty()) question.path = "/";
  // "[::1]:80": the colons of an address are within brackets.
  const size_t colon = host.rfind(':');
  if (colon != absl::string_view::npos && !absl::EndsWith(host, "]")) {
    if (!absl::SimpleAtoi(host.substr(colon + 1), &question.port) ||
        question.port < 1 || question.port > 65535) {
      return refuse("has no sound port");
    }
    host = host.substr(0, colon);
  }
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  question.host = std::string(host);
  if (!IsAddress(question.host)) {
    return refuse("names no IP address, and a name can take long to look up");
  }
  return question;
}

std::unique_ptr<PreemptionSource> AskNoticeUrl(NoticeQuestion question) {
  return std::make_unique<UrlSource>(std::move(question));
}

std::optional<std::string> LookAtAll(
    const std::vector<std::unique_ptr<PreemptionSource>>& sources) {
  for (const auto& source : sources) {
    if (auto notice = source->Look()) return notice;
  }
  return std::nullopt;
}

}  // namespace ebb::worker
