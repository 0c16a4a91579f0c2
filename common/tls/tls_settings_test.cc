#include "common/tls/tls_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

TEST(TlsSettingsTest, FilesAreGivenTogetherOrNotAtAll) {
  EXPECT_TRUE(TlsSettings{}.Validate().ok());
  EXPECT_TRUE((TlsSettings{.files = {"c", "k", "a"}}.Validate().ok()));
  EXPECT_TRUE((TlsSettings{.insecure = true}.Validate().ok()));

  const absl::Status key_only = TlsSettings{.files = {"", "k", ""}}.Validate();
  EXPECT_TRUE(absl::IsInvalidArgument(key_only));
  EXPECT_THAT(std::string(key_only.message()),
              HasSubstr("--tls-cert and --tls-ca are missing"));
  const absl::Status no_authority =
      TlsSettings{.files = {"c", "k", ""}}.Validate();
  EXPECT_THAT(std::string(no_authority.message()),
              HasSubstr("--tls-ca is missing"));
}

TEST(TlsSettingsTest, TlsIsNotInsecure) {
  const TlsSettings both = {.files = {"c", "k", "a"}, .insecure = true};

  EXPECT_TRUE(absl::IsInvalidArgument(both.Validate()));
}

TEST(TlsSettingsTest, OnlyThisMachineIsLocal) {
  for (const char* local :
       {"127.0.0.1:7000", "127.255.0.3:1", "localhost:7000", "LocalHost:1",
        "[::1]:7000", "[0:0:0:0:0:0:0:1]:1", "unix:/run/ebb", "dns:localhost:1",
        "ipv4:127.0.0.1:1", "ipv6:[::1]:1", "unix-abstract:x"}) {
    EXPECT_TRUE(IsLocalAddress(local)) << local;
  }
  for (const char* remote :
       {"0.0.0.0:7000", "[::]:7000", "10.0.0.1:7000", "128.0.0.1:1", "a:7000",
        "localhost.example:1", "127.0.0.1.example:1", "127.1:1", "127:1",
        "[::2]:1", "[::ffff:10.0.0.1]:1", "::1", "localhost", "", ":7000",
        "dns:ipv4:127.0.0.1:1", "dns:///127.0.0.1:1", "2130706433:1"}) {
    EXPECT_FALSE(IsLocalAddress(remote)) << remote;
  }
}

}  // namespace
}  // namespace ebb
