// Whether what was printed has arrived: a full disk must not look like success.
#pragma once

namespace tapesort {

// Flushes standard output. The reason of the first failure is kept for check_output, as a run of
// hours should not end by it.
void flush_output();

// Flushes, then std::runtime_error, with the reason, if anything printed so far was lost.
void check_output();

}  // namespace tapesort
