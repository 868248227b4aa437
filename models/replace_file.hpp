// Files that are either whole or as they were before: never half written.
#pragma once

#include <functional>
#include <string>

namespace tapesort {

// Makes the file's folder if need be, calls write(name) with a name of a temporary file beside it,
// then renames that to `file`. When anything fails, the temporary file is removed and `file` is
// left as it was; std::runtime_error says why, or what write threw is thrown on.
void replace_file(const std::string& file, const std::function<void(const std::string&)>& write);

// The same with the content at hand.
void replace_file_content(const std::string& file, const std::string& content);

// Says now what would fail later: std::runtime_error when replace_file could not write `file`.
void check_replaceable(const std::string& file);

}  // namespace tapesort
