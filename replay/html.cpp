#include <cerrno>
#include <cstring>
#include <fstream>

#include "engine/check.hpp"
#include "replay/replay.hpp"
#include "replay/viewer.hpp"

namespace tapesort {

void to_html(const Replay& replay, const std::string& file) {
  errno = 0;
  std::ofstream out(file, std::ios::binary);
  out << R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<title>A tape</title>
<style>
html { color-scheme: light dark; }
body { margin: 1rem; font-family: system-ui, sans-serif; }
)" << detail::view_css
      << R"(</style>
</head>
<body>
<main>
<h1>A tape</h1>
<noscript>This page needs JavaScript.</noscript>
<div id="tape"></div>
</main>
<script type="application/json" id="replay">)"
      << to_json(replay) << R"(</script>
<script>
)" << detail::view_js
      << R"(tapeView(document.getElementById("tape"), JSON.parse(document.getElementById("replay").textContent));
</script>
</body>
</html>
)";
  out.close();
  if (!out) fault("to_html: ", file, " cannot be written: ", std::strerror(errno));
}

}  // namespace tapesort
