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

// On disk before the rename, or a crash of the machine could leave an empty file under the new
// name.
void flush_to_disk(const std::string& file) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

}  // namespace

void replace_file(const std::string& file, const std::function<void(const std::string&)>& write) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(file).parent_path();
  std::error_code error;
  if (!folder.empty()) fs::create_directories(folder, error);
  if (error) throw std::runtime_error(folder.string() + ": cannot be made: " + error.message());

  const std::string temporary = file + "." + std::to_string(getpid()) + ".part";
  try {
    write(temporary);
    flush_to_disk(temporary);
    fs::rename(temporary, file, error);
    if (error) throw std::runtime_error(file + ": cannot be written: " + error.message());
  } catch (...) {
    fs::remove(temporary, error);
    throw;
  }
}

void replace_file_content(const std::string& file, const std::string& content) {
  replace_file(file, [&](const std::string& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    out << content << std::flush;
    if (!out) throw std::runtime_error(file + ": cannot be written: " + std::strerror(errno));
  });
}

}  // namespace tapesort
