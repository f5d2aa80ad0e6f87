// What a processor computes natively, by its flags; by the rules of groupvit_runtime.instruction_sets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace groupvit::detail {

// As Linux spells them; those that are asked for here, and no others. Empty where they are not known.
using ProcessorFlags = std::vector<std::string>;

struct InstructionSet {
  const char* flag;
  const char* title;
  bool exact;  // sums of products of bytes are made in 32 bits
  bool fast;   // made for products of bytes
};

// Of the processor that this runs on, as far as the operating system lets them be used: on every x86, and on Arm under
// Linux.
ProcessorFlags processor_flags();

bool has_flag(const ProcessorFlags& flags, std::string_view flag);
// The best that multiplies bytes; null where flags are not known.
const InstructionSet* byte_products(const ProcessorFlags& flags);
// Whether bf16 is multiplied.
bool multiplies_bf16(const ProcessorFlags& flags);
// What the speed of an engine depends on.
std::vector<std::string> instruction_sets(const ProcessorFlags& flags);
// Whether the processor has instructions for a precision, and the target's runtime uses them.
bool is_native(std::string_view target, std::string_view precision, const ProcessorFlags& flags);

}  // namespace groupvit::detail
