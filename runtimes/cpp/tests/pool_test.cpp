#include "engines/pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace groupvit::detail {
namespace {

struct Request {
  int calls = 0;  // not atomic: one call at a time is what a pool promises
};

TEST(Pool, SixtyFourCallersMakeNoMoreThanItHolds) {
  for (const std::size_t most : {std::size_t{1}, std::size_t{3}}) {
    Pool<std::unique_ptr<Request>> pool(most);
    std::atomic<std::size_t> made{0}, inside{0}, at_most{0}, calls{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 64; ++caller) {
      callers.emplace_back([&] {
        for (int call = 0; call < 50; ++call) {
          calls += pool.use(
              [&] {
                ++made;
                return std::make_unique<Request>();
              },
              [&](std::unique_ptr<Request>& request, bool is_new) {
                const std::size_t now = ++inside;
                for (std::size_t seen = at_most; now > seen && !at_most.compare_exchange_weak(seen, now);) {
                }
                EXPECT_EQ(is_new, request->calls == 0);
                ++request->calls;
                std::this_thread::yield();
                --inside;
                return std::size_t{1};
              });
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(calls, 64u * 50u);
    EXPECT_LE(made, most);
    EXPECT_LE(at_most, most);
  }
}

TEST(Pool, WhatFailedIsMadeAnewAndItsPlaceIsFree) {
  Pool<int> pool(1);
  int made = 0;
  const auto make = [&] { return ++made; };
  for (int failure = 0; failure < 3; ++failure) {
    EXPECT_THROW(pool.use(make, [](int, bool) -> int { throw std::runtime_error("no"); }), std::runtime_error);
  }
  EXPECT_THROW(pool.use([]() -> int { throw std::runtime_error("no"); }, [](int one, bool) { return one; }),
               std::runtime_error);
  EXPECT_EQ(pool.use(make, [](int one, bool) { return one; }), 4);
  EXPECT_EQ(pool.use(make, [](int one, bool is_new) { return is_new ? -1 : one; }), 4);
}

TEST(Pool, OfNothingHoldsOne) {
  EXPECT_EQ(Pool<int>(0).use([] { return 7; }, [](int one, bool) { return one; }), 7);
}

}  // namespace
}  // namespace groupvit::detail
