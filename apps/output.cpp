#include "apps/output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace tapesort {
namespace {

int first_error = 0;

}  // namespace

void flush_output() {  // std::cout has no buffer of its own
  if ((std::fflush(stdout) != 0 || std::ferror(stdout)) && first_error == 0) first_error = errno;
}

void check_output() {
  flush_output();
  if (first_error == 0) return;
  throw std::runtime_error(std::string("standard output: ") +
                           std::strerror(std::exchange(first_error, 0)));
}

}  // namespace tapesort
