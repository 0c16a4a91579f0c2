#include "worker/preemption_source.h"

#include <httplib.h>
#include <sys/stat.h>

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

class NoticeFileTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) { std::ofstream(path_) << text; }

  const TestFolder folder_;
  const std::string path_ = folder_ / "notice";
  const std::unique_ptr<PreemptionSource> source_ = WatchNoticeFile(path_);
};

TEST_F(NoticeFileTest, SomethingInItIsANotice) {
  EXPECT_EQ(source_->Look(), std::nullopt);
  Write("");
  EXPECT_EQ(source_->Look(), std::nullopt);
  Write(" \n");
  EXPECT_EQ(source_->Look(), std::nullopt);

  Write("gone at noon\n");

  EXPECT_EQ(source_->Look(),
            absl::StrCat("the notice in ", path_, ": \"gone at noon\""));
  std::filesystem::remove(path_);
  EXPECT_EQ(source_->Look(), std::nullopt);
}

TEST_F(NoticeFileTest, WhatIsToldIsShortAndPrintable) {
  Write(absl::StrCat("a\x01\n\"", std::string(100'000, 'b')));

  const auto notice = source_->Look();

  ASSERT_TRUE(notice.has_value());
  EXPECT_THAT(*notice, HasSubstr(R"("a\x01\n\"bbb)"));
  EXPECT_LT(notice->size(), path_.size() + 300);
}

TEST_F(NoticeFileTest, WhatCannotBeReadIsNoNotice) {
  std::filesystem::create_directory(path_);
  EXPECT_EQ(source_->Look(), std::nullopt);
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);  // Nobody ever writes.
  EXPECT_EQ(source_->Look(), std::nullopt);
}

// Answers as a metadata service does.
class NoticeUrlTest : public ::testing::Test {
 protected:
  struct Answer {
    int status = 200;
    std::string body;
  };

  NoticeUrlTest() {
    server_.set_keep_alive_max_count(1);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~NoticeUrlTest() override {
    server_.stop();
    thread_.join();
  }

  // The question, asked here instead of there.
  std::unique_ptr<PreemptionSource> Ask(const std::string& url) {
    auto question = ParseNoticeUrl(url);
    EXPECT_TRUE(question.ok()) << question.status();
    question->host = "127.0.0.1";
    question->port = port_;
    return AskNoticeUrl(*std::move(question));
  }
  void Serve(const std::string& path,
             std::function<Answer(const httplib::Request&)> answer) {
    const auto serve = [answer = std::move(answer)](
                           const httplib::Request& request,
                           httplib::Response& response) {
      const Answer given = answer(request);
      response.status = given.status;
      response.set_content(given.body, "text/plain");
    };
    server_.Get(path, serve);
    server_.Put(path, serve);
  }

  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

TEST_F(NoticeUrlTest, Gcp) {
  std::atomic<bool> preempted = false;
  Serve("/computeMetadata/v1/instance/preempted",
        [&](const httplib::Request& request) {
          const bool asked =
              request.get_header_value("Metadata-Flavor") == "Google";
          if (!asked) return Answer{.status = 403};
          return Answer{.body = preempted ? "TRUE" : "FALSE"};
        });
  const auto source = Ask("gcp");
  EXPECT_EQ(source->Look(), std::nullopt);

  preempted = true;

  EXPECT_THAT(source->Look(),
              Optional(HasSubstr("instance/preempted: \"TRUE\"")));
}

TEST_F(NoticeUrlTest, AwsWithATokenThatGrowsOld) {
  std::atomic<int> tokens = 0;
  std::atomic<bool> reclaimed = false;
  Serve("/latest/api/token", [&](const httplib::Request& request) {
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.get_header_value("X-aws-ec2-metadata-token-ttl-seconds"),
              "21600");
    return Answer{.body = absl::StrCat("token-", ++tokens)};
  });
  Serve("/latest/meta-data/spot/instance-action",
        [&](const httplib::Request& request) {
          // The first one is soon too old.
          if (reclaimed && tokens < 2) return Answer{.status = 401};
          EXPECT_EQ(request.get_header_value("X-aws-ec2-metadata-token"),
                    absl::StrCat("token-", tokens.load()));
          return reclaimed ? Answer{.body = R"({"action": "terminate"})"}
                           : Answer{.status = 404, .body = "Not Found"};
        });
  const auto source = Ask("aws");
  EXPECT_EQ(source->Look(), std::nullopt);
  EXPECT_EQ(source->Look(), std::nullopt);
  EXPECT_EQ(tokens, 1);

  reclaimed = true;

  EXPECT_EQ(source->Look(), std::nullopt);
  EXPECT_THAT(source->Look(), Optional(HasSubstr("terminate")));
  EXPECT_EQ(tokens, 2);
}

TEST_F(NoticeUrlTest, AwsThatKnowsNoTokens) {
  Serve("/latest/meta-data/spot/instance-action",
        [](const httplib::Request& request) {
          EXPECT_FALSE(request.has_header("X-aws-ec2-metadata-token"));
          return Answer{.body = R"({"action": "stop"})"};
        });

  EXPECT_THAT(Ask("aws")->Look(), Optional(HasSubstr("stop")));
}

TEST_F(NoticeUrlTest, AzureTellsOfOtherEventsToo) {
  std::atomic<const char*> type = "Freeze";
  Serve("/metadata/scheduledevents", [&](const httplib::Request& request) {
    EXPECT_EQ(request.get_header_value("Metadata"), "true");
    EXPECT_EQ(request.get_param_value("api-version"), "2020-07-01");
    return Answer{.body = absl::StrCat(R"({"Events": [{"EventType": ")",
                                       type.load(), R"("}]})")};
  });
  const auto source = Ask("azure");
  EXPECT_EQ(source->Look(), std::nullopt);

  for (const char* end : {"Preempt", "Terminate"}) {
    type = end;
    EXPECT_THAT(source->Look(), Optional(HasSubstr(end)));
  }
}

