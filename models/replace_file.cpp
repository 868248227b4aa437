#include "models/replace_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace tapesort {
namespace {

namespace fs = std::filesystem;

// On disk before the rename, or a crash of the machine could leave an empty file under the new
// name.
void flush_to_disk(const std::string& file) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

// The name of a temporary file beside `file`, whose folder is made if need be.
std::string temporary_beside(const std::string& file) {
  const fs::path folder = fs::path(file).parent_path();
  std::error_code error;
  if (!folder.empty()) fs::create_directories(folder, error);
  if (error) throw std::runtime_error(folder.string() + ": cannot be made: " + error.message());
  return file + "." + std::to_string(getpid()) + ".part";
}

[[noreturn]] void cannot_write(const std::string& file, const std::string& why) {
  throw std::runtime_error(file + ": cannot be written: " + why);
}

}  // namespace

void replace_file(const std::string& file, const std::function<void(const std::string&)>& write) {
  const std::string temporary = temporary_beside(file);
  std::error_code error;
  try {
    write(temporary);
    flush_to_disk(temporary);
    fs::rename(temporary, file, error);
    if (error) cannot_write(file, error.message());
  } catch (...) {
    fs::remove(temporary, error);
    throw;
  }
}

void replace_file_content(const std::string& file, const std::string& content) {
  replace_file(file, [&](const std::string& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    out << content << std::flush;
    if (!out) cannot_write(file, std::strerror(errno));
  });
}

void check_replaceable(const std::string& file) {
  if (fs::is_directory(file)) cannot_write(file, "it is a folder");
  const std::string temporary = temporary_beside(file);
  if (!std::ofstream(temporary)) cannot_write(file, std::strerror(errno));
  fs::remove(temporary);
}

}  // namespace tapesort
