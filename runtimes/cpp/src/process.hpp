// The process that something was made in. A forked child has a copy of every engine, but none of the threads behind
// it: running the copy may wait forever, and so may destroying it.
#pragma once

#include <string>

namespace groupvit::detail {

class OwningProcess {
 public:
  OwningProcess();
  // Whether this is the process that made it, not a child forked from it.
  bool is_here() const;
  // Throws Error(GROUPVIT_ERROR_ENGINE) in a child; `what` happened.
  void check(const std::string& what = "the engine was loaded by the process that this one was forked from") const;

 private:
  long id_;
};

}  // namespace groupvit::detail