// Bug: a machine of a scale set hears of the others' events, too, and left when
// any of them was to end.
TEST_F(NoticeUrlTest, AzureTellsOfOtherMachinesToo) {
  std::atomic<const char*> resources = R"(["fleet_7"])";
  Serve("/metadata/scheduledevents", [&](const httplib::Request&) {
    return Answer{.body = absl::StrCat(
                      R"({"DocumentIncarnation": 2, "Events": [)",
                      R"({"EventType": "Freeze", "Resources": ["fleet_3"]}, )",
                      R"({"EventType": "Preempt", "Resources": )",
                      resources.load(), "}]}")};
  });
  std::atomic<bool> named = true;
  Serve("/metadata/instance/compute/name",
        [&](const httplib::Request& request) {
          EXPECT_EQ(request.get_header_value("Metadata"), "true");
          EXPECT_EQ(request.get_param_value("format"), "text");
          return named ? Answer{.body = "fleet_3\n"} : Answer{.status = 500};
        });
  const auto source = Ask("azure");
  EXPECT_EQ(source->Look(), std::nullopt);

  resources = R"(["fleet_7", "fleet_3"])";

  EXPECT_THAT(source->Look(), Optional(HasSubstr("Preempt")));
  // Who does not know its name takes no chances.
  named = false;
  resources = R"(["fleet_7"])";
  EXPECT_THAT(Ask("azure")->Look(), Optional(HasSubstr("Preempt")));
}

TEST_F(NoticeUrlTest, WhatAzureWouldNotSayIsNoNotice) {
  const std::vector<const char*> bodies = {
      "",
      "Preempt",
      "[]",
      "{}",
      R"({"Events": "Preempt"})",
      R"({"Events": ["Preempt", {"EventType": 3}, {}]})"};
  std::atomic<size_t> asked = 0;
  Serve("/metadata/scheduledevents", [&](const httplib::Request&) {
    return Answer{.body = bodies[asked++]};
  });
  const auto source = Ask("azure");
  for (size_t i = 0; i < bodies.size(); ++i) {
    EXPECT_EQ(source->Look(), std::nullopt) << bodies[i];
  }
}

TEST_F(NoticeUrlTest, AnyOther) {
  std::atomic<int> asked = 0;
  const std::vector<Answer> none = {{.status = 204},
                                    {.status = 302, .body = "soon"},
                                    {.status = 403, .body = "soon"},
                                    {.status = 500, .body = "soon"},
                                    {.body = " "},
                                    // No notice is as long as this.
                                    {.body = std::string(1 << 20, 'x')}};
  Serve("/notice", [&](const httplib::Request&) {
    const size_t i = asked++;
    return i < none.size() ? none[i] : Answer{.body = "soon"};
  });
  const auto source = Ask("http://192.0.2.1/notice");
  for (size_t i = 0; i < none.size(); ++i) {
    EXPECT_EQ(source->Look(), std::nullopt) << i;
  }

  EXPECT_THAT(source->Look(), Optional(HasSubstr("/notice: \"soon\"")));
}

TEST_F(NoticeUrlTest, WhoDoesNotAnswerGivesNoNotice) {
  auto question = ParseNoticeUrl("http://127.0.0.1:1/");
  ASSERT_TRUE(question.ok()) << question.status();

  const auto source = AskNoticeUrl(*question);

  EXPECT_EQ(source->Look(), std::nullopt);
  EXPECT_EQ(source->Look(), std::nullopt);
}

TEST(ParseNoticeUrlTest, TakesUrlsOfAddresses) {
  const auto plain = ParseNoticeUrl("http://192.0.2.1");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->host, "192.0.2.1");
  EXPECT_EQ(plain->port, 80);
  EXPECT_EQ(plain->path, "/");
  const auto whole = ParseNoticeUrl("http://[2001:db8::1]:8080/a/b?c=d");
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->host, "2001:db8::1");
  EXPECT_EQ(whole->port, 8080);
  EXPECT_EQ(whole->path, "/a/b?c=d");
  const auto bracketed = ParseNoticeUrl("http://[2001:db8::1]/");
  ASSERT_TRUE(bracketed.ok()) << bracketed.status();
  EXPECT_EQ(bracketed->host, "2001:db8::1");
}

TEST(ParseNoticeUrlTest, RefusesWhatItCannotAsk) {
  for (const char* text :
       {"", "gce", "https://192.0.2.1/", "http://", "http:///path",
        "http://metadata.google.internal/", "http://192.0.2.1:0/",
        "http://192.0.2.1:65536/", "http://192.0.2.1:http/",
        "http://user@192.0.2.1/", "http://::1/"}) {
    const auto question = ParseNoticeUrl(text);
    EXPECT_FALSE(question.ok()) << text;
    EXPECT_THAT(question.status().message(), HasSubstr("aws, azure, gcp"));
  }
}

TEST(LookAtAllTest, TheFirstNoticeOfAnyCounts) {
  const TestFolder folder;
  std::vector<std::unique_ptr<PreemptionSource>> sources;
  EXPECT_EQ(LookAtAll(sources), std::nullopt);
  for (const char* name : {"a", "b", "c"}) {
    sources.push_back(WatchNoticeFile(folder / name));
  }
  EXPECT_EQ(LookAtAll(sources), std::nullopt);

  std::ofstream(folder / "b") << "now";

  EXPECT_THAT(LookAtAll(sources), Optional(HasSubstr("/b: \"now\"")));
}

}  // namespace
}  // namespace ebb::worker
