// The message of an error that a test expects.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "error.hpp"

namespace groupvit::detail {

template <typename Call>
std::string refusal(groupvit_status status, Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

}  // namespace groupvit::detail
