// What calls use one at a time (infer requests, contexts): made when needed, kept for later calls, never more than a
// number that is known from the start. Memory is bounded by it, however many threads call; those beyond it wait.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "../processors.hpp"

namespace groupvit::detail {

// Calls at once of an engine without streams: each occupies the thread that it came on, so more are not faster.
inline std::size_t calls_at_once() { return usable_cores(); }

template <class T>
class Pool {
 public:
  explicit Pool(std::size_t most) : most_(std::max<std::size_t>(most, 1)) {}

  // What `work` returns for one of them: `work(T&, bool is_new)`. One that fails is not used again; `make()` makes
  // another when it is needed.
  template <class Make, class Work>
  auto use(const Make& make, const Work& work) {
    const Turn turn(*this);
    std::optional<T> one = idle();
    const bool is_new = !one;
    if (is_new) one.emplace(make());
    auto result = work(*one, is_new);
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(*one));
    return result;
  }

 private:
  struct Turn {
    explicit Turn(Pool& pool) : pool(pool) {
      std::unique_lock<std::mutex> lock(pool.mutex_);
      pool.changed_.wait(lock, [&] { return pool.used_ < pool.most_; });
      ++pool.used_;
    }
    ~Turn() {
      {
        const std::lock_guard<std::mutex> lock(pool.mutex_);
        --pool.used_;
      }
      pool.changed_.notify_one();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    Pool& pool;
  };

  std::optional<T> idle() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (idle_.empty()) return std::nullopt;
    std::optional<T> one(std::move(idle_.back()));
    idle_.pop_back();
    return one;
  }

  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t used_ = 0;
  std::vector<T> idle_;
};

}  // namespace groupvit::detail
