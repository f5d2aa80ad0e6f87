// What every function of groupvit.h does around its work. Nothing that is thrown passes `guarded`.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <utility>

#include "error.hpp"
#include "groupvit/groupvit.h"

namespace groupvit::detail {

// Keeps the message of the thread's last failure.
groupvit_status fail(groupvit_status status, const char* message) noexcept;

template <typename Call>
groupvit_status guarded(Call&& call) noexcept {
  try {
    std::forward<Call>(call)();
    return GROUPVIT_OK;
  } catch (const Error& error) {
    return fail(error.status(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(GROUPVIT_ERROR_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return fail(GROUPVIT_ERROR_INTERNAL, error.what());
  } catch (...) {
    return fail(GROUPVIT_ERROR_INTERNAL, "something was thrown that is no exception");
  }
}

// Throw Error(GROUPVIT_ERROR_USAGE): the argument is NULL; `rows` rows of `row` bytes cannot lie `stride` bytes apart.
void require(const void* pointer, const char* name);
// 0: `row`.
std::int64_t checked_stride(const char* what, std::int64_t stride, std::int64_t row, std::int64_t rows);

}  // namespace groupvit::detail
