// Files that are either whole or as they were before: never half written.
//
// The content goes to FILE.part, which is flushed to the disk and renamed. A lock on FILE.part
// keeps two writers apart; one that a killed writer left is used again, so there is at most one.
// Every fault is a std::runtime_error of one line: the file and the system's reason.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tapesort {

// Makes the file's folder if need be, calls write(name) with the name of an empty file beside it,
// then renames that to `file`. When anything fails, the temporary file is removed and `file` is
// left as it was; what write threw is thrown on.
void replace_file(const std::string& file, const std::function<void(const std::string&)>& write);

// The same with the content at hand, in pieces.
void replace_file_content(const std::string& file, const std::vector<std::string_view>& pieces);

// Says now what would fail later: throws when replace_file could not write `file`.
void check_replaceable(const std::string& file);

}  // namespace tapesort
