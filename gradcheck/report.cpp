#include <algorithm>
#include <cmath>
#include <cstdio>

#include "gradcheck/diagnosis.hpp"
#include "gradcheck/gradcheck.hpp"

namespace tapesort {
namespace {

using detail::number;

bool right(const GradcheckRow& row) { return row.wrong + row.unsettled == 0; }

std::string line_of(const GradcheckEntry& entry) {
  const double ratio = entry.analytic / entry.numeric + 0.0;  // no -0
  const char* digits = std::abs(ratio - 1) < 1e-3 ? "%.10g" : "%.6g";
  std::string text =
      entry.where + ": analytic " + number(entry.analytic, digits) + ", numeric " +
      number(entry.numeric, digits) + ", ratio " +
      (std::isnan(ratio) ? "-" : number(ratio, std::abs(ratio - 1) < 1e-3 ? "%.10g" : "%.4g"));
  switch (entry.verdict) {
    case GradcheckVerdict::unsettled:
      return text + "; differences do not settle (error " + number(entry.error, "%.1e") +
             "): f jumps here, or is noisy";
    default:
      if (entry.below == entry.above) return text;
      return text + "; a kink, slopes " + number(entry.below) + " below and " +
             number(entry.above) + " above";
  }
}

std::string text_of(const GradcheckRow& row) {
  std::string text = "input " + row.input + " " + detail::shape_text(row.shape) + ": ";
  if (row.compared == 0) return text + "empty\n";
  if (right(row)) {
    text += "right, " + std::to_string(row.compared) + " " + row.unit + ", worst relative error " +
            number(row.worst, "%.1e");
  } else {
    const std::size_t bad = row.wrong + row.unsettled;
    text += (row.wrong ? "WRONG, " : "UNSETTLED, ") + std::to_string(bad) + " of " +
            std::to_string(row.compared) + " " + row.unit;
  }
  if (!row.orders.empty()) {
    text += "; observed orders of f " + number(row.orders[0], "%.2f") + ", of the remainder " +
            number(row.orders[1], "%.2f") + " (1 and 2 expected)";
    if (row.orders.size() > 2) {
      text += ", less its second term " + number(row.orders[2], "%.2f") + " (3 expected)";
    }
  }
  if (row.kinks > 0) {
    text +=
        "; at a kink, between the slopes of its sides, and accepted: " + std::to_string(row.kinks);
  }
  text += "\n";
  if (!row.looks_like.empty()) text += "  looks like: " + row.looks_like + "\n";
  if (!right(row)) {
    for (const GradcheckEntry& entry : row.entries) text += "  " + line_of(entry) + "\n";
  }
  return text;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) < ' ') {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      result += escaped;
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string json_number(double x) { return std::isfinite(x) ? number(x, "%.17g") : "null"; }

template <class Items, class F> std::string list(const Items& items, const F& text) {
  std::string result;
  for (const auto& item : items) result += (result.empty() ? "" : ", ") + text(item);
  return "[" + result + "]";
}

std::string json_of(const GradcheckEntry& entry) {
  static const char* verdicts[] = {"right", "kink", "wrong", "unsettled"};
  return "{\"where\": " + quoted(entry.where) + ", \"verdict\": \"" +
         verdicts[static_cast<int>(entry.verdict)] +
         "\", \"analytic\": " + json_number(entry.analytic) +
         ", \"numeric\": " + json_number(entry.numeric) +
         ", \"error\": " + json_number(entry.error) + ", \"below\": " + json_number(entry.below) +
         ", \"above\": " + json_number(entry.above) + "}";
}

std::string json_of(const GradcheckRow& row) {
  const auto count = [](std::size_t n) { return std::to_string(n); };
  return "{\"input\": " + quoted(row.input) + ", \"shape\": " + list(row.shape, count) +
         ", \"ok\": " + (right(row) ? "true" : "false") + ", \"unit\": " + quoted(row.unit) +
         ", \"compared\": " + count(row.compared) + ", \"wrong\": " + count(row.wrong) +
         ", \"kinks\": " + count(row.kinks) + ", \"unsettled\": " + count(row.unsettled) +
         ", \"worst\": " + json_number(row.worst) + ", \"looks_like\": " + quoted(row.looks_like) +
         ", \"orders\": " + list(row.orders, json_number) + ", \"entries\": " +
         list(row.entries, [](const GradcheckEntry& entry) { return json_of(entry); }) + "}";
}

}  // namespace

bool GradcheckReport::ok() const {
  return failure.empty() && std::all_of(rows.begin(), rows.end(), right);
}

std::string GradcheckReport::text() const {
  if (!failure.empty()) return "gradcheck: " + failure + "\n";
  std::string text;
  for (const GradcheckRow& row : rows) text += text_of(row);
  return text;
}

std::string GradcheckReport::json() const {
  return std::string("{\"ok\": ") + (ok() ? "true" : "false") +
         ", \"failure\": " + quoted(failure) +
         ", \"rows\": " + list(rows, [](const GradcheckRow& row) { return json_of(row); }) + "}";
}

}  // namespace tapesort
