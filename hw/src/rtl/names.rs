//! Names that a signal of a body cannot have.

/// Keywords of SystemVerilog (IEEE 1800-2017, annex B).
const KEYWORDS: &str = "
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before
begin bind bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class
clocking cmos config const constraint context continue cover covergroup coverpoint cross deassign
default defparam design disable dist do edge else end endcase endchecker endclass endclocking
endconfig endfunction endgenerate endgroup endinterface endmodule endpackage endprimitive endprogram
endproperty endsequence endspecify endtable endtask enum event eventually expect export extends extern
final first_match for force foreach forever fork forkjoin function generate genvar global highz0
highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout
input inside instance int integer interconnect interface intersect join join_any join_none large let
liblist library local localparam logic longint macromodule matches medium modport module nand
negedge nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed
parameter pmos posedge primitive priority program property protected pull0 pull1 pulldown pullup
pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref
reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always
s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
signed small soft solve specify specparam static string strong strong0 strong1 struct super supply0
supply1 sync_accept_on sync_reject_on table tagged task this throughout time timeprecision timeunit
tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union unique unique0 unsigned
until until_with untyped use uwire var vectored virtual void wait wait_order wand weak weak0 weak1
while wildcard wire with within wor xnor xor";

/// A keyword, or of the form the emitter gives to intermediates (`n12`, `unused_...`).
pub(crate) fn is_reserved(name: &str) -> bool {
    let is_intermediate = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    KEYWORDS.split_whitespace().any(|keyword| keyword == name)
        || name.strip_prefix('n').is_some_and(is_intermediate)
        || name.starts_with("unused_")
}

#[cfg(test)]
mod tests {
    use super::is_reserved;

    #[test]
    fn keywords_and_intermediate_names_are_reserved() {
        for name in ["end", "priority", "n12", "unused_0", "until_with"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["end_q", "n", "n1x", "next", "rx$valid", "unused"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
