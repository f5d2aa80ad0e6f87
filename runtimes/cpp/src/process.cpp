#include "process.hpp"

#include "error.hpp"

#ifndef _WIN32
#include <unistd.h>
#endif

namespace groupvit::detail {
namespace {

#ifdef _WIN32
long process_id() { return 0; }  // nothing forks there
#else
long process_id() { return static_cast<long>(::getpid()); }
#endif

}  // namespace

OwningProcess::OwningProcess() : id_(process_id()) {}

bool OwningProcess::is_here() const { return process_id() == id_; }

void OwningProcess::check(const std::string& what) const {
  if (is_here()) return;
  throw Error(GROUPVIT_ERROR_ENGINE, what, "process " + std::to_string(process_id()),
              "process " + std::to_string(id_) + ", whose threads are not in a forked child",
              "load after the fork, or start the process anew: posix_spawn, or fork and exec");
}

}  // namespace groupvit::detail
