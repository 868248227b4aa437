#include "apps/run_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>

#include "models/replace_file.hpp"

namespace tapesort {

RunFolder::RunFolder(const std::string& out, const std::string& save, bool resume) {
  if (!save.empty()) check_replaceable(save);
  if (out.empty()) return;
  const std::string file = out + "/.lock";
  check_replaceable(file);
  lock_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  const auto refuse = [&](const std::string& why) {
    if (lock_ >= 0) close(lock_);
    throw std::runtime_error(out + ": " + why + ", or use another folder");
  };
  // A file system without locks is used without.
  if (lock_ >= 0 && flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    refuse("another run is working here; wait for it");
  }
  if (!resume && std::filesystem::exists(out + "/" + checkpoint_name)) {
    refuse(std::string("a run has left its ") + checkpoint_name +
           " here; go on with it by --resume");
  }
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) close(lock_);
}

}  // namespace tapesort
