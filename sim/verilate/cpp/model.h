// The C interface of a model, and its implementation over a Verilated class. A generated file per
// design adds the port table. `sim/src/model/ffi.rs` mirrors `LauberhornModel`.
#ifndef LAUBERHORN_MODEL_H_
#define LAUBERHORN_MODEL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "verilated.h"

// Failures so far, of all models and threads: a change makes a caller look for its own.
extern std::atomic<uint64_t> lauberhorn_failure_count;
// Initial values come from one seeded generator, of which the runtime has one per process.
extern std::mutex lauberhorn_create_mutex;

inline uint64_t count_failures() {
    return lauberhorn_failure_count.load(std::memory_order_relaxed);
}

struct LauberhornFatal {};
void lauberhorn_fail(const char* text);

extern "C" {
struct LauberhornModel {
    // A new model; registers and memories start with values drawn from `seed` (not 0), or with
    // zeros (`random` 0) or ones (1).
    void* (*create)(uint32_t seed, int random);
    void (*destroy)(void* model);
    // Runs `final` blocks.
    void (*finish)(void* model);
    // Where port `index` lives, for as long as the model.
    void* (*port)(void* model, size_t index);
    // Settles the model at a time in picoseconds; returns `lauberhorn_failure_count`.
    uint64_t (*eval)(void* model, uint64_t time_ps);
    // Makes (or stops making) the model's context the one that context-free calls of this thread
    // mean.
    void (*bind)(void* model, int on);
    // Opens a waveform file; 0 when the format is not compiled in or the file cannot be written.
    int (*fst_open)(void* model, const char* path);
    void (*fst_dump)(void* model, uint64_t time_ps);
    void (*fst_close)(void* model);
    // Registers the model with a VerilatedVcdC that is not open yet; 0 when not compiled in.
    int (*vcd_attach)(void* model, void* vcd);
    // The bare loop that other drivers are measured against: `cycles` clocks of the only clock,
    // inputs from `inputs` (all but the clock, in port order and storage size, `rows` cycles of
    // them, round and round).
    void (*replay)(void* model, const uint8_t* inputs, size_t rows, uint64_t cycles);
};
}

#if defined(LAUBERHORN_TRACE_FST)
#include "verilated_fst_c.h"
#elif defined(LAUBERHORN_TRACE_VCD)
#include "verilated_vcd_c.h"
#endif

// `Ports` is generated: `port(top, index)`, and for the bare loop `row_bytes`, `load(top, row)`
// and `clock(top, level)`.
template <class Top, class Ports>
struct LauberhornShim {
    VerilatedContext context;
    std::unique_ptr<Top> top;
#if defined(LAUBERHORN_TRACE_FST)
    std::unique_ptr<VerilatedFstC> fst;
#endif

    static LauberhornShim& of(void* model) { return *static_cast<LauberhornShim*>(model); }

    template <class Body>
    static bool guard(Body body) {
        try {
            body();
            return true;
        } catch (const LauberhornFatal&) {
            return false;  // already noted
        } catch (const std::exception& error) {
            lauberhorn_fail(error.what());
            return false;
        }
    }

    static void* create(uint32_t seed, int random) {
        const std::lock_guard<std::mutex> lock(lauberhorn_create_mutex);
        LauberhornShim* model = nullptr;
        const bool made = guard([&] {
            model = new LauberhornShim;  // binds its context to this thread
            model->context.randReset(random);
            model->context.randSeed(static_cast<int>(seed & 0x7fffffff));
            model->top.reset(new Top(&model->context));
        });
        Verilated::threadContextp(Verilated::defaultContextp());
        if (made) return model;
        delete model;
        return nullptr;
    }

    static void destroy(void* model) { delete static_cast<LauberhornShim*>(model); }

    static void finish(void* model) {
        guard([&] { of(model).top->final(); });
    }

    static void* port(void* model, size_t index) { return Ports::port(*of(model).top, index); }

    static uint64_t eval(void* model, uint64_t time_ps) {
        of(model).context.time(time_ps);
        guard([&] { of(model).top->eval(); });
        return count_failures();
    }

    static void bind(void* model, int on) {
        Verilated::threadContextp(on ? &of(model).context : Verilated::defaultContextp());
    }

    static int fst_open(void* model, const char* path) {
#if defined(LAUBERHORN_TRACE_FST)
        auto& self = of(model);
        const bool opened = guard([&] {
            self.fst.reset(new VerilatedFstC);
            self.top->trace(self.fst.get(), 99);
            self.fst->open(path);
        });
        if (opened && self.fst->isOpen()) return 1;
        self.fst.reset();
#else
        (void)model, (void)path;
#endif
        return 0;
    }

    static void fst_dump(void* model, uint64_t time_ps) {
#if defined(LAUBERHORN_TRACE_FST)
        if (of(model).fst) of(model).fst->dump(time_ps);
#else
        (void)model, (void)time_ps;
#endif
    }

    static void fst_close(void* model) {
#if defined(LAUBERHORN_TRACE_FST)
        if (of(model).fst) of(model).fst->close();
        of(model).fst.reset();
#else
        (void)model;
#endif
    }

    static int vcd_attach(void* model, void* vcd) {
#if defined(LAUBERHORN_TRACE_VCD)
        return guard([&] { of(model).top->trace(static_cast<VerilatedVcdC*>(vcd), 99); });
#else
        (void)model, (void)vcd;
        return 0;
#endif
    }

    static void replay(void* model, const uint8_t* inputs, size_t rows, uint64_t cycles) {
        Top& top = *of(model).top;
        guard([&] {
            size_t row = 0;
            for (uint64_t cycle = 0; cycle < cycles; ++cycle) {
                Ports::load(top, inputs + row * Ports::row_bytes);
                if (++row == rows) row = 0;
                Ports::clock(top, 0);
                top.eval();
                Ports::clock(top, 1);
                top.eval();
            }
        });
    }

    static constexpr LauberhornModel interface() {
        return {create, destroy, finish,   port,      eval,       bind,
                fst_open, fst_dump, fst_close, vcd_attach, replay};
    }
};

#endif
