// The decision of a token and the softmax that goes with it.
#pragma once

#include <cmath>

#include "groupvit/detail/host_device.h"

namespace groupvit::detail {

// A logit and the group that it belongs to.
struct Candidate {
  float logit;
  int group;
};

// Loses against every group, also against one whose logit is -infinity.
GROUPVIT_HOST_DEVICE inline Candidate nobody() { return {-HUGE_VALF, 0x7fffffff}; }

// The winner of two. Neither associativity nor order matter, so that any tree of comparisons gives the
// lowest group among the largest logits.
GROUPVIT_HOST_DEVICE inline Candidate better(Candidate left, Candidate right) {
  const bool right_wins =
      right.logit > left.logit || (right.logit == left.logit && right.group < left.group);
  return right_wins ? right : left;
}

// One term of the softmax. Where the largest logit is infinite its own term is NaN, as in the reference.
GROUPVIT_HOST_DEVICE inline float exponential(float logit, float largest) { return expf(logit - largest); }

// The mean that the contract asks for; +0 for an empty group, since eps is positive.
GROUPVIT_HOST_DEVICE inline float group_mean(float sum, int count, float eps) {
  return sum / (static_cast<float>(count) + eps);
}

}  // namespace groupvit::detail
