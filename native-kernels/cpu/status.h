// Failures inside, and how the C interface answers them.
#ifndef PBS_ATTN_CPU_STATUS_H_
#define PBS_ATTN_CPU_STATUS_H_

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "pbs_attn.h"

namespace pbs_attn {

// A failure with the status that the C interface answers.
class CallError : public std::runtime_error {
 public:
  CallError(pbs_attn_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  pbs_attn_status status() const { return status_; }

 private:
  pbs_attn_status status_;
};

// Runs work and turns what it throws into a status and a message.
template <typename F>
int32_t status_of(char* message, size_t message_size, const F& work) {
  const auto fail = [&](int32_t status, const std::string& reason) {
    if (message != nullptr && message_size > 0) {
      const size_t length = std::min(reason.size(), message_size - 1);
      std::memcpy(message, reason.data(), length);
      message[length] = '\0';
    }
    return status;
  };
  try {
    work();
    return PBS_ATTN_OK;
  } catch (const CallError& e) {
    return fail(e.status(), e.what());
  } catch (const std::bad_alloc&) {
    return fail(PBS_ATTN_OUT_OF_MEMORY, "not enough memory to work in");
  } catch (const std::exception& e) {
    return fail(PBS_ATTN_UNSUPPORTED, e.what());
  }
}

}  // namespace pbs_attn

#endif  // PBS_ATTN_CPU_STATUS_H_
