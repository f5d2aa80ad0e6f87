// Quotas of control groups, from trees as Linux lays them out; the cases of tests/groupvit_runtime/test_processors.py.
#include "processors.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

namespace groupvit::detail {
namespace {

namespace fs = std::filesystem;

std::optional<double> quota_of(const std::string& membership, const std::map<std::string, std::string>& files) {
  const fs::path folder = fs::path(testing::TempDir()) / "groupvit-quota";
  fs::remove_all(folder);
  fs::create_directories(folder / "root");
  std::ofstream(folder / "membership") << membership;
  for (const auto& [name, text] : files) {
    fs::create_directories((folder / "root" / name).parent_path());
    std::ofstream(folder / "root" / name) << text;
  }
  return cpu_quota(folder / "membership", folder / "root");
}

TEST(Processors, QuotaOfTheSecondVersion) {
  EXPECT_EQ(quota_of("0::/\n", {{"cpu.max", "150000 100000\n"}}), 1.5);
  EXPECT_EQ(quota_of("0::/\n", {{"cpu.max", "max 100000\n"}}), std::nullopt);
  EXPECT_EQ(quota_of("0::/\n", {}), std::nullopt);
  EXPECT_EQ(quota_of("0::/a/b\n", {{"a/cpu.max", "50000 100000\n"}, {"a/b/cpu.max", "max 100000\n"}}), 0.5);
  EXPECT_EQ(quota_of("0::/not/seen\n", {{"cpu.max", "200000 100000\n"}}), 2);
}

TEST(Processors, QuotaOfTheFirstVersion) {
  EXPECT_EQ(quota_of("4:cpu,cpuacct:/docker/x\n1:name=systemd:/\n",
                     {{"cpu,cpuacct/docker/x/cpu.cfs_quota_us", "300000\n"},
                      {"cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n"}}),
            3);
  EXPECT_EQ(quota_of("4:cpuacct,cpu:/docker/x\n",
                     {{"cpu/cpu.cfs_quota_us", "25000\n"}, {"cpu/cpu.cfs_period_us", "50000\n"}}),
            0.5);
  EXPECT_EQ(quota_of("4:cpu:/\n0::/\n",
                     {{"cpu/cpu.cfs_quota_us", "-1\n"}, {"cpu/cpu.cfs_period_us", "100000\n"}}),
            std::nullopt);
}

TEST(Processors, WithoutControlGroups) {
  EXPECT_EQ(cpu_quota(fs::path(testing::TempDir()) / "missing", testing::TempDir()), std::nullopt);
  EXPECT_GE(usable_cores(), 1u);
}

}  // namespace
}  // namespace groupvit::detail
