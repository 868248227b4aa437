#include "apps/run_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "models/replace_file.hpp"

namespace tapesort {

RunFolder::RunFolder(const std::string& out, const std::string& save, bool resume) {
  namespace fs = std::filesystem;
  if (!out.empty()) {
    for (const char* name : run_files) {
      const std::string file = out + "/" + name;
      check_replaceable(file);
      if (!save.empty() && fs::weakly_canonical(save) == fs::weakly_canonical(file)) {
        throw std::runtime_error(save + ": the run's own file; save the model under another name");
      }
    }
  }
  if (!save.empty()) check_replaceable(save);
  if (out.empty()) return;
  const std::string file = out + "/" + lock_name;
  lock_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  const int error = errno;
  const auto refuse = [&](const std::string& why) {
    if (lock_ >= 0) close(lock_);
    throw std::runtime_error(out + ": " + why + ", or use another folder");
  };
  // Not to know whether another run is here is no reason to go on.
  if (lock_ < 0)
    refuse(std::string("its ") + lock_name + " cannot be opened: " + std::strerror(error));
  // A file system without locks is used without.
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    refuse("another run is working here; wait for it");
  }
  if (!resume && fs::exists(out + "/" + checkpoint_name)) {
    refuse(std::string("a run has left its ") + checkpoint_name +
           " here; go on with it by --resume");
  }
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) close(lock_);
}

}  // namespace tapesort
