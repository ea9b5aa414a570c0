// What models report: the messages they print and the failures they raise.

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>

#include "model.h"

std::atomic<uint64_t> lauberhorn_failure_count{0};
std::mutex lauberhorn_create_mutex;

namespace {

// A model runs on the thread that evaluates it, so what it says belongs to that thread.
thread_local std::string t_message;  // last error text a model printed
thread_local std::string t_failure;  // first failure nobody has asked for yet

void fail(const char* file, int line, const std::string& text) {
    if (t_failure.empty()) {
        t_failure = text;
        if (text.empty()) t_failure = "$stop";
        if (file && *file && text.find(file) == std::string::npos) {
            t_failure += std::string(" at ") + file + ":" + std::to_string(line);
        }
    }
    t_message.clear();
    lauberhorn_failure_count.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

void lauberhorn_fail(const char* text) { fail("", 0, text); }

// An error text is kept for the failure that follows it; everything else ($display) goes to
// standard error, standard output belongs to the command.
int lauberhorn_print(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    const int length = std::vsnprintf(nullptr, 0, format, arguments);
    std::string text(length > 0 ? length + 1 : 1, '\0');
    std::vsnprintf(&text[0], text.size(), format, again);
    va_end(again);
    va_end(arguments);
    text.resize(std::strlen(text.c_str()));
    if (text.find("%Error") == std::string::npos) {
        std::fputs(text.c_str(), stderr);
    } else {
        while (!text.empty() && text.back() == '\n') text.pop_back();
        t_message = text;
    }
    return length;
}

void vl_finish(const char* file, int line, const char*) { fail(file, line, "$finish"); }

void vl_stop(const char* file, int line, const char*) { fail(file, line, t_message); }

void vl_stop_maybe(const char* file, int line, const char* scope, bool) {
    vl_stop(file, line, scope);
}

// Verilator does not expect its caller to go on, some of its loops end here only.
void vl_fatal(const char* file, int line, const char*, const char* text) {
    fail(file, line, text);
    throw LauberhornFatal{};
}

void vl_warn(const char* file, int line, const char*, const char* text) {
    std::fprintf(stderr, "%s:%d: %s\n", file ? file : "", line, text);
}

// Failures of all models so far.
extern "C" uint64_t lauberhorn_failures() { return count_failures(); }

// Moves this thread's first failure to `text` (cut to `size` bytes); returns its length.
extern "C" size_t lauberhorn_take_failure(char* text, size_t size) {
    const size_t length = t_failure.size() < size ? t_failure.size() : size;
    std::memcpy(text, t_failure.data(), length);
    t_failure.clear();
    return length;
}
