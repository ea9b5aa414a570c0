// Seen first by every C++ file that includes a Verilator header (see .cargo/config.toml), so that
// the runtime and all models agree on its settings. Cargo does not watch this file for the
// `verilated` crate: after a change run `cargo clean -p verilated`.
#ifndef LAUBERHORN_VERILATED_H_
#define LAUBERHORN_VERILATED_H_

// The `verilated` crate picks its calls by these numbers and knows those of 4.210 to be the
// closest to today's; its name for the rollover size is older still.
#undef VERILATOR_VERSION_MAJOR
#undef VERILATOR_VERSION_MINOR
#define VERILATOR_VERSION_MAJOR 4
#define VERILATOR_VERSION_MINOR 210
#define rolloverMB rolloverSize

// Simulated time belongs to a context, there is no global function for it.
#define VL_TIME_CONTEXT

// A failing model must not print on standard output nor end the process: runtime.cpp keeps the
// message and the model reports it.
#define VL_USER_FINISH
#define VL_USER_STOP
#define VL_USER_STOP_MAYBE
#define VL_USER_FATAL
#define VL_USER_WARN
void vl_stop_maybe(const char* file, int line, const char* scope, bool maybe);
#define VL_PRINTF lauberhorn_print
int lauberhorn_print(const char* format, ...) __attribute__((format(printf, 1, 2)));

#endif
